//! What decides whether somebody is let in: the vault, the penalties, the pool of verifiers.

use super::members::Members;
use super::owed::Penalties;
use super::turns::Turns;
use crate::limits;
use crate::policy::Network;
use crate::vault::Vault;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What decides whether somebody is let in.
#[derive(Debug)]
pub struct Admission {
    /// Locks, kept logins, seeds: what survives a restart.
    pub vault: RefCell<Vault>,
    /// Whether the vault's last write failed; it is tried again.
    pub unsaved: Cell<bool>,
    /// One write of the vault at a time, in the order of the changes.
    pub saving: Mutex<()>,
    /// In which groups of the system users are.
    pub members: Members,
    /// Whose password is being changed, by themselves.
    pub changing: RefCell<HashSet<Arc<str>>>,
    /// Who has failed how often.
    pub penalties: RefCell<Penalties>,
    /// One place per password verification.
    pub verifiers: RefCell<Turns<Option<Network>>>,
    /// Logins that wait for a place.
    pub logins_waiting: Cell<usize>,
}

impl Admission {
    /// A vault that was opened, and so many places to verify passwords.
    pub fn new(vault: Vault, verifiers: usize) -> Self {
        Self {
            vault: RefCell::new(vault),
            unsaved: Cell::new(false),
            saving: Mutex::new(()),
            members: Members::default(),
            changing: RefCell::default(),
            penalties: RefCell::default(),
            verifiers: RefCell::new(Turns::new(verifiers, verifiers)),
            logins_waiting: Cell::new(0),
        }
    }

    /// One more login waits, until what is returned is dropped; nothing when too many do.
    pub fn wait_for_login(&self) -> Option<Waiting<'_>> {
        let waiting = self.logins_waiting.get();
        (waiting < limits::LOGINS_WAITING).then(|| {
            self.logins_waiting.set(waiting + 1);
            Waiting(&self.logins_waiting)
        })
    }
}

/// A login that waits.
pub struct Waiting<'a>(&'a Cell<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
