//! Steps of tasks on the deciding thread, taken in turn. Tasks that are ready would be served in the
//! order in which they were woken, so that whoever has many of them goes between any two steps of
//! another. Here the user who has had the least so far is next, whatever waits.

use crate::fair::FairQueue;
use crate::sys;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// Whose step is next.
#[derive(Debug, Default)]
pub struct Steps {
    waiting: RefCell<FairQueue<Arc<str>, Weak<Task>>>,
    /// Whether a task has its turn and has not taken it yet.
    given: Cell<bool>,
    /// Rung when a task waits, and when a turn was taken.
    moved: Notify,
}

/// A task that takes its steps in turn.
#[derive(Debug)]
struct Task {
    turn: Cell<Turn>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nothing was to be done since the last step.
    None,
    Wanted,
    Given,
}

impl Steps {
    /// Does somebody's work, each of its steps in their turn. Turns are given by [`Self::give`].
    pub async fn in_turn<F: Future>(&self, user: &Arc<str>, work: F) -> F::Output {
        let mut work = pin!(work);
        let place = Place {
            steps: self,
            task: Rc::new(Task {
                turn: Cell::new(Turn::None),
                waker: RefCell::default(),
            }),
        };
        let task = &place.task;
        poll_fn(|context| match task.turn.get() {
            Turn::Given => {
                task.turn.set(Turn::None);
                let began = sys::worked();
                let polled = work.as_mut().poll(context);
                self.taken(user, sys::worked().saturating_sub(began));
                polled
            }
            Turn::Wanted => Poll::Pending,
            Turn::None => {
                task.turn.set(Turn::Wanted);
                *task.waker.borrow_mut() = Some(context.waker().clone());
                let waiting = Rc::downgrade(task);
                self.waiting.borrow_mut().push(user, waiting);
                self.moved.notify_one();
                Poll::Pending
            }
        })
        .await
    }

    /// Gives turns, one after the other, for ever. What is ready at the same time is woken before
    /// the next turn is given, so that it is known who wants it.
    pub async fn give(&self) {
        loop {
            while !self.given.get() && self.give_one() {}
            self.moved.notified().await;
        }
    }

    /// Gives the next turn; whether to look for another, since that task is gone.
    fn give_one(&self) -> bool {
        let next = self.waiting.borrow_mut().pop();
        let Some((_, next)) = next else { return false };
        let Some(task) = next.upgrade() else {
            return true;
        };
        task.turn.set(Turn::Given);
        self.given.set(true);
        if let Some(waker) = task.waker.borrow_mut().take() {
            waker.wake();
        }
        false
    }

    /// A turn was taken, and has cost so much of the processor: while others had that, nobody was
    /// served.
    fn taken(&self, user: &Arc<str>, cost: Duration) {
        let mut waiting = self.waiting.borrow_mut();
        // Where nobody waits, nobody has lost anything by it.
        if !waiting.is_empty() {
            waiting.charge(user, cost);
        }
        self.given.set(false);
        self.moved.notify_one();
    }
}

/// A task's place; a turn that was given to it goes on when it is dropped.
struct Place<'s> {
    steps: &'s Steps,
    task: Rc<Task>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.task.turn.get() == Turn::Given {
            self.steps.given.set(false);
            self.steps.moved.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::{LocalSet, spawn_local};

    /// Is ready again at once, unlike tokio's own, which waits for the other tasks of a round.
    async fn again() {
        let mut before = false;
        poll_fn(|context| {
            if std::mem::replace(&mut before, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Work of so many steps, each of which is noted.
    async fn work(steps: &Steps, user: &str, count: u32, order: &RefCell<Vec<String>>) {
        let user: Arc<str> = user.into();
        let work = async {
            for _ in 0..count {
                order.borrow_mut().push(user.to_string());
                let until = sys::worked() + Duration::from_micros(50);
                while sys::worked() < until {}
                again().await;
            }
        };
        steps.in_turn(&user, work).await;
    }

    #[tokio::test]
    async fn a_flood_of_tasks_has_one_step_between_two_of_another() {
        let all = LocalSet::new();
        let done = all.run_until(async {
            let steps = Rc::new(Steps::default());
            let order = Rc::new(RefCell::new(Vec::new()));
            let giver = steps.clone();
            let giver = spawn_local(async move { giver.give().await });
            let mut tasks = Vec::new();
            for user in std::iter::repeat_n("flood", 40).chain(["alice"]) {
                let (steps, order) = (steps.clone(), order.clone());
                tasks.push(spawn_local(async move {
                    work(&steps, user, 10, &order).await;
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            giver.abort();
            assert!(!steps.given.get() && steps.waiting.borrow().is_empty());
            let order = order.borrow();
            assert_eq!(order.len(), 410);
            order.iter().rposition(|user| user == "alice").unwrap()
        });
        let last = done.await;
        assert!(last < 40, "alice's tenth step was step {last}");
    }

    #[tokio::test]
    async fn a_turn_of_a_task_that_is_gone_goes_to_the_next() {
        let all = LocalSet::new();
        all.run_until(async {
            let steps = Rc::new(Steps::default());
            let order = Rc::new(RefCell::new(Vec::new()));
            let alice: Arc<str> = "alice".into();
            let mut gone = Box::pin(steps.in_turn(&alice, async {}));
            let wanted = poll_fn(|context| Poll::Ready(gone.as_mut().poll(context).is_pending()));
            assert!(wanted.await);
            assert!(!steps.give_one() && steps.given.get(), "it has its turn");
            drop(gone);

            let mut left = Box::pin(steps.in_turn(&alice, async {}));
            let wanted = poll_fn(|context| Poll::Ready(left.as_mut().poll(context).is_pending()));
            assert!(wanted.await);
            drop(left);
            let giver = steps.clone();
            let giver = spawn_local(async move { giver.give().await });
            work(&steps, "bob", 2, &order).await;
            giver.abort();
            assert_eq!(order.borrow().len(), 2);
        })
        .await;
    }
}
