//! Credit: how many bytes may still be sent on a stream, when to grant more, and how far the window
//! is opened.

use super::measure::Measure;
use crate::limits::{STREAM_MOST, STREAM_WINDOW};
use crate::protocol::Credit;
use std::time::Instant;

/// Bytes that are granted at once: a quarter of the window that every stream begins with.
const STEP: usize = STREAM_WINDOW / 4;

/// The sending side's count.
#[derive(Debug)]
pub struct Allowance {
    left: u64,
    /// The window that the other side has opened.
    window: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self::of(STREAM_WINDOW as u64)
    }
}

impl Allowance {
    /// The count of a side that may send so many bytes.
    pub const fn of(bytes: u64) -> Self {
        let least = STREAM_WINDOW as u64;
        let window = if bytes > least { bytes } else { least };
        Self {
            left: bytes,
            window,
        }
    }

    /// Bytes that may be sent now.
    pub fn left(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }

    /// Bytes that may be sent now by a side that has room for so many which the other may not have.
    pub fn within(&self, room: usize) -> usize {
        let room = (room as u64).saturating_sub(self.in_flight());
        self.left().min(usize::try_from(room).unwrap_or(usize::MAX))
    }

    /// Bytes that were sent and that the other side may not have dealt with, at the most.
    pub const fn in_flight(&self) -> u64 {
        self.window.saturating_sub(self.left)
    }

    /// The window that the other side has opened.
    pub const fn window(&self) -> u64 {
        self.window
    }

    /// Notes that so many bytes were sent.
    pub const fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes as u64);
    }

    /// Adds what the other side grants. A window above the widest, or a total over twice the window,
    /// is not an honest grant.
    #[must_use]
    pub fn grant(&mut self, credit: Credit) -> bool {
        self.left = self.left.saturating_add(u64::from(credit.bytes));
        self.window = credit.window.map_or(self.window, u64::from);
        credit.bytes > 0
            && self.window <= STREAM_MOST as u64
            && self.left <= 2 * self.window.max(STREAM_WINDOW as u64)
    }
}

/// The receiving side's count: what the other may still send, what came and was not passed on, and
/// how far the window is open.
#[derive(Debug)]
pub struct Receiving {
    open: usize,
    held: usize,
    consumed: usize,
    /// How far the window is to be open.
    window: usize,
    /// How far the other side knows it to be open.
    told: usize,
    measure: Measure,
}

impl Default for Receiving {
    fn default() -> Self {
        Self::holding(0)
    }
}

impl Receiving {
    /// The count of a side to which so many bytes have come already that are not passed on.
    pub fn holding(bytes: usize) -> Self {
        Self {
            open: STREAM_WINDOW.saturating_sub(bytes),
            held: bytes,
            consumed: 0,
            window: STREAM_WINDOW,
            told: STREAM_WINDOW,
            measure: Measure::default(),
        }
    }

    /// Bytes that may still arrive.
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Notes that so many bytes arrived; `false` when the sender had no credit for them.
    #[must_use]
    pub const fn arrived(&mut self, bytes: usize) -> bool {
        match self.open.checked_sub(bytes) {
            Some(left) => {
                self.open = left;
                self.held += bytes;
                self.measure.arrived(bytes);
                true
            }

            None => false,
        }
    }

    /// Notes that so many bytes were passed on; gives the grant to send back, in steps, or at once
    /// where the window was opened further.
    #[must_use]
    pub fn consumed(&mut self, bytes: usize) -> Option<Credit> {
        self.held = self.held.saturating_sub(bytes);
        self.consumed += bytes;
        if self.consumed < STEP && self.window <= self.told {
            return None;
        }
        let grant = self.window.saturating_sub(self.open + self.held);
        if grant == 0 {
            return None;
        }
        self.consumed = 0;
        self.open += grant;
        let changed = std::mem::replace(&mut self.told, self.window) != self.window;
        Some(Credit {
            bytes: u32::try_from(grant).ok()?,
            window: u32::try_from(self.window).ok().filter(|_| changed),
        })
    }

    /// Whether the other side is to be asked for a sign of life now, so that it is seen how much
    /// comes until the answer does.
    #[must_use]
    pub fn asks(&mut self, now: Instant) -> bool {
        self.window < STREAM_MOST && self.measure.asks(now)
    }

    /// The question could not be sent.
    pub const fn not_asked(&mut self) {
        self.measure.forget();
    }

    /// Takes the answer. Opens the window as far as is of use, and `most` lets; `false` where more
    /// would be of use.
    #[must_use]
    pub fn answered(&mut self, now: Instant, most: usize) -> bool {
        let Some(wanted) = self.measure.answered(now, self.window) else {
            return true;
        };
        let wanted = wanted.min(STREAM_MOST);
        let allowed = wanted.min(most);
        if allowed > self.window {
            self.window = allowed;
            self.measure.opened();
        }
        wanted <= most
    }

    /// The window is to be open no further than this. What was granted stays granted.
    pub fn limit(&mut self, most: usize) {
        self.window = self.window.min(most.max(STREAM_WINDOW));
    }

    /// Whether all that may have come and may come fits into so many bytes.
    pub const fn fits(&self, bytes: usize) -> bool {
        self.open + self.held <= bytes
    }
}

#[cfg(test)]
#[path = "credit_tests.rs"]
mod tests;
