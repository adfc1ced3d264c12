//! Verbs over the control socket about the daemon itself.

use super::definition::{LocalAdmin, Verb};
use serde::{Deserialize, Serialize};

/// Takes over the configuration anew, or, where it has faults, keeps the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {}

/// What `reload` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reloaded {
    /// The number of the configuration that is in force, counted from the start.
    pub generation: u64,
    /// What is new in the configuration, in words.
    #[serde(default)]
    pub changes: Vec<String>,
    /// What is wrong with the new configuration; where there is anything, the old one stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

impl Verb for Reload {
    const NAME: &'static str = "reload";
    const SUMMARY: &'static str = "Ask the running daemon to take over its configuration anew";
    type Needs = LocalAdmin;
    type Answer = Reloaded;
}

/// Tells what is counted and measured, for Prometheus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {}

/// What `metrics` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exposed {
    /// What is counted and measured, in the exposition format of Prometheus.
    pub text: String,
}

impl Verb for Metrics {
    const NAME: &'static str = "metrics";
    const SUMMARY: &'static str = "Print what is counted and measured, as text for Prometheus";
    type Needs = LocalAdmin;
    type Answer = Exposed;
}

/// Tells how the daemon is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {}

impl Verb for Status {
    const NAME: &'static str = "status";
    const SUMMARY: &'static str =
        "Ask the running daemon how it is; exit 0 when all is well, else 1";
    type Needs = LocalAdmin;
    type Answer = StatusView;
}

/// What `status` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusView {
    /// `ok` or `failing`.
    pub health: String,
    /// What keeps the daemon from doing what it is for, or will soon; a sentence each.
    pub faults: Vec<String>,
    /// The program's version.
    pub version: String,
    /// The random name of this start of the daemon, as HELLO tells it.
    pub instance: String,
    /// Seconds since the daemon was started.
    pub uptime_s: u64,
    /// The number of the configuration that is in force, counted from the start.
    pub generation: u64,
    /// Whether the daemon is stopping.
    pub stopping: bool,
    /// The addresses that the daemon listens on.
    pub listening: Vec<String>,
    /// The network process; `null` while there is none.
    pub frontend: Option<FrontendView>,
    /// How often a network process was started.
    pub frontends_started: u64,
    /// What the processes of a run are held together by: `cgroup` or `best-effort`.
    pub containment: String,
    /// The server's certificate.
    pub certificate: CertificateView,
    /// The names of the users that are locked.
    pub locked: Vec<String>,
    /// How many logins are kept.
    pub kept_logins: usize,
    /// How many sources and users are not let in for a while.
    pub penalties: PenaltyCounts,
    /// How many connections are open.
    pub connections: usize,
    /// How many sessions are on open connections.
    pub sessions: usize,
    /// How many sessions have lost their link and may come back.
    pub sessions_parked: usize,
    /// How many runs there are, by phase.
    pub runs: RunCounts,
    /// How many logins wait for a verifier or are with one.
    pub logins_waiting: usize,
    /// The limits of which most is used.
    pub limits_near: Vec<LimitNear>,
    /// What was counted since the start.
    pub since_start: SinceStart,
    /// How many commands are configured, and how many of them are special.
    pub commands: CommandCounts,
    /// How many users are configured.
    pub users: usize,
    /// The state of the audit trail.
    pub trail: TrailView,
    /// The last warnings and errors, oldest first.
    pub last_faults: Vec<LastFault>,
}

/// The network process, `frontend` of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontendView {
    /// The user id that the network process runs as.
    pub uid: u32,
    /// The state of the network process's system call filter.
    pub seccomp: String,
    /// What Landlock enforces on the network process.
    pub landlock: String,
    /// Whether the network process runs as a user of its own.
    pub own_user: bool,
}

/// The server's certificate, `certificate` of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateView {
    /// The fingerprint of the certificate's key.
    pub fingerprint: String,
    /// When the certificate expires.
    pub expires: String,
    /// Whole days until the certificate expires.
    pub days_left: u64,
    /// What is wrong with the certificate in force; `null`: nothing.
    pub fault: Option<String>,
    /// What is wrong with the files as they are now; `null`: nothing.
    pub files: Option<String>,
}

/// How many are not let in for a while, `penalties` of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenaltyCounts {
    /// How many sources are not let in.
    pub sources_not_let_in: usize,
    /// How many users are not let in.
    pub users_not_let_in: usize,
}

/// The runs by phase, `runs` of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCounts {
    /// How many runs there are in all.
    pub all: usize,
    /// How many runs wait for their turn.
    pub queued: usize,
    /// How many runs are being started.
    pub starting: usize,
    /// How many runs go on.
    pub running: usize,
}

/// One line of `limits_near`: a limit of which most is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitNear {
    /// The limit's name.
    pub limit: String,
    /// The user whose share it is; absent where it is a limit of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How much of the limit is used.
    pub used: u64,
    /// How much the limit allows.
    pub most: u64,
}

/// What was counted since the start, `since_start` of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinceStart {
    /// Connections that passed the handshake.
    pub connections: u64,
    /// Logins that were accepted.
    pub logins: u64,
    /// Logins that were refused.
    pub logins_refused: u64,
    /// Runs that were started.
    pub runs: u64,
    /// Requests that were refused.
    pub refused: u64,
}

/// The configured commands, `commands` of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandCounts {
    /// How many commands there are in all.
    pub all: usize,
    /// How many commands are kept from files that they do not need.
    pub sandboxed: usize,
    /// How many commands are kept from the network.
    pub without_network: usize,
    /// How many commands may gain privileges by setuid programs.
    pub setuid_allowed: usize,
    /// How many commands run also when the trail cannot be written.
    pub audit_best_effort: usize,
}

/// The audit trail, `trail` of `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrailView {
    /// The path of the trail's file.
    pub file: String,
    /// How many records the trail has, from its beginning.
    pub records: u64,
    /// How many files the trail has, the one that is written to and those that were rotated.
    pub files: usize,
    /// Bytes that all these files take.
    pub bytes: u64,
    /// Bytes that a day of it takes, by the last day, or since the trail began.
    pub bytes_a_day: u64,
    /// How many days are left at this pace; `null` where it does not end, or nothing was written.
    pub days_left: Option<u64>,
    /// What bounds it, a key of the configuration: `audit.keep_size` (then the oldest files are
    /// removed), `audit.reserve` (then nothing new runs), or `audit.keep_age` (the files become too
    /// old before either); `null` where nothing was written.
    pub days_left_until: Option<String>,
    /// Records that are written and not yet known to be on the disk.
    pub not_on_disk_yet: u64,
    /// Records that could not be written and are not yet told of.
    pub missed: u64,
    /// Records that journald has not taken yet; `null` where it is to get none.
    pub not_in_the_journal_yet: Option<u64>,
}

/// One line of `last_faults`: something that was logged as a warning or an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastFault {
    /// When it was said last, RFC 3339.
    pub time: String,
    /// How often it was said.
    pub times: u64,
    /// The message and its fields.
    pub text: String,
}
