//! Names for things that live for a while: runs, sessions, requests, connections, streams.
//!
//! Ids that reach the wire are random bytes made by whoever owns the thing, written in base32
//! without the symbols that look like others. They are compared, stored and printed; a text that came
//! from outside is never used as a path.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// 32 symbols that survive being read aloud: no `i`, `l`, `o`, `u`.
const SYMBOLS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The text is not an id: wrong length or a symbol outside the alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("it is no id: wrong in length, or with a symbol that ids do not have")
    }
}

impl std::error::Error for NotAnId {}

/// A kind of ids. Each is a type of its own, so that none can stand for another.
macro_rules! ids {
    ($($(#[doc = $doc:expr])+ $name:ident = $length:literal;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Takes bytes that came from a cryptographic random source.
            pub const fn from_random(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes themselves, for the messages between the two processes.
            pub const fn bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&text(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

ids! {
    /// One execution of a command, named by the monitor: 80 random bits, 16 symbols.
    RunId = 10;
    /// One authenticated user with one session key, named by the monitor: 160 random bits, 32
    /// symbols.
    SessionId = 20;
    /// One request, named by the client: 160 random bits, 32 symbols.
    RequestId = 20;
    /// One run on many machines, named by the client: 40 random bits, 8 symbols.
    FleetId = 5;
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let index = ((held >> bits) & 31) as usize;
            text.push(SYMBOLS.get(index).copied().map_or('0', char::from));
        }
    }
    text
}

fn parse<const N: usize>(text: &str) -> Result<[u8; N], NotAnId> {
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
    Ok(bytes)
}

/// An id as somebody wrote it, who may have written anything. What is no id is answered like an id
/// that is nobody's, so that nothing can be learnt from the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<I>(pub Option<I>);

impl<I> From<I> for Named<I> {
    fn from(id: I) -> Self {
        Self(Some(id))
    }
}

impl<I: fmt::Display> Serialize for Named<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_str(""),
        }
    }
}

impl<'de, I: FromStr> Deserialize<'de> for Named<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(deserializer)?.parse().ok()))
    }
}

/// One accepted TCP connection, counted by the frontend; unique while that frontend lives.
pub type ConnectionId = u64;
/// One conversation inside a connection, numbered by the client from 1 upwards.
pub type StreamId = u32;

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
