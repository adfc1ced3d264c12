//! What sources and users owe for failing: the rules, and the two tables.

use crate::penalty::{Debts, Rules};
use crate::policy::Network;
use crate::source::Source;
use std::time::Instant;

/// What penalties are like here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PenaltyRules {
    /// For sources.
    pub sources: Rules,
    /// For users, by their names as they are given, existing or not.
    pub users: Rules,
    /// Bits of an IPv4 and of an IPv6 address that are one source.
    pub prefixes: (u8, u8),
    /// Sources that owe nothing, ever.
    pub exempt: Vec<Network>,
}

impl PenaltyRules {
    /// Whether this address owes nothing, ever.
    pub fn exempts(&self, source: &Source) -> bool {
        self.exempt.iter().any(|network| network.holds(source))
    }
}

/// Who owes what.
#[derive(Debug)]
pub struct Penalties {
    /// The clock's beginning. It runs forward only.
    pub(super) began: Instant,
    pub(super) sources: Debts<Network>,
    pub(super) users: Debts<String>,
}

impl Default for Penalties {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            sources: Debts::default(),
            users: Debts::default(),
        }
    }
}
