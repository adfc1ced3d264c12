//! All runs: those that wait or go on, and what is remembered of those that have ended.

use super::ended::EndedRuns;
use super::requested::Requested;
use crate::exec::{Epoch, Means};
use crate::ids::RunId;
use crate::ledger::{Ledger, Share};
use crate::limits::SPAWNERS;
use crate::monitor::approvals::Approvals;
use crate::monitor::run::{Left, Run};
use crate::monitor::steps::Steps;
use crate::monitor::turns::Turns;
use crate::sys::Version;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// All runs.
#[derive(Debug)]
pub struct Runs {
    /// What runs are started with.
    pub means: Means,
    /// Runs that wait or go on, by id.
    pub going: RefCell<HashMap<RunId, Run>>,
    /// Those that others must agree to first.
    pub approvals: Approvals,
    /// Runs that wait for their turn, first come first.
    pub queue: RefCell<VecDeque<RunId>>,
    /// The run that holds each lock.
    pub locks: RefCell<HashMap<String, RunId>>,
    /// Processes that go on after their run has ended, by their command's rule.
    pub left: RefCell<HashMap<RunId, Left>>,
    /// Requests that have led to runs.
    pub requested: RefCell<Requested>,
    /// Runs that have ended not long ago.
    pub ended: RefCell<EndedRuns>,
    /// Raised by everything that takes away; starts that were judged before lapse.
    pub epoch: Epoch,
    /// Places among the starts that go on; users have them in turn.
    pub starts: Turns<Arc<str>>,
    /// The steps of all runs that go on; users have them in turn.
    pub steps: Steps,
    /// Rung when a run has started.
    pub one_started: Notify,
    /// Rung when a run has ended.
    pub one_ended: Notify,
    /// The version of each command's executable that ran last.
    pub versions: RefCell<HashMap<String, Version>>,
}

impl Runs {
    /// None yet but those that a daemon before this one has left.
    pub fn new(means: Means, ended: EndedRuns, retention: Duration, ledger: &Ledger) -> Self {
        let mut requested = Requested::default();
        for ran in ended.iter(retention).map(|over| &over.ran) {
            if let Some((id, digest)) = ran.request {
                let charge = ledger.carry(&ran.user, Share::RequestIds, 1);
                requested.add(
                    (&ran.user, id, digest),
                    ran.run,
                    charge,
                    (Instant::now(), None),
                );
            }
        }
        Self {
            means,
            going: RefCell::default(),
            approvals: Approvals::default(),
            queue: RefCell::default(),
            locks: RefCell::default(),
            left: RefCell::default(),
            requested: RefCell::new(requested),
            ended: RefCell::new(ended),
            epoch: Epoch::default(),
            starts: Turns::new(SPAWNERS, SPAWNERS - 1),
            steps: Steps::default(),
            one_started: Notify::new(),
            one_ended: Notify::new(),
            versions: RefCell::default(),
        }
    }

    /// Bytes on disk that the output of all runs that go on may take.
    pub fn bytes_on_disk(&self) -> u64 {
        self.going
            .borrow()
            .values()
            .map(Run::bytes_on_disk)
            .fold(0, u64::saturating_add)
    }

    /// The user whose run it is: one that goes on, or one that has ended and is remembered.
    pub fn owner(&self, run: RunId, retention: Duration) -> Option<Arc<str>> {
        let live = self.going.borrow().get(&run).map(|run| run.user.clone());
        live.or_else(|| {
            let ended = self.ended.borrow();
            ended.find(run, retention).map(|over| over.ran.user.clone())
        })
    }
}
