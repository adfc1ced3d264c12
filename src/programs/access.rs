//! `ordaind explain` and `ordaind access`: the policy, asked questions, without a daemon.

use super::display::{self, plain};
use super::{complain, daemon, say, say_json};
use crate::cli::{Given, assign, speak};
use crate::config::{self, Machine};
use crate::exit::Status;
use crate::monitor::{describe, explain as view};
use crate::policy::Policy;
use crate::request::{Arguments, Invocation, Value};
use crate::secret::Secret;
use serde_json::json;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// What is asked of `explain`.
pub struct Question {
    /// Who would ask.
    pub user: String,
    /// For which command.
    pub command: String,
    /// With which words.
    pub words: Vec<String>,
    /// With which reason.
    pub reason: Option<String>,
    /// From where.
    pub source: IpAddr,
}

fn policy(path: &Path, offline: bool) -> Result<Arc<Policy>, Status> {
    let loaded = if offline { config::offline(path) } else { config::load(path, &Machine::probe()) };
    loaded.map(|loaded| loaded.policy).map_err(|(faults, _)| daemon::faulty(path, &faults))
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
    let invocation =
        Invocation { command: question.command.clone(), arguments, confirmed: true, terminal: None, reason: question.reason.clone() };
    let explanation = policy.explain(&question.user, &invocation, question.source);
    display::explanation(&view(&explanation)).iter().for_each(|line| say(line));
    if !policy.commands.contains_key(&question.command) {
        say(&format!("  commands.{}: there is no such command", plain(&question.command)));
    }
    if explanation.outcome.is_ok() {
        say("(locks and penalties are not looked at here: `ordaind lock`, `ordaind penalties`)");
    }
    if explanation.outcome.is_ok() { Status::OK } else { Status::FAULT }
}

/// The words as the client would read them; a secret is stood in for, since its value decides nothing but its form.
fn arguments(policy: &Policy, question: &Question) -> Result<Arguments, String> {
    let Some(command) = policy.commands.get(&question.command) else { return Ok(Vec::new()) };
    let given = assign(speak(&question.words), &describe(command)).map_err(|fault| fault.to_string())?;
    let value = |given| match given {
        Given::Value(value) => value,
        Given::SecretFrom(_) => Value::Secret(Secret::new("secret".into())),
    };
    Ok(given.into_iter().map(|(name, given)| (name, value(given))).collect())
}

/// `ordaind access`: who may run what, by which rule. Addresses are named, not judged.
pub fn access(path: &Path, offline: bool, user: Option<&str>, command: Option<&str>, json: bool) -> Status {
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
    if let Some(command) = command.filter(|command| !policy.commands.contains_key(*command)) {
        return unknown("command", command);
    }
    let mut rows = Vec::new();
    for (name, known) in policy.users.iter().filter(|(name, _)| user.is_none_or(|user| user == *name)) {
        for (command, declared) in policy.commands.iter().filter(|(name, _)| command.is_none_or(|command| command == *name)) {
            if !policy.may(name, command) {
                continue;
            }
            let roles: Vec<&str> = policy
                .roles_of(name)
                .filter(|(_, role)| role.commands.iter().any(|pattern| pattern.matches(command)))
                .map(|(role, _)| role)
                .collect();
            let mut bounds = Vec::new();
            let from = |networks: &[crate::policy::Network]| networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
            // A role that holds anywhere makes the others' addresses matter no more.
            let anywhere = policy.roles_of(name).any(|(role_name, role)| roles.contains(&role_name) && role.sources.is_empty());
            if !anywhere {
                let networks: Vec<_> = policy
                    .roles_of(name)
                    .filter(|(role_name, _)| roles.contains(role_name))
                    .flat_map(|(_, role)| role.sources.clone())
                    .collect();
                bounds.push(format!("role from {}", from(&networks)));
            }
            for (what, networks) in [("user", &known.sources), ("command", &declared.sources)] {
                if !networks.is_empty() {
                    bounds.push(format!("{what} from {}", from(networks)));
                }
            }
            if declared.reason.is_some() {
                bounds.push("with a reason".into());
            }
            if declared.confirm {
                bounds.push("confirmed".into());
            }
            rows.push((name.as_str(), command.as_str(), roles.join(", "), declared.run_as.name().to_owned(), bounds.join(", ")));
        }
    }
    if json {
        let row = |(user, command, roles, run_as, bounds): &(&str, &str, String, String, String)| json!({ "user": user, "command": command, "roles": roles.split(", ").collect::<Vec<_>>(), "run_as": run_as, "bounds": bounds });
        say_json(&json!({ "access": rows.iter().map(row).collect::<Vec<_>>() }));
        return Status::OK;
    }
    let width = |of: fn(&(&str, &str, String, String, String)) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (users, commands) = (width(|row| row.0.len()), width(|row| row.1.len()));
    for (user, command, roles, run_as, bounds) in &rows {
        let account = if run_as.is_empty() { String::new() } else { format!(" as {run_as}") };
        let bounds = if bounds.is_empty() { String::new() } else { format!("; {bounds}") };
        say(&format!("{user:users$}  {command:commands$}  by {roles}{account}{bounds}"));
    }
    if rows.is_empty() {
        complain("ordaind: nobody may run anything of this");
    }
    Status::OK
}
