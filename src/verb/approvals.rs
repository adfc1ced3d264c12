//! Verbs about runs that begin only when others have agreed to them.

use super::definition::{Anyone, Decides, Free, ToDecide, Verb};
use crate::encoding::hex;
use crate::ids::{Named, RunId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Lists the runs that wait for somebody to agree to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvals {}

/// What `approvals` answers: those that one may decide on, and those that one has asked for oneself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalList {
    /// The runs that wait, oldest first.
    pub approvals: Vec<ApprovalLine>,
    /// How many more there are than an answer can hold.
    pub more: u64,
}

/// One line of `approvals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalLine {
    /// The plan of the run, as the text that is agreed to: an object in JSON (PROTOCOL.md, 6.12). Whoever agrees signs
    /// the SHA-256 of exactly these bytes.
    pub plan: String,
    /// Who has agreed so far.
    pub agreed: Vec<String>,
    /// Whether one may decide on it oneself.
    pub yours: bool,
    /// For how many seconds it waits yet.
    pub left_s: u64,
    /// The files of the plan that are others than when the command last ran here, by their paths.
    /// Absent where it has not run since the daemon began, or was agreed to otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<String>>,
}

/// Everything that is agreed to. The server makes its text once, and whoever reads it must know every
/// field of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPlan {
    /// The version of this form: 1.
    pub version: u32,
    /// The id of the run that waits.
    pub run: String,
    /// Who has asked for it.
    pub requester: String,
    /// Where they asked from, as the kernel says.
    pub source: String,
    /// The command's name.
    pub command: String,
    /// The exact argv, `***` in the place of a secret.
    pub argv: Vec<String>,
    /// The commitments to the secrets among the arguments, by their names (PROTOCOL.md, 5.2).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// The command's own variables as NAME=VALUE, `***` in the place of a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// The account that it runs as.
    pub run_as: String,
    /// The standard input: always `none`, because a command that takes any cannot have `approval`.
    pub stdin: String,
    /// What is executed: the executable, and where that is a script its interpreters.
    pub files: Vec<PlannedFile>,
    /// The SHA-256 of everything that the configuration says of the command, in hexadecimal digits.
    pub rules: String,
    /// Why it is asked for, in the words of whoever asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it begins by itself once enough have agreed, also while whoever asks is away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
    /// When it was asked for: seconds since 1970.
    pub asked: u64,
    /// When it is given up: seconds since 1970.
    pub until: u64,
    /// The role whose users may agree.
    pub by: String,
    /// How many of them must.
    pub needed: u64,
}

/// The SHA-256 of the text of a plan, in hexadecimal digits: what somebody signs who decides on it.
pub fn plan_digest(text: &str) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
}

/// A file of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFile {
    /// The file's path, every link followed.
    pub path: String,
    /// The SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
}

impl Verb for Approvals {
    const NAME: &'static str = "approvals";
    const SUMMARY: &'static str = "Show the runs that wait for somebody to agree to them";
    type Needs = Anyone;
    type Answer = ApprovalList;
}

impl Free for Approvals {
    const RULE: &'static str =
        "every user may know what they have asked for, and what they may decide on";
}

/// Agrees to one exact plan of a run that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The id of the run.
    pub run: Named<RunId>,
    /// The command's name, as the plan says it.
    pub command: String,
    /// The SHA-256 of the plan's text, in hexadecimal digits. Another plan than the one that waits is
    /// refused (412).
    pub plan: String,
}

/// What `approve` answers, once it is in the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovedRun {
    /// The id of the run.
    pub approved: String,
    /// How many must agree yet before it begins.
    pub missing: u64,
}

impl Verb for Approve {
    const NAME: &'static str = "approve";
    const SUMMARY: &'static str = "Agree to a run of another user that waits for that";
    type Needs = ToDecide;
    type Answer = ApprovedRun;

    fn about(&self) -> Option<&str> {
        Some(&self.command)
    }
}

impl Decides for Approve {
    fn command(&self) -> &str {
        &self.command
    }

    fn run(&self) -> Option<RunId> {
        self.run.0
    }

    fn plan(&self) -> &str {
        &self.plan
    }
}

/// Denies one exact plan of a run that waits, and ends the run by that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// The id of the run.
    pub run: Named<RunId>,
    /// The command's name, as the plan says it.
    pub command: String,
    /// The SHA-256 of the plan's text, in hexadecimal digits.
    pub plan: String,
    /// Why, for whoever has asked: 256 bytes at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What `deny` answers, once it is in the trail. The run's own stream gets ERROR 414.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeniedRun {
    /// The id of the run.
    pub denied: String,
}

impl Verb for Deny {
    const NAME: &'static str = "deny";
    const SUMMARY: &'static str = "Deny a run of another user that waits, which ends it";
    type Needs = ToDecide;
    type Answer = DeniedRun;

    fn about(&self) -> Option<&str> {
        Some(&self.command)
    }
}

impl Decides for Deny {
    fn command(&self) -> &str {
        &self.command
    }

    fn run(&self) -> Option<RunId> {
        self.run.0
    }

    fn plan(&self) -> &str {
        &self.plan
    }

    fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}
