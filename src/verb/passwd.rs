//! The verb by which users change their own password.

use super::arguments::{Arguments, Value};
use super::definition::{Anyone, Free, Verb};
use crate::secret::Secret;
use serde::{Deserialize, Serialize};

/// Changes the user's own password, where the server lets its users do that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passwd {
    /// `old`, the password as it is, and `new`, the one that takes its place: secrets both, so that the
    /// signed text holds a commitment to each (PROTOCOL.md, 5.3).
    pub passwords: Arguments,
}

/// What `passwd` answers, once the new password is on the server's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordChanged {
    /// How many sessions and kept logins of the user were ended: all but the session that asks.
    pub ended_sessions: u32,
}

impl Passwd {
    /// From this password to that one.
    pub fn from_to(old: Secret, new: Secret) -> Self {
        let named = [("old", old), ("new", new)];
        let passwords = named.map(|(name, secret)| (name.to_owned(), Value::Secret(secret)));
        Self {
            passwords: passwords.into_iter().collect(),
        }
    }

    /// The old password and the new one; `None` where these two secrets are not all that came.
    pub fn secrets(&self) -> Option<(&Secret, &Secret)> {
        let secret = |wanted: &str| {
            let mut named = self.passwords.iter();
            named.find_map(|(name, value)| match value {
                Value::Secret(secret) if name == wanted => Some(secret),
                _ => None,
            })
        };
        (self.passwords.len() == 2)
            .then(|| secret("old").zip(secret("new")))
            .flatten()
    }
}

impl Verb for Passwd {
    const NAME: &'static str = "passwd";
    const SUMMARY: &'static str = "Change one's own password there";
    type Needs = Anyone;
    type Answer = PasswordChanged;

    fn arguments(&mut self) -> Option<&mut Arguments> {
        Some(&mut self.passwords)
    }
}

impl Free for Passwd {
    const RULE: &'static str =
        "every user may change their own password where login.self_service is true";
}
