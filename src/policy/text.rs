//! What the text of an argument must look like: patterns, characters, and one spelling for a number,
//! a host's name and a path.

use crate::limits::{PATTERN_SIZE, PATTERN_WORK};
use regex::Regex;
use std::path::Path;

/// The bounds of a string argument.
#[derive(Debug, Clone)]
pub struct Text {
    /// The pattern as written.
    pub pattern: String,
    /// The pattern, anchored at both ends.
    pub regex: Regex,
    /// Bytes of the text at the most.
    pub max: usize,
}

impl Text {
    /// Compiles a pattern; it always means the whole value.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(pattern: &str, max: usize) -> Result<Self, String> {
        // What judging a value takes at the worst is as the pattern's size times the value's.
        let size = (PATTERN_WORK / max.max(1)).min(PATTERN_SIZE);
        let compile = |text: &str| {
            let compiled = regex::RegexBuilder::new(text).size_limit(size).build();
            compiled.map_err(|fault| match fault {
                regex::Error::CompiledTooBig(_) => too_dear(max),
                fault => last_line(&fault.to_string()),
            })
        };

        // By itself first: `a)|(b` must not become valid by being put between parentheses.
        compile(pattern)?;
        let regex = compile(&format!(r"\A(?:{pattern})\z"))?;
        Ok(Self {
            pattern: pattern.to_owned(),
            regex,
            max,
        })
    }
}

fn too_dear(max: usize) -> String {
    format!(
        "judging a value of {max} bytes could take too long; count with `+` instead of `{{1,…}}` and let `max` bound the value, give a smaller `max`, or write letters out instead of `\\w`"
    )
}

fn last_line(text: &str) -> String {
    text.lines()
        .last()
        .unwrap_or(text)
        .trim()
        .trim_start_matches("error: ")
        .to_owned()
}

/// Characters that have no business in an argument: C0, DEL, C1, line and paragraph separators, and
/// what turns the direction of text around.
pub fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Text for people that goes into the trail.
///
/// # Errors
/// What is wrong with it.
pub fn plain_text(text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        return Err(format!("has {} bytes, {most} are allowed", text.len()));
    }
    match text.chars().find(|c| unprintable(*c)) {
        Some(c) => Err(format!("holds the character U+{:04X}", c as u32)),
        None => Ok(()),
    }
}

/// Decimal digits without a plus, without leading zeros: one number, one spelling.
pub fn integer(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// RFC 1123: labels of letters, digits and inner hyphens, 63 bytes each, 253 in all.
pub fn hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };

    text.len() <= 253 && text.split('.').all(label)
}

/// The path relative to the root, when its text alone already stays beneath it. The child process,
/// as the account it runs as, resolves it for real.
pub fn relative(text: &str, beneath: &Path) -> Option<String> {
    let inner = match text.strip_prefix('/') {
        None => text,
        Some(_) => text
            .strip_prefix(beneath.to_str()?.trim_end_matches('/'))?
            .strip_prefix('/')?,
    };

    let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    (inner.len() < 4096 && inner.split('/').all(plain)).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pattern that was legal held the deciding thread for 109 ms with a value of 2.3 KB.
    #[test]
    fn a_pattern_that_could_hold_up_everybody_is_refused() {
        for (pattern, max) in [
            (r"\w{1,16}", 2300),
            ("[a-z]{1,4096}", 4096),
            (r"\w{1,64}", 64),
        ] {
            let fault = Text::new(pattern, max).unwrap_err();
            assert!(fault.contains("could take too long"), "{fault}");
        }
        for (pattern, max) in [
            (r"\w+", 1024),
            ("[A-Za-z0-9+/=]+", 8192),
            ("(?s).*", 8192),
            (r"[a-z0-9.-]{1,64}", 64),
            (r"\d{4}-\d{2}-\d{2}", 10),
        ] {
            assert!(Text::new(pattern, max).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_cannot_escape_its_anchors() {
        for pattern in ["a)|(?:b", "a)(", "(?x)a # ", "[", r"\"] {
            assert!(Text::new(pattern, 10).is_err(), "{pattern}");
        }
    }
}
