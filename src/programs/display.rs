//! What a terminal may be shown: text, tab, newline, carriage return and colours. Anything else
//! that a remote command prints could move the cursor, rename the window or type into the shell,
//! and is escaped.

use crate::verb::ExplainView;

/// Escapes control characters in a stream that comes in pieces.
#[derive(Debug, Default)]
pub struct Sanitizer {
    held: Vec<u8>,
    /// Whether a colour is set that was not taken back.
    coloured: bool,
}

/// A colour sequence longer than this is none.
const LONGEST: usize = 64;

enum Step {
    /// How many bytes can be shown as they are.
    Plain(usize),
    /// How many bytes must be escaped.
    Escape(usize),
    /// More bytes are needed to tell.
    Wait,
}

impl Sanitizer {
    /// The next piece, made harmless. The beginning of a sequence is held back until the rest has
    /// come.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut out = Vec::with_capacity(held.len());
        let mut rest = held.as_slice();

        while !rest.is_empty() {
            let count = match step(rest) {
                Step::Plain(count) => {
                    let shown = rest.get(..count).unwrap_or_default();
                    if shown.first() == Some(&0x1b) {
                        self.coloured = !matches!(shown, b"\x1b[m" | b"\x1b[0m");
                    }
                    out.extend_from_slice(shown);
                    count
                }

                Step::Escape(count) => {
                    escape(&mut out, rest.get(..count).unwrap_or_default());
                    count
                }

                Step::Wait => break,
            };

            rest = rest.get(count..).unwrap_or_default();
        }

        self.held = rest.to_vec();
        out
    }

    /// What is left at the end: the beginning of a sequence that never came.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        escape(&mut out, &std::mem::take(&mut self.held));
        out
    }
}

impl Sanitizer {
    /// What is left at the end, and what takes back a colour that is still set: whoever ends in the
    /// colour of the background hides what is written next.
    pub fn leave(&mut self) -> Vec<u8> {
        let mut out = self.finish();
        if std::mem::take(&mut self.coloured) {
            out.extend_from_slice(b"\x1b[0m");
        }
        out
    }
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
    }
}

/// Judges the beginning of `bytes`, which is not empty.
fn step(bytes: &[u8]) -> Step {
    match bytes.first().copied().unwrap_or_default() {
        b'\t' | b'\n' | b'\r' | b' '..=b'~' => Step::Plain(1),
        0x1b => colour(bytes),
        0..0x80 => Step::Escape(1),
        lead => character(bytes, lead),
    }
}

/// `ESC [ digits and semicolons m` sets colours and nothing else.
fn colour(bytes: &[u8]) -> Step {
    match bytes.get(1) {
        None => return Step::Wait,
        Some(b'[') => {}
        Some(_) => return Step::Escape(1),
    }

    let parameters = bytes
        .iter()
        .skip(2)
        .take(LONGEST)
        .take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'))
        .count();
    match bytes.get(2 + parameters) {
        Some(b'm') => Step::Plain(3 + parameters),
        // At most a sequence of the longest length is held.
        None => Step::Wait,
        _ => Step::Escape(1),
    }
}

/// A whole UTF-8 character that is no control character (C1) and does not turn the direction of
/// text around.
fn character(bytes: &[u8], lead: u8) -> Step {
    let length = match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Step::Escape(1),
    };

    let Some(whole) = bytes.get(..length) else {
        let continues = bytes.iter().skip(1).all(|byte| (0x80..0xc0).contains(byte));
        return if continues {
            Step::Wait
        } else {
            Step::Escape(1)
        };
    };

    match std::str::from_utf8(whole)
        .ok()
        .and_then(|text| text.chars().next())
    {
        Some(c)
            if c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}') =>
        {
            Step::Escape(length)
        }
        Some(_) => Step::Plain(length),
        None => Step::Escape(1),
    }
}

/// Text from a server, for people: made harmless as [`Sanitizer`] does it, in one piece and on one
/// line.
pub fn plain(text: &str) -> String {
    let mut sanitizer = Sanitizer::default();
    let mut bytes = sanitizer.feed(text.as_bytes());
    bytes.extend(sanitizer.finish());
    String::from_utf8_lossy(&bytes)
        .replace('\x1b', "\\x1b")
        .replace(['\n', '\r'], " ")
}

/// An explanation, for people.
pub fn explanation(view: &ExplainView) -> Vec<String> {
    let mut lines = vec![format!(
        "{}, by {}",
        plain(&view.decision),
        plain(&view.decided_by)
    )];
    if let (Some(text), Some(code)) = (&view.text, view.code) {
        lines.push(format!("  {} (code {code})", plain(text)));
    }
    if !view.argv.is_empty() {
        lines.push(format!("  would run: {}", quoted(&view.argv)));
    }
    lines.push("considered:".into());
    lines.extend(
        view.considered
            .iter()
            .map(|rule| format!("  {}", plain(rule))),
    );

    lines
}

/// An argv as a shell would take it, for people to read.
pub fn quoted(argv: &[String]) -> String {
    let quote = |word: &String| {
        let word = plain(word);
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
        if !word.is_empty() && word.chars().all(safe) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };

    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> String {
        let mut sanitizer = Sanitizer::default();
        let mut out = sanitizer.feed(bytes);
        out.extend(sanitizer.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_passes_and_what_does_not() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain\ttext\r\n", "plain\ttext\r\n"),
            ("grün ✓ 🦀".as_bytes(), "grün ✓ 🦀"),
            (b"\x1b[31;1mred\x1b[0m", "\x1b[31;1mred\x1b[0m"),
            (b"\x1b[2J", "\\x1b[2J"),
            (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            (b"\x1b]52;c;aGk=\x1b\\", "\\x1b]52;c;aGk=\\x1b\\"),
            (b"\x1b[6n", "\\x1b[6n"),
            (b"a\x08b\x00\x7f", "a\\x08b\\x00\\x7f"),
            (b"\xc2\x9b2J", "\\xc2\\x9b2J"),
            (b"\x9b2J\xff", "\\x9b2J\\xff"),
            ("\u{202e}x".as_bytes(), "\\xe2\\x80\\xaex"),
            (b"\xe2\x82", "\\xe2\\x82"),
            (b"\x1b[31", "\\x1b\\x5b\\x33\\x31"),
        ];

        for (bytes, shown) in cases {
            assert_eq!(whole(bytes), *shown, "{bytes:?}");
        }
        assert_eq!(plain("a\nb\x1b[31m\x1b[2J"), "a b\\x1b[31m\\x1b[2J");
    }

    #[test]
    fn a_colour_that_is_still_set_is_taken_back_at_the_end() {
        for (bytes, left) in [
            (&b"plain"[..], &b""[..]),
            (b"\x1b[31mred\x1b[0m", b""),
            (b"\x1b[31mred\x1b[m", b""),
            (b"\x1b[8mhidden", b"\x1b[0m"),
            (b"\x1b[0m\x1b[30;40m", b"\x1b[0m"),
            (b"\x1b[8m\x1b[", b"\\x1b\\x5b\x1b[0m"),
        ] {
            let mut sanitizer = Sanitizer::default();
            sanitizer.feed(bytes);
            assert_eq!(sanitizer.leave(), left, "{bytes:?}");
        }
    }

    #[test]
    fn the_longest_colour_cut_before_its_end_is_still_one() {
        let longest = [b"\x1b[".as_slice(), &[b'1'; LONGEST], b"m"].concat();
        let mut sanitizer = Sanitizer::default();
        let (one, two) = longest.split_at(longest.len() - 1);
        let mut out = sanitizer.feed(one);
        out.extend(sanitizer.feed(two));
        assert_eq!(out, longest);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference_and_nothing_gets_through(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let mut sanitizer = Sanitizer::default();
            let (one, two) = bytes.split_at(cut.min(bytes.len()));
            let mut out = sanitizer.feed(one);
            out.extend(sanitizer.feed(two));
            out.extend(sanitizer.finish());
            let shown = String::from_utf8(out).unwrap();
            prop_assert_eq!(&shown, &whole(&bytes));
            let mut rest = shown.as_str();

            while let Some((_, sequence)) = rest.split_once(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
                let (parameters, after) = sequence.split_once('m').expect("only colours");
                let digits = parameters.strip_prefix('[').expect("only colours");
                prop_assert!(digits.bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':'));
                rest = after;
            }
        }
    }
}
