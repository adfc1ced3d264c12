//! One entry of the file system, held while it is judged.

#[cfg(target_os = "linux")]
pub use held::Entry;
#[cfg(not(target_os = "linux"))]
pub use named::Entry;

/// By descriptor: what was judged stays the same file, whatever becomes of its name.
#[cfg(target_os = "linux")]
mod held {
    use std::ffi::{CStr, CString, OsStr, OsString};
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    /// An entry that nobody can exchange any more.
    #[derive(Debug)]
    pub struct Entry(File);

    impl Entry {
        /// The root of the file system.
        ///
        /// # Errors
        /// As open(2).
        pub fn root() -> io::Result<(Self, Metadata)> {
            let file = open_at(libc::AT_FDCWD, c"/", libc::O_PATH | libc::O_DIRECTORY)?;
            let meta = file.metadata()?;
            Ok((Self(file), meta))
        }

        /// The entry of this name in this folder; a link itself, and not what it leads to.
        ///
        /// # Errors
        /// As openat(2).
        pub fn entry(&self, name: &OsStr) -> io::Result<(Self, Metadata)> {
            let name = CString::new(name.as_bytes())?;
            let held = libc::O_PATH | libc::O_NOFOLLOW;
            // Most are folders, and asked for as one the kernel mounts what is mounted on demand.
            let folder = open_at(self.0.as_raw_fd(), &name, held | libc::O_DIRECTORY);
            let file = match folder {
                Err(fault) if fault.raw_os_error() == Some(libc::ENOTDIR) => {
                    open_at(self.0.as_raw_fd(), &name, held)?
                }
                opened => opened?,
            };
            let meta = file.metadata()?;
            Ok((Self(file), meta))
        }

        /// Where this link leads, as it says.
        ///
        /// # Errors
        /// As readlinkat(2).
        pub fn target(&self) -> io::Result<OsString> {
            let mut text = vec![0u8; libc::PATH_MAX as usize];
            // SAFETY: an empty name with its NUL, and a buffer of the length that is said.
            let length = unsafe {
                libc::readlinkat(
                    self.0.as_raw_fd(),
                    c"".as_ptr(),
                    text.as_mut_ptr().cast(),
                    text.len(),
                )
            };
            let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
            if length == text.len() {
                return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
            }
            text.truncate(length);
            Ok(OsString::from_vec(text))
        }

        /// Opens the entry of this name in this folder to be read, without waiting for anybody.
        ///
        /// # Errors
        /// As openat(2).
        pub fn open(&self, name: &OsStr) -> io::Result<File> {
            let name = CString::new(name.as_bytes())?;
            let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
            open_at(self.0.as_raw_fd(), &name, flags)
        }

        /// The descriptor, which reads nothing and can be executed.
        pub fn into_descriptor(self) -> OwnedFd {
            self.0.into()
        }
    }

    fn open_at(folder: i32, name: &CStr, flags: i32) -> io::Result<File> {
        // SAFETY: a string with its NUL; the descriptor that comes back is nobody else's.
        unsafe {
            match libc::openat(folder, name.as_ptr(), flags | libc::O_CLOEXEC) {
                -1 => Err(io::Error::last_os_error()),
                opened => Ok(File::from_raw_fd(opened)),
            }
        }
    }
}

/// By name, where the kernel has no descriptors that only hold: the client alone runs there.
#[cfg(not(target_os = "linux"))]
mod named {
    use std::ffi::{OsStr, OsString};
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::PathBuf;

    /// An entry by the path without links that leads to it.
    #[derive(Debug)]
    pub struct Entry(PathBuf);

    impl Entry {
        /// The root of the file system.
        ///
        /// # Errors
        /// As lstat(2).
        pub fn root() -> io::Result<(Self, Metadata)> {
            let meta = std::fs::symlink_metadata("/")?;
            Ok((Self("/".into()), meta))
        }

        /// The entry of this name in this folder; a link itself, and not what it leads to.
        ///
        /// # Errors
        /// As lstat(2).
        pub fn entry(&self, name: &OsStr) -> io::Result<(Self, Metadata)> {
            let path = self.0.join(name);
            let meta = std::fs::symlink_metadata(&path)?;
            Ok((Self(path), meta))
        }

        /// Where this link leads, as it says.
        ///
        /// # Errors
        /// As readlink(2).
        pub fn target(&self) -> io::Result<OsString> {
            std::fs::read_link(&self.0).map(PathBuf::into_os_string)
        }

        /// Opens the entry of this name in this folder to be read, without waiting for anybody.
        ///
        /// # Errors
        /// As open(2).
        pub fn open(&self, name: &OsStr) -> io::Result<File> {
            OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
                .open(self.0.join(name))
        }
    }
}
