//! How many connections there are, in all, by address and before login; a place in the count is
//! given back by itself.

use crate::ipc::Limits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections by address and stage.
#[derive(Debug, Clone, Default)]
pub struct Census(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    before_login: u32,
    by_source: HashMap<IpAddr, u32>,
}

impl Census {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections there are.
    pub fn all(&self) -> u32 {
        self.counts().all
    }
}

/// One connection's place in the census; given back when it is dropped.
pub struct Place {
    census: Census,
    source: IpAddr,
    before_login: bool,
}

impl Place {
    /// Takes a place, if there is one: the error says which bound is reached.
    pub fn take(census: &Census, source: IpAddr, limits: &Limits) -> Result<Self, &'static str> {
        let mut counts = census.counts();
        if counts.all >= limits.connections {
            return Err("limits.connections");
        }
        if counts.before_login >= limits.connections_before_login {
            return Err("limits.connections_before_login");
        }
        let of_source = counts.by_source.entry(source).or_default();
        if *of_source >= limits.connections_per_source {
            return Err("limits.connections_per_source");
        }
        *of_source += 1;
        counts.all += 1;
        counts.before_login += 1;
        drop(counts);
        Ok(Self {
            census: census.clone(),
            source,
            before_login: true,
        })
    }

    /// Notes that the user is known now.
    pub fn logged_in(&mut self) {
        if std::mem::take(&mut self.before_login) {
            let mut counts = self.census.counts();
            counts.before_login = counts.before_login.saturating_sub(1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.logged_in();
        let mut counts = self.census.counts();
        counts.all = counts.all.saturating_sub(1);
        let left = counts.by_source.get_mut(&self.source).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });

        if left == Some(0) {
            counts.by_source.remove(&self.source);
        }
    }
}
