//! What stands for the kernel under Miri: it reads whatever a call points to, as the kernel would,
//! keeps what it has seen, and fails the call that a test wants to fail. The child runs on its
//! parent's thread, which waits for it as a vfork does, and leaves by unwinding.

use super::layout::{CloneArgs, Filter};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::os::fd::IntoRawFd;
use std::os::raw::c_long;

/// An argument of a call.
#[derive(Clone, Copy)]
pub(super) enum Argument {
    Number(i64),
    Pointer(*const c_void),
}

macro_rules! numbers {
    ($($kind:ty),+) => { $(impl From<$kind> for Argument {
        fn from(number: $kind) -> Self {
            Self::Number(number as i64)
        }
    })+ };
}

numbers!(i32, u32, i64, u64, usize);

impl<T> From<*const T> for Argument {
    fn from(pointer: *const T) -> Self {
        Self::Pointer(pointer.cast())
    }
}

impl<T> From<*mut T> for Argument {
    fn from(pointer: *mut T) -> Self {
        Self::Pointer(pointer.cast_const().cast())
    }
}

impl Argument {
    fn number(self) -> i64 {
        match self {
            Self::Number(number) => number,
            Self::Pointer(pointer) => pointer.addr() as i64,
        }
    }

    /// Where it points to, if anywhere.
    fn pointer<T>(self) -> Option<*mut T> {
        match self {
            Self::Number(0) => None,
            Self::Number(number) => panic!("{number} is no pointer"),
            Self::Pointer(pointer) => (!pointer.is_null()).then_some(pointer.cast_mut().cast()),
        }
    }
}

/// What a child has done, and which of its calls is to fail.
#[derive(Default)]
pub(super) struct Kernel {
    /// Each call of the child's, by name and what it points to.
    pub(super) seen: Vec<String>,
    /// The call that fails, counted among the child's.
    pub(super) fails: Option<usize>,
    in_child: bool,
}

std::thread_local! {
    pub(super) static KERNEL: RefCell<Kernel> = RefCell::default();
}

/// How a child leaves.
struct Left;

fn leave() -> ! {
    std::panic::resume_unwind(Box::new(Left))
}

fn fail(errno: i32) -> c_long {
    // SAFETY: this thread's own.
    unsafe { *libc::__errno_location() = errno };
    -1
}

unsafe fn text(argument: Argument) -> String {
    let pointer = argument.pointer::<c_char>().expect("a text");
    // SAFETY: what is checked here.
    unsafe { CStr::from_ptr(pointer) }
        .to_str()
        .unwrap()
        .to_owned()
}

unsafe fn texts(argument: Argument) -> Vec<String> {
    let list = argument.pointer::<*const c_char>().expect("a list");
    let mut all = Vec::new();
    // SAFETY: what is checked here.
    unsafe {
        while !(*list.add(all.len())).is_null() {
            all.push(text((*list.add(all.len())).into()));
        }
    }
    all
}

unsafe fn numbers<T: Copy + std::fmt::Debug>(argument: Argument, count: usize) -> String {
    let Some(pointer) = argument.pointer::<T>() else {
        return "none".into();
    };
    // SAFETY: what is checked here.
    format!("{:?}", unsafe {
        std::slice::from_raw_parts(pointer, count)
    })
}

/// A system call.
pub(super) unsafe fn call(arguments: &[Argument]) -> c_long {
    // SAFETY: the caller's word.
    let (shown, value) = of_numbers(arguments).unwrap_or_else(|| unsafe { of_pointers(arguments) });
    let failed = KERNEL.with_borrow_mut(|kernel| {
        let failed = kernel.in_child && kernel.fails == Some(kernel.seen.len());
        if kernel.in_child {
            kernel.seen.push(shown);
        }
        failed
    });
    match value {
        _ if failed => fail(libc::EPERM),
        i64::MAX => leave(),
        value => value,
    }
}

/// What a call does that points to nothing, and what it returns.
fn of_numbers(arguments: &[Argument]) -> Option<(String, c_long)> {
    let at = |index: usize| arguments[index].number();
    Some(match at(0) {
        libc::SYS_close_range => (format!("close_range {}", at(3)), 0),
        libc::SYS_setsid => ("setsid".into(), 1),
        libc::SYS_fcntl => (format!("fcntl {}", at(2)), at(3).max(3)),
        libc::SYS_dup3 => (format!("dup3 {}", at(2)), at(2)),
        libc::SYS_ioctl => ("ioctl".into(), 0),
        libc::SYS_setresgid => (format!("setresgid {}", at(1)), 0),
        libc::SYS_setresuid => (format!("setresuid {}", at(1)), 0),
        libc::SYS_prctl => (format!("prctl {}", at(1)), 0),
        libc::SYS_setpriority => (format!("setpriority {}", at(3)), 0),
        libc::SYS_umask => (format!("umask {:o}", at(1)), 0),
        libc::SYS_close => (format!("close {}", at(1)), 0),
        libc::SYS_exit_group => leave(),
        libc::SYS_waitid | libc::SYS_pidfd_send_signal => (String::new(), 0),
        _ => return None,
    })
}

/// What a call does that points to something, and what it returns.
unsafe fn of_pointers(arguments: &[Argument]) -> (String, c_long) {
    let at = |index: usize| arguments[index];
    // SAFETY: every read and write here is what the kernel would do; Miri judges each.
    unsafe {
        match at(0).number() {
            libc::SYS_rt_sigaction => {
                let ignored = u64::from(at(1).number() == i64::from(libc::SIGPIPE));
                if let Some(old) = at(3).pointer::<[u64; 4]>() {
                    *old = [ignored, 0, 0, 0];
                }
                let new = numbers::<u64>(at(2), 4);
                (format!("sigaction {} {new}", at(1).number()), 0)
            }
            libc::SYS_rt_sigprocmask => {
                let new = numbers::<u64>(at(2), 1);
                if let Some(old) = at(3).pointer::<u64>() {
                    *old = 0;
                }
                (format!("sigprocmask {new}"), 0)
            }
            libc::SYS_setgroups => {
                let groups = numbers::<u32>(at(2), at(1).number() as usize);
                (format!("setgroups {groups}"), 0)
            }
            libc::SYS_chdir => (format!("chdir {}", text(at(1))), 0),
            libc::SYS_write => (format!("write {}", numbers::<u8>(at(2), 1)), 1),
            libc::SYS_openat => (format!("openat {}", text(at(2))), 101),
            libc::SYS_openat2 => {
                let how = numbers::<u64>(at(3), 3);
                (format!("openat2 {} {how}", text(at(2))), 102)
            }
            libc::SYS_prlimit64 => {
                let new = numbers::<u64>(at(3), 2);
                if let Some(old) = at(4).pointer::<[u64; 2]>() {
                    *old = [1024, 4096];
                }
                (format!("prlimit {} {new}", at(2).number()), 0)
            }
            libc::SYS_seccomp => {
                let filter = &*at(3).pointer::<Filter>().expect("a filter");
                let program =
                    std::slice::from_raw_parts(filter.program, usize::from(filter.length));
                (format!("seccomp {}", program.len() > 4), 0)
            }
            libc::SYS_execveat => {
                let (words, environment) = (texts(at(3)), texts(at(4)));
                (format!("execveat {words:?} {environment:?}"), i64::MAX)
            }
            other => panic!("the system call {other} is not known here"),
        }
    }
}

/// As dup3(2), of the parent's.
pub(super) unsafe fn dup3(_: i32, place: i32, _: i32) -> i32 {
    place
}

/// As fstat(2): an ordinary file.
pub(super) unsafe fn fstat(_: i32, status: *mut libc::stat) -> i32 {
    // SAFETY: what is checked here.
    unsafe { (*status).st_mode = libc::S_IFREG };
    0
}

/// As clone3(2) with CLONE_VFORK and CLONE_PIDFD.
pub(super) unsafe fn clone(
    arguments: &CloneArgs,
    run: unsafe extern "C-unwind" fn(*mut c_void) -> !,
    with: *mut c_void,
) -> i64 {
    let number = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
    // SAFETY: what is checked here.
    unsafe { *std::ptr::with_exposed_provenance_mut::<i32>(arguments.pidfd as usize) = number };
    KERNEL.with_borrow_mut(|kernel| {
        kernel.in_child = true;
        kernel.seen.clear();
    });
    // SAFETY: the caller's word.
    let left = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unsafe { run(with) }));
    KERNEL.with_borrow_mut(|kernel| kernel.in_child = false);
    match left {
        Ok(never) => never,
        Err(why) if why.is::<Left>() => 4711,
        Err(why) => std::panic::resume_unwind(why),
    }
}
