//! How many connections there are, in all, by source and before login; a place in the count is given
//! back by itself.

use crate::ipc::Limits;
use crate::policy::Network;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Connections by source and stage.
#[derive(Debug, Clone, Default)]
pub struct Census(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    before_login: u32,
    by_source: HashMap<Network, OfSource>,
}

/// Connections from one source.
#[derive(Debug, Default)]
struct OfSource {
    all: u32,
    /// Those on which nobody has logged in, oldest first.
    before_login: VecDeque<Arc<Call>>,
}

/// Tells a connection on which nobody has logged in that it must make room.
#[derive(Debug, Default)]
pub struct Call {
    made: AtomicBool,
    bell: Notify,
}

impl Call {
    /// Completes when the connection must make room.
    pub async fn heard(&self) {
        let bell = self.bell.notified();
        tokio::pin!(bell);
        bell.as_mut().enable();
        if !self.made.load(Ordering::SeqCst) {
            bell.await;
        }
    }
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

impl Counts {
    /// Where nobody else may connect before somebody has logged in, the source that has the most such
    /// connections gives up its oldest for one that has fewer. Whether there is room now.
    fn make_room(&mut self, source: &Network) -> bool {
        let count = |of: &OfSource| of.before_login.len();
        let own = self.by_source.get(source).map_or(0, count);
        let most = self.by_source.values_mut().max_by_key(|of| count(of));
        let Some(most) = most.filter(|most| count(most) > own + 1) else {
            return false;
        };
        if let Some(oldest) = most.before_login.pop_front() {
            self.before_login = self.before_login.saturating_sub(1);
            oldest.made.store(true, Ordering::SeqCst);
            oldest.bell.notify_waiters();
        }
        true
    }

    /// A connection does not count among those before login any more.
    fn no_longer_before_login(&mut self, source: &Network, call: &Arc<Call>) {
        let Some(own) = self.by_source.get_mut(source) else {
            return;
        };
        let at = own
            .before_login
            .iter()
            .position(|one| Arc::ptr_eq(one, call));
        if at.and_then(|at| own.before_login.remove(at)).is_some() {
            self.before_login = self.before_login.saturating_sub(1);
        }
    }
}

/// One connection's place in the census; given back when it is dropped.
pub struct Place {
    census: Census,
    source: Network,
    call: Arc<Call>,
}

impl Place {
    /// Takes a place, if there is one: the error says which bound is reached.
    pub fn take(census: &Census, source: IpAddr, limits: &Limits) -> Result<Self, &'static str> {
        let (v4, v6) = limits.prefixes;
        let source = Network::around(source, v4, v6);
        let mut counts = census.counts();
        if counts.all >= limits.connections {
            return Err("limits.connections");
        }
        let of_source = counts.by_source.get(&source).map_or(0, |of| of.all);
        if of_source >= limits.connections_per_source {
            return Err("limits.connections_per_source");
        }
        if counts.before_login >= limits.connections_before_login && !counts.make_room(&source) {
            return Err("limits.connections_before_login");
        }
        let call = Arc::<Call>::default();
        let own = counts.by_source.entry(source).or_default();
        own.all += 1;
        own.before_login.push_back(call.clone());
        counts.all += 1;
        counts.before_login += 1;
        drop(counts);
        Ok(Self {
            census: census.clone(),
            source,
            call,
        })
    }

    /// How it is told to make room, as long as nobody has logged in on it.
    pub fn call(&self) -> Arc<Call> {
        self.call.clone()
    }

    /// Notes that the user is known now.
    pub fn logged_in(&self) {
        let mut counts = self.census.counts();
        counts.no_longer_before_login(&self.source, &self.call);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.census.counts();
        counts.no_longer_before_login(&self.source, &self.call);
        counts.all = counts.all.saturating_sub(1);
        let left = counts.by_source.get_mut(&self.source).map(|own| {
            own.all = own.all.saturating_sub(1);
            own.all
        });
        if left == Some(0) {
            counts.by_source.remove(&self.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connections: 8,
        connections_per_source: 6,
        connections_before_login: 4,
        streams_per_connection: 1,
        handshake_ms: 1,
        login_ms: 1,
        prefixes: (32, 64),
    };

    fn take(census: &Census, source: &str) -> Result<Place, &'static str> {
        Place::take(census, source.parse().unwrap(), &LIMITS)
    }

    #[test]
    fn who_floods_before_login_makes_room_for_others_and_not_for_themselves() {
        let census = Census::default();
        let flood: Vec<_> = (0..4)
            .map(|_| take(&census, "192.0.2.1").unwrap())
            .collect();
        assert_eq!(
            take(&census, "192.0.2.1").err(),
            Some("limits.connections_before_login")
        );
        let made = || {
            flood
                .iter()
                .map(|place| place.call.made.load(Ordering::SeqCst))
        };
        let other = take(&census, "192.0.2.2").unwrap();
        assert_eq!(made().collect::<Vec<_>>(), [true, false, false, false]);
        let _another = take(&census, "192.0.2.3").unwrap();
        assert_eq!(made().filter(|made| *made).count(), 2);

        // Two, one and one: nobody has so many more that they would have to give one up.
        assert!(take(&census, "192.0.2.2").is_err());
        other.logged_in();
        assert!(take(&census, "192.0.2.2").is_ok());
        drop((flood, other));
        assert_eq!(census.counts().before_login, 1);
    }

    #[test]
    fn a_source_is_what_counts_as_one_for_penalties() {
        let census = Census::default();
        let places: Vec<_> = (1..=6)
            .map(|number| {
                let place = take(&census, &format!("2001:db8::{number}")).unwrap();
                place.logged_in();
                place
            })
            .collect();
        assert_eq!(
            take(&census, "2001:db8::7").err(),
            Some("limits.connections_per_source")
        );
        assert!(take(&census, "2001:db8:0:1::7").is_ok());
        drop(places);
        assert!(census.counts().by_source.is_empty());
        assert_eq!(census.all(), 0);
    }
}
