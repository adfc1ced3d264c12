//! Processes that go on after their run has ended, by their command's rule: counted as their user's
//! share, and killed when what let them run is taken away.

use crate::audit::{Record, What};
use crate::exec::LeftRunning;
use crate::ids::RunId;
use crate::monitor::run::Left;
use crate::monitor::state::Shared;

/// Keeps an eye on what a run has left running, until none of it is left.
pub fn watch(state: &Shared, id: RunId, processes: LeftRunning) {
    let left = state.runs.going.borrow_mut().get_mut(&id).map(Left::of);
    let Some(left) = left else { return };
    let end = left.end.clone();
    state.runs.left.borrow_mut().insert(id, left);
    let state = state.clone();
    tokio::task::spawn_local(async move {
        tokio::select! {
            () = processes.gone() => {}
            () = end.notified() => {
                processes.kill();
                killed(&state, id);
                processes.gone().await;
            }
        }
        state.runs.left.borrow_mut().remove(&id);
    });
}

/// Records that what a run had left running was killed.
fn killed(state: &Shared, id: RunId) {
    let run = id.to_string();
    let known = state.runs.left.borrow();
    let Some(left) = known.get(&id) else { return };
    tracing::info!(%run, user = %left.user, command = left.command.name, "killed what the run had left running");
    let _ = state.record(&Record::now(What::LeftRunning {
        run: &run,
        user: &left.user,
        command: &left.command.name,
        state: "revoked",
    }));
}
