//! What the monitor and a recorder say to one another, each word one message of their socket.

use crate::encoding::{packed, unpacked};
use crate::limits::RECORDER_WORD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the monitor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToRecorder {
    /// First, and once; the file comes along.
    Task(Task),
    /// The pipes of the command come along: of each output the end that is read, then of each output the
    /// end that is written. Once.
    Pipes,
    /// The processes of the run are gone: what they have written is recorded, and then the recording is
    /// whole.
    Finish(Finish),
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The first line of the recording, with its end.
    pub header: String,
    /// Whether nothing is passed on that could not be recorded.
    pub required: bool,
    /// Bytes that the recording may have.
    pub most: u64,
}

/// How the command has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// The status, as the recording says it.
    pub status: String,
}

/// What a recorder says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromRecorder {
    /// The recording has begun, and the first line of it is in the file.
    Ready,
    /// The recording is on the disk up to here.
    Segment(Segment),
    /// The recording could not go on, and why; it is said once.
    Failed(String),
    /// The recording is whole and on the disk, or as whole as it gets.
    Closed(Closed),
}

/// A recording from its beginning up to the end of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Bytes of the file.
    pub bytes: u64,
    /// The SHA-256 of these bytes.
    pub sha256: [u8; 32],
}

/// A recording that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// All of it.
    pub file: Segment,
    /// Of each output, how many bytes were recorded.
    pub lengths: [u64; 2],
    /// Of each output, the SHA-256 of the bytes that were recorded.
    pub streams: [[u8; 32]; 2],
    /// Whether everything that the command has written is in it.
    pub whole: bool,
}

/// Why bytes are no word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordFault;

impl fmt::Display for WordFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the other process has said something that is no word")
    }
}

impl std::error::Error for WordFault {}

macro_rules! word {
    ($name:ident) => {
        impl $name {
            /// As bytes.
            ///
            /// # Errors
            /// That it is longer than a word may be.
            pub fn encode(&self) -> Result<Vec<u8>, WordFault> {
                encode(self)
            }

            /// From bytes, all of which it must be, in the one way in which it is written.
            ///
            /// # Errors
            /// That they are no such word.
            pub fn decode(bytes: &[u8]) -> Result<Self, WordFault> {
                decode(bytes)
            }
        }
    };
}

word!(ToRecorder);
word!(FromRecorder);

fn encode(word: &impl Serialize) -> Result<Vec<u8>, WordFault> {
    packed(word, RECORDER_WORD).ok_or(WordFault)
}

fn decode<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, WordFault> {
    unpacked(bytes, RECORDER_WORD).ok_or(WordFault)
}
