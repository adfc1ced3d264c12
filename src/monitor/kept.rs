//! What is remembered of runs that have ended: how, and the end of their output. Bounded in number, age and bytes.

use super::state::Counts;
use crate::ids::RunId;
use crate::ipc::End;
use crate::limits::RUNS_KEPT;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A run that has ended.
#[derive(Debug)]
pub struct Over {
    /// Its id.
    pub run: RunId,
    /// Whose.
    pub user: Arc<str>,
    /// Which command.
    pub command: String,
    /// How.
    pub end: End,
    /// Bytes of its streams.
    pub counts: Counts,
    /// Its output; `None` when nobody counted what is in it.
    pub spool: Option<OwnedFd>,
    /// Bytes of each stream that the spool keeps.
    pub capacity: u64,
    /// When it ended.
    pub at: Instant,
}

impl Over {
    fn bytes(&self) -> u64 {
        self.counts.stdout.min(self.capacity) + self.counts.stderr.min(self.capacity)
    }
}

/// Oldest first.
#[derive(Debug, Default)]
pub struct Kept(VecDeque<Over>);

impl Kept {
    /// Keeps one more, and forgets what is too old or too much.
    pub fn add(&mut self, over: Over, retention: Duration, most_bytes: u64) {
        self.0.push_back(over);
        let mut bytes: u64 = self.0.iter().map(Over::bytes).sum();
        while let Some(oldest) = self.0.front() {
            if self.0.len() <= RUNS_KEPT && bytes <= most_bytes && oldest.at.elapsed() <= retention {
                return;
            }
            bytes -= oldest.bytes();
            self.0.pop_front();
        }
    }

    /// Forgets what is older.
    pub fn forget_old(&mut self, retention: Duration) {
        self.0.retain(|over| over.at.elapsed() <= retention);
    }

    /// A run that has ended and is not forgotten.
    pub fn find(&self, run: RunId, retention: Duration) -> Option<&Over> {
        self.0.iter().rev().find(|over| over.run == run && over.at.elapsed() <= retention)
    }

    /// All of them, oldest first.
    pub fn iter(&self, retention: Duration) -> impl Iterator<Item = &Over> {
        self.0.iter().filter(move |over| over.at.elapsed() <= retention)
    }
}
