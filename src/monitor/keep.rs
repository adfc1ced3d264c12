//! Rotated files of the trail: compressed, and removed when they are beyond what is kept, each
//! archived, recorded and signed before it goes.

use super::archive::archive;
use super::state::Shared;
use super::{metrics, trail};
use crate::audit::{
    Content, Due, KeepRules, Kept, Record, Steady, What, content, due, looked_at, pack,
};
use crate::encoding::base64;
use crate::limits::{KEEP_EVEN, KEEP_LOOK, KEEP_PAUSE, KEEP_PAUSE_MOST};
use crate::sys;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;

/// What the task remembers from one look to the next.
struct Keeper {
    clock: Steady,
    /// How often the last file failed in a row.
    failed: u32,
    /// The file that the archive command has taken, and that is still there.
    archived: Option<PathBuf>,
    /// The file whose removal is recorded, and that is still there.
    recorded: Option<PathBuf>,
}

/// Looks after the trail's old files, until the daemon ends. `known` is when the trail was written
/// to last before this daemon.
pub async fn keep(state: Shared, known: Option<SystemTime>) {
    let mut keeper = Keeper {
        clock: Steady::new(known, now(), KEEP_EVEN),
        failed: 0,
        archived: None,
        recorded: None,
    };
    loop {
        let looked = keeper.look(&state).await;
        if let Err(fault) = &looked {
            if state.audit.keeping.fault.borrow().as_ref() != Some(fault) {
                tracing::error!(fault, "a file of the trail is kept that is not to be");
            }
            keeper.failed += 1;
        } else {
            keeper.failed = 0;
        }
        let more = looked == Ok(Looked::Done);
        state.audit.keeping.fault.replace(looked.err());
        if !more {
            keeper.wait(&state).await;
        }
    }
}

fn now() -> (SystemTime, Instant) {
    (crate::clock::now(), Instant::now())
}

/// What came of a look that found nothing wrong.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    /// Nothing is to be done now.
    Nothing,
    /// A file was removed or compressed, and there may be more.
    Done,
}

impl Keeper {
    /// Waits until it is worth another look.
    async fn wait(&self, state: &Shared) {
        let mut pause = look_every(&state.settings().audit.keep);
        if self.failed > 0 {
            pause = KEEP_PAUSE.saturating_mul(1 << (self.failed - 1).min(16));
            pause = pause.min(KEEP_PAUSE_MOST);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = state.audit.keeping.wanted.notified() => {}
        }
    }

    /// Looks at the files, and removes the oldest where it is due. What is wrong comes back in words.
    async fn look(&mut self, state: &Shared) -> Result<Looked, String> {
        let settings = state.settings();
        let rules = settings.audit.keep;
        let (path, known) = (
            settings.trail.clone(),
            state.audit.keeping.files.borrow().clone(),
        );
        let files = aside(move || looked_at(&path, &known)).await?;
        let files = files.map_err(|fault| format!("the trail's folder cannot be read: {fault}"))?;
        state.audit.keeping.files.replace(files.clone());
        let files = files.rotated;
        let current = state.audit.trail().length();
        let now = self.clock.now(now());
        match due(&files, current, &rules, now) {
            // What waits for the journal is still needed.
            Due::Oldest(file, why) if sent(state, file) => {
                let next = files.get(1).map_or(&settings.trail, |next| &next.path);
                self.remove(state, file, next.clone(), why).await
            }
            other => match plain(&files).filter(|_| settings.audit.compress) {
                Some(file) => compress(file).await,
                None => match other {
                    Due::TooYoung { bytes } => Err(too_young(bytes, &rules)),
                    _ => Ok(Looked::Nothing),
                },
            },
        }
    }

    /// Removes one file. First comes the record, signed and on the disk: a daemon that is killed
    /// behind it finds the file again, and says so again.
    async fn remove(
        &mut self,
        state: &Shared,
        file: &Kept,
        next: PathBuf,
        why: &str,
    ) -> Result<Looked, String> {
        let name = file.name();
        let wrong = |fault: &dyn std::fmt::Display| format!("the trail's file {name} {fault}");
        if self.recorded.as_ref() != Some(&file.path) {
            let (looked_at, key) = (file.clone(), state.audit.trail().public());
            let content = aside(move || content(&looked_at, &next, key)).await?;
            let content = content.map_err(|fault| wrong(&format!("stays: it {fault}")))?;
            self.recorded = None;
            self.archive(state, file)
                .await
                .map_err(|why| wrong(&format!("stays: {why}")))?;
            record(state, &name, &content, why).map_err(|fault| {
                wrong(&format!("stays, because that cannot be recorded: {fault}"))
            })?;
            trail::sign(state).await.map_err(|fault| {
                wrong(&format!("stays, because that cannot be signed: {fault}"))
            })?;
            self.recorded = Some(file.path.clone());
        }
        sys::fault_point("trail-remove");

        let path = file.path.clone();
        let removed = aside(move || std::fs::remove_file(path)).await?;
        removed.map_err(|fault| wrong(&format!("cannot be removed: {fault}")))?;
        (self.recorded, self.archived) = (None, None);
        metrics::count(&state.audit.keeping.removed);
        tracing::info!(name, why, "an old file of the trail was removed");
        Ok(Looked::Done)
    }
}

impl Keeper {
    /// Gives a file to the archive command, where there is one, until it has taken the file.
    async fn archive(&mut self, state: &Shared, file: &Kept) -> Result<(), String> {
        let settings = state.settings();
        let Some(command) = &settings.audit.archive else {
            return Ok(());
        };
        if self.archived.as_ref() == Some(&file.path) {
            return Ok(());
        }
        let archived = archive(state, command, file).await;
        match &archived {
            Ok(()) => self.archived = Some(file.path.clone()),
            Err(_) => metrics::count(&state.audit.keeping.unarchived),
        }
        archived
    }
}

/// The oldest file that is not compressed.
fn plain(files: &[Kept]) -> Option<&Kept> {
    files.iter().find(|file| !file.is_packed())
}

/// Compresses one file.
async fn compress(file: &Kept) -> Result<Looked, String> {
    let path = file.path.clone();
    let packed = aside(move || pack(&path)).await?;
    let name = file.name();
    packed.map_err(|fault| format!("the trail's file {name} cannot be compressed: {fault}"))?;
    tracing::debug!(name, "a file of the trail was compressed");
    Ok(Looked::Done)
}

/// How often it is looked: often enough that a file is removed soon after it is due.
fn look_every(rules: &KeepRules) -> Duration {
    let age = rules.age.map_or(KEEP_LOOK, |age| age / 10);
    age.clamp(Duration::from_millis(500), KEEP_LOOK)
}

fn too_young(bytes: u64, rules: &KeepRules) -> String {
    format!(
        "the trail takes {bytes} bytes, more than audit.keep_size ({}), and its oldest file is younger than audit.keep_least ({} s): somebody may be filling it",
        rules.size.unwrap_or_default(),
        rules.least.as_secs()
    )
}

/// Whether journald has got every record of a file, where it gets them.
fn sent(state: &Shared, file: &Kept) -> bool {
    let journal = state.audit.journal.borrow();
    let journal = journal.as_ref();
    journal.is_none_or(|journal| journal.sent() >= file.last)
}

/// Records that a file is about to be removed, and what it tells of that holds on.
fn record(state: &Shared, name: &str, content: &Content, why: &str) -> std::io::Result<()> {
    if content.tells_of_the_vault {
        standing(state)?;
    }
    state.record(&Record::now(What::Removed {
        file: name,
        first: content.first,
        last: content.last.seq,
        before_hash: &content.before,
        last_hash: &base64(&content.last.link),
        why,
    }))
}

/// Records who is locked, has a seed, or has chosen a password: whom a lock would keep out that nobody
/// remembers.
fn standing(state: &Shared) -> std::io::Result<()> {
    let contents = state.access.vault.borrow().contents.clone();
    for (user, lock) in &contents.locks {
        state.record(&Record::now(What::Standing {
            what: "lock",
            user,
            reason: &lock.reason,
            since: lock.since,
            uid: lock.by,
            change: "",
        }))?;
    }
    let seeds = contents.seeds.keys().map(|user| ("totp", user, "", 0));
    let chosen = contents.passwords.iter();
    let chosen = chosen.map(|(user, chosen)| ("password", user, &*chosen.change, chosen.since));
    for (what, user, change, since) in seeds.chain(chosen) {
        state.record(&Record::now(What::Standing {
            what,
            user,
            reason: "",
            since,
            uid: 0,
            change,
        }))?;
    }
    Ok(())
}

/// Does something in a thread of its own, behind everything else: files may be large, and disks
/// slow.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (done, answer) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("keeper".into())
        .spawn(move || {
            sys::step_back();
            let _ = done.send(work());
        });
    let failed = |why: String| format!("the trail's files cannot be looked after: {why}");
    thread.map_err(|fault| failed(fault.to_string()))?;
    answer
        .await
        .map_err(|_| failed("the thread has failed".into()))
}
