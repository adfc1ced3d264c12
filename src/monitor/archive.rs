//! The archive command: an old file of the trail is given to it before the file may be removed.

use super::state::Shared;
use super::trail;
use crate::audit::{Kept, Record, What};
use crate::credential;
use crate::exec::{self, Ended, Running, Unheard};
use crate::ids::{RequestId, RunId};
use crate::policy::{Errand, OWN};
use crate::sys::Exited;
use std::time::Duration;

/// Gives a file to the archive command, and waits until it has ended.
///
/// # Errors
/// Why the file counts as not archived, in words.
pub async fn archive(state: &Shared, command: &str, file: &Kept) -> Result<(), String> {
    // The daemon's end waits for it.
    let _busy = state.audit.keeping.archiving.lock().await;
    if state.health.is_stopping() {
        return Err("the daemon is stopping".into());
    }
    let request = RequestId::from_random(credential::random());
    let asked = (request, crate::clock::now());
    let policy = state.settings().policy.clone();
    let grant = policy.errand(("audit.archive", command), &file.path, asked)?;
    let run = RunId::from_random(credential::random()).to_string();
    let given = Given {
        state,
        grant: &grant,
        run: &run,
        file: file.name(),
    };
    let outcome = match given.started().await {
        Ok(running) => given.over(running).await,
        Err(why) => {
            given.record_end("not-started", None, Some(&why), Duration::ZERO);
            Err(format!("it could not be started: {why}"))
        }
    };
    outcome.map_err(|why| format!("its archive command `{command}` failed: {why}"))
}

/// A file that is given to the archive command, in one run of it.
struct Given<'e> {
    state: &'e Shared,
    grant: &'e Errand,
    run: &'e str,
    file: String,
}

impl Given<'_> {
    /// Records the start, and starts.
    async fn started(&self) -> Result<Running, String> {
        let (state, plan) = (self.state, self.grant.plan());
        let run = self.run.parse().map_err(|_| "its id is none")?;
        let record = Record::now(What::Archive {
            run: self.run,
            file: &self.file,
            command: &plan.command.name,
            rule: self.grant.rule(),
            argv: &plan.shown,
            run_as: plan.command.run_as.name(),
        });
        let receipt = state
            .audit
            .with_trail(|trail| trail.append_start(self.grant, run, &record));
        let mut receipt = receipt.map_err(|fault| format!("that cannot be recorded: {fault}"))?;
        if trail::on_disk(state, receipt.seq()).await.is_err() {
            return Err("its record could not be brought to the disk".into());
        }
        let user = OWN.into();
        loop {
            let _turn = state.runs.starts.wait(&user).await;
            // Nothing that is taken from users takes this away; the next ticket is as good.
            let ticket = state.runs.epoch.ticket(&Ended::default());
            match exec::run_unheard(&state.runs.means, self.grant, receipt, &ticket).await {
                Ok(Unheard::Begun(running)) => return Ok(running),
                Ok(Unheard::Overtaken(back)) => receipt = back,
                Err(fault) => return Err(fault.text),
            }
        }
    }

    /// Waits for the end, or brings it about; nothing of the run is left behind.
    async fn over(&self, mut running: Running) -> Result<(), String> {
        let command = &self.grant.plan().command;
        let time_is_up = async {
            match command.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let stopping = async {
            let rung = self.state.audit.keeping.stopping.notified();
            if !self.state.health.is_stopping() {
                rung.await;
            }
        };
        let by_itself = tokio::select! {
            ended = running.ended() => Ok(ended),
            () = time_is_up => Err("timeout"),
            () = stopping => Err("stopped"),
        };
        let (why, ended) = match by_itself {
            Ok(ended) => (None, ended),
            Err(why) => (Some(why), running.end(command.grace).await),
        };
        let duration = running.since.elapsed();
        let linger = why.map_or(command.linger, |_| Duration::ZERO);
        let rest = running.settle(linger, false).await;
        drop(running.close(&rest));

        let exited = ended.ok();
        let (reason, number) = match (why, exited.as_ref()) {
            (Some(why), _) => (why, None),
            (
                None,
                Some(Exited {
                    status: Some(status),
                    ..
                }),
            ) => ("exit", Some(*status)),
            (None, Some(Exited { signal, .. })) => ("signal", *signal),
            (None, None) => ("lost", None),
        };
        self.record_end(reason, number, None, duration);
        match (reason, number) {
            ("exit", Some(0)) => Ok(()),
            (reason, Some(number)) => Err(format!("it ended with {reason} {number}")),
            (reason, None) => Err(format!("it ended with {reason}")),
        }
    }

    fn record_end(&self, reason: &str, number: Option<u8>, text: Option<&str>, duration: Duration) {
        let _ = self.state.record(&Record::now(What::Archived {
            run: self.run,
            file: &self.file,
            reason,
            number,
            text,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        }));
    }
}
