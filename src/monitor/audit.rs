//! The trail in force: writing to it, and what is known of its disk and of journald.

use super::journal::Journal;
use super::metrics::count;
use super::strangers::Summary;
use crate::audit::{Files, Record, Trail};
use crate::budget::Budgets;
use std::cell::{Cell, Ref, RefCell};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Mutex, Notify, watch};

/// The trail in force.
#[derive(Debug)]
pub struct Audit {
    trail: RefCell<Trail>,
    /// What stands in the way of new runs, though the last record could be written.
    pub fault: RefCell<Option<String>>,
    /// Why the last record could not be written, if it could not.
    pub write_fault: RefCell<Option<String>>,
    /// How many writes and calls to bring records to the disk have failed.
    pub failures: Cell<u64>,
    /// The trail's way to journald, where it has one.
    pub journal: RefCell<Option<Journal>>,
    /// The number of the last record that is on the disk.
    pub synced: watch::Sender<u64>,
    /// Rung when somebody waits for a record to be on the disk.
    pub sync_wanted: Notify,
    /// What outsiders did, and what users were refused, beyond what is recorded one by one.
    pub summary: RefCell<Summary>,
    /// What each user has added lately.
    pub budgets: TrailBudgets,
    /// What is known of its old files.
    pub keeping: Keeping,
    /// Rung when something was written; whoever is in the room is told of it.
    pub written: Notify,
    /// Bytes that the disk has beyond what is kept free.
    pub spare: Cell<u64>,
}

/// What is known of the trail's old files.
#[derive(Debug, Default)]
pub struct Keeping {
    /// The files as they were seen last.
    pub files: RefCell<Files>,
    /// Why a file that is due is still there, for the daemon's health.
    pub fault: RefCell<Option<String>>,
    /// How many files were removed since the start.
    pub removed: Cell<u64>,
    /// How often the archive command has failed since the start.
    pub unarchived: Cell<u64>,
    /// Rung when there may be something to do: a rotation, a reload.
    pub wanted: Notify,
    /// Held while the archive command runs.
    pub archiving: Mutex<()>,
    /// Rung when the daemon stops, and the archive command with it.
    pub stopping: Notify,
}

/// The limit of what one user may add to the trail in a minute.
pub const TRAIL_PER_USER: &str = "limits.trail_per_user";

/// What each user has added to the trail lately.
#[derive(Debug)]
pub struct TrailBudgets {
    budgets: RefCell<Budgets<Arc<str>>>,
    began: Instant,
}

impl TrailBudgets {
    /// Notes what a user has added, who may add so much in a minute.
    pub fn spend(&self, user: &str, bytes: u64, most: u64) {
        let mut budgets = self.budgets.borrow_mut();
        budgets.spend(&user.into(), bytes, most, self.began.elapsed());
    }

    /// What a user has added that has not passed yet.
    pub fn used(&self, user: &str, most: u64) -> u64 {
        let budgets = self.budgets.borrow();
        budgets.used(&user.into(), most, self.began.elapsed())
    }

    /// Everybody's, as far as it has not passed yet.
    pub fn all(&self, most: u64) -> Vec<(Arc<str>, u64)> {
        let mut budgets = self.budgets.borrow_mut();
        budgets.all(most, self.began.elapsed())
    }
}

impl Audit {
    /// A trail that was opened.
    pub fn new(trail: Trail, journal: Option<Journal>) -> Self {
        Self {
            synced: watch::Sender::new(trail.head().seq),
            trail: RefCell::new(trail),
            fault: RefCell::default(),
            write_fault: RefCell::default(),
            failures: Cell::new(0),
            journal: RefCell::new(journal),
            sync_wanted: Notify::new(),
            summary: RefCell::default(),
            budgets: TrailBudgets {
                budgets: RefCell::default(),
                began: Instant::now(),
            },
            keeping: Keeping::default(),
            written: Notify::new(),
            spare: Cell::new(u64::MAX),
        }
    }

    /// Writes to the trail.
    ///
    /// # Errors
    /// As [`Trail::append`].
    pub fn record(&self, record: &Record<'_>) -> io::Result<()> {
        self.with_trail(|trail| trail.append(record))
    }

    /// Works on the trail; a failure is also told to the operator.
    ///
    /// # Errors
    /// What the work returns.
    pub fn with_trail<T>(&self, work: impl FnOnce(&mut Trail) -> io::Result<T>) -> io::Result<T> {
        let before = self.trail().head().seq;
        let done = work(&mut self.trail.borrow_mut());
        if let Err(fault) = &done {
            count(&self.failures);
            tracing::error!(%fault, "the audit trail cannot be written; nothing runs");
            *self.write_fault.borrow_mut() = Some(fault.to_string());
        } else if self.trail().head().seq > before {
            // Only what was written shows that it can be.
            *self.write_fault.borrow_mut() = None;
            self.written.notify_one();
        }

        done
    }

    /// Whether lines that are written are wanted, see [`Trail::keep_fresh`].
    pub fn keep_fresh(&self, wanted: bool) {
        self.trail.borrow_mut().keep_fresh(wanted);
    }

    /// The lines that were written since this was asked last.
    pub fn fresh(&self) -> Vec<Vec<u8>> {
        self.trail.borrow_mut().fresh()
    }

    /// The trail, to be looked at.
    pub fn trail(&self) -> Ref<'_, Trail> {
        self.trail.borrow()
    }
}
