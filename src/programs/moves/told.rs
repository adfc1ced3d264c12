//! What a transfer has come to, told to people and machines, and judged.

use super::server::Server;
use crate::client::{ClientError, reason};
use crate::encoding::hex;
use crate::exit::{Human, Reason, Status};
use crate::files::Sum;
use crate::files::stream::Told;
use crate::programs::display::plain;
use crate::programs::{complain, say_json};
use crate::protocol::Ended;
use std::time::Duration;

/// Tells something that was not done.
pub fn fault(json: bool, there: &str, told: &Told) {
    let text = told.to_string();
    if json {
        say_json(&serde_json::json!({ "event": "fault", "at": there, "text": text }));
    }
    complain(&format!("ordain: {}: {}", plain(there), plain(&text)));
}

/// What this program ends with, for a run that has ended so, and tells it where that was not its mover's
/// own way.
///
/// # Errors
/// That the server's words make no sense.
pub fn status(server: &Server<'_>, ended: &Ended, faults: u64) -> Result<Status, ClientError> {
    let reason = reason(ended)?;
    Ok(match reason {
        Reason::Exit(0) if faults > 0 => Status(1),
        Reason::Exit(number) => Status(number),
        other => {
            let spent = Human(Duration::from_millis(ended.duration_ms));
            let word = plain(&ended.reason);
            complain(&format!(
                "ordain: the transfer was ended after {spent}: {word}"
            ));
            if let Some(among) = &server.target.among {
                among.ended.set(Some(other));
            }
            other.status()
        }
    })
}

/// Says what was moved, for machines.
pub fn moved(server: &Server<'_>, sum: &Sum, status: Status) {
    if server.args.json {
        say_json(&serde_json::json!({
            "event": "moved", "host": server.target.destination.to_string(), "digest": hex(&sum.digest),
            "files": sum.files, "bytes": sum.bytes, "exit_status": status.0,
        }));
    }
}
