//! What the client's settings say of one host, or of all, and which line says it.

use super::reader::Table;
use crate::host::Host;
use crate::place::Place;
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
    /// Which line says what, by the key.
    pub lines: BTreeMap<&'static str, Line>,
}

/// A line of the settings that says something of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it is.
    pub place: Place,
    /// The table that it stands in, such as `hosts.web*`.
    pub table: String,
}

impl HostSettings {
    /// Reads a table, but for its name.
    pub(super) fn read(table: Table<'_>, folder: &Path) -> Self {
        let file = |name: &'static str| table.text(name).map(|text| expand(&text, folder));
        let host = |name: &'static str| table.item(name).and_then(|item| item.parsed(str::parse));
        let mut read = Self {
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
            lines: BTreeMap::new(),
        };

        if read.ca.is_some() && read.pin.is_some() {
            table.fault("has `ca` and `pin`; one of them says what makes the server the right one");
        }
        for (key, _) in read.shown() {
            if let Some(item) = table.item(key) {
                let line = Line {
                    place: item.place,
                    table: table.key.clone(),
                };
                read.lines.insert(key, line);
            }
        }
        table.finish();
        read
    }

    /// What these settings say, before what more general ones say.
    pub(super) fn before(self, general: Self) -> Self {
        // An entry that names a CA is not meant to be trusted by the defaults' pin as well, and the
        // other way round.
        let own_trust = self.ca.is_some() || self.pin.is_some();
        let mut lines = general.lines;
        if own_trust {
            lines.retain(|key, _| *key != "ca" && *key != "pin");
        }
        lines.extend(self.lines);
        Self {
            address: self.address.or(general.address),
            port: self.port.or(general.port),
            user: self.user.or(general.user),
            ca: self.ca.or(general.ca.filter(|_| !own_trust)),
            pin: self.pin.or(general.pin.filter(|_| !own_trust)),
            tls_name: self.tls_name.or(general.tls_name),
            password_file: self.password_file.or(general.password_file),
            identity: self.identity.or(general.identity),
            cert: self.cert.or(general.cert),
            key: self.key.or(general.key),
            tty: self.tty.or(general.tty),
            name: self.name.or(general.name),
            place: self.place.or(general.place),
            lines,
        }
    }

    /// Every key that is set, with its value in words.
    pub fn shown(&self) -> Vec<(&'static str, String)> {
        let host = |host: &Option<Host>| host.as_ref().map(ToString::to_string);
        let file = |file: &Option<PathBuf>| file.as_ref().map(|file| file.display().to_string());
        let all = [
            ("address", host(&self.address)),
            ("port", self.port.map(|port| port.to_string())),
            ("user", self.user.clone()),
            ("ca", self.ca.clone()),
            ("pin", self.pin.clone()),
            ("tls_name", host(&self.tls_name)),
            ("password_file", file(&self.password_file)),
            ("identity", file(&self.identity)),
            ("cert", file(&self.cert)),
            ("key", file(&self.key)),
            ("tty", self.tty.map(|tty| tty.to_string())),
        ];
        all.into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }
}

/// Relative paths are relative to the file's folder; `~/` is the home folder.
pub(super) fn expand(text: &str, folder: &Path) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(text),
    }
}
