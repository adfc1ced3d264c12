//! How the daemon is, beyond what its other organs know of themselves.

use super::faults::LastFaults;
use super::metrics::Counters;
use std::cell::Cell;
use std::time::SystemTime;

/// How the daemon is.
#[derive(Debug)]
pub struct Health {
    /// The random name of this start.
    pub instance: String,
    /// When the daemon started.
    pub since: SystemTime,
    /// Whether the daemon is stopping.
    pub stopping: Cell<bool>,
    /// What is counted since the start.
    pub counts: Counters,
    /// The last warnings and errors.
    pub faults: LastFaults,
}

impl Health {
    /// A daemon that has just started.
    pub fn new(instance: String, faults: LastFaults) -> Self {
        Self {
            instance,
            since: crate::clock::now(),
            stopping: Cell::new(false),
            counts: Counters::default(),
            faults,
        }
    }
}
