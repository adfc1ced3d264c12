//! Moves one run's bytes: output to the client under its credit, input to the command, and the exit after the last
//! byte of output. One task a run, so that a slow reader holds up nothing but its own run.

use super::Shared;
use super::inbox::{Held, Inbox};
use crate::ids::{RunId, StreamId};
use crate::ipc::{Bound, End, ToMonitor};
use crate::limits::{DATA_FRAME, HELD_OPEN};
use crate::mux::{Allowance, Closed, Outbox};
use crate::protocol::{Credit, Ended, HEADER, Kind, header};
use crate::sys;
use bytes::BufMut;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// What a pump starts with.
pub struct Pump {
    /// The run.
    pub run: RunId,
    /// The stream it talks on.
    pub stream: StreamId,
    /// The way to the client.
    pub outbox: Outbox,
    /// What the connection's task leaves.
    pub inbox: Arc<Inbox>,
    /// What holds for the run.
    pub rules: Rules,
    /// The way to the monitor.
    pub shared: Arc<Shared>,
}

/// What the monitor said of a run.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether it goes on without its client.
    pub outlives_client: bool,
    /// How long it may be without output.
    pub idle: Option<Duration>,
    /// Bytes of output that are passed on.
    pub output_max: Option<u64>,
}

/// Bytes by stream, as far as the pump moved them.
#[derive(Debug, Default)]
pub struct Moved {
    /// Into the command.
    pub stdin: u64,
    /// Out of it.
    pub stdout: u64,
    /// Out of its error output.
    pub stderr: u64,
    /// The client went away before the end of the input of a run that would have gone on without it: the pipe, kept
    /// open so that the command does not take half of its input for the whole.
    pub unfinished: Option<pipe::Sender>,
}

/// An output pipe with the size of its next read.
struct Output {
    pipe: Option<pipe::Receiver>,
    kind: Kind,
    chunk: usize,
    moved: u64,
}

/// The input pipe with what waits to be written.
struct Input {
    pipe: Option<pipe::Sender>,
    waiting: Vec<u8>,
    written: usize,
    eof: bool,
    widened: bool,
    moved: u64,
}

/// Bytes of the first read: most commands say little.
const FIRST_CHUNK: usize = 4096;

impl Pump {
    /// Moves until the end, tells it to the client, and says how much was moved.
    ///
    /// # Errors
    /// When a pipe cannot be watched.
    pub async fn run(self, stdout: OwnedFd, stderr: OwnedFd, stdin: Option<OwnedFd>) -> io::Result<Moved> {
        let output = |pipe, kind| -> io::Result<Output> {
            Ok(Output { pipe: Some(pipe::Receiver::from_owned_fd(pipe)?), kind, chunk: FIRST_CHUNK, moved: 0 })
        };
        let mut stdout = output(stdout, Kind::Stdout)?;
        let mut stderr = output(stderr, Kind::Stderr)?;
        let pipe = stdin.map(pipe::Sender::from_owned_fd).transpose()?;
        let mut input = Input { pipe, waiting: Vec::new(), written: 0, eof: false, widened: false, moved: 0 };
        let mut allowance = Allowance::default();
        let (mut held, mut exit, mut deaf) = (Held::default(), None::<End>, false);
        let mut held_open = false;
        let (mut left, mut cut) = (self.rules.output_max.unwrap_or(u64::MAX), false);
        let (mut last, mut idle_told) = ((0, 0), false);
        let quiet = tokio::time::sleep(self.rules.idle.unwrap_or_default());
        tokio::pin!(quiet);
        loop {
            self.inbox.take(&mut held);
            exit = exit.or_else(|| held.exited.take());
            if held.credit > 0 {
                // A client that grants more than it was sent may be sent more than it can hold: its own affair.
                let _ = allowance.grant(u32::try_from(held.credit).unwrap_or(u32::MAX));
            }
            input.add(&mut held);
            if held.abandoned && !deaf {
                let cut_short = self.rules.outlives_client && input.pipe.is_some() && !input.eof;
                if !self.rules.outlives_client || cut_short {
                    // The run is being ended by the monitor; its pipes close here.
                    let unfinished = input.pipe.take().filter(|_| cut_short);
                    return Ok(Moved { stdin: input.moved, stdout: stdout.moved, stderr: stderr.moved, unfinished });
                }
                // Input that came whole is still passed on; output is read and dropped.
                deaf = true;
            }
            if stdout.pipe.is_none() && stderr.pipe.is_none() && exit.is_some() {
                break;
            }
            if last != (stdout.moved, stderr.moved) {
                left = left.saturating_sub(stdout.moved + stderr.moved - last.0 - last.1);
                last = (stdout.moved, stderr.moved);
                if let Some(idle) = self.rules.idle {
                    quiet.as_mut().reset(tokio::time::Instant::now() + idle);
                }
            }
            let may_send = deaf || cut || allowance.left() > 0;
            let outcome = tokio::select! {
                () = self.inbox.rung() => Ok(()),
                ready = stdout.readable(), if may_send => match ready {
                    Ok(()) if left == 0 => self.cut(&mut stdout, &mut cut).await,
                    Ok(()) => self.forward(&mut stdout, &mut allowance, left, deaf).await,
                    Err(_) => { stdout.pipe = None; Ok(()) }
                },
                ready = stderr.readable(), if may_send => match ready {
                    Ok(()) if left == 0 => self.cut(&mut stderr, &mut cut).await,
                    Ok(()) => self.forward(&mut stderr, &mut allowance, left, deaf).await,
                    Err(_) => { stderr.pipe = None; Ok(()) }
                },
                ready = input.writable(), if input.wants_to_write() => {
                    if ready.is_err() { input.close(); }
                    self.feed(&mut input, deaf).await
                }
                () = &mut quiet, if self.rules.idle.is_some() && !idle_told && exit.is_none() => {
                    idle_told = true;
                    self.exceeded(Bound::Idle).await;
                    Ok(())
                }
                () = tokio::time::sleep(HELD_OPEN), if exit.is_some() && may_send => {
                    // The processes of the run are gone, nothing more comes, and yet somebody holds the pipe.
                    held_open = true;
                    stdout.pipe = None;
                    stderr.pipe = None;
                    Ok(())
                }
            };
            if outcome.is_err() {
                // The client is gone; what follows from that is told by the connection's task.
                held.abandoned = true;
            }
        }
        let moved = Moved { stdin: input.moved, stdout: stdout.moved, stderr: stderr.moved, unfinished: None };
        if let Some(exit) = exit.filter(|_| !deaf) {
            let ended = Ended {
                run: self.run.to_string(),
                reason: exit.reason,
                number: exit.number,
                duration_ms: exit.duration_ms,
                user_ms: exit.user_ms,
                system_ms: exit.system_ms,
                peak_kib: exit.peak_kib,
                left_killed: exit.left_killed,
                left_running: exit.left_running,
                verified: exit.verified,
                cut,
                stdin_bytes: moved.stdin,
                stdout_bytes: moved.stdout,
                stderr_bytes: moved.stderr,
                held_open,
            };
            let _ = self.outbox.control(self.stream, Kind::Exit, &ended).await;
        }
        Ok(moved)
    }

    async fn exceeded(&self, bound: Bound) {
        self.shared.tell(ToMonitor::Exceeded { run: *self.run.bytes(), bound }).await;
    }

    /// Reads once beyond the bound on output: what came is dropped, and the monitor ends the run.
    async fn cut(&self, from: &mut Output, cut: &mut bool) -> Result<(), Closed> {
        let Some(pipe) = &mut from.pipe else { return Ok(()) };
        let mut dropped = Vec::with_capacity(DATA_FRAME);
        match read_now(pipe, &mut (&mut dropped).limit(DATA_FRAME)).await {
            None => {}
            Some(Ok(0) | Err(_)) => from.pipe = None,
            Some(Ok(_)) if *cut => {}
            Some(Ok(_)) => {
                *cut = true;
                self.exceeded(Bound::Output).await;
            }
        }
        Ok(())
    }

    /// Reads once, up to `most` bytes, and sends what came.
    async fn forward(&self, from: &mut Output, allowance: &mut Allowance, most: u64, deaf: bool) -> Result<(), Closed> {
        let Some(pipe) = &mut from.pipe else { return Ok(()) };
        let room = if deaf { from.chunk } else { from.chunk.min(allowance.left()) };
        let room = room.min(usize::try_from(most).unwrap_or(usize::MAX));
        let mut frame = Vec::with_capacity(HEADER + room);
        frame.extend_from_slice(&header(self.stream, from.kind, 0));
        match read_now(pipe, &mut (&mut frame).limit(room)).await {
            None => {}
            Some(Ok(0)) => from.pipe = None,
            Some(Ok(read)) => {
                from.moved += read as u64;
                if read == from.chunk && from.chunk < DATA_FRAME {
                    from.chunk = (from.chunk * 4).min(DATA_FRAME);
                    if from.chunk == DATA_FRAME {
                        sys::widen(pipe.as_fd());
                    }
                }
                if !deaf {
                    allowance.spend(read);
                    let length = u32::try_from(read).unwrap_or(0).to_be_bytes();
                    if let Some(place) = frame.first_chunk_mut::<4>() {
                        *place = length;
                    }
                    return self.outbox.bytes(frame).await;
                }
            }
            Some(Err(_)) => from.pipe = None,
        }
        Ok(())
    }

    /// Writes once; tells the client when the command reads no more.
    async fn feed(&self, input: &mut Input, deaf: bool) -> Result<(), Closed> {
        let was_open = input.pipe.is_some();
        let consumed = input.write();
        if was_open && input.pipe.is_none() && !input.eof && !deaf {
            self.outbox.control(self.stream, Kind::StdinClosed, &serde_json::json!({})).await?;
        }
        match self.inbox.consumed(consumed) {
            Some(bytes) if !deaf => self.outbox.control(self.stream, Kind::Credit, &Credit { bytes }).await,
            _ => Ok(()),
        }
    }
}

/// One read, if there is something. Through `AsyncRead` and not `try_read`, because that knows that a short read has
/// emptied the pipe, and saves the call that would only find it so.
async fn read_now<B: BufMut>(pipe: &mut pipe::Receiver, into: &mut B) -> Option<io::Result<usize>> {
    let mut read = std::pin::pin!(pipe.read_buf(into));
    std::future::poll_fn(|context| {
        Poll::Ready(match read.as_mut().poll(context) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        })
    })
    .await
}

impl Output {
    async fn readable(&self) -> io::Result<()> {
        match &self.pipe {
            Some(pipe) => pipe.readable().await,
            None => std::future::pending().await,
        }
    }
}

impl Input {
    fn add(&mut self, held: &mut Held) {
        if self.waiting.is_empty() {
            std::mem::swap(&mut self.waiting, &mut held.stdin);
            self.written = 0;
        } else {
            self.waiting.extend_from_slice(&held.stdin);
        }
        self.eof |= held.eof;
    }

    /// Bytes wait, or the end of input is to be passed on, or bytes for a closed pipe are to be given credit for.
    const fn wants_to_write(&self) -> bool {
        !self.waiting.is_empty() || (self.eof && self.pipe.is_some())
    }

    async fn writable(&self) -> io::Result<()> {
        match &self.pipe {
            Some(pipe) if !self.waiting.is_empty() => pipe.writable().await,
            _ => Ok(()),
        }
    }

    /// Writes what the pipe takes; returns the bytes that are done with.
    fn write(&mut self) -> usize {
        let rest = self.waiting.get(self.written..).unwrap_or_default();
        let done = match &self.pipe {
            // A command that reads no more loses its input, not its output.
            None => rest.len(),
            Some(_) if rest.is_empty() => 0,
            Some(pipe) => match pipe.try_write(rest) {
                Ok(count) => {
                    self.moved += count as u64;
                    count
                }
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                    if !std::mem::replace(&mut self.widened, true) {
                        sys::widen(pipe.as_fd());
                    }
                    0
                }
                Err(_) => {
                    self.pipe = None;
                    rest.len()
                }
            },
        };
        self.written += done;
        if self.written == self.waiting.len() {
            self.waiting.clear();
            self.written = 0;
            if self.waiting.capacity() > DATA_FRAME {
                self.waiting = Vec::new();
            }
            if self.eof {
                self.pipe = None;
            }
        }
        done
    }

    fn close(&mut self) {
        self.pipe = None;
    }
}
