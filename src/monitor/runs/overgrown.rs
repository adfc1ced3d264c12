//! Spools on disk that are larger than they may be: the network process writes them, and one that
//! was taken over could write on.

use crate::monitor::run::{Output, Run};
use crate::monitor::state::Shared;
use crate::spool;
use std::fs::File;
use std::os::fd::AsFd;

/// Why the frontend is not to be trusted any more, when it has written more of a run's output than
/// there is room for.
pub fn overgrown(state: &Shared) -> Option<String> {
    let runs = state.runs.going.borrow();
    let grown = runs.values().find(|run| beyond(run).is_some())?;
    Some(format!("it wrote beyond the output of run {}", grown.id))
}

/// Cuts what a frontend that is gone has written beyond the room that there is.
pub fn trim(state: &Shared) {
    for run in state.runs.going.borrow().values() {
        if let Some((file, size)) = beyond(run)
            && let Err(fault) = file.set_len(size)
        {
            tracing::error!(run = %run.id, %fault, "its output could not be cut to its size");
        }
    }
}

/// A run's spool on disk that is larger than it may be, and how large it may be.
fn beyond(run: &Run) -> Option<(File, u64)> {
    let Output::Disk(_) = &run.charges.output else {
        return None;
    };
    let size = spool::size(run.rules.capacity);
    let file = run.spool.as_ref()?.as_fd().try_clone_to_owned().ok()?;
    let file = File::from(file);
    (file.metadata().ok()?.len() > size).then_some((file, size))
}
