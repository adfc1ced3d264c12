//! How long the files of a trail are kept: which is to be removed next, and what must be known of it
//! before it goes.

use super::chain::{Head, TrailPublic, link};
use super::files::rotated_files;
use super::lines::{Is, Lines};
use super::packed::PACKED;
use super::seen::Seen;
use super::verify::Verifier;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// A file into which the trail was rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The number of the file's last record, by its name.
    pub last: u64,
    /// The file's path.
    pub path: PathBuf,
    /// Bytes that the file takes.
    pub bytes: u64,
    /// When the file was written to last.
    pub written: SystemTime,
}

impl Kept {
    /// Whether the file is compressed, by its name.
    pub fn is_packed(&self) -> bool {
        self.name().ends_with(PACKED)
    }

    /// The file's name.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// The files into which this trail was rotated, oldest first.
///
/// # Errors
/// What reading the folder says.
pub(super) fn kept_files(trail: &Path) -> io::Result<Vec<Kept>> {
    let known = |(last, path): (u64, PathBuf)| {
        let meta = std::fs::symlink_metadata(&path).ok()?;
        Some(Kept {
            last,
            path,
            bytes: meta.len(),
            written: meta.modified().ok()?,
        })
    };
    Ok(rotated_files(trail)?
        .into_iter()
        .filter_map(known)
        .collect())
}

/// How long files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepRules {
    /// Files that are older are removed.
    pub age: Option<Duration>,
    /// The oldest files are removed while all files together take more bytes.
    pub size: Option<u64>,
    /// No file that is younger is removed because of the size.
    pub least: Duration,
}

/// What is to be done about the files of a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due<'k> {
    /// Nothing is beyond the rules.
    Nothing,
    /// All files together are larger than they may be, and the oldest is too young to be removed.
    TooYoung {
        /// Bytes that all files take.
        bytes: u64,
    },
    /// The oldest file is to be removed: `age` or `size`.
    Oldest(&'k Kept, &'static str),
}

/// What is due of these files, oldest first, beside the one that is written to, which takes so many
/// bytes.
pub fn due<'k>(files: &'k [Kept], current: u64, rules: &KeepRules, now: SystemTime) -> Due<'k> {
    let Some(oldest) = files.first() else {
        return Due::Nothing;
    };
    let age = now.duration_since(oldest.written).unwrap_or_default();
    if rules.age.is_some_and(|most| age >= most) {
        return Due::Oldest(oldest, "age");
    }
    let bytes = files.iter().map(|file| file.bytes).sum::<u64>() + current;
    match rules.size {
        Some(most) if bytes > most && age >= rules.least => Due::Oldest(oldest, "size"),
        Some(most) if bytes > most => Due::TooYoung { bytes },
        _ => Due::Nothing,
    }
}

/// The time by which files are old: that of the clock, but where it has jumped ahead it is believed
/// only after a while, so that nobody who sets it has the trail removed at once.
#[derive(Debug)]
pub struct Steady {
    looked: (SystemTime, Instant),
    /// When the clock has jumped, and how far.
    jumps: Vec<(Instant, Duration)>,
    /// How long a jump is not believed.
    doubt: Duration,
}

/// What the clock may go ahead between two looks and is believed at once.
const DRIFT: Duration = Duration::from_secs(30);
/// Jumps that are told apart.
const JUMPS: usize = 100;

impl Steady {
    /// Begins with the time that was known last, if any was.
    pub fn new(known: Option<SystemTime>, now: (SystemTime, Instant), doubt: Duration) -> Self {
        let known = known.map_or(now.0, |known| known.min(now.0));
        let mut steady = Self {
            looked: (known, now.1),
            jumps: Vec::new(),
            doubt,
        };
        steady.now(now);
        steady
    }

    /// The time, by the clock and by one that nobody can set.
    pub fn now(&mut self, (wall, steady): (SystemTime, Instant)) -> SystemTime {
        let (known, looked) = std::mem::replace(&mut self.looked, (wall, steady));
        let gone = wall.duration_since(known).unwrap_or_default();
        let ahead = gone.saturating_sub(steady.duration_since(looked));
        self.jumps
            .retain(|(at, _)| steady.duration_since(*at) < self.doubt);
        if ahead > DRIFT {
            let full = self.jumps.len() >= JUMPS;
            match self.jumps.last_mut().filter(|_| full) {
                Some(last) => *last = (steady, last.1 + ahead),
                None => self.jumps.push((steady, ahead)),
            }
        }
        let doubted: Duration = self.jumps.iter().map(|(_, ahead)| *ahead).sum();
        wall.checked_sub(doubted).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// What is known of a file that is about to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The number of the file's first record.
    pub first: u64,
    /// The hash that the file's first record carries, base64.
    pub before: String,
    /// The file's last record.
    pub last: Head,
    /// Whether the file tells of locks or seeds, which may hold on.
    pub tells_of_the_vault: bool,
}

/// Kinds of records that tell what holds on.
const OF_THE_VAULT: [&str; 4] = ["lock", "totp", "password", "standing"];

/// Reads a file that is about to be removed, to the end. It must be what was written: from its first
/// record to the one that its name says, without a fault, and `next` must go on from there. What
/// somebody has changed is evidence, and stays.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn content(file: &Kept, next: &Path, key: TrailPublic) -> Result<Content, String> {
    let failed = |fault: io::Error| format!("cannot be read: {fault}");
    let mut verifier = Verifier::new(Some(key), None, None).of_a_part();
    let mut found: Option<Content> = None;
    let mut lines = Lines::open(&file.path).map_err(failed)?;
    while let Some(line) = lines.next_line().map_err(failed)? {
        let number = line.number;
        if line.is == Is::TooLong {
            return Err(format!(
                "has a line {number} that is longer than any record"
            ));
        }
        verifier.line(
            &|| format!("line {number}"),
            line.bytes,
            line.is == Is::Whole,
        );
        let Some(seen) = Seen::read(line.bytes).filter(|seen| seen.seq > 0) else {
            continue;
        };
        let last = Head {
            seq: seen.seq,
            link: link(line.bytes),
        };
        let content = found.get_or_insert_with(|| Content {
            first: seen.seq,
            before: seen.prev.clone().into_owned(),
            last,
            tells_of_the_vault: false,
        });
        content.last = last;
        content.tells_of_the_vault |= OF_THE_VAULT.contains(&seen.kind.as_ref());
    }
    let content = found.ok_or("has no record")?;
    if content.last.seq != file.last {
        return Err(format!(
            "ends with record {} and not with that of its name",
            content.last.seq
        ));
    }

    // What is missing behind it is another matter, and no less missing afterwards.
    let mut next = Lines::open(next).map_err(failed)?;
    if let Ok(Some(line)) = next.next_line()
        && line.is == Is::Whole
        && Seen::read(line.bytes).is_some_and(|seen| seen.seq == content.last.seq + 1)
    {
        verifier.line(&|| "the file behind it".into(), line.bytes, true);
    }
    match verifier.finish().faults.first() {
        None => Ok(content),
        Some(fault) => Err(format!(
            "is not what was written: {}: {}",
            fault.place, fault.text
        )),
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
