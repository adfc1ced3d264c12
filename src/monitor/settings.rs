//! What the monitor is told: read, checked and resolved by whoever starts it.

use super::owed::PenaltyRules;
use super::pem::{Tls, TlsFiles};
use crate::audit::KeepRules;
use crate::credential::{Cost, Credentials, Hash};
use crate::host::Host;
use crate::ipc::{Limits, Logs};
use crate::ledger::Bounds;
use crate::policy::{Outline, Policy};
use crate::sys::Identity;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One configuration, whole. A reload makes a new one and swaps it in at once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// What proves who each user is; disabled users are not here.
    pub credentials: BTreeMap<String, Credentials>,
    /// What a login of somebody unknown costs.
    pub dummy: Hash,
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// Certificate and key.
    pub tls: Tls,
    /// The files that they come from.
    pub tls_files: TlsFiles,
    /// For how long `ordain login` keeps a login; zero where it may not.
    pub login_lifetime: Duration,
    /// Whether users may change their own passwords.
    pub self_service: bool,
    /// How long it is believed in which groups of the system a user is, until that is asked again.
    pub groups_age: Duration,
    /// What failing costs.
    pub penalties: PenaltyRules,
    /// Password verifications at once.
    pub verifiers: usize,
    /// Memory of all verifications at once, in KiB.
    pub verifier_memory_kib: u32,
    /// What the frontend keeps.
    pub limits: Limits,
    /// How much of what is finite a user may have.
    pub bounds: Bounds,
    /// Bytes a minute that one user may add to the trail.
    pub trail_per_user: Option<u64>,
    /// How long output is kept after a run's end.
    pub retention: Duration,
    /// Bytes of output that are kept of all runs that have ended.
    pub kept_bytes: u64,
    /// Bytes on disk that the output of all runs that go on may take.
    pub running_bytes: u64,
    /// Where files without a name are made.
    pub state: PathBuf,
    /// The audit trail's file.
    pub trail: PathBuf,
    /// How it is kept.
    pub audit: AuditRules,
    /// How recordings are kept.
    pub recordings: RecordingRules,
    /// The control socket.
    pub control: PathBuf,
    /// How long runs may go on when the daemon stops.
    pub grace: Duration,
    /// Whether each run gets a control group of its own; otherwise its processes are kept together
    /// as well as can be.
    pub grouped: bool,
    /// How logs are written.
    pub logs: Logs,
    /// Who the frontend becomes, when the daemon is root.
    pub frontend: Option<Identity>,
    /// The frontend's worker threads.
    pub threads: u32,
    /// What `check` warns of.
    pub warnings: Vec<String>,
    /// What it says, key by key, so that a reload can tell what it has changed.
    pub outline: Outline,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// At this port of every address of the machine, in the families that its kernel has.
    Everywhere(u16),
    /// At this address alone, which is of one family: `[::]` is every IPv6 address, and no IPv4 one.
    At(Host, u16),
}

/// When a record is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After so long at the most: what a power cut may take.
    Every(Duration),
    /// Before its effect.
    Always,
}

/// How the trail is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRules {
    /// When a record is on the disk.
    pub sync: Durability,
    /// Bytes at which a new file is begun.
    pub rotate_size: Option<u64>,
    /// Age at which a new file is begun.
    pub rotate_age: Option<Duration>,
    /// What is kept of it.
    pub keep: KeepRules,
    /// Whether rotated files are compressed.
    pub compress: bool,
    /// The command that must have taken a file before it is removed.
    pub archive: Option<String>,
    /// Free bytes of its disk below which nothing new runs.
    pub reserve: Option<u64>,
    /// The socket of the journald that gets each record too.
    pub journal: Option<PathBuf>,
}

/// How recordings are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingRules {
    /// Where they lie.
    pub folder: PathBuf,
    /// How old they get.
    pub age: Option<Duration>,
    /// Bytes that all of them may have together.
    pub size: Option<u64>,
}

/// Reads the configuration anew; every fault it finds is a line.
pub type Loader = Arc<dyn Fn() -> Result<Settings, Vec<String>> + Send + Sync>;

impl Settings {
    /// What verifying somebody unknown costs: the same as for most users.
    pub fn usual_cost<'h>(hashes: impl Iterator<Item = &'h Hash>) -> Cost {
        let mut counts: Vec<(Cost, usize)> = Vec::new();
        for cost in hashes.map(Hash::cost) {
            match counts.iter_mut().find(|(known, _)| *known == cost) {
                Some((_, count)) => *count += 1,
                None => counts.push((cost, 1)),
            }
        }

        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map_or(crate::credential::COST, |(cost, _)| cost)
    }
}
