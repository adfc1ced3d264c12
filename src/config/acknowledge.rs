//! `acknowledge`: warnings that somebody knows of and lives with, each with the reason.

use super::reader::{Table, is_near};
use super::warning::{Subject, Warning};
use crate::limits;
use crate::policy::plain_text;

/// Reads the warnings that a table acknowledges of what it is about.
pub fn acknowledge(table: &Table<'_>, subject: &Subject) {
    let Some(said) = table.table("acknowledge") else {
        return;
    };

    for (name, item) in said.named() {
        let Some(warning) = Warning::named(&name) else {
            let known: Vec<&str> = Warning::acknowledgeable().map(Warning::word).collect();
            let meant = known.iter().find(|known| is_near(&name, known));
            let meant = meant.map(|known| format!("did you mean `{known}`? "));
            item.fault(format!(
                "is no warning that can be acknowledged; {}accepted are {}",
                meant.unwrap_or_default(),
                known.join(", ")
            ));
            continue;
        };
        let reason = |text: &str| match text.trim() {
            "" => Err("is empty; accepted is the reason why this is no risk here".into()),
            text => plain_text(text, limits::REASON),
        };
        if item.parsed(reason).is_some() {
            said.acknowledged(&item.place, warning, subject);
        }
    }
}
