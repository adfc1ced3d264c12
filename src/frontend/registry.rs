//! Which task serves which connection, so that the monitor's messages find it.

use crate::ids::ConnectionId;
use crate::ipc::ToFrontend;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// A message of the monitor's with its descriptors.
pub type FromMonitor = (ToFrontend, Vec<OwnedFd>);

/// Messages that may wait for one connection: a few for each stream it may have, so that an honest monitor never
/// finds it full.
pub const WAITING: usize = 1024;

/// The tasks by connection.
#[derive(Debug, Default)]
pub struct Registry(Mutex<HashMap<ConnectionId, mpsc::Sender<FromMonitor>>>);

impl Registry {
    /// A connection's task will take its messages here.
    pub fn enter(&self, number: ConnectionId) -> mpsc::Receiver<FromMonitor> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        receiver
    }

    /// The connection is gone.
    pub fn leave(&self, number: ConnectionId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// Passes a message on. For a connection that is gone it is dropped, and its descriptors with it: the command then
    /// sees its output closed.
    pub fn pass_on(&self, message: ToFrontend, descriptors: Vec<OwnedFd>) {
        let number = match &message {
            ToFrontend::Challenge { connection, .. }
            | ToFrontend::Login { connection, .. }
            | ToFrontend::Answer { connection, .. }
            | ToFrontend::Refused { connection, .. }
            | ToFrontend::Started { connection, .. }
            | ToFrontend::Exited { connection, .. }
            | ToFrontend::Close { connection, .. } => *connection,
            ToFrontend::Configure(_) | ToFrontend::Drain => return,
        };
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        if let Some(sender) = sender
            && sender.try_send((message, descriptors)).is_err()
        {
            tracing::debug!(connection = number, "a message for a connection that is gone");
        }
    }
}
