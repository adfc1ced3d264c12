//! A root as the configuration says it: a folder below which files may be moved, and what for.

use super::command::Command;
use crate::files::{Rules, Task};
use crate::place::Place;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// What may be done below a root. None of them implies another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To see what is there.
    List,
    /// To read files.
    Get,
    /// To write files.
    Put,
    /// To remove files.
    Remove,
}

impl Right {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::List, Self::Get, Self::Put, Self::Remove];

    /// The word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Put => "put",
            Self::Remove => "remove",
        }
    }

    /// The right of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.word() == word)
    }

    /// What a transfer by this right is called, beside the names of commands, which have no colon.
    pub fn of(self, root: &str) -> String {
        format!("{root}:{}", self.word())
    }
}

/// A folder that the configuration names, below which files may be moved.
#[derive(Debug, Clone)]
pub struct Root {
    /// The root's name.
    pub name: String,
    /// What the root is for.
    pub summary: String,
    /// The folder's path.
    pub beneath: PathBuf,
    /// The folder, opened when the configuration was loaded; `None` where it was only checked.
    pub folder: Option<Arc<Opened>>,
    /// What holds for everything that is moved.
    pub rules: Rules,
    /// How a transfer by each right that the root allows is run.
    pub commands: BTreeMap<Right, Arc<Command>>,
    /// Where the root is declared.
    pub place: Place,
}

/// A root's folder, opened.
#[derive(Debug)]
pub struct Opened {
    /// The folder, which can be looked below and not read.
    pub folder: OwnedFd,
    /// The device that the folder is on.
    pub device: u64,
    /// The folder's number on that device.
    pub inode: u64,
}

/// What a mover is to do in a run.
#[derive(Debug, Clone)]
pub struct Moving {
    /// Below which root.
    pub root: Arc<Root>,
    /// By which right.
    pub right: Right,
    /// What it is told.
    pub task: Task,
    /// Whether it reads its standard input.
    pub reads: bool,
}
