//! The frontend's cell: another user, no privileges to gain, no files, and only the system calls it
//! needs.
//!
//! Done before the process starts a thread, because filters bind only threads made later.

use super::cell::{CELL, FATAL, Only};
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

/// Rules of a filter, by system call; none at all means always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters in the order in which they are applied: the list of what is allowed comes last,
/// because it does not allow applying another. Where two speak, the sterner wins whatever their
/// order.
fn filters() -> Result<Vec<BpfProgram>, String> {
    let mut allowed = cell()?;

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

/// The list of what is allowed, as rules.
fn cell() -> Result<Rules, String> {
    let mut rules = Rules::new();
    for allowed in CELL {
        let of_call = rules.entry(allowed.number).or_default();
        // None at all would mean always, beside which no other line makes sense.
        if !allowed.only.is_empty() {
            let conditions = allowed.only.iter().map(condition);
            let rule = SeccompRule::new(conditions.collect::<Result<_, _>>()?).map_err(seccomp)?;
            of_call.push(rule);
        }
    }
    Ok(rules)
}

fn condition(only: &Only) -> Result<SeccompCondition, String> {
    use SeccompCmpArgLen::{Dword, Qword};
    use SeccompCmpOp::{Eq, MaskedEq};
    let (argument, length, op, value) = match *only {
        Only::Is(argument, value) => (argument, Dword, Eq, value),
        Only::With(argument, bits) => (argument, Dword, MaskedEq(bits), bits),
        Only::Without(argument, bits) => (argument, Dword, MaskedEq(bits), 0),
        Only::Null(argument) => (argument, Qword, Eq, 0),
        Only::Own(argument) => (argument, Dword, Eq, u64::from(std::process::id())),
    };
    SeccompCondition::new(argument, length, op, value).map_err(seccomp)
}

#[cfg(test)]
#[path = "sandbox_tests.rs"]
mod tests;
