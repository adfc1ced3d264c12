//! The beginning of a run: the same request again, limits, the receipt, the queue.

use super::agree;
use super::follow::{join, share_to_follow};
use super::gates::{Hindrance, Orders, charge, in_queue, round, take_lock, turn_of};
use super::life::live;
use super::mover::Mover;
use super::requested::{Digest, Seen, digest};
use super::windows::Wide;
use crate::audit::Receipt;
use crate::exec::{Duplicates, Ended};
use crate::exit::Counts;
use crate::ids::RunId;
use crate::ipc::{RunRules, ToFrontend};
use crate::ledger::{Charge, Share};
use crate::limits::REQUEST_GOOD;
use crate::monitor::asked::Asked;
use crate::monitor::denied::Denied;
use crate::monitor::run::{Attachment, Charges, Phase, Run};
use crate::monitor::state::Shared;
use crate::policy::{Beginning, OnDisconnect, Plan, Stdin};
use crate::protocol::Code;
use crate::{credential, sys};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Checks the limits, writes the trail, and sets the run going. The same request again gets the run
/// that exists.
pub fn begin(state: &Shared, asked: &Asked<'_>, grant: Beginning) {
    let digest = digest(grant.by());
    if let Err(Instead { denied, rule }) = not_yet(state, asked, &grant, &digest) {
        if let Some(denied) = denied {
            refuse(state, asked, &grant, denied, rule);
        }
        return;
    }
    let Some((waits, charges, remembered)) = admitted(state, asked, &grant) else {
        return;
    };

    let id = RunId::from_random(credential::random());
    let Ok(receipt) = receipt(state, asked, &grant, id) else {
        return asked.deny(state, Denied::trail());
    };
    let mut requested = state.runs.requested.borrow_mut();
    let asked_for = (grant.user(), grant.request(), digest);
    let time = (Instant::now(), good_until(asked));
    requested.add(asked_for, id, remembered, time);
    drop(requested);
    let waits = waits.map(|denied| denied.text);
    // Others must agree first: it waits for its turn only after that.
    let asks = grant.plan().command.approval.is_some();
    let phase = match waits {
        None if !asks => Phase::Starting,
        _ => Phase::Queued,
    };
    let round = round(state, grant.user(), &grant.plan().command);
    let judged = state.runs.epoch.now();
    let (mut run, orders, counts) = draft(asked, &grant, (id, digest), phase, charges);
    (run.round, run.judged) = (round, judged);
    let line = run.line();
    state.runs.going.borrow_mut().insert(id, run);
    match waits {
        Some(text) => {
            state.runs.queue.borrow_mut().push_back(id);
            state.publish_run(grant.user(), || line);
            state.tell(ToFrontend::Queued {
                connection: asked.connection,
                stream: asked.stream,
                run: *id.bytes(),
                text,
            });
        }
        None if asks => {}
        None => take_lock(state, id, &grant.plan().command),
    }

    let state = state.clone();
    let secrets = match asks {
        true => agree::commitments(asked.signed),
        false => BTreeMap::new(),
    };
    tokio::task::spawn_local(async move {
        let life = live(&state, (&grant, secrets), receipt, orders, counts);
        state.runs.steps.in_turn(grant.user(), life).await;
        state.runs.going.borrow_mut().remove(&id);
        state
            .runs
            .locks
            .borrow_mut()
            .retain(|_, holder| *holder != id);
        state.runs.one_ended.notify_waiters();
    });
}

/// What a run waits for, if it has to wait, what its user was charged for it, and for its request
/// being remembered. Where something stands in the way of it, that is told, and nothing comes back.
fn admitted(
    state: &Shared,
    asked: &Asked<'_>,
    grant: &Beginning,
) -> Option<(Option<Denied>, Charges, Charge)> {
    let command = &grant.plan().command;
    let waits = match command.approval {
        Some(_) => None,
        None => turn_of(state, command),
    };
    if let Some(denied) = waits.as_ref().filter(|_| queue_is_full(state, grant)) {
        refuse(state, asked, grant, denied.clone(), &place(grant));
        return None;
    }
    let charged = charge(state, grant).and_then(|charges| {
        let remembered = state.ledger.charge(grant.user(), Share::RequestIds, 1);
        let remembered = remembered.map_err(Hindrance::Share)?;
        Ok((waits, charges, remembered))
    });
    match charged {
        Ok(charged) => return Some(charged),
        Err(Hindrance::Refusal(denied)) => refuse(state, asked, grant, denied, &place(grant)),
        Err(Hindrance::Share(spent)) => asked.over_limit(state, grant.by(), &spent),
    }
    None
}

/// What is done in the place of a new run: it is refused by this rule, or nothing more is left to
/// do.
struct Instead {
    denied: Option<Denied>,
    rule: &'static str,
}

/// Whether this request has not led to a run yet. One that has is given that run.
fn not_yet(
    state: &Shared,
    asked: &Asked<'_>,
    grant: &Beginning,
    digest: &Digest,
) -> Result<(), Instead> {
    let no = |code, text: String, rule| {
        let denied = Some(Denied::new(code, text));
        Err(Instead { denied, rule })
    };
    let goes_on = |run: RunId| state.runs.going.borrow().contains_key(&run);
    let mut requested = state.runs.requested.borrow_mut();
    let asked_for = (grant.user(), grant.request());
    let looked = requested.look(asked_for, digest, Instant::now(), goes_on);
    drop(requested);
    match looked {
        // What a daemon before this one has begun, and has not left to be remembered, must not be
        // begun again.
        Seen::New
            if asked
                .instance
                .as_ref()
                .is_some_and(|known| *known != state.health.instance) =>
        {
            let text = "it was first sent to a daemon that is gone; what became of it is in the audit trail";
            let rule = "a request that is sent again runs once";
            no(Code::OutcomeUnknown, text.into(), rule)
        }
        Seen::New => match in_time(asked) {
            Ok(()) => Ok(()),
            Err((code, text)) => no(code, text.into(), "a request begins in its time"),
        },
        Seen::Run(run) => {
            again(state, asked, grant, run);
            Err(Instead {
                denied: None,
                rule: "",
            })
        }
        Seen::Reused => {
            let text = "this request's id was used for another request";
            no(
                Code::IdReused,
                text.into(),
                "a request's id means one request",
            )
        }
    }
}

/// Whether a request may still begin, by what it says itself.
fn in_time(asked: &Asked<'_>) -> Result<(), (Code, &'static str)> {
    let Some(not_after) = asked.not_after else {
        return Ok(());
    };
    let now = sys::machine_ms();
    if not_after < now {
        return Err((
            Code::TooLate,
            "the request was to begin before now (not_after); nothing was begun",
        ));
    }
    if Duration::from_millis(not_after - now) > REQUEST_GOOD {
        return Err((Code::Malformed, "`not_after` is more than a day from now"));
    }
    Ok(())
}

/// Until when a request that begins now must be remembered, because it is good until then.
fn good_until(asked: &Asked<'_>) -> Option<Instant> {
    let left = asked.not_after?.saturating_sub(sys::machine_ms());
    // It may come in the last millisecond.
    Some(Instant::now() + Duration::from_millis(left + 1))
}

/// A request that has led to a run already: its client takes that run up, from the first byte on.
fn again(state: &Shared, asked: &Asked<'_>, grant: &Beginning, run: RunId) {
    let (name, attachment) = (run.to_string(), Attachment::whole(run));
    let share = match share_to_follow(state, asked, &attachment) {
        Ok(share) => share,
        Err(spent) => return asked.over_limit(state, grant.by(), &spent),
    };
    let record = asked.record(grant.by());
    let record = record.granted("the same request again gets the run that exists");
    if record.with_run(&name).write(state).is_err() {
        return asked.deny(state, Denied::trail());
    }
    if join(state, asked, attachment, share).is_err() {
        let text = "the run that this request has led to has ended, and is no longer kept";
        asked.deny(state, Denied::new(Code::OutcomeUnknown, text));
    }
}

/// Where the command stands, as the rule of what its limits refuse.
fn place(grant: &Beginning) -> String {
    let command = &grant.plan().command;
    format!("{} ({})", command.key(), command.place)
}

fn refuse(state: &Shared, asked: &Asked<'_>, grant: &Beginning, denied: Denied, rule: &str) {
    let denied = Denied {
        rule: Some(rule.to_owned()),
        ..denied
    };
    let record = asked.record(grant.by());
    let record = record.refused(denied.code, rule, &denied.text);
    asked.refuse(state, &record, denied.clone());
}

fn queue_is_full(state: &Shared, grant: &Beginning) -> bool {
    let command = &grant.plan().command;
    in_queue(state, grant.user(), command) >= command.queue
}

/// Proof that the trail holds the decision, or that this command may go without.
fn receipt(
    state: &Shared,
    asked: &Asked<'_>,
    grant: &Beginning,
    run: RunId,
) -> io::Result<Receipt> {
    let name = run.to_string();
    let record = asked.record(grant.by()).granted(grant.rule());
    let record = record.with_plan(grant.plan());
    let written = record.with_run(&name).with(state, |record| {
        state.write_for(grant.user(), |trail| trail.append_start(grant, run, record))
    });
    written.or_else(|fault| {
        let without = state
            .audit
            .with_trail(|trail| Ok(trail.go_without(grant, run)));
        without.ok().flatten().ok_or(fault)
    })
}

/// A run that waits or starts, and the other ends of what it is told and tells.
fn draft(
    asked: &Asked<'_>,
    grant: &Beginning,
    (id, digest): (RunId, Digest),
    phase: Phase,
    charges: Charges,
) -> (Run, Orders, oneshot::Receiver<Counts>) {
    let (end, ends) = mpsc::channel(1);
    let (signals, wanted) = mpsc::channel(8);
    let (finished, counts) = oneshot::channel();
    let secret = grant.by().holds_secret();
    let moving = grant.plan().moving.clone();
    let run = Run {
        id,
        user: grant.user().clone(),
        session: asked.session.id,
        factor: asked.session.factor.clone(),
        source: grant.source().clone(),
        waited: phase == Phase::Queued,
        unattended: grant.plan().unattended,
        judged: 0,
        cloning: false,
        command: grant.plan().command.clone(),
        arguments: grant.by().in_a_line(),
        phase,
        pid: 0,
        since: Instant::now(),
        asked_as: grant.request(),
        request: (!secret).then(|| (grant.request(), digest)),
        owner: Some((asked.connection, asked.stream)),
        before: None,
        changes: 0,
        ended: Ended::default(),
        end,
        signals,
        finished: Some(finished),
        over: None,
        spool: None,
        rules: rules(grant.plan()),
        pipes: Duplicates::default(),
        waiting: Vec::new(),
        round: 0,
        charges,
        wide: Wide::default(),
        mover: moving.map(|moving| Rc::new(Mover::new(id, grant.user().clone(), moving))),
    };
    let orders = Orders {
        ends,
        signals: wanted,
    };
    (run, orders, counts)
}

/// What the frontend has to know of a run.
fn rules(plan: &Plan) -> RunRules {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let command = &plan.command;
    RunRules {
        stdin: match plan.stdin() {
            Stdin::None => None,
            Stdin::Accepted { max } => Some(max.unwrap_or(u64::MAX)),
        },
        timeout_ms: plan.timeout.map(milliseconds),
        outlives_client: command.on_disconnect == OnDisconnect::Continue,
        resume_ms: milliseconds(command.resume_window),
        idle_ms: command.limits.idle.map(milliseconds),
        output_max: command.limits.output,
        capacity: command.spool,
        terminal: plan.terminal.as_ref().map(|terminal| terminal.kind.clone()),
    }
}
