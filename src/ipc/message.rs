//! The messages. Every field of the frontend's is untrusted to the monitor.

use crate::exit::{Counts, End};
use crate::ids::{ConnectionId, StreamId};
use crate::policy::Network;
use crate::protocol::Gathered;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the frontend says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMonitor {
    /// The frontend is confined and listens.
    Ready {
        /// What Landlock enforces.
        landlock: String,
        /// The user id that the frontend runs as now.
        uid: u32,
    },
    /// The answer to [`ToFrontend::Ping`].
    Alive,
    /// A client passed the handshake.
    Hello {
        /// The connection's number.
        connection: ConnectionId,
        /// The client's address and port, by the frontend's word.
        source: String,
        /// The nonce that the client was given, out of the stock; with none, one is wanted.
        nonce: Option<[u8; 32]>,
    },
    /// A login. Comes with the client's socket, whose peer the monitor asks for itself.
    Login {
        /// The connection's number.
        connection: ConnectionId,
        /// The login's text, as it was signed.
        signed: String,
        /// The session key's signature of the text, base64.
        signature: String,
        /// The password, or nothing.
        password: SecretValue,
        /// The SSH key's signature, base64, or nothing.
        key_signature: String,
        /// Where the login stands among those that share that signature.
        gathered: Option<Gathered>,
        /// The one-time code, or nothing.
        code: SecretValue,
        /// The TLS exporter, by the frontend's word.
        exporter: Option<[u8; 32]>,
    },
    /// A signed request.
    Request {
        /// The connection's number.
        connection: ConnectionId,
        /// The stream that the request has opened.
        stream: StreamId,
        /// The request's text, as it was signed.
        signed: String,
        /// The session key's signature of the text, base64.
        signature: String,
        /// Secrets by name: value and salt.
        secrets: Vec<(String, SecretValue, String)>,
    },
    /// The client has given up a stream, or broken its rules; the run's on-disconnect rule applies.
    Leave {
        /// The connection's number.
        connection: ConnectionId,
        /// The stream that was given up.
        stream: StreamId,
    },
    /// An event has come to a client's connection, or could not.
    Taken {
        /// The connection's number.
        connection: ConnectionId,
        /// The stream that the event is for.
        stream: StreamId,
        /// Whether the event goes to the client; otherwise it is lost.
        kept: bool,
    },
    /// A run was not taken up by this stream, which asked for bytes that are not kept; whoever had
    /// it has it still.
    NotTakenUp {
        /// The run's id.
        run: [u8; 10],
        /// The connection that has asked.
        connection: ConnectionId,
        /// The stream of that connection.
        stream: StreamId,
    },
    /// A run's output was read to its end.
    Finished {
        /// The run's id.
        run: [u8; 10],
        /// Bytes written to the run's standard input.
        stdin: u64,
        /// Bytes read of the run's standard output.
        stdout: u64,
        /// Bytes read of the run's standard error.
        stderr: u64,
        /// Whether more output came than was passed on.
        cut: bool,
        /// Whether somebody still held the run's output open.
        held_open: bool,
    },
    /// The client of a run that may outlive it went away in the middle of the input.
    CutShort {
        /// The run's id.
        run: [u8; 10],
    },
    /// The frontend is done with one of a run's pipes; the monitor's duplicate would hide that from
    /// the command.
    Closed {
        /// The run's id.
        run: [u8; 10],
        /// Which pipe: 0 for standard input, 1 for output, 2 for error.
        descriptor: u8,
    },
    /// A run has reached a bound that the frontend watches.
    Exceeded {
        /// The run's id.
        run: [u8; 10],
        /// Which bound the run has reached.
        bound: Bound,
    },
    /// A run's way is longer than its window; the user is to be charged for a wider one.
    Widen {
        /// The run's id.
        run: [u8; 10],
        /// Which of the run's windows.
        way: Way,
    },
    /// The frontend has moved a run's output into the spool that it was given for that.
    Moved {
        /// The run's id.
        run: [u8; 10],
    },
    /// A window that was opened further is as wide as at first again.
    Narrowed {
        /// The run's id.
        run: [u8; 10],
        /// Which of the run's windows.
        way: Way,
    },
    /// A client broke the protocol.
    Violation {
        /// The connection's number.
        connection: ConnectionId,
        /// What the client did.
        text: String,
    },
    /// A client that nobody knows did something that sources are made to pay for.
    Misdeed {
        /// The client's address, by the frontend's word.
        source: IpAddr,
        /// What the client did.
        misdeed: Misdeed,
    },
    /// A client may have seen a nonce out of the stock, and did not come past its handshake.
    Spoilt {
        /// The nonce, which nobody gets any more.
        nonce: [u8; 32],
    },
    /// A connection is gone.
    Gone {
        /// The connection's number.
        connection: ConnectionId,
        /// Whether the link was lost under a user who was logged in, and the client knows how to
        /// come back.
        lost: bool,
    },
}

/// A secret on its way; wiped when dropped, hidden in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct SecretValue(pub String);

impl Drop for SecretValue {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SecretValue(…)")
    }
}

/// Bounds that the frontend keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Connections in all.
    pub connections: u32,
    /// Connections from one address.
    pub connections_per_source: u32,
    /// Connections that have not logged in yet.
    pub connections_before_login: u32,
    /// Streams at once on one connection.
    pub streams_per_connection: u32,
    /// Milliseconds for the TLS handshake.
    pub handshake_ms: u64,
    /// Milliseconds from the handshake to the login.
    pub login_ms: u64,
    /// Bits of an IPv4 and of an IPv6 address that are one source when it comes to penalties.
    pub prefixes: (u8, u8),
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Logs {
    /// Logs are text, for people.
    Text,
    /// Logs are text for the journal, which has the time itself and is told the priority.
    Journal,
    /// Logs are JSON, for machines.
    Json,
}

/// The frontend's settings. Comes with descriptors: certificate chain, key, client CA when there is
/// one, and at the start the listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontend {
    /// The bounds that the frontend keeps.
    pub limits: Limits,
    /// How logs are written.
    pub logs: Logs,
    /// Whether the listeners belong to the service manager, and stay open for the next daemon.
    pub listeners_stay: bool,
    /// The user and group to become, when started as root.
    pub identity: Option<(u32, u32)>,
    /// The random name of this start of the daemon.
    pub instance: String,
    /// The first connection's number: numbers go on when a frontend is replaced.
    pub first_connection: ConnectionId,
    /// How many worker threads the frontend has.
    pub threads: u32,
}

/// How a login went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The login is accepted.
    Accepted {
        /// The id of the session.
        session: String,
        /// The name of the user.
        user: String,
        /// For how many seconds the login is kept.
        kept_s: Option<u64>,
    },
    /// The login is refused.
    Refused {
        /// The number of a [`crate::protocol::Code`].
        code: u16,
    },
}

/// What holds for a run in the frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRules {
    /// Bytes of standard input at the most; `None` where none is taken.
    pub stdin: Option<u64>,
    /// Milliseconds from the start after which the run will be ended.
    pub timeout_ms: Option<u64>,
    /// Whether the run goes on without its client, and without this frontend.
    pub outlives_client: bool,
    /// Milliseconds for which a client whose link is lost may come back.
    pub resume_ms: u64,
    /// Milliseconds without output after which the monitor wants to hear of it.
    pub idle_ms: Option<u64>,
    /// Bytes of output that are passed on; the monitor wants to hear of more.
    pub output_max: Option<u64>,
    /// Bytes of each output stream that the run's spool keeps.
    pub capacity: u64,
    /// The kind of the terminal that the run sits at, where it does: it is its input and its only
    /// output.
    pub terminal: Option<String>,
}

/// How a run ended, and what its streams carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How the run ended, by the monitor's word.
    pub end: End,
    /// What the run's streams carried, by the frontend's count.
    pub counts: Counts,
}

/// What a client did before it was known who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Misdeed {
    /// The client did not try to log in.
    NoLogin,
    /// The client took too long.
    Deadline,
    /// The client broke the protocol.
    Violation,
}

/// Which of a run's two windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// What comes from the client, for the command.
    Input,
    /// What comes from the command, for the client.
    Output,
}

/// Which bound a run has reached, by the frontend's clock or count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// The command wrote nothing for too long.
    Idle,
    /// The command wrote too much.
    Output,
    /// More input came than the command takes.
    Input,
}

/// What the monitor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToFrontend {
    /// The frontend's settings, at the start and after a reload.
    Configure(Box<Frontend>),
    /// A sign of life is wanted.
    Ping,
    /// Connections from a network are closed at once, for so long.
    CloseOut {
        /// The network that is closed out.
        network: Network,
        /// For how many milliseconds; 0 lets the network in again.
        milliseconds: u64,
    },
    /// Nobody is closed out any more, but for those who are named after this.
    LetIn,
    /// Nonces for the stock: the first of them, and then one for each that was used.
    Nonces(Vec<[u8; 32]>),
    /// The nonce that was wanted for a connection.
    Challenge {
        /// The connection that it is for.
        connection: ConnectionId,
        /// 32 random bytes.
        nonce: [u8; 32],
    },
    /// How the login on a connection went.
    Login {
        /// The connection that it is for.
        connection: ConnectionId,
        /// Whether the login is accepted, and what follows.
        outcome: Outcome,
    },
    /// A part of an answer's JSON.
    Answer {
        /// The connection that it is for.
        connection: ConnectionId,
        /// The stream of that connection that it is for.
        stream: StreamId,
        /// The next bytes of the answer.
        part: Vec<u8>,
        /// Whether these bytes are the last.
        last: bool,
    },
    /// Something that has happened, for a stream that follows.
    Event {
        /// The connection that it is for.
        connection: ConnectionId,
        /// The stream of that connection that it is for.
        stream: StreamId,
        /// The payload of EVENT.
        payload: Vec<u8>,
    },
    /// The request was refused or could not be done.
    Refused {
        /// The connection that it is for.
        connection: ConnectionId,
        /// The stream of that connection that it is for.
        stream: StreamId,
        /// The code's number.
        code: u16,
        /// The refusal in a sentence for people.
        text: String,
        /// The argument that the refusal is about.
        argument: Option<String>,
        /// The rule that decided, with its place.
        rule: Option<String>,
    },
    /// The run waits for its turn.
    Queued {
        /// The connection that it is for.
        connection: ConnectionId,
        /// The stream of that connection that it is for.
        stream: StreamId,
        /// The run's id.
        run: [u8; 10],
        /// What the run waits for, for people.
        text: String,
    },
    /// The run has started. Comes with its spool, its standard output and error, and input when it
    /// takes any.
    Started {
        /// The connection that it is for.
        connection: ConnectionId,
        /// The stream of that connection that it is for.
        stream: StreamId,
        /// The run's id.
        run: [u8; 10],
        /// What holds for the run.
        rules: RunRules,
    },
    /// A run whose frontend is gone goes on with this one. Comes with the run's spool, and with its
    /// standard output, standard error and a terminal's input where they are still open.
    Adopt {
        /// The run's id.
        run: [u8; 10],
        /// What holds for the run.
        rules: RunRules,
    },
    /// Somebody may see a run's output. Comes with the run's spool.
    Attach {
        /// The connection that it is for.
        connection: ConnectionId,
        /// The stream of that connection that it is for.
        stream: StreamId,
        /// The run's id.
        run: [u8; 10],
        /// Bytes of each stream that the run's spool keeps.
        capacity: u64,
        /// From which offsets, standard output and error; `None` is the first that is kept.
        from: [Option<u64>; 2],
        /// Whether to stay until the run's end.
        follow: bool,
        /// Whether the run's own session takes it up again.
        resume: bool,
        /// How the run ended, when it has.
        ended: Option<Ended>,
    },
    /// The user was charged for a wider window of the run's input.
    Widened {
        /// The run's id.
        run: [u8; 10],
    },
    /// The run's output is to be kept in another spool, which comes along.
    Move {
        /// The run's id.
        run: [u8; 10],
        /// Bytes of each stream that the new spool keeps.
        capacity: u64,
    },
    /// The run's windows are to be as wide as at first: its user needs the memory.
    Narrow {
        /// The run's id.
        run: [u8; 10],
    },
    /// The run's processes are gone.
    Exited {
        /// The run's id.
        run: [u8; 10],
        /// How the run ended.
        end: End,
    },
    /// The connection must end.
    Close {
        /// The connection's number.
        connection: ConnectionId,
        /// The code's number.
        code: u16,
    },
    /// The daemon is stopping: tell the clients.
    Drain {
        /// Milliseconds that the stop may take at the most.
        milliseconds: u64,
    },
    /// The stop is over but for the last words: accept nobody any more.
    AcceptNobody,
}
