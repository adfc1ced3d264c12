//! Sources that are not let in for a while, by the monitor's word.

use crate::policy::Network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Until when which network is barred. The monitor's table, whose copy it is, bounds it.
#[derive(Debug, Default)]
pub struct Barred(Mutex<HashMap<Network, Instant>>);

impl Barred {
    /// Bars a network for so long from now on; no time at all lets it in again.
    pub fn set(&self, network: Network, time: Duration) {
        let now = Instant::now();
        let mut barred = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if time.is_zero() {
            barred.remove(&network);
            return;
        }

        // Networks that are free again go when the map would have to grow.
        if barred.len() == barred.capacity() {
            barred.retain(|_, until| *until > now);
        }
        barred.insert(network, now + time);
    }

    /// Lets everybody in again.
    pub fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// For how long this address is not let in.
    pub fn left(&self, address: IpAddr, (v4, v6): (u8, u8)) -> Option<Duration> {
        let barred = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if barred.is_empty() {
            return None;
        }
        barred
            .get(&Network::around(address, v4, v6))?
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
    }
}
