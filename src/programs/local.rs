//! The local verbs: one line to the running daemon's control socket, one line back.

use super::display::plain;
use super::{complain, say, say_json};
use crate::config;
use crate::exit::Status;
use crate::sys;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take: a reload of much on a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER: u64 = 64 << 20;

/// Asks the running daemon.
///
/// # Errors
/// What it says, or that nobody answers.
pub fn ask(path: &Path, verb: &str) -> Result<Value, String> {
    ask_with(path, &json!({ "verb": verb }))
}

fn ask_with(path: &Path, question: &Value) -> Result<Value, String> {
    // The socket's place is the configuration's to say; a faulty one (the reason for many a reload)
    // says it too.
    let control = config::control_socket(path)?;
    let cannot = |fault: &dyn std::fmt::Display| {
        format!("{}: {fault} (is the daemon running?)", control.display())
    };
    // Somebody else's socket in a place that others can write to is not the daemon's.
    let owner = std::fs::symlink_metadata(&control)
        .map_err(|fault| cannot(&fault))?
        .uid();
    if owner != 0 && owner != sys::effective_uid() {
        return Err(cannot(&format!("it belongs to user id {owner}")));
    }
    let mut stream = UnixStream::connect(&control).map_err(|fault| cannot(&fault))?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|fault| cannot(&fault))?;
    stream
        .write_all(format!("{question}\n").as_bytes())
        .map_err(|fault| cannot(&fault))?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER))
        .read_line(&mut line)
        .map_err(|fault| cannot(&fault))?;
    let answer: Value = serde_json::from_str(&line).map_err(|fault| cannot(&fault))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None => Ok(answer),
    }
}

/// Says why not.
pub fn failed(why: &str) -> Status {
    complain(&format!("ordaind: {}", plain(why)));
    Status::FAULT
}

/// `ordaind reload`
pub fn reload(path: &Path) -> Status {
    let answer = match ask(path, "reload") {
        Ok(answer) => answer,
        Err(why) => return failed(&why),
    };

    match answer.get("faults").and_then(Value::as_array) {
        Some(faults) => {
            for fault in faults.iter().filter_map(Value::as_str) {
                complain(&format!("ordaind: {}", plain(fault)));
            }
            failed("the configuration was not taken over; the old one stays")
        }

        None => {
            say(&format!(
                "reloaded; this is configuration {}",
                answer.get("generation").unwrap_or(&Value::Null)
            ));
            if answer
                .get("changes")
                .and_then(Value::as_array)
                .is_some_and(Vec::is_empty)
            {
                say("  nothing is new");
            }
            for change in answer
                .get("changes")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                say(&format!("  {}", plain(change)));
            }
            Status::OK
        }
    }
}

/// `ordaind lock`
pub fn lock(path: &Path, user: Option<&str>, reason: &str, json: bool) -> Status {
    let Some(user) = user else {
        return locks(path, json);
    };
    tell(
        ask_with(
            path,
            &json!({ "verb": "lock", "user": user, "reason": reason.chars().take(256).collect::<String>() }),
        ),
        |_| format!("{} is locked", plain(user)),
    )
}

fn locks(path: &Path, json: bool) -> Status {
    let answer = match ask(path, "locks") {
        Ok(answer) => answer,
        Err(why) => return failed(&why),
    };

    if json {
        say_json(&answer);
        return Status::OK;
    }

    for (user, lock) in answer
        .get("locks")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let text = |key: &str| {
            lock.get(key)
                .map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                })
                .unwrap_or_default()
        };

        let why = text("reason");
        let why = if why.is_empty() {
            "no reason given".to_owned()
        } else {
            plain(&why)
        };

        say(&format!(
            "{}  since {}, by user id {}: {why}",
            plain(user),
            plain(&text("since")),
            plain(&text("by"))
        ));
    }

    Status::OK
}

/// `ordaind unlock`
pub fn unlock(path: &Path, user: &str) -> Status {
    tell(
        ask_with(path, &json!({ "verb": "unlock", "user": user })),
        |answer| match answer.get("was") {
            Some(Value::Bool(true)) => format!("{} is unlocked", plain(user)),
            _ => format!("{} was not locked", plain(user)),
        },
    )
}

/// `ordaind totp`
pub fn totp(path: &Path, user: &str, remove: bool) -> Status {
    let question = json!({ "verb": "totp", "user": user, "remove": remove });
    tell(ask_with(path, &question), |answer| {
        match (answer.get("uri").and_then(Value::as_str), answer.get("was")) {
            (Some(uri), _) => plain(uri),
            (None, Some(Value::Bool(true))) => format!(
                "{} needs no one-time code any more, unless the configuration says so",
                plain(user)
            ),
            _ => format!("{} had no seed", plain(user)),
        }
    })
}

/// `ordaind penalties`
pub fn penalties(path: &Path, clear: Option<&str>, json: bool) -> Status {
    if let Some(who) = clear {
        let question = json!({ "verb": "forgive", "who": who });
        return tell(ask_with(path, &question), |answer| {
            format!("forgave {}", answer.get("forgiven").unwrap_or(&Value::Null))
        });
    }

    let answer = match ask(path, "penalties") {
        Ok(answer) => answer,
        Err(why) => return failed(&why),
    };

    if json {
        say_json(&answer);
        return Status::OK;
    }

    for kind in ["sources", "users"] {
        for line in answer
            .get(kind)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let number = |key: &str| line.get(key).and_then(Value::as_u64).unwrap_or(0);
            let who = plain(line.get("who").and_then(Value::as_str).unwrap_or_default());
            let state = if line.get("enforced") == Some(&Value::Bool(true)) {
                "not let in"
            } else {
                "noted"
            };

            say(&format!(
                "{}  {who}  {state} for another {}s, {} failures",
                kind.trim_end_matches('s'),
                number("seconds"),
                number("misdeeds")
            ));
        }
    }

    Status::OK
}

/// The outcome of a verb that changes something.
fn tell(answer: Result<Value, String>, words: impl FnOnce(&Value) -> String) -> Status {
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return failed(&why),
    };

    say(&words(&answer));
    match answer.get("warning").and_then(Value::as_str) {
        Some(warning) => failed(&plain(warning)),
        None => Status::OK,
    }
}
