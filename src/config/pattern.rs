//! Names with wildcards, for settings of many hosts: `web*`, `db?.example.com`.

use crate::limits;
use std::cmp::Reverse;

/// `*` stands for any characters, `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a name that has a wildcard; `None` for one that has none.
    pub fn read(text: &str) -> Option<Result<Self, String>> {
        if !text.contains(['*', '?']) {
            return None;
        }
        let fine = |c: char| c.is_ascii_alphanumeric() || "*?.-_:".contains(c);
        if text.len() > limits::NODE_NAME || !text.chars().all(fine) {
            return Some(Err(format!(
                "`{}` is no pattern of hosts: it has letters, digits, `.`, `-`, `_`, `:` and the wildcards `*` and `?`, at most {} bytes",
                text.escape_debug(),
                limits::NODE_NAME
            )));
        }
        Some(Ok(Self(text.to_ascii_lowercase())))
    }

    /// Sorts the more specific pattern before the other: the one with more characters that are no
    /// wildcard, then the one with fewer `*`.
    pub fn rank(&self) -> (Reverse<usize>, usize) {
        let plain = self.0.chars().filter(|c| !"*?".contains(*c)).count();
        (Reverse(plain), self.0.matches('*').count())
    }

    /// Whether a host is one of these.
    pub fn matches(&self, host: &str) -> bool {
        let (pattern, host) = (self.0.as_bytes(), host.as_bytes());
        let (mut at, mut here) = (0_usize, 0_usize);
        // Where the last `*` stands, and how far it reaches so far.
        let mut star: Option<(usize, usize)> = None;
        while let Some(byte) = host.get(here) {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, here));
                    at = at.saturating_add(1);
                }
                Some(wanted) if *wanted == b'?' || wanted == byte => {
                    at = at.saturating_add(1);
                    here = here.saturating_add(1);
                }
                _ => {
                    let Some((star_at, reached)) = star else {
                        return false;
                    };
                    here = reached.saturating_add(1);
                    at = star_at.saturating_add(1);
                    star = Some((star_at, here));
                }
            }
        }
        let rest = pattern.get(at..).unwrap_or_default();
        rest.iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::read(text).unwrap().unwrap()
    }

    #[test]
    fn wildcards_stand_for_any_and_for_one() {
        let cases = [
            ("web*", "web1 web web.example", "db we xweb"),
            (
                "*.example.com",
                "a.example.com b.c.example.com",
                "example.com a.example.org",
            ),
            ("db?", "db1 dbx", "db db12"),
            ("*a*b", "ab xaxb abab", "ba aba"),
            ("10.0.*", "10.0.0.1", "10.1.0.1"),
            ("Web*", "web1", "db"),
            ("*", "x", ""),
        ];
        for (text, yes, no) in cases {
            let pattern = pattern(text);
            for host in yes.split_whitespace() {
                assert!(pattern.matches(host), "{text} is {host}");
            }
            for host in no.split_whitespace() {
                assert!(!pattern.matches(host), "{text} is not {host}");
            }
        }
        assert!(Pattern::read("web1").is_none());
        assert!(Pattern::read("größe*").unwrap().is_err());
        assert!(Pattern::read("web/*").unwrap().is_err());
        assert!(Pattern::read(&"*".repeat(300)).unwrap().is_err());
    }

    #[test]
    fn the_more_specific_pattern_comes_first() {
        let mut patterns = ["*", "web*", "*.example.com", "web?", "web1*"].map(pattern);
        patterns.sort_by_key(Pattern::rank);
        let sorted = patterns.map(|pattern| pattern.0);
        assert_eq!(sorted, ["*.example.com", "web1*", "web?", "web*", "*"]);
    }

    proptest! {
        /// The same question to an engine of regular expressions.
        #[test]
        fn a_pattern_is_a_regular_expression(text in "[ab.]{0,3}[*?][ab.*?]{0,8}", host in "[ab.]{0,12}") {
            let expression = text.replace('.', "[.]").replace('*', ".*").replace('?', ".");
            let expression = regex::Regex::new(&format!("^{expression}$")).unwrap();
            prop_assert_eq!(pattern(&text).matches(&host), expression.is_match(&host));
        }
    }
}
