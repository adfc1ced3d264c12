//! `ordain files`: the roots of a host, and what one may do there.

use super::server::Server;
use crate::client::ClientError;
use crate::exit::Status;
use crate::programs::display::plain;
use crate::programs::{complain, say, say_json};
use crate::verb::{Files, FilesView};

/// `ordain files`.
///
/// # Errors
/// The server's refusal, or that the link is lost.
pub async fn files(server: Server<'_>) -> Result<Status, ClientError> {
    let view = server.session.ask(&Files {}).await?;
    if server.args.json {
        say_json(&serde_json::json!(view));
        return Ok(Status::OK);
    }
    let FilesView {
        roots,
        out_of_hours,
        ..
    } = view;
    if roots.is_empty() {
        complain(&format!(
            "ordain: `{}` may do nothing with files here",
            plain(server.session.user())
        ));
    }
    for role in &out_of_hours {
        complain(&format!("ordain: not now: {}", plain(role)));
    }
    let width = roots.iter().map(|root| root.name.chars().count()).max();
    let width = width.unwrap_or(0).min(crate::limits::NAME);
    for root in roots {
        let mut notes = vec![root.rights.join(", ")];
        if !root.only.is_empty() {
            notes.push(format!("only {}", root.only.join(" ")));
        }
        if !root.summary.is_empty() {
            notes.push(root.summary);
        }
        let (name, notes) = (plain(&root.name), plain(&notes.join("; ")));
        say(format!("{name:width$}  {notes}").trim_end());
    }
    Ok(Status::OK)
}
