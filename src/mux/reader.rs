//! Reads frames: a header is judged before its payload is waited for, and memory grows with what
//! has arrived, never with what was promised.

use crate::limits::DATA_FRAME;
use crate::protocol::{Decoder, Frame, FrameFault, HEADER, Phase, Promise, Sender};
use bytes::BufMut;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of a payload that room is made for before any of it has come: one data frame, which only a
/// user who logged in can promise (before, every frame is smaller). More room is made when that
/// much has really arrived.
const FIRST_ROOM: usize = DATA_FRAME;

/// A frame reader. Between frames it holds nothing.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    decoder: Decoder,
    head: Vec<u8>,
    promise: Option<Promise>,
    payload: Vec<u8>,
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
        Self {
            from,
            decoder: Decoder::new(sender),
            head: Vec::with_capacity(HEADER),
            promise: None,
            payload: Vec::new(),
        }
    }

    /// Notes that the connection has come further.
    pub const fn enter(&mut self, phase: Phase) {
        self.decoder.enter(phase);
    }

    /// Notes whether a request may come now that was sent with a login which is refused.
    pub const fn expect_early(&mut self, early: bool) {
        self.decoder.expect_early(early);
    }

    /// The next frame. Cancel-safe: what has arrived is kept.
    ///
    /// # Errors
    /// See [`ReadFault`]; nothing can be read after one.
    pub async fn frame(&mut self) -> Result<Frame, ReadFault> {
        loop {
            match self.promise {
                None => match self.head.first_chunk::<HEADER>() {
                    None => {
                        let missing = HEADER - self.head.len();
                        let read = self
                            .from
                            .read_buf(&mut (&mut self.head).limit(missing))
                            .await;
                        self.judge(read)?;
                    }

                    Some(head) => {
                        self.promise = Some(self.decoder.header(*head).map_err(ReadFault::Frame)?);
                        self.head.clear();
                    }
                },
                Some(promise) if self.payload.len() == promise.length => {
                    self.promise = None;
                    return Ok(Frame {
                        stream: promise.stream,
                        kind: promise.kind,
                        payload: std::mem::take(&mut self.payload),
                    });
                }

                Some(promise) => {
                    let missing = promise.length - self.payload.len();
                    if self.payload.len() == self.payload.capacity() {
                        let room = if self.payload.is_empty() {
                            missing.min(FIRST_ROOM)
                        } else {
                            missing
                        };

                        self.payload.reserve_exact(room);
                    }

                    let read = self
                        .from
                        .read_buf(&mut (&mut self.payload).limit(missing))
                        .await;
                    self.judge(read)?;
                }
            }
        }
    }

    /// Reads and drops what still comes, until the other side closes or has sent a window's worth.
    pub async fn discard(&mut self) {
        let mut scratch = vec![0; FIRST_ROOM];
        let mut left = crate::limits::STREAM_WINDOW;
        while let Ok(count @ 1..) = self.from.read(&mut scratch).await {
            left = left.saturating_sub(count);
            if left == 0 {
                return;
            }
        }
    }

    fn judge(&self, read: io::Result<usize>) -> Result<(), ReadFault> {
        match read {
            Ok(0) if self.head.is_empty() && self.promise.is_none() => Err(ReadFault::Closed),
            Ok(0) => Err(ReadFault::Cut(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(fault) => Err(ReadFault::Cut(fault)),
        }
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
    async fn a_promise_costs_a_frame_at_the_most() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut reader = Reader::new(server, Sender::Server);
        reader.enter(Phase::Open);
        client
            .write_all(&header(1, Kind::Answer, 1 << 20))
            .await
            .unwrap();
        client.write_all(b"x").await.unwrap();
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(20), reader.frame())
                .await
                .is_err()
        );

        assert!(
            reader.payload.capacity() <= FIRST_ROOM,
            "{}",
            reader.payload.capacity()
        );
    }

    #[tokio::test]
    async fn large_frames_arrive_whole_and_the_buffer_goes_again() {
        let (mut client, mut reader) = pair();
        let payload = vec![7; 65_536];
        for _ in 0..20 {
            client
                .write_all(&encode(1, Kind::Stdin, &payload))
                .await
                .unwrap();
            assert_eq!(reader.frame().await.unwrap().payload, payload);
        }

        client
            .write_all(&encode(1, Kind::Eof, b"{}"))
            .await
            .unwrap();
        assert_eq!(reader.frame().await.unwrap().kind, Kind::Eof);
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(20), reader.frame())
                .await
                .is_err()
        );

        assert_eq!(reader.payload.capacity(), 0);
    }

    #[tokio::test]
    async fn closed_and_cut_are_told_apart() {
        let (client, mut reader) = pair();
        drop(client);
        assert!(matches!(reader.frame().await, Err(ReadFault::Closed)));
        let (mut client, mut reader) = pair();
        client
            .write_all(&encode(1, Kind::Eof, b"{}")[..5])
            .await
            .unwrap();
        drop(client);
        assert!(matches!(reader.frame().await, Err(ReadFault::Cut(_))));
    }

    #[tokio::test]
    async fn a_bad_header_is_refused_before_its_payload_comes() {
        let (mut client, mut reader) = pair();
        client
            .write_all(&header(1, Kind::Open, u32::MAX))
            .await
            .unwrap();
        assert!(matches!(
            reader.frame().await,
            Err(ReadFault::Frame(FrameFault::TooLarge { .. }))
        ));
    }
}
