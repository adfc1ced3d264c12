//! The stop: nothing new, a grace period for what runs, an end for what is left.

use super::state::Shared;
use super::trail;
use crate::audit::{Record, What};
use crate::exit::{Reason, Status};
use crate::ipc::ToFrontend;
use crate::protocol::Code;
use crate::{limits, sys};
use std::time::Duration;

/// Stops: nothing new, a grace period for what runs, an end for what is left. A second signal
/// shortens the grace.
pub async fn drain(state: &Shared, mut again: impl AsyncFnMut()) -> Status {
    let grace = state.settings().grace;
    let patience = grace + cutting(state) + Duration::from_secs(3);
    announce(patience);
    let running = state.runs.going.borrow().len();
    tracing::info!(runs = running, grace = ?grace, "stopping: starting nothing new");
    state.health.begin_to_stop(patience);
    let _ = state.record(&Record::now(What::Stopping { runs: running }));
    tell(state);
    state.audit.keeping.stopping.notify_waiters();

    tokio::select! {
        () = no_run_is_left(state) => {
            tracing::info!("stopped: nothing was cut");
            close_connections(state).await;
            return Status::OK;
        }

        () = tokio::time::sleep(grace) => {}
        () = again() => tracing::warn!("asked twice: cutting at once"),
    }

    let runs = cut(state, again).await;
    close_connections(state).await;
    tracing::warn!(runs, "stopped: runs were cut");
    Status::OK
}

/// Tells the network process, and by it the clients, how long the stop may still take.
pub fn tell(state: &Shared) {
    let left = state.health.stop_left().unwrap_or_default();
    state.tell(ToFrontend::Drain {
        milliseconds: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
    });
}

/// Tells the service manager how long the stop may take.
fn announce(patience: Duration) {
    sys::notify(&format!(
        "STOPPING=1\nSTATUS=letting runs end\nEXTEND_TIMEOUT_USEC={}",
        patience.as_micros()
    ));
}

/// How long runs that are cut may take: each gets the grace of its command, and then it is killed.
fn cutting(state: &Shared) -> Duration {
    limits::FINISHED + longest_grace(state) + Duration::from_secs(2)
}

/// The longest that a command may take from TERM to its end.
fn longest_grace(state: &Shared) -> Duration {
    state
        .settings()
        .policy
        .commands
        .values()
        .map(|command| command.grace)
        .max()
        .unwrap_or_default()
}

async fn no_run_is_left(state: &Shared) {
    while !state.runs.going.borrow().is_empty() {
        state.runs.one_ended.notified().await;
    }
}

/// Ends the runs that are left; how many.
async fn cut(state: &Shared, mut again: impl AsyncFnMut()) -> usize {
    let cut: Vec<String> = state
        .runs
        .going
        .borrow()
        .values()
        .map(|run| format!("{} ({} of {})", run.id, run.command.name, run.user))
        .collect();
    tracing::warn!(
        runs = cut.len(),
        cut = cut.join(", "),
        "the grace period is over: cutting"
    );
    for run in state.runs.going.borrow().values() {
        run.end_for(Reason::Stopped);
    }

    tokio::select! {
        () = no_run_is_left(state) => {}
        () = tokio::time::sleep(cutting(state)) => {}
        () = again() => {
            tracing::warn!("asked again: killing what is left");
            for run in state.runs.going.borrow().values() {
                sys::signal_group(run.pid, libc::SIGKILL);
            }
            let _ = tokio::time::timeout(limits::FINISHED, no_run_is_left(state)).await;
        }
    }

    cut.len()
}

/// Ends every connection with a word, behind the last EXIT, and gives the words a moment to leave.
async fn close_connections(state: &Shared) {
    state.tell(ToFrontend::AcceptNobody);
    let numbers: Vec<_> = state
        .sessions
        .connections
        .borrow()
        .keys()
        .copied()
        .collect();
    for connection in numbers {
        state.tell(ToFrontend::Close {
            connection,
            code: Code::Stopping.number(),
        });
    }

    let gone = async {
        while !state.sessions.connections.borrow().is_empty() {
            state.sessions.gone.notified().await;
        }
    };

    let _ = tokio::time::timeout(limits::LAST_WORD + Duration::from_millis(500), gone).await;
}

/// Leaves to the next daemon what it goes on with, and clears the rest away.
pub async fn leave(state: &Shared) {
    // It ends when nobody listens to it any more.
    *state.link.frontend.borrow_mut() = None;
    state.runs.ended.borrow_mut().leave();
    // The archive command was told to end when the daemon was.
    let patience = limits::FINISHED + longest_grace(state);
    let _ = tokio::time::timeout(patience, state.audit.keeping.archiving.lock()).await;
    trail::close(state).await;
    let _ = std::fs::remove_file(&state.settings().control);
    if let Some(groups) = &state.runs.means.groups {
        groups.leave();
    }
}
