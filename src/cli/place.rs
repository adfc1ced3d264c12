//! Where to: one host, or many.

use super::destination::Destination;
use crate::nodes;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// One host, or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One host.
    One(Destination),
    /// The hosts of a set.
    Many(Set),
    /// The hosts whose names a file has, one a line; `-` is standard input.
    Listed(PathBuf),
}

/// `[user@]SET[:port]`: hosts that are named together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Who logs in at all of them.
    pub user: Option<String>,
    /// The set, as a node set is written.
    pub nodes: String,
    /// The port of all of them.
    pub port: Option<u16>,
    /// As it was typed.
    typed: String,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if nodes::is_single_name(text) {
            return text.parse().map(Self::One);
        }
        let typed = nodes::split(text).map_err(|fault| fault.to_string())?;
        Ok(Self::Many(Set {
            user: typed.user.map(str::to_owned),
            nodes: typed.set.to_owned(),
            port: typed.port,
            typed: text.to_owned(),
        }))
    }
}

impl fmt::Display for Set {
    /// As it was typed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.typed)
    }
}

impl fmt::Display for Place {
    /// As it was typed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(destination) => destination.fmt(out),
            Self::Many(set) => set.fmt(out),
            Self::Listed(file) => write!(out, "--hosts-from {}", file.display()),
        }
    }
}

impl Place {
    /// Whether standard input says which hosts are meant.
    pub fn is_stdin(&self) -> bool {
        matches!(self, Self::Listed(file) if file.as_os_str() == "-")
    }
}

impl Set {
    /// Hosts that were named before, as it was typed then.
    pub fn again(typed: &str) -> Self {
        Self {
            user: None,
            nodes: String::new(),
            port: None,
            typed: typed.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_host_and_anything_else_a_set() {
        for one in ["web1", "alice@web1:99", "[::1]:7424", "10.0.0.1"] {
            assert!(matches!(one.parse(), Ok(Place::One(_))), "{one}");
        }
        let set = |text: &str| match text.parse().unwrap() {
            Place::Many(set) => (set.user, set.nodes, set.port),
            other => panic!("{text} is {other}"),
        };
        let text = |text: &str| text.to_owned();
        assert_eq!(set("web[1-4]"), (None, text("web[1-4]"), None));
        assert_eq!(
            set("alice@@web:99"),
            (Some(text("alice")), text("@web"), Some(99))
        );
        assert_eq!(set("web[1-40],@db"), (None, text("web[1-40],@db"), None));
    }
}
