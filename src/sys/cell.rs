//! What the frontend may ask of the kernel once everything is open: each system call with the
//! arguments that it may have, and why it needs it. What does not stand here fails.

use libc::c_long;

/// One system call in one of the ways in which the frontend may make it.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// The call's name.
    pub name: &'static str,
    pub(super) number: c_long,
    pub(super) only: &'static [Only],
    /// What a trace says of the arguments, where only some may pass.
    pub shown: &'static str,
    /// Whether the tests make it happen. What they do not has a reason that says when it does.
    pub seen: Seen,
    /// Why the frontend needs the call.
    pub why: &'static str,
}

/// Whether a trace of the tests shows a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Always.
    Always,
    /// Now and then: under load, after a fault, or with another libc.
    Rarely,
}

/// What an argument must be, by its place from 0.
#[derive(Debug, Clone, Copy)]
pub(super) enum Only {
    /// This number, in its lower 32 bits.
    Is(u8, u64),
    /// All of these bits.
    With(u8, u64),
    /// None of these bits.
    Without(u8, u64),
    /// A null pointer.
    Null(u8),
    /// This process.
    Own(u8),
}

use Only::{Is, Null, Own, With, Without};
use Seen::{Always, Rarely};

/// A line of the table.
macro_rules! allowed {
    ($name:ident $(($($only:expr),+))? $(shown $shown:literal)?, $seen:expr, $why:literal) => {
        Allowed {
            // Behind `SYS_`.
            name: stringify!($name).split_at(4).1,
            number: libc::$name,
            only: &[$($($only),+)?],
            shown: concat!("" $(, $shown)?),
            seen: $seen,
            why: $why,
        }
    };
}

/// Flags of a descriptor that would have the kernel send signals, or change what a pipe is.
const STRANGE_FLAGS: u64 = (libc::O_ASYNC | libc::O_DIRECT) as u64;
const EXECUTABLE: u64 = libc::PROT_EXEC as u64;
const FAST_OPEN: u64 = libc::MSG_FASTOPEN as u64;
/// `PR_SET_VMA`, which is in no header of libc.
const NAME_MEMORY: u64 = 0x5356_4d41;

/// The list.
pub const CELL: &[Allowed] = &[
    // What is open already.
    allowed!(SYS_read, Always, "the outputs of runs"),
    allowed!(
        SYS_write,
        Always,
        "the input of runs, the log, the runtime's bell"
    ),
    allowed!(SYS_writev, Always, "frames to clients, several at once"),
    allowed!(SYS_pread64, Always, "the spool of a run, by offset"),
    allowed!(SYS_pwrite64, Always, "the spool of a run, by offset"),
    allowed!(SYS_recvfrom, Always, "frames from clients"),
    allowed!(
        SYS_recvmsg,
        Always,
        "the monitor's messages, with descriptors"
    ),
    allowed!(
        SYS_sendto(Null(4), Without(3, FAST_OPEN)),
        Rarely,
        "frames to clients, one alone: over what is connected, with no address, and no connection made by sending"
    ),
    allowed!(
        SYS_sendmsg(Without(2, FAST_OPEN)),
        Always,
        "messages to the monitor, with descriptors; no connection made by sending"
    ),
    allowed!(SYS_accept4, Always, "clients"),
    allowed!(SYS_close, Always, "whatever is over"),
    allowed!(SYS_setsockopt(Is(1, libc::IPPROTO_TCP as u64), Is(2, libc::TCP_NODELAY as u64)) shown "TCP_NODELAY", Always, "small frames leave at once"),
    allowed!(SYS_shutdown(Is(1, libc::SHUT_WR as u64)) shown "SHUT_WR", Always, "the end of what is said to a client; a listener goes on listening"),
    allowed!(SYS_fcntl(Is(1, libc::F_GETFD as u64)) shown "F_GETFD", Always, "debug builds look whether a descriptor is open before they close it"),
    allowed!(SYS_fcntl(Is(1, libc::F_GETFL as u64)) shown "F_GETFL", Always, "whether a pipe blocks"),
    allowed!(SYS_fcntl(Is(1, libc::F_SETFL as u64), Without(2, STRANGE_FLAGS)) shown "F_SETFL", Always, "pipes must not block"),
    allowed!(SYS_fcntl(Is(1, libc::F_DUPFD_CLOEXEC as u64)) shown "F_DUPFD_CLOEXEC", Always, "a client's socket is shown to the monitor"),
    allowed!(SYS_fcntl(Is(1, libc::F_SETPIPE_SZ as u64)) shown "F_SETPIPE_SZ", Always, "pipes that carry much"),
    allowed!(SYS_ioctl(Is(1, libc::TCGETS)) shown "TCGETS", Always, "whether the log goes to a terminal"),
    allowed!(SYS_ioctl(Is(1, libc::TIOCSWINSZ)) shown "TIOCSWINSZ", Rarely, "the size of a run's terminal, when that changes; nothing that types into one"),
    allowed!(SYS_newfstatat(Is(3, libc::AT_EMPTY_PATH as u64)) shown "AT_EMPTY_PATH", Always, "whether a descriptor is a pipe"),
    allowed!(SYS_fstat, Rarely, "the same, by a libc that asks so"),
    // Waiting.
    allowed!(SYS_epoll_create1, Always, "the runtime's start"),
    allowed!(SYS_epoll_ctl, Always, "what the runtime waits for"),
    #[cfg(target_arch = "x86_64")]
    allowed!(SYS_epoll_wait, Always, "the runtime waits"),
    allowed!(
        SYS_epoll_pwait,
        Rarely,
        "the runtime waits, where there is no epoll_wait"
    ),
    allowed!(SYS_eventfd2, Always, "the runtime's bell"),
    allowed!(SYS_socketpair(Is(0, libc::AF_UNIX as u64), Without(1, 0xe), With(1, libc::SOCK_STREAM as u64)) shown "AF_UNIX, SOCK_STREAM", Always, "the runtime's signals; no other socket can be made, above all none that can be pointed at a path later"),
    allowed!(SYS_futex, Always, "locks between threads"),
    allowed!(
        SYS_clock_gettime,
        Rarely,
        "the time, where the kernel maps no clock"
    ),
    allowed!(SYS_clock_nanosleep, Rarely, "short sleeps"),
    allowed!(SYS_nanosleep, Rarely, "short sleeps"),
    allowed!(
        SYS_restart_syscall,
        Rarely,
        "a sleep goes on after the process was stopped"
    ),
    allowed!(SYS_sched_yield, Rarely, "a lock that is contended"),
    // Memory, never executable, and of no file.
    allowed!(SYS_brk, Always, "the heap"),
    allowed!(
        SYS_mmap(Without(2, EXECUTABLE), With(3, libc::MAP_ANONYMOUS as u64)),
        Rarely,
        "large blocks, stacks of threads"
    ),
    allowed!(
        SYS_mprotect(Without(2, EXECUTABLE)),
        Rarely,
        "stacks of threads, the heaps of threads"
    ),
    allowed!(SYS_munmap, Always, "large blocks are given back"),
    allowed!(SYS_mremap, Rarely, "large blocks grow"),
    allowed!(SYS_madvise(Is(2, libc::MADV_DONTNEED as u64)) shown "MADV_DONTNEED", Rarely, "stacks and heaps of threads are given back"),
    allowed!(
        SYS_getrandom,
        Rarely,
        "keys of handshakes, after many of them"
    ),
    // Threads, no processes.
    allowed!(
        SYS_clone(With(0, libc::CLONE_THREAD as u64)),
        Rarely,
        "threads, where there is more than one"
    ),
    allowed!(SYS_set_robust_list, Rarely, "a thread begins"),
    allowed!(SYS_rseq, Rarely, "a thread begins"),
    allowed!(SYS_sched_getaffinity, Rarely, "a thread begins"),
    allowed!(SYS_prctl(Is(0, libc::PR_SET_NAME as u64)) shown "PR_SET_NAME", Rarely, "the name of a thread"),
    allowed!(SYS_prctl(Is(0, NAME_MEMORY)) shown "PR_SET_VMA", Rarely, "libc gives its memory names"),
    allowed!(
        SYS_sigaltstack,
        Always,
        "a thread's stack for the report that its own is full"
    ),
    allowed!(SYS_rt_sigprocmask, Rarely, "a thread begins"),
    allowed!(SYS_exit, Rarely, "a thread ends"),
    allowed!(SYS_exit_group, Always, "the end"),
    allowed!(SYS_geteuid, Always, "which user it is, for `status`"),
    // A panic and an abort.
    allowed!(SYS_getpid, Rarely, "an abort"),
    allowed!(SYS_gettid, Rarely, "an abort"),
    allowed!(SYS_tgkill(Own(0)), Rarely, "an abort: a signal to itself"),
    allowed!(SYS_rt_sigaction, Rarely, "an abort"),
    allowed!(SYS_rt_sigreturn, Rarely, "the end of a signal's handler"),
];

/// What only an attacker would try: the process ends.
pub(super) const FATAL: &[c_long] = &[
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
