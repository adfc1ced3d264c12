//! The daemon's configuration: files, includes, who may write them, names looked up, certificates
//! read.

use super::fault::{Fault, Faults};
use super::machine::{self, Machine};
use super::outline;
use super::policy::{self, Parts};
use super::reader::{Document, Table};
use crate::credential::{Credentials, Hash};
use crate::ipc::{Limits, Logs};
use crate::limits;
use crate::monitor::{AuditRules, Durability, PenaltyRules, Settings, Tls, TlsFile, TlsFiles};
use crate::penalty::Rules;
use crate::policy::{Account, Command, Kind, Network, Outline, Pass, Policy, RunAs};
use crate::request::Place;
use crate::sys::{self, Identity, Trust};
use crate::tls;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a configuration is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On the machine it is for.
    Here,
    /// The policy alone, anywhere.
    Offline,
}

/// A configuration without faults, with what is worth a warning.
#[derive(Debug)]
pub struct Loaded {
    /// What the monitor needs; `None` offline.
    pub settings: Option<Settings>,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// Risky, but allowed.
    pub warnings: Vec<Fault>,
}

/// Checks the policy alone.
///
/// # Errors
/// Every fault.
pub fn offline(path: &Path) -> Result<Loaded, (Vec<Fault>, Vec<Fault>)> {
    read(path, Mode::Offline, None)
}

/// Loads a configuration for this machine, which can enforce so much.
///
/// # Errors
/// Every fault, and the warnings found on the way.
pub fn load(path: &Path, machine: &Machine) -> Result<Loaded, (Vec<Fault>, Vec<Fault>)> {
    read(path, Mode::Here, Some(machine))
}

struct Source {
    name: String,
    text: String,
    shared: bool,
}

fn read(
    path: &Path,
    mode: Mode,
    machine: Option<&Machine>,
) -> Result<Loaded, (Vec<Fault>, Vec<Fault>)> {
    let faults = Faults::default();
    let trust = Trust::own();
    let Some(main) = source(path, mode, &trust, &faults) else {
        return Err(faults.into_parts());
    };
    let document = Document::parse(&main.name, &main.text, &faults);
    let root = document.root(&faults);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let sources: Vec<Source> = included(&root, folder)
        .iter()
        .filter_map(|file| source(file, mode, &trust, &faults))
        .collect();
    let documents: Vec<Document<'_>> = sources
        .iter()
        .map(|source| Document::parse(&source.name, &source.text, &faults))
        .collect();
    let mut noted = Outline::default();
    std::iter::once(&document)
        .chain(&documents)
        .for_each(|document| outline::note(&mut noted, document.table()));
    let mut roots = vec![root];
    roots.extend(documents.iter().map(|document| document.root(&faults)));
    let parts = policy::read(&roots, &faults);
    for (user, file) in parts
        .users
        .values()
        .filter(|user| user.has_hash)
        .filter_map(|user| {
            let shared = std::iter::once(&main)
                .chain(&sources)
                .find(|source| *source.name == *user.user.place.file)?;
            shared.shared.then_some((user, &shared.name))
        })
    {
        faults.add(
            &user.user.place,
            "",
            format!("{file} holds password hashes and can be read by others; `chmod 600` it"),
        );
    }
    let mut roots = roots.into_iter();
    let server = roots
        .next()
        .map(|root| server(&root, folder, mode, &faults).map(|server| (root, server)));
    // Included files hold commands, roles and users only: finish() finds the rest.
    roots.for_each(Table::finish);
    let server = server.flatten().map(|(root, server)| {
        root.finish();
        server
    });
    let credentials: BTreeMap<String, Credentials> = parts
        .users
        .iter()
        .filter(|(_, user)| !user.user.disabled)
        .map(|(name, user)| (name.clone(), user.credentials.clone()))
        .collect();
    let frontend = server.as_ref().and_then(|server| server.frontend);
    let policy = Arc::new(resolve(parts, mode, frontend, &trust, &faults));
    if let (Some(machine), Some(server)) = (machine, &server) {
        judge_machine(server, &policy, machine, &faults);
    }
    if !faults.none() {
        return Err(faults.into_parts());
    }
    let Some(server) = server else {
        return Err(faults.into_parts());
    };
    let (settings, warnings) = match (mode, server.tls) {
        (Mode::Here, Some((tls_files, tls))) => {
            let hashes = || {
                credentials
                    .iter()
                    .filter_map(|(name, known)| Some((name, known.password.as_ref()?)))
            };
            let dummy = Hash::nobodys(Settings::usual_cost(hashes().map(|(_, hash)| hash)));
            if credentials
                .values()
                .all(|known| known.password.is_none() && known.keys.is_empty())
            {
                faults.warn(
                    &Place {
                        file: main.name.as_str().into(),
                        line: 0,
                    },
                    "users",
                    "no user can log in",
                );
            }
            for (name, hash) in hashes() {
                if hash.cost().memory_kib > server.verifier_memory_kib {
                    let place = policy
                        .users
                        .get(name)
                        .map(|user| user.place.clone())
                        .unwrap_or_default();
                    let text = format!(
                        "wants {} KiB for a verification; login.memory, shared by login.verifiers, allows {} KiB",
                        hash.cost().memory_kib,
                        server.verifier_memory_kib
                    );
                    faults.add(&place, format!("users.{name}.password"), text);
                }
            }
            if !faults.none() {
                return Err(faults.into_parts());
            }
            let (_, warnings) = faults.into_parts();
            let settings = dummy.map(|dummy| Settings {
                policy: policy.clone(),
                credentials,
                dummy,
                listen: server.listen,
                tls,
                tls_files,
                login_lifetime: server.login_lifetime,
                penalties: server.penalties,
                verifiers: server.verifiers,
                verifier_memory_kib: server.verifier_memory_kib,
                limits: server.limits,
                runs_per_user: server.runs_per_user,
                retention: server.retention,
                kept_bytes: server.kept_bytes,
                running_bytes: server.running_bytes,
                state: server.state,
                trail: server.trail,
                audit: server.audit,
                control: server.control,
                grace: server.grace,
                grouped: server.grouped,
                logs: server.logs,
                frontend: server.frontend,
                threads: server.threads,
                warnings: warnings.iter().map(Fault::to_string).collect(),
                outline: noted,
            });
            (settings, warnings)
        }
        _ => (None, faults.into_parts().1),
    };
    Ok(Loaded {
        settings,
        policy,
        warnings,
    })
}

fn source(path: &Path, mode: Mode, trust: &Trust, faults: &Faults) -> Option<Source> {
    let place = Place {
        file: path.to_string_lossy().into(),
        line: 0,
    };

    let name = path.to_string_lossy().into_owned();
    if mode == Mode::Offline {
        return match std::fs::read_to_string(path) {
            Ok(text) => Some(Source {
                name,
                text,
                shared: false,
            }),
            Err(fault) => {
                faults.add(&place, "", fault.to_string());
                None
            }
        };
    }

    match sys::read_config(path, trust, limits::CONFIG_FILE) {
        Ok((text, meta)) => {
            let group_reads = meta.mode() & 0o040 != 0
                && meta.gid() != 0
                && !(trust.private_group)(meta.gid(), meta.uid());
            Some(Source {
                name,
                text,
                shared: meta.mode() & 0o004 != 0 || group_reads,
            })
        }

        Err(fault) => {
            faults.add(&place, "", fault.to_string());
            None
        }
    }
}

/// The files of `include`, patterns with `*` in the last part sorted by name.
fn included(root: &Table<'_>, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in root.texts("include").unwrap_or_default() {
        let Some(path) = item.file(folder) else {
            continue;
        };
        let (Some(parent), Some(name)) = (
            path.parent(),
            path.file_name().and_then(|name| name.to_str()),
        ) else {
            item.fault("is not a path");
            continue;
        };

        if parent.to_string_lossy().contains('*') {
            item.fault("`*` is accepted in the file's name only");
        } else if name.contains('*') {
            let pattern = crate::policy::Pattern {
                text: name.to_owned(),
                place: item.place.clone(),
            };

            let mut found: Vec<PathBuf> = std::fs::read_dir(parent)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| {
                    entry
                        .file_name()
                        .to_str()
                        .is_some_and(|name| !name.starts_with('.') && pattern.matches(name))
                })
                .map(|entry| entry.path())
                .collect();
            if found.is_empty() {
                item.warn("matches no file");
            }
            found.sort();
            files.extend(found);
        } else {
            files.push(path);
        }
    }

    files
}

/// Everything that is not policy.
struct Server {
    listen: Vec<SocketAddr>,
    /// Where that is said, if it is.
    listens_at: Option<Place>,
    tls: Option<(TlsFiles, Tls)>,
    login_lifetime: Duration,
    penalties: PenaltyRules,
    verifiers: usize,
    verifier_memory_kib: u32,
    limits: Limits,
    runs_per_user: usize,
    retention: Duration,
    kept_bytes: u64,
    running_bytes: u64,
    state: PathBuf,
    trail: PathBuf,
    audit: AuditRules,
    control: PathBuf,
    grace: Duration,
    grouped: bool,
    containment: Place,
    logs: Logs,
    frontend: Option<Identity>,
    threads: u32,
}

fn server(root: &Table<'_>, folder: &Path, mode: Mode, faults: &Faults) -> Option<Server> {
    let root_user = sys::effective_uid() == 0;
    let table = root.table("server");
    let tls = root.table("tls");
    let login = root.table("login");
    let bounds = root.table("limits");
    let audit = root.table("audit");
    let output = root.table("output");
    let penalties = root
        .table("penalties")
        .map(penalties)
        .unwrap_or_else(usual_penalties);
    let text = |table: &Option<Table<'_>>, key| table.as_ref().and_then(|table| table.text(key));
    let number =
        |table: &Option<Table<'_>>, key, range: std::ops::RangeInclusive<i64>, default: u32| {
            table
                .as_ref()
                .and_then(|table| table.integer(key, range))
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(default)
        };
    let time = |table: &Option<Table<'_>>, key, default: u64| {
        table
            .as_ref()
            .and_then(|table| table.duration(key))
            .unwrap_or(Duration::from_secs(default))
    };

    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);

    let (state, control) = state_and_control(&table, folder);
    let trail = trail_of(&audit, &state, folder);
    let listen = table.as_ref().and_then(|table| table.texts("listen")).map_or_else(
        || vec![SocketAddr::from(([0u16; 8], crate::protocol::PORT))],
        |items| {
            items
                .iter()
                .filter_map(|item| {
                    item.parsed(|text| {
                        text.parse::<SocketAddr>().map_err(|_| {
                            format!("found \"{}\"; accepted is an address with a port such as \"[::]:7422\"", text.escape_debug())
                        })
                    })
                })
                .collect()
        },
    );

    if listen.is_empty() && faults.none() {
        faults.add(&root.place, "server.listen", "names no address");
    }
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let memory = login
        .as_ref()
        .and_then(|table| table.item("memory"))
        .and_then(|item| item.size())
        .unwrap_or(256 << 20);
    let read = Server {
        listen,
        listens_at: table
            .as_ref()
            .and_then(|table| table.item("listen"))
            .map(|item| item.place),
        tls: match mode {
            Mode::Here => read_tls(root, &tls, folder),
            Mode::Offline => {
                // Only the keys are looked at.
                for key in ["certificate", "key", "client_ca"] {
                    let _ = text(&tls, key);
                }
                None
            }
        },
        login_lifetime: login
            .as_ref()
            .and_then(|table| table.item("lifetime"))
            .and_then(|item| super::command::window(&item))
            .unwrap_or(limits::LOGIN_LIFETIME),
        // Half of the cores: what a flood of logins must not take is the other half.
        verifiers: number(
            &login,
            "verifiers",
            1..=64,
            u32::try_from((cores / 2).clamp(1, 4)).unwrap_or(1),
        ) as usize,
        verifier_memory_kib: u32::try_from(memory / 1024).unwrap_or(u32::MAX),
        limits: Limits {
            connections: number(&bounds, "connections", 1..=1_000_000, 4096),
            connections_per_source: number(&bounds, "connections_per_source", 1..=1_000_000, 1024),
            connections_before_login: number(
                &bounds,
                "connections_before_login",
                1..=1_000_000,
                1024,
            ),
            streams_per_connection: number(&bounds, "streams_per_connection", 1..=512, 64),
            handshake_ms: millis(time(&tls, "handshake_timeout", 10)),
            login_ms: millis(time(&login, "timeout", 60)),
            prefixes: penalties.prefixes,
        },
        penalties,
        runs_per_user: number(&bounds, "runs_per_user", 1..=100_000, 256) as usize,
        retention: time(&output, "retention", 3600),
        kept_bytes: output
            .as_ref()
            .and_then(|table| table.item("kept"))
            .and_then(|item| item.size())
            .unwrap_or(256 << 20),
        running_bytes: output
            .as_ref()
            .and_then(|table| table.item("running"))
            .and_then(|item| item.size())
            .unwrap_or(16 << 30),
        state,
        trail,
        audit: audit_rules(&audit),
        control,
        grace: time(&table, "grace", 30),
        containment: table
            .as_ref()
            .map_or(&root.place, |table| &table.place)
            .clone(),
        grouped: table
            .as_ref()
            .and_then(|table| table.item("containment"))
            .is_none_or(|item| {
                item.parsed(|text| match text {
                    "cgroup" => Ok(true),
                    "best-effort" => Ok(false),
                    other => Err(format!(
                        "found \"{}\"; accepted are \"cgroup\", \"best-effort\"",
                        other.escape_debug()
                    )),
                })
                .unwrap_or(true)
            }),
        logs: match text(&table, "logs").as_deref() {
            None | Some("text") => Logs::Text,
            Some("json") => Logs::Json,
            Some(other) => {
                faults.add(
                    table.as_ref().map_or(&root.place, |table| &table.place),
                    "server.logs",
                    format!(
                        "found \"{}\"; accepted are \"text\", \"json\"",
                        other.escape_debug()
                    ),
                );

                Logs::Text
            }
        },
        frontend: if root_user && mode == Mode::Here {
            frontend_user(text(&table, "frontend_user"), &root.place, faults)
        } else {
            text(&table, "frontend_user").and(None)
        },
        // Half of the cores: the other half is the commands'. On two cores one thread is also
        // faster than two.
        threads: number(
            &table,
            "threads",
            1..=64,
            u32::try_from((cores / 2).clamp(1, 8)).unwrap_or(1),
        ),
    };

    let memory_each = read.verifier_memory_kib / u32::try_from(read.verifiers).unwrap_or(1).max(1);
    if memory_each < 1024 {
        faults.add(
            &root.place,
            "login.memory",
            "is under 1 MiB for each of login.verifiers",
        );
    }

    let read = Server {
        verifier_memory_kib: memory_each,
        ..read
    };

    [table, login, bounds, audit, output, tls]
        .into_iter()
        .flatten()
        .for_each(Table::finish);
    Some(read)
}

/// `[audit]`, but for its file.
fn audit_rules(table: &Option<Table<'_>>) -> AuditRules {
    let item = |key: &'static str| table.as_ref().and_then(|table| table.item(key));
    let size = |key, usual: u64| match item(key) {
        None => Some(usual),
        Some(item) if item.as_text() == Some("none") => None,
        Some(item) => item.size(),
    };

    AuditRules {
        sync: match item("sync") {
            None => Durability::Every(Duration::from_millis(100)),
            Some(item) if item.as_text() == Some("always") => Durability::Always,
            Some(item) => Durability::Every(item.duration().unwrap_or(Duration::from_millis(100))),
        },
        rotate_size: size("rotate_size", 64 << 20),
        rotate_age: item("rotate_age")
            .and_then(|item| super::command::timeout(&item))
            .flatten(),
        reserve: size("reserve", 16 << 20),
        journal: journal(item("journal").as_ref()),
    }
}

/// Which journald gets the records: the usual one under systemd, unless something else is said.
fn journal(item: Option<&super::reader::Item<'_>>) -> Option<PathBuf> {
    let usual = || PathBuf::from("/run/systemd/journal/socket");
    match item {
        None => std::env::var_os("INVOCATION_ID")
            .map(|_| usual())
            .filter(|socket| socket.exists()),
        Some(item) => match item.as_text().map(str::to_owned) {
            Some(path) if path.starts_with('/') => Some(path.into()),
            Some(_) => {
                item.fault("accepted is true, false, or the absolute path of a journald's socket");
                None
            }

            None => item.flag().and_then(|wanted| wanted.then(usual)),
        },
    }
}

fn usual_penalties() -> PenaltyRules {
    let sources = Rules::default();

    // A person who has forgotten a password tries more often than an address should.
    let users = Rules {
        floor: Duration::from_secs(60),
        ..sources
    };

    PenaltyRules {
        sources,
        users,
        prefixes: (32, 64),
        exempt: Vec::new(),
    }
}

/// `[penalties]`: what failing costs.
fn penalties(table: Table<'_>) -> PenaltyRules {
    let usual = usual_penalties();
    if table.item("off").and_then(|item| item.flag()) == Some(true) {
        table.warn("penalties are off: passwords can be guessed as fast as they can be verified");
        table.finish();
        let none = Rules {
            entries: 0,
            ..usual.sources
        };

        return PenaltyRules {
            sources: none,
            users: none,
            ..usual
        };
    }

    let time = |key: &'static str, usual: Duration| {
        table
            .item(key)
            .and_then(|item| super::command::window(&item))
            .unwrap_or(usual)
    };

    let bits = |key: &'static str, most: i64, usual: u8| {
        table
            .integer(key, 1..=most)
            .and_then(|bits| u8::try_from(bits).ok())
            .unwrap_or(usual)
    };

    let sources = Rules {
        login: time("login", usual.sources.login),
        no_login: time("no_login", usual.sources.no_login),
        deadline: time("deadline", usual.sources.deadline),
        violation: time("violation", usual.sources.violation),
        floor: time("floor", usual.sources.floor),
        cap: time("cap", usual.sources.cap),
        entries: table
            .integer("entries", 16..=1_000_000)
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(usual.sources.entries),
    };

    if sources.cap < sources.floor {
        table
            .fault("`cap` is under `floor`: nothing would ever be enforced; spell that off = true");
    }

    let users = Rules {
        floor: time("user_floor", usual.users.floor),
        ..sources
    };

    if users.cap < users.floor && sources.cap >= sources.floor {
        table.fault("`cap` is under `user_floor`: failures in a user's name would never count");
    }
    let exempt = table.texts("exempt").unwrap_or_default();
    let read = PenaltyRules {
        sources,
        users,
        prefixes: (bits("ipv4_prefix", 32, 32), bits("ipv6_prefix", 128, 64)),
        exempt: exempt
            .iter()
            .filter_map(|item| item.parsed(|text| text.parse::<Network>()))
            .collect(),
    };

    table.finish();
    read
}

/// Where a daemon keeps what must survive it: root's in /var/lib, another user's where XDG says.
fn default_state() -> PathBuf {
    if sys::effective_uid() == 0 {
        return PathBuf::from("/var/lib/ordain");
    }
    let home = || {
        std::env::home_dir()
            .unwrap_or_else(|| PathBuf::from("/tmp"))
            .join(".local/state")
    };

    std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .unwrap_or_else(home)
        .join("ordain")
}

fn frontend_user(named: Option<String>, place: &Place, faults: &Faults) -> Option<Identity> {
    let candidates = named.clone().map_or_else(
        || vec!["ordaind".to_owned(), "nobody".to_owned()],
        |name| vec![name],
    );

    let mut why = String::new();
    for name in candidates {
        match sys::lookup(Ok(name), None, limits::NAME_SERVICE) {
            Ok((names, _)) if names.uid != 0 && names.gid != 0 => {
                return Some(Identity {
                    uid: names.uid,
                    gid: names.gid,
                });
            }

            Ok((names, _)) => why = format!("`{}` is root or in root's group", names.name),
            Err(fault) => why = fault,
        }
    }

    faults.add(
        place,
        "server.frontend_user",
        format!("{why}; the frontend needs an unprivileged user"),
    );

    None
}

fn read_tls(root: &Table<'_>, table: &Option<Table<'_>>, folder: &Path) -> Option<(TlsFiles, Tls)> {
    let Some(table) = table else {
        root.fault("[tls] is missing; accepted is [tls] with certificate and key (`ordaind init` makes them)");
        return None;
    };

    let _ = table.item("handshake_timeout");
    let item = |key: &'static str| {
        table
            .item(key)
            .and_then(|item| Some((item.file(folder)?, item)))
    };

    let needed = |key: &'static str| {
        let found = item(key);
        if found.is_none() {
            table.fault(format!(
                "`{key}` is missing; accepted is the path of a PEM file"
            ));
        }

        found
    };

    let client_ca = item("client_ca");
    let (certificate, key) = (needed("certificate"), needed("key"));
    let ((certificate_path, certificate), (key_path, key)) = (certificate?, key?);
    let (ca_path, ca) = client_ca.unzip();
    let files = TlsFiles {
        certificate: certificate_path,
        key: key_path,
        client_ca: ca_path,
    };

    let read = match files.read() {
        Ok(read) => read,
        Err(faults) => {
            for (file, why) in faults {
                match file {
                    TlsFile::Certificate => certificate.fault(why),
                    TlsFile::Key => key.fault(why),
                    TlsFile::ClientCa => ca.iter().for_each(|ca| ca.fault(why.clone())),
                }
            }

            return None;
        }
    };

    let now = crate::clock::now();
    if let Some(fault) = read.validity.fault(now) {
        certificate.warn(format!("the certificate {fault}"));
    } else if read.validity.left(now) < limits::CERTIFICATE_WARNING {
        certificate.warn(format!(
            "the certificate expires in {}",
            read.validity.left_text(now)
        ));
    }

    Some((files, read))
}

/// Looks up the accounts and judges what only this machine knows: executables, folders, owners.
fn resolve(
    parts: Parts,
    mode: Mode,
    frontend: Option<Identity>,
    trust: &Trust,
    faults: &Faults,
) -> Policy {
    let mut accounts = Accounts {
        known: HashMap::new(),
        frontend,
        own: trust.own,
    };
    let mut policy = Policy {
        roles: parts.roles,
        ..Policy::default()
    };
    let mut judged = machine::Judged::default();
    for (name, user) in parts.users {
        policy.users.insert(name, user.user);
    }
    for (name, read) in parts.commands {
        let mut command = read.command;
        if mode == Mode::Here {
            match accounts.run_as(read.run_as.as_deref()) {
                Ok(run_as) => command.run_as = run_as,
                Err(why) => faults.add(&command.place, format!("commands.{name}.run_as"), why),
            }
            judge_files(&command, trust, &mut judged, faults);
        }
        policy.commands.insert(name, Arc::new(command));
    }
    policy
}

struct Accounts {
    known: HashMap<String, Result<RunAs, String>>,
    frontend: Option<Identity>,
    own: u32,
}

impl Accounts {
    fn run_as(&mut self, name: Option<&str>) -> Result<RunAs, String> {
        let key = name.unwrap_or_default().to_owned();
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.look_up(name);
        self.known.insert(key, found.clone());
        found
    }

    fn look_up(&self, name: Option<&str>) -> Result<RunAs, String> {
        let account = |names: sys::Names, group: Option<sys::Group>| Account {
            name: names.name,
            uid: names.uid,
            gid: group.as_ref().map_or(names.gid, |group| group.gid),
            groups: names.groups,
            home: names.home,
        };

        if self.own != 0 {
            let (own, _) = sys::lookup(Err(self.own), None, limits::NAME_SERVICE)?;
            return match name {
                Some(name) if name != own.name => Err(format!(
                    "found \"{}\"; without root the daemon cannot become another user: accepted is nothing, or its own user \"{}\"",
                    name.escape_debug(),
                    own.name
                )),
                _ => Ok(RunAs::Daemon(account(own, None))),
            };
        }

        let Some(name) = name else {
            return Err(
                "is missing, here and in [defaults]: the daemon is root, and root is never implied; accepted is \"user\" or \"user:group\""
                    .into(),
            );
        };

        let (user, group) = name
            .split_once(':')
            .map_or((name, None), |(user, group)| (user, Some(group.to_owned())));
        let (names, group) = sys::lookup(Ok(user.to_owned()), group, limits::NAME_SERVICE)?;
        if self
            .frontend
            .is_some_and(|frontend| frontend.uid == names.uid)
        {
            return Err(format!(
                "`{}` is the frontend's user; a command must not be able to reach into that process",
                names.name
            ));
        }

        Ok(RunAs::Account(account(names, group)))
    }
}

/// What the machine must be able to do for what is configured.
fn judge_machine(server: &Server, policy: &Policy, known: &Machine, faults: &Faults) {
    if let Some(place) = server.listens_at.as_ref().filter(|_| known.sockets) {
        let text = "is said although the service manager passes the sockets (ordaind.socket); accepted is one of the two";
        faults.add(place, "server.listen", text);
    }

    match &known.groups {
        Err(why) if server.grouped => faults.add(
            &server.containment,
            "server.containment",
            format!("runs cannot be put into control groups here: {why}; run the daemon under systemd with Delegate=yes, or spell out containment = \"best-effort\""),
        ),
        _ => {}
    }

    if !server.grouped {
        let text = "\"best-effort\": a run's processes are found by their parentage; one that is killed at the wrong moment, or belongs to another user, can be missed";
        faults.warn(&server.containment, "server.containment", text);
    }

    for command in policy.commands.values() {
        machine::enforceable(command, known, server.grouped, faults);
    }
}

fn judge_files(command: &Command, trust: &Trust, judged: &mut machine::Judged, faults: &Faults) {
    machine::judge_executable(command, trust, judged, faults);
    let key = format!("commands.{}", command.name);
    for argument in &command.arguments {
        let Kind::Path { beneath, pass } = &argument.kind else {
            continue;
        };
        let key = format!("{key}.args.{}.beneath", argument.name);
        match std::fs::symlink_metadata(beneath) {
            Err(fault) => faults.add(
                &argument.place,
                key,
                format!("{}: {fault}", beneath.display()),
            ),
            Ok(meta) if !meta.is_dir() => faults.add(
                &argument.place,
                key,
                format!("{} is not a folder", beneath.display()),
            ),
            Ok(_) if *pass == Pass::Name => {
                if let Err(why) = only_ours(beneath, trust) {
                    faults.add(
                        &argument.place,
                        key,
                        format!("{why}, so a name could be made to mean another file between check and use; set pass = \"fd\""),
                    );
                }
            }

            Ok(_) => {}
        }
    }
}

/// Whether nobody else can change what names beneath this folder mean: looks at every folder, up to
/// a bound.
fn only_ours(folder: &Path, trust: &Trust) -> Result<(), String> {
    let mut waiting = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = waiting.pop() {
        sys::trusted(&folder, trust).map_err(|fault| fault.to_string())?;
        let meta = std::fs::metadata(&folder).map_err(|fault| fault.to_string())?;
        if meta.mode() & 0o1002 == 0o1002 {
            return Err(format!("{} can be written by anybody", folder.display()));
        }
        seen += 1;
        if seen > 10_000 {
            return Err("it has more than 10,000 folders".into());
        }
        for entry in std::fs::read_dir(&folder)
            .map_err(|fault| format!("{}: {fault}", folder.display()))?
            .flatten()
        {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(entry.path());
            }
        }
    }

    Ok(())
}

/// Where the control socket of the daemon with this configuration is. Reads no more than that, so
/// that it is found also while the rest is faulty.
///
/// # Errors
/// When the file cannot be read.
pub fn control_socket(path: &Path) -> Result<PathBuf, String> {
    let text =
        std::fs::read_to_string(path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    let faults = Faults::default();
    let document = Document::parse(&path.to_string_lossy(), &text, &faults);
    let root = document.root(&faults);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    Ok(state_and_control(&root.table("server"), folder).1)
}

/// The state folder and the trail's file of the daemon with this configuration.
///
/// # Errors
/// When the file cannot be read.
pub fn state_and_trail(path: &Path) -> Result<(PathBuf, PathBuf), String> {
    let text =
        std::fs::read_to_string(path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    let faults = Faults::default();
    let document = Document::parse(&path.to_string_lossy(), &text, &faults);
    let root = document.root(&faults);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let (state, _) = state_and_control(&root.table("server"), folder);
    let trail = trail_of(&root.table("audit"), &state, folder);
    Ok((state, trail))
}

/// The trail's file.
fn trail_of(audit: &Option<Table<'_>>, state: &Path, folder: &Path) -> PathBuf {
    audit
        .as_ref()
        .and_then(|table| table.file("file", folder))
        .unwrap_or_else(|| state.join("trail.jsonl"))
}

/// The state folder and the control socket.
fn state_and_control(server: &Option<Table<'_>>, folder: &Path) -> (PathBuf, PathBuf) {
    let file = |key| server.as_ref().and_then(|table| table.file(key, folder));
    let (own_state, control) = (file("state"), file("control"));
    let default_control = match &own_state {
        None if sys::effective_uid() == 0 => PathBuf::from("/run/ordain/control.sock"),
        own => own
            .clone()
            .unwrap_or_else(default_state)
            .join("control.sock"),
    };

    (
        own_state.unwrap_or_else(default_state),
        control.unwrap_or(default_control),
    )
}

/// The fingerprint of the server's key, whatever else may be wrong with the configuration.
///
/// # Errors
/// When the file or the certificate cannot be read.
pub fn server_key(path: &Path) -> Result<tls::Fingerprint, String> {
    let cannot =
        |path: &Path, fault: &dyn std::fmt::Display| format!("{}: {fault}", path.display());
    let text = std::fs::read_to_string(path).map_err(|fault| cannot(path, &fault))?;
    let faults = Faults::default();
    let document = Document::parse(&path.to_string_lossy(), &text, &faults);
    let root = document.root(&faults);
    let certificate = root
        .table("tls")
        .and_then(|table| table.text("certificate"))
        .ok_or_else(|| cannot(path, &"tls.certificate is missing"))?;
    let file = path.parent().unwrap_or(Path::new(".")).join(certificate);
    let pem = std::fs::read(&file).map_err(|fault| cannot(&file, &fault))?;
    let chain = tls::certificates(&pem).map_err(|fault| cannot(&file, &fault))?;
    chain
        .first()
        .ok_or_else(|| cannot(&file, &"no certificate"))
        .and_then(tls::Fingerprint::of)
}
