//! A session: signed requests over one connection, each a stream of its own.

use super::ClientError;
use super::connection::{Options, connect};
use super::early::{Early, FIRST};
use super::event::Event;
use super::inbox::Inbox;
use super::kept::Kept;
use super::moment::{Clock, GoodUntil};
use super::run::{Due, Following, Run};
use super::wire::{Shared, Streams, ping, receive};
use crate::credential::{Purpose, SessionKey, random};
use crate::ids::{RequestId, SessionId};
use crate::limits::{CONTROL_FRAME, SIGNED_TEXT};
use crate::mux::{Outbox, Reader};
use crate::protocol::{
    Code, EVENTS, Kind, Open, Queued, RequestName, UNATTENDED, encode, read, request_text, write,
};
use crate::verb::{self, Arguments, Attach, Follows, Invocation, Value, Verb};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadHalf};
use tokio::task::JoinHandle;

/// A user logged in, with what is known of the server, once the login is done.
pub(super) struct Known {
    pub user: String,
    pub instance: Option<String>,
    pub clock: Option<Clock>,
    pub features: Vec<String>,
}

/// A user logged in over one connection. Clones share it; it ends when the last is gone.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

impl Session {
    pub(super) fn begin<R>(
        frames: Reader<ReadHalf<R>>,
        (outbox, writer): (Outbox, JoinHandle<std::io::Result<()>>),
        id: SessionId,
        key: Arc<SessionKey>,
        server: Known,
        (early, counter): (Option<Early>, u64),
    ) -> Self
    where
        R: AsyncRead + Send + 'static,
        Reader<ReadHalf<R>>: Send,
    {
        let streams = Arc::new(Streams::default());
        let (mut stream, mut counter) = (1, counter);
        if let Some(early) = &early {
            streams.enter(FIRST.0, early.inbox.clone());
            (stream, counter) = (FIRST.0 + 1, FIRST.1 + 1);
        }
        let reading = tokio::spawn(receive(frames, streams.clone(), outbox.clone()));
        let pinging = tokio::spawn(ping(outbox.clone()));
        let tasks = vec![reading.abort_handle(), pinging.abort_handle()];
        Self(Arc::new(Shared {
            id,
            user: server.user,
            instance: server.instance,
            clock: server.clock,
            features: server.features,
            key,
            outbox,
            next: tokio::sync::Mutex::new((stream, counter)),
            streams,
            early: Mutex::new(early),
            tasks,
            writer: Mutex::new(Some(writer)),
        }))
    }

    /// Who is logged in.
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// Whether this server lets a run that has to wait begin by itself.
    pub fn knows_unattended(&self) -> bool {
        self.0.features.iter().any(|feature| feature == UNATTENDED)
    }

    /// Ends the connection as one does, so that the server need not keep the session for somebody
    /// who may come back. Of no effect while a clone is left.
    pub async fn close(self) {
        const PATIENCE: Duration = Duration::from_millis(200);
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
            other => Err(broken(other.word().to_owned())),
        }
    }

    /// Asks for something, and to be told of what happens to it afterwards.
    ///
    /// # Errors
    /// That the connection is lost, or that the server is too old to be followed. A refusal is the
    /// first thing that [`Following::next`] returns.
    pub async fn follow<V: Follows>(&self, verb: &V) -> Result<Following<V>, ClientError> {
        if !self.0.features.iter().any(|feature| feature == EVENTS) {
            let text = "this server is older than --follow: it tells nothing by itself";
            return Err(ClientError::new(Code::Version, text));
        }
        self.open(verb).await.map(Following::new)
    }

    /// Runs a command and returns once it has started.
    ///
    /// # Errors
    /// The server's refusal, or that the connection is lost.
    pub async fn run(&self, invocation: Invocation) -> Result<Run, ClientError> {
        let name = self.name_for(&invocation);
        self.ask_for_run(invocation, name, |_| {}).await
    }

    /// Runs a command as [`Session::run`] does, under this id: asked for again under the same id
    /// after a lost link, the server answers with the run that exists. `waits` is told when the run
    /// has to wait for its turn.
    ///
    /// # Errors
    /// What [`Session::run`] says.
    pub async fn ask_for_run(
        &self,
        invocation: Invocation,
        name: impl Into<RequestName>,
        waits: impl FnMut(Queued),
    ) -> Result<Run, ClientError> {
        self.ask_for(&verb::Run(invocation), name, waits).await
    }

    /// Asks for something that begins a run, as [`Session::ask_for_run`] does for a command.
    ///
    /// # Errors
    /// What [`Session::run`] says.
    pub async fn ask_for<V: Verb>(
        &self,
        verb: &V,
        name: impl Into<RequestName>,
        waits: impl FnMut(Queued),
    ) -> Result<Run, ClientError> {
        let name = name.into();
        let run = match self.take_early(&name) {
            Some(run) => run,
            None => self.open_with(verb, name).await?,
        };
        run.begun(&Due::fresh(), waits).await
    }

    /// The name of the request for this run that was sent with the login; a new one where none was.
    pub(super) fn name_for(&self, invocation: &Invocation) -> RequestName {
        let early = self.0.early.lock().unwrap_or_else(PoisonError::into_inner);
        let name = early.as_ref().and_then(|early| early.name(invocation));
        name.unwrap_or_else(|| RequestId::from_random(random()).into())
    }

    /// The stream of the request of this name, where it was sent with the login; once.
    fn take_early(&self, name: &RequestName) -> Option<Run> {
        let mut early = self.0.early.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = early.take_if(|early| early.is(name))?;
        Some(Run::opened(self.0.clone(), FIRST.0, taken.inbox))
    }

    /// What takes the session up again: as secret as a password.
    pub fn kept(&self) -> Kept {
        Kept {
            id: self.0.id,
            key: self.0.key.clone(),
        }
    }

    /// Which start of the daemon this session is with: what a request that is sent again names.
    pub fn instance(&self) -> Option<&str> {
        self.0.instance.as_deref()
    }

    /// This time from now on, by the server's own clock; nothing where it has told none.
    pub fn good_for(&self, time: Duration) -> Option<GoodUntil> {
        Some(GoodUntil {
            instance: self.0.instance.clone()?,
            not_after: self.0.clock?.after(time)?,
        })
    }

    /// Follows a run's output, or takes up this session's own run again.
    ///
    /// # Errors
    /// [`Code::NoSuchRun`], [`Code::Offset`], or that the connection is lost.
    pub async fn attach(&self, attachment: Attach) -> Result<Run, ClientError> {
        let due = Due::of(&attachment);
        self.open(&attachment).await?.begun(&due, |_| {}).await
    }

    /// The same session over a new connection, by its key and without a password.
    ///
    /// # Errors
    /// What [`connect`] says, and [`Code::LoginRefused`] when the server has forgotten the session.
    pub async fn reconnect(&self, options: &Options) -> Result<Self, ClientError> {
        let counter = self.0.next.lock().await.1;
        let connection = connect(options).await?;
        let another = self.0.instance.is_some() && connection.instance != self.0.instance;
        connection
            .come_back(&self.0.user, self.0.id, self.0.key.clone(), counter)
            .await
            .map_err(|error| match another && error.is(Code::LoginRefused) {
                true => ClientError {
                    text: "the server was started anew meanwhile, and does not know this session"
                        .into(),
                    ..error
                },
                false => error,
            })
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
            shared.streams.enter(stream, inbox.clone());
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

        Ok(Run::opened(shared.clone(), stream, inbox))
    }
}

fn too_large(arguments: Option<&mut Arguments>) -> ClientError {
    let length = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Many(values) => values.iter().map(String::len).sum(),
        Value::Secret(secret) => secret.bytes().len(),
        Value::Integer(_)
        | Value::Flag(_)
        | Value::Commitment(_)
        | Value::Misfit(_)
        | Value::TooMany(_) => 0,
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
        error.text = format!(
            "argument `{name}` has {length} bytes in all; a whole request may have {SIGNED_TEXT}"
        );
        error.argument = Some(name);
    }

    error
}
