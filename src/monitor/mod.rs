//! The authority: keeps hashes, policy, trail and privileges, decides every request and starts
//! every command.
//!
//! It reads small typed messages only. Everything runs on one thread in turns, so the state needs
//! no lock and a decision is never interleaved with another.

mod access;
mod admission;
mod approvals;
mod archive;
mod asked;
mod audit;
mod certificate;
mod config;
mod configure;
mod connections;
mod control;
mod denied;
mod faults;
mod feed;
mod health;
mod heard;
mod journal;
mod keep;
mod keep_recordings;
mod link;
mod listeners;
mod login;
mod members;
mod metrics;
mod owed;
mod passwd;
mod pem;
mod penalties;
mod recordings;
mod reload;
mod remembered;
mod report;
mod room;
mod run;
mod runs;
mod serve;
mod session;
mod sessions;
mod settings;
mod start;
mod state;
mod steps;
mod stop;
mod strangers;
mod summary;
mod supervise;
mod trail;
mod turns;
mod undecided;
mod verifiers;

pub use faults::LastFaults;
pub use owed::PenaltyRules;
pub use pem::{Tls, TlsFile, TlsFiles};
pub use serve::{describe, explain};
pub use settings::{AuditRules, Durability, Listen, Loader, RecordingRules, Settings};
pub use start::Given;
pub use supervise::{CannotServe, FRONTEND};

use crate::exit::Status;
use crate::sys;
use start::Signals;
use state::Shared;
use std::time::Duration;

/// How often the service manager is told how the daemon is, at the most.
const STATE_TOLD: Duration = Duration::from_secs(5);

/// Serves until it is told to stop. `listening` is told the addresses once clients can connect.
///
/// # Errors
/// When a part that everything depends on cannot be had: listeners, trail, control socket,
/// frontend.
pub async fn serve(
    settings: Settings,
    given: Given,
    listening: impl FnOnce(&[std::net::SocketAddr]),
) -> Result<Status, CannotServe> {
    let opened = start::open(&settings, given)?;
    let mut signals = Signals::heard()?;
    let written = opened.written();
    let (state, listeners, control) = opened.into_state(settings).await;

    tokio::task::spawn_local(control::serve(state.clone(), control));
    tokio::task::spawn_local(forget_old_runs(state.clone()));
    tokio::task::spawn_local(show_life());
    let steps = state.clone();
    tokio::task::spawn_local(async move { steps.runs.steps.give().await });
    access::look_after_groups(state.clone());
    tokio::task::spawn_local(room::tell(state.clone()));
    tokio::task::spawn_local(trail::keep(state.clone()));
    tokio::task::spawn_local(keep::keep(state.clone(), written));
    tokio::task::spawn_local(keep_recordings::keep(state.clone()));
    tokio::task::spawn_local(certificate::watch(state.clone()));
    let mut frontend = start::frontend(&state, listeners, listening).await?;
    tokio::task::spawn_local(tell_state(state.clone()));

    loop {
        tokio::select! {
            () = signals.stop.asked() => break,
            // In a task of its own: one that hangs must not keep the daemon from stopping.
            _ = signals.reload.recv() => {
                let state = state.clone();
                tokio::task::spawn_local(async move { drop(reload::reload(&state).await) });
            }
            _ = &mut frontend => return Err(CannotServe("the frontend could not be started again".into())),
        }
    }

    let status = stop::drain(&state, async || signals.stop.asked().await).await;
    frontend.abort();
    let _ = frontend.await;
    stop::leave(&state).await;
    Ok(status)
}

/// Feeds the service manager's watchdog, from the thread that does the work.
async fn show_life() {
    let Some(every) = sys::watchdog() else { return };
    loop {
        sys::fault_point("monitor-loop");
        sys::notify("WATCHDOG=1");
        tokio::time::sleep(every).await;
    }
}

/// Tells the service manager how the daemon is, in words for `systemctl status`.
async fn tell_state(state: Shared) {
    if !sys::is_a_service() {
        return;
    }
    let mut told = String::new();
    loop {
        if state.health.is_stopping() {
            return;
        }
        let now = report::in_a_line(&state);
        if now != told {
            sys::notify(&format!("STATUS={now}"));
            told = now;
        }
        tokio::time::sleep(STATE_TOLD).await;
    }
}

/// What was kept of runs goes when its time is over, also where nothing else happens.
async fn forget_old_runs(state: Shared) {
    loop {
        let retention = state.settings().retention;
        tokio::time::sleep((retention / 2).clamp(Duration::from_secs(1), Duration::from_secs(60)))
            .await;
        state.runs.ended.borrow_mut().forget_old(retention);
    }
}

#[cfg(test)]
mod model_tests;
