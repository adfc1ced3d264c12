//! What a frontend is told of the settings, with what it cannot open itself.

use super::state::Shared;
use crate::ipc::{Frontend, ToFrontend};
use crate::limits;
use std::io::{self, Write};
use std::net::TcpListener;
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
pub async fn configure(state: &Shared, listeners: &[TcpListener]) {
    let settings = state.settings();
    let descriptors = (|| -> io::Result<Vec<OwnedFd>> {
        let mut descriptors = vec![readable(&settings.tls.chain)?, readable(&settings.tls.key)?];
        descriptors.extend(
            settings
                .tls
                .client_ca
                .as_deref()
                .map(readable)
                .transpose()?,
        );

        for listener in listeners {
            descriptors.push(listener.try_clone()?.into());
        }
        Ok(descriptors)
    })();
    let message = Frontend {
        limits: settings.limits.clone(),
        logs: settings.logs,
        client_ca: settings.tls.client_ca.is_some(),
        listeners: u32::try_from(listeners.len()).unwrap_or(0),
        listeners_stay: state.listeners_stay,
        identity: settings
            .frontend
            .map(|identity| (identity.uid, identity.gid)),
        instance: state.instance.clone(),
        first_connection: state.highest.get() + 1,
        threads: settings.threads,
    };

    match descriptors {
        Ok(descriptors) => {
            state
                .tell_with(ToFrontend::Configure(Box::new(message)), &descriptors)
                .await
        }

        Err(fault) => tracing::error!(%fault, "the frontend could not be configured"),
    }
}
