//! Starting a process with a vfork-style clone: the parent's size costs nothing, and every step
//! that fails in the child is reported by name.
//!
//! Between clone and exec the child shares the parent's memory, so it makes raw system calls only:
//! no allocation, no lock, no panic. Everything it needs is prepared beforehand. The calling thread
//! is suspended meanwhile, so spawning has threads of its own, and a thread that never spawns kills
//! a child that does not reach exec in time (a process of the target user may stop it; a network
//! file system may hang).

use super::cgroup::Cgroup;
use super::executable::{Executable, ExecutableFault, Version};
use super::jail::{self, Files};
use crate::limits;
use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// What to start. Made on the spawning thread, so that a file system that hangs holds up one start
/// and nothing else.
#[derive(Debug)]
pub struct Program {
    /// The executable, opened and judged.
    pub executable: Executable,
    /// Its argv, without what an interpreter needs before it.
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
    /// The control group to start it in.
    pub cgroup: Option<Cgroup>,
    /// Bounds on the process itself.
    pub limits: Vec<ProcessLimit>,
    /// The permissions that new files do not get.
    pub umask: u32,
    /// Whether it may gain privileges by what it executes (setuid, file capabilities).
    pub new_privileges: bool,
    /// Whether it may make sockets.
    pub network: bool,
    /// Whether its standard input is a terminal that is to be its controlling one.
    pub terminal: bool,
    /// The files that it may use; `None` are all that its user may.
    pub files: Option<Files>,
}

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
    const fn number(self) -> i32 {
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
    /// The control group it was started in.
    pub cgroup: Option<Cgroup>,
    /// Which version of the executable it is.
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
    /// The pinned digest.
    Digest "digest",
    /// Pipes and words.
    Prepare "prepare",
    /// Its control group.
    Cgroup "cgroup",
    /// The clone itself.
    Clone "clone",
    /// Taking the descriptors along.
    Descriptors "descriptors",
    /// A session of its own.
    Session "session",
    /// Standard input, output, error.
    Stdio "stdio",
    /// Supplementary groups.
    Groups "groups",
    /// Group and user.
    User "user",
    /// The working directory.
    Cwd "cwd",
    /// A path argument; the error names which.
    Path "path",
    /// Bounds on the process.
    Limits "limits",
    /// Giving up new privileges.
    Privileges "privileges",
    /// Giving up files.
    Sandbox "sandbox",
    /// Giving up the network.
    Network "network",
    /// The new program.
    Exec "exec",
    /// It took longer than [`limits::SPAWN`].
    Deadline "deadline",
}

impl Step {
    pub(super) fn numbered(number: i32) -> Self {
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
    /// For [`Step::Path`]: the index of the path.
    pub index: usize,
    /// More, where there is more to say.
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

    /// The kernel's sentence, or ours.
    pub fn cause(&self) -> String {
        self.detail
            .clone()
            .unwrap_or_else(|| io::Error::from_raw_os_error(self.errno).to_string())
    }
}

impl From<ExecutableFault> for SpawnError {
    fn from(fault: ExecutableFault) -> Self {
        let step = if matches!(fault, ExecutableFault::Digest(..)) {
            Step::Digest
        } else {
            Step::Executable
        };

        let errno = match &fault {
            ExecutableFault::Io(_, fault) => fault.raw_os_error().unwrap_or(libc::EIO),
            ExecutableFault::NotExecutable(_) => libc::EACCES,
            ExecutableFault::Interpreter(..) => libc::ENOEXEC,
            ExecutableFault::Untrusted(_) | ExecutableFault::Digest(..) => 0,
        };

        Self {
            step,
            errno,
            index: 0,
            detail: Some(fault.to_string()),
        }
    }
}

/// As many programs wait to be started as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

type Prepare = Box<dyn FnOnce() -> Result<Program, SpawnError> + Send>;
type Answer = Box<dyn FnOnce(Result<Child, SpawnError>) + Send>;

/// A pool of threads that start processes, and one that keeps their deadlines.
#[derive(Clone)]
pub struct Spawner(Arc<Queue>);

/// Programs that wait to be started. One bell for all threads, which wakes one of them: a shared
/// channel would wake a second only to wait in its place.
struct Queue {
    jobs: Mutex<VecDeque<(Prepare, Answer)>>,
    bell: Condvar,
    most: usize,
    keeper: Keeper,
}

impl std::fmt::Debug for Spawner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Spawner")
    }
}

/// What the deadline thread looks at: one per spawning thread.
#[derive(Default)]
struct Slot {
    work: Mutex<Option<Work>>,
    /// The child's pidfd, written by the kernel before the child runs.
    pidfd: AtomicI32,
}

/// A start under way. Whoever takes it out of its slot answers for it.
struct Work {
    until: Instant,
    answer: Answer,
    /// Whether the child has been asked for: then it can be killed, and its thread comes back.
    cloning: bool,
    /// Whether it was killed because its time was up.
    late: bool,
}

#[derive(Default)]
struct Keeper {
    slots: Mutex<Vec<Arc<Slot>>>,
    awake: AtomicBool,
    wake: Mutex<()>,
    bell: Condvar,
}

/// Spawning threads at the most, those included that hang in a file system.
const MOST_THREADS: usize = 16;

impl Spawner {
    /// Starts the threads.
    ///
    /// # Errors
    /// When a thread or its stack cannot be had.
    pub fn start(threads: usize, waiting: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            jobs: Mutex::default(),
            bell: Condvar::new(),
            most: waiting,
            keeper: Keeper::default(),
        });

        for _ in 0..threads {
            add_thread(&queue)?;
        }
        let watched = queue.clone();
        std::thread::Builder::new()
            .name("spawn-deadline".into())
            .spawn(move || watch(&watched))?;
        Ok(Self(queue))
    }

    /// Starts the program that `prepare` makes; both it and `answer` are called on a spawning
    /// thread.
    ///
    /// # Errors
    /// When as many wait already as may.
    pub fn submit(&self, prepare: Prepare, answer: Answer) -> Result<(), Full> {
        let mut jobs = lock(&self.0.jobs);
        if jobs.len() >= self.0.most {
            return Err(Full);
        }
        jobs.push_back((prepare, answer));
        drop(jobs);
        self.0.bell.notify_one();
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A spawning thread never ends: the kernel kills what it has started when it does
/// (`PR_SET_PDEATHSIG`).
fn add_thread(queue: &Arc<Queue>) -> io::Result<()> {
    let slot = Arc::new(Slot::default());
    let stack = Stack::new()?;
    let low = Low::new()?;
    let mut slots = lock(&queue.keeper.slots);
    let (queue, own) = (queue.clone(), slot.clone());
    std::thread::Builder::new()
        .name(format!("spawn-{}", slots.len()))
        .spawn(move || {
            loop {
                let (prepare, answer) = queue.next();
                queue.keeper.spawn(&own, &stack, &low, prepare, answer);
            }
        })?;
    slots.push(slot);
    Ok(())
}

impl Queue {
    /// Waits for the next program.
    fn next(&self) -> (Prepare, Answer) {
        let mut jobs = lock(&self.jobs);
        loop {
            match jobs.pop_front() {
                Some(job) => return job,
                None => jobs = self.bell.wait(jobs).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Keeper {
    fn spawn(&self, slot: &Slot, stack: &Stack, low: &Low, prepare: Prepare, answer: Answer) {
        slot.pidfd.store(-1, Ordering::SeqCst);
        *lock(&slot.work) = Some(Work {
            until: Instant::now() + limits::SPAWN,
            answer,
            cloning: false,
            late: false,
        });

        if !self.awake.swap(true, Ordering::SeqCst) {
            let _held = lock(&self.wake);
            self.bell.notify_one();
        }

        let prepared = prepare();
        match lock(&slot.work).as_mut() {
            // Given up meanwhile, and answered: nothing may start any more.
            None => return,
            Some(work) => work.cloning = true,
        }

        let outcome = prepared.and_then(|program| clone_and_exec(stack, low, program, &slot.pidfd));
        let Some(work) = lock(&slot.work).take() else {
            return;
        };
        (work.answer)(match outcome {
            Err(_) if work.late => Err(failed(Step::Deadline, libc::ETIMEDOUT)),
            other => other,
        });
    }

    /// Gives up what is late; whether anything is still under way, and how many threads hang.
    fn judge(&self) -> (bool, usize) {
        let (mut busy, mut hanging) = (false, 0);
        let slots = lock(&self.slots).clone();
        for slot in &slots {
            let mut held = lock(&slot.work);
            match held.as_mut() {
                None => {}
                Some(work) if work.until > Instant::now() => busy = true,
                Some(work) if work.cloning => {
                    busy = true;
                    let pidfd = slot.pidfd.load(Ordering::SeqCst);
                    if pidfd >= 0 && !work.late {
                        work.late = true;

                        // SAFETY: the slot is locked, so its spawner has not taken the pidfd over
                        // yet and the descriptor is the child's.
                        unsafe {
                            libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, 0, 0)
                        };
                    }
                }

                // It hangs in a file system, where nothing can end it. Answered for, and replaced
                // by another thread.
                Some(_) => {
                    hanging += 1;
                    if let Some(work) = held.take() {
                        drop(held);
                        (work.answer)(Err(failed(Step::Deadline, libc::ETIMEDOUT)));
                    }
                }
            }
        }

        (busy, hanging)
    }
}

/// The deadline thread; awake only while something is being started.
fn watch(queue: &Arc<Queue>) {
    let keeper = &queue.keeper;
    loop {
        let mut held = lock(&keeper.wake);
        while !keeper.awake.load(Ordering::SeqCst) {
            held = keeper
                .bell
                .wait(held)
                .unwrap_or_else(PoisonError::into_inner);
        }

        drop(held);
        std::thread::sleep(limits::SPAWN / 8);
        let (busy, hanging) = keeper.judge();

        for _ in 0..hanging {
            if lock(&keeper.slots).len() < MOST_THREADS {
                // Without another thread the rest still serves.
                let _ = add_thread(queue);
            }
        }

        if !busy {
            keeper.awake.store(false, Ordering::SeqCst);

            // Something may have begun between the look and the store.
            if lock(&keeper.slots)
                .iter()
                .any(|slot| lock(&slot.work).is_some())
            {
                keeper.awake.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// Starts a program on the calling thread, which must outlive it.
pub(super) fn start_here(program: Program) -> Result<Child, SpawnError> {
    let stack = Stack::new().map_err(|fault| SpawnError::before(Step::Clone, &fault))?;
    let low = Low::new().map_err(|fault| SpawnError::before(Step::Clone, &fault))?;
    clone_and_exec(&stack, &low, program, &AtomicI32::new(-1))
}

const fn failed(step: Step, errno: i32) -> SpawnError {
    SpawnError {
        step,
        errno,
        index: 0,
        detail: None,
    }
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

/// Low numbers that a spawning thread keeps for itself: what the child needs is put there, so that
/// it can let go of the thousands of descriptors that a busy daemon has without the kernel copying
/// them first.
struct Low {
    places: [OwnedFd; 5],
    empty: OwnedFd,
}

impl Low {
    fn new() -> io::Result<Self> {
        let empty = super::null()?;
        let place = || empty.try_clone();
        Ok(Self {
            places: [place()?, place()?, place()?, place()?, place()?],
            empty,
        })
    }

    /// Puts descriptors there, for as long as the result lives.
    fn hold(&self, descriptors: [Option<&OwnedFd>; 5]) -> io::Result<Held<'_>> {
        let held = Held(self);
        for (place, descriptor) in self.places.iter().zip(descriptors) {
            if let Some(descriptor) = descriptor {
                put(descriptor, place)?;
            }
        }

        Ok(held)
    }
}

fn put(descriptor: &OwnedFd, place: &OwnedFd) -> io::Result<()> {
    // SAFETY: both are open and ours; the place goes on being owned, and names another file.
    let status = unsafe { libc::dup3(descriptor.as_raw_fd(), place.as_raw_fd(), libc::O_CLOEXEC) };
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Descriptors in their low places. A pipe's end that stayed there would keep the pipe open.
struct Held<'l>(&'l Low);

impl Held<'_> {
    fn numbers(&self) -> [RawFd; 5] {
        self.0.places.each_ref().map(AsRawFd::as_raw_fd)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for place in &self.0.places {
            // Cannot fail: both are open.
            let _ = put(&self.0.empty, place);
        }
    }
}

/// What parent and child share: pointers into the program, and the child's report.
struct Shared {
    executable: RawFd,
    rules: RawFd,
    filter: *const Filter,
    limits: *const (i32, [u64; 2]),
    limit_count: usize,
    umask: u32,
    new_privileges: bool,
    terminal: bool,
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

/// The kernel's `sock_fprog`.
#[repr(C)]
struct Filter {
    length: u16,
    program: *const seccompiler::sock_filter,
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
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;
const SECCOMP_SET_MODE_FILTER: u32 = 1;

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS`
const RESOLVE: u64 = 0x08 | 0x04 | 0x02;

fn clone_and_exec(
    stack: &Stack,
    low: &Low,
    program: Program,
    pidfd: &AtomicI32,
) -> Result<Child, SpawnError> {
    let pointers = |texts: &mut dyn Iterator<Item = &CString>| {
        texts
            .map(|text| text.as_ptr())
            .chain([std::ptr::null()])
            .collect::<Vec<_>>()
    };
    let interpreter = &program.executable.interpreter;
    // A script's path stands for its argv[0].
    let argv = pointers(
        &mut interpreter.iter().chain(
            program
                .argv
                .iter()
                .skip(usize::from(!interpreter.is_empty())),
        ),
    );
    let environment = pointers(&mut program.environment.iter());
    let own = |resource: i32| {
        let mut known = [u64::MAX; 2];
        // SAFETY: prlimit on this process that only asks, into two numbers of the kernel's size.
        unsafe {
            libc::syscall(
                libc::SYS_prlimit64,
                0,
                resource,
                std::ptr::null::<u64>(),
                known.as_mut_ptr(),
            )
        };
        known[1]
    };
    let limits: Vec<(i32, [u64; 2])> = program
        .limits
        .iter()
        .map(|limit| {
            let resource = limit.what.number();
            (resource, [limit.most.min(own(resource)); 2])
        })
        .collect();
    let rules = match &program.files {
        Some(files) => Some(
            jail::sandbox(files, &program.executable.paths)
                .map_err(|fault| SpawnError::before(Step::Sandbox, &fault))?,
        ),
        None => None,
    };
    let filter = match program.network {
        true => None,
        false => {
            let program = jail::no_network()
                .map_err(|fault| SpawnError::before(Step::Network, &io::Error::other(fault)))?;
            Some(Filter {
                length: u16::try_from(program.len()).unwrap_or(0),
                program: program.as_ptr(),
            })
        }
    };
    let opens: Vec<RawOpen> = program
        .opens
        .iter()
        .map(|open| RawOpen {
            root: open.root.as_ptr(),
            relative: open.relative.as_ptr(),
            keep: open
                .keep
                .map_or(-1, |number| i32::try_from(number).unwrap_or(-1)),
        })
        .collect();
    let [stdin, stdout, stderr] = &program.stdio;
    let held = low
        .hold([
            Some(stdin),
            Some(stdout),
            Some(stderr),
            Some(&program.executable.file),
            rules.as_ref(),
        ])
        .map_err(|fault| SpawnError::before(Step::Descriptors, &fault))?;
    let [stdin, stdout, stderr, executable, rules_number] = held.numbers();
    let stdio = [stdin, stdout, stderr];
    let rules_number = if rules.is_some() { rules_number } else { -1 };
    let highest = held.numbers().into_iter().max().unwrap_or(2);
    let mut shared = Shared {
        executable,
        rules: rules_number,
        filter: filter.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
        limits: limits.as_ptr(),
        limit_count: limits.len(),
        umask: program.umask,
        new_privileges: program.new_privileges,
        terminal: program.terminal,
        argv: argv.as_ptr(),
        environment: environment.as_ptr(),
        cwd: program.cwd.as_ptr(),
        stdio,
        above: highest.cast_unsigned() + 1,
        ids: program
            .become_user
            .as_ref()
            .map(|take| (take.uid, take.gid, take.groups.as_ptr(), take.groups.len())),
        opens: opens.as_ptr(),
        open_count: opens.len(),
        ignored: ignored_signals(),
        step: 0,
        errno: 0,
        index: 0,
    };
    let into = program
        .cgroup
        .as_ref()
        .map(|group| group.folder().as_raw_fd());
    let arguments = CloneArgs {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::CLONE_FILES) as u64
            | CLONE_CLEAR_SIGHAND
            | if into.is_some() { CLONE_INTO_CGROUP } else { 0 },
        cgroup: into.map_or(0, |number| number as u64),
        pidfd: pidfd.as_ptr() as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.base as u64 + GUARD as u64,
        stack_size: STACK as u64,
        ..CloneArgs::default()
    };
    let all = u64::MAX;
    let mut before = 0u64;
    // SAFETY: all signals are blocked raw (also 32 and 33, which libc hides) so that no handler
    // runs in the child on shared memory; the masks are 8 bytes, the kernel's own size. `clone`
    // gets arguments and memory that live until it returns, and it returns in the parent only,
    // after the child has exec'd or ended (CLONE_VFORK).
    let pid = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const all,
            &raw mut before,
            8,
        );
        let pid = clone(&arguments, child, (&raw mut shared).cast());
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const before,
            std::ptr::null_mut::<u64>(),
            8,
        );
        pid
    };
    if pid < 0 {
        return Err(failed(
            Step::Clone,
            i32::try_from(-pid).unwrap_or(libc::EIO),
        ));
    }
    // SAFETY: CLONE_PIDFD gave us a new descriptor here.
    let owned = unsafe { OwnedFd::from_raw_fd(pidfd.load(Ordering::SeqCst)) };
    // SAFETY: plain reads of our own memory; volatile because the child wrote it behind the
    // compiler's back.
    let (step, errno, index) = unsafe {
        (
            (&raw const shared.step).read_volatile(),
            (&raw const shared.errno).read_volatile(),
            (&raw const shared.index).read_volatile(),
        )
    };
    if step != 0 {
        reap_failed(&owned);
        return Err(SpawnError {
            step: Step::numbered(step),
            errno,
            index,
            detail: None,
        });
    }
    Ok(Child {
        pidfd: owned,
        pid: i32::try_from(pid).unwrap_or(0),
        cgroup: program.cgroup,
        version: program.executable.version,
    })
}

/// A child that never became its program is reaped here; nobody else knows of it.
fn reap_failed(pidfd: &OwnedFd) {
    // SAFETY: waitid with numbers and a null pointer that it does not fill.
    unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PIDFD as libc::c_long,
            pidfd.as_raw_fd(),
            std::ptr::null_mut::<c_void>(),
            libc::WEXITED,
            0,
        )
    };
}

/// clone3 with a stack and a function for the child. Returns the child's id, or minus an error
/// number.
///
/// # Safety
/// `arguments` must name a stack that is free until this returns, and `run` must never return.
unsafe fn clone(
    arguments: &CloneArgs,
    run: unsafe extern "C" fn(*mut c_void) -> !,
    with: *mut c_void,
) -> i64 {
    let result: i64;
    // SAFETY: the kernel clobbers rcx and r11 (x86_64) only. The child has a new stack, aligned to
    // 16 by its size and base, and leaves through `run`, which never returns, so nothing of this
    // frame is used on it.
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
    // SAFETY: the parent is suspended and its frame alive; volatile, so that the writes happen
    // before the exit.
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

    // SAFETY: raw system calls only, on memory that the suspended parent prepared and keeps alive.
    // errno lies in the suspended thread's own storage. No path allocates, locks or unwinds.
    unsafe {
        let plan = &*shared;

        // A table of its own, without what lies above the descriptors that are needed.
        call!(
            shared,
            Step::Descriptors,
            libc::SYS_close_range,
            plan.above,
            u32::MAX,
            CLOSE_RANGE_UNSHARE
        );

        call!(shared, Step::Session, libc::SYS_setsid);

        // Out of the way of standard input, output, error and the paths' descriptors.
        let free = 3 + plan.open_count;
        let executable = call!(
            shared,
            Step::Descriptors,
            libc::SYS_fcntl,
            plan.executable,
            libc::F_DUPFD_CLOEXEC,
            free
        );

        let rules = match plan.rules {
            -1 => -1,
            rules => call!(
                shared,
                Step::Descriptors,
                libc::SYS_fcntl,
                rules,
                libc::F_DUPFD_CLOEXEC,
                free
            ),
        };

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

        reset_signals(plan.ignored);
        if let Some((uid, gid, groups, count)) = plan.ids {
            call!(shared, Step::Groups, libc::SYS_setgroups, count, groups);
            call!(shared, Step::User, libc::SYS_setresgid, gid, gid, gid);
            call!(shared, Step::User, libc::SYS_setresuid, uid, uid, uid);
        }

        // After the change of user, which clears it. The spawning thread lives as long as the
        // daemon.
        libc::syscall(
            libc::SYS_prctl,
            libc::PR_SET_PDEATHSIG,
            libc::SIGKILL,
            0,
            0,
            0,
        );

        libc::syscall(libc::SYS_umask, plan.umask);
        call!(shared, Step::Cwd, libc::SYS_chdir, plan.cwd);
        let mut index = 0;

        while index < plan.open_count {
            (&raw mut (*shared).index).write_volatile(index);
            open_beneath(shared, &*plan.opens.add(index));
            index += 1;
        }

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

        let none = 0u64;
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const none,
            0,
            8,
        );

        libc::syscall(
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
fn ignored_signals() -> u64 {
    static IGNORED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *IGNORED.get_or_init(|| {
        (1..=64)
            .filter(|signal| *signal != libc::SIGKILL && *signal != libc::SIGSTOP)
            .fold(0, |mask, signal| {
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

/// Opens a path argument as the new user: beneath its root, through no link, a file or folder only.
/// Every cause of refusal looks the same to the client.
///
/// # Safety
/// In the child only.
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
