//! `ordaind explain` and `ordaind access`: the policy, asked questions, without a daemon.

use super::display::{self, plain};
use super::faults::faulty;
use super::members::{member, members, with_group};
use super::{complain, say, say_json};
use crate::cli::{Given, assign, speak};
use crate::config::{self, Machine};
use crate::exit::Status;
use crate::monitor::{describe, explain as view};
use crate::policy::{Held, Member, Network, Policy};
use crate::secret::Secret;
use crate::verb::{self, Arguments, Invocation};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// What is asked of `explain`.
pub struct Question {
    /// The user who would ask.
    pub user: String,
    /// The command that they would ask for.
    pub command: String,
    /// The words behind the command.
    pub words: Vec<String>,
    /// The reason that they would give.
    pub reason: Option<String>,
    /// The address that they would come from.
    pub source: IpAddr,
}

fn policy(path: &Path, offline: bool) -> Result<Arc<Policy>, Status> {
    let loaded = if offline {
        config::offline(path)
    } else {
        config::load(path, &Machine::probe())
    };

    loaded
        .map(|loaded| loaded.policy)
        .map_err(|(faults, _)| faulty(path, &faults))
}

/// `ordaind explain`: exit 0 when it would be granted, 1 when not.
pub fn explain(path: &Path, offline: bool, question: &Question) -> Status {
    let policy = match policy(path, offline) {
        Ok(policy) => policy,
        Err(status) => return status,
    };

    let arguments = match arguments(&policy, question) {
        Ok(arguments) => arguments,
        Err(why) => {
            complain(&format!("ordaind: {}", plain(&why)));
            return Status::FAULT;
        }
    };

    let invocation = Invocation {
        arguments,
        confirmed: true,
        reason: question.reason.clone(),
        ..Invocation::of(question.command.clone())
    };

    let member = match member(&policy, &question.user, offline) {
        Ok(member) => member,
        Err(status) => return status,
    };
    let explanation = policy.explain(
        &member,
        &invocation,
        &question.source.into(),
        crate::clock::now(),
    );
    display::explanation(&view(&explanation))
        .iter()
        .for_each(|line| say(line));
    if !policy.commands.contains_key(&question.command) {
        say(&format!(
            "  commands.{}: there is no such command",
            plain(&question.command)
        ));
    }

    if explanation.outcome.is_err() {
        return Status::FAULT;
    }
    say("(locks and penalties are not looked at here: `ordaind lock`, `ordaind penalties`)");
    Status::OK
}

/// The words as the client would read them; a secret is stood in for, since its value decides
/// nothing but its form.
fn arguments(policy: &Policy, question: &Question) -> Result<Arguments, String> {
    let Some(command) = policy.commands.get(&question.command) else {
        return Ok(Arguments::default());
    };
    let given =
        assign(speak(&question.words), &describe(command)).map_err(|fault| fault.to_string())?;
    let value = |given| match given {
        Given::Value(value) => value,
        Given::SecretFrom(_) => verb::Value::Secret(Secret::new("secret".into())),
    };

    Ok(given
        .into_iter()
        .map(|(name, given)| (name, value(given)))
        .collect())
}

/// The rows as a table for people.
pub fn tell(rows: &[Row]) {
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (users, commands) = (width(|row| row.user.len()), width(|row| row.command.len()));
    for Row {
        user,
        command,
        roles,
        run_as,
        bounds,
    } in rows
    {
        let account = if run_as.is_empty() {
            String::new()
        } else {
            format!(" as {run_as}")
        };
        let bounds = if bounds.is_empty() {
            String::new()
        } else {
            format!("; {}", bounds.join(", "))
        };
        let roles: Vec<String> = roles
            .iter()
            .map(|(role, group)| with_group(role, group.as_deref()))
            .collect();
        say(&format!(
            "{user:users$}  {command:commands$}  by {}{account}{bounds}",
            roles.join(", ")
        ));
    }
}

/// `ordaind access`: who may run what, by which rule. Addresses are named, not judged.
pub fn access(
    path: &Path,
    offline: bool,
    user: Option<&str>,
    command: Option<&str>,
    json: bool,
) -> Status {
    let policy = match policy(path, offline) {
        Ok(policy) => policy,
        Err(status) => return status,
    };
    let unknown = |what: &str, name: &str| {
        complain(&format!("ordaind: there is no {what} `{}`", plain(name)));
        Status::FAULT
    };
    if let Some(user) = user.filter(|user| !policy.users.contains_key(*user)) {
        return unknown("user", user);
    }
    if let Some(command) = command.filter(|command| policy.declared(command).is_none()) {
        return unknown("command", command);
    }
    let members = match members(&policy, user, offline) {
        Ok(members) => members,
        Err(status) => return status,
    };
    let rows = rows(&policy, &members, command);
    if offline && !policy.groups.names().is_empty() {
        complain(
            "ordaind: the name service is not asked offline, so no role of a group is looked at",
        );
    }
    if json {
        say_json(&json!({ "access": in_json(&rows) }));
        return Status::OK;
    }
    tell(&rows);
    if rows.is_empty() {
        complain("ordaind: nobody may run anything of this");
    }
    Status::OK
}

/// What these users may run, of one command or of all.
pub fn rows(policy: &Policy, members: &[Member], command: Option<&str>) -> Vec<Row> {
    let meant = |name: &str| command.is_none_or(|asked| asked == name);
    let mut rows = Vec::new();
    for member in members {
        let granted = policy
            .names()
            .filter(|known| meant(known) && policy.may(member, known));
        rows.extend(granted.filter_map(|command| row(policy, member, command)));
    }
    rows
}

/// The rows for machines.
pub fn in_json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let roles: Vec<&str> = row.roles.iter().map(|(role, _)| &**role).collect();
        let groups = row.roles.iter().filter_map(|(role, group)| {
            let group = group.clone()?;
            Some((role.clone(), Value::String(group)))
        });
        json!({
            "user": row.user,
            "command": row.command,
            "roles": roles,
            "groups": groups.collect::<serde_json::Map<String, Value>>(),
            "run_as": row.run_as,
            "bounds": row.bounds.join(", "),
        })
    };
    rows.iter().map(row).collect()
}

/// Who may run what, and within which bounds.
pub struct Row {
    user: String,
    command: String,
    /// Each with the group of the system that gives it, if one does.
    roles: Vec<(String, Option<String>)>,
    run_as: String,
    bounds: Vec<String>,
}

fn row(policy: &Policy, member: &Member, command: &str) -> Option<Row> {
    let user = &**member.user();
    let (known, declared) = (policy.users.get(user)?, policy.declared(command)?);
    let granting: Vec<Held<'_>> = policy
        .roles_of(member)
        .filter(|held| held.role.grants(command).is_some())
        .collect();
    let mut bounds: Vec<String> = of_roles(&granting).into_iter().collect();
    let networks = [("user", &known.sources), ("command", &declared.sources)];
    let bound = networks
        .into_iter()
        .filter(|(_, networks)| !networks.is_empty());
    bounds.extend(bound.map(|(what, networks)| format!("{what} {}", from(networks))));
    bounds.extend(declared.reason.as_ref().map(|_| "with a reason".to_owned()));
    bounds.extend(declared.confirm.then(|| "confirmed".to_owned()));
    Some(Row {
        user: user.to_owned(),
        command: command.to_owned(),
        roles: granting
            .iter()
            .map(|held| {
                (
                    held.name.to_owned(),
                    held.by.map(|(group, _)| group.to_owned()),
                )
            })
            .collect(),
        run_as: declared.run_as.name().to_owned(),
        bounds,
    })
}

/// From where and when one of these roles holds; `None` where one holds anywhere and always, which makes
/// the others' bounds matter no more.
fn of_roles(granting: &[Held<'_>]) -> Option<String> {
    let mut bounds = Vec::new();
    for Held { role, .. } in granting {
        let sources = (!role.sources.is_empty()).then(|| from(&role.sources));
        let hours = role
            .hours()
            .map(|when| match role.holds_at(crate::clock::now()) {
                true => format!("{when} (now)"),
                false => format!("{when} (not now)"),
            });
        let bound: Vec<String> = sources.into_iter().chain(hours).collect();
        if bound.is_empty() {
            return None;
        }
        bounds.push(bound.join(", "));
    }
    Some(format!("role {}", bounds.join(" or ")))
}

/// Networks in words.
fn from(networks: &[Network]) -> String {
    let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
    format!("from {}", networks.join(" or "))
}
