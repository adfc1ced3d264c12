//! The threads that start programs, and the one that ends what takes too long to start.

use super::cradle::Cradle;
use super::deadline::{Answer, DeadlineBook, Slot, lock};
use super::parent::clone_and_exec;
use super::program::{Gate, Program, SpawnError};
use crate::limits;
use crate::sync::{Arc, Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::PoisonError;
use std::time::Instant;

/// The error that as many programs wait to be started as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

type Prepare = Box<dyn FnOnce() -> Result<Program, SpawnError> + Send>;

/// A pool of threads that start processes, and one that keeps their deadlines.
#[derive(Clone)]
pub struct Spawner(Arc<Queue>);

/// Programs that wait to be started. One bell for all threads, which wakes one of them: a shared
/// channel would wake a second only to wait in its place.
struct Queue {
    jobs: Mutex<VecDeque<(Prepare, Gate, Answer)>>,
    bell: Condvar,
    most: usize,
    deadlines: DeadlineBook,
}

impl std::fmt::Debug for Spawner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Spawner")
    }
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
            deadlines: DeadlineBook::default(),
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

    /// Starts the program that `prepare` makes, if `gate` is still open when it is made; all three
    /// are called on a spawning thread.
    ///
    /// # Errors
    /// When as many wait already as may.
    pub fn submit(&self, prepare: Prepare, gate: Gate, answer: Answer) -> Result<(), Full> {
        let mut jobs = lock(&self.0.jobs);
        if jobs.len() >= self.0.most {
            return Err(Full);
        }
        jobs.push_back((prepare, gate, answer));
        drop(jobs);
        self.0.bell.notify_one();
        Ok(())
    }
}

/// A spawning thread never ends: the kernel kills what it has started when it does
/// (`PR_SET_PDEATHSIG`).
fn add_thread(queue: &Arc<Queue>) -> io::Result<()> {
    let cradle = Cradle::new()?;
    queue.deadlines.add(|number, slot| {
        let queue = queue.clone();
        std::thread::Builder::new()
            .name(format!("spawn-{number}"))
            .spawn(move || {
                loop {
                    queue.start_next(&slot, &cradle);
                }
            })
            .map(|_| ())
    })
}

impl Queue {
    /// Waits for the next program.
    fn next(&self) -> (Prepare, Gate, Answer) {
        let mut jobs = lock(&self.jobs);
        loop {
            match jobs.pop_front() {
                Some(job) => return job,
                None => jobs = self.bell.wait(jobs).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits for the next program, starts it under its deadline, and answers for it.
    fn start_next(&self, slot: &Slot, cradle: &Cradle) {
        let (prepare, gate, answer) = self.next();
        self.deadlines
            .start(slot, answer, prepare, |program, pidfd| {
                clone_and_exec(cradle, program, &gate, pidfd)
            });
    }
}

/// The deadline thread; awake only while something is being started.
fn watch(queue: &Arc<Queue>) {
    let deadlines = &queue.deadlines;
    loop {
        deadlines.wait();
        std::thread::sleep(limits::SPAWN / 8);
        let (busy, hanging) = deadlines.judge(Instant::now());

        for _ in 0..hanging {
            if deadlines.slots() < MOST_THREADS {
                // Without another thread the rest still serves.
                let _ = add_thread(queue);
            }
        }

        if !busy {
            deadlines.rest();
        }
    }
}
