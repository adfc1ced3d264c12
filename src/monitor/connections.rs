//! The end of connections: of one, and of all that a frontend had.

use super::run::{Phase, Run};
use super::state::Shared;
use super::{runs, sessions};
use crate::exit::Reason;
use crate::ids::ConnectionId;

/// A connection is gone: its session ends, or waits when its link was lost; its runs follow their
/// rule.
pub fn forget(state: &Shared, number: ConnectionId, lost: bool) {
    state.feed.leave(number, None);
    runs::leave(state, number, None, lost);
    let gone = state.sessions.connections.borrow_mut().remove(&number);
    state.sessions.gone.notify_waiters();
    if let Some(session) = gone.and_then(|connection| connection.session) {
        sessions::end_or_park(state, session, lost);
    }
}

/// The frontend is gone, and every connection with it.
pub fn forget_all(state: &Shared) {
    let numbers: Vec<ConnectionId> = state
        .sessions
        .connections
        .borrow()
        .keys()
        .copied()
        .collect();
    for number in numbers {
        forget(state, number, true);
    }
    // What does not outlive its frontend has lost its pipes, and nobody will count its bytes.
    let begun = |run: &&mut Run| run.phase != Phase::Queued && !run.rules.outlives_client;
    for run in state.runs.going.borrow_mut().values_mut().filter(begun) {
        run.finished = None;
        run.end_for(Reason::Disconnected);
    }
}
