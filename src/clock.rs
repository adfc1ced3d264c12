//! The wall clock: for what is told to people, and for what must hold across restarts. Whatever is
//! timed within a process uses a clock that nobody can set.

use std::time::SystemTime;

/// What time it is.
pub fn now() -> SystemTime {
    SystemTime::now() + set_forward()
}

/// Tests set the clock of one process forward and back: `ORDAIN_CLOCK` names a file with seconds to
/// add. Not in release builds.
#[cfg(debug_assertions)]
fn set_forward() -> std::time::Duration {
    let file = std::env::var_os("ORDAIN_CLOCK");
    let seconds = file
        .and_then(|file| std::fs::read_to_string(file).ok())
        .and_then(|text| text.trim().parse().ok());
    std::time::Duration::from_secs(seconds.unwrap_or(0))
}

#[cfg(not(debug_assertions))]
const fn set_forward() -> std::time::Duration {
    std::time::Duration::ZERO
}

/// Seconds since 1970, for what must hold across restarts.
pub fn seconds() -> u64 {
    now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
