//! Places that are few and wanted by many: whoever has had the least so far is next.

use crate::fair::FairQueue;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::time::Instant;
use tokio::sync::oneshot;

/// What names whoever waits.
pub trait Key: Clone + Eq + Hash + Ord {}

impl<K: Clone + Eq + Hash + Ord> Key for K {}

/// So many places, given in turn.
#[derive(Debug)]
pub struct Turns<K: Key>(Rc<Places<K>>);

#[derive(Debug)]
struct Places<K: Key> {
    free: Cell<usize>,
    /// How many one may have at a time.
    most_of_one: usize,
    taken: RefCell<HashMap<K, usize>>,
    waiting: RefCell<FairQueue<K, oneshot::Sender<Turn<K>>>>,
}

impl<K: Key> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Somebody's place, given on when it is dropped.
#[derive(Debug)]
pub struct Turn<K: Key> {
    places: Rc<Places<K>>,
    who: K,
    since: Instant,
}

impl<K: Key> Turns<K> {
    /// So many places, of which one may have so many at a time.
    pub fn new(places: usize, most_of_one: usize) -> Self {
        Self(Rc::new(Places {
            free: Cell::new(places),
            most_of_one,
            taken: RefCell::default(),
            waiting: RefCell::default(),
        }))
    }

    /// Waits for a place. Cancel-safe.
    pub async fn wait(&self, who: &K) -> Turn<K> {
        loop {
            let (given, place) = oneshot::channel();
            self.0.waiting.borrow_mut().push(who, given);
            self.0.give();
            // It is never dropped without being given while this waits.
            if let Ok(turn) = place.await {
                return turn;
            }
        }
    }

    /// How many places are free.
    pub fn free(&self) -> usize {
        self.0.free.get()
    }
}

impl<K: Key> Places<K> {
    /// Gives what is free to whoever is next.
    fn give(self: &Rc<Self>) {
        while self.free.get() > 0 {
            let taken = self.taken.borrow();
            let may = |who: &K| taken.get(who).is_none_or(|taken| *taken < self.most_of_one);
            let next = self.waiting.borrow_mut().pop_where(may);
            drop(taken);
            let Some((who, waiting)) = next else { return };
            if waiting.is_closed() {
                continue;
            }
            self.free.set(self.free.get() - 1);
            *self.taken.borrow_mut().entry(who.clone()).or_default() += 1;
            let turn = Turn {
                places: self.clone(),
                who,
                since: Instant::now(),
            };
            // One who has gone away meanwhile gives it on by dropping it.
            let _ = waiting.send(turn);
        }
    }
}

impl<K: Key> Drop for Turn<K> {
    fn drop(&mut self) {
        let places = &self.places;
        places.free.set(places.free.get() + 1);
        let mut taken = places.taken.borrow_mut();
        if let Some(count) = taken.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.who);
            }
        }
        drop(taken);
        let mut waiting = places.waiting.borrow_mut();
        if !waiting.is_empty() {
            waiting.charge(&self.who, self.since.elapsed());
        }
        drop(waiting);
        places.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    /// Whether a place is there at once.
    fn at_once<F: Future>(future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(turn) => Some(turn),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn one_has_no_more_than_they_may_at_a_time() {
        let turns = Turns::new(3, 2);
        let held = [
            at_once(turns.wait(&"flood")).unwrap(),
            at_once(turns.wait(&"flood")).unwrap(),
        ];
        assert!(at_once(turns.wait(&"flood")).is_none());
        let other = at_once(turns.wait(&"alice"));
        assert!(other.is_some() && turns.free() == 0);
        drop((held, other));
        assert_eq!(turns.free(), 3);
        assert!(turns.0.taken.borrow().is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_for_less_goes_first() {
        let turns = Turns::new(1, 1);
        let first = turns.wait(&"flood").await;
        let mut waiting = Vec::new();
        let order = Rc::new(RefCell::new(Vec::new()));
        for who in ["flood", "flood", "flood", "alice"] {
            let (turns, order) = (turns.clone(), order.clone());
            waiting.push(async move {
                let turn = turns.wait(&who).await;
                order.borrow_mut().push(who);
                drop(turn);
            });
        }
        let all = async {
            let local = tokio::task::LocalSet::new();
            let tasks: Vec<_> = waiting
                .into_iter()
                .map(|task| local.spawn_local(task))
                .collect();
            local.spawn_local(async move { drop(first) });
            local.await;
            drop(tasks);
        };
        all.await;
        assert_eq!(order.borrow()[0], "alice", "{:?}", order.borrow());
        assert_eq!(turns.free(), 1);
    }

    #[test]
    fn who_gives_up_loses_no_place() {
        let turns = Turns::new(1, 1);
        let held = at_once(turns.wait(&"alice")).unwrap();
        assert!(at_once(turns.wait(&"bob")).is_none());
        drop(held);
        assert_eq!(turns.free(), 1);
        assert!(at_once(turns.wait(&"carol")).is_some());
    }
}
