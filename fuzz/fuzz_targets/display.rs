//! The terminal: where a stream is cut makes no difference, and only text, tab, line ends and
//! colours get through. The first byte picks the cut.

#![no_main]

#[path = "../bodies/display.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &[u8]| body::check(given));
