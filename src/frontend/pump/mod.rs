//! Moves one run's bytes: output into its spool and to its client under that one's credit, input to
//! the command, and the exit after the last byte of output. One task a run, so that a slow reader
//! holds up nothing but its own run.

mod client;
mod ends;
mod input;
mod output;
mod state;
mod times;
mod windows;

use super::client::Client;
use super::inbox::Held;
use super::live::{Live, Pipes};
use super::shared::Shared;
use super::wire::failure;
use crate::exit::Counts;
use crate::ids::RunId;
use crate::ipc::{Bound, ToMonitor};
use crate::limits::HELD_OPEN;
use crate::protocol::{Code, Ended, Kind, encode, write};
use crate::spool::Stream;
use crate::sys;
use client::Queued;
use state::{Pump, State};
use std::io;
use std::sync::Arc;
use times::Times;
use tracing::Instrument;

/// Starts a run's pump.
pub fn start(shared: &Arc<Shared>, live: Arc<Live>, client: Option<Client>, pipes: Pipes) {
    let span = tracing::info_span!("run", id = %live.run);
    let shared = shared.clone();
    let stream = client
        .as_ref()
        .map(|client| (client.stream, client.outbox.clone()));
    tokio::spawn(
        async move {
            let run = live.run;
            let pump = Pump {
                live,
                shared: shared.clone(),
            };

            if let Err(fault) = pump.run(client, pipes).await {
                tracing::error!(%fault, "a run's pipes could not be watched");
                shared.runs.leave(run);
                if let Some((stream, outbox)) = &stream {
                    let text = "the run's output cannot be read; what became of it is not known";
                    let failure = failure(Code::Internal, text);
                    let _ = outbox.control(*stream, Kind::Error, &failure).await;
                }
                shared.tell(unwatched(run)).await;
            }

            // Whoever holds a way to the client holds up the end of its connection.
            drop(stream);

            // Its spool goes with it; the monitor has its own.
            tokio::time::sleep(crate::limits::FINISHED).await;
            shared.runs.forget(run);
        }
        .instrument(span),
    );
}

/// What the monitor is told of a run whose pipes could not be watched.
fn unwatched(run: RunId) -> ToMonitor {
    ToMonitor::Finished {
        run: *run.bytes(),
        stdin: 0,
        stdout: 0,
        stderr: 0,
        cut: false,
        held_open: false,
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

impl Pump {
    /// Moves until the end, tells it to the client and the monitor.
    ///
    /// # Errors
    /// When a pipe cannot be watched.
    async fn run(&self, client: Option<Client>, pipes: Pipes) -> io::Result<()> {
        let mut state = State::new(&self.live, client, pipes)?;
        if let Some(client) = &mut state.client {
            client.behind = self.behind();
        }
        if self.live.rules.terminal.is_some() && state.input.pipe.is_some() {
            self.live.spool().feeding(state.input.moved);
        }
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
        let mut times = Times::new(self.live.rules.idle_ms, self.live.spool().both());
        loop {
            times.turn(state.exit.is_some());
            self.take_mail(state, &mut held).await;
            self.look(state, &mut held);
            self.settle_windows(state).await;
            let published = self.live.spool().both();
            times.published(published);
            if state.read_out() && self.finish(state).await {
                return;
            }

            // What the client has missed comes before what is new.
            if state.is_to_catch_up(&self.live) {
                self.catch_up(state).await;
                continue;
            }

            let may_read = state.may_read(published, self.behind());
            times.may_read(may_read);
            if state.exit.is_some() && times.read_on >= HELD_OPEN && !state.read_out() {
                self.give_up_pipes(state).await;
                continue;
            }

            let next = self.next(state, &mut times, may_read).await;
            self.act(state, &mut times, next).await;
        }
    }

    /// Takes what the monitor has said of the run, and its session where that has come back.
    async fn take_mail(&self, state: &mut State, held: &mut Held) {
        let mail = self.live.take_mail();
        if let Some((spool, capacity)) = mail.spool {
            self.move_output(state, spool, capacity).await;
        }
        if mail.exited.is_some() {
            sys::fault_point("frontend-late");
        }
        state.exit = state.exit.take().or(mail.exited);
        if let Some(client) = mail.client {
            self.take_up(state, client, held).await;
        }
    }

    /// The processes of the run are gone or are to go on, and somebody holds a pipe; or this task
    /// has not been let look for so long, on a machine that has too much to do. What is in the pipe
    /// is the run's.
    async fn give_up_pipes(&self, state: &mut State) {
        for stream in Stream::BOTH {
            self.take_the_rest(state, stream).await;
        }
        if !state.read_out() {
            state.held_open = true;
            self.close(state, Stream::Stdout).await;
            self.close(state, Stream::Stderr).await;
        }
    }

    /// Waits for whatever comes first.
    async fn next(&self, state: &State, times: &mut Times, may_read: [bool; 2]) -> Next {
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

        let exited = state.exit.is_some();
        let idle = times.may_be_idle() && !exited;
        let left = HELD_OPEN.saturating_sub(times.read_on);
        let reads_on = exited && !state.read_out() && may_read == [true, true];
        tokio::select! {
            () = self.live.bell.notified() => Next::Look,
            () = bell => Next::Look,
            ready = state.stdout.readable(), if may_read[0] => Next::Read(Stream::Stdout, ready.is_ok()),
            ready = state.stderr.readable(), if may_read[1] => Next::Read(Stream::Stderr, ready.is_ok()),
            ready = state.input.writable(), if state.input.wants_to_write() => Next::Write(ready.is_ok()),
            () = times.quiet.as_mut(), if idle => Next::Idle,
            () = cut_short => Next::CutShort,
            () = tokio::time::sleep(left), if reads_on => Next::Look,
        }
    }

    async fn act(&self, state: &mut State, times: &mut Times, next: Next) {
        match next {
            Next::Look => {}
            Next::Read(stream, true) if state.left == 0 => self.cut(state, stream).await,
            Next::Read(stream, true) => self.forward(state, stream).await,
            Next::Read(stream, false) => self.close(state, stream).await,
            Next::Write(ready) => self.feed(state, ready).await,
            Next::Idle => {
                times.idle_told = true;
                self.exceeded(Bound::Idle).await;
            }

            Next::CutShort => {
                // A command that would go on with half its input is worse than one that is ended.
                state.cut_short = None;
                self.shared
                    .tell(ToMonitor::CutShort {
                        run: *self.live.run.bytes(),
                    })
                    .await;
            }
        }
    }

    /// All output was read and the end is known: tells whoever is to know. Whether nothing is left
    /// to do.
    async fn finish(&self, state: &mut State) -> bool {
        let Some(end) = &state.exit else { return false };
        if !state.finished {
            sys::fault_point("frontend-exit");
            state.finished = true;
            let [stdout, stderr] = self.live.spool().both();

            // The key that ends a terminal's input is nobody's byte.
            let stdin = state.input.moved.saturating_sub(u64::from(
                self.live.rules.terminal.is_some() && state.input.ended,
            ));
            let counts = Counts {
                stdin,
                stdout,
                stderr,
                cut: state.cut,
                held_open: state.held_open,
            };
            self.live.end(Ended::of(self.live.run, end, &counts));
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
            (Some(client), _) if client.is_behind(&self.live.spool()) => return false,
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
}
