//! The vault on the disk: written in the order of the changes, and tried again when it could not be.

use crate::monitor::state::Shared;
use std::io;

/// Writes the vault as it is now.
pub async fn save(state: &Shared) -> io::Result<()> {
    let _in_order = state.access.saving.lock().await;
    let snapshot = state.access.vault.borrow().snapshot();
    let written = tokio::task::spawn_blocking(move || snapshot.write())
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    state.access.unsaved.set(written.is_err());
    written.inspect_err(|fault| tracing::error!(%fault, "the vault cannot be written; what has changed in it ends with this daemon"))
}

/// As [`save`], when there is time.
pub fn save_soon(state: &Shared) {
    let state = state.clone();
    tokio::task::spawn_local(async move {
        let _ = save(&state).await;
    });
}
