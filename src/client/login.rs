//! Logging in over a connection: a password, an SSH key, a login that was kept, or a session whose
//! link was lost.

use super::ClientError;
use super::connection::{Connection, expect};
use super::early::{Early, Leaving};
use super::kept::Kept;
use super::session::{Known, Session};
use super::signer::{KeySignature, Signer};
use crate::credential::{Purpose, SessionKey};
use crate::encoding::base64;
use crate::ids::SessionId;
use crate::protocol::{Code, GATHERED, Kind, LoggedIn, Login, LoginText, Method, Phase, VERSION};
use crate::secret::Secret;
use std::sync::Arc;

/// How somebody proves who they are.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A password.
    Password(Secret),
    /// An SSH key.
    Key(Signer),
    /// A login on this very connection, with an SSH key's signature that was made before.
    Claimed(Claimed),
    /// A login that was kept.
    Kept(Kept),
}

/// A login by an SSH key, made for one connection; the key's signature comes to it from outside.
#[derive(Debug, Clone)]
pub struct Claimed {
    key: Arc<SessionKey>,
    login: Login,
    /// Whether the server takes a signature that is for other logins, too.
    pub may_share: bool,
}

impl Claimed {
    /// What the SSH key must sign.
    pub fn text(&self) -> &str {
        &self.login.signed
    }

    /// The same with the SSH key's signature.
    #[must_use]
    pub fn signed(mut self, signature: KeySignature) -> Self {
        self.login.key_signature = signature.signature;
        self.login.gathered = signature.gathered;
        self
    }
}

/// A user who is in.
pub struct Entered {
    /// The session.
    pub session: Session,
    /// The login, kept for so many seconds, where that was asked for and is done.
    pub kept: Option<(Kept, u64)>,
}

/// Whether the connection is of use after this refusal.
fn may_be_tried_again(error: &ClientError) -> bool {
    [
        Code::LoginRefused,
        Code::LoginBusy,
        Code::CodeWanted,
        Code::GroupsUnknown,
        Code::Identity,
    ]
    .iter()
    .any(|code| error.is(*code))
}

/// The key of a session that begins.
fn session_key() -> Result<Arc<SessionKey>, ClientError> {
    let key = SessionKey::generate();
    key.map(Arc::new)
        .map_err(|fault| ClientError::new(Code::Internal, fault))
}

/// What a login says, and what goes with it.
struct Claim<'p> {
    method: Method,
    session: Option<SessionId>,
    key: &'p SessionKey,
    keep: bool,
    /// The request that leaves with it.
    leaving: Option<&'p Leaving>,
}

impl Connection {
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
            Proof::Claimed(claimed) => claimed.key.clone(),
            Proof::Password(_) | Proof::Key(_) => match session_key() {
                Ok(key) => key,
                Err(error) => return Err((Some(self), error)),
            },
        };
        let (method, session) = match proof {
            Proof::Password(_) => (Method::Password, None),
            Proof::Key(_) | Proof::Claimed(_) => (Method::SshKey, None),
            Proof::Kept(kept) => (Method::Kept, Some(kept.id)),
        };
        let leaving = self.leaving(&key);
        let claim = Claim {
            method,
            session,
            key: &key,
            keep,
            leaving: leaving.as_ref(),
        };

        match self.prove(user, &claim, Some(proof), code).await {
            Ok((id, kept_s)) => {
                let early = leaving.map(|leaving| leaving.early);
                let kept = kept_s.map(|seconds| {
                    let key = key.clone();
                    (Kept { id, key }, seconds)
                });

                Ok(Entered {
                    session: self.begin(user, id, key, early, 1),
                    kept,
                })
            }

            Err(error) if may_be_tried_again(&error) => Err((Some(self), error)),
            Err(error) if leaving.is_some() && error.is(Code::ConnectionLost) => {
                let text = format!(
                    "{}, while the login and the run were asked for; what became of them is not known",
                    error.text
                );
                Err((None, ClientError::new(Code::OutcomeUnknown, text)))
            }
            Err(error) => Err((None, error)),
        }
    }

    /// A login by an SSH key on this connection, which the key has not signed yet. Many of them, each
    /// for its own server, may share one signature ([`Signer::sign_all`]).
    ///
    /// # Errors
    /// [`Code::Internal`]: no session key could be made.
    pub fn claim(&self, user: &str, keep: bool) -> Result<Claimed, ClientError> {
        let key = session_key()?;
        let claim = Claim {
            method: Method::SshKey,
            session: None,
            key: &key,
            keep,
            leaving: None,
        };
        Ok(Claimed {
            login: self.signed(user, &claim)?,
            key,
            may_share: self.features.iter().any(|feature| feature == GATHERED),
        })
    }

    /// The session that the server has agreed to, with its next request's number.
    fn begin(
        mut self,
        user: &str,
        id: SessionId,
        key: Arc<SessionKey>,
        early: Option<Early>,
        counter: u64,
    ) -> Session {
        self.frames.enter(Phase::Open);
        Session::begin(
            self.frames,
            (self.outbox, self.writer),
            id,
            key,
            Known {
                user: user.into(),
                instance: self.instance,
                clock: self.clock,
                features: self.features,
            },
            (early, counter),
        )
    }

    /// Takes a session up again whose client was lost. `counter` is the next request's, which the
    /// server must not have seen yet.
    ///
    /// # Errors
    /// [`Code::LoginRefused`] when the server has forgotten the session.
    pub async fn take_up(
        self,
        user: &str,
        session: Kept,
        counter: u64,
    ) -> Result<Session, ClientError> {
        self.come_back(user, session.id, session.key, counter).await
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
            leaving: None,
        };
        let (same, _) = self.prove(user, &claim, None, || Ok(String::new())).await?;
        if same != id {
            return Err(ClientError::new(
                Code::Protocol,
                "the server took up another session",
            ));
        }
        Ok(self.begin(user, id, key, None, counter))
    }

    /// Proves the claim. Returns the session, and for how many seconds the login is kept.
    async fn prove(
        &mut self,
        user: &str,
        claim: &Claim<'_>,
        proof: Option<&Proof>,
        code: impl FnMut() -> Result<String, ClientError>,
    ) -> Result<(SessionId, Option<u64>), ClientError> {
        let mut login = match proof {
            Some(Proof::Claimed(claimed)) => claimed.login.clone(),
            _ => self.signed(user, claim)?,
        };
        match proof {
            Some(Proof::Password(password)) => login.password = password.expose().to_owned(),
            Some(Proof::Key(signer)) => {
                login.key_signature = key_signature(signer, &login.signed).await?;
            }
            Some(Proof::Kept(_) | Proof::Claimed(_)) | None => {}
        }

        let frame = claim.leaving.map(|leaving| &leaving.frame);
        let answered = self.ask(&mut login, frame, code).await;
        zeroize::Zeroize::zeroize(&mut login.password);
        zeroize::Zeroize::zeroize(&mut login.code);
        let logged_in = answered?;
        if logged_in.user != user {
            let text = "the server let in another user than the one who asked";
            return Err(ClientError::new(Code::Protocol, text));
        }
        let id = logged_in.session.parse().map_err(|_| {
            ClientError::new(Code::Protocol, "the server sent a session that is none")
        })?;

        if claim.leaving.is_some_and(|leaving| leaving.session != id) {
            let text = "the server began another session than the one that the login begins";
            return Err(ClientError::new(Code::Protocol, text));
        }

        Ok((id, logged_in.kept_s.filter(|_| claim.keep)))
    }

    /// The claim as a text that the session's key has signed, bound to this connection.
    fn signed(&self, user: &str, claim: &Claim<'_>) -> Result<Login, ClientError> {
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
        Ok(Login {
            signature: claim.key.sign(Purpose::Login, &signed),
            signed,
            password: String::new(),
            key_signature: String::new(),
            gathered: None,
            code: String::new(),
        })
    }

    /// Sends the login, and once more with a one-time code where one is wanted.
    async fn ask(
        &mut self,
        login: &mut Login,
        request: Option<&Vec<u8>>,
        mut code: impl FnMut() -> Result<String, ClientError>,
    ) -> Result<LoggedIn, ClientError> {
        loop {
            let mut sent = self.outbox.control(0, Kind::Login, login).await;
            if let Some(request) = request {
                sent = sent.and(self.outbox.bytes(request.clone()).await);
            }
            if sent.is_err() {
                return Err(ClientError::new(
                    Code::ConnectionLost,
                    "the server closed the connection",
                ));
            }

            match expect::<LoggedIn>(&mut self.frames, Kind::LoggedIn).await {
                // The same proof again, with the code.
                Err(error) if error.is(Code::CodeWanted) && login.code.is_empty() => {
                    let given = code()?;
                    if given.is_empty() {
                        return Err(error);
                    }
                    login.code = given;
                }

                other => return other,
            }
        }
    }
}

/// The signature of an SSH key. Somebody may have to touch a key. A runtime of one thread has
/// nothing better to do meanwhile, and a thread for this alone would cost more than most
/// signatures.
async fn key_signature(signer: &Signer, signed: &str) -> Result<String, ClientError> {
    let several = tokio::runtime::Handle::current().runtime_flavor()
        == tokio::runtime::RuntimeFlavor::MultiThread;
    if !several {
        return signer.sign(signed);
    }
    let (signer, text) = (signer.clone(), signed.to_owned());
    tokio::task::spawn_blocking(move || signer.sign(&text))
        .await
        .map_err(|fault| ClientError::new(Code::Internal, fault.to_string()))?
}
