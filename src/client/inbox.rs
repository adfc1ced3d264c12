//! What waits for whoever reads a run: output joined into few pieces, so that a window's worth of
//! one-byte frames costs a window's worth of memory.

use super::order::Order;
use super::{ClientError, Event};
use crate::limits::STREAM_WINDOW;
use crate::mux::{Allowance, Receiving};
use crate::protocol::{Credit, Kind};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// One stream's side at the client.
#[derive(Debug, Default)]
pub struct Inbox {
    held: Mutex<Held>,
    arrived: Notify,
    granted: Notify,
}

#[derive(Debug, Default)]
struct Held {
    events: VecDeque<Event>,
    failed: Option<ClientError>,
    order: Order,
    receiving: Receiving,
    allowance: Allowance,
    /// How far the server lets the window of output be opened.
    most: usize,
    stdin_closed: bool,
}

/// Events that wait to be read; a server that tells more fills our memory.
const MOST_EVENTS: usize = 4096;

/// Pieces of output are joined up to this size.
const JOINED: usize = 64 * 1024;

impl Inbox {
    fn with<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that a frame of this kind has come; `false` when none may come now.
    #[must_use]
    pub fn admits(&self, kind: Kind) -> bool {
        self.with(|held| match held.order.with(kind) {
            Some(order) => {
                held.order = order;
                true
            }
            None => false,
        })
    }

    /// Takes output that has come; `false` when the server had no credit for it.
    #[must_use]
    pub fn output(&self, event: Event) -> bool {
        let fine = self.with(|held| {
            let fine = held.receiving.arrived(event.bytes().len());
            match (held.events.back_mut(), event) {
                (Some(Event::Stdout(last)), Event::Stdout(more))
                | (Some(Event::Stderr(last)), Event::Stderr(more))
                    if last.len() + more.len() <= JOINED =>
                {
                    last.extend_from_slice(&more);
                }
                (_, event) => held.events.push_back(event),
            }

            fine
        });

        self.arrived.notify_one();
        fine
    }

    /// Takes an event; `false` when the server tells more than it may without being read.
    #[must_use]
    pub fn happened(&self, payload: Vec<u8>) -> bool {
        let fine = self.with(|held| {
            held.events.push_back(Event::Happened(payload));
            held.events.len() <= MOST_EVENTS
        });
        self.arrived.notify_one();
        fine
    }

    /// Takes anything else that has come.
    pub fn event(&self, event: Event) {
        self.with(|held| {
            held.stdin_closed |= matches!(event, Event::StdinClosed | Event::Ended(_));
            held.events.push_back(event);
        });

        self.arrived.notify_one();
        self.granted.notify_one();
    }

    /// Says that nothing more comes, for this reason.
    pub fn fail(&self, error: ClientError) {
        self.with(|held| {
            held.stdin_closed = true;
            held.failed.get_or_insert(error);
        });

        self.arrived.notify_one();
        self.granted.notify_one();
    }

    /// Whether nothing more comes.
    pub fn failed(&self) -> bool {
        self.with(|held| held.failed.is_some())
    }

    /// Says that the server takes exactly so many bytes of input now.
    pub fn allow(&self, bytes: u64) {
        self.with(|held| held.allowance = Allowance::of(bytes));
        self.granted.notify_one();
    }

    /// Says that the server takes more input.
    #[must_use]
    pub fn grant(&self, credit: Credit) -> bool {
        let fine = self.with(|held| held.allowance.grant(credit));
        self.granted.notify_one();
        fine
    }

    /// How far the server has opened the window of input.
    pub fn window(&self) -> usize {
        self.with(|held| usize::try_from(held.allowance.window()).unwrap_or(usize::MAX))
    }

    /// Says how far the server lets the window of output be opened.
    pub fn widest(&self, most: Option<u32>) {
        let most = most.and_then(|most| usize::try_from(most).ok());
        self.with(|held| held.most = most.unwrap_or(STREAM_WINDOW));
    }

    /// Whether the server is to be asked for a sign of life, to see how much comes meanwhile.
    pub fn asks(&self) -> bool {
        self.with(|held| held.most > STREAM_WINDOW && held.receiving.asks(Instant::now()))
    }

    /// The question could not be sent.
    pub fn not_asked(&self) {
        self.with(|held| held.receiving.not_asked());
    }

    /// The answer has come: the window is opened further, if that is of use.
    pub fn answered(&self) {
        self.with(|held| {
            // The server has said how far, and there is no more to be had.
            let _ = held.receiving.answered(Instant::now(), held.most);
        });
    }

    /// The next event, or the failure once all events are taken.
    pub async fn next(&self) -> Result<Event, ClientError> {
        loop {
            let found = self.with(|held| match held.events.pop_front() {
                Some(event) => Some(Ok(event)),
                None => held.failed.clone().map(Err),
            });

            match found {
                Some(found) => return found,
                None => self.arrived.notified().await,
            }
        }
    }

    /// Notes that so many bytes of output were dealt with; gives the grant to send.
    pub fn consumed(&self, bytes: usize) -> Option<Credit> {
        self.with(|held| held.receiving.consumed(bytes))
    }

    /// Waits for credit and takes up to `most` bytes of it; `None` when the command reads no more.
    pub async fn credit(&self, most: usize) -> Option<usize> {
        loop {
            match self.credit_now(most) {
                Some(0) => self.granted.notified().await,
                found => return found,
            }
        }
    }

    /// Waits until there is credit, and takes none of it; `false` when the command reads no more.
    pub async fn has_credit(&self) -> bool {
        loop {
            let left = self.with(|held| (!held.stdin_closed).then(|| held.allowance.left()));
            match left {
                None => return false,
                Some(0) => self.granted.notified().await,
                Some(_) => return true,
            }
        }
    }

    /// Takes up to `most` bytes of the credit that is there, as [`Inbox::credit`] does.
    pub fn credit_now(&self, most: usize) -> Option<usize> {
        self.with(|held| {
            if held.stdin_closed {
                return None;
            }
            let taken = held.allowance.left().min(most);
            held.allowance.spend(taken);
            Some(taken)
        })
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
