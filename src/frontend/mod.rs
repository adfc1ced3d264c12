//! The network side: TLS, frames, streams. Unprivileged and confined; it decides nothing and can
//! open nothing.

mod accept;
mod census;
mod closed_out;
mod connection;
mod inbox;
mod live;
mod pump;
mod registry;
mod stock;

use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ipc::{
    self, Channel, ChannelFault, Frontend, Limits, Logs, Misdeed, RunRules, ToFrontend, ToMonitor,
};
use crate::limits;
use crate::spool::Spool;
use crate::sys::{self, Identity};
use crate::{credential, tls};
use registry::{FromMonitor, Registry};
use rustls::ServerConfig;
use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Why the frontend ended.
#[derive(Debug)]
pub struct Ended(pub String);

/// What every connection's task shares.
#[derive(Debug)]
pub(crate) struct Shared {
    /// TLS and bounds; a reload replaces them for new connections.
    current: Mutex<Current>,
    /// Where the monitor's messages go.
    registry: Registry,
    /// The runs that are pumped here.
    runs: live::Runs,
    /// The way to the monitor, used by every task directly: a message goes whole or not at all.
    monitor: Arc<Channel>,
    /// The random name of this start of the daemon.
    instance: String,
    /// The next connection's number.
    next: AtomicU64,
    /// Whether the daemon is stopping.
    draining: AtomicBool,
    /// Rung when it begins to.
    drain: Notify,
    /// Connections by address and stage.
    census: census::Census,
    /// Sources that are not let in for a while.
    closed_out: closed_out::ClosedOut,
    /// Nonces for the next connections.
    stock: stock::Stock,
}

#[derive(Debug, Clone)]
struct Current {
    tls: Arc<ServerConfig>,
    limits: Limits,
}

impl Shared {
    fn current(&self) -> Current {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn number(&self) -> ConnectionId {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells the monitor; waits while its queue is full. When the monitor is gone, so is this
    /// process.
    async fn tell(&self, message: ToMonitor) {
        let _ = self.monitor.send(&message, &[]).await;
    }

    /// Tells the monitor and gives it a descriptor.
    async fn tell_with(&self, message: ToMonitor, descriptor: OwnedFd) {
        let _ = self.monitor.send(&message, &[descriptor.as_fd()]).await;
    }

    /// A client that nobody knows has done something.
    async fn misdeed(&self, peer: SocketAddr, misdeed: Misdeed) {
        self.tell(ToMonitor::Misdeed {
            source: peer.ip(),
            misdeed,
        })
        .await;
    }

    fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Runs the frontend on the socket that the monitor left as descriptor 3.
///
/// # Errors
/// What could not be had before it was confined, or that the monitor is gone.
pub fn run(start_logs: impl FnOnce(Logs)) -> Result<(), Ended> {
    let ended = |what: &str, fault: &dyn std::fmt::Display| Ended(format!("{what}: {fault}"));
    let socket = sys::adopt(3).map_err(|fault| ended("the monitor's socket", &fault))?;
    let (settings, mut descriptors) = first_settings(&socket)?;
    start_logs(settings.logs);
    let tls =
        take_tls(&settings, &mut descriptors).map_err(|fault| ended("the certificate", &fault))?;
    if descriptors.len() != settings.listeners as usize {
        return Err(Ended("the listeners did not come along".into()));
    }
    let listeners: Vec<TcpListener> = descriptors.into_iter().map(TcpListener::from).collect();
    sys::steady_heap();
    sys::leave_signals_to_the_monitor();
    let _ = sys::raise_descriptor_limit();

    // aws-lc looks for its own sources of randomness at the first use; that must be over before
    // files are out of reach.
    let _ = credential::random::<1>();
    let identity = settings.identity.map(|(uid, gid)| Identity { uid, gid });
    let confinement = sys::confine(identity).map_err(|fault| ended("the sandbox", &fault))?;

    // Only now may there be threads: filters bind those that come after.
    let runtime = match settings.threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
        threads => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads as usize)
            .enable_all()
            .build(),
    }
    .map_err(|fault| ended("the runtime", &fault))?;
    runtime.block_on(serve(
        socket,
        settings,
        tls,
        listeners,
        confinement.landlock,
    ))
}

/// The first message, read without a runtime.
fn first_settings(socket: &OwnedFd) -> Result<(Frontend, Vec<OwnedFd>), Ended> {
    let wrong = |why: &dyn std::fmt::Display| Ended(format!("the monitor's first message: {why}"));
    sys::wait_readable(socket.as_fd(), Duration::from_secs(10)).map_err(|fault| wrong(&fault))?;
    let mut buffer = vec![0; limits::IPC_MESSAGE];
    let received = sys::receive(socket.as_fd(), &mut buffer).map_err(|fault| wrong(&fault))?;

    match ipc::read(buffer.get(..received.length).unwrap_or_default()) {
        Ok(ToFrontend::Configure(settings)) if !received.cut => {
            Ok((*settings, received.descriptors))
        }
        Ok(_) => Err(wrong(&"it is not the settings")),
        Err(fault) => Err(wrong(&fault)),
    }
}

/// Takes certificate, key and client CA off the front of the descriptors.
fn take_tls(
    settings: &Frontend,
    descriptors: &mut Vec<OwnedFd>,
) -> Result<Arc<ServerConfig>, String> {
    let count = if settings.client_ca { 3 } else { 2 };
    if descriptors.len() < count {
        return Err("its descriptors did not come along".into());
    }
    let read = |descriptor: OwnedFd| -> io::Result<zeroize::Zeroizing<Vec<u8>>> {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        File::from(descriptor).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let rest = descriptors.split_off(count);
    let files: Vec<_> = std::mem::replace(descriptors, rest)
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|fault| fault.to_string())?;
    let [chain, key, client_ca @ ..] = files.as_slice() else {
        return Err("its descriptors did not come along".into());
    };
    let client_ca = client_ca
        .first()
        .map(|pem| tls::certificates(pem))
        .transpose()?;
    tls::server(
        tls::certificates(chain)?,
        tls::private_key(key)?,
        client_ca.as_deref(),
    )
}

async fn serve(
    socket: OwnedFd,
    settings: Frontend,
    tls: Arc<ServerConfig>,
    listeners: Vec<TcpListener>,
    landlock: &str,
) -> Result<(), Ended> {
    let ended = |what: &str, fault: &dyn std::fmt::Display| Ended(format!("{what}: {fault}"));
    let channel =
        Arc::new(Channel::new(socket).map_err(|fault| ended("the monitor's socket", &fault))?);
    let shared = Arc::new(Shared {
        current: Mutex::new(Current {
            tls,
            limits: settings.limits.clone(),
        }),
        registry: Registry::default(),
        runs: live::Runs::default(),
        monitor: channel.clone(),
        instance: settings.instance.clone(),
        next: AtomicU64::new(settings.first_connection),
        draining: AtomicBool::new(false),
        drain: Notify::new(),
        census: census::Census::default(),
        closed_out: closed_out::ClosedOut::default(),
        stock: stock::Stock::default(),
    });
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|fault| ended("a listener", &fault))?;
        tokio::spawn(accept::accept(
            shared.clone(),
            listener,
            settings.listeners_stay,
        ));
    }
    shared
        .tell(ToMonitor::Ready {
            landlock: landlock.into(),
            uid: sys::effective_uid(),
        })
        .await;
    let mut buffer = Vec::new();
    loop {
        match channel.receive::<ToFrontend>(&mut buffer).await {
            Ok((message, descriptors)) => obey(&shared, message, descriptors),
            // The monitor is gone: so is everything here. Clients in the middle of a handshake get
            // a word, so that they know to come to the next daemon.
            Err(ChannelFault::Gone) => {
                shared.registry.close();
                let told = async {
                    while shared.draining() && shared.census.all() > 0 {
                        tokio::time::sleep(limits::LAST_WORD / 100).await;
                    }
                };
                let _ = tokio::time::timeout(limits::LAST_WORD, told).await;
                return Ok(());
            }
            Err(fault) => return Err(ended("the monitor", &fault)),
        }
    }
}

/// Does what the monitor says.
fn obey(shared: &Arc<Shared>, message: ToFrontend, mut descriptors: Vec<OwnedFd>) {
    match message {
        ToFrontend::Configure(settings) => match take_tls(&settings, &mut descriptors) {
            Ok(tls) => {
                *shared
                    .current
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Current {
                    tls,
                    limits: settings.limits,
                }
            }

            // The monitor has validated the same bytes; this cannot fail without it failing there.
            Err(fault) => tracing::error!(fault, "the new certificate could not be used"),
        },
        ToFrontend::CloseOut {
            network,
            milliseconds,
        } => shared
            .closed_out
            .set(network, Duration::from_millis(milliseconds)),
        ToFrontend::LetIn => shared.closed_out.clear(),
        ToFrontend::Nonces(nonces) => shared.stock.add(nonces),
        ToFrontend::Ping => {
            let shared = shared.clone();
            tokio::spawn(async move { shared.tell(ToMonitor::Alive).await });
        }

        ToFrontend::Drain => {
            shared.draining.store(true, Ordering::Relaxed);
            shared.drain.notify_waiters();
        }

        ToFrontend::Exited { run, end } => {
            if let Some(live) = shared.runs.find(RunId::from_random(run)) {
                live.exited(end);
            }
        }

        ToFrontend::Adopt {
            run,
            rules,
            stdout,
            stderr,
            stdin,
        } => {
            if let Err(fault) = adopt(
                shared,
                RunId::from_random(run),
                rules,
                [stdout, stderr, stdin],
                descriptors,
            ) {
                tracing::error!(%fault, run = %RunId::from_random(run), "a run of the frontend before this one could not be taken on");
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
            descriptors,
        ),
        other => {
            let Some(connection) = registry::connection_of(&other) else {
                return;
            };
            if shared
                .registry
                .pass_on(
                    connection,
                    Box::new(FromMonitor::Message(other, descriptors)),
                )
                .is_err()
            {
                tracing::debug!(connection, "a message for a connection that is gone");
            }
        }
    }
}

/// A run has started. It is known from this moment on, whatever its connection's task is busy with.
fn started(
    shared: &Arc<Shared>,
    connection: ConnectionId,
    stream: StreamId,
    run: RunId,
    rules: RunRules,
    descriptors: Vec<OwnedFd>,
) {
    sys::fault_point("frontend-started");
    let mut descriptors = descriptors.into_iter();
    let (Some(spool), stdout) = (descriptors.next(), descriptors.next()) else {
        return tracing::error!(%run, "a run came without its descriptors");
    };
    let stderr = if rules.terminal {
        None
    } else {
        descriptors.next()
    };
    let stdin = descriptors.next();
    let spool = Spool::new(spool, rules.capacity, rules.outlives_client);
    let live = Arc::new(live::Live::new(run, spool, rules, [None; 2]));
    shared.runs.enter(live.clone());
    let pipes = pump::Pipes {
        stdout,
        stderr,
        stdin,
    };
    let Err(back) = shared.registry.pass_on(
        connection,
        Box::new(FromMonitor::Started(stream, live, pipes)),
    ) else {
        return;
    };
    if let FromMonitor::Started(_, live, pipes) = *back {
        // The client is gone already; what becomes of the run is for its rule to say.
        connection::pump(shared, live, None, pipes);
    }
}

/// Goes on with a run whose frontend is gone.
fn adopt(
    shared: &Arc<Shared>,
    run: RunId,
    rules: RunRules,
    open: [bool; 3],
    descriptors: Vec<OwnedFd>,
) -> io::Result<()> {
    let mut descriptors = descriptors.into_iter();
    let spool = descriptors.next().ok_or(io::ErrorKind::InvalidInput)?;
    let [stdout, stderr, stdin] = open.map(|open| if open { descriptors.next() } else { None });
    let (spool, lost) = Spool::left_behind(spool, rules.capacity)?;
    // Input that was cut is over; what is typed goes on, unless it is not known how much of it has
    // arrived.
    let stdin = stdin.filter(|_| spool.fed().is_some());
    let rules = RunRules {
        stdin: rules.stdin.filter(|_| stdin.is_some()),
        ..rules
    };
    let live = Arc::new(live::Live::new(run, spool, rules, lost));
    shared.runs.enter(live.clone());
    connection::pump(
        shared,
        live,
        None,
        pump::Pipes {
            stdout,
            stderr,
            stdin,
        },
    );
    Ok(())
}
