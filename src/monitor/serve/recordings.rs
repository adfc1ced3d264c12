//! Verbs about recordings.

use super::{Serve, ServeLocal};
use crate::audit::{Record, What};
use crate::encoding::base64;
use crate::ids::RunId;
use crate::limits::RECORDING_PART;
use crate::monitor::asked::{Asked, answer_to};
use crate::monitor::denied::Denied;
use crate::monitor::keep_recordings::make_room;
use crate::monitor::recordings::{self, Kept};
use crate::monitor::state::Shared;
use crate::policy::{Grant, LocalGrant, Scope};
use crate::protocol::Code;
use crate::sys;
use crate::verb::{
    HoldRecording, ListRecordings, Recording, RecordingHeld, RecordingLine, RecordingList,
    RecordingPart, RecordingReleased, Recordings, ReleaseRecording,
};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Lines of one answer.
const LINES: usize = 1000;

impl Serve for Recordings {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        asked.done(state, &asked.granted(&grant), || {
            let wanted = grant.verb();
            let is = |wanted: &Option<String>, name: &str| {
                wanted.as_ref().is_none_or(|wanted| wanted == name)
            };
            let own = |kept: &Kept| {
                *grant.allowed() == Scope::All || kept.user.as_str() == &**grant.user()
            };
            Ok(list(state, |kept| {
                own(kept)
                    && is(&wanted.user, &kept.user)
                    && is(&wanted.command, &kept.command)
                    && wanted.until.is_none_or(|until| kept.since / 1000 <= until)
            }))
        });
    }
}

fn list(state: &Shared, shown: impl Fn(&Kept) -> bool) -> RecordingList {
    let mut found = state.recordings.all();
    found.retain(|(_, kept)| shown(kept));
    let more = found.len() > LINES;
    found.truncate(LINES);
    let recordings = found.iter().map(|(run, kept)| line(*run, kept)).collect();
    RecordingList { recordings, more }
}

fn line(run: RunId, kept: &Kept) -> RecordingLine {
    RecordingLine {
        run: run.to_string(),
        user: kept.user.clone(),
        command: kept.command.clone(),
        arguments: kept.arguments.clone(),
        since: kept.since / 1000,
        seconds: kept
            .until
            .map(|until| until.saturating_sub(kept.since) / 1000),
        ended: kept.reason.clone(),
        number: kept.number,
        bytes: kept.bytes,
        whole: kept.whole,
        sha256: kept.sha256.clone(),
        held: kept.held.clone(),
    }
}

impl Serve for Recording {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let (run, offset) = (*grant.allowed(), grant.verb().offset.unwrap_or(0));
        let name = run.to_string();
        // Whoever is shown something of it is in the trail before.
        if asked.granted(&grant).with_run(&name).write(state).is_err() {
            return asked.deny(state, Denied::trail());
        }
        let Some(kept) = state.recordings.find(run) else {
            return asked.deny(state, not_kept());
        };
        let (state, place) = (state.clone(), (asked.connection, asked.stream));
        let folder = state.settings().recordings.folder.clone();
        tokio::task::spawn_local(async move {
            let read = tokio::task::spawn_blocking(move || part(&folder, run, offset));
            match read
                .await
                .unwrap_or_else(|fault| Err(io::Error::other(fault)))
            {
                Ok(Some((bytes, part))) => answer_to(
                    &state,
                    place,
                    &RecordingPart {
                        part: base64(&part),
                        bytes,
                        grows: kept.until.is_none(),
                        sha256: kept.sha256,
                    },
                ),
                Ok(None) => state.refuse(place, not_kept()),
                Err(fault) => {
                    tracing::error!(%run, %fault, "a recording cannot be read");
                    state.refuse(place, not_kept());
                }
            }
        });
    }
}

fn not_kept() -> Denied {
    Denied::new(
        Code::NotRecorded,
        "what was recorded of this run is not kept, or not from there on",
    )
}

/// A part of a recording, and how long that is; nothing where it ends before.
fn part(folder: &Path, run: RunId, offset: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    let mut file = sys::open_private(&recordings::path(folder, run))?;
    let length = file.metadata()?.len();
    if offset > length {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut part = Vec::new();
    file.take(RECORDING_PART as u64).read_to_end(&mut part)?;
    Ok(Some((length, part)))
}

impl ServeLocal for ListRecordings {
    async fn serve(state: &Shared, grant: LocalGrant<Self>) -> Result<Self::Answer, String> {
        let held = grant.verb().held;
        Ok(list(state, |kept| !held || kept.held.is_some()))
    }
}

impl ServeLocal for HoldRecording {
    async fn serve(state: &Shared, grant: LocalGrant<Self>) -> Result<Self::Answer, String> {
        let HoldRecording { run, reason } = grant.verb();
        let run = change(state, run.0, Some(reason.clone()), grant.uid())?;
        Ok(RecordingHeld { held: run })
    }
}

impl ServeLocal for ReleaseRecording {
    async fn serve(state: &Shared, grant: LocalGrant<Self>) -> Result<Self::Answer, String> {
        let run = change(state, grant.verb().run.0, None, grant.uid())?;
        make_room(state);
        Ok(RecordingReleased { released: run })
    }
}

/// Holds a recording for this reason, or releases it. The record comes first.
fn change(
    state: &Shared,
    run: Option<RunId>,
    held: Option<String>,
    uid: u32,
) -> Result<String, String> {
    let none = || "there is no recording of such a run".to_owned();
    let run = run.ok_or_else(none)?;
    let kept = state.recordings.find(run).ok_or_else(none)?;
    let name = run.to_string();
    let record = Record::now(What::RecordingHeld {
        run: &name,
        user: &kept.user,
        state: if held.is_some() { "held" } else { "released" },
        reason: held.as_deref().unwrap_or_default(),
        uid,
    });
    state
        .audit
        .record(&record)
        .map_err(|fault| fault.to_string())?;
    let folder = state.settings().recordings.folder.clone();
    state
        .recordings
        .change(&folder, run, |kept| kept.held = held)
        .map_err(|fault| fault.to_string())?;
    Ok(name)
}
