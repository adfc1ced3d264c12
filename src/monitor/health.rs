//! How the daemon is, beyond what its other organs know of themselves.

use super::faults::LastFaults;
use super::metrics::Counters;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

/// How the daemon is.
#[derive(Debug)]
pub struct Health {
    /// The random name of this start.
    pub instance: String,
    /// When the daemon started.
    pub since: SystemTime,
    /// By when the daemon has stopped, once it begins to.
    stopped_by: Cell<Option<Instant>>,
    /// What is counted since the start.
    pub counts: Counters,
    /// What was missing at the start that was there before.
    pub alarms: RefCell<Vec<String>>,
    /// The last warnings and errors.
    pub faults: LastFaults,
}

impl Health {
    /// A daemon that has just started, and what it has missed.
    pub fn new(instance: String, faults: LastFaults, alarms: Vec<String>) -> Self {
        Self {
            instance,
            since: crate::clock::now(),
            stopped_by: Cell::new(None),
            counts: Counters::default(),
            alarms: RefCell::new(alarms),
            faults,
        }
    }

    /// Notes that the daemon begins to stop, which takes so long at the most.
    pub fn begin_to_stop(&self, patience: Duration) {
        self.stopped_by.set(Some(Instant::now() + patience));
    }

    /// Whether the daemon is stopping.
    pub const fn is_stopping(&self) -> bool {
        self.stopped_by.get().is_some()
    }

    /// How long the stop may still take, while the daemon is stopping.
    pub fn stop_left(&self) -> Option<Duration> {
        let by = self.stopped_by.get()?;
        Some(by.saturating_duration_since(Instant::now()))
    }
}
