//! `approval` of a command: who must agree before it runs.

use super::reader::Table;
use super::values::has;
use crate::limits::{APPROVAL_MOST, APPROVERS};
use crate::policy::{Approval, Command, Stdin};
use std::time::Duration;

/// How long a run waits where nothing is said.
const ASKED_FOR: Duration = Duration::from_secs(2 * 3600);

/// Reads the key, where the command has it.
pub(super) fn read(command: &Table<'_>, read: &Command) -> Option<Approval> {
    let table = command.table("approval")?;
    let why = match (read.pty, read.stdin) {
        (true, _) => Some("what is typed at a `pty`"),
        (false, Stdin::Accepted { .. }) => Some("what is sent as `stdin`"),
        (false, Stdin::None) => None,
    };
    if let Some(what) = why {
        let text = format!("goes with no {what}: whoever agrees could not see it");
        if let Some(item) = command.item("approval") {
            item.fault(text);
        }
    }
    let most = i64::try_from(APPROVERS).unwrap_or(i64::MAX);
    let needed = table.integer("needed", 1..=most).unwrap_or(1);
    let asked_for = table.item("asked_for").and_then(|item| {
        let time = item.duration()?;
        if time < Duration::from_secs(1) || time > APPROVAL_MOST {
            item.fault("is not between 1s and 14d");
            return None;
        }
        Some(time)
    });
    if !has(&table, "by") && !table.has_near("by") {
        table.fault("`by` is missing; accepted is the name of the role whose users may agree");
    }
    let by = table.text("by");
    table.finish();
    Some(Approval {
        by: by?,
        needed: usize::try_from(needed).unwrap_or(1),
        asked_for: asked_for.unwrap_or(ASKED_FOR),
    })
}
