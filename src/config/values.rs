//! Readers of values that several parts of a configuration share.

use super::reader::{Item, Table};
use crate::policy::Network;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Reads `"none"` or a duration.
pub fn timeout(item: &Item<'_>) -> Option<Option<Duration>> {
    if item.as_text() == Some("none") {
        Some(None)
    } else {
        item.duration().map(Some)
    }
}

/// Reads a duration; `"none"` is no time at all.
pub fn window(item: &Item<'_>) -> Option<Duration> {
    timeout(item).map(Option::unwrap_or_default)
}

/// An absolute path without `.` and `..`.
pub fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if text.starts_with('/') && plain && !text.contains("/./") && !text.contains('\0') {
        return Ok(path.components().collect());
    }
    Err(format!(
        "found \"{}\"; accepted is an absolute path without `.` and `..`",
        text.escape_debug()
    ))
}

/// Whether the table has this key, whatever its value is.
pub fn has(table: &Table<'_>, name: &'static str) -> bool {
    table.item(name).is_some()
}

/// One of a few words, each with what it stands for.
pub fn one_of<T: Copy>(item: &Item<'_>, words: &[(&str, T)]) -> Option<T> {
    item.parsed(|text| {
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| {
                let accepted: Vec<String> = words
                    .iter()
                    .map(|(word, _)| format!("\"{word}\""))
                    .collect();
                format!(
                    "found \"{}\"; accepted are {}",
                    text.escape_debug(),
                    accepted.join(", ")
                )
            })
    })
}

/// The networks that somebody may come from; none where nothing is said.
pub fn sources(table: &Table<'_>) -> Vec<Network> {
    let Some(items) = table.texts("sources") else {
        return Vec::new();
    };
    let networks: Vec<Network> = items
        .iter()
        .filter_map(|item| item.parsed(|text| text.parse::<Network>()))
        .collect();
    // A list that came out empty would mean "anywhere".
    if networks.is_empty() {
        table.fault("`sources` names no usable network; leave it out to allow every address");
    }
    networks
}

/// A whole number out of a table that may be missing.
pub fn number(
    table: Option<&Table<'_>>,
    key: &'static str,
    range: RangeInclusive<i64>,
    usual: u32,
) -> u32 {
    table
        .and_then(|table| table.integer(key, range))
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(usual)
}

/// A duration out of a table that may be missing.
pub fn time(table: Option<&Table<'_>>, key: &'static str, usual_s: u64) -> Duration {
    table
        .and_then(|table| table.duration(key))
        .unwrap_or(Duration::from_secs(usual_s))
}

/// A size out of a table that may be missing.
pub fn size(table: Option<&Table<'_>>, key: &'static str, usual: u64) -> u64 {
    table
        .and_then(|table| table.item(key))
        .and_then(|item| item.size())
        .unwrap_or(usual)
}

/// The folder of a configuration's file, which its relative paths begin at.
pub fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
