//! What waits for whoever reads a run: output joined into few pieces, so that a window's worth of
//! one-byte frames costs a window's worth of memory.

use super::order::Order;
use super::{ClientError, Event};
use crate::mux::{Allowance, Receiving};
use crate::protocol::Kind;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
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
    pub fn grant(&self, bytes: u32) -> bool {
        let fine = self.with(|held| held.allowance.grant(bytes));
        self.granted.notify_one();
        fine
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
    pub fn consumed(&self, bytes: usize) -> Option<u32> {
        self.with(|held| held.receiving.consumed(bytes))
    }

    /// Waits for credit and takes up to `most` bytes of it; `None` when the command reads no more.
    pub async fn credit(&self, most: usize) -> Option<usize> {
        loop {
            let found = self.with(|held| {
                if held.stdin_closed {
                    return Some(None);
                }
                let taken = held.allowance.left().min(most);
                held.allowance.spend(taken);
                (taken > 0).then_some(Some(taken))
            });

            match found {
                Some(found) => return found,
                None => self.granted.notified().await,
            }
        }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
