//! Verbs about sessions and kept logins.

use super::definition::{Anyone, Free, OverAll, OwnOrAll, Verb};
use crate::ids::{Named, SessionId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Tells users who they are here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whoami {}

/// What `whoami` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoamiView {
    /// The user.
    pub user: String,
    /// The address, as the server sees it.
    pub source: String,
    /// What the session was proved by: `password`, or an SSH key's fingerprint.
    pub by: String,
    /// The user's roles, as they are now.
    pub roles: Vec<String>,
    /// This session.
    pub session: String,
    /// The kept login that it began with, or is kept as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Seconds for which that is still kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_s: Option<u64>,
}

impl Verb for Whoami {
    const NAME: &'static str = "whoami";
    const SUMMARY: &'static str = "Show who one is there, by what, and until when";
    type Needs = Anyone;
    type Answer = WhoamiView;
}

impl Free for Whoami {
    const RULE: &'static str = "every user may know who they are";
}

/// Lists sessions and kept logins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sessions {}

/// What `sessions` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionList {
    /// Oldest first.
    pub sessions: Vec<SessionLine>,
}

/// One line of `sessions`: one that goes on, or a kept login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLine {
    /// Its id.
    pub session: String,
    /// The user whose it is.
    pub user: String,
    /// `connected`, `link lost`, or `kept`.
    pub state: String,
    /// What it was proved by.
    pub by: String,
    /// Where it came from, as far as that is known.
    pub source: String,
    /// Seconds since it began.
    pub age_s: u64,
    /// Seconds for which it is still kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_s: Option<u64>,
    /// Whether it is the one that asks, or its kept login.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub this: bool,
}

impl Verb for Sessions {
    const NAME: &'static str = "sessions";
    const SUMMARY: &'static str = "Show the sessions and kept logins, or end them";
    type Needs = OwnOrAll;
    type Answer = SessionList;
}

impl OverAll for Sessions {
    const RIGHT: &'static str = "sessions-of-others";
    const OWN: &'static str = "every user may list their own sessions";
}

/// Ends sessions and kept logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndSession {
    /// A session's or a kept login's id, or `all`.
    pub target: Ending,
}

/// Which sessions are to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The one of this id, session or kept login.
    One(Named<SessionId>),
    /// Every one of the user, this one too.
    All,
}

impl Serialize for Ending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::One(id) => id.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Ending {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "all" => Self::All,
            id => Self::One(Named(id.parse().ok())),
        })
    }
}

/// What `end-session` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsEnded {
    /// How many sessions and kept logins were ended.
    pub ended_sessions: u32,
}

impl Verb for EndSession {
    const NAME: &'static str = "end-session";
    const SUMMARY: &'static str = "End sessions and kept logins";
    type Needs = OwnOrAll;
    type Answer = SessionsEnded;
}

impl OverAll for EndSession {
    const RIGHT: &'static str = "end-sessions-of-others";
    const OWN: &'static str = "every user may end their own sessions";
}
