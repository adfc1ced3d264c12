//! What is kept of a run has its size. In memory the kernel sees to that; a file on disk the frontend
//! could write on without end, so it is looked at.

use crate::monitor::run::Run;
use crate::monitor::state::State;
use crate::spool;
use std::fs::File;
use std::os::fd::OwnedFd;

/// Why the frontend is to be ended that has written beyond what is kept of a run.
pub fn overgrown(state: &State) -> Option<String> {
    let runs = state.runs.going.borrow();
    let (run, _) = runs.values().find_map(beyond)?;
    Some(format!(
        "it wrote beyond what is kept of the run {}",
        run.id
    ))
}

/// Gives back what a frontend that is gone has written beyond.
pub fn trim(state: &State) {
    for (run, file) in state.runs.going.borrow().values().filter_map(beyond) {
        if let Err(fault) = file.set_len(spool::size(run.rules.capacity)) {
            tracing::error!(run = %run.id, %fault, "what was written beyond its output could not be given back");
        }
    }
}

/// A run whose file is larger than it may be.
fn beyond(run: &Run) -> Option<(&Run, File)> {
    let file = run.spool.as_ref().map(OwnedFd::try_clone)?.ok()?;
    let file = File::from(file);
    let length = file.metadata().ok()?.len();
    (length > spool::size(run.rules.capacity)).then_some((run, file))
}
