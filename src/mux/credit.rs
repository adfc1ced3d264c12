//! Credit: how many bytes may still be sent on a stream, and when to grant more.

use crate::limits::STREAM_WINDOW;

/// The sending side's count.
#[derive(Debug)]
pub struct Allowance(u64);

impl Default for Allowance {
    fn default() -> Self {
        Self(STREAM_WINDOW as u64)
    }
}

impl Allowance {
    /// The count of a side that may send so many bytes.
    pub const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes that may be sent now.
    pub fn left(&self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Notes that so many bytes were sent.
    pub const fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes as u64);
    }

    /// Adds what the other side grants. A total over twice the window is not an honest grant.
    #[must_use]
    pub const fn grant(&mut self, bytes: u32) -> bool {
        self.0 = self.0.saturating_add(bytes as u64);
        bytes > 0 && self.0 <= 2 * STREAM_WINDOW as u64
    }
}

/// The receiving side's count: what the other may still send, and what was consumed and not yet
/// granted again.
#[derive(Debug)]
pub struct Receiving {
    open: usize,
    consumed: usize,
}

impl Receiving {
    /// The count of a side to which so many bytes have come already that are not passed on.
    pub const fn holding(bytes: usize) -> Self {
        Self {
            open: STREAM_WINDOW.saturating_sub(bytes),
            consumed: 0,
        }
    }

    /// Bytes that may still arrive.
    pub const fn open(&self) -> usize {
        self.open
    }
}

impl Default for Receiving {
    fn default() -> Self {
        Self {
            open: STREAM_WINDOW,
            consumed: 0,
        }
    }
}

impl Receiving {
    /// Notes that so many bytes arrived; `false` when the sender had no credit for them.
    #[must_use]
    pub const fn arrived(&mut self, bytes: usize) -> bool {
        match self.open.checked_sub(bytes) {
            Some(left) => {
                self.open = left;
                true
            }

            None => false,
        }
    }

    /// Notes that so many bytes were passed on; gives the grant to send back, in steps of a quarter
    /// of the window.
    #[must_use]
    pub fn consumed(&mut self, bytes: usize) -> Option<u32> {
        self.consumed += bytes;
        if self.consumed < STREAM_WINDOW / 4 {
            return None;
        }
        let grant = std::mem::take(&mut self.consumed);
        self.open += grant;
        u32::try_from(grant).ok()
    }
}

#[cfg(test)]
#[path = "credit_tests.rs"]
mod tests;
