//! Verbs about runs: beginning, ending, listing, following and signalling them.

use super::arguments::Arguments;
use super::definition::{Follows, Invokes, OfRun, OverAll, OwnOrAll, OwnRun, ToRun, Verb};
use super::invocation::Invocation;
use crate::ids::{Named, RunId};
use serde::{Deserialize, Serialize};

/// Runs a command. The answer is a run's own frames, and no ANSWER.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Run(pub Invocation);

impl Verb for Run {
    const NAME: &'static str = "run";
    const SUMMARY: &'static str = "Run a command";
    type Needs = ToRun;
    type Answer = NoAnswer;
    const ONCE: bool = true;

    fn about(&self) -> Option<&str> {
        Some(&self.0.command)
    }

    fn arguments(&mut self) -> Option<&mut Arguments> {
        Some(&mut self.0.arguments)
    }
}

impl Invokes for Run {
    fn invocation(&self) -> &Invocation {
        &self.0
    }
}

/// The answer of verbs that a run's frames answer: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoAnswer {}

/// Ends a run, also one that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The run's id.
    pub run: Named<RunId>,
}

/// What `cancel` answers: the end was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancelled {
    /// The run that is being ended.
    pub cancelled: String,
}

impl Verb for Cancel {
    const NAME: &'static str = "cancel";
    const SUMMARY: &'static str = "End a run";
    type Needs = OwnRun;
    type Answer = Cancelled;
}

impl OfRun for Cancel {
    const RIGHT: &'static str = "cancel-of-others";

    fn run(&self) -> Named<RunId> {
        self.run
    }
}

/// Tells of the runs that wait or go on, and those that have ended and are remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// Whether to be told of every change from now on. The answer comes in events then, and the
    /// stream stays until the client resets it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
}

/// What `runs` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunList {
    /// Those that have ended, then those that wait or go on; each part oldest first. In an event:
    /// those that are so from now on.
    pub runs: Vec<RunLine>,
}

/// One line of `runs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLine {
    /// The run's id.
    pub run: String,
    /// The user that asked for it.
    pub user: String,
    /// The command's name.
    pub command: String,
    /// Seconds since it was asked for; of one that has ended, from start to end.
    pub seconds: u64,
    /// Whether it waits for its turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
    /// How it ended, a word of [`crate::exit::Reason`], or `not-started`; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The exit status or the signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
}

impl Verb for Runs {
    const NAME: &'static str = "runs";
    const SUMMARY: &'static str =
        "Show the runs that are going on, and those that have ended not long ago";
    type Needs = OwnOrAll;
    type Answer = RunList;
}

impl Follows for Runs {
    fn follows(&self) -> bool {
        self.follow
    }
}

impl OverAll for Runs {
    const RIGHT: &'static str = "runs-of-others";
    const OWN: &'static str = "every user may list their own runs";
}

/// Follows a run's output from these bytes on. The answer is the run's own frames, and no ANSWER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The run's id.
    pub run: Named<RunId>,
    /// The first byte of standard output that is wanted; absent: the first that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<u64>,
    /// The first byte of standard error that is wanted; absent: the first that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<u64>,
    /// Whether to stay until the run ends; otherwise what is there already is all.
    #[serde(default)]
    pub follow: bool,
    /// Whether this session takes its own run up again after a lost link: standard input goes on
    /// here too.
    #[serde(default)]
    pub resume: bool,
}

impl Verb for Attach {
    const NAME: &'static str = "attach";
    const SUMMARY: &'static str = "Follow a run's output, or see what was kept of it";
    type Needs = OwnRun;
    type Answer = NoAnswer;
}

impl OfRun for Attach {
    const RIGHT: &'static str = "output-of-others";

    fn run(&self) -> Named<RunId> {
        self.run
    }
}

/// Sends a signal that the command accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// The run's id.
    pub run: Named<RunId>,
    /// The signal's name without SIG.
    pub signal: String,
}

/// What `signal` answers: the signal was accepted and is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signalled {
    /// The run that is signalled.
    pub signalled: String,
}

impl Verb for Signal {
    const NAME: &'static str = "signal";
    const SUMMARY: &'static str = "Send a signal that the command accepts";
    type Needs = OwnRun;
    type Answer = Signalled;
}

impl OfRun for Signal {
    const RIGHT: &'static str = "signal-of-others";

    fn run(&self) -> Named<RunId> {
        self.run
    }
}
