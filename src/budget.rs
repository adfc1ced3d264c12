//! How much of something each may use in a minute: a token bucket for each. Pure; the clock is the
//! caller's, and runs forward only.
//!
//! What something has cost is known when it is done, so a bucket may be overdrawn once; whoever has
//! overdrawn it waits until that has passed.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A bucket for each who has used something lately.
#[derive(Debug)]
pub struct Budgets<K>(HashMap<K, Used>);

#[derive(Debug, Clone, Copy)]
struct Used {
    /// What has been used and has not passed yet, as of `at`.
    amount: u64,
    at: Duration,
}

impl<K> Default for Budgets<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash> Budgets<K> {
    /// What somebody has used and has not passed yet, where a minute gives back `most`.
    pub fn used(&self, who: &K, most: u64, now: Duration) -> u64 {
        self.0.get(who).map_or(0, |used| used.left(most, now))
    }

    /// Whether somebody may use more.
    pub fn may(&self, who: &K, most: u64, now: Duration) -> bool {
        self.used(who, most, now) < most
    }

    /// Notes what somebody has used.
    pub fn spend(&mut self, who: &K, amount: u64, most: u64, now: Duration) {
        let amount = self.used(who, most, now).saturating_add(amount);
        self.0.insert(who.clone(), Used { amount, at: now });
    }

    /// Everybody who has used something that has not passed yet, and how much; the others are
    /// forgotten.
    pub fn all(&mut self, most: u64, now: Duration) -> Vec<(K, u64)> {
        self.0.retain(|_, used| used.left(most, now) > 0);
        let left = |(who, used): (&K, &Used)| (who.clone(), used.left(most, now));
        self.0.iter().map(left).collect()
    }
}

impl Used {
    fn left(&self, most: u64, now: Duration) -> u64 {
        let passed = now.saturating_sub(self.at).min(MINUTE * 1000).as_millis();
        let back = u128::from(most) * passed / MINUTE.as_millis();
        self.amount
            .saturating_sub(u64::try_from(back).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_used_passes_within_a_minute() {
        let mut budgets = Budgets::default();
        assert!(budgets.may(&"alice", 600, s(0)));
        budgets.spend(&"alice", 700, 600, s(0));
        assert!(!budgets.may(&"alice", 600, s(0)) && !budgets.may(&"alice", 600, s(10)));
        assert!(budgets.may(&"alice", 600, s(11)));
        assert!(budgets.may(&"bob", 600, s(0)));
        assert_eq!(budgets.all(600, s(30)), [("alice", 400)]);
        assert_eq!(budgets.all(600, s(70)), []);
        assert!(budgets.0.is_empty());
    }

    #[test]
    fn a_budget_that_shrinks_holds_at_once() {
        let mut budgets = Budgets::default();
        budgets.spend(&"alice", 500, 1000, s(0));
        assert!(budgets.may(&"alice", 1000, s(0)) && !budgets.may(&"alice", 400, s(0)));
    }

    proptest! {
        /// Over any time nobody uses more than the minutes' worth, one full bucket, and what the
        /// last use has overdrawn it by.
        #[test]
        fn nobody_uses_more_than_their_budget(uses in prop::collection::vec((0u64..90, 1u64..400), 1..200)) {
            let (mut budgets, mut now, mut total, mut largest) = (Budgets::default(), Duration::ZERO, 0u64, 0u64);
            for (pause, amount) in uses {
                now += s(pause);
                if budgets.may(&0u8, 600, now) {
                    budgets.spend(&0u8, amount, 600, now);
                    total += amount;
                    largest = largest.max(amount);
                }
            }
            prop_assert!(total <= 600 + 10 * now.as_secs() + largest, "{total} in {now:?}");
        }
    }
}
