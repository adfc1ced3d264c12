//! The frontend's start: its settings, confinement, and only then a runtime.

use super::accept::accept;
use super::orders::{obey, take_tls};
use super::shared::{Current, Shared};
use crate::credential;
use crate::ipc::{
    self, Channel, ChannelFault, Frontend, Logs, Manifest, Name, ToFrontend, ToMonitor,
};
use crate::limits;
use crate::sys::{self, Held, Identity};
use rustls::ServerConfig;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Why the frontend ended.
#[derive(Debug)]
pub struct Ended(pub String);

/// Runs the frontend on the socket that the monitor left as descriptor 3.
///
/// # Errors
/// What could not be had before it was confined, or that the monitor is gone.
pub fn run<L>(start_logs: impl FnOnce(Logs) -> L) -> Result<(), Ended> {
    let ended = |what: &str, fault: &dyn std::fmt::Display| Ended(format!("{what}: {fault}"));
    let socket = sys::adopt(3).map_err(|fault| ended("the monitor's socket", &fault))?;
    let (settings, mut manifest) = first_settings(&socket)?;
    let tls = take_tls(&mut manifest).map_err(|fault| ended("the certificate", &fault))?;
    let listeners = manifest.take_all(Name::Listener);
    if listeners.is_empty() {
        return Err(Ended("the listeners did not come along".into()));
    }
    let listeners: Vec<TcpListener> = listeners.into_iter().map(TcpListener::from).collect();
    sys::steady_heap();
    sys::leave_signals_to_the_monitor();
    let _ = sys::raise_descriptor_limit();

    // aws-lc looks for its own sources of randomness at the first use; that must be over before
    // files are out of reach.
    let _ = credential::random::<1>();
    let identity = settings.identity.map(|(uid, gid)| Identity { uid, gid });
    let confinement = sys::confine(identity).map_err(|fault| ended("the sandbox", &fault))?;

    // Only now may there be threads: filters bind those that come after.
    let _log = start_logs(settings.logs);
    let runtime = runtime(settings.threads).map_err(|fault| ended("the runtime", &fault))?;
    runtime.block_on(serve(
        socket,
        settings,
        tls,
        listeners,
        confinement.landlock,
    ))
}

/// The first message, read without a runtime.
fn first_settings(socket: &OwnedFd) -> Result<(Frontend, Manifest), Ended> {
    let wrong = |why: &dyn std::fmt::Display| Ended(format!("the monitor's first message: {why}"));
    sys::wait_readable(socket.as_fd(), Duration::from_secs(10)).map_err(|fault| wrong(&fault))?;
    let mut buffer = vec![0; limits::IPC_MESSAGE];
    let received = sys::receive(socket.as_fd(), &mut buffer).map_err(|fault| wrong(&fault))?;

    match ipc::read(buffer.get(..received.length).unwrap_or_default()) {
        Ok((ToFrontend::Configure(settings), names)) if !received.cut => {
            let descriptors = received.descriptors.into_iter().map(Held::Own).collect();
            let manifest = Manifest::named(names, descriptors);
            let manifest = manifest.ok_or_else(|| wrong(&"its descriptors did not come along"))?;
            Ok((*settings, manifest))
        }
        Ok(_) => Err(wrong(&"it is not the settings")),
        Err(fault) => Err(wrong(&fault)),
    }
}

/// A runtime with so many threads; one, or none named, is the calling one.
fn runtime(threads: u32) -> io::Result<Runtime> {
    match threads {
        0 | 1 => Builder::new_current_thread().enable_all().build(),
        threads => Builder::new_multi_thread()
            .worker_threads(threads as usize)
            .enable_all()
            .build(),
    }
}

/// Serves until the monitor is gone.
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
    let shared = Arc::new(Shared::new(
        Current {
            tls,
            limits: settings.limits.clone(),
        },
        channel.clone(),
        settings.instance.clone(),
        settings.first_connection,
    ));
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|fault| ended("a listener", &fault))?;
        tokio::spawn(accept(shared.clone(), listener, settings.listeners_stay));
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
            Ok((message, manifest)) => obey(&shared, message, manifest),
            Err(ChannelFault::Gone) => {
                last_words(&shared).await;
                return Ok(());
            }
            Err(fault) => return Err(ended("the monitor", &fault)),
        }
    }
}

/// The monitor is gone: so is everything here. Clients in the middle of a handshake get a word, so
/// that they know to come to the next daemon.
async fn last_words(shared: &Shared) {
    shared.shut();
    shared.registry.close();
    let told = async {
        while shared.draining() && shared.census.all() > 0 {
            tokio::time::sleep(limits::LAST_WORD / 100).await;
        }
    };

    let _ = tokio::time::timeout(limits::LAST_WORD, told).await;
}
