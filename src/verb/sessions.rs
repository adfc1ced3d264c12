//! Verbs about sessions and kept logins.

use super::definition::{Anyone, Free, OverAll, OwnOrAll, Verb};
use crate::ids::{Named, SessionId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Tells users who they are here, by what, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whoami {}

/// What `whoami` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoamiView {
    /// The user's name.
    pub user: String,
    /// The client's address as the server sees it, without the port.
    pub source: String,
    /// What the session was proved by: `password`, or the fingerprint of an SSH key (`SHA256:…`).
    /// Of a session that began with a kept login, what proved that login.
    pub by: String,
    /// The user's roles as they are now, wherever and whenever they hold.
    pub roles: Vec<String>,
    /// The groups of the server's system that give the user some of these roles, besides those of their
    /// own entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// A clause for each of these roles that does not hold at this time: the role, its hours, and what
    /// the clocks there show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_hours: Vec<String>,
    /// The id of this session.
    pub session: String,
    /// The id of the kept login that the session began with, or is kept as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Seconds for which the kept login is still good; absent although `kept` is there: it has
    /// ended.
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

/// What `sessions` answers: the youngest 1000 sessions and kept logins at the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionList {
    /// The sessions and kept logins, oldest first. A session that is kept stands there twice, under
    /// the same id: as a session and as a kept login.
    pub sessions: Vec<SessionLine>,
}

/// One line of `sessions`: a session that goes on, or a kept login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionLine {
    /// The id of the session or the kept login.
    pub session: String,
    /// The name of the user whose session it is.
    pub user: String,
    /// `connected`; `link lost`, while the session waits for its client; or `kept`, of a kept
    /// login.
    pub state: String,
    /// What the session was proved by: `password`, or the fingerprint of an SSH key (`SHA256:…`).
    pub by: String,
    /// The address that the session comes from, of a kept login the one that it was made from;
    /// empty with `link lost`.
    pub source: String,
    /// Seconds since the session began; coming back is no new beginning.
    pub age_s: u64,
    /// With `kept`: seconds for which the login is still kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_s: Option<u64>,
    /// Whether it is the session that asks, or its kept login.
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

/// Ends a session or a kept login, or with `all` every one of one's own, the session that asks too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndSession {
    /// The id of a session or a kept login, or `all`.
    pub target: Ending,
}

/// Which sessions are to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The session or kept login of this id.
    One(Named<SessionId>),
    /// Every session and kept login of the user, the session that asks too.
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

/// What `end-session` answers, once the sessions have ended and the end of kept logins is on the
/// server's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsEnded {
    /// How many lines of `sessions` were ended. Sessions that a kept login had begun end with it,
    /// and are not counted.
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
