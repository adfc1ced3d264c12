//! Two users of the demo talk in its server's room: each line goes through the real client and server.

use super::client::Client;
use crate::programs::say;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// What each of them says.
const ANN: &str = "the disk is nearly full, is that you?";
const DEMO: &str = "yes, a backup; it is over in a minute";
const ANN_AGAIN: &str = "then I leave it alone";
/// How long is waited for a line.
const PATIENCE: Duration = Duration::from_secs(20);

/// They talk; what the room shows of it is shown.
pub fn show(client: &Client) -> Result<(), String> {
    let said = says(client, ANN)?;
    let since = said.saturating_sub(1).to_string();
    say("");
    say(
        "# Two people talk, each text signed and in the trail. Demo comes into the room, and is told what was said before:",
    );
    say(&format!("$ ordain say ann@demo '{ANN}'"));
    say(&format!("$ ordain room --since {since} demo"));
    let mut room = Room::enter(client, &since)?;
    room.shows("<ann>", ANN)?;
    room.types(DEMO)?;
    room.shows("<demo>", DEMO)?;
    says(client, ANN_AGAIN)?;
    room.shows("<ann>", ANN_AGAIN)?;
    room.leave()
}

/// Ann says something; this is its number in the trail.
fn says(client: &Client, text: &str) -> Result<u64, String> {
    let mut command = client.command(&["--json", "say", "ann@demo", text]);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|fault| fault.to_string())?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = answer.get("said").and_then(serde_json::Value::as_u64);
    said.ok_or_else(|| format!("`ordain say` ended with {}", output.status))
}

/// The client of whoever is in the room.
struct Room {
    child: Child,
    lines: Receiver<String>,
}

impl Room {
    fn enter(client: &Client, since: &str) -> Result<Self, String> {
        let mut command = client.command(&["room", "--since", since, "demo"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|fault| fault.to_string())?;
        let (sender, lines) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                lines.for_each(|line| drop(sender.send(line)));
            });
        }
        Ok(Self { child, lines })
    }

    /// Shows what the room shows, until this user has said this.
    fn shows(&self, user: &str, text: &str) -> Result<(), String> {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            say(&line);
            if line.contains(user) && line.ends_with(text) {
                return Ok(());
            }
        }
        Err(format!("the room did not show what {user} said"))
    }

    fn types(&mut self, text: &str) -> Result<(), String> {
        let input = self.child.stdin.as_mut().ok_or("the room reads no input")?;
        writeln!(input, "{text}").map_err(|fault| fault.to_string())
    }

    /// The end of input is the end of its visit.
    fn leave(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let status = self.child.wait().map_err(|fault| fault.to_string())?;
        say(&format!("  (exit status {})", status.code().unwrap_or(-1)));
        match status.success() {
            true => Ok(()),
            false => Err(format!("`ordain room` ended with {status}")),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
