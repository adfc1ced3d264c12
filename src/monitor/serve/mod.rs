//! A request's way: signature, text, session and counter, policy, trail, effect. Nothing is done
//! out of this order.

mod approvals;
mod commands;
mod daemon;
mod files;
mod recordings;
mod room;
mod runs;
mod sessions;
mod users;

pub use commands::{describe, explain};

use super::access;
use super::asked::{Asked, Signed};
use super::denied::Denied;
use super::state::Shared;
use crate::credential::Purpose;
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::policy::{Asker, Grant, Judged, LocalGrant};
use crate::protocol::{Code, SignedRequest, read_request};
use crate::sys::fault_point;
use crate::verb::{LocalAdmin, SecretPart, Verb, with_verb};

/// How a verb of the wire is served once the policy has granted it: recorded, done, answered.
trait Serve: Judged {
    /// Whether it only takes away from its own user: then it may still be asked for by one who has
    /// added to the trail what they may.
    const TAKES_AWAY: bool = false;

    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>);
}

/// How a verb of the control socket is served.
pub(super) trait ServeLocal: Verb<Needs = LocalAdmin> {
    /// Whether it is served also when the trail cannot be written: looking is how one finds out,
    /// and what only takes away may always be done.
    const WITHOUT_TRAIL: bool = false;
    /// Whether a record is written. Numbers are asked for every few seconds, name nobody, and would
    /// drown what is worth reading.
    const RECORDED: bool = true;

    /// Does it. The error is a sentence for the administrator.
    async fn serve(state: &Shared, grant: LocalGrant<Self>) -> Result<Self::Answer, String>;
}

/// Judges a request and sees to what it asks for.
pub fn request(state: &Shared, connection: ConnectionId, stream: StreamId, signed: &Signed) {
    fault_point("monitor-asked");
    let found = state
        .sessions
        .connections
        .borrow()
        .get(&connection)
        .and_then(|known| known.session.clone().zip(known.peer.clone()));
    let Some((session, peer)) = found else {
        return;
    };

    let mut asked = Asked {
        connection,
        stream,
        session,
        peer,
        signed,
        instance: None,
        not_after: None,
    };
    match verified(state, &asked) {
        Ok(request) => {
            (asked.instance, asked.not_after) = (request.instance, request.not_after);
            with_verb!(&request.ask, verb => decide(state, &asked, request.id, verb));
        }
        Err(denied) => {
            let record = asked.record_of("unknown");
            let record = record.refused(denied.code, "the request itself", &denied.text);
            asked.refuse(state, &record, denied.clone());
        }
    }
}

/// The request, when this session's key signed exactly these bytes, for this session, and not
/// before.
fn verified(state: &Shared, asked: &Asked<'_>) -> Result<SignedRequest, Denied> {
    let Signed {
        signed,
        signature,
        secrets,
    } = asked.signed;
    let session = &asked.session;
    if !session.key.verifies(Purpose::Request, signed, signature) {
        let text = "the signature does not fit the request and this session's key";
        return Err(Denied::new(Code::Signature, text));
    }

    let part = |value: &str, salt: &str| SecretPart {
        value: value.to_owned(),
        salt: salt.to_owned(),
    };
    let secrets = secrets
        .iter()
        .map(|(name, value, salt)| (name.clone(), part(&value.0, salt)))
        .collect();
    let request =
        read_request(signed, &secrets).map_err(|fault| Denied::new(fault.code, fault.text))?;
    if request.session != session.id {
        return Err(Denied::new(
            Code::Signature,
            "the request names another session",
        ));
    }
    if request.counter <= session.counter {
        let text = format!("counter {} was used already", request.counter);
        return Err(Denied::new(Code::Replay, text));
    }

    let mut connections = state.sessions.connections.borrow_mut();
    let known = connections.get_mut(&asked.connection);
    if let Some(session) = known.and_then(|known| known.session.as_mut()) {
        session.counter = request.counter;
    }
    Ok(request)
}

fn decide<V: Serve>(state: &Shared, asked: &Asked<'_>, request: crate::ids::RequestId, verb: &V) {
    if !state.may_write_more(&asked.session.user, if V::TAKES_AWAY { 2 } else { 1 }) {
        return asked.too_much_trail(state);
    }
    let settings = state.settings();
    let owner = |run: RunId| {
        let owner = state.runs.owner(run, settings.retention);
        owner.or_else(|| state.recordings.owner(run))
    };
    let member = match access::member(state, &asked.session.user) {
        Ok(member) => member,
        // What only takes away does not wait for a name service.
        Err(_) if V::TAKES_AWAY => access::by_entry(state, &asked.session.user),
        Err(refusal) => return asked.refuse_by_policy(state, asked.record(verb), &refusal),
    };
    let now = crate::clock::now();
    let asker = Asker {
        member: &member,
        request,
        source: asked.peer.source.clone(),
        owner: &owner,
        asked: now,
        now,
    };
    match settings.policy.authorize(&asker, verb) {
        Ok(grant) => V::serve(state, asked, grant),
        Err(refusal) => asked.refuse_by_policy(state, asked.record(verb), &refusal),
    }
}
