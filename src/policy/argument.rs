//! Argument kinds: what a value must look like before it can become part of an argv.

use super::Network;
use crate::limits;
use crate::request::{Place, Value};
use regex::Regex;
use std::net::IpAddr;
use std::path::PathBuf;

/// One declared argument of a command.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What its values look like.
    pub kind: Kind,
    /// Whether it must be given, and what stands in when it is not.
    pub presence: Presence,
    /// How many values it may have; `None` when it is not repeated.
    pub repeated: Option<usize>,
    /// Masked wherever it is shown or kept.
    pub secret: bool,
    /// Whether a value may start with `-`.
    pub allow_dash: bool,
    /// What it is for.
    pub summary: String,
    /// Where it is declared.
    pub place: Place,
}

/// The kinds of arguments.
#[derive(Debug, Clone)]
pub enum Kind {
    /// One of these words, exactly.
    Choice(Vec<String>),
    /// A whole number within bounds, both included.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Text that a pattern matches from its first to its last character.
    Text(Text),
    /// Given or not; when given it becomes this word.
    Flag(String),
    /// A file or folder beneath a root.
    Path {
        /// The root, absolute.
        beneath: PathBuf,
        /// How the command gets it.
        pass: Pass,
    },
    /// A DNS name.
    Hostname,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A network in CIDR notation.
    Cidr,
}

/// The bounds of a string argument.
#[derive(Debug, Clone)]
pub struct Text {
    /// The pattern as written.
    pub pattern: String,
    /// The pattern, anchored at both ends.
    pub regex: Regex,
    /// Bytes at the most.
    pub max: usize,
}

impl Text {
    /// Compiles a pattern; it always means the whole value.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(pattern: &str, max: usize) -> Result<Self, String> {
        let compile = |text: &str| regex::RegexBuilder::new(text).size_limit(1 << 20).build();

        // By itself first: `a)|(b` must not become valid by being put between parentheses.
        compile(pattern).map_err(|fault| last_line(&fault.to_string()))?;
        let regex = compile(&format!(r"\A(?:{pattern})\z"))
            .map_err(|fault| last_line(&fault.to_string()))?;
        Ok(Self {
            pattern: pattern.to_owned(),
            regex,
            max,
        })
    }
}

fn last_line(text: &str) -> String {
    text.lines()
        .last()
        .unwrap_or(text)
        .trim()
        .trim_start_matches("error: ")
        .to_owned()
}

/// How a command gets a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// By name; only where nobody but root (or the daemon itself) can write the tree.
    Name,
    /// As `/dev/fd/N`: what was checked is what is opened.
    Descriptor,
}

/// Whether an argument must be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
    /// It may be left out, and then this stands in.
    Default(String),
}

/// The accepted values of one argument; none when it was left out.
pub(super) type Accepted = Vec<String>;

impl Argument {
    /// Judges what the client sent, or did not send.
    ///
    /// # Errors
    /// A sentence that names bound and value, without the argument's name.
    pub(super) fn accept(&self, value: Option<&Value>) -> Result<Accepted, String> {
        let Some(value) = value else {
            return match &self.presence {
                Presence::Required => Err("is missing".into()),
                Presence::Optional => Ok(Vec::new()),
                Presence::Default(text) => Ok(vec![text.clone()]),
            };
        };

        if let Value::Misfit(kind) = value {
            return Err(format!("is {kind}, not {}", self.kind.expected()));
        }
        if self.secret != matches!(value, Value::Secret(_)) {
            return Err(if self.secret {
                "is secret and must be sent apart from the signed text".into()
            } else {
                "is not secret and must be sent in the signed text".into()
            });
        }

        match (&self.kind, value, self.repeated) {
            (Kind::Flag(word), Value::Flag(given), _) => Ok(if *given {
                vec![word.clone()]
            } else {
                Vec::new()
            }),
            (Kind::Flag(_), other, _) => Err(format!("is {}, not a flag", other.kind())),
            (_, Value::Many(values), Some(most)) if values.len() > most => {
                Err(format!("has {} values, {most} are allowed", values.len()))
            }
            (_, Value::Many(values), Some(_)) if values.is_empty() => self.accept(None),
            (_, Value::Many(values), Some(_)) => values.iter().map(|text| self.one(text)).collect(),
            (_, Value::Text(text), _) => Ok(vec![self.one(text)?]),
            (_, Value::Secret(secret), _) => Ok(vec![self.one(secret.expose())?]),
            (Kind::Integer { .. }, Value::Integer(number), _) => {
                Ok(vec![self.one(&number.to_string())?])
            }
            (kind, other, _) => Err(format!("is {}, not {}", other.kind(), kind.expected())),
        }
    }

    /// Judges one value. Also used for defaults when the configuration loads.
    ///
    /// # Errors
    /// A sentence that names bound and value, without the argument's name.
    pub fn one(&self, text: &str) -> Result<String, String> {
        let shown = if self.secret {
            "the value".to_owned()
        } else {
            format!("`{}`", shorten(text))
        };

        if text.len() > limits::ARGUMENT {
            return Err(format!(
                "has {} bytes, {} are allowed",
                text.len(),
                limits::ARGUMENT
            ));
        }

        if let Some(character) = text.chars().find(|c| unprintable(*c)) {
            return Err(format!(
                "contains the character U+{:04X}, which is never allowed",
                u32::from(character)
            ));
        }

        let negative = matches!(self.kind, Kind::Integer { min, .. } if min < 0);
        if text.starts_with('-') && !self.allow_dash && !negative {
            return Err(format!(
                "starts with `-`: {shown} could be taken for an option"
            ));
        }

        match &self.kind {
            Kind::Choice(choices) if choices.iter().any(|choice| choice == text) => {
                Ok(text.to_owned())
            }
            Kind::Choice(choices) => Err(format!("{shown} is not one of {}", choices.join(", "))),
            Kind::Integer { min, max } => integer(text)
                .filter(|number| (min..=max).contains(&number))
                .map(|number| number.to_string())
                .ok_or_else(|| format!("{shown} is not a whole number from {min} to {max}")),
            Kind::Text(bounds) if text.len() > bounds.max => Err(format!(
                "has {} bytes, {} are allowed",
                text.len(),
                bounds.max
            )),
            Kind::Text(bounds) if bounds.regex.is_match(text) => Ok(text.to_owned()),
            Kind::Text(bounds) => Err(format!("{shown} does not match {}", bounds.pattern)),
            Kind::Flag(word) => Ok(word.clone()),
            Kind::Path { beneath, .. } => relative(text, beneath)
                .ok_or_else(|| format!("{shown} is not a path beneath {}", beneath.display())),
            Kind::Hostname if hostname(text) => Ok(text.to_owned()),
            Kind::Hostname => Err(format!("{shown} is not a host name")),
            Kind::Ip => text
                .parse::<IpAddr>()
                .map(|ip| ip.to_string())
                .map_err(|_| format!("{shown} is not an IP address")),
            Kind::Cidr => text.parse::<Network>().map(|network| network.to_string()),
        }
    }
}

impl Kind {
    /// Its word in the configuration and in `describe`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Choice(_) => "choice",
            Self::Integer { .. } => "integer",
            Self::Text(_) => "string",
            Self::Flag(_) => "flag",
            Self::Path { .. } => "path",
            Self::Hostname => "hostname",
            Self::Ip => "ip",
            Self::Cidr => "cidr",
        }
    }

    const fn expected(&self) -> &'static str {
        match self {
            Self::Integer { .. } => "an integer",
            Self::Flag(_) => "a flag",
            _ => "a string",
        }
    }

    /// Its bounds in words.
    pub fn bounds(&self) -> String {
        match self {
            Self::Choice(choices) => choices.join(" | "),
            Self::Integer { min, max } => format!("{min} to {max}"),
            Self::Text(bounds) => format!("{} (at most {} bytes)", bounds.pattern, bounds.max),
            Self::Flag(word) => format!("becomes {word}"),
            Self::Path { beneath, .. } => format!("beneath {}", beneath.display()),
            Self::Hostname => "a DNS name".into(),
            Self::Ip => "an IPv4 or IPv6 address".into(),
            Self::Cidr => "a network such as 10.0.0.0/8".into(),
        }
    }
}

/// Characters that have no business in an argument: C0, DEL, C1, line and paragraph separators, and
/// what turns the direction of text around.
fn unprintable(c: char) -> bool {
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

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

/// Decimal digits without a plus, without leading zeros: one number, one spelling.
fn integer(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// RFC 1123: labels of letters, digits and inner hyphens, 63 bytes each, 253 in all.
fn hostname(text: &str) -> bool {
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
fn relative(text: &str, beneath: &std::path::Path) -> Option<String> {
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
#[path = "argument_tests.rs"]
mod tests;
