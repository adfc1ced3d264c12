//! The client's own files: servers it knows, logins that are kept, and how each login was proved
//! last.

use crate::client::{ClientError, Kept};
use crate::credential::SessionKey;
use crate::encoding::{base64, hex, unbase64};
use crate::host::Host;
use crate::protocol::Code;
use crate::sys;
use crate::tls::Fingerprint;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use zeroize::Zeroizing;

fn usage(path: &Path, fault: &dyn std::fmt::Display) -> ClientError {
    ClientError::new(Code::Usage, format!("{}: {fault}", path.display()))
}

fn folder(variable: &str, usual: &str) -> Option<PathBuf> {
    let own = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    own.or_else(|| std::env::home_dir().map(|home| home.join(usual)))
        .map(|folder| folder.join("ordain"))
}

/// A file of settings: `$XDG_CONFIG_HOME/ordain/…`.
pub fn config(name: &str) -> Option<PathBuf> {
    folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join(name))
}

/// A file of what was done: `$XDG_STATE_HOME/ordain/…`.
pub fn state(name: &str) -> Option<PathBuf> {
    folder("XDG_STATE_HOME", ".local/state").map(|folder| folder.join(name))
}

/// A file that may be lost: `$XDG_CACHE_HOME/ordain/…`, whatever its name has in it.
pub fn cache(name: &str) -> Option<PathBuf> {
    let safe: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-.@".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(200)
        .collect();
    folder("XDG_CACHE_HOME", ".cache").map(|folder| folder.join(safe))
}

/// The files of private keys that ssh looks for and that there are, the best kind first.
pub fn ssh_keys() -> Vec<PathBuf> {
    let folder = std::env::home_dir().map(|home| home.join(".ssh"));
    let files =
        |folder: PathBuf| ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| folder.join(name));
    let found = folder.into_iter().flat_map(files);
    found.filter(|path| path.exists()).collect()
}

fn make_folder(of: &Path) -> io::Result<()> {
    of.parent()
        .map_or(Ok(()), |folder| sys::make_folder(folder, 0o700))
}

/// Seconds since 1970.
pub fn now() -> u64 {
    crate::clock::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// A server's key, with the line of the file that says so.
#[derive(Debug, Clone)]
pub struct Known {
    /// The server's key.
    pub pin: Fingerprint,
    /// `file:line`.
    pub place: String,
}

/// `known_servers`: a line for each, `host:port sha256:…`.
pub struct KnownServers(PathBuf);

impl KnownServers {
    /// The user's own file.
    ///
    /// # Errors
    /// [`Code::Usage`] where there is no home folder.
    pub fn own() -> Result<Self, ClientError> {
        config("known_servers").map(Self).ok_or_else(|| {
            ClientError::new(Code::Usage, "there is no home folder to know servers in")
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Every server that is known, each by the first line that names it.
    ///
    /// # Errors
    /// [`Code::Usage`]: a file that others can write, or with a line that is none.
    pub fn all(&self) -> Result<HashMap<(Host, u16), Known>, ClientError> {
        let mut servers = HashMap::new();
        if !self.0.exists() {
            return Ok(servers);
        }
        let (text, _) = sys::read_config(&self.0, &sys::Trust::own(), 16 << 20)
            .map_err(|fault| ClientError::new(Code::Usage, fault.to_string()))?;
        for (number, line) in text
            .lines()
            .map(str::trim)
            .enumerate()
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        {
            let place = format!("{}:{}", self.0.display(), number + 1);
            let fault = |why: &str| ClientError::new(Code::Usage, format!("{place}: {why}"));
            let (name, pin) = line
                .split_once(char::is_whitespace)
                .ok_or_else(|| fault("is not host:port and a key"))?;
            if let Some(server) = server(name) {
                let pin = pin.trim().parse().map_err(|why: String| fault(&why))?;
                servers.entry(server).or_insert(Known { pin, place });
            }
        }
        Ok(servers)
    }

    /// The servers that are known, `host:port`.
    pub fn names(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect()
    }

    /// Notes a server.
    ///
    /// # Errors
    /// [`Code::Usage`].
    pub fn add(&self, host: &Host, port: u16, pin: Fingerprint) -> Result<(), ClientError> {
        let server = host.with_port(port);
        let add = || -> io::Result<()> {
            make_folder(&self.0)?;
            let mut file = std::fs::File::options()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&self.0)?;
            // A last line that somebody has left without its end must not become part of this one.
            let unfinished = std::fs::read(&self.0)?
                .last()
                .is_some_and(|byte| *byte != b'\n');
            // One write: two clients at once leave two whole lines.
            file.write_all(
                format!("{}{server} {pin}\n", if unfinished { "\n" } else { "" }).as_bytes(),
            )
        };

        add().map_err(|fault| usage(&self.0, &fault))
    }
}

/// The server that a line's `host:port` names, however it is spelled.
fn server(name: &str) -> Option<(Host, u16)> {
    let (host, digits) = Host::and_port(name).ok()?;
    Some((sys::with_named_zone(host), digits?.parse().ok()?))
}

/// A kept login, as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    login: String,
    server_key: String,
    id: String,
    /// The session key's seed, as secret as a password.
    key: Zeroizing<String>,
    until: u64,
}

/// One login's files, by `user@host:port`.
pub struct Login {
    name: String,
}

impl Login {
    /// The files of this user's login on this server.
    pub fn new(user: &str, host: &Host, port: u16) -> Self {
        Self {
            name: format!("{user}@{}", host.with_port(port)),
        }
    }

    fn file(&self, folder: &str) -> Option<PathBuf> {
        let name = hex(&crate::credential::sha256(self.name.as_bytes()));
        state(folder).map(|folder| folder.join(name.get(..32).unwrap_or(&name)))
    }

    /// Whether a login is kept, good or not.
    pub fn is_there(&self) -> bool {
        self.file("logins").is_some_and(|path| path.exists())
    }

    /// The login that is kept for this server, as far as it is good.
    ///
    /// # Errors
    /// [`Code::Usage`]: a file that others can read.
    pub fn kept(&self, server: Fingerprint) -> Result<Option<Kept>, ClientError> {
        let Some(path) = self.file("logins").filter(|path| path.exists()) else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(
            sys::read_private(&path, 64 * 1024)
                .map_err(|fault| ClientError::new(Code::Usage, fault.to_string()))?,
        );

        let read = || {
            let written: Written = serde_json::from_slice(&bytes).ok()?;
            let good = written.login == self.name
                && written.until > now()
                && written.server_key == server.to_string();
            let seed = Zeroizing::new(unbase64::<32>(&written.key)?);
            good.then_some(Kept {
                id: written.id.parse().ok()?,
                key: Arc::new(SessionKey::from_seed(seed).ok()?),
            })
        };

        Ok(read())
    }

    /// Keeps a login.
    ///
    /// # Errors
    /// [`Code::Usage`].
    pub fn keep(&self, server: Fingerprint, kept: &Kept, seconds: u64) -> Result<(), ClientError> {
        let path = self.file("logins").ok_or_else(|| {
            ClientError::new(Code::Usage, "there is no home folder to keep a login in")
        })?;
        let written = Written {
            login: self.name.clone(),
            server_key: server.to_string(),
            id: kept.id.to_string(),
            key: Zeroizing::new(base64(kept.key.seed())),
            // What a server says, within reason.
            until: now().saturating_add(seconds.min(366 * 86_400)),
        };

        let bytes = Zeroizing::new(serde_json::to_vec(&written).unwrap_or_default());
        make_folder(&path)
            .and_then(|()| sys::replace(&path, &bytes, 0o600, true))
            .map_err(|fault| usage(&path, &fault))
    }

    /// Forgets the kept login.
    pub fn forget(&self) {
        if let Some(path) = self.file("logins") {
            let _ = std::fs::remove_file(path);
        }
    }

    /// The key of the server's trail, as it was shown first.
    pub fn trail_key(&self) -> Option<String> {
        std::fs::read_to_string(self.file("trail-keys")?)
            .ok()
            .map(|text| text.trim().to_owned())
    }

    /// Keeps the key of the server's trail. Where that cannot be done, it is asked for each time.
    pub fn note_trail_key(&self, key: &str) {
        if let Some(path) = self.file("trail-keys") {
            let _ = make_folder(&path)
                .and_then(|()| sys::replace(&path, format!("{key}\n").as_bytes(), 0o600, false));
        }
    }

    /// What proved the login last: an SSH key's fingerprint, or `password`.
    pub fn last(&self) -> Option<String> {
        std::fs::read_to_string(self.file("proofs")?)
            .ok()
            .map(|text| text.trim().to_owned())
    }

    /// Notes what proved the login, so that the next one begins with that. It is only a
    /// convenience: a failure is none.
    pub fn note(&self, proof: &str) {
        if let Some(path) = self
            .file("proofs")
            .filter(|_| self.last().as_deref() != Some(proof))
        {
            let _ = make_folder(&path)
                .and_then(|()| sys::replace(&path, format!("{proof}\n").as_bytes(), 0o600, true));
        }
    }
}
