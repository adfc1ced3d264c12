//! JSON in printable ASCII: whatever a client sends, a terminal that shows the trail sees plain
//! characters.

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use std::io::{self, Write};

struct Ascii(CompactFormatter);

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // serde_json has escaped C0, quote and backslash already; DEL and all beyond ASCII are left
        // to us.
        let mut plain = 0;
        for (at, c) in fragment.char_indices() {
            if c.is_ascii() && c != '\x7f' {
                continue;
            }
            self.0
                .write_string_fragment(out, fragment.get(plain..at).unwrap_or_default())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        self.0
            .write_string_fragment(out, fragment.get(plain..).unwrap_or_default())
    }
}

/// A value as one line of JSON in printable ASCII, its newline included.
///
/// # Errors
/// Only where a value cannot be JSON, which no record's can.
pub fn line<T: Serialize + ?Sized>(value: &T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(512);
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut bytes,
        Ascii(CompactFormatter),
    ))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
#[path = "ascii_tests.rs"]
mod tests;
