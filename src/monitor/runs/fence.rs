//! What was taken away does not happen any more: starts that may be about to clone are waited for.

use crate::ids::RunId;
use crate::limits;
use crate::monitor::state::Shared;

/// Waits until every start that may be about to clone has begun or failed. Whoever takes away has
/// raised the epoch before, and has asked for the end of what it was taken from.
pub async fn settle(state: &Shared) {
    let cloning: Vec<RunId> = {
        let runs = state.runs.going.borrow();
        let cloning = runs.values().filter(|run| run.cloning);
        cloning.map(|run| run.id).collect()
    };
    let settled = async {
        loop {
            let started = state.runs.one_started.notified();
            tokio::pin!(started);
            started.as_mut().enable();
            let still = {
                let runs = state.runs.going.borrow();
                let waits = |id| runs.get(id).is_some_and(|run| run.cloning);
                cloning.iter().any(waits)
            };
            if !still {
                return;
            }
            started.await;
        }
    };

    // A start that hangs is killed at its deadline, so this is longer than any.
    if tokio::time::timeout(2 * limits::SPAWN, settled)
        .await
        .is_err()
    {
        tracing::error!("a start is not settled; it is ended as soon as it is");
    }
}
