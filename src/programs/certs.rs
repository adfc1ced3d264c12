//! `ordain-certs`: a development set at once, or a CA, servers and clients one by one.

use super::output::{self, Finished};
use super::{complain, say};
use crate::cli::{CertsArgs, CertsVerb};
use crate::devca::{self, Pair, Use};
use crate::exit::Status;
use crate::sys;
use crate::tls::{Fingerprint, Validity, certificates};
use clap::{CommandFactory, Parser};
use std::path::{Path, PathBuf};

const CA_DAYS: u32 = 3650;
/// What browsers and TLS libraries of some systems accept at the most.
const LEAF_DAYS: u32 = 825;

/// The whole program.
pub fn ordain_certs() -> Finished {
    output::finish(program())
}

fn program() -> Status {
    if let Some(status) = super::complete::asked(CertsArgs::command) {
        return status;
    }
    let Ok(words) = super::words("ordain-certs") else {
        return Status(2);
    };
    let args = CertsArgs::parse_from(words);
    let made = match args.verb {
        None => development(
            &args.output.out,
            &args.hosts,
            args.output.days,
            args.output.force,
        ),
        Some(CertsVerb::Ca { output }) => devca::ca(output.days.unwrap_or(CA_DAYS))
            .and_then(|pair| write(&output.out, "ca", &pair, output.force)),
        Some(CertsVerb::Server { names, ca, output }) => {
            issue(&ca, &names, Use::Server, output.days)
                .and_then(|pair| write(&output.out, "server", &pair, output.force))
        }

        Some(CertsVerb::Client { name, ca, output }) => file_name(&name)
            .and_then(|file| {
                Ok((
                    issue(&ca, std::slice::from_ref(&name), Use::Client, output.days)?,
                    file,
                ))
            })
            .and_then(|(pair, file)| write(&output.out, &file, &pair, output.force)),
    };

    match made {
        Ok(()) => Status::OK,
        Err(why) => {
            complain(&format!("ordain-certs: {why}"));
            Status::FAULT
        }
    }
}

/// A CA, and a server certificate for this machine by all its usual names.
fn development(
    folder: &Path,
    hosts: &[String],
    days: Option<u32>,
    force: bool,
) -> Result<(), String> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let own = sys::host_name();
    for name in std::iter::once(own.trim().to_owned()).chain(hosts.iter().cloned()) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    // Both or neither: a new CA beside an old server certificate would be worth nothing.
    let taken: Vec<_> = ["ca.crt", "ca.key", "server.crt", "server.key"]
        .iter()
        .map(|file| folder.join(file))
        .filter(|file| file.exists())
        .collect();
    if let (Some(file), false) = (taken.first(), force) {
        return Err(exists(file));
    }
    let ca = devca::ca(days.unwrap_or(CA_DAYS))?;
    let server = devca::issue(&ca, &names, Use::Server, days.unwrap_or(LEAF_DAYS))?;
    write(folder, "ca", &ca, force)?;
    write(folder, "server", &server, force)?;
    say(&format!("for {}", names.join(", ")));
    Ok(())
}

fn issue(ca: &Path, names: &[String], purpose: Use, days: Option<u32>) -> Result<Pair, String> {
    let read = |file: &str| {
        std::fs::read_to_string(ca.join(file))
            .map_err(|fault| format!("{}: {fault}", ca.join(file).display()))
    };

    let ca = Pair {
        certificate: read("ca.crt")?,
        key: read("ca.key")?,
    };

    devca::issue(&ca, names, purpose, days.unwrap_or(LEAF_DAYS))
}

/// A client's name becomes a file's name, so it must be one.
fn file_name(name: &str) -> Result<String, String> {
    let fine = !name.is_empty()
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@'));
    if fine {
        Ok(name.to_owned())
    } else {
        Err(format!("`{}` cannot be a file's name", name.escape_debug()))
    }
}

fn exists(file: &Path) -> String {
    format!("{} exists already; --force overwrites it", file.display())
}

/// Writes `NAME.crt` and `NAME.key`, the key readable by its owner only, and says what it wrote.
fn write(folder: &Path, name: &str, pair: &Pair, force: bool) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
    let files: [(PathBuf, &str, u32); 2] = [
        (folder.join(format!("{name}.key")), &pair.key, 0o600),
        (folder.join(format!("{name}.crt")), &pair.certificate, 0o644),
    ];

    if let (Some((file, ..)), false) = (files.iter().find(|(file, ..)| file.exists()), force) {
        return Err(exists(file));
    }
    for (file, text, mode) in &files {
        sys::replace(file, text.as_bytes(), *mode, force).map_err(|fault| match fault.kind() {
            std::io::ErrorKind::AlreadyExists => exists(file),
            _ => format!("{}: {fault}", file.display()),
        })?;
    }

    let parsed = certificates(pair.certificate.as_bytes())?;
    let first = parsed.first().ok_or("the certificate is empty")?;
    let until = time::OffsetDateTime::from_unix_timestamp(Validity::of(first)?.until)
        .map(|until| until.date().to_string())
        .unwrap_or_default();
    let [(key, ..), (certificate, ..)] = &files;
    say(&format!(
        "wrote {} and {}",
        certificate.display(),
        key.display()
    ));
    say(&format!("  fingerprint {}", Fingerprint::of(first)?));
    say(&format!("  valid until {until}"));
    Ok(())
}
