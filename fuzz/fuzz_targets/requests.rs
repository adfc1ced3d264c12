//! Signed texts: a login's and a request's, without secrets beside it.

#![no_main]

#[path = "../bodies/requests.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &str| body::check(given));
