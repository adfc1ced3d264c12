//! `ordain keyscan`: the keys that servers show, as lines of known_servers. What the network says is
//! believed by nobody here.

use crate::cli::{ClientArgs, Place};
use crate::client::{ClientError, Options, look};
use crate::exit::Status;
use crate::limits;
use crate::programs::display::plain;
use crate::programs::fleet::hosts::meant;
use crate::programs::target::{hosts, to_look_at};
use crate::programs::{complain, say, say_json};
use crate::protocol::Code;
use crate::tls::Fingerprint;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A server that is being looked at.
struct Looking {
    /// The host as it was typed.
    typed: String,
    /// What known_servers calls it.
    server: String,
    key: JoinHandle<Result<Fingerprint, ClientError>>,
}

/// Looks at many servers at once, and says in the order of the words what came of each.
///
/// # Errors
/// [`Code::Usage`]: the settings. What is wrong with a server is said, and the others go on.
pub async fn keyscan(args: &ClientArgs, places: &[Place]) -> Result<Status, ClientError> {
    let settings = hosts(args)?;
    let mut destinations = Vec::new();
    for place in places {
        let hosts = meant(place, &settings)?;
        destinations.extend(hosts.into_iter().map(|host| host.destination));
    }
    let room = Arc::new(Semaphore::new(limits::KEYS_AT_ONCE));
    let mut all = Vec::new();
    for destination in destinations {
        let options = to_look_at(args, &destination, &settings)?;
        let server = options.host.with_port(options.port);
        // Two words can mean one server, of which one line is enough.
        if all.iter().any(|other: &Looking| other.server == server) {
            continue;
        }
        all.push(Looking {
            typed: destination.typed,
            server,
            key: tokio::spawn(in_turn(options, room.clone())),
        });
    }

    let (mut shown, mut unseen) = (false, false);
    for Looking { typed, server, key } in all {
        let key = key
            .await
            .unwrap_or_else(|fault| Err(ClientError::new(Code::Internal, fault.to_string())));
        match key {
            Ok(key) => {
                if !std::mem::replace(&mut shown, true) {
                    warn();
                }
                tell(args, &typed, &server, key);
            }
            Err(error) => {
                unseen = true;
                tell_fault(args, &typed, &error);
            }
        }
    }
    Ok(if unseen {
        Status::OWN_FAILURE
    } else {
        Status::OK
    })
}

/// Looks at a server as soon as there is room.
async fn in_turn(options: Options, room: Arc<Semaphore>) -> Result<Fingerprint, ClientError> {
    let _room = room.acquire().await;
    look(&options).await
}

fn warn() {
    complain(
        "ordain: these keys are what the network says; compare each with `ordaind fingerprint` on the server itself before you trust it",
    );
}

fn tell(args: &ClientArgs, typed: &str, server: &str, key: Fingerprint) {
    if args.json {
        say_json(&serde_json::json!({
            "event": "key", "host": typed, "server": server, "fingerprint": key.to_string(),
        }));
    } else {
        say(&format!("{server} {key}"));
    }
}

fn tell_fault(args: &ClientArgs, typed: &str, error: &ClientError) {
    if args.json {
        say_json(&serde_json::json!({
            "event": "error", "host": typed, "code": error.code, "text": error.text,
        }));
    }
    complain(&format!(
        "ordain: {}: {}",
        plain(typed),
        plain(&error.to_string())
    ));
}
