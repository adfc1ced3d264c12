//! Files that come from a host: into a folder here, or to standard output.

use super::bar::Bar;
use super::link::{FromRun, carry, from_run, to_run};
use super::server::{Server, no_thread, path_of, said, usage};
use super::{here, told};
use crate::cli::{Asked, CatArgs, CpArgs, There};
use crate::client::ClientError;
use crate::credential::random;
use crate::exit::Status;
use crate::files::stream::{Record, Told};
use crate::files::{Below, Entry, Manifest, Names, Sum, What};
use crate::limits::FILE_RECORD;
use crate::mover::{
    Expected, Left, Place, Reader, Receiving, Scope, Stop, Writer, find, place, seeds_of,
    tell_pieces,
};
use crate::programs::caught::along;
use crate::programs::output;
use crate::programs::{Sanitizer, complain};
use crate::protocol::Code;
use crate::sys::Folder;
use crate::verb::Get;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::{Arc, mpsc};
use tokio::sync::oneshot;

/// `ordain cp HOST:ROOT/PATH TO`.
///
/// # Errors
/// What kept anything from being kept.
pub async fn cp(
    server: Server<'_>,
    args: &CpArgs,
    from: &There,
    to: &Path,
) -> Result<Status, ClientError> {
    let own = from
        .path
        .name()
        .map(|name| String::from_utf8_lossy(name).into_owned());
    let own = own.unwrap_or_else(|| from.root.clone());
    let made = match &server.target.among {
        Some(among) => Some(here::folder_of(to, &among.name)?),
        None => None,
    };
    let to = made.as_ref().map_or(to, |made| made.path());
    let (place, _) = here::destination(to, &own, args.recursive)?;
    let wanted = Wanted {
        expected: match args.recursive {
            true => Expected::Tree,
            false => Expected::One,
        },
        packs: server.packs(args.no_compress),
        replace: !args.no_clobber,
        // What an earlier attempt has left, or what is to be replaced, may have most of a file.
        chosen: match args.recursive {
            true => None,
            false => has_seeds(&place).then(|| vec![Below::root()]),
        },
    };
    if from.path.is_root() && !args.recursive {
        return Err(usage(format!(
            "`{from}` is a folder (-r copies it with all that is in it)"
        )));
    }
    fetch(server, from, place, wanted, &args.asked).await
}

/// What is fetched, and how.
pub struct Wanted {
    /// What may come.
    pub expected: Expected,
    /// Whether what shrinks is packed.
    pub packs: bool,
    /// Whether what is here may be replaced.
    pub replace: bool,
    /// Exactly these, where it is not all: of what is here of them only what differs is fetched.
    pub chosen: Option<Vec<Below>>,
}

/// Fetches what is there, and keeps it if it is what the server's monitor says was read.
///
/// # Errors
/// What kept anything from being kept.
pub async fn fetch(
    server: Server<'_>,
    there: &There,
    into: Place,
    wanted: Wanted,
    asked: &Asked,
) -> Result<Status, ClientError> {
    let (confirmed, reason) = said(asked);
    let verb = Get {
        root: there.root.clone(),
        path: path_of(there),
        recursive: !matches!(wanted.expected, Expected::One),
        chosen: wanted.chosen.is_some(),
        pack: wanted.packs,
        confirmed,
        reason,
    };
    let scope = here::scope(wanted.replace)?;
    let (mut run, proof) = server.begin(&verb).await?;
    let bar = server.bar();
    let (pieces, from) = from_run();
    let (came, has_come) = oneshot::channel();
    let (verdict, judged) = mpsc::channel();
    let knows_seeds = wanted.chosen.is_some();
    if let Some(chosen) = wanted.chosen {
        let out = to_run(&run, None);
        let place = again(&into)?;
        // What it could not write is why the run ends, and told then.
        tokio::task::spawn_blocking(move || wish(&place, &chosen, out));
    }
    let receiving = {
        let (bar, expected) = (bar.clone(), wanted.expected);
        let from = Counted { from, bar };
        let how = (expected, knows_seeds);
        tokio::task::spawn_blocking(move || receive(&scope, &into, how, from, came, &judged))
    };
    let ended = carry(&server, &mut run, pieces, None, &bar).await?;
    let came = has_come.await.map_err(|_| no_thread())?;
    let judged = match &came {
        Ok(sum) => proof.holds(&ended, sum),
        Err(_) => Ok(()),
    };
    let _ = verdict.send(came.is_ok() && judged.is_ok());
    let received = receiving.await.map_err(|_| no_thread())?;
    let at = there.to_string();
    let (faults, failed) = match received {
        Ok(faults) => (faults, None),
        Err((stop, faults)) => (faults, Some(stop)),
    };
    for fault in &faults {
        told::fault(server.args.json, &at, fault);
    }
    judged?;
    let status = told::status(&server, &ended, faults.len() as u64)?;
    match (came, failed) {
        (Ok(sum), None) => {
            told::moved(&server, &sum, status);
            Ok(status)
        }
        // The mover has said why.
        (Err(()), Some(Stop::Cut)) if status != Status::OK => Ok(status),
        (_, Some(stop)) => Err(ClientError::new(Code::Protocol, stop.to_string())),
        (Err(()), None) => Err(no_thread()),
    }
}

/// Receives in a thread of its own, and places what has come if that is said to be right.
fn receive(
    scope: &Scope,
    into: &Place,
    (expected, knows_seeds): (Expected, bool),
    from: impl Read,
    came: oneshot::Sender<Result<Sum, ()>>,
    judged: &mpsc::Receiver<bool>,
) -> Result<Vec<Told>, (Stop, Vec<Told>)> {
    let fail = |stop: Stop| (stop, Vec::new());
    let mut receiving = Receiving::new(scope, into, expected, false, random())
        .map_err(|fault| fail(fault.into()))?;
    if knows_seeds {
        receiving = receiving.knowing_seeds();
    }
    let mut nobody = Writer::new(io::sink());
    let taken = receiving.take(&mut Reader::new(from), &mut nobody, |_, _| Ok(()));
    let faults = receiving.faults().0.to_vec();
    let sum = match taken {
        Ok(sum) => sum,
        Err(stop) => {
            receiving.end(&stop);
            let _ = came.send(Err(()));
            return Err((stop, faults));
        }
    };
    let _ = came.send(Ok(sum));
    if judged.recv() != Ok(true) {
        receiving.discard();
        return Ok(faults);
    }
    let mut more = Vec::new();
    match place(scope, receiving, |told| more.push(told)) {
        Ok(_) => Ok([faults, more].concat()),
        Err(stop) => Err((stop, faults)),
    }
}

/// Whether anything is here that has a part of what has its place here.
fn has_seeds(place: &Place) -> bool {
    match place {
        Place::Root(_) => false,
        Place::In(folder, name) => !seeds_of(folder, &Left::of(folder), name).is_empty(),
    }
}

/// The same place once more.
fn again(place: &Place) -> Result<Place, ClientError> {
    let again = |folder: &Folder| folder.again().map_err(|fault| usage(fault.to_string()));
    Ok(match place {
        Place::Root(folder) => Place::Root(again(folder)?),
        Place::In(folder, name) => Place::In(again(folder)?, name.clone()),
    })
}

/// Says which files are wanted, and what is here of each.
fn wish(place: &Place, chosen: &[Below], out: impl Write) -> Result<(), Stop> {
    let (mut out, mut names) = (Writer::new(out), Names::default());
    for path in chosen {
        names.add(path);
        let seeds = match find(place, path) {
            Ok((folder, Some(name))) => seeds_of(&folder, &Left::of(&folder), &name),
            _ => Vec::new(),
        };
        out.put(&Record::Want(path.clone(), !seeds.is_empty()))?;
        if !seeds.is_empty() {
            tell_pieces(&seeds, &mut out)?;
        }
    }
    out.put(&Record::Done(names.sum()))?;
    out.flush()
}

/// Counts what is read.
struct Counted {
    from: FromRun,
    bar: Arc<Bar>,
}

impl Read for Counted {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(room)?;
        self.bar.bytes(count);
        Ok(count)
    }
}

/// `ordain cat`.
///
/// # Errors
/// The server's refusal, that the link is lost, or that what has come is not what was read.
pub async fn cat(server: Server<'_>, args: &CatArgs) -> Result<Status, ClientError> {
    // Of many, each line is made harmless behind its host's name.
    let is_alone = server.target.among.is_none();
    let is_shown = io::stdout().is_terminal() && !args.raw && is_alone;
    print(server, &args.there, &args.asked, is_shown).await
}

/// `ordain cp HOST:ROOT/PATH -`.
///
/// # Errors
/// As [`cat`].
pub async fn to_standard_output(
    server: Server<'_>,
    asked: &Asked,
    there: &There,
) -> Result<Status, ClientError> {
    print(server, there, asked, false).await
}

async fn print(
    server: Server<'_>,
    there: &There,
    asked: &Asked,
    is_shown: bool,
) -> Result<Status, ClientError> {
    let (confirmed, reason) = said(asked);
    let verb = Get {
        root: there.root.clone(),
        path: path_of(there),
        recursive: false,
        chosen: false,
        pack: server.packs(false),
        confirmed,
        reason,
    };
    let (mut run, proof) = server.begin(&verb).await?;
    let (pieces, from) = from_run();
    let printing = tokio::task::spawn_blocking(along(move || printed(from, is_shown)));
    let ended = carry(&server, &mut run, pieces, None, &Bar::new(true)).await?;
    let (came, faults) = printing.await.map_err(|_| no_thread())?;
    let at = there.to_string();
    for fault in &faults {
        told::fault(server.args.json, &at, fault);
    }
    let status = told::status(&server, &ended, faults.len() as u64)?;
    match came {
        Ok(sum) => {
            proof.holds(&ended, &sum).map_err(|error| ClientError {
                text: "what was printed is not what the server's monitor says was read".into(),
                ..error
            })?;
            Ok(status)
        }
        Err(Stop::Cut) if status != Status::OK => Ok(status),
        Err(Stop::Io(_)) => {
            complain("ordain: standard output cannot be written");
            Ok(Status::READER_GONE)
        }
        Err(stop) => Err(ClientError::new(Code::Protocol, stop.to_string())),
    }
}

/// Prints the one file that comes.
fn printed(from: impl Read, is_shown: bool) -> (Result<Sum, Stop>, Vec<Told>) {
    let mut faults = Vec::new();
    let mut printing = Printing {
        sanitizer: is_shown.then(Sanitizer::default),
        size: 0,
        hasher: blake3::Hasher::new(),
    };
    let came = printing.all(&mut Reader::new(from), &mut faults);
    (came, faults)
}

/// What is being printed.
struct Printing {
    sanitizer: Option<Sanitizer>,
    size: u64,
    hasher: blake3::Hasher,
}

impl Printing {
    fn all(&mut self, from: &mut Reader<impl Read>, faults: &mut Vec<Told>) -> Result<Sum, Stop> {
        let mut manifest = Manifest::default();
        let mut head = None;
        loop {
            match from.expect()? {
                Record::File(file) if head.is_none() && file.path.is_root() => head = Some(file),
                Record::Fault(told) if faults.len() < 1000 => faults.push(told),
                Record::Data(bytes) if head.is_some() => self.bytes(bytes)?,
                Record::Packed(length, frame) if head.is_some() => {
                    let length = usize::try_from(length).unwrap_or(FILE_RECORD);
                    let bytes = zstd::bulk::decompress(frame, length)?;
                    if bytes.len() != length {
                        return Err(Stop::Order(
                            "something that does not unpack to what it says",
                        ));
                    }
                    self.bytes(&bytes)?;
                }
                Record::Hole(length) if head.is_some() => self.hole(length)?,
                Record::Again => {
                    // What is printed cannot be taken back.
                    return Err(Stop::Order(
                        "a file that was changed while it was read; try again",
                    ));
                }
                Record::End(digest) => {
                    let file = head.take().ok_or(Stop::Order("the end of no file"))?;
                    if *self.hasher.finalize().as_bytes() != digest {
                        return Err(Stop::Order("a file that is not what its digest says"));
                    }
                    let what = What::File {
                        size: self.size,
                        digest: Some(digest),
                    };
                    let entry = Entry {
                        path: Below::root(),
                        mode: file.mode,
                        time: file.time,
                        what,
                    };
                    manifest
                        .add(&entry)
                        .map_err(|_| Stop::Order("a file twice"))?;
                    self.rest()?;
                }
                Record::Done(sum) if sum == manifest.sum() => return Ok(sum),
                _ => return Err(Stop::Order("something that nobody has asked for")),
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        self.hasher.update(bytes);
        match &mut self.sanitizer {
            Some(sanitizer) => output::print(false, &sanitizer.feed(bytes))?,
            None => output::print(false, bytes)?,
        }
        Ok(())
    }

    /// Zeros that take up no room there take up some here.
    fn hole(&mut self, mut length: u64) -> Result<(), Stop> {
        const ZEROS: [u8; 4096] = [0; 4096];
        while length > 0 {
            let now = length.min(ZEROS.len() as u64);
            self.bytes(ZEROS.get(..now as usize).unwrap_or_default())?;
            length -= now;
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), Stop> {
        if let Some(sanitizer) = &mut self.sanitizer {
            output::print(false, &sanitizer.leave())?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
