//! One connection, from the handshake to its end.

use super::census::Place;
use super::login::{Entrance, Greeting, hello};
use super::pump;
use super::registry::FromMonitor;
use super::shared::{Current, Shared};
use super::stock::Nonce;
use super::streams::Streams;
use super::wire::{End, Frames, Link, Understood, failure};
use crate::ids::ConnectionId;
use crate::ipc::{Misdeed, ToMonitor};
use crate::mux::{self, Outbox, Reader};
use crate::protocol::{ALPN, Code, EXPORTER_LABEL, Kind, Phase, Sender, encode, write};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::Instrument;

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
        let _ = socket.set_nodelay(true);
        // The monitor asks this socket for its peer; given away with the login, closed when the
        // login is over.
        let Ok(proof) = socket.as_fd().try_clone_to_owned() else {
            return;
        };
        let call = place.call();
        let mut nonce = None;
        let secured = tokio::select! {
            secured = secured(&shared, &current, socket, &mut nonce) => secured.map_err(Some),
            () = call.heard() => {
                tracing::info!("makes room for others during the handshake");
                Err(None)
            }
        };
        let tls = match secured {
            Ok(tls) => tls,
            Err(misdeed) => return failed(&shared, peer, misdeed, nonce).await,
        };

        let exporter = tls
            .get_ref()
            .1
            .export_keying_material([0; 32], EXPORTER_LABEL, None)
            .ok();

        let mut messages = shared.registry.enter(number);
        let connection = Connection {
            link: Link {
                shared: shared.clone(),
                number,
                limits: current.limits,
                client: Understood::default(),
            },
            place,
            peer,
        };
        let greeting = Greeting {
            nonce,
            proof,
            peer,
            exporter,
        };

        let lost = connection.talk(tls, greeting, &mut messages).await;
        gone(&shared, number, messages, lost).await;
    }
    .instrument(span)
    .await;
}

/// A client did not come past its handshake: it pays for that, if it is its fault. The nonce that it
/// was given it may have seen, and nobody else gets it.
async fn failed(shared: &Shared, peer: SocketAddr, misdeed: Option<Misdeed>, nonce: Option<Nonce>) {
    if let Some(nonce) = nonce {
        shared.tell(ToMonitor::Spoilt { nonce }).await;
    }
    if let Some(misdeed) = misdeed {
        shared.misdeed(peer, misdeed).await;
    }
}

/// The client has gone: the monitor is told, after what it had still said.
async fn gone(
    shared: &Arc<Shared>,
    number: ConnectionId,
    mut messages: mpsc::Receiver<Box<FromMonitor>>,
    lost: bool,
) {
    shared.registry.leave(number);
    while let Ok(message) = messages.try_recv() {
        if let FromMonitor::Started(_, live, pipes) = *message {
            // It was started just when its client went away: its rule applies.
            pump::start(shared, live, None, pipes);
        }
    }
    shared
        .tell(ToMonitor::Gone {
            connection: number,
            lost,
        })
        .await;
}

/// The handshake with a client that speaks ordain/1, under its deadline; the error is what its
/// source has to pay for.
async fn secured(
    shared: &Shared,
    current: &Current,
    socket: TcpStream,
    nonce: &mut Option<Nonce>,
) -> Result<TlsStream<TcpStream>, Misdeed> {
    let deadline = Instant::now() + Duration::from_millis(current.limits.handshake_ms);
    let shaken = shake_hands(shared, current.tls.clone(), socket, nonce);
    let tls = match timeout_at(deadline, shaken).await {
        Ok(Ok(tls)) => tls,
        failed => {
            let Ok(Err(fault)) = failed else {
                tracing::info!("the handshake took too long");
                return Err(Misdeed::Deadline);
            };
            tracing::info!(%fault, "the handshake failed");
            return Err(Misdeed::NoLogin);
        }
    };

    if tls.get_ref().1.alpn_protocol() != Some(ALPN) {
        tracing::info!("the client did not ask for ordain/1");
        return Err(Misdeed::NoLogin);
    }
    Ok(tls)
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

/// A connection whose handshake is done.
struct Connection {
    link: Link,
    place: Place,
    peer: SocketAddr,
}

impl Connection {
    /// Returns whether the link was lost under a client that knows how to come back.
    async fn talk(
        mut self,
        tls: TlsStream<TcpStream>,
        greeting: Greeting,
        messages: &mut mpsc::Receiver<Box<FromMonitor>>,
    ) -> bool {
        let (reading, writing) = tokio::io::split(tls);
        let (outbox, outgoing) = mux::outbox();
        let mut writer = tokio::spawn(mux::write_all(writing, outgoing));
        let mut frames = Reader::new(reading, Sender::Client);
        let (ended, logged_in) = self.work(greeting, &mut frames, &outbox, messages).await;
        let told = matches!(ended, End::Tell(..) | End::Violation(..));
        let lost = logged_in && self.link.client.comes_back && ended.by_accident();
        self.close(ended, &outbox).await;
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

    /// Login, then streams. Returns how it has ended, and whether somebody was logged in.
    async fn work(
        &mut self,
        greeting: Greeting,
        frames: &mut Frames,
        outbox: &Outbox,
        messages: &mut mpsc::Receiver<Box<FromMonitor>>,
    ) -> (End, bool) {
        let mut entrance = Entrance {
            link: &self.link,
            frames,
            outbox,
            messages,
            tried: false,
        };

        let call = self.place.call();
        let entered = tokio::select! {
            entered = entrance.log_in(greeting) => entered,
            () = call.heard() => Err(End::Quiet("it makes room for others before its login".into())),
        };
        match entered {
            Ok(client) => {
                self.link.client = client;
                self.place.logged_in();
                frames.enter(Phase::Open);
                let streams = Streams::new(&self.link, outbox.clone());
                (streams.serve(frames, messages).await, true)
            }

            Err(ended) => {
                let tried = entrance.tried;
                self.blame(&ended, tried).await;
                (ended, false)
            }
        }
    }

    /// What the source has to pay for, of a client that did not log in. Refused logins are the
    /// monitor's to count.
    async fn blame(&self, ended: &End, tried: bool) {
        let misdeed = match ended {
            End::Violation(..) => Misdeed::Violation,
            End::Tell(Code::Deadline, _) => Misdeed::Deadline,
            End::Bye | End::Quiet(_) if !tried => Misdeed::NoLogin,
            _ => return,
        };

        self.link.shared.misdeed(self.peer, misdeed).await;
    }

    /// Says how it ends to whoever is to know: the client, the monitor, the log.
    async fn close(&self, ended: End, outbox: &Outbox) {
        match ended {
            End::Bye => {}
            End::Quiet(why) => tracing::debug!(why, "closed"),
            End::Tell(code, text) => say_goodbye(outbox, code, &text),
            End::Violation(code, text) => {
                self.link
                    .shared
                    .tell(ToMonitor::Violation {
                        connection: self.link.number,
                        text: text.clone(),
                    })
                    .await;
                say_goodbye(outbox, code, &text);
            }
        }
    }
}

fn say_goodbye(outbox: &Outbox, code: Code, text: &str) {
    tracing::info!(code = code.number(), text, "closing");
    let _ = outbox.try_control(0, Kind::Error, &failure(code, text));
}
