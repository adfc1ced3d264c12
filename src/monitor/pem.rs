//! The server's certificate and key as files, read and judged together.

use crate::limits;
use crate::sys::{self, Trust};
use crate::tls::{self, Fingerprint, Validity};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
pub(super) type Stamp = (u64, u64, u64, i64, i64);

impl TlsFiles {
    /// Reads them and sees that they fit one another.
    ///
    /// # Errors
    /// Every fault, with the file it is about.
    pub fn read(&self) -> Result<Tls, Vec<(TlsFile, String)>> {
        let mut faults = Vec::new();
        let public = |path: &Path| {
            let (pem, _) = sys::read_trusted(path, &Trust::own(), limits::PEM_FILE)
                .map_err(|fault| fault.to_string())?;
            let parsed =
                tls::certificates(&pem).map_err(|why| format!("{}: {why}", path.display()))?;
            Ok((pem, parsed))
        };

        let private = |path: &Path| {
            let bytes = sys::read_secret(path, &Trust::own(), limits::PEM_FILE)
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
        let described =
            described.and_then(|first| Ok((Fingerprint::of(&first)?, Validity::of(&first)?)));
        let (fingerprint, validity) = described.map_err(|why| vec![(TlsFile::Certificate, why)])?;
        tls::fits(&chain, &key).map_err(|why| {
            let named = format!("{}: {why}", self.key.display());
            vec![(TlsFile::Key, named)]
        })?;
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
    pub(super) fn stamp(&self) -> Vec<Option<Stamp>> {
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

/// What the TLS side needs, as bytes that were validated.
#[derive(Clone)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub chain: Vec<u8>,
    /// Its key, PEM.
    pub key: zeroize::Zeroizing<Vec<u8>>,
    /// The CA that client certificates must come from, PEM.
    pub client_ca: Option<Vec<u8>>,
    /// The key's fingerprint, which logins are bound to.
    pub fingerprint: Fingerprint,
    /// From when to when the certificate is valid.
    pub validity: Validity,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Tls({})", self.fingerprint)
    }
}
