//! The parent's half of a start: prepares everything, clones, and reads what the child reports.

use super::super::cgroup::Cgroup;
use super::super::jail;
use super::super::standing;
use super::child::{child, ignored_signals};
use super::cradle::{Cradle, HELD};
use super::deadline::Pidfd;
#[cfg(all(test, miri))]
use super::kernel::clone;
use super::layout::{CloneArgs, Filter};
use super::program::{Child, Open, ProcessLimit, Program, SpawnError, Step, Wanted};
use super::raw::raw;
use super::shared::{RawOpen, Shared};
use std::cell::UnsafeCell;
use std::ffi::{CString, c_char, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Starts a program on the calling thread, which must outlive it.
pub(in crate::sys) fn start_here(program: Program) -> Result<Child, SpawnError> {
    let cradle = Cradle::new().map_err(|fault| SpawnError::before(Step::Clone, &fault))?;
    let always = || true;
    clone_and_exec(&cradle, program, &always, &Pidfd::default())
}

/// Starts a program and waits until it has replaced the child, unless the gate is closed by then;
/// `pidfd` is set before the child runs, so that another thread can kill it.
pub(super) fn clone_and_exec(
    cradle: &Cradle,
    program: Program,
    gate: &dyn Fn() -> bool,
    pidfd: &Pidfd,
) -> Result<Child, SpawnError> {
    let prepared = Prepared::of(&program)?;
    let [stdin, stdout, stderr] = &program.stdio;
    let held = cradle
        .low
        .hold([
            Some(stdin),
            Some(stdout),
            Some(stderr),
            Some(&program.executable.file),
            prepared.rules.as_ref(),
            program.passed.as_ref().map(|[first, _]| first),
            program.passed.as_ref().map(|[_, second]| second),
        ])
        .map_err(|fault| SpawnError::before(Step::Descriptors, &fault))?;

    let mut shared = prepared.shared(&program, held.numbers());
    if !gate() {
        return Err(SpawnError::at(Step::Gate, 0));
    }
    let pid = clone_blocked(cradle, program.cgroup.as_ref(), pidfd, &mut shared).inspect_err(
        // A clone that failed late has written a number that is nobody's.
        |_| pidfd.forget(),
    )?;

    // SAFETY: CLONE_PIDFD gave us a new descriptor here.
    let owned = unsafe { OwnedFd::from_raw_fd(pidfd.number()) };
    if let Some(error) = shared.failure() {
        reap_failed(&owned);
        pidfd.forget();
        return Err(error);
    }

    Ok(Child {
        pidfd: owned,
        pid,
        cgroup: program.cgroup,
        version: program.executable.version,
    })
}

/// All that the child needs, made before it exists. Its pointers lead into the program, which must
/// outlive it.
struct Prepared {
    argv: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    limits: Vec<(i32, [u64; 2])>,
    rules: Option<OwnedFd>,
    filter: Option<Filter>,
    opens: Vec<RawOpen>,
}

impl Prepared {
    fn of(program: &Program) -> Result<Self, SpawnError> {
        let interpreter = &program.executable.interpreter;

        // A script's path stands for its argv[0].
        let own_words = program
            .argv
            .iter()
            .skip(usize::from(!interpreter.is_empty()));
        let rules = match &program.files {
            Some(files) => Some(
                jail::sandbox(files, &program.executable.paths, root(program))
                    .map_err(|fault| SpawnError::before(Step::Sandbox, &fault))?,
            ),
            None => None,
        };

        Ok(Self {
            argv: pointers(interpreter.iter().chain(own_words)),
            environment: pointers(program.environment.iter()),
            limits: program.limits.iter().map(attainable).collect(),
            rules,
            filter: filter(program.network)?,
            opens: program.opens.iter().map(raw_open).collect(),
        })
    }

    /// What parent and child share, with the descriptors' low numbers in the order in which they
    /// are held: standard input, output, error, the executable, the rules, what is passed on.
    fn shared(&self, program: &Program, numbers: [RawFd; HELD]) -> Shared {
        let [stdin, stdout, stderr, executable, rules, first, second] = numbers;
        let highest = numbers.into_iter().max().unwrap_or(2);
        Shared {
            executable,
            rules: if self.rules.is_some() { rules } else { -1 },
            filter: self
                .filter
                .as_ref()
                .map_or(std::ptr::null(), std::ptr::from_ref),
            limits: self.limits.as_ptr(),
            limit_count: self.limits.len(),
            umask: program.umask,
            new_privileges: program.new_privileges,
            terminal: program.terminal,
            argv: self.argv.as_ptr(),
            environment: self.environment.as_ptr(),
            cwd: program.cwd.as_ptr(),
            stdio: [stdin, stdout, stderr],
            passed: program.passed.as_ref().map(|_| [first, second]),
            above: highest.cast_unsigned() + 1,
            ids: program
                .become_user
                .as_ref()
                .map(|take| (take.uid, take.gid, take.groups.as_ptr(), take.groups.len())),
            opens: self.opens.as_ptr(),
            open_count: self.opens.len(),
            standing: standing::given(),
            ignored: ignored_signals(),
            report: UnsafeCell::default(),
        }
    }
}

/// The folder among what is passed on, below which alone a sandbox may leave the program files.
fn root(program: &Program) -> Option<&OwnedFd> {
    program.passed.as_ref().map(|[root, _]| root)
}

/// A list of words as exec takes it: pointers, the last of them null.
fn pointers<'w>(words: impl Iterator<Item = &'w CString>) -> Vec<*const c_char> {
    words
        .map(|word| word.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// A bound as prlimit takes it, no higher than this process may set it.
fn attainable(limit: &ProcessLimit) -> (i32, [u64; 2]) {
    let resource = limit.what.number();
    let mut known = [u64::MAX; 2];

    // SAFETY: prlimit on this process that only asks, into two numbers of the kernel's size.
    unsafe {
        raw!(
            libc::SYS_prlimit64,
            0,
            resource,
            std::ptr::null::<u64>(),
            known.as_mut_ptr(),
        )
    };

    (resource, [limit.most.min(known[1]); 2])
}

/// The filter that takes the network away, where it is to be taken.
fn filter(network: bool) -> Result<Option<Filter>, SpawnError> {
    if network {
        return Ok(None);
    }
    let program = jail::no_network()
        .map_err(|fault| SpawnError::before(Step::Network, &io::Error::other(fault)))?;
    Ok(Some(Filter {
        length: u16::try_from(program.len()).unwrap_or(0),
        program: program.as_ptr(),
    }))
}

/// A path argument as the child takes it.
fn raw_open(open: &Open) -> RawOpen {
    RawOpen {
        root: open.root.as_ptr(),
        relative: open.relative.as_ptr(),
        keep: open
            .keep
            .map_or(-1, |number| i32::try_from(number).unwrap_or(-1)),
        wanted: match open.only {
            None => 0,
            Some(Wanted::File) => libc::S_IFREG,
            Some(Wanted::Folder) => libc::S_IFDIR,
        },
    }
}

const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Clones the child with every signal blocked, into its control group if it has one, and returns
/// its id once it has exec'd or ended.
fn clone_blocked(
    cradle: &Cradle,
    group: Option<&Cgroup>,
    pidfd: &Pidfd,
    shared: &mut Shared,
) -> Result<i32, SpawnError> {
    let into = group.map(|group| group.folder().as_raw_fd());
    let (stack, stack_size) = cradle.stack.usable();
    let arguments = CloneArgs {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::CLONE_FILES) as u64
            | CLONE_CLEAR_SIGHAND
            | if into.is_some() { CLONE_INTO_CGROUP } else { 0 },
        cgroup: into.map_or(0, |number| number as u64),
        pidfd: pidfd.place() as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack,
        stack_size,
        ..CloneArgs::default()
    };

    let all = u64::MAX;
    let mut before = 0u64;

    // SAFETY: all signals are blocked raw (also 32 and 33, which libc hides) so that no handler
    // runs in the child on shared memory; the masks are 8 bytes, the kernel's own size. `clone`
    // gets arguments and memory that live until it returns, and it returns in the parent only,
    // after the child has exec'd or ended (CLONE_VFORK).
    let pid = unsafe {
        raw!(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const all,
            &raw mut before,
            8,
        );
        let pid = clone(&arguments, child, std::ptr::from_mut(shared).cast());
        raw!(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const before,
            std::ptr::null_mut::<u64>(),
            8,
        );
        pid
    };

    if pid < 0 {
        return Err(SpawnError::at(
            Step::Clone,
            i32::try_from(-pid).unwrap_or(libc::EIO),
        ));
    }
    Ok(i32::try_from(pid).unwrap_or(0))
}

/// A child that never became its program is reaped here; nobody else knows of it.
fn reap_failed(pidfd: &OwnedFd) {
    // SAFETY: waitid with numbers and a null pointer that it does not fill.
    unsafe {
        raw!(
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
#[cfg(not(all(test, miri)))]
unsafe fn clone(
    arguments: &CloneArgs,
    run: unsafe extern "C-unwind" fn(*mut c_void) -> !,
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
    // SAFETY: as on x86_64, but that the kernel keeps all registers other than x0.
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
