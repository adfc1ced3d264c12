//! `ordaind status` and `ordaind metrics`: how the running daemon is.

use super::display::plain;
use super::{complain, local, say, say_json, say_lines};
use crate::exit::{Human, Status};
use crate::sys;
use crate::units::Bytes;
use crate::verb::{self, FrontendView, LastFault, Metrics, StatusView, TrailView};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// `ordaind status`: exit status 0 when nothing is wrong, 1 when something is, or nobody answers.
pub fn status(config: &Path, json: bool) -> Status {
    let status = match local::ask(config, &verb::Status {}) {
        Ok(status) => status,
        Err(why) => return local::failed(&why),
    };
    if json {
        say_json(&json!(status));
    } else {
        for line in lines(&status) {
            say(&plain(&line));
        }
    }

    if status.health == "ok" {
        Status::OK
    } else {
        Status::FAULT
    }
}

/// `ordaind metrics`: to standard output, or put in the place of a file at once, as the textfile
/// collector wants it.
pub fn metrics(config: &Path, out: Option<&Path>) -> Status {
    let text = match local::ask(config, &Metrics {}) {
        Ok(exposed) => exposed.text,
        Err(why) => return local::failed(&why),
    };
    let Some(file) = out else {
        say_lines(text.trim_end());
        return Status::OK;
    };
    match sys::replace(file, text.as_bytes(), 0o644, true) {
        Ok(()) => Status::OK,
        Err(fault) => {
            complain(&format!("ordaind: {}: {fault}", file.display()));
            Status::FAULT
        }
    }
}

/// One line: what it is about, in a column of its own, and what is so.
fn row(name: &str, text: impl AsRef<str>) -> String {
    format!("{name:<12} {}", text.as_ref())
}

fn or_none(words: &[String]) -> String {
    match words {
        [] => "none".to_owned(),
        words => words.join(", "),
    }
}

/// The answer for people.
fn lines(status: &StatusView) -> Vec<String> {
    let mut lines = daemon(status);
    lines.extend(certificate(status));
    lines.push(row("frontend", frontend(status)));
    lines.push(row("commands", commands(status)));
    lines.push(row("runs", runs(status)));
    lines.push(row("sessions", sessions(status)));
    lines.push(row("locked", or_none(&status.locked)));
    lines.push(row("penalties", penalties(status)));
    lines.push(row("trail", trail(status)));
    lines.push(row("", room(&status.trail)));
    lines.extend(status.limits_near.iter().map(|near| {
        let whose = near.user.as_ref().map(|user| format!(" by `{user}`"));
        let whose = whose.unwrap_or_default();
        let text = format!("{}: {} of {}{whose}", near.limit, near.used, near.most);
        row("limit near", text)
    }));
    lines.extend(
        status
            .last_faults
            .iter()
            .map(|fault| row("lately", lately(fault))),
    );
    lines
}

fn daemon(status: &StatusView) -> Vec<String> {
    let up = Human(Duration::from_secs(status.uptime_s));
    let stopping = if status.stopping { ", stopping" } else { "" };
    let (version, generation) = (&status.version, status.generation);
    let text = format!("{version}, up {up}, configuration {generation}{stopping}");
    let mut lines = vec![row("ordaind", text), row("health", &status.health)];
    lines.extend(status.faults.iter().map(|fault| row("", fault)));
    lines.push(row("listening", or_none(&status.listening)));
    lines
}

fn certificate(status: &StatusView) -> Vec<String> {
    let certificate = &status.certificate;
    let days = match &certificate.fault {
        Some(fault) => fault.clone(),
        None => format!(
            "{} days left (until {})",
            certificate.days_left, certificate.expires
        ),
    };
    let mut lines = vec![row("certificate", days), row("", &certificate.fingerprint)];
    if let Some(fault) = &certificate.files {
        lines.push(row("", format!("the files as they are now: {fault}")));
    }
    lines
}

fn frontend(status: &StatusView) -> String {
    let Some(frontend) = &status.frontend else {
        return "none: nobody can connect".into();
    };
    let FrontendView {
        uid,
        seccomp,
        landlock,
        own_user,
    } = frontend;
    let user = if *own_user {
        format!("user id {uid}")
    } else {
        "the daemon's own user".into()
    };
    let (count, times) = match status.frontends_started {
        1 => (1, "time"),
        count => (count, "times"),
    };
    format!("{user}, seccomp {seccomp}, Landlock {landlock}, started {count} {times}")
}

fn commands(status: &StatusView) -> String {
    let commands = &status.commands;
    format!(
        "{} ({} sandboxed, {} without network, {} may use setuid, {} go on without the trail), runs contained by {}",
        commands.all,
        commands.sandboxed,
        commands.without_network,
        commands.setuid_allowed,
        commands.audit_best_effort,
        status.containment
    )
}

fn runs(status: &StatusView) -> String {
    let (runs, since) = (&status.runs, &status.since_start);
    format!(
        "{} running, {} starting, {} waiting; {} started, {} requests refused",
        runs.running, runs.starting, runs.queued, since.runs, since.refused
    )
}

fn sessions(status: &StatusView) -> String {
    format!(
        "{} on {} connections, {} may come back, {} logins kept; {} logins, {} refused",
        status.sessions,
        status.connections,
        status.sessions_parked,
        status.kept_logins,
        status.since_start.logins,
        status.since_start.logins_refused
    )
}

fn penalties(status: &StatusView) -> String {
    format!(
        "{} sources and {} users are not let in",
        status.penalties.sources_not_let_in, status.penalties.users_not_let_in
    )
}

fn trail(status: &StatusView) -> String {
    let trail = &status.trail;
    let lag = trail
        .not_in_the_journal_yet
        .map(|lag| format!(", {lag} not in the journal yet"))
        .unwrap_or_default();
    format!(
        "{}: {} records, {} not on disk yet, {} missed{lag}",
        trail.file, trail.records, trail.not_on_disk_yet, trail.missed
    )
}

/// How large the trail is, and how long there is room for it.
fn room(trail: &TrailView) -> String {
    let files = match trail.files {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    };
    let size = format!("{files}, {}", Bytes(trail.bytes));
    let day = Bytes(trail.bytes_a_day);
    let Some(until) = &trail.days_left_until else {
        return size;
    };
    let what = match until.as_str() {
        "audit.keep_size" => "until audit.keep_size removes the oldest",
        "audit.keep_age" => "files go by audit.keep_age before it is full",
        _ => "until its disk is down to audit.reserve and nothing runs",
    };
    match trail.days_left {
        Some(days) => format!("{size}; {day} a day: {days} days left {what}"),
        None => format!("{size}; {day} a day: {what}"),
    }
}

fn lately(fault: &LastFault) -> String {
    let LastFault { time, times, text } = fault;
    match times {
        1 => format!("{time} {text}"),
        times => format!("{time} {text} (the last of {times})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_there_is_room_is_said_in_one_line() {
        let said = |bytes, days_left, until: Option<&str>| {
            room(&TrailView {
                file: "f".into(),
                records: 7,
                files: 3,
                bytes,
                bytes_a_day: 3 << 19,
                days_left,
                days_left_until: until.map(str::to_owned),
                not_on_disk_yet: 0,
                missed: 0,
                not_in_the_journal_yet: None,
            })
        };
        assert_eq!(said(1023, None, None), "3 files, 1023 bytes");
        assert_eq!(
            said(5 << 30, Some(12), Some("audit.reserve")),
            "3 files, 5.0 GiB; 1.5 MiB a day: 12 days left until its disk is down to audit.reserve and nothing runs"
        );
        assert_eq!(
            said(1100, Some(0), Some("audit.keep_size")),
            "3 files, 1.0 KiB; 1.5 MiB a day: 0 days left until audit.keep_size removes the oldest"
        );
        assert_eq!(
            said(1100, None, Some("audit.keep_age")),
            "3 files, 1.0 KiB; 1.5 MiB a day: files go by audit.keep_age before it is full"
        );
    }
}
