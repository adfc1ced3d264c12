//! The end of runs before their time: by their clients' leaving, by a signal, by `cancel`.

use crate::exit::Reason;
use crate::ids::{ConnectionId, StreamId};
use crate::monitor::denied::Denied;
use crate::monitor::run::{Phase, Run};
use crate::monitor::state::Shared;
use crate::policy::{Grant, OnDisconnect};
use crate::protocol::Code;
use crate::verb::{Cancel, Signal};

/// The client is gone, or has given up one stream: its runs follow their rule. One whose link was
/// lost may come back.
pub fn leave(state: &Shared, connection: ConnectionId, stream: Option<StreamId>, lost: bool) {
    let mut waited = false;
    for run in state.runs.going.borrow_mut().values_mut() {
        run.waiting.retain(|((owner, its), _)| {
            *owner != connection || stream.is_some_and(|stream| stream != *its)
        });
        let meant = run.owner.is_some_and(|(owner, its)| {
            owner == connection && stream.is_none_or(|stream| stream == its)
        });
        if !meant {
            continue;
        }
        run.owner = None;
        run.changes += 1;
        waited |= run.phase == Phase::Queued;
        // One that goes on without its client has begun with it: what waits is not started for a
        // client that is away, unless that was asked for.
        let begins = run.phase != Phase::Queued || run.unattended;
        if begins && run.command.on_disconnect == OnDisconnect::Continue {
            continue;
        }
        if lost && !run.command.resume_window.is_zero() {
            end_unless_back(state, run);
        } else {
            run.end_for(Reason::Disconnected);
        }
    }
    if waited {
        // Those behind it may move up.
        state.runs.one_ended.notify_waiters();
    }
}

/// Ends a run whose client does not come back in time.
pub fn end_unless_back(state: &Shared, run: &Run) {
    let (state, id, changes, window) = (
        state.clone(),
        run.id,
        run.changes,
        run.command.resume_window,
    );

    tokio::task::spawn_local(async move {
        tokio::time::sleep(window).await;
        if let Some(run) = state
            .runs
            .going
            .borrow()
            .get(&id)
            .filter(|run| run.changes == changes && run.owner.is_none())
        {
            run.end_for(Reason::Disconnected);
        }
    });
}

/// Sends a signal, if the command accepts it.
///
/// # Errors
/// What it accepts.
pub fn signal(state: &Shared, grant: &Grant<Signal>) -> Result<(), Denied> {
    let (run, name) = (*grant.allowed(), &grant.verb().signal);
    let runs = state.runs.going.borrow();
    let run = runs.get(&run).ok_or_else(Denied::no_such_run)?;
    let Some(signal) = run
        .command
        .signals
        .iter()
        .find(|signal| signal.name == name)
    else {
        let accepted: Vec<_> = run
            .command
            .signals
            .iter()
            .map(|signal| signal.name)
            .collect();
        let accepted = match accepted.is_empty() {
            true => "no signal".to_owned(),
            false => accepted.join(", "),
        };
        let text = format!("`{}` accepts {accepted}", run.command.name);
        return Err(Denied::new(Code::Signal, text));
    };

    // A run that has not started yet takes up to eight, and gets them when it starts.
    let taken = run.signals.try_send(signal.number);
    taken.map_err(|_| Denied::new(Code::Signal, "too many signals wait for this run"))
}

/// Somebody with the right to it ends a run.
///
/// # Errors
/// When it has ended already.
pub fn cancel(state: &Shared, grant: &Grant<Cancel>) -> Result<(), Denied> {
    let runs = state.runs.going.borrow();
    let ended = || Denied::new(Code::NoSuchRun, "there is no such run: it has ended");
    let run = runs.get(grant.allowed()).ok_or_else(ended)?;
    run.end_for(Reason::Cancelled);
    Ok(())
}
