//! The frontend's cell: another user, no privileges to gain, no files, and only the system calls it
//! needs.
//!
//! Done before the process starts a thread, because filters bind only threads made later.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::collections::BTreeMap;
use std::io;

/// Who the frontend becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The user id to become, not 0.
    pub uid: u32,
    /// The group id to become, not 0.
    pub gid: u32,
}

/// What holds after [`confine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// The user that the process became, when it was root.
    pub user: Option<Identity>,
    /// What Landlock enforces: `full`, `partial`, `none`.
    pub landlock: &'static str,
}

/// Confines this process for good. Single-threaded processes only.
///
/// # Errors
/// A sentence that says which part failed. Landlock is used as far as the kernel has it; everything
/// else must hold.
pub fn confine(become_user: Option<Identity>) -> Result<Confinement, String> {
    limit(libc::RLIMIT_CORE, 0)?;
    if let Some(identity) = become_user {
        drop_to(identity)?;
    }
    super::undumpable().map_err(|fault| format!("PR_SET_DUMPABLE: {fault}"))?;

    // SAFETY: prctl with numbers only.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(format!(
            "PR_SET_NO_NEW_PRIVS: {}",
            io::Error::last_os_error()
        ));
    }

    let landlock = nothing_readable();
    for program in filters()? {
        apply_filter(&program).map_err(|fault| format!("seccomp: {fault}"))?;
    }
    Ok(Confinement {
        user: become_user,
        landlock,
    })
}

/// What this kernel offers for the cell, for `check`, which does not enter it: seccomp or not, and
/// Landlock's version.
pub fn kernel_offers() -> (bool, Option<i64>) {
    // SAFETY: prctl with a number only; it answers whether seccomp is known.
    let seccomp = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) } >= 0;

    // SAFETY: with no attributes and flag 1 the call only answers with its version.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    (seccomp, (version > 0).then_some(version))
}

fn limit(resource: libc::__rlimit_resource_t, most: u64) -> Result<(), String> {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };

    // SAFETY: `limit` lives through the call.
    match unsafe { libc::setrlimit(resource, &raw const limit) } {
        0 => Ok(()),
        _ => Err(format!("setrlimit: {}", io::Error::last_os_error())),
    }
}

/// Becomes another user, and proves that there is no way back.
fn drop_to(identity: Identity) -> Result<(), String> {
    let Identity { uid, gid } = identity;
    if uid == 0 || gid == 0 || uid == u32::MAX || gid == u32::MAX {
        return Err(format!("the frontend cannot be user {uid}, group {gid}"));
    }
    let last = |what: &str| format!("{what}: {}", io::Error::last_os_error());

    // SAFETY: calls with numbers and one empty list; this process has a single thread.
    unsafe {
        if libc::setgroups(0, std::ptr::null()) != 0 {
            return Err(last("setgroups"));
        }
        if libc::setresgid(gid, gid, gid) != 0 {
            return Err(last("setresgid"));
        }
        if libc::setresuid(uid, uid, uid) != 0 {
            return Err(last("setresuid"));
        }
        if libc::setresuid(u32::MAX, 0, u32::MAX) == 0
            || libc::setuid(0) == 0
            || libc::setgid(0) == 0
        {
            return Err("the way back to root was open".into());
        }
    }

    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|fault| format!("/proc/self/status: {fault}"))?;
    let holds = |key: &str, value: &str| {
        status.lines().any(|line| {
            line.strip_prefix(key)
                .is_some_and(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" ") == value)
        })
    };

    // Real, effective, saved, and that of the file system.
    let (uids, gids) = (
        format!("{uid} {uid} {uid} {uid}"),
        format!("{gid} {gid} {gid} {gid}"),
    );

    let none = "0000000000000000";
    if holds("Uid:", &uids)
        && holds("Gid:", &gids)
        && holds("Groups:", "")
        && ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"]
            .iter()
            .all(|set| holds(set, none))
    {
        return Ok(());
    }
    Err("after the change of user, ids, groups or capabilities are not what they should be".into())
}

fn ruleset() -> Result<Ruleset, landlock::RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))
}

fn nothing_readable() -> &'static str {
    match ruleset()
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
    {
        Ok(status) => match status.ruleset {
            RulesetStatus::FullyEnforced => "full",
            RulesetStatus::PartiallyEnforced => "partial",
            RulesetStatus::NotEnforced => "none",
        },
        Err(_) => "none",
    }
}

/// What tokio, rustls and the allocator need once everything is open.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_accept4,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_mremap,
    libc::SYS_getrandom,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_clock_gettime,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_restart_syscall,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_lseek,
    // A run's spool, by offset.
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_tgkill,
    libc::SYS_geteuid,
];

#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[libc::c_long] = &[libc::SYS_epoll_wait, libc::SYS_poll];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[libc::c_long] = &[];

/// What only an attacker would try: the process ends.
const FATAL: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_setuid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_open_by_handle_at,
];

/// Rules of a filter, by system call; none at all means always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters in the order in which they are applied: the list of what is allowed comes last,
/// because it does not allow applying another. Where two speak, the sterner wins whatever their
/// order.
fn filters() -> Result<Vec<BpfProgram>, String> {
    let mut allowed = always(ALLOWED);
    allowed.extend(always(ALLOWED_HERE));
    allow_on_descriptors(&mut allowed)?;
    allow_sending(&mut allowed)?;
    allow_memory_and_threads(&mut allowed)?;

    // Passed here and answered by the filter of its own, or libc would see EPERM and not fall back
    // to clone.
    allowed.insert(libc::SYS_clone3, Vec::new());
    Ok(vec![
        build(
            always(FATAL),
            SeccompAction::Allow,
            SeccompAction::KillProcess,
        )?,
        // Its flags lie in memory where no filter can see them; libc falls back to clone.
        build(
            always(&[libc::SYS_clone3]),
            SeccompAction::Allow,
            SeccompAction::Errno(libc::ENOSYS as u32),
        )?,
        // Unknown calls fail instead of killing, so that a library's update is no crash loop.
        build(
            allowed,
            SeccompAction::Errno(libc::EPERM as u32),
            SeccompAction::Allow,
        )?,
    ])
}

fn seccomp(fault: seccompiler::BackendError) -> String {
    format!("seccomp: {fault}")
}

/// A filter with one answer for the calls that are listed, and one for all others.
fn build(
    rules: Rules,
    unlisted: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, String> {
    let arch = std::env::consts::ARCH.try_into().map_err(seccomp)?;
    SeccompFilter::new(rules, unlisted, listed, arch)
        .and_then(BpfProgram::try_from)
        .map_err(seccomp)
}

fn always(calls: &[libc::c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// The condition that an argument of a call must be so.
fn must(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition, String> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value).map_err(seccomp)
}

/// The rule that all of these conditions must hold.
fn all(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, String> {
    SeccompRule::new(conditions).map_err(seccomp)
}

/// The rules for a call whose argument must be one of a few numbers.
fn one_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, String> {
    values
        .iter()
        .map(|value| all(vec![must(argument, SeccompCmpOp::Eq, *value)?]))
        .collect()
}

/// The rule for a call of whose argument these bits must be so.
fn masked(argument: u8, mask: u64, value: u64) -> Result<Vec<SeccompRule>, String> {
    let bits = must(argument, SeccompCmpOp::MaskedEq(mask), value)?;
    Ok(vec![all(vec![bits])?])
}

/// What may be done to a descriptor that is open.
fn allow_on_descriptors(allowed: &mut Rules) -> Result<(), String> {
    // Flags and duplicates of descriptors; nothing else of fcntl.
    let fcntl = [
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_DUPFD_CLOEXEC,
        libc::F_SETPIPE_SZ,
    ];

    allowed.insert(libc::SYS_fcntl, one_of(1, &fcntl.map(|what| what as u64))?);

    // glibc makes fstat of it, on a descriptor and no path.
    allowed.insert(
        libc::SYS_newfstatat,
        one_of(3, &[libc::AT_EMPTY_PATH as u64])?,
    );

    // The size of a terminal is told to it, by descriptor; nothing that types into one (TIOCSTI).
    allowed.insert(
        libc::SYS_ioctl,
        one_of(1, &[libc::FIONBIO, libc::TIOCSWINSZ])?,
    );

    Ok(())
}

/// Sending goes over what is connected already: no address, and no connection made by sending (TCP
/// Fast Open).
fn allow_sending(allowed: &mut Rules) -> Result<(), String> {
    let unnamed =
        SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0).map_err(seccomp)?;
    let slow = |argument: u8| {
        let fast_open = libc::MSG_FASTOPEN as u64;
        must(argument, SeccompCmpOp::MaskedEq(fast_open), 0)
    };

    allowed.insert(libc::SYS_sendto, vec![all(vec![unnamed, slow(3)?])?]);
    allowed.insert(libc::SYS_sendmsg, vec![all(vec![slow(2)?])?]);

    // tokio's signal driver makes a Unix stream pair; no other socket can be made, above all none
    // that can be pointed at a path later.
    let pair = all(vec![
        must(0, SeccompCmpOp::Eq, libc::AF_UNIX as u64)?,
        must(1, SeccompCmpOp::MaskedEq(0xf), libc::SOCK_STREAM as u64)?,
    ])?;

    allowed.insert(libc::SYS_socketpair, vec![pair]);
    Ok(())
}

/// Memory may be mapped and protected, never made executable; threads may be made, no processes.
fn allow_memory_and_threads(allowed: &mut Rules) -> Result<(), String> {
    let executable = libc::PROT_EXEC as u64;
    allowed.insert(libc::SYS_mmap, masked(2, executable, 0)?);
    allowed.insert(libc::SYS_mprotect, masked(2, executable, 0)?);
    let thread = libc::CLONE_THREAD as u64;
    allowed.insert(libc::SYS_clone, masked(0, thread, thread)?);
    let prctl = [libc::PR_SET_NAME, libc::PR_GET_NAME, 0x5356_4d41];
    allowed.insert(libc::SYS_prctl, one_of(0, &prctl.map(|what| what as u64))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_both_allowed_and_fatal() {
        assert!(
            FATAL
                .iter()
                .all(|call| !ALLOWED.contains(call) && !ALLOWED_HERE.contains(call))
        );

        assert_eq!(filters().map(|programs| programs.len()), Ok(3));
    }
}
