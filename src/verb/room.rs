//! Verbs about the room of a server: who is there, what happens, and what is said.

use super::definition::{Follows, InRoom, OfRoom, OverAll, OwnOrAll, Verb};
use crate::ids::{Named, RunId};
use serde::{Deserialize, Serialize};

/// Says something to everybody in the room. The text is part of what is signed, and stands in the
/// trail for as long as that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Say {
    /// What is said: 1 to 2,048 bytes, at most 20 lines, without any other control character and
    /// without characters that turn the direction of text.
    pub text: String,
    /// The id of the run that the text is about: one's own, or one that `runs` shows. Only who may
    /// see the run is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Named<RunId>>,
}

/// What `say` answers, once it is in the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The number of the record `said`, which is the number of the event too.
    pub said: u64,
}

impl Verb for Say {
    const NAME: &'static str = "say";
    const SUMMARY: &'static str = "Say something to everybody in the room";
    type Needs = InRoom;
    type Answer = Said;
}

impl OfRoom for Say {
    fn text(&self) -> Option<&str> {
        Some(&self.text)
    }

    fn run(&self) -> Option<Named<RunId>> {
        self.run
    }
}

/// Tells what has happened in the room, and with `follow` what happens from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// The number of a record of the trail: what happened after it is told first, each thing once.
    /// A client that comes back gives the last number that it knows. Absent: from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Whether to stay, and be told of everything from now on. The answer comes in events then
    /// (PROTOCOL.md, 5.6), and the stream stays until the client resets it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
}

/// What `room` answers: at most 256 events. In an event: one of them, or none once everything up to
/// now has been told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomPage {
    /// What has happened, oldest first.
    pub events: Vec<RoomEvent>,
    /// The number of the record up to which this tells everything: the next `since`.
    pub upto: u64,
    /// The number of the last record that the trail has. Higher than `upto`, there is more to ask
    /// for.
    pub last: u64,
}

/// One thing that has happened: a record of the trail, as far as whoever is told may know of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomEvent {
    /// The number of the record in the trail.
    pub id: u64,
    /// When it happened: UTC, RFC 3339 with microseconds.
    pub at: String,
    /// `said`; `room` (somebody has come into the room), `login` and `logout`; `run` (a run was asked
    /// for), `approval` (it waits for others to agree) and `end`; `attach`, `signal` and `cancel` (somebody watches, signals or ends a run of
    /// another user), `approve` and `deny` (somebody decides on such a run); `started` and `stopping` of the daemon.
    pub kind: String,
    /// Whose doing it is; of `end` whose run it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// With `said`: the text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The id of the run that it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// Of a run: the command's name, or the verb and the root with a space between them where it
    /// moves files.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// With `end`: how the run ended, a `reason` of EXIT (PROTOCOL.md, 6.5), or `not-started`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ended: String,
    /// With `end` by `exit` and `signal`: the exit status or the signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
}

impl Verb for Room {
    const NAME: &'static str = "room";
    const SUMMARY: &'static str = "Follow what happens and what is said, and say something";
    type Needs = InRoom;
    type Answer = RoomPage;
}

impl OfRoom for Room {}

impl Follows for Room {
    fn follows(&self) -> bool {
        self.follow
    }
}

/// Tells who is logged in, who is in the room, and who watches which run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {}

/// What `who` answers: the first 1000 users at the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoList {
    /// The users, by name. Without the right over others: whoever asks, and who watches a run of
    /// theirs.
    pub users: Vec<WhoLine>,
}

/// One line of `who`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoLine {
    /// The user's name.
    pub user: String,
    /// How many of their sessions are connected; without the right over others, of another user those
    /// that watch.
    pub sessions: u32,
    /// Seconds since the first of these sessions began.
    pub age_s: u64,
    /// Whether they are in the room.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_room: bool,
    /// The ids of the runs whose output they follow, as far as whoever asks may know of these: their
    /// own, and with the right over the runs of others all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watching: Vec<String>,
}

impl Verb for Who {
    const NAME: &'static str = "who";
    const SUMMARY: &'static str = "Show who is there, and who watches which run";
    type Needs = OwnOrAll;
    type Answer = WhoList;
}

impl OverAll for Who {
    const RIGHT: &'static str = super::ROOM;
    const OWN: &'static str = "every user may know who watches their runs";
}
