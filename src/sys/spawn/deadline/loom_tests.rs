//! A start, its deadline and the thread that watches, in every order of their steps.

use super::super::program::Step;
use super::*;
use std::cell::Cell;
use std::os::fd::RawFd;
use std::time::Duration;

/// The number of the one child's pidfd.
const NUMBER: RawFd = 7;

// What the kernel knows. The threads of a model are one thread of the machine.
std::thread_local! {
    /// Whether the number is the child's.
    static OPEN: Cell<bool> = const { Cell::new(false) };
    /// How often the start was answered for.
    static ANSWERS: Cell<u32> = const { Cell::new(0) };
}

pub(super) fn kill(number: RawFd) {
    assert_eq!(number, NUMBER);
    assert!(OPEN.get(), "a signal to somebody else's descriptor");
}

fn answer() -> Answer {
    Box::new(|outcome| {
        assert!(outcome.is_err());
        ANSWERS.set(ANSWERS.get() + 1);
    })
}

/// The steps of a start whose child fails: the kernel gives it a descriptor, and when it has been
/// reaped that is closed.
fn fails(pidfd: &Pidfd) -> Result<Child, SpawnError> {
    OPEN.set(true);
    pidfd.number.store(NUMBER, Ordering::Relaxed);
    loom::thread::yield_now();
    pidfd.forget();
    OPEN.set(false);
    Err(SpawnError::at(Step::Exec, libc::ENOENT))
}

/// A book with one slot, and the slot.
fn book() -> (Arc<DeadlineBook>, Arc<Slot>) {
    OPEN.set(false);
    ANSWERS.set(0);
    let book = Arc::new(DeadlineBook::default());
    let mut slot = None;
    book.add(|_, added| {
        slot = Some(added);
        Ok(())
    })
    .unwrap();
    (book, slot.unwrap())
}

/// A time at which whatever is under way is late.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn a_late_start_is_answered_for_once_and_signals_reach_its_child_only() {
    loom::model(|| {
        let (book, slot) = book();
        let watcher = {
            let book = book.clone();
            loom::thread::spawn(move || book.judge(later()))
        };

        let cloned = Cell::new(false);
        book.start(
            &slot,
            answer(),
            || Ok(()),
            |(), pidfd| {
                assert_eq!(ANSWERS.get(), 0, "what was given up is started");
                cloned.set(true);
                fails(pidfd)
            },
        );

        let (_, hanging) = watcher.join().unwrap();
        assert_eq!(ANSWERS.get(), 1);
        assert_eq!(hanging, usize::from(!cloned.get()));
    });
}

#[test]
fn whatever_is_entered_wakes_the_one_who_watches() {
    loom::model(|| {
        let (book, slot) = book();
        let watcher = {
            let book = book.clone();
            loom::thread::spawn(move || {
                while ANSWERS.get() < 2 {
                    book.wait();
                    // Where it sleeps.
                    loom::thread::yield_now();
                    let (busy, _) = book.judge(later());
                    if !busy {
                        book.rest();
                    }
                }
            })
        };

        // One that fails at once, and one that hangs for good before there is a child.
        let fails = || Err(SpawnError::at(Step::Executable, libc::ENOENT));
        book.start(&slot, answer(), fails, |(), _| unreachable!());
        book.enter(&slot, answer());
        watcher.join().unwrap();
        assert_eq!(ANSWERS.get(), 2);
    });
}
