//! What a stream brings to whoever asked.

use crate::protocol::{Ended, Queued, Started};

/// Something a stream brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The run waits for its turn.
    Queued(Queued),
    /// The run has started.
    Started(Started),
    /// Bytes of the run's standard output.
    Stdout(Vec<u8>),
    /// Bytes of the run's standard error.
    Stderr(Vec<u8>),
    /// The command reads no more standard input.
    StdinClosed,
    /// The run has ended; nothing follows.
    Ended(Ended),
    /// The payload of an event, of a request that is followed.
    Happened(Vec<u8>),
    /// The payload of the answer to a request that runs nothing; nothing follows.
    Answer(Vec<u8>),
}

impl Event {
    /// The output, where it is any.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Stdout(bytes) | Self::Stderr(bytes) => bytes,
            _ => &[],
        }
    }
}
