//! One connection of a user who is in: its streams, and the tasks that read and keep it alive.

use super::ClientError;
use super::early::Early;
use super::error::{lost, silence, silent};
use super::event::Event;
use super::inbox::Inbox;
use super::moment::Clock;
use crate::credential::SessionKey;
use crate::ids::{SessionId, StreamId};
use crate::limits::PING_EVERY;
use crate::mux::{Outbox, Reader, measured_by, token_of};
use crate::protocol::{Code, Credit, Failure, Frame, Goaway, Kind, Nothing, Ping, Started, read};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, ReadHalf};
use tokio::task::JoinHandle;

/// One connection of a user who is in: what its session and its streams share.
pub struct Shared {
    /// The id of the session.
    pub id: SessionId,
    /// The user who is logged in.
    pub user: String,
    /// Which start of the daemon this is.
    pub instance: Option<String>,
    /// What its clock shows.
    pub clock: Option<Clock>,
    /// What the server understands beyond the protocol's version.
    pub features: Vec<String>,
    /// The session's key.
    pub key: Arc<SessionKey>,
    /// The way to the server.
    pub outbox: Outbox,
    /// Stream and counter are taken together with the place in the queue, so that they arrive in
    /// order.
    pub next: tokio::sync::Mutex<(StreamId, u64)>,
    /// The streams of the connection that are open.
    pub streams: Arc<Streams>,
    /// The request that was sent with the login, until somebody asks for just this.
    pub early: Mutex<Option<Early>>,
    /// What ends with the connection.
    pub tasks: Vec<tokio::task::AbortHandle>,
    /// The writing task, until somebody waits for its end.
    pub writer: Mutex<Option<JoinHandle<std::io::Result<()>>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The streams of the connection that are open.
#[derive(Default)]
pub struct Streams {
    /// What waits for each stream's reader.
    pub open: Mutex<HashMap<StreamId, Arc<Inbox>>>,
    /// The highest number that a stream of the connection has had.
    highest: AtomicU32,
    /// Why the connection is over.
    pub over: Mutex<Option<ClientError>>,
    /// The bell that each PONG rings that measures nothing.
    pub pong: tokio::sync::Notify,
}

impl Streams {
    /// Notes a stream that is being opened.
    pub fn enter(&self, stream: StreamId, inbox: Arc<Inbox>) {
        self.highest.fetch_max(stream, Ordering::Relaxed);
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(stream, inbox);
    }

    /// Whether there has been a stream of this number. Frames of one that is over may have been on
    /// their way.
    fn knows(&self, stream: StreamId) -> bool {
        stream <= self.highest.load(Ordering::Relaxed)
    }

    /// The inbox of a stream that is open.
    pub fn find(&self, stream: StreamId) -> Option<Arc<Inbox>> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&stream)
            .cloned()
    }

    /// Forgets a stream that is over.
    pub fn close(&self, stream: StreamId) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&stream);
    }

    /// Ends every stream with the same reason, since the connection is over.
    pub fn end(&self, error: ClientError) {
        self.over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error.clone());
        for inbox in self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain()
        {
            inbox.1.fail(error.clone());
        }
    }
}

/// The error of a connection that is lost.
pub fn gone() -> ClientError {
    ClientError::new(Code::ConnectionLost, "the server closed the connection")
}

/// Reads frames until the connection is over; never waits for whoever reads a run.
pub async fn receive<R: AsyncRead + Send + 'static>(
    mut frames: Reader<ReadHalf<R>>,
    streams: Arc<Streams>,
    outbox: Outbox,
) {
    let error = loop {
        let frame = match tokio::time::timeout(silence(), frames.frame()).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(fault)) => break lost(&fault),
            Err(_) => break silent(),
        };
        if let Err(error) = take(frame, &streams, &outbox) {
            break error;
        }
    };
    streams.end(error);
}

fn take(frame: Frame, streams: &Streams, outbox: &Outbox) -> Result<(), ClientError> {
    if of_connection(&frame, streams, outbox)? {
        return Ok(());
    }
    let (stream, kind) = (frame.stream, frame.kind);
    let Some(inbox) = streams.find(stream) else {
        let known = streams.knows(stream);
        return if known { Ok(()) } else { Err(unasked(kind)) };
    };
    if !inbox.admits(kind) {
        return Err(unasked(kind));
    }
    let had_credit = of_stream(frame, &inbox).map_err(|fault| broken(kind, &fault))?;
    if matches!(kind, Kind::Stdout | Kind::Stderr) && inbox.asks() {
        let token = token_of(stream);
        if outbox.try_control(0, Kind::Ping, &Ping { token }).is_err() {
            inbox.not_asked();
        }
    }

    // Only now: whoever reads a stream whose last frame cannot be read hears of it as of any other
    // end of the connection.
    if matches!(kind, Kind::Answer | Kind::Exit | Kind::Error) {
        streams.close(stream);
    }
    if had_credit {
        Ok(())
    } else {
        let text = "the server sent more than it had credit for";
        Err(ClientError::new(Code::Protocol, text))
    }
}

/// The server has sent what nobody has asked for, or not in its order.
fn unasked(kind: Kind) -> ClientError {
    let text = format!("the server sent {} where it may not", kind.word());
    ClientError::new(Code::Protocol, text)
}

fn broken(kind: Kind, fault: &str) -> ClientError {
    let text = format!(
        "the server sent {} that cannot be read: {fault}",
        kind.word()
    );
    ClientError::new(Code::Protocol, text)
}

/// Deals with a frame that is the connection's and no stream's; whether it was one.
fn of_connection(frame: &Frame, streams: &Streams, outbox: &Outbox) -> Result<bool, ClientError> {
    let unread = |fault: String| broken(frame.kind, &fault);
    match (frame.kind, frame.stream) {
        (Kind::Error, 0) => return Err(read::<Failure>(&frame.payload).map_err(unread)?.into()),
        (Kind::Ping, _) => {
            let ping: Ping = read(&frame.payload).map_err(unread)?;
            let _ = outbox.try_control(0, Kind::Pong, &ping);
        }
        (Kind::Pong, _) => {
            let pong: Ping = read(&frame.payload).map_err(unread)?;
            match measured_by(pong.token) {
                Some(stream) => {
                    if let Some(inbox) = streams.find(stream) {
                        inbox.answered();
                    }
                }
                None => streams.pong.notify_waiters(),
            }
        }
        (Kind::Goaway, _) => {
            read::<Goaway>(&frame.payload).map_err(unread)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Puts a stream's frame into its inbox; whether the server had credit for it.
fn of_stream(frame: Frame, inbox: &Inbox) -> Result<bool, String> {
    let payload = frame.payload;
    match frame.kind {
        Kind::Stdout => return Ok(inbox.output(Event::Stdout(payload))),
        Kind::Stderr => return Ok(inbox.output(Event::Stderr(payload))),
        Kind::Credit => return Ok(inbox.grant(read::<Credit>(&payload)?)),
        Kind::Event => return Ok(inbox.happened(payload)),
        Kind::Started => {
            let started: Started = read(&payload)?;

            // Here, in the order of the frames: more credit may follow at once.
            if let Some(credit) = started.stdin_credit {
                inbox.allow(credit);
            }
            inbox.widest(started.window_max);
            inbox.event(Event::Started(started));
        }
        Kind::Queued => inbox.event(Event::Queued(read(&payload)?)),
        Kind::StdinClosed => {
            read::<Nothing>(&payload)?;
            inbox.event(Event::StdinClosed);
        }
        Kind::Answer => inbox.event(Event::Answer(payload)),
        Kind::Exit => inbox.event(Event::Ended(read(&payload)?)),
        Kind::Error => inbox.fail(read::<Failure>(&payload)?.into()),
        _ => {}
    }
    Ok(true)
}

/// Keeps NATs and the server from forgetting us.
pub async fn ping(outbox: Outbox) {
    // Not from now on: a first tick at once would be a timer that wakes everybody for nothing.
    let first = tokio::time::Instant::now() + PING_EVERY;
    let mut every = tokio::time::interval_at(first, PING_EVERY);
    let mut token = 0;

    loop {
        every.tick().await;
        token += 1;
        if outbox
            .control(0, Kind::Ping, &Ping { token })
            .await
            .is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
