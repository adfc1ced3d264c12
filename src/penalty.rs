//! What a source or a user earns by failing: time during which it is not let in. Pure; the clock is the
//! caller's, and runs forward only, so that a step of the machine's clock frees and punishes
//! nobody.
//!
//! Each failure adds seconds to what is still owed; what is owed passes by itself, second by
//! second. Below the floor nothing is enforced, so that a typing error costs nothing; once it is
//! reached the source is closed until all that it owes has passed. The cap bounds what can be owed.
//! As OpenSSH's PerSourcePenalties, whose shortcomings are mended: users are counted too, but from
//! sources they have logged in from before they are always let in.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdeed {
    /// A login was refused that could have been guessed, whatever the reason.
    Login,
    /// A client connected and went away, or talked something else than TLS, without trying to log
    /// in.
    NoLogin,
    /// The handshake or the login did not happen in time.
    Deadline,
    /// A client broke the protocol.
    Violation,
}

/// What misdeeds cost, and from when that is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What [`Misdeed::Login`] costs.
    pub login: Duration,
    /// What [`Misdeed::NoLogin`] costs.
    pub no_login: Duration,
    /// What [`Misdeed::Deadline`] costs.
    pub deadline: Duration,
    /// What [`Misdeed::Violation`] costs.
    pub violation: Duration,
    /// What is owed below this is not enforced.
    pub floor: Duration,
    /// More than this is never owed.
    pub cap: Duration,
    /// Sources, or users, that are remembered.
    pub entries: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(5),
            no_login: Duration::from_secs(1),
            deadline: Duration::from_secs(10),
            violation: Duration::from_secs(10),
            floor: Duration::from_secs(15),
            cap: Duration::from_secs(600),
            entries: 65_536,
        }
    }
}

impl Rules {
    const fn cost(&self, misdeed: Misdeed) -> Duration {
        match misdeed {
            Misdeed::Login => self.login,
            Misdeed::NoLogin => self.no_login,
            Misdeed::Deadline => self.deadline,
            Misdeed::Violation => self.violation,
        }
    }
}

/// What one source or user owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// When all of it has passed, on the caller's clock.
    pub until: Duration,
    /// Whether the penalty is enforced.
    pub closed: bool,
    /// Misdeeds since it was last free.
    pub misdeeds: u32,
}

/// What came of a misdeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added<K> {
    /// What is owed, when it has just become enforced.
    pub closed: Option<Owed>,
    /// Who had to make room in the table, and owes nothing any more.
    pub evicted: Option<K>,
}

/// A bounded table of who owes what. When it is full, whoever would be free first makes room: an
/// attacker with many addresses can make the table forget small debts, never the large ones of
/// others.
#[derive(Debug, Clone)]
pub struct Debts<K> {
    owed: HashMap<K, Owed>,
    /// Who owes something, in the order in which they will be free.
    order: BTreeSet<(Duration, K)>,
}

impl<K> Default for Debts<K> {
    fn default() -> Self {
        Self {
            owed: HashMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<K: Clone + Eq + Hash + Ord> Debts<K> {
    /// Adds a misdeed of somebody's.
    pub fn add(&mut self, rules: &Rules, who: &K, misdeed: Misdeed, now: Duration) -> Added<K> {
        let cost = rules.cost(misdeed);
        if cost.is_zero() || rules.entries == 0 {
            return Added {
                closed: None,
                evicted: None,
            };
        }

        self.forget_free(now);
        let before = self.owed.get(who).copied().unwrap_or(Owed {
            until: now,
            closed: false,
            misdeeds: 0,
        });

        let until = (before.until.max(now) + cost).min(now + rules.cap);
        let closed = before.closed || until - now >= rules.floor;
        let owed = Owed {
            until,
            closed,
            misdeeds: before.misdeeds.saturating_add(1),
        };

        self.remove(who);
        let mut evicted = None;
        while self.owed.len() >= rules.entries {
            let Some((_, first)) = self.order.pop_first() else {
                break;
            };
            self.owed.remove(&first);
            evicted = Some(first);
        }

        self.owed.insert(who.clone(), owed);
        self.order.insert((until, who.clone()));
        Added {
            closed: (closed && !before.closed).then_some(owed),
            evicted,
        }
    }

    /// For how long somebody is still closed out.
    pub fn closed(&self, who: &K, now: Duration) -> Option<Duration> {
        self.owed
            .get(who)
            .filter(|owed| owed.closed && owed.until > now)
            .map(|owed| owed.until - now)
    }

    /// Forgives one; whether there was anything to forgive.
    pub fn forgive(&mut self, who: &K, now: Duration) -> bool {
        self.forget_free(now);
        self.remove(who)
    }

    /// Everyone who owes something, those who owe most last.
    pub fn all(&self, now: Duration) -> impl Iterator<Item = (&K, &Owed)> {
        self.order
            .iter()
            .filter(move |(until, _)| *until > now)
            .filter_map(|(_, who)| self.owed.get_key_value(who))
    }

    fn remove(&mut self, who: &K) -> bool {
        let gone = self.owed.remove(who);
        if let Some(owed) = &gone {
            self.order.remove(&(owed.until, who.clone()));
        }
        gone.is_some()
    }

    fn forget_free(&mut self, now: Duration) {
        while let Some((until, _)) = self.order.first()
            && *until <= now
            && let Some((_, who)) = self.order.pop_first()
        {
            self.owed.remove(&who);
        }
    }
}

#[cfg(test)]
#[path = "penalty_tests.rs"]
mod tests;
