//! A request's way: signature, text, session and counter, policy, trail, effect. Nothing is done
//! out of this order.

use super::asked::{Asked, Signed, TRAIL, answer_to};
use super::state::Shared;
use super::{access, answers, runs};
use crate::credential::Purpose;
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ipc::ToFrontend;
use crate::policy::{Decision, Scope};
use crate::protocol::{Answer, Code, SecretPart, SessionLine, SignedRequest, read_request};
use crate::request::{Ask, Ending};
use crate::sys::fault_point;

/// Judges a request and sees to what it asks for.
pub fn request(state: &Shared, connection: ConnectionId, stream: StreamId, signed: &Signed) {
    fault_point("monitor-asked");
    let found = state
        .connections
        .borrow()
        .get(&connection)
        .and_then(|known| known.session.clone().zip(known.peer));
    let Some((session, peer)) = found else { return };
    let asked = Asked {
        connection,
        stream,
        session,
        peer,
        signed,
    };

    match verified(state, &asked) {
        Ok(request) => decide(state, &asked, &request),
        Err((code, text)) => {
            let record = asked
                .record("unknown", None)
                .refused(code, "the request itself", &text);
            asked.refuse(state, record, code, text.clone(), None, None);
        }
    }
}

/// The request, when this session's key signed exactly these bytes, for this session, and not
/// before.
fn verified(state: &Shared, asked: &Asked<'_>) -> Result<SignedRequest, (Code, String)> {
    let Signed {
        signed,
        signature,
        secrets,
    } = asked.signed;
    if !asked
        .session
        .key
        .verifies(Purpose::Request, signed, signature)
    {
        return Err((
            Code::Signature,
            "the signature does not fit the request and this session's key".into(),
        ));
    }

    let secrets = secrets
        .iter()
        .map(|(name, value, salt)| {
            (
                name.clone(),
                SecretPart {
                    value: value.0.clone(),
                    salt: salt.clone(),
                },
            )
        })
        .collect();
    let request = read_request(signed, &secrets).map_err(|fault| (fault.code, fault.text))?;
    if request.session != asked.session.id {
        return Err((Code::Signature, "the request names another session".into()));
    }
    if request.counter <= asked.session.counter {
        return Err((
            Code::Replay,
            format!("counter {} was used already", request.counter),
        ));
    }

    if let Some(session) = state
        .connections
        .borrow_mut()
        .get_mut(&asked.connection)
        .and_then(|known| known.session.as_mut())
    {
        session.counter = request.counter;
    }
    Ok(request)
}

fn decide(state: &Shared, asked: &Asked<'_>, request: &SignedRequest) {
    let settings = state.settings();
    let owner = |run: RunId| {
        let live = state.runs.borrow().get(&run).map(|run| run.user.clone());
        live.or_else(|| {
            state
                .kept
                .borrow()
                .find(run, settings.retention)
                .map(|over| over.ran.user.clone())
        })
    };

    let decision = settings.policy.authorize(
        &asked.session.user,
        request.id,
        &request.ask,
        asked.peer.ip(),
        owner,
    );

    let verb = request.ask.verb().name();
    let record = asked.record(verb, request.ask.command());
    let answered = match decision {
        Decision::Refused(refusal) => return asked.refuse_by_policy(state, record, refusal),
        Decision::Run(grant) => {
            let Ask::Run(invocation) = &request.ask else {
                return;
            };
            return runs::begin(
                state,
                asked,
                record,
                *grant,
                invocation,
                request.instance.as_deref(),
            );
        }

        Decision::Attach(grant) => {
            let run = grant.what().run.to_string();
            let recorded = record.granted(grant.rule()).with_run(&run).write(state);
            match recorded.map(|()| runs::attach(state, asked, *grant.what())) {
                Ok(Ok(())) => {}
                Ok(Err((code, text))) => asked.tell_refusal(state, code, text.into(), None, None),
                Err(_) => asked.tell_refusal(state, Code::Trail, TRAIL.into(), None, None),
            }

            return;
        }

        Decision::Signal(grant) => {
            let (run, signal) = grant.what();
            let name = run.to_string();
            match record.granted(grant.rule()).with_run(&name).write(state) {
                Ok(()) => match runs::signal(state, *run, signal) {
                    Ok(()) => asked.answer(state, &Answer::Signal { signalled: name }),
                    Err((code, text)) => asked.tell_refusal(state, code, text, None, None),
                },
                Err(_) => asked.tell_refusal(state, Code::Trail, TRAIL.into(), None, None),
            }

            return;
        }

        Decision::EndSession(grant) => {
            match record.granted(grant.rule()).write(state) {
                Ok(()) => end_sessions(state, asked, grant.what().clone()),
                Err(_) => asked.tell_refusal(state, Code::Trail, TRAIL.into(), None, None),
            }

            return;
        }

        Decision::Explain(grant) => {
            let mut record = record.granted(grant.rule());
            record.keep_text = !grant
                .what()
                .outcome
                .as_ref()
                .is_err_and(|refusal| refusal.holds_secret);
            record
                .write(state)
                .map(|()| Answer::Explain(Box::new(answers::explain(grant.what()))))
        }

        Decision::Whoami(grant) => record
            .granted(grant.rule())
            .write(state)
            .map(|()| answers::whoami(state, &asked.session, asked.peer)),
        Decision::Sessions(grant) => record
            .granted(grant.rule())
            .write(state)
            .map(|()| answers::sessions(state, &asked.session, *grant.what())),
        Decision::List(grant) => record
            .granted(grant.rule())
            .write(state)
            .map(|()| answers::list(grant.what())),
        Decision::Describe(grant) => record
            .granted(grant.rule())
            .write(state)
            .map(|()| Answer::Describe(Box::new(answers::describe(grant.what())))),
        Decision::Preview(grant) => {
            let plan = &grant.what().0;
            record
                .granted(grant.rule())
                .with_plan(plan)
                .write(state)
                .map(|()| answers::preview(plan, grant.rule()))
        }

        Decision::Cancel(grant) => {
            let run = grant.what().to_string();
            let recorded = record.granted(grant.rule()).with_run(&run).write(state);
            match recorded.map(|()| runs::cancel(state, *grant.what())) {
                Ok(Ok(())) => Ok(Answer::Cancel { cancelled: run }),
                Ok(Err((code, text))) => return asked.tell_refusal(state, code, text, None, None),
                Err(fault) => Err(fault),
            }
        }

        Decision::Runs(grant) => record
            .granted(grant.rule())
            .write(state)
            .map(|()| answers::runs(state, &asked.session.user, *grant.what())),
    };

    match answered {
        Ok(answer) => asked.answer(state, &answer),
        Err(_) => asked.tell_refusal(state, Code::Trail, TRAIL.into(), None, None),
    }
}

/// Ends sessions and kept logins, those of others with the right to it. The answer leaves before
/// the asking session does.
fn end_sessions(state: &Shared, asked: &Asked<'_>, (scope, ending): (Scope, Ending)) {
    let user = asked.session.user.clone();
    let meant: Vec<SessionLine> = answers::session_lines(state, &asked.session, scope)
        .into_iter()
        .filter(|line| match &ending {
            Ending::All => line.user == *user,
            Ending::One(id) => line.session == id.to_string(),
        })
        .collect();
    if meant.is_empty() {
        return asked.tell_refusal(
            state,
            Code::NoSuchSession,
            "there is no such session".into(),
            None,
            None,
        );
    }

    let (connection, stream, last) = (asked.connection, asked.stream, asked.session.id);
    let ids: Vec<String> = meant.into_iter().map(|line| line.session).collect();
    let state = state.clone();
    tokio::task::spawn_local(async move {
        let told = |written: std::io::Result<()>| match written {
            Ok(()) => answer_to(
                &state,
                connection,
                stream,
                &Answer::EndSession {
                    ended_sessions: u32::try_from(ids.len()).unwrap_or(u32::MAX),
                },
            ),
            Err(fault) => {
                let text = format!("ended, but that could not be written: {fault}");
                state.tell(ToFrontend::Refused {
                    connection,
                    stream,
                    code: Code::Internal.number(),
                    text,
                    argument: None,
                    rule: None,
                });
            }
        };

        access::end_logins(&state, &ids, last, "ended by a user", told).await;
    });
}
