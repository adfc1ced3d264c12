//! What comes of a login that was judged: its record, a session or a refusal, and the answer.

use super::judged::{Judged, Proved};
use crate::audit::{Record, What};
use crate::clock::seconds as now;
use crate::credential;
use crate::ids::ConnectionId;
use crate::ipc::{Outcome, Stage, ToFrontend};
use crate::ledger::{Charge, Share};
use crate::limits;
use crate::monitor::access::{self, Refused};
use crate::monitor::metrics::count_by;
use crate::monitor::session::Session;
use crate::monitor::state::Shared;
use crate::monitor::strangers::Deed;
use crate::monitor::{connections, penalties, sessions, summary};
use crate::penalty::Misdeed;
use crate::protocol::{Code, Method};
use crate::source::{Peer, Source};
use std::io;
use std::sync::Arc;

/// Records what a login came to, and says it: a session begins, or the client may try again.
pub async fn answer(state: &Shared, number: ConnectionId, peer: Peer, mut judged: Judged) {
    if let Err(why) = still(state, &judged, &peer.source) {
        judged.outcome = Err(why);
    }
    let charge = charge(state, &judged);
    let charge = charge.unwrap_or_else(|why| {
        judged.outcome = Err(why);
        None
    });
    let session = session(state, number, &judged);
    let recorded = record(state, number, &peer, &judged, session.as_ref());
    if let Err(why) = &judged.outcome {
        // Also of whoever has hung up already; and before anything else is awaited, so that no guess
        // is judged between one that failed and what it costs.
        count_refusal(state, number, &peer, &judged, *why);
    }
    let keep = matches!(&judged.outcome, Ok(Proved::User(proven)) if proven.keep);
    let mut kept_s = None;
    if let (Some(session), true, true) = (&session, keep, recorded.is_ok()) {
        kept_s = access::keep(state, session, &peer.source).await;
    }

    // It may have been revoked, and the client may have gone away, while that was written.
    let revoked = still(state, &judged, &peer.source).err();
    if !state.sessions.connections.borrow().contains_key(&number) {
        return;
    }

    let refused = match (&judged.outcome, session, revoked) {
        (Ok(_), Some(session), None) if recorded.is_ok() => {
            return accept(state, number, &peer, &judged, (session, charge), kept_s);
        }
        (Ok(_), _, None) => Code::Trail,
        (Ok(_), session, Some(Refused { code, why, .. })) => {
            if let Some(session) = session {
                sessions::over(state, &session, Some(why));
            }
            code
        }
        (Err(why), ..) => why.code,
    };
    refuse(state, number, refused);
}

/// Whether the user may still log in: it may have changed while their proof was verified.
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

/// Charges the user for the connection. One on which a session is taken up again takes the place of
/// another.
fn charge(state: &Shared, judged: &Judged) -> Result<Option<Charge>, Refused> {
    let over_limit = |why| Refused {
        code: Code::OverLimit,
        why,
        guessed: false,
    };
    let user: Arc<str> = judged.user.as_str().into();
    match &judged.outcome {
        Err(_) => Ok(None),
        Ok(Proved::Session(_)) => Ok(Some(state.ledger.carry(&user, Share::Sessions, 1))),
        Ok(Proved::User(_)) if !state.may_write_more(&user, 1) => {
            Err(over_limit("over limits.trail_per_user"))
        }
        Ok(Proved::User(_)) => {
            let charge = state.ledger.charge(&user, Share::Sessions, 1);
            let charge = charge.map_err(|_| over_limit("over limits.sessions_per_user"))?;
            Ok(Some(charge))
        }
    }
}

/// The session that a proof begins, or goes on with.
fn session(state: &Shared, number: ConnectionId, judged: &Judged) -> Option<Session> {
    let proven = match judged.outcome.as_ref().ok()? {
        Proved::User(proven) => proven,
        Proved::Session(session) => return Some(session.clone()),
    };

    // The client knows it already: a request may have come with its login.
    let nonce = state.sessions.connections.borrow().get(&number)?.nonce;
    let id = credential::session_id(proven.key.bytes(), &nonce);
    Some(Session {
        id,
        user: Arc::from(judged.user.as_str()),
        key: proven.key,
        counter: 0,
        factor: proven.factor.clone(),
        kept: if proven.keep { Some(id) } else { proven.kept },
        since: now(),
    })
}

/// Writes the login to the trail, or counts it where outsiders would fill the trail.
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
    let gathered = session.and(judged.gathered.as_ref());

    state.record(&Record::now(What::Login {
        connection,
        source: &peer.to_string(),
        user: &user,
        method: method(judged),
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
        gathered_index: gathered.map(|place| place.index),
        gathered_count: gathered.map(|place| place.count),
        gathered_path: gathered.map(|place| place.path.as_str()),
    }))
}

/// The method's name, for the trail and the counters.
fn method(judged: &Judged) -> &'static str {
    judged.method.map_or("unknown", Method::word)
}

/// The session has its connection from now on, and the client hears so.
fn accept(
    state: &Shared,
    number: ConnectionId,
    peer: &Peer,
    judged: &Judged,
    (session, charge): (Session, Option<Charge>),
    kept_s: Option<u64>,
) {
    count_by(&state.health.counts.logins, (method(judged), "accepted"));
    let verified_us = u64::try_from(judged.verified_in.as_micros()).unwrap_or(u64::MAX);
    let (user, id, by) = (session.user.to_string(), session.id, session.factor.clone());

    if let Some(connection) = state.sessions.connections.borrow_mut().get_mut(&number) {
        connection.stage = Stage::Open;
        connection.session = Some(session);
        connection.charge = charge;
    }
    sessions::take(state, id, number);
    if penalties::known_place(state, &user, &peer.source) {
        access::save_soon(state);
    }

    state.tell(ToFrontend::Login {
        connection: number,
        outcome: Outcome::Accepted {
            session: id.to_string(),
            user: user.clone(),
            kept_s,
        },
    });

    // The client is not kept waiting for the log.
    tracing::info!(connection = number, %peer, user, by = by.shown(), verified_us, "logged in");
}

/// What a refused proof costs, in the log, the counters and the penalties.
fn count_refusal(
    state: &Shared,
    number: ConnectionId,
    peer: &Peer,
    judged: &Judged,
    Refused { code, why, guessed }: Refused,
) {
    let user: String = judged.user.chars().take(limits::USER_NAME).collect();
    if code == Code::CodeWanted {
        // Half of a login that is going well.
        tracing::info!(connection = number, %peer, user = user.escape_debug().to_string(), "a one-time code is wanted");
    } else {
        count_by(&state.health.counts.logins, (method(judged), "refused"));
        tracing::warn!(connection = number, %peer, user = user.escape_debug().to_string(), reason = why, "login refused");
    }

    if code == Code::LoginRefused {
        // Whoever shows a wrong key costs no more than whoever shows none.
        let misdeed = if guessed {
            Misdeed::Login
        } else {
            Misdeed::NoLogin
        };
        penalties::source(state, &peer.source, misdeed);
    }
}

/// There is no room for a login's socket: the client may come back.
pub fn too_busy(state: &Shared, number: ConnectionId) {
    tracing::error!("no file descriptors are left for a login");
    if let Some(connection) = state.sessions.connections.borrow_mut().get_mut(&number) {
        connection.tries += 1;
    }
    refuse(state, number, Code::LoginBusy);
}

/// The client may try again, a few times.
fn refuse(state: &Shared, number: ConnectionId, refused: Code) {
    let close = {
        let mut connections = state.sessions.connections.borrow_mut();
        let Some(connection) = connections.get_mut(&number) else {
            return;
        };
        connection.stage = Stage::Greeted;
        if matches!(
            refused,
            Code::LoginBusy | Code::CodeWanted | Code::GroupsUnknown | Code::OverLimit
        ) {
            // Nothing was tried, or nothing was wrong yet.
            connection.tries = connection.tries.saturating_sub(1);
        }

        // A code may be asked for as often as it may be tried.
        connection.codes_wanted += u32::from(refused == Code::CodeWanted);
        connection.tries >= limits::LOGIN_TRIES || connection.codes_wanted > limits::LOGIN_TRIES
    };

    let code = if close { Code::LoginTries } else { refused };
    state.tell(ToFrontend::Login {
        connection: number,
        outcome: Outcome::Refused {
            code: code.number(),
        },
    });
    if close {
        connections::forget(state, number, false);
    }
}
