//! Starting, watching and ending runs. Nothing else in the project can start a command, and this only with a
//! [`Grant`] of the policy and a [`Receipt`] of the trail.

mod fault;
mod running;

pub use fault::{NotStarted, Obstacle};
pub use running::Running;

use crate::audit::Receipt;
use crate::policy::{Grant, Plan, RunAs, Stdin};
use crate::sys::{self, Open, Program, Spawner, Take};
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// The frontend's ends of a run's pipes.
#[derive(Debug)]
pub struct Pipes {
    /// Where the command's input is written, when it takes any.
    pub stdin: Option<OwnedFd>,
    /// Where its output is read.
    pub stdout: OwnedFd,
    /// Where its error output is read.
    pub stderr: OwnedFd,
}

/// Runs what was granted.
///
/// # Errors
/// The step that failed; then nothing has run.
pub async fn run(spawner: &Spawner, grant: &Grant<Plan>, receipt: Receipt) -> Result<(Running, Pipes), NotStarted> {
    if !receipt.covers(grant) {
        return Err(NotStarted { obstacle: Obstacle::Start, argument: None, text: "the receipt is another request's".into() });
    }
    let (program, pipes) = prepare(grant, &receipt)?;
    let (done, answer) = tokio::sync::oneshot::channel();
    let handed_over = spawner.submit(
        program,
        Box::new(move |result| {
            // Nobody waits any more when the monitor is ending; the child dies with it.
            let _ = done.send(result);
        }),
    );
    if handed_over.is_err() {
        return Err(NotStarted { obstacle: Obstacle::Start, argument: None, text: "too many commands are being started".into() });
    }
    match answer.await {
        Ok(Ok(child)) => {
            let running = Running::watch(receipt.run(), child).map_err(|fault| NotStarted::io("watching the process", &fault))?;
            Ok((running, pipes))
        }
        Ok(Err(error)) => Err(NotStarted::step(&error, grant.what())),
        Err(_) => Err(NotStarted { obstacle: Obstacle::Start, argument: None, text: "the spawning thread is gone".into() }),
    }
}

/// Everything the child needs, made beforehand.
fn prepare(grant: &Grant<Plan>, receipt: &Receipt) -> Result<(Program, Pipes), NotStarted> {
    let plan = grant.what();
    let command = &plan.command;
    let text = |text: &str| {
        CString::new(text).map_err(|_| NotStarted { obstacle: Obstacle::Start, argument: None, text: "a NUL in its words".into() })
    };
    let (account, become_user) = match &command.run_as {
        RunAs::Daemon(account) => (account, None),
        RunAs::Account(account) => (account, Some(Take { uid: account.uid, gid: account.gid, groups: account.groups.clone() })),
        RunAs::Unresolved(name) => {
            return Err(NotStarted { obstacle: Obstacle::Start, argument: None, text: format!("the user `{name}` was not looked up") });
        }
    };
    let mut environment = vec![
        text("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")?,
        text("LANG=C.UTF-8")?,
        text(&format!("HOME={}", account.home.display()))?,
        text(&format!("USER={}", account.name))?,
        text(&format!("ORDAIN_USER={}", grant.user()))?,
        text(&format!("ORDAIN_COMMAND={}", command.name))?,
        text(&format!("ORDAIN_RUN_ID={}", receipt.run()))?,
        text(&format!("ORDAIN_SOURCE={}", grant.source()))?,
    ];
    for (name, value) in &plan.environment {
        environment.retain(|known| !known.to_bytes().starts_with(format!("{name}=").as_bytes()));
        environment.push(text(&format!("{name}={value}"))?);
    }
    let pipe = || sys::pipe().map_err(|fault| NotStarted::io("making a pipe", &fault));
    let (stdout, stdout_child) = pipe()?;
    let (stderr, stderr_child) = pipe()?;
    let (stdin_child, stdin) = match command.stdin {
        Stdin::None => (sys::null().map_err(|fault| NotStarted::io("/dev/null", &fault))?, None),
        Stdin::Accepted { .. } => {
            let (reader, writer) = pipe()?;
            (reader, Some(writer))
        }
    };
    let opens = plan
        .opens
        .iter()
        .map(|open| Ok(Open { root: text(&open.beneath.to_string_lossy())?, relative: text(&open.relative)?, keep: open.descriptor }))
        .collect::<Result<_, NotStarted>>()?;
    let program = Program {
        executable: text(command.executable())?,
        argv: plan.argv.iter().map(|word| text(word)).collect::<Result<_, _>>()?,
        environment,
        cwd: text(&command.cwd.to_string_lossy())?,
        become_user,
        stdio: [stdin_child, stdout_child, stderr_child],
        opens,
    };
    Ok((program, Pipes { stdin, stdout, stderr }))
}
