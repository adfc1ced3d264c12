//! Reads frames: a header is judged before its payload is waited for, and memory grows with what has arrived,
//! never with what was promised.

use crate::protocol::{Decoder, Frame, FrameFault, HEADER, Phase, Sender};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes a quiet connection holds for reading.
const QUIET: usize = 1024;
/// Bytes read at once when data flows.
const BUSY: usize = 64 * 1024 + HEADER;

/// A frame reader.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    decoder: Decoder,
    held: Vec<u8>,
    start: usize,
}

/// Why no frame came.
#[derive(Debug)]
pub enum ReadFault {
    /// The other side closed properly, between frames.
    Closed,
    /// The connection was cut: inside a frame, or without TLS's closing message.
    Cut(io::Error),
    /// The other side broke the protocol.
    Frame(FrameFault),
}

impl std::fmt::Display for ReadFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => write!(out, "the other side closed the connection"),
            Self::Cut(fault) => write!(out, "the connection broke: {fault}"),
            Self::Frame(fault) => write!(out, "the other side sent {fault}"),
        }
    }
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads what `sender` sends over `from`.
    pub fn new(from: R, sender: Sender) -> Self {
        Self { from, decoder: Decoder::new(sender), held: Vec::new(), start: 0 }
    }

    /// The connection has come further.
    pub const fn enter(&mut self, phase: Phase) {
        self.decoder.enter(phase);
    }

    /// The next frame. Cancel-safe: what has arrived is kept.
    ///
    /// # Errors
    /// See [`ReadFault`]; nothing can be read after one.
    pub async fn frame(&mut self) -> Result<Frame, ReadFault> {
        loop {
            let held = self.held.get(self.start..).unwrap_or_default();
            let mut wanted = HEADER;
            if let Some(head) = held.first_chunk::<HEADER>() {
                let promise = self.decoder.header(*head).map_err(ReadFault::Frame)?;
                wanted = HEADER + promise.length;
                if let Some(payload) = held.get(HEADER..wanted) {
                    let frame = Frame { stream: promise.stream, kind: promise.kind, payload: payload.to_vec() };
                    self.start += wanted;
                    if self.start == self.held.len() {
                        self.rest();
                    }
                    return Ok(frame);
                }
            }
            self.fill(wanted).await?;
        }
    }

    /// Everything held was taken: a quiet connection holds little.
    fn rest(&mut self) {
        self.start = 0;
        self.held.clear();
        if self.held.capacity() > QUIET && self.held.capacity() < BUSY {
            self.held = Vec::new();
        }
    }

    async fn fill(&mut self, wanted: usize) -> Result<(), ReadFault> {
        if self.start > 0 {
            self.held.drain(..self.start);
            self.start = 0;
        }
        if self.held.is_empty() && self.held.capacity() > QUIET {
            // Waiting for a new frame with nothing at hand: give the large buffer back, unless more is there already.
            match std::future::poll_fn(|context| std::task::Poll::Ready(poll_once(&mut self.from, context, &mut self.held))).await {
                Some(outcome) => return self.judge(outcome),
                None => self.held = Vec::new(),
            }
        }
        // Twice what has arrived, so that a promise alone costs nothing, up to what a busy connection reads at once.
        let room = (self.held.len() * 2).clamp(QUIET, BUSY).min(wanted.max(QUIET).max(self.held.len()));
        let room = if wanted > HEADER { room.max((self.held.len() * 2).min(BUSY)) } else { room };
        self.held.reserve(room.saturating_sub(self.held.len()).max(QUIET));
        let outcome = self.from.read_buf(&mut self.held).await;
        self.judge(outcome)
    }

    fn judge(&self, outcome: io::Result<usize>) -> Result<(), ReadFault> {
        match outcome {
            Ok(0) if self.held.is_empty() => Err(ReadFault::Closed),
            Ok(0) => Err(ReadFault::Cut(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(fault) => Err(ReadFault::Cut(fault)),
        }
    }
}

/// One attempt to read without waiting.
fn poll_once<R: AsyncRead + Unpin>(from: &mut R, context: &mut std::task::Context<'_>, held: &mut Vec<u8>) -> Option<io::Result<usize>> {
    let read = std::pin::pin!(from.read_buf(held));
    match Future::poll(read, context) {
        std::task::Poll::Ready(outcome) => Some(outcome),
        std::task::Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Kind, encode, header};
    use tokio::io::AsyncWriteExt;

    fn pair() -> (tokio::io::DuplexStream, Reader<tokio::io::DuplexStream>) {
        let (client, server) = tokio::io::duplex(1 << 20);
        let mut reader = Reader::new(server, Sender::Client);
        reader.enter(Phase::Open);
        (client, reader)
    }

    #[tokio::test]
    async fn a_promise_costs_nothing() {
        let (mut client, mut reader) = pair();
        client.write_all(&header(1, Kind::Stdin, 65_536)).await.unwrap();
        client.write_all(b"x").await.unwrap();
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), reader.frame()).await.is_err());
        assert!(reader.held.capacity() <= 4 * QUIET, "{}", reader.held.capacity());
    }

    #[tokio::test]
    async fn large_frames_arrive_whole_and_the_buffer_goes_again() {
        let (mut client, mut reader) = pair();
        let payload = vec![7; 65_536];
        for _ in 0..20 {
            client.write_all(&encode(1, Kind::Stdin, &payload)).await.unwrap();
            assert_eq!(reader.frame().await.unwrap().payload, payload);
        }
        client.write_all(&encode(1, Kind::Eof, b"{}")).await.unwrap();
        assert_eq!(reader.frame().await.unwrap().kind, Kind::Eof);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), reader.frame()).await.is_err());
        assert!(reader.held.capacity() <= 4 * QUIET, "{}", reader.held.capacity());
    }

    #[tokio::test]
    async fn closed_and_cut_are_told_apart() {
        let (client, mut reader) = pair();
        drop(client);
        assert!(matches!(reader.frame().await, Err(ReadFault::Closed)));
        let (mut client, mut reader) = pair();
        client.write_all(&encode(1, Kind::Eof, b"{}")[..5]).await.unwrap();
        drop(client);
        assert!(matches!(reader.frame().await, Err(ReadFault::Cut(_))));
    }

    #[tokio::test]
    async fn a_bad_header_is_refused_before_its_payload_comes() {
        let (mut client, mut reader) = pair();
        client.write_all(&header(1, Kind::Open, u32::MAX)).await.unwrap();
        assert!(matches!(reader.frame().await, Err(ReadFault::Frame(FrameFault::TooLarge { .. }))));
    }
}
