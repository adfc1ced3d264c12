//! The daemon's configuration as a whole: every file read, judged together, and put together for
//! the monitor.

use super::accounts::Accounts;
use super::beneath::{self, judge_roots};
use super::fault::{Fault, Faults, Warnings};
use super::files::{Edited, Source, included, source};
use super::judge::{judge_archive, judge_files, judge_machine};
use super::machine::{Judged, Machine, Mode};
use super::outline;
use super::parts::Parts;
use super::policy;
use super::reader::{Document, Table};
use super::root;
use super::server::{Beside, Server, server};
use super::system_groups::judge_known;
use super::values::folder_of;
use super::warning::{Subject, Warning};
use crate::credential::{Credentials, Hash};
use crate::monitor::{Settings, Tls, TlsFiles};
use crate::place::Place;
use crate::policy::{Outline, Policy, Root};
use crate::sys::{self, Identity, Trust};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A configuration without faults, with what is worth a warning.
#[derive(Debug)]
pub struct Loaded {
    /// What the monitor needs; `None` offline.
    pub settings: Option<Settings>,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// What proves who each user is, also of those that are disabled.
    pub credentials: BTreeMap<String, Credentials>,
    /// Warnings: what is risky, but allowed, and not acknowledged.
    pub warnings: Vec<Fault>,
    /// How many warnings are acknowledged.
    pub acknowledged: usize,
}

/// Every fault, and the warnings found on the way.
type Refused = (Vec<Fault>, Vec<Fault>);

/// Checks the policy alone.
///
/// # Errors
/// Every fault.
pub fn offline(path: &Path) -> Result<Loaded, Refused> {
    read(path, Mode::Offline, None, None)
}

/// Loads a configuration for this machine, which can enforce so much.
///
/// # Errors
/// Every fault, and the warnings found on the way.
pub fn load(path: &Path, machine: &Machine) -> Result<Loaded, Refused> {
    read(path, Mode::Here, Some(machine), None)
}

/// Loads a configuration for this machine as it would be with one of its files edited.
///
/// # Errors
/// Every fault, and the warnings found on the way.
pub fn load_edited(path: &Path, machine: &Machine, edited: &Edited) -> Result<Loaded, Refused> {
    read(path, Mode::Here, Some(machine), Some(edited))
}

fn read(
    path: &Path,
    mode: Mode,
    machine: Option<&Machine>,
    edited: Option<&Edited>,
) -> Result<Loaded, Refused> {
    let faults = Faults::default();
    let trust = Trust::own();
    let source = |file: &Path| {
        let source = source(file, mode, &trust, &faults)?;
        Some(as_edited(source, file, edited))
    };
    let Some(main) = source(path) else {
        return Err(faults.into_parts());
    };
    let document = Document::parse(&main.name, &main.text, &faults);
    let root = document.root(&faults);
    let folder = folder_of(path);
    let sources: Vec<Source> = included(&root, folder, mode, &trust)
        .iter()
        .filter_map(|file| source(file))
        .collect();
    let documents = parsed(&sources, &faults);
    let noted = outlined(std::iter::once(&document).chain(&documents));
    let mut roots = vec![root];
    roots.extend(documents.iter().map(|document| document.root(&faults)));
    let parts = policy::read(&roots, &faults);
    judge_shared_hashes(&parts, std::iter::once(&main).chain(&sources), &faults);
    let server = read_server(roots, folder, mode, &faults);

    let all = all_credentials(&parts);
    let credentials = enabled(&parts, &all);
    let frontend = server.as_ref().and_then(|server| server.frontend);
    let mut policy = resolve(parts, mode, frontend, &trust, &faults);
    policy.terminals = machine.map_or_else(BTreeSet::new, |known| known.terminals.clone());
    let policy = Arc::new(policy);
    if let Some(server) = &server {
        judge_archive(server, &policy, &faults);
    }
    if let Some(server) = server.as_ref().filter(|_| mode == Mode::Here) {
        let own = server.own_files().chain([path]);
        judge_roots(&policy, &own.collect::<Vec<_>>(), &trust, &faults);
    }
    if let (Some(machine), Some(server)) = (machine, &server) {
        judge_machine(server, &policy, machine, &faults);
    }

    let (true, Some(mut server)) = (faults.none(), server) else {
        return Err(faults.into_parts());
    };
    let Some(tls) = server.tls.take() else {
        let warnings = faults.into_warnings(mode == Mode::Here);
        return Ok(Loaded {
            settings: None,
            policy,
            credentials: all,
            warnings: warnings.told,
            acknowledged: warnings.acknowledged,
        });
    };

    let loaded = for_the_monitor(&main.name, server, tls, policy, credentials, noted, faults)?;
    Ok(Loaded {
        credentials: all,
        ..loaded
    })
}

/// A file as it is to become, where it is the one that is edited.
fn as_edited(mut source: Source, file: &Path, edited: Option<&Edited>) -> Source {
    if let Some(edited) = edited.filter(|edited| edited.path == file) {
        source.text.clone_from(&edited.text);
    }
    source
}

/// What is judged only where the daemon is to run, and its settings.
fn for_the_monitor(
    file: &str,
    server: Server,
    tls: (TlsFiles, Tls),
    policy: Arc<Policy>,
    credentials: BTreeMap<String, Credentials>,
    outline: Outline,
    faults: Faults,
) -> Result<Loaded, Refused> {
    judge_logins(file, &credentials, &faults);
    judge_costs(&credentials, &policy, server.verifier_memory_kib, &faults);
    if !faults.none() {
        return Err(faults.into_parts());
    }

    let Warnings { told, acknowledged } = faults.into_warnings(true);
    let cost = Settings::usual_cost(hashes(&credentials).map(|(_, hash)| hash));
    let settings = Hash::nobodys(cost).map(|dummy| {
        server.settings(Beside {
            policy: policy.clone(),
            credentials,
            dummy,
            tls,
            warnings: told.iter().map(Fault::to_string).collect(),
            outline,
        })
    });

    Ok(Loaded {
        settings,
        policy,
        credentials: BTreeMap::new(),
        warnings: told,
        acknowledged,
    })
}

fn parsed<'s>(sources: &'s [Source], faults: &Faults) -> Vec<Document<'s>> {
    sources
        .iter()
        .map(|source| Document::parse(&source.name, &source.text, faults))
        .collect()
}

/// What all files say, key by key.
fn outlined<'d>(documents: impl Iterator<Item = &'d Document<'d>>) -> Outline {
    let mut noted = Outline::default();
    documents.for_each(|document| outline::note(&mut noted, document.table()));
    noted
}

/// The first file's tables that are not policy. Included files hold commands, roles and users only;
/// whatever else they say is found here.
fn read_server(
    roots: Vec<Table<'_>>,
    folder: &Path,
    mode: Mode,
    faults: &Faults,
) -> Option<Server> {
    let mut roots = roots.into_iter();
    let main = roots
        .next()
        .map(|root| (server(&root, folder, mode, faults), root));
    roots.for_each(Table::finish);
    main.map(|(server, root)| {
        root.finish();
        server
    })
}

/// Password hashes in a file that others can read.
fn judge_shared_hashes<'s>(
    parts: &Parts,
    sources: impl Iterator<Item = &'s Source> + Clone,
    faults: &Faults,
) {
    for user in parts.users.values().filter(|user| user.has_hash) {
        let file = sources
            .clone()
            .find(|source| *source.name == *user.user.place.file);
        if let Some(file) = file.filter(|file| file.shared) {
            faults.add(
                &user.user.place,
                "",
                format!(
                    "{} holds password hashes and can be read by others; `chmod 600 {}`",
                    file.name,
                    sys::in_a_shell(Path::new(&file.name))
                ),
            );
        }
    }
}

/// What proves who each user is.
fn all_credentials(parts: &Parts) -> BTreeMap<String, Credentials> {
    let users = parts.users.iter();
    users
        .map(|(name, user)| (name.clone(), user.credentials.clone()))
        .collect()
}

/// Those of users that are not disabled.
fn enabled(parts: &Parts, all: &BTreeMap<String, Credentials>) -> BTreeMap<String, Credentials> {
    let disabled = |name: &String| parts.users.get(name).is_some_and(|user| user.user.disabled);
    let kept = all.iter().filter(|(name, _)| !disabled(name));
    kept.map(|(name, known)| (name.clone(), known.clone()))
        .collect()
}

/// The users that have a password, with its hash.
fn hashes(credentials: &BTreeMap<String, Credentials>) -> impl Iterator<Item = (&String, &Hash)> {
    credentials
        .iter()
        .filter_map(|(name, known)| Some((name, known.password.as_ref()?)))
}

/// A configuration that lets nobody in.
fn judge_logins(file: &str, credentials: &BTreeMap<String, Credentials>, faults: &Faults) {
    if credentials
        .values()
        .all(|known| known.password.is_none() && known.keys.is_empty())
    {
        faults.warn(
            (Warning::NoLogin, &Subject::table("users")),
            &Place {
                file: file.into(),
                line: 0,
            },
            "users",
            "no user can log in",
        );
    }
}

/// Passwords whose verification needs more memory than one may have.
fn judge_costs(
    credentials: &BTreeMap<String, Credentials>,
    policy: &Policy,
    memory_kib: u32,
    faults: &Faults,
) {
    for (name, hash) in hashes(credentials) {
        if hash.cost().memory_kib > memory_kib {
            let place = policy
                .users
                .get(name)
                .map(|user| user.place.clone())
                .unwrap_or_default();
            let text = format!(
                "wants {} KiB for a verification; login.memory, shared by login.verifiers, allows {memory_kib} KiB",
                hash.cost().memory_kib,
            );
            faults.add(&place, format!("users.{name}.password"), text);
        }
    }
}

/// Looks up the accounts and judges what only this machine knows: executables, folders, owners.
fn resolve(
    parts: Parts,
    mode: Mode,
    frontend: Option<Identity>,
    trust: &Trust,
    faults: &Faults,
) -> Policy {
    let mut accounts = Accounts::new(trust.own, frontend);
    let mut policy = Policy {
        roles: parts.roles,
        groups: parts.groups.into(),
        ..Policy::default()
    };
    if mode == Mode::Here {
        judge_known(&policy.groups, faults);
    }
    let mut judged = Judged::default();
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
    for (name, read) in parts.roots {
        if let Some(root) = resolved(&name, &read, mode, &mut accounts, faults) {
            policy.roots.insert(name, Arc::new(root));
        }
    }
    policy
}

/// A root with its account and its folder, where this is the machine to look at.
fn resolved(
    name: &str,
    read: &root::Read,
    mode: Mode,
    accounts: &mut Accounts,
    faults: &Faults,
) -> Option<Root> {
    if mode != Mode::Here {
        return Some(read.root(name, &read.command.run_as, None));
    }
    let folder = beneath::open(&read.beneath);
    let folder = folder
        .map_err(|why| faults.add(&read.place, format!("files.{name}.beneath"), why))
        .ok()?;
    match accounts.run_as(read.run_as.as_deref()) {
        Ok(run_as) => Some(read.root(name, &run_as, Some(folder))),
        Err(why) => {
            faults.add(&read.place, format!("files.{name}.run_as"), why);
            None
        }
    }
}
