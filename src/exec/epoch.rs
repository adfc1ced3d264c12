//! What was granted may be taken away between the decision and the clone. So a start holds a ticket
//! that is looked at directly before the clone, and that lapses with everything that takes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The number of times that anything was taken from anybody: by a lock, a reload, a penalty.
#[derive(Debug, Clone, Default)]
pub struct Epoch(Arc<AtomicU64>);

impl Epoch {
    /// The number of times that anything was taken so far.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Says that something was taken away: every ticket that was given before lapses.
    pub fn raise(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A ticket as of now, for a start that `ended` ends too.
    pub fn ticket(&self, ended: &Ended) -> Ticket {
        Ticket {
            epoch: self.clone(),
            seen: self.now(),
            ended: ended.clone(),
        }
    }
}

/// Whether somebody wants the end of a run, be it before it has begun.
#[derive(Debug, Clone, Default)]
pub struct Ended(Arc<AtomicBool>);

impl Ended {
    /// Says that somebody wants the end.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody wants the end.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a start needs to be cloned: that nothing was taken away since it was judged.
#[derive(Debug, Clone)]
pub struct Ticket {
    epoch: Epoch,
    seen: u64,
    ended: Ended,
}

impl Ticket {
    /// Whether nothing was taken away, and nobody wants the end.
    pub fn holds(&self) -> bool {
        self.epoch.now() == self.seen && !self.ended.is_set()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_lapses_with_whatever_is_taken_away_after_it_was_given() {
        let (epoch, ended) = (Epoch::default(), Ended::default());
        let ticket = epoch.ticket(&ended);
        assert!(ticket.holds());
        epoch.raise();
        assert!(!ticket.holds());
        let ticket = epoch.ticket(&ended);
        assert!(ticket.holds());
        ended.set();
        assert!(!ticket.holds() && !epoch.ticket(&ended).holds());
    }
}
