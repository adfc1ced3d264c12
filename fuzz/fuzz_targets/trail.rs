//! A trail as somebody may have left it: walked line by line, never believed.

#![no_main]

#[path = "../bodies/trail.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &[u8]| body::check(given));
