//! Signed texts: a login's and a request's, without secrets beside it.

use ordain::protocol::{read_local, read_login, read_request};
use std::collections::BTreeMap;

/// Anything at all.
pub fn check(text: &str) {
    let _ = read_request(text, &BTreeMap::new());
    let _ = read_login(text);
    let _ = read_local(text);
}
