//! The control socket: local verbs for root and the daemon's own user, by what the kernel says of
//! the peer.

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

/// Opens the socket. One that nobody answers is a leftover and replaced; one that somebody does is
/// another daemon.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        crate::sys::make_folder(folder, 0o755)?;
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

            Err(_) => tokio::time::sleep(crate::limits::BACK_OFF).await,
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
    let Ok(asked) = serde_json::from_str::<Value>(&line) else {
        stream
            .write_all(b"{\"error\":\"the question is too long, or no JSON\"}\n")
            .await?;
        return stream.shutdown().await;
    };

    let verb = asked
        .get("verb")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let decision = authorize_local(verb, uid, crate::sys::effective_uid());
    let word = if decision.is_ok() {
        "granted"
    } else {
        "refused"
    };

    let shown: String = verb.chars().take(crate::limits::NAME).collect();

    // Numbers are asked for every few seconds, name nobody, and would drown what is worth reading.
    let recorded = match &decision {
        Ok(grant) if grant.verb() == Verb::Metrics => Ok(()),
        _ => state.record(&Record::now(What::Local {
            verb: &shown,
            uid,
            decision: word,
        })),
    };

    let answer = match (decision, recorded) {
        (Err(refusal), _) => json!({ "error": refusal.text }),
        (Ok(grant), recorded) => match (grant.verb(), recorded) {
            // Looking is allowed without a trail: it is how one finds out. Locking is too: it only
            // takes away.
            (Verb::Status, _) => super::report::status(state),
            (Verb::Metrics, _) => json!({ "text": super::report::metrics(state) }),
            (Verb::Locks, _) => locks(state),
            (Verb::Penalties, _) => super::penalties::list(state),
            (Verb::Lock, _) => lock(state, &asked, uid).await,
            (_, Err(_)) => json!({ "error": super::asked::TRAIL }),
            (Verb::Reload, Ok(())) => match super::reload::reload(state).await {
                Ok(done) => json!({ "generation": done.generation, "changes": done.changes }),
                Err(faults) => json!({ "faults": faults }),
            },
            (Verb::Unlock, Ok(())) => {
                with_user(&asked, async |user| {
                    outcome(super::access::unlock(state, user, uid).await)
                })
                .await
            }

            (Verb::Totp, Ok(())) => totp(state, &asked, uid).await,
            (Verb::Forgive, Ok(())) => forgive(state, &asked),
            _ => json!({ "error": "this verb is not served here" }),
        },
    };

    stream.write_all(format!("{answer}\n").as_bytes()).await?;
    stream.shutdown().await
}

/// The user that a question names. He need not be known: whoever is to be locked may have been
/// removed already.
async fn with_user(asked: &Value, work: impl AsyncFnOnce(&str) -> Value) -> Value {
    match asked
        .get("user")
        .and_then(Value::as_str)
        .filter(|user| !user.is_empty() && user.len() <= crate::limits::USER_NAME)
    {
        Some(user) => work(user).await,
        None => json!({ "error": "this is not a user's name" }),
    }
}

fn outcome(done: io::Result<bool>) -> Value {
    match done {
        Ok(was) => json!({ "was": was }),
        Err(fault) => {
            json!({ "warning": format!("it holds for now, but could not be written and ends with this daemon: {fault}") })
        }
    }
}

async fn lock(state: &Shared, asked: &Value, uid: u32) -> Value {
    let reason: String = asked
        .get("reason")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .chars()
        .take(256)
        .collect();
    let known = |user: &str| state.settings().policy.users.contains_key(user);
    with_user(asked, async |user| match super::access::lock(state, user, &reason, uid).await {
        Err(fault) => outcome(Err(fault)),
        Ok(()) if known(user) => json!({}),
        Ok(()) => json!({ "warning": "no such user is configured now; the lock holds for whoever gets this name" }),
    })
    .await
}

fn locks(state: &Shared) -> Value {
    let when = |since: u64| {
        let time = i64::try_from(since)
            .ok()
            .and_then(|since| time::OffsetDateTime::from_unix_timestamp(since).ok());
        time.and_then(|time| {
            time.format(&time::format_description::well_known::Rfc3339)
                .ok()
        })
        .unwrap_or_default()
    };

    let vault = state.vault.borrow();
    let line = |(user, lock): (&String, &crate::vault::Lock)| {
        (
            user.clone(),
            json!({ "reason": lock.reason, "since": when(lock.since), "by": lock.by }),
        )
    };

    json!({ "locks": vault.contents.locks.iter().map(line).collect::<serde_json::Map<_, _>>() })
}

async fn totp(state: &Shared, asked: &Value, uid: u32) -> Value {
    let remove = asked.get("remove") == Some(&Value::Bool(true));
    with_user(asked, async |user| {
        if remove {
            return outcome(super::access::remove_seed(state, user, uid).await);
        }
        if !state.settings().policy.users.contains_key(user) {
            return json!({ "error": "there is no such user" });
        }
        match super::access::make_seed(state, user, uid).await {
            Ok(uri) => json!({ "uri": uri }),
            Err(fault) => {
                json!({ "error": format!("the seed could not be kept, so none was made: {fault}") })
            }
        }
    })
    .await
}

fn forgive(state: &Shared, asked: &Value) -> Value {
    let who: String = asked
        .get("who")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .chars()
        .take(64)
        .collect();
    let forgiven = super::penalties::forgive(state, &who);
    let _ = state.record(&Record::now(What::Penalty {
        subject: if who == "all" {
            "all"
        } else if who.contains(['.', ':']) {
            "source"
        } else {
            "user"
        },
        who: &who,
        state: "forgiven",
        misdeeds: 0,
        seconds: 0,
    }));
    json!({ "forgiven": forgiven })
}
