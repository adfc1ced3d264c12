//! Recordings that are removed when they are beyond what is kept, each recorded before it goes.

use super::state::Shared;
use crate::audit::{Record, What};
use crate::limits::RECORDINGS_LOOK;

/// Removes what is beyond what is kept, each recorded first. Without a record nothing goes.
pub fn make_room(state: &Shared) {
    let rules = state.settings().recordings.clone();
    while let Some((run, kept, why)) = state.recordings.due(&rules) {
        let name = run.to_string();
        let removed = Record::now(What::RecordingRemoved {
            run: &name,
            user: &kept.user,
            bytes: kept.bytes,
            sha256: &kept.sha256,
            why,
        });
        if let Err(fault) = state.audit.record(&removed) {
            tracing::error!(%run, %fault, "a recording is kept that is not to be");
            return;
        }
        state.recordings.forget(&rules.folder, run);
    }
}

/// Looks now and then whether a recording has become too old.
pub async fn keep(state: Shared) {
    loop {
        make_room(&state);
        tokio::time::sleep(RECORDINGS_LOOK).await;
    }
}
