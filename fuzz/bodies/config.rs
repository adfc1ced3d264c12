//! The configuration: any text is read or refused with faults.

/// Anything at all.
pub fn check(text: &str) {
    ordain::config::read_any(text);
}
