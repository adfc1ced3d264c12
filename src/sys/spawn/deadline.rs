//! The deadlines of starts that are under way, one slot for each spawning thread.

use super::program::{Child, SpawnError, Step};
use super::raw::raw;
use crate::limits;
use crate::sync::{Arc, AtomicBool, AtomicI32, Condvar, Mutex, MutexGuard, Ordering};
#[cfg(all(test, feature = "loom"))]
use loom_tests::kill;
use std::io;
#[cfg(not(all(test, feature = "loom")))]
use std::os::fd::RawFd;
use std::sync::PoisonError;
use std::time::Instant;

/// The way to tell, once, what has become of a start.
pub(super) type Answer = Box<dyn FnOnce(Result<Child, SpawnError>) + Send>;

/// What the deadline thread looks at: one per spawning thread.
#[derive(Default)]
pub(super) struct Slot {
    work: Mutex<Option<Work>>,
    /// The child's pidfd.
    pub(super) pidfd: Pidfd,
}

/// The number of a child's pidfd, for as long as that is the child's: written by the kernel before
/// the child runs, and forgotten before the descriptor is closed.
pub(super) struct Pidfd {
    number: AtomicI32,
    /// Held by whoever signals, and by whoever forgets: a number that was closed may be another
    /// file's by then.
    used: Mutex<()>,
}

impl Default for Pidfd {
    fn default() -> Self {
        Self {
            number: AtomicI32::new(-1),
            used: Mutex::default(),
        }
    }
}

impl Pidfd {
    /// Where the kernel writes the number.
    #[cfg(not(all(test, feature = "loom")))]
    pub(super) const fn place(&self) -> *mut i32 {
        self.number.as_ptr()
    }

    #[cfg(all(test, feature = "loom"))]
    pub(super) fn place(&self) -> *mut i32 {
        unreachable!("no kernel writes in these tests")
    }

    /// The number; below 0 where there is none.
    pub(super) fn number(&self) -> i32 {
        self.number.load(Ordering::SeqCst)
    }

    /// From now on nobody signals through this number.
    pub(super) fn forget(&self) {
        let _held = lock(&self.used);
        self.number.store(-1, Ordering::SeqCst);
    }

    /// Kills the child; whether there was one.
    fn kill(&self) -> bool {
        let _held = lock(&self.used);
        let number = self.number();
        if number < 0 {
            return false;
        }
        kill(number);
        true
    }
}

/// Kills the process of a pidfd.
#[cfg(not(all(test, feature = "loom")))]
fn kill(number: RawFd) {
    // SAFETY: numbers only; the number is the child's for as long as the caller holds its lock.
    unsafe { raw!(libc::SYS_pidfd_send_signal, number, libc::SIGKILL, 0, 0) };
}

/// A start under way. Whoever takes it out of its slot answers for it.
struct Work {
    until: Instant,
    answer: Answer,
    /// Whether the child has been asked for: then it can be killed, and its thread comes back.
    cloning: bool,
    /// Whether the child was killed because its time was up.
    late: bool,
}

/// The slots of all spawning threads, and the sleep of the thread that watches them.
#[derive(Default)]
pub(super) struct DeadlineBook {
    slots: Mutex<Vec<Arc<Slot>>>,
    awake: AtomicBool,
    wake: Mutex<()>,
    bell: Condvar,
}

/// The contents of a mutex, also after a panic of whoever held it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of a start whose time was up.
const fn late() -> SpawnError {
    SpawnError::at(Step::Deadline, libc::ETIMEDOUT)
}

impl Slot {
    /// Notes that the child is asked for now. False where the start was given up meanwhile, and
    /// answered: nothing may start any more.
    fn may_clone(&self) -> bool {
        match lock(&self.work).as_mut() {
            None => false,
            Some(work) => {
                work.cloning = true;
                true
            }
        }
    }

    /// Takes the start out of its slot and answers for it, unless somebody has done so.
    fn answer(&self, outcome: Result<Child, SpawnError>) {
        let Some(work) = lock(&self.work).take() else {
            return;
        };
        (work.answer)(match outcome {
            Err(_) if work.late => Err(late()),
            other => other,
        });
    }
}

impl DeadlineBook {
    /// Adds a slot, if the thread that `start` is to give it, with its number, can be had.
    pub(super) fn add(
        &self,
        start: impl FnOnce(usize, Arc<Slot>) -> io::Result<()>,
    ) -> io::Result<()> {
        let slot = Arc::new(Slot::default());
        let mut slots = lock(&self.slots);
        start(slots.len(), slot.clone())?;
        slots.push(slot);
        Ok(())
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        lock(&self.slots).len()
    }

    /// Prepares a start and makes its child, under its deadline, and answers for it.
    pub(super) fn start<P>(
        &self,
        slot: &Slot,
        answer: Answer,
        prepare: impl FnOnce() -> Result<P, SpawnError>,
        clone: impl FnOnce(P, &Pidfd) -> Result<Child, SpawnError>,
    ) {
        self.enter(slot, answer);
        let prepared = prepare();
        if slot.may_clone() {
            slot.answer(prepared.and_then(|prepared| clone(prepared, &slot.pidfd)));
        }
    }

    /// Enters a start into its thread's slot, and wakes whoever watches.
    fn enter(&self, slot: &Slot, answer: Answer) {
        slot.pidfd.forget();
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
    }

    /// Sleeps until something is being started.
    pub(super) fn wait(&self) {
        let mut held = lock(&self.wake);
        while !self.awake.load(Ordering::SeqCst) {
            held = self.bell.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that nothing was under way: the next [`Self::wait`] sleeps, unless something has begun
    /// between the look and now.
    pub(super) fn rest(&self) {
        self.awake.store(false, Ordering::SeqCst);
        if lock(&self.slots)
            .iter()
            .any(|slot| lock(&slot.work).is_some())
        {
            self.awake.store(true, Ordering::SeqCst);
        }
    }

    /// Gives up what is late by now; whether anything is still under way, and how many threads hang.
    pub(super) fn judge(&self, now: Instant) -> (bool, usize) {
        let (mut busy, mut hanging) = (false, 0);
        let slots = lock(&self.slots).clone();
        for slot in &slots {
            let mut held = lock(&slot.work);
            match held.as_mut() {
                None => {}
                Some(work) if work.until > now => busy = true,
                Some(work) if work.cloning => {
                    busy = true;
                    if !work.late {
                        work.late = slot.pidfd.kill();
                    }
                }

                // It hangs in a file system, where nothing can end it. Answered for, and replaced
                // by another thread.
                Some(_) => {
                    hanging += 1;
                    if let Some(work) = held.take() {
                        drop(held);
                        (work.answer)(Err(late()));
                    }
                }
            }
        }

        (busy, hanging)
    }
}

#[cfg(test)]
#[cfg(feature = "loom")]
mod loom_tests;
