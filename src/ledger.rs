//! Who uses how much of what is finite. What a user takes is charged to them first; the thing
//! carries its [`Charge`], which gives itself back when the thing is gone. So what carries none is
//! seen by reading its type.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// What a user can have a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    /// Connections on which they are logged in.
    Sessions,
    /// Requests that wait to be decided.
    Requests,
    /// Runs that wait or go on.
    Runs,
    /// Runs that have ended and whose processes go on.
    LeftRunning,
    /// Streams on which they follow runs, or what happens.
    Follows,
    /// Texts that they have said in the last minute.
    Said,
    /// Bytes of memory that the output of their runs may take.
    Memory,
    /// Bytes on disk that the output of their runs may take.
    Disk,
    /// Ids of requests that are remembered.
    RequestIds,
}

impl Share {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 9] = [
        Self::Sessions,
        Self::Requests,
        Self::Runs,
        Self::LeftRunning,
        Self::Follows,
        Self::Said,
        Self::Memory,
        Self::Disk,
        Self::RequestIds,
    ];

    /// The limit's name, as a refusal and `status` tell it: a key of the configuration, where there
    /// is one.
    pub const fn limit(self) -> &'static str {
        match self {
            Self::Sessions => "limits.sessions_per_user",
            Self::Requests => "limits.requests_per_user",
            Self::Runs => "limits.runs_per_user",
            Self::LeftRunning => "limits.left_running_per_user",
            Self::Follows => "limits.follows_per_user",
            Self::Said => "limits.said_per_user",
            Self::Memory => "limits.memory_per_user",
            Self::Disk => "limits.disk_per_user",
            Self::RequestIds => "request ids per user",
        }
    }

    /// What is counted, for a sentence.
    const fn unit(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Requests => "requests that wait",
            Self::Runs => "runs going on",
            Self::LeftRunning => "runs whose processes go on",
            Self::Follows => "streams that follow",
            Self::Said => "texts said in the last minute",
            Self::Memory => "bytes of output in memory",
            Self::Disk => "bytes of output on disk",
            Self::RequestIds => "requests that are remembered",
        }
    }
}

/// How much of each a user may have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds([u64; Share::ALL.len()]);

impl Bounds {
    /// How much of this a user may have.
    pub fn of(&self, share: Share) -> u64 {
        self.0.get(share as usize).copied().unwrap_or(0)
    }

    /// The same, with so much of this.
    #[must_use]
    pub fn with(mut self, share: Share, most: u64) -> Self {
        if let Some(bound) = self.0.get_mut(share as usize) {
            *bound = most;
        }
        self
    }
}

/// Why there is no charge: the user has as much as they may have, or would have more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    user: Arc<str>,
    share: Share,
    used: u64,
    most: u64,
}

impl Spent {
    /// Of what.
    pub const fn share(&self) -> Share {
        self.share
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            share,
            used,
            most,
        } = self;
        write!(
            out,
            "`{user}` has {used} {}, and {} allows {most}",
            share.unit(),
            share.limit()
        )
    }
}

/// How much a user has of what is bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Whose.
    pub user: Arc<str>,
    /// Of what.
    pub share: Share,
    /// How much.
    pub used: u64,
    /// How much they may have.
    pub most: u64,
}

/// The ledger: one for a daemon, shared by whoever gives something out.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Rc<RefCell<Book>>);

#[derive(Debug, Default)]
struct Book {
    bounds: Bounds,
    used: HashMap<Arc<str>, Bounds>,
}

impl Ledger {
    /// A ledger in which nobody has anything.
    pub fn new(bounds: Bounds) -> Self {
        let ledger = Self::default();
        ledger.bound(bounds);
        ledger
    }

    /// Other bounds from now on. What was given out stays given out.
    pub fn bound(&self, bounds: Bounds) {
        self.0.borrow_mut().bounds = bounds;
    }

    /// Charges a user for something that they are about to be given.
    ///
    /// # Errors
    /// When they would have more than they may.
    pub fn charge(&self, user: &Arc<str>, share: Share, amount: u64) -> Result<Charge, Spent> {
        let mut book = self.0.borrow_mut();
        let (used, most) = (book.of(user, share), book.bounds.of(share));
        if used.saturating_add(amount) > most {
            return Err(Spent {
                user: user.clone(),
                share,
                used,
                most,
            });
        }
        book.set(user, share, used + amount);
        drop(book);
        Ok(self.charged(user, share, amount))
    }

    /// Charges a user for what they have already, be it more than they may have: what a daemon
    /// before this one has given out.
    pub fn carry(&self, user: &Arc<str>, share: Share, amount: u64) -> Charge {
        let mut book = self.0.borrow_mut();
        let used = book.of(user, share);
        book.set(user, share, used.saturating_add(amount));
        drop(book);
        self.charged(user, share, amount)
    }

    fn charged(&self, user: &Arc<str>, share: Share, amount: u64) -> Charge {
        Charge {
            ledger: self.clone(),
            user: user.clone(),
            share,
            amount,
        }
    }

    /// How much a user has.
    pub fn used(&self, user: &str, share: Share) -> u64 {
        self.0.borrow().of(user, share)
    }

    /// Everybody who has at least so many percent of what they may have.
    pub fn near(&self, percent: u64) -> Vec<Used> {
        let book = self.0.borrow();
        let mut near: Vec<Used> = book
            .used
            .iter()
            .flat_map(|(user, used)| Share::ALL.map(|share| (user, share, used.of(share))))
            .map(|(user, share, used)| Used {
                user: user.clone(),
                share,
                used,
                most: book.bounds.of(share),
            })
            .filter(|used| {
                used.used > 0 && used.used.saturating_mul(100) >= used.most.saturating_mul(percent)
            })
            .collect();
        near.sort_by(|one, other| (&one.user, one.share).cmp(&(&other.user, other.share)));
        near
    }

    /// Of each share, how much the user who has the most of it has, and how much one may have.
    pub fn most(&self) -> Vec<(Share, u64, u64)> {
        let book = self.0.borrow();
        let of = |share: Share| book.used.values().map(|used| used.of(share)).max();
        Share::ALL
            .map(|share| (share, of(share).unwrap_or(0), book.bounds.of(share)))
            .to_vec()
    }
}

impl Book {
    fn of(&self, user: &str, share: Share) -> u64 {
        self.used.get(user).map_or(0, |used| used.of(share))
    }

    /// Notes what a user has. Of one who has nothing nothing is kept.
    fn set(&mut self, user: &Arc<str>, share: Share, used: u64) {
        let line = self.used.entry(user.clone()).or_default();
        *line = std::mem::take(line).with(share, used);
        if *line == Bounds::default() {
            self.used.remove(user);
        }
    }
}

/// What somebody was charged for something they have. Dropped with it, it is given back.
#[must_use = "a charge that is dropped is given back"]
pub struct Charge {
    ledger: Ledger,
    user: Arc<str>,
    share: Share,
    amount: u64,
}

impl Charge {
    /// How much was charged.
    pub const fn amount(&self) -> u64 {
        self.amount
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Charge({} {:?})", self.amount, self.share)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut book = self.ledger.0.borrow_mut();
        let used = book.of(&self.user, self.share);
        book.set(&self.user, self.share, used.saturating_sub(self.amount));
    }
}

/// Who has the most of what is kept for as long as there is room: their oldest makes room, so that
/// nobody takes another's place.
pub fn who_has_most<'w, K: Eq + std::hash::Hash>(
    owners: impl Iterator<Item = &'w K>,
) -> Option<&'w K> {
    let mut counts: HashMap<&K, usize> = HashMap::new();
    for owner in owners {
        *counts.entry(owner).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(owner, _)| owner)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
