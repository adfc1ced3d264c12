//! A client that is told a run's output, on one stream of one connection: what it was sent, and what
//! it may be sent.

use super::inbox::{Held, Inbox};
use crate::ids::{ConnectionId, StreamId};
use crate::limits::{DATA_FRAME, STREAM_MOST};
use crate::mux::{Allowance, Outbox};
use crate::protocol::{Code, Credit, Failure, HEADER, Kind, encode, header, write};
use crate::spool::{Gone, Spool, Stream};
use std::sync::Arc;
use tokio::sync::mpsc;

/// A client that is told a run's output, on one stream of one connection.
#[derive(Debug)]
pub struct Client {
    /// The client's connection.
    pub connection: ConnectionId,
    /// The stream of that connection.
    pub stream: StreamId,
    /// The way to the client.
    pub outbox: Outbox,
    /// What the connection's task leaves for this stream.
    pub inbox: Arc<Inbox>,
    /// The next byte of each output that is to be sent.
    pub sent: [u64; 2],
    /// Bytes of output that the client may be sent.
    pub allowance: Allowance,
    /// Bytes of output that it may be behind, because they are kept for a lost link.
    pub behind: usize,
    /// Whether the client knows windows that grow.
    pub grows: bool,
    /// The way to tell the connection's task that the stream is over.
    pub over: mpsc::Sender<StreamId>,
}

/// The kind of the frames that carry an output's bytes.
pub const fn kind_of(stream: Stream) -> Kind {
    match stream {
        Stream::Stdout => Kind::Stdout,
        Stream::Stderr => Kind::Stderr,
    }
}

/// Why a client gets no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The client is gone.
    Closed,
    /// The bytes that come next are not kept any more.
    Gone(Stream, Gone),
}

impl Client {
    /// Bytes of output that may be sent now.
    pub fn room(&self) -> usize {
        self.allowance.within(self.behind)
    }

    /// How far the client is told that it may open its window.
    pub fn window_max(&self) -> Option<u32> {
        let most = u32::try_from(STREAM_MOST).ok();
        most.filter(|_| self.grows)
    }

    /// Takes what the client grants. One that grants more than it can hold: its own affair.
    pub fn granted(&mut self, held: &Held) {
        if held.credit > 0 {
            let bytes = u32::try_from(held.credit).unwrap_or(u32::MAX);
            let window = held.window;
            let _ = self.allowance.grant(Credit { bytes, window });
        }
    }

    /// Whether output is kept that the client was not sent.
    pub fn is_behind(&self, spool: &Spool) -> bool {
        Stream::BOTH
            .into_iter()
            .any(|stream| self.next(stream) < spool.published(stream))
    }

    /// The next byte that is to be sent.
    pub fn next(&self, stream: Stream) -> u64 {
        let [stdout, stderr] = self.sent;
        match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        }
    }

    /// Notes that so many bytes of an output were sent.
    pub fn advance(&mut self, stream: Stream, bytes: usize) {
        let [stdout, stderr] = &mut self.sent;
        *match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        } += bytes as u64;
        self.allowance.spend(bytes);
    }

    /// Tells the connection's task that this stream's place is free. Never waits: that task may be
    /// waiting itself.
    pub fn stream_is_over(&self) {
        if let Err(mpsc::error::TrySendError::Full(stream)) = self.over.try_send(self.stream) {
            let over = self.over.clone();
            tokio::spawn(async move { over.send(stream).await });
        }
    }

    /// The first offset that is not kept.
    pub fn missing(&self, spool: &Spool) -> Option<(Stream, Gone)> {
        Stream::BOTH.into_iter().find_map(|stream| {
            let (from, to) = spool.range(stream);
            let next = self.next(stream);
            (next < from || next > to).then_some((stream, Gone { from, to }))
        })
    }

    /// The next frame of what the client has missed, within its credit.
    pub fn frame(&self, spool: &Spool) -> Result<Option<(Stream, Vec<u8>)>, Stopped> {
        let room = DATA_FRAME.min(self.room());
        let Some(stream) = Stream::BOTH
            .into_iter()
            .find(|stream| self.next(*stream) < spool.published(*stream))
        else {
            return Ok(None);
        };
        if room == 0 {
            return Ok(None);
        }
        let mut frame = vec![0; HEADER + room];
        let read = spool.read(
            stream,
            self.next(stream),
            frame.get_mut(HEADER..).unwrap_or_default(),
        );

        let read = read.map_err(|gone| Stopped::Gone(stream, gone))?;
        frame.truncate(HEADER + read);
        let head = header(
            self.stream,
            kind_of(stream),
            u32::try_from(read).unwrap_or(0),
        );
        frame
            .get_mut(..HEADER)
            .unwrap_or_default()
            .copy_from_slice(&head);
        Ok(Some((stream, frame)))
    }

    /// Puts a frame into the client's queue, unless the client gives the stream up while that is
    /// full.
    pub async fn put(&self, frame: Vec<u8>) -> Result<(), Stopped> {
        loop {
            tokio::select! {
                biased;
                place = self.outbox.place() => {
                    place.map_err(|_| Stopped::Closed)?.put(frame);
                    return Ok(());
                }

                () = self.inbox.rung() => if self.inbox.abandoned() {
                    return Err(Stopped::Closed);
                }
            }
        }
    }

    /// Tells the client that what it wants is not kept.
    pub async fn refuse(&self, stream: Stream, gone: Gone) {
        let name = if stream == Stream::Stdout {
            "standard output"
        } else {
            "standard error"
        };

        let text = format!(
            "the bytes {} to {} are what is kept of {name}; byte {} is not among them",
            gone.from,
            gone.to,
            self.next(stream)
        );

        let failure = Failure {
            code: Code::Offset.number(),
            text,
            argument: None,
            rule: None,
            stop_ms: None,
        };

        let _ = self
            .put(encode(self.stream, Kind::Error, &write(&failure)))
            .await;
    }
}
