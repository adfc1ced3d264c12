//! What a stream brings to whoever asked.

use crate::protocol::{Ended, Kind, Queued, Started};

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
    /// The kind of the frame that brought it, for errors: what it says may be long.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Queued(_) => Kind::Queued.word(),
            Self::Started(_) => Kind::Started.word(),
            Self::Stdout(_) => Kind::Stdout.word(),
            Self::Stderr(_) => Kind::Stderr.word(),
            Self::StdinClosed => Kind::StdinClosed.word(),
            Self::Ended(_) => Kind::Exit.word(),
            Self::Happened(_) => Kind::Event.word(),
            Self::Answer(_) => Kind::Answer.word(),
        }
    }

    /// The output, where it is any.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Stdout(bytes) | Self::Stderr(bytes) => bytes,
            _ => &[],
        }
    }
}
