//! What stands between a grant and a start: limits, locks, places, and the queue for them.

use super::windows::narrow;
use crate::exit::{Human, Reason};
use crate::ids::RunId;
use crate::ledger::{Share, Spent};
use crate::limits::SPOOL_IN_MEMORY;
use crate::monitor::access;
use crate::monitor::denied::Denied;
use crate::monitor::run::{Charges, Output, Phase, Run, both_streams};
use crate::monitor::state::Shared;
use crate::policy::{Asker, Beginning, Command, Plan, Refusal};
use crate::protocol::Code;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Why a run cannot begin now, though it is allowed.
pub enum Hindrance {
    /// Something stands in the way of everything new, or of another run of this command.
    Refusal(Denied),
    /// Its user has as much as they may have.
    Share(Spent),
}

/// Charges the user for a run that is about to begin.
pub fn charge(state: &Shared, grant: &Beginning) -> Result<Charges, Hindrance> {
    let (user, command) = (grant.user(), &grant.plan().command);
    if let Some(denied) = unable(state, command) {
        return Err(Hindrance::Refusal(denied));
    }
    let one = |share| state.ledger.charge(user, share, 1);
    Ok(Charges {
        run: one(Share::Runs).map_err(Hindrance::Share)?,
        output: output(state, user, command)?,
        left_running: command
            .leave_running
            .then(|| one(Share::LeftRunning))
            .transpose()
            .map_err(Hindrance::Share)?,
    })
}

/// Where a run's output is kept: what is small in memory, as far as the user's share of that goes,
/// everything else on disk.
fn output(state: &Shared, user: &Arc<str>, command: &Command) -> Result<Output, Hindrance> {
    let bytes = both_streams(command.spool);
    if command.spool <= SPOOL_IN_MEMORY {
        if let Ok(charge) = state.ledger.charge(user, Share::Memory, bytes) {
            return Ok(Output::Memory(charge));
        }
        // What makes runs faster makes room for further ones.
        narrow(state, user);
    }
    if let Some(denied) = too_much_output(state, bytes) {
        return Err(Hindrance::Refusal(denied));
    }
    let charge = state.ledger.charge(user, Share::Disk, bytes);
    charge.map(Output::Disk).map_err(Hindrance::Share)
}

/// What a run of this command has to wait for, when it is about to begin.
pub fn turn_of(state: &Shared, command: &Command) -> Option<Denied> {
    before(state, command, None)
}

/// Why nothing new may run now.
fn unable(state: &Shared, command: &Command) -> Option<Denied> {
    if state.health.is_stopping() {
        let text = "the server is stopping and takes nothing new";
        return Some(Denied::new(Code::Stopping, text));
    }
    let fault = state.audit.fault.borrow();
    let fault = fault.as_ref().filter(|_| !command.audit_best_effort)?;
    Some(Denied::new(
        Code::Trail,
        format!("{fault}, so nothing new is done"),
    ))
}

/// Why the output of a further run cannot be kept on disk.
fn too_much_output(state: &Shared, bytes: u64) -> Option<Denied> {
    let most = state.settings().running_bytes;
    if state.runs.bytes_on_disk().saturating_add(bytes) <= most {
        return None;
    }
    let text = format!(
        "the output of the runs that go on may take {most} bytes on disk, as much as output.running allows"
    );
    Some(Denied::new(Code::OverLimit, text))
}

/// What a run of this command has to wait for: its lock, a place among the command's runs, or those
/// that came first.
fn before(state: &Shared, command: &Command, own: Option<RunId>) -> Option<Denied> {
    let runs = state.runs.going.borrow();
    let locks = state.runs.locks.borrow();
    if let Some(lock) = &command.lock
        && let Some(holder) = locks.get(lock).and_then(|holder| runs.get(holder))
        && Some(holder.id) != own
    {
        let since = Human(holder.since.elapsed());
        let (name, user, run) = (&holder.command.name, &holder.user, holder.id);
        let text =
            format!("the lock `{lock}` is held by `{name}` of `{user}` (run {run}, for {since})");
        return Some(Denied::new(Code::Locked, text));
    }

    let same = |run: &&Run| {
        run.command.name == command.name && Some(run.id) != own && run.phase != Phase::Queued
    };
    if let Some(most) = command.max_running
        && runs.values().filter(same).count() >= most
    {
        let name = &command.name;
        let text = format!("`{name}` runs as often as its max_running allows ({most})");
        return Some(Denied::new(Code::OverLimit, text));
    }

    // Of those that wait, the first of the lowest round is next; one that does not wait yet is
    // behind all.
    let queue = state.runs.queue.borrow();
    let next = rivals(&runs, &queue, command).min_by_key(|run| run.round)?;
    let behind = Some(next.id) != own;
    behind.then(|| Denied::new(Code::Locked, format!("run {} came first", next.id)))
}

/// The runs that wait for the same as a run of this command, in the order in which they came.
fn rivals<'r>(
    runs: &'r HashMap<RunId, Run>,
    queue: &'r VecDeque<RunId>,
    command: &'r Command,
) -> impl Iterator<Item = &'r Run> {
    queue
        .iter()
        .filter_map(|id| runs.get(id))
        // Nobody waits for whoever is away.
        .filter(|run| !run.is_away())
        .filter(move |run| {
            let same_lock = run.command.lock.is_some() && run.command.lock == command.lock;
            run.command.name == command.name || same_lock
        })
}

/// In which round a further run of this user gets its turn: each user has one run in a round, so
/// that one who lets many wait holds up nobody but themselves.
pub fn round(state: &Shared, user: &str, command: &Command) -> u64 {
    let (runs, queue) = (state.runs.going.borrow(), state.runs.queue.borrow());
    let rounds = |own: bool| {
        rivals(&runs, &queue, command)
            .filter(move |run| !own || *run.user == *user)
            .map(|run| run.round)
    };
    match rounds(true).max() {
        Some(last) => last + 1,
        None => rounds(false).min().unwrap_or(0),
    }
}

/// How many runs of this command wait for this user.
pub fn in_queue(state: &Shared, user: &str, command: &Command) -> usize {
    let (runs, queue) = (state.runs.going.borrow(), state.runs.queue.borrow());
    queue
        .iter()
        .filter_map(|id| runs.get(id))
        .filter(|run| run.command.name == command.name && *run.user == *user)
        .count()
}

/// The run holds its command's lock from now on.
pub fn take_lock(state: &Shared, run: RunId, command: &Command) {
    if let Some(lock) = &command.lock {
        state.runs.locks.borrow_mut().insert(lock.clone(), run);
    }
}

/// What a run's task is told.
pub struct Orders {
    /// To end, and why.
    pub ends: mpsc::Receiver<Reason>,
    /// To send a signal.
    pub signals: mpsc::Receiver<i32>,
}

/// Waits for the run's turn. Why not, when it does not come.
pub async fn turn(
    state: &Shared,
    run: RunId,
    grant: &Beginning,
    orders: &mut Orders,
) -> Result<(), Denied> {
    let queued = |state: &Shared| {
        let runs = state.runs.going.borrow();
        runs.get(&run).is_some_and(|run| run.phase == Phase::Queued)
    };
    if !queued(state) {
        return Ok(());
    }

    let command = &grant.plan().command;
    let outcome = own_turn(state, run, command, orders).await;
    state.runs.queue.borrow_mut().retain(|id| *id != run);
    let waited = |state: &Shared| {
        let runs = state.runs.going.borrow();
        runs.get(&run).is_some_and(|run| run.waited)
    };
    let outcome = match outcome {
        Ok(()) if waited(state) => still_granted(state, grant, "while it waited for its turn"),
        outcome => outcome,
    };
    if outcome.is_ok() {
        take_lock(state, run, command);
        if let Some(run) = state.runs.going.borrow_mut().get_mut(&run) {
            run.phase = Phase::Starting;
        }
    }

    // Those behind it may move up.
    state.runs.one_ended.notify_waiters();
    outcome
}

/// Waits until nothing stands before the run.
async fn own_turn(
    state: &Shared,
    run: RunId,
    command: &Command,
    orders: &mut Orders,
) -> Result<(), Denied> {
    let late = tokio::time::sleep(command.queue_timeout);
    tokio::pin!(late);
    loop {
        let ended = state.runs.one_ended.notified();
        tokio::pin!(ended);
        ended.as_mut().enable();
        if state.health.is_stopping() {
            let text = "the server is stopping and starts nothing new";
            return Err(Denied::new(Code::Stopping, text));
        }
        let waits = before(state, command, Some(run)).or_else(|| away(state, run));
        let Some(waits) = waits else {
            return Ok(());
        };

        tokio::select! {
            () = ended => {}
            () = &mut late => {
                let waits = before(state, command, Some(run)).unwrap_or(waits).text;
                let patience = Human(command.queue_timeout);
                let text = format!("its turn did not come in {patience}: {waits}");
                return Err(Denied::new(Code::QueueDeadline, text));
            }
            reason = orders.ends.recv() => {
                return Err(left(reason.unwrap_or(Reason::Stopped), "its turn came"));
            }
        }
    }
}

/// What waits is not started while its client is away, unless that was asked for.
fn away(state: &Shared, run: RunId) -> Option<Denied> {
    let runs = state.runs.going.borrow();
    let away = runs.get(&run).is_some_and(Run::is_away);
    away.then(|| Denied::new(Code::QueueLeft, "its client is away"))
}

/// Somebody wants the end of a run that has not begun.
pub fn left(reason: Reason, before: &str) -> Denied {
    let code = match reason {
        Reason::Stopped => Code::Stopping,
        _ => Code::QueueLeft,
    };
    Denied::new(code, format!("ended before {before} ({})", reason.word()))
}

/// The last judgement before a start: nobody wants its end, its user may still be here, and what was
/// granted would be granted now.
pub fn may_start(
    state: &Shared,
    run: RunId,
    grant: &Beginning,
    orders: &mut Orders,
) -> Result<(), Denied> {
    if let Ok(reason) = orders.ends.try_recv() {
        return Err(left(reason, "it started"));
    }
    let now = state.runs.epoch.now();
    let judged = {
        let runs = state.runs.going.borrow();
        let Some(run) = runs.get(&run) else {
            return Err(left(Reason::Stopped, "it started"));
        };
        if run.ended.is_set() || access::lost(state, &run.user, &run.factor) {
            return Err(left(Reason::Revoked, "it started"));
        }
        run.judged
    };
    if judged != now {
        still_granted(state, grant, "before it started")?;
        if let Some(run) = state.runs.going.borrow_mut().get_mut(&run) {
            run.judged = now;
        }
    }
    Ok(())
}

/// Whether what was granted before would be granted now, and be the same.
fn still_granted(state: &Shared, grant: &Beginning, when: &str) -> Result<(), Denied> {
    let no = |refusal: &Refusal| {
        let text = format!("{} ({when})", refusal.text);
        Denied::new(refusal.kind.into(), text)
    };
    let member = access::member(state, grant.user()).map_err(|refusal| no(&refusal))?;
    let asker = Asker {
        member: &member,
        request: grant.request(),
        source: grant.source().clone(),
        owner: &|_| None,
        // `2h ago` goes on to mean what it meant when it was granted, and recorded.
        asked: grant.asked(),
        now: crate::clock::now(),
    };
    let then = grant.plan();
    match grant.again(&state.settings().policy, &asker) {
        Ok(grant) => {
            let now = grant.plan();
            let task = |plan: &Plan| plan.moving.as_ref().map(|moving| moving.task.clone());
            if now.argv == then.argv
                && now.command.run_as == then.command.run_as
                && task(now) == task(then)
            {
                return Ok(());
            }
            let text = format!("the command was changed {when}");
            Err(Denied::new(Code::QueueLeft, text))
        }
        Err(refusal) => Err(no(&refusal)),
    }
}
