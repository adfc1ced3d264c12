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
use std::sync::{Arc, Mutex, PoisonError};
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
    /// Whether the daemon is stopping.
    draining: AtomicBool,
    /// The bell that rings when the daemon begins to stop.
    pub drain: Notify,
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
            draining: AtomicBool::new(false),
            drain: Notify::new(),
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

    /// Notes that the daemon begins to stop.
    pub fn begin_to_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.drain.notify_waiters();
    }

    /// Whether the daemon is stopping.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
