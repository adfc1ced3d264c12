//! A program that is made ready: as whom it runs, within which bounds, its executable not opened yet.

use super::fault::{NotStarted, Obstacle};
use crate::policy::{Account, Command, Digested, RunAs};
use crate::sys::{
    self, ProcessLimit, Program, Resource, SpawnError, Step, Take, TreeLimits, Trust,
};
use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;

/// A program whose executable has not been opened yet: that happens where hanging hurts nobody.
pub(super) struct Draft {
    /// The executable's path; `None` is this very program.
    pub(super) executable: Option<PathBuf>,
    pub(super) sha256: Option<[u8; 32]>,
    /// The files that were agreed to, where somebody had to agree.
    pub(super) agreed: Option<Arc<[Digested]>>,
    pub(super) tree: TreeLimits,
    pub(super) stays: bool,
    pub(super) rest: Box<dyn FnOnce(sys::Executable) -> Program + Send>,
}

impl Draft {
    pub(super) fn program(self) -> Result<Program, SpawnError> {
        let executable = match &self.executable {
            Some(path) => match &self.agreed {
                Some(files) => {
                    sys::agreed_executable(path, &Trust::own(), self.sha256.as_ref(), files)?
                }
                None => sys::open_executable(path, &Trust::own(), self.sha256.as_ref())?,
            },
            None => sys::own_executable()
                .map_err(|fault| SpawnError::before(Step::Executable, &fault))?,
        };
        Ok((self.rest)(executable))
    }
}

/// Bounds on the process itself.
pub(super) fn process_limits(command: &Command) -> Vec<ProcessLimit> {
    /// What a program may expect that says nothing; the daemon's own bound is much higher, and
    /// select(2) breaks above this.
    const OPEN_FILES: u64 = 1024;
    let limits = &command.limits;
    let alone = |bound: Option<u64>| bound.filter(|_| limits.per_process);
    let set = [
        (Resource::Core, (!limits.core).then_some(0)),
        (
            Resource::OpenFiles,
            Some(limits.open_files.unwrap_or(OPEN_FILES)),
        ),
        (
            Resource::CpuTime,
            limits.cpu_time.map(|time| time.as_secs().max(1)),
        ),
        (Resource::FileSize, limits.file_size),
        (Resource::AddressSpace, alone(limits.memory)),
        (Resource::Processes, alone(limits.processes)),
    ];

    set.into_iter()
        .filter_map(|(what, most)| Some(ProcessLimit { what, most: most? }))
        .collect()
}

pub(super) fn tree_limits(command: &Command) -> TreeLimits {
    let limits = &command.limits;
    if limits.per_process {
        return TreeLimits::default();
    }
    TreeLimits {
        memory: limits.memory,
        processes: limits.processes,
        cpu_percent: limits.cpu_percent,
    }
}

/// A word as the kernel takes it.
pub(super) fn text(text: &str) -> Result<CString, NotStarted> {
    CString::new(text).map_err(|_| NotStarted {
        obstacle: Obstacle::Start,
        argument: None,
        text: "a NUL in its words".into(),
    })
}

/// The account that a command runs as, and what to become for it.
pub(super) fn account(run_as: &RunAs) -> Result<(&Account, Option<Take>), NotStarted> {
    match run_as {
        RunAs::Daemon(account) => Ok((account, None)),
        RunAs::Account(account) => {
            let take = Take {
                uid: account.uid,
                gid: account.gid,
                groups: account.groups.clone(),
            };
            Ok((account, Some(take)))
        }

        RunAs::Unresolved(name) => Err(NotStarted {
            obstacle: Obstacle::Start,
            argument: None,
            text: format!("the user `{name}` was not looked up"),
        }),
    }
}
