//! Accepting: a permit, the socket, its error classified, a task; everything slow happens in the
//! task.

use super::census::Place;
use super::connection;
use super::shared::Shared;
use crate::limits;
use crate::policy::canonical;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Accepts as long as the process lives, also while runs have their grace: whose link is lost comes
/// back, and whoever wants to run something is told how long the stop takes. When that is over a
/// listener that stays open for the next daemon is left alone: that one takes what waits in its queue.
pub async fn accept(shared: Arc<Shared>, listener: TcpListener, stays: bool) {
    let mut pause = limits::BACK_OFF;
    let mut quiet = Quiet::default();
    loop {
        let shutting = shared.shutting.notified();
        if shared.is_shut() && stays {
            return;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutting, if !shared.is_shut() => continue,
        };

        if shared.is_shut() && accepted.is_ok() && !stays {
            // Closed at once: left in the kernel's queue, clients would wait for nothing. Errors
            // still back off below.
            continue;
        }

        match accepted {
            Ok((socket, peer)) => {
                pause = limits::BACK_OFF;
                admit(&shared, socket, peer, &mut quiet);
            }

            // The client was gone before it was accepted: nothing of ours.
            Err(fault)
                if matches!(
                    fault.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::Interrupted
                ) => {}
            // Out of descriptors or memory: connections wait in the kernel's queue until some are
            // closed.
            Err(fault) => {
                quiet.say(|held_back| tracing::error!(%fault, held_back, "accepting failed; trying again"));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// Gives a connection its task, if it is let in and there is a place for it. Otherwise it is closed
/// without a word: a handshake for the sake of an error message is what a flood wants.
fn admit(shared: &Arc<Shared>, socket: TcpStream, peer: SocketAddr, quiet: &mut Quiet) {
    let current = shared.current();
    if let Some(left) = shared.barred.left(peer.ip(), current.limits.prefixes) {
        return quiet
            .say(|held_back| tracing::info!(%peer, seconds = left.as_secs(), held_back, "not let in: its penalty is not over"));
    }

    match Place::take(&shared.census, canonical(peer.ip()), &current.limits) {
        Ok(place) => {
            tokio::spawn(connection::serve(
                shared.clone(),
                current,
                socket,
                peer,
                place,
            ));
        }

        Err(full) => {
            quiet.say(|held_back| tracing::warn!(%peer, full, held_back, "connection refused"))
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
        if self
            .last
            .is_some_and(|last| last.elapsed() < Duration::from_secs(1))
        {
            self.held_back += 1;
            return;
        }

        log(self.held_back);
        *self = Self {
            last: Some(std::time::Instant::now()),
            held_back: 0,
        };
    }
}
