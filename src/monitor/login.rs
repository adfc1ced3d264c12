//! Logging in: a password in a proof that binds the session key, verified with equal work for everybody.

use super::sessions;
use super::state::{Connection, Session, Shared, count};
use crate::audit::{Record, What};
use crate::credential::{self, Hash, Purpose, SessionPublic};
use crate::encoding;
use crate::ids::{ConnectionId, SessionId};
use crate::ipc::{Outcome, SecretValue, Stage, ToFrontend};
use crate::limits;
use crate::protocol::{Code, LoginText, read_login};
use crate::secret::Secret;
use crate::tls::Fingerprint;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A login as it came.
pub struct Proof {
    /// The signed text.
    pub signed: String,
    /// Its signature, base64.
    pub signature: String,
    /// The password.
    pub password: SecretValue,
    /// The TLS exporter, by the frontend's word.
    pub exporter: Option<[u8; 32]>,
}

/// A client passed the handshake: it gets the nonce that its login must sign.
///
/// # Errors
/// When the frontend holds more connections than it was told it may.
pub fn greet(state: &Shared, number: ConnectionId, source: &str) -> Result<(), String> {
    let most = state.settings().limits.connections as usize;
    // Twice as many, because a reload may have lowered the bound, and connections that are gone are told of later.
    if state.connections.borrow().len() > most.saturating_mul(2).max(65_536) {
        return Err("more connections than were allowed".into());
    }
    let nonce = credential::random::<32>();
    let server_key = state.settings().tls.fingerprint;
    let connection = Connection { stage: Stage::Greeted, nonce, server_key, peer: None, tries: 0, session: None };
    state.connections.borrow_mut().insert(number, connection);
    state.highest.set(state.highest.get().max(number));
    count(&state.counts.connections);
    let source: String = source.chars().take(64).collect();
    let _ = state.record(&Record::now(What::Connection { connection: number, source: &source, reported_by: "frontend" }));
    state.tell(ToFrontend::Challenge { connection: number, nonce });
    Ok(())
}

/// Verifies a login in its turn and answers.
///
/// # Errors
/// When the descriptor that came along is no connected socket.
pub fn login(state: &Shared, number: ConnectionId, socket: OwnedFd, proof: Proof) -> Result<(), String> {
    // The address is the kernel's word, not the frontend's.
    let peer = TcpStream::from(socket).peer_addr();
    let (nonce, server_key) = {
        let mut connections = state.connections.borrow_mut();
        let Some(connection) = connections.get_mut(&number) else { return Ok(()) };
        connection.stage = Stage::Verifying;
        connection.tries += 1;
        connection.peer = peer.as_ref().ok().copied();
        (connection.nonce, connection.server_key)
    };
    let Ok(peer) = peer else { return Ok(()) };
    let state = state.clone();
    tokio::task::spawn_local(async move {
        let outcome = judge(&state, nonce, server_key, proof).await;
        answer(&state, number, peer, outcome);
    });
    Ok(())
}

/// What a login came to.
struct Judged {
    user: String,
    /// What the verification itself took, for operators who choose its cost.
    verified_in: Duration,
    signed: String,
    signature: String,
    outcome: Result<Proved, (Code, &'static str)>,
}

/// What was proved.
enum Proved {
    /// A password, which binds this new session's key.
    User(SessionPublic),
    /// The key of a session whose link was lost.
    Session(Session),
}

/// The method of a login by a session's own key.
const SESSION: &str = "session";

async fn judge(state: &Shared, nonce: [u8; 32], server_key: Fingerprint, proof: Proof) -> Judged {
    let settings = state.settings();
    let text = read_login(&proof.signed);
    let user = text.as_ref().map(|text| text.user.clone()).unwrap_or_default();
    if let Ok(text) = &text
        && text.method == SESSION
    {
        let outcome = come_back(state, text, &proof, nonce, &server_key.0);
        return Judged { user, verified_in: Duration::ZERO, signed: proof.signed, signature: proof.signature, outcome };
    }
    let bound = text.as_ref().map_err(|_| "the text is no login").and_then(|text| binding(text, &proof, nonce, &server_key.0));
    let known = settings.hashes.get(&user).cloned();
    let reason = match &known {
        Some(_) => "wrong password",
        None if settings.policy.users.get(&user).is_some_and(|known| known.disabled) => "disabled user",
        None if settings.policy.users.contains_key(&user) => "user without password",
        None => "unknown user",
    };
    // Somebody unknown costs as much as somebody known.
    let exists = known.is_some();
    let hash = known.unwrap_or_else(|| settings.dummy.clone());
    let verified = verify(state, hash, Secret::new(proof.password.0.clone())).await;
    let verified_in = verified.as_ref().map_or(Duration::ZERO, |(_, took)| *took);
    let verified = verified.map(|(fits, _)| fits);
    let outcome = match (verified, bound) {
        (Err(code), _) => Err((code, "too many logins at once")),
        (Ok(true), Ok(key)) if exists => Ok(Proved::User(key)),
        (Ok(true), Err(why)) if exists => Err((Code::LoginRefused, why)),
        (Ok(_), _) => Err((Code::LoginRefused, reason)),
    };
    Judged { user, verified_in, signed: proof.signed, signature: proof.signature, outcome }
}

/// The session whose key has signed this login. Costs a signature and no password's work: there is nothing to guess.
fn come_back(
    state: &Shared,
    text: &LoginText,
    proof: &Proof,
    nonce: [u8; 32],
    fingerprint: &[u8; 32],
) -> Result<Proved, (Code, &'static str)> {
    let refused = |why| (Code::LoginRefused, why);
    let id = text.session.as_deref().and_then(|id| id.parse::<SessionId>().ok());
    let session = id.and_then(|id| sessions::find(state, id)).ok_or_else(|| refused("no such session to come back to"))?;
    let key = bound_key(text, proof, nonce, fingerprint).map_err(refused)?;
    // The exporter ties the proof to this very connection, and there is no password that would be known otherwise.
    if text.exporter.is_none() {
        return Err(refused("a session that comes back without the TLS exporter"));
    }
    if *session.user != *text.user || key != session.key || !proof.password.0.is_empty() {
        return Err(refused("another session's key"));
    }
    if state.settings().policy.users.get(&*session.user).is_none_or(|user| user.disabled) {
        return Err(refused("the session's user is gone or disabled"));
    }
    Ok(Proved::Session(session))
}

/// The session key, when the proof is bound to this server, this connection and that key.
fn binding(text: &LoginText, proof: &Proof, nonce: [u8; 32], fingerprint: &[u8; 32]) -> Result<SessionPublic, &'static str> {
    if text.method != "password" || text.session.is_some() {
        return Err("an unknown method");
    }
    bound_key(text, proof, nonce, fingerprint)
}

fn bound_key(text: &LoginText, proof: &Proof, nonce: [u8; 32], fingerprint: &[u8; 32]) -> Result<SessionPublic, &'static str> {
    if text.nonce != encoding::base64(&nonce) {
        return Err("another connection's nonce");
    }
    if text.server_key != encoding::base64(fingerprint) {
        return Err("another server's key: somebody is in between");
    }
    if let Some(exporter) = &text.exporter
        && proof.exporter.map(|seen| encoding::base64(&seen)).as_ref() != Some(exporter)
    {
        return Err("another TLS connection: somebody is in between");
    }
    let key = SessionPublic::read(&text.session_key).ok_or("a session key that is none")?;
    if key.verifies(Purpose::Login, &proof.signed, &proof.signature) { Ok(key) } else { Err("a signature that does not fit") }
}

/// Verifies in the bounded pool; a login that would wait too long is told so.
async fn verify(state: &Shared, hash: Hash, password: Secret) -> Result<(bool, Duration), Code> {
    if password.bytes().len() > limits::PASSWORD {
        return Ok((false, Duration::ZERO));
    }
    if state.logins_waiting.get() >= limits::LOGINS_WAITING {
        return Err(Code::LoginBusy);
    }
    state.logins_waiting.set(state.logins_waiting.get() + 1);
    let verifiers = state.verifiers.borrow().clone();
    let place = tokio::time::timeout(limits::LOGIN_QUEUE, verifiers.acquire_owned()).await;
    state.logins_waiting.set(state.logins_waiting.get() - 1);
    let Ok(Ok(place)) = place else { return Err(Code::LoginBusy) };
    forget_memory_later(state);
    tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let verified = hash.verify(&password);
        drop(place);
        (verified, began.elapsed())
    })
    .await
    .map_err(|_| Code::Internal)
}

/// Gives the verifiers' memory back once nobody has logged in for a while.
fn forget_memory_later(state: &Shared) {
    let verification = state.verifications.get() + 1;
    state.verifications.set(verification);
    let state = state.clone();
    tokio::task::spawn_local(async move {
        tokio::time::sleep(limits::VERIFIER_MEMORY).await;
        if state.verifications.get() == verification {
            credential::forget_memory();
        }
    });
}

fn answer(state: &Shared, number: ConnectionId, peer: SocketAddr, judged: Judged) {
    let source = peer.to_string();
    let user: String = judged.user.chars().take(limits::USER_NAME).collect();
    let session = judged.outcome.as_ref().ok().map(|proved| match proved {
        Proved::User(key) => Session {
            id: SessionId::from_random(credential::random()),
            user: Arc::from(judged.user.as_str()),
            key: *key,
            counter: 0,
            generation: state.generation.get(),
        },
        Proved::Session(session) => session.clone(),
    });
    let id = session.as_ref().map(|session| session.id.to_string());
    let key = session.as_ref().map(|session| format!("{:?}", session.key));
    let accepted = session.is_some();
    let recorded = state.record(&Record::now(What::Login {
        connection: number,
        source: &source,
        user: &user,
        outcome: if accepted { "accepted" } else { "refused" },
        reason: judged.outcome.as_ref().err().map(|(_, reason)| *reason),
        session: id.as_deref(),
        session_key: key.as_deref(),
        signed: accepted.then_some(judged.signed.as_str()),
        signature: accepted.then_some(judged.signature.as_str()),
    }));
    let mut connections = state.connections.borrow_mut();
    // It may have gone away while its password was verified.
    let Some(connection) = connections.get_mut(&number) else { return };
    let outcome = match (judged.outcome, session, id) {
        (Ok(_), Some(session), Some(id)) if recorded.is_ok() => {
            count(&state.counts.logins);
            let verified_us = u64::try_from(judged.verified_in.as_micros()).unwrap_or(u64::MAX);
            tracing::info!(connection = number, %peer, user, verified_us, "logged in");
            connection.stage = Stage::Open;
            let back = session.id;
            connection.session = Some(session);
            drop(connections);
            sessions::take(state, back, number);
            state.tell(ToFrontend::Login { connection: number, outcome: Outcome::Accepted { session: id, user } });
            return;
        }
        (Ok(_), ..) => {
            connection.stage = Stage::Greeted;
            let code = if connection.tries >= limits::LOGIN_TRIES { Code::LoginTries } else { Code::Trail };
            Outcome::Refused { code: code.number() }
        }
        (Err((code, reason)), ..) => {
            count(&state.counts.logins_refused);
            tracing::warn!(connection = number, %peer, user = user.escape_debug().to_string(), reason, "login refused");
            connection.stage = Stage::Greeted;
            if code == Code::LoginBusy {
                // Nothing was tried.
                connection.tries = connection.tries.saturating_sub(1);
            }
            let code = if connection.tries >= limits::LOGIN_TRIES { Code::LoginTries } else { code };
            Outcome::Refused { code: code.number() }
        }
    };
    let close = connection.tries >= limits::LOGIN_TRIES && matches!(outcome, Outcome::Refused { .. });
    drop(connections);
    state.tell(ToFrontend::Login { connection: number, outcome });
    if close {
        super::supervise::forget(state, number, false);
    }
}
