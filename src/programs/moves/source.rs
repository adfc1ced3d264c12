//! What is sent to a host, opened here.

use crate::client::ClientError;
use crate::protocol::Code;
use crate::sys::{Folder, Found};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What is sent.
pub enum Source {
    /// What comes from standard input, and its time.
    Standard(Box<dyn Read + Send>, i64),
    /// This file.
    File(File, Found),
    /// This folder, with all that is in it.
    Folder(Folder),
}

impl Source {
    /// What a path here means. A link that a person has named is followed.
    ///
    /// # Errors
    /// That it is not there, or not what was said.
    pub fn of(path: &Path, recursive: bool) -> Result<Self, ClientError> {
        let told = |why: &dyn std::fmt::Display| {
            ClientError::new(Code::Usage, format!("{}: {why}", path.display()))
        };
        let meta = std::fs::metadata(path).map_err(|fault| told(&fault))?;
        if meta.is_dir() {
            if !recursive {
                return Err(told(
                    &"it is a folder (-r copies it with all that is in it)",
                ));
            }
            let folder = Folder::named(path, true).map_err(|fault| told(&fault))?;
            return Ok(Self::Folder(folder));
        }
        if !meta.is_file() {
            return Err(told(
                &"it is neither a file nor a folder (`-` reads a pipe)",
            ));
        }
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(|fault| told(&fault))?;
        let meta = file.metadata().map_err(|fault| told(&fault))?;
        Ok(Self::File(file, Found::of(&meta)))
    }

    /// The same once more, to be read from its beginning.
    ///
    /// # Errors
    /// As open(2).
    pub fn again(&self) -> std::io::Result<Self> {
        Ok(match self {
            // Whoever has it to give gives it anew each time.
            Self::Standard(..) => return Err(std::io::ErrorKind::Unsupported.into()),
            Self::File(file, found) => {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                Self::File(File::open(path)?, *found)
            }
            Self::Folder(folder) => Self::Folder(folder.again()?),
        })
    }

    /// Whether it is a folder.
    pub const fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }
}
