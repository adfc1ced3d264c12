//! A recording in words: the lines of asciicast v3, written and read, and what the monitor and a recorder
//! say to one another.

mod read;
mod word;
mod write;

pub use read::{CastFault, Reader};
pub use word::{Closed, Finish, FromRecorder, Segment, Task, ToRecorder, WordFault};
pub use write::{Cast, v2_header, v2_line};

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// One of the two outputs of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Standard output, or what a terminal shows.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Output {
    /// Both of them, in the order of their descriptors.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// The code of its events. `e` is ordain's own; players pass over codes that they do not know.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Stdout => "o",
            Self::Stderr => "e",
        }
    }
}

/// What happens in a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The command has written this.
    Wrote(Output, Vec<u8>),
    /// The command has ended with this status.
    Ended(String),
    /// Something else of asciicast v3, by its code.
    Other(String, String),
}

/// Something that happens in a recording, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Microseconds since the beginning.
    pub at: u64,
    /// What happens.
    pub what: What,
}

/// The first line of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format: 3.
    pub version: u32,
    /// The screen.
    pub term: Screen,
    /// When it began, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// The command with its arguments, as the trail shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The name of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What only ordain knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordain: Option<Origin>,
}

/// The size of a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screen {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// Whose run was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The id of the run.
    pub run: String,
    /// The user whose run it was.
    pub user: String,
    /// Whether the command had a terminal; else the size of the screen is assumed.
    pub terminal: bool,
}

/// Bytes as text: what is no text is replaced.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests;
