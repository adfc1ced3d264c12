//! A run whose streams are records: between its two ends and the threads that read and write files.

use super::bar::Bar;
use super::server::Server;
use crate::client::{ClientError, Durable, Event, Told};
use crate::exit::Human;
use crate::files::Sum;
use crate::programs::complain;
use crate::programs::display::plain;
use crate::programs::output::hurry;
use crate::programs::wish::Wish;
use crate::protocol::{Code, Ended};
use crate::verb::{Cancel, Commit};
use std::io::{self, Read, Write};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Pieces that may wait on either way: what a run may send ahead is bounded by its credit anyway.
const PIECES: usize = 4;

/// What a run writes, for a thread that reads it.
pub struct FromRun {
    pieces: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

/// What a run reads, for a thread that writes it.
pub struct ToRun {
    pieces: mpsc::Sender<Vec<u8>>,
    bar: Option<Arc<Bar>>,
}

/// The way into a run's output, for whoever reads it.
pub fn from_run() -> (mpsc::Sender<Vec<u8>>, FromRun) {
    let (sender, pieces) = mpsc::channel(PIECES);
    let from = FromRun {
        pieces,
        piece: Vec::new(),
        at: 0,
    };
    (sender, from)
}

/// The way to a run's input, for whoever writes it. Bytes are shown by a bar, if there is one.
pub fn to_run(run: &Durable, bar: Option<Arc<Bar>>) -> ToRun {
    let (pieces, mut taken) = mpsc::channel::<Vec<u8>>(PIECES);
    let input = run.input();
    tokio::spawn(async move {
        while let Some(piece) = taken.recv().await {
            if !input.send(&piece).await {
                return;
            }
        }
        input.end();
    });
    ToRun { pieces, bar }
}

impl Read for FromRun {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.pieces.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None => return Ok(0),
            }
        }
        let count = self.piece.get(self.at..).unwrap_or_default().read(room)?;
        self.at += count;
        Ok(count)
    }
}

impl Write for ToRun {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.pieces.blocking_send(bytes.to_vec());
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        if let Some(bar) = &self.bar {
            bar.bytes(bytes.len());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is to be committed, once it is known.
pub struct Committing {
    /// Says what has come there.
    pub ready: oneshot::Receiver<Sum>,
    /// The root of the put.
    pub root: String,
    /// Its path.
    pub path: String,
}

/// Carries a run to its end: its output to whoever reads it, and a commit to the server once there is
/// one.
///
/// # Errors
/// What became of the run is not known, or the server refuses the commit.
pub async fn carry(
    server: &Server<'_>,
    run: &mut Durable,
    into: mpsc::Sender<Vec<u8>>,
    committing: Option<Committing>,
    bar: &Bar,
) -> Result<Ended, ClientError> {
    let mut carrying = Carrying {
        commit: None,
        asked: None,
        errors: Vec::new(),
    };
    let (mut ready, place) = match committing {
        Some(Committing { ready, root, path }) => (Some(ready), (root, path)),
        None => (None, Default::default()),
    };
    let mut waiting: Option<Vec<u8>> = None;
    let mut wishes = server.wishes()?;

    let ended = loop {
        tokio::select! {
            room = into.reserve(), if waiting.is_some() => {
                let piece = waiting.take().unwrap_or_default();
                let count = piece.len();
                if let Ok(room) = room {
                    room.send(piece);
                }
                // Who reads no more has found something, and says so itself.
                run.consumed(count).await?;
            }
            told = run.next(), if waiting.is_none() => match told? {
                Told::Event(Event::Stdout(bytes)) => waiting = Some(bytes),
                Told::Event(Event::Stderr(bytes)) => {
                    let count = bytes.len();
                    carrying.errors.extend(bytes);
                    carrying.say(false);
                    run.consumed(count).await?;
                }
                Told::Event(Event::Ended(ended)) => break ended,
                Told::Event(_) => {}
                Told::Lost(error) => {
                    complain(&format!("ordain: {}; reaching the server again", plain(&error.text)));
                }
                Told::Healed { after, .. } => {
                    complain(&format!("ordain: back after {}; going on where it was", Human(after)));
                    carrying.ask(run);
                }
            },
            sum = sum_of(&mut ready) => {
                ready = None;
                if let Some(sum) = sum {
                    carrying.commit = Some(Commit {
                        run: run.id().into(),
                        root: place.0.clone(),
                        path: place.1.clone(),
                        digest: crate::encoding::hex(&sum.digest),
                        files: sum.files,
                        bytes: sum.bytes,
                    });
                    carrying.ask(run);
                }
            }
            answer = answered(&mut carrying.asked) => {
                carrying.asked = None;
                // A link that is lost is healed, and then it is asked again.
                if let Err(error) = answer && !error.is(Code::ConnectionLost) {
                    cancel(run);
                    return Err(error);
                }
            }
            wish = wishes.next() => match wish {
                Wish::GoOn => {}
                Wish::Cancel => {
                    if wishes.are_signals() {
                        complain("ordain: ending the transfer; once more leaves it");
                    }
                    cancel(run);
                }
                Wish::Leave => {
                    if wishes.are_signals() {
                        hurry();
                    }
                    return Err(left());
                }
            },
            () = bar.tick() => bar.show(),
        }
    };
    bar.over();
    carrying.say(true);
    drop(into);
    Ok(ended)
}

/// What is on its way while a run is carried.
struct Carrying {
    commit: Option<Commit>,
    asked: Option<JoinHandle<Result<(), ClientError>>>,
    /// What the mover has said on standard error, up to the end of its last line.
    errors: Vec<u8>,
}

/// Bytes of a line of the mover's that are kept.
const LINE: usize = 4096;

impl Carrying {
    /// Asks for the commit, if there is one and it was not answered.
    fn ask(&mut self, run: &Durable) {
        let Some(commit) = self.commit.clone() else {
            return;
        };
        let session = run.session();
        self.asked = Some(tokio::spawn(async move {
            match session.ask(&commit).await {
                Ok(_) => Ok(()),
                // The one before the link was lost has come there after all, or the run has ended.
                Err(error) if error.is(Code::NoSuchRun) || error.code == 304 => Ok(()),
                Err(error) => Err(error),
            }
        }));
    }

    /// Prints whole lines, and at the end what is left.
    fn say(&mut self, is_last: bool) {
        while let Some(end) = self.errors.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.errors.drain(..=end).collect();
            print_line(&line);
        }
        if (is_last || self.errors.len() > LINE) && !self.errors.is_empty() {
            print_line(&std::mem::take(&mut self.errors));
        }
    }
}

fn print_line(line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    complain(&format!("ordain: there: {}", plain(text.trim_end())));
}

/// Waits for what is to be committed; for ever where nothing is.
async fn sum_of(ready: &mut Option<oneshot::Receiver<Sum>>) -> Option<Sum> {
    match ready {
        Some(ready) => ready.await.ok(),
        None => std::future::pending().await,
    }
}

/// Waits for the answer to a commit; for ever where none was asked for.
async fn answered(
    asked: &mut Option<JoinHandle<Result<(), ClientError>>>,
) -> Result<(), ClientError> {
    match asked {
        Some(asked) => asked.await.unwrap_or_else(|_| {
            Err(ClientError::new(
                Code::Internal,
                "the commit was not asked for",
            ))
        }),
        None => std::future::pending().await,
    }
}

fn left() -> ClientError {
    ClientError::new(
        Code::OutcomeUnknown,
        "the transfer was left; what has come stays for a day, for the next attempt",
    )
}

/// Asks for the run's end, which tells itself.
fn cancel(run: &Durable) {
    let (session, id) = (run.session(), run.id());
    tokio::spawn(async move {
        let _ = session.ask(&Cancel { run: id.into() }).await;
    });
}
