//! Whose files count as one's own, and why a file is not trusted.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Why a file is not trusted.
#[derive(Debug)]
pub enum FileFault {
    /// The file could not be looked at or read.
    Io(PathBuf, io::Error),
    /// This file, folder or link can be changed by somebody else.
    Writable(PathBuf, Stranger),
    /// The file can be read by somebody else and holds secrets.
    Readable(PathBuf, u32),
    /// The file is larger than anything it should be.
    TooLarge(PathBuf, u64),
    /// What has this name is no regular file, but this.
    NotAFile(PathBuf, Kind),
    /// The path leads through a symbolic link, to this file.
    Link(PathBuf, PathBuf),
}

impl FileFault {
    /// What mends it, where owner or mode is wrong: mostly a command.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Writable(path, stranger) => stranger.remedy(path),
            Self::Readable(path, _) => Some(format!("`chmod 600 {}`", in_a_shell(path))),
            _ => None,
        }
    }

    /// What is so, and not what mends it.
    pub fn sentence(&self) -> String {
        Sentence(self).to_string()
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Sentence(self))?;
        match self.remedy() {
            Some(remedy) => write!(out, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// What is so.
struct Sentence<'f>(&'f FileFault);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use FileFault::{Io, Link, NotAFile, Readable, TooLarge, Writable};
        match self.0 {
            Io(path, fault) => {
                write!(out, "{}: {fault}", path.display())?;
                match std::fs::metadata(path) {
                    Ok(meta) if fault.kind() == io::ErrorKind::PermissionDenied => write!(
                        out,
                        "; it belongs to {} (mode {:04o}), and this is {}",
                        named(meta.uid()),
                        meta.mode() & 0o7777,
                        named(effective_uid())
                    ),
                    _ => Ok(()),
                }
            }
            Writable(path, who) => write!(out, "{} can be changed by {who}", path.display()),
            Readable(path, mode) => {
                write!(
                    out,
                    "{} has mode {:04o}, so others can read it",
                    path.display(),
                    mode & 0o7777
                )
            }

            TooLarge(path, bytes) => write!(
                out,
                "{} has {bytes} bytes, which is too large",
                path.display()
            ),
            Link(path, real) => write!(
                out,
                "{} leads through a symbolic link, and is not replaced; the file is {}",
                path.display(),
                real.display()
            ),
            NotAFile(path, kind) => {
                write!(out, "{} is {kind}, and not a regular file", path.display())
            }
        }
    }
}

impl std::error::Error for FileFault {}

/// Somebody besides root and this user who can change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// Its owner.
    Owner(u32),
    /// The owner of a link, which leads where they want.
    OwnerOfLink(u32),
    /// Everybody, by this mode.
    Anybody(u32),
    /// A group, by this mode.
    Group(u32, u32),
    /// Somebody who puts others into its place, in words.
    Exchanging(&'static str),
}

impl fmt::Display for Stranger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(uid) => write!(out, "its owner, user id {uid}"),
            Self::OwnerOfLink(uid) => write!(out, "the owner of this link, user id {uid}"),
            Self::Anybody(mode) => write!(out, "anybody (mode {:04o})", mode & 0o7777),
            Self::Group(gid, mode) => write!(out, "group {gid} (mode {:04o})", mode & 0o7777),
            Self::Exchanging(who) => out.write_str(who),
        }
    }
}

impl Stranger {
    /// What takes it from them.
    fn remedy(&self, path: &Path) -> Option<String> {
        let (own, path) = (owner_word(effective_uid()), in_a_shell(path));
        Some(match self {
            Self::Owner(_) => format!("`chown {own} {path}`"),
            Self::OwnerOfLink(_) => format!("`chown -h {own} {path}`"),
            // What is everybody's on purpose, as /tmp, is not to be closed.
            Self::Anybody(mode) if mode & 0o1000 != 0 => {
                "accepted is a folder in which nobody else can make files".to_owned()
            }
            Self::Anybody(_) => format!("`chmod go-w {path}`"),
            Self::Group(..) => format!("`chmod g-w {path}`"),
            Self::Exchanging(_) => return None,
        })
    }
}

/// A user in a command line: root by name, others by number.
pub fn owner_word(uid: u32) -> String {
    match uid {
        0 => "root".to_owned(),
        uid => uid.to_string(),
    }
}

/// A user in a sentence.
pub fn named(uid: u32) -> String {
    match uid {
        0 => "root".to_owned(),
        uid => format!("user id {uid}"),
    }
}

/// A path as a word of a command line.
pub fn in_a_shell(path: &Path) -> String {
    let path = path.to_string_lossy();
    let safe = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    match path.chars().all(safe) && !path.starts_with('-') {
        true => path.into_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

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

    /// Who besides root and this user can change where this link leads. Its mode says
    /// nothing; the folder that holds it is judged as every other.
    pub(super) fn stranger_to_link(&self, meta: &Metadata) -> Option<Stranger> {
        let ours = meta.uid() == 0 || meta.uid() == self.own;
        (!ours).then(|| Stranger::OwnerOfLink(meta.uid()))
    }

    /// Who besides root and this user can change an entry with this metadata.
    pub(super) fn stranger(&self, meta: &Metadata) -> Option<Stranger> {
        // Entries of a sticky folder can be replaced by their owner only, and the entry is looked
        // at too.
        let sticky_folder = meta.is_dir() && meta.mode() & 0o1000 != 0;
        if sticky_folder && (meta.uid() == 0 || meta.uid() == self.own) {
            return None;
        }
        self.writer(meta)
    }

    /// As [`Trust::stranger`]; also who can only add something, as to a sticky folder.
    pub(super) fn writer(&self, meta: &Metadata) -> Option<Stranger> {
        let mode = meta.mode();
        if meta.uid() != 0 && meta.uid() != self.own {
            return Some(Stranger::Owner(meta.uid()));
        }
        if mode & 0o002 != 0 {
            return Some(Stranger::Anybody(mode));
        }
        if mode & 0o020 != 0 && meta.gid() != 0 && !(self.private_group)(meta.gid(), meta.uid()) {
            return Some(Stranger::Group(meta.gid(), mode));
        }
        None
    }
}

/// The effective user id of this process.
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}
