//! Keeps a frontend: starts it, hands it what it needs, reads what it says, and replaces it when it
//! is gone.

use super::configure::configure;
use super::connections::forget_all;
use super::metrics::count;
use super::state::Shared;
use super::undecided::Undecided;
use super::{heard, listeners, login, penalties, runs, stop};
use crate::audit::{Record, What};
use crate::ipc::{self, Channel, ChannelFault, Manifest, Stage, ToFrontend, ToMonitor};
use crate::{limits, sys};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Why the daemon did not come up.
#[derive(Debug)]
pub struct CannotServe(pub String);

/// The hidden argument that makes the program the frontend.
pub const FRONTEND: &str = "--frontend";

/// Starts a frontend, and another whenever one ends, with a growing pause. `first` is told how the
/// first start went.
pub async fn keep(state: Shared, first: oneshot::Sender<Result<(), String>>) {
    let mut first = Some(first);
    let mut pause = limits::BACK_OFF;
    loop {
        let began = Instant::now();
        let ended = one(&state, &mut first).await;
        if let Some(first) = first.take() {
            let _ = first.send(Err(ended));
            return;
        }

        tracing::error!(reason = ended, "the frontend ended; starting another");
        let _ = state.record(&Record::now(What::Frontend { state: &ended }));
        if began.elapsed() > Duration::from_secs(10) {
            pause = limits::BACK_OFF;
        }

        // After the last one that could undo it is gone.
        listeners::mend(&state);
        runs::trim(&state);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// One frontend's life; returns why it ended.
async fn one(state: &Shared, first: &mut Option<oneshot::Sender<Result<(), String>>>) -> String {
    let begun = sys::pair().and_then(|(ours, theirs)| {
        let (pid, pidfd) = sys::reexecute("ordaind: frontend", OsStr::new(FRONTEND), theirs)?;
        Ok((pid, pidfd, Rc::new(Channel::to_frontend(ours)?)))
    });

    let (pid, pidfd, channel) = match begun {
        Ok(begun) => begun,
        Err(fault) => return format!("it could not be started: {fault}"),
    };

    count(&state.health.counts.frontends);
    *state.link.frontend.borrow_mut() = Some(channel.clone());
    configure(state, true).await;
    let why = listen(state, &channel, first).await;

    // Whatever it was, it is over: a frontend that breaks the table is not argued with.
    sys::kill(pidfd.as_fd());
    state.link.gone();

    if let Ok(watched) = sys::watch(pidfd, tokio::io::Interest::READABLE) {
        let _ = watched.readable().await;
        let _ = sys::reap(watched.get_ref().as_fd());
    }

    channel.empty();
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

/// Why a frontend is ended for which more waits than may.
const DOES_NOT_READ: &str = "it does not read what it is told";

/// What a frontend does, beside what it says, that only the next one can mend.
fn does_harm(state: &Shared) -> Option<String> {
    let fault = listeners::faults(state).into_iter().next();
    fault.or_else(|| runs::overgrown(state))
}

/// Messages that are taken in between two decisions at the most.
const TAKEN_IN: usize = 64;

/// What is heard of a frontend, and what it has asked that is not decided yet.
struct Ear<'c> {
    channel: &'c Channel,
    buffer: Vec<u8>,
    life: Life,
    undecided: Undecided,
    taken_in: usize,
}

impl<'c> Ear<'c> {
    fn new(channel: &'c Channel) -> Self {
        Self {
            channel,
            buffer: Vec::new(),
            life: Life::new(),
            undecided: Undecided::default(),
            taken_in: 0,
        }
    }

    /// The next message; `None` where something else was done in its place. The error is why this
    /// frontend does not go on.
    async fn next(&mut self, state: &Shared) -> Result<Option<(ToMonitor, Manifest)>, String> {
        // What has come is taken in before anything is decided: only then is it known whose turn
        // it is. But not without end.
        let received = if self.undecided.is_empty() {
            tokio::select! {
                received = self.channel.receive::<ToMonitor>(&mut self.buffer) => received,
                () = state.link.does_not_read() => return Err(DOES_NOT_READ.into()),
                () = self.life.look() => {
                    if self.life.hangs() {
                        return Err("it has given no sign of life".into());
                    }
                    if let Some(why) = does_harm(state) {
                        return Err(why);
                    }
                    state.tell(ToFrontend::Ping);
                    return Ok(None);
                }
            }
        } else if self.taken_in < TAKEN_IN {
            self.channel.try_receive(&mut self.buffer)
        } else {
            Err(ChannelFault::Io(io::ErrorKind::WouldBlock.into()))
        };

        match received {
            Ok(_) if state.link.is_overfull() => Err(DOES_NOT_READ.into()),
            Ok(_) if sys::closing_hangs(limits::CLOSING) => {
                Err("what it gives cannot be closed".into())
            }
            Ok(received) => {
                self.taken_in += 1;
                self.life.sign();
                Ok(Some(received))
            }
            Err(ChannelFault::Gone) => Err("it is gone".into()),
            Err(ChannelFault::Io(fault)) if fault.kind() == io::ErrorKind::WouldBlock => {
                self.undecided.decide_next(state);
                self.taken_in = 0;
                if !self.undecided.is_empty() {
                    tokio::task::yield_now().await;
                }
                Ok(None)
            }
            Err(fault) => Err(format!("it sent {fault}")),
        }
    }
}

/// Reads what a frontend says, for as long as it keeps to the table; returns why it does not go on.
async fn listen(
    state: &Shared,
    channel: &Channel,
    first: &mut Option<oneshot::Sender<Result<(), String>>>,
) -> String {
    let mut ear = Ear::new(channel);
    let mut ready = false;
    loop {
        let (message, manifest) = match ear.next(state).await {
            Ok(Some(heard)) => heard,
            Ok(None) => continue,
            Err(why) => return why,
        };

        let stage = if ready {
            heard::stage(state, &message)
        } else {
            Stage::Starting
        };
        if heard::crossed(&message, stage) {
            continue;
        }
        let carries = manifest.is_lost() || ipc::carries(&message) == manifest.names();
        if !ipc::expected(&message, stage) || !carries {
            return format!("it broke the table of messages in stage {stage:?}");
        }

        if let ToMonitor::Ready { landlock, uid } = message {
            ready = true;
            confined(state, landlock, uid).await;
            if let Some(first) = first.take() {
                let _ = first.send(Ok(()));
            }
            continue;
        }
        if let Err(why) = heard::dispatch(state, &mut ear.undecided, message, manifest) {
            return why;
        }
    }
}

/// The frontend is confined and listens: it gets what one before it had.
async fn confined(state: &Shared, landlock: String, uid: u32) {
    tracing::info!(landlock, uid, "the frontend is confined and listens");
    *state.link.confinement.borrow_mut() = Some((landlock, uid));
    state.link.ready.set(true);

    // Whom it may not let in comes first: clients are connecting already.
    penalties::tell_all(state);
    let _ = state.record(&Record::now(What::Frontend { state: "started" }));
    login::stock_up(state);
    if state.health.is_stopping() {
        stop::tell(state);
    }
    runs::hand_on(state).await;
}
