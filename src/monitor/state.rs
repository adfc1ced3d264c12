//! The monitor's state: connections, sessions, runs, locks, and the configuration that is in force.

use super::denied::Denied;
use super::faults::LastFaults;
use super::journal::Journal;
use super::metrics::{Counters, count};
use super::owed::Penalties;
use super::run::{Run, bytes_on_disk};
use super::runs::{EndedRuns, Requested};
use super::session::{Connection, Session};
use super::settings::{Loader, Settings};
use super::strangers::Summary;
use crate::audit::{Record, Trail};
use crate::exec::Means;
use crate::ids::{ConnectionId, RunId, SessionId, StreamId};
use crate::ipc::{Channel, Manifest, ToFrontend};
use crate::sys::Version;
use crate::vault::Vault;
use std::cell::{Cell, Ref, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::sync::{Notify, Semaphore, watch};

/// Shared by the tasks of the monitor's one thread.
pub type Shared = Rc<State>;

/// Everything the monitor knows.
#[derive(Debug)]
pub struct State {
    settings: RefCell<Arc<Settings>>,
    loader: DebugLoader,
    /// The configuration's number since the start.
    pub generation: Cell<u64>,
    /// One reload at a time.
    pub reloading: tokio::sync::Mutex<()>,
    trail: RefCell<Trail>,
    /// What stands in the way of new runs, though the last record could be written.
    pub trail_fault: RefCell<Option<String>>,
    /// The trail's way to journald, where it has one.
    pub journal: RefCell<Option<Journal>>,
    /// Why the last record could not be written, if it could not.
    pub write_fault: RefCell<Option<String>>,
    /// The number of the last record that is on the disk.
    pub synced: watch::Sender<u64>,
    /// Rung when somebody waits for that.
    pub sync_wanted: Notify,
    /// What runs are started with.
    pub means: Means,
    /// Whether the listeners are the service manager's, and stay open for the next daemon.
    pub listeners_stay: bool,
    /// The version of each command's executable that ran last.
    pub versions: RefCell<HashMap<String, Version>>,
    /// The random name of this start.
    pub instance: String,
    /// When it started.
    pub since: SystemTime,
    /// By number.
    pub connections: RefCell<HashMap<ConnectionId, Connection>>,
    /// Nonces that the frontend has in stock: nobody has logged in with them.
    pub nonces: RefCell<HashSet<[u8; 32]>>,
    /// The highest connection's number that a frontend has named; the next frontend goes on behind
    /// it.
    pub highest: Cell<ConnectionId>,
    /// Sessions whose link was lost, and that may come back.
    pub parked: RefCell<HashMap<SessionId, (Session, u64)>>,
    /// Locks, kept logins, seeds: what survives a restart.
    pub vault: RefCell<Vault>,
    /// What outsiders did, beyond what is recorded one by one.
    pub summary: RefCell<Summary>,
    /// Whether the vault's last write failed; it is tried again.
    pub unsaved: Cell<bool>,
    /// Who has failed how often.
    pub penalties: RefCell<Penalties>,
    /// One write of the vault at a time, in the order of the changes.
    pub saving: tokio::sync::Mutex<()>,
    /// Counts them, so that the wait for one that came back and was lost again is not cut short.
    pub parkings: Cell<u64>,
    /// By id.
    pub runs: RefCell<HashMap<RunId, Run>>,
    /// Those that wait for their turn, first come first.
    pub queue: RefCell<VecDeque<RunId>>,
    /// Those that have ended not long ago.
    pub ended: RefCell<EndedRuns>,
    /// Requests that have led to runs.
    pub requested: RefCell<Requested>,
    /// The run that holds each lock.
    pub locks: RefCell<HashMap<String, RunId>>,
    /// One place per password verification.
    pub verifiers: RefCell<Arc<Semaphore>>,
    /// Logins that wait for a place.
    pub logins_waiting: Cell<usize>,
    /// Rung when a run has ended.
    pub run_ended: Notify,
    /// Rung when a connection is gone.
    pub connection_gone: Notify,
    /// Whether the daemon is stopping.
    pub stopping: Cell<bool>,
    /// The way to the frontend, while there is one.
    pub frontend: RefCell<Option<Rc<Channel>>>,
    /// Whether it is confined and listens; before that it is told its settings only.
    pub ready: Cell<bool>,
    /// What the frontend reported of its sandbox.
    pub confinement: RefCell<Option<(String, u32)>>,
    /// What is counted since the start.
    pub counts: Counters,
    /// What is wrong with the certificate's files as they are now, and since when.
    pub certificate_fault: RefCell<Option<(Instant, String)>>,
    /// The last warnings and errors.
    pub faults: LastFaults,
    /// Where it listens.
    pub addresses: RefCell<Vec<SocketAddr>>,
}

struct DebugLoader(Loader);

impl std::fmt::Debug for DebugLoader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Loader")
    }
}

/// A sentence that fits into a frame, whatever a client made it quote.
fn shorten(text: String) -> String {
    if text.len() <= 2000 {
        text
    } else {
        text.chars().take(500).chain("…".chars()).collect()
    }
}

/// Drops a configuration, if nobody else needs it: a thousand patterns take their time to be taken
/// apart, and that is no business of the thread that decides.
pub fn let_go(old: Arc<Settings>) {
    tokio::task::spawn_blocking(move || {
        crate::sys::step_back();
        drop(old);
    });
}

impl State {
    /// Bytes on disk that the output of all runs that go on may take.
    pub fn running_bytes(&self) -> u64 {
        self.runs
            .borrow()
            .values()
            .map(|run| bytes_on_disk(run.rules.capacity))
            .fold(0, u64::saturating_add)
    }

    /// A fresh state.
    pub fn new(
        settings: Settings,
        loader: Loader,
        trail: Trail,
        vault: Vault,
        means: Means,
        instance: String,
        faults: LastFaults,
        listeners_stay: bool,
    ) -> Self {
        let verifiers = Arc::new(Semaphore::new(settings.verifiers));
        Self {
            settings: RefCell::new(Arc::new(settings)),
            loader: DebugLoader(loader),
            generation: Cell::new(1),
            reloading: tokio::sync::Mutex::new(()),
            synced: watch::Sender::new(trail.head().seq),
            trail: RefCell::new(trail),
            trail_fault: RefCell::default(),
            journal: RefCell::default(),
            write_fault: RefCell::default(),
            sync_wanted: Notify::new(),
            means,
            listeners_stay,
            versions: RefCell::default(),
            instance,
            since: crate::clock::now(),
            connections: RefCell::default(),
            nonces: RefCell::default(),
            highest: Cell::new(0),
            parked: RefCell::default(),
            vault: RefCell::new(vault),
            summary: RefCell::default(),
            unsaved: Cell::new(false),
            penalties: RefCell::default(),
            saving: tokio::sync::Mutex::new(()),
            parkings: Cell::new(0),
            runs: RefCell::default(),
            queue: RefCell::default(),
            ended: RefCell::default(),
            requested: RefCell::default(),
            locks: RefCell::default(),
            verifiers: RefCell::new(verifiers),
            logins_waiting: Cell::new(0),
            run_ended: Notify::new(),
            connection_gone: Notify::new(),
            stopping: Cell::new(false),
            frontend: RefCell::new(None),
            ready: Cell::new(false),
            confinement: RefCell::new(None),
            counts: Counters::default(),
            certificate_fault: RefCell::default(),
            faults,
            addresses: RefCell::default(),
        }
    }

    /// The configuration in force; a snapshot stays what it is through a reload.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// Writes to the trail.
    ///
    /// # Errors
    /// As [`Trail::append`].
    pub fn record(&self, record: &Record<'_>) -> io::Result<()> {
        self.with_trail(|trail| trail.append(record))
    }

    /// Works on the trail; a failure is also told to the operator.
    ///
    /// # Errors
    /// What the work returns.
    pub fn with_trail<T>(&self, work: impl FnOnce(&mut Trail) -> io::Result<T>) -> io::Result<T> {
        let before = self.trail().head().seq;
        let done = work(&mut self.trail.borrow_mut());
        if let Err(fault) = &done {
            count(&self.counts.trail_failures);
            tracing::error!(%fault, "the audit trail cannot be written; nothing runs");
            *self.write_fault.borrow_mut() = Some(fault.to_string());
        } else if self.trail().head().seq > before {
            // Only what was written shows that it can be.
            *self.write_fault.borrow_mut() = None;
        }

        done
    }

    /// The trail, to be looked at.
    pub fn trail(&self) -> Ref<'_, Trail> {
        self.trail.borrow()
    }

    /// Sends to the frontend, now or as soon as its queue has room. Lost when the frontend is.
    pub fn tell(self: &Rc<Self>, message: ToFrontend) {
        let Some(channel) = self.frontend.borrow().clone().filter(|_| self.ready.get()) else {
            return;
        };
        match channel.try_send(&message) {
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                tokio::task::spawn_local(async move {
                    let _ = channel.send(&message, &Manifest::default()).await;
                });
            }

            _ => {}
        }
    }

    /// Tells a stream that its request is refused.
    pub fn refuse(self: &Rc<Self>, (connection, stream): (ConnectionId, StreamId), why: Denied) {
        self.tell(ToFrontend::Refused {
            connection,
            stream,
            code: why.code.number(),
            text: shorten(why.text),
            argument: why.argument.map(shorten),
            rule: why.rule,
        });
    }

    /// Sends to the frontend with descriptors, in the order of the calling task.
    pub async fn tell_with(&self, message: ToFrontend, manifest: Manifest) {
        // What is told too early would be told twice: what outlives a frontend is handed on when
        // the next is ready.
        let early = !self.ready.get() && !matches!(message, ToFrontend::Configure(_));
        let Some(channel) = self.frontend.borrow().clone().filter(|_| !early) else {
            return;
        };
        if let Err(fault) = channel.send(&message, &manifest).await {
            tracing::debug!(%fault, "the frontend did not take a message");
        }
    }

    /// Reads the configuration anew when called.
    pub fn loader(&self) -> Loader {
        self.loader.0.clone()
    }

    /// Puts another configuration in force.
    pub fn swap(&self, new: Settings) {
        let_go(self.settings.replace(Arc::new(new)));
    }
}
