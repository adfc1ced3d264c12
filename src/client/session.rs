//! A session: signed requests over one connection, each a stream of its own.

use super::ClientError;
use super::connection::{Options, connect};
use super::error::lost;
use super::event::Event;
use super::inbox::Inbox;
use crate::credential::{Purpose, SessionKey, random};
use crate::exit::Reason;
use crate::ids::{RequestId, RunId, SessionId, StreamId};
use crate::limits::{CONTROL_FRAME, DATA_FRAME, PING_EVERY, SIGNED_TEXT, SILENCE};
use crate::mux::{Outbox, Reader};
use crate::protocol::{
    Code, Credit, Ended, Failure, Frame, Kind, Open, Ping, Queued, RequestName, Resize, Started,
    encode, read, request_text, write,
};
use crate::verb::{self, Arguments, Attach, Invocation, Value, Verb};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, ReadHalf};
use tokio::task::JoinHandle;

/// A user logged in over one connection. Clones share it; it ends when the last is gone.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    id: SessionId,
    user: String,
    instance: Option<String>,
    key: Arc<SessionKey>,
    outbox: Outbox,
    /// Stream and counter are taken together with the place in the queue, so that they arrive in
    /// order.
    next: tokio::sync::Mutex<(StreamId, u64)>,
    streams: Arc<Streams>,
    tasks: Vec<tokio::task::AbortHandle>,
    writer: Mutex<Option<JoinHandle<std::io::Result<()>>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[derive(Default)]
struct Streams {
    open: Mutex<HashMap<StreamId, Arc<Inbox>>>,
    over: Mutex<Option<ClientError>>,
    /// Rung by each PONG.
    pong: tokio::sync::Notify,
}

impl Streams {
    fn find(&self, stream: StreamId) -> Option<Arc<Inbox>> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&stream)
            .cloned()
    }

    fn close(&self, stream: StreamId) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&stream);
    }

    /// The connection is over: every stream fails with the same reason.
    fn end(&self, error: ClientError) {
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

impl Session {
    pub(super) fn begin<R>(
        frames: Reader<ReadHalf<R>>,
        (outbox, writer): (Outbox, JoinHandle<std::io::Result<()>>),
        id: SessionId,
        key: Arc<SessionKey>,
        (user, instance): (String, Option<String>),
        counter: u64,
    ) -> Self
    where
        R: AsyncRead + Send + 'static,
        Reader<ReadHalf<R>>: Send,
    {
        let streams = Arc::new(Streams::default());
        let reading = tokio::spawn(receive(frames, streams.clone(), outbox.clone()));
        let pinging = tokio::spawn(ping(outbox.clone()));
        let tasks = vec![reading.abort_handle(), pinging.abort_handle()];
        Self(Arc::new(Shared {
            id,
            user,
            instance,
            key,
            outbox,
            next: tokio::sync::Mutex::new((1, counter)),
            streams,
            tasks,
            writer: Mutex::new(Some(writer)),
        }))
    }

    /// Who is logged in.
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// Ends the connection as one does, so that the server need not keep the session for somebody
    /// who may come back. Of no effect while a clone is left.
    pub async fn close(self) {
        const PATIENCE: std::time::Duration = std::time::Duration::from_millis(200);
        let writer = self
            .0
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(self);
        if let Some(writer) = writer {
            let _ = tokio::time::timeout(PATIENCE, writer).await;
        }
    }

    /// Asks for something that runs nothing.
    ///
    /// # Errors
    /// The server's refusal, that the connection is lost, or that the answer cannot be read.
    pub async fn ask<V: Verb>(&self, verb: &V) -> Result<V::Answer, ClientError> {
        let broken = |what: String| {
            let text = format!("the server answered `{}` with {what}", V::NAME);
            ClientError::new(Code::Protocol, text)
        };
        let mut stream = self.open(verb).await?;
        match stream.next().await? {
            Event::Answer(answer) => read(&answer)
                .map_err(|fault| broken(format!("something that cannot be read: {fault}"))),
            other => Err(broken(format!("{other:?}"))),
        }
    }

    /// Runs a command and returns once it has started.
    ///
    /// # Errors
    /// The server's refusal, or that the connection is lost.
    pub async fn run(&self, invocation: Invocation) -> Result<Run, ClientError> {
        self.ask_for_run(invocation, RequestId::from_random(random()), |_| {})
            .await
    }

    /// As [`Session::run`], under this id: asked for again under the same id after a lost link, the
    /// server answers with the run that exists. `waits` is told when the run has to wait for its
    /// turn.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn ask_for_run(
        &self,
        invocation: Invocation,
        name: impl Into<RequestName>,
        waits: impl FnMut(Queued),
    ) -> Result<Run, ClientError> {
        self.open_with(&verb::Run(invocation), name.into())
            .await?
            .begun(waits)
            .await
    }

    /// Which start of the daemon this session is with: what a request that is sent again names.
    pub fn instance(&self) -> Option<&str> {
        self.0.instance.as_deref()
    }

    /// Follows a run's output, or takes up this session's own run again.
    ///
    /// # Errors
    /// [`Code::NoSuchRun`], [`Code::Offset`], or that the connection is lost.
    pub async fn attach(&self, attachment: Attach) -> Result<Run, ClientError> {
        self.open(&attachment).await?.begun(|_| {}).await
    }

    /// The same session over a new connection, by its key and without a password.
    ///
    /// # Errors
    /// As [`connect`]; [`Code::LoginRefused`] when the server has forgotten the session.
    pub async fn reconnect(&self, options: &Options) -> Result<Self, ClientError> {
        let counter = self.0.next.lock().await.1;
        let connection = connect(options).await?;
        connection
            .come_back(&self.0.user, self.0.id, self.0.key.clone(), counter)
            .await
    }

    async fn open<V: Verb>(&self, verb: &V) -> Result<Run, ClientError> {
        self.open_with(verb, RequestId::from_random(random()).into())
            .await
    }

    async fn open_with<V: Verb>(&self, verb: &V, name: RequestName) -> Result<Run, ClientError> {
        let shared = &self.0;
        let inbox = Arc::new(Inbox::default());
        let mut next = shared.next.lock().await;
        let (stream, counter) = *next;
        let text = request_text(shared.id, counter, &name, verb, random);
        let signature = shared.key.sign(Purpose::Request, &text.text);
        let too_long = text.text.len() > SIGNED_TEXT;
        let payload = write(&Open {
            signed: text.text,
            signature,
            secrets: text.secrets,
        });

        if too_long || payload.len() > CONTROL_FRAME {
            return Err(too_large(verb.clone().arguments()));
        }
        *next = (stream + 1, counter + 1);
        {
            let over = shared
                .streams
                .over
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(error) = &*over {
                return Err(error.clone());
            }
            shared
                .streams
                .open
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(stream, inbox.clone());
        }

        let sent = shared
            .outbox
            .bytes(encode(stream, Kind::Open, &payload))
            .await;
        drop(next);
        if sent.is_err() {
            shared.streams.close(stream);
            return Err(ClientError::new(
                Code::ConnectionLost,
                "the server closed the connection",
            ));
        }

        Ok(Run {
            session: self.clone(),
            stream,
            inbox,
            started: None,
            over: false,
        })
    }
}

fn too_large(arguments: Option<&mut Arguments>) -> ClientError {
    let length = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Many(values) => values.iter().map(String::len).sum(),
        Value::Secret(secret) => secret.bytes().len(),
        Value::Integer(_) | Value::Flag(_) | Value::Commitment(_) | Value::Misfit(_) => 0,
    };
    let longest = arguments.and_then(|arguments| {
        let lengths = arguments.iter();
        lengths
            .map(|(name, value)| (length(value), name.clone()))
            .max()
    });
    let mut error = ClientError::new(
        Code::FrameTooLarge,
        format!("the request is longer than {SIGNED_TEXT} bytes, the most a server takes"),
    );

    if let Some((length, name)) = longest {
        error.text =
            format!("argument `{name}` has {length} bytes; a whole request may have {SIGNED_TEXT}");
        error.argument = Some(name);
    }

    error
}

/// A request's stream. Dropping a run that has not ended gives it up: the server ends it by its
/// on-disconnect rule.
pub struct Run {
    session: Session,
    stream: StreamId,
    inbox: Arc<Inbox>,
    started: Option<Started>,
    over: bool,
}

impl Run {
    /// Waits until the run has started.
    async fn begun(mut self, mut waits: impl FnMut(Queued)) -> Result<Self, ClientError> {
        loop {
            match self.next().await? {
                Event::Queued(queued) => waits(queued),
                Event::Started(started) => {
                    self.started = Some(started);
                    return Ok(self);
                }

                other => {
                    return Err(ClientError::new(
                        Code::Protocol,
                        format!("the server answered a run with {other:?}"),
                    ));
                }
            }
        }
    }

    /// What the server said when it started.
    pub const fn started(&self) -> Option<&Started> {
        self.started.as_ref()
    }

    /// Gives it up, and returns when the server knows: its rule for clients that leave applies at
    /// once.
    pub(super) async fn leave(mut self) {
        self.over = true;
        let (outbox, streams) = (
            self.session.0.outbox.clone(),
            self.session.0.streams.clone(),
        );

        let heard = streams.pong.notified();
        tokio::pin!(heard);
        heard.as_mut().enable();

        // Frames are taken in their order, so a PONG says that the RESET before it was.
        let said = outbox
            .control(self.stream, Kind::Reset, &serde_json::json!({}))
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

    /// Lets go of it without a word: its rule for lost clients is not asked for.
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
        Ok(event)
    }

    /// Tells the command's terminal its size.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn resize(&self, (columns, rows): (u16, u16)) -> Result<(), ClientError> {
        self.session
            .0
            .outbox
            .control(self.stream, Kind::Resize, &Resize { columns, rows })
            .await
            .map_err(|_| gone())
    }

    /// Output that [`Run::next`] gave was dealt with: the server may send as much again.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn consumed(&self, bytes: usize) -> Result<(), ClientError> {
        let Some(bytes) = self.inbox.consumed(bytes) else {
            return Ok(());
        };
        self.session
            .0
            .outbox
            .control(self.stream, Kind::Credit, &Credit { bytes })
            .await
            .map_err(|_| gone())
    }

    /// The way to the command's standard input.
    pub fn input(&self) -> Input {
        Input {
            outbox: self.session.0.outbox.clone(),
            stream: self.stream,
            inbox: self.inbox.clone(),
        }
    }

    /// Waits for the end and collects the output; for small outputs.
    ///
    /// # Errors
    /// As [`Run::next`].
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

                Event::Ended(ended) => return Ok((stdout, stderr, ended)),
                Event::Queued(_) | Event::Started(_) | Event::StdinClosed | Event::Answer(_) => {}
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.session.0.streams.close(self.stream);
        if !self.over {
            let _ =
                self.session
                    .0
                    .outbox
                    .try_control(self.stream, Kind::Reset, &serde_json::json!({}));
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

    /// Takes credit for up to `most` bytes; `None` when the command reads no more, or the link is
    /// lost.
    pub(super) async fn credit(&self, most: usize) -> Option<usize> {
        self.inbox.credit(most.min(DATA_FRAME)).await
    }

    /// Sends bytes that there is credit for.
    pub(super) async fn push(&self, bytes: &[u8]) -> Result<(), ClientError> {
        self.outbox
            .bytes(encode(self.stream, Kind::Stdin, bytes))
            .await
            .map_err(|_| gone())
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
            .control(self.stream, Kind::Eof, &serde_json::json!({}))
            .await
            .map_err(|_| gone())
    }
}

fn gone() -> ClientError {
    ClientError::new(Code::ConnectionLost, "the server closed the connection")
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

/// Reads frames until the connection is over; never waits for whoever reads a run.
async fn receive<R: AsyncRead + Send + 'static>(
    mut frames: Reader<ReadHalf<R>>,
    streams: Arc<Streams>,
    outbox: Outbox,
) {
    let error = loop {
        let frame = match tokio::time::timeout(SILENCE, frames.frame()).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(fault)) => break lost(&fault),
            Err(_) => {
                break ClientError::new(
                    Code::ConnectionLost,
                    format!("the server said nothing for {} s", SILENCE.as_secs()),
                );
            }
        };
        if let Err(error) = take(frame, &streams, &outbox) {
            break error;
        }
    };
    streams.end(error);
}

fn take(frame: Frame, streams: &Streams, outbox: &Outbox) -> Result<(), ClientError> {
    let broken = |fault: String| {
        ClientError::new(
            Code::Protocol,
            format!(
                "the server sent {} that cannot be read: {fault}",
                frame.kind.word()
            ),
        )
    };

    match (frame.kind, frame.stream) {
        (Kind::Error, 0) => return Err(read::<Failure>(&frame.payload).map_err(broken)?.into()),
        (Kind::Ping, _) => {
            let ping: Ping = read(&frame.payload).map_err(broken)?;
            let _ = outbox.try_control(0, Kind::Pong, &ping);
            return Ok(());
        }

        (Kind::Pong, _) => {
            streams.pong.notify_waiters();
            return Ok(());
        }

        (Kind::Goaway, _) => return Ok(()),
        _ => {}
    }

    let Some(inbox) = streams.find(frame.stream) else {
        return Ok(());
    };
    let fine = match frame.kind {
        Kind::Stdout => inbox.output(Event::Stdout(frame.payload)),
        Kind::Stderr => inbox.output(Event::Stderr(frame.payload)),
        Kind::Credit => inbox.grant(read::<Credit>(&frame.payload).map_err(broken)?.bytes),
        Kind::Started => {
            let started: Started = read(&frame.payload).map_err(broken)?;

            // Here, in the order of the frames: more credit may follow at once.
            if let Some(credit) = started.stdin_credit {
                inbox.allow(credit);
            }
            inbox.event(Event::Started(started));
            true
        }

        Kind::Queued => {
            inbox.event(Event::Queued(read(&frame.payload).map_err(broken)?));
            true
        }

        Kind::StdinClosed => {
            inbox.event(Event::StdinClosed);
            true
        }

        Kind::Answer => {
            streams.close(frame.stream);
            inbox.event(Event::Answer(frame.payload));
            true
        }

        Kind::Exit => {
            streams.close(frame.stream);
            inbox.event(Event::Ended(read(&frame.payload).map_err(broken)?));
            true
        }

        Kind::Error => {
            streams.close(frame.stream);
            inbox.fail(read::<Failure>(&frame.payload).map_err(broken)?.into());
            true
        }

        _ => true,
    };

    if fine {
        Ok(())
    } else {
        Err(ClientError::new(
            Code::Protocol,
            "the server sent more than it had credit for",
        ))
    }
}

/// Keeps NATs and the server from forgetting us.
async fn ping(outbox: Outbox) {
    let mut every = tokio::time::interval(PING_EVERY);
    every.tick().await;
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
