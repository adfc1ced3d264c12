//! What may come, and the folders that it comes into.

use super::ready::{seeds_of, worth};
use super::staged::Left;
use crate::files::stream::Head;
use crate::files::{Below, Mode};
use crate::sys::Folder;
use std::collections::BTreeSet;
use std::fs::File;

/// What may come.
#[derive(Debug, Clone)]
pub enum Expected {
    /// One file.
    One,
    /// A folder, with all that is in it, or one file.
    Tree,
    /// These, and no others.
    Chosen(BTreeSet<Below>),
}

impl Expected {
    /// Whether a name may come.
    pub fn admits(&self, path: &Below) -> bool {
        match self {
            Self::One => path.is_root(),
            Self::Tree => true,
            Self::Chosen(names) => names.contains(path),
        }
    }
}

/// A folder that things come into.
pub struct Level {
    /// Where it is.
    pub path: Below,
    /// It, held open.
    pub folder: Folder,
    /// Whether it is one that nobody sees yet, so that what is in it needs no other name.
    pub is_new: bool,
    /// What it will be like, where it is new.
    pub head: Option<(Mode, i64)>,
    /// What others have left in it; looked for when it is first needed.
    pub left: Option<Left>,
    /// The folder that an earlier attempt has left in its stead.
    pub seeds: Option<Folder>,
}

impl Level {
    /// One that is there.
    pub const fn there(path: Below, folder: Folder) -> Self {
        Self {
            path,
            folder,
            is_new: false,
            head: None,
            left: None,
            seeds: None,
        }
    }

    /// One that nobody sees yet.
    pub fn new(head: &Head, folder: Folder, seeds: Option<Folder>) -> Self {
        Self {
            is_new: true,
            head: Some((head.mode, head.time)),
            seeds,
            ..Self::there(head.path.clone(), folder)
        }
    }

    /// What is here of a file that is to have this name in it.
    pub fn seeds_of(&mut self, name: &[u8]) -> Vec<File> {
        if self.is_new {
            let seed = self.seeds.as_ref().and_then(|seeds| seeds.file(name).ok());
            return seed.into_iter().filter_map(worth).collect();
        }
        let left = self.left.get_or_insert_with(|| Left::of(&self.folder));
        seeds_of(&self.folder, left, name)
    }
}
