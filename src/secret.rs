//! Text that must not be seen: wiped when dropped, never printed.

use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A password or a secret argument. `Debug` shows nothing of it, there is no `Display`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text; the caller's own copy, if any, is the caller's to wipe.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. The name is long so that every use can be found.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The bytes of the text.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Takes a secret's first line out of a file or a pipe, and wipes what was read.
    pub fn first_line(mut whole: String) -> Self {
        let line = whole.lines().next().unwrap_or_default().to_owned();
        whole.zeroize();
        Self::new(line)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
