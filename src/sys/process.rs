//! Processes: waiting, signalling, starting oneself again, and what the kernel may show of us.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Lets other threads of this machine go first, from now on and for the calling thread alone; not
/// so far behind that a busy machine would never come to it.
pub fn step_back() {
    // SAFETY: setpriority takes numbers; 0 means the calling thread on Linux. That it fails changes
    // nothing else.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

/// How a process ended, and what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exited {
    /// The exit status of the process, when it exited.
    pub status: Option<u8>,
    /// The signal that ended the process, when one did.
    pub signal: Option<u8>,
    /// Processor time outside and inside the kernel.
    pub user: Duration,
    /// Processor time inside the kernel.
    pub system: Duration,
    /// The most memory that the process or a child of it had resident, in KiB; 0 where that is not
    /// known, because it was less than this process has had itself.
    pub peak_kib: u64,
}

/// Takes the end of a child; `None` while it lives.
///
/// # Errors
/// As waitid(2).
pub fn reap(pidfd: BorrowedFd<'_>) -> io::Result<Option<Exited>> {
    wait(
        libc::P_PIDFD,
        pidfd.as_raw_fd(),
        libc::WEXITED | libc::WNOHANG,
    )
    .map(|ended| ended.map(|(_, exited)| exited))
}

/// waitid(2) with what the child has used; `None` when none has ended.
pub(super) fn wait(kind: libc::idtype_t, id: i32, flags: i32) -> io::Result<Option<(i32, Exited)>> {
    // SAFETY: all-zero is a valid value of both structures, which the call fills.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { std::mem::zeroed() };

    // SAFETY: raw waitid, whose fifth argument (usage) glibc's wrapper does not offer; pointers
    // live through the call.
    let status = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            kind as libc::c_long,
            libc::c_long::from(id),
            &raw mut info,
            libc::c_long::from(flags),
            &raw mut usage,
        )
    };

    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: waitid succeeded, so these fields are set; a pid of 0 says that nothing has ended.
    let (pid, value) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    Ok(Some((pid, Exited::of(info.si_code, value, &usage))))
}

impl Exited {
    /// Reads what waitid(2) tells.
    fn of(code: i32, value: i32, usage: &libc::rusage) -> Self {
        let number = u8::try_from(value & 0xff).unwrap_or(u8::MAX);
        let exited = code == libc::CLD_EXITED;
        let time = |value: libc::timeval| {
            Duration::new(
                u64::try_from(value.tv_sec).unwrap_or(0),
                u32::try_from(value.tv_usec)
                    .unwrap_or(0)
                    .saturating_mul(1000),
            )
        };

        Self {
            status: exited.then_some(number),
            signal: (!exited).then_some(number),
            user: time(usage.ru_utime),
            system: time(usage.ru_stime),
            peak_kib: u64::try_from(usage.ru_maxrss)
                .ok()
                .filter(|peak| *peak > own_peak_kib())
                .unwrap_or(0),
        }
    }
}

/// The most memory that this process had itself. Until exec a child shares it, and the kernel
/// counts it as the child's.
fn own_peak_kib() -> u64 {
    // SAFETY: an all-zero structure is a valid one, which the call fills.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };

    // SAFETY: `usage` lives through the call.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    u64::try_from(usage.ru_maxrss).unwrap_or(0)
}

/// Makes this process invisible to ptrace and core dumps.
///
/// # Errors
/// As prctl(2).
pub fn undumpable() -> io::Result<()> {
    // SAFETY: prctl with numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })
}

/// Asks the kernel to end this process when its parent's thread ends.
///
/// # Errors
/// As prctl(2).
pub fn parent_death_signal() -> io::Result<()> {
    // SAFETY: prctl with numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })
}

/// What a system call has answered with.
pub(super) fn check(status: i32) -> io::Result<()> {
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Raises the soft limit of open descriptors to the hard one; returns it.
///
/// # Errors
/// As setrlimit(2).
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };

    // SAFETY: `limit` lives through both calls.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max.min(1 << 20);
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
    }

    Ok(limit.rlim_cur)
}

/// Starts this very program anew, in a fresh address space, with `socket` as its descriptor 3,
/// nothing in its environment and no other descriptor but standard error. Dies with the calling
/// thread.
///
/// # Errors
/// As fork and exec.
pub fn reexecute(name: &str, argument: &OsStr, socket: OwnedFd) -> io::Result<(u32, OwnedFd)> {
    let raw = socket.as_raw_fd();
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(name)
        .arg(argument)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    #[cfg(debug_assertions)]
    if let Some(fault) = first_fault() {
        command.env("ORDAIN_FAULT", fault);
    }
    let parent = std::process::id();

    // SAFETY: between fork and exec only async-signal-safe calls are made: dup2, prctl, getppid.
    unsafe {
        command.pre_exec(move || {
            if raw == 3 {
                check(libc::fcntl(3, libc::F_SETFD, 0))?;
            } else {
                check(libc::dup2(raw, 3))?;
            }

            parent_death_signal()?;
            if libc::getppid().cast_unsigned() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }

    let child = command.spawn()?;
    let pidfd = pidfd_of(child.id())?;
    Ok((child.id(), pidfd))
}

/// What tests want to go wrong in the first process that is started so, and in no later one.
#[cfg(debug_assertions)]
fn first_fault() -> Option<std::ffi::OsString> {
    use std::sync::atomic::{AtomicBool, Ordering};
    static GIVEN: AtomicBool = AtomicBool::new(false);
    if GIVEN.swap(true, Ordering::Relaxed) {
        None
    } else {
        std::env::var_os("ORDAIN_FAULT")
    }
}

fn pidfd_of(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes numbers; the child is ours and not reaped, so the id is still its
    // own.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) };
    let raw = i32::try_from(raw).unwrap_or(-1);
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so this is a new descriptor of ours.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Makes the allocator give large blocks (password hashing) back to the kernel when they are freed.
pub fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt with numbers only, before a second thread exists.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

/// Keeps the allocator from giving the heap's end back to the kernel and fetching it again with
/// every frame that comes and goes; some megabytes stay with the process instead.
pub fn steady_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt with numbers only.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 8 << 20);
    }
}

/// Ends a process for good.
pub fn kill(pidfd: BorrowedFd<'_>) {
    // SAFETY: a pidfd names one process, also after it has ended; numbers otherwise.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            libc::SIGKILL,
            0,
            0,
        )
    };
}

/// Leaves signals meant for the whole group (Ctrl-C, a service manager's TERM) to the monitor.
pub fn leave_signals_to_the_monitor() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: ignoring a signal installs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Asks a child of ours to stop.
pub fn terminate(child: u32) {
    if let Ok(child) = i32::try_from(child)
        && child > 1
    {
        // SAFETY: kill takes numbers only; the caller has not reaped this child, so the id is still
        // its own.
        unsafe { libc::kill(child, libc::SIGTERM) };
    }
}
