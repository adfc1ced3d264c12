//! What is left of a run when its main process has ended, and how it has ended in the light of all of it.

use crate::exec::{LeftRunning, Running};
use crate::exit::{End, Reason};
use crate::policy::Command;
use crate::sys::Exited;
use std::time::Duration;

/// Ends what is left of a run, and puts together how it ended.
pub async fn settled(
    mut running: Running,
    command: &Command,
    (mut reason, mut exited): (Reason, Option<Exited>),
    duration: Duration,
) -> (Reason, End, Option<LeftRunning>) {
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
    let killed_for_memory = exited.as_mut().is_some_and(|exited| running.usage(exited));
    if killed_for_memory && by_itself {
        reason = Reason::OutOfMemory;
    }
    let run = running.run;
    let left = running.close(&rest);
    if rest.killed > 0 {
        tracing::info!(%run, killed = rest.killed, "killed what the command had left running");
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
        moved: None,
        recorded: None,
    };
    (reason, end, left)
}

/// How a main process has ended that nobody has ended.
pub const fn own_end(exited: &Exited) -> Reason {
    match (exited.status, exited.signal) {
        (Some(status), _) => Reason::Exit(status),
        (None, Some(signal)) => Reason::Signal(signal),
        (None, None) => Reason::Lost,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
