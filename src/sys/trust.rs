//! Whose files count as one's own, and why a file is not trusted.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

/// Why a file is not trusted.
#[derive(Debug)]
pub enum FileFault {
    /// The file could not be looked at or read.
    Io(PathBuf, io::Error),
    /// This file or folder can be changed by somebody else; in words, by whom.
    Writable(PathBuf, String),
    /// The file can be read by somebody else and holds secrets.
    Readable(PathBuf, u32),
    /// The file is larger than anything it should be.
    TooLarge(PathBuf, u64),
    /// What has this name is no regular file, but this.
    NotAFile(PathBuf, Kind),
    /// The path leads through a symbolic link, to this file.
    Link(PathBuf, PathBuf),
}

impl fmt::Display for FileFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, fault) => write!(out, "{}: {fault}", path.display()),
            Self::Writable(path, who) => write!(out, "{} can be changed by {who}", path.display()),
            Self::Readable(path, mode) => {
                write!(
                    out,
                    "{} has mode {:04o}, so others can read it; `chmod 600` it",
                    path.display(),
                    mode & 0o7777
                )
            }

            Self::TooLarge(path, bytes) => write!(
                out,
                "{} has {bytes} bytes, which is too large",
                path.display()
            ),
            Self::Link(path, real) => write!(
                out,
                "{} leads through a symbolic link, and is not replaced; the file is {}",
                path.display(),
                real.display()
            ),
            Self::NotAFile(path, kind) => {
                write!(out, "{} is {kind}, and not a regular file", path.display())
            }
        }
    }
}

impl std::error::Error for FileFault {}

/// What something is that is no regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A pipe, with a name or without.
    Pipe,
    /// A socket.
    Socket,
    /// Anything else, such as a terminal.
    Device,
}

impl Kind {
    /// Of something with this metadata, which is no regular file.
    pub(super) fn of(meta: &Metadata) -> Self {
        let kind = meta.file_type();
        if kind.is_dir() {
            Self::Folder
        } else if kind.is_fifo() {
            Self::Pipe
        } else if kind.is_socket() {
            Self::Socket
        } else {
            Self::Device
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Folder => "a folder",
            Self::Pipe => "a pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
        })
    }
}

/// The users whose files count as one's own: root, and this user.
#[derive(Debug, Clone, Copy)]
pub struct Trust {
    /// The daemon's (or the client's) own user id.
    pub own: u32,
    /// Whether a group is only its user's own, as on systems where every user has a group.
    pub private_group: fn(gid: u32, uid: u32) -> bool,
}

impl Trust {
    /// Trust for the calling process.
    pub fn own() -> Self {
        #[cfg(target_os = "linux")]
        let private_group = super::group_is_private;
        #[cfg(not(target_os = "linux"))]
        let private_group = |_: u32, _: u32| false;
        Self {
            own: effective_uid(),
            private_group,
        }
    }

    /// Who besides root and this user can change where this link leads, in words. Its mode says
    /// nothing; the folder that holds it is judged as every other.
    pub(super) fn stranger_to_link(&self, meta: &Metadata) -> Option<String> {
        let ours = meta.uid() == 0 || meta.uid() == self.own;
        (!ours).then(|| format!("the owner of this link, user id {}", meta.uid()))
    }

    /// Who besides root and this user can change an entry with this metadata, in words.
    pub(super) fn stranger(&self, meta: &Metadata) -> Option<String> {
        // Entries of a sticky folder can be replaced by their owner only, and the entry is looked
        // at too.
        let sticky_folder = meta.is_dir() && meta.mode() & 0o1000 != 0;
        if sticky_folder && (meta.uid() == 0 || meta.uid() == self.own) {
            return None;
        }
        self.writer(meta)
    }

    /// As [`Trust::stranger`]; also who can only add something, as to a sticky folder.
    pub(super) fn writer(&self, meta: &Metadata) -> Option<String> {
        let mode = meta.mode();
        if meta.uid() != 0 && meta.uid() != self.own {
            return Some(format!("its owner, user id {}", meta.uid()));
        }
        if mode & 0o002 != 0 {
            return Some(format!("anybody (mode {:04o})", mode & 0o7777));
        }
        if mode & 0o020 != 0 && meta.gid() != 0 && !(self.private_group)(meta.gid(), meta.uid()) {
            return Some(format!("group {} (mode {:04o})", meta.gid(), mode & 0o7777));
        }
        None
    }
}

/// The effective user id of this process.
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}
