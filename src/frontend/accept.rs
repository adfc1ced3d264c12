//! Accepting: a permit, the socket, its error classified, a task; everything slow happens in the task.

use super::{Shared, connection};
use crate::ipc::Limits;
use crate::limits;
use crate::policy::canonical;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// Accepts until the daemon stops.
pub async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut pause = limits::BACK_OFF;
    let mut quiet = Quiet::default();
    loop {
        let draining = shared.drain.notified();
        if shared.draining() {
            return;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = draining => return,
        };
        match accepted {
            Ok((socket, peer)) => {
                pause = limits::BACK_OFF;
                let current = shared.current();
                match Place::take(&shared, canonical(peer.ip()), &current.limits) {
                    Ok(place) => {
                        tokio::spawn(connection::serve(shared.clone(), current, socket, peer, place));
                    }
                    // Closed without a word: a handshake for the sake of an error message is what a flood wants.
                    Err(full) => quiet.say(|held_back| tracing::warn!(%peer, full, held_back, "connection refused")),
                }
            }
            // The client was gone before it was accepted: nothing of ours.
            Err(fault)
                if matches!(
                    fault.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
                ) => {}
            // Out of descriptors or memory: connections wait in the kernel's queue until some are closed.
            Err(fault) => {
                quiet.say(|held_back| tracing::error!(%fault, held_back, "accepting failed; trying again"));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// Says something at most once a second, with the number of times it was held back.
#[derive(Default)]
struct Quiet {
    last: Option<std::time::Instant>,
    held_back: u64,
}

impl Quiet {
    fn say(&mut self, log: impl FnOnce(u64)) {
        if self.last.is_some_and(|last| last.elapsed() < Duration::from_secs(1)) {
            self.held_back += 1;
            return;
        }
        log(self.held_back);
        *self = Self { last: Some(std::time::Instant::now()), held_back: 0 };
    }
}

/// Connections by address and stage.
#[derive(Debug, Default)]
pub struct Census(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    before_login: u32,
    by_source: HashMap<IpAddr, u32>,
}

/// One connection's place in the census; given back when it is dropped.
pub struct Place {
    shared: Arc<Shared>,
    source: IpAddr,
    before_login: bool,
}

impl Place {
    /// Takes a place, if there is one: the error says which bound is reached.
    fn take(shared: &Arc<Shared>, source: IpAddr, limits: &Limits) -> Result<Self, &'static str> {
        let mut counts = shared.census.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= limits.connections {
            return Err("limits.connections");
        }
        if counts.before_login >= limits.connections_before_login {
            return Err("limits.connections_before_login");
        }
        let of_source = counts.by_source.entry(source).or_default();
        if *of_source >= limits.connections_per_source {
            return Err("limits.connections_per_source");
        }
        *of_source += 1;
        counts.all += 1;
        counts.before_login += 1;
        drop(counts);
        Ok(Self { shared: shared.clone(), source, before_login: true })
    }

    /// The user is known now.
    pub fn logged_in(&mut self) {
        if std::mem::take(&mut self.before_login) {
            let mut counts = self.shared.census.0.lock().unwrap_or_else(PoisonError::into_inner);
            counts.before_login = counts.before_login.saturating_sub(1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.logged_in();
        let mut counts = self.shared.census.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        let left = counts.by_source.get_mut(&self.source).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            counts.by_source.remove(&self.source);
        }
    }
}
