//! Arguments: the first byte picks a kind, the rest is the value. What is accepted holds no control
//! character, nothing but a number below zero could be taken for an option, and no path leaves its
//! root.

#![no_main]

#[path = "../bodies/arguments.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &[u8]| body::check(given));
