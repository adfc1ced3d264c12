//! Raw system calls of a start. Under Miri, which has no kernel, a stand-in takes them and reads
//! whatever they point to.

/// A raw system call: its number and arguments.
#[cfg(not(all(test, miri)))]
macro_rules! raw {
    ($($argument:expr),+ $(,)?) => { libc::syscall($($argument),+) };
}

#[cfg(all(test, miri))]
macro_rules! raw {
    ($($argument:expr),+ $(,)?) => {
        super::kernel::call(&[$(super::kernel::Argument::from($argument)),+])
    };
}

pub(super) use raw;

#[cfg(all(test, miri))]
pub(super) use super::kernel::{dup3, fstat};
#[cfg(not(all(test, miri)))]
pub(super) use libc::{dup3, fstat};
