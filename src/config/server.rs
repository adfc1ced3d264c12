//! Everything of a configuration that is not policy: `[server]`, `[login]`, `[limits]`, `[audit]`,
//! `[output]`.

use super::accounts::frontend_user;
use super::acknowledge::acknowledge;
use super::audit::audit_rules;
use super::certificate::read_tls;
use super::fault::Faults;
use super::machine::Mode;
use super::penalties::{penalties, usual_penalties};
use super::places::{judge_folders, state_and_control, trail_of};
use super::reader::{Item, Table};
use super::recordings::recordings;
use super::values::{number, one_of, size, time, window};
use super::warning::{Subject, Warning};
use crate::credential::{Credentials, Hash};
use crate::host::Host;
use crate::ipc::{Limits, Logs};
use crate::ledger::{Bounds, Share};
use crate::limits;
use crate::monitor::{AuditRules, Listen, PenaltyRules, RecordingRules, Settings, Tls, TlsFiles};
use crate::place::Place;
use crate::policy::{Outline, Policy};
use crate::sys::{self, Identity};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Everything that is not policy. The fields that [`Settings`] has too mean what they mean there.
pub struct Server {
    listen: Vec<Listen>,
    /// Where the addresses are said, if they are.
    pub listens_at: Option<Place>,
    /// Where the archive command is named, if it is.
    archived_at: Option<Place>,
    /// Certificate and key; `None` where only the policy is looked at.
    pub tls: Option<(TlsFiles, Tls)>,
    login_lifetime: Duration,
    self_service: bool,
    groups_age: Duration,
    penalties: PenaltyRules,
    verifiers: usize,
    /// Memory of one password verification, in KiB.
    pub verifier_memory_kib: u32,
    limits: Limits,
    bounds: Bounds,
    trail_per_user: Option<u64>,
    retention: Duration,
    kept_bytes: u64,
    running_bytes: u64,
    state: PathBuf,
    trail: PathBuf,
    audit: AuditRules,
    recordings: RecordingRules,
    control: PathBuf,
    grace: Duration,
    /// Whether each run gets a control group of its own.
    pub grouped: bool,
    /// Where the containment is said.
    pub containment: Place,
    logs: Logs,
    /// Who the frontend becomes, when the daemon is root.
    pub frontend: Option<Identity>,
    threads: u32,
}

/// What is known beside the server when its settings are made.
pub struct Beside {
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// What proves who each user is.
    pub credentials: BTreeMap<String, Credentials>,
    /// What a login of somebody unknown costs.
    pub dummy: Hash,
    /// The certificate's files and what they say.
    pub tls: (TlsFiles, Tls),
    /// What `check` warns of.
    pub warnings: Vec<String>,
    /// What the files say, key by key.
    pub outline: Outline,
}

impl Server {
    /// The archive command, where it is named, and the trail whose files it is to take.
    pub fn archive(&self) -> Option<(&str, &Place, &Path)> {
        let command = self.audit.archive.as_deref()?;
        Some((command, self.archived_at.as_ref()?, &self.trail))
    }

    /// The files and folders that are ordain's own.
    pub fn own_files(&self) -> impl Iterator<Item = &Path> {
        let tls = self.tls.iter().map(|(files, _)| files.key.as_path());
        [&self.state, &self.trail, &self.control]
            .into_iter()
            .map(PathBuf::as_path)
            .chain(tls)
    }

    /// The monitor's settings.
    pub fn settings(self, beside: Beside) -> Settings {
        let (tls_files, tls) = beside.tls;
        Settings {
            policy: beside.policy,
            credentials: beside.credentials,
            dummy: beside.dummy,
            listen: self.listen,
            tls,
            tls_files,
            login_lifetime: self.login_lifetime,
            self_service: self.self_service,
            groups_age: self.groups_age,
            penalties: self.penalties,
            verifiers: self.verifiers,
            verifier_memory_kib: self.verifier_memory_kib,
            limits: self.limits,
            bounds: self.bounds,
            trail_per_user: self.trail_per_user,
            retention: self.retention,
            kept_bytes: self.kept_bytes,
            running_bytes: self.running_bytes,
            state: self.state,
            trail: self.trail,
            audit: self.audit,
            recordings: self.recordings,
            control: self.control,
            grace: self.grace,
            grouped: self.grouped,
            logs: self.logs,
            frontend: self.frontend,
            threads: self.threads,
            warnings: beside.warnings,
            outline: beside.outline,
        }
    }
}

/// Reads the server's tables; `folder` is where relative paths begin.
pub fn server(root: &Table<'_>, folder: &Path, mode: Mode, faults: &Faults) -> Server {
    let tables = ["server", "tls", "login", "limits", "audit", "output"].map(|key| root.table(key));
    let [table, tls, login, bounds, audit, output] = tables.each_ref().map(Option::as_ref);
    acknowledged([(table, "server"), (tls, "tls")]);
    let penalties = root
        .table("penalties")
        .map(penalties)
        .unwrap_or_else(usual_penalties);

    let (state, control) = state_and_control(table, folder);
    let trail = trail_of(audit, &state, folder);
    if mode == Mode::Here {
        judge_folders(
            [table, audit],
            [&state, &trail, &control],
            &root.place,
            faults,
        );
    }
    let recordings = recordings(root, &state, folder);
    let listen = listen(root, table, faults);
    let memory = size(login, "memory", 256 << 20);
    let running_bytes = size(output, "running", 16 << 30);
    let connections = connection_limits(bounds, tls, login, penalties.prefixes);
    let mut read = Server {
        listen,
        listens_at: listens_at(table),
        archived_at: audit.and_then(|table| Some(table.item("archive")?.place)),
        tls: match mode {
            Mode::Here => read_tls(root, tls, folder),
            Mode::Offline => pass_over_tls(tls),
        },
        login_lifetime: login_lifetime(login),
        self_service: login
            .and_then(|table| table.flag("self_service"))
            .unwrap_or(false),
        groups_age: groups_age(login),
        // Half of the cores: what a flood of logins must not take is the other half.
        verifiers: number(login, "verifiers", 1..=64, half_of_the_cores(4)) as usize,
        verifier_memory_kib: u32::try_from(memory / 1024).unwrap_or(u32::MAX),
        bounds: shares(bounds, connections.connections, running_bytes),
        limits: connections,
        penalties,
        trail_per_user: trail_per_user(bounds),
        retention: time(output, "retention", 3600),
        kept_bytes: size(output, "kept", 256 << 20),
        running_bytes,
        state,
        trail,
        audit: audit_rules(audit),
        recordings,
        control,
        grace: time(table, "grace", 30),
        containment: table.map_or(&root.place, |table| &table.place).clone(),
        grouped: grouped(table),
        logs: logs(root, table, faults),
        frontend: frontend(root, table, mode, faults),
        // Half of the cores: the other half is the commands'. On two cores one thread is also
        // faster than two.
        threads: number(table, "threads", 1..=64, half_of_the_cores(8)),
    };

    read.verifier_memory_kib = memory_each(root, read.verifier_memory_kib, read.verifiers, faults);
    finish(tables);
    read
}

/// What is acknowledged of these tables.
fn acknowledged(tables: [(Option<&Table<'_>>, &'static str); 2]) {
    for (table, name) in tables {
        if let Some(table) = table {
            acknowledge(table, &Subject::table(name));
        }
    }
}

/// Where the file says what to listen on.
fn listens_at(table: Option<&Table<'_>>) -> Option<Place> {
    Some(table?.item("listen")?.place)
}

/// How long a login is kept at the most.
fn login_lifetime(login: Option<&Table<'_>>) -> Duration {
    login
        .and_then(|table| table.item("lifetime"))
        .and_then(|item| window(&item))
        .unwrap_or(limits::LOGIN_LIFETIME)
}

/// How long it is believed in which groups of the system somebody is. Less than a second would ask
/// without end, more than an hour would not notice who left.
fn groups_age(login: Option<&Table<'_>>) -> Duration {
    let bounds = Duration::from_secs(1)..=Duration::from_secs(3600);
    let Some(item) = login.and_then(|table| table.item("groups_age")) else {
        return Duration::from_secs(60);
    };
    let age = item.duration().unwrap_or(*bounds.start());
    if !bounds.contains(&age) {
        item.fault("is out of bounds; accepted is a duration from \"1s\" to \"1h\"");
    }
    age
}

/// Finds the keys that nobody has asked for, in the order in which the tables are read.
fn finish([table, tls, login, bounds, audit, output]: [Option<Table<'_>>; 6]) {
    [table, login, bounds, audit, output, tls]
        .into_iter()
        .flatten()
        .for_each(Table::finish);
}

/// Half of this machine's cores, one at the least.
fn half_of_the_cores(most: usize) -> u32 {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    u32::try_from((cores / 2).clamp(1, most)).unwrap_or(1)
}

/// `listen`: where to listen.
fn listen(root: &Table<'_>, table: Option<&Table<'_>>, faults: &Faults) -> Vec<Listen> {
    let items = table.and_then(|table| table.texts("listen"));
    let Some(items) = items else {
        return vec![Listen::Everywhere(crate::protocol::PORT)];
    };
    let listen: Vec<Listen> = items
        .iter()
        .filter_map(|item| item.parsed(listening_place))
        .collect();
    if listen.is_empty() && faults.none() {
        faults.add(&root.place, "server.listen", "names no address");
    }
    if let Some(item) = items.first() {
        warn_of_one_family(item, &listen);
    }
    listen
}

/// `*:port`, or an address with a port.
fn listening_place(text: &str) -> Result<Listen, String> {
    let wrong = || {
        format!(
            "found \"{}\"; accepted is \"*:7424\" for every address, or an address with a port such as \"192.0.2.1:7424\" or \"[::1]:7424\"",
            text.escape_debug()
        )
    };
    let (host, digits) = match text.strip_prefix("*:") {
        Some(digits) => (None, Some(digits)),
        None => Host::and_port(text)
            .map(|(host, digits)| (Some(host), digits))
            .map_err(|_| wrong())?,
    };
    let port = digits
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(wrong)?;
    match host {
        None => Ok(Listen::Everywhere(port)),
        Some(Host::Name(_)) => Err(wrong()),
        Some(host) => Ok(Listen::At(host, port)),
    }
}

/// `[::]` alone was every address of both families once, and is where others have it so.
fn warn_of_one_family(first: &Item<'_>, listen: &[Listen]) {
    let every_v6 = |place: &Listen| matches!(place, Listen::At(Host::Address(address), _) if address.is_ipv6() && address.is_unspecified());
    let v4 = |place: &Listen| match place {
        Listen::Everywhere(_) => true,
        Listen::At(host, _) => matches!(host, Host::Address(address) if address.is_ipv4()),
    };
    if listen.iter().any(every_v6) && !listen.iter().any(v4) {
        let about = Subject::table("server");
        first.warn(
            (Warning::OneFamily, &about),
            "\"[::]\" is every IPv6 address and no IPv4 one; \"*:PORT\" is both",
        );
    }
}

/// Asks for the keys of `[tls]` where only the policy is looked at, so that they are known.
fn pass_over_tls(table: Option<&Table<'_>>) -> Option<(TlsFiles, Tls)> {
    for key in ["certificate", "key", "client_ca"] {
        let _ = table.and_then(|table| table.text(key));
    }
    None
}

/// What the frontend keeps of connections.
fn connection_limits(
    bounds: Option<&Table<'_>>,
    tls: Option<&Table<'_>>,
    login: Option<&Table<'_>>,
    prefixes: (u8, u8),
) -> Limits {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let most = 1..=1_000_000;
    Limits {
        connections: number(bounds, "connections", most.clone(), 4096),
        connections_per_source: number(bounds, "connections_per_source", most.clone(), 1024),
        connections_before_login: number(bounds, "connections_before_login", most, 1024),
        streams_per_connection: number(bounds, "streams_per_connection", 1..=512, 64),
        handshake_ms: millis(time(tls, "handshake_timeout", 10)),
        login_ms: millis(time(login, "timeout", 60)),
        prefixes,
    }
}

/// How much of what is finite a user may have: so much that nobody notices who works, and so little
/// that there is as much left for the others.
fn shares(bounds: Option<&Table<'_>>, connections: u32, running_bytes: u64) -> Bounds {
    let most = 1..=100_000;
    let count = |key, usual| u64::from(number(bounds, key, most.clone(), usual));
    Bounds::default()
        .with(
            Share::Sessions,
            count("sessions_per_user", connections.div_ceil(2)),
        )
        .with(Share::Requests, count("requests_per_user", 1024))
        .with(Share::Runs, count("runs_per_user", 256))
        .with(Share::LeftRunning, count("left_running_per_user", 64))
        .with(Share::Follows, count("follows_per_user", 128))
        .with(Share::Said, count("said_per_user", 30))
        .with(Share::Memory, size(bounds, "memory_per_user", 256 << 20))
        .with(
            Share::Disk,
            size(bounds, "disk_per_user", running_bytes.div_ceil(2)),
        )
        .with(Share::RequestIds, limits::REQUEST_IDS as u64)
}

/// `trail_per_user`: bytes a minute that one user may add to the trail. What is less than a login and
/// a few requests take would lock everybody out.
fn trail_per_user(bounds: Option<&Table<'_>>) -> Option<u64> {
    match bounds.and_then(|table| table.item("trail_per_user")) {
        Some(item) if item.as_text() == Some("none") => None,
        Some(item) => {
            let least = limits::TRAIL_LEAST;
            let size = item.size();
            if size.is_some_and(|size| size < least) {
                item.fault(format!("is less than {} KiB", least / 1024));
            }
            size
        }
        None => Some(32 << 20),
    }
}

/// `containment`: whether each run gets a control group of its own.
fn grouped(table: Option<&Table<'_>>) -> bool {
    table
        .and_then(|table| table.item("containment"))
        .and_then(|item| one_of(&item, &[("cgroup", true), ("best-effort", false)]))
        .unwrap_or(true)
}

/// `logs`: how logs are written.
fn logs(root: &Table<'_>, table: Option<&Table<'_>>, faults: &Faults) -> Logs {
    match table.and_then(|table| table.text("logs")).as_deref() {
        None | Some("text") if sys::logs_to_the_journal() => Logs::Journal,
        None | Some("text") => Logs::Text,
        Some("json") => Logs::Json,
        Some(other) => {
            faults.add(
                table.map_or(&root.place, |table| &table.place),
                "server.logs",
                format!(
                    "found \"{}\"; accepted are \"text\", \"json\"",
                    other.escape_debug()
                ),
            );

            Logs::Text
        }
    }
}

/// `frontend_user`: who the frontend becomes; only root can become somebody.
fn frontend(
    root: &Table<'_>,
    table: Option<&Table<'_>>,
    mode: Mode,
    faults: &Faults,
) -> Option<Identity> {
    let named = table.and_then(|table| table.text("frontend_user"));
    if sys::effective_uid() == 0 && mode == Mode::Here {
        frontend_user(named, &root.place, faults)
    } else {
        None
    }
}

/// The share of one verification in the memory of all.
fn memory_each(root: &Table<'_>, all_kib: u32, verifiers: usize, faults: &Faults) -> u32 {
    let each = all_kib / u32::try_from(verifiers).unwrap_or(1).max(1);
    if each < 1024 {
        faults.add(
            &root.place,
            "login.memory",
            "is under 1 MiB for each of login.verifiers",
        );
    }
    each
}
