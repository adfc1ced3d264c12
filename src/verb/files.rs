//! Verbs about files below the roots of the configuration: what one may do there, and moving them.

use super::definition::{Anyone, Free, Moves, Places, ToMove, ToPlace, Verb};
use super::runs::NoAnswer;
use crate::ids::{Named, RunId};
use serde::{Deserialize, Serialize};

/// Lists the roots below which this user may do anything with files, from the address they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {}

/// What `files` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesView {
    /// The roots, in the order of their names.
    pub roots: Vec<RootView>,
    /// The public key of the trail, which signs the receipt of each transfer (PROTOCOL.md, 6.10), as
    /// `ordaind audit key` prints it.
    pub trail_key: String,
    /// A clause for each role of the user that does not hold at this time: the role, its hours, and
    /// what the clocks there show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_hours: Vec<String>,
}

/// One of the `roots` of `files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootView {
    /// The root's name.
    pub name: String,
    /// What the root is for; it may be empty.
    pub summary: String,
    /// What this user may do below the root: `list`, `get`, `put` and `remove`.
    pub rights: Vec<String>,
    /// The patterns of names that the root is narrowed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Bytes of one file that is put, at the most.
    pub max_file: u64,
    /// Bytes of all files of one put, at the most.
    pub max_total: u64,
    /// Entries of one transfer, at the most.
    pub max_files: u64,
    /// Whether a file that is there may be replaced.
    pub replace: bool,
    /// Whether a person must have agreed first, which `confirmed` says.
    pub confirm: bool,
    /// The regular expression that the `reason` of a transfer must match from end to end; absent:
    /// none must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Verb for Files {
    const NAME: &'static str = "files";
    const SUMMARY: &'static str = "Show below which roots this user may do what with files";
    type Needs = Anyone;
    type Answer = FilesView;
}

impl Free for Files {
    const RULE: &'static str = "every user may list what is granted to them";
}

/// Tells what is below a root, in the stream of a mover (PROTOCOL.md, 6.10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFiles {
    /// The root's name.
    pub root: String,
    /// The path of a file or folder below the root, names with `/` between two of them; empty for
    /// the root itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether also what is in the folders of the folder is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
    /// Whether every file is read and its digest told, which wants the right `get` too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub digests: bool,
    /// Whether a person has agreed, for roots that want that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// Why it is asked for, in the words of whoever asks, 256 bytes at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Reads files below a root, in the stream of a mover (PROTOCOL.md, 6.10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The root's name.
    pub root: String,
    /// The path of a file or folder below the root, names with `/` between two of them; empty for
    /// the root itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether it may be a folder, with all that is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
    /// Whether standard input says which files of it are wanted, and of which the client has a part.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chosen: bool,
    /// Whether what shrinks is packed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pack: bool,
    /// Whether a person has agreed, for roots that want that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// Why it is asked for, in the words of whoever asks, 256 bytes at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Writes files below a root, from the stream of a mover on standard input (PROTOCOL.md, 6.10). Nothing
/// is placed before a `commit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// The root's name.
    pub root: String,
    /// The path of a file or folder below the root, names with `/` between two of them; empty for
    /// the root itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether it may be a folder, with all that is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
    /// Whether the folder takes the place of what was there, in one step; otherwise its files join
    /// those that are there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_or_nothing: bool,
    /// Whether a person has agreed, for roots that want that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// Why it is asked for, in the words of whoever asks, 256 bytes at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Has a `put` of one's own placed, if it is this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The id of the run that the `put` has begun.
    pub run: Named<RunId>,
    /// The root of that `put`.
    pub root: String,
    /// The path of that `put`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The digest of its manifest (PROTOCOL.md, 6.10), in 64 hexadecimal digits.
    pub digest: String,
    /// How many entries the manifest has.
    pub files: u64,
    /// How many bytes the files have together.
    pub bytes: u64,
}

/// What `commit` answers: if that is what has come, it is placed; the EXIT of the run says what became
/// of it. A run that is no such `put`, or has ended, is 404; one that was committed already is 304.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    /// The id of the run that is committed.
    pub committed: String,
}

/// Removes files below a root, and tells in the stream of a mover which (PROTOCOL.md, 6.10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveFiles {
    /// The root's name.
    pub root: String,
    /// The path of a file or folder below the root, names with `/` between two of them; empty for
    /// the root itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Whether it may be a folder, with all that is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
    /// The digest of a list of names that standard input tells, in 64 hexadecimal digits: these are
    /// removed and no others. Absent: the file, or the folder with all that is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
    /// Whether a person has agreed, for roots that want that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// Why it is asked for, in the words of whoever asks, 256 bytes at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Verb for ListFiles {
    const NAME: &'static str = "list-files";
    const SUMMARY: &'static str = "List what is below a root";
    type Needs = ToMove;
    type Answer = NoAnswer;
    const ONCE: bool = true;

    fn place(&self) -> Option<(&str, &str)> {
        Some((&self.root, &self.path))
    }
}

impl Verb for Get {
    const NAME: &'static str = "get";
    const SUMMARY: &'static str = "Read files below a root";
    type Needs = ToMove;
    type Answer = NoAnswer;
    const ONCE: bool = true;

    fn place(&self) -> Option<(&str, &str)> {
        Some((&self.root, &self.path))
    }
}

impl Verb for Put {
    const NAME: &'static str = "put";
    const SUMMARY: &'static str = "Write files below a root, to be placed by `commit`";
    type Needs = ToMove;
    type Answer = NoAnswer;
    const ONCE: bool = true;

    fn place(&self) -> Option<(&str, &str)> {
        Some((&self.root, &self.path))
    }
}

impl Verb for Commit {
    const NAME: &'static str = "commit";
    const SUMMARY: &'static str = "Have files placed that were put";
    type Needs = ToPlace;
    type Answer = Committed;

    fn place(&self) -> Option<(&str, &str)> {
        Some((&self.root, &self.path))
    }
}

impl Verb for RemoveFiles {
    const NAME: &'static str = "remove-files";
    const SUMMARY: &'static str = "Remove files below a root";
    type Needs = ToMove;
    type Answer = NoAnswer;
    const ONCE: bool = true;

    fn place(&self) -> Option<(&str, &str)> {
        Some((&self.root, &self.path))
    }
}

/// Says for a verb what its parameters are called.
macro_rules! moves {
    ($($verb:ident)+) => {
        $(impl Moves for $verb {
            fn root(&self) -> &str {
                &self.root
            }

            fn path(&self) -> &str {
                &self.path
            }

            fn confirmed(&self) -> bool {
                self.confirmed
            }

            fn reason(&self) -> Option<&str> {
                self.reason.as_deref()
            }
        })+
    };
}

moves! { ListFiles Get Put RemoveFiles }

impl Places for Commit {
    fn run(&self) -> Named<RunId> {
        self.run
    }

    fn root(&self) -> &str {
        &self.root
    }

    fn path(&self) -> &str {
        &self.path
    }
}
