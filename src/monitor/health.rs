//! How the daemon is, beyond what its other organs know of themselves.

use super::faults::LastFaults;
use super::metrics::Counters;
use std::cell::{Cell, RefCell};
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
            stopping: Cell::new(false),
            counts: Counters::default(),
            alarms: RefCell::new(alarms),
            faults,
        }
    }
}
