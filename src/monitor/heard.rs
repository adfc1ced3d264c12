//! What a frontend has said, after the table of messages has let it pass.

use super::connections::forget;
use super::state::Shared;
use super::strangers::Deed;
use super::undecided::Undecided;
use super::{asked, login, penalties, runs, summary};
use crate::audit::{Record, What};
use crate::exit::{Counts, Reason};
use crate::ids::{ConnectionId, RunId};
use crate::ipc::{self, Bound, Manifest, Name, Stage, ToMonitor};
use crate::penalty::Misdeed;
use std::net::IpAddr;

/// How far the connection is that a message is of.
pub fn stage(state: &Shared, message: &ToMonitor) -> Stage {
    connection_of(message).map_or(Stage::Unknown, |number| {
        let connections = state.sessions.connections.borrow();
        connections
            .get(&number)
            .map_or(Stage::Unknown, |connection| connection.stage)
    })
}

const fn connection_of(message: &ToMonitor) -> Option<ConnectionId> {
    match message {
        ToMonitor::Hello { connection, .. }
        | ToMonitor::Login { connection, .. }
        | ToMonitor::Request { connection, .. }
        | ToMonitor::Leave { connection, .. }
        | ToMonitor::Taken { connection, .. }
        | ToMonitor::Violation { connection, .. }
        | ToMonitor::Gone { connection, .. } => Some(*connection),
        ToMonitor::Ready { .. }
        | ToMonitor::Alive
        | ToMonitor::NotTakenUp { .. }
        | ToMonitor::Closed { .. }
        | ToMonitor::Widen { .. }
        | ToMonitor::Moved { .. }
        | ToMonitor::Narrowed { .. }
        | ToMonitor::Misdeed { .. }
        | ToMonitor::Spoilt { .. }
        | ToMonitor::Finished { .. }
        | ToMonitor::CutShort { .. }
        | ToMonitor::Exceeded { .. } => None,
    }
}

/// Whether a message may have crossed our own decision to close its connection. These alone are
/// passed over.
pub fn crossed(message: &ToMonitor, stage: Stage) -> bool {
    stage == Stage::Unknown
        && matches!(
            message,
            ToMonitor::Gone { .. }
                | ToMonitor::Leave { .. }
                | ToMonitor::Taken { .. }
                | ToMonitor::Violation { .. }
        )
}

/// Does what a message asks for.
///
/// # Errors
/// Why the frontend that says so is not to be trusted any more.
pub fn dispatch(
    state: &Shared,
    undecided: &mut Undecided,
    message: ToMonitor,
    manifest: Manifest,
) -> Result<(), String> {
    match message {
        ToMonitor::Ready { .. } | ToMonitor::Alive => {}
        ToMonitor::Hello {
            connection,
            source,
            nonce,
        } => login::greet(state, connection, &source, nonce)?,
        ToMonitor::Login { connection, .. } => of_login(state, connection, message, manifest)?,
        ToMonitor::Request {
            connection,
            stream,
            signed,
            signature,
            secrets,
        } => {
            let signed = asked::Signed {
                signed,
                signature,
                secrets,
            };
            undecided.add(state, (connection, stream), signed);
        }
        ToMonitor::Leave { connection, stream } => {
            undecided.forget(state, connection, Some(stream));
            state.sessions.let_go((connection, stream));
            state.feed.leave(connection, Some(stream));
            runs::leave(state, connection, Some(stream), false);
        }
        ToMonitor::Taken {
            connection,
            stream,
            kept,
        } => state.feed.taken(&state.link, (connection, stream), kept),
        ToMonitor::Violation { connection, text } => violation(state, connection, &text),
        ToMonitor::Spoilt { nonce } => login::spoilt(state, nonce)?,
        ToMonitor::Misdeed { source, misdeed } => {
            penalties::source(state, &source.into(), judged(misdeed));
        }
        ToMonitor::Gone { connection, lost } => {
            undecided.forget(state, connection, None);
            forget(state, connection, lost);
        }
        ToMonitor::NotTakenUp { run, .. }
        | ToMonitor::Finished { run, .. }
        | ToMonitor::CutShort { run }
        | ToMonitor::Closed { run, .. }
        | ToMonitor::Widen { run, .. }
        | ToMonitor::Moved { run }
        | ToMonitor::Narrowed { run, .. }
        | ToMonitor::Exceeded { run, .. } => of_run(state, RunId::from_random(run), message),
    }
    Ok(())
}

/// A login, with the client's socket.
fn of_login(
    state: &Shared,
    connection: ConnectionId,
    message: ToMonitor,
    mut manifest: Manifest,
) -> Result<(), String> {
    let ToMonitor::Login {
        signed,
        signature,
        password,
        key_signature,
        gathered,
        code,
        exporter,
        ..
    } = message
    else {
        return Ok(());
    };
    if manifest.is_lost() {
        login::too_busy(state, connection);
        return Ok(());
    }
    let Some(socket) = manifest.take_foreign(Name::Client) else {
        return Err("a login without its socket".into());
    };

    let proof = login::Proof {
        signed,
        signature,
        password,
        key_signature,
        gathered,
        code,
        exporter,
    };
    login::login(state, connection, &socket, proof)
}

/// What a misdeed that the frontend has seen is among the penalties.
const fn judged(misdeed: ipc::Misdeed) -> Misdeed {
    match misdeed {
        ipc::Misdeed::NoLogin => Misdeed::NoLogin,
        ipc::Misdeed::Deadline => Misdeed::Deadline,
        ipc::Misdeed::Violation => Misdeed::Violation,
    }
}

/// What the frontend says of a run. One that is gone meanwhile has no use for it.
fn of_run(state: &Shared, run: RunId, message: ToMonitor) {
    if let ToMonitor::NotTakenUp {
        connection, stream, ..
    } = message
    {
        return runs::not_taken_up(state, run, (connection, stream));
    }

    let mut runs = state.runs.going.borrow_mut();
    let Some(run) = runs.get_mut(&run) else {
        return;
    };

    match message {
        ToMonitor::Finished {
            stdin,
            stdout,
            stderr,
            cut,
            held_open,
            ..
        } => {
            let counts = Counts {
                stdin,
                stdout,
                stderr,
                cut,
                held_open,
            };
            if let Some(finished) = run.finished.take() {
                let _ = finished.send(counts);
            }
        }
        ToMonitor::CutShort { .. } => run.end_for(Reason::Disconnected),
        ToMonitor::Widen { way, .. } => runs::widen(state, run, way),
        ToMonitor::Moved { .. } => runs::moved(run),
        ToMonitor::Narrowed { way, .. } => runs::narrowed(state, run, way),
        ToMonitor::Closed { descriptor, .. } => match descriptor {
            0 => run.pipes.stdin = None,
            1 => run.pipes.stdout = None,
            _ => run.pipes.stderr = None,
        },
        ToMonitor::Exceeded { bound, .. } => run.end_for(match bound {
            Bound::Idle => Reason::Idle,
            Bound::Output => Reason::OutputLimit,
            Bound::Input => Reason::InputLimit,
        }),
        _ => {}
    }
}

/// A client has broken the protocol. Of a user who is known every violation is recorded.
fn violation(state: &Shared, connection: ConnectionId, text: &str) {
    let connections = state.sessions.connections.borrow();
    let known = connections.get(&connection);
    let stranger = known.is_some_and(|known| known.session.is_none());
    let session = known.and_then(|known| known.session.as_ref());
    let user = session.map(|session| session.user.clone());
    let source = known
        .and_then(|known| known.peer.clone())
        .map(|peer| peer.source);
    drop(connections);

    let source = source.unwrap_or_else(|| IpAddr::from([0; 4]).into());
    if stranger && !summary::admits(state, &source, Deed::Violation) {
        return;
    }

    let text: String = text.chars().take(300).collect();
    let record = Record::now(What::Violation {
        connection,
        text: &text,
        reported_by: "frontend",
    });
    let _ = match user {
        Some(user) => state.record_for(&user, &record),
        None => state.record(&record),
    };
}
