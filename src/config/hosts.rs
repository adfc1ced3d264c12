//! The client's settings: `~/.config/ordain/config.toml`.

use super::fault::{Fault, Faults};
use super::groups::Groups;
use super::host::HostSettings;
use super::pattern::Pattern;
use super::reader::{Document, Item, Table};
use crate::host::Host;
use crate::limits;
use crate::sys::{FileFault, Trust, read_config, read_text, with_named_zone};
use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// What holds for every host that does not say otherwise.
    pub defaults: HostSettings,
    /// The hosts by the names that are typed.
    pub hosts: BTreeMap<Host, HostSettings>,
    /// What holds for all hosts of a pattern, the most specific pattern first.
    pub patterns: Vec<(Pattern, HostSettings)>,
    /// Groups of hosts.
    pub groups: Groups,
}

impl Hosts {
    /// What holds for a host: its own entry before those of patterns, and these before what is
    /// said of all.
    pub fn settings(&self, host: &Host) -> HostSettings {
        let mut settings = self.hosts.get(host).cloned().unwrap_or_default();
        if !self.patterns.is_empty() {
            let called = host.to_string();
            let matching = self
                .patterns
                .iter()
                .filter(|(pattern, _)| pattern.matches(&called));
            for (_, of_pattern) in matching {
                settings = settings.before(of_pattern.clone());
            }
        }
        settings.before(self.defaults.clone())
    }
}

/// Reads the file; a missing one is empty.
///
/// # Errors
/// Every fault, or that others can write it.
pub fn load_hosts(path: &Path) -> Result<Hosts, Vec<Fault>> {
    // The null device says that no settings are wanted.
    if !path.exists() || path == Path::new("/dev/null") {
        return Ok(Hosts::default());
    }
    let faults = Faults::default();
    let text = match text_of(path) {
        Ok(text) => text,
        Err(fault) => {
            let nowhere = crate::place::Place {
                file: "".into(),
                line: 0,
            };
            faults.add(&nowhere, "", fault.to_string());
            return Err(faults.into_parts().0);
        }
    };

    let folder = path.parent().unwrap_or(Path::new("."));
    let document = Document::parse(&path.to_string_lossy(), &text, &faults);
    let hosts = all(document.root(&faults), folder);
    let (found, _) = faults.into_parts();
    if found.is_empty() {
        Ok(hosts)
    } else {
        Err(found)
    }
}

/// What the settings say: a file that nobody else can have written, or a pipe that this very process was
/// given.
fn text_of(path: &Path) -> Result<String, FileFault> {
    let ours = ["/dev/fd", "/dev/stdin", "/proc/self/fd"];
    let is_given = ours.iter().any(|start| path.starts_with(start))
        && path.metadata().is_ok_and(|meta| meta.file_type().is_fifo());
    match is_given {
        true => read_text(path, limits::CONFIG_FILE),
        false => read_config(path, &Trust::own(), limits::CONFIG_FILE).map(|(text, _)| text),
    }
}

/// All that a file in this folder says.
fn all(root: Table<'_>, folder: &Path) -> Hosts {
    let defaults = root.table("defaults");
    if let Some(table) = &defaults {
        check_general(table);
    }
    let mut hosts = Hosts {
        defaults: defaults
            .map(|table| HostSettings::read(table, folder))
            .unwrap_or_default(),
        groups: Groups::read(&root, folder),
        ..Hosts::default()
    };

    let named = root.table("hosts").map(|table| table.named());
    for (name, item) in named.unwrap_or_default() {
        match Pattern::read(&name) {
            None => one(&mut hosts, name, &item, folder),
            Some(Err(why)) => item.fault(why),
            Some(Ok(pattern)) => {
                if let Some(table) = item.table() {
                    check_general(&table);
                    let settings = HostSettings::read(table, folder);
                    let place = Some(item.place.to_string());
                    hosts
                        .patterns
                        .push((pattern, HostSettings { place, ..settings }));
                }
            }
        }
    }

    // Of two that are as specific, the one further up comes first.
    let line = |settings: &HostSettings| settings.lines.values().map(|line| line.place.line).min();
    hosts
        .patterns
        .sort_by_key(|(pattern, settings)| (pattern.rank(), line(settings)));
    root.finish();
    hosts
}

/// What is said of many hosts does not say where one of them is.
fn check_general(table: &Table<'_>) {
    for key in ["address", "tls_name"] {
        if let Some(item) = table.item(key) {
            item.fault("says where one host is; accepted is in [hosts.NAME]");
        }
    }
}

/// The entry of one host.
fn one(hosts: &mut Hosts, name: String, item: &Item<'_>, folder: &Path) {
    let key = match name.parse() {
        Ok(key) => with_named_zone(key),
        Err(why) => return item.fault(why),
    };
    if let Some(other) = hosts.hosts.get(&key) {
        let first = other.place.as_deref().unwrap_or_default();
        return item.fault(format!("is the host of {first}, spelled otherwise"));
    }
    if let Some(table) = item.table() {
        let settings = HostSettings {
            name: Some(name),
            place: Some(item.place.to_string()),
            ..HostSettings::read(table, folder)
        };
        hosts.hosts.insert(key, settings);
    }
}
