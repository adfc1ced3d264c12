//! What clients did before anybody knew who they are, and what users were refused: counted where it
//! would fill the trail.

use crate::limits::{
    RECORDS_OF_A_STRANGER, RECORDS_OF_STRANGERS, REFUSALS_OF_A_USER, STRANGERS_TOLD_APART,
};
use crate::source::Source;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long is summed.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Something that a client did before its user was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It connected.
    Connection,
    /// Its login was refused.
    Refused,
    /// It broke the protocol.
    Violation,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) connections: u64,
    pub(super) logins_refused: u64,
    pub(super) violations: u64,
}

impl Sum {
    fn add(&mut self, deed: Deed) {
        match deed {
            Deed::Connection => self.connections += 1,
            Deed::Refused => self.logins_refused += 1,
            Deed::Violation => self.violations += 1,
        }
    }
}

/// What was summed since the minute began.
#[derive(Debug)]
pub struct Summary {
    pub(super) began: Instant,
    written: u32,
    pub(super) sources: HashMap<Source, (u32, Sum)>,
    pub(super) others: Sum,
    /// Of each user: refusals that were recorded, and those that were not.
    pub(super) users: HashMap<Arc<str>, (u32, u64)>,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            written: 0,
            sources: HashMap::new(),
            others: Sum::default(),
            users: HashMap::new(),
        }
    }
}

impl Summary {
    /// Whether a refusal of this user's is worth a record of its own; if not, it is counted.
    pub fn admits_refusal(&mut self, user: &Arc<str>) -> bool {
        let (recorded, counted) = self.users.entry(user.clone()).or_default();
        let admits = *recorded < REFUSALS_OF_A_USER;
        if admits {
            *recorded += 1;
        } else {
            *counted += 1;
        }
        admits
    }

    /// Counts a refusal of this user's that gets no record.
    pub fn count_refusal(&mut self, user: &Arc<str>) {
        let (_, counted) = self.users.entry(user.clone()).or_default();
        *counted += 1;
    }

    /// Whether this deed is worth a record of its own; if not, it is counted.
    pub fn admits(&mut self, source: &Source, deed: Deed) -> bool {
        let known = self.sources.len();
        let entry = match self.sources.get_mut(source) {
            Some(entry) => entry,
            None if known < STRANGERS_TOLD_APART => self.sources.entry(source.clone()).or_default(),
            None => {
                self.others.add(deed);
                return false;
            }
        };

        if entry.0 < RECORDS_OF_A_STRANGER && self.written < RECORDS_OF_STRANGERS {
            entry.0 += 1;
            self.written += 1;
            return true;
        }

        entry.1.add(deed);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_recorded() {
        let mut summary = Summary::default();
        let source = |number: u32| Source::from(std::net::IpAddr::from(number.to_be_bytes()));
        let each = (0..100)
            .filter(|_| summary.admits(&source(1), Deed::Connection))
            .count();
        assert_eq!((each, summary.sources[&source(1)].1.connections), (10, 90));
        let all = (0..100_000)
            .filter(|number| summary.admits(&source(*number), Deed::Refused))
            .count();
        assert!(all + each <= 1000, "{all}");
        assert!(summary.sources.len() <= STRANGERS_TOLD_APART);
        assert!(summary.others.logins_refused > 90_000);
    }
}
