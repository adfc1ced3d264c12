//! What a frontend is told of the settings, with what it cannot open itself.

use super::state::Shared;
use crate::ipc::{Frontend, Manifest, Name, ToFrontend};
use crate::limits;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

/// Bytes behind a descriptor that needs no file: a pipe, filled and closed.
fn readable(bytes: &[u8]) -> io::Result<OwnedFd> {
    let (reader, mut writer) = io::pipe()?;
    if bytes.len() as u64 > limits::PEM_FILE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a PEM file over 60 KiB",
        ));
    }

    writer.write_all(bytes)?;
    Ok(reader.into())
}

/// Tells the frontend its settings; the listeners come along at the start only.
pub async fn configure(state: &Shared, start: bool) {
    let settings = state.settings();
    let manifest = || -> io::Result<Manifest> {
        let client_ca = settings.tls.client_ca.as_deref().map(readable);
        let mut manifest = Manifest::default()
            .with(Name::Certificate, readable(&settings.tls.chain)?)
            .with(Name::Key, readable(&settings.tls.key)?)
            .with_some(Name::ClientCa, client_ca.transpose()?);
        for listener in state.link.listeners.borrow().iter().filter(|_| start) {
            manifest = manifest.with(Name::Listener, listener.try_clone()?);
        }
        Ok(manifest)
    };
    if start {
        let first = state.link.highest.get().saturating_add(1);
        state.link.first.set(first);
    }
    let message = Frontend {
        limits: settings.limits.clone(),
        logs: settings.logs,
        listeners_stay: state.link.listeners_stay,
        identity: settings
            .frontend
            .map(|identity| (identity.uid, identity.gid)),
        instance: state.health.instance.clone(),
        first_connection: state.link.first.get(),
        threads: settings.threads,
    };

    match manifest() {
        Ok(manifest) => {
            let message = ToFrontend::Configure(Box::new(message));
            state.tell_with(message, manifest).await;
        }
        Err(fault) => tracing::error!(%fault, "the frontend could not be configured"),
    }
}
