//! One stream of a session: a run, or a request that is followed.

use super::ClientError;
use super::event::Event;
use super::inbox::Inbox;
use super::wire::{Shared, gone};
use crate::exit::Reason;
use crate::ids::{RunId, StreamId};
use crate::limits::DATA_FRAME;
use crate::mux::Outbox;
use crate::protocol::{Code, Ended, Kind, Nothing, Ping, Queued, Resize, Started, encode, read};
use crate::verb::{Attach, Verb};
use std::marker::PhantomData;
use std::sync::Arc;

/// A request's stream. Dropping a run that has not ended gives it up: the server ends it by its
/// on-disconnect rule.
pub struct Run {
    shared: Arc<Shared>,
    stream: StreamId,
    inbox: Arc<Inbox>,
    started: Option<Started>,
    /// How far both outputs have come, from the run's first byte on.
    came: [u64; 2],
    over: bool,
}

impl Run {
    /// A stream that was opened.
    pub(super) fn opened(shared: Arc<Shared>, stream: StreamId, inbox: Arc<Inbox>) -> Self {
        Self {
            shared,
            stream,
            inbox,
            started: None,
            came: [0; 2],
            over: false,
        }
    }

    /// Waits until the run has started, which must be the one that is due.
    pub(super) async fn begun(
        mut self,
        due: &Due,
        mut waits: impl FnMut(Queued),
    ) -> Result<Self, ClientError> {
        let mut run = due.run;
        loop {
            match self.next().await? {
                Event::Queued(queued) => {
                    run = Some(due.judged(run, &queued.run)?);
                    waits(queued);
                }
                Event::Started(started) => {
                    due.judged(run, &started.run)?;
                    due.begins(&started)?;
                    self.came = offsets(&started);
                    self.started = Some(started);
                    return Ok(self);
                }

                other => {
                    let text = format!("the server answered a run with {}", other.word());
                    return Err(ClientError::new(Code::Protocol, text));
                }
            }
        }
    }

    /// What the server said when the run started.
    pub const fn started(&self) -> Option<&Started> {
        self.started.as_ref()
    }

    /// Gives the run up, and returns when the server knows: the run's rule for clients that leave
    /// applies at once.
    pub(super) async fn leave(mut self) {
        self.over = true;
        let (outbox, streams) = (self.shared.outbox.clone(), self.shared.streams.clone());

        let heard = streams.pong.notified();
        tokio::pin!(heard);
        heard.as_mut().enable();

        // Frames are taken in their order, so a PONG says that the RESET before it was.
        let said = outbox
            .control(self.stream, Kind::Reset, &Nothing {})
            .await
            .is_ok()
            && outbox
                .control(0, Kind::Ping, &Ping { token: 0 })
                .await
                .is_ok();
        if said {
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), heard).await;
        }
    }

    /// Lets go of the run without a word: its rule for lost clients is not asked for.
    pub(super) fn forget(mut self) {
        self.over = true;
    }

    /// The run's id.
    pub fn id(&self) -> Option<RunId> {
        self.started.as_ref()?.run.parse().ok()
    }

    /// Whether the command takes standard input.
    pub fn takes_stdin(&self) -> bool {
        self.started.as_ref().is_some_and(|started| started.stdin)
    }

    /// The next thing that happens. After [`Event::Ended`] nothing does.
    ///
    /// # Errors
    /// The server's refusal, or that the connection is lost: then what became of the run is not
    /// known.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        let event = self.inbox.next().await.inspect_err(|_| self.over = true)?;
        self.over |= matches!(event, Event::Ended(_) | Event::Answer(_));
        let [stdout, stderr] = &mut self.came;
        match &event {
            Event::Stdout(bytes) => *stdout = further(*stdout, bytes),
            Event::Stderr(bytes) => *stderr = further(*stderr, bytes),
            _ => {}
        }
        Ok(event)
    }

    /// Tells the command's terminal its size.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn resize(&self, (columns, rows): (u16, u16)) -> Result<(), ClientError> {
        self.shared
            .outbox
            .control(self.stream, Kind::Resize, &Resize { columns, rows })
            .await
            .map_err(|_| gone())
    }

    /// Says that output which [`Run::next`] gave was dealt with: the server may send as much again.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn consumed(&self, bytes: usize) -> Result<(), ClientError> {
        let Some(credit) = self.inbox.consumed(bytes) else {
            return Ok(());
        };
        self.shared
            .outbox
            .control(self.stream, Kind::Credit, &credit)
            .await
            .map_err(|_| gone())
    }

    /// The way to the command's standard input.
    pub fn input(&self) -> Input {
        Input {
            outbox: self.shared.outbox.clone(),
            stream: self.stream,
            inbox: self.inbox.clone(),
        }
    }

    /// Waits for the end and collects the output; for small outputs.
    ///
    /// # Errors
    /// What [`Run::next`] says.
    pub async fn collect(mut self) -> Result<(Vec<u8>, Vec<u8>, Ended), ClientError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match self.next().await? {
                Event::Stdout(bytes) => {
                    self.consumed(bytes.len()).await?;
                    stdout.extend(bytes);
                }

                Event::Stderr(bytes) => {
                    self.consumed(bytes.len()).await?;
                    stderr.extend(bytes);
                }

                Event::Ended(ended) => {
                    adds_up(&ended, self.came)?;
                    return Ok((stdout, stderr, ended));
                }
                Event::Queued(_)
                | Event::Started(_)
                | Event::StdinClosed
                | Event::Happened(_)
                | Event::Answer(_) => {}
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.shared.streams.close(self.stream);
        if !self.over {
            let outbox = &self.shared.outbox;
            let _ = outbox.try_control(self.stream, Kind::Reset, &Nothing {});
        }
    }
}

/// The way to a command's standard input.
#[derive(Clone)]
pub struct Input {
    outbox: Outbox,
    stream: StreamId,
    inbox: Arc<Inbox>,
}

impl Input {
    /// The way over a connection that a test holds the other end of.
    #[cfg(test)]
    pub(super) const fn of(outbox: Outbox, stream: StreamId, inbox: Arc<Inbox>) -> Self {
        Self {
            outbox,
            stream,
            inbox,
        }
    }

    /// Sends bytes as fast as the command takes them; `false` when it takes no more.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn send(&self, mut bytes: &[u8]) -> Result<bool, ClientError> {
        while !bytes.is_empty() {
            let Some(room) = self.inbox.credit(bytes.len().min(DATA_FRAME)).await else {
                return Ok(false);
            };
            let (now, rest) = bytes.split_at(room);
            self.outbox
                .bytes(encode(self.stream, Kind::Stdin, now))
                .await
                .map_err(|_| gone())?;
            bytes = rest;
        }

        Ok(true)
    }

    /// Waits until there is credit; `false` when the command reads no more, or the link is lost.
    pub(super) async fn has_credit(&self) -> bool {
        self.inbox.has_credit().await
    }

    /// Takes credit for a frame of up to `most` bytes, if there is any.
    pub(super) fn credit_now(&self, most: usize) -> Option<usize> {
        let taken = self.inbox.credit_now(most.min(DATA_FRAME));
        taken.filter(|taken| *taken > 0)
    }

    /// Sends a frame of bytes that there is credit for.
    pub(super) async fn push(&self, frame: Vec<u8>) -> Result<(), ClientError> {
        self.outbox.bytes(frame).await.map_err(|_| gone())
    }

    /// Sends bytes at once, as far as there is credit and room for them, up to `most`; `frame` makes
    /// the frame of so many.
    pub(super) fn push_now(&self, most: usize, frame: impl FnOnce(usize) -> Vec<u8>) {
        if let Some(place) = self.outbox.place_now()
            && let Some(room) = self.credit_now(most)
        {
            place.put(frame(room));
        }
    }

    /// The stream that the input goes to.
    pub(super) const fn stream(&self) -> StreamId {
        self.stream
    }

    /// How far the server has opened the window of input: so much may be on its way.
    pub(super) fn window(&self) -> usize {
        self.inbox.window()
    }

    /// Whether the link is lost.
    pub(super) fn lost(&self) -> bool {
        self.inbox.failed()
    }

    /// Says that nothing more follows.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn end(&self) -> Result<(), ClientError> {
        self.outbox
            .control(self.stream, Kind::Eof, &Nothing {})
            .await
            .map_err(|_| gone())
    }
}

/// What STARTED must name.
pub(super) struct Due {
    /// The run, where that is known.
    run: Option<RunId>,
    /// The first byte of each output, where one was asked for.
    from: [Option<u64>; 2],
}

impl Due {
    /// A run that begins now, whose output is wanted from its first byte on.
    pub(super) const fn fresh() -> Self {
        Self {
            run: None,
            from: [Some(0); 2],
        }
    }

    /// The run that is attached to.
    pub(super) const fn of(attachment: &Attach) -> Self {
        Self {
            run: attachment.run.0,
            from: [attachment.stdout, attachment.stderr],
        }
    }

    /// The run that was named, which must be this one where one is expected.
    fn judged(&self, expected: Option<RunId>, named: &str) -> Result<RunId, ClientError> {
        match (named.parse(), expected) {
            (Ok(run), None) => Ok(run),
            (Ok(run), Some(expected)) if run == expected => Ok(run),
            _ => Err(ClientError::new(
                Code::Protocol,
                "the server speaks of another run than the one that was asked for",
            )),
        }
    }

    /// Judges where the output begins: whoever is told less than they have asked for must know it.
    fn begins(&self, started: &Started) -> Result<(), ClientError> {
        let named = [started.stdout_from, started.stderr_from];
        let wrong = self.from.into_iter().zip(named).any(|(wanted, named)| {
            wanted
                .zip(named)
                .is_some_and(|(wanted, named)| wanted != named)
        });
        if wrong {
            let text = "the server begins at another byte than the one that was asked for";
            return Err(ClientError::new(Code::Protocol, text));
        }
        Ok(())
    }
}

/// The offset behind these bytes. A server may have begun anywhere.
pub(super) const fn further(offset: u64, bytes: &[u8]) -> u64 {
    offset.saturating_add(bytes.len() as u64)
}

/// The offsets at which both outputs begin.
pub(super) fn offsets(started: &Started) -> [u64; 2] {
    [started.stdout_from, started.stderr_from].map(Option::unwrap_or_default)
}

/// Compares what the server says came of both outputs, from the run's first byte on, with what did.
///
/// # Errors
/// [`Code::ConnectionLost`]: bytes that were promised and did not come are no success.
pub(super) fn adds_up(ended: &Ended, came: [u64; 2]) -> Result<(), ClientError> {
    let said = [ended.stdout_bytes, ended.stderr_bytes];
    let names = ["output", "error"];
    for ((name, said), came) in names.into_iter().zip(said).zip(came) {
        if said != came {
            let text = format!(
                "the server says that {said} bytes of standard {name} came, and {came} did"
            );
            return Err(ClientError::new(Code::ConnectionLost, text));
        }
    }
    Ok(())
}

/// How a run ended, in types.
///
/// # Errors
/// When the server's words do not make sense.
pub fn reason(ended: &Ended) -> Result<Reason, ClientError> {
    Reason::from_parts(&ended.reason, ended.number).ok_or_else(|| {
        ClientError::new(
            Code::Protocol,
            format!(
                "the server ended the run with `{}`",
                ended.reason.escape_debug()
            ),
        )
    })
}

/// A request that is followed. Dropping it gives it up.
pub struct Following<V> {
    stream: Run,
    verb: PhantomData<V>,
}

impl<V: Verb> Following<V> {
    pub(super) fn new(stream: Run) -> Self {
        Self {
            stream,
            verb: PhantomData,
        }
    }

    /// The next event.
    ///
    /// # Errors
    /// The server's refusal, that the connection is lost, or that the event cannot be read.
    pub async fn next(&mut self) -> Result<crate::protocol::Event<V::Answer>, ClientError> {
        let broken = |what: String| {
            let text = format!("the server told `{}` {what}", V::NAME);
            ClientError::new(Code::Protocol, text)
        };
        match self.stream.next().await? {
            Event::Happened(payload) => read(&payload)
                .map_err(|fault| broken(format!("something that cannot be read: {fault}"))),
            other => Err(broken(other.word().to_owned())),
        }
    }
}
