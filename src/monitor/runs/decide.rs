//! Deciding on a run that others must agree to: whether somebody may, what it does, and what they are
//! shown.

use super::agree::share_a_key;
use crate::ids::RunId;
use crate::monitor::approvals::Waiting;
use crate::monitor::denied::Denied;
use crate::monitor::state::Shared;
use crate::policy::{Agreed, Command};
use crate::protocol::Code;
use crate::verb::ApprovalLine;
use std::sync::Arc;
use std::time::Instant;

/// The run that a decision is about, if whoever decides may decide on it by who they are, and has seen
/// the plan that waits.
///
/// # Errors
/// Why not.
pub fn decides(
    state: &Shared,
    decider: &Arc<str>,
    (run, command, plan): (Option<RunId>, &Arc<Command>, &str),
) -> Result<RunId, Denied> {
    let waiting = state.runs.approvals.waiting.borrow();
    let open = run.and_then(|run| Some((run, waiting.get(&run)?)));
    let open =
        open.filter(|(_, waiting)| waiting.is_open() && waiting.command.name == command.name);
    let Some((run, waiting)) = open else {
        let text = "no such run waits for somebody to agree to it";
        return Err(Denied::new(Code::NoSuchRun, text));
    };
    let no = |text: String| Err(Denied::new(Code::NotAnApprover, text));
    if waiting.requester == *decider {
        return no("nobody decides on a run of their own".into());
    }
    let involved = waiting.agreed.iter().map(|agreed| &agreed.user);
    for other in involved
        .chain([&waiting.requester])
        .filter(|other| *other != decider)
    {
        if share_a_key(state, other, decider) {
            return no(format!(
                "`{other}` logs in by a key of yours, and is asked already"
            ));
        }
    }
    if plan != waiting.digest {
        let text = "this is not the plan that waits; look at `ordain approvals` again";
        return Err(Denied::new(Code::Changed, text));
    }
    Ok(run)
}

/// Somebody has agreed. How many must yet.
pub fn agree(state: &Shared, run: RunId, agreed: Agreed) -> usize {
    let mut waiting = state.runs.approvals.waiting.borrow_mut();
    let Some(waiting) = waiting.get_mut(&run) else {
        return 0;
    };
    if !waiting.agreed.iter().any(|known| known.user == agreed.user) {
        waiting.agreed.push(agreed);
    }
    waiting.decided.notify_waiters();
    waiting.missing()
}

/// Somebody has denied, which ends it.
pub fn deny(state: &Shared, run: RunId, user: &str, reason: Option<&str>) {
    let mut waiting = state.runs.approvals.waiting.borrow_mut();
    if let Some(waiting) = waiting.get_mut(&run) {
        let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let text = format!("`{user}` has denied it{why}");
        waiting.denied = Some(Denied::new(Code::ApprovalDenied, text));
        waiting.decided.notify_waiters();
    }
}

/// The runs that wait, as far as this user has asked for them or may decide on them, and how many more
/// there are.
pub fn approvals(
    state: &Shared,
    user: &Arc<str>,
    decides: impl Fn(&Command) -> bool,
) -> (Vec<ApprovalLine>, u64) {
    /// Bytes of plans that an answer holds.
    const MOST: usize = 1024 * 1024;

    let waiting = state.runs.approvals.waiting.borrow();
    let may = |waiting: &&Waiting| {
        waiting.is_open() && (waiting.requester == *user || decides(&waiting.command))
    };
    let mut open: Vec<&Waiting> = waiting.values().filter(may).collect();
    open.sort_by_key(|waiting| waiting.since);
    let (mut lines, mut bytes, mut more) = (Vec::new(), 0, 0);
    for waiting in open {
        bytes += waiting.text.len();
        if bytes > MOST {
            more += 1;
            continue;
        }
        let left = waiting.until.saturating_duration_since(Instant::now());
        lines.push(ApprovalLine {
            plan: waiting.text.clone(),
            agreed: waiting
                .agreed
                .iter()
                .map(|one| one.user.to_string())
                .collect(),
            yours: waiting.requester != *user && decides(&waiting.command),
            left_s: left.as_secs(),
            changed: waiting.changed.clone(),
        });
    }
    (lines, more)
}
