//! What can go wrong at the client: a stable code and a sentence a person can act on.

use crate::limits::{RESUME_WINDOW, SILENCE, STOP_MOST};
use crate::mux::ReadFault;
use crate::protocol::{Code, Failure};
use crate::sys;
use std::fmt;
use std::time::Duration;

/// A failure of ordain's own, as opposed to the command's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    /// The stable code's number; one that this client does not know is kept.
    pub code: u16,
    /// What went wrong, in a sentence for people.
    pub text: String,
    /// The argument that the failure is about.
    pub argument: Option<String>,
    /// The rule that decided, with its place.
    pub rule: Option<String>,
    /// How long the server's stop may still take, where it has said so.
    pub stop: Option<Duration>,
}

impl ClientError {
    /// A failure found on this side.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code: code.number(),
            text: text.into(),
            argument: None,
            rule: None,
            stop: None,
        }
    }

    /// Whether the failure has this code.
    pub const fn is(&self, code: Code) -> bool {
        self.code == code.number()
    }
}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        // What this side alone can find out is not believed of the other: a server could have itself
        // taken for lost, or its known key for changed.
        if is_own(failure.code) {
            let (code, text) = (failure.code, failure.text);
            let text =
                format!("the server sent the code {code}, which is the client's own: {text}");
            return Self::new(Code::Protocol, text);
        }
        Self {
            code: failure.code,
            text: failure.text,
            argument: failure.argument,
            rule: failure.rule,
            stop: failure
                .stop_ms
                .map(|left| Duration::from_millis(left).min(STOP_MOST)),
        }
    }
}

/// Whether this code is for what a client finds on its own side, and never travels.
const fn is_own(code: u16) -> bool {
    code >= Code::Connect.number() && code != Code::OutcomeUnknown.number()
}

impl fmt::Display for ClientError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (code {})", self.text, self.code)?;
        match &self.rule {
            Some(rule) => write!(out, " [{rule}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ClientError {}

/// After how much silence a server is taken for gone.
pub(super) fn silence() -> Duration {
    sys::fault_time("patience", SILENCE)
}

/// For how long a request whose answer was lost with its link is asked again.
pub(super) fn resume_window() -> Duration {
    sys::fault_time("patience", RESUME_WINDOW)
}

/// The end of a connection over which nothing comes any more.
pub(super) fn silent() -> ClientError {
    let text = format!("the server said nothing for {} s", silence().as_secs_f32());
    ClientError::new(Code::ConnectionLost, text)
}

/// The connection's end, as an error.
pub(super) fn lost(fault: &ReadFault) -> ClientError {
    match fault {
        ReadFault::Frame(_) => ClientError::new(Code::Protocol, fault.to_string()),
        ReadFault::Closed => {
            ClientError::new(Code::ConnectionLost, "the server closed the connection")
        }
        ReadFault::Cut(fault) if fault.kind() == std::io::ErrorKind::UnexpectedEof => {
            ClientError::new(
                Code::ConnectionLost,
                "the connection was cut without a goodbye",
            )
        }

        ReadFault::Cut(fault) => ClientError::new(
            Code::ConnectionLost,
            format!("the connection broke: {fault}"),
        ),
    }
}
