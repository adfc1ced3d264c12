//! Recordings on the disk: which there are, whose, and which of them go first.

use crate::ids::RunId;
use crate::limits::RECORDINGS;
use crate::monitor::settings::RecordingRules;
use crate::{clock, sys};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What is known of a recording, in a file beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The user whose run it was.
    pub user: String,
    /// The command's name.
    pub command: String,
    /// Its arguments, for people.
    pub arguments: String,
    /// When the run began, in milliseconds since 1970.
    pub since: u64,
    /// When it ended; nothing while it goes on.
    pub until: Option<u64>,
    /// How the run ended: a word of a run's end, or `interrupted` where the daemon ended first.
    pub reason: String,
    /// The exit status or the signal, where the reason has one.
    pub number: Option<u8>,
    /// Bytes of the recording.
    pub bytes: u64,
    /// The SHA-256 of these, in hexadecimal digits; empty where it is not known.
    pub sha256: String,
    /// Whether everything that the command has written is in it.
    pub whole: bool,
    /// Why it is to stay, where somebody has said that.
    #[serde(default)]
    pub held: Option<String>,
}

impl Kept {
    /// One of a run that begins now.
    pub fn begins(user: &str, command: &str, arguments: &str) -> Self {
        Self {
            user: user.into(),
            command: command.into(),
            arguments: arguments.into(),
            since: now(),
            until: None,
            reason: String::new(),
            number: None,
            bytes: 0,
            sha256: String::new(),
            whole: false,
            held: None,
        }
    }

    const fn goes_on(&self) -> bool {
        self.until.is_none()
    }
}

/// All recordings.
#[derive(Debug, Default)]
pub struct Recordings {
    list: RefCell<BTreeMap<RunId, Kept>>,
}

/// Bytes of what is known of one.
const ABOUT: u64 = 64 * 1024;

impl Recordings {
    /// What is in the folder. Those that were cut off by the end of a daemon are closed.
    pub fn open(folder: &Path) -> Self {
        let recordings = Self::default();
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let run = name.to_str().and_then(|name| name.strip_suffix(".json"));
            let Some(run) = run.and_then(|run| run.parse::<RunId>().ok()) else {
                continue;
            };
            let about = sys::read_private(&entry.path(), ABOUT).ok();
            let Some(mut kept) = about.and_then(|bytes| serde_json::from_slice(&bytes).ok()) else {
                tracing::warn!(file = %entry.path().display(), "what is known of a recording cannot be read");
                continue;
            };
            let _ = close_interrupted(folder, run, &mut kept)
                .inspect_err(|fault| tracing::warn!(%run, %fault, "a recording is not there"));
            recordings.list.borrow_mut().insert(run, kept);
        }
        recordings
    }

    /// Makes the file of a recording that begins. The bytes that it may have come along.
    ///
    /// # Errors
    /// That there is no room, or as making the folder and its files.
    pub fn create(
        &self,
        rules: &RecordingRules,
        run: RunId,
        kept: Kept,
    ) -> io::Result<(File, u64)> {
        let most = self.room(rules);
        if most == 0 {
            let text = "recordings take as much as recordings.keep_size allows, and those that are there are held or go on";
            return Err(io::Error::other(text));
        }
        sys::make_folder(&rules.folder, 0o700)?;
        if !sys::private_folder(&rules.folder)? {
            let text = format!(
                "{} is not a folder of the daemon's own, with mode 0700",
                rules.folder.display()
            );
            return Err(io::Error::other(text));
        }
        let file = sys::private_file(&path(&rules.folder, run))?;
        write(&rules.folder, run, &kept)
            .inspect_err(|_| remove(&rules.folder, run))
            .map(|()| {
                self.list.borrow_mut().insert(run, kept);
                (file, most)
            })
    }

    /// Bytes that one more may have: what is not taken by those that cannot go.
    fn room(&self, rules: &RecordingRules) -> u64 {
        let list = self.list.borrow();
        let stays = list
            .values()
            .filter(|kept| kept.goes_on() || kept.held.is_some());
        let taken: u64 = stays.map(|kept| kept.bytes).sum();
        rules
            .size
            .map_or(u64::MAX, |size| size.saturating_sub(taken))
    }

    /// The run has not begun after all.
    pub fn forget(&self, folder: &Path, run: RunId) {
        self.list.borrow_mut().remove(&run);
        remove(folder, run);
    }

    /// A recording that goes on has so many bytes.
    pub fn grown(&self, run: RunId, bytes: u64) {
        if let Some(kept) = self.list.borrow_mut().get_mut(&run) {
            kept.bytes = bytes;
        }
    }

    /// Changes what is known of one, on the disk too.
    ///
    /// # Errors
    /// As writing; it is changed here all the same.
    pub fn change(
        &self,
        folder: &Path,
        run: RunId,
        change: impl FnOnce(&mut Kept),
    ) -> io::Result<bool> {
        let mut list = self.list.borrow_mut();
        let Some(kept) = list.get_mut(&run) else {
            return Ok(false);
        };
        change(kept);
        write(folder, run, kept).map(|()| true)
    }

    /// What is known of one.
    pub fn find(&self, run: RunId) -> Option<Kept> {
        self.list.borrow().get(&run).cloned()
    }

    /// Whose it is.
    pub fn owner(&self, run: RunId) -> Option<Arc<str>> {
        self.list
            .borrow()
            .get(&run)
            .map(|kept| kept.user.as_str().into())
    }

    /// All of them, the youngest first.
    pub fn all(&self) -> Vec<(RunId, Kept)> {
        let list = self.list.borrow();
        let mut all: Vec<_> = list
            .iter()
            .map(|(run, kept)| (*run, kept.clone()))
            .collect();
        all.sort_by_key(|(run, kept)| (std::cmp::Reverse(kept.since), *run));
        all
    }

    /// The one that goes next, and why: too old, or the oldest where they are too large together or too
    /// many. Neither one that goes on nor one that is held.
    pub fn due(&self, rules: &RecordingRules) -> Option<(RunId, Kept, &'static str)> {
        let list = self.list.borrow();
        let (run, oldest) = list
            .iter()
            .filter(|(_, kept)| !kept.goes_on() && kept.held.is_none())
            .min_by_key(|(_, kept)| kept.until)?;
        let age = Duration::from_millis(now().saturating_sub(oldest.until.unwrap_or_default()));
        let total: u64 = list.values().map(|kept| kept.bytes).sum();
        let why = if rules.age.is_some_and(|most| age > most) {
            "age"
        } else if rules.size.is_some_and(|most| total > most) || list.len() > RECORDINGS {
            "size"
        } else {
            return None;
        };
        Some((*run, oldest.clone(), why))
    }
}

/// One that was cut off by the end of a daemon is as long as it is.
fn close_interrupted(folder: &Path, run: RunId, kept: &mut Kept) -> io::Result<()> {
    if !kept.goes_on() {
        return Ok(());
    }
    let meta = fs::symlink_metadata(path(folder, run));
    kept.until = Some(now());
    kept.reason = "interrupted".into();
    kept.bytes = meta.as_ref().map_or(0, fs::Metadata::len);
    write(folder, run, kept)?;
    meta.map(|_| ())
}

/// The file of a recording.
pub fn path(folder: &Path, run: RunId) -> PathBuf {
    folder.join(format!("{run}.cast.zst"))
}

fn about(folder: &Path, run: RunId) -> PathBuf {
    folder.join(format!("{run}.json"))
}

/// Not made sure of on the disk: what proves anything is in the trail, and nobody waits for this.
fn write(folder: &Path, run: RunId, kept: &Kept) -> io::Result<()> {
    let new = folder.join(format!(".{run}.new"));
    let _ = fs::remove_file(&new);
    sys::private_file(&new)?.write_all(&serde_json::to_vec(kept)?)?;
    fs::rename(&new, about(folder, run))
}

/// First the recording, so that nothing is left that nobody knows of.
fn remove(folder: &Path, run: RunId) {
    let gone = |path: &Path| match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(file = %path.display(), %fault, "a recording is not removed");
            false
        }
        _ => true,
    };
    if gone(&path(folder, run)) {
        gone(&about(folder, run));
    }
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    clock::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        })
}
