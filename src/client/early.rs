//! A run that is asked for together with the login: its request leaves behind the LOGIN, for the
//! session that this one will begin, and is judged only when somebody is in.

use super::connection::{Asking, Connection};
use super::inbox::Inbox;
use crate::credential::{Purpose, SessionKey, random, session_id};
use crate::encoding::unbase64;
use crate::ids::{RequestId, SessionId};
use crate::limits::FRAME_BEFORE_LOGIN;
use crate::protocol::{EARLY, Kind, Open, RequestName, encode, request_text, write};
use crate::verb::{self, Invocation};
use std::sync::Arc;

/// The stream and the number of the request, the first of its session.
pub const FIRST: (u32, u64) = (1, 1);

/// A request that was sent with the login, until somebody asks for just this.
#[derive(Debug)]
pub struct Early {
    /// What is to run.
    invocation: Invocation,
    /// The request's name.
    name: RequestName,
    /// Where its answers come.
    pub inbox: Arc<Inbox>,
}

impl Early {
    /// Whether this is the request of this name, which nobody has but who was given it for this run.
    pub fn is(&self, name: &RequestName) -> bool {
        self.name == *name
    }

    /// The request's name, where it is for this run.
    pub fn name(&self, invocation: &Invocation) -> Option<RequestName> {
        (self.invocation == *invocation).then(|| self.name.clone())
    }
}

/// A request that leaves with a login, and the session that it is for.
pub struct Leaving {
    /// The session that the login begins.
    pub session: SessionId,
    /// The frame.
    pub frame: Vec<u8>,
    /// What is known of it when somebody is in.
    pub early: Early,
}

impl Connection {
    /// The session that a login with this key begins here.
    fn session_of(&self, key: &SessionKey) -> Option<SessionId> {
        let key = unbase64::<32>(&key.public())?;
        Some(session_id(&key, &unbase64::<32>(&self.nonce)?))
    }

    /// The request for the run that is asked for with the login, where this server takes one so
    /// early and it is short enough.
    pub(super) fn leaving(&self, key: &SessionKey) -> Option<Leaving> {
        let Asking { invocation, leaves } = self.early.as_ref()?;
        if !self.features.iter().any(|feature| feature == EARLY) {
            return None;
        }
        let session = self.session_of(key)?;
        let name = RequestName::from(RequestId::from_random(random()));
        let (stream, counter) = FIRST;
        let verb = verb::Run(invocation.clone());
        let text = request_text(session, counter, &name, &verb, random);
        let payload = write(&Open {
            signature: key.sign(Purpose::Request, &text.text),
            signed: text.text,
            secrets: text.secrets,
        });
        (payload.len() <= FRAME_BEFORE_LOGIN).then(|| {
            leaves();
            Leaving {
                session,
                frame: encode(stream, Kind::Open, &payload),
                early: Early {
                    invocation: invocation.clone(),
                    name,
                    inbox: Arc::default(),
                },
            }
        })
    }
}
