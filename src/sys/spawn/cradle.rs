//! What a spawning thread keeps ready for its next child: a stack, and low numbers for the
//! descriptors that the child needs.

use super::super::null;
use super::raw::dup3;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// What one spawning thread keeps; used for one child at a time.
pub(super) struct Cradle {
    /// The child's stack.
    pub(super) stack: Stack,
    /// Where the child's descriptors are put.
    pub(super) low: Low,
}

impl Cradle {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            stack: Stack::new()?,
            low: Low::new()?,
        })
    }
}

/// A stack for the child, with a page below it that nobody may touch.
pub(super) struct Stack {
    base: *mut c_void,
}

const STACK: usize = 128 * 1024;
const GUARD: usize = 4096;
/// What kind of mapping a stack is; Miri knows one kind only.
const KIND: i32 = if cfg!(miri) { 0 } else { libc::MAP_STACK };

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
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | KIND,
                -1,
                0,
            )
        };

        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // Miri cannot protect memory, and has a watch of its own on it.
        #[cfg(not(miri))]
        // SAFETY: the first page of the mapping just made.
        unsafe {
            libc::mprotect(base, GUARD, libc::PROT_NONE)
        };
        Ok(Self { base })
    }

    /// Where the part of the stack that may be used begins, and its size, as clone3 takes them.
    pub(super) fn usable(&self) -> (u64, u64) {
        (self.base as u64 + GUARD as u64, STACK as u64)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`.
        unsafe { libc::munmap(self.base, STACK + GUARD) };
    }
}

/// How many descriptors a child may need: its standard input, output and error, the executable, the
/// rules of a sandbox, and two that are passed on to it.
pub(super) const HELD: usize = 7;

/// Low numbers that a spawning thread keeps for itself: what the child needs is put there, so that
/// it can let go of the thousands of descriptors that a busy daemon has without the kernel copying
/// them first.
pub(super) struct Low {
    places: [OwnedFd; HELD],
    empty: OwnedFd,
}

impl Low {
    fn new() -> io::Result<Self> {
        let empty = null()?;
        let place = || empty.try_clone();
        Ok(Self {
            places: [
                place()?,
                place()?,
                place()?,
                place()?,
                place()?,
                place()?,
                place()?,
            ],
            empty,
        })
    }

    /// Puts descriptors into the low places, for as long as the result lives.
    pub(super) fn hold(&self, descriptors: [Option<&OwnedFd>; HELD]) -> io::Result<Held<'_>> {
        let held = Held(self);
        for (place, descriptor) in self.places.iter().zip(descriptors) {
            if let Some(descriptor) = descriptor {
                put(descriptor, place)?;
            }
        }

        Ok(held)
    }
}

/// Makes the place's number name the descriptor's file.
fn put(descriptor: &OwnedFd, place: &OwnedFd) -> io::Result<()> {
    // SAFETY: both are open and ours; the place goes on being owned, and names another file.
    let status = unsafe { dup3(descriptor.as_raw_fd(), place.as_raw_fd(), libc::O_CLOEXEC) };
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Descriptors in their low places. A pipe's end that stayed there would keep the pipe open.
pub(super) struct Held<'l>(&'l Low);

impl Held<'_> {
    /// The numbers of the descriptors, in the order in which they were put there.
    pub(super) fn numbers(&self) -> [RawFd; HELD] {
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
