//! Argument kinds: what a value must look like before it can become part of an argv.

use super::Network;
use super::choice::Choices;
use super::moment::Times;
use super::text::{Text, hostname, integer, relative, unprintable};
use crate::limits;
use crate::place::Place;
use crate::verb::Value;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

/// One declared argument of a command.
#[derive(Debug, Clone)]
pub struct Argument {
    /// The argument's name.
    pub name: String,
    /// What the argument's values look like.
    pub kind: Kind,
    /// Whether the argument must be given, and what stands in when it is not.
    pub presence: Presence,
    /// How many values the argument may have; `None` when it is not repeated.
    pub repeated: Option<usize>,
    /// Whether the value is masked wherever it is shown or kept.
    pub secret: bool,
    /// Whether a value may start with `-`.
    pub allow_dash: bool,
    /// What the argument is for.
    pub summary: String,
    /// Where the argument is declared.
    pub place: Place,
    /// The definition in `[arguments]` that the command uses for it.
    pub definition: Option<Definition>,
}

/// A definition in `[arguments]` that a command uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The definition's name.
    pub name: String,
    /// Where the definition stands.
    pub place: Place,
}

/// The kinds of arguments.
#[derive(Debug, Clone)]
pub enum Kind {
    /// One of these words, exactly.
    Choice(Choices),
    /// A whole number within bounds, both included.
    Integer {
        /// The least number.
        min: i64,
        /// The greatest number.
        max: i64,
    },
    /// Text that a pattern matches from its first to its last character.
    Text(Text),
    /// Given or not; when given it becomes this word.
    Flag(String),
    /// A file or folder beneath a root.
    Path {
        /// The root folder's absolute path.
        beneath: PathBuf,
        /// How the command gets the path.
        pass: Pass,
        /// What the path must lead to; `None` takes files and folders.
        only: Option<Only>,
    },
    /// A DNS name.
    Hostname,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A network in CIDR notation.
    Cidr,
    /// A point in time.
    Time(Times),
}

/// What a path must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// How a command gets a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The command gets the name; only where nobody but root (or the daemon itself) can write the
    /// tree.
    Name,
    /// The command gets `/dev/fd/N`: what was checked is what is opened.
    Descriptor,
}

/// Whether an argument must be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// The argument must be given.
    Required,
    /// The argument may be left out.
    Optional,
    /// The argument may be left out, and then this stands in.
    Default(String),
}

/// The accepted values of one argument; none when it was left out.
pub(super) type Accepted = Vec<String>;

impl Argument {
    /// Judges what the client sent, or did not send, at this time.
    ///
    /// # Errors
    /// A sentence that names bound and value, without the argument's name.
    pub(super) fn accept(
        &self,
        value: Option<&Value>,
        now: SystemTime,
    ) -> Result<Accepted, String> {
        let Some(value) = value else {
            return match &self.presence {
                Presence::Required => Err("is missing".into()),
                Presence::Optional => Ok(Vec::new()),
                Presence::Default(text) => self
                    .one(text, now)
                    .map(|value| vec![value])
                    .map_err(|why| format!("was left out, and its default {why}")),
            };
        };

        if let Value::Misfit(kind) = value {
            return Err(format!("is {kind}, not {}", self.kind.expected()));
        }
        if let Value::TooMany(count) = value {
            let most = self.repeated.unwrap_or(1);
            return Err(format!("has {count} values, {most} are allowed"));
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
            (_, Value::Many(values), Some(_)) if values.is_empty() => self.accept(None, now),
            (_, Value::Many(values), Some(_)) => {
                values.iter().map(|text| self.one(text, now)).collect()
            }
            (_, Value::Text(text), _) => Ok(vec![self.one(text, now)?]),
            (_, Value::Secret(secret), _) => Ok(vec![self.one(secret.expose(), now)?]),
            (Kind::Integer { .. }, Value::Integer(number), _) => {
                Ok(vec![self.one(&number.to_string(), now)?])
            }
            (kind, other, _) => Err(format!("is {}, not {}", other.kind(), kind.expected())),
        }
    }

    /// Judges one value at this time, be it a client's or a default's, and says what the command
    /// gets for it.
    ///
    /// # Errors
    /// A sentence that names bound and value, without the argument's name.
    pub fn one(&self, text: &str, now: SystemTime) -> Result<String, String> {
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
            Kind::Choice(choices) => match choices.value(text) {
                Some(value) => Ok(value.to_owned()),
                None => Err(format!("{shown} is not one of {}", choices.listed(", "))),
            },
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
            Kind::Time(times) => times.accept(text, &shown, now),
        }
    }
}

impl Kind {
    /// The kind's word in the configuration and in `describe`.
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
            Self::Time(_) => "time",
        }
    }

    const fn expected(&self) -> &'static str {
        match self {
            Self::Integer { .. } => "an integer",
            Self::Flag(_) => "a flag",
            _ => "a string",
        }
    }

    /// What the kind accepts, in words.
    pub fn bounds(&self) -> String {
        match self {
            Self::Choice(choices) => choices.listed(" | "),
            Self::Integer { min, max } => format!("{min} to {max}"),
            Self::Text(bounds) => format!("{} (at most {} bytes)", bounds.pattern, bounds.max),
            Self::Flag(word) => format!("becomes {word}"),
            Self::Path { beneath, only, .. } => {
                let what = only.map(|only| format!("a {} ", only.word()));
                format!("{}beneath {}", what.unwrap_or_default(), beneath.display())
            }
            Self::Hostname => "a DNS name".into(),
            Self::Ip => "an IPv4 or IPv6 address".into(),
            Self::Cidr => "a network such as 10.0.0.0/8".into(),
            Self::Time(times) => times.bounds(),
        }
    }
}

impl Only {
    /// What is wanted, as the configuration and people say it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
        }
    }
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
#[path = "argument_tests.rs"]
mod tests;
