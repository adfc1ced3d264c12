//! `ordaind status` and `ordaind metrics`: how the running daemon is.

use super::display::plain;
use super::{complain, local, say, say_json};
use crate::exit::{Human, Status};
use crate::sys;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// `ordaind status`: exit status 0 when nothing is wrong, 1 when something is, or nobody answers.
pub fn status(config: &Path, json: bool) -> Status {
    let answer = match local::ask(config, "status") {
        Ok(answer) => answer,
        Err(why) => return local::failed(&why),
    };

    if json {
        say_json(&answer);
    } else {
        for line in lines(&answer) {
            say(&plain(&line));
        }
    }

    if answer.get("health").and_then(Value::as_str) == Some("ok") {
        Status::OK
    } else {
        Status::FAULT
    }
}

/// `ordaind metrics`: to standard output, or put in the place of a file at once, as the textfile
/// collector wants it.
pub fn metrics(config: &Path, out: Option<&Path>) -> Status {
    let answer = match local::ask(config, "metrics") {
        Ok(answer) => answer,
        Err(why) => return local::failed(&why),
    };

    let text = answer
        .get("text")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match out.map(|file| {
        sys::replace(file, text.as_bytes(), 0o644, true)
            .map_err(|fault| format!("{}: {fault}", file.display()))
    }) {
        None => say(text.trim_end()),
        Some(Ok(())) => {}
        Some(Err(why)) => {
            complain(&format!("ordaind: {why}"));
            return Status::FAULT;
        }
    }

    Status::OK
}

/// The answer for people.
fn lines(answer: &Value) -> Vec<String> {
    let at = |path: &str| answer.pointer(path).unwrap_or(&Value::Null);
    let text = |path: &str| match at(path) {
        Value::String(text) => text.clone(),
        Value::Null => "none".into(),
        other => other.to_string(),
    };

    let list = |path: &str| at(path).as_array().cloned().unwrap_or_default();
    let words = |path: &str| {
        list(path)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };

    let or_none = |words: Vec<String>| {
        if words.is_empty() {
            "none".to_owned()
        } else {
            words.join(", ")
        }
    };

    let row = |name: &str, text: String| format!("{name:<12} {text}");
    let up = Human(Duration::from_secs(at("/uptime_s").as_u64().unwrap_or(0)));
    let stopping = if at("/stopping") == &Value::Bool(true) {
        ", stopping"
    } else {
        ""
    };

    let mut lines = vec![
        row(
            "ordaind",
            format!(
                "{}, up {up}, configuration {}{stopping}",
                text("/version"),
                text("/generation")
            ),
        ),
        row("health", text("/health")),
    ];

    lines.extend(words("/faults").into_iter().map(|fault| row("", fault)));
    lines.push(row("listening", or_none(words("/listening"))));
    lines.push(row(
        "certificate",
        match at("/certificate/fault").as_str() {
            Some(fault) => fault.to_owned(),
            None => format!(
                "{} days left (until {})",
                text("/certificate/days_left"),
                text("/certificate/expires")
            ),
        },
    ));
    lines.push(row("", text("/certificate/fingerprint")));
    if let Some(fault) = at("/certificate/files").as_str() {
        lines.push(row("", format!("the files as they are now: {fault}")));
    }
    lines.push(row(
        "frontend",
        match at("/frontend") {
            Value::Null => "none: nobody can connect".into(),
            _ => format!(
                "{}, seccomp {}, Landlock {}, started {} {}",
                if at("/frontend/own_user") == &Value::Bool(true) {
                    format!("user id {}", text("/frontend/uid"))
                } else {
                    "the daemon's own user".into()
                },
                text("/frontend/seccomp"),
                text("/frontend/landlock"),
                text("/frontends_started"),
                if text("/frontends_started") == "1" {
                    "time"
                } else {
                    "times"
                }
            ),
        },
    ));
    lines.push(row(
        "commands",
        format!(
            "{} ({} sandboxed, {} without network, {} may use setuid, {} go on without the trail), runs contained by {}",
            text("/commands/all"),
            text("/commands/sandboxed"),
            text("/commands/without_network"),
            text("/commands/setuid_allowed"),
            text("/commands/audit_best_effort"),
            text("/containment")
        ),
    ));
    lines.push(row(
        "runs",
        format!(
            "{} running, {} starting, {} waiting; {} started, {} requests refused",
            text("/runs/running"),
            text("/runs/starting"),
            text("/runs/queued"),
            text("/since_start/runs"),
            text("/since_start/refused")
        ),
    ));
    lines.push(row(
        "sessions",
        format!(
            "{} on {} connections, {} may come back, {} logins kept; {} logins, {} refused",
            text("/sessions"),
            text("/connections"),
            text("/sessions_parked"),
            text("/kept_logins"),
            text("/since_start/logins"),
            text("/since_start/logins_refused")
        ),
    ));
    lines.push(row("locked", or_none(words("/locked"))));
    lines.push(row(
        "penalties",
        format!(
            "{} sources and {} users are not let in",
            text("/penalties/sources_not_let_in"),
            text("/penalties/users_not_let_in")
        ),
    ));
    lines.push(row(
        "trail",
        format!(
            "{}: {} records, {} not on disk yet, {} missed{}",
            text("/trail/file"),
            text("/trail/records"),
            text("/trail/not_on_disk_yet"),
            text("/trail/missed"),
            at("/trail/not_in_the_journal_yet")
                .as_u64()
                .map(|lag| format!(", {lag} not in the journal yet"))
                .unwrap_or_default()
        ),
    ));
    let field = |value: &Value, key: &str| {
        value
            .get(key)
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            })
            .unwrap_or_default()
    };

    let near = list("/limits_near");
    lines.extend(near.iter().map(|limit| {
        row(
            "limit near",
            format!(
                "{}: {} of {}",
                field(limit, "limit"),
                field(limit, "used"),
                field(limit, "most")
            ),
        )
    }));
    let last = list("/last_faults");
    lines.extend(last.iter().map(|fault| {
        row(
            "lately",
            match field(fault, "times").as_str() {
                "1" => format!("{} {}", field(fault, "time"), field(fault, "text")),
                times => format!(
                    "{} {} (the last of {times})",
                    field(fault, "time"),
                    field(fault, "text")
                ),
            },
        )
    }));
    lines
}
