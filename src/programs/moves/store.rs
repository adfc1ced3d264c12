//! Files that go to a host: sent, and placed there by a commit that names exactly them.

use super::bar::Bar;
use super::link::{Committing, carry, from_run, to_run};
use super::listing::{Wanted, list};
use super::server::{Server, no_thread, path_of, said, usage};
use super::source::Source;
use super::{here, told};
use crate::cli::{Asked, CpArgs, Side, There, is_into};
use crate::client::ClientError;
use crate::exit::Status;
use crate::files::stream::{Record, Told};
use crate::files::{Below, Commit, Mode, Sum};
use crate::limits::FILE_ASKED;
use crate::mover::{Ask, How, Index, Monitor, Place, Reader, Sending, Stop, Writer};
use crate::programs::complain;
use crate::protocol::Code;
use crate::verb::Put;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// `ordain cp FROM HOST:ROOT/PATH`.
///
/// # Errors
/// What kept anything from being placed.
pub async fn cp(server: Server<'_>, args: &CpArgs, to: &There) -> Result<Status, ClientError> {
    let source = match &args.from {
        Side::Here(path) => match &server.target.among {
            Some(among) => among.common.source(path, args.recursive)?,
            None => Source::of(path, args.recursive)?,
        },
        Side::Standard | Side::There(_) => match &server.target.among {
            Some(among) => Source::Standard((among.standard)(), among.common.time()),
            None => Source::Standard(Box::new(std::io::stdin()), crate::mover::now()),
        },
    };
    let mut to = to.clone();
    if to.ends_with_slash || to.path.is_root() {
        let name = match &args.from {
            Side::Here(path) => own_name(path)?,
            _ => {
                return Err(usage(
                    "what comes from standard input has no name of its own",
                ));
            }
        };
        let path = to.path.child(&name);
        to.path = path.map_err(|why| usage(format!("`{}`: {why}", name.escape_ascii())))?;
    }
    if source.is_folder() && !args.all_or_nothing {
        must_be_new(server, &to, &args.asked).await?;
    }
    let how = Stored {
        all_or_nothing: args.all_or_nothing,
        packs: server.packs(args.no_compress),
    };
    store(server, source, &to, how, &args.asked).await
}

/// Makes sure that nothing has the name which a folder is to get. Whoever may not look is not kept from
/// copying: then files join those that are there.
///
/// # Errors
/// That something has, with what else could be meant.
async fn must_be_new(server: Server<'_>, to: &There, asked: &Asked) -> Result<(), ClientError> {
    let wanted = Wanted {
        recursive: false,
        digests: false,
    };
    let (sum, _) = match list(server, to, wanted, asked, |_| {}).await {
        Ok((sum, faults, _)) => (sum, faults),
        Err(error) if error.is(Code::NotPermitted) => return Ok(()),
        Err(error) => return Err(error),
    };
    if sum.files == 0 {
        return Ok(());
    }
    Err(usage(format!(
        "`{to}` is there already: `{to}/` would put the copy into it under its own name, `ordain sync` would make it like the copy, and --all-or-nothing would put the copy in its place"
    )))
}

/// The name that a file or folder here has.
fn own_name(path: &Path) -> Result<Vec<u8>, ClientError> {
    use std::os::unix::ffi::OsStrExt;
    let real = match is_into(path) {
        true => path.canonicalize(),
        false => Ok(path.to_owned()),
    };
    let real = real.map_err(|fault| usage(format!("{}: {fault}", path.display())))?;
    let name = real.file_name();
    let name = name.ok_or_else(|| usage(format!("{} has no name of its own", path.display())))?;
    Ok(name.as_bytes().to_vec())
}

/// How it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Stored {
    /// Whether a folder takes the place of the one that is there.
    pub all_or_nothing: bool,
    /// Whether what shrinks is packed.
    pub packs: bool,
}

/// Shows what is being sent.
struct Shown(Arc<Bar>);

impl Monitor for Shown {
    fn name(&mut self, path: &Below) -> Result<(), Stop> {
        self.0.file(path);
        Ok(())
    }

    fn sum(&mut self, _: Sum) -> Result<(), Stop> {
        Ok(())
    }

    fn commit(&mut self) -> Result<Option<Commit>, Stop> {
        Ok(None)
    }
}

/// Sends what is here, and has exactly that placed.
///
/// # Errors
/// What kept anything from being placed.
pub async fn store(
    server: Server<'_>,
    source: Source,
    to: &There,
    how: Stored,
    asked: &Asked,
) -> Result<Status, ClientError> {
    let total = match &source {
        Source::Standard(..) => None,
        Source::File(_, found) => Some(found.size),
        Source::Folder(folder) => here::weigh(folder),
    };
    let what = (source.is_folder(), total);
    send(server, to, how, asked, what, move |sending| match source {
        Source::Standard(from, time) => sending.pipe(from, Mode::of_file(0o666), time),
        Source::File(mut file, found) => sending.file(&Below::root(), &mut file, &found),
        Source::Folder(folder) => {
            let scope =
                here::scope(true).map_err(|error| Stop::Io(std::io::Error::other(error.text)))?;
            sending.tree(&scope, &Place::Root(folder))
        }
    })
    .await
}

/// How long whoever reads a source is waited for when its put has ended.
const REST: Duration = Duration::from_secs(2);

/// What a put is sent through.
pub type Sends<'s> = Sending<'s, super::link::ToRun, Answering>;

/// Begins a put, has something send into it, and commits what was sent once it has come.
///
/// # Errors
/// What kept anything from being placed.
pub async fn send(
    server: Server<'_>,
    to: &There,
    how: Stored,
    asked: &Asked,
    (recursive, total): (bool, Option<u64>),
    sends: impl FnOnce(&mut Sends<'_>) -> Result<(), Stop> + Send + 'static,
) -> Result<Status, ClientError> {
    let (confirmed, reason) = said(asked);
    let verb = Put {
        root: to.root.clone(),
        path: path_of(to),
        recursive,
        all_or_nothing: how.all_or_nothing,
        confirmed,
        reason,
    };
    let (mut run, proof) = server.begin(&verb).await?;
    let bar = server.bar();
    bar.total(total.unwrap_or(0));
    let (pieces, from) = from_run();
    let (answers, told_pieces) = mpsc::channel();
    let (has_come, came) = oneshot::channel();
    let reading = tokio::task::spawn_blocking(move || read(from, &answers, has_come));
    let (ready, is_ready) = oneshot::channel();
    let out = to_run(&run, Some(bar.clone()));
    let sending = {
        let bar = bar.clone();
        let ask = Answering(told_pieces);
        tokio::task::spawn_blocking(move || -> Result<(Sum, u64), Stop> {
            let (mut out, mut monitor) = (Writer::new(out), Shown(bar));
            let how = How {
                recursive,
                list: None,
                packs: how.packs,
                links: true,
                names: true,
                most: u64::MAX,
            };
            let mut sending = Sending::new(&mut out, &mut monitor, ask, how);
            sends(&mut sending)?;
            let outcome = sending.done()?;
            drop(out);
            // The mover has read all of it, and has found the same.
            match came.blocking_recv() {
                Ok(sum) if sum == outcome.sum => {
                    let _ = ready.send(sum);
                    Ok((sum, outcome.faults))
                }
                Ok(_) => Err(Stop::Order("that something else has come than was sent")),
                Err(_) => Err(Stop::Cut),
            }
        })
    };
    let committing = Committing {
        ready: is_ready,
        root: to.root.clone(),
        path: path_of(to),
    };
    let ended = carry(&server, &mut run, pieces, Some(committing), &bar).await?;
    let faults = reading.await.map_err(|_| no_thread())?;
    // What was placed was read to its end before. Of anything else nobody waits for more, such as what
    // a pipe may still bring.
    let sent = match tokio::time::timeout(REST, sending).await {
        Ok(sent) => sent.map_err(|_| no_thread())?,
        Err(_) => Err(Stop::Cut),
    };
    let at = to.to_string();
    for fault in &faults {
        told::fault(server.args.json, &at, fault);
    }
    let status = told::status(&server, &ended, faults.len() as u64)?;
    match sent {
        Ok((sum, own)) => {
            if status == Status::OK || status == Status(1) {
                proof.holds(&ended, &sum).map_err(|error| ClientError {
                    text: "the server's monitor says that something else was placed than what was sent"
                        .into(),
                    ..error
                })?;
            }
            let status = match status {
                Status::OK if own > 0 => Status(1),
                status => status,
            };
            let status = match &server.target.among {
                Some(among) if status == Status::OK && !among.common.is_as_first(&sum) => {
                    complain(&format!(
                        "ordain: {at}: what is sent has changed: the first host has something else"
                    ));
                    Status(1)
                }
                _ => status,
            };
            told::moved(&server, &sum, status);
            Ok(status)
        }
        // The mover has said why.
        Err(Stop::Cut | Stop::Io(_)) if status != Status::OK => Ok(status),
        Err(stop) => Err(ClientError::new(Code::Protocol, stop.to_string())),
    }
}

/// Reads what a mover answers to a put.
fn read(from: impl Read, answers: &mpsc::Sender<Index>, came: oneshot::Sender<Sum>) -> Vec<Told> {
    let (mut reader, mut faults) = (Reader::new(from), Vec::new());
    let (mut index, mut came) = (Index::default(), Some(came));
    while let Ok(Some(record)) = reader.next_record() {
        match record {
            Record::Fault(told) if faults.len() < 1000 => faults.push(told),
            Record::Chunks(chunks) if chunks.is_empty() => {
                let _ = answers.send(std::mem::take(&mut index));
            }
            Record::Chunks(chunks) => match index.add(&chunks) {
                Ok(()) => {}
                Err(_) => return faults,
            },
            Record::Done(sum) => {
                if let Some(came) = came.take() {
                    let _ = came.send(sum);
                }
            }
            _ => {}
        }
    }
    faults
}

/// What a mover has answered.
pub struct Answering(mpsc::Receiver<Index>);

impl<W: Write> Ask<W> for Answering {
    fn wants(&self, size: u64) -> bool {
        size >= FILE_ASKED
    }

    fn ask(&mut self, out: &mut Writer<W>) -> Result<Index, Stop> {
        out.flush()?;
        self.0.recv().map_err(|_| Stop::Cut)
    }
}
