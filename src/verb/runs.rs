//! Verbs about runs: beginning, ending, listing, following and signalling them.

use super::arguments::Arguments;
use super::definition::{Follows, Invokes, OfRun, OverAll, OwnOrAll, OwnRun, ToRun, Verb};
use super::invocation::Invocation;
use crate::ids::{Named, RunId};
use serde::{Deserialize, Serialize};

/// Runs a command.
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

/// There is no ANSWER: the frames of a run answer (PROTOCOL.md, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoAnswer {}

/// Ends a run, also one that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The run's id.
    pub run: Named<RunId>,
}

/// What `cancel` answers: the end was begun. The run's own stream gets its EXIT, or ERROR 513 if
/// the run was still waiting for its turn. A run that has ended is 404.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancelled {
    /// The id of the run that is being ended.
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

/// Lists the runs that wait or go on, and those that have ended and are remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// Whether to be told of every change from now on. The answer comes in events then
    /// (PROTOCOL.md, 5.6), and the stream stays until the client resets it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
}

/// What `runs` answers: the youngest 1000 runs at the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunList {
    /// The runs that have ended, then those that wait or go on; each part oldest first. In an
    /// event: those that are so from now on.
    pub runs: Vec<RunLine>,
}

/// One line of `runs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLine {
    /// The run's id.
    pub run: String,
    /// The user that asked for the run.
    pub user: String,
    /// The command's name.
    pub command: String,
    /// The arguments as `name=value` with a space between two, in the order in which they came, at
    /// most 160 bytes; `…` stands at the end of what is longer, and `***` for the value of a secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments: String,
    /// The id of the request that has led to the run, as its client chose it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// When the run was asked for, in seconds since 1970; of one that has ended, when it started.
    pub since: u64,
    /// Seconds since the run was asked for; of one that has ended, from its start to its end.
    pub seconds: u64,
    /// Whether the run waits for its turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
    /// How the run ended, a `reason` of EXIT (PROTOCOL.md, 6.5), or `not-started` in an event about
    /// a run that could not start; absent while the run waits or goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// With `exit` and `signal`: the exit status or the signal.
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

/// Tells a run's output from these bytes on; a run that has not started is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The run's id.
    pub run: Named<RunId>,
    /// The offset of the first byte of standard output that is wanted (PROTOCOL.md, 6.7); absent:
    /// the first byte that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<u64>,
    /// The offset of the first byte of standard error that is wanted (PROTOCOL.md, 6.7); absent:
    /// the first byte that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<u64>,
    /// Whether to stay until the run ends; otherwise what is there already is all.
    #[serde(default)]
    pub follow: bool,
    /// Whether this session takes its own run up again after a lost link (PROTOCOL.md, 6.8):
    /// standard input goes on here too.
    #[serde(default)]
    pub resume: bool,
}

impl Verb for Attach {
    const NAME: &'static str = "attach";
    const SUMMARY: &'static str =
        "Follow a run's output, from its first kept byte or another, to its end";
    type Needs = OwnRun;
    type Answer = NoAnswer;
}

impl OfRun for Attach {
    const RIGHT: &'static str = "output-of-others";

    fn run(&self) -> Named<RunId> {
        self.run
    }
}

/// Sends a run a signal that its command accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// The run's id.
    pub run: Named<RunId>,
    /// The signal's name without SIG, in capitals.
    pub signal: String,
}

/// What `signal` answers: the signal was accepted and is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signalled {
    /// The id of the run that is signalled.
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
