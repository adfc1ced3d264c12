//! The server's certificate: read and judged with its key, watched, and taken over when both fit.

use super::pem::{Tls, TlsFile, TlsFiles};
use super::state::Shared;
use crate::audit::{Record, What};
use crate::limits;
use std::time::SystemTime;

/// Watches the files, and the date. Until the daemon ends.
pub async fn watch(state: Shared) {
    let files = |state: &Shared| state.settings().tls_files.clone();
    let mut seen = (files(&state), files(&state).stamp());
    let mut warned = None;

    // They may have changed between the start and here.
    take_over(&state, &seen.0).await;
    loop {
        warn(&state, &mut warned);
        tokio::time::sleep(limits::CERTIFICATE_LOOK).await;
        let now = (files(&state), files(&state).stamp());

        // Other files are a reload's doing, which has read them. What could not be used may be
        // usable by now: time passes.
        let wrong = state.config.certificate_fault.borrow().is_some();
        if now.0 == seen.0 && (now.1 != seen.1 || wrong) {
            take_over(&state, &now.0).await;
        }
        seen = now;
    }
}

/// Takes over what stands on the disk, where it is new and fits.
async fn take_over(state: &Shared, files: &TlsFiles) {
    // Not in the middle of a reload, which would put its own reading in force after this one.
    let _one_at_a_time = state.config.reloading.lock().await;
    // One that has just ended may have named others, and has read them.
    if state.settings().tls_files != *files {
        return;
    }

    let new = match read(files).await {
        Ok(new) => new,
        // A renewal writes one file after the other: the next look sees the second.
        Err(fault) => return note_fault(state, Some(fault)),
    };
    let old = &state.settings().tls;
    if (&old.chain, &old.key, &old.client_ca) == (&new.chain, &new.key, &new.client_ca) {
        return note_fault(state, None);
    }

    let now = crate::clock::now();
    if let (Some(fault), None) = (new.validity.fault(now), old.validity.fault(now)) {
        let fault = format!("the certificate on the disk {fault}; the one that is in force stays");
        return note_fault(state, Some(fault));
    }

    note_fault(state, None);
    put_in_force(state, new).await;
}

/// What stands on the disk, or every fault of it.
async fn read(files: &TlsFiles) -> Result<Tls, String> {
    let reading = files.clone();
    let read = tokio::task::spawn_blocking(move || reading.read()).await;
    let read =
        read.unwrap_or_else(|_| Err(vec![(TlsFile::Certificate, "could not be read".into())]));
    read.map_err(|faults| {
        let faults: Vec<String> = faults.into_iter().map(|(_, fault)| fault).collect();
        faults.join("; ")
    })
}

/// The new certificate is in force, in the frontend too, and that is said.
async fn put_in_force(state: &Shared, new: Tls) {
    let (fingerprint, expires) = (new.fingerprint.to_string(), new.validity.until_text());
    let mut settings = (*state.settings()).clone();
    let same_key = settings.tls.fingerprint == new.fingerprint;
    settings.tls = new;
    state.config.swap(settings);

    match same_key {
        true => tracing::info!(
            fingerprint,
            expires,
            "the certificate was renewed and is taken over"
        ),
        false => tracing::warn!(
            fingerprint,
            expires,
            "the certificate was renewed and is taken over, with another key: pins must follow"
        ),
    }

    let _ = state.record(&Record::now(What::Certificate {
        fingerprint: &fingerprint,
        expires: &expires,
        same_key,
    }));
    super::configure::configure(state, false).await;
}

/// What stands on the disk cannot be used: said at once, and a fault of the daemon's health if it
/// stays so.
fn note_fault(state: &Shared, fault: Option<String>) {
    let mut known = state.config.certificate_fault.borrow_mut();
    let said = known.as_ref().map(|(_, fault)| fault);
    if let Some(fault) = fault.as_ref().filter(|fault| said != Some(*fault)) {
        tracing::warn!(
            fault,
            "a certificate file has changed and is not taken over; the old certificate stays"
        );
    }

    let since = known
        .as_ref()
        .map_or_else(std::time::Instant::now, |(since, _)| *since);
    *known = fault.map(|fault| (since, fault));
}

/// Warns once a day from three weeks before the end on.
fn warn(state: &Shared, warned: &mut Option<u64>) {
    let (now, validity) = (crate::clock::now(), state.settings().tls.validity);
    let day = Some(
        now.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
            / 86_400,
    );

    if *warned == day || validity.left(now) >= limits::CERTIFICATE_WARNING {
        return;
    }
    *warned = day;
    match validity.fault(now) {
        Some(fault) => tracing::error!("the server's certificate {fault}"),
        None => tracing::warn!(
            "the server's certificate expires in {}",
            validity.left_text(now)
        ),
    }
}
