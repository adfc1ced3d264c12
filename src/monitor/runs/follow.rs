//! Who follows a run: its own client that comes back, others that watch, and the next frontend.

use super::leave::end_unless_back;
use crate::audit::{Record, What};
use crate::exit::{End, Reason};
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ipc::{Ended, Manifest, Name, RunRules, ToFrontend};
use crate::ledger::{Charge, Share, Spent};
use crate::monitor::asked::Asked;
use crate::monitor::denied::Denied;
use crate::monitor::run::{Attachment, Phase, Run};
use crate::monitor::session::Followed;
use crate::monitor::state::Shared;
use crate::policy::OnDisconnect;
use crate::protocol::Code;
use crate::{spool, sys};
use std::os::fd::OwnedFd;

/// Charges the user for a stream that is to follow a run. A session that goes on with its own run
/// takes no more than it had.
///
/// # Errors
/// When the user follows as much as they may.
pub fn share_to_follow(
    state: &Shared,
    asked: &Asked<'_>,
    attachment: &Attachment,
) -> Result<Option<Charge>, Spent> {
    let runs = state.runs.going.borrow();
    let own = runs
        .get(&attachment.run)
        .is_some_and(|run| attachment.resume && run.session == asked.session.id);
    if own {
        return Ok(None);
    }
    let share = state.ledger.charge(&asked.session.user, Share::Follows, 1);
    share.map(Some)
}

/// Joins a run: one that goes on, one that waits, or one that has ended and is kept. The stream
/// holds its share for as long as it is open.
///
/// # Errors
/// When there is no such run any more, or nothing of its output.
pub fn join(
    state: &Shared,
    asked: &Asked<'_>,
    attachment: Attachment,
    share: Option<Charge>,
) -> Result<(), Denied> {
    let place = (asked.connection, asked.stream);
    if let Some(share) = share {
        let followed = Followed::Run(attachment.run);
        state.sessions.hold(place, followed, share);
    }
    let joined = joined(state, asked, attachment);
    if joined.is_err() {
        state.sessions.let_go(place);
    }
    joined
}

fn joined(state: &Shared, asked: &Asked<'_>, attachment: Attachment) -> Result<(), Denied> {
    let place = (asked.connection, asked.stream);
    let mut attachment = attachment;
    {
        let mut runs = state.runs.going.borrow_mut();
        if let Some(run) = runs.get_mut(&attachment.run) {
            // Only the session that asked for a run goes on with its input.
            attachment.resume &= run.session == asked.session.id;
            if attachment.resume {
                run.before = run.owner.replace(place);
                run.changes += 1;
            }
            if run.phase != Phase::Running {
                wait_for(state, run, place, attachment);
                // Its client is back, so its turn may have come.
                state.runs.one_ended.notify_waiters();
                return Ok(());
            }
        }
    }

    if pass_attachment(state, place, attachment) {
        return Ok(());
    }
    let ended = state.runs.ended.borrow();
    let over = ended.find(attachment.run, state.settings().retention);
    Err(match over.is_some_and(|over| over.gone) {
        true => Denied::new(
            Code::Offset,
            "it has ended, and what it wrote could not be kept",
        ),
        false => Denied::no_such_run(),
    })
}

/// The run has not started: whoever asks is told when it has.
fn wait_for(
    state: &Shared,
    run: &mut Run,
    place: (ConnectionId, StreamId),
    attachment: Attachment,
) {
    // Nobody else will tell the stream that has waited so far.
    if let Some(before) = run.before.take().filter(|_| attachment.resume) {
        let text = "the run was taken up over another stream";
        state.refuse(before, Denied::new(Code::TakenOver, text));
    }
    run.waiting.push((place, attachment));
}

/// Whoever asked to take a run up could not: it stays with whom it was.
pub fn not_taken_up(state: &Shared, run: RunId, asked: (ConnectionId, StreamId)) {
    let mut runs = state.runs.going.borrow_mut();
    let Some(run) = runs.get_mut(&run).filter(|run| run.owner == Some(asked)) else {
        return;
    };
    run.owner = run
        .before
        .take()
        .filter(|(connection, _)| state.sessions.connections.borrow().contains_key(connection));
    run.changes += 1;
    if run.owner.is_none() && run.command.on_disconnect == OnDisconnect::Cancel {
        end_unless_back(state, run);
    }
}

/// What a spool keeps of a run's output, and how the run ended, when it has.
struct Output {
    spool: OwnedFd,
    capacity: u64,
    ended: Option<Ended>,
}

fn output(state: &Shared, attachment: &Attachment) -> Option<Output> {
    let (runs, ended) = (state.runs.going.borrow(), state.runs.ended.borrow());
    let over = ended.find(attachment.run, state.settings().retention);
    let Some(over) = over else {
        let run = runs.get(&attachment.run)?;
        return Some(Output {
            spool: run.spool.as_ref()?.try_clone().ok()?,
            capacity: run.rules.capacity,
            ended: None,
        });
    };
    if over.gone {
        return None;
    }

    // Of one whose output nobody counted the end alone is known: there is nothing behind any
    // offset.
    let mut counts = over.counts;
    let spool = match &over.spool {
        Some(spool) => spool.try_clone().ok()?,
        None => {
            counts.stdin = 0;
            counts.stdout = attachment.stdout.unwrap_or(0);
            counts.stderr = attachment.stderr.unwrap_or(0);
            sys::memory_file(spool::size(1)).ok()?
        }
    };
    Some(Output {
        spool,
        capacity: over.capacity,
        ended: Some(Ended {
            end: over.ran.end.clone(),
            counts,
        }),
    })
}

/// Passes a run's output on to the frontend for this stream, if there is any.
pub fn pass_attachment(
    state: &Shared,
    (connection, stream): (ConnectionId, StreamId),
    attachment: Attachment,
) -> bool {
    let Some(output) = output(state, &attachment) else {
        return false;
    };
    let message = ToFrontend::Attach {
        connection,
        stream,
        run: *attachment.run.bytes(),
        capacity: output.capacity,
        from: [attachment.stdout, attachment.stderr],
        follow: attachment.follow,
        resume: attachment.resume,
        ended: output.ended,
    };
    let manifest = Manifest::default().with(Name::Spool, output.spool);
    state.link.pass(message, manifest);
    true
}

/// A run that goes from one frontend to the next.
struct HandedOn {
    run: RunId,
    rules: RunRules,
    manifest: Manifest,
    /// Whether its input was cut, for which it is ended.
    input_cut: bool,
    over: Option<End>,
}

fn handed_on(run: &Run) -> Option<HandedOn> {
    // Half an input looks like a whole one: such a run is ended, its input still open.
    let input_cut = run.pipes.stdin.is_some() && run.over.is_none() && run.rules.terminal.is_none();
    if input_cut {
        run.end_for(Reason::Disconnected);
    }
    let copy = |pipe: &Option<OwnedFd>| pipe.as_ref().and_then(|pipe| pipe.try_clone().ok());
    let typed = if run.rules.terminal.is_some() {
        copy(&run.pipes.stdin)
    } else {
        None
    };
    let manifest = Manifest::default()
        .with(Name::Spool, run.spool.as_ref()?.try_clone().ok()?)
        .with_some(Name::Stdout, copy(&run.pipes.stdout))
        .with_some(Name::Stderr, copy(&run.pipes.stderr))
        .with_some(Name::Stdin, typed);
    Some(HandedOn {
        run: run.id,
        rules: run.rules.clone(),
        manifest,
        input_cut,
        over: run.over.clone(),
    })
}

/// Hands the runs that outlive a frontend to the next one.
pub async fn hand_on(state: &Shared) {
    let adopted: Vec<_> = state
        .runs
        .going
        .borrow()
        .values()
        .filter(|run| run.phase == Phase::Running && run.rules.outlives_client)
        .filter_map(handed_on)
        .collect();
    for HandedOn {
        run,
        rules,
        manifest,
        input_cut,
        over,
    } in adopted
    {
        let name = run.to_string();
        let _ = state.record(&Record::now(What::HandedOn {
            run: &name,
            input_cut,
        }));
        let run = *run.bytes();
        state
            .tell_with(ToFrontend::Adopt { run, rules }, manifest)
            .await;
        if let Some(end) = over {
            let message = ToFrontend::Exited { run, end };
            state.tell_with(message, Manifest::default()).await;
        }
    }
}
