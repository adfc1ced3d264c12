//! Templates: a line is a word. A word with a hole in an argv of an interpreter is judged without a
//! panic.

#![no_main]

#[path = "../bodies/template.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &str| body::check(given));
