//! The trail in force: opened, signed, brought to the disk, rotated, and gone on with when somebody
//! has moved it away.

use super::settings::{Durability, Settings};
use super::state::Shared;
use super::summary;
use crate::audit::{Head, Trail, TrailKey, rotated_files, rotated_name};
use crate::credential;
use crate::encoding::{base64, unbase64};
use crate::limits::CHECKPOINT_EVERY;
use crate::sys::{self, Trust};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use zeroize::Zeroizing;

/// The file with the key that signs checkpoints, its public half, and the note of where the chain
/// has come to.
const KEY: &str = "trail.key";
const PUBLIC: &str = "trail.pub";
const HEAD: &str = "trail.head";

/// How often it is looked whether the file is still there, and has grown too large or too old.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What was there of the trail when it was opened, and what was missing.
#[derive(Debug, Clone, Copy)]
pub struct Missed {
    /// When the trail was written to last.
    pub written: Option<SystemTime>,
    /// The key is new, and takes the place of one that is gone.
    pub key: bool,
    /// There was a key, and no file that it has signed.
    pub trail: bool,
}

/// Opens the trail, and makes its key where there is none. Says what was there before and is not.
///
/// # Errors
/// What cannot be read or written; a folder that others can change; a key that others can read.
pub fn open(settings: &Settings) -> io::Result<(Trail, Missed)> {
    for folder in [Some(settings.state.as_path()), settings.trail.parent()]
        .into_iter()
        .flatten()
    {
        sys::make_folder(folder, 0o700)?;
        sys::closed_folder(folder, &Trust::own()).map_err(io::Error::other)?;
    }
    let had_key = [PUBLIC, HEAD]
        .iter()
        .any(|name| settings.state.join(name).exists());
    let has_key = settings.state.join(KEY).exists();
    let key = key(&settings.state)?;
    let known = std::fs::read_to_string(settings.state.join(HEAD))
        .ok()
        .and_then(|text| Head::read(&text));
    // A crash in the middle of a rotation has left the old file under its new name, and no new one.
    let before = if settings.trail.exists() {
        None
    } else {
        last_rotated(&settings.trail)
    };

    let meta = std::fs::metadata(&settings.trail).ok();
    let missed = Missed {
        written: meta.and_then(|meta| meta.modified().ok()),
        key: had_key && !has_key,
        trail: has_key && !settings.trail.exists() && before.is_none() && known.is_none(),
    };
    let trail = Trail::open(sys::append_private(&settings.trail)?, key, known, before)?;
    Ok((trail, missed))
}

fn key(folder: &Path) -> io::Result<TrailKey> {
    let path = folder.join(KEY);
    let wrong = |why: String| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: {why}", path.display()),
        )
    };

    if !path.exists() {
        let text = Zeroizing::new(format!(
            "{}\n",
            base64(&*Zeroizing::new(credential::random::<32>()))
        ));
        sys::replace(&path, text.as_bytes(), 0o600, false)?;
    }

    let bytes = Zeroizing::new(
        sys::read_secret(&path, &Trust::own(), 4096).map_err(|fault| wrong(fault.to_string()))?,
    );
    let seed = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| unbase64::<32>(text.trim()))
        .map(Zeroizing::new);
    let key = TrailKey::of(&seed.ok_or_else(|| wrong("is no key".into()))?).map_err(wrong)?;
    let public = format!("{}\n", key.public());
    if std::fs::read_to_string(folder.join(PUBLIC)).ok().as_ref() != Some(&public) {
        sys::replace(&folder.join(PUBLIC), public.as_bytes(), 0o644, true)?;
    }
    Ok(key)
}

fn last_rotated(trail: &Path) -> Option<Head> {
    let (_, newest) = rotated_files(trail).ok()?.pop()?;
    Trail::head_at(&newest).ok()
}

/// Keeps the trail: brings it to the disk, signs where it has come to, rotates it. Until the daemon
/// ends.
pub async fn keep(state: Shared) {
    let (mut signed, mut rotated_at, mut looked, mut synced) =
        (Instant::now(), Instant::now(), Instant::now(), 0);
    let mut unsynced = None;
    loop {
        let settings = state.settings();
        let every = match settings.audit.sync {
            Durability::Every(every) => every,
            Durability::Always => Duration::from_millis(200),
        };

        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = state.audit.sync_wanted.notified() => {}
        }

        ring(&state);
        if state.audit.trail().head().seq != synced {
            match sync(&state).await {
                Ok(seq) => (synced, unsynced) = (seq, None),
                Err(fault) => {
                    super::metrics::count(&state.audit.failures);
                    unsynced = Some(format!("the trail cannot be brought to the disk: {fault}"));
                }
            }
        }

        let room = room(&settings).map(|spare| state.audit.spare.set(spare));
        set_fault(&state, unsynced.clone().or_else(|| room.err()));
        if signed.elapsed() >= CHECKPOINT_EVERY || state.audit.trail().checkpoint_due() {
            checkpoint(&state).await;
            signed = Instant::now();
        }

        if looked.elapsed() < LOOK_EVERY {
            continue;
        }

        looked = Instant::now();
        moved_away(&state, &settings);
        summary::flush(&state, false);
        if is_full(&state, &settings, rotated_at) {
            rotate(&state, &settings).await;
            rotated_at = Instant::now();
        }
    }
}

/// Tells the journal's thread that there is something for it.
fn ring(state: &Shared) {
    let journal = state.audit.journal.borrow();
    let seq = state.audit.trail().head().seq;
    if let Some(journal) = journal.as_ref().filter(|journal| journal.sent() < seq) {
        journal.ring();
    }
}

/// Whether the trail has grown too large or too old for one file.
fn is_full(state: &Shared, settings: &Settings, rotated_at: Instant) -> bool {
    let length = state.audit.trail().length();
    let large = settings
        .audit
        .rotate_size
        .is_some_and(|most| length >= most);
    let old = settings
        .audit
        .rotate_age
        .is_some_and(|most| length > 0 && rotated_at.elapsed() >= most);
    large || old
}

/// What stands in the way of writing, besides writing itself.
fn set_fault(state: &Shared, fault: Option<String>) {
    let mut known = state.audit.fault.borrow_mut();
    if *known == fault {
        return;
    }
    match &fault {
        Some(fault) => tracing::error!(fault, "nothing new runs"),
        None => tracing::info!("the trail can be written again"),
    }

    *known = fault;
}

/// What the disk has beyond the room that is kept for the trail, where it has that.
fn room(settings: &Settings) -> Result<u64, String> {
    let free = sys::free_bytes(settings.trail.parent().unwrap_or(Path::new(".")));
    let free = free.unwrap_or(u64::MAX);
    match settings.audit.reserve {
        Some(reserve) if free < reserve => Err(format!(
            "the trail's disk has {free} bytes left, fewer than audit.reserve ({reserve})"
        )),
        reserve => Ok(free - reserve.unwrap_or(0)),
    }
}

/// Brings what was written to the disk; up to which record.
async fn sync(state: &Shared) -> io::Result<u64> {
    let (file, head) = state
        .audit
        .with_trail(|trail| Ok((trail.file()?, trail.head())))?;
    let bring = move || {
        sys::fault_point("trail-sync");
        file.sync_data()
    };

    tokio::task::spawn_blocking(bring)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
    state.audit.synced.send_replace(head.seq);
    Ok(head.seq)
}

/// Waits until a record is on the disk, where the configuration wants that before its effect.
/// Records that come together are brought there together.
///
/// # Errors
/// When it could not be brought there in time.
pub async fn on_disk(state: &Shared, seq: u64) -> Result<(), ()> {
    if state.settings().audit.sync != Durability::Always || seq == 0 {
        return Ok(());
    }
    let mut synced = state.audit.synced.subscribe();
    state.audit.sync_wanted.notify_one();
    let there = tokio::time::timeout(
        Duration::from_secs(10),
        synced.wait_for(|there| *there >= seq),
    )
    .await;
    if matches!(there, Ok(Ok(_))) {
        Ok(())
    } else {
        Err(())
    }
}

/// Signs where the chain has come to, and brings it to the disk.
///
/// # Errors
/// When it cannot be written, or brought there.
pub async fn sign(state: &Shared) -> io::Result<()> {
    if let Some((head, signature)) = state.audit.with_trail(|trail| trail.checkpoint())? {
        tell(&head, &signature);
        note(state).await;
    }
    sync(state).await.map(drop)
}

/// Signs where the chain has come to, notes it beside the trail, and says so in the log, which
/// leaves the machine if logs do.
async fn checkpoint(state: &Shared) {
    let Ok(Some((head, signature))) = state.audit.with_trail(|trail| trail.checkpoint()) else {
        return;
    };
    tell(&head, &signature);
    note(state).await;
}

fn tell(head: &Head, signature: &str) {
    tracing::info!(
        checkpoint = head.text(),
        signature,
        "the trail has come to here"
    );
}

async fn note(state: &Shared) {
    let head = state.audit.trail().head();
    let path = state.settings().state.join(HEAD);
    let text = format!("{}\n", head.text());
    let noted =
        tokio::task::spawn_blocking(move || sys::replace(&path, text.as_bytes(), 0o600, true))
            .await;
    if !matches!(noted, Ok(Ok(()))) {
        tracing::warn!(
            "where the trail has come to could not be noted; a truncation might not be noticed at the next start"
        );
    }
}

/// Somebody has moved or removed the file: the chain goes on in a new one of its name.
fn moved_away(state: &Shared, settings: &Settings) {
    let _ = state.audit.with_trail(|trail| {
        let ours = trail.file()?.metadata()?;
        let theirs = std::fs::symlink_metadata(&settings.trail);
        if theirs.is_ok_and(|theirs| (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino())) {
            return Ok(());
        }
        tracing::warn!(trail = %settings.trail.display(), "the trail's file was moved or removed; the trail goes on in a new one");
        trail.go_on_in(sys::append_private(&settings.trail)?, "replaced", "")
    });
}

async fn rotate(state: &Shared, settings: &Settings) {
    checkpoint(state).await;
    let done = state.audit.with_trail(|trail| {
        let old = rotated_name(&settings.trail, trail.head().seq);
        if old.exists() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{} is there already", old.display()),
            ));
        }

        std::fs::rename(&settings.trail, &old)?;
        let name = old
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let begun = sys::append_private(&settings.trail)
            .and_then(|file| trail.go_on_in(file, "rotated", &name));
        if begun.is_err() {
            // The old file is still the trail, by its old name.
            let _ = std::fs::remove_file(&settings.trail);
            std::fs::rename(&old, &settings.trail)?;
        }

        begun.map(|()| name)
    });

    if let Ok(name) = done {
        tracing::info!(name, "the trail was rotated");
        state.audit.keeping.wanted.notify_one();
    }
}

/// The daemon ends: the last signature, and everything on the disk.
pub async fn close(state: &Shared) {
    summary::flush(state, true);
    checkpoint(state).await;
    if let Err(fault) = sync(state).await {
        tracing::error!(%fault, "the end of the trail could not be brought to the disk");
    }
    let journal = state.audit.journal.borrow_mut().take();
    if let Some(mut journal) = journal {
        let _ = tokio::task::spawn_blocking(move || journal.finish()).await;
    }
}
