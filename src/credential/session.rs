//! Session keys: Ed25519, made by the client at each login, and what they sign.

use crate::encoding::{base64, unbase64};
use crate::protocol::{LOGIN_CONTEXT, REQUEST_CONTEXT};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;
use zeroize::Zeroizing;

/// What a signature is for; a signature for one purpose is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A login's text.
    Login,
    /// A request's text.
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
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| "no session key could be made".to_owned())?;
        Ok(Self { pair, seed })
    }

    /// What makes the same key again: as secret as the key.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Its public half, base64.
    pub fn public(&self) -> String {
        base64(self.pair.public_key().as_ref())
    }

    /// Signs a text; base64.
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
    /// Reads a key from its base64.
    pub fn read(text: &str) -> Option<Self> {
        unbase64(text).map(Self)
    }

    /// Whether the key signed this text for this purpose.
    pub fn verifies(&self, purpose: Purpose, text: &str, signature: &str) -> bool {
        let Some(signature) = unbase64::<64>(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0).verify(&purpose.message(text), &signature).is_ok()
    }
}

impl fmt::Debug for SessionPublic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&base64(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_key_again() {
        let key = SessionKey::generate().unwrap();
        assert_eq!(SessionKey::from_seed(Zeroizing::new(*key.seed())).unwrap().public(), key.public());
    }

    #[test]
    fn signatures_hold_for_one_key_text_and_purpose() {
        let (key, other) = (SessionKey::generate().unwrap(), SessionKey::generate().unwrap());
        let public = SessionPublic::read(&key.public()).unwrap();
        let signature = key.sign(Purpose::Request, "text");
        assert!(public.verifies(Purpose::Request, "text", &signature));
        assert!(!public.verifies(Purpose::Login, "text", &signature));
        assert!(!public.verifies(Purpose::Request, "Text", &signature));
        assert!(!public.verifies(Purpose::Request, "text", &other.sign(Purpose::Request, "text")));
        assert!(!public.verifies(Purpose::Request, "text", ""));
        assert!(SessionPublic::read("AAAA").is_none());
    }
}
