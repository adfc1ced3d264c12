//! Messages between monitor and frontend: any bytes are one message or none.

#![no_main]

#[path = "../bodies/ipc.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &[u8]| body::check(given));
