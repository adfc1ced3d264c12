//! One-time codes: RFC 6238 with SHA-1, six digits, 30 seconds, which is what every authenticator
//! app speaks.

use crate::encoding::base32;
use aws_lc_rs::hmac;

/// Seconds of one step.
const STEP: u64 = 30;
/// Bytes of a seed: as long as the hash, as RFC 4226 wants.
pub const SEED: usize = 20;

/// The code of a step.
fn code(seed: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed);
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac.last().copied().unwrap_or_default() & 15);
    let four = mac
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .unwrap_or([0; 4]);
    format!(
        "{:06}",
        (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000
    )
}

/// The step that this code is of: the present one, or the one before or after it, and none up to
/// `last`. Takes as long for a wrong code as for a right one.
pub fn accept(seed: &[u8], given: &str, now: u64, last: u64) -> Option<u64> {
    let step = now / STEP;
    let mut accepted = None;
    for step in [step.saturating_sub(1), step, step + 1] {
        let fits = aws_lc_rs::constant_time::verify_slices_are_equal(
            code(seed, step).as_bytes(),
            given.as_bytes(),
        )
        .is_ok();
        if fits && step > last && accepted.is_none() {
            accepted = Some(step);
        }
    }

    accepted
}

/// What an authenticator app reads, usually as a QR code.
pub fn uri(seed: &[u8], user: &str, host: &str) -> String {
    // Names of users and hosts are of letters, digits, `-`, `_` and `.`, which an address may hold
    // as they are.
    let host: String = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))
        .collect();
    format!(
        "otpauth://totp/ordain:{user}@{host}?secret={}&issuer=ordain",
        base32(seed)
    )
}

#[cfg(test)]
#[path = "totp_tests.rs"]
mod tests;
