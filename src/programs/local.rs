//! The local verbs: one line to the running daemon's control socket, one line back.

use super::display::plain;
use super::verbs::recordings::show;
use super::{complain, owner, say, say_json};
use crate::cli::RecordingsVerb;
use crate::config;
use crate::exit::Status;
use crate::ids::{Named, RunId};
use crate::protocol::local_text;
use crate::sys;
use crate::verb::{
    Forgive, HoldRecording, ListRecordings, LocalAdmin, Lock, Locks, Penalties, PenaltyLine,
    ReleaseRecording, Reload, Reloaded, Totp, Unlock, Verb,
};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take: a reload of much on a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER: u64 = 64 << 20;

/// Why a question has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// No daemon listens there.
    Nobody(String),
    /// The daemon says why not, or cannot be understood.
    Refused(String),
}

impl From<Unanswered> for String {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Nobody(why) | Unanswered::Refused(why) => why,
        }
    }
}

/// Asks the running daemon.
///
/// # Errors
/// What it says, or that nobody answers.
pub fn ask<V: Verb<Needs = LocalAdmin>>(path: &Path, verb: &V) -> Result<V::Answer, String> {
    ask_if_there(path, verb).map_err(String::from)
}

/// Asks the daemon, which need not be running.
///
/// # Errors
/// As [`ask`]; whether a daemon is there at all is told apart.
pub fn ask_if_there<V: Verb<Needs = LocalAdmin>>(
    path: &Path,
    verb: &V,
) -> Result<V::Answer, Unanswered> {
    // The socket's place is the configuration's to say; a faulty one (the reason for many a reload)
    // says it too.
    let control = config::control_socket(path).map_err(Unanswered::Refused)?;
    let cannot = |fault: &dyn std::fmt::Display| {
        let words = format!("{}: {fault} (is the daemon running?)", control.display());
        Unanswered::Refused(words)
    };
    let unreached = |fault: std::io::Error| match fault.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Unanswered::Nobody(owner::nobody_there(&control, &fault))
        }
        ErrorKind::PermissionDenied => Unanswered::Refused(owner::not_asked(&control, &fault)),
        _ => cannot(&fault),
    };

    // Somebody else's socket in a place that others can write to is not the daemon's.
    let owner = std::fs::symlink_metadata(&control)
        .map_err(unreached)?
        .uid();
    if owner != 0 && owner != sys::effective_uid() {
        let fault = std::io::Error::other(format!("it belongs to user id {owner}"));
        return Err(Unanswered::Refused(owner::not_asked(&control, &fault)));
    }

    let stream = UnixStream::connect(&control).map_err(unreached)?;
    let line = exchange(stream, &local_text(verb)).map_err(|fault| cannot(&fault))?;
    let answer: Value = serde_json::from_str(&line).map_err(|fault| cannot(&fault))?;
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        return Err(Unanswered::Refused(error.to_owned()));
    }
    serde_json::from_value(answer)
        .map_err(|fault| cannot(&format!("the daemon's answer cannot be read: {fault}")))
}

/// One line there, one line back.
fn exchange(mut stream: UnixStream, question: &str) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER)).read_line(&mut line)?;
    Ok(line)
}

/// Says why a verb was not done.
pub fn failed(why: &str) -> Status {
    complain(&format!("ordaind: {}", plain(why)));
    Status::FAULT
}

/// What a program says at the end of an answer: that all is well, or what the administrator should
/// know beside it.
fn warned(warning: Option<String>) -> Status {
    warning.map_or(Status::OK, |warning| failed(&warning))
}

/// `ordaind reload`
pub fn reload(path: &Path) -> Status {
    match ask(path, &Reload {}) {
        Ok(reloaded) => tell_reloaded(&reloaded),
        Err(why) => failed(&why),
    }
}

/// Says what came of a reload.
pub fn tell_reloaded(reloaded: &Reloaded) -> Status {
    if !reloaded.faults.is_empty() {
        for fault in &reloaded.faults {
            complain(&format!("ordaind: {}", plain(fault)));
        }
        return failed("the configuration was not taken over; the old one stays");
    }

    let generation = reloaded.generation;
    say(&format!("reloaded; this is configuration {generation}"));
    if reloaded.changes.is_empty() {
        say("  nothing is new");
    }
    for change in &reloaded.changes {
        say(&format!("  {}", plain(change)));
    }
    Status::OK
}

/// `ordaind lock`
pub fn lock(path: &Path, user: Option<&str>, reason: &str, json: bool) -> Status {
    let Some(user) = user else {
        return locks(path, json);
    };
    let lock = Lock {
        user: user.to_owned(),
        // As much as fits into a question.
        reason: reason.chars().take(256).collect(),
    };
    match ask(path, &lock) {
        Err(why) => failed(&why),
        Ok(locked) => {
            say(&format!("{} is locked", plain(user)));
            warned(locked.warning)
        }
    }
}

fn locks(path: &Path, json: bool) -> Status {
    let list = match ask(path, &Locks {}) {
        Ok(list) => list,
        Err(why) => return failed(&why),
    };
    if json {
        say_json(&json!(list));
        return Status::OK;
    }

    for (user, lock) in &list.locks {
        let why = match lock.reason.as_str() {
            "" => "no reason given".to_owned(),
            why => plain(why),
        };
        let (user, since, by) = (plain(user), plain(&lock.since), lock.by);
        say(&format!("{user}  since {since}, by user id {by}: {why}"));
    }
    Status::OK
}

/// `ordaind recordings`
pub fn recordings(path: &Path, verb: &RecordingsVerb) -> Status {
    let id = |run: &str| Named(run.parse::<RunId>().ok());
    match verb {
        RecordingsVerb::List { held, json } => match ask(path, &ListRecordings { held: *held }) {
            Err(why) => failed(&why),
            Ok(list) => {
                match json {
                    true => say_json(&json!(list)),
                    false => show(&list),
                }
                Status::OK
            }
        },
        RecordingsVerb::Hold { run, reason } => {
            let hold = HoldRecording {
                run: id(run),
                reason: reason.chars().take(256).collect(),
            };
            match ask(path, &hold) {
                Err(why) => failed(&why),
                Ok(done) => {
                    say(&format!("the recording of {} is held", plain(&done.held)));
                    Status::OK
                }
            }
        }
        RecordingsVerb::Release { run } => match ask(path, &ReleaseRecording { run: id(run) }) {
            Err(why) => failed(&why),
            Ok(done) => {
                say(&format!(
                    "the recording of {} is released",
                    plain(&done.released)
                ));
                Status::OK
            }
        },
    }
}

/// `ordaind unlock`
pub fn unlock(path: &Path, user: &str) -> Status {
    let unlock = Unlock {
        user: user.to_owned(),
    };
    match ask(path, &unlock) {
        Err(why) => failed(&why),
        Ok(unlocked) => {
            let how = if unlocked.was == Some(true) {
                "is unlocked"
            } else {
                "was not locked"
            };
            say(&format!("{} {how}", plain(user)));
            warned(unlocked.warning)
        }
    }
}

/// `ordaind totp`
pub fn totp(path: &Path, user: &str, remove: bool) -> Status {
    let totp = Totp {
        user: user.to_owned(),
        remove,
    };
    match ask(path, &totp) {
        Err(why) => failed(&why),
        Ok(seed) => {
            say(&match (seed.uri, seed.was) {
                (Some(uri), _) => plain(&uri),
                (None, Some(true)) => format!(
                    "{} needs no one-time code any more, unless the configuration says so",
                    plain(user)
                ),
                _ => format!("{} had no seed", plain(user)),
            });
            warned(seed.warning)
        }
    }
}

/// `ordaind penalties`
pub fn penalties(path: &Path, clear: Option<&str>, json: bool) -> Status {
    if let Some(who) = clear {
        return forgive(path, who);
    }
    let list = match ask(path, &Penalties {}) {
        Ok(list) => list,
        Err(why) => return failed(&why),
    };
    if json {
        say_json(&json!(list));
        return Status::OK;
    }

    for (kind, lines) in [("source", &list.sources), ("user", &list.users)] {
        for line in lines {
            say(&owed(kind, line));
        }
    }
    Status::OK
}

fn owed(kind: &str, line: &PenaltyLine) -> String {
    let state = if line.enforced { "not let in" } else { "noted" };
    format!(
        "{kind}  {}  {state} for another {}s, {} failures",
        plain(&line.who),
        line.seconds,
        line.misdeeds
    )
}

fn forgive(path: &Path, who: &str) -> Status {
    let forgive = Forgive {
        who: who.to_owned(),
    };
    match ask(path, &forgive) {
        Err(why) => failed(&why),
        Ok(forgiven) => {
            say(&format!("forgave {}", forgiven.forgiven));
            Status::OK
        }
    }
}
