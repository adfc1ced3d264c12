//! A run's life: from the grant to the record of its end.

use super::requests::{Asked, RequestRecord, TRAIL};
use super::state::{Counts, Run, Shared, count};
use crate::audit::{Receipt, Record, What};
use crate::credential;
use crate::exec::{self, NotStarted, Obstacle, Running};
use crate::exit::Reason;
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ipc::{End, ToFrontend};
use crate::limits;
use crate::policy::{Grant, OnDisconnect, Plan, Stdin};
use crate::protocol::Code;
use crate::sys::Exited;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Checks the limits, writes the trail, and sets the run going.
pub fn begin(state: &Shared, asked: &Asked<'_>, record: RequestRecord<'_>, grant: Grant<Plan>) {
    let command = grant.what().command.clone();
    if let Some((code, text)) = hindrance(state, &grant) {
        let rule = format!("commands.{} ({})", command.name, command.place);
        return asked.refuse(state, record.refused(code, &rule, &text), code, text.clone(), None, Some(rule.clone()));
    }
    let id = RunId::from_random(credential::random());
    let name = id.to_string();
    let rule = grant.rule().to_owned();
    let receipt = record
        .granted(&rule)
        .with_plan(grant.what())
        .with_run(&name)
        .with(|record| state.with_trail(|trail| trail.append_start(&grant, id, record)));
    let Ok(receipt) = receipt else {
        return asked.tell_refusal(state, Code::Trail, TRAIL.into(), None, None);
    };
    let (end, ends) = mpsc::channel(1);
    let (finished, counts) = oneshot::channel();
    let run = Run {
        id,
        user: grant.user().clone(),
        command: command.name.clone(),
        pid: 0,
        since: Instant::now(),
        connection: asked.connection,
        stream: asked.stream,
        on_disconnect: command.on_disconnect,
        end,
        finished: Some(finished),
    };
    state.runs.borrow_mut().insert(id, run);
    if let Some(lock) = &command.lock {
        state.locks.borrow_mut().insert(lock.clone(), id);
    }
    let place = Place { connection: asked.connection, stream: asked.stream };
    let state = state.clone();
    tokio::task::spawn_local(async move {
        live(&state, place, &grant, receipt, ends, counts).await;
        state.runs.borrow_mut().remove(&id);
        if let Some(lock) = &grant.what().command.lock {
            state.locks.borrow_mut().remove(lock);
        }
        state.run_ended.notify_waiters();
    });
}

/// Why this run cannot begin now, though it is allowed.
fn hindrance(state: &Shared, grant: &Grant<Plan>) -> Option<(Code, String)> {
    if state.stopping.get() {
        return Some((Code::Stopping, "the server is stopping and takes nothing new".into()));
    }
    let most = state.settings().runs_per_user;
    let runs = state.runs.borrow();
    if runs.values().filter(|run| run.user == *grant.user()).count() >= most {
        return Some((Code::TooManyRuns, format!("`{}` has {most} runs going on, as many as limits.runs_per_user allows", grant.user())));
    }
    let lock = grant.what().command.lock.as_ref()?;
    let holder = state.locks.borrow().get(lock).copied()?;
    let holder = runs.get(&holder)?;
    let since = crate::exit::Human(holder.since.elapsed());
    Some((Code::Locked, format!("the lock `{lock}` is held by `{}` of `{}` (run {}, for {since})", holder.command, holder.user, holder.id)))
}

#[derive(Clone, Copy)]
struct Place {
    connection: ConnectionId,
    stream: StreamId,
}

/// From the receipt to the end record.
async fn live(
    state: &Shared,
    place: Place,
    grant: &Grant<Plan>,
    receipt: Receipt,
    mut ends: mpsc::Receiver<Reason>,
    counts: oneshot::Receiver<Counts>,
) {
    let command = &grant.what().command;
    let run = receipt.run();
    let (mut running, pipes) = match exec::run(&state.means, grant, receipt).await {
        Ok(started) => started,
        Err(fault) => return not_started(state, place, grant, run, &fault),
    };
    count(&state.counts.runs);
    if let Some(run) = state.runs.borrow_mut().get_mut(&run) {
        run.pid = running.pid;
    }
    tracing::debug!(run = %run, user = %grant.user(), command = command.name, pid = running.pid, "started");
    let stdin = match command.stdin {
        Stdin::None => None,
        Stdin::Accepted { max } => Some(max.unwrap_or(u64::MAX)),
    };
    let descriptors: Vec<_> = [Some(pipes.stdout), Some(pipes.stderr), pipes.stdin].into_iter().flatten().collect();
    let started = ToFrontend::Started {
        connection: place.connection,
        stream: place.stream,
        run: *run.bytes(),
        stdin,
        timeout_ms: command.timeout.map(milliseconds),
        outlives_client: command.on_disconnect == OnDisconnect::Continue,
        idle_ms: command.limits.idle.map(milliseconds),
        output_max: command.limits.output,
    };
    state.tell_with(started, &descriptors).await;
    // The frontend has its own copies; ours would hide the end of input and output.
    drop(descriptors);
    let _ = state.record(&Record::now(What::Start { run: &run.to_string(), pid: running.pid }));

    note_version(state, grant, &running);
    let (mut reason, mut exited) = watch(&mut running, command.timeout, command.grace, &mut ends).await;
    let duration = running.since.elapsed();
    // What ended by itself may finish its output; what was ended leaves nothing.
    let by_itself = matches!(reason, Reason::Exit(_) | Reason::Signal(_));
    let linger = if by_itself { command.linger } else { Duration::ZERO };
    let rest = running.settle(linger, command.leave_running && by_itself).await;
    if exited.as_mut().is_some_and(|exited| running.usage(exited)) && by_itself {
        reason = Reason::OutOfMemory;
    }
    running.close();
    if rest.killed > 0 {
        tracing::info!(run = %run, killed = rest.killed, "killed what the command had left running");
    }
    let used = exited.unwrap_or(Exited { status: None, signal: None, user: Duration::ZERO, system: Duration::ZERO, peak_kib: 0 });
    let end = End {
        reason: reason.word().into(),
        number: reason.number(),
        duration_ms: milliseconds(duration),
        user_ms: milliseconds(used.user),
        system_ms: milliseconds(used.system),
        peak_kib: used.peak_kib,
        left_killed: rest.killed,
        left_running: rest.running,
        verified: rest.verified,
    };
    state.tell_with(ToFrontend::Exited { connection: place.connection, stream: place.stream, end }, &[]).await;
    let counts = tokio::time::timeout(limits::FINISHED, counts).await.ok().and_then(Result::ok);
    // The trail has every end; the log only what an operator may want to look into.
    if reason != Reason::Exit(0) {
        tracing::info!(run = %run, user = %grant.user(), command = command.name, reason = reason.word(), number = reason.number(), ?duration, "ended");
    }
    let _ = state.record(&Record::now(What::End {
        run: &run.to_string(),
        user: grant.user(),
        command: &command.name,
        reason: reason.word(),
        number: reason.number(),
        text: None,
        duration_ms: milliseconds(duration),
        user_ms: milliseconds(used.user),
        system_ms: milliseconds(used.system),
        peak_kib: used.peak_kib,
        left_killed: rest.killed,
        left_running: rest.running,
        tree: if rest.verified { "verified" } else { "unverified" },
        bytes_reported_by: counts.map(|_| "frontend"),
        stdin_bytes: counts.map(|counts| counts.stdin),
        stdout_bytes: counts.map(|counts| counts.stdout),
        stderr_bytes: counts.map(|counts| counts.stderr),
    }));
}

/// Waits for the end, or brings it about.
async fn watch(
    running: &mut Running,
    timeout: Option<Duration>,
    grace: Duration,
    ends: &mut mpsc::Receiver<Reason>,
) -> (Reason, Option<Exited>) {
    let time_is_up = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let by_itself = tokio::select! {
        ended = running.ended() => Ok(ended),
        () = time_is_up => Err(Reason::Timeout),
        reason = ends.recv() => Err(reason.unwrap_or(Reason::Stopped)),
    };
    let (reason, ended) = match by_itself {
        Ok(ended) => (None, ended),
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

/// An executable that is another than at the last run (an upgrade, most of the time) is worth a record.
fn note_version(state: &Shared, grant: &Grant<Plan>, running: &Running) {
    let command = &grant.what().command;
    let before = state.versions.borrow_mut().insert(command.name.clone(), running.version);
    if before.is_some_and(|before| before != running.version) {
        let run = running.run.to_string();
        let _ = state.record(&Record::now(What::Executable { command: &command.name, path: command.executable(), run: &run }));
    }
}

const fn own_end(exited: &Exited) -> Reason {
    match (exited.status, exited.signal) {
        (Some(status), _) => Reason::Exit(status),
        (None, Some(signal)) => Reason::Signal(signal),
        (None, None) => Reason::Lost,
    }
}

fn not_started(state: &Shared, place: Place, grant: &Grant<Plan>, run: RunId, fault: &NotStarted) {
    let code = match fault.obstacle {
        Obstacle::Missing => Code::CommandMissing,
        Obstacle::NotExecutable => Code::CommandNotExecutable,
        Obstacle::Format => Code::CommandFormat,
        Obstacle::Path => Code::Path,
        Obstacle::Deadline => Code::StartDeadline,
        Obstacle::Untrusted => Code::UntrustedExecutable,
        Obstacle::Digest => Code::Digest,
        Obstacle::Start => Code::Start,
    };
    tracing::warn!(run = %run, user = %grant.user(), code = code.number(), text = fault.text, "not started");
    let _ = state.record(&Record::now(What::End {
        run: &run.to_string(),
        user: grant.user(),
        command: &grant.what().command.name,
        reason: "not-started",
        number: None,
        text: Some(&fault.text),
        duration_ms: 0,
        user_ms: 0,
        system_ms: 0,
        peak_kib: 0,
        left_killed: 0,
        left_running: 0,
        tree: "verified",
        bytes_reported_by: None,
        stdin_bytes: None,
        stdout_bytes: None,
        stderr_bytes: None,
    }));
    state.tell(ToFrontend::Refused {
        connection: place.connection,
        stream: place.stream,
        code: code.number(),
        text: fault.text.clone(),
        argument: fault.argument.clone(),
        rule: None,
    });
}

/// The client is gone, or has given up one stream: its runs follow their rule.
pub fn leave(state: &Shared, connection: ConnectionId, stream: Option<StreamId>) {
    for run in state.runs.borrow().values() {
        let meant = run.connection == connection && stream.is_none_or(|stream| run.stream == stream);
        if meant && run.on_disconnect == OnDisconnect::Cancel {
            run.end_for(Reason::Disconnected);
        }
    }
}

/// Somebody with the right to it ends a run.
pub fn cancel(state: &Shared, run: RunId) {
    if let Some(run) = state.runs.borrow().get(&run) {
        run.end_for(Reason::Cancelled);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
