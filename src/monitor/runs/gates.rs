//! What stands between a grant and a start: limits, locks, places, and the queue for them.

use crate::exit::{Human, Reason};
use crate::ids::RunId;
use crate::monitor::access;
use crate::monitor::denied::Denied;
use crate::monitor::run::{Phase, Run, bytes_on_disk};
use crate::monitor::state::Shared;
use crate::policy::{Asker, Command, Grant};
use crate::protocol::Code;
use crate::verb;
use tokio::sync::mpsc;

/// Why a run cannot begin now, though it is allowed.
pub enum Hindrance {
    /// It cannot.
    Refusal(Denied),
    /// Its turn has not come: it could wait.
    Turn(Denied),
}

/// What stands in the way of a run that is about to begin.
pub fn hindrance(state: &Shared, grant: &Grant<verb::Run>) -> Option<Hindrance> {
    let command = &grant.allowed().command;
    let refused = unable(state, command)
        .or_else(|| too_many(state, grant))
        .or_else(|| too_much_output(state, command));
    match refused {
        Some(denied) => Some(Hindrance::Refusal(denied)),
        None => before(state, command, None).map(Hindrance::Turn),
    }
}

/// Why nothing new may run now.
fn unable(state: &Shared, command: &Command) -> Option<Denied> {
    if state.health.stopping.get() {
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

/// Why this user may have no further run.
fn too_many(state: &Shared, grant: &Grant<verb::Run>) -> Option<Denied> {
    let most = state.settings().runs_per_user;
    let runs = state.runs.going.borrow();
    let own = runs.values().filter(|run| run.user == *grant.user());
    if own.count() < most {
        return None;
    }
    let text = format!(
        "`{}` has {most} runs going on, as many as limits.runs_per_user allows",
        grant.user()
    );
    Some(Denied::new(Code::TooManyRuns, text))
}

/// Why the output of a further run of this command cannot be kept.
fn too_much_output(state: &Shared, command: &Command) -> Option<Denied> {
    let own = bytes_on_disk(command.spool);
    let most = state.settings().running_bytes;
    if own == 0 || state.runs.bytes_on_disk().saturating_add(own) <= most {
        return None;
    }
    let text = format!(
        "the output of the runs that go on may take {most} bytes on disk, as much as output.running allows"
    );
    Some(Denied::new(Code::TooManyRuns, text))
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
        return Some(Denied::new(Code::TooManyRuns, text));
    }

    let queue = state.runs.queue.borrow();
    let rival = |id: &&RunId| {
        runs.get(id).is_some_and(|run| {
            let same_lock = run.command.lock.is_some() && run.command.lock == command.lock;
            run.command.name == command.name || same_lock
        })
    };
    let mut earlier = queue.iter().take_while(|id| Some(**id) != own);
    let first = earlier.find(rival)?;
    Some(Denied::new(Code::Locked, format!("run {first} came first")))
}

/// How many runs of this command wait for their turn.
pub fn in_queue(state: &Shared, command: &Command) -> usize {
    let runs = state.runs.going.borrow();
    state
        .runs
        .queue
        .borrow()
        .iter()
        .filter(|id| {
            runs.get(id)
                .is_some_and(|run| run.command.name == command.name)
        })
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
    grant: &Grant<verb::Run>,
    orders: &mut Orders,
) -> Result<(), Denied> {
    let queued = |state: &Shared| {
        let runs = state.runs.going.borrow();
        runs.get(&run).is_some_and(|run| run.phase == Phase::Queued)
    };
    if !queued(state) {
        return Ok(());
    }

    let command = &grant.allowed().command;
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
        if state.health.stopping.get() {
            let text = "the server is stopping and starts nothing new";
            return Err(Denied::new(Code::Stopping, text));
        }
        let Some(waits) = before(state, command, Some(run)) else {
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

/// Somebody wants the end of a run that has not begun.
fn left(reason: Reason, before: &str) -> Denied {
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
    grant: &Grant<verb::Run>,
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
fn still_granted(state: &Shared, grant: &Grant<verb::Run>, when: &str) -> Result<(), Denied> {
    let asker = Asker {
        user: grant.user(),
        request: grant.request(),
        source: grant.source().clone(),
        owner: &|_| None,
    };
    let then = grant.allowed();
    match state.settings().policy.authorize(&asker, grant.verb()) {
        Ok(grant) => {
            let now = grant.allowed();
            if now.argv == then.argv && now.command.run_as == then.command.run_as {
                return Ok(());
            }
            let text = format!("the command was changed {when}");
            Err(Denied::new(Code::QueueLeft, text))
        }
        Err(refusal) => {
            let text = format!("{} ({when})", refusal.text);
            Err(Denied::new(refusal.kind.into(), text))
        }
    }
}
