//! The start: everything that is needed is opened, in an order that leaves nothing half begun.

use super::admission::Admission;
use super::audit::Audit;
use super::config::Config;
use super::faults::LastFaults;
use super::feed::Feed;
use super::health::Health;
use super::journal::Journal;
use super::link::Link;
use super::recordings::Recordings;
use super::remembered::{Remembered, remembered};
use super::runs::{EndedRuns, Runs};
use super::session::Sessions;
use super::settings::{Loader, Settings};
use super::state::{Shared, State};
use super::supervise::{self, CannotServe};
use super::{access, control, listeners, trail};
use crate::audit::{Record, Trail, What};
use crate::exec::Means;
use crate::ids::RunId;
use crate::ledger::Ledger;
use crate::sys::{self, Cgroups, Spawner};
use crate::vault::{Found, Vault};
use crate::{credential, limits};
use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::SystemTime;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

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

/// What a daemon needs, opened.
pub struct Opened {
    trail: Trail,
    /// When the trail was written to last before this daemon.
    written: Option<SystemTime>,
    journal: Option<Journal>,
    vault: (Vault, Found),
    /// What the trail says of a vault that is not the one that was left.
    remembered: Option<Remembered>,
    /// What was missing.
    alarms: Vec<String>,
    listeners: Vec<TcpListener>,
    /// Whether they are the service manager's.
    listeners_stay: bool,
    control: UnixListener,
    spawner: Spawner,
    instance: String,
    loader: Loader,
    groups: Option<Cgroups>,
    faults: LastFaults,
}

/// Opens everything, and records the start.
///
/// # Errors
/// What cannot be had, and why.
pub fn open(settings: &Settings, given: Given) -> Result<Opened, CannotServe> {
    let of_trail = |fault: &dyn Display| {
        cannot(
            &format!("the audit trail {}", settings.trail.display()),
            fault,
        )
    };
    let (mut trail, of_before) = trail::open(settings).map_err(|fault| of_trail(&fault))?;
    let journal = Journal::start(settings, trail.head().seq)
        .map_err(|fault| cannot("the thread for the journal", &fault))?;
    let vault = Vault::open(&settings.state).map_err(|fault| cannot("the vault", &fault))?;
    let remembered = (vault.1 != Found::Same && trail.head().seq > 0)
        .then(|| remembered(&settings.trail))
        .transpose()
        .map_err(|fault| of_trail(&fault))?;
    let alarms = missed(&mut trail, vault.1, of_before).map_err(|fault| of_trail(&fault))?;

    let listeners_stay = !given.sockets.is_empty();
    let listeners = if listeners_stay {
        given.sockets
    } else {
        listeners::bind(&settings.listen).map_err(CannotServe)?
    };
    let control = control::bind(&settings.control).map_err(|fault| {
        cannot(
            &format!("the control socket {}", settings.control.display()),
            &fault,
        )
    })?;
    let spawner = Spawner::start(limits::SPAWNERS, 4096)
        .map_err(|fault| cannot("the spawning threads", &fault))?;

    let instance = RunId::from_random(credential::random()).to_string();
    trail
        .append(&Record::now(What::Started {
            version: env!("CARGO_PKG_VERSION"),
            instance: &instance,
            pid: std::process::id(),
        }))
        .map_err(|fault| cannot("the audit trail", &fault))?;
    Ok(Opened {
        trail,
        written: of_before.written,
        journal,
        vault,
        remembered,
        alarms,
        listeners,
        listeners_stay,
        control,
        spawner,
        instance,
        loader: given.loader,
        groups: given.groups,
        faults: given.faults,
    })
}

/// What was there before and is not: recorded, said in the log, and a fault of the daemon's health.
fn missed(trail: &mut Trail, vault: Found, missed: trail::Missed) -> io::Result<Vec<String>> {
    let mut alarms = Vec::new();
    if missed.trail || (trail.head().seq == 0 && vault != Found::Nothing) {
        alarms.push(
            "the trail is gone, and the note of where it had come to: what lies beside it is older",
        );
        trail.append(&Record::now(What::Vault { state: "older" }))?;
    }
    if missed.key {
        alarms.push("the trail's key was gone, and a new one was made: what is signed from now on is verified with another key (`ordaind audit key`)");
        let public = trail.public().to_string();
        trail.append(&Record::now(What::TrailKey { public: &public }))?;
    }

    for alarm in &alarms {
        tracing::error!("{alarm}");
    }
    Ok(alarms.into_iter().map(str::to_owned).collect())
}

fn cannot(what: &str, fault: &dyn Display) -> CannotServe {
    CannotServe(format!("{what}: {fault}"))
}

impl Opened {
    /// When the trail was written to last before this daemon.
    pub const fn written(&self) -> Option<SystemTime> {
        self.written
    }

    /// The state that everything works on, and the sockets that it is reached by.
    pub async fn into_state(self, settings: Settings) -> (Shared, Vec<TcpListener>, UnixListener) {
        let (retention, most) = (settings.retention, settings.kept_bytes);
        let ended = EndedRuns::open(settings.state.join("output"), retention, most);
        let recordings = Recordings::open(&settings.recordings.folder);
        let means = Means {
            spawner: self.spawner,
            groups: self.groups,
        };
        let (vault, found) = self.vault;

        let ledger = Ledger::new(settings.bounds.clone());
        let state: Shared = Rc::new(State {
            access: Admission::new(vault, settings.verifiers),
            config: Config::new(settings, self.loader),
            link: Link::new(self.listeners_stay),
            audit: Audit::new(self.trail, self.journal),
            sessions: Sessions::default(),
            runs: Runs::new(means, ended, retention, &ledger),
            recordings,
            ledger,
            feed: Feed::default(),
            health: Health::new(self.instance, self.faults, self.alarms),
        });
        access::opened(&state, found, self.remembered).await;
        (state, self.listeners, self.control)
    }
}

/// The signals that the daemon acts on.
pub struct Signals {
    /// SIGTERM and SIGINT.
    pub stop: Stop,
    /// SIGHUP.
    pub reload: Signal,
}

/// The signals that ask for the end.
pub struct Stop(Signal, Signal);

impl Signals {
    /// From now on they are heard, and end nothing by themselves.
    ///
    /// # Errors
    /// Which one cannot be heard.
    pub fn heard() -> Result<Self, CannotServe> {
        let term = signal(SignalKind::terminate()).map_err(|fault| cannot("SIGTERM", &fault))?;
        let int = signal(SignalKind::interrupt()).map_err(|fault| cannot("SIGINT", &fault))?;
        let reload = signal(SignalKind::hangup()).map_err(|fault| cannot("SIGHUP", &fault))?;
        Ok(Self {
            stop: Stop(term, int),
            reload,
        })
    }
}

impl Stop {
    /// Waits until the end is asked for.
    pub async fn asked(&mut self) {
        tokio::select! { _ = self.0.recv() => {} _ = self.1.recv() => {} }
    }
}

/// Starts the first frontend, and says that clients can connect. What comes back ends only when no
/// frontend can be started any more.
///
/// # Errors
/// When the first one does not come up.
pub async fn frontend(
    state: &Shared,
    listeners: Vec<TcpListener>,
    listening: impl FnOnce(&[SocketAddr]),
) -> Result<JoinHandle<()>, CannotServe> {
    let addresses: Vec<_> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect();
    state.link.listeners.replace(listeners);
    state.link.addresses.replace(addresses.clone());
    let (ready, first) = oneshot::channel();
    let frontend = tokio::task::spawn_local(supervise::keep(state.clone(), ready));

    match first.await {
        Ok(Ok(())) => {
            listening(&addresses);
            sys::notify("READY=1");
            Ok(frontend)
        }
        Ok(Err(why)) => Err(CannotServe(why)),
        Err(_) => Err(CannotServe("the frontend did not start".into())),
    }
}
