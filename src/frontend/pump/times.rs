//! The times that a run's pump keeps: how long nothing has come, and how long it could read on after
//! the end.

use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The times of one run.
pub struct Times {
    /// How long the command may say nothing.
    idle: Option<Duration>,
    /// The timer that is over when the command has said nothing for so long.
    pub quiet: Pin<Box<Sleep>>,
    /// Whether the monitor was told that the command says nothing.
    pub idle_told: bool,
    /// How many bytes the command had said at the last look.
    last: [u64; 2],
    /// Whether the command could be read from: whoever is kept from writing is not idle.
    was_reading: bool,
    /// How long it was possible to read on after the end: somebody who was left running may write
    /// for ever.
    pub read_on: Duration,
    /// Whether all of the output could be read in this turn of the loop.
    could_read: bool,
    /// When this turn of the loop has begun.
    turn: Instant,
}

impl Times {
    /// The times of a run that may say nothing for so long, and has said so much.
    pub fn new(idle_ms: Option<u64>, published: [u64; 2]) -> Self {
        let idle = idle_ms.map(Duration::from_millis);
        Self {
            idle,
            quiet: Box::pin(tokio::time::sleep(idle.unwrap_or_default())),
            idle_told: false,
            last: published,
            was_reading: true,
            read_on: Duration::ZERO,
            could_read: false,
            turn: Instant::now(),
        }
    }

    /// Begins another turn of the loop.
    pub fn turn(&mut self, exited: bool) {
        if exited && self.could_read {
            self.read_on += self.turn.elapsed();
        }
        self.turn = Instant::now();
    }

    /// Notes that so much of the command's output is kept now.
    pub fn published(&mut self, published: [u64; 2]) {
        if self.last != published {
            self.last = published;
            self.begin_anew();
        }
    }

    /// Which outputs may be read in this turn.
    pub fn may_read(&mut self, may_read: [bool; 2]) {
        if may_read == [false, false] {
            self.was_reading = false;
        } else if !std::mem::replace(&mut self.was_reading, true) {
            self.begin_anew();
        }
        self.could_read = may_read == [true, true];
    }

    /// Whether silence counts, and was not told of yet.
    pub const fn may_be_idle(&self) -> bool {
        self.idle.is_some() && !self.idle_told && self.was_reading
    }

    fn begin_anew(&mut self) {
        if let Some(idle) = self.idle {
            self.quiet.as_mut().reset(Instant::now() + idle);
        }
    }
}
