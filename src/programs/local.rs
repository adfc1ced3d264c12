//! The local verbs: one line to the running daemon's control socket, one line back.

use super::{complain, say};
use crate::config;
use crate::exit::Status;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

fn ask(path: &Path, verb: &str) -> Result<Value, String> {
    // The socket's place is the configuration's to say; a faulty one (the reason for many a reload) says it too.
    let control = config::control_socket(path)?;
    let cannot = |fault: &dyn std::fmt::Display| format!("{}: {fault} (is the daemon running?)", control.display());
    let mut stream = UnixStream::connect(&control).map_err(|fault| cannot(&fault))?;
    stream.write_all(format!("{}\n", json!({ "verb": verb })).as_bytes()).map_err(|fault| cannot(&fault))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(|fault| cannot(&fault))?;
    let answer: Value = serde_json::from_str(&line).map_err(|fault| cannot(&fault))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None => Ok(answer),
    }
}

fn failed(why: &str) -> Status {
    complain(&format!("ordaind: {why}"));
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
                complain(&format!("ordaind: {fault}"));
            }
            failed("the configuration was not taken over; the old one stays")
        }
        None => {
            say(&format!("reloaded; this is configuration {}", answer.get("generation").unwrap_or(&Value::Null)));
            Status::OK
        }
    }
}

/// `ordaind status`
pub fn status(path: &Path, json: bool) -> Status {
    let answer = match ask(path, "status") {
        Ok(answer) => answer,
        Err(why) => return failed(&why),
    };
    if json {
        say(&answer.to_string());
        return Status::OK;
    }
    show("", &answer);
    Status::OK
}

/// `key: value` lines, nested keys dotted.
fn show(prefix: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                show(&key, value);
            }
        }
        Value::String(text) => say(&format!("{prefix}: {text}")),
        Value::Null => say(&format!("{prefix}: none")),
        other => say(&format!("{prefix}: {other}")),
    }
}
