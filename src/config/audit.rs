//! `[audit]`, but for its file: how the trail is brought to the disk, rotated, kept and sent on.

use super::reader::{Item, Table};
use super::values::{timeout, window};
use crate::audit::KeepRules;
use crate::limits;
use crate::monitor::{AuditRules, Durability};
use std::path::PathBuf;
use std::time::Duration;

/// `[audit]`, but for its file.
pub fn audit_rules(table: Option<&Table<'_>>) -> AuditRules {
    let item = |key: &'static str| table.and_then(|table| table.item(key));
    let rotate_size = bounded(item("rotate_size"), Some(64 << 20));
    let rotate_age = item("rotate_age").and_then(|item| timeout(&item)).flatten();
    AuditRules {
        sync: match item("sync") {
            None => Durability::Every(Duration::from_millis(100)),
            Some(item) if item.as_text() == Some("always") => Durability::Always,
            Some(item) => Durability::Every(item.duration().unwrap_or(Duration::from_millis(100))),
        },
        keep: keep(&item, rotate_size, rotate_age.is_some()),
        compress: item("compress")
            .and_then(|item| item.flag())
            .unwrap_or(true),
        archive: item("archive").and_then(|item| item.text()),
        rotate_size,
        rotate_age,
        reserve: bounded(item("reserve"), Some(16 << 20)),
        journal: journal(item("journal").as_ref()),
    }
}

/// A size, or `"none"`.
fn bounded(item: Option<Item<'_>>, usual: Option<u64>) -> Option<u64> {
    match item {
        None => usual,
        Some(item) if item.as_text() == Some("none") => None,
        Some(item) => item.size(),
    }
}

/// What is kept of a trail, whose files are begun anew at this size, or at an age.
fn keep<'t>(
    item: &dyn Fn(&'static str) -> Option<Item<'t>>,
    rotate_size: Option<u64>,
    rotates_by_age: bool,
) -> KeepRules {
    let size = item("keep_size");
    let least = item("keep_least").and_then(|item| window(&item));
    let rules = KeepRules {
        age: item("keep_age").and_then(|item| timeout(&item)).flatten(),
        size: bounded(item("keep_size"), None),
        least: least.unwrap_or(limits::KEEP_LEAST),
    };
    if let (Some(item), Some(kept)) = (&size, rules.size) {
        match rotate_size {
            Some(rotate) if kept < rotate => item.fault(format!(
                "is less than audit.rotate_size ({rotate} bytes): the file that is written to is never removed"
            )),
            None if !rotates_by_age => item.fault(
                "goes with audit.rotate_size or audit.rotate_age: the file that is written to is never removed",
            ),
            _ => {}
        }
    }
    rules
}

/// Which journald gets the records: the usual one under systemd, unless something else is said.
fn journal(item: Option<&Item<'_>>) -> Option<PathBuf> {
    let usual = || PathBuf::from("/run/systemd/journal/socket");
    match item {
        None => std::env::var_os("INVOCATION_ID")
            .map(|_| usual())
            .filter(|socket| socket.exists()),
        Some(item) => match item.as_text().map(str::to_owned) {
            Some(path) if path.starts_with('/') => Some(path.into()),
            Some(_) => {
                item.fault("accepted is true, false, or the absolute path of a journald's socket");
                None
            }

            None => item.flag().and_then(|wanted| wanted.then(usual)),
        },
    }
}
