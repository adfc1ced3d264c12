//! Messages between monitor and frontend: any bytes are one message or none.

use ordain::ipc::{ToFrontend, ToMonitor, read};

/// Anything at all.
pub fn check(bytes: &[u8]) {
    let _ = read::<ToMonitor>(bytes);
    let _ = read::<ToFrontend>(bytes);
}
