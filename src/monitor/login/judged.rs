//! A login as it came, what it must be bound to, and what it came to.

use crate::credential::{Factor, SessionPublic};
use crate::ids::SessionId;
use crate::ipc::SecretValue;
use crate::monitor::access::Refused;
use crate::monitor::session::Session;
use crate::protocol::{Gathered, Method};
use crate::source::Source;
use std::time::Duration;

/// A login as it came.
pub struct Proof {
    /// The signed text.
    pub signed: String,
    /// Its signature, base64.
    pub signature: String,
    /// The password, or nothing.
    pub password: SecretValue,
    /// The SSH key's signature, or nothing.
    pub key_signature: String,
    /// Where the login stands among those that share that signature.
    pub gathered: Option<Gathered>,
    /// The one-time code, or nothing.
    pub code: SecretValue,
    /// The TLS exporter, by the frontend's word.
    pub exporter: Option<[u8; 32]>,
}

impl Proof {
    /// Whether anything of it is an SSH key's.
    pub const fn by_a_key(&self) -> bool {
        !self.key_signature.is_empty() || self.gathered.is_some()
    }
}

/// What a proof must be bound to.
pub struct Bound {
    /// What this connection's login must sign.
    pub nonce: [u8; 32],
    /// The certificate's key that the client has seen.
    pub server_key: [u8; 32],
    /// Where the client is, by the kernel's word.
    pub source: Source,
}

/// What a login came to.
pub struct Judged {
    /// In whose name it came.
    pub user: String,
    /// By which method, where the text said one.
    pub method: Option<Method>,
    /// What the verification itself took, for operators who choose its cost.
    pub verified_in: Duration,
    /// The signed text.
    pub signed: String,
    /// Its signature.
    pub signature: String,
    /// By which SSH key, if by one.
    pub key_signature: String,
    /// Where it stands among those that share that signature.
    pub gathered: Option<Gathered>,
    /// What was proved, or why it is refused.
    pub outcome: Result<Proved, Refused>,
}

/// What was proved.
pub enum Proved {
    /// Who somebody is; a session with this key begins.
    User(Proven),
    /// The key of a session whose link was lost.
    Session(Session),
}

/// Who somebody is, and by what.
pub struct Proven {
    /// The key of the session that begins.
    pub key: SessionPublic,
    /// What proved it.
    pub factor: Factor,
    /// The kept login that proved it.
    pub kept: Option<SessionId>,
    /// Whether this one is to be kept.
    pub keep: bool,
}
