//! Files below a folder that is held open: each step by one name, on the descriptor of the step before
//! it, never through a link and never out of it.

use super::process::check;
use std::ffi::{CStr, CString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A folder that is held open. Whatever becomes of its name, it stays this folder.
#[derive(Debug)]
pub struct Folder {
    descriptor: OwnedFd,
    /// Whether folders of other file systems that are mounted in it may be entered.
    crosses: bool,
}

/// What an entry of a folder is, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What kind of entry it is.
    pub kind: FoundKind,
    /// All bits of its mode.
    pub mode: u32,
    /// Its bytes.
    pub size: u64,
    /// Its bytes that take up room.
    pub room: u64,
    /// When its content was changed, in nanoseconds since 1970.
    pub time: i64,
    /// When anything of it was changed: nobody can set that.
    pub changed: i64,
    /// The file system and the number of the file in it.
    pub which: (u64, u64),
}

/// What kind of entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a socket or a pipe.
    Special,
}

/// How a name is given to what has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rename {
    /// In the place of what has it, if anything does.
    Over,
    /// Only where nothing has it.
    Fresh,
    /// What has it gets the other name.
    Exchange,
}

/// What part of a file takes up room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Bytes, up to this offset.
    Bytes(u64),
    /// Zeros that take up none, up to this offset.
    Hole(u64),
}

/// What the kernel is told of a step: to stay below the folder, and not to follow any link.
const STAY: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;

impl Folder {
    /// A folder that a person or an owner has named: links on the way there are theirs to judge.
    ///
    /// # Errors
    /// As open(2).
    pub fn named(path: &Path, crosses: bool) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: a string with its NUL, and flags.
        let raw = unsafe { libc::open(path.as_ptr(), flags) };
        check(raw.min(0))?;
        // SAFETY: the call succeeded, so this is a new descriptor of ours.
        let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self {
            descriptor,
            crosses,
        })
    }

    /// A folder that was opened already, perhaps only to be held (`O_PATH`).
    ///
    /// # Errors
    /// As openat2(2).
    pub fn held(descriptor: BorrowedFd<'_>, crosses: bool) -> io::Result<Self> {
        open(descriptor.as_raw_fd(), c".", FOLDER, 0, STAY)
            .or_else(|fault| match fault.raw_os_error() {
                // One that can be gone through and not listed.
                Some(libc::EACCES) => open(descriptor.as_raw_fd(), c".", HELD, 0, STAY),
                _ => Err(fault),
            })
            .map(|descriptor| Self {
                descriptor,
                crosses,
            })
    }

    /// The same folder once more.
    ///
    /// # Errors
    /// As dup(2).
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self {
            descriptor: self.descriptor.try_clone()?,
            crosses: self.crosses,
        })
    }

    fn raw(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }

    fn step(&self, name: &[u8], flags: i32, mode: u32) -> io::Result<OwnedFd> {
        let mount = if self.crosses {
            0
        } else {
            libc::RESOLVE_NO_XDEV
        };
        open(self.raw(), &one(name)?, flags, mode, STAY | mount)
    }

    /// The folder of this name in it.
    ///
    /// # Errors
    /// As openat2(2): `ELOOP` or `ENOTDIR` for a link, `EXDEV` for another file system.
    pub fn folder(&self, name: &[u8]) -> io::Result<Self> {
        let descriptor = match self.step(name, FOLDER, 0) {
            Err(fault) if fault.raw_os_error() == Some(libc::EACCES) => self.step(name, HELD, 0)?,
            opened => opened?,
        };
        Ok(Self {
            descriptor,
            crosses: self.crosses,
        })
    }

    /// The regular file of this name in it, to be read, without waiting for anybody. What is no
    /// regular file is not even opened, as far as that can be known before.
    ///
    /// # Errors
    /// As openat2(2); `InvalidInput` for what is no regular file.
    pub fn file(&self, name: &[u8]) -> io::Result<(File, Found)> {
        if self.look(name)?.kind != FoundKind::File {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY;
        let file = File::from(self.step(name, flags | libc::O_CLOEXEC, 0)?);
        let found = Found::of(&file.metadata()?);
        if found.kind != FoundKind::File {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok((file, found))
    }

    /// Makes a file of this name in it, which only its owner can read.
    ///
    /// # Errors
    /// As openat2(2): `AlreadyExists` where anything has the name.
    pub fn create(&self, name: &[u8]) -> io::Result<File> {
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        self.step(name, flags | libc::O_CLOEXEC, 0o600)
            .map(File::from)
    }

    /// Makes a folder of this name in it, which only its owner can enter.
    ///
    /// # Errors
    /// As mkdirat(2): `AlreadyExists` where anything has the name.
    pub fn make_folder(&self, name: &[u8]) -> io::Result<Self> {
        let text = one(name)?;
        // SAFETY: a string with its NUL that lives through the call.
        check(unsafe { libc::mkdirat(self.raw(), text.as_ptr(), 0o700) })?;
        self.folder(name)
    }

    /// Makes a symbolic link of this name in it.
    ///
    /// # Errors
    /// As symlinkat(2).
    pub fn make_link(&self, name: &[u8], target: &[u8]) -> io::Result<()> {
        let (name, target) = (one(name)?, CString::new(target)?);
        // SAFETY: two strings with their NULs that live through the call.
        check(unsafe { libc::symlinkat(target.as_ptr(), self.raw(), name.as_ptr()) })
    }

    /// Where the link of this name leads, as it says.
    ///
    /// # Errors
    /// As readlinkat(2).
    pub fn target(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        let name = one(name)?;
        let mut text = vec![0_u8; libc::PATH_MAX as usize];
        // SAFETY: a string with its NUL, and a buffer of the length that is said.
        let length = unsafe {
            libc::readlinkat(
                self.raw(),
                name.as_ptr(),
                text.as_mut_ptr().cast(),
                text.len(),
            )
        };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        if length == text.len() {
            return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
        }
        text.truncate(length);
        Ok(text)
    }

    /// What has this name in it; a link itself, and not what it leads to.
    ///
    /// # Errors
    /// As fstatat(2).
    pub fn look(&self, name: &[u8]) -> io::Result<Found> {
        let name = one(name)?;
        // SAFETY: all-zero is a valid value of the structure, which the call fills.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: a string with its NUL, and a structure that lives through the call.
        check(unsafe {
            libc::fstatat(
                self.raw(),
                name.as_ptr(),
                &raw mut stat,
                libc::AT_SYMLINK_NOFOLLOW,
            )
        })?;
        Ok(Found::of_stat(&stat))
    }

    /// What the folder itself is.
    ///
    /// # Errors
    /// As fstat(2).
    pub fn itself(&self) -> io::Result<Found> {
        // SAFETY: all-zero is a valid value of the structure, which the call fills.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: an open descriptor, and a structure that lives through the call.
        check(unsafe { libc::fstat(self.raw(), &raw mut stat) })?;
        Ok(Found::of_stat(&stat))
    }

    /// Tells each name in it, in no order.
    ///
    /// # Errors
    /// As getdents64(2), and what is told back.
    pub fn names(&self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        // A descriptor of its own, whose place in the folder is nobody else's.
        let folder = open(self.raw(), c".", FOLDER, 0, STAY)?;
        let mut buffer = Listing([0; LISTING]);
        loop {
            // SAFETY: an open folder, and a buffer of the length that is said.
            let length = unsafe {
                libc::syscall(
                    libc::SYS_getdents64,
                    folder.as_raw_fd(),
                    buffer.0.as_mut_ptr(),
                    LISTING,
                )
            };
            let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
            let mut rest = buffer.0.get(..length).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            while let Some((name, behind)) = listed(rest) {
                if !matches!(name, b"." | b"..") {
                    each(name)?;
                }
                rest = behind;
            }
        }
    }

    /// Gives what has this name in it another one in another folder.
    ///
    /// # Errors
    /// As renameat2(2).
    pub fn rename(&self, name: &[u8], into: &Self, new: &[u8], how: Rename) -> io::Result<()> {
        let (name, new) = (one(name)?, one(new)?);
        let flags = match how {
            Rename::Over => 0,
            Rename::Fresh => libc::RENAME_NOREPLACE,
            Rename::Exchange => libc::RENAME_EXCHANGE,
        };
        // SAFETY: two strings with their NULs that live through the call, and flags.
        let renamed = unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                self.raw(),
                name.as_ptr(),
                into.raw(),
                new.as_ptr(),
                flags,
            )
        };
        check(if renamed < 0 { -1 } else { 0 })
    }

    /// Removes what has this name in it and is no folder.
    ///
    /// # Errors
    /// As unlinkat(2).
    pub fn remove_file(&self, name: &[u8]) -> io::Result<()> {
        self.unlink(name, 0)
    }

    /// Removes the folder of this name in it, which must be empty.
    ///
    /// # Errors
    /// As unlinkat(2).
    pub fn remove_folder(&self, name: &[u8]) -> io::Result<()> {
        self.unlink(name, libc::AT_REMOVEDIR)
    }

    fn unlink(&self, name: &[u8], flags: i32) -> io::Result<()> {
        let name = one(name)?;
        // SAFETY: a string with its NUL that lives through the call.
        check(unsafe { libc::unlinkat(self.raw(), name.as_ptr(), flags) })
    }

    /// Holds the folder's lock for as long as it is open, where nobody else does.
    ///
    /// # Errors
    /// As flock(2): `WouldBlock` where somebody else holds it.
    pub fn try_hold(&self) -> io::Result<()> {
        // SAFETY: an open descriptor.
        check(unsafe { libc::flock(self.raw(), libc::LOCK_EX | libc::LOCK_NB) })
    }

    /// Sets the permission bits of the folder itself, and when it was changed.
    ///
    /// # Errors
    /// As fchmod(2) and futimens(3).
    pub fn set(&self, mode: u32, time: i64) -> io::Result<()> {
        // SAFETY: an open descriptor, and a number.
        check(unsafe { libc::fchmod(self.raw(), mode & 0o777) })?;
        set_time(self.descriptor.as_fd(), time)
    }

    /// Returns when the names in it are on the disk.
    ///
    /// # Errors
    /// As fsync(2).
    pub fn sync(&self) -> io::Result<()> {
        // SAFETY: an open descriptor.
        check(unsafe { libc::fsync(self.raw()) })
    }

    /// Returns when everything that was written to its file system is on the disk.
    ///
    /// # Errors
    /// As syncfs(2).
    pub fn sync_all(&self) -> io::Result<()> {
        // SAFETY: an open descriptor.
        check(unsafe { libc::syncfs(self.raw()) })
    }
}

/// Sets the permission bits of a file, and when it was changed, by its descriptor.
///
/// # Errors
/// As fchmod(2) and futimens(3).
pub fn set_file(file: &File, mode: u32, time: i64) -> io::Result<()> {
    // SAFETY: an open descriptor, and a number.
    check(unsafe { libc::fchmod(file.as_raw_fd(), mode & 0o777) })?;
    set_time(file.as_fd(), time)
}

fn set_time(descriptor: BorrowedFd<'_>, time: i64) -> io::Result<()> {
    const SECOND: i64 = 1_000_000_000;
    let unchanged = libc::timespec {
        tv_sec: 0,
        tv_nsec: libc::UTIME_OMIT,
    };
    let wanted = libc::timespec {
        tv_sec: time.div_euclid(SECOND) as libc::time_t,
        tv_nsec: time.rem_euclid(SECOND) as libc::c_long,
    };
    let times = [unchanged, wanted];
    // SAFETY: an open descriptor, and two structures that live through the call.
    check(unsafe { libc::futimens(descriptor.as_raw_fd(), times.as_ptr()) })
}

/// What is at this offset of a file, and up to where; `None` at its end. A file system that knows no
/// holes has none.
///
/// # Errors
/// As lseek(2).
pub fn extent(file: &File, at: u64, size: u64) -> io::Result<Option<Extent>> {
    if at >= size {
        return Ok(None);
    }
    let offset = libc::off_t::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
    let seek = |from, whence| -> io::Result<u64> {
        // SAFETY: an open descriptor, and numbers.
        let found = unsafe { libc::lseek(file.as_raw_fd(), from, whence) };
        u64::try_from(found).map_err(|_| io::Error::last_os_error())
    };
    match seek(offset, libc::SEEK_DATA) {
        Ok(data) if data > at => Ok(Some(Extent::Hole(data.min(size)))),
        Ok(_) => Ok(Some(Extent::Bytes(
            seek(offset, libc::SEEK_HOLE)?.min(size),
        ))),
        Err(fault) => match fault.raw_os_error() {
            // Nothing but a hole is left.
            Some(libc::ENXIO) => Ok(Some(Extent::Hole(size))),
            Some(libc::EINVAL) => Ok(Some(Extent::Bytes(size))),
            _ => Err(fault),
        },
    }
}

const FOLDER: i32 = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
const HELD: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;

fn open(folder: RawFd, name: &CStr, flags: i32, mode: u32, resolve: u64) -> io::Result<OwnedFd> {
    // SAFETY: all-zero is a valid value of the structure.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from(flags.cast_unsigned());
    how.mode = u64::from(mode);
    how.resolve = resolve;
    loop {
        // SAFETY: a string with its NUL, and a structure of the size that is said; both live through
        // the call.
        let raw = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                folder,
                name.as_ptr(),
                &raw const how,
                size_of::<libc::open_how>(),
            )
        };
        if let Ok(raw) = RawFd::try_from(raw)
            && raw >= 0
        {
            // SAFETY: the call succeeded, so this is a new descriptor of ours.
            return Ok(unsafe { OwnedFd::from_raw_fd(raw) });
        }
        let fault = io::Error::last_os_error();
        // The kernel says so where something was renamed meanwhile: nothing has been opened.
        let again = [libc::EAGAIN, libc::EINTR];
        if !fault
            .raw_os_error()
            .is_some_and(|number| again.contains(&number))
        {
            return Err(fault);
        }
    }
}

/// One name, which leads nowhere else.
fn one(name: &[u8]) -> io::Result<CString> {
    if name.is_empty() || name.contains(&b'/') || matches!(name, b"." | b"..") {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(CString::new(name)?)
}

/// Bytes of names that the kernel is asked for at once.
const LISTING: usize = 32 * 1024;

#[repr(C, align(8))]
struct Listing([u8; LISTING]);

/// The first name of what the kernel has told of a folder, and what follows.
fn listed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    /// Before the name: its number, the place behind it, the length of all this, and its kind.
    const HEAD: usize = 8 + 8 + 2 + 1;
    let length = bytes.get(16..18)?.try_into().ok()?;
    let (this, behind) = bytes.split_at_checked(usize::from(u16::from_ne_bytes(length)))?;
    let name = this.get(HEAD..)?.split(|byte| *byte == 0).next()?;
    Some((name, behind))
}

impl Found {
    /// What an open file is.
    pub fn of(meta: &Metadata) -> Self {
        Self {
            kind: FoundKind::of(meta.mode()),
            mode: meta.mode(),
            size: meta.len(),
            room: meta.blocks().saturating_mul(512),
            time: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            changed: nanoseconds(meta.ctime(), meta.ctime_nsec()),
            which: (meta.dev(), meta.ino()),
        }
    }

    #[allow(
        clippy::unnecessary_cast,
        reason = "the widths differ between architectures"
    )]
    fn of_stat(stat: &libc::stat) -> Self {
        Self {
            kind: FoundKind::of(stat.st_mode),
            mode: stat.st_mode,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            room: u64::try_from(stat.st_blocks)
                .unwrap_or(0)
                .saturating_mul(512),
            time: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            which: (stat.st_dev as u64, stat.st_ino as u64),
        }
    }
}

impl FoundKind {
    const fn of(mode: u32) -> Self {
        match mode & libc::S_IFMT {
            libc::S_IFREG => Self::File,
            libc::S_IFDIR => Self::Folder,
            libc::S_IFLNK => Self::Link,
            _ => Self::Special,
        }
    }
}

const fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

#[cfg(test)]
#[path = "beneath_tests.rs"]
mod tests;
