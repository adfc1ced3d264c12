//! What the monitor answers on the streams, and the runs that come of it.

use super::super::client::Client;
use super::super::follow::follow;
use super::super::inbox::Inbox;
use super::super::live::{Live, Pipes};
use super::super::orders::NO_DESCRIPTORS;
use super::super::pump;
use super::super::shared::Shared;
use super::super::wire::{End, failure, patiently};
use super::{Stream, Streams, left};
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ipc::{Manifest, Name, ToFrontend, ToMonitor};
use crate::limits::{EVENTS_WAITING, LAST_WORD, STREAM_MOST};
use crate::mux;
use crate::protocol::{Code, Ended, Failure, Kind, Queued, encode};
use crate::spool::{Spool, Stream as SpoolStream};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

impl Streams<'_> {
    /// Does what a message of the monitor's says.
    pub(super) async fn told(
        &mut self,
        message: ToFrontend,
        manifest: Manifest,
    ) -> Result<(), End> {
        match message {
            ToFrontend::Answer {
                stream, part, last, ..
            } => self.answered(stream, &part, last).await,
            ToFrontend::Event {
                stream, payload, ..
            } => {
                self.happened(stream, payload).await;
                Ok(())
            }
            ToFrontend::Refused {
                stream,
                code,
                text,
                argument,
                rule,
                ..
            } => {
                let stop_ms = self.stop_ms().filter(|_| code == Code::Stopping.number());
                let failure = Failure {
                    code,
                    text,
                    argument,
                    rule,
                    stop_ms,
                };
                self.refused(stream, failure).await
            }
            ToFrontend::Queued {
                stream, run, text, ..
            } => {
                let run = RunId::from_random(run).to_string();
                self.queued(stream, Queued { run, text }).await
            }
            ToFrontend::Attach { .. } => self.attached(message, manifest).await,
            ToFrontend::Close { code, .. } => self.close(code),
            ToFrontend::Challenge { .. }
            | ToFrontend::Login { .. }
            | ToFrontend::Configure(_)
            | ToFrontend::Nonces(_)
            | ToFrontend::CloseOut { .. }
            | ToFrontend::LetIn
            | ToFrontend::Ping
            | ToFrontend::Drain { .. }
            | ToFrontend::AcceptNobody
            | ToFrontend::Started { .. }
            | ToFrontend::Adopt { .. }
            | ToFrontend::Widened { .. }
            | ToFrontend::Move { .. }
            | ToFrontend::Narrow { .. }
            | ToFrontend::Exited { .. } => Ok(()),
        }
    }

    /// The request is refused, and its stream is over.
    async fn refused(&mut self, stream: StreamId, failure: Failure) -> Result<(), End> {
        if self.open.remove(&stream).is_none() {
            return Ok(());
        }
        self.fail(stream, failure).await
    }

    /// The run waits for its turn.
    async fn queued(&mut self, stream: StreamId, queued: Queued) -> Result<(), End> {
        if !self.is_asked(stream) {
            return Ok(());
        }
        patiently(self.outbox.control(stream, Kind::Queued, &queued)).await
    }

    /// A part of an answer; the whole of it goes to the client as one frame.
    async fn answered(&mut self, stream: StreamId, part: &[u8], last: bool) -> Result<(), End> {
        let Some(Stream::Asked(held)) = self.open.get_mut(&stream) else {
            return Ok(());
        };
        held.extend_from_slice(part);
        if last {
            let frame = encode(stream, Kind::Answer, held);
            self.open.remove(&stream);
            return patiently(self.outbox.bytes(frame)).await;
        }
        Ok(())
    }

    /// Something has happened that the stream is to be told. A task of its own waits for a client
    /// that reads slowly; nothing else on this connection does.
    async fn happened(&mut self, stream: StreamId, payload: Vec<u8>) {
        if self.is_asked(stream) {
            let (sender, events) = mpsc::channel(EVENTS_WAITING);
            let teller = Teller {
                shared: self.link.shared.clone(),
                connection: self.link.number,
                stream,
                outbox: self.outbox.clone(),
            };
            tokio::spawn(teller.tell(events));
            self.open.insert(stream, Stream::Followed(sender));
        }
        let kept = match self.open.get(&stream) {
            Some(Stream::Followed(sender)) => sender.try_send(payload).is_ok(),
            // Given up meanwhile, which the monitor knows or will hear.
            _ => return,
        };
        if !kept {
            self.link.taken(stream, false).await;
        }
    }

    /// The monitor ends the connection. While the daemon stops it knows how every run has ended;
    /// the pumps may still be saying so.
    fn close(&mut self, code: u16) -> Result<(), End> {
        let code = Code::numbered(code).unwrap_or(Code::Internal);
        if code == Code::Stopping {
            self.closing = Some(Instant::now() + LAST_WORD);
            return Ok(());
        }

        let text = match code {
            Code::Revoked => "this session was ended",
            Code::TakenOver => "this session has gone on over another connection",
            _ => "the server ends this connection",
        };

        Err(End::Tell(code, text.into()))
    }

    /// A run that this stream has asked for has started.
    pub(super) async fn started(
        &mut self,
        stream: StreamId,
        live: Arc<Live>,
        pipes: Pipes,
    ) -> Result<(), End> {
        let client = self.client(stream, [0; 2]);
        let told = if self.is_asked(stream) {
            let input = live.rules.stdin.map(|_| live.clone());
            self.run(stream, &client, input, false);
            let mut started = live.started(live.rules.stdin.is_some());
            started.window_max = client.window_max();
            patiently(self.outbox.control(stream, Kind::Started, &started)).await
        } else {
            // Reset while it was being started: its rule applies.
            client.inbox.leave(left);
            self.link.leave(stream).await;
            Ok(())
        };

        pump::start(&self.link.shared, live, Some(client), pipes);
        told
    }

    /// From here on the stream is a run's.
    fn run(&mut self, stream: StreamId, client: &Client, input: Option<Arc<Live>>, follows: bool) {
        let running = Stream::Running {
            inbox: client.inbox.clone(),
            input,
            follows,
        };
        self.open.insert(stream, running);
    }

    /// The client as a run's pump knows it; it was sent so much.
    fn client(&self, stream: StreamId, sent: [u64; 2]) -> Client {
        Client {
            connection: self.link.number,
            stream,
            outbox: self.outbox.clone(),
            inbox: Arc::new(Inbox::default()),
            sent,
            allowance: mux::Allowance::default(),
            behind: STREAM_MOST,
            grows: self.link.client.grows,
            over: self.ended.0.clone(),
        }
    }

    /// Somebody wants a run's output: its own session takes it up again, or it is followed beside
    /// whoever else follows.
    async fn attached(&mut self, message: ToFrontend, mut manifest: Manifest) -> Result<(), End> {
        let ToFrontend::Attach {
            stream,
            run,
            capacity,
            from,
            follow: until_the_end,
            resume,
            ended: end,
            ..
        } = message
        else {
            return Ok(());
        };
        let run = RunId::from_random(run);
        let Some(spool) = manifest.take(Name::Spool) else {
            return self
                .refused(stream, failure(Code::OverLimit, NO_DESCRIPTORS))
                .await;
        };
        let follows = end.is_some() || !resume;
        let over = end.map(|ended| {
            let counts = &ended.counts;
            let spool = Spool::finished(spool, capacity, [counts.stdout, counts.stderr]);
            let told = Ended::of(run, &ended.end, counts);
            Arc::new(Live::over(run, spool, told))
        });

        if !self.is_asked(stream) {
            return Ok(());
        }
        let Some(live) = over.or_else(|| self.link.shared.runs.find(run)) else {
            self.open.remove(&stream);
            let failure = failure(Code::NoSuchRun, "there is no such run");
            return self.fail(stream, failure).await;
        };

        let kept = SpoolStream::BOTH.map(|stream| live.spool().range(stream).0);
        let sent = [from[0].unwrap_or(kept[0]), from[1].unwrap_or(kept[1])];
        let mut client = self.client(stream, sent);
        let input = live.rules.stdin.filter(|_| resume).map(|_| live.clone());
        self.run(stream, &client, input, follows);
        if resume {
            match live.come_back(client) {
                Ok(()) => return Ok(()),
                Err(back) => client = back,
            }
        }
        tokio::spawn(follow(live, client, until_the_end || resume));
        Ok(())
    }
}

/// Tells a client what has happened, as fast as it reads.
struct Teller {
    shared: Arc<Shared>,
    connection: ConnectionId,
    stream: StreamId,
    outbox: mux::Outbox,
}

impl Teller {
    /// Tells events until the stream is given up, or the connection is gone.
    async fn tell(self, mut events: mpsc::Receiver<Vec<u8>>) {
        while let Some(payload) = events.recv().await {
            let frame = encode(self.stream, Kind::Event, &payload);
            if self.outbox.bytes(frame).await.is_err() {
                return;
            }
            let (connection, stream) = (self.connection, self.stream);
            let taken = ToMonitor::Taken {
                connection,
                stream,
                kept: true,
            };
            self.shared.tell(taken).await;
        }
    }
}
