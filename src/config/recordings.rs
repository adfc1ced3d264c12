//! `[recordings]`: where what was recorded of runs lies, and for how long.

use super::reader::Table;
use super::values::timeout;
use crate::limits::{RECORDINGS_AGE, RECORDINGS_SIZE};
use crate::monitor::RecordingRules;
use std::path::Path;

/// `[recordings]`; relative paths begin in `folder`.
pub(super) fn recordings(root: &Table<'_>, state: &Path, folder: &Path) -> RecordingRules {
    let usual = RecordingRules {
        folder: state.join("recordings"),
        age: Some(RECORDINGS_AGE),
        size: Some(RECORDINGS_SIZE),
    };
    let Some(table) = root.table("recordings") else {
        return usual;
    };
    let size = match table.item("keep_size") {
        None => usual.size,
        Some(item) if item.as_text() == Some("none") => None,
        Some(item) => item.size(),
    };
    if size.is_some_and(|size| size < 1 << 20)
        && let Some(item) = table.item("keep_size")
    {
        item.fault("is under 1 MiB, which is soon more than one recording has");
    }
    let rules = RecordingRules {
        folder: table.file("folder", folder).unwrap_or(usual.folder),
        age: match table.item("keep_age") {
            None => usual.age,
            Some(item) => timeout(&item).flatten(),
        },
        size,
    };
    table.finish();
    rules
}
