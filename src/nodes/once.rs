//! Each name once, and not too many of them.

use super::fault::Wrong;
use crate::limits;
use std::collections::HashSet;

/// Leaves each name where it stands first.
pub(super) fn once_each(names: &mut Vec<String>) {
    let mut seen = HashSet::with_capacity(names.len());
    let first: Vec<bool> = names.iter().map(|name| seen.insert(&**name)).collect();
    if first.iter().all(|first| *first) {
        return;
    }

    let mut first = first.into_iter();
    names.retain(|_| first.next().unwrap_or_default());
}

/// Whether a set may have so many names.
pub(super) fn check_count(names: &[String]) -> Result<(), Wrong> {
    if names.len() > limits::NODES {
        return Err(Wrong::TooMany(u64::try_from(names.len()).ok()));
    }
    Ok(())
}
