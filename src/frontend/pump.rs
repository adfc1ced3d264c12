//! Moves one run's bytes: output into its spool and to its client under that one's credit, input to
//! the command, and the exit after the last byte of output. One task a run, so that a slow reader
//! holds up nothing but its own run.

use super::Shared;
use super::inbox::Held;
use super::live::{self, Client, Live, Stopped};
use crate::ipc::{Bound, End, ToMonitor};
use crate::limits::{DATA_FRAME, HELD_OPEN, PIPE_BUFFER, STREAM_WINDOW};
use crate::mux::Closed;
use crate::protocol::{Code, Credit, Failure, HEADER, Kind, encode, header, write};
use crate::spool::Stream;
use crate::sys;
use bytes::BufMut;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::Instant;

/// What a pump starts with.
pub struct Pump {
    /// The run.
    pub live: Arc<Live>,
    /// The way to the monitor.
    pub shared: Arc<Shared>,
    /// Its client; a run that was adopted has none.
    pub client: Option<Client>,
}

/// A run's pipes.
#[derive(Debug)]
pub struct Pipes {
    /// Its standard output, while it is open.
    pub stdout: Option<OwnedFd>,
    /// Its standard error, likewise.
    pub stderr: Option<OwnedFd>,
    /// Its standard input, when it takes any.
    pub stdin: Option<OwnedFd>,
}

/// An output pipe with the size of its next read.
struct Output {
    pipe: Option<pipe::Receiver>,
    chunk: usize,
}

/// The input pipe with what waits to be written.
struct Input {
    pipe: Option<pipe::Sender>,
    waiting: Vec<u8>,
    written: usize,
    eof: bool,
    /// Whether a terminal was told of it.
    ended: bool,
    widened: bool,
    moved: u64,
}

/// Bytes of the first read: most commands say little.
const FIRST_CHUNK: usize = 4096;
/// Ctrl-D.
const END_OF_INPUT: u8 = 4;
/// Bytes that are read ahead of a client whose link is lost: its window is kept, and what a full
/// pipe holds still fits.
const AHEAD: u64 = STREAM_WINDOW as u64 - 2 * DATA_FRAME as u64;
const _: () = assert!(
    (STREAM_WINDOW + DATA_FRAME + PIPE_BUFFER) as u64 + AHEAD <= crate::limits::SPOOL_LEAST
);

/// How a run without a client goes on.
#[derive(Debug, Clone, Copy)]
enum Alone {
    /// It does not wait: its rule says that it goes on, or its client has left for good.
    Runs,
    /// It waits for its client, from these offsets on.
    Waits([u64; 2]),
}

/// What has become of a frame.
enum Queued {
    Yes,
    /// The run's session has come back elsewhere, and goes first.
    Interrupted,
}

/// The state of a run while it is pumped.
struct State {
    stdout: Output,
    stderr: Output,
    input: Input,
    client: Option<Client>,
    alone: Alone,
    exit: Option<End>,
    /// Bytes of output that may still be passed on.
    left: u64,
    cut: bool,
    held_open: bool,
    /// When the run is told to be cut short, because nobody brings the rest of its input.
    cut_short: Option<Instant>,
    /// Whether the monitor knows that all output was read.
    finished: bool,
}

impl Pump {
    /// Moves until the end, tells it to the client and the monitor.
    ///
    /// # Errors
    /// When a pipe cannot be watched.
    pub async fn run(mut self, pipes: Pipes) -> io::Result<()> {
        let terminal = self.live.rules.terminal;
        let output = |pipe: Option<OwnedFd>| -> io::Result<Output> {
            // A terminal reads and writes as a pipe does; its last reader hears an error instead of
            // an end.
            let pipe = match pipe {
                Some(pipe) if terminal => Some(pipe::Receiver::from_owned_fd_unchecked(pipe)?),
                pipe => pipe.map(pipe::Receiver::from_owned_fd).transpose()?,
            };

            Ok(Output {
                pipe,
                chunk: FIRST_CHUNK,
            })
        };

        let pipe = match pipes.stdin {
            Some(pipe) if terminal => Some(pipe::Sender::from_owned_fd_unchecked(pipe)?),
            pipe => pipe.map(pipe::Sender::from_owned_fd).transpose()?,
        };

        let mut state = State {
            stdout: output(pipes.stdout)?,
            stderr: output(pipes.stderr)?,
            input: Input {
                pipe,
                waiting: Vec::new(),
                written: 0,
                eof: false,
                ended: false,
                widened: false,
                moved: self.live.spool.fed().unwrap_or(0),
            },
            client: self.client.take(),
            alone: Alone::Runs,
            exit: None,
            left: self.live.rules.output_max.unwrap_or(u64::MAX),
            cut: false,
            held_open: false,
            cut_short: None,
            finished: false,
        };

        if terminal && state.input.pipe.is_some() {
            self.live.spool.feeding(state.input.moved);
        }
        let [out, err] = self.live.spool.both();
        state.left = state.left.saturating_sub(out + err);
        if state.client.is_none() {
            // Its link was lost before it began: it waits for its client as any other.
            self.be_alone(&mut state, false, [0; 2]);
        }

        self.pump(&mut state).await;
        self.shared.runs.leave(self.live.run);
        Ok(())
    }

    async fn pump(&self, state: &mut State) {
        let mut held = Held::default();
        let idle = self.live.rules.idle_ms.map(Duration::from_millis);
        let (mut last, mut idle_told) = (self.live.spool.both(), false);

        // How long it was possible to read on after the end: somebody who was left running may
        // write for ever.
        let (mut read_on, mut turn, mut could_read) = (Duration::ZERO, Instant::now(), false);
        let quiet = tokio::time::sleep(idle.unwrap_or_default());
        tokio::pin!(quiet);
        let mut was_reading = true;

        loop {
            if state.exit.is_some() && could_read {
                read_on += turn.elapsed();
            }
            turn = Instant::now();
            let (exited, back) = self.live.take_mail();
            if exited.is_some() {
                sys::fault_point("frontend-late");
            }
            state.exit = state.exit.take().or(exited);
            if let Some(client) = back {
                self.take_up(state, client, &mut held).await;
            }
            self.look(state, &mut held);
            let published = self.live.spool.both();
            if last != published {
                last = published;
                if let Some(idle) = idle {
                    quiet.as_mut().reset(Instant::now() + idle);
                }
            }

            if state.read_out() && self.finish(state).await {
                return;
            }
            // What the client has missed comes before what is new.
            if state.client.as_ref().is_some_and(|client| {
                client.behind(&self.live.spool) && client.allowance.left() > 0
            }) {
                self.catch_up(state).await;
                continue;
            }

            let may_read = state.may_read(published);
            if may_read == [false, false] {
                // Whoever is kept from writing is not idle.
                was_reading = false;
            } else if !std::mem::replace(&mut was_reading, true)
                && let Some(idle) = idle
            {
                quiet.as_mut().reset(Instant::now() + idle);
            }
            could_read = may_read == [true, true];
            let exited = state.exit.is_some();
            if exited && read_on >= HELD_OPEN && !state.read_out() {
                // The processes of the run are gone or are to go on, and somebody holds the pipe;
                // or this task has not been let look for so long, on a machine that has too much to
                // do. What is in the pipe is the run's.
                for stream in Stream::BOTH {
                    self.take_the_rest(state, stream).await;
                }
                if !state.read_out() {
                    state.held_open = true;
                    self.close(state, Stream::Stdout).await;
                    self.close(state, Stream::Stderr).await;
                }

                continue;
            }

            let bell = async {
                match &state.client {
                    Some(client) => client.inbox.rung().await,
                    None => std::future::pending().await,
                }
            };

            let cut_short = async {
                match state.cut_short {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };

            let next = tokio::select! {
                () = self.live.bell.notified() => Next::Look,
                () = bell => Next::Look,
                ready = state.stdout.readable(), if may_read[0] => Next::Read(Stream::Stdout, ready.is_ok()),
                ready = state.stderr.readable(), if may_read[1] => Next::Read(Stream::Stderr, ready.is_ok()),
                ready = state.input.writable(), if state.input.wants_to_write() => Next::Write(ready.is_ok()),
                () = &mut quiet, if idle.is_some() && !idle_told && !exited && was_reading => Next::Idle,
                () = cut_short => Next::CutShort,
                () = tokio::time::sleep(HELD_OPEN.saturating_sub(read_on)), if exited && !state.read_out() && could_read => Next::Look,
            };

            match next {
                Next::Look => {}
                Next::Read(stream, true) if state.left == 0 => self.cut(state, stream).await,
                Next::Read(stream, true) => self.forward(state, stream).await,
                Next::Read(stream, false) => self.close(state, stream).await,
                Next::Write(ready) => self.feed(state, ready).await,
                Next::Idle => {
                    idle_told = true;
                    self.exceeded(Bound::Idle).await;
                }

                Next::CutShort => {
                    // A command that would go on with half its input is worse than one that is
                    // ended.
                    state.cut_short = None;
                    self.shared
                        .tell(ToMonitor::CutShort {
                            run: *self.live.run.bytes(),
                        })
                        .await;
                }
            }
        }
    }

    /// Takes what the connection's task has left.
    fn look(&self, state: &mut State, held: &mut Held) {
        let Some(client) = &mut state.client else {
            return;
        };
        client.inbox.take(held);
        if held.credit > 0 {
            // A client that grants more than it was sent may be sent more than it can hold: its own
            // affair.
            let _ = client
                .allowance
                .grant(u32::try_from(held.credit).unwrap_or(u32::MAX));
        }

        state.input.add(held);
        if self.live.rules.terminal {
            if let (Some(size), Some(terminal)) = (held.resize.take(), &state.stdout.pipe) {
                let _ = sys::resize(terminal.as_fd(), size);
            }
            if held.eof && !state.input.ended {
                // The end of a terminal's input is a key.
                state.input.ended = true;
                state.input.waiting.push(END_OF_INPUT);
            }
        }

        if held.abandoned {
            self.lose_client(state, held.left);
        }
    }

    /// The client is gone, for good or for a while.
    fn lose_client(&self, state: &mut State, for_good: bool) {
        let Some(client) = state.client.take() else {
            return;
        };
        // What it may not have received: at most a window.
        self.be_alone(
            state,
            for_good,
            client
                .sent
                .map(|sent| sent.saturating_sub(STREAM_WINDOW as u64)),
        );

        client.stream_is_over();
    }

    /// Goes on without a client, who may want what follows these offsets.
    fn be_alone(&self, state: &mut State, for_good: bool, from: [u64; 2]) {
        let rules = &self.live.rules;
        let waits = !for_good && !rules.outlives_client && rules.resume_ms > 0;
        state.alone = if waits {
            Alone::Waits(from)
        } else {
            Alone::Runs
        };

        // What is typed at a terminal has no whole that half of it could be taken for.
        if rules.outlives_client
            && !rules.terminal
            && state.input.pipe.is_some()
            && !state.input.eof
        {
            let patience = if for_good {
                Duration::ZERO
            } else {
                Duration::from_millis(rules.resume_ms)
            };

            state.cut_short = Some(Instant::now() + patience);
        }
    }

    /// The run's session has come back, over another connection: it goes on there from the bytes it
    /// names.
    async fn take_up(&self, state: &mut State, mut client: Client, held: &mut Held) {
        // Whoever asks for what is not kept changes nothing for the one who is attached.
        if let Some((stream, gone)) = client.missing(&self.live.spool) {
            client.refuse(stream, gone).await;
            client.stream_is_over();
            let (connection, stream) = (client.connection, client.stream);
            return self
                .shared
                .tell(ToMonitor::NotTakenUp {
                    run: *self.live.run.bytes(),
                    connection,
                    stream,
                })
                .await;
        }

        if let Some(old) = state.client.take() {
            // Input that had arrived there counts.
            old.inbox.take(held);
            state.input.add(held);
            let text = "the run was taken up over another connection".to_owned();
            let failure = Failure {
                code: Code::TakenOver.number(),
                text,
                argument: None,
                rule: None,
            };

            let _ = old.outbox.try_control(old.stream, Kind::Error, &failure);
            old.stream_is_over();
        }

        *held = Held::default();
        state.cut_short = None;
        let outstanding = state.input.outstanding();
        let received = state.input.moved + outstanding as u64;
        let credit = client.inbox.holding(outstanding);
        if let Some(max) = self.live.rules.stdin {
            self.live
                .stdin_left
                .store(max.saturating_sub(received), Ordering::Relaxed);
        }

        let takes_input = state.input.pipe.is_some() && !state.input.eof;
        let mut started = client.started(&self.live, takes_input);
        started.stdin_bytes = self.live.rules.stdin.map(|_| received);
        started.stdin_credit = self.live.rules.stdin.map(|_| credit as u64);
        if client
            .outbox
            .control(client.stream, Kind::Started, &started)
            .await
            .is_ok()
        {
            client.allowance = crate::mux::Allowance::default();
            state.client = Some(client);
        } else {
            client.stream_is_over();
        }
    }

    /// All output was read and the end is known: tells whoever is to know. Whether nothing is left
    /// to do.
    async fn finish(&self, state: &mut State) -> bool {
        let Some(end) = &state.exit else { return false };
        if !state.finished {
            sys::fault_point("frontend-exit");
            state.finished = true;
            let [stdout, stderr] = self.live.spool.both();

            // The key that ends a terminal's input is nobody's byte.
            let stdin = state
                .input
                .moved
                .saturating_sub(u64::from(self.live.rules.terminal && state.input.ended));
            self.live.end(live::ended(
                self.live.run,
                end.clone(),
                [stdin, stdout, stderr],
                state.cut,
                state.held_open,
            ));
            self.shared
                .tell(ToMonitor::Finished {
                    run: *self.live.run.bytes(),
                    stdin,
                    stdout,
                    stderr,
                    cut: state.cut,
                    held_open: state.held_open,
                })
                .await;
        }

        match (&state.client, self.live.ended()) {
            (Some(client), _) if client.behind(&self.live.spool) => return false,
            (Some(client), Some(ended)) => {
                if let Ok(Queued::Interrupted) = self
                    .queue(client, encode(client.stream, Kind::Exit, &write(&ended)))
                    .await
                {
                    return false;
                }
                client.stream_is_over();
                state.client = None;
            }

            _ => {}
        }

        // Somebody may have come back in this moment.
        self.live.close_mail()
    }

    /// Puts a frame into the client's queue. One that has come back goes first, or it would wait
    /// for the queue of its dead link.
    async fn queue(&self, client: &Client, frame: Vec<u8>) -> Result<Queued, Closed> {
        loop {
            tokio::select! {
                biased;
                place = client.outbox.place() => {
                    place?.put(frame);
                    return Ok(Queued::Yes);
                }

                // Other mail is looked at when this frame is gone.
                () = self.live.bell.notified() => if self.live.replaced() {
                    return Ok(Queued::Interrupted);
                },
                () = client.inbox.rung() => if client.inbox.abandoned() {
                    return Ok(Queued::Interrupted);
                }
            }
        }
    }

    async fn control<M: Serialize + Sync>(&self, state: &mut State, kind: Kind, message: &M) {
        let Some(client) = &state.client else { return };
        if self
            .queue(client, encode(client.stream, kind, &write(message)))
            .await
            .is_err()
        {
            self.lose_client(state, false);
        }
    }

    async fn exceeded(&self, bound: Bound) {
        self.shared
            .tell(ToMonitor::Exceeded {
                run: *self.live.run.bytes(),
                bound,
            })
            .await;
    }

    /// Closes an output. Takes what is in a pipe now, and no more than fits into one: somebody may
    /// write for ever. Asks the kernel itself, because the runtime may not have heard of it yet.
    /// Its client gets it from the spool.
    async fn take_the_rest(&self, state: &mut State, stream: Stream) {
        let pipe = state
            .output(stream)
            .pipe
            .as_ref()
            .and_then(|pipe| pipe.as_fd().try_clone_to_owned().ok());
        let Some(mut pipe) = pipe.map(File::from) else {
            return;
        };
        let (mut buffer, mut taken) = (vec![0; DATA_FRAME], 0);
        while taken < PIPE_BUFFER {
            self.live.spool.reading(stream);
            let read = pipe.read(&mut buffer);
            let count = read.as_ref().map_or(0, |count| *count);
            let kept = usize::try_from(state.left).unwrap_or(usize::MAX).min(count);
            self.live
                .spool
                .append(stream, buffer.get(..kept).unwrap_or_default());
            self.live.changed.notify_waiters();
            state.left = state.left.saturating_sub(kept as u64);
            taken += count;
            if kept < count && !std::mem::replace(&mut state.cut, true) {
                self.exceeded(Bound::Output).await;
            }
            match read {
                Ok(1..) => {}
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => return self.close(state, stream).await,
            }
        }
    }

    async fn close(&self, state: &mut State, stream: Stream) {
        if state.output(stream).pipe.take().is_some() {
            self.closed(1 + u8::from(stream == Stream::Stderr)).await;
        }
    }

    /// The monitor keeps duplicates of pipes that are to survive this process; they must not
    /// outlive their use.
    async fn closed(&self, descriptor: u8) {
        if self.live.rules.outlives_client {
            self.shared
                .tell(ToMonitor::Closed {
                    run: *self.live.run.bytes(),
                    descriptor,
                })
                .await;
        }
    }

    /// Sends one frame of what the client has missed.
    async fn catch_up(&self, state: &mut State) {
        let Some(client) = &mut state.client else {
            return;
        };
        match client.frame(&self.live.spool) {
            Ok(None) => {}
            Ok(Some((stream, frame))) => {
                let count = frame.len() - HEADER;
                match self.queue(client, frame).await {
                    Ok(Queued::Yes) => {
                        if let Some(client) = &mut state.client {
                            client.advance(stream, count);
                        }
                    }

                    Ok(Queued::Interrupted) => {}
                    Err(Closed) => self.lose_client(state, false),
                }
            }

            Err(Stopped::Gone(stream, gone)) => {
                client.refuse(stream, gone).await;
                self.lose_client(state, true);
            }

            Err(Stopped::Closed) => self.lose_client(state, false),
        }
    }

    /// Reads once beyond the bound on output: what came is dropped, and the monitor ends the run.
    async fn cut(&self, state: &mut State, stream: Stream) {
        let Some(pipe) = &mut state.output(stream).pipe else {
            return;
        };
        let mut dropped = Vec::with_capacity(DATA_FRAME);
        match read_now(pipe, &mut (&mut dropped).limit(DATA_FRAME)).await {
            None => {}
            Some(Ok(0) | Err(_)) => self.close(state, stream).await,
            Some(Ok(_)) if state.cut => {}
            Some(Ok(_)) => {
                state.cut = true;
                self.exceeded(Bound::Output).await;
            }
        }
    }

    /// Reads once, keeps what came, and sends it.
    async fn forward(&self, state: &mut State, stream: Stream) {
        // Straight to a client that has credit and everything before; otherwise it gets it from the
        // spool.
        let straight = state
            .client
            .as_ref()
            .is_some_and(|client| client.allowance.left() > 0 && !client.behind(&self.live.spool));
        let room = state
            .client
            .as_ref()
            .filter(|_| straight)
            .map_or(usize::MAX, |client| client.allowance.left());
        let most = usize::try_from(state.left).unwrap_or(usize::MAX);
        let number = state.client.as_ref().map_or(0, |client| client.stream);
        let output = state.output(stream);
        let Some(pipe) = &mut output.pipe else { return };
        let room = output.chunk.min(room).min(most);
        let mut frame = Vec::with_capacity(HEADER + room);
        let kind = if stream == Stream::Stdout {
            Kind::Stdout
        } else {
            Kind::Stderr
        };

        frame.extend_from_slice(&header(number, kind, 0));
        self.live.spool.reading(stream);
        match read_now(pipe, &mut (&mut frame).limit(room)).await {
            None => self.live.spool.append(stream, &[]),
            Some(Ok(0) | Err(_)) => {
                self.live.spool.append(stream, &[]);
                self.close(state, stream).await;
            }

            Some(Ok(read)) => {
                sys::fault_point("frontend-read");
                self.live
                    .spool
                    .append(stream, frame.get(HEADER..).unwrap_or_default());
                if read == output.chunk && output.chunk < DATA_FRAME {
                    output.chunk = (output.chunk * 4).min(DATA_FRAME);
                    if output.chunk == DATA_FRAME {
                        sys::widen(pipe.as_fd());
                    }
                }

                state.left = state.left.saturating_sub(read as u64);
                sys::fault_point("frontend-output");
                self.live.changed.notify_waiters();
                let Some(client) = state.client.as_ref().filter(|_| straight) else {
                    return;
                };
                let length = u32::try_from(read).unwrap_or(0).to_be_bytes();
                if let Some(place) = frame.first_chunk_mut::<4>() {
                    *place = length;
                }
                match self.queue(client, frame).await {
                    Ok(Queued::Yes) => {
                        if let Some(client) = &mut state.client {
                            client.advance(stream, read);
                        }
                    }

                    // It is kept; the client gets it from there.
                    Ok(Queued::Interrupted) => {}
                    Err(Closed) => self.lose_client(state, false),
                }
            }
        }
    }

    /// Writes once; tells the client when the command reads no more.
    async fn feed(&self, state: &mut State, ready: bool) {
        let input = &mut state.input;
        let was_open = input.pipe.is_some();
        if !ready {
            input.pipe = None;
        }
        let terminal = self.live.rules.terminal;
        if terminal {
            self.live
                .spool
                .feeding(input.moved + input.outstanding() as u64);
        }

        let consumed = input.write();
        if terminal && !input.waiting.is_empty() {
            self.live.spool.feeding(input.moved);
        }
        if was_open && input.pipe.is_none() {
            let by_itself = !input.eof;
            self.closed(0).await;
            if by_itself {
                self.control(state, Kind::StdinClosed, &serde_json::json!({}))
                    .await;
            }
        }

        let grant = state
            .client
            .as_ref()
            .and_then(|client| client.inbox.consumed(consumed));
        if let Some(bytes) = grant {
            self.control(state, Kind::Credit, &Credit { bytes }).await;
        }
    }
}

/// What the loop does next.
enum Next {
    Look,
    Read(Stream, bool),
    Write(bool),
    Idle,
    CutShort,
}

impl State {
    fn output(&mut self, stream: Stream) -> &mut Output {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Whether no more output can come.
    const fn read_out(&self) -> bool {
        self.stdout.pipe.is_none() && self.stderr.pipe.is_none()
    }

    /// Whether more may be taken out of the pipes: a command waits for a client that reads slowly
    /// or is about to come back, as it would for any reader.
    fn may_read(&self, published: [u64; 2]) -> [bool; 2] {
        match (&self.client, self.alone) {
            // What a full pipe still holds has room in the spool, however slow the client is.
            _ if self.cut || self.exit.is_some() => [true; 2],
            (Some(client), _) => [client.allowance.left() > 0; 2],
            (None, Alone::Waits(from)) => {
                let [stdout, stderr] = from;
                [
                    published[0] - stdout.min(published[0]),
                    published[1] - stderr.min(published[1]),
                ]
                .map(|ahead| ahead < STREAM_WINDOW as u64 + AHEAD)
            }

            (None, Alone::Runs) => [true; 2],
        }
    }
}

/// One read, if there is something. Through `AsyncRead` and not `try_read`, because that knows that
/// a short read has emptied the pipe, and saves the call that would only find it so.
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

    /// Bytes wait, or the end of input is to be passed on, or bytes for a closed pipe are to be
    /// given credit for.
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

    /// Bytes that came and were not passed on.
    const fn outstanding(&self) -> usize {
        self.waiting.len() - self.written
    }
}
