//! Signed texts: a login's and a request's, without secrets beside it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ordain::protocol::{read_login, read_request};
use std::collections::BTreeMap;

fuzz_target!(|text: &str| {
    let _ = read_request(text, &BTreeMap::new());
    let _ = read_login(text);
});
