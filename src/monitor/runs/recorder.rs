//! The recorder of a run: begun before the command, heard while it goes on, finished when it is over.

use crate::audit::{Record, What};
use crate::cast::{Closed, Finish, FromRecorder, Header, Origin, Screen, Task, ToRecorder};
use crate::encoding::hex;
use crate::exec;
use crate::exit::{Reason, Recorded};
use crate::ids::RunId;
use crate::limits::RECORDER;
use crate::monitor::denied::Denied;
use crate::monitor::keep_recordings::make_room;
use crate::monitor::recordings::{self, Kept};
use crate::monitor::state::Shared;
use crate::policy::{Beginning, Recording};
use crate::protocol::Code;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

/// The recorder of one run.
#[derive(Debug)]
pub struct Recorder {
    run: RunId,
    user: Arc<str>,
    required: bool,
    folder: PathBuf,
    process: exec::Recorder,
    /// Whether the recording has failed.
    failed: Cell<bool>,
    /// What it came to, once the recorder has said that.
    closed: RefCell<Option<Closed>>,
}

/// Begins the recording of a run whose command is recorded.
///
/// # Errors
/// That a recording is required, and cannot begin.
pub async fn begin(
    state: &Shared,
    grant: &Beginning,
    run: RunId,
) -> Result<Option<Recorder>, Denied> {
    let plan = grant.plan();
    let Some(wanted) = plan.command.record else {
        return Ok(None);
    };
    match started(state, grant, run, wanted).await {
        Ok(recorder) => Ok(Some(recorder)),
        Err(fault) => {
            let text = format!("it cannot be recorded: {fault}");
            failed(state, run, grant.user(), &text);
            match wanted {
                Recording::Optional => Ok(None),
                Recording::Required => Err(Denied::new(Code::CannotRecord, text)),
            }
        }
    }
}

async fn started(
    state: &Shared,
    grant: &Beginning,
    run: RunId,
    wanted: Recording,
) -> io::Result<Recorder> {
    let rules = state.settings().recordings.clone();
    let plan = grant.plan();
    let arguments = grant.by().in_a_line();
    let kept = Kept::begins(grant.user(), &plan.command.name, &arguments);
    let since = kept.since;
    make_room(state);
    let (file, most) = state.recordings.create(&rules, run, kept)?;
    let task = Task {
        header: header(grant, run, since)?,
        required: wanted == Recording::Required,
        most,
    };
    let process = match ready(state, &file, task).await {
        Ok(process) => process,
        Err(fault) => {
            state.recordings.forget(&rules.folder, run);
            return Err(fault);
        }
    };
    Ok(Recorder {
        run,
        user: grant.user().clone(),
        required: wanted == Recording::Required,
        folder: rules.folder,
        process,
        failed: Cell::new(false),
        closed: RefCell::default(),
    })
}

/// A recorder that has written the first line.
async fn ready(state: &Shared, file: &File, task: Task) -> io::Result<exec::Recorder> {
    let begins = async {
        let process = exec::Recorder::start(&state.runs.means, file.as_fd(), task).await?;
        match process.hear().await {
            Ok(FromRecorder::Ready) => Ok(process),
            said => {
                process.kill();
                process.leave();
                match said {
                    Ok(FromRecorder::Failed(text)) => Err(io::Error::other(text)),
                    Ok(_) => Err(io::ErrorKind::InvalidData.into()),
                    Err(fault) => Err(fault),
                }
            }
        }
    };
    let begun = tokio::time::timeout(RECORDER, begins).await;
    begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The first line of a recording.
fn header(grant: &Beginning, run: RunId, since: u64) -> io::Result<String> {
    let plan = grant.plan();
    let header = Header {
        version: 3,
        term: Screen { cols: 80, rows: 24 },
        timestamp: Some(since / 1000),
        // As the trail shows it: what is secret is masked.
        command: Some(plan.shown.join(" ")),
        title: Some(plan.command.name.clone()),
        ordain: Some(Origin {
            run: run.to_string(),
            user: grant.user().to_string(),
            terminal: false,
        }),
    };
    Ok(format!("{}\n", serde_json::to_string(&header)?))
}

fn failed(state: &Shared, run: RunId, user: &str, text: &str) {
    tracing::error!(%run, text, "a recording has failed");
    let _ = state.record(&Record::now(What::RecordingFailed {
        run: &run.to_string(),
        user,
        text,
    }));
}

impl Recorder {
    /// The process, for the start of the command.
    pub const fn process(&self) -> &exec::Recorder {
        &self.process
    }

    /// The command has not begun: nothing is kept.
    pub fn give_up(self, state: &Shared) {
        state.recordings.forget(&self.folder, self.run);
        self.process.kill();
        self.process.leave();
    }

    /// Hears what it says, until the run has to end by it.
    pub async fn hear(&self, state: &Shared) -> Reason {
        loop {
            let said = self.process.hear().await;
            if !self.take(state, said) {
                return Reason::Recording;
            }
        }
    }

    /// Takes one word; whether the run may go on.
    fn take(&self, state: &Shared, said: io::Result<FromRecorder>) -> bool {
        match said {
            Ok(FromRecorder::Segment(segment)) => {
                state.recordings.grown(self.run, segment.bytes);
                let _ = state.record(&Record::now(What::Recording {
                    run: &self.run.to_string(),
                    user: &self.user,
                    bytes: segment.bytes,
                    sha256: &hex(&segment.sha256),
                }));
                make_room(state);
                true
            }
            Ok(FromRecorder::Failed(text)) => {
                self.fail(state, &text);
                !self.required
            }
            Ok(FromRecorder::Closed(closed)) => {
                self.closed.replace(Some(closed));
                true
            }
            Ok(FromRecorder::Ready) => {
                self.gone(state, "its recorder has said what no recorder says")
            }
            Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => {
                self.gone(state, "its recorder has ended")
            }
            Err(fault) => self.gone(state, &fault.to_string()),
        }
    }

    /// Without its recorder nothing of a run is passed on any more, so it ends whether it must be recorded
    /// or not.
    fn gone(&self, state: &Shared, why: &str) -> bool {
        self.fail(state, why);
        false
    }

    fn fail(&self, state: &Shared, text: &str) {
        if !self.failed.replace(true) {
            failed(state, self.run, &self.user, text);
        }
    }

    /// The processes of the run are gone: the recording is finished, and what is known of it kept. How the
    /// run has ended, in the light of that, comes back too.
    pub async fn finish(self, state: &Shared, reason: Reason) -> (Reason, Option<Recorded>) {
        let finish = ToRecorder::Finish(Finish {
            status: reason.status().0.to_string(),
        });
        let hears = async {
            self.process.say(&finish)?;
            while self.closed.borrow().is_none() {
                let said = self.process.hear().await;
                let is_gone = said.is_err();
                self.take(state, said);
                if is_gone {
                    break;
                }
            }
            Ok::<(), io::Error>(())
        };
        match tokio::time::timeout(RECORDER, hears).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => self.fail(state, &format!("its recorder is gone: {fault}")),
            Err(_) => self.fail(state, "its recorder does not finish"),
        }
        let closed = self.closed.take();
        let whole = closed.is_some_and(|closed| closed.whole) && !self.failed.get();
        let reason = if self.required && !whole && is_own_end(reason) {
            Reason::Recording
        } else {
            reason
        };
        let recorded = closed.map(|closed| recorded(&closed, whole));
        self.keep(state, reason, recorded.as_ref());
        if closed.is_none() {
            self.process.kill();
        }
        self.process.leave();
        make_room(state);
        (reason, recorded)
    }

    /// What is known of it is kept.
    fn keep(&self, state: &Shared, reason: Reason, recorded: Option<&Recorded>) {
        let length = || {
            let file = recordings::path(&self.folder, self.run);
            std::fs::symlink_metadata(file).map_or(0, |meta| meta.len())
        };
        let kept = state.recordings.change(&self.folder, self.run, |kept| {
            kept.until = Some(recordings::now());
            kept.reason = reason.word().into();
            kept.number = reason.number();
            kept.whole = recorded.is_some_and(|recorded| recorded.whole);
            kept.bytes = recorded.map_or_else(length, |recorded| recorded.bytes);
            kept.sha256 = recorded.map_or_else(String::new, |recorded| recorded.sha256.clone());
        });
        if let Err(fault) = kept {
            tracing::error!(run = %self.run, %fault, "what is known of a recording is not kept");
        }
    }
}

const fn is_own_end(reason: Reason) -> bool {
    matches!(reason, Reason::Exit(_) | Reason::Signal(_))
}

fn recorded(closed: &Closed, whole: bool) -> Recorded {
    let [stdout, stderr] = closed.streams.each_ref().map(|digest| hex(digest));
    Recorded {
        bytes: closed.file.bytes,
        sha256: hex(&closed.file.sha256),
        whole,
        stdout_bytes: closed.lengths[0],
        stderr_bytes: closed.lengths[1],
        stdout_sha256: stdout,
        stderr_sha256: stderr,
    }
}
