//! The authority: keeps hashes, policy, trail and privileges, decides every request and starts
//! every command.
//!
//! It reads small typed messages only. Everything runs on one thread in turns, so the state needs
//! no lock and a decision is never interleaved with another.

mod access;
mod admission;
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
mod journal;
mod link;
mod login;
mod metrics;
mod owed;
mod pem;
mod penalties;
mod reload;
mod report;
mod run;
mod runs;
mod serve;
mod session;
mod sessions;
mod settings;
mod state;
mod strangers;
mod summary;
mod supervise;
mod trail;

pub use faults::LastFaults;
pub use owed::PenaltyRules;
pub use pem::{Tls, TlsFile, TlsFiles};
pub use serve::{describe, explain};
pub use settings::{AuditRules, Durability, Loader, Settings};
pub use supervise::{CannotServe, FRONTEND};

use crate::audit::{Record, What};
use crate::exec::Means;
use crate::exit::{Reason, Status};
use crate::sys::{self, Cgroups, Spawner};
use crate::{credential, limits};
use admission::Admission;
use audit::Audit;
use config::Config;
use health::Health;
use journal::Journal;
use link::Link;
use state::{Shared, State};
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What the daemon is given beside its configuration.
pub struct Given {
    /// Reads the configuration anew.
    pub loader: Loader,
    /// Where runs get their control groups, where they get any.
    pub groups: Option<Cgroups>,
    /// What the log has remembered, and goes on to.
    pub faults: LastFaults,
    /// Sockets that the service manager listens on; with none the daemon listens by itself.
    pub sockets: Vec<TcpListener>,
}

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
    let cannot =
        |what: &str, fault: &dyn std::fmt::Display| CannotServe(format!("{what}: {fault}"));
    let mut trail = trail::open(&settings).map_err(|fault| {
        cannot(
            &format!("the audit trail {}", settings.trail.display()),
            &fault,
        )
    })?;
    let journal = Journal::start(&settings, trail.head().seq)
        .map_err(|fault| cannot("the thread for the journal", &fault))?;
    let (vault, found) =
        crate::vault::Vault::open(&settings.state).map_err(|fault| cannot("the vault", &fault))?;
    let Given {
        loader,
        groups,
        faults,
        sockets,
    } = given;
    let listeners_stay = !sockets.is_empty();
    let listeners = if listeners_stay {
        sockets
    } else {
        supervise::bind(&settings.listen)?
    };
    let control = control::bind(&settings.control).map_err(|fault| {
        cannot(
            &format!("the control socket {}", settings.control.display()),
            &fault,
        )
    })?;
    let spawner = Spawner::start(limits::SPAWNERS, 4096)
        .map_err(|fault| cannot("the spawning threads", &fault))?;
    let instance = crate::ids::RunId::from_random(credential::random()).to_string();
    trail
        .append(&Record::now(What::Started {
            version: env!("CARGO_PKG_VERSION"),
            instance: &instance,
            pid: std::process::id(),
        }))
        .map_err(|fault| cannot("the audit trail", &fault))?;
    let mut term = signal(SignalKind::terminate()).map_err(|fault| cannot("SIGTERM", &fault))?;
    let mut int = signal(SignalKind::interrupt()).map_err(|fault| cannot("SIGINT", &fault))?;
    let mut hup = signal(SignalKind::hangup()).map_err(|fault| cannot("SIGHUP", &fault))?;
    let (retention, most) = (settings.retention, settings.kept_bytes);
    let ended = runs::EndedRuns::open(settings.state.join("output"), retention, most);
    let state: Shared = Rc::new(State {
        access: Admission::new(vault, settings.verifiers),
        config: Config::new(settings, loader),
        link: Link {
            listeners_stay,
            ..Link::default()
        },
        audit: Audit::new(trail, journal),
        sessions: session::Sessions::default(),
        runs: runs::Runs::new(Means { spawner, groups }, ended, retention),
        feed: feed::Feed::default(),
        health: Health::new(instance, faults),
    });
    access::opened(&state, found).await;

    tokio::task::spawn_local(control::serve(state.clone(), control));
    tokio::task::spawn_local(forget_old_runs(state.clone()));
    tokio::task::spawn_local(show_life());
    tokio::task::spawn_local(trail::keep(state.clone()));
    tokio::task::spawn_local(certificate::watch(state.clone()));
    let addresses: Vec<_> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect();
    let (ready, first) = tokio::sync::oneshot::channel();
    let mut frontend = tokio::task::spawn_local(supervise::keep(state.clone(), listeners, ready));
    match first.await {
        Ok(Ok(())) => {
            state.link.addresses.replace(addresses.clone());
            listening(&addresses);
            sys::notify("READY=1\nSTATUS=serving");
        }
        Ok(Err(why)) => return Err(CannotServe(why)),
        Err(_) => return Err(CannotServe("the frontend did not start".into())),
    }
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => { let _ = reload::reload(&state).await; }
            _ = &mut frontend => return Err(CannotServe("the frontend could not be started again".into())),
        }
    }
    // As long as it may take: the runs' grace, and then each command's own.
    let longest = state
        .settings()
        .policy
        .commands
        .values()
        .map(|command| command.grace)
        .max()
        .unwrap_or_default();
    let patience = state.settings().grace + longest + limits::FINISHED + Duration::from_secs(5);
    sys::notify(&format!(
        "STOPPING=1\nSTATUS=letting runs end\nEXTEND_TIMEOUT_USEC={}",
        patience.as_micros()
    ));
    let status = drain(&state, async || {
        tokio::select! { _ = term.recv() => {} _ = int.recv() => {} }
    })
    .await;
    frontend.abort();
    let _ = frontend.await;
    // It ends when nobody listens to it any more.
    *state.link.frontend.borrow_mut() = None;
    state.runs.ended.borrow_mut().leave();
    trail::close(&state).await;
    let _ = std::fs::remove_file(&state.settings().control);
    if let Some(groups) = &state.runs.means.groups {
        groups.leave();
    }
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

/// What was kept of runs goes when its time is over, also where nothing else happens.
async fn forget_old_runs(state: Shared) {
    loop {
        let retention = state.settings().retention;
        tokio::time::sleep((retention / 2).clamp(Duration::from_secs(1), Duration::from_secs(60)))
            .await;
        state.runs.ended.borrow_mut().forget_old(retention);
    }
}

/// Stops: nothing new, a grace period for what runs, an end for what is left. A second signal
/// shortens the grace.
async fn drain(state: &Shared, mut again: impl AsyncFnMut()) -> Status {
    let running = state.runs.going.borrow().len();
    let grace = state.settings().grace;
    tracing::info!(runs = running, grace = ?grace, "stopping: accepting nothing new");
    state.health.stopping.set(true);
    let _ = state.record(&Record::now(What::Stopping { runs: running }));
    state.tell(crate::ipc::ToFrontend::Drain);
    let empty = async || {
        while !state.runs.going.borrow().is_empty() {
            state.runs.one_ended.notified().await;
        }
    };

    tokio::select! {
        () = empty() => {
            tracing::info!("stopped: nothing was cut");
            close_connections(state).await;
            return Status::OK;
        }

        () = tokio::time::sleep(grace) => {}
        () = again() => tracing::warn!("asked twice: cutting at once"),
    }

    let cut: Vec<String> = state
        .runs
        .going
        .borrow()
        .values()
        .map(|run| format!("{} ({} of {})", run.id, run.command.name, run.user))
        .collect();
    tracing::warn!(
        runs = cut.len(),
        cut = cut.join(", "),
        "the grace period is over: cutting"
    );

    for run in state.runs.going.borrow().values() {
        run.end_for(Reason::Stopped);
    }
    // Each run gets the grace of its command, and then it is killed.
    let longest = state
        .settings()
        .policy
        .commands
        .values()
        .map(|command| command.grace)
        .max()
        .unwrap_or_default();
    let patience = limits::FINISHED + longest + Duration::from_secs(2);
    tokio::select! {
        () = empty() => {}
        () = tokio::time::sleep(patience) => {}
        () = again() => {
            tracing::warn!("asked again: killing what is left");
            for run in state.runs.going.borrow().values() {
                sys::signal_group(run.pid, libc::SIGKILL);
            }
            let _ = tokio::time::timeout(limits::FINISHED, empty()).await;
        }
    }

    close_connections(state).await;
    tracing::warn!(runs = cut.len(), "stopped: runs were cut");
    Status::OK
}

/// Ends every connection with a word, behind the last EXIT, and gives the words a moment to leave.
async fn close_connections(state: &Shared) {
    let numbers: Vec<_> = state
        .sessions
        .connections
        .borrow()
        .keys()
        .copied()
        .collect();
    for connection in numbers {
        state.tell(crate::ipc::ToFrontend::Close {
            connection,
            code: crate::protocol::Code::Stopping.number(),
        });
    }

    let gone = async {
        while !state.sessions.connections.borrow().is_empty() {
            state.sessions.gone.notified().await;
        }
    };

    let _ = tokio::time::timeout(limits::LAST_WORD + Duration::from_millis(500), gone).await;
}
