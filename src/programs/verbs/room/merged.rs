//! What comes from many hosts, in the order in which it happened there. What comes late is shown late,
//! and nothing waits for a host that tells nothing.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// For how long something is held, so that what happened before it elsewhere can come.
const HELD: Duration = Duration::from_millis(300);
/// How much is held at the most.
const MOST: usize = 1024;

/// Things with the time at which they happened, as each host's clock says it.
pub struct Merged<T> {
    held: BTreeMap<(String, u64), (Instant, T)>,
    /// How many have come so far: of two at the same time the one that came first is shown first.
    came: u64,
    /// The latest time of each host: whatever its clock does, what it tells stays in its order.
    latest: BTreeMap<usize, String>,
    wait: Duration,
}

impl<T> Merged<T> {
    /// Of so many hosts. Where there is one, nothing is held.
    pub fn of(hosts: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            came: 0,
            latest: BTreeMap::new(),
            wait: if hosts > 1 { HELD } else { Duration::ZERO },
        }
    }

    /// Something has come; without a time it stands behind what its host has told before.
    pub fn add(&mut self, host: usize, time: Option<&str>, what: T, now: Instant) {
        let latest = self.latest.entry(host).or_default();
        if let Some(time) = time
            && *time > **latest
        {
            *latest = time.to_owned();
        }
        self.came += 1;
        self.held
            .insert((latest.clone(), self.came), (now + self.wait, what));
    }

    /// When something is to be shown next.
    pub fn next(&self) -> Option<Instant> {
        self.held.values().map(|(due, _)| *due).min()
    }

    /// What is to be shown now: whatever was held long enough, and all that happened before it.
    pub fn due(&mut self, now: Instant) -> Vec<T> {
        let due = |(number, (_, (due, _))): (usize, (_, &(Instant, T)))| {
            (*due <= now).then_some(number + 1)
        };
        let last = self.held.iter().enumerate().filter_map(due).next_back();
        let count = last.unwrap_or(0).max(self.held.len().saturating_sub(MOST));
        let first = std::iter::from_fn(|| self.held.pop_first());
        first.take(count).map(|(_, (_, what))| what).collect()
    }

    /// All that is held, in its order.
    pub fn rest(&mut self) -> Vec<T> {
        let held = std::mem::take(&mut self.held);
        held.into_values().map(|(_, what)| what).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_first_is_shown_first_and_nothing_is_held_for_long() {
        let now = Instant::now();
        let mut merged = Merged::of(2);
        merged.add(0, Some("12:02"), "third", now);
        merged.add(1, Some("12:01"), "second", now + HELD / 2);
        merged.add(0, None, "fourth", now + HELD / 2);
        assert!(merged.due(now + HELD / 2).is_empty());
        assert_eq!(merged.next(), Some(now + HELD));
        assert_eq!(merged.due(now + HELD), ["second", "third"]);
        merged.add(1, Some("12:00"), "fifth", now + HELD);
        assert_eq!(merged.rest(), ["fifth", "fourth"]);
    }

    #[test]
    fn a_clock_that_goes_back_turns_nothing_round() {
        let now = Instant::now();
        let mut merged = Merged::of(2);
        for (time, what) in [("12:05", 1), ("11:00", 2), ("11:01", 3)] {
            merged.add(0, Some(time), what, now);
        }
        assert_eq!(merged.due(now + HELD), [1, 2, 3]);
    }

    #[test]
    fn one_host_is_shown_at_once_and_a_flood_is_not_held() {
        let now = Instant::now();
        let mut one = Merged::of(1);
        one.add(0, Some("12:00"), 1, now);
        assert_eq!(one.due(now), [1]);
        let mut many = Merged::of(2);
        (0..MOST + 3).for_each(|number| many.add(0, None, number, now));
        assert_eq!(many.due(now), [0, 1, 2]);
    }
}
