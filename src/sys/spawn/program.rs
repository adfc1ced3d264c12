//! What is to be started, the steps from the vetted executable to the new program, and what came of
//! it.

use super::super::cgroup::Cgroup;
use super::super::executable::{Executable, ExecutableFault, Version};
use super::super::jail::Files;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

/// What to start. Made on the spawning thread, so that a file system that hangs holds up one start
/// and nothing else.
pub struct Program {
    /// The executable, opened and judged.
    pub executable: Executable,
    /// The program's argv, without what an interpreter needs before it.
    pub argv: Vec<CString>,
    /// The program's whole environment, `NAME=value`.
    pub environment: Vec<CString>,
    /// The program's working directory.
    pub cwd: CString,
    /// The user to become; `None` stays.
    pub become_user: Option<Take>,
    /// The program's standard input, output and error.
    pub stdio: [OwnedFd; 3],
    /// Paths to open as the new user before the program starts.
    pub opens: Vec<Open>,
    /// More descriptors that the program gets, from 3 on. Not together with paths that it keeps.
    pub passed: Option<[OwnedFd; 2]>,
    /// The control group to start the program in.
    pub cgroup: Option<Cgroup>,
    /// Bounds on the process itself.
    pub limits: Vec<ProcessLimit>,
    /// The permissions that new files do not get.
    pub umask: u32,
    /// Whether the program may gain privileges by what it executes (setuid, file capabilities).
    pub new_privileges: bool,
    /// Whether the program may make sockets.
    pub network: bool,
    /// Whether the program's standard input is a terminal that is to be its controlling one.
    pub terminal: bool,
    /// The files that the program may use; `None` are all that its user may.
    pub files: Option<Files>,
}

impl std::fmt::Debug for Program {
    /// Without argv and environment, which may hold secrets.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Program")
            .field("executable", &self.executable)
            .finish_non_exhaustive()
    }
}

/// Whether a program may still start, asked directly before the clone. What closes it in time starts
/// nothing.
pub type Gate = Box<dyn Fn() -> bool + Send>;

/// A bound on one process, and on each that it starts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimit {
    /// What is bounded.
    pub what: Resource,
    /// The bound.
    pub most: u64,
}

/// What the kernel bounds for one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Resource {
    /// Seconds of processor time.
    CpuTime,
    /// Open descriptors.
    OpenFiles,
    /// Bytes of a file that it writes.
    FileSize,
    /// Bytes of a core dump.
    Core,
    /// Bytes of address space.
    AddressSpace,
    /// Processes of its user, on the whole machine.
    Processes,
}

impl Resource {
    /// The kernel's number for what is bounded.
    pub(super) const fn number(self) -> i32 {
        (match self {
            Self::CpuTime => libc::RLIMIT_CPU,
            Self::OpenFiles => libc::RLIMIT_NOFILE,
            Self::FileSize => libc::RLIMIT_FSIZE,
            Self::Core => libc::RLIMIT_CORE,
            Self::AddressSpace => libc::RLIMIT_AS,
            Self::Processes => libc::RLIMIT_NPROC,
        }) as i32
    }
}

/// The ids of an account to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// The user id to become.
    pub uid: u32,
    /// The group id to become.
    pub gid: u32,
    /// The supplementary groups to become.
    pub groups: Vec<u32>,
}

/// A path to be opened beneath a root, through no link.
#[derive(Debug)]
pub struct Open {
    /// The root folder.
    pub root: CString,
    /// The path below it.
    pub relative: CString,
    /// The descriptor to keep it as; `None` only checks that it can be opened.
    pub keep: Option<u32>,
    /// What it must be; `None` takes files and folders.
    pub only: Option<Wanted>,
}

/// What a path must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Wanted {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// A process that was started.
#[derive(Debug)]
pub struct Child {
    /// The descriptor that becomes readable when the process has ended.
    pub pidfd: OwnedFd,
    /// The process's id, which is also its session's and process group's.
    pub pid: i32,
    /// The control group that the process was started in.
    pub cgroup: Option<Cgroup>,
    /// Which version of the executable runs.
    pub version: Version,
}

macro_rules! steps {
    ($($(#[doc = $doc:expr])+ $name:ident $word:literal,)+) => {
        /// The steps from the vetted executable to the new program, in their order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(i32)]
        pub enum Step {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Step {
            const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The step's name in errors and in the trail.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

steps! {
    /// Nothing failed.
    None "none",
    /// Opening and judging the executable.
    Executable "executable",
    /// Comparing the pinned digest.
    Digest "digest",
    /// Comparing what is executed with what was agreed to.
    Agreed "agreed",
    /// Preparing pipes and words.
    Prepare "prepare",
    /// Entering the control group.
    Cgroup "cgroup",
    /// A last look whether the program may still start.
    Gate "gate",
    /// The clone itself.
    Clone "clone",
    /// Taking the descriptors along.
    Descriptors "descriptors",
    /// Making a session of its own.
    Session "session",
    /// Taking standard input, output and error.
    Stdio "stdio",
    /// Taking the supplementary groups.
    Groups "groups",
    /// Becoming group and user.
    User "user",
    /// Entering the working directory.
    Cwd "cwd",
    /// Opening a path argument; the error names which.
    Path "path",
    /// Telling whether what was opened is the file or the folder that it must be; the error names
    /// which.
    Wanted "wanted",
    /// Taking the bounds on the process.
    Limits "limits",
    /// Giving up new privileges.
    Privileges "privileges",
    /// Giving up files.
    Sandbox "sandbox",
    /// Giving up the network.
    Network "network",
    /// Becoming the new program.
    Exec "exec",
    /// The start took longer than [`crate::limits::SPAWN`].
    Deadline "deadline",
}

impl Step {
    /// The step of this number, which came from another process.
    pub(in crate::sys) fn numbered(number: i32) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|number| Self::ALL.get(number))
            .copied()
            .unwrap_or(Self::Clone)
    }
}

/// Why a process was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnError {
    /// The step that failed.
    pub step: Step,
    /// The kernel's error number; 0 where it had no part in it.
    pub errno: i32,
    /// For [`Step::Path`] and [`Step::Wanted`]: the index of the path.
    pub index: usize,
    /// What else there is to say, if anything.
    pub detail: Option<String>,
}

impl SpawnError {
    /// A step that failed before the clone.
    pub fn before(step: Step, fault: &io::Error) -> Self {
        Self {
            step,
            errno: fault.raw_os_error().unwrap_or(0),
            index: 0,
            detail: Some(fault.to_string()),
        }
    }

    /// A step that failed with the kernel's error number.
    pub(super) const fn at(step: Step, errno: i32) -> Self {
        Self {
            step,
            errno,
            index: 0,
            detail: None,
        }
    }

    /// The kernel's sentence, or ours.
    pub fn cause(&self) -> String {
        self.detail
            .clone()
            .unwrap_or_else(|| io::Error::from_raw_os_error(self.errno).to_string())
    }
}

impl From<ExecutableFault> for SpawnError {
    fn from(fault: ExecutableFault) -> Self {
        let step = match fault {
            ExecutableFault::Digest(..) => Step::Digest,
            ExecutableFault::Changed(_) => Step::Agreed,
            _ => Step::Executable,
        };

        let errno = match &fault {
            ExecutableFault::Io(_, fault) => fault.raw_os_error().unwrap_or(libc::EIO),
            ExecutableFault::NotExecutable(_) => libc::EACCES,
            ExecutableFault::Interpreter(..) => libc::ENOEXEC,
            ExecutableFault::Untrusted(_)
            | ExecutableFault::Digest(..)
            | ExecutableFault::Changed(_) => 0,
        };

        Self {
            step,
            errno,
            index: 0,
            detail: Some(fault.to_string()),
        }
    }
}
