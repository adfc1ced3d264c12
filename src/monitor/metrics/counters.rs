//! What is counted since the start.

use crate::limits::COMMANDS_COUNTED;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that passed the handshake.
    pub connections: Cell<u64>,
    /// Logins, by method and outcome.
    pub logins: RefCell<BTreeMap<(&'static str, &'static str), u64>>,
    /// Requests, by verb and decision.
    pub requests: RefCell<BTreeMap<(&'static str, &'static str), u64>>,
    /// Refused requests, by code.
    pub refusals: RefCell<BTreeMap<u16, u64>>,
    /// Runs started.
    pub runs: Cell<u64>,
    /// Runs that have ended, or could not begin, by command.
    pub ended: RefCell<BTreeMap<String, Ended>>,
    /// Bytes of standard input, output and error.
    pub bytes: [Cell<u64>; 3],
    /// Frontends started.
    pub frontends: Cell<u64>,
    /// Reloads accepted and refused.
    pub reloads: [Cell<u64>; 2],
    /// Password verifications begun.
    pub verifications: Cell<u64>,
    /// Sources and users that were closed out.
    pub penalties: [Cell<u64>; 2],
}

/// The ends of one command's runs.
#[derive(Debug, Default)]
pub struct Ended {
    /// How many by each reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Durations, each in the first bucket that it fits.
    pub buckets: [u64; BUCKETS.len()],
    /// All durations together.
    pub total: Duration,
    /// How many durations there are.
    pub count: u64,
}

/// Upper bounds of durations, in milliseconds: from a look at a file to an hour's migration.
pub const BUCKETS: [u64; 8] = [
    10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 21_600_000,
];

/// Adds one.
pub fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// Adds one under a key.
pub fn count_by<K: Ord>(counters: &RefCell<BTreeMap<K, u64>>, key: K) {
    *counters.borrow_mut().entry(key).or_default() += 1;
}

impl Counters {
    /// Notes how a run ended; one that did not begin has taken no time.
    pub fn run_ended(&self, command: &str, reason: &'static str, took: Option<Duration>) {
        let mut all = self.ended.borrow_mut();

        // Reloads bring new names for as long as the daemon lives.
        let name = if all.contains_key(command) || all.len() < COMMANDS_COUNTED {
            command
        } else {
            "others"
        };

        let ended = all.entry(name.to_owned()).or_default();
        *ended.reasons.entry(reason).or_default() += 1;
        if let Some(took) = took {
            let fits = BUCKETS
                .iter()
                .zip(&mut ended.buckets)
                .find(|(bound, _)| took <= Duration::from_millis(**bound));
            if let Some((_, bucket)) = fits {
                *bucket += 1;
            }
            ended.total += took;
            ended.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_commands_are_bounded() {
        let counters = Counters::default();
        for number in 0..2 * COMMANDS_COUNTED {
            counters.run_ended(&number.to_string(), "exit", None);
        }
        assert_eq!(counters.ended.borrow().len(), COMMANDS_COUNTED + 1);
    }
}
