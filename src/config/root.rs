//! A root: a folder below which files may be moved, by whom, and by which rules.

use super::acknowledge::acknowledge;
use super::command::{self, Defaults};
use super::confinement;
use super::fault::Faults;
use super::reader::{Item, Table};
use super::values::{absolute, has, one_of, sources, timeout};
use super::warning::{Subject, Warning};
use crate::files::{Links, Mode, Rules, Sync};
use crate::limits;
use crate::place::Place;
use crate::policy::{
    Command, Confinement, OnDisconnect, OpenedRoot, Right, Role, Root, RunAs, RunLimits, Stdin,
    Template,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A root as it was read; its account is only a name yet, and its folder is not opened.
pub struct Read {
    /// What is common to all transfers.
    pub command: Command,
    /// `run_as` as written, its own or the default.
    pub run_as: Option<String>,
    /// The rights that it allows.
    pub rights: Vec<Right>,
    /// The folder's path.
    pub beneath: PathBuf,
    /// What holds for everything that is moved.
    pub rules: Rules,
    /// Where it is declared.
    pub place: Place,
}

impl Read {
    /// The root, with its account and its folder.
    pub fn root(&self, name: &str, run_as: &RunAs, folder: Option<OpenedRoot>) -> Root {
        let command = |right: &Right| {
            let command = Command {
                name: right.of(name),
                run_as: run_as.clone(),
                ..self.command.clone()
            };
            (*right, Arc::new(command))
        };
        Root {
            name: name.to_owned(),
            summary: self.command.summary.clone(),
            beneath: self.beneath.clone(),
            folder: folder.map(Arc::new),
            rules: self.rules.clone(),
            commands: self.rights.iter().map(command).collect(),
            place: self.place.clone(),
        }
    }
}

/// How long a transfer may take, where nothing is said: what commands are given is too short for what
/// is large, and too long for nothing here.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// Reads `[files.NAME]`. Faults are left where readers leave them; `None` when nothing usable came out.
pub fn read(name: &str, table: Table<'_>, defaults: &Defaults) -> Option<Read> {
    let about = Subject::named("files", name);
    acknowledge(&table, &about);
    let beneath = table.item("beneath").and_then(|item| item.parsed(absolute));
    if beneath.is_none() && !has(&table, "beneath") && !table.has_near("beneath") {
        table.fault("`beneath` is missing; accepted is the absolute path of a folder");
    }
    let rights = rights(&table);
    let (rules, summary) = (rules(&table, &rights), table.text("summary"));
    let run_as = table.text("run_as").or_else(|| defaults.run_as.clone());

    let command = Command {
        summary: summary.unwrap_or_default(),
        timeout: time_limit(&table, &about),
        grace: command::grace(&table, defaults),
        limits: confinement::bounds(&table, RunLimits::default()),
        confirm: table.flag("confirm").unwrap_or(false),
        lock: command::lock(&table),
        max_running: command::count(&table, "max_running", 1..=100_000),
        queue: command::count(&table, "queue", 0..=10_000).unwrap_or(0),
        queue_timeout: command::queue_timeout(&table),
        on_revoke: command::on_revoke(&table),
        sources: sources(&table),
        reason: command::reason(&table),
        resume_window: command::resume_window(&table, defaults),
        place: table.place.clone(),
        ..of_any_mover(name)
    };
    let place = table.place.clone();
    table.finish();
    Some(Read {
        command,
        run_as,
        rights,
        beneath: beneath?,
        rules,
        place,
    })
}

/// What no root says otherwise.
fn of_any_mover(name: &str) -> Command {
    Command {
        name: name.to_owned(),
        summary: String::new(),
        template: Template::default(),
        arguments: Vec::new(),
        environment: Vec::new(),
        run_as: RunAs::Unresolved(String::new()),
        cwd: "/".into(),
        stdin: Stdin::None,
        pty: false,
        timeout: Some(TIMEOUT),
        grace: Duration::from_secs(5),
        linger: Duration::ZERO,
        leave_running: false,
        limits: RunLimits::default(),
        confinement: Confinement::default(),
        sha256: None,
        confirm: false,
        lock: None,
        max_running: None,
        queue: 0,
        queue_timeout: limits::QUEUE_TIMEOUT,
        on_disconnect: OnDisconnect::Cancel,
        on_revoke: crate::policy::OnRevoke::Cancel,
        sources: Vec::new(),
        audit_best_effort: false,
        approval: None,
        record: None,
        reason: None,
        resume_window: limits::RESUME_WINDOW,
        spool: limits::SPOOL_LEAST,
        signals: Vec::new(),
        place: Place::default(),
    }
}

/// `allow`: what may be done below the root.
fn rights(table: &Table<'_>) -> Vec<Right> {
    let Some(items) = table.texts("allow") else {
        if !has(table, "allow") && !table.has_near("allow") {
            table.fault(
                "`allow` is missing; accepted is a list of \"list\", \"get\", \"put\" and \"remove\"",
            );
        }
        return Vec::new();
    };
    let words: Vec<(&str, Right)> = Right::ALL
        .into_iter()
        .map(|right| (right.word(), right))
        .collect();
    let mut rights: Vec<Right> = Vec::new();
    for item in &items {
        match one_of(item, &words) {
            Some(right) if rights.contains(&right) => item.fault("is listed twice"),
            Some(right) => rights.push(right),
            None => {}
        }
    }
    if items.is_empty() {
        table.fault(
            "`allow` allows nothing; accepted are \"list\", \"get\", \"put\" and \"remove\"",
        );
    }
    rights
}

/// `timeout`, an hour where nothing is said.
fn time_limit(table: &Table<'_>, about: &Subject) -> Option<Duration> {
    let Some(item) = table.item("timeout") else {
        return Some(TIMEOUT);
    };
    let read = timeout(&item).unwrap_or(Some(TIMEOUT));
    if read.is_none() {
        let text = "timeout is \"none\": a transfer that hangs goes on for ever";
        table.warn((Warning::NoTimeout, about), text);
    }
    read
}

/// What holds for everything that is moved.
fn rules(table: &Table<'_>, rights: &[Right]) -> Rules {
    let only = table.texts("only").unwrap_or_default();
    let put = table.item("put");
    if let Some(put) = put.as_ref().filter(|_| !rights.contains(&Right::Put)) {
        put.fault("has no effect: \"put\" is not in `allow`");
    }
    let usual = Rules {
        only: only
            .iter()
            .filter_map(|item| item.parsed(pattern))
            .collect(),
        mode: Mode::of_file(0o644),
        directories: Mode::of_file(0o755),
        max_file: 2 << 30,
        max_total: 20 << 30,
        max_files: 100_000,
        replace: true,
        sync: Sync::Batch,
        cross_mounts: table.flag("cross_mounts").unwrap_or(false),
        links: table
            .item("links")
            .and_then(|item| links(&item))
            .unwrap_or(Links::Refused),
        names: table
            .item("audit")
            .and_then(|item| one_of(&item, &[("sums", false), ("names", true)]))
            .unwrap_or(false),
    };
    match put.and_then(|item| item.table()) {
        Some(put) => of_put(put, usual),
        None => usual,
    }
}

/// `put`: what holds for what is put.
fn of_put(table: Table<'_>, usual: Rules) -> Rules {
    let size = |key, usual| {
        let item = table.item(key);
        item.and_then(|item| item.size()).unwrap_or(usual)
    };
    let mode = |key| table.item(key).and_then(|item| item.parsed(octal));
    let rules = Rules {
        mode: mode("mode").unwrap_or(usual.mode),
        directories: mode("directories").unwrap_or(usual.directories),
        max_file: size("max_file", usual.max_file),
        max_total: size("max_total", usual.max_total),
        max_files: table
            .integer("max_files", 1..=100_000_000)
            .and_then(|most| u64::try_from(most).ok())
            .unwrap_or(usual.max_files),
        replace: table.flag("replace").unwrap_or(usual.replace),
        sync: table
            .item("sync")
            .and_then(|item| sync(&item))
            .unwrap_or(usual.sync),
        ..usual
    };
    table.finish();
    rules
}

fn sync(item: &Item<'_>) -> Option<Sync> {
    let words = [
        ("batch", Sync::Batch),
        ("file", Sync::File),
        ("none", Sync::None),
    ];
    one_of(item, &words)
}

fn links(item: &Item<'_>) -> Option<Links> {
    one_of(
        item,
        &[("refused", Links::Refused), ("inside", Links::Inside)],
    )
}

/// Permission bits, without those that lend rights.
fn octal(text: &str) -> Result<Mode, String> {
    let bits = u32::from_str_radix(text, 8).ok();
    let mode = bits.filter(|_| text.len() <= 4).and_then(Mode::new);
    mode.ok_or_else(|| {
        format!(
            "found \"{}\"; accepted are octal digits such as \"0644\", without the bits for setuid, setgid and sticky",
            text.escape_debug()
        )
    })
}

/// One pattern of `only`.
fn pattern(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('!').unwrap_or(text);
    if bare.is_empty() || bare.len() > limits::FILE_PATH || bare.contains('\0') {
        return Err(format!(
            "found \"{}\"; accepted is a pattern such as \"*.log\", or \"!secret*\" for what is kept out",
            text.escape_debug()
        ));
    }
    Ok(text.to_owned())
}

/// What only shows when all roots and commands are seen together.
pub fn judge(
    roots: &BTreeMap<String, Read>,
    commands: &BTreeMap<String, command::Read>,
    roles: &BTreeMap<String, Role>,
    faults: &Faults,
) {
    for (name, read) in roots {
        let key = format!("files.{name}");
        if let Some(command) = commands.get(name) {
            let text = format!(
                "has the name of a command, at {}: `deny = [\"{name}\"]` would mean both",
                command.command.place
            );
            faults.add(&read.place, key.clone(), text);
        }
        let granted = |right: &Right| {
            let name = right.of(name);
            roles.values().any(|role| role.grants(&name).is_some())
        };
        let unused: Vec<&str> = read
            .rights
            .iter()
            .filter(|right| !granted(right))
            .map(|right| right.word())
            .collect();
        if !unused.is_empty() {
            let text = format!("no role grants {}", unused.join(", "));
            let what = (Warning::UnusedRoot, &Subject::named("files", name));
            faults.warn(what, &read.place, key, text);
        }
    }
}
