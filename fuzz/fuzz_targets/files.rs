//! The records of a mover's stream, the words between it and the monitor, and paths.

#![no_main]

#[path = "../bodies/files.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &[u8]| body::check(given));
