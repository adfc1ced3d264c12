//! The child's life from the clone to exec, on the parent's memory: raw system calls only, no
//! allocation, no lock, no panic.

use super::super::standing::Standing;
use super::program::Step;
use super::raw::{fstat, raw};
use super::shared::{RawOpen, Shared};
use std::ffi::c_void;
use std::os::fd::RawFd;

const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;
const SECCOMP_SET_MODE_FILTER: u32 = 1;

/// The kernel's `open_how`.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`
const RESOLVE: u64 = 0x08 | 0x04 | 0x02;

/// A raw system call that may fail; its negative result is turned into the error number.
macro_rules! call {
    ($shared:expr, $step:expr, $($argument:expr),+) => {{
        let value = raw!($($argument),+);
        if value < 0 {
            give_up($shared, $step, *libc::__errno_location());
        }
        value
    }};
}

/// Reports a step that failed and ends the child.
///
/// # Safety
/// To be called in the child only.
unsafe fn give_up(shared: *mut Shared, step: Step, errno: i32) -> ! {
    // SAFETY: the parent is suspended and its frame alive; volatile, so that the writes happen
    // before the exit.
    unsafe {
        let report = (*shared).report.get();
        (&raw mut (*report).errno).write_volatile(errno);
        (&raw mut (*report).step).write_volatile(step as i32);
        loop {
            raw!(libc::SYS_exit_group, 127);
        }
    }
}

/// The child's whole life until exec.
///
/// # Safety
/// Runs on its own stack while the parent's thread is suspended; `with` points to its [`Shared`].
/// Nothing unwinds here but the end of a child that Miri runs.
pub(super) unsafe extern "C-unwind" fn child(with: *mut c_void) -> ! {
    let shared: *mut Shared = with.cast();

    // SAFETY: raw system calls only, here and in what is called, on memory that the suspended
    // parent prepared and keeps alive. errno lies in the suspended thread's own storage. No path
    // allocates, locks or unwinds.
    unsafe {
        let plan = &*shared;
        let Kept {
            executable,
            rules,
            passed,
        } = keep_descriptors(shared);
        take_stdio(shared, passed);
        reset_signals(plan.ignored);
        be_spared_no_more(plan.standing);
        become_user(shared);

        // After the change of user, which clears it. The spawning thread lives as long as the
        // daemon.
        raw!(
            libc::SYS_prctl,
            libc::PR_SET_PDEATHSIG,
            libc::SIGKILL,
            0,
            0,
            0,
        );

        raw!(libc::SYS_umask, plan.umask);
        call!(shared, Step::Cwd, libc::SYS_chdir, plan.cwd);
        let mut index = 0;

        while index < plan.open_count {
            (&raw mut (*plan.report.get()).index).write_volatile(index);
            open_beneath(shared, &*plan.opens.add(index));
            index += 1;
        }

        take_limits(shared);
        fall_back(plan.standing);
        give_up_powers(shared, rules);
        exec(shared, executable)
    }
}

/// Descriptors out of the way of those that the program gets by their numbers.
struct Kept {
    executable: i64,
    /// -1 where there are none.
    rules: i64,
    passed: Option<[i64; 2]>,
}

/// A table of descriptors and a session of its own. Returns the executable, the rules and what is
/// passed on, out of the way of standard input, output, error, the paths' descriptors and theirs.
///
/// # Safety
/// To be called in the child only.
unsafe fn keep_descriptors(shared: *mut Shared) -> Kept {
    // SAFETY: raw system calls with numbers only; the plan is the suspended parent's.
    unsafe {
        let plan = &*shared;

        // Without what lies above the descriptors that are needed.
        call!(
            shared,
            Step::Descriptors,
            libc::SYS_close_range,
            plan.above,
            u32::MAX,
            CLOSE_RANGE_UNSHARE
        );

        call!(shared, Step::Session, libc::SYS_setsid);

        let executable = moved(shared, plan.executable);
        let rules = match plan.rules {
            -1 => -1,
            rules => moved(shared, rules),
        };
        let passed = plan
            .passed
            .map(|[first, second]| [moved(shared, first), moved(shared, second)]);
        Kept {
            executable,
            rules,
            passed,
        }
    }
}

/// Another number of a descriptor, above all that the program gets by their numbers.
///
/// # Safety
/// To be called in the child only.
unsafe fn moved(shared: *mut Shared, descriptor: RawFd) -> i64 {
    // SAFETY: raw system calls with numbers only; the plan is the suspended parent's.
    unsafe {
        let plan = &*shared;
        let free = 3 + plan.open_count + if plan.passed.is_some() { 2 } else { 0 };
        call!(
            shared,
            Step::Descriptors,
            libc::SYS_fcntl,
            descriptor,
            libc::F_DUPFD_CLOEXEC,
            free
        )
    }
}

/// Takes standard input, output and error, and what is passed on behind them; every other descriptor
/// is closed by exec.
///
/// # Safety
/// To be called in the child only.
unsafe fn take_stdio(shared: *mut Shared, passed: Option<[i64; 2]>) {
    // SAFETY: raw system calls with numbers only; the plan is the suspended parent's.
    unsafe {
        let plan = &*shared;
        let [stdin, stdout, stderr] = plan.stdio;
        call!(shared, Step::Stdio, libc::SYS_dup3, stdin, 0, 0);
        call!(shared, Step::Stdio, libc::SYS_dup3, stdout, 1, 0);
        call!(shared, Step::Stdio, libc::SYS_dup3, stderr, 2, 0);
        if plan.terminal {
            call!(shared, Step::Stdio, libc::SYS_ioctl, 0, libc::TIOCSCTTY, 0);
        }
        call!(
            shared,
            Step::Stdio,
            libc::SYS_close_range,
            3,
            u32::MAX,
            CLOSE_RANGE_CLOEXEC
        );
        if let Some([first, second]) = passed {
            call!(shared, Step::Stdio, libc::SYS_dup3, first, 3, 0);
            call!(shared, Step::Stdio, libc::SYS_dup3, second, 4, 0);
        }
    }
}

/// Gives up being spared when memory runs out, which the daemon alone is to have. It is a step down,
/// which the kernel allows; where it does not, the program starts all the same.
///
/// # Safety
/// To be called in the child only.
unsafe fn be_spared_no_more(standing: Option<Standing>) {
    // SAFETY: raw system calls with numbers and constant texts.
    unsafe {
        let Some(standing) = standing else { return };
        if standing.spared {
            let score = raw!(
                libc::SYS_openat,
                libc::AT_FDCWD,
                c"/proc/self/oom_score_adj".as_ptr(),
                libc::O_WRONLY | libc::O_CLOEXEC,
                0
            );
            raw!(libc::SYS_write, score, c"0".as_ptr(), 1);
            raw!(libc::SYS_close, score);
        }
    }
}

/// Gives up the daemon's place ahead of others, which is a step down as well. Late, since until it is
/// its program the child works for the daemon, whose thread waits for it: behind the programs of
/// others, each start would wait for them.
///
/// # Safety
/// To be called in the child only.
unsafe fn fall_back(standing: Option<Standing>) {
    // SAFETY: a raw system call with numbers.
    unsafe {
        let Some(standing) = standing else { return };
        raw!(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, standing.nice);
    }
}

/// Becomes the account, where there is one to become.
///
/// # Safety
/// To be called in the child only.
unsafe fn become_user(shared: *mut Shared) {
    // SAFETY: raw system calls with numbers and a list that the suspended parent keeps alive.
    unsafe {
        if let Some((uid, gid, groups, count)) = (*shared).ids {
            call!(shared, Step::Groups, libc::SYS_setgroups, count, groups);
            call!(shared, Step::User, libc::SYS_setresgid, gid, gid, gid);
            call!(shared, Step::User, libc::SYS_setresuid, uid, uid, uid);
        }
    }
}

/// Takes the bounds on the process.
///
/// # Safety
/// To be called in the child only.
unsafe fn take_limits(shared: *mut Shared) {
    // SAFETY: raw system calls on a list of this length, which the suspended parent keeps alive.
    unsafe {
        let plan = &*shared;
        let mut limit = 0;

        while limit < plan.limit_count {
            let bound = &*plan.limits.add(limit);
            call!(
                shared,
                Step::Limits,
                libc::SYS_prlimit64,
                0,
                bound.0,
                bound.1.as_ptr(),
                0
            );

            limit += 1;
        }
    }
}

/// Gives up new privileges, files and the network, as far as they are to be given up.
///
/// # Safety
/// To be called in the child only.
unsafe fn give_up_powers(shared: *mut Shared, rules: i64) {
    // SAFETY: raw system calls with numbers and a filter that the suspended parent keeps alive.
    unsafe {
        let plan = &*shared;
        if !plan.new_privileges {
            call!(
                shared,
                Step::Privileges,
                libc::SYS_prctl,
                libc::PR_SET_NO_NEW_PRIVS,
                1,
                0,
                0,
                0
            );
        }

        if rules >= 0 {
            call!(
                shared,
                Step::Sandbox,
                libc::SYS_landlock_restrict_self,
                rules,
                0
            );
        }

        if !plan.filter.is_null() {
            call!(
                shared,
                Step::Network,
                libc::SYS_seccomp,
                SECCOMP_SET_MODE_FILTER,
                0,
                plan.filter
            );
        }
    }
}

/// Becomes the program, with no signal blocked.
///
/// # Safety
/// To be called in the child only.
unsafe fn exec(shared: *mut Shared, executable: i64) -> ! {
    // SAFETY: raw system calls on words that the suspended parent keeps alive.
    unsafe {
        let plan = &*shared;
        let none = 0u64;
        raw!(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const none,
            0,
            8,
        );

        raw!(
            libc::SYS_execveat,
            executable,
            c"".as_ptr(),
            plan.argv,
            plan.environment,
            libc::AT_EMPTY_PATH,
        );

        give_up(shared, Step::Exec, *libc::__errno_location())
    }
}

/// The signals that this process ignores, by number. Rust ignores SIGPIPE, nohup SIGHUP; nothing
/// here changes that later, so they are asked for once.
pub(super) fn ignored_signals() -> u64 {
    static IGNORED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *IGNORED.get_or_init(|| {
        (1..=64)
            .filter(|signal| *signal != libc::SIGKILL && *signal != libc::SIGSTOP)
            .fold(0, |mask, signal| {
                let mut action = [0u64; 4];

                // SAFETY: raw rt_sigaction that only asks, into a structure of the kernel's size.
                unsafe { raw!(libc::SYS_rt_sigaction, signal, 0, action.as_mut_ptr(), 8) };
                mask | (u64::from(action[0] == libc::SIG_IGN as u64) << (signal - 1))
            })
    })
}

/// CLONE_CLEAR_SIGHAND resets handlers but not ignored signals; those are reset here.
///
/// # Safety
/// To be called in the child only.
unsafe fn reset_signals(ignored: u64) {
    // The kernel's own sigaction: handler, flags, restorer, mask; all zero is SIG_DFL.
    let default = [0u64; 4];
    let mut left = ignored;
    while left != 0 {
        let signal = left.trailing_zeros() + 1;
        left &= left - 1;

        // SAFETY: raw rt_sigaction with a structure of the kernel's size.
        unsafe { raw!(libc::SYS_rt_sigaction, signal, default.as_ptr(), 0, 8) };
    }
}

/// Opens a path argument as the new user: beneath its root, through no link, a file or folder only.
/// Every cause of refusal looks the same to the client, but that what could be opened is a folder
/// where a file is wanted, or the other way round.
///
/// # Safety
/// To be called in the child only.
unsafe fn open_beneath(shared: *mut Shared, open: &RawOpen) {
    // SAFETY: raw system calls on prepared memory; `status` is written by fstat before it is read.
    unsafe {
        let folder = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let root = call!(
            shared,
            Step::Path,
            libc::SYS_openat,
            libc::AT_FDCWD,
            open.root,
            folder,
            0
        );

        let how = OpenHow {
            flags: (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY) as u64,
            mode: 0,
            resolve: RESOLVE,
        };

        let found = call!(
            shared,
            Step::Path,
            libc::SYS_openat2,
            root,
            open.relative,
            &raw const how,
            size_of::<OpenHow>()
        );

        let mut status: libc::stat = std::mem::zeroed();
        if fstat(found as i32, &raw mut status) < 0 {
            give_up(shared, Step::Path, *libc::__errno_location());
        }
        let kind = status.st_mode & libc::S_IFMT;
        if !matches!(kind, libc::S_IFREG | libc::S_IFDIR) {
            give_up(shared, Step::Path, libc::EACCES);
        }
        if open.wanted != 0 && open.wanted != kind {
            give_up(shared, Step::Wanted, libc::EINVAL);
        }
        let keep = i64::from(open.keep);
        if keep >= 0 {
            if found == keep {
                call!(shared, Step::Path, libc::SYS_fcntl, found, libc::F_SETFD, 0);
            } else {
                call!(shared, Step::Path, libc::SYS_dup3, found, keep, 0);
            }
        }

        if found != keep {
            raw!(libc::SYS_close, found);
        }
        if root != keep {
            raw!(libc::SYS_close, root);
        }
    }
}
