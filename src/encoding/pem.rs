//! PEM: the blocks of a text file, with whatever stands around them. Other programs put a byte-order
//! mark before a block, end lines as Windows does, and write names in any encoding between blocks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::str;
use zeroize::Zeroizing;

/// What some editors put at the beginning of a file, and `cat` between two of them.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What stands between `-----BEGIN LABEL-----` and `-----END LABEL-----`.
pub struct Block<'t> {
    /// What the block says it is.
    pub label: &'t str,
    /// Whether it is encrypted as OpenSSL did it before PKCS#8 (`Proc-Type: 4,ENCRYPTED`).
    pub encrypted: bool,
    /// The lines of its base64.
    lines: Vec<&'t [u8]>,
}

impl Block<'_> {
    /// The bytes that it holds; none where they are no base64.
    pub fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        // As long as it can get, so that no shorter copy of a key is left behind.
        let length = self.lines.iter().map(|line| line.len()).sum();
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        let digits = self.lines.iter().copied().flatten();
        text.extend(digits.filter(|byte| !byte.is_ascii_whitespace()));
        BASE64.decode(&*text).ok().map(Zeroizing::new)
    }
}

/// The blocks of a text.
///
/// # Errors
/// A block without its end.
pub fn blocks(text: &[u8]) -> Result<Vec<Block<'_>>, String> {
    let mut found = Vec::new();
    let mut lines = lines(text);
    while let Some(line) = lines.next() {
        let Some(label) = label(line, b"-----BEGIN ") else {
            continue;
        };
        let mut block = Block {
            label,
            encrypted: false,
            lines: Vec::new(),
        };
        loop {
            let Some(line) = lines.next() else {
                return Err(format!(
                    "is cut off: there is no -----END {}-----",
                    label.escape_debug()
                ));
            };
            if self::label(line, b"-----END ") == Some(label) {
                break;
            }
            // A header, which base64 cannot be.
            if line.contains(&b':') {
                block.encrypted |= line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
            } else {
                block.lines.push(line);
            }
        }
        found.push(block);
    }

    Ok(found)
}

/// The same text without byte-order marks at the beginning of lines.
pub fn without_marks(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut clean = Zeroizing::new(Vec::with_capacity(text.len()));
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        clean.extend(line.strip_prefix(MARK).unwrap_or(line));
    }
    clean
}

/// Whether a text is in UTF-16, as some programs of Windows write it.
pub fn is_utf16(text: &[u8]) -> bool {
    text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff")
}

/// Lines without their ends, trailing blanks and byte-order marks.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(|line| line.strip_prefix(MARK).unwrap_or(line).trim_ascii_end())
}

fn label<'t>(line: &'t [u8], begins: &[u8]) -> Option<&'t str> {
    let label = line.strip_prefix(begins)?.strip_suffix(b"-----")?;
    str::from_utf8(label).ok()
}

#[cfg(test)]
#[path = "pem_tests.rs"]
mod tests;
