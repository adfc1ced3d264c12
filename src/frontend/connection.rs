//! One connection, from the handshake to its end.

use super::census::Place;
use super::inbox::Inbox;
use super::live::{self, Client, Live};
use super::pump::{Pipes, Pump};
use super::registry::FromMonitor;
use super::stock::Nonce;
use super::{Current, Shared};
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ipc::{Bound, Misdeed, Outcome, SecretValue, ToFrontend, ToMonitor};
use crate::limits::{LAST_WORD, SILENCE, STREAM_WINDOW};
use crate::mux::{self, Outbox, ReadFault, Reader};
use crate::protocol::{
    ALPN, Code, Credit, EXPORTER_LABEL, Failure, Frame, FrameFault, Hello, Kind, LoggedIn, Login,
    Open, Phase, Ping, Queued, RESUME, Resize, Sender, VERSION, encode, read, write,
};
use crate::spool::{Spool, Stream as SpoolStream};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::ReadHalf;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::Instrument;

type Frames = Reader<ReadHalf<TlsStream<TcpStream>>>;

/// How a connection ended, for the log.
enum End {
    /// The client closed it as one does.
    Bye,
    /// It broke, or was cut.
    Quiet(String),
    /// We close it, with an ERROR frame.
    Tell(Code, String),
    /// The client broke the protocol: told, and recorded.
    Violation(Code, String),
}

impl End {
    /// The daemon ends, or its monitor is gone: nothing that was not answered has been done.
    fn stopping() -> Self {
        Self::Tell(Code::Stopping, "the server has stopped".into())
    }

    /// Whether the client may come back to what it had here.
    const fn by_accident(&self) -> bool {
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

/// Serves a connection whose place was taken.
pub async fn serve(
    shared: Arc<Shared>,
    current: Current,
    socket: TcpStream,
    peer: SocketAddr,
    place: Place,
) {
    let number = shared.number();
    let span = tracing::info_span!("connection", number, %peer);
    async move {
        let deadline = Instant::now() + Duration::from_millis(current.limits.handshake_ms);
        let _ = socket.set_nodelay(true);
        // The monitor asks this socket for its peer; given away with the login, closed when the
        // login is over.
        let Ok(proof) = socket.as_fd().try_clone_to_owned() else {
            return;
        };
        let mut nonce = None;
        let tls = match timeout_at(
            deadline,
            shake_hands(&shared, current.tls.clone(), socket, &mut nonce),
        )
        .await
        {
            Ok(Ok(tls)) => tls,
            failed => {
                // Nobody can log in with it where the handshake was not finished.
                shared.stock.add(nonce);
                let Ok(Err(fault)) = failed else {
                    tracing::info!("the handshake took too long");
                    return shared.misdeed(peer, Misdeed::Deadline).await;
                };
                tracing::info!(%fault, "the handshake failed");
                return shared.misdeed(peer, Misdeed::NoLogin).await;
            }
        };
        if tls.get_ref().1.alpn_protocol() != Some(ALPN) {
            tracing::info!("the client did not ask for ordain/1");
            return shared.misdeed(peer, Misdeed::NoLogin).await;
        }
        let mut messages = shared.registry.enter(number);
        let connection = Connection {
            shared: shared.clone(),
            number,
            limits: current.limits,
            place,
            comes_back: false,
            tried: false,
        };
        let lost = connection
            .talk(tls, proof, peer, nonce, &mut messages)
            .await;
        shared.registry.leave(number);
        while let Ok(message) = messages.try_recv() {
            if let FromMonitor::Started(_, live, pipes) = *message {
                // It was started just when its client went away: its rule applies.
                pump(&shared, live, None, pipes);
            }
        }
        shared
            .tell(ToMonitor::Gone {
                connection: number,
                lost,
            })
            .await;
    }
    .instrument(span)
    .await;
}

/// The handshake. To a client that speaks ordain/1 our HELLO goes with our half of it, where a
/// nonce is in stock: it can log in together with the other half, a round trip earlier. With client
/// certificates TLS holds it back until there is one.
async fn shake_hands(
    shared: &Shared,
    tls: Arc<ServerConfig>,
    socket: TcpStream,
    nonce: &mut Option<Nonce>,
) -> io::Result<TlsStream<TcpStream>> {
    let begun = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    if begun
        .client_hello()
        .alpn()
        .is_some_and(|mut names| names.any(|name| name == ALPN))
    {
        *nonce = shared.stock.take();
    }
    let hello = nonce.map(|nonce| encode(0, Kind::Hello, &write(&hello(shared, &nonce))));
    let shaken = begun.into_stream_with(tls, |tls| {
        if let Some(hello) = hello {
            // Into memory: it leaves with the handshake.
            let _ = tls.writer().write_all(&hello);
        }
    });
    shaken.await
}

fn hello(shared: &Shared, nonce: &Nonce) -> Hello {
    Hello {
        version: VERSION,
        software: concat!("ordaind ", env!("CARGO_PKG_VERSION")).into(),
        features: vec![RESUME.into()],
        nonce: Some(crate::encoding::base64(nonce)),
        instance: Some(shared.instance.clone()),
    }
}

struct Connection {
    shared: Arc<Shared>,
    number: ConnectionId,
    limits: crate::ipc::Limits,
    place: Place,
    /// Whether the client knows how to come back after a lost link.
    comes_back: bool,
    /// Whether it has tried to log in.
    tried: bool,
}

impl Connection {
    /// Returns whether the link was lost under a client that knows how to come back.
    async fn talk(
        mut self,
        tls: TlsStream<TcpStream>,
        proof: OwnedFd,
        peer: SocketAddr,
        nonce: Option<Nonce>,
        messages: &mut mpsc::Receiver<Box<FromMonitor>>,
    ) -> bool {
        let exporter = tls
            .get_ref()
            .1
            .export_keying_material([0; 32], EXPORTER_LABEL, None)
            .ok();
        let (reading, writing) = tokio::io::split(tls);
        let (outbox, outgoing) = mux::outbox();
        let mut writer = tokio::spawn(mux::write_all(writing, outgoing));
        let mut frames = Reader::new(reading, Sender::Client);
        let mut logged_in = false;
        let ended = match self
            .log_in(
                &mut frames,
                &outbox,
                messages,
                Greeting {
                    nonce,
                    proof,
                    peer,
                    exporter,
                },
            )
            .await
        {
            Ok(()) => {
                self.place.logged_in();
                frames.enter(Phase::Open);
                logged_in = true;
                Streams::new(&self, outbox.clone())
                    .serve(&mut frames, messages)
                    .await
            }
            Err(ended) => {
                self.blame(peer, &ended).await;
                ended
            }
        };
        let told = matches!(ended, End::Tell(..) | End::Violation(..));
        let lost = logged_in && self.comes_back && ended.by_accident();
        match ended {
            End::Bye => {}
            End::Quiet(why) => tracing::debug!(why, "closed"),
            End::Tell(code, text) => self.say_goodbye(&outbox, code, &text),
            End::Violation(code, text) => {
                self.shared
                    .tell(ToMonitor::Violation {
                        connection: self.number,
                        text: text.clone(),
                    })
                    .await;
                self.say_goodbye(&outbox, code, &text);
            }
        }
        drop(outbox);
        // What is queued gets a moment to leave; a client that does not read does not hold us.
        if tokio::time::timeout(Duration::from_secs(1), &mut writer)
            .await
            .is_err()
        {
            writer.abort();
        } else if told {
            // Closing while the client still sends would reset the connection, and with it the
            // ERROR just sent.
            let _ = tokio::time::timeout(Duration::from_millis(500), frames.discard()).await;
        }
        lost
    }

    /// What the source has to pay for, of a client that did not log in. Refused logins are the
    /// monitor's to count.
    async fn blame(&self, peer: SocketAddr, ended: &End) {
        let misdeed = match ended {
            End::Violation(..) => Misdeed::Violation,
            End::Tell(Code::Deadline, _) => Misdeed::Deadline,
            End::Bye | End::Quiet(_) if !self.tried => Misdeed::NoLogin,
            _ => return,
        };

        self.shared.misdeed(peer, misdeed).await;
    }

    fn say_goodbye(&self, outbox: &Outbox, code: Code, text: &str) {
        tracing::info!(code = code.number(), text, "closing");
        let failure = Failure {
            code: code.number(),
            text: text.into(),
            argument: None,
            rule: None,
        };

        let _ = outbox.try_control(0, Kind::Error, &failure);
    }

    /// Hello, login: all under one absolute deadline.
    async fn log_in(
        &mut self,
        frames: &mut Frames,
        outbox: &Outbox,
        messages: &mut mpsc::Receiver<Box<FromMonitor>>,
        Greeting {
            nonce,
            proof,
            peer,
            exporter,
        }: Greeting,
    ) -> Result<(), End> {
        let deadline = Instant::now() + Duration::from_millis(self.limits.login_ms);
        let late = |_| End::Tell(Code::Deadline, "the login took too long".into());
        let gone = |_| End::Quiet("the client is gone".into());
        self.shared
            .tell(ToMonitor::Hello {
                connection: self.number,
                source: peer.to_string(),
                nonce,
            })
            .await;
        if nonce.is_none() {
            let nonce = match timeout_at(deadline, messages.recv())
                .await
                .map_err(late)?
                .map(|message| *message)
            {
                Some(FromMonitor::Message(ToFrontend::Challenge { nonce, .. }, _)) => nonce,
                _ => return Err(End::stopping()),
            };
            outbox
                .control(0, Kind::Hello, &hello(&self.shared, &nonce))
                .await
                .map_err(gone)?;
        }
        let frame = timeout_at(deadline, heard(frames, messages))
            .await
            .map_err(late)??;
        let theirs: Hello = parse(&frame)?;
        if theirs.nonce.is_some() || theirs.instance.is_some() {
            return Err(End::Violation(
                Code::Protocol,
                "HELLO with a server's fields".into(),
            ));
        }
        if theirs.version != VERSION {
            return Err(End::Tell(
                Code::Version,
                format!("this server speaks version {VERSION}"),
            ));
        }
        self.comes_back = theirs.features.iter().any(|feature| feature == RESUME);
        frames.enter(Phase::Login);
        loop {
            let mut frame = timeout_at(deadline, heard(frames, messages))
                .await
                .map_err(late)??;
            let login = parse::<Login>(&frame);
            zeroize::Zeroize::zeroize(&mut frame.payload);
            let login = login?;
            let Ok(socket) = proof.try_clone() else {
                return Err(End::Tell(
                    Code::Internal,
                    "the server is out of descriptors".into(),
                ));
            };
            let message = ToMonitor::Login {
                connection: self.number,
                signed: login.signed,
                signature: login.signature,
                password: SecretValue(login.password),
                key_signature: login.key_signature,
                code: SecretValue(login.code),
                exporter,
            };
            self.tried = true;
            self.shared.tell_with(message, socket).await;
            let answer = timeout_at(deadline, messages.recv()).await.map_err(late)?;
            match answer.map(|message| *message) {
                Some(FromMonitor::Message(
                    ToFrontend::Login {
                        outcome:
                            Outcome::Accepted {
                                session,
                                user,
                                kept_s,
                            },
                        ..
                    },
                    _,
                )) => {
                    return outbox
                        .control(
                            0,
                            Kind::LoggedIn,
                            &LoggedIn {
                                session,
                                user,
                                kept_s,
                            },
                        )
                        .await
                        .map_err(gone);
                }
                Some(FromMonitor::Message(
                    ToFrontend::Login {
                        outcome: Outcome::Refused { code },
                        ..
                    },
                    _,
                )) => {
                    let code = Code::numbered(code).unwrap_or(Code::LoginRefused);
                    let text = refusal(code);
                    if code == Code::LoginTries {
                        return Err(End::Tell(code, text.into()));
                    }
                    let failure = Failure {
                        code: code.number(),
                        text: text.into(),
                        argument: None,
                        rule: None,
                    };
                    outbox
                        .control(0, Kind::Error, &failure)
                        .await
                        .map_err(gone)?;
                }
                _ => return Err(End::stopping()),
            }
        }
    }
}

/// What is known of a client after its handshake.
struct Greeting {
    /// The one it was given with our half of it.
    nonce: Option<Nonce>,
    /// Its socket, to be asked for its peer.
    proof: OwnedFd,
    peer: SocketAddr,
    exporter: Option<[u8; 32]>,
}

/// The next frame of a client that is not logged in. All that the monitor has to say meanwhile is
/// that it must go.
async fn heard(
    frames: &mut Frames,
    messages: &mut mpsc::Receiver<Box<FromMonitor>>,
) -> Result<Frame, End> {
    tokio::select! {
        frame = frames.frame() => Ok(frame?),
        _ = messages.recv() => Err(End::stopping()),
    }
}

/// The same words for every cause.
const fn refusal(code: Code) -> &'static str {
    match code {
        Code::LoginBusy => "too many logins are waiting; try again in a moment",
        Code::CodeWanted => "a one-time code is wanted",
        Code::LoginTries => "login refused, and this connection has no tries left",
        Code::Trail => "the audit trail cannot be written, so nobody can log in",
        _ => "login refused",
    }
}

fn parse<M: serde::de::DeserializeOwned>(frame: &Frame) -> Result<M, End> {
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

/// The streams of a connection whose user is known.
struct Streams<'c> {
    connection: &'c Connection,
    outbox: Outbox,
    open: HashMap<StreamId, Stream>,
    highest: StreamId,
    ended: (mpsc::Sender<StreamId>, mpsc::Receiver<StreamId>),
    /// When the connection ends, once the daemon has said that it is over: the ends of runs go
    /// before.
    closing: Option<Instant>,
}

/// One stream.
enum Stream {
    /// The monitor has not answered yet; the parts of a long answer so far.
    Asked(Vec<u8>),
    /// A run, with its pump.
    Running {
        inbox: Arc<Inbox>,
        /// The run whose input the client may send, until it has said the end of it.
        input: Option<Arc<Live>>,
    },
}

impl<'c> Streams<'c> {
    fn new(connection: &'c Connection, outbox: Outbox) -> Self {
        Self {
            connection,
            outbox,
            open: HashMap::new(),
            highest: 0,
            ended: mpsc::channel(64),
            closing: None,
        }
    }

    /// Serves until the connection ends; then every stream has lost its client.
    async fn serve(
        mut self,
        frames: &mut Frames,
        messages: &mut mpsc::Receiver<Box<FromMonitor>>,
    ) -> End {
        let end = self
            .work(frames, messages)
            .await
            .err()
            .unwrap_or_else(End::stopping);
        // What has ended meanwhile is not lost.
        while let Ok(stream) = self.ended.1.try_recv() {
            self.open.remove(&stream);
        }
        let lost = self.connection.comes_back && end.by_accident();
        for stream in self.open.values() {
            if let Stream::Running { inbox, .. } = stream {
                inbox.leave(|held| {
                    held.abandoned = true;
                    held.left = !lost;
                });
            }
        }
        end
    }

    async fn work(
        &mut self,
        frames: &mut Frames,
        messages: &mut mpsc::Receiver<Box<FromMonitor>>,
    ) -> Result<(), End> {
        let shared = self.connection.shared.clone();
        let mut told = false;
        let silence = tokio::time::sleep(SILENCE);
        tokio::pin!(silence);
        loop {
            if shared.draining() && !told {
                told = true;
                let _ = self.outbox.try_control(
                    0,
                    Kind::Goaway,
                    &serde_json::json!({ "text": "the server is stopping" }),
                );
            }
            if self.closing.is_some()
                && !self
                    .open
                    .values()
                    .any(|stream| matches!(stream, Stream::Running { .. }))
            {
                return Err(End::stopping());
            }
            let last = self.closing;
            let draining = shared.drain.notified();
            tokio::select! {
                () = async { tokio::time::sleep_until(last.unwrap_or_else(Instant::now)).await }, if last.is_some() => {
                    return Err(End::stopping());
                }
                frame = frames.frame() => {
                    silence.as_mut().reset(Instant::now() + SILENCE);
                    self.take(frame?).await?;
                }
                message = messages.recv() => match message.map(|message| *message) {
                    Some(FromMonitor::Message(message, descriptors)) => self.told(message, descriptors).await?,
                    Some(FromMonitor::Started(stream, live, pipes)) => self.started(stream, live, pipes).await?,
                    None => return Ok(()),
                },
                Some(stream) = self.ended.1.recv() => { self.open.remove(&stream); }
                () = draining, if !told => {}
                () = self.outbox.closed() => return Err(End::Quiet("writing failed".into())),
                () = &mut silence => return Err(End::Tell(Code::Deadline, format!("nothing was heard for {} s", SILENCE.as_secs()))),
            }
        }
    }

    /// A frame of the client's.
    async fn take(&mut self, frame: Frame) -> Result<(), End> {
        let violation = |text: &str| {
            Err(End::Violation(
                Code::Protocol,
                format!("{} {text}", frame.kind.word()),
            ))
        };

        match frame.kind {
            Kind::Ping => {
                let ping: Ping = parse(&frame)?;

                // A client that asks faster than it reads gets no answer to some; it has no need of
                // them.
                let _ = self.outbox.try_control(0, Kind::Pong, &ping);
                Ok(())
            }

            Kind::Pong => parse::<Ping>(&frame).map(|_| ()),
            Kind::Open => {
                crate::sys::fault_point("frontend-asked");
                let mut frame = frame;
                let outcome = self.open(&frame).await;

                // It may have held secrets.
                zeroize::Zeroize::zeroize(&mut frame.payload);
                outcome
            }

            Kind::Stdin | Kind::Eof | Kind::Credit | Kind::Reset | Kind::Resize
                if frame.stream > self.highest =>
            {
                violation("on a stream that was never opened")
            }
            Kind::Stdin => self.stdin(frame).await,
            Kind::Eof | Kind::Credit | Kind::Resize
                if matches!(self.open.get(&frame.stream), Some(Stream::Asked(_))) =>
            {
                violation("before STARTED")
            }
            Kind::Eof => {
                parse::<Empty>(&frame)?;
                if let Some(Stream::Running { inbox, input }) = self.open.get_mut(&frame.stream) {
                    *input = None;
                    inbox.leave(|held| held.eof = true);
                }

                Ok(())
            }

            Kind::Credit => {
                let credit: Credit = parse(&frame)?;

                // More than a window was never taken from the client, so it cannot be given back.
                if credit.bytes == 0 || credit.bytes as usize > STREAM_WINDOW {
                    return violation("of an impossible size");
                }
                if let Some(Stream::Running { inbox, .. }) = self.open.get(&frame.stream) {
                    inbox.leave(|held| held.credit += u64::from(credit.bytes));
                }
                Ok(())
            }

            Kind::Resize => {
                let size: Resize = parse(&frame)?;
                if let Some(Stream::Running { inbox, .. }) = self.open.get(&frame.stream) {
                    inbox.leave(|held| held.resize = Some((size.columns, size.rows)));
                }
                Ok(())
            }

            Kind::Reset => {
                parse::<Empty>(&frame)?;
                if let Some(stream) = self.open.remove(&frame.stream) {
                    if let Stream::Running { inbox, .. } = stream {
                        inbox.leave(left);
                    }
                    self.leave(frame.stream).await;
                }

                Ok(())
            }

            _ => violation("is not expected here"),
        }
    }

    async fn open(&mut self, frame: &Frame) -> Result<(), End> {
        if frame.stream <= self.highest {
            return Err(End::Violation(
                Code::Protocol,
                format!("OPEN of stream {} after {}", frame.stream, self.highest),
            ));
        }

        self.highest = frame.stream;
        let open: Open = parse(frame)?;
        if self.open.len() >= self.connection.limits.streams_per_connection as usize {
            let most = self.connection.limits.streams_per_connection;
            let text = format!(
                "this connection has {most} streams open, as many as limits.streams_per_connection allows"
            );
            return self.fail(frame.stream, Code::TooManyRuns, text).await;
        }

        self.open.insert(frame.stream, Stream::Asked(Vec::new()));
        let secrets = open
            .secrets
            .into_iter()
            .map(|(name, part)| (name, SecretValue(part.value.clone()), part.salt.clone()))
            .collect();
        let message = ToMonitor::Request {
            connection: self.connection.number,
            stream: frame.stream,
            signed: open.signed,
            signature: open.signature,
            secrets,
        };

        self.connection.shared.tell(message).await;
        Ok(())
    }

    async fn stdin(&mut self, frame: Frame) -> Result<(), End> {
        let length = frame.payload.len() as u64;
        let ended = match self.open.get_mut(&frame.stream) {
            // The stream has ended; what was on its way then is nobody's fault.
            None => return Ok(()),
            Some(Stream::Asked(_)) => {
                return Err(End::Violation(
                    Code::Protocol,
                    "STDIN before STARTED".into(),
                ));
            }

            Some(Stream::Running { input: None, .. }) => {
                return Err(End::Violation(
                    Code::Protocol,
                    "STDIN that was not asked for, or after EOF".into(),
                ));
            }

            Some(Stream::Running {
                input: Some(live), ..
            }) if !live.takes(length) => Some(live.run),
            Some(Stream::Running { inbox, .. }) => {
                if !inbox.input(frame.payload) {
                    return Err(End::Violation(
                        Code::Protocol,
                        "STDIN beyond its credit".into(),
                    ));
                }

                None
            }
        };

        if let Some(run) = ended {
            self.connection
                .shared
                .tell(ToMonitor::Exceeded {
                    run: *run.bytes(),
                    bound: Bound::Input,
                })
                .await;
            if let Some(Stream::Running { inbox, .. }) = self.open.remove(&frame.stream) {
                inbox.leave(left);
            }
            self.leave(frame.stream).await;
            return self
                .fail(
                    frame.stream,
                    Code::Stdin,
                    "more standard input than the command's `stdin.max` allows; the run is ended"
                        .into(),
                )
                .await;
        }

        Ok(())
    }

    async fn leave(&self, stream: StreamId) {
        self.connection
            .shared
            .tell(ToMonitor::Leave {
                connection: self.connection.number,
                stream,
            })
            .await;
    }

    async fn fail(&self, stream: StreamId, code: Code, text: String) -> Result<(), End> {
        let failure = Failure {
            code: code.number(),
            text,
            argument: None,
            rule: None,
        };

        patiently(self.outbox.control(stream, Kind::Error, &failure)).await
    }

    /// A message of the monitor's.
    async fn told(&mut self, message: ToFrontend, descriptors: Vec<OwnedFd>) -> Result<(), End> {
        match message {
            ToFrontend::Answer {
                stream, part, last, ..
            } => {
                let Some(Stream::Asked(held)) = self.open.get_mut(&stream) else {
                    return Ok(());
                };
                held.extend_from_slice(&part);
                if last {
                    let frame = encode(stream, Kind::Answer, held);
                    self.open.remove(&stream);
                    return patiently(self.outbox.bytes(frame)).await;
                }

                Ok(())
            }

            ToFrontend::Refused {
                stream,
                code,
                text,
                argument,
                rule,
                ..
            } => {
                if self.open.remove(&stream).is_none() {
                    return Ok(());
                }
                patiently(self.outbox.control(
                    stream,
                    Kind::Error,
                    &Failure {
                        code,
                        text,
                        argument,
                        rule,
                    },
                ))
                .await
            }

            ToFrontend::Queued {
                stream, run, text, ..
            } => {
                if !matches!(self.open.get(&stream), Some(Stream::Asked(_))) {
                    return Ok(());
                }
                let queued = Queued {
                    run: RunId::from_random(run).to_string(),
                    text,
                };

                patiently(self.outbox.control(stream, Kind::Queued, &queued)).await
            }

            ToFrontend::Attach {
                stream,
                run,
                capacity,
                from,
                follow,
                resume,
                ended,
                ..
            } => {
                let run = RunId::from_random(run);
                let spool = descriptors.into_iter().next().ok_or_else(|| {
                    End::Tell(Code::Internal, "a run came without its spool".into())
                })?;
                let over = ended.map(|(end, counts, (cut, held_open))| {
                    let [_, stdout, stderr] = counts;
                    let spool = Spool::finished(spool, capacity, [stdout, stderr]);
                    Arc::new(Live::over(
                        run,
                        spool,
                        live::ended(run, end, counts, cut, held_open),
                    ))
                });

                self.attach(stream, run, over, from, follow, resume).await
            }

            ToFrontend::Close { code, .. } if code == Code::Stopping.number() => {
                // The monitor knows how every run has ended; the pumps may still be saying so.
                self.closing = Some(Instant::now() + LAST_WORD);
                Ok(())
            }

            ToFrontend::Close { code, .. } => {
                let code = Code::numbered(code).unwrap_or(Code::Internal);
                let text = match code {
                    Code::Revoked => "this session was ended",
                    Code::TakenOver => "this session has gone on over another connection",
                    _ => "the server ends this connection",
                };

                Err(End::Tell(code, text.into()))
            }

            ToFrontend::Challenge { .. }
            | ToFrontend::Login { .. }
            | ToFrontend::Configure(_)
            | ToFrontend::Nonces(_)
            | ToFrontend::CloseOut { .. }
            | ToFrontend::LetIn
            | ToFrontend::Ping
            | ToFrontend::Drain
            | ToFrontend::Started { .. }
            | ToFrontend::Adopt { .. }
            | ToFrontend::Exited { .. } => Ok(()),
        }
    }

    async fn started(
        &mut self,
        stream: StreamId,
        live: Arc<Live>,
        pipes: Pipes,
    ) -> Result<(), End> {
        let abandoned = !matches!(self.open.get(&stream), Some(Stream::Asked(_)));
        let client = self.client(stream, [0; 2]);
        if abandoned {
            // Reset while it was being started: its rule applies.
            client.inbox.leave(left);
            self.leave(stream).await;
        } else {
            let input = live.rules.stdin.map(|_| live.clone());
            self.open.insert(
                stream,
                Stream::Running {
                    inbox: client.inbox.clone(),
                    input,
                },
            );
            let started = live.started(live.rules.stdin.is_some());
            let told = patiently(self.outbox.control(stream, Kind::Started, &started)).await;
            pump(&self.connection.shared, live, Some(client), pipes);
            return told;
        }
        pump(&self.connection.shared, live, Some(client), pipes);
        Ok(())
    }

    fn client(&self, stream: StreamId, sent: [u64; 2]) -> Client {
        Client {
            connection: self.connection.number,
            stream,
            outbox: self.outbox.clone(),
            inbox: Arc::new(Inbox::default()),
            sent,
            allowance: mux::Allowance::default(),
            over: self.ended.0.clone(),
        }
    }

    /// Somebody wants a run's output: its own session takes it up again, or it is followed beside
    /// whoever else follows.
    async fn attach(
        &mut self,
        stream: StreamId,
        run: RunId,
        over: Option<Arc<Live>>,
        from: [Option<u64>; 2],
        follow: bool,
        resume: bool,
    ) -> Result<(), End> {
        if !matches!(self.open.get(&stream), Some(Stream::Asked(_))) {
            return Ok(());
        }
        let Some(live) = over.or_else(|| self.connection.shared.runs.find(run)) else {
            self.open.remove(&stream);
            return self
                .fail(stream, Code::NoSuchRun, "there is no such run".into())
                .await;
        };
        let kept = SpoolStream::BOTH.map(|stream| live.spool.range(stream).0);
        let mut client = self.client(
            stream,
            [from[0].unwrap_or(kept[0]), from[1].unwrap_or(kept[1])],
        );
        let input = live.rules.stdin.filter(|_| resume).map(|_| live.clone());
        self.open.insert(
            stream,
            Stream::Running {
                inbox: client.inbox.clone(),
                input,
            },
        );
        if resume {
            match live.come_back(client) {
                Ok(()) => return Ok(()),
                Err(back) => client = back,
            }
        }
        tokio::spawn(live::follow(live, client, follow || resume));
        Ok(())
    }
}

/// The client has given the stream up by itself.
const fn left(held: &mut super::inbox::Held) {
    held.abandoned = true;
    held.left = true;
}

/// Starts a run's pump.
pub fn pump(shared: &Arc<Shared>, live: Arc<Live>, client: Option<Client>, pipes: Pipes) {
    let span = tracing::info_span!("run", id = %live.run);
    let shared = shared.clone();
    let stream = client
        .as_ref()
        .map(|client| (client.stream, client.outbox.clone()));
    tokio::spawn(
        async move {
            let run = live.run;
            let pump = Pump {
                live,
                shared: shared.clone(),
                client,
            };

            if let Err(fault) = pump.run(pipes).await {
                tracing::error!(%fault, "a run's pipes could not be watched");
                shared.runs.leave(run);
                if let Some((stream, outbox)) = &stream {
                    let text =
                        "the run's output cannot be read; what became of it is not known".into();
                    let failure = Failure {
                        code: Code::Internal.number(),
                        text,
                        argument: None,
                        rule: None,
                    };

                    let _ = outbox.control(*stream, Kind::Error, &failure).await;
                }

                shared
                    .tell(ToMonitor::Finished {
                        run: *run.bytes(),
                        stdin: 0,
                        stdout: 0,
                        stderr: 0,
                        cut: false,
                        held_open: false,
                    })
                    .await;
            }

            // Whoever holds a way to the client holds up the end of its connection.
            drop(stream);

            // Its spool goes with it; the monitor has its own.
            tokio::time::sleep(crate::limits::FINISHED).await;
            shared.runs.forget(run);
        }
        .instrument(span),
    );
}

/// Waits for room in the queue, but not for ever: a client that reads nothing at all is gone.
async fn patiently(queued: impl Future<Output = Result<(), mux::Closed>>) -> Result<(), End> {
    match tokio::time::timeout(SILENCE, queued).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(mux::Closed)) => Err(End::Quiet("the client is gone".into())),
        Err(_) => Err(End::Quiet("the client reads nothing".into())),
    }
}

/// The payload of frames that say it all by their kind.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}
