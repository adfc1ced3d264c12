//! A record with its time, and at whose charge it is written.

use super::record::What;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A record with its time.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    /// When it happened: UTC, RFC 3339 with microseconds.
    time: String,
    /// What happened.
    #[serde(flatten)]
    what: What<'a>,
}

impl<'a> Record<'a> {
    /// A record of something that happens now.
    pub fn now(what: What<'a>) -> Self {
        let now = OffsetDateTime::from(crate::clock::now());
        let now = now
            .replace_nanosecond(now.nanosecond() / 1000 * 1000)
            .unwrap_or(now);
        Self {
            time: now.format(&Rfc3339).unwrap_or_default(),
            what,
        }
    }
}

impl Record<'_> {
    /// The user at whose charge it is written: who has asked for what it tells of.
    pub fn payer(&self) -> Option<&str> {
        match &self.what {
            What::Login {
                user,
                outcome: "accepted",
                ..
            }
            | What::Logout { user, .. }
            | What::KeptEnded { user, .. }
            | What::Password { user, .. }
            | What::Request { user, .. }
            | What::Name { user, .. }
            | What::Said { user, .. }
            | What::Recording { user, .. }
            | What::RecordingFailed { user, .. }
            | What::Approval { user, .. }
            | What::End { user, .. } => Some(user),
            _ => None,
        }
    }
}
