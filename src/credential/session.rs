//! Session keys: Ed25519, made by the client at each login, and what they sign.

use crate::encoding::{base64, unbase64};
use crate::ids::SessionId;
use crate::protocol::{LOGIN_CONTEXT, REQUEST_CONTEXT, SESSION_CONTEXT};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;
use zeroize::Zeroizing;

/// What a signature is for; a signature for one purpose is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The text of a login.
    Login,
    /// The text of a request.
    Request,
}

impl Purpose {
    fn message(self, text: &str) -> Vec<u8> {
        let context = match self {
            Self::Login => LOGIN_CONTEXT,
            Self::Request => REQUEST_CONTEXT,
        };

        [context, text.as_bytes()].concat()
    }
}

/// The client's half of a session: a fresh Ed25519 key.
pub struct SessionKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl SessionKey {
    /// A new key.
    ///
    /// # Errors
    /// When the generator fails.
    pub fn generate() -> Result<Self, String> {
        Self::from_seed(Zeroizing::new(super::random()))
    }

    /// The key of a login that was kept.
    ///
    /// # Errors
    /// When no key can be made of it.
    pub fn from_seed(seed: Zeroizing<[u8; 32]>) -> Result<Self, String> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed)
            .map_err(|_| "no session key could be made".to_owned())?;
        Ok(Self { pair, seed })
    }

    /// What makes the same key again: as secret as the key.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The key's public half, base64.
    pub fn public(&self) -> String {
        base64(self.pair.public_key().as_ref())
    }

    /// Signs a text; the signature is base64.
    pub fn sign(&self, purpose: Purpose, text: &str) -> String {
        base64(self.pair.sign(&purpose.message(text)).as_ref())
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SessionKey(…)")
    }
}

/// The server's half: the public key that a login named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionPublic([u8; 32]);

impl SessionPublic {
    /// The key's bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads a key from its base64.
    ///
    /// A point of small order is none: signatures that fit it fit any text.
    pub fn read(text: &str) -> Option<Self> {
        unbase64(text).filter(|key| !small_order(key)).map(Self)
    }

    /// Whether the key signed this text for this purpose.
    pub fn verifies(&self, purpose: Purpose, text: &str, signature: &str) -> bool {
        let Some(signature) = unbase64::<64>(signature) else {
            return false;
        };
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(&purpose.message(text), &signature)
            .is_ok()
    }
}

/// The id of the session that a login with this session key begins, on the connection that was given
/// this nonce: both sides know it before the login is judged. The nonce is the server's, and no two
/// connections have the same, so nobody can choose an id, and none comes twice.
pub fn session_id(key: &[u8; 32], nonce: &[u8; 32]) -> SessionId {
    let hash = super::sha256(&[SESSION_CONTEXT, key, nonce].concat());
    let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _] = hash;
    SessionId::from_random(id)
}

/// Whether a public key is one of Curve25519's eight points of small order, in any spelling.
pub fn small_order(key: &[u8; 32]) -> bool {
    const LOW: [[u8; 32]; 2] = [
        // The two of order eight, but for the sign.
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];

    let mut point = *key;
    let [first, middle @ .., last] = &mut point;
    *last &= 0x7f;

    // 0 and 1; p-1, p and p+1.
    let near_zero = *last == 0 && *first <= 1 && middle.iter().all(|byte| *byte == 0);
    let near_p =
        *last == 0x7f && (0xec..=0xee).contains(first) && middle.iter().all(|byte| *byte == 0xff);
    near_zero || near_p || LOW.contains(&point)
}

impl fmt::Debug for SessionPublic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&base64(&self.0))
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
