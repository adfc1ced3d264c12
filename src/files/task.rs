//! What a mover is to do, and by which rules of its root.

use super::mode::Mode;
use super::path::Below;
use serde::{Deserialize, Serialize};

/// All that a mover is told before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What it is to do.
    pub act: Act,
    /// What the root allows.
    pub rules: Rules,
}

/// What a mover is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Tells what is there.
    List {
        /// Which file, or which folder.
        path: Below,
        /// Whether also what is in the folders of the folder.
        recursive: bool,
        /// Whether to read every file and tell its digest.
        digests: bool,
    },
    /// Reads files.
    Get {
        /// Which file, or which folder.
        path: Below,
        /// Whether it may be a folder, with all that is in it.
        recursive: bool,
        /// Whether standard input says which files of it are wanted (`want`), and of which the
        /// other side has a part; otherwise all.
        chosen: bool,
        /// Whether what shrinks is packed.
        pack: bool,
    },
    /// Writes files.
    Put {
        /// Which file, or which folder.
        path: Below,
        /// Whether it may be a folder, with all that is in it.
        recursive: bool,
        /// Whether the folder takes the place of what was there, in one step; otherwise files join
        /// those that are there.
        all_or_nothing: bool,
    },
    /// Removes files.
    Remove {
        /// Which file, or which folder.
        path: Below,
        /// Whether it may be a folder, with all that is in it.
        recursive: bool,
        /// The digest of the list of names (`want`) that standard input says, of which each is
        /// removed, and no other; otherwise all of the folder, and the folder.
        chosen: Option<[u8; 32]>,
    },
}

impl Act {
    /// Which file or folder it is about.
    pub const fn path(&self) -> &Below {
        match self {
            Self::List { path, .. }
            | Self::Get { path, .. }
            | Self::Put { path, .. }
            | Self::Remove { path, .. } => path,
        }
    }
}

/// What a root allows, as `[files.NAME]` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Patterns of names. What begins with `!` is kept out; where there are others, a file must fit
    /// one of them. A pattern with `/` is about the path from the root, another one about the name.
    pub only: Vec<String>,
    /// The permission bits that a file which is put can have.
    pub mode: Mode,
    /// The permission bits that a folder which is put can have.
    pub directories: Mode,
    /// Bytes of one file that is put, at the most.
    pub max_file: u64,
    /// Bytes of all files of one put, at the most.
    pub max_total: u64,
    /// Entries of one transfer, at the most.
    pub max_files: u64,
    /// Whether a file that is there may be replaced.
    pub replace: bool,
    /// When what was put is on the disk for sure.
    pub sync: Sync,
    /// Whether other file systems that are mounted below the root belong to it.
    pub cross_mounts: bool,
    /// What becomes of symbolic links.
    pub links: Links,
    /// Whether each name is told to the monitor, for the trail.
    pub names: bool,
}

/// When what was put is on the disk for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sync {
    /// All of it before the first name is given.
    Batch,
    /// Each file when it has come.
    File,
    /// When the system gets to it.
    None,
}

/// What becomes of symbolic links. None is ever followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Links {
    /// They are told, and left out.
    Refused,
    /// Those that lead to somewhere inside of what is moved are moved as links.
    Inside,
}
