//! Who is served next, so that one who wants much waits behind themselves: a fair queue. Pure; what
//! serving has cost is the caller's to say.
//!
//! Each has a line of their own, and a virtual time that grows by what serving them costs. The line
//! with the least time is served next. Whoever comes newly begins where the one served last
//! stands, so that nobody saves up a right to the whole (start-time fair queueing).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

/// Lines of things that wait, one line for each who waits.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    lines: HashMap<K, Line<T>>,
    /// Every line, in the order in which they are served.
    order: BTreeSet<(Duration, u64, K)>,
    /// The virtual time: that of the line that was served last.
    now: Duration,
    arrivals: u64,
    waiting: usize,
}

#[derive(Debug)]
struct Line<T> {
    spent: Duration,
    /// Decides among lines of the same time: who came first.
    arrival: u64,
    waiting: VecDeque<T>,
}

impl<K, T> Default for FairQueue<K, T> {
    fn default() -> Self {
        Self {
            lines: HashMap::new(),
            order: BTreeSet::new(),
            now: Duration::ZERO,
            arrivals: 0,
            waiting: 0,
        }
    }
}

impl<K: Clone + Eq + Hash + Ord, T> FairQueue<K, T> {
    /// Puts something at the end of somebody's line.
    pub fn push(&mut self, who: &K, what: T) {
        self.line(who).waiting.push_back(what);
        self.waiting += 1;
    }

    /// Takes what is served next.
    pub fn pop(&mut self) -> Option<(K, T)> {
        self.pop_where(|_| true)
    }

    /// Takes what is served next of those who may be served now.
    pub fn pop_where(&mut self, may: impl Fn(&K) -> bool) -> Option<(K, T)> {
        self.forget_idle();
        let next = self.order.iter().find(|(_, _, who)| {
            let waits = self.lines.get(who);
            waits.is_some_and(|line| !line.waiting.is_empty()) && may(who)
        });
        let (spent, _, who) = next.cloned()?;
        let what = self.lines.get_mut(&who)?.waiting.pop_front()?;
        self.waiting -= 1;
        self.now = self.now.max(spent);
        Some((who, what))
    }

    /// Says what it has cost to serve somebody.
    pub fn charge(&mut self, who: &K, cost: Duration) {
        let line = self.line(who);
        let (before, arrival) = (line.spent, line.arrival);
        line.spent += cost;
        let after = line.spent;
        self.order.remove(&(before, arrival, who.clone()));
        self.order.insert((after, arrival, who.clone()));
    }

    /// How much waits in somebody's line.
    pub fn waiting(&self, who: &K) -> usize {
        self.lines.get(who).map_or(0, |line| line.waiting.len())
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Takes out of somebody's line what is not to be served any more.
    pub fn retain(&mut self, who: &K, keep: impl FnMut(&T) -> bool) {
        if let Some(line) = self.lines.get_mut(who) {
            let before = line.waiting.len();
            line.waiting.retain(keep);
            self.waiting -= before - line.waiting.len();
        }
    }

    /// Somebody's line; a new one begins at the virtual time.
    fn line(&mut self, who: &K) -> &mut Line<T> {
        let (now, order, arrivals) = (self.now, &mut self.order, &mut self.arrivals);
        self.lines.entry(who.clone()).or_insert_with(|| {
            *arrivals += 1;
            order.insert((now, *arrivals, who.clone()));
            Line {
                spent: now,
                arrival: *arrivals,
                waiting: VecDeque::new(),
            }
        })
    }

    /// Forgets lines in which nothing waits and whose time has come: a new one would begin later.
    fn forget_idle(&mut self) {
        while let Some((spent, arrival, who)) = self.order.pop_first() {
            let idle = self
                .lines
                .get(&who)
                .is_none_or(|line| line.waiting.is_empty());
            if !idle {
                self.order.insert((spent, arrival, who));
                return;
            }
            self.now = self.now.max(spent);
            self.lines.remove(&who);
        }
    }
}

#[cfg(test)]
#[path = "fair_tests.rs"]
mod tests;
