//! Whether everybody who had to agree to a run has signed that they do, before it began.

use super::report::Page;
use super::seen::{Seen, SignedRequest};
use crate::verb::plan_digest;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// The runs that others must agree to, by their ids.
#[derive(Default)]
pub(super) struct Approvals(HashMap<String, Asked>);

/// A plan, as far as the records around it are compared with it.
#[derive(Deserialize)]
struct Plan<'l> {
    #[serde(borrow)]
    run: Cow<'l, str>,
    #[serde(borrow)]
    requester: Cow<'l, str>,
    #[serde(borrow)]
    command: Cow<'l, str>,
    needed: u64,
}

/// A run that was asked for, and who has decided on it.
struct Asked {
    requester: String,
    command: String,
    /// The SHA-256 of the plan.
    digest: String,
    needed: u64,
    agreed: BTreeSet<String>,
    denied: bool,
}

impl Approvals {
    /// A daemon has started: no run of the one before it waits any more.
    pub fn restart(&mut self) {
        self.0.clear();
    }

    /// A run waits until others agree.
    pub fn asked(&mut self, seen: &Seen<'_>, page: &mut Page<'_>) {
        let text = seen.plan.as_deref().unwrap_or_default();
        let run = seen.run.as_deref().unwrap_or_default();
        let Ok(plan) = serde_json::from_str::<Plan<'_>>(text) else {
            return page.fault("has no plan that can be read");
        };
        let command = seen.command.as_deref().unwrap_or_default();
        if plan.run != run || plan.requester != seen.user || plan.command != command {
            return page.fault("has a plan of another run, user or command");
        }
        let asked = Asked {
            requester: plan.requester.into_owned(),
            command: plan.command.into_owned(),
            digest: plan_digest(text),
            needed: plan.needed,
            agreed: BTreeSet::new(),
            denied: false,
        };
        if self.0.insert(run.to_owned(), asked).is_some() {
            page.fault("asks for a run that was asked for before");
        }
    }

    /// Somebody was let decide on a run.
    pub fn decided(&mut self, seen: &Seen<'_>, signed: &SignedRequest<'_>, page: &mut Page<'_>) {
        let run = signed.run.as_deref().unwrap_or_default();
        let Some(asked) = self.0.get_mut(run) else {
            // What it decides on may be what is not here.
            if page.complete {
                page.fault("decides on a run that does not wait for that");
            }
            return;
        };
        if seen.run.as_deref() != Some(run) {
            return page.fault("decides on another run than was signed");
        }
        if signed.plan.as_deref() != Some(&asked.digest) {
            return page.fault("decides on another plan than the one that was asked for");
        }
        if signed.command.as_deref() != Some(&asked.command) {
            return page.fault("decides on a run of another command");
        }
        if seen.user == asked.requester {
            return page.fault("lets somebody decide on a run of their own");
        }
        match signed.verb.as_ref() {
            "deny" => asked.denied = true,
            _ => {
                asked.agreed.insert(seen.user.clone().into_owned());
            }
        }
    }

    /// A run has begun.
    pub fn begun(&mut self, seen: &Seen<'_>, page: &mut Page<'_>) {
        let run = seen.run.as_deref().unwrap_or_default();
        let Some(asked) = self.0.remove(run) else {
            return;
        };
        if asked.denied {
            page.fault("begins a run that was denied");
        } else if (asked.agreed.len() as u64) < asked.needed {
            page.fault(format!(
                "begins a run to which {} of {} have agreed",
                asked.agreed.len(),
                asked.needed
            ));
        }
    }

    /// A run has ended, or never begun.
    pub fn ended(&mut self, seen: &Seen<'_>) {
        self.0.remove(seen.run.as_deref().unwrap_or_default());
    }
}
