//! The configuration: any text is read or refused with faults.

#![no_main]

#[path = "../bodies/config.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &str| body::check(given));
