//! The way to the frontend: what is known of the one that is there, and telling it something.

use super::denied::Denied;
use crate::ids::{ConnectionId, StreamId};
use crate::ipc::{Channel, Manifest, ToFrontend};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

/// The way to the frontend.
#[derive(Debug, Default)]
pub struct Link {
    /// The channel, while there is a frontend.
    pub frontend: RefCell<Option<Rc<Channel>>>,
    /// Whether the frontend is confined and listens; before that it is told its settings only.
    pub ready: Cell<bool>,
    /// What the frontend reported of its sandbox: Landlock, and the user id it runs as.
    pub confinement: RefCell<Option<(String, u32)>>,
    /// Nonces that the frontend has in stock: nobody has logged in with them.
    pub nonces: RefCell<HashSet<[u8; 32]>>,
    /// The highest connection's number that a frontend has named; the next frontend goes on behind
    /// it.
    pub highest: Cell<ConnectionId>,
    /// Whether the listeners are the service manager's, and stay open for the next daemon.
    pub listeners_stay: bool,
    /// The addresses that the daemon listens on.
    pub addresses: RefCell<Vec<SocketAddr>>,
}

impl Link {
    /// Sends to the frontend, now or as soon as its queue has room. Lost when the frontend is.
    pub fn tell(&self, message: ToFrontend) {
        let channel = self.frontend.borrow().clone();
        let Some(channel) = channel.filter(|_| self.ready.get()) else {
            return;
        };
        match channel.try_send(&message) {
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                tokio::task::spawn_local(async move {
                    let _ = channel.send(&message, &Manifest::default()).await;
                });
            }

            _ => {}
        }
    }

    /// Sends to the frontend with descriptors, in the order of the calling task.
    pub async fn tell_with(&self, message: ToFrontend, manifest: Manifest) {
        // What is told too early would be told twice: what outlives a frontend is handed on when
        // the next is ready.
        let early = !self.ready.get() && !matches!(message, ToFrontend::Configure(_));
        let channel = self.frontend.borrow().clone();
        let Some(channel) = channel.filter(|_| !early) else {
            return;
        };
        if let Err(fault) = channel.send(&message, &manifest).await {
            tracing::debug!(%fault, "the frontend did not take a message");
        }
    }

    /// Tells a stream that its request is refused.
    pub fn refuse(&self, (connection, stream): (ConnectionId, StreamId), why: Denied) {
        self.tell(ToFrontend::Refused {
            connection,
            stream,
            code: why.code.number(),
            text: shorten(why.text),
            argument: why.argument.map(shorten),
            rule: why.rule,
        });
    }
}

/// A sentence that fits into a frame, whatever a client made it quote.
fn shorten(text: String) -> String {
    if text.len() <= 2000 {
        text
    } else {
        text.chars().take(500).chain("…".chars()).collect()
    }
}
