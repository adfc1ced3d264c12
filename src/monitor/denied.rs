//! Why a request is refused or not done after all, as its client is told.

use crate::ledger::Spent;
use crate::policy::{Refusal, RefusalKind};
use crate::protocol::Code;

/// What a client is told when nothing can be done because the trail cannot be written.
pub const TRAIL: &str = "the audit trail cannot be written, so nothing is done";

/// A refusal, whoever refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The stable code.
    pub code: Code,
    /// The sentence for people.
    pub text: String,
    /// The argument that it is about.
    pub argument: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
}

impl Denied {
    /// By this code, with this sentence.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            argument: None,
            rule: None,
        }
    }

    /// Nothing is done because the trail cannot be written.
    pub fn trail() -> Self {
        Self::new(Code::Trail, TRAIL)
    }

    /// What is not there, and what is somebody else's.
    pub fn no_such_run() -> Self {
        Self::new(Code::NoSuchRun, "there is no such run")
    }
}

impl From<&Spent> for Denied {
    fn from(spent: &Spent) -> Self {
        Self {
            rule: Some(spent.share().limit().to_owned()),
            ..Self::new(Code::OverLimit, spent.to_string())
        }
    }
}

impl From<RefusalKind> for Code {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::NotPermitted => Self::NotPermitted,
            RefusalKind::Source => Self::Source,
            RefusalKind::Hours => Self::Hours,
            RefusalKind::Argument => Self::Argument,
            RefusalKind::Confirm => Self::Confirm,
            RefusalKind::Reason => Self::Reason,
            RefusalKind::NoSuchRun => Self::NoSuchRun,
            RefusalKind::Groups => Self::GroupsUnknown,
        }
    }
}

impl From<&Refusal> for Denied {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.kind.into(),
            text: refusal.text.clone(),
            argument: refusal.argument.clone(),
            rule: Some(refusal.rule.clone()),
        }
    }
}
