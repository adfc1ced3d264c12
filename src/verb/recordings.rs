//! Verbs about what was recorded of runs.

use super::definition::{LocalAdmin, OfRun, OverAll, OwnOrAll, OwnRun, Verb};
use crate::ids::{Named, RunId};
use serde::{Deserialize, Serialize};

/// The right over what was recorded of the runs of others.
const OTHERS: &str = "recordings-of-others";

/// Lists what was recorded of runs, the youngest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recordings {
    /// Only runs of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only runs of this command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Only runs that began no later than this, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// What `recordings` answers: 1000 recordings at the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingList {
    /// The recordings, the youngest first.
    pub recordings: Vec<RecordingLine>,
    /// Whether there are older ones, which another `until` finds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// One line of `recordings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingLine {
    /// The id of the run.
    pub run: String,
    /// The user whose run it was.
    pub user: String,
    /// The command's name.
    pub command: String,
    /// The arguments, as in `runs`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments: String,
    /// When the run began, in seconds since 1970.
    pub since: u64,
    /// Seconds from its beginning to its end; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// How the run ended, a `reason` of EXIT (PROTOCOL.md, 6.5), or `interrupted` where the daemon was
    /// killed first; absent while it goes on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ended: String,
    /// With `exit` and `signal`: the exit status or the signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
    /// Bytes of the recording, as it is kept.
    pub bytes: u64,
    /// Whether everything that the command has written is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// The SHA-256 of the recording, in hexadecimal digits; absent while it goes on, and where the daemon
    /// was killed first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Why it is kept for as long as nobody releases it, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

impl Verb for Recordings {
    const NAME: &'static str = "recordings";
    const SUMMARY: &'static str = "Show what was recorded of runs";
    type Needs = OwnOrAll;
    type Answer = RecordingList;
}

impl OverAll for Recordings {
    const RIGHT: &'static str = OTHERS;
    const OWN: &'static str = "every user may list what was recorded of their own runs";
}

/// Tells a part of what was recorded of a run. Each request is in the trail before its first byte is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// The id of the run.
    pub run: Named<RunId>,
    /// The first byte that is wanted; absent: the first that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// What `recording` answers: at most 524288 bytes of the recording, which is asciicast v3 compressed with
/// zstd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingPart {
    /// The bytes from `offset` on, base64; none at the end.
    pub part: String,
    /// Bytes that the recording has now.
    pub bytes: u64,
    /// Whether the run goes on, and more may come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub grows: bool,
    /// The SHA-256 of the recording, in hexadecimal digits, as the trail has it; absent while the run goes
    /// on, and where the daemon was killed first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
}

impl Verb for Recording {
    const NAME: &'static str = "recording";
    const SUMMARY: &'static str = "Fetch what was recorded of a run";
    type Needs = OwnRun;
    type Answer = RecordingPart;
}

impl OfRun for Recording {
    const RIGHT: &'static str = OTHERS;

    fn run(&self) -> Named<RunId> {
        self.run
    }
}

/// Keeps a recording for as long as nobody releases it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldRecording {
    /// The id of the run.
    pub run: Named<RunId>,
    /// Why.
    pub reason: String,
}

/// What `hold-recording` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingHeld {
    /// The id of the run whose recording is held.
    pub held: String,
}

impl Verb for HoldRecording {
    const NAME: &'static str = "hold-recording";
    const SUMMARY: &'static str = "Keep a recording for as long as nobody releases it";
    type Needs = LocalAdmin;
    type Answer = RecordingHeld;
}

/// Lets a recording go in its turn again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRecording {
    /// The id of the run.
    pub run: Named<RunId>,
}

/// What `release-recording` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingReleased {
    /// The id of the run whose recording is released.
    pub released: String,
}

impl Verb for ReleaseRecording {
    const NAME: &'static str = "release-recording";
    const SUMMARY: &'static str = "Let a recording go in its turn again";
    type Needs = LocalAdmin;
    type Answer = RecordingReleased;
}

/// Lists all recordings, or those that are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRecordings {
    /// Only those that are held.
    #[serde(default)]
    pub held: bool,
}

impl Verb for ListRecordings {
    const NAME: &'static str = "list-recordings";
    const SUMMARY: &'static str = "List all recordings";
    type Needs = LocalAdmin;
    type Answer = RecordingList;
}
