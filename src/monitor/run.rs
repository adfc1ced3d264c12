//! A run as the monitor knows it, from its request to its end.

use super::runs::{Digest, Mover, Wide};
use crate::credential::Factor;
use crate::exec::{Duplicates, Ended};
use crate::exit::{Counts, End, Reason};
use crate::ids::{ConnectionId, RequestId, RunId, SessionId, StreamId};
use crate::ipc::RunRules;
use crate::ledger::Charge;
use crate::policy::{Command, Grant};
use crate::source::Source;
use crate::verb::{self, RunLine};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, mpsc, oneshot};

/// A run that waits, or goes on.
#[derive(Debug)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Whose.
    pub user: Arc<str>,
    /// The session that asked for it.
    pub session: SessionId,
    /// What that session was proved by.
    pub factor: Factor,
    /// Where it was asked for from.
    pub source: Source,
    /// Whether it has had to wait: it is judged again when its turn comes.
    pub waited: bool,
    /// Whether it begins by itself where it waits, also while its client is away.
    pub unattended: bool,
    /// The epoch as of which it was judged last.
    pub judged: u64,
    /// Whether a spawning thread may be about to clone it, or has and that is not recorded yet.
    pub cloning: bool,
    /// The id of the request that has led to it.
    pub asked_as: RequestId,
    /// That request, and what it asked for; none where that holds a secret, of which no trace is
    /// kept.
    pub request: Option<(RequestId, Digest)>,
    /// Which command.
    pub command: Arc<Command>,
    /// Its arguments, for people.
    pub arguments: String,
    /// How far it has come.
    pub phase: Phase,
    /// Its main process and process group; 0 until it has started.
    pub pid: i32,
    /// Since when.
    pub since: Instant,
    /// The connection and stream it talks to, while it has any.
    pub owner: Option<(ConnectionId, StreamId)>,
    /// The one before, until the new one is known to have taken it up.
    pub before: Option<(ConnectionId, StreamId)>,
    /// How often its client has changed: a wait for one that came back since is over.
    pub changes: u64,
    /// Whether somebody wants its end, be it before it has begun.
    pub ended: Ended,
    /// Tells its task to end it; the first reason counts.
    pub end: mpsc::Sender<Reason>,
    /// Tells its task to signal it.
    pub signals: mpsc::Sender<i32>,
    /// Tells its task that the frontend has read everything.
    pub finished: Option<oneshot::Sender<Counts>>,
    /// How it ended, once its processes are gone.
    pub over: Option<End>,
    /// Its output.
    pub spool: Option<OwnedFd>,
    /// What holds for it in the frontend.
    pub rules: RunRules,
    /// Duplicates of its pipes, for a frontend after this one.
    pub pipes: Duplicates,
    /// Who wants its output as soon as it has started.
    pub waiting: Vec<((ConnectionId, StreamId), Attachment)>,
    /// In which round of the queue its turn comes: each user has one run in a round.
    pub round: u64,
    /// What its user was charged for it.
    pub charges: Charges,
    /// What they were charged for its windows, where these have grown.
    pub wide: Wide,
    /// Its mover, where it moves files.
    pub mover: Option<Rc<Mover>>,
}

/// What a user was charged for a run; given back when it is over.
#[derive(Debug)]
pub struct Charges {
    /// The run itself.
    #[expect(dead_code, reason = "held until the run is over, and given back then")]
    pub run: Charge,
    /// Where its output is kept.
    pub output: Output,
    /// Its processes that may go on when it has ended, where its command lets them.
    pub left_running: Option<Charge>,
}

/// Where a run's output is kept while it goes on, and at whose charge.
#[derive(Debug)]
pub enum Output {
    /// In memory.
    #[expect(dead_code, reason = "held until the run is over, and given back then")]
    Memory(Charge),
    /// In a file without a name, in the state folder.
    Disk(Charge),
}

impl Run {
    /// Bytes on disk that its output may take.
    pub const fn bytes_on_disk(&self) -> u64 {
        match &self.charges.output {
            Output::Memory(_) => 0,
            Output::Disk(charge) => charge.amount(),
        }
    }
}

/// What the output of a run may take, whose streams have so much room each.
pub const fn both_streams(capacity: u64) -> u64 {
    capacity.saturating_mul(2)
}

/// From where a run's output is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment {
    /// Which run.
    pub run: RunId,
    /// The first byte of standard output that is wanted; `None` is the first that is kept.
    pub stdout: Option<u64>,
    /// The first byte of standard error that is wanted; `None` is the first that is kept.
    pub stderr: Option<u64>,
    /// Whether to stay until the run ends; otherwise what is there already is all.
    pub follow: bool,
    /// Whether this session takes its own run up again after a lost link: standard input goes on
    /// here too.
    pub resume: bool,
}

impl Attachment {
    /// As it was asked for.
    pub fn of(grant: &Grant<verb::Attach>) -> Self {
        let asked = grant.verb();
        Self {
            run: *grant.allowed(),
            stdout: asked.stdout,
            stderr: asked.stderr,
            follow: asked.follow,
            resume: asked.resume,
        }
    }

    /// From the first byte on, to go on with.
    pub const fn whole(run: RunId) -> Self {
        Self {
            run,
            stdout: Some(0),
            stderr: Some(0),
            follow: true,
            resume: true,
        }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for its turn.
    Queued,
    /// It is being started.
    Starting,
    /// The frontend knows of it.
    Running,
}

impl Run {
    /// Whether its start is known and told. What a lock meets before that is ended whatever its
    /// rule says: nobody could tell it from a start behind the lock.
    pub fn has_begun(&self) -> bool {
        self.phase == Phase::Running
    }

    /// The run's line in a list of runs.
    pub fn line(&self) -> RunLine {
        RunLine {
            run: self.id.to_string(),
            user: self.user.to_string(),
            command: self.command.name.clone(),
            arguments: self.arguments.clone(),
            request: self.asked_as.to_string(),
            since: crate::clock::seconds().saturating_sub(self.since.elapsed().as_secs()),
            seconds: self.since.elapsed().as_secs(),
            waiting: self.phase == Phase::Queued,
            ended: None,
            number: None,
        }
    }

    /// Whether nobody is there for whom it could begin.
    pub const fn is_away(&self) -> bool {
        self.owner.is_none() && !self.unattended
    }

    /// Asks for its end.
    pub fn end_for(&self, reason: Reason) {
        self.ended.set();
        let _ = self.end.try_send(reason);
    }
}

/// What is known of processes that go on after their run has ended.
#[derive(Debug)]
pub struct Left {
    /// Whose run it was.
    pub user: Arc<str>,
    /// What the session was proved by that asked for it.
    pub factor: Factor,
    /// Where it was asked for from.
    pub source: Source,
    /// Which command.
    pub command: Arc<Command>,
    /// Rung when they are to be killed.
    pub end: Rc<Notify>,
    /// The user's charge for them.
    _charge: Option<Charge>,
}

impl Left {
    /// What a run leaves behind.
    pub fn of(run: &mut Run) -> Self {
        Self {
            user: run.user.clone(),
            factor: run.factor.clone(),
            source: run.source.clone(),
            command: run.command.clone(),
            end: Rc::default(),
            _charge: run.charges.left_running.take(),
        }
    }
}
