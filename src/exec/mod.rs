//! Starting, watching and ending runs. Nothing else in the project can start a command, and this
//! only with a [`Beginning`], made of a grant of the policy, and a [`Receipt`] of the trail.

mod draft;
mod epoch;
mod fault;
mod mover;
mod recorder;
mod running;
mod tree;

pub use epoch::{Ended, Epoch, Ticket};
pub use fault::{NotStarted, Obstacle};
pub use recorder::Recorder;
pub use running::{LeftRunning, Running};
pub use tree::Rest;

use crate::audit::Receipt;
use crate::policy::{Account, Approved, Beginning, Confinement, Digested, Only, Plan, Stdin};
use crate::sys::{self, Cgroups, Files, Open, Program, SpawnError, Spawner, Step, Wanted};
use draft::{Draft, account, process_limits, text, tree_limits};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// The hidden argument that makes the program a keeper.
pub const KEEPER: &str = "--keeper";
/// The hidden argument that makes the program a recorder.
pub const RECORDER: &str = "--recorder";

/// What runs are started with.
#[derive(Debug, Clone)]
pub struct Means {
    /// Starts processes.
    pub spawner: Spawner,
    /// Keeps the processes of a run together; `None` where there are no control groups and keepers
    /// do it.
    pub groups: Option<Cgroups>,
}

/// The frontend's ends of a run's pipes.
#[derive(Debug)]
pub struct Pipes {
    /// Where the command's input is written, when it takes any.
    pub stdin: Option<OwnedFd>,
    /// Where the command's output is read.
    pub stdout: OwnedFd,
    /// Where the command's error output is read; a terminal has one output only.
    pub stderr: Option<OwnedFd>,
}

impl Pipes {
    /// Duplicates, for a frontend after this one.
    pub fn duplicates(&self) -> Duplicates {
        let copy = |pipe: &OwnedFd| pipe.try_clone().ok();
        Duplicates {
            stdin: self.stdin.as_ref().and_then(copy),
            stdout: copy(&self.stdout),
            stderr: self.stderr.as_ref().and_then(copy),
        }
    }
}

/// Duplicates of a run's pipes that are still open in the frontend.
#[derive(Debug, Default)]
pub struct Duplicates {
    /// The duplicate of standard input.
    pub stdin: Option<OwnedFd>,
    /// The duplicate of standard output.
    pub stdout: Option<OwnedFd>,
    /// The duplicate of standard error.
    pub stderr: Option<OwnedFd>,
}

/// What came of a start that did not fail.
pub enum Start {
    /// The run goes on. Of a mover there is the socket over which it and the monitor speak.
    Begun(Running, Pipes, Option<OwnedFd>),
    /// Something was taken away before the clone, and nothing has run. With the receipt it may be
    /// tried again, once it is judged anew.
    Overtaken(Receipt),
}

/// Runs what was granted, if the ticket holds directly before the clone.
///
/// # Errors
/// The step that failed; then nothing has run.
pub async fn run(
    means: &Means,
    (beginning, approved): (&Beginning, Option<&Approved>),
    receipt: Receipt,
    ticket: &Ticket,
    recorder: Option<&Recorder>,
) -> Result<Start, NotStarted> {
    if !receipt.covers(beginning) {
        return Err(NotStarted::of_another_request());
    }
    let agreed = agreed(beginning.plan(), receipt.run(), approved)?;
    let (stdio, pipes) = ends(beginning.plan())?;
    let pipes = match recorder {
        Some(recorder) => recorder
            .between(pipes)
            .map_err(|fault| NotStarted::io("having it recorded", &fault))?,
        None => pipes,
    };
    let (draft, words) = match &beginning.plan().moving {
        Some(moving) => mover::prepare(beginning.plan(), moving, stdio)
            .map(|(draft, words)| (draft, Some(words)))?,
        None => {
            let draft = prepare(beginning, &receipt, stdio)?;
            (Draft { agreed, ..draft }, None)
        }
    };
    match begin(means, receipt.run(), draft, ticket).await {
        Ok(running) => Ok(Start::Begun(running, pipes, words)),
        Err(error) if error.step == Step::Gate => Ok(Start::Overtaken(receipt)),
        Err(error) => Err(NotStarted::step(&error, beginning.plan())),
    }
}

/// The files that may be executed, where others must agree to the run. Without proof that they have,
/// such a run does not begin.
fn agreed(
    plan: &Plan,
    run: crate::ids::RunId,
    approved: Option<&Approved>,
) -> Result<Option<Arc<[Digested]>>, NotStarted> {
    match (&plan.command.approval, approved) {
        (None, _) => Ok(None),
        (Some(_), Some(approved)) if approved.run() == run => Ok(Some(approved.files().clone())),
        (Some(_), _) => Err(NotStarted::not_agreed_to()),
    }
}

/// What came of a start of the daemon's own that did not fail.
pub enum Unheard {
    /// The run goes on.
    Begun(Running),
    /// Something was taken away before the clone, and nothing has run.
    Overtaken(Receipt),
}

/// Runs what was granted as [`run`] does, with nobody to give it input or to hear its output.
///
/// # Errors
/// What [`run`] says.
pub async fn run_unheard(
    means: &Means,
    beginning: &Beginning,
    receipt: Receipt,
    ticket: &Ticket,
) -> Result<Unheard, NotStarted> {
    if !receipt.covers(beginning) {
        return Err(NotStarted::of_another_request());
    }
    agreed(beginning.plan(), receipt.run(), None)?;
    let deaf = || {
        Ok([
            sys::null()?,
            sys::null_for_writing()?,
            sys::null_for_writing()?,
        ])
    };
    let stdio = deaf().map_err(|fault| NotStarted::io("opening /dev/null", &fault))?;
    let draft = prepare(beginning, &receipt, stdio)?;
    match begin(means, receipt.run(), draft, ticket).await {
        Ok(running) => Ok(Unheard::Begun(running)),
        Err(error) if error.step == Step::Gate => Ok(Unheard::Overtaken(receipt)),
        Err(error) => Err(NotStarted::step(&error, beginning.plan())),
    }
}

async fn begin(
    means: &Means,
    run: crate::ids::RunId,
    draft: Draft,
    ticket: &Ticket,
) -> Result<Running, SpawnError> {
    match &means.groups {
        Some(groups) => start_grouped(means, groups, run, draft, ticket).await,
        None => start_kept(means, run, draft, ticket).await,
    }
}

async fn start_grouped(
    means: &Means,
    groups: &Cgroups,
    run: crate::ids::RunId,
    draft: Draft,
    ticket: &Ticket,
) -> Result<Running, SpawnError> {
    let from = groups.clone();
    let child = on_spawner(means, ticket, move || {
        let (bounds, stays) = (draft.tree, draft.stays);
        let mut program = draft.program()?;
        program.cgroup = Some(
            from.take(&bounds, stays)
                .map_err(|fault| SpawnError::before(Step::Cgroup, &fault))?,
        );
        Ok(program)
    })
    .await?;
    Running::grouped(run, child, groups).map_err(|fault| SpawnError::before(Step::Prepare, &fault))
}

async fn start_kept(
    means: &Means,
    run: crate::ids::RunId,
    draft: Draft,
    ticket: &Ticket,
) -> Result<Running, SpawnError> {
    let (ours, theirs) = sys::pair().map_err(|fault| SpawnError::before(Step::Prepare, &fault))?;
    let socket = ours
        .try_clone()
        .map_err(|fault| SpawnError::before(Step::Prepare, &fault))?;
    let (told, version) = std::sync::mpsc::channel();
    let keeper = on_spawner(means, ticket, move || {
        let program = draft.program()?;
        let _ = told.send(program.executable.version);
        let failed = |fault: io::Error| SpawnError::before(Step::Prepare, &fault);
        sys::hand_over(socket.as_fd(), &program).map_err(failed)?;
        sys::keeper_program(KEEPER, theirs).map_err(failed)
    })
    .await?;
    let version = version.try_recv().unwrap_or(keeper.version);
    Running::kept(run, keeper, ours, version).await
}

/// Starts what `prepare` makes, on a spawning thread, if the ticket holds.
async fn on_spawner(
    means: &Means,
    ticket: &Ticket,
    prepare: impl FnOnce() -> Result<Program, SpawnError> + Send + 'static,
) -> Result<sys::Child, SpawnError> {
    let ticket = ticket.clone();
    on_spawner_if(means, Box::new(move || ticket.holds()), prepare).await
}

/// Starts what `prepare` makes, on a spawning thread, if the gate is open.
async fn on_spawner_if(
    means: &Means,
    gate: sys::Gate,
    prepare: impl FnOnce() -> Result<Program, SpawnError> + Send + 'static,
) -> Result<sys::Child, SpawnError> {
    let (done, answer) = tokio::sync::oneshot::channel();
    let handed_over = means.spawner.submit(
        Box::new(prepare),
        gate,
        Box::new(move |result| {
            // Nobody waits any more when the monitor is ending; the child dies with it.
            let _ = done.send(result);
        }),
    );
    let no = |why: &str| SpawnError::before(Step::Prepare, &io::Error::other(why.to_owned()));
    if handed_over.is_err() {
        return Err(no("too many commands are being started"));
    }
    answer
        .await
        .unwrap_or_else(|_| Err(no("the spawning thread is gone")))
}

/// Everything the child needs, made beforehand.
fn prepare(
    beginning: &Beginning,
    receipt: &Receipt,
    stdio: [OwnedFd; 3],
) -> Result<Draft, NotStarted> {
    let plan = beginning.plan();
    let command = &plan.command;
    let (account, become_user) = account(&command.run_as)?;
    let environment = environment(beginning, receipt, account)?;
    let opens = opens(plan)?;
    let argv = plan
        .argv
        .iter()
        .map(|word| text(word))
        .collect::<Result<Vec<_>, _>>()?;
    let cwd = text(&command.cwd.to_string_lossy())?;

    let confinement = &command.confinement;
    let (umask, new_privileges, network) = (
        confinement.umask,
        confinement.setuid_allowed,
        confinement.network,
    );
    let files = files(confinement);
    let limits = process_limits(command);
    let terminal = plan.terminal.is_some();
    let rest = move |executable| Program {
        executable,
        argv,
        environment,
        cwd,
        become_user,
        stdio,
        opens,
        passed: None,
        cgroup: None,
        limits,
        umask,
        new_privileges,
        network,
        terminal,
        files,
    };

    Ok(Draft {
        executable: Some(command.executable().into()),
        sha256: command.sha256,
        agreed: None,
        tree: tree_limits(command),
        stays: command.leave_running,
        rest: Box::new(rest),
    })
}

/// The files that a sandbox leaves.
fn files(confinement: &Confinement) -> Option<Files> {
    let sandbox = confinement.sandbox.as_ref()?;
    Some(Files {
        read: sandbox.read.clone(),
        write: sandbox.write.clone(),
        execute: sandbox.execute.clone(),
        below: None,
    })
}

/// The whole environment: what every command gets, its own variables, and what a terminal needs.
fn environment(
    beginning: &Beginning,
    receipt: &Receipt,
    account: &Account,
) -> Result<Vec<CString>, NotStarted> {
    let plan = beginning.plan();
    let mut environment = vec![
        text("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")?,
        text("LANG=C.UTF-8")?,
        text(&format!("HOME={}", account.home.display()))?,
        text(&format!("USER={}", account.name))?,
        text(&format!("ORDAIN_USER={}", beginning.user()))?,
        text(&format!("ORDAIN_COMMAND={}", plan.command.name))?,
        text(&format!("ORDAIN_RUN_ID={}", receipt.run()))?,
        text(&format!("ORDAIN_SOURCE={}", beginning.source()))?,
    ];

    for (name, value) in &plan.environment {
        environment.retain(|known| !known.to_bytes().starts_with(format!("{name}=").as_bytes()));
        environment.push(text(&format!("{name}={value}"))?);
    }

    if let Some(terminal) = &plan.terminal {
        environment.retain(|known| !known.to_bytes().starts_with(b"TERM="));
        environment.push(text(&format!("TERM={}", terminal.kind))?);

        // A pager would be a way to a shell.
        environment.push(text("PAGER=cat")?);
        environment.push(text("LESSSECURE=1")?);
    }

    Ok(environment)
}

/// The paths that are opened as the account, beneath their roots.
fn opens(plan: &Plan) -> Result<Vec<Open>, NotStarted> {
    plan.opens
        .iter()
        .map(|open| {
            Ok(Open {
                root: text(&open.beneath.to_string_lossy())?,
                relative: text(&open.relative)?,
                keep: open.descriptor,
                only: open.only.map(|only| match only {
                    Only::File => Wanted::File,
                    Only::Folder => Wanted::Folder,
                }),
            })
        })
        .collect()
}

/// Makes the command's ends of its pipes, and ours.
type Ends = ([OwnedFd; 3], Pipes);

fn ends(plan: &Plan) -> Result<Ends, NotStarted> {
    let made = match &plan.terminal {
        Some(terminal) => {
            let (_, become_user) = account(&plan.command.run_as)?;
            let owner = become_user.map(|user| user.uid);
            at_a_terminal((terminal.columns, terminal.rows), owner)
        }
        None => piped(plan.stdin()),
    };
    made.map_err(|fault| NotStarted::io("making its pipes", &fault))
}

fn piped(input: Stdin) -> io::Result<Ends> {
    let (stdout, stdout_child) = sys::pipe()?;
    let (stderr, stderr_child) = sys::pipe()?;
    let (stdin_child, stdin) = match input {
        Stdin::None => (sys::null()?, None),
        Stdin::Accepted { .. } => {
            let (reader, writer) = sys::pipe()?;
            (reader, Some(writer))
        }
    };

    Ok((
        [stdin_child, stdout_child, stderr_child],
        Pipes {
            stdin,
            stdout,
            stderr: Some(stderr),
        },
    ))
}

fn at_a_terminal(size: sys::Size, owner: Option<u32>) -> io::Result<Ends> {
    let (kept, given) = sys::terminal(size, owner)?;
    let pipes = Pipes {
        stdin: Some(kept.try_clone()?),
        stdout: kept,
        stderr: None,
    };

    Ok(([given.try_clone()?, given.try_clone()?, given], pipes))
}
