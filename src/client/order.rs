//! The order in which the frames of a stream may come: a server that keeps to it can be followed, and
//! of any other nothing more is believed.

use crate::protocol::Kind;

/// How far a stream has come, by what the server has sent on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Nothing has come yet.
    #[default]
    Opened,
    /// The run waits for its turn.
    Waiting,
    /// The run has started.
    Started,
    /// The run goes on, and reads no more input.
    Deaf,
    /// The request is followed, and some of what happens was told.
    Followed,
    /// Nothing follows.
    Over,
}

impl Order {
    /// How far the stream has come with a frame of this kind; `None` where none may come now.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Option<Self> {
        Some(match (self, kind) {
            (Self::Opened, Kind::Queued) => Self::Waiting,
            (Self::Opened | Self::Waiting, Kind::Started) => Self::Started,
            (Self::Started | Self::Deaf, Kind::Stdout | Kind::Stderr | Kind::Credit) => self,
            (Self::Started, Kind::StdinClosed) => Self::Deaf,
            (Self::Opened | Self::Followed, Kind::Event) => Self::Followed,
            (Self::Opened, Kind::Answer)
            | (Self::Started | Self::Deaf, Kind::Exit)
            | (_, Kind::Error) => Self::Over,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a stream may bring these, one after the other.
    fn fine(kinds: &[Kind]) -> bool {
        kinds
            .iter()
            .try_fold(Order::default(), |order, kind| order.with(*kind))
            .is_some()
    }

    #[test]
    fn runs_answers_and_events_come_in_their_order() {
        use Kind::{Answer, Credit, Error, Event, Exit, Queued, Started, StdinClosed, Stdout};
        for kinds in [
            &[Answer][..],
            &[Error],
            &[Queued, Error],
            &[Event, Event, Error],
            &[Started, Exit],
            &[
                Queued,
                Started,
                Stdout,
                Credit,
                StdinClosed,
                Credit,
                Stdout,
                Exit,
            ],
            &[Started, Stdout, Error],
        ] {
            assert!(fine(kinds), "{kinds:?}");
        }

        for kinds in [
            &[Stdout][..],
            &[Credit],
            &[Exit],
            &[StdinClosed],
            &[Queued, Queued],
            &[Queued, Answer],
            &[Queued, Stdout],
            &[Started, Started],
            &[Started, Queued],
            &[Started, Answer],
            &[Started, Event],
            &[Started, StdinClosed, StdinClosed],
            &[Event, Answer],
            &[Event, Started],
            &[Answer, Answer],
            &[Started, Exit, Stdout],
            &[Started, Exit, Exit],
        ] {
            assert!(!fine(kinds), "{kinds:?}");
        }
    }
}
