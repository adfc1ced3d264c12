//! How the faults of a configuration are told by the verbs that need a sound one.

use super::complain;
use crate::config::Fault;
use crate::exit::Status;
use std::path::Path;

/// Tells the faults of a configuration that cannot be used.
pub fn faulty(path: &Path, faults: &[Fault]) -> Status {
    for fault in faults {
        complain(&format!("ordaind: {fault}"));
    }
    complain(&format!(
        "ordaind: {}: {} found; nothing is served",
        path.display(),
        count(faults.len(), "fault")
    ));
    Status::FAULT
}

/// A number of things, in words.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
