//! Files of this machine: where a copy goes, and by which rules.

use super::server::usage;
use crate::cli::is_into;
use crate::client::ClientError;
use crate::files::stream::Told;
use crate::files::{Below, Links, Mode, Rules, Sync};
use crate::mover::{At, Place, Scope, Visit, walk};
use crate::sys::{Folder, Found, FoundKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where a copy goes that comes from there: the folder, held open, and its name in it.
///
/// # Errors
/// That the folder is not there, or the name is taken by one that the copy cannot mean.
pub fn destination(
    to: &Path,
    own_name: &str,
    recursive: bool,
) -> Result<(Place, PathBuf), ClientError> {
    let whole = match is_into(to) {
        true => to.join(own_name),
        false => to.to_owned(),
    };
    let shown = to.display().to_string();
    if !is_into(to) && to.is_dir() {
        return Err(usage(format!(
            "`{shown}` is a folder: `{shown}/` would put the copy into it, as {}; a copy in its place wants another name",
            whole.join(own_name).display()
        )));
    }
    if recursive && whole.symlink_metadata().is_ok() {
        return Err(usage(format!(
            "{} is there already: `ordain sync` would make it like what is copied; a copy wants another name",
            whole.display()
        )));
    }
    let Some(name) = whole.file_name() else {
        return Err(usage(format!("`{shown}` is no name that a copy can have")));
    };
    let above = match whole.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    Below::root()
        .child(name.as_bytes())
        .map_err(|why| usage(format!("`{shown}`: {why}")))?;
    let folder = Folder::named(above, true)
        .map_err(|fault| usage(format!("{}: {fault}", above.display())))?;
    Ok((Place::In(folder, name.as_bytes().to_vec()), whole))
}

/// The folder for what comes from one of many hosts. It goes where it was made for nothing.
pub struct OfHost {
    path: PathBuf,
    is_new: bool,
}

/// Makes sure that there is a folder for a host in a folder.
///
/// # Errors
/// That the copies of many hosts cannot be there.
pub fn folder_of(to: &Path, host: &str) -> Result<OfHost, ClientError> {
    let path = to.join(format!("{host}/"));
    let told = |fault: std::io::Error| usage(format!("{}: {fault}", path.display()));
    let is_new = match std::fs::create_dir(&path) {
        Ok(()) => true,
        Err(fault) if fault.kind() == std::io::ErrorKind::AlreadyExists => false,
        Err(fault) => return Err(told(fault)),
    };
    let bare = to.join(host);
    if !bare.symlink_metadata().map_err(told)?.is_dir() {
        return Err(usage(format!("{} is no folder", bare.display())));
    }
    Ok(OfHost { path, is_new })
}

impl OfHost {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OfHost {
    fn drop(&mut self) {
        if self.is_new {
            // Not where anything has come.
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// What holds for what comes here.
pub fn scope(replace: bool) -> Result<Scope, ClientError> {
    let bits = 0o777 & !umask();
    let rules = Rules {
        only: Vec::new(),
        mode: Mode::of_file(bits),
        directories: Mode::of_file(bits | 0o700),
        max_file: u64::MAX,
        max_total: u64::MAX,
        max_files: u64::MAX,
        replace,
        sync: Sync::None,
        cross_mounts: true,
        links: Links::Inside,
        names: false,
    };
    Scope::new(Below::root(), rules).map_err(usage)
}

/// How many bytes the files in a folder have together; nothing where that cannot be told soon.
pub fn weigh(folder: &Folder) -> Option<u64> {
    let mut weight = Weight {
        bytes: 0,
        until: Instant::now() + Duration::from_secs(1),
    };
    let place = Place::Root(folder.again().ok()?);
    walk(&scope(true).ok()?, &place, &mut weight).ok()?;
    Some(weight.bytes)
}

/// Bytes that were counted, and how long that may take.
struct Weight {
    bytes: u64,
    until: Instant,
}

impl Visit for Weight {
    type Stop = ();

    fn folder(&mut self, _: &Below, _: &Found) -> Result<bool, ()> {
        Ok(true)
    }

    fn entry(&mut self, _: At<'_>, _: &Below, found: &Found) -> Result<(), ()> {
        if found.kind == FoundKind::File {
            self.bytes = self.bytes.saturating_add(found.size);
        }
        match Instant::now() < self.until {
            true => Ok(()),
            false => Err(()),
        }
    }

    fn fault(&mut self, _: Told) -> Result<(), ()> {
        Ok(())
    }
}

/// The bits that this program's files do not get.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|bits| u32::from_str_radix(bits.trim(), 8).ok())
        .unwrap_or(0o077)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_copy_cannot_mean_is_told_with_both_meanings() {
        let whole = tempfile::tempdir().unwrap();
        let folder = whole.path().join("d");
        std::fs::create_dir(&folder).unwrap();
        let said = destination(&folder, "f", false).unwrap_err().text;
        assert!(said.contains("d/` would put the copy into it"), "{said}");
        let into = PathBuf::from(format!("{}/", folder.display()));
        let (_, at) = destination(&into, "f", false).unwrap();
        assert_eq!(at, folder.join("f"));
        std::fs::create_dir(folder.join("f")).unwrap();
        assert!(destination(&into, "f", true).is_err());
        assert!(destination(&whole.path().join("none/f"), "f", false).is_err());
    }
}
