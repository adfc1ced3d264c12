//! Descriptors: pipes, files without a name, what is taken over by its number, and waiting for one.

use super::process::check;
use crate::limits;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// A pipe; both ends close on exec.
///
/// # Errors
/// As pipe2(2).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}

/// Makes a pipe's kernel buffer large, where the kernel allows it. Left to pipes that carry much:
/// it costs every other run more than it is worth.
pub fn widen(pipe: BorrowedFd<'_>) {
    // SAFETY: fcntl on an open descriptor, with a number. Failing leaves the smaller buffer, which
    // is correct too.
    unsafe {
        libc::fcntl(
            pipe.as_raw_fd(),
            libc::F_SETPIPE_SZ,
            limits::PIPE_BUFFER as libc::c_int,
        )
    };
}

/// Has reading and writing come back instead of waiting.
///
/// # Errors
/// As fcntl(2).
pub fn unblock(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fcntl on an open descriptor, with numbers.
    let flags = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GETFL) };
    check(flags)?;
    let flags = flags | libc::O_NONBLOCK;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFL, flags) })
}

/// A file that exists in memory only, and for as long as somebody has it open. It has this size for
/// good, and takes up what is written to it.
///
/// # Errors
/// As memfd_create(2) and ftruncate(2).
pub fn memory_file(size: u64) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: a string with its NUL, and flags.
    let raw = unsafe { libc::memfd_create(c"spool".as_ptr(), flags) };
    check(raw)?;

    // SAFETY: the call succeeded, so this is a new descriptor of ours.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(raw) });
    file.set_len(size)?;
    let seals = libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
    // SAFETY: fcntl on an open descriptor, with numbers.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    Ok(file.into())
}

/// A file on disk that has no name, and exists for as long as somebody has it open.
///
/// # Errors
/// As open(2) with O_TMPFILE.
pub fn nameless_file(folder: &std::path::Path) -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    Ok(File::options()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE)
        .open(folder)?
        .into())
}

/// Gives a file without a name one, in the file system that it is in.
///
/// # Errors
/// As linkat(2): `CrossesDevices` for another file system, `NotFound` for a file that once had a
/// name.
pub fn give_name(file: BorrowedFd<'_>, path: &std::path::Path) -> io::Result<()> {
    let text =
        |path: &std::path::Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from);
    let own = text(std::path::Path::new(&format!(
        "/proc/self/fd/{}",
        file.as_raw_fd()
    )))?;
    let name = text(path)?;

    // SAFETY: both paths end with a zero and live through the call.
    check(unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            own.as_ptr(),
            libc::AT_FDCWD,
            name.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    })
}

/// `/dev/null`, to read from.
///
/// # Errors
/// As open(2).
pub fn null() -> io::Result<OwnedFd> {
    Ok(File::open("/dev/null")?.into())
}

/// `/dev/null`, to write to.
///
/// # Errors
/// As open(2).
pub fn null_for_writing() -> io::Result<OwnedFd> {
    Ok(File::options().write(true).open("/dev/null")?.into())
}

/// Takes over a descriptor that this process was started with.
///
/// # Errors
/// When it is not open.
pub fn adopt(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: fcntl on a number; it fails when nothing is open there.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;

    // SAFETY: it is open, and by contract nobody else in this process has been given it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Watches a descriptor that may be another process's, see [`super::watch`].
///
/// # Errors
/// When the kernel cannot watch it.
pub fn watch_held(
    descriptor: super::Held,
    interest: tokio::io::Interest,
) -> io::Result<tokio::io::unix::AsyncFd<super::Held>> {
    // SAFETY: it gives the number of the same open descriptor all its life, whichever of the two it is.
    unsafe { tokio::io::unix::AsyncFd::register_with_interest(descriptor, interest) }
        .map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_memory_has_its_size_for_good() {
        use std::os::unix::fs::FileExt;
        let file = File::from(memory_file(8192).unwrap());
        file.write_all_at(b"end", 8189).unwrap();
        assert!(file.write_all_at(b"beyond", 8190).is_err());
        assert!(file.set_len(1 << 30).is_err() && file.set_len(0).is_err());
        assert_eq!(file.metadata().unwrap().len(), 8192);
    }
}
