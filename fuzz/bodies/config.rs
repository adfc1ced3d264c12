//! The configuration: any text is read or refused with faults, and an edit of it is taken back
//! without a trace.

use ordain::config::{Said, Text, read_any};

/// Anything at all.
pub fn check(text: &str) {
    read_any(text);
    let Ok(read) = Text::read(text) else {
        return;
    };
    if let Ok(edited) = read.with("somebody.new", &Said::default()) {
        let back = Text::read(&edited).and_then(|read| read.without("somebody.new"));
        assert_eq!(back.as_deref(), Ok(text));
    }
}
