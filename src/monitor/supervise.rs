//! Keeps a frontend: starts it, hands it what it needs, reads what it says, and replaces it when it
//! is gone.

use super::asked;
use super::configure::configure;
use super::connections::{forget, forget_all};
use super::metrics::count;
use super::state::Shared;
use super::strangers::Deed;
use super::{login, penalties, runs, serve, summary};
use crate::audit::{Record, What};
use crate::exit::Counts;
use crate::exit::Reason;
use crate::ids::{ConnectionId, RunId};
use crate::ipc::{
    self, Bound, Channel, ChannelFault, Manifest, Name, Stage, ToFrontend, ToMonitor,
};
use crate::penalty::Misdeed;
use crate::{limits, sys};
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use tokio::sync::oneshot;

/// Why the daemon did not come up.
#[derive(Debug)]
pub struct CannotServe(pub String);

/// The hidden argument that makes the program the frontend.
pub const FRONTEND: &str = "--frontend";

/// Opens the listeners.
///
/// # Errors
/// Which address could not be had, and why.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, CannotServe> {
    let open = |address: &SocketAddr| {
        let socket = if address.is_ipv4() {
            tokio::net::TcpSocket::new_v4()
        } else {
            tokio::net::TcpSocket::new_v6()
        }?;

        socket.set_reuseaddr(true)?;
        socket.bind(*address)?;
        socket.listen(4096)?.into_std()
    };

    addresses
        .iter()
        .map(|address| {
            open(address)
                .map_err(|fault| CannotServe(format!("{address} cannot be listened on: {fault}")))
        })
        .collect()
}

/// Starts a frontend, and another whenever one ends, with a growing pause. `first` is told how the
/// first start went.
pub async fn keep(
    state: Shared,
    listeners: Vec<TcpListener>,
    first: oneshot::Sender<Result<(), String>>,
) {
    let mut first = Some(first);
    let mut pause = limits::BACK_OFF;
    loop {
        let began = std::time::Instant::now();
        let ended = one(&state, &listeners, &mut first).await;
        if let Some(first) = first.take() {
            let _ = first.send(Err(ended));
            return;
        }
        tracing::error!(reason = ended, "the frontend ended; starting another");
        let _ = state.record(&Record::now(What::Frontend { state: &ended }));
        if began.elapsed() > std::time::Duration::from_secs(10) {
            pause = limits::BACK_OFF;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(std::time::Duration::from_secs(1));
    }
}

/// One frontend's life; returns why it ended.
async fn one(
    state: &Shared,
    listeners: &[TcpListener],
    first: &mut Option<oneshot::Sender<Result<(), String>>>,
) -> String {
    let begun = sys::pair().and_then(|(ours, theirs)| {
        let (pid, pidfd) = sys::reexecute("ordaind: frontend", OsStr::new(FRONTEND), theirs)?;
        Ok((pid, pidfd, Rc::new(Channel::new(ours)?)))
    });
    let (pid, pidfd, channel) = match begun {
        Ok(begun) => begun,
        Err(fault) => return format!("it could not be started: {fault}"),
    };
    count(&state.health.counts.frontends);
    *state.link.frontend.borrow_mut() = Some(channel.clone());
    configure(state, listeners).await;
    let why = listen(state, &channel, first).await;
    // Whatever it was, it is over: a frontend that breaks the table is not argued with.
    sys::kill(std::os::fd::AsFd::as_fd(&pidfd));
    *state.link.frontend.borrow_mut() = None;
    state.link.ready.set(false);
    *state.link.confinement.borrow_mut() = None;
    if let Ok(watched) = sys::watch(pidfd, tokio::io::Interest::READABLE) {
        let _ = watched.readable().await;
        let _ = sys::reap(std::os::fd::AsFd::as_fd(watched.get_ref()));
    }
    tracing::debug!(pid, "the frontend was reaped");
    forget_all(state);
    why
}

/// Whether a frontend still does anything: whatever it says is a sign, and it is asked for one now
/// and then.
struct Life {
    looks: tokio::time::Interval,
    unanswered: u32,
}

impl Life {
    fn new() -> Self {
        let every = sys::watchdog()
            .unwrap_or(limits::FRONTEND_LOOK)
            .min(limits::FRONTEND_LOOK);
        let mut looks = tokio::time::interval(every);

        // A monitor that was held up itself has not waited.
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            looks,
            unanswered: 0,
        }
    }

    async fn look(&mut self) {
        self.looks.tick().await;
        self.unanswered += 1;
    }

    const fn hangs(&self) -> bool {
        self.unanswered > limits::FRONTEND_LOOKS
    }

    const fn sign(&mut self) {
        self.unanswered = 0;
    }
}

async fn listen(
    state: &Shared,
    channel: &Channel,
    first: &mut Option<oneshot::Sender<Result<(), String>>>,
) -> String {
    let mut buffer = Vec::new();
    let mut ready = false;
    let mut life = Life::new();
    loop {
        let received = tokio::select! {
            received = channel.receive::<ToMonitor>(&mut buffer) => received,
            () = life.look() => {
                if life.hangs() {
                    return "it has given no sign of life".into();
                }
                state.tell(ToFrontend::Ping);
                continue;
            }
        };
        let (message, manifest) = match received {
            Ok(received) => received,
            Err(ChannelFault::Gone) => return "it is gone".into(),
            Err(fault) => return format!("it sent {fault}"),
        };
        life.sign();
        let stage = match (&message, ready) {
            (_, false) => Stage::Starting,
            (_, true) => connection_of(&message).map_or(Stage::Unknown, |number| {
                state
                    .sessions
                    .connections
                    .borrow()
                    .get(&number)
                    .map_or(Stage::Unknown, |connection| connection.stage)
            }),
        };
        // These may cross our own decision to close a connection; those alone are passed
        // over.
        let crossed = stage == Stage::Unknown
            && matches!(
                message,
                ToMonitor::Gone { .. }
                    | ToMonitor::Leave { .. }
                    | ToMonitor::Taken { .. }
                    | ToMonitor::Violation { .. }
            );
        if crossed {
            continue;
        }
        if !ipc::expected(&message, stage) || ipc::carries(&message) != manifest.names() {
            return format!("it broke the table of messages in stage {stage:?}");
        }
        if let ToMonitor::Ready { landlock, uid } = &message {
            ready = true;
            tracing::info!(landlock, uid, "the frontend is confined and listens");
            let _ = state.record(&Record::now(What::Frontend { state: "started" }));
            *state.link.confinement.borrow_mut() = Some((landlock.clone(), *uid));
            state.link.ready.set(true);
            login::stock_up(state);
            penalties::tell_all(state);
            runs::hand_on(state).await;
            if let Some(first) = first.take() {
                let _ = first.send(Ok(()));
            }
            continue;
        }
        if let Err(why) = dispatch(state, message, manifest) {
            return why;
        }
    }
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
        | ToMonitor::Misdeed { .. }
        | ToMonitor::Finished { .. }
        | ToMonitor::CutShort { .. }
        | ToMonitor::Exceeded { .. } => None,
    }
}

fn dispatch(state: &Shared, message: ToMonitor, mut manifest: Manifest) -> Result<(), String> {
    match message {
        ToMonitor::Ready { .. } | ToMonitor::Alive => {}
        ToMonitor::Hello {
            connection,
            source,
            nonce,
        } => login::greet(state, connection, &source, nonce)?,
        ToMonitor::Login {
            connection,
            signed,
            signature,
            password,
            key_signature,
            code,
            exporter,
        } => {
            let Some(socket) = manifest.take(Name::Client) else {
                return Err("a login without its socket".into());
            };
            let proof = login::Proof {
                signed,
                signature,
                password,
                key_signature,
                code,
                exporter,
            };
            login::login(state, connection, socket, proof)?;
        }
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
            serve::request(state, connection, stream, &signed);
        }
        ToMonitor::Leave { connection, stream } => {
            state.feed.leave(connection, Some(stream));
            runs::leave(state, connection, Some(stream), false);
        }
        ToMonitor::Taken {
            connection,
            stream,
            kept,
        } => state.feed.taken(&state.link, (connection, stream), kept),
        ToMonitor::Violation { connection, text } => violation(state, connection, &text),
        ToMonitor::Misdeed { source, misdeed } => {
            let misdeed = match misdeed {
                ipc::Misdeed::NoLogin => Misdeed::NoLogin,
                ipc::Misdeed::Deadline => Misdeed::Deadline,
                ipc::Misdeed::Violation => Misdeed::Violation,
            };
            penalties::source(state, &source.into(), misdeed);
        }
        ToMonitor::Gone { connection, lost } => forget(state, connection, lost),
        ToMonitor::NotTakenUp { run, .. }
        | ToMonitor::Finished { run, .. }
        | ToMonitor::CutShort { run }
        | ToMonitor::Closed { run, .. }
        | ToMonitor::Exceeded { run, .. } => of_run(state, RunId::from_random(run), message),
    }
    Ok(())
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
    let source = known
        .and_then(|known| known.peer.clone())
        .map(|peer| peer.source);
    drop(connections);
    let source = source.unwrap_or_else(|| IpAddr::from([0; 4]).into());
    if stranger && !summary::admits(state, &source, Deed::Violation) {
        return;
    }
    let text: String = text.chars().take(300).collect();
    let _ = state.record(&Record::now(What::Violation {
        connection,
        text: &text,
        reported_by: "frontend",
    }));
}
