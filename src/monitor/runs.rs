//! A run's life: from the grant to the record of its end.

use super::asked::{Asked, RequestRecord, TRAIL};
use super::kept::{Over, Ran};
use super::metrics::count;
use super::run::{Phase, Run, bytes_on_disk};
use super::seen::{Seen, digest};
use super::state::Shared;
use crate::audit::{Receipt, Record, What};
use crate::exec::{self, NotStarted, Obstacle, Running};
use crate::exit::Reason;
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ipc::{Counts, End, RunRules, ToFrontend};
use crate::policy::{Command, Decision, Grant, OnDisconnect, Plan, Stdin};
use crate::protocol::Code;
use crate::request::{Ask, Attachment, Invocation};
use crate::sys::{self, Exited, fault_point};
use crate::{credential, limits};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Checks the limits, writes the trail, and sets the run going. The same request again gets the run
/// that exists.
pub fn begin(
    state: &Shared,
    asked: &Asked<'_>,
    record: RequestRecord<'_>,
    grant: Grant<Plan>,
    invocation: &Invocation,
    first_sent_to: Option<&str>,
) {
    let command = grant.what().command.clone();
    let digest = digest(invocation);
    let place = format!("commands.{} ({})", command.name, command.place);
    let refuse = |code: Code, text: String, rule: &str| {
        asked.refuse(
            state,
            record.clone().refused(code, rule, &text),
            code,
            text.clone(),
            None,
            Some(rule.to_owned()),
        );
    };
    let goes_on = |run: RunId| state.runs.borrow().contains_key(&run);
    let looked = state
        .seen
        .borrow_mut()
        .look(grant.user(), grant.request(), &digest, goes_on);
    match looked {
        // What a daemon before this one has begun, and has not left to be remembered, must not be
        // begun again.
        Seen::New if first_sent_to.is_some_and(|instance| instance != state.instance) => {
            let text = "it was first sent to a daemon that is gone; what became of it is in the audit trail".into();
            return refuse(
                Code::OutcomeUnknown,
                text,
                "a request that is sent again runs once",
            );
        }
        Seen::New => {}
        Seen::Run(run) => return again(state, asked, record, run),
        Seen::Reused => {
            return refuse(
                Code::IdReused,
                "this request's id was used for another request".into(),
                "a request's id means one request",
            );
        }
        Seen::Full => {
            let text = format!(
                "{} requests of `{}` are remembered, as many as may be; the oldest is forgotten soon",
                limits::REQUEST_IDS,
                grant.user()
            );
            return refuse(
                Code::TooManyRuns,
                text,
                "no request's id is forgotten early",
            );
        }
    }
    let waits = match hindrance(state, &grant) {
        Some(Hindrance::Refusal(code, text)) => return refuse(code, text, &place),
        Some(Hindrance::Turn(code, text)) if in_queue(state, &command) >= command.queue => {
            return refuse(code, text, &place);
        }
        Some(Hindrance::Turn(_, text)) => Some(text),
        None => None,
    };
    let id = RunId::from_random(credential::random());
    let name = id.to_string();
    let rule = grant.rule().to_owned();
    let receipt = record
        .granted(&rule)
        .with_plan(grant.what())
        .with_run(&name)
        .with(state, |record| {
            state.with_trail(|trail| trail.append_start(&grant, id, record))
        });
    let receipt = receipt.or_else(|fault| {
        state
            .with_trail(|trail| Ok(trail.go_without(&grant, id)))
            .ok()
            .flatten()
            .ok_or(fault)
    });
    let Ok(receipt) = receipt else {
        return asked.tell_refusal(state, Code::Trail, TRAIL.into(), None, None);
    };
    state
        .seen
        .borrow_mut()
        .add(grant.user(), grant.request(), digest, id);
    let (end, ends) = mpsc::channel(1);
    let (signals, wanted) = mpsc::channel(8);
    let (finished, counts) = oneshot::channel();
    let run = Run {
        id,
        user: grant.user().clone(),
        session: asked.session.id,
        factor: asked.session.factor.clone(),
        source: grant.source(),
        asked: waits.is_some().then(|| Ask::Run(invocation.clone())),
        command: command.clone(),
        phase: if waits.is_some() {
            Phase::Queued
        } else {
            Phase::Starting
        },
        pid: 0,
        since: Instant::now(),
        request: (!invocation.holds_secret()).then(|| (grant.request(), digest)),
        owner: Some((asked.connection, asked.stream)),
        before: None,
        changes: 0,
        end,
        signals,
        finished: Some(finished),
        over: None,
        spool: None,
        rules: rules(grant.what()),
        pipes: [None, None, None],
        waiting: Vec::new(),
    };
    state.runs.borrow_mut().insert(id, run);
    match waits {
        Some(text) => {
            state.queue.borrow_mut().push_back(id);
            state.tell(ToFrontend::Queued {
                connection: asked.connection,
                stream: asked.stream,
                run: *id.bytes(),
                text,
            });
        }
        None => take_lock(state, id, &command),
    }
    let state = state.clone();
    let orders = Orders {
        ends,
        signals: wanted,
    };
    tokio::task::spawn_local(async move {
        live(&state, &grant, receipt, orders, counts).await;
        state.runs.borrow_mut().remove(&id);
        state.locks.borrow_mut().retain(|_, holder| *holder != id);
        state.run_ended.notify_waiters();
    });
}

/// A request that has led to a run already: its client takes that run up, from the first byte on.
fn again(state: &Shared, asked: &Asked<'_>, record: RequestRecord<'_>, run: RunId) {
    let name = run.to_string();
    let recorded = record
        .granted("the same request again gets the run that exists")
        .with_run(&name)
        .write(state);
    if recorded.is_err() {
        return asked.tell_refusal(state, Code::Trail, TRAIL.into(), None, None);
    }
    let attachment = Attachment {
        run,
        stdout: Some(0),
        stderr: Some(0),
        follow: true,
        resume: true,
    };

    if attach(state, asked, attachment).is_err() {
        let text = "the run that this request has led to has ended, and is no longer kept".into();
        asked.tell_refusal(state, Code::OutcomeUnknown, text, None, None);
    }
}

/// What the frontend has to know of a run.
fn rules(plan: &Plan) -> RunRules {
    let command = &plan.command;
    RunRules {
        stdin: match command.stdin {
            Stdin::None => None,
            Stdin::Accepted { max } => Some(max.unwrap_or(u64::MAX)),
        },
        timeout_ms: plan.timeout.map(milliseconds),
        outlives_client: command.on_disconnect == OnDisconnect::Continue,
        resume_ms: milliseconds(command.resume_window),
        idle_ms: command.limits.idle.map(milliseconds),
        output_max: command.limits.output,
        capacity: command.spool,
        terminal: command.pty,
    }
}

/// Why a run cannot begin now, though it is allowed.
enum Hindrance {
    /// It cannot.
    Refusal(Code, String),
    /// Its turn has not come: it could wait.
    Turn(Code, String),
}

fn hindrance(state: &Shared, grant: &Grant<Plan>) -> Option<Hindrance> {
    if state.stopping.get() {
        return Some(Hindrance::Refusal(
            Code::Stopping,
            "the server is stopping and takes nothing new".into(),
        ));
    }

    if let Some(fault) = state
        .trail_fault
        .borrow()
        .as_ref()
        .filter(|_| !grant.what().command.audit_best_effort)
    {
        return Some(Hindrance::Refusal(
            Code::Trail,
            format!("{fault}, so nothing new is done"),
        ));
    }

    let most = state.settings().runs_per_user;
    if state
        .runs
        .borrow()
        .values()
        .filter(|run| run.user == *grant.user())
        .count()
        >= most
    {
        let text = format!(
            "`{}` has {most} runs going on, as many as limits.runs_per_user allows",
            grant.user()
        );

        return Some(Hindrance::Refusal(Code::TooManyRuns, text));
    }

    let command = &grant.what().command;
    let own = bytes_on_disk(command.spool);
    let most = state.settings().running_bytes;
    if own > 0 && state.running_bytes().saturating_add(own) > most {
        let text = format!(
            "the output of the runs that go on may take {most} bytes on disk, as much as output.running allows"
        );
        return Some(Hindrance::Refusal(Code::TooManyRuns, text));
    }

    let (code, text) = before(state, command, None)?;
    Some(Hindrance::Turn(code, text))
}

/// What a run of this command has to wait for: its lock, a place among the command's runs, or those
/// that came first.
fn before(state: &Shared, command: &Command, own: Option<RunId>) -> Option<(Code, String)> {
    let runs = state.runs.borrow();
    if let Some(lock) = &command.lock
        && let Some(holder) = state
            .locks
            .borrow()
            .get(lock)
            .and_then(|holder| runs.get(holder))
            .filter(|run| Some(run.id) != own)
    {
        let since = crate::exit::Human(holder.since.elapsed());
        let text = format!(
            "the lock `{lock}` is held by `{}` of `{}` (run {}, for {since})",
            holder.command.name, holder.user, holder.id
        );

        return Some((Code::Locked, text));
    }

    let same = |run: &&Run| {
        run.command.name == command.name && Some(run.id) != own && run.phase != Phase::Queued
    };
    if let Some(most) = command.max_running
        && runs.values().filter(same).count() >= most
    {
        return Some((
            Code::TooManyRuns,
            format!(
                "`{}` runs as often as its max_running allows ({most})",
                command.name
            ),
        ));
    }

    let queue = state.queue.borrow();
    let rival = |id: &&RunId| {
        runs.get(id).is_some_and(|run| {
            run.command.name == command.name
                || (run.command.lock.is_some() && run.command.lock == command.lock)
        })
    };

    let earlier = queue
        .iter()
        .take_while(|id| Some(**id) != own)
        .find(rival)?;
    Some((Code::Locked, format!("run {earlier} came first")))
}

fn in_queue(state: &Shared, command: &Command) -> usize {
    let runs = state.runs.borrow();
    state
        .queue
        .borrow()
        .iter()
        .filter(|id| {
            runs.get(id)
                .is_some_and(|run| run.command.name == command.name)
        })
        .count()
}

fn take_lock(state: &Shared, run: RunId, command: &Command) {
    if let Some(lock) = &command.lock {
        state.locks.borrow_mut().insert(lock.clone(), run);
    }
}

/// What a run's task is told.
struct Orders {
    ends: mpsc::Receiver<Reason>,
    signals: mpsc::Receiver<i32>,
}

/// Waits for the run's turn. Why not, when it does not come.
async fn turn(
    state: &Shared,
    run: RunId,
    grant: &Grant<Plan>,
    orders: &mut Orders,
) -> Result<(), (Code, String)> {
    let command = &grant.what().command;
    let queued = |state: &Shared| {
        state
            .runs
            .borrow()
            .get(&run)
            .is_some_and(|run| run.phase == Phase::Queued)
    };
    if !queued(state) {
        return Ok(());
    }
    let late = tokio::time::sleep(command.queue_timeout);
    tokio::pin!(late);
    let outcome = loop {
        let ended = state.run_ended.notified();
        tokio::pin!(ended);
        ended.as_mut().enable();
        if state.stopping.get() {
            break Err((
                Code::Stopping,
                "the server is stopping and starts nothing new".into(),
            ));
        }
        let Some((_, text)) = before(state, command, Some(run)) else {
            break Ok(());
        };
        tokio::select! {
            () = ended => {}
            () = &mut late => {
                let text = before(state, command, Some(run)).map_or(text, |(_, now)| now);
                let patience = crate::exit::Human(command.queue_timeout);
                break Err((Code::QueueDeadline, format!("its turn did not come in {patience}: {text}")));
            }
            reason = orders.ends.recv() => {
                let reason = reason.unwrap_or(Reason::Stopped);
                let code = if reason == Reason::Stopped { Code::Stopping } else { Code::QueueLeft };
                break Err((code, format!("ended before its turn came ({})", reason.word())));
            }
        }
    };
    state.queue.borrow_mut().retain(|id| *id != run);
    let outcome = outcome.and_then(|()| still_granted(state, run, grant));
    if outcome.is_ok() {
        take_lock(state, run, command);
        if let Some(run) = state.runs.borrow_mut().get_mut(&run) {
            run.phase = Phase::Starting;
        }
    }
    // Those behind it may move up.
    state.run_ended.notify_waiters();
    outcome
}

/// Whether what was granted before the wait would be granted now, and be the same.
fn still_granted(state: &Shared, run: RunId, grant: &Grant<Plan>) -> Result<(), (Code, String)> {
    let Some(ask) = state
        .runs
        .borrow()
        .get(&run)
        .and_then(|run| run.asked.clone())
    else {
        return Ok(());
    };
    match state.settings().policy.authorize(
        grant.user(),
        grant.request(),
        &ask,
        grant.source(),
        |_| None,
    ) {
        Decision::Run(now)
            if now.what().argv == grant.what().argv
                && now.what().command.run_as == grant.what().command.run_as =>
        {
            Ok(())
        }
        Decision::Refused(refusal) => Err((
            super::asked::code_of(refusal.kind),
            format!("{} (while it waited for its turn)", refusal.text),
        )),
        _ => Err((
            Code::QueueLeft,
            "the command was changed while this run waited for its turn".into(),
        )),
    }
}

/// From the receipt to the end record.
async fn live(
    state: &Shared,
    grant: &Grant<Plan>,
    receipt: Receipt,
    mut orders: Orders,
    counts: oneshot::Receiver<Counts>,
) {
    let command = &grant.what().command;
    let run = receipt.run();
    if let Err((code, text)) = turn(state, run, grant, &mut orders).await {
        return not_started(state, grant, run, code, &text, None);
    }
    if super::trail::on_disk(state, receipt.seq()).await.is_err() {
        return not_started(
            state,
            grant,
            run,
            Code::Trail,
            "the audit trail could not be brought to the disk, so nothing is done",
            None,
        );
    }
    fault_point("monitor-recorded");
    let spool = match spool(state, command) {
        Ok(spool) => spool,
        Err(fault) => {
            return not_started(
                state,
                grant,
                run,
                Code::Start,
                &format!("its output cannot be kept: {fault}"),
                None,
            );
        }
    };
    let (running, pipes) = match exec::run(&state.means, grant, receipt).await {
        Ok(started) => started,
        Err(fault) => {
            return not_started(
                state,
                grant,
                run,
                code_of(&fault),
                &fault.text,
                fault.argument.as_deref(),
            );
        }
    };
    let mut running = running;
    fault_point("monitor-started");
    count(&state.counts.runs);
    tracing::debug!(run = %run, user = %grant.user(), command = command.name, pid = running.pid, "started");
    let duplicates = if command.on_disconnect == OnDisconnect::Continue {
        pipes.duplicates()
    } else {
        [None, None, None]
    };
    let place = state.runs.borrow_mut().get_mut(&run).map(|run| {
        run.pid = running.pid;
        run.spool = spool.try_clone().ok();
        run.pipes = duplicates;
        (run.owner.unwrap_or((0, 0)), run.rules.clone())
    });
    let Some(((connection, stream), rules)) = place else {
        return;
    };
    let descriptors: Vec<_> = [Some(spool), Some(pipes.stdout), pipes.stderr, pipes.stdin]
        .into_iter()
        .flatten()
        .collect();
    state
        .tell_with(
            ToFrontend::Started {
                connection,
                stream,
                run: *run.bytes(),
                rules,
            },
            &descriptors,
        )
        .await;
    fault_point("monitor-told");
    // The frontend has its own copies; ours would hide the end of input and output.
    drop(descriptors);
    let waiting = state.runs.borrow_mut().get_mut(&run).map(|run| {
        run.phase = Phase::Running;
        std::mem::take(&mut run.waiting)
    });
    for (connection, stream, attachment) in waiting.unwrap_or_default() {
        if !pass_attachment(state, connection, stream, attachment) {
            let text = "its output cannot be shown now".into();
            state.tell(ToFrontend::Refused {
                connection,
                stream,
                code: Code::Internal.number(),
                text,
                argument: None,
                rule: None,
            });
        }
    }
    let _ = state.record(&Record::now(What::Start {
        run: &run.to_string(),
        pid: running.pid,
    }));

    note_version(state, grant, &running);
    let (mut reason, mut exited) = watch(
        &mut running,
        grant.what().timeout,
        command.grace,
        &mut orders,
    )
    .await;
    let duration = running.since.elapsed();
    fault_point("monitor-over");
    // What ended by itself may finish its output; what was ended leaves nothing.
    let by_itself = matches!(reason, Reason::Exit(_) | Reason::Signal(_));
    let linger = if by_itself {
        command.linger
    } else {
        Duration::ZERO
    };
    let rest = running
        .settle(linger, command.leave_running && by_itself)
        .await;
    if exited.as_mut().is_some_and(|exited| running.usage(exited)) && by_itself {
        reason = Reason::OutOfMemory;
    }
    running.close();
    if rest.killed > 0 {
        tracing::info!(run = %run, killed = rest.killed, "killed what the command had left running");
    }
    let used = exited.unwrap_or(Exited {
        status: None,
        signal: None,
        user: Duration::ZERO,
        system: Duration::ZERO,
        peak_kib: 0,
    });
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
    if let Some(run) = state.runs.borrow_mut().get_mut(&run) {
        run.over = Some(end.clone());
    }
    state
        .tell_with(
            ToFrontend::Exited {
                run: *run.bytes(),
                end: end.clone(),
            },
            &[],
        )
        .await;
    fault_point("monitor-exited");
    let counts = counted(state, counts).await;
    // The trail has every end; the log only what an operator may want to look into.
    if reason != Reason::Exit(0) {
        tracing::info!(run = %run, user = %grant.user(), command = command.name, reason = reason.word(), number = reason.number(), ?duration, "ended");
    }
    state
        .counts
        .run_ended(&command.name, reason.word(), Some(duration));
    if let Some(counted) = counts {
        for (total, bytes) in
            state
                .counts
                .bytes
                .iter()
                .zip([counted.stdin, counted.stdout, counted.stderr])
        {
            total.set(total.get().saturating_add(bytes));
        }
    }
    keep(state, run, end, counts);
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
        tree: if rest.verified {
            "verified"
        } else {
            "unverified"
        },
        bytes_reported_by: counts.map(|_| "frontend"),
        stdin_bytes: counts.map(|counts| counts.stdin),
        stdout_bytes: counts.map(|counts| counts.stdout),
        stderr_bytes: counts.map(|counts| counts.stderr),
    }));
    fault_point("monitor-ended");
}

/// What the frontend counted, when it has read everything. A frontend that is gone meanwhile leaves
/// that to the next.
async fn counted(state: &Shared, mut counts: oneshot::Receiver<Counts>) -> Option<Counts> {
    loop {
        let frontends = state.counts.frontends.get();
        match tokio::time::timeout(limits::FINISHED, &mut counts).await {
            Ok(counts) => return counts.ok(),
            Err(_) if frontends == state.counts.frontends.get() && state.ready.get() => {
                return None;
            }
            Err(_) => {}
        }
    }
}

/// Where a run's output is kept: small ones in memory, large ones on disk, both without a name.
fn spool(state: &Shared, command: &Command) -> std::io::Result<OwnedFd> {
    if command.spool <= limits::SPOOL_IN_MEMORY {
        sys::memory_file()
    } else {
        sys::nameless_file(&state.settings().state)
    }
}

/// A run that has ended is remembered for a while.
fn keep(state: &Shared, run: RunId, end: End, counts: Option<Counts>) {
    let settings = state.settings();
    let over = state.runs.borrow_mut().get_mut(&run).map(|run| {
        let output = run.spool.take().filter(|_| counts.is_some());
        let ran = Ran {
            run: run.id,
            user: run.user.clone(),
            command: run.command.name.clone(),
            request: run.request,
            end,
        };

        Over::now(ran, counts.unwrap_or_default(), output, run.rules.capacity)
    });

    if let Some(over) = over {
        state
            .kept
            .borrow_mut()
            .add(over, settings.retention, settings.kept_bytes);
    }
}

/// Sees to it that a run's output is told to whoever may see it.
///
/// # Errors
/// When there is no such run any more, or nothing of its output.
pub fn attach(
    state: &Shared,
    asked: &Asked<'_>,
    attachment: Attachment,
) -> Result<(), (Code, &'static str)> {
    let (connection, stream) = (asked.connection, asked.stream);
    let mut attachment = attachment;
    {
        let mut runs = state.runs.borrow_mut();
        if let Some(run) = runs.get_mut(&attachment.run) {
            // Only the session that asked for a run goes on with its input.
            attachment.resume &= run.session == asked.session.id;
            const MOST: usize = 16;
            if run.phase != Phase::Running && run.waiting.len() >= MOST {
                return Err(NO_SUCH_RUN);
            }
            if attachment.resume {
                run.before = run.owner.replace((connection, stream));
                run.changes += 1;
            }
            if run.phase != Phase::Running {
                // Nobody else will tell the stream that has waited so far.
                if let Some((connection, stream)) = run.before.take().filter(|_| attachment.resume)
                {
                    let text = "the run was taken up over another stream".into();
                    let code = Code::TakenOver.number();
                    state.tell(ToFrontend::Refused {
                        connection,
                        stream,
                        code,
                        text,
                        argument: None,
                        rule: None,
                    });
                }
                run.waiting.push((connection, stream, attachment));
                return Ok(());
            }
        }
    }
    if pass_attachment(state, connection, stream, attachment) {
        return Ok(());
    }
    let kept = state.kept.borrow();
    let gone = kept
        .find(attachment.run, state.settings().retention)
        .is_some_and(|over| over.gone);
    Err(if gone {
        (
            Code::Offset,
            "it has ended, and what it wrote could not be kept",
        )
    } else {
        NO_SUCH_RUN
    })
}

/// What is not there, and what is somebody else's.
const NO_SUCH_RUN: (Code, &str) = (Code::NoSuchRun, "there is no such run");

/// Whoever asked to take a run up could not: it stays with whom it was.
pub fn not_taken_up(state: &Shared, run: RunId, asked: (ConnectionId, StreamId)) {
    let mut runs = state.runs.borrow_mut();
    let Some(run) = runs.get_mut(&run).filter(|run| run.owner == Some(asked)) else {
        return;
    };
    run.owner = run
        .before
        .take()
        .filter(|(connection, _)| state.connections.borrow().contains_key(connection));
    run.changes += 1;
    if run.owner.is_none() && run.command.on_disconnect == OnDisconnect::Cancel {
        end_unless_back(state, run);
    }
}

fn pass_attachment(
    state: &Shared,
    connection: ConnectionId,
    stream: StreamId,
    attachment: Attachment,
) -> bool {
    let found = {
        let (runs, kept) = (state.runs.borrow(), state.kept.borrow());
        let over = kept.find(attachment.run, state.settings().retention);
        match (runs.get(&attachment.run), over) {
            (Some(run), None) => run
                .spool
                .as_ref()
                .map(|spool| (spool.try_clone(), run.rules.capacity, None)),
            (_, Some(over)) if over.gone => None,
            (_, Some(over)) => {
                // Of one whose output nobody counted the end alone is known: there is nothing
                // behind any offset.
                let (counts, empty) = match &over.spool {
                    Some(_) => (
                        [over.counts.stdin, over.counts.stdout, over.counts.stderr],
                        None,
                    ),
                    None => (
                        [
                            0,
                            attachment.stdout.unwrap_or(0),
                            attachment.stderr.unwrap_or(0),
                        ],
                        sys::memory_file().ok(),
                    ),
                };
                over.spool.as_ref().or(empty.as_ref()).map(|spool| {
                    (
                        spool.try_clone(),
                        over.capacity,
                        Some((
                            over.ran.end.clone(),
                            counts,
                            (over.counts.cut, over.counts.held_open),
                        )),
                    )
                })
            }
            (None, None) => None,
        }
    };
    let Some((Ok(spool), capacity, ended)) = found else {
        return false;
    };
    let message = ToFrontend::Attach {
        connection,
        stream,
        run: *attachment.run.bytes(),
        capacity,
        from: [attachment.stdout, attachment.stderr],
        follow: attachment.follow,
        resume: attachment.resume,
        ended,
    };
    let state = state.clone();
    tokio::task::spawn_local(async move { state.tell_with(message, &[spool]).await });
    true
}

/// Hands the runs that outlive a frontend to the next one.
pub async fn hand_on(state: &Shared) {
    let adopted: Vec<_> = state
        .runs
        .borrow_mut()
        .values_mut()
        .filter(|run| run.phase == Phase::Running && run.rules.outlives_client)
        .filter_map(|run| {
            let [.., stdin] = &run.pipes;

            // Half an input looks like a whole one: such a run is ended, its input still open.
            let cut = stdin.is_some() && run.over.is_none() && !run.rules.terminal;
            if cut {
                run.end_for(Reason::Disconnected);
            }
            let [stdout, stderr, stdin] = &run.pipes;
            let copy =
                |pipe: &Option<OwnedFd>| pipe.as_ref().and_then(|pipe| pipe.try_clone().ok());
            let typed = if run.rules.terminal {
                copy(stdin)
            } else {
                None
            };

            let open = [copy(stdout), copy(stderr), typed];
            let [stdout, stderr, stdin] = open.each_ref().map(Option::is_some);
            let message = ToFrontend::Adopt {
                run: *run.id.bytes(),
                rules: run.rules.clone(),
                stdout,
                stderr,
                stdin,
            };

            let spool = run.spool.as_ref()?.try_clone().ok()?;
            let descriptors: Vec<_> = std::iter::once(Some(spool)).chain(open).flatten().collect();
            Some((run.id, message, descriptors, cut, run.over.clone()))
        })
        .collect();
    for (run, message, descriptors, cut, over) in adopted {
        let _ = state.record(&Record::now(What::HandedOn {
            run: &run.to_string(),
            input_cut: cut,
        }));
        state.tell_with(message, &descriptors).await;
        if let Some(end) = over {
            state
                .tell_with(
                    ToFrontend::Exited {
                        run: *run.bytes(),
                        end,
                    },
                    &[],
                )
                .await;
        }
    }
}

/// Waits for the end, or brings it about.
async fn watch(
    running: &mut Running,
    timeout: Option<Duration>,
    grace: Duration,
    orders: &mut Orders,
) -> (Reason, Option<Exited>) {
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
        }
    };
    let (reason, ended) = match by_itself {
        Ok(ended) => (None, ended),
        // Whoever was locked out has no say in how long his programs take to end.
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
fn note_version(state: &Shared, grant: &Grant<Plan>, running: &Running) {
    let command = &grant.what().command;
    let before = state
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

const fn own_end(exited: &Exited) -> Reason {
    match (exited.status, exited.signal) {
        (Some(status), _) => Reason::Exit(status),
        (None, Some(signal)) => Reason::Signal(signal),
        (None, None) => Reason::Lost,
    }
}

const fn code_of(fault: &NotStarted) -> Code {
    match fault.obstacle {
        Obstacle::Missing => Code::CommandMissing,
        Obstacle::NotExecutable => Code::CommandNotExecutable,
        Obstacle::Format => Code::CommandFormat,
        Obstacle::Path => Code::Path,
        Obstacle::Deadline => Code::StartDeadline,
        Obstacle::Untrusted => Code::UntrustedExecutable,
        Obstacle::Digest => Code::Digest,
        Obstacle::Start => Code::Start,
    }
}

fn not_started(
    state: &Shared,
    grant: &Grant<Plan>,
    run: RunId,
    code: Code,
    text: &str,
    argument: Option<&str>,
) {
    tracing::warn!(run = %run, user = %grant.user(), code = code.number(), text, "not started");
    let _ = state.record(&Record::now(What::End {
        run: &run.to_string(),
        user: grant.user(),
        command: &grant.what().command.name,
        reason: "not-started",
        number: None,
        text: Some(text),
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
    state
        .counts
        .run_ended(&grant.what().command.name, "not-started", None);
    state
        .seen
        .borrow_mut()
        .remove(grant.user(), grant.request());
    let told = state
        .runs
        .borrow_mut()
        .get_mut(&run)
        .map(|run| (run.owner, std::mem::take(&mut run.waiting)));
    let Some((owner, waiting)) = told else { return };
    let mut places: Vec<_> = owner
        .into_iter()
        .chain(
            waiting
                .into_iter()
                .map(|(connection, stream, _)| (connection, stream)),
        )
        .collect();
    places.dedup();
    for (connection, stream) in places {
        let (text, argument) = (text.to_owned(), argument.map(str::to_owned));
        state.tell(ToFrontend::Refused {
            connection,
            stream,
            code: code.number(),
            text,
            argument,
            rule: None,
        });
    }
}

/// The client is gone, or has given up one stream: its runs follow their rule. One whose link was
/// lost may come back.
pub fn leave(state: &Shared, connection: ConnectionId, stream: Option<StreamId>, lost: bool) {
    for run in state.runs.borrow_mut().values_mut() {
        run.waiting.retain(|(owner, its, _)| {
            *owner != connection || stream.is_some_and(|stream| stream != *its)
        });
        let meant = run.owner.is_some_and(|(owner, its)| {
            owner == connection && stream.is_none_or(|stream| stream == its)
        });
        if !meant {
            continue;
        }
        run.owner = None;
        run.changes += 1;
        if run.command.on_disconnect == OnDisconnect::Continue {
            continue;
        }
        if lost && !run.command.resume_window.is_zero() {
            end_unless_back(state, run);
        } else {
            run.end_for(Reason::Disconnected);
        }
    }
}

/// Ends a run whose client does not come back in time.
fn end_unless_back(state: &Shared, run: &Run) {
    let (state, id, changes, window) = (
        state.clone(),
        run.id,
        run.changes,
        run.command.resume_window,
    );

    tokio::task::spawn_local(async move {
        tokio::time::sleep(window).await;
        if let Some(run) = state
            .runs
            .borrow()
            .get(&id)
            .filter(|run| run.changes == changes)
        {
            run.end_for(Reason::Disconnected);
        }
    });
}

/// Sends a signal, if the command accepts it.
///
/// # Errors
/// What it accepts.
pub fn signal(state: &Shared, run: RunId, name: &str) -> Result<(), (Code, String)> {
    let runs = state.runs.borrow();
    let Some(run) = runs.get(&run) else {
        return Err((Code::NoSuchRun, "there is no such run".into()));
    };
    match run
        .command
        .signals
        .iter()
        .find(|signal| signal.name == name)
    {
        Some(signal) => {
            // A run that has not started yet takes none.
            run.signals
                .try_send(signal.number)
                .map_err(|_| (Code::Signal, "too many signals wait for this run".into()))
        }

        None => {
            let accepted: Vec<_> = run
                .command
                .signals
                .iter()
                .map(|signal| signal.name)
                .collect();
            Err((
                Code::Signal,
                format!(
                    "`{}` accepts {}",
                    run.command.name,
                    if accepted.is_empty() {
                        "no signal".into()
                    } else {
                        accepted.join(", ")
                    }
                ),
            ))
        }
    }
}

/// Somebody with the right to it ends a run.
///
/// # Errors
/// When it has ended already.
pub fn cancel(state: &Shared, run: RunId) -> Result<(), (Code, String)> {
    let runs = state.runs.borrow();
    let run = runs.get(&run).ok_or_else(|| {
        (
            Code::NoSuchRun,
            "there is no such run: it has ended".to_owned(),
        )
    })?;

    run.end_for(Reason::Cancelled);
    Ok(())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
