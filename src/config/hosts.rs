//! The client's settings: `~/.config/ordain/config.toml`.

use super::fault::{Fault, Faults};
use super::reader::{Document, Table};
use crate::host::Host;
use crate::limits;
use crate::sys::{Trust, read_config, with_named_zone};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is known of one host, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// Where the host really is.
    pub address: Option<Host>,
    /// The port that it listens on.
    pub port: Option<u16>,
    /// Who logs in there.
    pub user: Option<String>,
    /// The CA file, or `system`.
    pub ca: Option<String>,
    /// The pin of the server's key.
    pub pin: Option<String>,
    /// The name its certificate has.
    pub tls_name: Option<Host>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// The SSH key to log in with.
    pub identity: Option<PathBuf>,
    /// The client's own certificate.
    pub cert: Option<PathBuf>,
    /// The private key of that certificate.
    pub key: Option<PathBuf>,
    /// Whether commands there may have this terminal, where they want one.
    pub tty: Option<bool>,
    /// The host's name as the file has it.
    pub name: Option<String>,
    /// `file:line` of the host's entry, for `-v`.
    pub place: Option<String>,
}

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// What holds for every host that does not say otherwise.
    pub defaults: HostSettings,
    /// The hosts by the names that are typed.
    pub hosts: BTreeMap<Host, HostSettings>,
}

/// Reads the file; a missing one is empty.
///
/// # Errors
/// Every fault, or that others can write it.
pub fn load_hosts(path: &Path) -> Result<Hosts, Vec<Fault>> {
    if !path.exists() {
        return Ok(Hosts::default());
    }
    let faults = Faults::default();
    let file = crate::place::Place {
        file: path.to_string_lossy().into(),
        line: 0,
    };

    let text = match read_config(path, &Trust::own(), limits::CONFIG_FILE) {
        Ok((text, _)) => text,
        Err(fault) => {
            faults.add(&file, "", fault.to_string());
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

/// The defaults and every host of a file in this folder.
fn all(root: Table<'_>, folder: &Path) -> Hosts {
    if let Some(table) = root.table("defaults") {
        for key in ["address", "tls_name"] {
            if let Some(item) = table.item(key) {
                item.fault("says where one host is; accepted is in [hosts.NAME]");
            }
        }
    }

    let mut hosts = Hosts {
        defaults: root
            .table("defaults")
            .map(|table| host(table, folder))
            .unwrap_or_default(),
        ..Hosts::default()
    };

    for (name, item) in root
        .table("hosts")
        .map(|table| table.named())
        .unwrap_or_default()
    {
        let key = match name.parse() {
            Ok(key) => with_named_zone(key),
            Err(why) => {
                item.fault(why);
                continue;
            }
        };
        if let Some(other) = hosts.hosts.get(&key) {
            let first = other.place.as_deref().unwrap_or_default();
            item.fault(format!("is the host of {first}, spelled otherwise"));
            continue;
        }
        if let Some(table) = item.table() {
            let settings = HostSettings {
                name: Some(name),
                place: Some(item.place.to_string()),
                ..host(table, folder)
            };
            hosts.hosts.insert(key, settings);
        }
    }

    root.finish();
    hosts
}

/// What is said of one host, or of all.
fn host(table: Table<'_>, folder: &Path) -> HostSettings {
    let file = |name: &'static str| table.text(name).map(|text| expand(&text, folder));
    let host = |name: &'static str| table.item(name).and_then(|item| item.parsed(str::parse));
    let read = HostSettings {
        address: host("address"),
        port: table
            .integer("port", 1..=65_535)
            .and_then(|port| u16::try_from(port).ok()),
        user: table.text("user"),
        ca: table.text("ca").map(|text| {
            if text == "system" {
                text
            } else {
                expand(&text, folder).to_string_lossy().into_owned()
            }
        }),
        pin: table.item("pin").and_then(|item| {
            item.parsed(|text| {
                text.parse::<crate::tls::Fingerprint>()
                    .map(|_| text.to_owned())
            })
        }),
        tls_name: host("tls_name"),
        password_file: file("password_file"),
        identity: file("identity"),
        cert: file("cert"),
        key: file("key"),
        tty: table.flag("tty"),
        name: None,
        place: None,
    };

    if read.ca.is_some() && read.pin.is_some() {
        table.fault("has `ca` and `pin`; one of them says what makes the server the right one");
    }
    table.finish();
    read
}

/// Relative paths are relative to the file's folder; `~/` is the home folder.
fn expand(text: &str, folder: &Path) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(text),
    }
}
