//! A role: what it grants and denies, where and when, and whether there is what it names.

use super::acknowledge::acknowledge;
use super::fault::Faults;
use super::names;
use super::parts::Parts;
use super::reader::{Item, Table};
use super::values::sources;
use super::warning::{Subject, Warning};
use super::zones::zone;
use crate::policy::{Hours, Pattern, Right, Role};
use crate::verb::rights;

/// Reads `[roles.NAME]`.
pub(super) fn role(name: &str, table: Table<'_>) -> Role {
    acknowledge(&table, &Subject::named("roles", name));
    let read = |item: &Item<'_>, parse: &dyn Fn(&str) -> Result<(), String>| {
        let text = item.parsed(|text| parse(text).map(|()| text.to_owned()))?;
        let place = item.place.clone();
        Some(Pattern { text, place })
    };
    let pattern = |item: &Item<'_>| read(item, &|text| names::name(&text.replace('*', "x")));
    let denied = |item: &Item<'_>| {
        read(item, &|text| match text.split_once(':') {
            None => names::name(&text.replace('*', "x")),
            Some(_) => over_root(text),
        })
    };
    let over = |item: &Item<'_>| read(item, &over_root);

    let verb = |item: &Item<'_>| {
        item.parsed(|text| {
            if rights().any(|right| right == text) {
                return Ok(text.to_owned());
            }
            Err(format!(
                "found \"{}\"; accepted are {}",
                text.escape_debug(),
                rights().collect::<Vec<_>>().join(", ")
            ))
        })
    };

    let list = |key: &'static str| table.texts(key).unwrap_or_default();
    let read = Role {
        commands: list("commands").iter().filter_map(pattern).collect(),
        files: list("files").iter().filter_map(over).collect(),
        deny: list("deny").iter().filter_map(denied).collect(),
        max_run_time: table.duration("max_run_time"),
        verbs: list("verbs").iter().filter_map(verb).collect(),
        sources: sources(&table),
        when: hours(&table),
        place: table.place.clone(),
    };

    table.finish();
    read
}

/// A root's name, with a colon and a right where it is that one alone.
fn over_root(text: &str) -> Result<(), String> {
    let (root, right) = match text.split_once(':') {
        Some((root, right)) => (root, Some(right)),
        None => (text, None),
    };
    names::name(root)?;
    match right.map(Right::named) {
        Some(None) => Err(format!(
            "found \"{}\"; accepted behind the colon are list, get, put and remove",
            text.escape_debug()
        )),
        _ => Ok(()),
    }
}

/// When a role holds, in one text or a list of them; none where nothing is said.
fn hours(table: &Table<'_>) -> Vec<Hours> {
    let Some(item) = table.item("when") else {
        return Vec::new();
    };
    let items = match item.is_list() {
        true => item.list().unwrap_or_default(),
        false => vec![item],
    };
    // A list that came out empty would mean "always".
    if items.is_empty() {
        table.fault("`when` names no hours; leave it out for a role that always holds");
    }
    let read = |item: &Item<'_>| item.parsed(|text| Hours::read(text, zone));
    items.iter().filter_map(read).collect()
}

/// What a role grants and denies, and whether anybody has it.
pub(super) fn judge_role(name: &String, role: &Role, parts: &Parts, faults: &Faults) {
    for pattern in &role.commands {
        judge_grant(name, pattern, parts, faults);
    }
    for grant in &role.files {
        if let Err(why) = over_what_there_is(&grant.text, parts) {
            faults.add(&grant.place, format!("roles.{name}.files"), why);
        }
    }

    for pattern in role.deny.iter().filter(|pattern| {
        let mut names = parts.commands.keys().chain(&parts.unread);
        !names.any(|command| pattern.matches(command))
    }) {
        // What is denied in vain may be a name that was spelled wrongly, and a grant that was
        // meant to be none.
        let there = over_what_there_is(&pattern.text, parts);
        let why = match pattern.text.contains(':') {
            true => there,
            false => there.map_err(|_| format!("there is no command `{}`", pattern.text)),
        };
        if let Err(why) = why {
            faults.add(&pattern.place, format!("roles.{name}.deny"), why);
        }
    }

    let mut users = parts.users.values();
    let mut groups = parts.groups.values();
    if !users.any(|user| user.user.roles.contains(name))
        && !groups.any(|given| given.roles.contains(name))
    {
        faults.warn(
            (Warning::UnusedRole, &Subject::named("roles", name)),
            &role.place,
            format!("roles.{name}"),
            "no user has this role",
        );
    }
}

/// What one pattern of a role grants.
fn judge_grant(role: &str, pattern: &Pattern, parts: &Parts, faults: &Faults) {
    let key = format!("roles.{role}.commands");
    let matched: Vec<&str> = parts
        .commands
        .keys()
        .chain(&parts.unread)
        .map(String::as_str)
        .filter(|command| pattern.matches(command))
        .collect();
    if pattern.is_wildcard() {
        let spelled = if matched.is_empty() {
            "nothing".into()
        } else {
            matched.join(", ")
        };

        faults.warn(
            (Warning::Wildcard, &Subject::named("roles", role)),
            &pattern.place,
            key,
            format!("`{}` grants {spelled}", pattern.text),
        );
    } else if matched.is_empty() {
        faults.add(
            &pattern.place,
            key,
            format!("there is no command `{}`", pattern.text),
        );
    }
}

/// Whether there is the root of a grant, and it allows that right.
fn over_what_there_is(text: &str, parts: &Parts) -> Result<(), String> {
    let (name, right) = match text.split_once(':') {
        Some((name, right)) => (name, Right::named(right)),
        None => (text, None),
    };
    let Some(root) = parts.roots.get(name) else {
        let there: Vec<&str> = parts.roots.keys().map(String::as_str).take(20).collect();
        let there = match there.is_empty() {
            true => "none is defined".to_owned(),
            false => format!("there are {}", there.join(", ")),
        };
        return Err(format!(
            "there is no root `{name}` ([files.{name}]); {there}"
        ));
    };
    match right.filter(|right| !root.rights.contains(right)) {
        Some(right) => Err(format!(
            "`{}` is not in files.{name}.allow: a role narrows what a root allows, and never widens it",
            right.word()
        )),
        None => Ok(()),
    }
}
