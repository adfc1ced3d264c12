//! The control socket: local verbs for root and the daemon's own user, by what the kernel says of the peer.

use super::state::Shared;
use crate::audit::{Record, What};
use crate::policy::authorize_local;
use crate::request::Verb;
use serde_json::{Value, json};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// Opens the socket. One that nobody answers is a leftover and replaced; one that somebody does is another daemon.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::recursive(std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o755), true)
            .create(folder)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon serves it"));
    }
    match std::fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves it.
pub async fn serve(state: Shared, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let state = state.clone();
                tokio::task::spawn_local(async move {
                    let _ = tokio::time::timeout(Duration::from_secs(60), one(&state, stream)).await;
                });
            }
            Err(_) => tokio::time::sleep(crate::limits::BACK_OFF).await,
        }
    }
}

/// One line in, one line out.
async fn one(state: &Shared, mut stream: UnixStream) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let mut line = String::new();
    BufReader::new((&mut stream).take(4096)).read_line(&mut line).await?;
    let asked: Value = serde_json::from_str(&line).unwrap_or_default();
    let verb = asked.get("verb").and_then(Value::as_str).unwrap_or_default();
    let decision = authorize_local(verb, uid, crate::sys::effective_uid());
    let word = if decision.is_ok() { "granted" } else { "refused" };
    let shown: String = verb.chars().take(crate::limits::NAME).collect();
    let recorded = state.record(&Record::now(What::Local { verb: &shown, uid, decision: word }));
    let answer = match (decision, recorded) {
        (Err(refusal), _) => json!({ "error": refusal.text }),
        // Looking is allowed without a trail: it is how one finds out. Changing is not.
        (Ok(grant), recorded) => match (grant.verb(), recorded) {
            (Verb::Status, _) => status(state),
            (Verb::Reload, Ok(())) => match super::reload::reload(state).await {
                Ok(generation) => json!({ "generation": generation }),
                Err(faults) => json!({ "faults": faults }),
            },
            (Verb::Reload, Err(_)) => json!({ "error": super::requests::TRAIL }),
            _ => json!({ "error": "this verb is not served here" }),
        },
    };
    stream.write_all(format!("{answer}\n").as_bytes()).await?;
    stream.shutdown().await
}

fn status(state: &Shared) -> Value {
    let settings = state.settings();
    let now = std::time::SystemTime::now();
    let confinement = state.confinement.borrow().clone();
    let counts = &state.counts;
    let sessions = state.connections.borrow().values().filter(|connection| connection.session.is_some()).count();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "instance": state.instance,
        "uptime_s": now.duration_since(state.since).unwrap_or_default().as_secs(),
        "generation": state.generation.get(),
        "stopping": state.stopping.get(),
        "frontend": confinement.map(|(landlock, uid)| json!({
            "uid": uid,
            "seccomp": "enforced",
            "landlock": landlock,
            "own_user": settings.frontend.is_some(),
        })),
        "frontends_started": counts.frontends.get(),
        "certificate": {
            "fingerprint": settings.tls.fingerprint.to_string(),
            "days_left": settings.tls.validity.left(now).as_secs() / 86_400,
            "fault": settings.tls.validity.fault(now),
        },
        "connections": state.connections.borrow().len(),
        "sessions": sessions,
        "runs": state.runs.borrow().len(),
        "since_start": {
            "connections": counts.connections.get(),
            "logins": counts.logins.get(),
            "logins_refused": counts.logins_refused.get(),
            "runs": counts.runs.get(),
            "refused": counts.refused.get(),
        },
        "commands": settings.policy.commands.len(),
        "users": settings.policy.users.len(),
        "trail": settings.trail.display().to_string(),
    })
}
