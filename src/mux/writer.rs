//! The writing half: a bounded queue of whole frames, drained in batches, flushed when it is empty.

use crate::ids::StreamId;
use crate::limits::OUTBOX_FRAMES;
use crate::protocol::{Kind, encode, write};
use serde::Serialize;
use std::io;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Bytes of a frame that is joined with others: copying so few costs less than a write.
const SMALL: usize = 4096;

/// A place to put frames for one connection; clones feed the same queue.
#[derive(Debug, Clone)]
pub struct Outbox(mpsc::Sender<Vec<u8>>);

/// The end of the queue that the writer drains.
pub type Outgoing = mpsc::Receiver<Vec<u8>>;

/// Room for one frame.
#[derive(Debug)]
pub struct Place<'o>(mpsc::Permit<'o, Vec<u8>>);

impl Place<'_> {
    /// Puts a frame into the room.
    pub fn put(self, frame: Vec<u8>) {
        self.0.send(frame);
    }
}

/// The connection is gone, so nothing can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// A new queue.
pub fn outbox() -> (Outbox, Outgoing) {
    let (sender, receiver) = mpsc::channel(OUTBOX_FRAMES);
    (Outbox(sender), receiver)
}

impl Outbox {
    /// Queues a whole frame, waiting while the queue is full.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn bytes(&self, frame: Vec<u8>) -> Result<(), Closed> {
        self.0.send(frame).await.map_err(|_| Closed)
    }

    /// Waits for room for one frame. Cancel-safe.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn place(&self) -> Result<Place<'_>, Closed> {
        self.0.reserve().await.map(Place).map_err(|_| Closed)
    }

    /// Room for one frame, if there is some now.
    pub fn place_now(&self) -> Option<Place<'_>> {
        self.0.try_reserve().ok().map(Place)
    }

    /// Queues a control frame, waiting while the queue is full.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn control<M: Serialize>(
        &self,
        stream: StreamId,
        kind: Kind,
        message: &M,
    ) -> Result<(), Closed> {
        self.bytes(encode(stream, kind, &write(message))).await
    }

    /// Queues a control frame if there is room now; for answers nobody may be kept waiting for.
    ///
    /// # Errors
    /// When the queue is full or the connection gone.
    pub fn try_control<M: Serialize>(
        &self,
        stream: StreamId,
        kind: Kind,
        message: &M,
    ) -> Result<(), Closed> {
        self.0
            .try_send(encode(stream, kind, &write(message)))
            .map_err(|_| Closed)
    }

    /// Completes when the connection is gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Writes what comes through the queue until every [`Outbox`] is gone, then closes the stream
/// properly.
///
/// # Errors
/// As writing.
pub async fn write_all<W: AsyncWrite + Unpin>(mut to: W, mut frames: Outgoing) -> io::Result<()> {
    let mut batch = Vec::new();
    while frames.recv_many(&mut batch, OUTBOX_FRAMES).await > 0 {
        let mut small = Vec::new();
        for frame in batch.drain(..) {
            // Each write is a record of TLS and a packet: small frames that leave together share one.
            if frame.len() <= SMALL {
                small.push(frame);
                continue;
            }
            write_joined(&mut to, &mut small).await?;
            to.write_all(&frame).await?;
        }
        write_joined(&mut to, &mut small).await?;
        to.flush().await?;
    }

    to.shutdown().await
}

/// Writes small frames as one piece, in their order.
async fn write_joined<W: AsyncWrite + Unpin>(
    to: &mut W,
    small: &mut Vec<Vec<u8>>,
) -> io::Result<()> {
    match small.as_slice() {
        [] => return Ok(()),
        [one] => to.write_all(one).await?,
        several => to.write_all(&several.concat()).await?,
    }
    small.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn frames_keep_their_order_whatever_their_size() {
        let (outbox, frames) = outbox();
        let lengths = [1, 5, SMALL, SMALL + 1, 3, 60_000, 60_000, 2, 2];
        let mut expected = Vec::new();
        for (byte, length) in (0..).zip(lengths) {
            expected.extend(std::iter::repeat_n(byte, length));
            outbox.bytes(vec![byte; length]).await.unwrap();
        }
        drop(outbox);
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        write_all(theirs, frames).await.unwrap();
        let mut bytes = Vec::new();
        ours.read_to_end(&mut bytes).await.unwrap();
        assert!(bytes == expected);
    }
}
