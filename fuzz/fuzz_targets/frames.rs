//! Frames: every sender in every phase. A verdict falls with the header, and a frame is exactly the
//! bytes it came from.

#![no_main]

#[path = "../bodies/frames.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &[u8]| body::check(given));
