//! What every part of serving a connection needs: the connection's own facts, its frames, and how it
//! can end.

use super::shared::Shared;
use crate::ids::{ConnectionId, StreamId};
use crate::ipc::{Limits, ToMonitor};
use crate::limits::SILENCE;
use crate::mux::{self, ReadFault, Reader};
use crate::protocol::{Code, Failure, Frame, FrameFault, Kind, read};
use std::sync::Arc;
use tokio::io::ReadHalf;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The frames that come from a client.
pub type Frames = Reader<ReadHalf<TlsStream<TcpStream>>>;

/// The facts of one connection.
pub struct Link {
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// The connection's number.
    pub number: ConnectionId,
    /// What may be had over the connection.
    pub limits: Limits,
    /// What the client understands beyond the protocol's version.
    pub client: Understood,
}

/// What a client understands beyond the protocol's version.
#[derive(Debug, Clone, Copy, Default)]
pub struct Understood {
    /// Whether it knows how to come back after a lost link.
    pub comes_back: bool,
    /// Whether it wants to know how long a stop of the server takes.
    pub waits_for_the_next: bool,
    /// Whether it may send a request with its login.
    pub asks_early: bool,
    /// Whether it knows windows that grow.
    pub grows: bool,
}

impl Link {
    /// Tells the monitor that the client has given a stream up.
    pub async fn leave(&self, stream: StreamId) {
        self.shared
            .tell(ToMonitor::Leave {
                connection: self.number,
                stream,
            })
            .await;
    }

    /// Tells the monitor what became of an event.
    pub async fn taken(&self, stream: StreamId, kept: bool) {
        let connection = self.number;
        let taken = ToMonitor::Taken {
            connection,
            stream,
            kept,
        };
        self.shared.tell(taken).await;
    }
}

/// A failure that is the server's word alone: no argument and no rule had part in it.
pub fn failure(code: Code, text: impl Into<String>) -> Failure {
    Failure {
        code: code.number(),
        text: text.into(),
        argument: None,
        rule: None,
        stop_ms: None,
    }
}

/// How a connection ended, for the log.
pub enum End {
    /// The client closed it as one does.
    Bye,
    /// The connection broke, or was cut.
    Quiet(String),
    /// The server closes the connection, with an ERROR frame.
    Tell(Code, String),
    /// The client broke the protocol, which it is told, and which is recorded.
    Violation(Code, String),
}

impl End {
    /// The daemon ends, or its monitor is gone: nothing that was not answered has been done.
    pub fn stopping() -> Self {
        Self::Tell(Code::Stopping, "the server has stopped".into())
    }

    /// Whether the client may come back to what it had here.
    pub const fn by_accident(&self) -> bool {
        !matches!(
            self,
            Self::Violation(..) | Self::Bye | Self::Tell(Code::Revoked, _)
        )
    }
}

impl From<ReadFault> for End {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Frame(frame) => {
                let code = if matches!(frame, FrameFault::TooLarge { .. }) {
                    Code::FrameTooLarge
                } else {
                    Code::Protocol
                };

                Self::Violation(code, frame.to_string())
            }

            ReadFault::Closed => Self::Bye,
            other @ ReadFault::Cut(_) => Self::Quiet(other.to_string()),
        }
    }
}

/// Reads a frame's payload; one that cannot be read ends the connection.
pub fn parse<M: serde::de::DeserializeOwned>(frame: &Frame) -> Result<M, End> {
    read(&frame.payload).map_err(|fault| {
        // What cannot be read of these may quote a password or a secret, and the sentence goes into
        // log and trail.
        let detail = if matches!(frame.kind, Kind::Login | Kind::Open) {
            String::new()
        } else {
            format!(": {fault}")
        };

        End::Violation(
            Code::Protocol,
            format!("{} that cannot be read{detail}", frame.kind.word())
                .chars()
                .take(300)
                .collect(),
        )
    })
}

/// Waits for room in the queue, but not for ever: a client that reads nothing at all is gone.
pub async fn patiently(queued: impl Future<Output = Result<(), mux::Closed>>) -> Result<(), End> {
    match tokio::time::timeout(SILENCE, queued).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(mux::Closed)) => Err(End::Quiet("the client is gone".into())),
        Err(_) => Err(End::Quiet("the client reads nothing".into())),
    }
}

/// The payload of frames that say it all by their kind.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}
