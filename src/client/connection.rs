//! Reaching a server: TCP, TLS, who it is, and logging in.

use super::ClientError;
use super::error::lost;
use super::session::Session;
use super::signer::Signer;
use crate::credential::{Purpose, SessionKey};
use crate::encoding::base64;
use crate::ids::SessionId;
use crate::mux::{self, Outbox, Reader};
use crate::protocol::{
    Code, EXPORTER_LABEL, Failure, Hello, Kind, LoggedIn, Login, LoginText, Method, Phase, RESUME,
    Sender, VERSION, read,
};
use crate::secret::Secret;
use crate::tls::Fingerprint;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::ReadHalf;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The name its certificate must have, where that is another than the host.
    pub tls_name: Option<String>,
    /// What makes it the right server.
    pub tls: Arc<ClientConfig>,
    /// How long reaching it may take, all attempts together.
    pub timeout: Duration,
}

/// A server that was reached and is the right one; nobody is logged in yet.
pub struct Connection {
    frames: Frames,
    /// What says goodbye when nothing is left to be sent.
    writer: JoinHandle<io::Result<()>>,
    outbox: Outbox,
    nonce: String,
    exporter: [u8; 32],
    server_key: Fingerprint,
    peer: SocketAddr,
    software: String,
    instance: Option<String>,
}

type Frames = Reader<ReadHalf<TlsStream<TcpStream>>>;

/// Reaches a server and makes sure of it.
///
/// # Errors
/// [`Code::Connect`], [`Code::ConnectTimeout`], [`Code::Untrusted`], [`Code::Version`],
/// [`Code::ConnectionLost`], or what the server says.
pub async fn connect(options: &Options) -> Result<Connection, ClientError> {
    let place = format!("{} port {}", options.host, options.port);
    tokio::time::timeout(options.timeout, reach(options))
        .await
        .unwrap_or_else(|_| {
            Err(ClientError::new(
                Code::ConnectTimeout,
                format!("{place} was not reached within {:?}", options.timeout),
            ))
        })
}

async fn reach(options: &Options) -> Result<Connection, ClientError> {
    let place = format!("{} port {}", options.host, options.port);
    let cannot = |fault: &dyn std::fmt::Display| {
        ClientError::new(Code::Connect, format!("{place} cannot be reached: {fault}"))
    };
    let socket = TcpStream::connect((options.host.as_str(), options.port))
        .await
        .map_err(|fault| cannot(&fault))?;
    connect_over(socket, options).await
}

/// As [`connect`], over a socket that reaches the server already.
///
/// # Errors
/// As [`connect`], but for those of reaching it.
pub async fn connect_over(socket: TcpStream, options: &Options) -> Result<Connection, ClientError> {
    let place = format!("{} port {}", options.host, options.port);
    let cannot = |fault: &dyn std::fmt::Display| {
        ClientError::new(Code::Connect, format!("{place} cannot be reached: {fault}"))
    };
    let _ = socket.set_nodelay(true);
    let peer = socket.peer_addr().map_err(|fault| cannot(&fault))?;
    let name = options.tls_name.as_deref().unwrap_or(&options.host);
    let server_name = ServerName::try_from(name.to_owned()).map_err(|_| {
        ClientError::new(
            Code::Usage,
            format!(
                "`{}` is not a name that a certificate could have",
                name.escape_debug()
            ),
        )
    })?;

    let tls = TlsConnector::from(options.tls.clone())
        .connect(server_name, socket)
        .await
        .map_err(|fault| untrusted(&place, name, &fault))?;
    let (_, state) = tls.get_ref();
    if state.alpn_protocol() != Some(crate::protocol::ALPN) {
        return Err(no_ordaind(&place));
    }
    let exporter = state
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map_err(|fault| cannot(&fault))?;
    let certificate = state.peer_certificates().and_then(<[_]>::first);
    let server_key = certificate
        .map(Fingerprint::of)
        .and_then(Result::ok)
        .ok_or_else(|| cannot(&"it showed no certificate"))?;
    let (reading, writing) = tokio::io::split(tls);
    let (outbox, outgoing) = mux::outbox();
    let writer = tokio::spawn(mux::write_all(writing, outgoing));
    let mut frames = Reader::new(reading, Sender::Server);
    let hello = Hello {
        version: VERSION,
        software: concat!("ordain ", env!("CARGO_PKG_VERSION")).into(),
        features: vec![RESUME.into()],
        nonce: None,
        instance: None,
    };

    let _ = outbox.control(0, Kind::Hello, &hello).await;
    let theirs: Hello = expect(&mut frames, Kind::Hello)
        .await
        .map_err(|error| refused_early(&place, error))?;
    if theirs.version != VERSION {
        return Err(ClientError::new(
            Code::Version,
            format!(
                "{place} speaks version {} of the protocol, not {VERSION}",
                theirs.version
            ),
        ));
    }

    frames.enter(Phase::Login);
    let nonce = theirs.nonce.ok_or_else(|| cannot(&"it sent no nonce"))?;
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
    })
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
            "its certificate has expired".into()
        }
        Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            format!("its certificate is not for the name `{name}` (tls_name sets another name)")
        }
        Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol) => {
            return no_ordaind(place);
        }
        Error::AlertReceived(rustls::AlertDescription::CertificateRequired) => "it wants a client certificate (--cert, --key)".into(),
        Error::General(text) => text.clone(),
        other => other.to_string(),
    };

    ClientError::new(Code::Untrusted, format!("{place} is not trusted: {why}"))
}

/// A server behind `tls.client_ca` tells of a missing certificate only after the handshake.
fn refused_early(place: &str, error: ClientError) -> ClientError {
    if error.text.contains("CertificateRequired") || error.text.contains("certificate required") {
        return ClientError::new(
            Code::Untrusted,
            format!("{place} wants a client certificate (--cert, --key)"),
        );
    }

    error
}

/// The next frame, which must be of this kind; an ERROR becomes an error.
async fn expect<M: serde::de::DeserializeOwned>(
    frames: &mut Frames,
    kind: Kind,
) -> Result<M, ClientError> {
    let frame = frames.frame().await.map_err(|fault| lost(&fault))?;
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

/// How somebody proves who he is.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A password.
    Password(Secret),
    /// An SSH key.
    Key(Signer),
    /// A login that was kept.
    Kept(Kept),
}

/// A login that is kept: its id and its key.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its id.
    pub id: SessionId,
    /// Its key.
    pub key: Arc<SessionKey>,
}

/// A user who is in.
pub struct Entered {
    /// The session.
    pub session: Session,
    /// The login, kept for so many seconds, where that was asked for and is done.
    pub kept: Option<(Kept, u64)>,
}

/// What a login says, and what goes with it.
struct Claim<'p> {
    method: Method,
    session: Option<SessionId>,
    key: &'p SessionKey,
    keep: bool,
}

impl Connection {
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

    /// Logs in with a password. After a refusal another may be tried, as often as the server
    /// allows.
    ///
    /// # Errors
    /// The connection back (unless it is closed) with [`Code::LoginRefused`] or
    /// [`Code::LoginBusy`].
    pub async fn log_in(
        self,
        user: &str,
        password: &Secret,
    ) -> Result<Session, (Option<Self>, ClientError)> {
        let no_code = || {
            Err(ClientError::new(
                Code::CodeWanted,
                "a one-time code is wanted",
            ))
        };
        self.enter(user, &Proof::Password(password.clone()), false, no_code)
            .await
            .map(|entered| entered.session)
    }

    /// Logs in, and has the login kept if wanted. `code` is asked for a one-time code, where the
    /// server wants one.
    ///
    /// # Errors
    /// The connection back, unless it is closed or of no more use, and why.
    pub async fn enter(
        mut self,
        user: &str,
        proof: &Proof,
        keep: bool,
        code: impl FnMut() -> Result<String, ClientError>,
    ) -> Result<Entered, (Option<Self>, ClientError)> {
        let key = match proof {
            Proof::Kept(kept) => kept.key.clone(),
            _ => match SessionKey::generate() {
                Ok(key) => Arc::new(key),
                Err(fault) => return Err((Some(self), ClientError::new(Code::Internal, fault))),
            },
        };
        let (method, session) = match proof {
            Proof::Password(_) => (Method::Password, None),
            Proof::Key(_) => (Method::SshKey, None),
            Proof::Kept(kept) => (Method::Kept, Some(kept.id)),
        };
        let claim = Claim {
            method,
            session,
            key: &key,
            keep,
        };
        match self.prove(user, &claim, Some(proof), code).await {
            Ok((id, kept_s)) => {
                self.frames.enter(Phase::Open);
                let kept = kept_s.map(|seconds| {
                    (
                        Kept {
                            id,
                            key: key.clone(),
                        },
                        seconds,
                    )
                });
                Ok(Entered {
                    session: Session::begin(
                        self.frames,
                        (self.outbox, self.writer),
                        id,
                        key,
                        (user.into(), self.instance),
                        1,
                    ),
                    kept,
                })
            }
            Err(error)
                if [
                    Code::LoginRefused,
                    Code::LoginBusy,
                    Code::CodeWanted,
                    Code::Identity,
                ]
                .iter()
                .any(|code| error.is(*code)) =>
            {
                Err((Some(self), error))
            }
            Err(error) => Err((None, error)),
        }
    }

    /// Takes a session up again whose link was lost, by a signature of its own key.
    pub(super) async fn come_back(
        mut self,
        user: &str,
        id: SessionId,
        key: Arc<SessionKey>,
        counter: u64,
    ) -> Result<Session, ClientError> {
        let claim = Claim {
            method: Method::Session,
            session: Some(id),
            key: &key,
            keep: false,
        };
        let (same, _) = self.prove(user, &claim, None, || Ok(String::new())).await?;
        if same != id {
            return Err(ClientError::new(
                Code::Protocol,
                "the server took up another session",
            ));
        }
        self.frames.enter(Phase::Open);
        Ok(Session::begin(
            self.frames,
            (self.outbox, self.writer),
            id,
            key,
            (user.into(), self.instance),
            counter,
        ))
    }

    /// Returns the session, and for how many seconds the login is kept.
    async fn prove(
        &mut self,
        user: &str,
        claim: &Claim<'_>,
        proof: Option<&Proof>,
        mut code: impl FnMut() -> Result<String, ClientError>,
    ) -> Result<(SessionId, Option<u64>), ClientError> {
        let text = LoginText {
            version: VERSION,
            user: user.into(),
            method: claim.method,
            session: claim.session.map(|id| id.to_string()),
            session_key: claim.key.public(),
            server_key: base64(&self.server_key.0),
            exporter: Some(base64(&self.exporter)),
            nonce: self.nonce.clone(),
            keep: claim.keep,
        };
        let signed = serde_json::to_string(&text)
            .map_err(|fault| ClientError::new(Code::Internal, fault.to_string()))?;
        let signature = claim.key.sign(Purpose::Login, &signed);
        let mut login = Login {
            signature,
            signed,
            password: String::new(),
            key_signature: String::new(),
            code: String::new(),
        };
        match proof {
            Some(Proof::Password(password)) => login.password = password.expose().to_owned(),
            Some(Proof::Key(signer)) => {
                // Somebody may have to touch a key. A runtime of one thread has nothing better to
                // do meanwhile, and a thread for this alone would cost more than most signatures.
                let several = tokio::runtime::Handle::current().runtime_flavor()
                    == tokio::runtime::RuntimeFlavor::MultiThread;
                login.key_signature = if several {
                    let (signer, text) = (signer.clone(), login.signed.clone());
                    let signed = tokio::task::spawn_blocking(move || signer.sign(&text)).await;
                    signed.map_err(|fault| ClientError::new(Code::Internal, fault.to_string()))?
                } else {
                    signer.sign(&login.signed)
                }?;
            }
            Some(Proof::Kept(_)) | None => {}
        }
        let answered = loop {
            if self.outbox.control(0, Kind::Login, &login).await.is_err() {
                break Err(ClientError::new(
                    Code::ConnectionLost,
                    "the server closed the connection",
                ));
            }
            match expect::<LoggedIn>(&mut self.frames, Kind::LoggedIn).await {
                // The same proof again, with the code.
                Err(error) if error.is(Code::CodeWanted) && login.code.is_empty() => match code() {
                    Ok(given) if !given.is_empty() => login.code = given,
                    Ok(_) => break Err(error),
                    Err(error) => break Err(error),
                },
                other => break other,
            }
        };
        zeroize::Zeroize::zeroize(&mut login.password);
        zeroize::Zeroize::zeroize(&mut login.code);
        let logged_in = answered?;
        let id = logged_in.session.parse().map_err(|_| {
            ClientError::new(Code::Protocol, "the server sent a session that is none")
        })?;
        Ok((id, logged_in.kept_s))
    }
}
