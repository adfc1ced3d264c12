//! What waits for a run's pump: input bytes, credit, the end. Bounded by its shape: bytes are kept
//! as bytes, not as frames, and everything else is one value.

use crate::mux::Receiving;
use crate::protocol::Credit;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// Where the connection's task leaves things for a pump.
#[derive(Debug, Default)]
pub struct Inbox {
    held: Mutex<Held>,
    receiving: Mutex<Receiving>,
    bell: Notify,
}

/// What has come since the last look.
#[derive(Debug, Default)]
pub struct Held {
    /// Input for the command, in order.
    pub stdin: Vec<u8>,
    /// Whether no more input follows.
    pub eof: bool,
    /// How many more bytes may be sent.
    pub credit: u64,
    /// How far the client has opened its window, where it has said that.
    pub window: Option<u32>,
    /// The size that the client's terminal has now, where it has changed.
    pub resize: Option<(u16, u16)>,
    /// Whether the client has given the stream up, or is gone.
    pub abandoned: bool,
    /// Whether the client has given the stream up by itself, and will not come back.
    pub left: bool,
}

impl Inbox {
    /// Leaves something and rings.
    pub fn leave(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.notify_one();
    }

    /// Leaves input; `false` when the client had no credit for it, and then it is not kept.
    #[must_use]
    pub fn input(&self, payload: Vec<u8>) -> bool {
        if !self.receiving().arrived(payload.len()) {
            return false;
        }
        self.leave(|held| {
            if held.stdin.is_empty() {
                held.stdin = payload;
            } else {
                held.stdin.extend_from_slice(&payload);
            }
        });

        true
    }

    /// Notes that so many bytes of input have come before, over another connection, and are not
    /// passed on yet. Returns how many more may come.
    pub fn holding(&self, bytes: usize) -> usize {
        let mut receiving = self.receiving();
        *receiving = Receiving::holding(bytes);
        receiving.open()
    }

    fn receiving(&self) -> MutexGuard<'_, Receiving> {
        self.receiving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that so many bytes of input are done with; gives the credit to grant to the client,
    /// whose window is to be open no further than this.
    pub fn consumed(&self, bytes: usize, most: usize) -> Option<Credit> {
        let mut receiving = self.receiving();
        receiving.limit(most);
        receiving.consumed(bytes)
    }

    /// Whether the client is to be asked for a sign of life, to see how much input comes meanwhile.
    pub fn asks(&self) -> bool {
        self.receiving().asks(Instant::now())
    }

    /// The question could not be sent.
    pub fn not_asked(&self) {
        self.receiving().not_asked();
    }

    /// The answer has come. `false` where a window that is open further than this would be of use.
    pub fn answered(&self, most: usize) -> bool {
        self.receiving().answered(Instant::now(), most)
    }

    /// Whether all input that may have come and may come fits into so many bytes.
    pub fn fits(&self, bytes: usize) -> bool {
        self.receiving().fits(bytes)
    }

    /// Takes all there is; `into` is swapped in for the input bytes, so that no buffer is made
    /// anew.
    pub fn take(&self, into: &mut Held) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        into.stdin.clear();
        std::mem::swap(&mut held.stdin, &mut into.stdin);
        into.credit = std::mem::take(&mut held.credit);
        into.window = held.window.take();
        into.eof |= held.eof;
        into.abandoned |= held.abandoned;
        into.left |= held.left;
        into.resize = held.resize.take();
    }

    /// Whether the client has given the stream up, or is gone.
    pub fn abandoned(&self) -> bool {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abandoned
    }

    /// Completes when something was left since the last time.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}
