//! What each host writes, in files of its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A folder with a file for each output of each host that has written anything.
pub struct Files {
    folder: PathBuf,
    open: RefCell<HashMap<(usize, bool), File>>,
}

impl Files {
    /// In this folder, which is made where it is not there.
    ///
    /// # Errors
    /// As mkdir(2).
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        crate::sys::make_folder(folder, 0o700)?;
        Ok(Self {
            folder: folder.to_owned(),
            open: RefCell::default(),
        })
    }

    /// Writes a host's bytes behind those before. What is there of an earlier run goes.
    ///
    /// # Errors
    /// As open(2) and write(2), with the file's name.
    pub fn write(
        &self,
        (host, name): (usize, &str),
        error: bool,
        bytes: &[u8],
    ) -> Result<(), String> {
        let end = if error { "stderr" } else { "stdout" };
        let path = self.folder.join(format!("{}.{end}", file_name(name)));
        let said = |fault: io::Error| format!("{}: {fault}", path.display());
        let mut open = self.open.borrow_mut();
        let file = match open.entry((host, error)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(fresh(&path).map_err(said)?)
            }
        };
        file.write_all(bytes).map_err(said)
    }

    /// A host writes nothing more.
    ///
    /// # Errors
    /// As fsync(2): some file systems say only now that the disk is full.
    pub fn close(&self, host: usize) -> Result<(), String> {
        let mut open = self.open.borrow_mut();
        for error in [false, true] {
            if let Some(file) = open.remove(&(host, error)) {
                file.sync_all().map_err(|fault| fault.to_string())?;
            }
        }
        Ok(())
    }
}

/// What the file of a host is called: a name has no slash, and is no `..`; what it says of addresses
/// is made plain.
pub fn file_name(host: &str) -> String {
    host.replace(':', "_")
}

fn fresh(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}
