//! The runs that others must agree to: what each waits for, and who has decided.

use super::denied::Denied;
use crate::ids::RunId;
use crate::policy::{Agreed, Approval, Command, Digested};
use crate::protocol::Code;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

/// All runs that others must agree to, until they have begun or have ended.
#[derive(Debug, Default)]
pub struct Approvals {
    /// By their ids.
    pub waiting: RefCell<HashMap<RunId, Waiting>>,
    /// What was executed when a command last ran by approval.
    pub last: RefCell<HashMap<String, Arc<[Digested]>>>,
}

/// A run that others must agree to.
#[derive(Debug)]
pub struct Waiting {
    /// Who has asked for it.
    pub requester: Arc<str>,
    /// The command, as it was then.
    pub command: Arc<Command>,
    /// Who must agree.
    pub approval: Approval,
    /// The plan, as the text that is agreed to.
    pub text: String,
    /// The SHA-256 of that text.
    pub digest: String,
    /// What is to be executed.
    pub files: Arc<[Digested]>,
    /// The digest of the rules of its command.
    pub rules: [u8; 32],
    /// The files that are others than when the command last ran.
    pub changed: Option<Vec<String>>,
    /// Since when it waits.
    pub since: Instant,
    /// Until when.
    pub until: Instant,
    /// The same by the wall clock, in seconds since 1970.
    pub until_s: u64,
    /// Who has agreed.
    pub agreed: Vec<Agreed>,
    /// What its client is told, where somebody has denied.
    pub denied: Option<Denied>,
    /// Rung when somebody has decided.
    pub decided: Rc<Notify>,
}

impl Waiting {
    /// How many must agree yet.
    pub fn missing(&self) -> usize {
        self.approval.needed.saturating_sub(self.agreed.len())
    }

    /// Whether it can still be decided on.
    pub fn is_open(&self) -> bool {
        self.denied.is_none() && self.missing() > 0 && !self.is_late()
    }

    /// Whether its time is over, by either clock.
    pub fn is_late(&self) -> bool {
        Instant::now() >= self.until || crate::clock::seconds() >= self.until_s
    }

    /// What is told of one whose time is over.
    pub fn late(&self) -> Denied {
        let (needed, role) = (self.approval.needed, &self.approval.by);
        let text = format!(
            "nobody begins it any more: {} of {needed} with the role `{role}` have agreed in its time",
            self.agreed.len()
        );
        Denied::new(Code::NotApproved, text)
    }
}
