//! One server behind several names: with `--once` a command runs there once, and every name has the
//! end of that run.

use crate::fleet::End;
use crate::tls::Fingerprint;
use std::cell::RefCell;
use std::collections::HashMap;
use tokio::sync::Notify;

/// Which host runs it at each server, and how that ended.
#[derive(Default)]
pub struct Once {
    owners: RefCell<HashMap<Fingerprint, usize>>,
    ends: RefCell<HashMap<usize, End>>,
    ended: Notify,
}

impl Once {
    /// The host that runs it at the server with this key: this one, where no other does.
    pub fn owner(&self, key: Fingerprint, host: usize) -> usize {
        *self.owners.borrow_mut().entry(key).or_insert(host)
    }

    /// A host has come to its end.
    pub fn ended(&self, host: usize, end: End) {
        self.ends.borrow_mut().insert(host, end);
        self.ended.notify_waiters();
    }

    /// Waits for a host's end.
    pub async fn end_of(&self, host: usize) -> End {
        loop {
            let bell = self.ended.notified();
            if let Some(end) = self.ends.borrow().get(&host) {
                return *end;
            }
            bell.await;
        }
    }
}
