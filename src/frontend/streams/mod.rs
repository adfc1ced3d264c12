//! The streams of a connection whose user is known: what the client asks on each, what the monitor
//! answers, and the runs behind them.

mod from_client;
mod from_monitor;

use super::inbox::{Held, Inbox};
use super::live::Live;
use super::registry::FromMonitor;
use super::wire::{End, Frames, Link, patiently};
use crate::ids::StreamId;
use crate::limits::SILENCE;
use crate::mux::Outbox;
use crate::protocol::{Code, Failure, Goaway, Kind};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The streams of a connection whose user is known.
pub struct Streams<'c> {
    link: &'c Link,
    outbox: Outbox,
    open: HashMap<StreamId, Stream>,
    highest: StreamId,
    ended: (mpsc::Sender<StreamId>, mpsc::Receiver<StreamId>),
    /// When the connection ends, once the daemon has said that it is over: the ends of runs go
    /// before.
    closing: Option<Instant>,
}

/// A stream that is open.
enum Stream {
    /// The monitor has not answered yet; the parts of a long answer so far.
    Asked(Vec<u8>),
    /// A request that is followed: what happens is told here.
    Followed(mpsc::Sender<Vec<u8>>),
    /// A run, with its pump.
    Running {
        inbox: Arc<Inbox>,
        /// The run whose input the client may send, until it has said the end of it.
        input: Option<Arc<Live>>,
        /// Whether it only follows, at its user's charge: then the monitor wants to hear of its end.
        follows: bool,
    },
}

impl<'c> Streams<'c> {
    /// The streams of a new connection, none of them open yet.
    pub fn new(link: &'c Link, outbox: Outbox) -> Self {
        Self {
            link,
            outbox,
            open: HashMap::new(),
            highest: 0,
            ended: mpsc::channel(64),
            closing: None,
        }
    }

    /// Serves until the connection ends; then every stream has lost its client.
    pub async fn serve(
        mut self,
        frames: &mut Frames,
        messages: &mut mpsc::Receiver<Box<FromMonitor>>,
    ) -> End {
        let end = self
            .work(frames, messages)
            .await
            .err()
            .unwrap_or_else(End::stopping);

        // What has ended meanwhile is not lost.
        while let Ok(stream) = self.ended.1.try_recv() {
            self.open.remove(&stream);
        }
        let lost = self.link.client.comes_back && end.by_accident();
        for stream in self.open.values() {
            if let Stream::Running { inbox, .. } = stream {
                inbox.leave(|held| {
                    held.abandoned = true;
                    held.left = !lost;
                });
            }
        }
        end
    }

    /// Takes what comes from either side, one thing after the other.
    async fn work(
        &mut self,
        frames: &mut Frames,
        messages: &mut mpsc::Receiver<Box<FromMonitor>>,
    ) -> Result<(), End> {
        let shared = self.link.shared.clone();
        let mut told = false;
        let silence = tokio::time::sleep(SILENCE);
        tokio::pin!(silence);
        loop {
            if shared.draining() && !told {
                told = true;
                let text = "the server is stopping".into();
                let stop_ms = self.stop_ms();
                let _ = self
                    .outbox
                    .try_control(0, Kind::Goaway, &Goaway { text, stop_ms });
            }
            if self.closing.is_some() && !self.runs_go_on() {
                return Err(End::stopping());
            }

            let last = self.closing;
            let draining = shared.drain.notified();
            tokio::select! {
                () = async { tokio::time::sleep_until(last.unwrap_or_else(Instant::now)).await }, if last.is_some() => {
                    return Err(End::stopping());
                }
                frame = frames.frame() => {
                    silence.as_mut().reset(Instant::now() + SILENCE);
                    self.take(frame?).await?;
                }
                message = messages.recv() => match message.map(|message| *message) {
                    Some(FromMonitor::Message(message, manifest)) => self.told(message, manifest).await?,
                    Some(FromMonitor::Started(stream, live, pipes)) => self.started(stream, live, pipes).await?,
                    None => return Ok(()),
                },
                Some(stream) = self.ended.1.recv() => self.over(stream).await,
                () = draining, if !told => {}
                () = self.outbox.closed() => return Err(End::Quiet("writing failed".into())),
                () = &mut silence => return Err(End::Tell(Code::Deadline, format!("nothing was heard for {} s", SILENCE.as_secs()))),
            }
        }
    }

    /// How long the daemon's stop may still take, for a client that wants to know.
    fn stop_ms(&self) -> Option<u64> {
        let left = self.link.shared.stop_left();
        left.filter(|_| self.link.client.waits_for_the_next)
            .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    /// All that there was for a stream was told.
    async fn over(&mut self, stream: StreamId) {
        let over = self.open.remove(&stream);
        if matches!(over, Some(Stream::Running { follows: true, .. })) {
            self.link.leave(stream).await;
        }
    }

    /// Whether a run's output or end is still to be told.
    fn runs_go_on(&self) -> bool {
        self.open
            .values()
            .any(|stream| matches!(stream, Stream::Running { .. }))
    }

    /// Whether the monitor has yet to answer what was asked on this stream.
    fn is_asked(&self, stream: StreamId) -> bool {
        matches!(self.open.get(&stream), Some(Stream::Asked(_)))
    }

    /// Leaves something for the run of a stream, if there is one.
    fn leave_for(&self, stream: StreamId, change: impl FnOnce(&mut Held)) {
        if let Some(Stream::Running { inbox, .. }) = self.open.get(&stream) {
            inbox.leave(change);
        }
    }

    /// Ends a stream with an error.
    async fn fail(&self, stream: StreamId, failure: Failure) -> Result<(), End> {
        patiently(self.outbox.control(stream, Kind::Error, &failure)).await
    }
}

/// Ends a stream that the client has given up by itself.
const fn left(held: &mut Held) {
    held.abandoned = true;
    held.left = true;
}
