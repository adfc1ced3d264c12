//! `ordain ls`: what is below a root.

use super::bar::Bar;
use super::link::{carry, from_run};
use super::server::{Server, no_thread, path_of, said};
use super::told;
use crate::cli::{Asked, LsArgs, There};
use crate::client::ClientError;
use crate::encoding::hex;
use crate::exit::Status;
use crate::files::stream::{Record, Told};
use crate::files::{Entry, Manifest, Sum, What};
use crate::mover::{Reader, Stop};
use crate::programs::caught::along;
use crate::programs::display::plain;
use crate::programs::{say, say_json};
use crate::protocol::Code;
use crate::verb::ListFiles;
use std::io::Read;
use time::format_description::well_known::Rfc3339;

/// What is asked of a list.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Also what is in folders.
    pub recursive: bool,
    /// With digests of contents.
    pub digests: bool,
}

/// `ordain ls`.
///
/// # Errors
/// The server's refusal, or that the link is lost.
pub async fn ls(server: Server<'_>, args: &LsArgs) -> Result<Status, ClientError> {
    let wanted = Wanted {
        recursive: args.recursive,
        digests: args.digests,
    };
    let (json, manner) = (server.args.json, (args.long, args.digests));
    let at = args.there.to_string();
    let show = move |entry: &Entry| show(entry, json, manner);
    let (sum, faults, status) = list(server, &args.there, wanted, &args.asked, show).await?;
    for fault in &faults {
        told::fault(json, &at, fault);
    }
    if json {
        told::moved(&server, &sum, status);
    }
    Ok(status)
}

/// Lists what is there, entry by entry as it comes.
///
/// # Errors
/// The server's refusal, or that the link is lost.
pub async fn list(
    server: Server<'_>,
    there: &There,
    wanted: Wanted,
    asked: &Asked,
    each: impl FnMut(&Entry) + Send + 'static,
) -> Result<(Sum, Vec<Told>, Status), ClientError> {
    let (confirmed, reason) = said(asked);
    let verb = ListFiles {
        root: there.root.clone(),
        path: path_of(there),
        recursive: wanted.recursive,
        digests: wanted.digests,
        confirmed,
        reason,
    };
    let (mut run, proof) = server.begin(&verb).await?;
    let (into, from) = from_run();
    let reading = tokio::task::spawn_blocking(along(move || read(from, each)));
    let ended = carry(&server, &mut run, into, None, &Bar::new(true)).await?;
    let read = reading.await.map_err(|_| no_thread())?;
    let status = told::status(&server, &ended, 0)?;
    let (sum, faults) = match read {
        Ok(read) => read,
        // It has ended for the reason that its records say.
        Err((Stop::Cut, faults)) if status != Status::OK => (Manifest::default().sum(), faults),
        Err((stop, _)) => return Err(ClientError::new(Code::Protocol, stop.to_string())),
    };
    if faults.is_empty() || sum.files > 0 {
        proof.holds(&ended, &sum)?;
    }
    Ok((sum, faults, status))
}

/// Reads a list to its end.
fn read(
    from: impl Read,
    mut each: impl FnMut(&Entry),
) -> Result<(Sum, Vec<Told>), (Stop, Vec<Told>)> {
    let (mut reader, mut manifest, mut faults) =
        (Reader::new(from), Manifest::default(), Vec::new());
    loop {
        let next = match reader.expect() {
            Ok(next) => next,
            Err(stop) => return Err((stop, faults)),
        };
        match next {
            Record::Listed(entry) => {
                if manifest.add(&entry).is_err() {
                    return Err((Stop::Order("a name twice, or not in its order"), faults));
                }
                each(&entry);
            }
            Record::Fault(told) => {
                if faults.len() < 1000 {
                    faults.push(told);
                }
            }
            Record::Done(sum) if sum == manifest.sum() => return Ok((sum, faults)),
            _ => return Err((Stop::Order("something else in a list"), faults)),
        }
    }
}

/// Shows an entry: of a folder with a slash, of a link with where it leads.
fn show(entry: &Entry, json: bool, (long, digests): (bool, bool)) {
    let Entry {
        path,
        mode,
        time,
        what,
    } = entry;
    let name = plain(&path.to_string());
    if json {
        let (kind, size, digest, target) = match what {
            What::Folder => ("folder", None, None, None),
            What::File { size, digest } => ("file", Some(size), digest.map(|of| hex(&of)), None),
            What::Link { target } => {
                let target = String::from_utf8_lossy(&target.text()).into_owned();
                ("link", None, None, Some(target))
            }
        };
        say_json(&serde_json::json!({
            "event": "entry", "path": path.to_string(), "kind": kind, "mode": format!("{:04o}", mode.bits()),
            "time_ns": time, "size": size, "digest": digest, "target": target,
        }));
        return;
    }
    // What was asked for itself is only a heading of what is in it.
    if path.is_root() && *what == What::Folder {
        return;
    }
    let (size, end) = match what {
        What::Folder => (String::new(), "/".to_owned()),
        What::File { size, .. } => (size.to_string(), String::new()),
        What::Link { target } => {
            let target = String::from_utf8_lossy(&target.text()).into_owned();
            (String::new(), format!(" -> {}", plain(&target)))
        }
    };
    let mut line = String::new();
    if long {
        line = format!("{:04o} {size:>12} {} ", mode.bits(), date(*time));
    }
    if digests {
        let digest = match what {
            What::File {
                digest: Some(digest),
                ..
            } => hex(digest),
            _ => String::new(),
        };
        line = format!("{line}{digest:64} ");
    }
    let name = match path.is_root() {
        true => ".".to_owned(),
        false => name,
    };
    say(&format!("{line}{name}{end}"));
}

/// A point in time, to the second, in UTC.
fn date(nanoseconds: i64) -> String {
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}
