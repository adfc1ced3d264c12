//! What has come gets its names: sure on the disk first, then one after the other in their order.

use super::ready::{Ready, Waiting};
use super::receive::Receiving;
use super::records::Stop;
use super::scope::{Scope, failed, told};
use super::staged::{remove, remove_left};
use crate::files::stream::{Fault, Told};
use crate::files::{Below, Sync};
use crate::limits::FILES_SYNCED;
use crate::sys::{Folder, FoundKind, Rename};
use std::io;

/// Gives everything that has come its name.
///
/// # Errors
/// That nothing was placed.
pub fn place(
    scope: &Scope,
    receiving: Receiving<'_>,
    mut tell: impl FnMut(Told),
) -> Result<u64, Stop> {
    let ready = receiving.ready();
    make_sure(scope, &ready)?;
    let mut faults = ready.fault_count;
    let mut touched: Option<(Below, Folder)> = None;
    for waiting in &ready.waiting {
        let above = waiting.path.folder().unwrap_or_default();
        let is_same =
            touched.as_ref().is_some_and(|(path, _)| *path == above) && !waiting.path.is_root();
        if !is_same {
            leave(scope, touched.take())?;
        }
        let Some((folder, name)) = ready.find(&waiting.path) else {
            faults += 1;
            tell(told(&waiting.path, Fault::Absent));
            continue;
        };
        match one(&ready, &folder, &name, waiting) {
            Ok(()) if waiting.was_left => remove_left(&folder, &name),
            Ok(()) => {}
            Err(fault) => {
                faults += 1;
                tell(failed(&waiting.path, &fault));
            }
        }
        touched = Some((above, folder));
    }
    leave(scope, touched)?;
    // Until here nobody has taken any of it for left behind.
    drop(ready.held);
    Ok(faults)
}

/// Waits until what has come is on the disk.
fn make_sure(scope: &Scope, ready: &Ready) -> io::Result<()> {
    if scope.rules.sync != Sync::Batch {
        return Ok(());
    }
    let few =
        ready.written <= FILES_SYNCED as u64 && ready.waiting.iter().all(|waiting| waiting.is_file);
    if few {
        return ready.unsure.iter().try_for_each(std::fs::File::sync_all);
    }
    match &ready.outer {
        Some(folder) => folder.sync_all(),
        None => Ok(()),
    }
}

/// Waits until the names in a folder are on the disk.
fn leave(scope: &Scope, touched: Option<(Below, Folder)>) -> io::Result<()> {
    match touched {
        Some((_, folder)) if scope.rules.sync != Sync::None => folder.sync(),
        _ => Ok(()),
    }
}

/// Gives one thing its name.
fn one(ready: &Ready, folder: &Folder, name: &[u8], waiting: &Waiting) -> io::Result<()> {
    let staged = ready.staged.name(name);
    if !waiting.replaces {
        return folder.rename(&staged, folder, name, Rename::Fresh);
    }
    if waiting.is_file {
        // What is there now must still be something that may be replaced.
        return match folder.look(name) {
            Ok(found) if matches!(found.kind, FoundKind::File | FoundKind::Link) => {
                folder.rename(&staged, folder, name, Rename::Over)
            }
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                folder.rename(&staged, folder, name, Rename::Fresh)
            }
            Err(fault) => Err(fault),
        };
    }
    folder.rename(&staged, folder, name, Rename::Exchange)?;
    remove(folder, &staged);
    Ok(())
}
