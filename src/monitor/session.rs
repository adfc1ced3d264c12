//! A connection, and the session of the user who logged in on it, as the monitor knows them.

use crate::credential::{Factor, SessionPublic};
use crate::ids::{ConnectionId, RunId, SessionId, StreamId};
use crate::ipc::Stage;
use crate::ledger::Charge;
use crate::source::Peer;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// A connection as the monitor knows it.
#[derive(Debug)]
pub struct Connection {
    /// How far it has come.
    pub stage: Stage,
    /// What a login must sign.
    pub nonce: [u8; 32],
    /// The server's key when it connected, which its login must name; a reload may have brought
    /// another since.
    pub server_key: crate::tls::Fingerprint,
    /// Where it comes from: the frontend's word until the login, then the kernel's.
    pub peer: Option<Peer>,
    /// Logins tried.
    pub tries: u32,
    /// Logins that were right but for a one-time code.
    pub codes_wanted: u32,
    /// Who is logged in.
    pub session: Option<Session>,
    /// The user's charge for the connection.
    pub charge: Option<Charge>,
    /// The streams that follow something: what, and the user's charge.
    pub follows: HashMap<StreamId, (Followed, Charge)>,
}

/// What a stream follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// The output of a run.
    Run(RunId),
    /// Runs as they begin and end.
    Runs,
    /// What happens in the room.
    Room,
}

/// An authenticated user with their session key.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user: Arc<str>,
    /// What verifies their requests.
    pub key: SessionPublic,
    /// The highest counter of a request so far.
    pub counter: u64,
    /// What it was proved by; it ends with that.
    pub factor: Factor,
    /// The kept login that it began with, or as which it is kept itself.
    pub kept: Option<SessionId>,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

/// Connections and sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    /// The connections, by number.
    pub connections: RefCell<HashMap<ConnectionId, Connection>>,
    /// Sessions whose link was lost, and that may come back; each with the number of its parking.
    pub parked: RefCell<HashMap<SessionId, (Session, u64)>>,
    /// Counts the parkings, so that the wait for one that came back and was lost again is not cut
    /// short.
    pub parkings: Cell<u64>,
    /// Rung when a connection is gone.
    pub gone: Notify,
}

impl Sessions {
    /// A stream follows this, and holds its share until it is over.
    pub fn hold(
        &self,
        (connection, stream): (ConnectionId, StreamId),
        followed: Followed,
        share: Charge,
    ) {
        if let Some(known) = self.connections.borrow_mut().get_mut(&connection) {
            known.follows.insert(stream, (followed, share));
        }
    }

    /// A stream is over, and holds nothing any more.
    pub fn let_go(&self, (connection, stream): (ConnectionId, StreamId)) {
        if let Some(known) = self.connections.borrow_mut().get_mut(&connection) {
            known.follows.remove(&stream);
        }
    }
}
