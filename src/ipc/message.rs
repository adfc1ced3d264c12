//! The messages. Every field of the frontend's is untrusted to the monitor.

use crate::exit::{Counts, End};
use crate::ids::{ConnectionId, StreamId};
use crate::policy::Network;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the frontend says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMonitor {
    /// It is confined and listens.
    Ready {
        /// What Landlock enforces.
        landlock: String,
        /// The user it runs as now.
        uid: u32,
    },
    /// The answer to [`ToFrontend::Ping`].
    Alive,
    /// A client passed the handshake.
    Hello {
        /// Its number.
        connection: ConnectionId,
        /// Address and port by the frontend's word.
        source: String,
        /// The nonce that it was given, out of the stock; with none, one is wanted.
        nonce: Option<[u8; 32]>,
    },
    /// A login. Comes with the client's socket, whose peer the monitor asks for itself.
    Login {
        /// Its number.
        connection: ConnectionId,
        /// The signed text.
        signed: String,
        /// Its signature, base64.
        signature: String,
        /// The password, or nothing.
        password: SecretValue,
        /// The SSH key's signature, base64, or nothing.
        key_signature: String,
        /// The one-time code, or nothing.
        code: SecretValue,
        /// The TLS exporter, by the frontend's word.
        exporter: Option<[u8; 32]>,
    },
    /// A signed request.
    Request {
        /// Its connection.
        connection: ConnectionId,
        /// Its stream.
        stream: StreamId,
        /// The signed text.
        signed: String,
        /// Its signature, base64.
        signature: String,
        /// Secrets by name: value and salt.
        secrets: Vec<(String, SecretValue, String)>,
    },
    /// The client has given up a stream, or broken its rules; the run's on-disconnect rule applies.
    Leave {
        /// Its connection.
        connection: ConnectionId,
        /// Its stream.
        stream: StreamId,
    },
    /// An event has come to a client's connection, or could not.
    Taken {
        /// Its connection.
        connection: ConnectionId,
        /// Its stream.
        stream: StreamId,
        /// Whether it goes to the client; otherwise it is lost.
        kept: bool,
    },
    /// A run was not taken up by this stream, which asked for bytes that are not kept; whoever had
    /// it has it still.
    NotTakenUp {
        /// The run's id.
        run: [u8; 10],
        /// The connection that has asked.
        connection: ConnectionId,
        /// Its stream.
        stream: StreamId,
    },
    /// A run's output was read to its end.
    Finished {
        /// The run's id.
        run: [u8; 10],
        /// Bytes written to its standard input.
        stdin: u64,
        /// Bytes read of its standard output.
        stdout: u64,
        /// Bytes read of its standard error.
        stderr: u64,
        /// Whether more came than was passed on.
        cut: bool,
        /// Whether somebody still held its output open.
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
        /// 0, 1 or 2.
        descriptor: u8,
    },
    /// A run has reached a bound that the frontend watches.
    Exceeded {
        /// The run's id.
        run: [u8; 10],
        /// Which.
        bound: Bound,
    },
    /// A client broke the protocol.
    Violation {
        /// Its number.
        connection: ConnectionId,
        /// What it did.
        text: String,
    },
    /// A client that nobody knows did something that sources are made to pay for.
    Misdeed {
        /// Its address, by the frontend's word.
        source: IpAddr,
        /// What.
        misdeed: Misdeed,
    },
    /// A connection is gone.
    Gone {
        /// Its number.
        connection: ConnectionId,
        /// Whether its link was lost under a user who was logged in, and the client knows how to
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
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The frontend's settings. Comes with descriptors: certificate chain, key, client CA when there is
/// one, and at the start the listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontend {
    /// Bounds.
    pub limits: Limits,
    /// How logs are written.
    pub logs: Logs,
    /// Whether they belong to the service manager, and stay open for the next daemon.
    pub listeners_stay: bool,
    /// The user and group to become, when started as root.
    pub identity: Option<(u32, u32)>,
    /// The random name of this start of the daemon.
    pub instance: String,
    /// The first connection's number: numbers go on when a frontend is replaced.
    pub first_connection: ConnectionId,
    /// Worker threads.
    pub threads: u32,
}

/// How a login went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Accepted.
    Accepted {
        /// The session.
        session: String,
        /// The user.
        user: String,
        /// For how many seconds the login is kept.
        kept_s: Option<u64>,
    },
    /// Refused; the code's number.
    Refused {
        /// See [`crate::protocol::Code`].
        code: u16,
    },
}

/// What holds for a run in the frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRules {
    /// Bytes of standard input at the most; `None` where none is taken.
    pub stdin: Option<u64>,
    /// When it will be ended.
    pub timeout_ms: Option<u64>,
    /// Whether it goes on without its client, and without this frontend.
    pub outlives_client: bool,
    /// How long a client whose link is lost may come back.
    pub resume_ms: u64,
    /// Milliseconds without output after which the monitor wants to hear of it.
    pub idle_ms: Option<u64>,
    /// Bytes of output that are passed on; the monitor wants to hear of more.
    pub output_max: Option<u64>,
    /// Bytes of each output stream that its spool keeps.
    pub capacity: u64,
    /// Whether it sits at a terminal, which is its input and its only output.
    pub terminal: bool,
}

/// How a run ended, and what its streams carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// By the monitor.
    pub end: End,
    /// By the frontend's count.
    pub counts: Counts,
}

/// What a client did before it was known who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Misdeed {
    /// It did not try to log in.
    NoLogin,
    /// It took too long.
    Deadline,
    /// It broke the protocol.
    Violation,
}

/// Which bound a run has reached, by the frontend's clock or count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// It wrote nothing for too long.
    Idle,
    /// It wrote too much.
    Output,
    /// More input came than it takes.
    Input,
}

/// What the monitor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToFrontend {
    /// Settings, at the start and after a reload.
    Configure(Box<Frontend>),
    /// A sign of life is wanted.
    Ping,
    /// Connections from there are closed at once, for so long; 0 is no longer.
    CloseOut {
        /// From where.
        network: Network,
        /// For how long.
        milliseconds: u64,
    },
    /// Nobody is closed out any more, but for those who are named after this.
    LetIn,
    /// Nonces for the stock: the first of them, and then one for each that was used.
    Nonces(Vec<[u8; 32]>),
    /// The nonce that was wanted.
    Challenge {
        /// For this connection.
        connection: ConnectionId,
        /// 32 random bytes.
        nonce: [u8; 32],
    },
    /// How a login went.
    Login {
        /// For this connection.
        connection: ConnectionId,
        /// How.
        outcome: Outcome,
    },
    /// A part of an answer's JSON.
    Answer {
        /// For this connection.
        connection: ConnectionId,
        /// And stream.
        stream: StreamId,
        /// The next bytes.
        part: Vec<u8>,
        /// Whether they are the last.
        last: bool,
    },
    /// Something that has happened, for a stream that follows.
    Event {
        /// For this connection.
        connection: ConnectionId,
        /// And stream.
        stream: StreamId,
        /// The payload of EVENT.
        payload: Vec<u8>,
    },
    /// The request was refused or could not be done.
    Refused {
        /// For this connection.
        connection: ConnectionId,
        /// And stream.
        stream: StreamId,
        /// The code's number.
        code: u16,
        /// For people.
        text: String,
        /// The argument it is about.
        argument: Option<String>,
        /// The rule that decided.
        rule: Option<String>,
    },
    /// The run waits for its turn.
    Queued {
        /// For this connection.
        connection: ConnectionId,
        /// And stream.
        stream: StreamId,
        /// Its id.
        run: [u8; 10],
        /// What it waits for, for people.
        text: String,
    },
    /// The run has started. Comes with its spool, its standard output and error, and input when it
    /// takes any.
    Started {
        /// For this connection.
        connection: ConnectionId,
        /// And stream.
        stream: StreamId,
        /// Its id.
        run: [u8; 10],
        /// What holds for it.
        rules: RunRules,
    },
    /// A run whose frontend is gone goes on with this one. Comes with its spool, and those of
    /// standard output, standard error and a terminal's input that are still open.
    Adopt {
        /// Its id.
        run: [u8; 10],
        /// What holds for it.
        rules: RunRules,
    },
    /// Somebody may see a run's output. Comes with its spool.
    Attach {
        /// For this connection.
        connection: ConnectionId,
        /// And stream.
        stream: StreamId,
        /// The run's id.
        run: [u8; 10],
        /// Bytes of each stream that its spool keeps.
        capacity: u64,
        /// From which offsets, standard output and error; `None` is the first that is kept.
        from: [Option<u64>; 2],
        /// Whether to stay until the run's end.
        follow: bool,
        /// Whether the run's own session takes it up again.
        resume: bool,
        /// How it ended, when it has.
        ended: Option<Ended>,
    },
    /// The run's processes are gone.
    Exited {
        /// The run's id.
        run: [u8; 10],
        /// How.
        end: End,
    },
    /// The connection must end.
    Close {
        /// This connection.
        connection: ConnectionId,
        /// The code's number.
        code: u16,
    },
    /// The daemon is stopping: accept nothing new, tell the clients.
    Drain,
}
