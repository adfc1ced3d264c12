//! The control socket: local verbs for root and the daemon's own user, by what the kernel says of
//! the peer.

use super::denied::TRAIL;
use super::serve::ServeLocal;
use super::state::Shared;
use crate::audit::{Record, What};
use crate::limits;
use crate::policy::{Refusal, authorize_local};
use crate::protocol::{LocalFault, read_local, write};
use crate::sys::{self, Trust};
use crate::verb::with_local_verb;
use serde_json::json;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// Opens the socket. One that nobody answers is a leftover and replaced; one that somebody does is
/// another daemon.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        sys::make_folder(folder, 0o755)?;
        sys::closed_folder(folder, &Trust::own()).map_err(io::Error::other)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another daemon serves it",
        ));
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
                    let _ =
                        tokio::time::timeout(Duration::from_secs(60), one(&state, stream)).await;
                });
            }

            Err(_) => tokio::time::sleep(limits::BACK_OFF).await,
        }
    }
}

/// One line in, one line out.
async fn one(state: &Shared, mut stream: UnixStream) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let mut line = String::new();
    BufReader::new((&mut stream).take(4096))
        .read_line(&mut line)
        .await?;
    let mut answer = answer(state, uid, &line).await.unwrap_or_else(|why| {
        let error = json!({ "error": why });
        error.to_string().into_bytes()
    });
    answer.push(b'\n');
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

async fn answer(state: &Shared, uid: u32, line: &str) -> Result<Vec<u8>, String> {
    match read_local(line) {
        Ok(ask) => with_local_verb!(ask, verb => serve_one(state, uid, verb).await),
        Err(LocalFault::Unreadable) => Err("the question is too long, or no JSON".into()),
        Err(LocalFault::Unknown(name)) => {
            let _ = record(state, &name, uid, "refused");
            Err(Refusal::local().text)
        }
        Err(LocalFault::Fields(fault)) => Err(fault),
    }
}

/// Judges, records, does and answers one question.
async fn serve_one<V: ServeLocal>(state: &Shared, uid: u32, verb: V) -> Result<Vec<u8>, String> {
    let grant = match authorize_local(verb, uid, sys::effective_uid()) {
        Ok(grant) => grant,
        Err(refusal) => {
            let _ = record(state, V::NAME, uid, "refused");
            return Err(refusal.text);
        }
    };

    if V::RECORDED && record(state, V::NAME, uid, "granted").is_err() && !V::WITHOUT_TRAIL {
        return Err(TRAIL.into());
    }
    V::serve(state, grant).await.map(|answer| write(&answer))
}

fn record(state: &Shared, verb: &str, uid: u32, decision: &str) -> io::Result<()> {
    let verb: String = verb.chars().take(limits::NAME).collect();
    state.record(&Record::now(What::Local {
        verb: &verb,
        uid,
        decision,
    }))
}
