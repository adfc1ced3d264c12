//! A run that others must agree to: its plan, the wait for them, and the proof at the start that all of
//! it still holds.

use super::gates::left;
use crate::audit::{Record, What};
use crate::encoding::hex;
use crate::exit::Reason;
use crate::ids::RunId;
use crate::ipc::ToFrontend;
use crate::limits::{APPROVAL_PLAN, SPAWN};
use crate::monitor::access;
use crate::monitor::approvals::Waiting;
use crate::monitor::asked::Signed;
use crate::monitor::denied::Denied;
use crate::monitor::state::Shared;
use crate::policy::{Agreed, Approval, Approved, Beginning, Command, Digested, Policy};
use crate::protocol::Code;
use crate::sys::{self, Trust};
use crate::verb::{PlannedFile, RunPlan, commit, plan_digest};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// The commitments to the secrets of a request, as they stand in its signed text.
pub fn commitments(signed: &Signed) -> BTreeMap<String, String> {
    let committed = |salt: &str, value: &str| {
        let salt = crate::encoding::unbase64::<32>(salt)?;
        Some(commit(&salt, value.as_bytes()))
    };
    let secrets = signed.secrets.iter();
    secrets
        .filter_map(|(name, value, salt)| Some((name.clone(), committed(salt, &value.0)?)))
        .collect()
}

/// Waits until enough others have agreed to the run, where its command wants that. Returns once the
/// run may wait for its turn like any other.
///
/// # Errors
/// Why it does not begin: somebody has denied, nobody has agreed in time, or its own user has left.
pub async fn agreed(
    state: &Shared,
    run: RunId,
    (grant, secrets): (&Beginning, BTreeMap<String, String>),
    ends: &mut mpsc::Receiver<Reason>,
) -> Result<(), Denied> {
    let Some(approval) = &grant.plan().command.approval else {
        return Ok(());
    };
    let files = tokio::select! {
        files = digests(grant) => files?,
        reason = ends.recv() => return Err(left(reason.unwrap_or(Reason::Stopped), "anybody was asked")),
    };
    let waiting = planned(run, (grant, approval), secrets, files, state)?;
    let decided = waiting.decided.clone();
    let until = waiting.until;
    write(state, run, &waiting)?;
    let text = format!(
        "{} with the role `{}` must agree to it: `ordain approve HOST {run}`",
        approval.needed, approval.by
    );
    state
        .runs
        .approvals
        .waiting
        .borrow_mut()
        .insert(run, waiting);
    tell(state, run, text);

    let late = tokio::time::sleep_until(until.into());
    tokio::pin!(late);
    loop {
        let rung = decided.notified();
        let ended = state.runs.one_ended.notified();
        tokio::pin!(rung, ended);
        rung.as_mut().enable();
        ended.as_mut().enable();
        if state.health.is_stopping() {
            let text = "the server is stopping and starts nothing new";
            return Err(Denied::new(Code::Stopping, text));
        }
        match state.runs.approvals.waiting.borrow().get(&run) {
            Some(Waiting {
                denied: Some(denied),
                ..
            }) => return Err(denied.clone()),
            Some(waiting) if waiting.missing() == 0 => break,
            Some(waiting) if waiting.is_late() => return Err(waiting.late()),
            Some(_) => {}
            None => return Err(Denied::no_such_run()),
        }
        tokio::select! {
            () = rung => {}
            () = ended => {}
            () = &mut late => {}
            reason = ends.recv() => {
                return Err(left(reason.unwrap_or(Reason::Stopped), "others had agreed to it"));
            }
        }
    }
    state.runs.queue.borrow_mut().push_back(run);
    Ok(())
}

/// What would be executed, read now.
async fn digests(grant: &Beginning) -> Result<Vec<Digested>, Denied> {
    let command = grant.plan().command.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let path = std::path::Path::new(command.executable());
        let pin = command.sha256.as_ref();
        sys::digested_executable(path, &Trust::own(), pin).map(|(_, read)| read)
    });
    let fault = |text: String| Denied::new(Code::Start, text);
    let read = tokio::time::timeout(SPAWN, reading).await;
    let read = read.map_err(|_| fault("its files could not be read in time".into()))?;
    let read = read.map_err(|gone| fault(gone.to_string()))?;
    let read = read.map_err(|cause| fault(format!("its files cannot be read: {cause}")))?;
    let digested = |(path, digest): (std::path::PathBuf, [u8; 32])| {
        (path.to_string_lossy().into_owned(), digest)
    };
    Ok(read.into_iter().map(digested).collect())
}

/// The plan of a run, and nobody has decided yet.
fn planned(
    run: RunId,
    (grant, approval): (&Beginning, &Approval),
    secrets: BTreeMap<String, String>,
    files: Vec<Digested>,
    state: &Shared,
) -> Result<Waiting, Denied> {
    let (plan, now) = (grant.plan(), crate::clock::seconds());
    let command = &plan.command;
    let rules = command.rules_digest();
    let until_s = now.saturating_add(approval.asked_for.as_secs().max(1));
    let shown = RunPlan {
        version: 1,
        run: run.to_string(),
        requester: grant.user().to_string(),
        source: grant.source().to_string(),
        command: command.name.clone(),
        argv: plan.shown.clone(),
        secrets,
        environment: plan
            .shown_environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
        cwd: command.cwd.to_string_lossy().into_owned(),
        run_as: command.run_as.name().to_owned(),
        stdin: "none".into(),
        files: files
            .iter()
            .map(|(path, digest)| PlannedFile {
                path: path.clone(),
                sha256: hex(digest),
            })
            .collect(),
        rules: hex(&rules),
        reason: plan.reason.clone(),
        unattended: plan.unattended,
        asked: now,
        until: until_s,
        by: approval.by.clone(),
        needed: u64::try_from(approval.needed).unwrap_or(u64::MAX),
    };
    let text = serde_json::to_string(&shown).unwrap_or_default();
    if text.len() > APPROVAL_PLAN {
        let text = format!(
            "its plan has {} bytes, and {APPROVAL_PLAN} can be agreed to",
            text.len()
        );
        return Err(Denied::new(Code::Argument, text));
    }
    let files: Arc<[Digested]> = files.into();
    let last = state.runs.approvals.last.borrow();
    let changed = last.get(&command.name).map(|last| {
        let other = |file: &&Digested| !last.contains(file);
        files
            .iter()
            .filter(other)
            .map(|(path, _)| path.clone())
            .collect()
    });
    Ok(Waiting {
        requester: grant.user().clone(),
        command: command.clone(),
        approval: approval.clone(),
        digest: plan_digest(&text),
        text,
        files,
        rules,
        changed,
        since: Instant::now(),
        until: Instant::now() + approval.asked_for,
        until_s,
        agreed: Vec::new(),
        denied: None,
        decided: Rc::default(),
    })
}

/// The plan is in the trail before anybody can see it.
fn write(state: &Shared, run: RunId, waiting: &Waiting) -> Result<(), Denied> {
    let run = run.to_string();
    let record = Record::now(What::Approval {
        run: &run,
        user: &waiting.requester,
        command: &waiting.command.name,
        plan: &waiting.text,
    });
    state.record(&record).map_err(|_| Denied::trail())
}

/// The run's client is told for whom it waits, and whoever follows runs that it waits.
fn tell(state: &Shared, run: RunId, text: String) {
    let runs = state.runs.going.borrow();
    let Some(waits) = runs.get(&run) else { return };
    state.publish_run(&waits.user, || waits.line());
    if let Some((connection, stream)) = waits.owner {
        state.tell(ToFrontend::Queued {
            connection,
            stream,
            run: *run.bytes(),
            text,
        });
    }
}

/// The run has begun, or never will.
pub fn over(state: &Shared, run: RunId, began: bool) {
    let waited = state.runs.approvals.waiting.borrow_mut().remove(&run);
    if let Some(waited) = waited.filter(|_| began) {
        let mut last = state.runs.approvals.last.borrow_mut();
        last.insert(waited.command.name.clone(), waited.files);
    }
}

/// The proof, directly before a start, that enough others have agreed and may still do so, and that
/// the command is by its rules what they agreed to. Nothing where its command wants none.
///
/// # Errors
/// What has changed.
pub fn proof(state: &Shared, run: RunId, grant: &Beginning) -> Result<Option<Approved>, Denied> {
    if grant.plan().command.approval.is_none() {
        return Ok(None);
    }
    let changed = |text: String| Denied::new(Code::Changed, text);
    let waiting = state.runs.approvals.waiting.borrow();
    let Some(waiting) = waiting.get(&run) else {
        return Err(changed("nobody has agreed to this run".into()));
    };
    if waiting.is_late() {
        return Err(waiting.late());
    }
    let settings = state.settings();
    let name = &waiting.command.name;
    let Some(command) = settings.policy.commands.get(name) else {
        return Err(changed(format!("there is no command `{name}` any more")));
    };
    if command.rules_digest() != waiting.rules {
        let text =
            format!("what the configuration says of `{name}` was changed since it was asked for");
        return Err(changed(text));
    }
    let still = |one: &Agreed| {
        let others = waiting.agreed.iter().map(|other| &other.user);
        let others = others.chain([&waiting.requester]);
        let mut others = others.filter(|other| **other != one.user);
        if one.user == waiting.requester || others.any(|other| share_a_key(state, other, &one.user))
        {
            return Err(format!(
                "`{}` has a key of another user of this run",
                one.user
            ));
        }
        may_still(state, one, command)
    };
    Policy::approved(
        run,
        &waiting.approval,
        &waiting.files,
        &waiting.agreed,
        still,
    )
    .map(Some)
    .map_err(changed)
}

/// Whether somebody who has agreed could agree now.
fn may_still(state: &Shared, one: &Agreed, command: &Command) -> Result<(), String> {
    let user = &one.user;
    let vault = state.access.vault.borrow();
    if vault.contents.locks.contains_key(&**user) {
        return Err(format!("`{user}`, who has agreed, is locked"));
    }
    let member = access::member(state, user).map_err(|refusal| refusal.text)?;
    let policy = &state.settings().policy;
    let may = policy.may_decide(&member, &one.source, crate::clock::now(), command);
    may.then_some(())
        .ok_or_else(|| format!("`{user}`, who has agreed, may not any more"))
}

/// Whether two users can be the same person to everybody who can see: they log in by the same key.
pub(super) fn share_a_key(state: &Shared, one: &str, other: &str) -> bool {
    let settings = state.settings();
    let keys = |user: &str| {
        settings
            .credentials
            .get(user)
            .map(|known| known.keys.as_slice())
    };
    let (Some(one), Some(other)) = (keys(one), keys(other)) else {
        return false;
    };
    one.iter()
        .any(|key| other.iter().any(|known| known.is(key)))
}
