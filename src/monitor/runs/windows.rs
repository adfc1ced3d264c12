//! Windows of runs that grow at their user's charge, and that are narrowed when the user's memory is
//! short.

use crate::ipc::{Manifest, Name, ToFrontend, Way};
use crate::ledger::{Charge, Share};
use crate::limits::{SPOOL_WIDE, STREAM_MOST};
use crate::monitor::run::{Output, Phase, Run, both_streams};
use crate::monitor::state::Shared;
use crate::spool;
use crate::sys;
use std::os::fd::OwnedFd;

/// What the user was charged for the wide windows of one run.
#[derive(Debug, Default)]
pub struct Wide {
    /// For its input.
    input: Option<Charge>,
    /// For its output: a spool that keeps as much as may be on its way.
    output: Option<Charge>,
    /// A spool that the frontend moves the output into.
    moving: Option<Moving>,
    /// Bytes of each stream that its spool has kept before.
    before: u64,
    /// Whether it is not to grow any more.
    narrow: bool,
}

/// A spool that a run's output is being moved into.
#[derive(Debug)]
struct Moving {
    spool: OwnedFd,
    capacity: u64,
    charge: Option<Charge>,
}

/// Charges the user for a wider window of a run, and lets it grow. Where there is no memory for it,
/// it stays as it is.
pub fn widen(state: &Shared, run: &mut Run, way: Way) {
    let goes_on = run.phase == Phase::Running && !run.wide.narrow;
    if !goes_on {
        return;
    }
    match way {
        Way::Input if run.wide.input.is_none() && run.rules.stdin.is_some() => {
            let charge = state
                .ledger
                .charge(&run.user, Share::Memory, STREAM_MOST as u64);
            let Ok(charge) = charge else { return };
            run.wide.input = Some(charge);
            let run = *run.id.bytes();
            state.tell(ToFrontend::Widened { run });
        }
        Way::Output if may_move(run) => {
            let more = both_streams(SPOOL_WIDE) - both_streams(run.rules.capacity);
            let Ok(charge) = state.ledger.charge(&run.user, Share::Memory, more) else {
                return;
            };
            run.wide.before = run.rules.capacity;
            move_output(state, run, SPOOL_WIDE, Some(charge));
        }
        _ => {}
    }
}

/// Whether the output of a run may be moved into a wider spool: one in memory, that no frontend
/// after this one has to find where it was.
const fn may_move(run: &Run) -> bool {
    let is_small =
        run.rules.capacity < SPOOL_WIDE && matches!(run.charges.output, Output::Memory(_));
    is_small && !run.rules.outlives_client && run.wide.output.is_none() && run.wide.moving.is_none()
}

/// Gives the frontend a spool to move a run's output into.
fn move_output(state: &Shared, run: &mut Run, capacity: u64, charge: Option<Charge>) {
    let made =
        sys::memory_file(spool::size(capacity)).and_then(|spool| Ok((spool.try_clone()?, spool)));
    let (theirs, spool) = match made {
        Ok(made) => made,
        Err(fault) => {
            tracing::warn!(run = %run.id, %fault, "its output could not be moved");
            return;
        }
    };
    run.wide.moving = Some(Moving {
        spool,
        capacity,
        charge,
    });
    let run = *run.id.bytes();
    let message = ToFrontend::Move { run, capacity };
    let manifest = Manifest::default().with(Name::Spool, theirs);
    state.link.pass(message, manifest);
}

/// The frontend has moved a run's output, by its word: from now on it is looked for there.
pub fn moved(run: &mut Run) {
    if let Some(moving) = run.wide.moving.take() {
        run.spool = Some(moving.spool);
        run.rules.capacity = moving.capacity;
        run.wide.output = moving.charge;
    }
}

/// A window is as wide as at first again: what was charged for it is given back, for output once
/// that has moved into a smaller spool.
pub fn narrowed(state: &Shared, run: &mut Run, way: Way) {
    match way {
        Way::Input => run.wide.input = None,
        Way::Output if run.wide.output.is_some() && run.wide.moving.is_none() => {
            move_output(state, run, run.wide.before, None);
        }
        Way::Output => {}
    }
}

/// The user's memory is short: the windows of their runs are to be as wide as at first, so that
/// there is some for the next run.
pub fn narrow(state: &Shared, user: &str) {
    let mut runs = state.runs.going.borrow_mut();
    for run in runs.values_mut().filter(|run| *run.user == *user) {
        let wide = &mut run.wide;
        let is_wide = wide.input.is_some() || wide.output.is_some() || wide.moving.is_some();
        if is_wide && !std::mem::replace(&mut wide.narrow, true) {
            let run = *run.id.bytes();
            state.tell(ToFrontend::Narrow { run });
        }
    }
}
