//! The files of a configuration: read if nobody else can write them, with those that they include.

use super::fault::Faults;
use super::machine::Mode;
use super::reader::Table;
use super::warning::{Subject, Warning};
use crate::limits;
use crate::place::Place;
use crate::policy::Pattern;
use crate::sys::{self, Trust};
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

/// Reads a file; `None` leaves a fault.
pub fn source(path: &Path, mode: Mode, trust: &Trust, faults: &Faults) -> Option<Source> {
    let place = Place {
        file: path.to_string_lossy().into(),
        line: 0,
    };

    let name = path.to_string_lossy().into_owned();
    if mode == Mode::Offline {
        return match std::fs::read_to_string(path) {
            Ok(text) => Some(Source {
                name,
                text,
                shared: false,
            }),
            Err(fault) => {
                faults.add(&place, "", fault.to_string());
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
            faults.add(&place, "", fault.to_string());
            None
        }
    }
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
