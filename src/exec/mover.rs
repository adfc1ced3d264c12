//! The start of a mover: this very program anew, as the root's account, with the root's folder, and a
//! socket to the monitor, and next to nothing else.

use super::draft::{Draft, account, process_limits, text, tree_limits};
use super::fault::NotStarted;
use crate::files::ToMover;
use crate::policy::{Moving, Plan, Right};
use crate::sys::{self, Files, ProcessLimit, Program, Reach, Resource};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Everything a mover needs, made beforehand, and the monitor's end of their socket, into which its
/// task was put.
pub(super) fn prepare(
    plan: &Plan,
    moving: &Moving,
    stdio: [OwnedFd; 3],
) -> Result<(Draft, OwnedFd), NotStarted> {
    let command = &plan.command;
    let (_, become_user) = account(&command.run_as)?;
    let (words, theirs) =
        told(moving).map_err(|fault| NotStarted::io("telling it what to do", &fault))?;
    let folder =
        folder(moving).map_err(|fault| NotStarted::io("the folder of its root", &fault))?;
    let argv = plan
        .argv
        .iter()
        .map(|word| text(word))
        .collect::<Result<Vec<_>, _>>()?;
    let cwd = text("/")?;

    let mut limits = process_limits(command);
    if moving.right == Right::Put {
        limits.push(ProcessLimit {
            what: Resource::FileSize,
            most: moving.root.rules.max_file,
        });
    }
    let files = Files {
        below: Some(reach(moving)),
        ..Files::default()
    };
    let rest = move |executable| Program {
        executable,
        argv,
        environment: Vec::new(),
        cwd,
        become_user,
        stdio,
        opens: Vec::new(),
        passed: Some([folder, theirs]),
        cgroup: None,
        limits,
        umask: 0o077,
        new_privileges: false,
        network: false,
        terminal: false,
        files: Some(files),
    };
    let draft = Draft {
        executable: None,
        agreed: None,
        sha256: None,
        tree: tree_limits(command),
        stays: false,
        rest: Box::new(rest),
    };
    Ok((draft, words))
}

/// Both ends of the socket, with the task already on its way.
fn told(moving: &Moving) -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = sys::pair()?;
    let task = ToMover::Task(moving.task.clone());
    let bytes = task.encode().map_err(io::Error::other)?;
    sys::send(ours.as_fd(), &bytes, &[])?;
    Ok((ours, theirs))
}

/// The root's folder, as it was opened when the configuration was loaded.
fn folder(moving: &Moving) -> io::Result<OwnedFd> {
    let opened = moving.root.folder.as_ref();
    let opened = opened.ok_or_else(|| io::Error::other("it was not opened"))?;
    opened.folder.try_clone()
}

/// What of the file system below the root a transfer needs.
fn reach(moving: &Moving) -> Reach {
    match (moving.right, &moving.task.act) {
        (Right::List, crate::files::Act::List { digests: false, .. }) => Reach::List,
        (Right::List | Right::Get, _) => Reach::Read,
        (Right::Put, _) => Reach::Write,
        (Right::Remove, _) => Reach::Remove,
    }
}
