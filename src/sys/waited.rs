//! Pipes and terminals that are waited for beside everything else, instead of blocking whoever reads
//! or writes them.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// A pipe or terminal opened anew, so that reading or writing it never blocks us, and whoever has the
/// other one notices nothing. `None` for everything else, and where it may not be opened.
#[cfg(target_os = "linux")]
pub fn reopened(descriptor: BorrowedFd<'_>, for_writing: bool) -> Option<File> {
    use std::fs::Metadata;
    use std::io::IsTerminal;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
    let known = |file: &File| file.metadata().ok();
    let given = known(&File::from(descriptor.try_clone_to_owned().ok()?))?;
    // The other end of a terminal, opened anew, would be the end of another one.
    let is_terminal = given.file_type().is_char_device()
        && descriptor.is_terminal()
        && given.rdev() != libc::makedev(5, 2);
    if !given.file_type().is_fifo() && !is_terminal {
        return None;
    }
    let file = File::options()
        .read(!for_writing)
        .write(for_writing)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
        .ok()?;
    let same = known(&file)?;
    let place = |found: &Metadata| (found.dev(), found.ino(), found.rdev());
    (place(&same) == place(&given)).then_some(file)
}

/// Nothing is opened anew where only its name could be, and that names another thing by then.
#[cfg(not(target_os = "linux"))]
pub const fn reopened(_descriptor: BorrowedFd<'_>, _for_writing: bool) -> Option<File> {
    None
}

/// Whether this is `/dev/null`, which takes everything at once.
pub fn is_null(descriptor: BorrowedFd<'_>) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let file = descriptor.try_clone_to_owned().map(File::from);
    let Ok(found) = file.and_then(|file| file.metadata()) else {
        return false;
    };
    let null = std::fs::metadata("/dev/null");
    found.file_type().is_char_device() && null.is_ok_and(|null| null.rdev() == found.rdev())
}

/// Reads once.
///
/// # Errors
/// As read(2).
pub fn read_once(descriptor: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: an open descriptor, and a buffer of this length.
    let count = unsafe { libc::read(descriptor.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Watches a descriptor with tokio; needs a running runtime.
///
/// # Errors
/// When the kernel cannot watch it.
pub fn watch(
    descriptor: OwnedFd,
    interest: tokio::io::Interest,
) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd owns its open descriptor and gives the same number all its life.
    unsafe { tokio::io::unix::AsyncFd::register_with_interest(descriptor, interest) }
        .map_err(Into::into)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::fd::{AsFd, FromRawFd};

    #[test]
    fn a_pipe_that_is_opened_anew_does_not_block_and_leaves_the_old_one_as_it_was() {
        use std::io::Write;
        let (reader, mut writer) = io::pipe().unwrap();
        let own = reopened(reader.as_fd(), false).unwrap();
        let mut buffer = [0; 8];
        let fault = read_once(own.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::WouldBlock);
        writer.write_all(b"one").unwrap();
        assert_eq!(read_once(own.as_fd(), &mut buffer).unwrap(), 3);

        let flags = |descriptor: BorrowedFd<'_>| {
            // SAFETY: fcntl on an open descriptor, with numbers.
            unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GETFL) }
        };
        assert_eq!(flags(reader.as_fd()) & libc::O_NONBLOCK, 0);
        assert_ne!(flags(own.as_fd()) & libc::O_NONBLOCK, 0);
        drop((writer, reader));
        assert_eq!(read_once(own.as_fd(), &mut buffer).unwrap(), 0, "its end");
    }

    #[test]
    fn what_cannot_be_waited_for_is_not_opened_anew() {
        let file = tempfile::tempfile().unwrap();
        assert!(reopened(file.as_fd(), true).is_none());
        let null = File::open("/dev/null").unwrap();
        assert!(reopened(null.as_fd(), false).is_none());
        assert!(is_null(null.as_fd()) && !is_null(file.as_fd()));
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(reopened(socket.as_fd(), true).is_none());
        // SAFETY: flags; the descriptor is ours.
        let master = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) };
        // SAFETY: it was just opened.
        let master = unsafe { OwnedFd::from_raw_fd(master) };
        assert!(
            reopened(master.as_fd(), false).is_none(),
            "another terminal"
        );
    }

    #[test]
    fn a_pipe_that_nobody_reads_any_more_says_so() {
        use std::io::Write;
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let fault = match reopened(writer.as_fd(), true) {
            Some(mut own) => own.write(b"x").unwrap_err().kind(),
            None => return,
        };
        assert_eq!(fault, io::ErrorKind::BrokenPipe);
    }
}
