//! One run from its receipt to the record of its end.

use super::agree;
use super::ended::{Over, Ran};
use super::follow::pass_attachment;
use super::gates::{Orders, may_start, turn};
use super::left;
use super::mover::Mover;
use super::recorder::{self, Recorder};
use super::settled::{own_end, settled};
use crate::audit::{Receipt, Record, What};
use crate::exec::{self, NotStarted, Obstacle, Pipes, Running, Start};
use crate::exit::{Counts, End, Reason};
use crate::ids::RunId;
use crate::ipc::{Manifest, Name, ToFrontend};
use crate::limits;
use crate::monitor::denied::Denied;
use crate::monitor::metrics::count;
use crate::monitor::run::{Output, Phase};
use crate::monitor::state::Shared;
use crate::monitor::trail;
use crate::policy::{Beginning, OnDisconnect};
use crate::protocol::Code;
use crate::spool;
use crate::sys::{self, Exited, fault_point};
use crate::verb::RunLine;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;

/// From the receipt to the end record.
pub async fn live(
    state: &Shared,
    (grant, secrets): (&Beginning, BTreeMap<String, String>),
    receipt: Receipt,
    mut orders: Orders,
    counts: oneshot::Receiver<Counts>,
) {
    let run = receipt.run();
    let begun = started(state, (grant, secrets), receipt, &mut orders).await;
    agree::over(state, run, begun.is_ok());
    let (mut running, recorder) = match begun {
        Ok(begun) => begun,
        Err(denied) => return not_started(state, grant, run, denied),
    };
    let mover = mover_of(state, run);
    let _ = state.record(&Record::now(What::Start {
        run: &run.to_string(),
        pid: running.pid,
        folder: mover.as_ref().and_then(|mover| mover.folder()).as_deref(),
    }));
    if let Some(run) = state.runs.going.borrow().get(&run) {
        state.publish_run(&run.user, || run.line());
    }

    note_version(state, grant, &running);
    let plan = grant.plan();
    let heard = heard(state, mover.as_deref(), recorder.as_ref());
    let times = (plan.timeout, plan.command.grace);
    let watched = watch(&mut running, times, &mut orders, heard).await;
    let duration = running.since.elapsed();
    fault_point("monitor-over");
    let (mut reason, mut end, left) = settled(running, &plan.command, watched, duration).await;
    if let Some(recorder) = recorder {
        let (seen, recorded) = recorder.finish(state, reason).await;
        (reason, end.reason, end.number) = (seen, seen.word().into(), seen.number());
        end.recorded = recorded.map(Box::new);
    }
    if let Some(mover) = mover {
        mover.drain(state);
        let how = (reason.word(), reason.number());
        end.moved = mover.moved(state, grant.request(), how).map(Box::new);
    }
    if let Some(left) = left {
        left::watch(state, run, left);
    }
    if let Some(run) = state.runs.going.borrow_mut().get_mut(&run) {
        run.over = Some(end.clone());
    }
    let message = ToFrontend::Exited {
        run: *run.bytes(),
        end: end.clone(),
    };
    state.tell_with(message, Manifest::default()).await;
    fault_point("monitor-exited");
    let counts = counted(state, counts).await;
    over(state, grant, run, (reason, end), counts);
    fault_point("monitor-ended");
}

/// The run's mover, where it has one.
fn mover_of(state: &Shared, run: RunId) -> Option<Rc<Mover>> {
    let runs = state.runs.going.borrow();
    runs.get(&run)?.mover.clone()
}

/// Hears a run's mover or recorder, where it has one, until the run has to end by it.
async fn heard(state: &Shared, mover: Option<&Mover>, recorder: Option<&Recorder>) -> Reason {
    match (mover, recorder) {
        (Some(mover), _) => match mover.hear(state).await {},
        (None, Some(recorder)) => recorder.hear(state).await,
        (None, None) => std::future::pending().await,
    }
}

/// Waits for the run's turn, starts it, and tells whoever follows it.
async fn started(
    state: &Shared,
    (grant, secrets): (&Beginning, BTreeMap<String, String>),
    receipt: Receipt,
    orders: &mut Orders,
) -> Result<(Running, Option<Recorder>), Denied> {
    let run = receipt.run();
    agree::agreed(state, run, (grant, secrets), &mut orders.ends).await?;
    turn(state, run, grant, orders).await?;
    let recorded = match grant.plan().command.approval {
        // What was agreed to has to be on the disk, too.
        Some(_) => state.audit.trail().head().seq,
        None => receipt.seq(),
    };
    if trail::on_disk(state, recorded).await.is_err() {
        let text = "the audit trail could not be brought to the disk, so nothing is done";
        return Err(Denied::new(Code::Trail, text));
    }
    fault_point("monitor-recorded");
    let spool = spool(state, run)
        .map_err(|fault| Denied::new(Code::Start, format!("its output cannot be kept: {fault}")))?;
    let (running, pipes, recorder) = start(state, grant, receipt, orders).await?;
    fault_point("monitor-started");
    count(&state.health.counts.runs);
    tracing::debug!(run = %run, user = %grant.user(), command = grant.plan().command.name, pid = running.pid, "started");

    tell_started(state, run, running.pid, spool, pipes).await;
    fault_point("monitor-told");
    tell_waiting(state, run);
    Ok((running, recorder))
}

/// Starts the process. Whatever is taken away meanwhile closes the way to the clone, and the start
/// is judged anew.
async fn start(
    state: &Shared,
    grant: &Beginning,
    mut receipt: Receipt,
    orders: &mut Orders,
) -> Result<(Running, Pipes, Option<Recorder>), Denied> {
    let id = receipt.run();
    let cloning = |is: bool| {
        let mut runs = state.runs.going.borrow_mut();
        let run = runs.get_mut(&id)?;
        run.cloning = is;
        Some(state.runs.epoch.ticket(&run.ended))
    };
    loop {
        let recorder = recorder::begin(state, grant, id).await?;
        let _turn = state.runs.starts.wait(grant.user()).await;
        // First the ticket, then the judgement: what comes in between lets the ticket lapse.
        let ticket = cloning(true);
        let judged = may_start(state, id, grant, orders);
        let judged = judged.and_then(|()| agree::proof(state, id, grant));
        let started = match (judged, ticket) {
            (Ok(approved), Some(ticket)) => {
                let begins = (grant, approved.as_ref());
                let records = recorder.as_ref().map(Recorder::process);
                let started = exec::run(&state.runs.means, begins, receipt, &ticket, records);
                started.await.map_err(Denied::from)
            }
            (Err(denied), _) => Err(denied),
            (Ok(_), None) => Err(Denied::no_such_run()),
        };
        // One that has begun is settled when its record is about to be written.
        match started {
            Ok(Start::Begun(running, pipes, words)) => {
                if let Some((mover, words)) = mover_of(state, id).zip(words)
                    && let Err(fault) = mover.started(words)
                {
                    tracing::error!(run = %id, %fault, "its mover is not heard");
                }
                return Ok((running, pipes, recorder));
            }
            Ok(Start::Overtaken(back)) => {
                receipt = back;
                give_up(state, recorder);
            }
            Err(denied) => {
                give_up(state, recorder);
                cloning(false);
                state.runs.one_started.notify_waiters();
                return Err(denied);
            }
        }
    }
}

/// What was to be recorded has not begun.
fn give_up(state: &Shared, recorder: Option<Recorder>) {
    if let Some(recorder) = recorder {
        recorder.give_up(state);
    }
}

/// Hands a run that has started to the frontend.
async fn tell_started(state: &Shared, run: RunId, pid: i32, spool: OwnedFd, pipes: Pipes) {
    let place = state.runs.going.borrow_mut().get_mut(&run).map(|run| {
        run.pid = pid;
        run.spool = spool.try_clone().ok();
        if run.command.on_disconnect == OnDisconnect::Continue {
            run.pipes = pipes.duplicates();
        }
        (run.owner.unwrap_or((0, 0)), run.rules.clone())
    });
    let Some(((connection, stream), rules)) = place else {
        return;
    };

    // The frontend gets copies of its own. Ours are closed at the end of this: they would hide the
    // end of input and output.
    let manifest = Manifest::default()
        .with(Name::Spool, spool)
        .with(Name::Stdout, pipes.stdout)
        .with_some(Name::Stderr, pipes.stderr)
        .with_some(Name::Stdin, pipes.stdin);
    let message = ToFrontend::Started {
        connection,
        stream,
        run: *run.bytes(),
        rules,
    };
    state.tell_with(message, manifest).await;
}

/// Whoever has waited for the run to start follows it now.
fn tell_waiting(state: &Shared, run: RunId) {
    let waiting = state.runs.going.borrow_mut().get_mut(&run).map(|run| {
        run.phase = Phase::Running;
        run.cloning = false;
        std::mem::take(&mut run.waiting)
    });
    state.runs.one_started.notify_waiters();
    for (place, attachment) in waiting.unwrap_or_default() {
        if !pass_attachment(state, place, attachment) {
            let text = "its output cannot be shown now";
            state.refuse(place, Denied::new(Code::Internal, text));
        }
    }
}

/// A run is over: it is logged, counted, remembered and recorded.
fn over(
    state: &Shared,
    grant: &Beginning,
    run: RunId,
    (reason, end): (Reason, End),
    counts: Option<Counts>,
) {
    let command = &grant.plan().command;
    let duration = Duration::from_millis(end.duration_ms);

    // The trail has every end; the log only what an operator may want to look into.
    if reason != Reason::Exit(0) {
        tracing::info!(run = %run, user = %grant.user(), command = command.name, reason = reason.word(), number = reason.number(), ?duration, "ended");
    }
    state
        .health
        .counts
        .run_ended(&command.name, reason.word(), Some(duration));
    if let Some(counts) = counts {
        let streams = [counts.stdin, counts.stdout, counts.stderr];
        for (total, bytes) in state.health.counts.bytes.iter().zip(streams) {
            total.set(total.get().saturating_add(bytes));
        }
    }

    keep(state, run, end.clone(), counts);
    let (name, command) = (run.to_string(), &command.name);
    let record = What::ended(&name, grant.user(), command, &end, counts.as_ref());
    let _ = state.record(&Record::now(record));
    let ended = state.runs.ended.borrow();
    if let Some(over) = ended.find(run, state.settings().retention) {
        state.publish_run(grant.user(), || over.line());
    }
}

/// A run could not begin: nothing has happened, and it may be asked for again.
fn not_started(state: &Shared, grant: &Beginning, run: RunId, denied: Denied) {
    let Denied { code, text, .. } = &denied;
    tracing::warn!(run = %run, user = %grant.user(), code = code.number(), text, "not started");
    let command = &grant.plan().command.name;
    let name = run.to_string();
    let record = What::not_started(&name, grant.user(), command, text);
    let _ = state.record(&Record::now(record));
    state.health.counts.run_ended(command, "not-started", None);
    let mut requested = state.runs.requested.borrow_mut();
    requested.remove(grant.user(), grant.request());

    let mut runs = state.runs.going.borrow_mut();
    let told = runs.get_mut(&run);
    let told = told.map(|run| {
        state.publish_run(&run.user, || RunLine {
            ended: Some("not-started".into()),
            waiting: false,
            ..run.line()
        });
        (run.owner, std::mem::take(&mut run.waiting))
    });
    let Some((owner, waiting)) = told else {
        return;
    };
    let waiting = waiting.into_iter().map(|(place, _)| place);
    let mut places: Vec<_> = owner.into_iter().chain(waiting).collect();
    places.dedup();
    for place in places {
        state.refuse(place, denied.clone());
    }
}

impl From<NotStarted> for Denied {
    fn from(fault: NotStarted) -> Self {
        let code = match fault.obstacle {
            Obstacle::Missing => Code::CommandMissing,
            Obstacle::NotExecutable => Code::CommandNotExecutable,
            Obstacle::Format => Code::CommandFormat,
            Obstacle::Path => Code::Path,
            Obstacle::Deadline => Code::StartDeadline,
            Obstacle::Untrusted => Code::UntrustedExecutable,
            Obstacle::Digest => Code::Digest,
            Obstacle::Changed => Code::Changed,
            Obstacle::Start => Code::Start,
        };
        Self {
            argument: fault.argument,
            ..Self::new(code, fault.text)
        }
    }
}

/// What the frontend counted, when it has read everything. A frontend that is gone meanwhile leaves
/// that to the next.
async fn counted(state: &Shared, mut counts: oneshot::Receiver<Counts>) -> Option<Counts> {
    loop {
        let frontends = state.health.counts.frontends.get();
        match tokio::time::timeout(limits::FINISHED, &mut counts).await {
            Ok(counts) => return counts.ok(),
            Err(_)
                if frontends == state.health.counts.frontends.get() && state.link.ready.get() =>
            {
                return None;
            }
            Err(_) => {}
        }
    }
}

/// Where a run's output is kept, in memory or on disk, both without a name.
fn spool(state: &Shared, run: RunId) -> std::io::Result<OwnedFd> {
    let runs = state.runs.going.borrow();
    let run = runs.get(&run);
    let size = run.map_or(0, |run| spool::size(run.rules.capacity));
    match run.map(|run| &run.charges.output) {
        Some(Output::Memory(_)) => sys::memory_file(size),
        _ => sys::nameless_file(&state.settings().state),
    }
}

/// A run that has ended is remembered for a while.
fn keep(state: &Shared, run: RunId, end: End, counts: Option<Counts>) {
    let settings = state.settings();
    let over = state.runs.going.borrow_mut().get_mut(&run).map(|run| {
        let output = run.spool.take().filter(|_| counts.is_some());
        let ran = Ran {
            run: run.id,
            user: run.user.clone(),
            command: run.command.name.clone(),
            arguments: run.arguments.clone(),
            asked_as: Some(run.asked_as),
            request: run.request,
            end,
        };

        Over::now(ran, counts.unwrap_or_default(), output, run.rules.capacity)
    });

    if let Some(over) = over {
        state
            .runs
            .ended
            .borrow_mut()
            .add(over, settings.retention, settings.kept_bytes);
    }
}

/// Waits for the end, or brings it about.
async fn watch(
    running: &mut Running,
    (timeout, grace): (Option<Duration>, Duration),
    orders: &mut Orders,
    heard: impl Future<Output = Reason>,
) -> (Reason, Option<Exited>) {
    tokio::pin!(heard);
    let time_is_up = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(time_is_up);
    let by_itself = loop {
        tokio::select! {
            ended = running.ended() => break Ok(ended),
            () = &mut time_is_up => break Err(Reason::Timeout),
            reason = orders.ends.recv() => break Err(reason.unwrap_or(Reason::Stopped)),
            Some(signal) = orders.signals.recv() => running.signal(signal),
            reason = &mut heard => break Err(reason),
        }
    };
    let (reason, ended) = match by_itself {
        Ok(ended) => (None, ended),
        // Whoever was locked out has no say in how long their programs take to end.
        Err(Reason::Revoked) => (
            Some(Reason::Revoked),
            running.end(grace.min(limits::REVOKED_GRACE)).await,
        ),
        Err(reason) => (Some(reason), running.end(grace).await),
    };
    match (reason, ended) {
        (_, Err(fault)) => {
            tracing::error!(run = %running.run, %fault, "what became of it is not known");
            (Reason::Lost, None)
        }
        (Some(reason), Ok(exited)) => (reason, Some(exited)),
        (None, Ok(exited)) => (own_end(&exited), Some(exited)),
    }
}

/// An executable that is another than at the last run (an upgrade, most of the time) is worth a
/// record.
fn note_version(state: &Shared, grant: &Beginning, running: &Running) {
    let command = &grant.plan().command;
    if grant.plan().moving.is_some() {
        // The daemon's own program.
        return;
    }
    let before = state
        .runs
        .versions
        .borrow_mut()
        .insert(command.name.clone(), running.version);
    if before.is_some_and(|before| before != running.version) {
        let run = running.run.to_string();
        let _ = state.record(&Record::now(What::Executable {
            command: &command.name,
            path: command.executable(),
            run: &run,
        }));
    }
}
