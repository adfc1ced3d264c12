//! Structures of the kernel's that a start passes to it.

/// The kernel's `clone_args`.
#[repr(C)]
#[derive(Default)]
pub(super) struct CloneArgs {
    pub(super) flags: u64,
    pub(super) pidfd: u64,
    pub(super) child_tid: u64,
    pub(super) parent_tid: u64,
    pub(super) exit_signal: u64,
    pub(super) stack: u64,
    pub(super) stack_size: u64,
    pub(super) tls: u64,
    pub(super) set_tid: u64,
    pub(super) set_tid_size: u64,
    pub(super) cgroup: u64,
}

/// The kernel's `sock_fprog`.
#[repr(C)]
pub(super) struct Filter {
    pub(super) length: u16,
    pub(super) program: *const seccompiler::sock_filter,
}
