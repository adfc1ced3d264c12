//! What the tasks of all connections and runs share.

use super::barred::Barred;
use super::census::Census;
use super::live::Runs;
use super::registry::Registry;
use super::stock::Stock;
use crate::ids::ConnectionId;
use crate::ipc::{Channel, Limits, Manifest, Misdeed, ToMonitor};
use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What every connection's task shares.
#[derive(Debug)]
pub struct Shared {
    /// TLS and bounds; a reload replaces them for new connections.
    current: Mutex<Current>,
    /// Where the monitor's messages go.
    pub registry: Registry,
    /// The runs that are pumped here.
    pub runs: Runs,
    /// The way to the monitor, used by every task directly: a message goes whole or not at all.
    monitor: Arc<Channel>,
    /// The random name of this start of the daemon.
    pub instance: String,
    /// The next connection's number.
    next: AtomicU64,
    /// By when the daemon has stopped, once it begins to.
    stopped_by: OnceLock<Instant>,
    /// The bell that rings when the daemon begins to stop.
    pub drain: Notify,
    /// Whether nobody is accepted any more.
    shut: AtomicBool,
    /// The bell that rings when nobody is accepted any more.
    pub shutting: Notify,
    /// Connections by address and stage.
    pub census: Census,
    /// Sources that are not let in for a while.
    pub barred: Barred,
    /// Nonces for the next connections.
    pub stock: Stock,
}

/// What a reload replaces.
#[derive(Debug, Clone)]
pub struct Current {
    /// TLS with the certificate and its key.
    pub tls: Arc<ServerConfig>,
    /// What is kept of connections.
    pub limits: Limits,
}

impl Shared {
    /// Nothing connected yet, in a daemon of this name; connections are numbered from here on.
    pub fn new(current: Current, monitor: Arc<Channel>, instance: String, first: u64) -> Self {
        Self {
            current: Mutex::new(current),
            registry: Registry::default(),
            runs: Runs::default(),
            monitor,
            instance,
            next: AtomicU64::new(first),
            stopped_by: OnceLock::new(),
            drain: Notify::new(),
            shut: AtomicBool::new(false),
            shutting: Notify::new(),
            census: Census::default(),
            barred: Barred::default(),
            stock: Stock::default(),
        }
    }

    /// What holds for a new connection.
    pub fn current(&self) -> Current {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces what holds for new connections.
    pub fn replace(&self, current: Current) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// A new connection's number.
    pub fn number(&self) -> ConnectionId {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells the monitor; waits while its queue is full. When the monitor is gone, so is this
    /// process.
    pub async fn tell(&self, message: ToMonitor) {
        let _ = self.monitor.send(&message, Manifest::default()).await;
    }

    /// Tells the monitor and gives it descriptors.
    pub async fn tell_with(&self, message: ToMonitor, manifest: Manifest) {
        let _ = self.monitor.send(&message, manifest).await;
    }

    /// Tells the monitor what a client has done that nobody knows.
    pub async fn misdeed(&self, peer: SocketAddr, misdeed: Misdeed) {
        self.tell(ToMonitor::Misdeed {
            source: peer.ip(),
            misdeed,
        })
        .await;
    }

    /// Notes that the daemon begins to stop, which takes so long at the most.
    pub fn begin_to_drain(&self, patience: Duration) {
        let _ = self.stopped_by.set(Instant::now() + patience);
        self.drain.notify_waiters();
    }

    /// Whether the daemon is stopping.
    pub fn draining(&self) -> bool {
        self.stopped_by.get().is_some()
    }

    /// How long the daemon's stop may still take, while it is stopping.
    pub fn stop_left(&self) -> Option<Duration> {
        let by = self.stopped_by.get()?;
        Some(by.saturating_duration_since(Instant::now()))
    }

    /// Notes that nobody is accepted any more.
    pub fn shut(&self) {
        self.shut.store(true, Ordering::Relaxed);
        self.shutting.notify_waiters();
    }

    /// Whether nobody is accepted any more.
    pub fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed)
    }
}
