//! Starting a process with a vfork-style clone: the parent's size costs nothing, and every step that fails
//! in the child is reported by name.
//!
//! Between clone and exec the child shares the parent's memory, so it makes raw system calls only: no
//! allocation, no lock, no panic. Everything it needs is prepared beforehand. The calling thread is suspended
//! meanwhile, so spawning has threads of its own, and a thread that never spawns kills a child that does not
//! reach exec in time (a process of the target user may stop it; a network file system may hang).

use crate::limits;
use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// What to start.
#[derive(Debug)]
pub struct Program {
    /// The executable's path.
    pub executable: CString,
    /// Its argv.
    pub argv: Vec<CString>,
    /// Its whole environment, `NAME=value`.
    pub environment: Vec<CString>,
    /// Its working directory.
    pub cwd: CString,
    /// The user to become; `None` stays.
    pub become_user: Option<Take>,
    /// Its standard input, output and error.
    pub stdio: [OwnedFd; 3],
    /// Paths to open as the new user before it starts.
    pub opens: Vec<Open>,
}

/// The ids of an account to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
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
}

/// A process that was started.
#[derive(Debug)]
pub struct Child {
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
    /// Its id, which is also its session's and process group's.
    pub pid: i32,
}

/// The steps between clone and exec, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Step {
    /// Nothing failed.
    None = 0,
    /// The clone itself.
    Clone,
    /// Taking the descriptors along.
    Descriptors,
    /// A session of its own.
    Session,
    /// Standard input, output, error.
    Stdio,
    /// Supplementary groups.
    Groups,
    /// Group and user.
    User,
    /// The working directory.
    Cwd,
    /// A path argument; the error names which.
    Path,
    /// The executable.
    Exec,
    /// It took longer than [`limits::SPAWN`].
    Deadline,
}

impl Step {
    /// The step's name in errors and in the trail.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Clone => "clone",
            Self::Descriptors => "descriptors",
            Self::Session => "session",
            Self::Stdio => "stdio",
            Self::Groups => "groups",
            Self::User => "user",
            Self::Cwd => "cwd",
            Self::Path => "path",
            Self::Exec => "exec",
            Self::Deadline => "deadline",
        }
    }

    const fn numbered(number: i32) -> Self {
        match number {
            0 => Self::None,
            2 => Self::Descriptors,
            3 => Self::Session,
            4 => Self::Stdio,
            5 => Self::Groups,
            6 => Self::User,
            7 => Self::Cwd,
            8 => Self::Path,
            9 => Self::Exec,
            10 => Self::Deadline,
            _ => Self::Clone,
        }
    }
}

/// Why a process was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpawnError {
    /// The step that failed.
    pub step: Step,
    /// The kernel's error number.
    pub errno: i32,
    /// For [`Step::Path`]: the index of the path.
    pub index: usize,
}

impl SpawnError {
    /// The kernel's sentence.
    pub fn cause(&self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }
}

/// As many programs wait to be started as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

type Answer = Box<dyn FnOnce(Result<Child, SpawnError>) + Send>;

/// A pool of threads that start processes, and one that keeps their deadlines.
#[derive(Clone)]
pub struct Spawner(Arc<Queue>);

/// Programs that wait to be started. One bell for all threads, which wakes one of them: a shared channel would wake a
/// second only to wait in its place.
struct Queue {
    jobs: Mutex<VecDeque<(Program, Answer)>>,
    bell: Condvar,
    most: usize,
}

impl std::fmt::Debug for Spawner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Spawner")
    }
}

/// What the deadline thread looks at: one per spawning thread.
#[derive(Default)]
struct Slot {
    /// When the child must have reached exec; held while it is decided whether it has.
    until: Mutex<Option<Instant>>,
    /// The child's pidfd, written by the kernel before the child runs.
    pidfd: AtomicI32,
}

#[derive(Default)]
struct Keeper {
    slots: Vec<Slot>,
    awake: AtomicBool,
    wake: Mutex<()>,
    bell: Condvar,
}

impl Spawner {
    /// Starts the threads.
    ///
    /// # Errors
    /// When a thread or its stack cannot be had.
    pub fn start(threads: usize, waiting: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue { jobs: Mutex::default(), bell: Condvar::new(), most: waiting });
        let keeper = Arc::new(Keeper { slots: (0..threads).map(|_| Slot::default()).collect(), ..Keeper::default() });
        for index in 0..threads {
            let (queue, keeper) = (queue.clone(), keeper.clone());
            let stack = Stack::new()?;
            std::thread::Builder::new().name(format!("spawn-{index}")).spawn(move || {
                loop {
                    let (program, answer) = queue.next();
                    answer(keeper.spawn(index, &stack, program));
                }
            })?;
        }
        std::thread::Builder::new().name("spawn-deadline".into()).spawn(move || keeper.watch())?;
        Ok(Self(queue))
    }

    /// Starts a program; `answer` is called on a spawning thread.
    ///
    /// # Errors
    /// When as many wait already as may.
    pub fn submit(&self, program: Program, answer: Answer) -> Result<(), Full> {
        let mut jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() >= self.0.most {
            return Err(Full);
        }
        jobs.push_back((program, answer));
        drop(jobs);
        self.0.bell.notify_one();
        Ok(())
    }
}

impl Queue {
    /// Waits for the next program.
    fn next(&self) -> (Program, Answer) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match jobs.pop_front() {
                Some(job) => return job,
                None => jobs = self.bell.wait(jobs).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Keeper {
    fn spawn(&self, index: usize, stack: &Stack, program: Program) -> Result<Child, SpawnError> {
        let Some(slot) = self.slots.get(index) else { return Err(failed(Step::Clone, libc::EINVAL)) };
        let own = |mutex: &Mutex<Option<Instant>>, value| *mutex.lock().unwrap_or_else(PoisonError::into_inner) = value;
        slot.pidfd.store(-1, Ordering::SeqCst);
        own(&slot.until, Some(Instant::now() + limits::SPAWN));
        if !self.awake.swap(true, Ordering::SeqCst) {
            let _held = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
            self.bell.notify_one();
        }
        let outcome = clone_and_exec(stack, &program, &slot.pidfd);
        let late = {
            let mut until = slot.until.lock().unwrap_or_else(PoisonError::into_inner);
            // The deadline thread leaves `None` behind when it killed the child.
            until.take().is_none()
        };
        match outcome {
            Err(_) if late => Err(failed(Step::Deadline, libc::ETIMEDOUT)),
            other => other,
        }
    }

    /// Wakes only while something is being started.
    fn watch(&self) {
        loop {
            let mut held = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
            while !self.awake.load(Ordering::SeqCst) {
                held = self.bell.wait(held).unwrap_or_else(PoisonError::into_inner);
            }
            drop(held);
            std::thread::sleep(limits::SPAWN / 8);
            let mut busy = false;
            for slot in &self.slots {
                let mut until = slot.until.lock().unwrap_or_else(PoisonError::into_inner);
                match *until {
                    Some(instant) if instant <= Instant::now() => {
                        let pidfd = slot.pidfd.load(Ordering::SeqCst);
                        if pidfd >= 0 {
                            *until = None;
                            // SAFETY: the slot is locked, so its spawner has not taken the pidfd over yet and the
                            // descriptor is the child's.
                            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, 0, 0) };
                        } else {
                            busy = true;
                        }
                    }
                    Some(_) => busy = true,
                    None => {}
                }
            }
            if !busy {
                self.awake.store(false, Ordering::SeqCst);
                // Something may have begun between the look and the store.
                if self.slots.iter().any(|slot| slot.until.lock().unwrap_or_else(PoisonError::into_inner).is_some()) {
                    self.awake.store(true, Ordering::SeqCst);
                }
            }
        }
    }
}

const fn failed(step: Step, errno: i32) -> SpawnError {
    SpawnError { step, errno, index: 0 }
}

/// A stack for the child, with a page below it that nobody may touch.
struct Stack {
    base: *mut c_void,
}

const STACK: usize = 128 * 1024;
const GUARD: usize = 4096;

// SAFETY: the mapping belongs to the value alone; it is used by one thread at a time.
unsafe impl Send for Stack {}

impl Stack {
    fn new() -> io::Result<Self> {
        // SAFETY: a new anonymous mapping, at an address of the kernel's choosing.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                STACK + GUARD,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the first page of the mapping just made.
        unsafe { libc::mprotect(base, GUARD, libc::PROT_NONE) };
        Ok(Self { base })
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`.
        unsafe { libc::munmap(self.base, STACK + GUARD) };
    }
}

/// What parent and child share: pointers into the program, and the child's report.
struct Shared {
    executable: *const c_char,
    argv: *const *const c_char,
    environment: *const *const c_char,
    cwd: *const c_char,
    stdio: [RawFd; 3],
    above: u32,
    ids: Option<(u32, u32, *const u32, usize)>,
    opens: *const RawOpen,
    open_count: usize,
    ignored: u64,
    step: i32,
    errno: i32,
    index: usize,
}

struct RawOpen {
    root: *const c_char,
    relative: *const c_char,
    keep: i32,
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLOSE_RANGE_UNSHARE: u32 = 2;

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`
const RESOLVE: u64 = 0x08 | 0x04 | 0x02;

fn clone_and_exec(stack: &Stack, program: &Program, pidfd: &AtomicI32) -> Result<Child, SpawnError> {
    let pointers = |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (argv, environment) = (pointers(&program.argv), pointers(&program.environment));
    let opens: Vec<RawOpen> = program
        .opens
        .iter()
        .map(|open| RawOpen {
            root: open.root.as_ptr(),
            relative: open.relative.as_ptr(),
            keep: open.keep.map_or(-1, |number| i32::try_from(number).unwrap_or(-1)),
        })
        .collect();
    let stdio = [program.stdio[0].as_raw_fd(), program.stdio[1].as_raw_fd(), program.stdio[2].as_raw_fd()];
    let mut shared = Shared {
        executable: program.executable.as_ptr(),
        argv: argv.as_ptr(),
        environment: environment.as_ptr(),
        cwd: program.cwd.as_ptr(),
        stdio,
        above: stdio.iter().max().map_or(3, |most| most.cast_unsigned() + 1),
        ids: program.become_user.as_ref().map(|take| (take.uid, take.gid, take.groups.as_ptr(), take.groups.len())),
        opens: opens.as_ptr(),
        open_count: opens.len(),
        ignored: ignored_signals(),
        step: 0,
        errno: 0,
        index: 0,
    };
    let arguments = CloneArgs {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::CLONE_FILES) as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: pidfd.as_ptr() as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.base as u64 + GUARD as u64,
        stack_size: STACK as u64,
        ..CloneArgs::default()
    };
    let all = u64::MAX;
    let mut before = 0u64;
    // SAFETY: all signals are blocked raw (also 32 and 33, which libc hides) so that no handler runs in the child on
    // shared memory; the masks are 8 bytes, the kernel's own size. `clone` gets arguments and memory that live until
    // it returns, and it returns in the parent only, after the child has exec'd or ended (CLONE_VFORK).
    let pid = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, &raw mut before, 8);
        let pid = clone(&arguments, child, (&raw mut shared).cast());
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const before, std::ptr::null_mut::<u64>(), 8);
        pid
    };
    if pid < 0 {
        return Err(failed(Step::Clone, i32::try_from(-pid).unwrap_or(libc::EIO)));
    }
    // SAFETY: CLONE_PIDFD gave us a new descriptor here.
    let owned = unsafe { OwnedFd::from_raw_fd(pidfd.load(Ordering::SeqCst)) };
    // SAFETY: plain reads of our own memory; volatile because the child wrote it behind the compiler's back.
    let (step, errno, index) = unsafe {
        ((&raw const shared.step).read_volatile(), (&raw const shared.errno).read_volatile(), (&raw const shared.index).read_volatile())
    };
    if step != 0 {
        reap_failed(&owned);
        return Err(SpawnError { step: Step::numbered(step), errno, index });
    }
    Ok(Child { pidfd: owned, pid: i32::try_from(pid).unwrap_or(0) })
}

/// A child that never became its program is reaped here; nobody else knows of it.
fn reap_failed(pidfd: &OwnedFd) {
    // SAFETY: waitid with numbers and a null pointer that it does not fill.
    unsafe {
        libc::syscall(libc::SYS_waitid, libc::P_PIDFD as libc::c_long, pidfd.as_raw_fd(), std::ptr::null_mut::<c_void>(), libc::WEXITED, 0)
    };
}

/// clone3 with a stack and a function for the child. Returns the child's id, or minus an error number.
///
/// # Safety
/// `arguments` must name a stack that is free until this returns, and `run` must never return.
unsafe fn clone(arguments: &CloneArgs, run: unsafe extern "C" fn(*mut c_void) -> !, with: *mut c_void) -> i64 {
    let result: i64;
    // SAFETY: the kernel clobbers rcx and r11 (x86_64) only. The child has a new stack, aligned to 16 by its size and
    // base, and leaves through `run`, which never returns, so nothing of this frame is used on it.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(arguments),
            in("rsi") size_of::<CloneArgs>(),
            in("r12") with,
            in("r13") run,
            out("rcx") _,
            out("r11") _,
        );
    }
    // SAFETY: as above; the kernel keeps all registers but x0.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            inlateout("x0") std::ptr::from_ref(arguments) as i64 => result,
            in("x1") size_of::<CloneArgs>(),
            in("x8") libc::SYS_clone3,
            in("x20") with,
            in("x21") run,
        );
    }
    result
}

/// A raw system call that may fail; its negative result is turned into the error number.
macro_rules! call {
    ($shared:expr, $step:expr, $($argument:expr),+) => {{
        let value = libc::syscall($($argument),+);
        if value < 0 {
            give_up($shared, $step, *libc::__errno_location());
        }
        value
    }};
}

/// Reports a step and leaves.
///
/// # Safety
/// In the child only.
unsafe fn give_up(shared: *mut Shared, step: Step, errno: i32) -> ! {
    // SAFETY: the parent is suspended and its frame alive; volatile, so that the writes happen before the exit.
    unsafe {
        (&raw mut (*shared).errno).write_volatile(errno);
        (&raw mut (*shared).step).write_volatile(step as i32);
        loop {
            libc::syscall(libc::SYS_exit_group, 127);
        }
    }
}

/// The child's whole life until exec.
///
/// # Safety
/// Runs on its own stack while the parent's thread is suspended; `with` points to its [`Shared`].
unsafe extern "C" fn child(with: *mut c_void) -> ! {
    let shared: *mut Shared = with.cast();
    // SAFETY: raw system calls only, on memory that the suspended parent prepared and keeps alive. errno lies in the
    // suspended thread's own storage. No path allocates, locks or unwinds.
    unsafe {
        let plan = &*shared;
        // A table of its own, without what lies above the three descriptors that are needed.
        call!(shared, Step::Descriptors, libc::SYS_close_range, plan.above, u32::MAX, CLOSE_RANGE_UNSHARE);
        call!(shared, Step::Session, libc::SYS_setsid);
        let [stdin, stdout, stderr] = plan.stdio;
        call!(shared, Step::Stdio, libc::SYS_dup3, stdin, 0, 0);
        call!(shared, Step::Stdio, libc::SYS_dup3, stdout, 1, 0);
        call!(shared, Step::Stdio, libc::SYS_dup3, stderr, 2, 0);
        call!(shared, Step::Stdio, libc::SYS_close_range, 3, u32::MAX, 0);
        reset_signals(plan.ignored);
        if let Some((uid, gid, groups, count)) = plan.ids {
            call!(shared, Step::Groups, libc::SYS_setgroups, count, groups);
            call!(shared, Step::User, libc::SYS_setresgid, gid, gid, gid);
            call!(shared, Step::User, libc::SYS_setresuid, uid, uid, uid);
        }
        // After the change of user, which clears it. The spawning thread lives as long as the daemon.
        libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        libc::syscall(libc::SYS_umask, 0o022);
        call!(shared, Step::Cwd, libc::SYS_chdir, plan.cwd);
        let mut index = 0;
        while index < plan.open_count {
            (&raw mut (*shared).index).write_volatile(index);
            open_beneath(shared, &*plan.opens.add(index));
            index += 1;
        }
        let none = 0u64;
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, 0, 8);
        libc::syscall(libc::SYS_execve, plan.executable, plan.argv, plan.environment);
        give_up(shared, Step::Exec, *libc::__errno_location())
    }
}

/// The signals that this process ignores, by number. Rust ignores SIGPIPE, nohup SIGHUP; nothing here changes that
/// later, so they are asked for once.
fn ignored_signals() -> u64 {
    static IGNORED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *IGNORED.get_or_init(|| {
        (1..=64).filter(|signal| *signal != libc::SIGKILL && *signal != libc::SIGSTOP).fold(0, |mask, signal| {
            let mut action = [0u64; 4];
            // SAFETY: raw rt_sigaction that only asks, into a structure of the kernel's size.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, 0, action.as_mut_ptr(), 8) };
            mask | (u64::from(action[0] == libc::SIG_IGN as u64) << (signal - 1))
        })
    })
}

/// CLONE_CLEAR_SIGHAND resets handlers but not ignored signals; those are reset here.
///
/// # Safety
/// In the child only.
unsafe fn reset_signals(ignored: u64) {
    // The kernel's own sigaction: handler, flags, restorer, mask; all zero is SIG_DFL.
    let default = [0u64; 4];
    let mut left = ignored;
    while left != 0 {
        let signal = left.trailing_zeros() + 1;
        left &= left - 1;
        // SAFETY: raw rt_sigaction with a structure of the kernel's size.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), 0, 8) };
    }
}

/// Opens a path argument as the new user: beneath its root, through no link, a file or folder only. Every cause
/// of refusal looks the same to the client.
///
/// # Safety
/// In the child only.
unsafe fn open_beneath(shared: *mut Shared, open: &RawOpen) {
    // SAFETY: raw system calls on prepared memory; `status` is written by fstat before it is read.
    unsafe {
        let folder = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let root = call!(shared, Step::Path, libc::SYS_openat, libc::AT_FDCWD, open.root, folder, 0);
        let how =
            OpenHow { flags: (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY) as u64, mode: 0, resolve: RESOLVE };
        let found = call!(shared, Step::Path, libc::SYS_openat2, root, open.relative, &raw const how, size_of::<OpenHow>());
        let mut status: libc::stat = std::mem::zeroed();
        if libc::fstat(found as i32, &raw mut status) < 0 {
            give_up(shared, Step::Path, *libc::__errno_location());
        }
        if !matches!(status.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR) {
            give_up(shared, Step::Path, libc::EACCES);
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
            libc::syscall(libc::SYS_close, found);
        }
        if root != keep {
            libc::syscall(libc::SYS_close, root);
        }
    }
}

#[cfg(test)]
#[path = "spawn_tests.rs"]
mod tests;
