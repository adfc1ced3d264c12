//! What is remembered of runs that have ended: how, and the end of their output. Bounded in number,
//! age and bytes.
//!
//! A daemon that stops leaves it to the next one, in a folder of the state's: a list, and a file
//! for each run's output. Large output is in the state's file system already and is only given a
//! name there.

use super::requested::Digest;
use crate::encoding::{base64, unbase64};
use crate::exit::{Counts, End, Reason};
use crate::ids::{RequestId, RunId};
use crate::limits::RUNS_KEPT;
use crate::verb::RunLine;
use crate::{clock, spool, sys};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// What has run.
#[derive(Debug)]
pub struct Ran {
    /// Its id.
    pub run: RunId,
    /// Whose.
    pub user: Arc<str>,
    /// Which command.
    pub command: String,
    /// Its arguments, for people.
    pub arguments: String,
    /// The id of the request that has led to it; not known of what an older daemon has left.
    pub asked_as: Option<RequestId>,
    /// That request, and what it asked for.
    pub request: Option<(RequestId, Digest)>,
    /// How it ended.
    pub end: End,
}

/// A run that has ended, with its output.
#[derive(Debug)]
pub struct Over {
    /// What has run.
    pub ran: Ran,
    /// Bytes of its streams.
    pub counts: Counts,
    /// Its output; `None` when nobody counted what is in it, or it is gone.
    pub spool: Option<OwnedFd>,
    /// Whether there was output that could not be kept from one daemon to the next.
    pub gone: bool,
    /// Bytes of each stream that the spool keeps.
    pub capacity: u64,
    /// When it ended, or when this daemon found it.
    at: Instant,
    /// How old it was then.
    before: Duration,
    /// Whether its output has a name in the folder.
    named: bool,
}

impl Over {
    /// A run that ends now.
    pub fn now(ran: Ran, counts: Counts, output: Option<OwnedFd>, capacity: u64) -> Self {
        Self {
            ran,
            counts,
            spool: output,
            gone: false,
            capacity,
            at: Instant::now(),
            before: Duration::ZERO,
            named: false,
        }
    }

    /// The run's line in a list of runs.
    pub fn line(&self) -> RunLine {
        RunLine {
            run: self.ran.run.to_string(),
            user: self.ran.user.to_string(),
            command: self.ran.command.clone(),
            arguments: self.ran.arguments.clone(),
            request: self
                .ran
                .asked_as
                .map(|id| id.to_string())
                .unwrap_or_default(),
            since: since_1970()
                .saturating_sub(self.age().as_secs())
                .saturating_sub(self.ran.end.duration_ms / 1000),
            seconds: self.ran.end.duration_ms / 1000,
            waiting: false,
            ended: Some(self.ran.end.reason.clone()),
            number: self.ran.end.number,
        }
    }

    fn bytes(&self) -> u64 {
        self.counts
            .stdout
            .min(self.capacity)
            .saturating_add(self.counts.stderr.min(self.capacity))
    }

    fn age(&self) -> Duration {
        self.before + self.at.elapsed()
    }
}

impl Kept {
    fn of(over: &Over) -> Self {
        Self {
            runs: 1,
            bytes: over.bytes(),
        }
    }
}

/// A line of the list.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    run: String,
    user: String,
    command: String,
    #[serde(default)]
    arguments: String,
    /// The request's id.
    #[serde(default)]
    asked_as: Option<String>,
    /// The request's id and the digest of what it asked for, in base64.
    request: Option<(String, String)>,
    end: End,
    counts: Counts,
    capacity: u64,
    /// Seconds since 1970.
    ended: u64,
    /// Whether its output is in a file beside the list.
    output: bool,
}

impl Line {
    /// Every line of a list. What cannot be read is gone, and said so.
    fn all(list: &Path) -> Vec<Self> {
        match fs::symlink_metadata(list) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Vec::new(),
            _ => sys::read_private(list, MOST)
                .map_err(|fault| fault.to_string())
                .and_then(|bytes| {
                    serde_json::from_slice::<Vec<Self>>(&bytes)
                        .map_err(|fault| format!("{}: {fault}", list.display()))
                })
                .unwrap_or_else(|fault| {
                    tracing::warn!(fault, "output that was kept of ended runs cannot be read");
                    Vec::new()
                }),
        }
    }

    /// The run that it tells of, with its output where that is there.
    fn over(self, folder: &Path, now: u64) -> Option<Over> {
        let run = self.sound()?;
        let output = self
            .output
            .then(|| sys::open_private(&folder.join(run.to_string())).ok())
            .flatten();
        // What was there and is not would look like a run that has written nothing.
        let wrote = self.output || self.counts.stdout > 0 || self.counts.stderr > 0;
        let request = self
            .request
            .and_then(|(id, digest)| Some((id.parse().ok()?, unbase64(&digest)?)));
        let asked_as = self.asked_as.and_then(|id| id.parse().ok());

        Some(Over {
            ran: Ran {
                run,
                user: self.user.into(),
                command: self.command,
                arguments: self.arguments,
                asked_as,
                request,
                end: self.end,
            },
            counts: self.counts,
            named: output.is_some(),
            gone: output.is_none() && wrote,
            spool: output.map(OwnedFd::from),
            capacity: self.capacity,
            at: Instant::now(),
            before: Duration::from_secs(now.saturating_sub(self.ended)),
        })
    }

    /// The run's id, where the line is one that a daemon could have written.
    fn sound(&self) -> Option<RunId> {
        let short = |text: &str| (1..=256).contains(&text.len());
        let ended = Reason::from_parts(&self.end.reason, self.end.number).is_some();
        let fits = (1..=crate::limits::SPOOL_MOST).contains(&self.capacity);
        self.run
            .parse()
            .ok()
            .filter(|_| ended && fits && short(&self.user) && short(&self.command))
            .filter(|_| self.arguments.len() <= crate::limits::SHOWN_ARGUMENTS)
    }
}

/// The list's name, and its bytes at the most.
const LIST: &str = "runs.json";
const MOST: u64 = 4 << 20;

/// The folder, where it is the daemon's own to write and clear, or not there yet.
fn own(folder: PathBuf) -> Option<PathBuf> {
    match sys::private_folder(&folder) {
        Ok(true) => Some(folder),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Some(folder),
        _ => {
            let (shown, path) = (folder.display(), sys::in_a_shell(&folder));
            let own = sys::owner_word(sys::effective_uid());
            tracing::warn!(folder = %shown, "is not a folder of the daemon's own, with mode 0700: output of ended runs is not left to the next daemon; `chown {own} {path} && chmod 0700 {path}`");
            None
        }
    }
}

/// What is kept of one user's runs.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    runs: usize,
    bytes: u64,
}

/// Oldest first. Where more is to be kept than there is room for, the oldest of whoever has the most
/// makes room, so that nobody takes another's place.
#[derive(Debug, Default)]
pub struct EndedRuns {
    runs: VecDeque<Over>,
    /// How many of each user's are kept, and their bytes.
    users: HashMap<Arc<str>, Kept>,
    bytes: u64,
    /// Where daemons leave it to one another; none where that is not the daemon's own to write and
    /// clear.
    folder: Option<PathBuf>,
}

impl EndedRuns {
    /// What the daemon before has left, as far as it is still to be kept. What cannot be read is
    /// gone, and said so.
    pub fn open(folder: PathBuf, retention: Duration, most_bytes: u64) -> Self {
        let mut kept = Self {
            folder: own(folder),
            ..Self::default()
        };
        let Some(folder) = kept.folder.clone() else {
            return kept;
        };

        let now = since_1970();
        for line in Line::all(&folder.join(LIST)) {
            if let Some(over) = line.over(&folder, now) {
                kept.add(over, retention, most_bytes);
            }
        }

        kept.forget_old(retention);
        kept.tidy();
        kept
    }

    /// Leaves it to the next daemon. Nothing is added afterwards.
    pub fn leave(&mut self) {
        let Some(folder) = self.folder.clone() else {
            return;
        };
        if self.runs.is_empty() && !folder.exists() {
            return;
        }
        if let Err(fault) = self.write(&folder) {
            tracing::warn!(%fault, folder = %folder.display(), "output of ended runs could not be left to the next daemon");
        }
        self.tidy();
    }

    fn write(&mut self, folder: &Path) -> io::Result<()> {
        sys::make_folder(folder, 0o700)?;
        let now = since_1970();
        let mut lines = Vec::new();

        for over in &mut self.runs {
            if let Some(output) = &over.spool
                && !over.named
            {
                let path = folder.join(over.ran.run.to_string());
                over.named = name(output.as_fd(), &path, over.capacity, [over.counts.stdout, over.counts.stderr])
                    .inspect_err(|fault| tracing::warn!(run = %over.ran.run, %fault, "its output could not be left to the next daemon"))
                    .is_ok();
            }

            lines.push(Line {
                run: over.ran.run.to_string(),
                user: over.ran.user.to_string(),
                command: over.ran.command.clone(),
                arguments: over.ran.arguments.clone(),
                asked_as: over.ran.asked_as.map(|id| id.to_string()),
                request: over
                    .ran
                    .request
                    .map(|(id, digest)| (id.to_string(), base64(&digest))),
                end: over.ran.end.clone(),
                counts: over.counts,
                capacity: over.capacity,
                ended: now.saturating_sub(over.age().as_secs()),
                output: over.named,
            });
        }

        sys::replace(
            &folder.join(LIST),
            &serde_json::to_vec(&lines)?,
            0o600,
            true,
        )
    }

    /// Removes output that nobody knows of: what a daemon that was killed has left. Nothing that
    /// has another name.
    fn tidy(&self) {
        for entry in self
            .folder
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let Some(run) = name.to_str().and_then(|name| {
                name.parse::<RunId>()
                    .ok()
                    .filter(|run| run.to_string() == name)
            }) else {
                continue;
            };

            if !self
                .runs
                .iter()
                .any(|over| over.named && over.ran.run == run)
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Keeps one more, and forgets what is too old or too much.
    pub fn add(&mut self, over: Over, retention: Duration, most_bytes: u64) {
        let own = self.users.entry(over.ran.user.clone()).or_default();
        own.runs += 1;
        own.bytes += over.bytes();
        self.bytes += over.bytes();
        self.runs.push_back(over);
        while self.runs.front().is_some_and(|old| old.age() > retention) {
            self.remove(0);
        }
        while self.runs.len() > RUNS_KEPT {
            self.make_room(|kept| kept.runs as u64);
        }
        while self.bytes > most_bytes {
            self.make_room(|kept| kept.bytes);
        }
    }

    /// Forgets the oldest of whoever has the most by this measure.
    fn make_room(&mut self, much: impl Fn(&Kept) -> u64) {
        let most = self.users.iter().max_by_key(|(_, kept)| much(kept));
        let oldest = most.and_then(|(user, _)| {
            let own = |over: &Over| over.ran.user == *user && (much(&Kept::of(over)) > 0);
            self.runs.iter().position(own)
        });
        self.remove(oldest.unwrap_or(0));
    }

    /// Forgets one.
    fn remove(&mut self, index: usize) {
        let Some(over) = self.runs.remove(index) else {
            return;
        };
        forget(self.folder.as_deref(), &over);
        self.bytes -= over.bytes();
        if let Some(own) = self.users.get_mut(&over.ran.user) {
            own.runs -= 1;
            own.bytes -= over.bytes();
            if own.runs == 0 {
                self.users.remove(&over.ran.user);
            }
        }
    }

    /// Forgets what is older.
    pub fn forget_old(&mut self, retention: Duration) {
        let old = |over: &Over| over.age() > retention;
        while let Some(index) = self.runs.iter().position(old) {
            self.remove(index);
        }
    }

    /// A run that has ended and is not forgotten.
    pub fn find(&self, run: RunId, retention: Duration) -> Option<&Over> {
        self.runs
            .iter()
            .rev()
            .find(|over| over.ran.run == run && over.age() <= retention)
    }

    /// All of them, oldest first.
    pub fn iter(&self, retention: Duration) -> impl Iterator<Item = &Over> {
        self.runs.iter().filter(move |over| over.age() <= retention)
    }
}

/// Its output has no name any more.
fn forget(folder: Option<&Path>, over: &Over) {
    if let Some(folder) = folder.filter(|_| over.named) {
        let _ = fs::remove_file(folder.join(over.ran.run.to_string()));
    }
}

/// Gives output a name: its file, if that lies in this file system, else a copy of what it keeps.
fn name(output: BorrowedFd<'_>, path: &Path, capacity: u64, published: [u64; 2]) -> io::Result<()> {
    if sys::give_name(output, path).is_ok() {
        return Ok(());
    }
    let copied = sys::private_file(path).and_then(|copy| {
        spool::copy(
            &File::from(output.try_clone_to_owned()?),
            &copy,
            capacity,
            published,
        )
    });

    if copied.is_err() {
        let _ = fs::remove_file(path);
    }
    copied
}

fn since_1970() -> u64 {
    clock::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
