//! What can go wrong at the client: a stable code and a sentence a person can act on.

use crate::mux::ReadFault;
use crate::protocol::{Code, Failure};
use std::fmt;

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
}

impl ClientError {
    /// A failure found on this side.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code: code.number(),
            text: text.into(),
            argument: None,
            rule: None,
        }
    }

    /// Whether the failure has this code.
    pub const fn is(&self, code: Code) -> bool {
        self.code == code.number()
    }
}

impl From<Failure> for ClientError {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code,
            text: failure.text,
            argument: failure.argument,
            rule: failure.rule,
        }
    }
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
