//! Files whose owner and mode matter: who could have written them, who could read them.

use super::stream::{open_stream, read_opened};
use super::trust::{FileFault, Kind, Stranger, Trust, effective_uid};
use super::walk;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The flags of open(2) that open a folder to look below it, and not to read it.
pub const FOLDER_ALONE: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;

/// Whether users other than the owner can read a file with this metadata.
pub fn others_can_read(meta: &Metadata) -> bool {
    meta.mode() & 0o044 != 0
}

/// Reads a configuration file that nobody else can have written, up to `max` bytes. What is read is
/// the file that the walk has judged.
///
/// # Errors
/// What [`walk::trusted`] says; also that the file is too large or not text.
pub fn read_config(path: &Path, trust: &Trust, max: u64) -> Result<(String, Metadata), FileFault> {
    let (bytes, meta) = read_trusted(path, trust, max)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        let fault = io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text");
        FileFault::Io(path.to_owned(), fault)
    })?;
    Ok((text, meta))
}

/// Reads a file that nobody else can have written, as [`read_config`] does, whatever bytes it has.
///
/// # Errors
/// What [`walk::trusted`] says; also that the file is too large.
pub fn read_trusted(
    path: &Path,
    trust: &Trust,
    max: u64,
) -> Result<(Vec<u8>, Metadata), FileFault> {
    let (file, meta) = walk::open_trusted(path, trust).map_err(|fault| named(path, fault))?;
    if meta.len() > max {
        return Err(FileFault::TooLarge(path.to_owned(), meta.len()));
    }

    let mut bytes = Vec::new();
    file.take(max)
        .read_to_end(&mut bytes)
        .map_err(|fault| FileFault::Io(path.to_owned(), fault))?;
    Ok((bytes, meta))
}

/// What is no regular file is called that before anything else, also behind a name that the kernel
/// alone can follow, as /dev/stdin is.
fn named(path: &Path, fault: FileFault) -> FileFault {
    match std::fs::metadata(path) {
        Ok(meta) if !meta.is_file() => FileFault::NotAFile(path.to_owned(), Kind::of(&meta)),
        _ => fault,
    }
}

/// Reads a secret of the daemon's own: as [`read_private`], by a path that nobody else can make
/// mean another file.
///
/// # Errors
/// What [`walk::trusted`] and [`read_private`] say.
pub fn read_secret(path: &Path, trust: &Trust, max: u64) -> Result<Vec<u8>, FileFault> {
    let (file, meta) = walk::open_trusted(path, trust)?;
    read_if_private(path, &file, &meta, max)
}

/// Reads a file with a secret, or a pipe, that only its owner (this user or root) can read.
///
/// # Errors
/// It cannot be read, or others can read it.
pub fn read_private(path: &Path, max: u64) -> Result<Vec<u8>, FileFault> {
    let io = |fault| FileFault::Io(path.to_owned(), fault);
    let file = open_stream(path)?;
    let meta = file.metadata().map_err(io)?;
    read_if_private(path, &file, &meta, max)
}

/// Reads an open file with a secret, if only its owner can read it.
fn read_if_private(
    path: &Path,
    file: &File,
    meta: &Metadata,
    max: u64,
) -> Result<Vec<u8>, FileFault> {
    if meta.mode() & 0o077 != 0 {
        return Err(FileFault::Readable(path.to_owned(), meta.mode()));
    }
    if meta.uid() != 0 && meta.uid() != effective_uid() {
        return Err(FileFault::Writable(
            path.to_owned(),
            Stranger::Owner(meta.uid()),
        ));
    }

    // Half a key is no key, and whoever reads it would say something else of it.
    if meta.len() > max {
        return Err(FileFault::TooLarge(path.to_owned(), meta.len()));
    }
    read_opened(path, file, max)
}

/// Opens a file that only its owner (this user or root) can read, never through a link and without
/// waiting for anybody.
///
/// # Errors
/// As open(2); `PermissionDenied` for what is no regular file, or others could have written or can
/// read.
pub fn open_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)?;
    let meta = file.metadata()?;
    let fault = strangers(path, &meta).or_else(|| {
        others_can_read(&meta).then(|| FileFault::Readable(path.to_owned(), meta.mode()))
    });
    match fault {
        None => Ok(file),
        Some(fault) => Err(denied(&fault)),
    }
}

/// Why a file is not one that its owner, this user or root, can write alone.
fn strangers(path: &Path, meta: &Metadata) -> Option<FileFault> {
    let who = if !meta.is_file() {
        return Some(FileFault::NotAFile(path.to_owned(), Kind::of(meta)));
    } else if !own(meta) {
        Stranger::Owner(meta.uid())
    } else if meta.mode() & 0o002 != 0 {
        Stranger::Anybody(meta.mode())
    } else if meta.mode() & 0o020 != 0 {
        Stranger::Group(meta.gid(), meta.mode())
    } else {
        return None;
    };
    Some(FileFault::Writable(path.to_owned(), who))
}

fn denied(fault: &FileFault) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, fault.to_string())
}

/// Whether a folder is this user's (or root's), no link, and closed to everybody else.
///
/// # Errors
/// As lstat(2).
pub fn private_folder(path: &Path) -> io::Result<bool> {
    let meta = std::fs::symlink_metadata(path)?;
    Ok(meta.is_dir() && own(&meta) && meta.mode() & 0o077 == 0)
}

fn own(meta: &Metadata) -> bool {
    meta.uid() == effective_uid() || meta.uid() == 0
}

/// Opens a file to read and append to, made where it does not exist, readable by its owner only,
/// never through a link.
///
/// # Errors
/// As open(2); `PermissionDenied` for what is there already and others could have written.
pub fn append_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)?;
    let meta = file.metadata()?;
    match strangers(path, &meta) {
        None => Ok(file),
        Some(fault) => Err(denied(&fault)),
    }
}

/// Makes a folder, and those above it, where there is none; this mode is for those that are made.
///
/// # Errors
/// As mkdir(2).
pub fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)
}

/// This machine's name; empty where it has none.
pub fn host_name() -> String {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };

    Some(read("/proc/sys/kernel/hostname"))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| read("/etc/hostname"))
}

/// Bytes that the file system of a folder has left for this user.
///
/// # Errors
/// As statvfs(3).
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes())?;

    // SAFETY: all-zero is a valid value of the structure, which the call fills.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };

    // SAFETY: the path ends with a zero, and both pointers live through the call.
    if unsafe { libc::statvfs(path.as_ptr(), &mut found) } != 0 {
        return Err(io::Error::last_os_error());
    }
    #[allow(
        clippy::unnecessary_cast,
        reason = "their width differs between systems"
    )]
    Ok((found.f_bavail as u64).saturating_mul(found.f_frsize as u64))
}

/// A new file that only its owner reads and writes.
///
/// # Errors
/// As open(2); `AlreadyExists` where the name is taken.
pub fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Writes a file at once: readers see the old one or the whole new one. The mode holds from the
/// first byte.
///
/// # Errors
/// What the calls that it makes say; `AlreadyExists` when the file exists and `force` is not set.
pub fn replace(path: &Path, bytes: &[u8], mode: u32, force: bool) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    let new = folder.join(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&new)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if force {
            return std::fs::rename(&new, path);
        }
        // A hard link fails where the name is taken, which a rename would not.
        std::fs::hard_link(&new, path)?;
        std::fs::remove_file(&new)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// Puts other bytes into the place of a file, at once, with the owner and the mode that it had. It must
/// still be the file of this metadata: what somebody else has saved meanwhile is not lost.
///
/// # Errors
/// What the calls that it makes say; `ResourceBusy` where it is another file now.
pub fn exchange(path: &Path, bytes: &[u8], was: &Metadata) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let name = format!(".{}.{}.new", name.to_string_lossy(), std::process::id());
    let new = folder.join(name);
    let written = (|| {
        let mut file = private_file(&new)?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (was.uid(), was.gid()) {
            std::os::unix::fs::fchown(&file, Some(was.uid()), Some(was.gid()))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(was.mode() & 0o7777))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        let now = std::fs::symlink_metadata(path)?;
        let which = |meta: &Metadata| (meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec());
        if which(&now) != which(was) {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "somebody has changed it in this moment; try again",
            ));
        }
        std::fs::rename(&new, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
        return written;
    }
    File::open(folder)?.sync_all()
}

/// Holds the lock of a file for as long as it is open, where nobody else does.
///
/// # Errors
/// As flock(2): `WouldBlock` where somebody else holds it.
pub fn try_hold(file: &File) -> io::Result<()> {
    // SAFETY: an open descriptor.
    match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits until this process alone holds the lock of a folder, and holds it for as long as the file
/// that is returned.
///
/// # Errors
/// As open(2) and flock(2).
pub fn hold(folder: &Path) -> io::Result<File> {
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC)
        .open(folder)?;
    loop {
        // SAFETY: an open descriptor.
        if unsafe { libc::flock(folder.as_raw_fd(), libc::LOCK_EX) } == 0 {
            return Ok(folder);
        }
        let fault = io::Error::last_os_error();
        if fault.kind() != io::ErrorKind::Interrupted {
            return Err(fault);
        }
    }
}

/// A file that nobody else can open, and that is gone when it is closed.
///
/// # Errors
/// As open(2), in the folder for temporary files.
pub fn unnamed_file() -> io::Result<File> {
    let folder = std::env::temp_dir();
    let mut number = 0_u32;
    loop {
        let path = folder.join(format!(".ordain-{}-{number}", std::process::id()));
        let mut options = OpenOptions::new();
        let made = options.read(true).write(true).create_new(true).mode(0o600);
        match made.open(&path) {
            // Somebody has left one there, or wants us to think so.
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {
                number += 1;
            }
            made => {
                let file = made?;
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn replacing_is_whole_private_and_never_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        replace(&file, b"one", 0o600, false).unwrap();
        assert_eq!(
            replace(&file, b"two", 0o600, false).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );

        assert_eq!(std::fs::read(&file).unwrap(), b"one");
        replace(&file, b"two", 0o600, true).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left behind"
        );
    }

    #[test]
    fn secrets_others_can_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        replace(&file, b"k", 0o640, false).unwrap();
        assert!(matches!(
            read_private(&file, 10),
            Err(FileFault::Readable(..))
        ));
        chmod(&file, 0o600);
        assert_eq!(read_private(&file, 10).unwrap(), b"k");
    }
}
