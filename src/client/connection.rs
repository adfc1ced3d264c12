//! Reaching a server: TCP, TLS, and who it is.

use super::ClientError;
use super::error::{lost, silence, silent};
use super::moment::Clock;
use super::reach;
use super::resolve;
use crate::encoding::unbase64;
use crate::host::Host;
use crate::mux::{self, Outbox, Reader};
use crate::protocol::{
    Code, EARLY, EXPORTER_LABEL, Failure, Hello, Kind, Phase, RESUME, STOPPING, Sender, VERSION,
    WINDOW, read,
};
use crate::sys;
use crate::tls::Fingerprint;
use crate::verb::Invocation;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncWriteExt, ReadHalf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server's host name or address.
    pub host: Host,
    /// The server's port.
    pub port: u16,
    /// The name that the certificate must have, where that is another than the host.
    pub tls_name: Option<Host>,
    /// What makes it the right server.
    pub tls: Arc<ClientConfig>,
    /// How long reaching it may take, all attempts together.
    pub timeout: Duration,
}

/// A server that was reached and is the right one; nobody is logged in yet.
pub struct Connection {
    /// What the server says.
    pub(super) frames: Frames,
    /// What says goodbye when nothing is left to be sent.
    pub(super) writer: JoinHandle<io::Result<()>>,
    /// The way to the server.
    pub(super) outbox: Outbox,
    /// What a login must sign.
    pub(super) nonce: String,
    /// What TLS says of this connection alone.
    pub(super) exporter: [u8; 32],
    pub(super) server_key: Fingerprint,
    peer: SocketAddr,
    software: String,
    /// The random name of the daemon's start.
    pub(super) instance: Option<String>,
    /// What the clock of that start shows.
    pub(super) clock: Option<Clock>,
    pub(super) features: Vec<String>,
    /// The run that is asked for together with the login.
    pub(super) early: Option<Asking>,
}

/// A run that is to be asked for together with the login.
pub struct Asking {
    /// What is to run.
    pub invocation: Invocation,
    /// Told when the request leaves.
    pub leaves: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Asking {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.invocation.fmt(out)
    }
}

impl Connection {
    /// Asks for a run together with the login, where the server takes that: one round trip less.
    /// [`super::Durable::start`] and [`super::Session::run`] go on with it. `leaves` is called
    /// directly before the request leaves: from then on the run may be there.
    #[must_use]
    pub fn asking_for(
        mut self,
        invocation: Invocation,
        leaves: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        self.early = Some(Asking {
            invocation,
            leaves: Box::new(leaves),
        });
        self
    }

    /// The server's public key.
    pub const fn server_key(&self) -> Fingerprint {
        self.server_key
    }

    /// The address that was reached.
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What the server says it is.
    pub fn software(&self) -> &str {
        &self.software
    }
}

/// The frames that come from a server.
pub(super) type Frames = Reader<ReadHalf<TlsStream<TcpStream>>>;

/// Reaches a server and makes sure of it.
///
/// # Errors
/// [`Code::Connect`], [`Code::ConnectTimeout`], [`Code::Untrusted`], [`Code::Version`],
/// [`Code::ConnectionLost`], or what the server says.
pub async fn connect(options: &Options) -> Result<Connection, ClientError> {
    let answered = AtomicBool::new(false);
    in_time(options, &answered, async {
        let socket = dial(options).await?;
        answered.store(true, Ordering::Relaxed);
        connect_over(socket, options).await
    })
    .await
}

/// Reaches a server to see its key, and goes away again: the server has proved that it has the key
/// by then, and is told nothing.
///
/// # Errors
/// [`Code::Connect`], [`Code::ConnectTimeout`], [`Code::Untrusted`], [`Code::ConnectionLost`].
pub async fn look(options: &Options) -> Result<Fingerprint, ClientError> {
    let answered = AtomicBool::new(false);
    in_time(options, &answered, async {
        let socket = dial(options).await?;
        answered.store(true, Ordering::Relaxed);
        let mut tls = secured(socket, options).await?;
        let key = shown_key(tls.get_ref().1, options)?;
        // A goodbye that does not arrive is no fault of the key's.
        let _ = tls.shutdown().await;
        Ok(key)
    })
    .await
}

/// What is done with a server, within the time that reaching it may take. `answered` once a connection
/// was taken there.
async fn in_time<T>(
    options: &Options,
    answered: &AtomicBool,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(options.timeout, work)
        .await
        .unwrap_or_else(|_| {
            let why = match answered.load(Ordering::Relaxed) {
                true => {
                    "it takes connections and says nothing: it hangs, or its service manager listens for a daemon that has not begun"
                }
                false => "nothing answers: a firewall drops what is sent, or there is no way to it",
            };
            Err(ClientError::new(
                Code::ConnectTimeout,
                format!(
                    "{} was not reached within {:?} ({why}; --connect-timeout waits longer)",
                    place(options),
                    options.timeout
                ),
            ))
        })
}

/// A socket that reaches the server.
async fn dial(options: &Options) -> Result<TcpStream, ClientError> {
    let addresses = addresses(&options.host, options.port)
        .await
        .map_err(|fault| match &options.host {
            Host::Name(_) => {
                unreachable(options, &format_args!("its name was not found ({fault})"))
            }
            _ => unreachable(options, &fault),
        })?;
    reach::first(reach::in_turn(addresses), reach::apart, TcpStream::connect)
        .await
        .map_err(|unreached| unreachable(options, &unreached.sentence()))
}

/// The addresses of a host, in the order in which the resolver wants them tried.
async fn addresses(host: &Host, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(match host {
        Host::Name(name) => resolve::addresses(name, port).await?,
        Host::Address(address) => vec![SocketAddr::new(*address, port)],
        Host::Zoned(address, zone) => vec![sys::in_zone(*address, zone, port)?],
    })
}

/// How a server is named in errors.
fn place(options: &Options) -> String {
    format!("{} port {}", options.host, options.port)
}

fn unreachable(options: &Options, fault: &dyn fmt::Display) -> ClientError {
    let text = format!("{} cannot be reached: {fault}", place(options));
    ClientError::new(Code::Connect, text)
}

/// Makes sure of a server that this socket reaches already.
///
/// # Errors
/// What [`connect`] says, but for what concerns reaching the server.
pub async fn connect_over(socket: TcpStream, options: &Options) -> Result<Connection, ClientError> {
    let cannot = |fault: &dyn fmt::Display| unreachable(options, fault);
    let _ = socket.set_nodelay(true);
    let peer = socket.peer_addr().map_err(|fault| cannot(&fault))?;
    let tls = secured(socket, options).await?;
    let (_, state) = tls.get_ref();
    let server_key = shown_key(state, options)?;
    let exporter = state
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map_err(|fault| cannot(&fault))?;
    let (reading, writing) = tokio::io::split(tls);
    let (outbox, outgoing) = mux::outbox();
    let writer = tokio::spawn(mux::write_all(writing, outgoing));
    let mut frames = Reader::new(reading, Sender::Server);
    let theirs = exchange_hellos(&mut frames, &outbox, &place(options)).await?;
    frames.enter(Phase::Login);
    let nonce = theirs
        .nonce
        .filter(|nonce| unbase64::<32>(nonce).is_some())
        .ok_or_else(|| {
            let text = format!("{} sent no nonce of 32 bytes", place(options));
            ClientError::new(Code::Protocol, text)
        })?;
    Ok(Connection {
        frames,
        writer,
        outbox,
        nonce,
        exporter,
        server_key,
        peer,
        software: theirs.software,
        instance: theirs.instance,
        clock: theirs.now_ms.map(Clock::shows),
        features: theirs.features,
        early: None,
    })
}

/// The TLS handshake, with a server whose certificate fits.
async fn secured(
    socket: TcpStream,
    options: &Options,
) -> Result<TlsStream<TcpStream>, ClientError> {
    let name = options.tls_name.as_ref().unwrap_or(&options.host);
    let name = name.in_certificates();
    let server_name = ServerName::try_from(name.clone()).map_err(|_| {
        ClientError::new(
            Code::Usage,
            format!(
                "`{}` is not a name that a certificate could have",
                name.escape_debug()
            ),
        )
    })?;

    TlsConnector::from(options.tls.clone())
        .connect(server_name, socket)
        .await
        .map_err(|fault| untrusted(&place(options), &name, &fault))
}

/// The key that a server has shown in its handshake, which is an ordaind's.
fn shown_key(state: &ClientConnection, options: &Options) -> Result<Fingerprint, ClientError> {
    if state.alpn_protocol() != Some(crate::protocol::ALPN) {
        return Err(no_ordaind(&place(options)));
    }
    let certificate = state.peer_certificates().and_then(<[_]>::first);
    certificate
        .map(Fingerprint::of)
        .and_then(Result::ok)
        .ok_or_else(|| unreachable(options, &"it showed no certificate"))
}

/// Says HELLO and hears the server's, which must be of our version.
async fn exchange_hellos(
    frames: &mut Frames,
    outbox: &Outbox,
    place: &str,
) -> Result<Hello, ClientError> {
    let hello = Hello {
        version: VERSION,
        software: concat!("ordain ", env!("CARGO_PKG_VERSION")).into(),
        features: vec![RESUME.into(), STOPPING.into(), WINDOW.into(), EARLY.into()],
        nonce: None,
        instance: None,
        now_ms: None,
    };

    let _ = outbox.control(0, Kind::Hello, &hello).await;
    let theirs: Hello = expect(frames, Kind::Hello)
        .await
        .map_err(|error| refused_early(place, error))?;
    if theirs.version != VERSION {
        return Err(ClientError::new(
            Code::Version,
            format!(
                "{place} speaks version {} of the protocol, not {VERSION}",
                theirs.version
            ),
        ));
    }
    Ok(theirs)
}

fn no_ordaind(place: &str) -> ClientError {
    ClientError::new(
        Code::Untrusted,
        format!("{place} does not speak ordain/1: what answers there is no ordaind"),
    )
}

fn untrusted(place: &str, name: &str, fault: &io::Error) -> ClientError {
    use rustls::{CertificateError, Error};
    let tls = fault
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    let Some(tls) = tls else {
        return ClientError::new(
            Code::ConnectionLost,
            format!(
                "{place} closed the connection at once ({fault}): it stops, is full, or does not let this address in for a while after failed logins (`ordaind penalties` there)"
            ),
        );
    };

    let why = match tls {
        // A CA of the same name with another key signs wrongly instead of being unknown.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "its certificate comes from a CA that you do not trust (give its CA with --ca FILE, or its key with --pin)".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            format!("its certificate has expired, or the clock here is wrong ({})", here())
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            format!("its certificate is not valid yet, or the clock here is wrong ({})", here())
        }
        Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            format!("its certificate is not for the name `{name}` (tls_name sets another name)")
        }
        Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol) => {
            return no_ordaind(place);
        }
        Error::AlertReceived(rustls::AlertDescription::CertificateRequired) => "it wants a client certificate (--cert, --key)".into(),
        Error::InvalidMessage(_) => {
            "what answers there does not speak TLS, so it is no ordaind (is it the right port?)".into()
        }
        Error::General(text) => text.clone(),
        other => other.to_string(),
    };

    ClientError::new(Code::Untrusted, format!("{place} is not trusted: {why}"))
}

/// What the clock of this machine says.
fn here() -> String {
    let now = OffsetDateTime::from(crate::clock::now());
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&Rfc3339)
        .unwrap_or_else(|_| "of no known time".into())
}

/// A server behind `tls.client_ca` tells of a missing certificate only after the handshake.
fn refused_early(place: &str, error: ClientError) -> ClientError {
    let wants_one = ["CertificateRequired", "certificate required"];
    // As TLS says it, and not the server in a text of its own.
    if error.is(Code::ConnectionLost) && wants_one.iter().any(|text| error.text.contains(text)) {
        return ClientError::new(
            Code::Untrusted,
            format!("{place} wants a client certificate (--cert, --key)"),
        );
    }

    error
}

/// The next frame, which must be of this kind; an ERROR becomes an error.
pub(super) async fn expect<M: serde::de::DeserializeOwned>(
    frames: &mut Frames,
    kind: Kind,
) -> Result<M, ClientError> {
    let frame = tokio::time::timeout(silence(), frames.frame())
        .await
        .map_err(|_| silent())?
        .map_err(|fault| lost(&fault))?;
    let broken = |text: String| ClientError::new(Code::Protocol, text);
    if frame.kind == Kind::Error {
        return Err(read::<Failure>(&frame.payload).map_or_else(broken, ClientError::from));
    }
    if frame.kind != kind {
        return Err(broken(format!(
            "the server sent {} where {} was expected",
            frame.kind.word(),
            kind.word()
        )));
    }
    read(&frame.payload)
        .map_err(|fault| broken(format!("{} that cannot be read: {fault}", kind.word())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{CertificateError, Error};

    #[test]
    fn a_clock_that_may_be_wrong_is_told_with_what_it_says() {
        for (fault, what) in [
            (CertificateError::NotValidYet, "is not valid yet"),
            (CertificateError::Expired, "has expired"),
        ] {
            let fault = io::Error::other(Error::InvalidCertificate(fault));
            let error = untrusted("web1 port 7422", "web1", &fault);
            assert!(error.is(Code::Untrusted));
            let said = format!("its certificate {what}, or the clock here is wrong (2");
            assert!(error.text.contains(&said), "{error}");
        }
    }
}
