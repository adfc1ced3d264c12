//! The trail in force: writing to it, and what is known of its disk and of journald.

use super::journal::Journal;
use super::metrics::count;
use super::strangers::Summary;
use crate::audit::{Record, Trail};
use std::cell::{Cell, Ref, RefCell};
use std::io;
use tokio::sync::{Notify, watch};

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
    /// What outsiders did, beyond what is recorded one by one.
    pub summary: RefCell<Summary>,
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
        }

        done
    }

    /// The trail, to be looked at.
    pub fn trail(&self) -> Ref<'_, Trail> {
        self.trail.borrow()
    }
}
