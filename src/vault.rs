//! What must survive a restart and is nobody else's to see: locks, logins that are kept, seeds of
//! one-time codes.
//!
//! One file in the state folder, written whole and at once. Beside it lies a seal: which file on
//! this disk it is. A file that was put back from a backup is another file, so logins that were
//! ended since cannot come back with it.

use crate::credential::Factor;
use crate::ids::SessionId;
use crate::limits::LOGINS_PER_USER;
use crate::sys;
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

        let bytes = sys::read_private(&path, MOST).map_err(|fault| fault.to_string())?;

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
mod tests {
    use super::*;

    fn login(user: &str, since: u64) -> KeptLogin {
        let factor = Factor::Key("SHA256:x".into());
        KeptLogin {
            user: user.into(),
            key: "k".into(),
            factor,
            source: "::1".into(),
            since,
            until: since + 100,
        }
    }

    fn id(number: u8) -> SessionId {
        SessionId::from_random([number; 20])
    }

    #[test]
    fn what_is_kept_comes_back_and_what_a_backup_holds_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let (mut vault, found) = Vault::open(folder.path()).unwrap();
        assert_eq!(found, Found::Nothing);
        vault.contents.locks.insert(
            "mallory".into(),
            Lock {
                reason: "left".into(),
                since: 1,
                by: 0,
            },
        );

        vault.keep(id(1), login("alice", 1000));
        vault.snapshot().write().unwrap();
        let (again, found) = Vault::open(folder.path()).unwrap();
        assert_eq!((found, &again.contents), (Found::Same, &vault.contents));
        assert!(again.login(id(1), 1050).is_some());
        assert!(again.login(id(1), 1100).is_none(), "its time is up");

        // A backup of this moment, seal and all, put back after the login was ended.
        let backup: Vec<_> = ["vault.json", "vault.seal"]
            .map(|name| (name, std::fs::read(folder.path().join(name)).unwrap()))
            .into();
        vault.end_logins(|_, _| true);
        vault.snapshot().write().unwrap();
        for (name, bytes) in backup {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let (restored, found) = Vault::open(folder.path()).unwrap();
        assert_eq!(found, Found::Other);
        assert!(restored.contents.logins.is_empty());
        assert!(
            restored.contents.locks.contains_key("mallory"),
            "what takes rights away is believed"
        );
    }

    #[test]
    fn what_could_not_be_written_is_not_believed_later() {
        let folder = tempfile::tempdir().unwrap();
        let (mut vault, _) = Vault::open(folder.path()).unwrap();
        vault.keep(id(1), login("alice", 1000));
        vault.snapshot().write().unwrap();
        vault.end_logins(|_, _| true);

        // Where the new file would be made there is a folder.
        std::fs::create_dir(
            folder
                .path()
                .join(format!(".vault.json.{}.new", std::process::id())),
        )
        .unwrap();
        assert!(vault.snapshot().write().is_err());
        let (restarted, found) = Vault::open(folder.path()).unwrap();
        assert_eq!((found, restarted.contents.logins.len()), (Found::Other, 0));
    }

    #[test]
    fn a_vault_that_was_removed_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let (vault, _) = Vault::open(folder.path()).unwrap();
        vault.snapshot().write().unwrap();
        std::fs::remove_file(folder.path().join("vault.json")).unwrap();
        assert_eq!(Vault::open(folder.path()).unwrap().1, Found::Removed);
        std::os::unix::fs::symlink("vault.json", folder.path().join("vault.json")).unwrap();
        assert!(Vault::open(folder.path()).is_err());
    }

    #[test]
    fn guessing_codes_takes_ever_longer() {
        let seed = |known_place| {
            move |wrong| {
                Seed {
                    secret: String::new(),
                    last: 0,
                    wrong,
                    wrong_at: 1000,
                }
                .patience(known_place)
            }
        };

        assert_eq!(
            [0, 4, 5, 6, 7, 100].map(seed(false)),
            [0, 0, 1060, 1120, 1240, 87_400]
        );
        assert_eq!(
            [0, 5, 9, 10, 11, 100].map(seed(true)),
            [0, 0, 0, 1010, 1020, 22_600],
            "no place lifts it"
        );
    }

    #[test]
    fn what_is_broken_or_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.json");

        for text in ["", "{", "[]", "{\"locks\": 3}", "{\"x\": {}}"] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            assert!(Vault::open(folder.path()).is_err(), "{text}");
        }

        std::fs::write(&path, "{}").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(Vault::open(folder.path()).is_err());
    }

    #[test]
    fn a_user_keeps_so_many_logins_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (mut vault, _) = Vault::open(folder.path()).unwrap();
        for number in 0..=u8::try_from(LOGINS_PER_USER).unwrap() {
            let evicted = vault.keep(id(number), login("alice", u64::from(number)));
            assert_eq!(evicted.is_some(), usize::from(number) == LOGINS_PER_USER);
        }

        vault.keep(id(200), login("bob", 0));
        assert_eq!(vault.contents.logins.len(), LOGINS_PER_USER + 1);
        assert!(vault.login(id(0), 0).is_none(), "the oldest made room");
    }
}
