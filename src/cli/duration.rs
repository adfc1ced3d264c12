//! A duration as people type it.

use std::time::Duration;

/// Reads one.
///
/// # Errors
/// What one looks like.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    crate::units::duration(text)
        .ok_or_else(|| "a duration looks like 500ms, 60s, 30m, 2h".to_owned())
}
