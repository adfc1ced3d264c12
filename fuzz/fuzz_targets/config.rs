//! The configuration: any text is read or refused with faults.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| ordain::config::read_any(text));
