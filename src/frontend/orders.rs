//! What the monitor says, done: for everybody here, for a run, or passed on to the connection it is
//! for.

use super::live::{Live, Pipes};
use super::pump;
use super::registry::{FromMonitor, connection_of};
use super::shared::{Current, Shared};
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ipc::{Frontend, Manifest, Name, RunRules, ToFrontend, ToMonitor};
use crate::protocol::Code;
use crate::spool::Spool;
use crate::{sys, tls};
use rustls::ServerConfig;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// What a client is told when no file descriptors are left for what it wants.
pub const NO_DESCRIPTORS: &str = "the server has no file descriptors left for this";

/// Does what the monitor says.
pub fn obey(shared: &Arc<Shared>, message: ToFrontend, manifest: Manifest) {
    match message {
        ToFrontend::Configure(settings) => configure(shared, *settings, manifest),
        ToFrontend::CloseOut {
            network,
            milliseconds,
        } => shared
            .barred
            .set(network, Duration::from_millis(milliseconds)),
        ToFrontend::LetIn => shared.barred.clear(),
        ToFrontend::Nonces(nonces) => shared.stock.add(nonces),
        ToFrontend::Ping => {
            let shared = shared.clone();
            tokio::spawn(async move { shared.tell(ToMonitor::Alive).await });
        }

        ToFrontend::Drain { milliseconds } => {
            shared.begin_to_drain(Duration::from_millis(milliseconds));
        }
        ToFrontend::AcceptNobody => shared.shut(),
        ToFrontend::Widened { run } => {
            if let Some(live) = shared.runs.find(RunId::from_random(run)) {
                live.windows.open_input();
            }
        }
        ToFrontend::Move { run, capacity } => to_be_moved(shared, run, capacity, manifest),
        ToFrontend::Narrow { run } => {
            if let Some(live) = shared.runs.find(RunId::from_random(run)) {
                live.narrow();
            }
        }
        ToFrontend::Exited { run, end } => {
            if let Some(live) = shared.runs.find(RunId::from_random(run)) {
                live.exited(end);
            }
        }

        ToFrontend::Adopt { run, rules } => {
            let run = RunId::from_random(run);
            if let Err(fault) = adopt(shared, run, rules, manifest) {
                tracing::error!(%fault, %run, "a run of the frontend before this one could not be taken on");
            }
        }

        ToFrontend::Started {
            connection,
            stream,
            run,
            rules,
        } => started(
            shared,
            connection,
            stream,
            RunId::from_random(run),
            rules,
            manifest,
        ),
        other => pass_on(shared, other, manifest),
    }
}

/// Takes over a reload's certificate and bounds, for new connections.
fn configure(shared: &Shared, settings: Frontend, mut manifest: Manifest) {
    match take_tls(&mut manifest) {
        Ok(tls) => shared.replace(Current {
            tls,
            limits: settings.limits,
        }),
        // The monitor has validated the same bytes; this cannot fail without it failing there.
        Err(fault) => tracing::error!(fault, "the new certificate could not be used"),
    }
}

/// Gives a message to the connection that it is for.
fn pass_on(shared: &Arc<Shared>, message: ToFrontend, manifest: Manifest) {
    let Some(connection) = connection_of(&message) else {
        return;
    };
    let message = Box::new(FromMonitor::Message(message, manifest));
    let Err(back) = shared.registry.pass_on(connection, message) else {
        return;
    };
    tracing::debug!(
        connection,
        "a message for a connection that is gone, or is behind"
    );

    // The monitor counts what it has told; it must not wait for this one for ever.
    if let FromMonitor::Message(ToFrontend::Event { stream, .. }, _) = *back {
        let shared = shared.clone();
        let lost = ToMonitor::Taken {
            connection,
            stream,
            kept: false,
        };
        tokio::spawn(async move { shared.tell(lost).await });
    }
}

/// Takes certificate, key and client CA out of what came along.
pub fn take_tls(manifest: &mut Manifest) -> Result<Arc<ServerConfig>, String> {
    let read = |descriptor: OwnedFd| -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        File::from(descriptor).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let mut pem = |name: Name| {
        let read = manifest.take(name).map(read).transpose();
        read.map_err(|fault| fault.to_string())
    };
    let (chain, key) = (pem(Name::Certificate)?, pem(Name::Key)?);
    let (Some(chain), Some(key)) = (chain, key) else {
        return Err("its descriptors did not come along".into());
    };
    let client_ca = pem(Name::ClientCa)?;
    let client_ca = client_ca.map(|pem| tls::certificates(&pem)).transpose()?;
    tls::server(
        tls::certificates(&chain)?,
        tls::private_key(&key)?,
        client_ca.as_deref(),
    )
}

/// Enters a run that has started. It is known from this moment on, whatever its connection's task
/// is busy with.
fn started(
    shared: &Arc<Shared>,
    connection: ConnectionId,
    stream: StreamId,
    run: RunId,
    rules: RunRules,
    mut manifest: Manifest,
) {
    sys::fault_point("frontend-started");
    let Some(spool) = manifest.take(Name::Spool) else {
        return came_without(shared, connection, stream, run);
    };
    let pipes = Pipes::of(&mut manifest);
    let spool = Spool::new(spool, rules.capacity, rules.outlives_client);
    let live = Arc::new(Live::new(run, spool, rules, [None; 2]));
    shared.runs.enter(live.clone());
    let Err(back) = shared.registry.pass_on(
        connection,
        Box::new(FromMonitor::Started(stream, live, pipes)),
    ) else {
        return;
    };
    if let FromMonitor::Started(_, live, pipes) = *back {
        // The client is gone already; what becomes of the run is for its rule to say.
        pump::start(shared, live, None, pipes);
    }
}

/// A run's output gets another file. One whose descriptor found no room here stays where it is.
fn to_be_moved(shared: &Shared, run: [u8; 10], capacity: u64, mut manifest: Manifest) {
    if let Some(spool) = manifest.take(Name::Spool)
        && let Some(live) = shared.runs.find(RunId::from_random(run))
    {
        live.to_be_moved(spool, capacity);
    }
}

/// There was no room for a run's descriptors: nobody can read what it writes, so it is ended.
fn came_without(shared: &Arc<Shared>, connection: ConnectionId, stream: StreamId, run: RunId) {
    tracing::error!(%run, "no file descriptors are left for a run; it is ended");
    let refused = ToFrontend::Refused {
        connection,
        stream,
        code: Code::OverLimit.number(),
        text: NO_DESCRIPTORS.into(),
        argument: None,
        rule: None,
    };
    pass_on(shared, refused, Manifest::default());
    let (shared, run) = (shared.clone(), *run.bytes());
    tokio::spawn(async move { shared.tell(ToMonitor::CutShort { run }).await });
}

/// Goes on with a run whose frontend is gone.
fn adopt(
    shared: &Arc<Shared>,
    run: RunId,
    rules: RunRules,
    mut manifest: Manifest,
) -> io::Result<()> {
    let spool = manifest
        .take(Name::Spool)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let mut pipes = Pipes::of(&mut manifest);
    let (spool, lost) = Spool::left_behind(spool, rules.capacity)?;
    // Input that was cut is over; what is typed goes on, unless it is not known how much of it has
    // arrived.
    pipes.stdin = pipes.stdin.filter(|_| spool.fed().is_some());
    let rules = RunRules {
        stdin: rules.stdin.filter(|_| pipes.stdin.is_some()),
        ..rules
    };
    let live = Arc::new(Live::new(run, spool, rules, lost));
    shared.runs.enter(live.clone());
    pump::start(shared, live, None, pipes);
    Ok(())
}
