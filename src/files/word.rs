//! What the monitor and a mover say to one another, each word one message of their socket.

use super::path::Below;
use super::task::Task;
use crate::encoding::{packed, unpacked};
use crate::limits::MOVER_WORD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the monitor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMover {
    /// First, and once.
    Task(Task),
    /// Of a put, after its sum and at most once: that it is to be placed.
    Commit(Commit),
}

/// Allows a put to be placed, if it is this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The digest of its manifest, as its client has signed it.
    pub digest: [u8; 32],
}

/// What the mover says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromMover {
    /// What was read, listed, removed or made ready to be placed: once, when all of it was.
    Sum(Sum),
    /// A path of it, for the trail, before the sum.
    Name(Below),
}

/// What a transfer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// The digest of its manifest.
    pub digest: [u8; 32],
    /// Its entries.
    pub files: u64,
    /// The bytes of its files.
    pub bytes: u64,
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

impl ToMover {
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

impl FromMover {
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

fn encode(word: &impl Serialize) -> Result<Vec<u8>, WordFault> {
    packed(word, MOVER_WORD).ok_or(WordFault)
}

fn decode<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, WordFault> {
    unpacked(bytes, MOVER_WORD).ok_or(WordFault)
}

#[cfg(test)]
#[path = "word_tests.rs"]
mod tests;
