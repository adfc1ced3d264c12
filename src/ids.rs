//! Names for things that live for a while: runs, sessions, requests, connections, streams.
//!
//! Ids that reach the wire are random bytes made by whoever owns the thing, written in base32
//! without vowels that could spell words. They are compared, stored and printed; a text that came
//! from outside is never used as a path.

use std::fmt;
use std::str::FromStr;

/// 32 symbols that survive being read aloud: no `i`, `l`, `o`, `u`.
const SYMBOLS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A random id of `N` bytes; its text has `N * 8 / 5` symbols, so `N` is a multiple of 5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id<const N: usize>([u8; N]);

/// One execution of a command, named by the monitor: 80 random bits, 16 symbols.
pub type RunId = Id<10>;
/// One authenticated user with one session key, named by the monitor: 160 random bits, 32 symbols.
pub type SessionId = Id<20>;
/// One request, named by the client: 160 random bits, 32 symbols.
pub type RequestId = Id<20>;

impl<const N: usize> Id<N> {
    /// Takes bytes that came from a cryptographic random source.
    pub const fn from_random(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The bytes themselves, for the messages between the two processes.
    pub const fn bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Display for Id<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(N * 8 / 5);
        let (mut held, mut bits) = (0u32, 0u32);
        for byte in self.0 {
            held = (held << 8) | u32::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                let index = ((held >> bits) & 31) as usize;
                text.push(SYMBOLS.get(index).copied().map_or('0', char::from));
            }
        }

        out.write_str(&text)
    }
}

impl<const N: usize> fmt::Debug for Id<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The text is not an id: wrong length or a symbol outside the alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnId;

impl<const N: usize> FromStr for Id<N> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != N * 8 / 5 {
            return Err(NotAnId);
        }
        let mut bytes = [0u8; N];
        let mut free = bytes.iter_mut();
        let (mut held, mut bits) = (0u32, 0u32);

        for symbol in text.bytes() {
            let value = SYMBOLS.iter().position(|s| *s == symbol).ok_or(NotAnId)?;
            held = (held << 5) | value as u32;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                *free.next().ok_or(NotAnId)? = (held >> bits) as u8;
            }
        }

        Ok(Self(bytes))
    }
}

/// One accepted TCP connection, counted by the frontend; unique while that frontend lives.
pub type ConnectionId = u64;
/// One conversation inside a connection, numbered by the client from 1 upwards.
pub type StreamId = u32;

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
