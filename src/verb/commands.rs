//! Verbs about commands: what one may run, and what would come of it.

use super::arguments::Arguments;
use super::definition::{Anyone, Free, Invokes, OfCommand, SpeaksOf, ToSee, Verb};
use super::invocation::Invocation;
use serde::{Deserialize, Serialize};

/// Lists the commands that this user may run, from the address they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {}

/// What `list` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandList {
    /// The commands, in the order of their names.
    pub commands: Vec<CommandLine>,
    /// A clause for each role of the user that does not hold at this time: the role, its hours, and
    /// what the clocks there show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_hours: Vec<String>,
}

/// One line of `commands`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandLine {
    /// The command's name.
    pub name: String,
    /// What the command is for; it may be empty.
    pub summary: String,
}

impl Verb for List {
    const NAME: &'static str = "list";
    const SUMMARY: &'static str = "Show what this user may run";
    type Needs = Anyone;
    type Answer = CommandList;
}

impl Free for List {
    const RULE: &'static str = "every user may list what is granted to them";
}

/// Tells what a command is for, and which arguments it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Describe {
    /// The command's name.
    pub command: String,
}

impl Verb for Describe {
    const NAME: &'static str = "describe";
    const SUMMARY: &'static str = "Show a command's arguments, their kinds, bounds and defaults";
    type Needs = OfCommand;
    type Answer = CommandView;

    fn about(&self) -> Option<&str> {
        Some(&self.command)
    }
}

impl SpeaksOf for Describe {
    fn command(&self) -> &str {
        &self.command
    }
}

/// What `describe` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandView {
    /// The command's name.
    pub name: String,
    /// What the command is for; it may be empty.
    pub summary: String,
    /// How the command is typed.
    pub usage: String,
    /// The command's arguments: those with a hole in `exec` in the order of their first hole, then
    /// the rest. So those that can be given by position come in their order.
    pub arguments: Vec<ArgumentView>,
    /// Whether standard input is taken.
    pub stdin: bool,
    /// Bytes of standard input at the most; absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_max: Option<u64>,
    /// Milliseconds that a run may take by the command's own bound; absent: no bound. A role may
    /// grant less time: what holds is in STARTED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether a person must have seen the argv and agreed first, which `confirmed` says.
    pub confirm: bool,
    /// The role whose users must agree to each run before it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_by: Option<String>,
    /// With `approval_by`: how many of them must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_needed: Option<u64>,
    /// Whether what a run writes is recorded: `optional`, as far as that can be done, or `required`.
    /// Absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Whether a run goes on when its client leaves.
    #[serde(default)]
    pub outlives_client: bool,
    /// Whether a run gets a terminal.
    #[serde(default)]
    pub terminal: bool,
    /// The regular expression that the `reason` of a run must match from end to end; absent: none
    /// must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One of the `arguments` of `describe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentView {
    /// The argument's name.
    pub name: String,
    /// The argument's kind: `choice`, `integer`, `string`, `flag`, `path`, `hostname`, `ip`, `cidr` or
    /// `time`.
    pub kind: String,
    /// What the argument accepts, in words for people.
    pub bounds: String,
    /// The words to choose from, of a `choice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Whether the argument must be given.
    pub required: bool,
    /// What stands in when the argument is left out; masked if the argument is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether the argument may have several values.
    pub repeated: bool,
    /// Whether the argument's value is secret (PROTOCOL.md, 5.3).
    pub secret: bool,
    /// Whether a command line may give the argument by position.
    pub positional: bool,
    /// What the argument is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
}

/// Tells the decision about a run and its exact argv, and runs nothing. Its `confirmed`, `reason`
/// and `terminal` have no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Preview(pub Invocation);

/// What `preview` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewView {
    /// The rule that grants the run, with its place in the configuration.
    pub rule: String,
    /// The exact argv, secrets masked.
    pub argv: Vec<String>,
    /// The account that the command runs as.
    pub run_as: String,
    /// The working directory.
    pub cwd: String,
}

impl Verb for Preview {
    const NAME: &'static str = "preview";
    const SUMMARY: &'static str = "Show the decision and the exact argv; run nothing";
    type Needs = ToSee;
    type Answer = PreviewView;

    fn about(&self) -> Option<&str> {
        Some(&self.0.command)
    }

    fn arguments(&mut self) -> Option<&mut Arguments> {
        Some(&mut self.0.arguments)
    }
}

impl Invokes for Preview {
    fn invocation(&self) -> &Invocation {
        &self.0
    }
}

/// Tells what would be decided of a `run` with these fields now, from this address, with every rule
/// that was considered, and runs nothing. Its `terminal` has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Explain(pub Invocation);

/// What `explain` answers. A refusal that is explained is an ANSWER too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainView {
    /// `granted` or `refused`.
    pub decision: String,
    /// The rule that decided, with its place in the configuration; `default deny` where none did.
    pub decided_by: String,
    /// With `refused`: the code that `run` would get, 400 to 403 or 406.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// With `refused`: the text of the ERROR that `run` would get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// With `granted`: the exact argv that would run, secrets masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// Every rule that was considered, in order, with its place and what it said, for people.
    pub considered: Vec<String>,
}

impl Verb for Explain {
    const NAME: &'static str = "explain";
    const SUMMARY: &'static str =
        "Show what would be decided, and every rule that was considered; run nothing";
    type Needs = Anyone;
    type Answer = ExplainView;

    fn about(&self) -> Option<&str> {
        Some(&self.0.command)
    }

    fn arguments(&mut self) -> Option<&mut Arguments> {
        Some(&mut self.0.arguments)
    }
}

impl Free for Explain {
    const RULE: &'static str = "every user may ask why for themselves";
}
