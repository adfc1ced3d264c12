//! What became of one host of many: a closed list, from which every sum, line, status and choice of
//! hosts to try again is made.

use crate::exit::{Reason, Status};
use crate::protocol::Code;
use std::fmt;

/// How it ended at one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// What was asked for came to its end there.
    Ended(Reason),
    /// The server was reached, and did not do it: the code's number.
    Refused(u16),
    /// The server was not reached, or is not the right one: the code's number.
    Unreachable(u16),
    /// It may have happened, or be going on; nobody knows. Never a success, and never a failure.
    Unknown,
    /// It goes on there without us.
    GoesOn,
    /// Nothing was begun there.
    NotStarted,
}

/// Which hosts a limit on failures counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counts {
    /// Every host where it did not go well.
    #[default]
    All,
    /// Only those where the command itself ended badly.
    Exits,
}

impl End {
    /// What an error that came instead of an end makes of the host. `begun` says whether something
    /// may have begun there.
    pub fn of_code(code: u16, begun: bool) -> Self {
        let is = |known: Code| code == known.number();
        let unreached = [
            Code::Connect,
            Code::ConnectTimeout,
            Code::Untrusted,
            Code::UnknownServer,
        ];
        if is(Code::OutcomeUnknown) || (begun && is(Code::ConnectionLost)) {
            Self::Unknown
        } else if unreached.into_iter().any(is) || is(Code::ConnectionLost) {
            Self::Unreachable(code)
        } else {
            Self::Refused(code)
        }
    }

    /// Whether it went well; these exit statuses are what that means.
    pub fn is_well(self, good: &[u8]) -> bool {
        matches!(self, Self::Ended(Reason::Exit(status)) if good.contains(&status))
    }

    /// Whether a limit on failures counts it.
    pub fn is_failure(self, good: &[u8], counts: Counts) -> bool {
        match self {
            Self::NotStarted | Self::GoesOn => false,
            Self::Ended(_) => !self.is_well(good),
            Self::Refused(_) | Self::Unreachable(_) | Self::Unknown => counts == Counts::All,
        }
    }

    /// What a program exits with that did this one thing.
    pub const fn status(self) -> Status {
        match self {
            Self::Ended(reason) => reason.status(),
            _ => Status::OWN_FAILURE,
        }
    }

    /// The word for machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ended(_) => "ended",
            Self::Refused(_) => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Unknown => "unknown",
            Self::GoesOn => "goes-on",
            Self::NotStarted => "not-started",
        }
    }

    /// The code's number, where there is one.
    pub const fn code(self) -> Option<u16> {
        match self {
            Self::Refused(code) | Self::Unreachable(code) => Some(code),
            Self::Unknown => Some(Code::OutcomeUnknown.number()),
            Self::Ended(_) | Self::GoesOn | Self::NotStarted => None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(reason) => match reason.number() {
                Some(number) => write!(out, "{} {number}", reason.word()),
                None => out.write_str(reason.word()),
            },
            Self::GoesOn => out.write_str("going on"),
            Self::NotStarted => out.write_str("not started"),
            Self::Refused(code) | Self::Unreachable(code) => {
                write!(out, "{} ({code})", self.word())
            }
            Self::Unknown => write!(out, "unknown ({})", Code::OutcomeUnknown.number()),
        }
    }
}
