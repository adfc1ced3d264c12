//! Logging in: a proof (a password, an SSH key, a key that is known already) that binds the session
//! key, judged with equal work for everybody.

use super::access::{self, Refused};
use super::metrics::{count, count_by};
use super::session::{Connection, Session};
use super::state::Shared;
use super::strangers::Deed;
use super::{penalties, sessions, summary};
use crate::audit::{Record, What};
use crate::clock::seconds as now;
use crate::credential::{self, Factor, Hash, Purpose, SessionPublic, SshPublic};
use crate::encoding;
use crate::ids::{ConnectionId, SessionId};
use crate::ipc::{Outcome, SecretValue, Stage, ToFrontend};
use crate::limits;
use crate::penalty::Misdeed;
use crate::protocol::{Code, LoginText, Method, read_login};
use crate::secret::Secret;
use crate::source::{Peer, Source};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Stands in for a source that the frontend could not name.
const UNKNOWN: Source = Source::Direct(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

/// A login as it came.
pub struct Proof {
    /// The signed text.
    pub signed: String,
    /// Its signature, base64.
    pub signature: String,
    /// The password, or nothing.
    pub password: SecretValue,
    /// The SSH key's signature, or nothing.
    pub key_signature: String,
    /// The one-time code, or nothing.
    pub code: SecretValue,
    /// The TLS exporter, by the frontend's word.
    pub exporter: Option<[u8; 32]>,
}

/// A new frontend gets nonces that it may give to clients before it asks. What one before it had is
/// worth nothing now.
pub fn stock_up(state: &Shared) {
    let nonces: Vec<[u8; 32]> = std::iter::repeat_with(credential::random)
        .take(limits::NONCES)
        .collect();
    *state.link.nonces.borrow_mut() = nonces.iter().copied().collect();
    state.tell(ToFrontend::Nonces(nonces));
}

/// A client passed the handshake: its login must sign the nonce that it was given, or gets now.
///
/// # Errors
/// When the frontend holds more connections than it was told it may, or gave a nonce that it was
/// not given.
pub fn greet(
    state: &Shared,
    number: ConnectionId,
    source: &str,
    given: Option<[u8; 32]>,
) -> Result<(), String> {
    let most = state.settings().limits.connections as usize;
    // Twice as many, because a reload may have lowered the bound, and connections that are gone are
    // told of later.
    if state.sessions.connections.borrow().len() > most.saturating_mul(2).max(65_536) {
        return Err("more connections than were allowed".into());
    }
    let another = credential::random::<32>();
    let (nonce, tell) = match given {
        None => (
            another,
            ToFrontend::Challenge {
                connection: number,
                nonce: another,
            },
        ),
        // Once: a login that was seen cannot be shown again.
        Some(nonce) if state.link.nonces.borrow_mut().remove(&nonce) => {
            state.link.nonces.borrow_mut().insert(another);
            (nonce, ToFrontend::Nonces(vec![another]))
        }
        Some(_) => return Err("a nonce that it was not given".into()),
    };
    let server_key = state.settings().tls.fingerprint;
    let connection = Connection {
        stage: Stage::Greeted,
        nonce,
        server_key,
        peer: None,
        tries: 0,
        codes_wanted: 0,
        session: None,
    };
    state
        .sessions
        .connections
        .borrow_mut()
        .insert(number, connection);
    state.link.highest.set(state.link.highest.get().max(number));
    count(&state.health.counts.connections);
    let source: String = source.chars().take(64).collect();
    let address = source
        .parse::<SocketAddr>()
        .map_or(UNKNOWN, |peer| peer.ip().into());
    if summary::admits(state, &address, Deed::Connection) {
        let _ = state.record(&Record::now(What::Connection {
            connection: number,
            source: &source,
            reported_by: "frontend",
        }));
    }
    state.tell(tell);
    Ok(())
}

/// Verifies a login in its turn and answers.
///
/// # Errors
/// When the descriptor that came along is no connected socket.
pub fn login(
    state: &Shared,
    number: ConnectionId,
    socket: OwnedFd,
    proof: Proof,
) -> Result<(), String> {
    // The address is the kernel's word, not the frontend's.
    let peer = TcpStream::from(socket).peer_addr().map(Peer::from);
    let (nonce, server_key) = {
        let mut connections = state.sessions.connections.borrow_mut();
        let Some(connection) = connections.get_mut(&number) else {
            return Ok(());
        };
        connection.stage = Stage::Verifying;
        connection.tries += 1;
        connection.peer = peer.as_ref().ok().cloned();
        (connection.nonce, connection.server_key)
    };
    let Ok(peer) = peer else { return Ok(()) };
    let state = state.clone();
    tokio::task::spawn_local(async move {
        let judged = judge(
            &state,
            &Bound {
                nonce,
                server_key: server_key.0,
                source: peer.source.clone(),
            },
            proof,
        )
        .await;
        answer(&state, number, peer, judged).await;
    });
    Ok(())
}

/// What a proof must be bound to.
struct Bound {
    nonce: [u8; 32],
    server_key: [u8; 32],
    source: Source,
}

/// What a login came to.
struct Judged {
    user: String,
    method: Option<Method>,
    /// What the verification itself took, for operators who choose its cost.
    verified_in: Duration,
    signed: String,
    signature: String,
    /// By which SSH key, if by one.
    key_signature: String,
    outcome: Result<Proved, Refused>,
}

/// What was proved.
enum Proved {
    /// Who somebody is; a session with this key begins.
    User(Proven),
    /// The key of a session whose link was lost.
    Session(Session),
}

struct Proven {
    key: SessionPublic,
    factor: Factor,
    /// The kept login that proved it.
    kept: Option<SessionId>,
    /// Whether this one is to be kept.
    keep: bool,
}

async fn judge(state: &Shared, bound: &Bound, proof: Proof) -> Judged {
    let text = read_login(&proof.signed);
    let user = text
        .as_ref()
        .map(|text| text.user.clone())
        .unwrap_or_default();
    let method = text.as_ref().map(|text| text.method).ok();
    let mut verified_in = Duration::ZERO;
    let outcome = match &text {
        Err(_) => Err(Refused::because("the text is no login").guessed()),
        Ok(text) => {
            let began = Instant::now();
            let outcome = match text.method {
                Method::Password => by_password(state, text, &proof, bound, &mut verified_in)
                    .await
                    .map_err(Refused::guessed),
                Method::SshKey => by_key(state, text, &proof, bound),
                Method::Session => come_back(state, text, &proof, bound),
                Method::Kept => by_kept(state, text, &proof, bound),
            };

            if text.method != Method::Password {
                verified_in = began.elapsed();
            }
            outcome
        }
    };

    let Proof {
        signed,
        signature,
        key_signature,
        ..
    } = proof;
    Judged {
        user,
        method,
        verified_in,
        signed,
        signature,
        key_signature,
        outcome,
    }
}

/// A password, at the same cost for everybody.
async fn by_password(
    state: &Shared,
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
    verified_in: &mut Duration,
) -> Result<Proved, Refused> {
    let key = bound_key(text, proof, bound);
    let known = access::standing(state, &text.user, &bound.source);
    let taken = penalties::takes_guess(state, &text.user, &bound.source);
    let hash = known.as_ref().ok().and_then(|known| known.password.clone());
    // Somebody unknown costs as much as somebody known.
    let (exists, hash) = (
        hash.is_some(),
        hash.unwrap_or_else(|| state.settings().dummy.clone()),
    );
    let mark = hash.mark();
    let verified = verify(state, hash, Secret::new(proof.password.0.clone())).await;
    let (fits, took) = verified.map_err(|code| Refused {
        code,
        ..Refused::because("too many logins at once")
    })?;
    *verified_in = took;
    if !fits {
        // Whether there is such a user or not.
        penalties::user(state, &text.user);
    }
    if !taken {
        return Err(Refused::because(
            "too many failures in this user's name, and he has never logged in from there",
        ));
    }
    let known = known.map_err(Refused::because)?;
    if !exists {
        return Err(Refused::because("user without password"));
    }
    if !fits {
        return Err(Refused::because("wrong password"));
    }
    let key = key.map_err(Refused::because)?;
    if text.session.is_some() || !proof.key_signature.is_empty() {
        return Err(Refused::because("a password with something else"));
    }
    access::second_factor(state, &text.user, &bound.source, known.totp, &proof.code.0)?;
    Ok(Proved::User(Proven {
        key,
        factor: Factor::Password(mark),
        kept: None,
        keep: text.keep,
    }))
}

/// A signature by one of the user's SSH keys. It is verified before anybody looks whose key it is.
fn by_key(
    state: &Shared,
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<Proved, Refused> {
    let signer = SshPublic::signer(&proof.signed, &proof.key_signature);
    let key = connected_key(text, proof, bound);
    let known = access::standing(state, &text.user, &bound.source).map_err(Refused::because)?;
    let signer = signer.map_err(Refused::because)?;
    if !known.keys.iter().any(|known| known.is(&signer)) {
        return Err(Refused::because(if known.keys.is_empty() {
            "user without SSH keys"
        } else {
            "an SSH key that is not this user's"
        }));
    }
    let key = key.map_err(Refused::because)?;
    if text.session.is_some() || !proof.password.0.is_empty() {
        return Err(Refused::because("an SSH key with something else"));
    }
    access::second_factor(state, &text.user, &bound.source, known.totp, &proof.code.0)?;
    Ok(Proved::User(Proven {
        key,
        factor: Factor::Key(signer.fingerprint()),
        kept: None,
        keep: text.keep,
    }))
}

/// The key of a login that was kept. Costs a signature and no password's work: there is nothing to
/// guess.
fn by_kept(
    state: &Shared,
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<Proved, Refused> {
    let key = connected_key(text, proof, bound);
    let known = access::standing(state, &text.user, &bound.source).map_err(Refused::because)?;
    let id = text
        .session
        .as_deref()
        .and_then(|id| id.parse::<SessionId>().ok())
        .ok_or_else(|| Refused::because("a kept login without its id"))?;
    let kept = access::kept(state, id)
        .ok_or_else(|| Refused::because("no such kept login, or its time is up"))?;
    let key = key.map_err(Refused::because)?;
    if kept.user != text.user
        || kept.key != text.session_key
        || text.keep
        || !proof.password.0.is_empty()
        || !proof.key_signature.is_empty()
    {
        return Err(Refused::because("another kept login's key"));
    }
    if !known.holds(&kept.factor) {
        return Err(Refused::because(
            "what the kept login was proved by is gone",
        ));
    }
    Ok(Proved::User(Proven {
        key,
        factor: kept.factor,
        kept: Some(id),
        keep: false,
    }))
}

/// The session whose key has signed this login.
fn come_back(
    state: &Shared,
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<Proved, Refused> {
    let key = connected_key(text, proof, bound);
    let known = access::standing(state, &text.user, &bound.source).map_err(Refused::because)?;
    let id = text
        .session
        .as_deref()
        .and_then(|id| id.parse::<SessionId>().ok());
    let session = id
        .and_then(|id| sessions::find(state, id))
        .ok_or_else(|| Refused::because("no such session to come back to"))?;
    let key = key.map_err(Refused::because)?;
    if *session.user != *text.user
        || key != session.key
        || text.keep
        || !proof.password.0.is_empty()
        || !proof.key_signature.is_empty()
    {
        return Err(Refused::because("another session's key"));
    }
    if !known.holds(&session.factor) {
        return Err(Refused::because("what the session was proved by is gone"));
    }
    Ok(Proved::Session(session))
}

/// As [`bound_key`], with the TLS exporter: it ties the proof to this very connection, and there is
/// no password that would be known otherwise.
fn connected_key(
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<SessionPublic, &'static str> {
    let key = bound_key(text, proof, bound)?;
    text.exporter
        .as_ref()
        .map(|_| key)
        .ok_or("a proof without the TLS exporter")
}

/// The session key, when the proof is bound to this server, this connection and that key.
fn bound_key(
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<SessionPublic, &'static str> {
    let key = SessionPublic::read(&text.session_key).ok_or("a session key that is none")?;
    if !key.verifies(Purpose::Login, &proof.signed, &proof.signature) {
        return Err("a signature that does not fit");
    }
    if text.nonce != encoding::base64(&bound.nonce) {
        return Err("another connection's nonce");
    }
    if text.server_key != encoding::base64(&bound.server_key) {
        return Err("another server's key: somebody is in between");
    }
    if let Some(exporter) = &text.exporter
        && proof.exporter.map(|seen| encoding::base64(&seen)).as_ref() != Some(exporter)
    {
        return Err("another TLS connection: somebody is in between");
    }
    Ok(key)
}

/// Verifies in the bounded pool; a login that would wait too long is told so.
async fn verify(state: &Shared, hash: Hash, password: Secret) -> Result<(bool, Duration), Code> {
    if password.bytes().len() > limits::PASSWORD {
        return Ok((false, Duration::ZERO));
    }
    if state.access.logins_waiting.get() >= limits::LOGINS_WAITING {
        return Err(Code::LoginBusy);
    }
    state
        .access
        .logins_waiting
        .set(state.access.logins_waiting.get() + 1);
    let verifiers = state.access.verifiers.borrow().clone();
    let place = tokio::time::timeout(limits::LOGIN_QUEUE, verifiers.acquire_owned()).await;
    state
        .access
        .logins_waiting
        .set(state.access.logins_waiting.get() - 1);
    let Ok(Ok(place)) = place else {
        return Err(Code::LoginBusy);
    };
    forget_memory_later(state);

    // A thread of its own, behind everything else on this machine: however many wait to be
    // verified, whoever is in already does not notice. At most as many as there are places.
    let (done, verified) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("verifier".into())
        .spawn(move || {
            crate::sys::step_back();
            let began = Instant::now();
            let fits = hash.verify(&password);
            drop(place);
            let _ = done.send((fits, began.elapsed()));
        });
    match thread {
        Ok(_) => verified.await.map_err(|_| Code::Internal),
        Err(_) => Err(Code::LoginBusy),
    }
}

/// Gives the verifiers' memory back once nobody has logged in for a while.
fn forget_memory_later(state: &Shared) {
    count(&state.health.counts.verifications);
    let verification = state.health.counts.verifications.get();
    let state = state.clone();
    tokio::task::spawn_local(async move {
        tokio::time::sleep(limits::VERIFIER_MEMORY).await;
        if state.health.counts.verifications.get() == verification {
            credential::forget_memory();
        }
    });
}

/// Whether the user may still log in: it may have changed while his proof was verified.
fn still(state: &Shared, judged: &Judged, source: &Source) -> Result<(), Refused> {
    let factor = match &judged.outcome {
        Ok(Proved::User(proven)) => &proven.factor,
        Ok(Proved::Session(session)) => &session.factor,
        Err(_) => return Ok(()),
    };

    let known = access::standing(state, &judged.user, source).map_err(Refused::because)?;
    if known.holds(factor) {
        Ok(())
    } else {
        Err(Refused::because("changed while it was verified"))
    }
}

async fn answer(state: &Shared, number: ConnectionId, peer: Peer, mut judged: Judged) {
    if let Err(why) = still(state, &judged, &peer.source) {
        judged.outcome = Err(why);
    }
    let session = judged.outcome.as_ref().ok().map(|proved| match proved {
        Proved::User(proven) => {
            let id = SessionId::from_random(credential::random());
            Session {
                id,
                user: Arc::from(judged.user.as_str()),
                key: proven.key,
                counter: 0,
                factor: proven.factor.clone(),
                kept: if proven.keep { Some(id) } else { proven.kept },
                since: now(),
            }
        }

        Proved::Session(session) => session.clone(),
    });

    let method = judged.method.map_or("unknown", Method::word);
    let recorded = record(state, number, &peer, &judged, session.as_ref());
    let keep = matches!(&judged.outcome, Ok(Proved::User(proven)) if proven.keep);
    let mut kept_s = None;
    if let (Some(session), true, true) = (&session, keep, recorded.is_ok()) {
        kept_s = access::keep(state, session, &peer.source).await;
    }
    // It may have been revoked, and the client may have gone away, while that was written.
    let revoked = still(state, &judged, &peer.source).err();
    let mut connections = state.sessions.connections.borrow_mut();
    let Some(connection) = connections.get_mut(&number) else {
        return;
    };
    let refused = match (judged.outcome, session, revoked) {
        (Ok(_), Some(session), None) if recorded.is_ok() => {
            count_by(&state.health.counts.logins, (method, "accepted"));
            let verified_us = u64::try_from(judged.verified_in.as_micros()).unwrap_or(u64::MAX);
            let (user, id, by) = (session.user.to_string(), session.id, session.factor.clone());
            connection.stage = Stage::Open;
            connection.session = Some(session);
            drop(connections);
            sessions::take(state, id, number);
            if penalties::known_place(state, &user, &peer.source) {
                access::save_soon(state);
            }
            let outcome = Outcome::Accepted {
                session: id.to_string(),
                user: user.clone(),
                kept_s,
            };

            state.tell(ToFrontend::Login {
                connection: number,
                outcome,
            });

            // The client is not kept waiting for the log.
            tracing::info!(connection = number, %peer, user, by = by.shown(), verified_us, "logged in");
            return;
        }

        (Ok(_), _, None) => Code::Trail,
        (Ok(_), session, Some(Refused { code, why, .. })) => {
            if let Some(session) = session {
                sessions::over(state, &session, Some(why));
            }
            code
        }

        (Err(Refused { code, why, guessed }), ..) => {
            let user: String = judged.user.chars().take(limits::USER_NAME).collect();
            if code == Code::CodeWanted {
                // Half of a login that is going well.
                tracing::info!(connection = number, %peer, user = user.escape_debug().to_string(), "a one-time code is wanted");
            } else {
                count_by(&state.health.counts.logins, (method, "refused"));
                tracing::warn!(connection = number, %peer, user = user.escape_debug().to_string(), reason = why, "login refused");
            }

            if code == Code::LoginRefused {
                // Whoever shows a wrong key costs no more than whoever shows none.
                penalties::source(
                    state,
                    &peer.source,
                    if guessed {
                        Misdeed::Login
                    } else {
                        Misdeed::NoLogin
                    },
                );
            }

            if matches!(code, Code::LoginBusy | Code::CodeWanted) {
                // Nothing was tried, or nothing was wrong yet.
                connection.tries = connection.tries.saturating_sub(1);
            }

            code
        }
    };

    connection.stage = Stage::Greeted;

    // A code may be asked for as often as it may be tried.
    connection.codes_wanted += u32::from(refused == Code::CodeWanted);
    let close =
        connection.tries >= limits::LOGIN_TRIES || connection.codes_wanted > limits::LOGIN_TRIES;
    let code = if close { Code::LoginTries } else { refused };
    drop(connections);
    state.tell(ToFrontend::Login {
        connection: number,
        outcome: Outcome::Refused {
            code: code.number(),
        },
    });

    if close {
        super::connections::forget(state, number, false);
    }
}

fn record(
    state: &Shared,
    connection: ConnectionId,
    peer: &Peer,
    judged: &Judged,
    session: Option<&Session>,
) -> io::Result<()> {
    if session.is_none() && !summary::admits(state, &peer.source, Deed::Refused) {
        return Ok(());
    }
    let user: String = judged.user.chars().take(limits::USER_NAME).collect();
    let id = session.map(|session| session.id.to_string());
    let key = session.map(|session| format!("{:?}", session.key));
    let kept = session
        .and_then(|session| session.kept)
        .map(|kept| kept.to_string());
    state.record(&Record::now(What::Login {
        connection,
        source: &peer.to_string(),
        user: &user,
        method: judged.method.map_or("unknown", Method::word),
        outcome: if session.is_some() {
            "accepted"
        } else {
            "refused"
        },
        reason: judged.outcome.as_ref().err().map(|refused| refused.why),
        by: session.map(|session| session.factor.shown()),
        session: id.as_deref(),
        session_key: key.as_deref(),
        kept: kept.as_deref(),
        signed: session.map(|_| judged.signed.as_str()),
        signature: session.map(|_| judged.signature.as_str()),
        key_signature: session
            .map(|_| judged.key_signature.as_str())
            .filter(|signature| !signature.is_empty()),
    }))
}
