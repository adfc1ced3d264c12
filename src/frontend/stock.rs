//! Nonces that the monitor has given in advance, so that the server's HELLO can leave with its half
//! of the handshake.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What a login must sign.
pub type Nonce = [u8; 32];

/// The nonces that are left. Each serves one connection, whether it comes past its handshake or not;
/// the monitor gives another for each that was used.
#[derive(Debug, Default)]
pub struct Stock(Mutex<VecDeque<Nonce>>);

impl Stock {
    /// Puts new nonces behind the others.
    pub fn add(&self, nonces: impl IntoIterator<Item = Nonce>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(nonces);
    }

    /// Takes a nonce, if there is any; otherwise the monitor has to be asked.
    pub fn take(&self) -> Option<Nonce> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}
