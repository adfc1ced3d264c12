//! Names of files on their way: beside their place, found again by the next attempt, and removed when
//! nobody has come for them in a day.

use crate::encoding::base32;
use crate::files::RESERVED;
use crate::limits::FILE_LEFT;
use crate::sys::{Folder, Found, FoundKind, try_hold};
use std::time::UNIX_EPOCH;

/// How the files of one transfer are named while they come.
#[derive(Debug)]
pub struct Staged {
    token: String,
}

impl Staged {
    /// Names that no other transfer has.
    pub fn new(random: [u8; 10]) -> Self {
        Self {
            token: base32(&random),
        }
    }

    /// The name of what is to have this name.
    pub fn name(&self, name: &[u8]) -> Vec<u8> {
        [&of(name)[..], self.token.as_bytes()].concat()
    }
}

/// What the names begin with that something has which is to have this name.
fn of(name: &[u8]) -> Vec<u8> {
    let hash = blake3::hash(name);
    let short = hash
        .as_bytes()
        .first_chunk::<10>()
        .map_or_else(String::new, |ten| base32(ten));
    [RESERVED, short.as_bytes(), b"-"].concat()
}

/// What other transfers have left in a folder.
#[derive(Debug, Default)]
pub struct Left(Vec<(Vec<u8>, Found)>);

impl Left {
    /// Looks through a folder, and removes what is too old. What cannot be looked at is as good as not
    /// there.
    pub fn of(folder: &Folder) -> Self {
        let mut names = Vec::new();
        let _ = folder.names(|name| {
            if name.starts_with(RESERVED) {
                names.push(name.to_vec());
            }
            Ok(())
        });
        let now = now();
        let day = i64::try_from(FILE_LEFT.as_nanos()).unwrap_or(i64::MAX);
        let mut left = Vec::new();
        for name in names {
            let Ok(found) = folder.look(&name) else {
                continue;
            };
            // Nobody can set that time back, so what is on its way is never taken for old.
            if now.saturating_sub(found.changed) > day {
                remove(folder, &name);
            } else {
                left.push((name, found));
            }
        }
        Self(left)
    }

    /// The largest of the files that were to have this name.
    pub fn largest(&self, name: &[u8]) -> Option<&[u8]> {
        self.matching(name, FoundKind::File)
            .max_by_key(|(_, found)| found.size)
            .map(|(name, _)| name.as_slice())
    }

    /// The youngest of the folders that were to have this name.
    pub fn youngest_folder(&self, name: &[u8]) -> Option<&[u8]> {
        self.matching(name, FoundKind::Folder)
            .max_by_key(|(_, found)| found.changed)
            .map(|(name, _)| name.as_slice())
    }

    fn matching(&self, name: &[u8], kind: FoundKind) -> impl Iterator<Item = &(Vec<u8>, Found)> {
        let of = of(name);
        let fits =
            move |(name, found): &&(Vec<u8>, Found)| name.starts_with(&of) && found.kind == kind;
        self.0.iter().filter(fits)
    }
}

/// Removes what others have left that was to have this name, as far as nobody is at it: it has served its
/// purpose.
pub fn remove_left(folder: &Folder, name: &[u8]) {
    for (left, found) in Left::of(folder).0 {
        if !left.starts_with(&of(name)) {
            continue;
        }
        let is_held = match found.kind {
            FoundKind::Folder => folder.folder(&left).and_then(|inner| inner.try_hold()),
            _ => folder.file(&left).and_then(|(file, _)| try_hold(&file)),
        };
        if is_held.is_ok() {
            remove(folder, &left);
        }
    }
}

/// Removes whatever has this name, with all that is in it, as far as that can be done.
pub fn remove(folder: &Folder, name: &[u8]) {
    if let Ok(inner) = folder.folder(name) {
        let mut names = Vec::new();
        let _ = inner.names(|name| {
            names.push(name.to_vec());
            Ok(())
        });
        for name in names {
            remove(&inner, &name);
        }
        let _ = folder.remove_folder(name);
    } else {
        let _ = folder.remove_file(name);
    }
}

/// Nanoseconds since 1970.
pub fn now() -> i64 {
    let since = crate::clock::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}
