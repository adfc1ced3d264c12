//! Verbs over the control socket about the daemon itself.

use super::definition::{LocalAdmin, Verb};
use serde::{Deserialize, Serialize};

/// Takes over the configuration anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {}

/// What `reload` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reloaded {
    /// The number of the configuration that is in force, counted from the start.
    pub generation: u64,
    /// What is new, in words.
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
    /// The text, in the exposition format of Prometheus.
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
    /// The random name of this start.
    pub instance: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// The number of the configuration in force, counted from the start.
    pub generation: u64,
    /// Whether the daemon is stopping.
    pub stopping: bool,
    /// The addresses it listens on.
    pub listening: Vec<String>,
    /// The network process; absent while there is none.
    pub frontend: Option<FrontendView>,
    /// How often a network process was started.
    pub frontends_started: u64,
    /// `cgroup` or `best-effort`.
    pub containment: String,
    /// The server's certificate.
    pub certificate: CertificateView,
    /// The users that are locked.
    pub locked: Vec<String>,
    /// How many logins are kept.
    pub kept_logins: usize,
    /// Who is not let in for a while.
    pub penalties: PenaltyCounts,
    /// Open connections.
    pub connections: usize,
    /// Sessions on open connections.
    pub sessions: usize,
    /// Sessions whose link is lost and that may come back.
    pub sessions_parked: usize,
    /// Runs by phase.
    pub runs: RunCounts,
    /// Logins that wait for a verifier or are with one.
    pub logins_waiting: usize,
    /// Limits of which most is used.
    pub limits_near: Vec<LimitNear>,
    /// What was counted since the start.
    pub since_start: SinceStart,
    /// The configured commands.
    pub commands: CommandCounts,
    /// How many users are configured.
    pub users: usize,
    /// The audit trail.
    pub trail: TrailView,
    /// The last warnings and errors, oldest first.
    pub last_faults: Vec<LastFault>,
}

/// The network process, as `status` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontendView {
    /// The user id it runs as.
    pub uid: u32,
    /// The state of its system call filter.
    pub seccomp: String,
    /// What Landlock enforces.
    pub landlock: String,
    /// Whether it runs as a user of its own.
    pub own_user: bool,
}

/// The server's certificate, as `status` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateView {
    /// The fingerprint of its key.
    pub fingerprint: String,
    /// When it expires.
    pub expires: String,
    /// Whole days until then.
    pub days_left: u64,
    /// What is wrong with the one in force.
    pub fault: Option<String>,
    /// What is wrong with the files as they are now.
    pub files: Option<String>,
}

/// Who is not let in for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenaltyCounts {
    /// How many sources.
    pub sources_not_let_in: usize,
    /// How many users.
    pub users_not_let_in: usize,
}

/// Runs by phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCounts {
    /// All of them.
    pub all: usize,
    /// Those that wait for their turn.
    pub queued: usize,
    /// Those that are being started.
    pub starting: usize,
    /// Those that go on.
    pub running: usize,
}

/// A limit of which most is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitNear {
    /// The limit's name.
    pub limit: String,
    /// How much is used.
    pub used: u64,
    /// How much may be.
    pub most: u64,
}

/// What was counted since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinceStart {
    /// Connections that passed the handshake.
    pub connections: u64,
    /// Logins accepted.
    pub logins: u64,
    /// Logins refused.
    pub logins_refused: u64,
    /// Runs started.
    pub runs: u64,
    /// Requests refused.
    pub refused: u64,
}

/// The configured commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandCounts {
    /// All of them.
    pub all: usize,
    /// Those kept from files that they do not need.
    pub sandboxed: usize,
    /// Those kept from the network.
    pub without_network: usize,
    /// Those that may gain privileges by setuid programs.
    pub setuid_allowed: usize,
    /// Those that run also when the trail cannot be written.
    pub audit_best_effort: usize,
}

/// The audit trail, as `status` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrailView {
    /// Its file.
    pub file: String,
    /// Records since it began.
    pub records: u64,
    /// Records that are written and not yet known to be on the disk.
    pub not_on_disk_yet: u64,
    /// Records that could not be written and are not yet told of.
    pub missed: u64,
    /// Records that journald has not taken yet; absent where it is to get none.
    pub not_in_the_journal_yet: Option<u64>,
}

/// Something that was logged as a warning or an error.
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
