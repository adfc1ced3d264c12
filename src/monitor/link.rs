//! The way to the frontend: what is known of the one that is there, and telling it something.

use super::denied::Denied;
use crate::ids::{ConnectionId, StreamId};
use crate::ipc::{Channel, Manifest, Packed, ToFrontend};
use crate::limits::LINK_BACKLOG;
use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use tokio::sync::{Notify, oneshot};

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
    /// The first number that the frontend may give to a connection.
    pub first: Cell<ConnectionId>,
    /// The sockets that the daemon listens on, which each frontend gets.
    pub listeners: RefCell<Vec<TcpListener>>,
    /// The addresses that the daemon listens on, in the listeners' order.
    pub addresses: RefCell<Vec<SocketAddr>>,
    /// What the frontend could not be told yet.
    backlog: RefCell<Rc<Backlog>>,
}

/// What waits for a frontend whose queue is full: in order, and bounded.
#[derive(Debug, Default)]
struct Backlog {
    waiting: RefCell<VecDeque<Waiting>>,
    bytes: Cell<usize>,
    /// Rung when more waits than may: the frontend does not read.
    overfull: Notify,
}

/// A message that waits, and who wants to know when it was told.
#[derive(Debug)]
struct Waiting {
    packed: Rc<Packed>,
    done: Option<oneshot::Sender<()>>,
}

impl Backlog {
    /// Adds a message; whether it is the first one that waits.
    fn push(&self, packed: Packed, done: Option<oneshot::Sender<()>>) -> bool {
        self.bytes.set(self.bytes.get() + packed.length());
        if self.is_overfull() {
            self.overfull.notify_one();
        }
        let mut waiting = self.waiting.borrow_mut();
        waiting.push_back(Waiting {
            packed: Rc::new(packed),
            done,
        });
        waiting.len() == 1
    }

    fn is_overfull(&self) -> bool {
        self.bytes.get() > LINK_BACKLOG
    }

    /// Tells the frontend what waits, until nothing does or the frontend is gone.
    async fn work_off(self: Rc<Self>, channel: Rc<Channel>) {
        // What is being told stays in its place meanwhile, so that nothing overtakes it.
        while let Some(packed) = self.first() {
            if channel.put(&packed).await.is_err() {
                return self.clear();
            }
            let left = self.bytes.get().saturating_sub(packed.length());
            self.bytes.set(left);
            // Whoever waits for it is told by that.
            let told = self.waiting.borrow_mut().pop_front();
            drop(told.and_then(|told| told.done));
        }
    }

    fn first(&self) -> Option<Rc<Packed>> {
        let waiting = self.waiting.borrow();
        waiting.front().map(|first| first.packed.clone())
    }

    fn clear(&self) {
        self.waiting.borrow_mut().clear();
        self.bytes.set(0);
    }
}

impl Link {
    /// No frontend yet. The listeners stay open for the next daemon where they are the service
    /// manager's.
    pub fn new(listeners_stay: bool) -> Self {
        Self {
            listeners_stay,
            ..Self::default()
        }
    }

    /// Sends to the frontend, now or as soon as its queue has room. Lost when the frontend is.
    pub fn tell(&self, message: ToFrontend) {
        self.send(&message, Manifest::default(), None);
    }

    /// Sends to the frontend with descriptors, now or as soon as its queue has room.
    pub fn pass(&self, message: ToFrontend, manifest: Manifest) {
        self.send(&message, manifest, None);
    }

    /// Sends to the frontend with descriptors, and waits until it has them or is gone.
    pub async fn tell_with(&self, message: ToFrontend, manifest: Manifest) {
        let (done, told) = oneshot::channel();
        self.send(&message, manifest, Some(done));
        let _ = told.await;
    }

    /// What is told goes in the order in which it is said.
    fn send(&self, message: &ToFrontend, manifest: Manifest, done: Option<oneshot::Sender<()>>) {
        // What is told too early would be told twice: what outlives a frontend is handed on when
        // the next is ready.
        let early = !self.ready.get() && !matches!(message, ToFrontend::Configure(_));
        let channel = self.frontend.borrow().clone();
        let Some(channel) = channel.filter(|_| !early) else {
            return;
        };
        let packed = match Packed::new(message, manifest) {
            Ok(packed) => packed,
            Err(fault) => return tracing::error!(%fault, "a message could not be made ready"),
        };
        let backlog = self.backlog.borrow().clone();
        let waits = !backlog.waiting.borrow().is_empty();
        let must_wait = waits
            || match channel.try_put(&packed) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => true,
                Err(fault) => {
                    tracing::debug!(%fault, "the frontend did not take a message");
                    false
                }
                Ok(()) => false,
            };
        if must_wait && backlog.push(packed, done) {
            tokio::task::spawn_local(backlog.work_off(channel));
        }
    }

    /// Completes when a frontend does not read: more waits for it than may.
    pub async fn does_not_read(&self) {
        let backlog = self.backlog.borrow().clone();
        while !backlog.is_overfull() {
            backlog.overfull.notified().await;
        }
    }

    /// Whether more waits for the frontend than may.
    pub fn is_overfull(&self) -> bool {
        self.backlog.borrow().is_overfull()
    }

    /// The frontend is gone, and what waited for it is lost.
    pub fn gone(&self) {
        *self.frontend.borrow_mut() = None;
        self.ready.set(false);
        *self.confinement.borrow_mut() = None;
        // The next one begins with none; whoever still works off the old one has the old one.
        let old = self.backlog.replace(Rc::default());
        old.clear();
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
