//! What a run may be kept from: the network, and every file but those that are named.

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter, sock_filter};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The files that a run may use, each path with everything below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Files {
    /// Paths that a run may read.
    pub read: Vec<PathBuf>,
    /// Paths that a run may read and change.
    pub write: Vec<PathBuf>,
    /// Paths that a run may read and execute.
    pub execute: Vec<PathBuf>,
    /// What a run may do below the folder that is passed on to it.
    pub below: Option<Reach>,
}

/// What a run may do below a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Reach {
    /// See what is in folders.
    List,
    /// See what is in folders, and read files.
    Read,
    /// Read, make, change and rename files, folders and links.
    Write,
    /// See what is in folders, and remove files, folders and links.
    Remove,
}

impl Reach {
    /// As the kernel says it.
    fn access(self) -> BitFlags<AccessFs> {
        let remove = AccessFs::RemoveFile | AccessFs::RemoveDir;
        match self {
            Self::List => AccessFs::ReadDir.into(),
            Self::Read => AccessFs::ReadDir | AccessFs::ReadFile,
            Self::Remove => remove | AccessFs::ReadDir,
            Self::Write => {
                let read = AccessFs::ReadDir | AccessFs::ReadFile;
                let made = AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::MakeSym;
                let change = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::Refer;
                read | made | remove | change
            }
        }
    }
}

/// Where loader and libraries are, which every sandbox may read and execute.
const LIBRARIES: &[&str] = &[
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
];
/// What the loader and most programs open before anything else, which every sandbox may read.
const START: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
];
/// What every sandbox may read and write.
const SINK: &str = "/dev/null";

/// Makes the set of rules for one run, to be entered by its process. `own` is the executable itself
/// and its interpreters, `root` the folder that is passed on. Paths that do not exist are passed over:
/// nothing is granted by them.
///
/// # Errors
/// When this kernel has no Landlock, or a path cannot be opened for another reason.
pub fn sandbox(files: &Files, own: &[PathBuf], root: Option<&OwnedFd>) -> io::Result<OwnedFd> {
    let wrong = |fault: RulesetError| io::Error::other(fault.to_string());
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let execute = read | AccessFs::Execute;

    // Devices are never made: the node of a disk would be a way around every other rule.
    let write = AccessFs::from_all(ABI::V5)
        & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(|rules| {
            rules
                .set_compatibility(CompatLevel::BestEffort)
                .handle_access(AccessFs::from_all(ABI::V5))
        })
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .map_err(wrong)?;
    let all = |paths: &'static [&'static str], access| {
        paths.iter().map(move |path| (Path::new(path), access))
    };
    let named = |paths, access| {
        <[PathBuf]>::iter(paths).map(move |path: &PathBuf| (path.as_path(), access))
    };
    let wanted = all(LIBRARIES, execute)
        .chain(all(START, read))
        .chain([(Path::new(SINK), read | AccessFs::WriteFile)])
        .chain(named(own, execute))
        .chain(named(&files.read, read))
        .chain(named(&files.write, write))
        .chain(named(&files.execute, execute));
    for (path, access) in wanted {
        rules = allow(rules, path, access)?;
    }
    if let (Some(reach), Some(root)) = (files.below, root) {
        let rule = PathBeneath::new(root, reach.access());
        rules = rules.add_rule(rule).map_err(wrong)?;
    }
    Option::<OwnedFd>::from(rules)
        .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "this kernel has no Landlock"))
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> io::Result<RulesetCreated> {
    let Ok(opened) = PathFd::new(path) else {
        return match std::fs::symlink_metadata(path) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(rules),
            Err(fault) => Err(fault),
            // A link that leads nowhere.
            Ok(_) => Ok(rules),
        };
    };
    // Some rights speak of folders only.
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(ABI::V5)
    };
    rules
        .add_rule(PathBeneath::new(opened, access))
        .map_err(|fault| io::Error::other(format!("{}: {fault}", path.display())))
}

/// The bit that marks the numbers of x32, the second set of calls of the same architecture.
const X32: u32 = 0x4000_0000;

/// The filter with three steps before it, that make every call of x32 fail: each call has another
/// number there, which the filter's own rules do not know.
fn without_x32(filter: BpfProgram) -> BpfProgram {
    let step = |code: u32, jt: u8, jf: u8, k: u32| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    // The number stands first in what a filter is shown.
    let mut program = vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EACCES as u32,
        ),
    ];
    program.extend(filter);
    program
}

/// The filter that makes socket(2) fail for every family, and io_uring, which could make sockets
/// behind its back.
///
/// # Errors
/// On machines that the filter is not written for.
pub fn no_network() -> Result<&'static [sock_filter], String> {
    static FILTER: OnceLock<Result<BpfProgram, String>> = OnceLock::new();
    let made = FILTER.get_or_init(|| {
        refusing(&[
            libc::SYS_socket,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
        ])
    });

    made.as_deref().map_err(Clone::clone)
}

/// The filter that makes these calls fail.
fn refusing(calls: &[libc::c_long]) -> Result<BpfProgram, String> {
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(|fault| format!("seccomp: {fault}"))?;
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EACCES as u32),
        arch,
    )
    .and_then(BpfProgram::try_from)
    .map(without_x32)
    .map_err(|fault| format!("seccomp: {fault}"))
}

/// What a mover has no use for: to start programs, to look into others, to give files away, to lend
/// them rights, to make devices, to leave its place.
const NOT_A_MOVERS: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_mknodat,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_chroot,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
];

/// Gives up for good what a mover has no use for, and keeps other processes of its account from
/// looking into it. For a process of a single thread.
///
/// # Errors
/// A sentence that says which part failed.
pub fn confine_mover() -> Result<(), String> {
    super::undumpable().map_err(|fault| format!("PR_SET_DUMPABLE: {fault}"))?;
    // SAFETY: prctl with numbers only.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        let fault = io::Error::last_os_error();
        return Err(format!("PR_SET_NO_NEW_PRIVS: {fault}"));
    }
    apply_filter(&refusing(NOT_A_MOVERS)?).map_err(|fault| format!("seccomp: {fault}"))
}

/// What a recorder has no use for besides: to open anything, the network, to signal others, names.
const NOT_A_RECORDERS: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fchmodat,
    libc::SYS_fchmod,
    libc::SYS_setuid,
    libc::SYS_setresuid,
    libc::SYS_keyctl,
];

/// Gives up for good what a recorder has no use for, and keeps other processes of its account from
/// looking into it. For a process of a single thread.
///
/// # Errors
/// A sentence that says which part failed.
pub fn confine_recorder() -> Result<(), String> {
    confine_mover()?;
    apply_filter(&refusing(NOT_A_RECORDERS)?).map_err(|fault| format!("seccomp: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mover_starts_no_program_and_gives_nothing_away() {
        // SAFETY: the child makes system calls, and ends by one.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let confined = confine_mover().is_ok();
            // SAFETY: as above; each call gets numbers that name nothing, or null pointers.
            unsafe {
                let refused = |call: libc::c_long| {
                    libc::syscall(call, -1, 0, 0, 0, 0) < 0
                        && *libc::__errno_location() == libc::EACCES
                };
                let all = NOT_A_MOVERS.iter().all(|call| refused(*call));
                let works = libc::syscall(libc::SYS_getppid) > 0;
                libc::_exit(i32::from(!(confined && all && works)));
            }
        }
        let mut status = 0;
        // SAFETY: a child of ours that nobody else waits for.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
    }

    #[test]
    fn a_recorder_opens_nothing_and_speaks_with_nobody_new() {
        // SAFETY: the child makes system calls, and ends by one.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let confined = confine_recorder().is_ok();
            // SAFETY: as above; each call gets numbers that name nothing, or null pointers.
            unsafe {
                let refused = |call: libc::c_long| {
                    libc::syscall(call, -1, 0, 0, 0, 0) < 0
                        && *libc::__errno_location() == libc::EACCES
                };
                let all = NOT_A_RECORDERS.iter().all(|call| refused(*call));
                let movers = NOT_A_MOVERS.iter().all(|call| refused(*call));
                libc::_exit(i32::from(!(confined && all && movers)));
            }
        }
        let mut status = 0;
        // SAFETY: a child of ours that nobody else waits for.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
    }

    /// The error number that a call with no arguments that make sense gets behind the filter.
    fn answer(call: libc::c_long) -> i32 {
        let filter: BpfProgram = no_network().unwrap().to_vec();
        // SAFETY: the child makes a few raw system calls, allocates nothing, and ends by one.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                if apply_filter(&filter).is_err() {
                    libc::_exit(255);
                }
                let made = libc::syscall(call, libc::AF_UNIX, libc::SOCK_STREAM, 0);
                libc::_exit(if made < 0 {
                    *libc::__errno_location()
                } else {
                    0
                });
            }
        }
        let mut status = 0;
        // SAFETY: a child of ours that nobody else waits for.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        libc::WEXITSTATUS(status)
    }

    #[test]
    fn without_the_network_the_calls_of_x32_make_no_socket_either() {
        assert_eq!(answer(libc::SYS_socket), libc::EACCES);
        assert_eq!(
            answer(libc::SYS_socket | libc::c_long::from(X32)),
            libc::EACCES
        );
        assert_eq!(answer(libc::SYS_getppid), 0);
    }
}
