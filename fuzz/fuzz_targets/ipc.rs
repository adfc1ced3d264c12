//! Messages between monitor and frontend: any bytes are one message or none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ordain::ipc::{ToFrontend, ToMonitor, read};

fuzz_target!(|bytes: &[u8]| {
    let _ = read::<ToMonitor>(bytes);
    let _ = read::<ToFrontend>(bytes);
});
