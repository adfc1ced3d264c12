//! Roles, users and commands: the part of a configuration that says who may do what, from one file
//! or many.

use super::acknowledge::acknowledge;
use super::argument::{Definitions, define};
use super::command::{self, Defaults, Read};
use super::fault::Faults;
use super::names;
use super::parts::{Parts, ReadUser};
use super::reader::{Item, Table};
use super::role::{judge_role, role};
use super::root;
use super::system_groups::{self, groups};
use super::values::{sources, timeout, window};
use super::warning::{Subject, Warning};
use crate::credential::{Credentials, Hash, SshPublic};
use crate::limits;
use crate::place::Place;
use crate::policy::{Given, Role, User};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Reads `defaults`, `roles`, `users` and `commands` of every file; `[defaults]` stands in the
/// first only.
pub fn read(roots: &[Table<'_>], faults: &Faults) -> Parts {
    let mut parts = Parts::default();
    let defaults = roots
        .first()
        .and_then(|root| root.table("defaults"))
        .map(defaults)
        .unwrap_or_default();
    let (mut definitions, mut unread) = (Definitions::default(), Vec::new());
    for root in roots {
        let read = |name: &str, table: Table<'_>| Some(define(name, table));
        let place = Definitions::place;
        each(root, "arguments", definitions.all(), place, faults, read);
    }
    for table in roots {
        each(
            table,
            "roles",
            &mut parts.roles,
            |role| &role.place,
            faults,
            |name, table| Some(role(name, table)),
        );

        each(
            table,
            "users",
            &mut parts.users,
            |user| &user.user.place,
            faults,
            |name, table| Some(user(name, table)),
        );

        each(
            table,
            "files",
            &mut parts.roots,
            |read| &read.place,
            faults,
            |name, table| root::read(name, table, &defaults),
        );

        each(
            table,
            "commands",
            &mut parts.commands,
            |read| &read.command.place,
            faults,
            |name, table| {
                let read = command::read(name, table, &defaults, &definitions);
                if read.is_none() {
                    unread.push(name.to_owned());
                }
                read
            },
        );
    }
    parts.unread = unread;
    parts.groups = groups(roots, faults);
    definitions.judge(faults);

    judge(&parts, faults);
    judge_unused(&parts, archive(roots).as_deref(), faults);
    parts
}

/// Reads a table of tables with names; a name that another file has too is a fault that names both
/// places.
fn each<T>(
    root: &Table<'_>,
    key: &'static str,
    into: &mut BTreeMap<String, T>,
    place: impl Fn(&T) -> &Place,
    faults: &Faults,
    mut read: impl FnMut(&str, Table<'_>) -> Option<T>,
) {
    for (name, item) in root
        .table(key)
        .map(|table| table.named())
        .unwrap_or_default()
    {
        if let Err(why) = names::name(&name) {
            item.fault(why);
            continue;
        }
        let Some(value) = item.table().and_then(|table| read(&name, table)) else {
            continue;
        };
        if let Some(earlier) = into.get(&name) {
            faults.add(
                &item.place,
                item.key.clone(),
                format!("is defined already, at {}", place(earlier)),
            );
            continue;
        }
        into.insert(name, value);
    }
}

fn defaults(table: Table<'_>) -> Defaults {
    let about = Subject::table("defaults");
    acknowledge(&table, &about);
    let read = Defaults {
        run_as: table.text("run_as"),
        timeout: default_timeout(&table),
        grace: table.duration("grace"),
        resume_window: table.item("resume_window").and_then(|item| window(&item)),
    };

    if read.timeout == Some(None) {
        let text = "timeout is \"none\": a run that hangs goes on for ever, of every command without its own";
        table.warn((Warning::NoTimeout, &about), text);
    }
    table.finish();
    read
}

/// `defaults.timeout`. One that is wrong or mistyped is a fault here; it is not missing at every command
/// as well.
fn default_timeout(table: &Table<'_>) -> Option<Option<Duration>> {
    let instead = Some(Duration::from_secs(60));
    match table.item("timeout") {
        Some(item) => Some(timeout(&item).unwrap_or(instead)),
        None => table.has_near("timeout").then_some(instead),
    }
}

fn user(name: &str, table: Table<'_>) -> ReadUser {
    let about = Subject::named("users", name);
    acknowledge(&table, &about);
    let password = table.item("password");
    let read = ReadUser {
        user: User {
            roles: table
                .texts("roles")
                .unwrap_or_default()
                .iter()
                .filter_map(Item::text)
                .collect(),
            account: table.item("account").and_then(|item| account(&item)),
            disabled: table.flag("disabled").unwrap_or(false),
            sources: sources(&table),
            place: table.place.clone(),
        },
        credentials: Credentials {
            password: password.as_ref().and_then(|item| {
                item.parsed(|text| {
                    Hash::read(text)
                        .map_err(|why| format!("{why} (`ordaind hash-password` makes one)"))
                })
            }),
            keys: ssh_keys(&table),
            totp: table.flag("totp").unwrap_or(false),
        },
        has_hash: password.is_some(),
    };

    if let Some(hash) = &read.credentials.password {
        let cost = hash.cost();
        if u64::from(cost.memory_kib) * u64::from(cost.passes) < 19 * 1024 * 2 {
            let what = (Warning::WeakHash, &about);
            let text = format!(
                "is weak: m={} KiB, t={}; OWASP's least is m=19456, t=2",
                cost.memory_kib, cost.passes
            );
            if let Some(item) = &password {
                item.warn(what, text);
            }
        }
    }

    table.finish();
    read
}

/// The account whose groups give the user roles.
fn account(item: &Item<'_>) -> Option<Arc<str>> {
    item.parsed(system_groups::name_of_system).map(Arc::from)
}

fn ssh_keys(table: &Table<'_>) -> Vec<SshPublic> {
    let items = table.texts("ssh_keys").unwrap_or_default();
    if let Some(first) = items.get(limits::SSH_KEYS) {
        first.fault(format!(
            "is one too many; {} are accepted",
            limits::SSH_KEYS
        ));
    }

    let mut keys: Vec<SshPublic> = Vec::new();
    for item in items.iter().take(limits::SSH_KEYS) {
        let Some(key) = item.parsed(SshPublic::read) else {
            continue;
        };
        match keys.iter().any(|known| known.is(&key)) {
            true => item.fault("is listed twice"),
            false => keys.push(key),
        }
    }

    keys
}

/// What only shows when everything is seen together: undeclared names, and grants worth knowing of.
fn judge(parts: &Parts, faults: &Faults) {
    for (name, role) in &parts.roles {
        judge_role(name, role, parts, faults);
    }
    for (name, given) in &parts.groups {
        judge_group(name, given, parts, faults);
    }
    for (name, read) in &parts.users {
        judge_user(name, read, parts, faults);
    }
    root::judge(&parts.roots, &parts.commands, &parts.roles, faults);
    judge_approvals(parts, faults);
    judge_costs(parts, faults);
}

/// The command that the daemon itself starts with old files of the trail.
fn archive(roots: &[Table<'_>]) -> Option<String> {
    let audit = roots.first()?.table("audit")?;
    audit.item("archive")?.as_text().map(str::to_owned)
}

/// Commands that nobody starts.
fn judge_unused(parts: &Parts, archive: Option<&str>, faults: &Faults) {
    let others = |(name, _): &(&String, &Read)| Some(name.as_str()) != archive;
    for (name, read) in parts.commands.iter().filter(others) {
        let granted = parts
            .roles
            .values()
            .any(|role| role.commands.iter().any(|pattern| pattern.matches(name)));
        if !granted {
            faults.warn(
                (Warning::UnusedCommand, &Subject::command(name)),
                &read.command.place,
                format!("commands.{name}"),
                "no role grants this command",
            );
        }
    }
}

/// Whether a user's roles exist, and whether anything lets them in.
fn judge_user(name: &str, read: &ReadUser, parts: &Parts, faults: &Faults) {
    let key = format!("users.{name}");
    declared(
        &read.user.roles,
        (&read.user.place, &format!("{key}.roles")),
        parts,
        faults,
    );

    if !read.has_hash && read.credentials.keys.is_empty() {
        faults.warn(
            (Warning::NoLogin, &Subject::named("users", name)),
            &read.user.place,
            key,
            "has neither a password nor SSH keys and cannot log in",
        );
    }
}

/// Whether the roles of a group exist, and whether it is known what it denies.
fn judge_group(name: &str, given: &Given, parts: &Parts, faults: &Faults) {
    let key = format!("{}.{}", system_groups::TABLE, name.escape_debug());
    declared(&given.roles, (&given.place, &key), parts, faults);
    for role in &given.roles {
        let denies = |role: &&Role| !role.deny.is_empty();
        if parts.roles.get(role).filter(denies).is_some() {
            let what = (Warning::DenyByGroup, &Subject::table(system_groups::TABLE));
            let text = format!(
                "role `{role}` denies something, which whoever is taken out of the group, or is not known to be in it, is not denied any more"
            );
            faults.warn(what, &given.place, key.clone(), text);
        }
    }
}

/// Roles that do not exist.
fn declared(roles: &[String], (place, key): (&Place, &str), parts: &Parts, faults: &Faults) {
    for role in roles.iter().filter(|role| !parts.roles.contains_key(*role)) {
        let text = format!(
            "there is no role `{}`; {}",
            role.escape_debug(),
            there_are(&parts.roles)
        );
        faults.add(place, key, text);
    }
}

/// The roles that there are, as many as fit into a sentence.
fn there_are(roles: &BTreeMap<String, Role>) -> String {
    const TOLD: usize = 20;
    let mut names: Vec<&str> = roles.keys().map(String::as_str).take(TOLD).collect();
    if roles.len() > TOLD {
        names.push("…");
    }
    match names.is_empty() {
        true => "none is defined".into(),
        false => format!("there are {}", names.join(", ")),
    }
}

/// Whether verifying takes the same time for every user's password.
fn judge_costs(parts: &Parts, faults: &Faults) {
    let costs: Vec<_> = parts
        .users
        .iter()
        .filter_map(|(name, read)| {
            let hash = read.credentials.password.as_ref()?;
            Some((hash.cost(), name, &read.user.place))
        })
        .collect();

    if let Some((usual, first, _)) = costs.first() {
        for (_, name, place) in costs.iter().filter(|(cost, ..)| cost != usual) {
            faults.warn(
                (Warning::UnevenHashes, &Subject::named("users", name)),
                place,
                format!("users.{name}.password"),
                format!("costs another amount of work than that of `{first}`: the time of a refusal tells such users apart"),
            );
        }
    }
}

/// Whether there is the role of each command's `approval`, and whether enough users have it: more than
/// are needed, so that one can be away, or be who asks.
fn judge_approvals(parts: &Parts, faults: &Faults) {
    for (name, read) in &parts.commands {
        let Some(approval) = &read.command.approval else {
            continue;
        };
        let (place, key) = (&read.command.place, format!("commands.{name}.approval"));
        let role = approval.by.escape_debug();
        if !parts.roles.contains_key(&approval.by) {
            faults.add(place, key, format!("there is no role `{role}`"));
            continue;
        }
        // Who is in a group of the system is not known here.
        let mut groups = parts.groups.values();
        if groups.any(|given| given.roles.contains(&approval.by)) {
            continue;
        }
        let (could, needed) = (people(parts, &approval.by), approval.needed);
        if could <= needed {
            let text = format!(
                "needs {needed} to agree, and {could} could: the users with the role `{role}` must be more than are needed, because nobody agrees to a run of their own"
            );
            faults.add(place, key, text);
        }
    }
}

/// How many people have this role: users who log in by one key are one person.
fn people(parts: &Parts, role: &String) -> usize {
    let has = |read: &&ReadUser| !read.user.disabled && read.user.roles.contains(role);
    let mut known: Vec<&[SshPublic]> = Vec::new();
    for user in parts.users.values().filter(has) {
        let keys = user.credentials.keys.as_slice();
        let shares = |known: &&[SshPublic]| {
            let mut each = keys.iter();
            each.any(|key| known.iter().any(|other| other.is(key)))
        };
        if !known.iter().any(shares) {
            known.push(keys);
        }
    }
    known.len()
}
