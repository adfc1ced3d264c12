//! A command with its arguments, as a request names it.

use super::arguments::{Arguments, Value};
use serde::{Deserialize, Serialize};

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invocation {
    /// The command's name.
    pub command: String,
    /// Its arguments by name.
    #[serde(default)]
    pub arguments: Arguments,
    /// Whether a person has seen the argv and agreed; needed where the command says `confirm`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// The terminal that the client has, for commands that want one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
    /// Why it is asked for, in the words of whoever asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
        }
    }

    /// Whether a secret is among its arguments.
    pub fn holds_secret(&self) -> bool {
        self.arguments
            .iter()
            .any(|(_, value)| matches!(value, Value::Secret(_)))
    }
}

/// A client's terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// The terminal's kind, as in TERM.
    pub kind: String,
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}
