//! The writing half: a bounded queue of whole frames, drained in batches, flushed when it is empty.

use crate::ids::StreamId;
use crate::limits::OUTBOX_FRAMES;
use crate::protocol::{Kind, encode, write};
use serde::Serialize;
use std::io;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

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
        for frame in batch.drain(..) {
            to.write_all(&frame).await?;
        }
        to.flush().await?;
    }

    to.shutdown().await
}
