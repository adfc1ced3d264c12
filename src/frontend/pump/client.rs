//! The pump's client: what it has left, losing it, its coming back, and frames for it.

use super::super::client::Client;
use super::super::inbox::Held;
use super::super::wire::failure;
use super::state::{Alone, Pump, State};
use crate::ipc::ToMonitor;
use crate::mux::{Allowance, Closed};
use crate::protocol::{Code, Kind, encode, write};
use crate::sys;
use serde::Serialize;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// The byte that Ctrl-D is at a terminal.
const END_OF_INPUT: u8 = 4;

/// What has become of a frame.
pub enum Queued {
    /// The frame will be sent.
    Yes,
    /// The run's session has come back elsewhere, and goes first.
    Interrupted,
}

impl Pump {
    /// Takes what the connection's task has left.
    pub fn look(&self, state: &mut State, held: &mut Held) {
        let Some(client) = &mut state.client else {
            return;
        };
        client.inbox.take(held);
        client.granted(held);

        state.input.add(held);
        if self.live.rules.terminal.is_some() {
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

    /// Lets go of the client, for good or for a while.
    pub fn lose_client(&self, state: &mut State, for_good: bool) {
        let Some(client) = state.client.take() else {
            return;
        };
        // What it may not have received.
        let on_its_way = client.allowance.in_flight();
        let from = client.sent.map(|sent| sent.saturating_sub(on_its_way));
        self.be_alone(state, for_good, from);

        client.stream_is_over();
    }

    /// Goes on without a client, who may want what follows these offsets.
    pub fn be_alone(&self, state: &mut State, for_good: bool, from: [u64; 2]) {
        let rules = &self.live.rules;
        let waits = !for_good && !rules.outlives_client && rules.resume_ms > 0;
        state.alone = if waits {
            Alone::Waits(from)
        } else {
            Alone::Runs
        };

        // What is typed at a terminal has no whole that half of it could be taken for.
        if rules.outlives_client
            && rules.terminal.is_none()
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
    pub async fn take_up(&self, state: &mut State, client: Client, held: &mut Held) {
        // Whoever asks for what is not kept changes nothing for the one who is attached.
        if let Some((stream, gone)) = client.missing(&self.live.spool()) {
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
            let text = "the run was taken up over another connection";
            let failure = failure(Code::TakenOver, text);
            let _ = old.outbox.try_control(old.stream, Kind::Error, &failure);
            old.stream_is_over();
        }

        *held = Held::default();
        state.cut_short = None;
        self.go_on_with(state, client).await;
    }

    /// Tells a client that has come back where the run stands, and makes it the run's own.
    async fn go_on_with(&self, state: &mut State, mut client: Client) {
        let outstanding = state.input.outstanding();
        let received = state.input.moved + outstanding as u64;
        let credit = client.inbox.holding(outstanding);
        if let Some(max) = self.live.rules.stdin {
            self.live
                .stdin_left
                .store(max.saturating_sub(received), Ordering::Relaxed);
        }

        let takes_input = state.input.pipe.is_some() && !state.input.eof;
        let mut started = self.live.started_for(&client, takes_input);
        started.stdin_bytes = self.live.rules.stdin.map(|_| received);
        started.stdin_credit = self.live.rules.stdin.map(|_| credit as u64);
        if client
            .outbox
            .control(client.stream, Kind::Started, &started)
            .await
            .is_ok()
        {
            client.allowance = Allowance::default();
            client.behind = self.behind();
            state.client = Some(client);
        } else {
            client.stream_is_over();
        }
    }

    /// Puts a frame into the client's queue. One that has come back goes first, or it would wait
    /// for the queue of its dead link.
    pub async fn queue(&self, client: &Client, frame: Vec<u8>) -> Result<Queued, Closed> {
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

    /// Tells the client something of this run, if there is one.
    pub async fn control<M: Serialize + Sync>(&self, state: &mut State, kind: Kind, message: &M) {
        let Some(client) = &state.client else { return };
        if self
            .queue(client, encode(client.stream, kind, &write(message)))
            .await
            .is_err()
        {
            self.lose_client(state, false);
        }
    }
}
