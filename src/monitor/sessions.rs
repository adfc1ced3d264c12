//! Sessions whose link was lost: kept for a while, so that their own key brings them back without a password.

use super::state::{Session, Shared};
use crate::audit::{Record, What};
use crate::ids::{ConnectionId, SessionId};
use crate::ipc::ToFrontend;
use crate::limits::{RESUME_WINDOW, SESSIONS_PARKED};
use crate::protocol::Code;

/// A session ends with its connection, or waits for its client.
pub fn end_or_park(state: &Shared, session: Session, lost: bool) {
    // A password that has changed since ends what it had begun, as soon as the link does.
    let changed = state.changed.borrow().get(&*session.user).is_some_and(|changed| *changed > session.generation);
    let known = state.settings().policy.users.get(&*session.user).is_some_and(|user| !user.disabled);
    let worth_it = known && !changed;
    let mut parked = state.parked.borrow_mut();
    if !lost || !worth_it || parked.len() >= SESSIONS_PARKED {
        drop(parked);
        return over(state, &session);
    }
    let id = session.id;
    let parking = state.parkings.get() + 1;
    state.parkings.set(parking);
    parked.insert(id, (session, parking));
    drop(parked);
    let state = state.clone();
    tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(window(&state, id)).await;
            if state.parked.borrow().get(&id).is_none_or(|(_, known)| *known != parking) {
                return;
            }
            // As long as a run of its own goes on there is something to come back for.
            if !state.runs.borrow().values().any(|run| run.session == id) {
                break;
            }
        }
        let gone = state.parked.borrow_mut().remove(&id);
        if let Some((session, _)) = gone {
            over(&state, &session);
        }
    });
}

/// The longest that any of its runs waits for it, and at least the usual.
fn window(state: &Shared, session: SessionId) -> std::time::Duration {
    let runs = state.runs.borrow();
    let own = runs.values().filter(|run| run.session == session).map(|run| run.command.resume_window).max();
    own.unwrap_or_default().max(RESUME_WINDOW)
}

/// The session of this id, wherever it is: parked, or on a connection whose loss has not been noticed yet.
pub fn find(state: &Shared, id: SessionId) -> Option<Session> {
    let parked = state.parked.borrow().get(&id).map(|(session, _)| session.clone());
    parked.or_else(|| {
        state.connections.borrow().values().filter_map(|connection| connection.session.clone()).find(|session| session.id == id)
    })
}

/// Takes a session away from wherever it was: it goes on over another connection.
pub fn take(state: &Shared, id: SessionId, except: ConnectionId) {
    state.parked.borrow_mut().remove(&id);
    for (number, connection) in state.connections.borrow_mut().iter_mut() {
        if *number != except && connection.session.as_ref().is_some_and(|session| session.id == id) {
            connection.session = None;
            // Whatever it still asks for there is worth nothing.
            state.tell(ToFrontend::Close { connection: *number, code: Code::TakenOver.number() });
        }
    }
}

/// Users who are gone, disabled or have another password: their sessions do not come back.
pub fn revoke(state: &Shared, revoked: impl Fn(&str) -> bool) {
    let gone: Vec<Session> = {
        let parked = state.parked.borrow();
        parked.values().map(|(session, _)| session).filter(|session| revoked(&session.user)).cloned().collect()
    };
    for session in gone {
        state.parked.borrow_mut().remove(&session.id);
        over(state, &session);
    }
}

fn over(state: &Shared, session: &Session) {
    let _ = state.record(&Record::now(What::Logout { session: &session.id.to_string(), user: &session.user }));
}
