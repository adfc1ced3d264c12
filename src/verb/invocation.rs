//! A command with its arguments, as a request names it.

use super::arguments::{Arguments, Value};
use serde::{Deserialize, Serialize};

/// A command with its arguments, and what a run of it is given beside them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invocation {
    /// The command's name.
    pub command: String,
    /// The command's arguments by name (PROTOCOL.md, 5.2).
    #[serde(default)]
    pub arguments: Arguments,
    /// Whether a person has seen the argv and agreed. Without it, a command that wants confirmation
    /// is refused (403).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// The client's terminal (PROTOCOL.md, 6.9), for commands that get one; others pass it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
    /// Why it is asked for, in the words of whoever asks, 256 bytes at the most; it is kept in the
    /// trail. A command that wants a reason refuses one that does not fit (406).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it begins by itself where it has to wait, also while its client is away. A command
    /// that ends with its client refuses that (401).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
}

impl Invocation {
    /// A command without arguments.
    pub fn of(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            arguments: Arguments::default(),
            confirmed: false,
            terminal: None,
            reason: None,
            unattended: false,
        }
    }

    /// Whether a secret is among its arguments.
    pub fn holds_secret(&self) -> bool {
        self.arguments
            .iter()
            .any(|(_, value)| matches!(value, Value::Secret(_)))
    }
}

/// The client's terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// The terminal's kind, as in TERM. A kind that the server's machine does not know (its terminfo
    /// has no such name) becomes `xterm-256color`; STARTED says which it is.
    pub kind: String,
    /// How many characters a line of the terminal has.
    pub columns: u16,
    /// How many lines the terminal has.
    pub rows: u16,
}
