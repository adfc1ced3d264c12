//! Bytes as text: base64 as on the wire, and hexadecimal; values as bytes between our own processes; and the
//! files of keys, PEM and DER.

pub mod der;
pub mod pem;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value as bytes, in the one way in which it is written; none where they would be more than so many.
pub fn packed(value: &impl Serialize, most: usize) -> Option<Vec<u8>> {
    let bytes = postcard::to_allocvec(value).ok();
    bytes.filter(|bytes| bytes.len() <= most)
}

/// A value from bytes, so many at the most, all of which it must be, in the one way in which it is
/// written.
pub fn unpacked<T: DeserializeOwned + Serialize>(bytes: &[u8], most: usize) -> Option<T> {
    if bytes.len() > most {
        return None;
    }
    let value = postcard::from_bytes(bytes).ok()?;
    (postcard::to_allocvec(&value).as_deref() == Ok(bytes)).then_some(value)
}

/// Base64 as on the wire.
pub fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Base64 of exactly `N` bytes.
pub fn unbase64<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// Base64 of any length.
pub fn unbase64_any(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Bytes in base32 without padding, as authenticator apps read it (RFC 4648).
pub fn base32(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let symbol = |value: u32| {
        SYMBOLS
            .get((value & 31) as usize)
            .copied()
            .map_or('A', char::from)
    };

    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(symbol(held >> bits));
        }
    }

    if bits > 0 {
        text.push(symbol(held << (5 - bits)));
    }
    text
}

/// Lower-case hexadecimal back to bytes.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };

    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect()
}

#[cfg(test)]
#[path = "encoding_tests.rs"]
mod tests;
