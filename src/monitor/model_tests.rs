//! A model of what may never happen, walked in every order of its steps with the daemon's own types:
//! no exec after an answered lock, an id runs at most once, no guess beyond the limit.
//!
//! Each story is a few actors, who each take one step after the other; what lies between two steps
//! is what another may come in between. Every order is tried. Each story can also be told as it was
//! before it was mended; then the walk has to find the fault, or it would find nothing else either.

use super::runs::{Digest, Requested, Seen};
use crate::exec::{Ended, Epoch, Ticket};
use crate::ids::{RequestId, RunId};
use crate::ledger::{Bounds, Ledger, Share};
use crate::limits::REQUEST_ID_AGE;
use crate::penalty::{Debts, Misdeed, Rules};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A world in which actors take steps.
trait World {
    /// Takes an actor's next step. `None` where there is none, or none now.
    fn step(&mut self, actor: usize) -> Option<()>;
    /// What must never be so.
    fn broken(&self) -> Option<&'static str>;
}

/// Walks every order of steps, at most so many; returns how many orders there are, or the first that
/// breaks the world.
fn walk<W: World>(
    new: &dyn Fn() -> W,
    actors: usize,
    depth: usize,
) -> Result<u64, (Vec<usize>, &'static str)> {
    let mut path = Vec::new();
    onward(new, actors, depth, &mut path)
}

fn onward<W: World>(
    new: &dyn Fn() -> W,
    actors: usize,
    depth: usize,
    path: &mut Vec<usize>,
) -> Result<u64, (Vec<usize>, &'static str)> {
    let mut orders = 0;
    for actor in 0..actors {
        if path.len() == depth {
            break;
        }
        // The types are the daemon's own and cannot be copied, so the way is walked anew.
        let mut world = new();
        for earlier in path.iter() {
            world.step(*earlier);
        }
        if world.step(actor).is_none() {
            continue;
        }
        path.push(actor);
        if let Some(why) = world.broken() {
            return Err((path.clone(), why));
        }
        orders += onward(new, actors, depth, path)?;
        path.pop();
    }
    Ok(orders.max(1))
}

/// How the gate before the clone is kept.
#[derive(Clone, Copy, PartialEq)]
enum Gate {
    /// As it is.
    Kept,
    /// As it was: the ticket is not asked before the clone, and nothing waits for starts that go on.
    AsItWas,
    /// With the ticket, but a lock is answered without waiting for starts that go on.
    NotWaitedFor,
}

/// One start, from its judgement to its clone.
#[derive(Default)]
struct Start {
    ended: Ended,
    ticket: Option<Ticket>,
    judged: bool,
    passed: bool,
    cloning: bool,
    over: bool,
}

/// A lock (or a reload, or a penalty: all raise the epoch) comes while two runs start.
struct Locking {
    gate: Gate,
    epoch: Epoch,
    locked: bool,
    lock: u8,
    waits_for: Vec<usize>,
    answered: bool,
    starts: [Start; 2],
    ran_after_the_answer: bool,
}

impl Locking {
    fn new(gate: Gate) -> Self {
        Self {
            gate,
            epoch: Epoch::default(),
            locked: false,
            lock: 0,
            waits_for: Vec::new(),
            answered: false,
            starts: Default::default(),
            ran_after_the_answer: false,
        }
    }

    /// `access::lock` and `enforce`: the lock is known, the epoch is raised, runs are asked to end,
    /// starts that go on are waited for, and it is answered.
    fn lock(&mut self) -> Option<()> {
        match self.lock {
            0 => self.locked = true,
            1 => drop(self.epoch.raise()),
            2 => {
                for start in &self.starts {
                    start.ended.set();
                }
            }
            3 => {
                let cloning = |index: &usize| self.starts[*index].cloning;
                self.waits_for = (0..2).filter(cloning).collect();
            }
            4 => {
                let still = self
                    .waits_for
                    .iter()
                    .any(|index| self.starts[*index].cloning);
                if still && self.gate == Gate::Kept {
                    return None;
                }
                self.answered = true;
            }
            _ => return None,
        }
        self.lock += 1;
        Some(())
    }

    /// `runs::life::start`: first the ticket, then the judgement; in the spawning thread the gate,
    /// and then the clone.
    fn start(&mut self, index: usize) -> Option<()> {
        let start = self.starts.get_mut(index)?;
        if start.over {
            return None;
        }
        match &start.ticket {
            None => {
                start.cloning = true;
                start.ticket = Some(self.epoch.ticket(&start.ended));
            }
            Some(_) if !start.judged => {
                start.judged = true;
                if self.locked || start.ended.is_set() {
                    (start.cloning, start.over) = (false, true);
                }
            }
            Some(ticket) if !start.passed => {
                start.passed = true;
                if self.gate != Gate::AsItWas && !ticket.holds() {
                    // Overtaken: it is judged anew.
                    (start.ticket, start.judged, start.passed) = (None, false, false);
                }
            }
            Some(_) => {
                self.ran_after_the_answer |= self.answered;
                (start.cloning, start.over) = (false, true);
            }
        }
        Some(())
    }
}

impl World for Locking {
    fn step(&mut self, actor: usize) -> Option<()> {
        match actor {
            0 => self.lock(),
            start => self.start(start - 1),
        }
    }

    fn broken(&self) -> Option<&'static str> {
        self.ran_after_the_answer
            .then_some("an exec after an answered lock")
    }
}

#[test]
fn no_exec_after_an_answered_lock() {
    let orders = walk(&|| Locking::new(Gate::Kept), 3, 30).unwrap();
    println!("a lock among two starts: {orders} orders");
    assert!(orders > 5_000, "{orders}");
    for gate in [Gate::AsItWas, Gate::NotWaitedFor] {
        let (path, _) = walk(&|| Locking::new(gate), 3, 30).unwrap_err();
        assert!(path.len() >= 8, "{path:?}");
    }
}

/// How request ids are forgotten.
#[derive(Clone, Copy, PartialEq)]
enum Forgetting {
    /// As it is.
    ByRun,
    /// As it was: an entry of a try that could not begin forgets the id of a later one.
    ById,
}

/// One id, asked for again and again over time; its run begins or cannot begin, and ends.
struct Asking {
    requested: Requested,
    forgetting: Forgetting,
    ledger: Ledger,
    user: Arc<str>,
    began: Instant,
    now: Instant,
    tries: u8,
    /// When each run that began was asked for.
    runs: Vec<(Instant, RunId)>,
    goes_on: Option<RunId>,
    /// As it was: when each try's entry was made.
    entries: Vec<Instant>,
    twice: bool,
}

impl Asking {
    fn new(forgetting: Forgetting) -> Self {
        let now = Instant::now();
        Self {
            requested: Requested::default(),
            forgetting,
            ledger: Ledger::new(Bounds::default().with(Share::RequestIds, 100)),
            user: "alice".into(),
            began: now,
            now,
            tries: 0,
            runs: Vec::new(),
            goes_on: None,
            entries: Vec::new(),
            twice: false,
        }
    }

    fn ask(&mut self, begins: bool) {
        const ID: [u8; 20] = [7; 20];
        let (id, digest): (_, Digest) = (RequestId::from_random(ID), [1; 32]);
        let going = self.goes_on;
        let seen = self
            .requested
            .look((&self.user, id), &digest, self.now, |run| {
                going == Some(run)
            });
        let forgotten = self.forgetting == Forgetting::ById
            && self.goes_on.is_none()
            && self
                .entries
                .iter()
                .any(|at| self.now - *at >= REQUEST_ID_AGE);
        if seen != Seen::New && !forgotten {
            return;
        }
        self.tries += 1;
        let run = RunId::from_random([self.tries; 10]);
        let charge = self
            .ledger
            .charge(&self.user, Share::RequestIds, 1)
            .unwrap();
        let asked = (&self.user, id, digest);
        self.requested.add(asked, run, charge, (self.now, None));
        self.entries.push(self.now);
        if !begins {
            return self.requested.remove(&self.user, id);
        }
        let young = |(at, _): &(Instant, RunId)| self.now - *at < REQUEST_ID_AGE;
        self.twice |= self.goes_on.is_some() || self.runs.iter().any(young);
        self.runs.push((self.now, run));
        self.goes_on = Some(run);
    }
}

impl World for Asking {
    fn step(&mut self, actor: usize) -> Option<()> {
        match actor {
            0 => self.ask(true),
            1 => self.ask(false),
            2 => drop(self.goes_on.take()?),
            _ if self.now - self.began > 3 * REQUEST_ID_AGE => return None,
            _ => self.now += REQUEST_ID_AGE / 2,
        }
        Some(())
    }

    fn broken(&self) -> Option<&'static str> {
        self.twice.then_some("one id ran twice within its time")
    }
}

#[test]
fn an_id_runs_at_most_once() {
    let orders = walk(&|| Asking::new(Forgetting::ByRun), 4, 7).unwrap();
    println!("one id asked for again and again: {orders} orders");
    assert!(orders > 2_000, "{orders}");
    walk(&|| Asking::new(Forgetting::ById), 4, 7).unwrap_err();
}

/// When a penalty is read.
#[derive(Clone, Copy, PartialEq)]
enum Reading {
    /// As it is: when the hash is known.
    After,
    /// As it was: before it is begun.
    Before,
}

/// Wrong passwords that come at once: each is hashed while the others are.
struct Guessing {
    reading: Reading,
    debts: Debts<&'static str>,
    rules: Rules,
    /// Of each guess: how far it is, and whether it was let through at its beginning.
    guesses: [(u8, bool); 4],
    judged: usize,
}

impl Guessing {
    /// Guesses that are judged before their user is closed out.
    const LIMIT: usize = 2;

    fn new(reading: Reading) -> Self {
        let login = Duration::from_secs(5);
        Self {
            reading,
            debts: Debts::default(),
            rules: Rules {
                login,
                floor: login * u32::try_from(Self::LIMIT).unwrap(),
                ..Rules::default()
            },
            guesses: [(0, true); 4],
            judged: 0,
        }
    }

    fn closed(&self) -> bool {
        self.debts.closed(&"alice", Duration::ZERO).is_some()
    }
}

impl World for Guessing {
    fn step(&mut self, actor: usize) -> Option<()> {
        let (stage, let_through) = self.guesses[actor];
        match stage {
            0 => {
                let open = self.reading == Reading::After || !self.closed();
                self.guesses[actor] = (1, open);
            }
            1 => {
                // Nothing is awaited between the look, the count and the answer.
                let taken = let_through && (self.reading == Reading::Before || !self.closed());
                self.judged += usize::from(taken);
                let rules = self.rules;
                let _ = self
                    .debts
                    .add(&rules, &"alice", Misdeed::Login, Duration::ZERO);
                self.guesses[actor] = (2, let_through);
            }
            _ => return None,
        }
        Some(())
    }

    fn broken(&self) -> Option<&'static str> {
        (self.judged > Self::LIMIT).then_some("more guesses judged than the limit")
    }
}

#[test]
fn no_guess_is_judged_beyond_the_limit() {
    let orders = walk(&|| Guessing::new(Reading::After), 4, 8).unwrap();
    println!("four guesses at once: {orders} orders");
    assert_eq!(orders, 2520);
    let (path, _) = walk(&|| Guessing::new(Reading::Before), 4, 8).unwrap_err();
    assert!(path.len() >= 4, "{path:?}");
}
