//! `[commands.NAME]`: a command with its template, its arguments, and the rules of its runs.

use super::acknowledge::acknowledge;
use super::approval;
use super::argument::{Definitions, arguments};
use super::confinement;
use super::names::name;
use super::reader::{Item, Table};
use super::template::{environment, judge, template};
use super::values::{absolute, has, one_of, sources, timeout, window};
use super::warning::{Subject, Warning};
use crate::limits;
use crate::policy::{
    Argument, Command, OnDisconnect, OnRevoke, Recording, RunAs, Signal, Stdin, Template, Text,
    Word,
};
use std::path::PathBuf;
use std::time::Duration;

/// What `[defaults]` sets for every command, by the keys that commands have too.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// `run_as`, as written.
    pub run_as: Option<String>,
    /// `timeout`; the inner `None` is `"none"`.
    pub timeout: Option<Option<Duration>>,
    /// `grace`.
    pub grace: Option<Duration>,
    /// `resume_window`.
    pub resume_window: Option<Duration>,
}

/// A command as it was read; the account is only a name yet.
pub struct Read {
    /// The command, with an unresolved `run_as`.
    pub command: Command,
    /// `run_as` as written, its own or the default.
    pub run_as: Option<String>,
}

/// Reads one command. Faults are left where readers leave them; `None` when nothing usable came
/// out.
pub fn read(
    command: &str,
    table: Table<'_>,
    defaults: &Defaults,
    definitions: &Definitions,
) -> Option<Read> {
    let about = Subject::command(command);
    acknowledge(&table, &about);
    if let Err(why) = name(command) {
        table.fault(why);
    }
    let (template, environment, arguments) = words(&table, definitions);
    let timeout = time_limit(&table, &about, defaults);
    let pty = table.flag("pty").unwrap_or(false);
    let (linger, leave_running) = confinement::after(&table);
    let run_as = table.text("run_as").or_else(|| defaults.run_as.clone());
    let whole = template.is_some();

    let mut read = Command {
        name: command.to_owned(),
        summary: table.text("summary").unwrap_or_default(),
        template: template.unwrap_or_default(),
        environment,
        run_as: RunAs::Unresolved(run_as.clone().unwrap_or_default()),
        cwd: cwd(&table),
        stdin: stdin(&table, pty),
        pty,
        timeout,
        grace: grace(&table, defaults),
        linger,
        leave_running,
        limits: confinement::limits(&table),
        confinement: confinement::confinement(&table),
        sha256: confinement::sha256(&table),
        approval: None,
        confirm: table.flag("confirm").unwrap_or(false),
        lock: lock(&table),
        max_running: count(&table, "max_running", 1..=100_000),
        queue: count(&table, "queue", 0..=10_000).unwrap_or(0),
        queue_timeout: queue_timeout(&table),
        on_disconnect: on_disconnect(&table),
        on_revoke: on_revoke(&table),
        sources: sources(&table),
        audit_best_effort: audit_best_effort(&table),
        record: record(&table, pty),
        reason: reason(&table),
        resume_window: resume_window(&table, defaults),
        spool: 0,
        signals: signals(&table),
        place: table.place.clone(),
        arguments,
    };

    read.spool = spool(&table, read.on_disconnect);
    read.approval = approval::read(&table, &read);
    if whole {
        judge(&read, &table);
    }
    table.finish();
    let command = read;
    whole.then_some(Read { command, run_as })
}

/// How long a run may take to end once it was asked to.
pub(super) fn grace(table: &Table<'_>, defaults: &Defaults) -> Duration {
    let said = table.duration("grace").or(defaults.grace);
    said.unwrap_or(Duration::from_secs(5))
}

/// How long a run may wait for its turn.
pub(super) fn queue_timeout(table: &Table<'_>) -> Duration {
    let said = table.duration("queue_timeout");
    said.unwrap_or(limits::QUEUE_TIMEOUT)
}

type Words = (Option<Template>, Vec<(String, Word)>, Vec<Argument>);

/// The template, the environment, and the arguments that their holes name.
fn words(table: &Table<'_>, definitions: &Definitions) -> Words {
    let arguments = table
        .table("args")
        .map(|args| arguments(&args, definitions))
        .unwrap_or_default();
    // What a mistyped `args` declares is not said to be undeclared as well.
    let mistyped = table.has_near("args").then_some(usize::MAX);
    let index = |hole: &str| {
        let known = arguments.iter().position(|argument| argument.name == hole);
        known.or(mistyped)
    };
    let template = table.item("exec").and_then(|exec| template(&exec, index));
    if template.is_none() && !has(table, "exec") && !table.has_near("exec") {
        table.fault("`exec` is missing; accepted is a list of words such as [\"/usr/bin/uptime\"]");
    }
    let environment = table
        .table("environment")
        .map(|table| environment(&table, index))
        .unwrap_or_default();
    (template, environment, arguments)
}

/// `cwd`: the working directory.
fn cwd(table: &Table<'_>) -> PathBuf {
    table
        .item("cwd")
        .and_then(|item| item.parsed(absolute))
        .unwrap_or_else(|| PathBuf::from("/"))
}

/// `lock`: the name of what only one run holds at a time.
pub(super) fn lock(table: &Table<'_>) -> Option<String> {
    table
        .item("lock")
        .and_then(|item| item.parsed(|text| name(text).map(|()| text.to_owned())))
}

/// `timeout`, which must be said somewhere; `None` is `"none"`.
fn time_limit(table: &Table<'_>, about: &Subject, defaults: &Defaults) -> Option<Duration> {
    let read = match table.item("timeout") {
        Some(item) => {
            let read = timeout(&item);
            if read == Some(None) {
                let text = "timeout is \"none\": a run that hangs goes on for ever";
                table.warn((Warning::NoTimeout, about), text);
            }
            read
        }
        None => defaults.timeout,
    };

    if read.is_none() && !has(table, "timeout") && !table.has_near("timeout") {
        table.fault("`timeout` is missing, here and in [defaults]; accepted is a duration, or \"none\" spelled out");
    }
    read.flatten()
}

/// `stdin`, which a terminal settles by itself.
fn stdin(table: &Table<'_>, pty: bool) -> Stdin {
    match table.item("stdin") {
        Some(item) if pty => {
            item.fault("goes with no `pty`: what is typed at a terminal is its input");
            Stdin::None
        }

        Some(item) => bounded_stdin(&item),
        // What is typed at a terminal is input.
        None if pty => Stdin::Accepted { max: None },
        None => Stdin::None,
    }
}

/// True, false, or a table with a bound.
fn bounded_stdin(item: &Item<'_>) -> Stdin {
    if !item.is_table() {
        return match item.flag() {
            Some(true) => Stdin::Accepted { max: None },
            _ => Stdin::None,
        };
    }

    let Some(table) = item.table() else {
        return Stdin::None;
    };
    let max = table.item("max").and_then(|item| item.size());
    if max.is_none() && !has(&table, "max") {
        table.fault(
            "`max` is missing; accepted is a size such as \"2GiB\" (stdin = true has no bound)",
        );
    }

    table.finish();
    Stdin::Accepted { max }
}

/// A number of runs, within bounds.
pub(super) fn count(
    table: &Table<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<i64>,
) -> Option<usize> {
    table
        .integer(key, range)
        .and_then(|most| usize::try_from(most).ok())
}

fn on_disconnect(table: &Table<'_>) -> OnDisconnect {
    let words = [
        ("cancel", OnDisconnect::Cancel),
        ("continue", OnDisconnect::Continue),
    ];

    table
        .item("on_disconnect")
        .and_then(|item| one_of(&item, &words))
        .unwrap_or(OnDisconnect::Cancel)
}

pub(super) fn on_revoke(table: &Table<'_>) -> OnRevoke {
    let words = [
        ("cancel", OnRevoke::Cancel),
        ("continue", OnRevoke::Continue),
    ];

    table
        .item("on_revoke")
        .and_then(|item| one_of(&item, &words))
        .unwrap_or(OnRevoke::Cancel)
}

/// `audit`: whether it may run also where the trail cannot be written.
fn audit_best_effort(table: &Table<'_>) -> bool {
    table
        .item("audit")
        .and_then(|item| one_of(&item, &[("required", false), ("best-effort", true)]))
        .unwrap_or(false)
}

/// `record`: whether what a run writes is recorded.
fn record(table: &Table<'_>, pty: bool) -> Option<Recording> {
    let words = [Recording::Optional, Recording::Required].map(|word| (word.word(), word));
    let item = table.item("record")?;
    let record = one_of(&item, &words)?;
    if pty {
        item.fault("goes with no `pty` yet: only what goes through pipes is recorded");
        return None;
    }
    Some(record)
}

/// `resume_window`: for how long a run waits for a client whose link was lost.
pub(super) fn resume_window(table: &Table<'_>, defaults: &Defaults) -> Duration {
    table
        .item("resume_window")
        .and_then(|item| window(&item))
        .or(defaults.resume_window)
        .unwrap_or(limits::RESUME_WINDOW)
}

/// `require.reason`: what a reason must look like.
pub(super) fn reason(table: &Table<'_>) -> Option<Text> {
    let table = table.table("require")?;
    let reason = table
        .item("reason")
        .and_then(|item| item.parsed(|text| Text::new(text, limits::NAME * 4)));
    table.finish();
    reason
}

/// `spool`: bytes of output that are kept; how many are usual depends on what a lost link means.
fn spool(table: &Table<'_>, on_disconnect: OnDisconnect) -> u64 {
    let usual = match on_disconnect {
        OnDisconnect::Cancel => limits::SPOOL_LEAST,
        OnDisconnect::Continue => limits::SPOOL_DURABLE,
    };

    let Some(item) = table.item("spool") else {
        return usual;
    };
    match item.size() {
        Some(size) if size < limits::SPOOL_LEAST => {
            item.fault("is under 2 MiB, which is what a lost link may need");
            usual
        }

        Some(size) if size > limits::SPOOL_MOST => {
            item.fault("is over 1 TiB");
            usual
        }

        Some(size) => size,
        None => usual,
    }
}

/// `signals`; Ctrl-C at the client is INT, so that alone is accepted where nothing is said.
fn signals(table: &Table<'_>) -> Vec<Signal> {
    let Some(items) = table.texts("signals") else {
        return Signal::named("INT").into_iter().collect();
    };
    let known = || {
        Signal::ALL
            .iter()
            .map(|signal| format!("\"{}\"", signal.name))
            .collect::<Vec<_>>()
            .join(", ")
    };

    let parse = |text: &str| {
        Signal::named(text).ok_or_else(|| {
            format!(
                "found \"{}\"; accepted are {}",
                text.escape_debug(),
                known()
            )
        })
    };

    items.iter().filter_map(|item| item.parsed(parse)).collect()
}
