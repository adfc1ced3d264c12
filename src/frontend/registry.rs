//! Which task serves which connection, so that the monitor's messages find it.

use super::live::{Live, Pipes};
use crate::ids::{ConnectionId, StreamId};
use crate::ipc::{Manifest, ToFrontend};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// What comes for a connection.
#[derive(Debug)]
pub enum FromMonitor {
    /// A message with its descriptors.
    Message(ToFrontend, Manifest),
    /// A run that the connection asked for has started.
    Started(StreamId, Arc<Live>, Pipes),
}

/// Messages that may wait for one connection: a few for each stream it may have, so that an honest
/// monitor never finds it full.
pub const WAITING: usize = 1024;

/// The tasks by connection.
#[derive(Debug, Default)]
pub struct Registry(Mutex<Tasks>);

#[derive(Debug, Default)]
struct Tasks {
    by_connection: HashMap<ConnectionId, mpsc::Sender<Box<FromMonitor>>>,
    /// Whether nothing will come any more.
    closed: bool,
}

impl Registry {
    /// Enters a connection, whose task will take its messages here.
    pub fn enter(&self, number: ConnectionId) -> mpsc::Receiver<Box<FromMonitor>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !tasks.closed {
            tasks.by_connection.insert(number, sender);
        }
        receiver
    }

    /// Removes a connection that is gone.
    pub fn leave(&self, number: ConnectionId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_connection
            .remove(&number);
    }

    /// Removes all connections, since the monitor is gone: every task finds the end of its
    /// messages.
    pub fn close(&self) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.closed = true;
        tasks.by_connection.clear();
    }

    /// Passes something on; given back when the connection is gone.
    pub fn pass_on(
        &self,
        connection: ConnectionId,
        what: Box<FromMonitor>,
    ) -> Result<(), Box<FromMonitor>> {
        let sender = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_connection
            .get(&connection)
            .cloned();
        match sender {
            None => Err(what),
            Some(sender) => sender.try_send(what).map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(what) | mpsc::error::TrySendError::Closed(what) => {
                    what
                }
            }),
        }
    }
}

/// The connection that a message is for.
pub const fn connection_of(message: &ToFrontend) -> Option<ConnectionId> {
    match message {
        ToFrontend::Challenge { connection, .. }
        | ToFrontend::Login { connection, .. }
        | ToFrontend::Answer { connection, .. }
        | ToFrontend::Event { connection, .. }
        | ToFrontend::Refused { connection, .. }
        | ToFrontend::Queued { connection, .. }
        | ToFrontend::Started { connection, .. }
        | ToFrontend::Attach { connection, .. }
        | ToFrontend::Close { connection, .. } => Some(*connection),
        ToFrontend::Configure(_)
        | ToFrontend::Nonces(_)
        | ToFrontend::CloseOut { .. }
        | ToFrontend::LetIn
        | ToFrontend::Ping
        | ToFrontend::Drain { .. }
        | ToFrontend::AcceptNobody
        | ToFrontend::Adopt { .. }
        | ToFrontend::Widened { .. }
        | ToFrontend::Move { .. }
        | ToFrontend::Narrow { .. }
        | ToFrontend::Exited { .. } => None,
    }
}
