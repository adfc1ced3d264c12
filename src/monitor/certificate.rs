//! The server's certificate: read and judged with its key, watched, and taken over when both fit.

use super::settings::Tls;
use super::state::Shared;
use crate::audit::{Record, What};
use crate::sys::{self, Trust};
use crate::{limits, tls};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The PEM files of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The CA that client certificates must come from.
    pub client_ca: Option<PathBuf>,
}

/// Which of them a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// The server's chain.
    Certificate,
    /// Its key.
    Key,
    /// The CA of clients.
    ClientCa,
}

/// Device, inode, length and change time of a file.
type Stamp = (u64, u64, u64, i64, i64);

impl TlsFiles {
    /// Reads them and sees that they fit one another.
    ///
    /// # Errors
    /// Every fault, with the file it is about.
    pub fn read(&self) -> Result<Tls, Vec<(TlsFile, String)>> {
        let mut faults = Vec::new();
        let public = |path: &Path| {
            let (text, _) = sys::read_config(path, &Trust::own(), limits::PEM_FILE)
                .map_err(|fault| fault.to_string())?;
            let parsed = tls::certificates(text.as_bytes())
                .map_err(|why| format!("{}: {why}", path.display()))?;
            Ok((text.into_bytes(), parsed))
        };

        let private = |path: &Path| {
            let bytes = sys::read_private(path, limits::PEM_FILE)
                .map(zeroize::Zeroizing::new)
                .map_err(|fault| fault.to_string())?;
            let parsed =
                tls::private_key(&bytes).map_err(|why| format!("{}: {why}", path.display()))?;
            Ok((bytes, parsed))
        };

        let mut note = |file: TlsFile, why: String| faults.push((file, why));
        let chain = public(&self.certificate)
            .map_err(|why| note(TlsFile::Certificate, why))
            .ok();
        let key = private(&self.key)
            .map_err(|why| note(TlsFile::Key, why))
            .ok();
        // A gate that was asked for and cannot be had must not become an open door.
        let client_ca = self
            .client_ca
            .as_deref()
            .map(|path| public(path).map_err(|why| note(TlsFile::ClientCa, why)))
            .transpose();
        let (Some((chain_pem, chain)), Some((key_pem, key)), Ok(client_ca)) =
            (chain, key, client_ca)
        else {
            return Err(faults);
        };
        let (ca_pem, roots) = client_ca.unzip();
        let first = chain.first().cloned();
        let described = first.ok_or_else(|| "holds no certificate".to_owned());
        let described = described
            .and_then(|first| Ok((tls::Fingerprint::of(&first)?, tls::Validity::of(&first)?)));
        let (fingerprint, validity) = described.map_err(|why| vec![(TlsFile::Certificate, why)])?;
        tls::server(chain, key, roots.as_deref()).map_err(|why| vec![(TlsFile::Key, why)])?;
        Ok(Tls {
            chain: chain_pem,
            key: key_pem,
            client_ca: ca_pem,
            fingerprint,
            validity,
        })
    }

    /// What tells one state of the files from another. Links are followed: tools that renew replace
    /// the link.
    fn stamp(&self) -> Vec<Option<Stamp>> {
        let files = [
            Some(&self.certificate),
            Some(&self.key),
            self.client_ca.as_ref(),
        ];

        let one = |path: &PathBuf| {
            let meta = std::fs::metadata(path).ok()?;
            Some((
                meta.dev(),
                meta.ino(),
                meta.len(),
                meta.ctime(),
                meta.ctime_nsec(),
            ))
        };

        files.into_iter().flatten().map(one).collect()
    }
}

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
        let wrong = state.certificate_fault.borrow().is_some();
        if now.0 == seen.0 && (now.1 != seen.1 || wrong) {
            take_over(&state, &now.0).await;
        }
        seen = now;
    }
}

async fn take_over(state: &Shared, files: &TlsFiles) {
    // Not in the middle of a reload, which would put its own reading in force after this one.
    let _one_at_a_time = state.reloading.lock().await;

    // One that has just ended may have named others, and has read them.
    if state.settings().tls_files != *files {
        return;
    }
    let reading = files.clone();
    let read = tokio::task::spawn_blocking(move || reading.read()).await;
    let new = match read
        .unwrap_or_else(|_| Err(vec![(TlsFile::Certificate, "could not be read".into())]))
    {
        Ok(new) => new,
        // A renewal writes one file after the other: the next look sees the second.
        Err(faults) => {
            note_fault(
                state,
                Some(
                    faults
                        .into_iter()
                        .map(|(_, fault)| fault)
                        .collect::<Vec<_>>()
                        .join("; "),
                ),
            );

            return;
        }
    };

    let old = state.settings();
    if (&old.tls.chain, &old.tls.key, &old.tls.client_ca) == (&new.chain, &new.key, &new.client_ca)
    {
        return note_fault(state, None);
    }
    let now = crate::clock::now();
    if let (Some(fault), None) = (new.validity.fault(now), old.tls.validity.fault(now)) {
        note_fault(
            state,
            Some(format!(
                "the certificate on the disk {fault}; the one that is in force stays"
            )),
        );

        return;
    }

    note_fault(state, None);
    let (fingerprint, expires) = (new.fingerprint.to_string(), new.validity.until_text());
    let same_key = old.tls.fingerprint == new.fingerprint;
    let mut settings = (*old).clone();
    settings.tls = new;
    state.swap(settings);

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
    super::supervise::configure(state, &[]).await;
}

/// What stands on the disk cannot be used: said at once, and a fault of the daemon's health if it
/// stays so.
fn note_fault(state: &Shared, fault: Option<String>) {
    let mut known = state.certificate_fault.borrow_mut();
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
