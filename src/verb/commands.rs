//! Verbs about commands: what one may run, and what would come of it.

use super::arguments::Arguments;
use super::definition::{Anyone, Free, Invokes, OfCommand, SpeaksOf, ToSee, Verb};
use super::invocation::Invocation;
use serde::{Deserialize, Serialize};

/// Lists the commands that this user may run from here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {}

/// What `list` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandList {
    /// The commands, by name.
    pub commands: Vec<CommandLine>,
}

/// One line of `list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandLine {
    /// The command's name.
    pub name: String,
    /// What it is for.
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

/// Tells a command's arguments.
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

/// What `describe` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandView {
    /// The command's name.
    pub name: String,
    /// What it is for.
    pub summary: String,
    /// How it is typed.
    pub usage: String,
    /// Those with a hole in `exec` in the order of their first hole, then the rest.
    pub arguments: Vec<ArgumentView>,
    /// Whether standard input is taken.
    pub stdin: bool,
    /// Bytes of standard input at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_max: Option<u64>,
    /// Milliseconds a run may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether a person must agree first.
    pub confirm: bool,
    /// Whether it goes on when its client leaves.
    #[serde(default)]
    pub outlives_client: bool,
    /// Whether it gets a terminal.
    #[serde(default)]
    pub terminal: bool,
    /// The form of the reason that must be given, a regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One argument, as `describe` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentView {
    /// Its name.
    pub name: String,
    /// Its kind: choice, integer, string, flag, path, hostname, ip, cidr.
    pub kind: String,
    /// Bounds in words.
    pub bounds: String,
    /// The choices, of a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Whether it must be given.
    pub required: bool,
    /// Its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether it may be given more than once.
    pub repeated: bool,
    /// Whether it is secret.
    pub secret: bool,
    /// Whether it can be given by position.
    pub positional: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
}

/// Tells the decision and the exact argv of a run, and runs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Preview(pub Invocation);

/// What `preview` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewView {
    /// The rule that grants it.
    pub rule: String,
    /// The exact argv, secrets masked.
    pub argv: Vec<String>,
    /// The account it runs as.
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

/// Tells what would be decided of a run, and every rule that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Explain(pub Invocation);

/// What `explain` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainView {
    /// `granted` or `refused`.
    pub decision: String,
    /// The rule that decided.
    pub decided_by: String,
    /// The refusal's stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The refusal's sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The exact argv that would run, secrets masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// Every rule that was considered, in order, with its place and what it said.
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
