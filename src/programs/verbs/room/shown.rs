//! What happens in the room, and who is there, as lines for people.

use crate::exit::Human;
use crate::verb::{RoomEvent, WhoLine};
use std::time::Duration;

/// Somebody who is there.
pub fn who_line(line: &WhoLine) -> String {
    let sessions = match line.sessions {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    };
    let age = Human(Duration::from_secs(line.age_s));
    let room = if line.in_room { ", in the room" } else { "" };
    let watching = match line.watching.join(" ") {
        runs if runs.is_empty() => runs,
        runs => format!(", watches {runs}"),
    };
    format!("{}: {sessions} for {age}{room}{watching}", line.user)
}

/// An event as lines for people: a text of several lines is indented behind its first.
pub fn lines(at: &str, event: &RoomEvent) -> Vec<String> {
    let RoomEvent {
        at: time,
        kind,
        user,
        text,
        run,
        command,
        ended,
        number,
        ..
    } = event;
    let time = time.get(11..19).unwrap_or("--:--:--");
    let number = number.map_or_else(String::new, |number| format!(" {number}"));
    let about = match run.as_str() {
        "" => String::new(),
        run => format!(" (of run {run})"),
    };
    let what = match kind.as_str() {
        "said" => {
            let mut said = text.split('\n');
            let first = said.next().unwrap_or_default();
            let first = format!("{at}{time} <{user}>{about} {first}");
            let more = said.map(|line| format!("{at}         | {line}"));
            return std::iter::once(first).chain(more).collect();
        }
        "room" => format!("{user} has come into the room"),
        "login" => format!("{user} has logged in"),
        "logout" => format!("{user} has logged out"),
        "run" => format!("{user} asks for {command}: run {run}"),
        "end" => format!("{command} of {user} has ended: {ended}{number}, run {run}"),
        "attach" => format!("{user} watches run {run}"),
        "signal" => format!("{user} signals run {run}"),
        "approval" => format!("{command} of {user} waits for others to agree: run {run}"),
        "approve" => format!("{user} agrees to run {run}"),
        "deny" => format!("{user} denies run {run}"),
        "cancel" => format!("{user} ends run {run}"),
        "started" => "the server has started".to_owned(),
        "stopping" => "the server is stopping".to_owned(),
        other => format!("{other} by {user}"),
    };
    vec![format!("{at}{time} * {what}")]
}
