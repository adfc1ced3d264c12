//! HELLO and login of one connection, all under one absolute deadline.

use super::registry::FromMonitor;
use super::shared::Shared;
use super::stock::Nonce;
use super::wire::{End, Frames, Link, Understood, failure, parse};
use crate::ipc::{Manifest, Name, Outcome, SecretValue, ToFrontend, ToMonitor};
use crate::mux::{Closed, Outbox};
use crate::protocol::{
    Code, EARLY, EVENTS, Frame, GATHERED, Hello, Kind, LoggedIn, Login, Phase, RESUME, STOPPING,
    UNATTENDED, VERSION, WINDOW,
};
use crate::sys;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// The server's HELLO with this nonce.
pub fn hello(shared: &Shared, nonce: &Nonce) -> Hello {
    Hello {
        version: VERSION,
        software: concat!("ordaind ", env!("CARGO_PKG_VERSION")).into(),
        features: [RESUME, EVENTS, WINDOW, EARLY, GATHERED, UNATTENDED]
            .map(String::from)
            .to_vec(),
        nonce: Some(crate::encoding::base64(nonce)),
        instance: Some(shared.instance.clone()),
        now_ms: Some(sys::machine_ms()),
    }
}

/// What is known of a client after its handshake.
pub struct Greeting {
    /// The nonce that the client was given with our half of the handshake.
    pub nonce: Option<Nonce>,
    /// The client's socket, to be asked for its peer.
    pub proof: OwnedFd,
    /// Where the client seems to come from.
    pub peer: SocketAddr,
    /// What TLS says of this connection alone.
    pub exporter: Option<[u8; 32]>,
}

/// A client on its way in.
pub struct Entrance<'c> {
    /// The client's connection.
    pub link: &'c Link,
    /// What the client says.
    pub frames: &'c mut Frames,
    /// The way to the client.
    pub outbox: &'c Outbox,
    /// What the monitor says of the client.
    pub messages: &'c mut mpsc::Receiver<Box<FromMonitor>>,
    /// Whether the client has tried to log in.
    pub tried: bool,
}

impl Entrance<'_> {
    /// Says HELLO and takes logins. Returns what the client understands.
    pub async fn log_in(&mut self, greeting: Greeting) -> Result<Understood, End> {
        let deadline = Instant::now() + Duration::from_millis(self.link.limits.login_ms);
        self.greet(&greeting, deadline).await?;
        let client = self.hear_hello(deadline).await?;
        self.frames.enter(Phase::Login);
        loop {
            let mut frame = self.heard(deadline).await?;
            self.frames.expect_early(false);
            if frame.kind == Kind::Open {
                // It was sent with the login that was refused, and is nobody's.
                zeroize::Zeroize::zeroize(&mut frame.payload);
                continue;
            }
            let login = parse::<Login>(&frame);
            zeroize::Zeroize::zeroize(&mut frame.payload);
            match self.ask(login?, &greeting, deadline).await? {
                Outcome::Accepted {
                    session,
                    user,
                    kept_s,
                } => {
                    let logged_in = LoggedIn {
                        session,
                        user,
                        kept_s,
                    };

                    return self
                        .outbox
                        .control(0, Kind::LoggedIn, &logged_in)
                        .await
                        .map(|()| client)
                        .map_err(gone);
                }

                Outcome::Refused { code } => {
                    self.refuse(code).await?;
                    self.frames.expect_early(client.asks_early);
                }
            }
        }
    }

    /// Tells the monitor of the client; says HELLO, where that did not leave with the handshake.
    async fn greet(&mut self, greeting: &Greeting, deadline: Instant) -> Result<(), End> {
        let nonce = greeting.nonce;
        self.link
            .shared
            .tell(ToMonitor::Hello {
                connection: self.link.number,
                source: greeting.peer.to_string(),
                nonce,
            })
            .await;
        if nonce.is_some() {
            return Ok(());
        }

        let Some(FromMonitor::Message(ToFrontend::Challenge { nonce, .. }, _)) =
            self.answer(deadline).await?
        else {
            return Err(End::stopping());
        };
        self.outbox
            .control(0, Kind::Hello, &hello(&self.link.shared, &nonce))
            .await
            .map_err(gone)
    }

    /// The client's HELLO: what it understands.
    async fn hear_hello(&mut self, deadline: Instant) -> Result<Understood, End> {
        let theirs: Hello = parse(&self.heard(deadline).await?)?;
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
        let knows = |name: &str| theirs.features.iter().any(|feature| feature == name);
        Ok(Understood {
            comes_back: knows(RESUME),
            waits_for_the_next: knows(STOPPING),
            grows: knows(WINDOW),
            asks_early: knows(EARLY),
        })
    }

    /// Passes a login on to the monitor, with the client's socket, and waits for its word.
    async fn ask(
        &mut self,
        login: Login,
        greeting: &Greeting,
        deadline: Instant,
    ) -> Result<Outcome, End> {
        let Ok(socket) = greeting.proof.try_clone() else {
            return Err(End::Tell(
                Code::Internal,
                "the server is out of descriptors".into(),
            ));
        };
        let message = ToMonitor::Login {
            connection: self.link.number,
            signed: login.signed,
            signature: login.signature,
            password: SecretValue(login.password),
            key_signature: login.key_signature,
            gathered: login.gathered,
            code: SecretValue(login.code),
            exporter: greeting.exporter,
        };

        self.tried = true;
        let manifest = Manifest::default().with(Name::Client, socket);
        self.link.shared.tell_with(message, manifest).await;
        match self.answer(deadline).await? {
            Some(FromMonitor::Message(ToFrontend::Login { outcome, .. }, _)) => Ok(outcome),
            _ => Err(End::stopping()),
        }
    }

    /// Tells the client that its login was refused; an error when it has no tries left.
    async fn refuse(&self, code: u16) -> Result<(), End> {
        let code = Code::numbered(code).unwrap_or(Code::LoginRefused);
        let text = refusal(code);
        if code == Code::LoginTries {
            return Err(End::Tell(code, text.into()));
        }
        self.outbox
            .control(0, Kind::Error, &failure(code, text))
            .await
            .map_err(gone)
    }

    /// The next frame of a client that is not logged in. All that the monitor has to say meanwhile
    /// is that it must go.
    async fn heard(&mut self, deadline: Instant) -> Result<Frame, End> {
        let next = async {
            tokio::select! {
                frame = self.frames.frame() => Ok(frame?),
                _ = self.messages.recv() => Err(End::stopping()),
            }
        };

        timeout_at(deadline, next).await.map_err(|_| late())?
    }

    /// The monitor's next message for this connection.
    async fn answer(&mut self, deadline: Instant) -> Result<Option<FromMonitor>, End> {
        let message = timeout_at(deadline, self.messages.recv()).await;
        Ok(message.map_err(|_| late())?.map(|message| *message))
    }
}

/// The end of a connection whose login took too long.
fn late() -> End {
    End::Tell(Code::Deadline, "the login took too long".into())
}

/// The end of a connection whose client is gone.
fn gone(_: Closed) -> End {
    End::Quiet("the client is gone".into())
}

/// What a refused client reads: the same words for every cause.
const fn refusal(code: Code) -> &'static str {
    match code {
        Code::LoginBusy => "too many logins are waiting; try again in a moment",
        Code::CodeWanted => "a one-time code is wanted",
        Code::GroupsUnknown => {
            "the server cannot find out now in which groups of its system this user is; try again in a moment"
        }
        Code::LoginTries => "login refused, and this connection has no tries left",
        Code::OverLimit => {
            "this user has as much as they may have (limits.sessions_per_user, limits.trail_per_user)"
        }
        Code::Trail => "the audit trail cannot be written, so nobody can log in",
        _ => "login refused",
    }
}
