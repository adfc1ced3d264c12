//! The walk along a path, one name after the other from the root on: whoever could change what the
//! path means is found on the way, and what the walk ends at is what is used.
//!
//! A link is followed by hand. So every folder that any link on the way leads through is judged, and
//! nothing is looked up twice.

mod entry;

use super::trust::{FileFault, Kind, Stranger, Trust};
use entry::Entry;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// What a path leads to, with nobody but root and this user who could have made it lead elsewhere.
#[derive(Debug)]
pub struct Found {
    /// What the path leads to: no link.
    entry: Entry,
    /// The owner, mode and kind of that.
    pub meta: Metadata,
    /// The path without links.
    pub real: PathBuf,
    /// The folder that holds it, and its name there; none for the root and for what was reached by
    /// `..`.
    held_in: Option<(Entry, OsString)>,
}

/// Links that are followed in one path, as many as the kernel follows.
const LINKS: usize = 40;
/// How often a file is looked for anew that root or this user exchanges in this moment.
const TRIES: usize = 4;

/// Walks along a path and judges the file itself, every folder on the way, and every symbolic link
/// with the folders that it leads through.
///
/// # Errors
/// The first entry that somebody else can change, or that cannot be looked at.
pub fn walk(path: &Path, trust: &Trust) -> Result<Found, FileFault> {
    let io = |fault| FileFault::Io(path.to_owned(), fault);
    let system = |number| io(io::Error::from_raw_os_error(number));
    if path.as_os_str().is_empty() {
        return Err(system(libc::ENOENT));
    }
    let mut at = Found::root(trust).map_err(io)??;
    let mut rest = Vec::new();
    put_before(&mut rest, path.as_os_str());
    if path.is_relative() {
        put_before(&mut rest, std::env::current_dir().map_err(io)?.as_os_str());
    }
    let mut links = 0;

    while let Some(name) = rest.pop() {
        if !at.meta.is_dir() {
            return Err(system(libc::ENOTDIR));
        }
        if name == "." {
            continue;
        }
        let (entry, meta) = at.entry.entry(&name).map_err(io)?;
        if !meta.is_symlink() {
            at = at.step(entry, meta, name);
            at.judge(trust)?;
            continue;
        }

        links += 1;
        if links > LINKS {
            return Err(system(libc::ELOOP));
        }
        if let Some(who) = trust.stranger_to_link(&meta) {
            return Err(FileFault::Writable(at.real.join(name), who));
        }
        let target = entry.target().map_err(io)?;
        if target.is_empty() {
            return Err(system(libc::ENOENT));
        }
        put_before(&mut rest, &target);
        if target.as_bytes().starts_with(b"/") {
            at = Found::root(trust).map_err(io)??;
        }
    }
    Ok(at)
}

/// Puts the names of a path before those that are still to come; the next one is the last. A path
/// that ends with a slash means a folder, as one that ends with `.` does.
fn put_before(rest: &mut Vec<OsString>, path: &OsStr) {
    let bytes = path.as_bytes();
    if bytes.ends_with(b"/") {
        rest.push(".".into());
    }
    let names = bytes.split(|byte| *byte == b'/').rev();
    rest.extend(
        names
            .filter(|name| !name.is_empty())
            .map(|name| OsStr::from_bytes(name).to_owned()),
    );
}

impl Found {
    fn root(trust: &Trust) -> io::Result<Result<Self, FileFault>> {
        let (entry, meta) = Entry::root()?;
        let root = Self {
            entry,
            meta,
            real: "/".into(),
            held_in: None,
        };
        Ok(root.judge(trust).map(|()| root))
    }

    /// The next entry on the way, which is no link.
    fn step(self, entry: Entry, meta: Metadata, name: OsString) -> Self {
        let Self {
            entry: folder,
            mut real,
            ..
        } = self;
        let held_in = if name == ".." {
            real.pop();
            None
        } else {
            real.push(&name);
            Some((folder, name))
        };
        Self {
            entry,
            meta,
            real,
            held_in,
        }
    }

    fn judge(&self, trust: &Trust) -> Result<(), FileFault> {
        match trust.stranger(&self.meta) {
            Some(who) => Err(FileFault::Writable(self.real.clone(), who)),
            None => Ok(()),
        }
    }

    /// The descriptor that the walk has ended at: it reads nothing, and can be executed.
    #[cfg(target_os = "linux")]
    pub fn into_descriptor(self) -> std::os::fd::OwnedFd {
        self.entry.into_descriptor()
    }

    /// Opens the file that the walk has ended at to be read; `None` when root or this user has put
    /// another one in its place since.
    ///
    /// # Errors
    /// As openat(2).
    pub fn open(&self) -> io::Result<Option<File>> {
        let Some((folder, name)) = self.held_in.as_ref().filter(|_| self.meta.is_file()) else {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        };
        let file = folder.open(name)?;
        let opened = file.metadata()?;
        let same = (opened.dev(), opened.ino()) == (self.meta.dev(), self.meta.ino());
        Ok(same.then_some(file))
    }
}

/// Says whether nobody but root and this user can change the file or what its path means: what
/// the walk judges.
///
/// # Errors
/// As the walk along it.
pub fn trusted(path: &Path, trust: &Trust) -> Result<Metadata, FileFault> {
    walk(path, trust).map(|found| found.meta)
}

/// Says whether a path leads to a regular file of which, and of whose folder, nobody but root and this
/// user can change anything, without any symbolic link on the way: whether it may be replaced.
///
/// # Errors
/// As the walk along it; [`FileFault::Link`].
pub fn replaceable(path: &Path, trust: &Trust) -> Result<Metadata, FileFault> {
    let found = walk(path, trust)?;
    let mut plain = std::env::current_dir().map_err(|fault| FileFault::Io(path.into(), fault))?;
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    if plain != found.real {
        return Err(FileFault::Link(path.to_owned(), found.real));
    }
    if !found.meta.is_file() {
        return Err(FileFault::NotAFile(path.to_owned(), Kind::of(&found.meta)));
    }
    closed_folder(found.real.parent().unwrap_or(Path::new("/")), trust)?;
    Ok(found.meta)
}

/// Says whether a folder is one in which nobody but root and this user can change, remove or add
/// anything. Where it is not there yet, the one above it is judged in which it will be made.
///
/// # Errors
/// As the walk along it; `ENOTDIR` for what is no folder.
pub fn closed_folder(path: &Path, trust: &Trust) -> Result<(), FileFault> {
    let mut above = path.ancestors();
    while let Some(at) = above.next().filter(|at| !at.as_os_str().is_empty()) {
        let found = match walk(at, trust) {
            Err(FileFault::Io(_, fault)) if fault.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        if !found.meta.is_dir() {
            let fault = io::Error::from_raw_os_error(libc::ENOTDIR);
            return Err(FileFault::Io(at.to_owned(), fault));
        }
        return match trust.writer(&found.meta).filter(|_| at == path) {
            Some(who) => Err(FileFault::Writable(found.real, who)),
            None => Ok(()),
        };
    }
    walk(Path::new("."), trust).map(|_| ())
}

/// Opens a regular file that nobody but root and this user can have changed.
///
/// # Errors
/// As the walk along it and open(2); that it is no regular file.
pub fn open_trusted(path: &Path, trust: &Trust) -> Result<(File, Metadata), FileFault> {
    let io = |fault| FileFault::Io(path.to_owned(), fault);
    for _ in 0..TRIES {
        let found = walk(path, trust)?;
        if !found.meta.is_file() {
            return Err(FileFault::NotAFile(path.to_owned(), Kind::of(&found.meta)));
        }
        match found.open() {
            Ok(Some(file)) => return Ok((file, found.meta)),
            Ok(None) => {}
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            Err(fault) => return Err(io(fault)),
        }
    }
    Err(FileFault::Writable(
        path.to_owned(),
        Stranger::Exchanging("somebody who exchanged it while it was read"),
    ))
}

#[cfg(test)]
mod tests;
