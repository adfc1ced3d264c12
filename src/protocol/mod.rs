//! The wire, as PROTOCOL.md says it: frames, control messages, signed texts, error codes. Pure.

mod code;
mod envelope;
mod frame;
mod local;
mod login;
mod message;
mod receipt;
mod signed;

pub use code::Code;
pub use frame::{
    Decoder, Frame, FrameFault, HEADER, Kind, Payload, Phase, Promise, Sender, encode, encode_into,
    header,
};
pub use local::{LocalFault, local_text, read_local};
pub use login::{
    LOGIN_CONTEXT, LOGINS_CONTEXT, LOGINS_NAMESPACE, LoginText, Method, SESSION_CONTEXT,
    SSH_NAMESPACE, read_login,
};
pub use message::{
    Credit, Ended, Event, Failure, Gathered, Goaway, Hello, LoggedIn, Login, Nothing, Open, Ping,
    Queued, Resize, Started, read, write,
};
pub use receipt::{RECEIPT_CONTEXT, ReceiptText};
pub use signed::{
    REQUEST_CONTEXT, RequestFault, RequestName, RequestText, SignedRequest, read_request,
    request_text,
};

/// The version this program speaks; also the ALPN name's number.
pub const VERSION: u32 = 1;
/// The protocol's name in the TLS handshake.
pub const ALPN: &[u8] = b"ordain/1";
/// The label of the TLS exporter that a login is bound to (32 bytes, no context).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-ordain-login";
/// The feature of HELLO that says: after a lost link this side knows how to go on.
pub const RESUME: &str = "resume";
/// The feature of HELLO that says: this server can be followed (EVENT).
pub const EVENTS: &str = "events";
/// The feature of HELLO that says: this client wants to know how long a stop of the server takes.
pub const STOPPING: &str = "stopping";
/// The feature of HELLO that says: a request may leave with the login.
pub const EARLY: &str = "early";
/// The feature of HELLO that says: a login may share an SSH key's signature with others.
pub const GATHERED: &str = "gathered";
/// The feature of HELLO that says: this side knows windows of streams that grow.
pub const WINDOW: &str = "window";
/// The feature of HELLO that says: this server knows runs that begin by themselves.
pub const UNATTENDED: &str = "unattended";
/// Where the daemon listens unless told otherwise.
pub const PORT: u16 = 7424;
