//! The executable that was vetted is the one that runs: opened and judged at each run, and then run
//! by descriptor.

use super::trust::{FileFault, Stranger, Trust};
use super::walk::{self, Found};
use std::collections::HashMap;
use std::ffi::{CString, OsString};
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// An executable that was opened and judged.
#[derive(Debug)]
pub struct Executable {
    /// What the kernel is given to run: the file, or for a script its interpreter.
    pub file: OwnedFd,
    /// For a script: what comes before the command's own arguments. The interpreter as the script
    /// names it, the interpreter's argument, the script's path.
    pub interpreter: Vec<CString>,
    /// Which version of the vetted file this is.
    pub version: Version,
    /// The path that the file was reached by, every link followed; the interpreter's too.
    pub paths: Vec<PathBuf>,
}

impl Executable {
    /// An executable that was opened and judged elsewhere.
    pub(super) fn handed_over(
        file: OwnedFd,
        interpreter: Vec<CString>,
        paths: Vec<PathBuf>,
        meta: &Metadata,
    ) -> Self {
        Self {
            file,
            interpreter,
            version: Version::of(meta),
            paths,
        }
    }
}

/// This very program, whatever became of its file.
///
/// # Errors
/// As opening it.
pub fn own_executable() -> io::Result<Executable> {
    let path = PathBuf::from("/proc/self/exe");
    let file = File::open(&path)?;
    let meta = file.metadata()?;
    Ok(Executable::handed_over(
        file.into(),
        Vec::new(),
        vec![path],
        &meta,
    ))
}

/// Why an executable is not run.
#[derive(Debug)]
pub enum ExecutableFault {
    /// The file or a folder above it cannot be looked at.
    Io(PathBuf, io::Error),
    /// Somebody else could have changed the file.
    Untrusted(FileFault),
    /// What has this name is no regular file, or nobody may execute it.
    NotExecutable(PathBuf),
    /// The interpreter's line cannot be used.
    Interpreter(PathBuf, &'static str),
    /// The file is not the one that was pinned; its digest, in hex.
    Digest(PathBuf, String),
    /// The file is not the one that was agreed to.
    Changed(PathBuf),
}

impl fmt::Display for ExecutableFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, fault) => write!(out, "{}: {fault}", path.display()),
            Self::Untrusted(fault) => {
                let what = fault.sentence();
                write!(out, "{what}; who can change it could run anything")?;
                match fault.remedy() {
                    Some(remedy) => write!(out, "; {remedy}"),
                    None => Ok(()),
                }
            }
            Self::NotExecutable(path) => {
                write!(out, "{} is not an executable file", path.display())
            }
            Self::Interpreter(path, why) => write!(out, "{}: {why}", path.display()),
            Self::Changed(path) => {
                write!(out, "{} is not the file that was agreed to", path.display())
            }
            Self::Digest(path, digest) => write!(
                out,
                "{} is not the pinned file: its sha256 is {digest}",
                path.display()
            ),
        }
    }
}

/// How many scripts may be interpreters of one another: as many as the kernel follows.
const NESTED: usize = 4;
/// Bytes of an interpreter's line that count, as in the kernel.
const LINE: usize = 256;

/// Opens an executable that nobody but root and this user can have changed, and that has this
/// SHA-256 when one is given.
///
/// # Errors
/// See [`ExecutableFault`].
pub fn open_executable(
    path: &Path,
    trust: &Trust,
    pin: Option<&[u8; 32]>,
) -> Result<Executable, ExecutableFault> {
    open_all(path, trust, pin, &mut |_, _| Ok(()))
}

/// Files by their paths, every link followed, with the SHA-256 of each.
pub type Digests = Vec<(PathBuf, [u8; 32])>;

/// Opens an executable as [`open_executable`] does, and reads all that is executed: the file, and
/// where it is a script its interpreters. Each comes with its path and its SHA-256, of the content as it
/// is now.
///
/// # Errors
/// See [`ExecutableFault`].
pub fn digested_executable(
    path: &Path,
    trust: &Trust,
    pin: Option<&[u8; 32]>,
) -> Result<(Executable, Digests), ExecutableFault> {
    let mut read = Vec::new();
    let opened = open_all(path, trust, pin, &mut |path, found| {
        let version = Version::of(&found.meta);
        let digest = read_digest(path, version, || reading(path, found))?;
        read.push((found.real.clone(), digest));
        Ok(())
    })?;
    Ok((opened, read))
}

/// Opens an executable as [`open_executable`] does, if it and all that is executed with it are these
/// files, in this order.
///
/// # Errors
/// See [`ExecutableFault`]; [`ExecutableFault::Changed`] names the first other file.
pub fn agreed_executable(
    path: &Path,
    trust: &Trust,
    pin: Option<&[u8; 32]>,
    agreed: &[(String, [u8; 32])],
) -> Result<Executable, ExecutableFault> {
    let (opened, read) = digested_executable(path, trust, pin)?;
    let is = |(path, digest): &(PathBuf, [u8; 32]), agreed: Option<&(String, [u8; 32])>| {
        agreed.is_some_and(|(known, then)| path.to_string_lossy() == **known && digest == then)
    };
    let mut files = read.iter().enumerate();
    if let Some((_, (path, _))) = files.find(|(at, file)| !is(file, agreed.get(*at))) {
        return Err(ExecutableFault::Changed(path.clone()));
    }
    if read.len() != agreed.len() {
        return Err(ExecutableFault::Changed(path.to_owned()));
    }
    Ok(opened)
}

/// What looks at each file that is executed, before it is.
type Look<'l> = &'l mut dyn FnMut(&Path, &Found) -> Result<(), ExecutableFault>;

fn open_all(
    path: &Path,
    trust: &Trust,
    pin: Option<&[u8; 32]>,
    look: Look<'_>,
) -> Result<Executable, ExecutableFault> {
    let mut last = open(path, trust)?;
    look(path, &last)?;
    let version = Version::of(&last.meta);
    if let Some(pin) = pin {
        has_digest(path, (&last, version), pin)?;
    }

    let mut words_before = Vec::new();
    let mut paths = vec![last.real.clone()];
    let mut script = path.to_owned();
    for depth in 0.. {
        let Some((interpreter, argument)) = line(&script, &last)? else {
            break;
        };
        if depth == NESTED {
            return Err(ExecutableFault::Interpreter(
                script,
                "its interpreters are scripts of scripts",
            ));
        }
        let c = |text: &[u8]| {
            CString::new(text).map_err(|_| {
                ExecutableFault::Interpreter(script.clone(), "a NUL in its first line")
            })
        };
        let mut words = vec![c(&interpreter)?];
        words.extend(argument.as_deref().map(c).transpose()?);
        words.push(c(script.as_os_str().as_bytes())?);
        if depth > 0 {
            // The name that an outer script gave to this one, whose path stands there now.
            words_before.remove(0);
        }
        words.append(&mut words_before);
        words_before = words;
        script = PathBuf::from(OsString::from_vec(interpreter));
        if !script.is_absolute() {
            return Err(ExecutableFault::Interpreter(
                script,
                "the interpreter's path is not absolute",
            ));
        }
        last = open(&script, trust)?;
        look(&script, &last)?;
        paths.push(last.real.clone());
    }
    Ok(Executable {
        file: last.into_descriptor(),
        interpreter: words_before,
        version,
        paths,
    })
}

/// Whether this version of the file is the one that was pinned.
fn has_digest(
    path: &Path,
    (found, version): (&Found, Version),
    pin: &[u8; 32],
) -> Result<(), ExecutableFault> {
    let digest = digest(path, version, || reading(path, found))?;
    match digest == *pin {
        true => Ok(()),
        false => Err(ExecutableFault::Digest(path.to_owned(), hex(&digest))),
    }
}

/// Walks to one file. What the walk ends at is what will be run: it need not be readable.
fn open(path: &Path, trust: &Trust) -> Result<Found, ExecutableFault> {
    let found = walk::walk(path, trust).map_err(|fault| match fault {
        FileFault::Io(path, fault) => ExecutableFault::Io(path, fault),
        other => ExecutableFault::Untrusted(other),
    })?;
    if !found.meta.is_file() || found.meta.permissions().mode() & 0o111 == 0 {
        return Err(ExecutableFault::NotExecutable(path.to_owned()));
    }
    Ok(found)
}

/// Opens what the walk has ended at, to be read.
fn reading(path: &Path, found: &Found) -> Result<File, ExecutableFault> {
    let opened = found
        .open()
        .map_err(|fault| ExecutableFault::Io(path.to_owned(), fault))?;
    // Only somebody who is trusted could do this; another try sees what they left.
    opened.ok_or_else(|| exchanged(path, "somebody who exchanged it just now"))
}

fn exchanged(path: &Path, who: &'static str) -> ExecutableFault {
    let who = Stranger::Exchanging(who);
    ExecutableFault::Untrusted(FileFault::Writable(path.to_owned(), who))
}

/// A script's interpreter and its one argument.
type Interpreter = (Vec<u8>, Option<Vec<u8>>);

/// The interpreter's line of a script: the interpreter and its one argument. `None` for what is no
/// script, or cannot be read and so cannot be one.
fn line(path: &Path, found: &Found) -> Result<Option<Interpreter>, ExecutableFault> {
    let mut bytes = Vec::new();
    let file = match reading(path, found) {
        Err(ExecutableFault::Io(..)) => return Ok(None),
        opened => opened?,
    };
    if file.take(LINE as u64).read_to_end(&mut bytes).is_err() {
        return Ok(None);
    }
    let Some(rest) = bytes.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let whole = rest.iter().position(|byte| *byte == b'\n');
    if whole.is_none() && bytes.len() == LINE {
        return Err(ExecutableFault::Interpreter(
            path.to_owned(),
            "its first line is longer than the kernel reads",
        ));
    }

    // Blanks and tabs, as in the kernel: a carriage return is part of the name.
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let trimmed = |text: &[u8]| {
        let from = text
            .iter()
            .position(|byte| !blank(byte))
            .unwrap_or(text.len());
        let to = text
            .iter()
            .rposition(|byte| !blank(byte))
            .map_or(from, |last| last + 1);
        text.get(from..to).unwrap_or_default().to_vec()
    };

    let text = trimmed(rest.get(..whole.unwrap_or(rest.len())).unwrap_or_default());
    let end = text.iter().position(blank).unwrap_or(text.len());
    let (interpreter, argument) = text.split_at(end);
    if interpreter.is_empty() {
        return Err(ExecutableFault::Interpreter(
            path.to_owned(),
            "its first line names no interpreter",
        ));
    }

    let argument = trimmed(argument);
    Ok(Some((
        interpreter.to_vec(),
        (!argument.is_empty()).then_some(argument),
    )))
}

/// Whether a file gives capabilities to whoever executes it.
pub fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: two strings with their NULs; with no room given the call only answers with a length.
    unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"security.capability".as_ptr(),
            std::ptr::null_mut(),
            0,
        ) > 0
    }
}

/// The SHA-256 of an executable, for `check` and pins.
///
/// # Errors
/// As reading it.
pub fn executable_digest(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let version = Version::of(&file.metadata()?);
    digest(path, version, || Ok(file))
        .map(|digest| hex(&digest))
        .map_err(|fault| io::Error::other(fault.to_string()))
}

/// Digests by version: a file is read once for each that it has.
static DIGESTS: Mutex<Option<HashMap<Version, [u8; 32]>>> = Mutex::new(None);
/// More versions than this are forgotten and read anew.
const DIGESTS_KEPT: usize = 1024;

fn digest(
    path: &Path,
    version: Version,
    open: impl FnOnce() -> Result<File, ExecutableFault>,
) -> Result<[u8; 32], ExecutableFault> {
    if let Some(known) = DIGESTS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .and_then(|known| known.get(&version))
    {
        return Ok(*known);
    }
    let bytes = read_digest(path, version, open)?;
    let mut known = DIGESTS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.len() >= DIGESTS_KEPT {
        known.clear();
    }
    known.insert(version, bytes);
    Ok(bytes)
}

/// The digest of a file as it is read now.
fn read_digest(
    path: &Path,
    version: Version,
    open: impl FnOnce() -> Result<File, ExecutableFault>,
) -> Result<[u8; 32], ExecutableFault> {
    let io = |fault| ExecutableFault::Io(path.to_owned(), fault);

    // Compared with what will be run, before it is read and after.
    let mut readable = open()?;
    let before = Version::of(&readable.metadata().map_err(io)?);
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 128 * 1024];

    loop {
        match readable.read(&mut buffer).map_err(io)? {
            0 => break,
            count => context.update(buffer.get(..count).unwrap_or_default()),
        }
    }

    let after = Version::of(&readable.metadata().map_err(io)?);
    if before != version || after != version {
        return Err(exchanged(path, "somebody who changed it while it was read"));
    }

    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "executable_tests.rs"]
mod tests;
