//! `ordain-certs`: a development set at once, or a CA, servers and clients one by one; requests made
//! and signed.

use super::ask::{self, Wanted};
use super::output::{self, Finished};
use super::{complain, say};
use crate::cli::{CertsArgs, CertsVerb, Output};
use crate::devca::{self, Pair, Use};
use crate::exit::Status;
use crate::limits;
use crate::sys;
use crate::tls::{Fingerprint, Validity, certificates};
use clap::{CommandFactory, Parser};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

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

        Some(CertsVerb::Request {
            names,
            key,
            out,
            force,
        }) => request(&names, key.as_deref(), &out, force),
        Some(CertsVerb::Sign {
            request,
            ca,
            yes,
            output,
        }) => sign(&request, &ca, yes, &output),
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
    devca::issue(&authority(ca)?, names, purpose, days.unwrap_or(LEAF_DAYS))
}

/// The CA of a folder.
fn authority(ca: &Path) -> Result<Pair, String> {
    let read = |file: &str| {
        sys::read_text(&ca.join(file), limits::PEM_FILE).map_err(|fault| fault.to_string())
    };
    Ok(Pair {
        certificate: read("ca.crt")?,
        key: read("ca.key")?,
    })
}

/// A server's key, where it has none yet, and the request for its certificate.
fn request(names: &[String], key: Option<&Path>, out: &Path, force: bool) -> Result<(), String> {
    let own = key.map(private).transpose()?;
    let made = own.map_or_else(devca::private_key, Ok)?;
    let text = devca::request(names, &made)?;
    let request = out.join("server.csr");
    let file = out.join("server.key");
    let mut files: Vec<Written<'_>> = vec![(request.clone(), &text, 0o644)];
    if key.is_none() {
        files.insert(0, (file.clone(), &made, 0o600));
    }
    write_all(out, &files, force)?;

    say(&format!(
        "wrote {} and left the key in {}",
        request.display(),
        key.unwrap_or(&file).display()
    ));
    say(&format!("  for {}", names.join(", ")));
    let asked = devca::Request::read(text.as_bytes())?;
    say(&format!(
        "  fingerprint {}",
        Fingerprint::of_key(&asked.public_key())
    ));
    Ok(())
}

/// A private key that its owner alone can read.
fn private(file: &Path) -> Result<Zeroizing<String>, String> {
    let bytes = sys::read_private(file, limits::PEM_FILE).map_err(|fault| fault.to_string())?;
    String::from_utf8(bytes)
        .map(Zeroizing::new)
        .map_err(|_| format!("{} is not text", file.display()))
}

/// Shows what a request asks for, and signs it when somebody agrees.
fn sign(file: &Path, ca: &Path, yes: bool, output: &Output) -> Result<(), String> {
    let named = |why: String| format!("{} {why}", file.display());
    let bytes = sys::read_stream(file, limits::PEM_FILE).map_err(|fault| fault.to_string())?;
    let request = devca::Request::read(&bytes).map_err(named)?;
    let ca = authority(ca)?;
    let days = days_below(&ca, output.days)?;
    let name = file
        .file_stem()
        .map_or_else(|| "server".into(), |stem| stem.to_string_lossy());
    let certificate = output.out.join(format!("{name}.crt"));
    if certificate.exists() && !output.force {
        return Err(exists(&certificate));
    }

    say(&format!(
        "{} asks for a server's certificate",
        file.display()
    ));
    say(&format!("  for {}", request.names().join(", ")));
    say(&format!(
        "  fingerprint {}",
        Fingerprint::of_key(&request.public_key())
    ));
    say(&format!("  valid for {days} days"));
    if !yes {
        agreed()?;
    }
    let signed = devca::sign(&ca, &request, days)?;
    let files = [(certificate.clone(), signed.as_str(), 0o644)];
    write_all(&output.out, &files, output.force)?;
    say(&format!("wrote {}", certificate.display()));
    tell(&signed)
}

/// That somebody at a terminal says yes.
fn agreed() -> Result<(), String> {
    if !ask::can_ask() {
        return Err(
            "a request is signed when somebody agrees to it, and there is no terminal to ask on; --yes agrees beforehand"
                .into(),
        );
    }
    ask::agree(&Wanted::own("ordain-certs", "sign it?"))
        .map_err(|_| "not agreed to; nothing was signed".into())
}

/// How long a certificate below this CA is valid: no longer than the CA itself, after which clients
/// refuse both.
fn days_below(ca: &Pair, wanted: Option<u32>) -> Result<u32, String> {
    let parsed = certificates(ca.certificate.as_bytes())
        .map_err(|why| format!("the CA's certificate {why}"))?;
    let first = parsed.first().ok_or("the CA's certificate is empty")?;
    let validity = Validity::of(first)?;
    let now = crate::clock::now();
    if let Some(fault) = validity.fault(now) {
        return Err(format!("the CA's certificate {fault}"));
    }
    let left = u32::try_from(validity.left(now).as_secs() / 86_400).unwrap_or(u32::MAX);
    match wanted {
        Some(days) if days <= left => Ok(days),
        None if left > 0 => Ok(LEAF_DAYS.min(left)),
        _ => Err(format!(
            "the CA's certificate is valid for another {} only, and what it signs cannot outlive it",
            validity.left_text(now)
        )),
    }
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
    let files: [Written<'_>; 2] = [
        (folder.join(format!("{name}.key")), &pair.key, 0o600),
        (folder.join(format!("{name}.crt")), &pair.certificate, 0o644),
    ];
    write_all(folder, &files, force)?;

    let [(key, ..), (certificate, ..)] = &files;
    say(&format!(
        "wrote {} and {}",
        certificate.display(),
        key.display()
    ));
    tell(&pair.certificate)
}

/// Whose key a certificate is for, and until when.
fn tell(certificate: &str) -> Result<(), String> {
    let parsed = certificates(certificate.as_bytes())?;
    let first = parsed.first().ok_or("the certificate is empty")?;
    let until = time::OffsetDateTime::from_unix_timestamp(Validity::of(first)?.until)
        .map(|until| until.date().to_string())
        .unwrap_or_default();
    say(&format!("  fingerprint {}", Fingerprint::of(first)?));
    say(&format!("  valid until {until}"));
    Ok(())
}

/// A file that is to be written, with its text and mode.
type Written<'t> = (PathBuf, &'t str, u32);

/// Writes all of the files, or none where one is there already.
fn write_all(folder: &Path, files: &[Written<'_>], force: bool) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
    if let (Some((file, ..)), false) = (files.iter().find(|(file, ..)| file.exists()), force) {
        return Err(exists(file));
    }
    for (file, text, mode) in files {
        sys::replace(file, text.as_bytes(), *mode, force).map_err(|fault| match fault.kind() {
            std::io::ErrorKind::AlreadyExists => exists(file),
            _ => format!("{}: {fault}", file.display()),
        })?;
    }
    Ok(())
}
