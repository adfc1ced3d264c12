//! Moments by a server's own clock: nobody's wall clock is asked, and none need be right.

use std::time::{Duration, Instant};

/// What a server's clock has shown, and when.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    shown: u64,
    at: Instant,
}

impl Clock {
    /// A clock that shows so many milliseconds now.
    pub fn shows(shown: u64) -> Self {
        Self {
            shown,
            at: Instant::now(),
        }
    }

    /// What it shows when this time has passed; nothing where that is beyond all clocks.
    pub fn after(&self, time: Duration) -> Option<u64> {
        let ahead = (self.at.elapsed() + time).as_millis();
        self.shown.checked_add(u64::try_from(ahead).ok()?)
    }
}

/// Until when a request may begin, and by whose clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodUntil {
    /// The start of the daemon whose clock it is.
    pub instance: String,
    /// Milliseconds of that clock.
    pub not_after: u64,
}
