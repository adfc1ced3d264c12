//! Requests that wait to be decided. Users are served in turn, by what deciding has cost so far, so
//! that one who asks without end waits behind themselves.

use super::asked::Signed;
use super::denied::Denied;
use super::serve;
use super::state::Shared;
use crate::fair::FairQueue;
use crate::ids::{ConnectionId, StreamId};
use crate::ledger::{Charge, Share};
use crate::sys;
use std::sync::Arc;

/// Requests that wait to be decided, each at the charge of its user.
#[derive(Default)]
pub struct Undecided(FairQueue<Arc<str>, Waiting>);

struct Waiting {
    place: (ConnectionId, StreamId),
    signed: Signed,
    charge: Charge,
}

impl Undecided {
    /// A request has come. A user with as many as may wait is refused.
    pub fn add(&mut self, state: &Shared, place: (ConnectionId, StreamId), signed: Signed) {
        let Some(user) = user_of(state, place.0) else {
            return;
        };
        match state.ledger.charge(&user, Share::Requests, 1) {
            Ok(charge) => self.0.push(
                &user,
                Waiting {
                    place,
                    signed,
                    charge,
                },
            ),
            Err(spent) => {
                let denied = Denied::from(&spent);
                state.sum_refusal(&user, denied.code);
                state.refuse(place, denied);
            }
        }
    }

    /// Decides the next one, whose turn it is.
    pub fn decide_next(&mut self, state: &Shared) {
        let Some((user, waiting)) = self.0.pop() else {
            return;
        };
        let began = sys::worked();
        let (connection, stream) = waiting.place;
        serve::request(state, connection, stream, &waiting.signed);
        drop(waiting.charge);
        let cost = sys::worked().saturating_sub(began);
        self.0.charge(&user, cost);
    }

    /// A stream was given up, or a whole connection: nobody waits for what it has asked for.
    pub fn forget(&mut self, state: &Shared, connection: ConnectionId, stream: Option<StreamId>) {
        if self.0.is_empty() {
            return;
        }
        if let Some(user) = user_of(state, connection) {
            self.0.retain(&user, |waiting| {
                let (its, own) = waiting.place;
                its != connection || stream.is_some_and(|stream| stream != own)
            });
        }
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn user_of(state: &Shared, connection: ConnectionId) -> Option<Arc<str>> {
    let connections = state.sessions.connections.borrow();
    let session = connections.get(&connection)?.session.as_ref();
    session.map(|session| session.user.clone())
}
