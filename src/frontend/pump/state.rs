//! A run while it is pumped: the pump, what changes meanwhile, and what the monitor is told of it.

use super::super::client::Client;
use super::super::live::{Live, Pipes};
use super::super::shared::Shared;
use super::super::windows::AHEAD;
use super::ends::{Input, Output};
use crate::exit::End;
use crate::ipc::{Bound, ToMonitor};
use crate::spool::Stream;
use std::io;
use std::sync::Arc;
use tokio::time::Instant;

/// The mover of one run's bytes.
pub struct Pump {
    /// The run whose bytes are moved.
    pub live: Arc<Live>,
    /// The way to the monitor.
    pub shared: Arc<Shared>,
}

/// How a run without a client goes on.
#[derive(Debug, Clone, Copy)]
pub enum Alone {
    /// The run does not wait: its rule says that it goes on, or its client has left for good.
    Runs,
    /// The run waits for its client, from these offsets on.
    Waits([u64; 2]),
}

/// The state of a run while it is pumped.
pub struct State {
    /// The run's standard output.
    pub stdout: Output,
    /// The run's standard error.
    pub stderr: Output,
    /// The run's standard input.
    pub input: Input,
    /// The run's client, while there is one.
    pub client: Option<Client>,
    /// How the run goes on without a client.
    pub alone: Alone,
    /// How the run's processes have ended.
    pub exit: Option<End>,
    /// Bytes of output that may still be passed on.
    pub left: u64,
    /// Whether output beyond what may be passed on was dropped.
    pub cut: bool,
    /// Whether somebody held an output open after the end.
    pub held_open: bool,
    /// When the run is told to be cut short, because nobody brings the rest of its input.
    pub cut_short: Option<Instant>,
    /// Whether the monitor knows that all output was read.
    pub finished: bool,
}

impl State {
    /// The run's state before the first byte.
    pub fn new(live: &Live, client: Option<Client>, pipes: Pipes) -> io::Result<Self> {
        let terminal = live.rules.terminal.is_some();
        let [out, err] = live.spool().both();
        let most = live.rules.output_max.unwrap_or(u64::MAX);
        let moved = live.spool().fed().unwrap_or(0);
        Ok(Self {
            stdout: Output::new(pipes.stdout, terminal)?,
            stderr: Output::new(pipes.stderr, terminal)?,
            input: Input::new(pipes.stdin, terminal, moved)?,
            client,
            alone: Alone::Runs,
            exit: None,
            left: most.saturating_sub(out + err),
            cut: false,
            held_open: false,
            cut_short: None,
            finished: false,
        })
    }

    /// One of the run's outputs.
    pub fn output(&mut self, stream: Stream) -> &mut Output {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Whether no more output can come.
    pub const fn read_out(&self) -> bool {
        self.stdout.pipe.is_none() && self.stderr.pipe.is_none()
    }

    /// Whether more may be taken out of the pipes: a command waits for a client that reads slowly
    /// or is about to come back, as it would for any reader.
    pub fn may_read(&self, published: [u64; 2], behind: usize) -> [bool; 2] {
        match (&self.client, self.alone) {
            // What a full pipe still holds has room in the spool, however slow the client is.
            _ if self.cut || self.exit.is_some() => [true; 2],
            (Some(client), _) => [client.room() > 0; 2],
            (None, Alone::Waits(from)) => {
                let [stdout, stderr] = from;
                [
                    published[0] - stdout.min(published[0]),
                    published[1] - stderr.min(published[1]),
                ]
                .map(|ahead| ahead < (behind + AHEAD) as u64)
            }

            (None, Alone::Runs) => [true; 2],
        }
    }

    /// Whether the client has missed something and has credit for it.
    pub fn is_to_catch_up(&self, live: &Live) -> bool {
        self.client
            .as_ref()
            .is_some_and(|client| client.room() > 0 && client.is_behind(&live.spool()))
    }
}

impl Pump {
    /// Tells the monitor that the run has reached a bound.
    pub async fn exceeded(&self, bound: Bound) {
        self.shared
            .tell(ToMonitor::Exceeded {
                run: *self.live.run.bytes(),
                bound,
            })
            .await;
    }

    /// Tells the monitor that a pipe is closed. It keeps duplicates of pipes that are to survive this process; they must not
    /// outlive their use.
    pub async fn closed(&self, descriptor: u8) {
        if self.live.rules.outlives_client {
            self.shared
                .tell(ToMonitor::Closed {
                    run: *self.live.run.bytes(),
                    descriptor,
                })
                .await;
        }
    }
}
