//! What must survive a restart and is nobody else's to see: locks, logins that are kept, seeds of
//! one-time codes, hashes of passwords that users have chosen.
//!
//! One file in the state folder, written whole and at once. Beside it lies a seal: which file on
//! this disk it is. A file that was put back from a backup is another file, so logins that were
//! ended since cannot come back with it.

use crate::credential::Factor;
use crate::ids::SessionId;
use crate::limits::LOGINS_PER_USER;
use crate::sys::{self, Trust};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a user cannot log in, whatever the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Why the user is locked, in words for people.
    pub reason: String,
    /// Seconds since 1970.
    pub since: u64,
    /// The user id of the administrator who asked for the lock.
    pub by: u32,
}

/// A login that begins sessions without being proved anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLogin {
    /// The user whose login it is.
    pub user: String,
    /// The session key, base64: whoever signs with it may begin sessions.
    pub key: String,
    /// What the login was proved by; it ends with that.
    pub factor: Factor,
    /// The address that the login was made from.
    pub source: String,
    /// Seconds since 1970.
    pub since: u64,
    /// Seconds since 1970.
    pub until: u64,
}

/// What a user's one-time codes are made of.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed {
    /// The secret, in hexadecimal.
    pub secret: String,
    /// The step of the last code that was taken: none up to it is taken again.
    pub last: u64,
    /// Wrong codes since the last right one.
    #[serde(default)]
    pub wrong: u32,
    /// When the last wrong code came, in seconds since 1970.
    #[serde(default)]
    pub wrong_at: u64,
}

impl Seed {
    /// Until when no code is taken, in seconds since 1970.
    ///
    /// From where the user is not known: a minute after the fifth wrong one in a row, twice as long
    /// after each more, a day at the most. From where they are known, and others cannot fail in their
    /// name so easily: ten seconds after the tenth, twice as long after each more, six hours at the
    /// most. No place lifts it: otherwise whoever is patient, or fast, guesses a code in the end.
    pub fn patience(&self, known_place: bool) -> u64 {
        let (free, first, most) = if known_place {
            (10, 10, 6 * 3600)
        } else {
            (5, 60, 24 * 3600)
        };
        if self.wrong < free {
            return 0;
        }
        let seconds = first << (self.wrong - free).min(20);
        self.wrong_at.saturating_add(u64::min(seconds, most))
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Seed(…, {})", self.last)
    }
}

/// A password that its user has chosen.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The password's hash, a PHC string; empty where it was lost, and nothing takes its place.
    pub hash: String,
    /// The mark of the hash in the configuration that it takes the place of, in hexadecimal. When the
    /// configuration says another, that one is in force.
    pub instead_of: String,
    /// The random name of the change, which the trail has too: by it an older vault is known.
    pub change: String,
    /// Seconds since 1970.
    pub since: u64,
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Chosen(…, {})", self.change)
    }
}

/// Everything that the vault keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Contents {
    /// Locks, by user.
    pub locks: BTreeMap<String, Lock>,
    /// Kept logins, by the id of the session that each began as.
    pub logins: BTreeMap<String, KeptLogin>,
    /// Seeds of one-time codes, by user.
    pub seeds: BTreeMap<String, Seed>,
    /// Passwords that users have chosen, by user.
    pub passwords: BTreeMap<String, Chosen>,
    /// Where each user has logged in from, so that nobody can lock them out of there by failing in
    /// their name.
    pub places: BTreeMap<String, Vec<String>>,
}

/// What was found when the vault was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There is no vault, and none was left there.
    Nothing,
    /// There is no vault, but its seal: somebody has removed the file, and locks and seeds with it.
    Removed,
    /// The vault that was left there.
    Same,
    /// Another file than the one that was left there, such as one out of a backup.
    Other,
}

/// The open vault.
#[derive(Debug)]
pub struct Vault {
    path: PathBuf,
    /// What the vault holds.
    pub contents: Contents,
}

/// Bytes of the file at the most.
const MOST: u64 = 64 << 20;

impl Vault {
    /// Opens the vault of a state folder. Of a file that was put there by somebody else the logins
    /// are not believed.
    ///
    /// # Errors
    /// A file that others can read, or that cannot be read at all: nothing is guessed about locks.
    pub fn open(folder: &Path) -> Result<(Self, Found), String> {
        let path = folder.join("vault.json");
        match std::fs::symlink_metadata(&path) {
            Ok(_) => {}
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                let found = if std::fs::symlink_metadata(seal_of(&path)).is_ok() {
                    Found::Removed
                } else {
                    Found::Nothing
                };

                return Ok((
                    Self {
                        path,
                        contents: Contents::default(),
                    },
                    found,
                ));
            }

            // Nothing is guessed about locks.
            Err(fault) => return Err(format!("{}: {fault}", path.display())),
        }

        let bytes =
            sys::read_secret(&path, &Trust::own(), MOST).map_err(|fault| fault.to_string())?;

        // serde would take a list for an object with its fields in order.
        if !bytes.starts_with(b"{") {
            return Err(format!("{}: it is not an object", path.display()));
        }
        let mut contents: Contents = serde_json::from_slice(&bytes)
            .map_err(|fault| format!("{}: {fault}", path.display()))?;
        let same = std::fs::read_to_string(seal_of(&path))
            .is_ok_and(|seal| which(&path).is_ok_and(|now| now == seal));
        if !same {
            contents.logins.clear();
        }
        Ok((
            Self { path, contents },
            if same { Found::Same } else { Found::Other },
        ))
    }

    /// What is to be written now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            path: self.path.clone(),
            bytes: serde_json::to_vec_pretty(&self.contents).unwrap_or_default(),
        }
    }

    /// A kept login that is still good at this time.
    pub fn login(&self, id: SessionId, now: u64) -> Option<&KeptLogin> {
        self.contents
            .logins
            .get(&id.to_string())
            .filter(|login| login.until > now)
    }

    /// Keeps a login; the user's oldest makes room, and is returned.
    pub fn keep(&mut self, id: SessionId, login: KeptLogin) -> Option<(String, KeptLogin)> {
        let mut evicted = None;
        let own = self
            .contents
            .logins
            .iter()
            .filter(|(_, known)| known.user == login.user);
        if own.clone().count() >= LOGINS_PER_USER
            && let Some(oldest) = own
                .min_by_key(|(_, known)| known.since)
                .map(|(id, _)| id.clone())
        {
            evicted = self.contents.logins.remove_entry(&oldest);
        }
        self.contents.logins.insert(id.to_string(), login);
        evicted
    }

    /// Ends kept logins; returns which.
    pub fn end_logins(
        &mut self,
        ended: impl Fn(&str, &KeptLogin) -> bool,
    ) -> Vec<(String, KeptLogin)> {
        let gone: Vec<_> = self
            .contents
            .logins
            .iter()
            .filter(|(id, login)| ended(id, login))
            .map(|(id, login)| (id.clone(), login.clone()))
            .collect();
        for (id, _) in &gone {
            self.contents.logins.remove(id);
        }
        gone
    }
}

/// A vault's bytes, to be written elsewhere than on the thread that decides.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Snapshot {
    /// Writes the vault to the disk, and the seal after it.
    ///
    /// # Errors
    /// What the calls that it makes say.
    pub fn write(&self) -> io::Result<()> {
        self.try_write().inspect_err(|_| {
            // What lies there now is older than what holds: without its seal the next start does
            // not believe its logins.
            let _ = std::fs::remove_file(seal_of(&self.path));
        })
    }

    fn try_write(&self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            sys::make_folder(folder, 0o700)?;
        }
        sys::replace(&self.path, &self.bytes, 0o600, true)?;
        sys::replace(
            &seal_of(&self.path),
            which(&self.path)?.as_bytes(),
            0o600,
            true,
        )?;

        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::File::open(folder)?.sync_all()
    }
}

fn seal_of(path: &Path) -> PathBuf {
    path.with_extension("seal")
}

/// Which file the vault is: where it lies on the disk, and when that was last changed, which nobody
/// can set.
fn which(path: &Path) -> io::Result<String> {
    let meta = std::fs::symlink_metadata(path)?;
    Ok(format!(
        "{} {} {}.{:09} {}\n",
        meta.dev(),
        meta.ino(),
        meta.ctime(),
        meta.ctime_nsec(),
        meta.len()
    ))
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
