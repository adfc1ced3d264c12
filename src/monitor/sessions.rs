//! Sessions whose link was lost: kept for a while, so that their own key brings them back without a
//! password.

use super::session::Session;
use super::state::Shared;
use crate::audit::{Record, What};
use crate::ids::{ConnectionId, SessionId};
use crate::ipc::ToFrontend;
use crate::ledger;
use crate::limits::{RESUME_WINDOW, SESSIONS_PARKED};
use crate::protocol::Code;

/// A session ends with its connection, or waits for its client.
pub fn end_or_park(state: &Shared, session: Session, lost: bool) {
    if !lost {
        return over(state, &session, None);
    }

    let id = session.id;
    let parking = state.sessions.parkings.get() + 1;
    state.sessions.parkings.set(parking);
    state
        .sessions
        .parked
        .borrow_mut()
        .insert(id, (session, parking));
    make_room(state);
    let state = state.clone();
    tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(window(&state, id)).await;
            if state
                .sessions
                .parked
                .borrow()
                .get(&id)
                .is_none_or(|(_, known)| *known != parking)
            {
                return;
            }
            // As long as a run of its own goes on there is something to come back for.
            if !state
                .runs
                .going
                .borrow()
                .values()
                .any(|run| run.session == id)
            {
                break;
            }
        }

        let gone = state.sessions.parked.borrow_mut().remove(&id);
        if let Some((session, _)) = gone {
            over(&state, &session, None);
        }
    });
}

/// Where more are parked than may be, the one that whoever has the most has parked first ends: so
/// nobody takes another's place.
fn make_room(state: &Shared) {
    let mut parked = state.sessions.parked.borrow_mut();
    if parked.len() <= SESSIONS_PARKED {
        return;
    }
    let users = parked.values().map(|(session, _)| &session.user);
    let Some(most) = ledger::who_has_most(users).cloned() else {
        return;
    };
    let own = parked
        .values()
        .filter(|(session, _)| session.user == most)
        .min_by_key(|(_, parking)| *parking)
        .map(|(session, _)| session.id);
    let ended = own.and_then(|id| parked.remove(&id));
    drop(parked);
    if let Some((session, _)) = ended {
        over(
            state,
            &session,
            Some("more sessions with a lost link than are kept"),
        );
    }
}

/// The longest that any of its runs waits for it, and at least the usual.
fn window(state: &Shared, session: SessionId) -> std::time::Duration {
    let runs = state.runs.going.borrow();
    let own = runs
        .values()
        .filter(|run| run.session == session)
        .map(|run| run.command.resume_window)
        .max();
    own.unwrap_or_default().max(RESUME_WINDOW)
}

/// The session of this id, wherever it is: parked, or on a connection whose loss has not been
/// noticed yet.
pub fn find(state: &Shared, id: SessionId) -> Option<Session> {
    let parked = state
        .sessions
        .parked
        .borrow()
        .get(&id)
        .map(|(session, _)| session.clone());
    parked.or_else(|| {
        state
            .sessions
            .connections
            .borrow()
            .values()
            .filter_map(|connection| connection.session.clone())
            .find(|session| session.id == id)
    })
}

/// How many sessions these are, wherever they are.
pub fn count(state: &Shared, meant: impl Fn(&Session) -> bool) -> usize {
    let connections = state.sessions.connections.borrow();
    let connected = connections
        .values()
        .filter_map(|connection| connection.session.as_ref());
    let parked = state.sessions.parked.borrow();
    let parked = parked.values().map(|(session, _)| session);
    connected.chain(parked).filter(|one| meant(one)).count()
}

/// Changes what is known of a session, wherever it is.
pub fn change(state: &Shared, id: SessionId, change: impl Fn(&mut Session)) {
    let mut connections = state.sessions.connections.borrow_mut();
    let connected = connections
        .values_mut()
        .filter_map(|connection| connection.session.as_mut());
    let mut parked = state.sessions.parked.borrow_mut();
    let parked = parked.values_mut().map(|(session, _)| session);
    connected
        .chain(parked)
        .filter(|session| session.id == id)
        .for_each(change);
}

/// Takes a session away from wherever it was: it goes on over another connection.
pub fn take(state: &Shared, id: SessionId, except: ConnectionId) {
    state.sessions.parked.borrow_mut().remove(&id);
    for (number, connection) in state.sessions.connections.borrow_mut().iter_mut() {
        if *number != except
            && connection
                .session
                .as_ref()
                .is_some_and(|session| session.id == id)
        {
            connection.session = None;

            // Whatever it still asks for there is worth nothing.
            state.tell(ToFrontend::Close {
                connection: *number,
                code: Code::TakenOver.number(),
            });
        }
    }
}

/// Ends sessions, wherever they are; their connections are closed.
pub fn end(state: &Shared, ended: impl Fn(&Session) -> bool, reason: &str) {
    let parked: Vec<Session> = {
        let parked = state.sessions.parked.borrow();
        parked
            .values()
            .map(|(session, _)| session)
            .filter(|session| ended(session))
            .cloned()
            .collect()
    };

    for session in &parked {
        state.sessions.parked.borrow_mut().remove(&session.id);
    }
    let mut gone = parked;
    for (number, connection) in state.sessions.connections.borrow_mut().iter_mut() {
        if let Some(session) = connection.session.take_if(|session| ended(session)) {
            // Whatever it still asks for is worth nothing.
            state.tell(ToFrontend::Close {
                connection: *number,
                code: Code::Revoked.number(),
            });

            gone.push(session);
        }
    }

    for session in gone {
        tracing::info!(user = %session.user, session = %session.id, reason, "session ended");
        over(state, &session, Some(reason));
    }
}

/// Records the end of a session.
pub fn over(state: &Shared, session: &Session, reason: Option<&str>) {
    let _ = state.record(&Record::now(What::Logout {
        session: &session.id.to_string(),
        user: &session.user,
        reason,
    }));
}
