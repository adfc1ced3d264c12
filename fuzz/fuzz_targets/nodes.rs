//! Node sets: any text is read or refused with a fault.

#![no_main]

#[path = "../bodies/nodes.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &str| body::check(given));
