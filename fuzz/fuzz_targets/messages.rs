//! Control payloads: any bytes are read or refused, and what was read is written so that it is read
//! again.

#![no_main]

#[path = "../bodies/messages.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &[u8]| body::check(given));
