//! `ordain recordings`, and fetching one of them.

use crate::cli::ClientArgs;
use crate::client::{ClientError, Session};
use crate::credential::Sha256;
use crate::encoding::{hex, unbase64_any};
use crate::exit::Status;
use crate::ids::{Named, RunId};
use crate::limits::RECORDING_PART;
use crate::programs::display::plain;
use crate::programs::verbs::runs::moment;
use crate::programs::{complain, say, say_json};
use crate::protocol::Code;
use crate::sys;
use crate::verb::{Recording, RecordingLine, RecordingList, Recordings};
use serde_json::json;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// `ordain recordings`
pub async fn recordings(
    args: &ClientArgs,
    session: &Session,
    wanted: &Recordings,
) -> Result<Status, ClientError> {
    let list = session.ask(wanted).await?;
    if args.json {
        say_json(&json!(list));
        return Ok(Status::OK);
    }
    show(&list);
    if list.more {
        let oldest = list.recordings.last().map_or(0, |line| line.since);
        complain(&format!(
            "ordain: there are older ones; `--until {oldest}` shows them"
        ));
    }
    Ok(Status::OK)
}

/// A line of each, for people.
pub fn show(list: &RecordingList) {
    for line in &list.recordings {
        say(&shown(line));
    }
}

fn shown(line: &RecordingLine) -> String {
    let ended = match (line.seconds, line.number) {
        (None, _) => "goes on".to_owned(),
        (Some(_), Some(number)) => format!("{} {number}", plain(&line.ended)),
        (Some(_), None) => plain(&line.ended),
    };
    let whole = match (line.seconds, line.whole) {
        (Some(_), false) => "  not whole",
        _ => "",
    };
    let held = line
        .held
        .as_ref()
        .map_or_else(String::new, |why| format!("  held: {}", plain(why)));
    format!(
        "{}  {}  {}  {}  {ended}  {} bytes{whole}{held}  {}",
        plain(&line.run),
        plain(&line.user),
        plain(&line.command),
        moment(line.since),
        line.bytes,
        plain(&line.arguments),
    )
    .trim_end()
    .to_owned()
}

/// A recording from the server, in a file without a name.
pub async fn fetched(session: &Session, run: &str) -> Result<File, ClientError> {
    let id: Result<RunId, _> = run.parse();
    let run = id.map_err(|_| ClientError::new(Code::NoSuchRun, "there is no such run"))?;
    let mut file = sys::unnamed_file().map_err(|fault| here(&fault))?;
    let (mut digest, mut offset, mut whole) = (Sha256::default(), 0, None);
    let said = loop {
        let asked = Recording {
            run: Named::from(run),
            offset: Some(offset),
        };
        let part = session.ask(&asked).await?;
        let bytes = unbase64_any(&part.part).ok_or_else(|| odd("what has come is no base64"))?;
        // As long as it was at first: one that grows would go on for ever.
        let whole = *whole.get_or_insert(part.bytes);
        let left = usize::try_from(whole - offset).unwrap_or(usize::MAX);
        // Many small ones would go on for ever, too.
        if bytes.len() < left.min(RECORDING_PART) {
            let text = "the server tells less of the recording than it says it has";
            return Err(odd(text));
        }
        let bytes = bytes.get(..left).unwrap_or(&bytes);
        file.write_all(bytes).map_err(|fault| here(&fault))?;
        digest.update(bytes);
        offset += bytes.len() as u64;
        if offset >= whole {
            break part;
        }
    };
    if said.grows {
        complain("ordain: the run goes on: this is what was recorded until now");
    } else if said.sha256.is_empty() {
        complain("ordain: the recording was cut off, and the server has no digest of it");
    } else if said.sha256 != hex(&digest.end()) {
        return Err(odd(
            "what has come is not the recording whose SHA-256 the server says",
        ));
    }
    file.seek(SeekFrom::Start(0))
        .map_err(|fault| here(&fault))?;
    Ok(file)
}

fn odd(text: &str) -> ClientError {
    ClientError::new(Code::Protocol, text)
}

fn here(fault: &io::Error) -> ClientError {
    let text = format!("the recording cannot be kept here for now: {fault}");
    ClientError::new(Code::Internal, text)
}
