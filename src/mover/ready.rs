//! What has come and waits to be placed, and what was here of it before.

use super::staged::{Left, Staged, remove};
use crate::files::Below;
use crate::limits::FILE_ASKED;
use crate::sys::{Folder, Found};
use std::fs::File;

/// What has come and may be placed.
pub struct Ready {
    pub outer: Option<Folder>,
    pub name: Option<Vec<u8>>,
    pub staged: Staged,
    pub waiting: Vec<Waiting>,
    pub unsure: Vec<File>,
    /// Kept open for their locks.
    pub held: Vec<Folder>,
    pub written: u64,
    pub fault_count: u64,
}

impl Ready {
    /// Removes all of it.
    pub fn discard(&self) {
        for waiting in &self.waiting {
            if let Some((folder, name)) = self.find(&waiting.path) {
                remove(&folder, &self.staged.name(&name));
            }
        }
    }

    /// The folder that an entry is in, gone to anew, and its name there.
    pub fn find(&self, path: &Below) -> Option<(Folder, Vec<u8>)> {
        let mut at = self.outer.as_ref()?.again().ok()?;
        let Some((folder, name)) = path.folder().zip(path.name()) else {
            return Some((at, self.name.clone()?));
        };
        for name in self.name.as_deref().into_iter().chain(folder.names()) {
            at = at.folder(name).ok()?;
        }
        Some((at, name.to_vec()))
    }
}

/// What has come and is to be placed.
#[derive(Debug)]
pub struct Waiting {
    pub path: Below,
    /// Whether it is a file or link; else a folder.
    pub is_file: bool,
    /// Whether something had its name when it came.
    pub replaces: bool,
    /// Whether an earlier attempt had left something of it.
    pub was_left: bool,
}

/// What is here of a file that is to have this name: what an earlier attempt has left, and what has the
/// name. What is too small is not worth it.
pub fn seeds_of(folder: &Folder, left: &Left, name: &[u8]) -> Vec<File> {
    let left = left.largest(name).and_then(|name| folder.file(name).ok());
    let there = folder.file(name).ok();
    left.into_iter().chain(there).filter_map(worth).collect()
}

/// A file that is large enough to be worth asking for.
pub fn worth((file, found): (File, Found)) -> Option<File> {
    (found.size >= FILE_ASKED).then_some(file)
}
