//! `ordaind audit`: reading the trail, and proving it.

use super::display::plain;
use super::{complain, say, say_json};
use crate::audit::{
    Follower, Head, Is, Lines, Report, SignedBy, Trail, TrailPublic, Verifier, put_aside,
};
use crate::cli::{AuditFilter, AuditVerb};
use crate::config;
use crate::credential::{Purpose, SessionPublic, SshPublic, Statement};
use crate::exit::Status;
use crate::policy::Network;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `ordaind audit …`
pub fn audit(config: &Path, verb: AuditVerb) -> Status {
    let done = match verb {
        AuditVerb::Verify {
            files,
            key,
            seen,
            part,
            no_signatures,
            json,
        } => {
            let asked = Asked {
                key,
                seen,
                part,
                signatures: !no_signatures,
            };
            verify(config, &files, &asked)
        }
        .map(|report| tell(&report, json)),
        AuditVerb::Show(filter) => show(config, &filter),
        AuditVerb::Key => key_of(config, None).map(|key| {
            say(&key.to_string());
            Status::OK
        }),
    };

    done.unwrap_or_else(|why| {
        complain(&format!("ordaind: {}", plain(&why)));
        Status::FAULT
    })
}

/// The trail's files: those that were given, or the configured one with those it was rotated into,
/// in the order of their records.
fn files(config: &Path, given: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = given.to_vec();
    if files.is_empty() {
        let (_, trail) = config::state_and_trail(config)?;
        files.extend(put_aside(&trail).map_err(|fault| at(&trail, &fault))?);
        files.push(trail);
    }

    let mut numbered = Vec::new();
    for file in files {
        match first_number(&file) {
            // Where it cannot be unpacked, the walk says so.
            Err(fault) if fault.kind() == io::ErrorKind::InvalidData => numbered.push((0, file)),
            Ok(number) => numbered.push((number, file)),
            Err(fault) if has_gone(given, &fault) => {}
            Err(fault) => return Err(at(&file, &fault)),
        }
    }
    numbered.sort();
    Ok(numbered.into_iter().map(|(_, file)| file).collect())
}

/// Whether a file is not there any more that nobody has named: a daemon removes old ones meanwhile.
/// Whether it may be gone, the records that are left say.
fn has_gone(given: &[PathBuf], fault: &io::Error) -> bool {
    given.is_empty() && fault.kind() == io::ErrorKind::NotFound
}

/// The number of a file's first record that has one. A file without any comes first: it is older
/// than the chain.
fn first_number(path: &Path) -> io::Result<u64> {
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next_line()? {
        let number = serde_json::from_slice::<Value>(line.bytes)
            .ok()
            .and_then(|record| record.get("seq").and_then(Value::as_u64));
        if let Some(number) = number {
            return Ok(number);
        }
    }

    Ok(0)
}

/// The daemon's public key: what was given, or the one beside the configured trail.
fn key_of(config: &Path, given: Option<&str>) -> Result<TrailPublic, String> {
    if let Some(key) = given.and_then(|given| given.parse().ok()) {
        return Ok(key);
    }
    let path = match given {
        Some(file) => PathBuf::from(file),
        None => config::state_and_trail(config)?.0.join("trail.pub"),
    };

    let text =
        std::fs::read_to_string(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    text.parse()
        .map_err(|why| format!("{}: {why}", path.display()))
}

/// How the trail is to be verified.
struct Asked {
    key: Option<String>,
    seen: Option<String>,
    part: bool,
    signatures: bool,
}

fn verify(config: &Path, given: &[PathBuf], asked: &Asked) -> Result<Report, String> {
    let key = key_of(config, asked.key.as_deref())?;
    let seen = asked
        .seen
        .as_deref()
        .map(|text| {
            Head::read(text).ok_or("--seen looks like a number and a hash, as the log says them")
        })
        .transpose()
        .map_err(str::to_owned)?;
    let check = |by: SignedBy<'_>, text: &str, signature: &str| {
        let session = |key: &str, purpose| {
            SessionPublic::read(key).is_some_and(|key| key.verifies(purpose, text, signature))
        };
        match by {
            SignedBy::Login(key) => session(key, Purpose::Login),
            SignedBy::Request(key) => session(key, Purpose::Request),
            SignedBy::SshKey(fingerprint, place) => Statement::with(text, place)
                .and_then(|what| SshPublic::says(&what, signature))
                .is_ok_and(|signer| signer.fingerprint() == fingerprint),
        }
    };
    let mut verifier = Verifier::new(
        Some(key),
        if asked.signatures { Some(&check) } else { None },
        seen,
    );
    if asked.part {
        verifier = verifier.of_a_part();
    }
    for path in files(config, given)? {
        match walk_along(&mut verifier, &path) {
            Err(fault) if !has_gone(given, &fault) => return Err(at(&path, &fault)),
            _ => {}
        }
    }
    Ok(verifier.finish())
}

/// Walks along one file.
fn walk_along(verifier: &mut Verifier<'_>, path: &Path) -> io::Result<()> {
    let (mut lines, mut number) = (Lines::open(path)?, 0);
    loop {
        let line = match lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(fault) => {
                let place = format!("{}:{}", path.display(), number + 1);
                verifier.unreadable(&place, fault.to_string());
                return Ok(());
            }
        };
        number = line.number;
        let place = || format!("{}:{}", path.display(), line.number);
        match line.is {
            Is::TooLong => verifier.unreadable(&place(), "is longer than any record".into()),
            is => verifier.line(&place, line.bytes, is == Is::Whole),
        }
    }
}

/// A failure with a file.
fn at(path: &Path, fault: &io::Error) -> String {
    format!("{}: {fault}", path.display())
}

fn tell(report: &Report, json: bool) -> Status {
    let status = if report.faults.is_empty() {
        Status::OK
    } else {
        Status::FAULT
    };

    if json {
        tell_in_json(report);
        return status;
    }
    tell_what_was_found(report);
    tell_what_is_proved(report);
    say(&format!("the chain ends with {}", report.last.text()));
    status
}

/// The whole report, for machines.
fn tell_in_json(report: &Report) {
    let mut whole = json!({
        "sound": report.faults.is_empty(),
        "records": report.records,
        "first": report.first,
        "head": report.last.text(),
        "checkpoints": report.checkpoints,
        "proved_to": report.proved.as_ref().map(|(seq, _)| seq),
        "proved_at": report.proved.as_ref().map(|(_, time)| time),
        "signatures": report.signatures,
        "granted": report.granted,
        "recovered": report.recovered,
        "removed": report.removed,
        "unchained": report.unchained,
        "faults": report.faults.iter().map(|fault| json!({ "place": fault.place, "text": fault.text })).collect::<Vec<_>>(),
    });
    if let Some(whole) = whole.as_object_mut() {
        for (name, count, _) in report.open.named() {
            whole.insert(name.into(), count.into());
        }
    }
    say_json(&whole);
}

/// What is wrong, and what the walk has passed.
fn tell_what_was_found(report: &Report) {
    for fault in &report.faults {
        say(&format!(
            "fault: {}: {}",
            plain(&fault.place),
            plain(&fault.text)
        ));
    }

    say(&format!(
        "{} records in the chain, {} to {}; {} checkpoints",
        report.records, report.first, report.last.seq, report.checkpoints
    ));
    if report.removed > 0 {
        say(&format!(
            "{} records are not there: the daemon has removed them, as signed records say",
            report.removed
        ));
    }
    if report.first > 1 {
        say(&format!(
            "these files begin with record {}; what is before it was not looked at",
            report.first
        ));
    }

    if report.unchained > 0 {
        say(&format!(
            "{} lines from before the chain, which nothing proves",
            report.unchained
        ));
    }

    if report.recovered > 0 {
        say(&format!(
            "{} lines that a crash left unfinished, and that are recorded as such",
            report.recovered
        ));
    }

    say(&format!("{} signatures of users fit", report.signatures));
    say(&format!(
        "{} granted requests are what their users signed",
        report.granted
    ));
    for (name, count, what) in report.open.named() {
        if count > 0 {
            say(&format!("{count} {what} ({name})"));
        }
    }
}

/// How far the trail is proved, and against whom.
fn tell_what_is_proved(report: &Report) {
    match &report.proved {
        Some((seq, time)) => say(&format!(
            "proved against whoever has not the daemon's key: records {} to {seq}, signed at {}",
            report.first,
            plain(time)
        )),
        None => say(
            "proved against whoever has not the daemon's key: nothing yet; no checkpoint was written before the first fault or the end",
        ),
    }

    match report.passed {
        Some(seq) => say(&format!(
            "proved against root of this machine too: records {} to {seq}, by the checkpoint that you gave",
            report.first
        )),
        None => say(
            "proved against root of this machine: up to the last checkpoint that left it; give that one with --seen",
        ),
    }
}

/// What a filter asks of a record.
struct Wanted<'f> {
    filter: &'f AuditFilter,
    source: Option<Network>,
    since: Option<OffsetDateTime>,
    /// The users of runs, since not every record of a run says whose it is.
    runs: HashMap<String, (String, String)>,
    /// How many were shown.
    shown: u64,
    /// The number of the last record that was looked at.
    last: u64,
}

impl Wanted<'_> {
    /// Shows what is wanted of a file.
    fn lines(&mut self, path: &Path) -> io::Result<()> {
        let mut lines = Lines::open(path)?;
        while let Some(line) = lines.next_line()? {
            self.line(line.bytes);
        }
        Ok(())
    }

    /// Shows a line if it is a record that is wanted.
    fn line(&mut self, line: &[u8]) {
        let Ok(record) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        self.last = record
            .get("seq")
            .and_then(Value::as_u64)
            .unwrap_or(self.last);
        if self.takes(&record) {
            self.shown += 1;
            match self.filter.json {
                true => say_json(&record),
                false => say(&in_words(&record)),
            }
        }
    }

    fn takes(&mut self, record: &Value) -> bool {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        if let (Some(run), Some(user), Some(command)) = (text("run"), text("user"), text("command"))
        {
            self.runs
                .insert(run.to_owned(), (user.to_owned(), command.to_owned()));
        }

        let of_run = text("run").and_then(|run| self.runs.get(run));
        let user = text("user").or(of_run.map(|(user, _)| user.as_str()));
        let command = text("command").or(of_run.map(|(_, command)| command.as_str()));
        let same = |wanted: &Option<String>, is: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| is == Some(wanted))
        };
        let address = text("source").and_then(|source| {
            source
                .parse()
                .map(|peer: std::net::SocketAddr| peer.ip())
                .ok()
        });

        same(&self.filter.user, user)
            && same(&self.filter.command, command)
            && same(&self.filter.run, text("run"))
            && same(&self.filter.kind, text("kind"))
            && same(&self.filter.decision, text("decision").or(text("outcome")))
            && self
                .source
                .is_none_or(|network| address.is_some_and(|address| network.contains(address)))
            && self.since.is_none_or(|since| {
                text("time")
                    .and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok())
                    .is_some_and(|time| time >= since)
            })
    }
}

fn show(config: &Path, filter: &AuditFilter) -> Result<Status, String> {
    let since = match &filter.since {
        None => None,
        Some(text) => Some(match crate::units::duration(text) {
            Some(ago) => OffsetDateTime::from(crate::clock::now()) - ago,
            None => OffsetDateTime::parse(text, &Rfc3339)
                .map_err(|_| "--since takes a time such as 2026-01-31T12:00:00Z, or how long ago, such as 2h")?,
        }),
    };

    let mut wanted = Wanted {
        filter,
        source: filter
            .source
            .as_ref()
            .map(|text| text.parse())
            .transpose()?,
        since,
        runs: HashMap::new(),
        shown: 0,
        last: 0,
    };

    let files = files(config, &filter.files)?;

    // What was is not asked for by whoever wants to see what comes.
    let only_new = filter.follow && filter.since.is_none();
    for path in files.iter().filter(|_| !only_new) {
        match wanted.lines(path) {
            Err(fault) if !has_gone(&filter.files, &fault) => return Err(at(path, &fault)),
            _ => {}
        }
    }

    if let Some(path) = files.last().filter(|_| filter.follow) {
        if only_new {
            let head = Trail::head_at(path).map_err(|fault| at(path, &fault))?;
            wanted.last = head.seq;
        }

        let mut follower = Follower::behind(path.clone(), wanted.last);
        loop {
            while let Some((_, line)) = follower.next_record().map_err(|fault| at(path, &fault))? {
                wanted.line(&line);
            }
            // A file has nothing that rings when it grows, short of inotify, which needs more than
            // this is worth.
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    if wanted.shown == 0 {
        complain("ordaind: no record fits");
    }
    Ok(Status::OK)
}

/// A record in a line: when, what, and its fields, but for signatures and the texts they are over.
fn in_words(record: &Value) -> String {
    const LEFT_OUT: [&str; 12] = [
        "time",
        "kind",
        "seq",
        "prev",
        "signed",
        "signature",
        "key_signature",
        "gathered_path",
        "session_key",
        "connection",
        "reported_by",
        "holes",
    ];

    let text = |key: &str| plain(record.get(key).and_then(Value::as_str).unwrap_or_default());
    let mut line = format!("{} {}", text("time"), text("kind"));
    for (key, value) in record
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()))
    {
        let shown = match value {
            Value::String(text) if text.contains(char::is_whitespace) || text.is_empty() => {
                format!("{text:?}")
            }
            Value::String(text) => text.clone(),
            Value::Array(words) => {
                let words: Vec<String> = words
                    .iter()
                    .map(|word| {
                        word.as_str()
                            .map_or_else(|| word.to_string(), str::to_owned)
                    })
                    .collect();
                super::display::quoted(&words)
            }

            other => other.to_string(),
        };

        line.push_str(&format!(" {}={}", plain(key), plain(&shown)));
    }

    line
}
