//! The files of a configuration: read if nobody else can write them, with those that they include.

use super::fault::{Fault, Faults};
use super::machine::Mode;
use super::reader::{Document, Table};
use super::values::folder_of;
use super::warning::{Subject, Warning};
use crate::limits;
use crate::place::Place;
use crate::policy::Pattern;
use crate::sys::{self, FileFault, Kind, Trust};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file's text.
pub struct Source {
    /// The file's path, as it is said in faults.
    pub name: String,
    /// What the file says.
    pub text: String,
    /// Whether others can read it.
    pub shared: bool,
}

/// A file of a configuration as it is on the disk.
#[derive(Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
    /// Which file it was when it was read.
    pub meta: Metadata,
}

/// A file of a configuration as it is to become.
#[derive(Debug)]
pub struct Edited {
    /// Where it is, as [`File`] says it.
    pub path: PathBuf,
    /// What it is to say.
    pub text: String,
}

/// The files of the daemon's configuration: the main one, and those that it includes.
///
/// # Errors
/// Those that cannot be read.
pub fn files(path: &Path) -> Result<Vec<File>, Vec<Fault>> {
    let (faults, trust) = (Faults::default(), Trust::own());
    let read = |path: &Path| match sys::read_config(path, &trust, limits::CONFIG_FILE) {
        Ok((text, meta)) => Some(File {
            path: path.to_owned(),
            text,
            meta,
        }),
        Err(fault) => {
            unread(&faults, &fault, AGAIN);
            None
        }
    };

    let mut found: Vec<File> = read(path).into_iter().collect();
    if let Some(main) = found.first() {
        // What else is wrong with it is for those to say who judge it.
        let unsaid = Faults::default();
        let document = Document::parse(&path.to_string_lossy(), &main.text, &unsaid);
        let root = document.root(&unsaid);
        let others = included(&root, folder_of(path), Mode::Here, &trust);
        found.extend(others.iter().filter_map(|path| read(path)));
    }
    match faults.none() {
        true => Ok(found),
        false => Err(faults.into_parts().0),
    }
}

/// Reads a file; `None` leaves a fault.
pub fn source(path: &Path, mode: Mode, trust: &Trust, faults: &Faults) -> Option<Source> {
    let name = path.to_string_lossy().into_owned();
    if mode == Mode::Offline {
        return match sys::read_text(path, limits::CONFIG_FILE) {
            Ok(text) => Some(Source {
                name,
                text,
                shared: false,
            }),
            Err(fault) => {
                unread(faults, &fault, "");
                None
            }
        };
    }

    match sys::read_config(path, trust, limits::CONFIG_FILE) {
        Ok((text, meta)) => {
            let group_reads = meta.mode() & 0o040 != 0
                && meta.gid() != 0
                && !(trust.private_group)(meta.gid(), meta.uid());
            Some(Source {
                name,
                text,
                shared: meta.mode() & 0o004 != 0 || group_reads,
            })
        }

        Err(fault) => {
            unread(faults, &fault, AGAIN);
            None
        }
    }
}

/// Why a configuration must be a file.
const AGAIN: &str =
    "; a reload must be able to read it again (`ordaind check --offline` takes a pipe)";

/// Leaves a fault, which names its file by itself; `more` is said of a pipe.
fn unread(faults: &Faults, fault: &FileFault, more: &str) {
    let more = match fault {
        FileFault::NotAFile(_, Kind::Pipe) => more,
        _ => "",
    };
    let nowhere = Place {
        file: "".into(),
        line: 0,
    };
    faults.add(&nowhere, "", format!("{fault}{more}"));
}

/// The files of `include`, patterns with `*` in the last part sorted by name. The folder of a pattern
/// is judged too: a file that somebody has removed from it would not be missed.
pub fn included(root: &Table<'_>, folder: &Path, mode: Mode, trust: &Trust) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in root.texts("include").unwrap_or_default() {
        let Some(path) = item.file(folder) else {
            continue;
        };
        let (Some(parent), Some(name)) = (
            path.parent(),
            path.file_name().and_then(|name| name.to_str()),
        ) else {
            item.fault("is not a path");
            continue;
        };

        if parent.to_string_lossy().contains('*') {
            item.fault("`*` is accepted in the file's name only");
        } else if name.contains('*') {
            if let (Mode::Here, Err(fault)) = (mode, sys::closed_folder(parent, trust)) {
                item.fault(fault.to_string());
                continue;
            }
            let pattern = Pattern {
                text: name.to_owned(),
                place: item.place.clone(),
            };

            let mut found: Vec<PathBuf> = std::fs::read_dir(parent)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| {
                    entry
                        .file_name()
                        .to_str()
                        .is_some_and(|name| !name.starts_with('.') && pattern.matches(name))
                })
                .map(|entry| entry.path())
                .collect();
            if found.is_empty() {
                let about = Subject::table("include");
                item.warn((Warning::EmptyInclude, &about), "matches no file");
            }
            found.sort();
            files.extend(found);
        } else {
            files.push(path);
        }
    }

    files
}
