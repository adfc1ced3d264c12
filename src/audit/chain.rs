//! The chain: each record carries its number and the hash of the line before it, and checkpoints
//! sign where it has come to.

use crate::encoding::{base64, unbase64};
use crate::protocol::ReceiptText;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

/// What a checkpoint's signature begins with.
const CONTEXT: &[u8] = b"ordain trail checkpoint\0";
/// No trail comes so far: a line with such a number was not written by a daemon.
pub const NEVER: u64 = 1 << 62;

/// SHA-256 of a line without its newline.
pub type Link = [u8; 32];

/// The hash of a line, its newline left out.
pub fn link(line: &[u8]) -> Link {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, line).as_ref());
    out
}

/// Where a chain has come to: its last record's number, and that line's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The number of the last record, counted from 1; 0 before the first.
    pub seq: u64,
    /// The hash of the last line.
    pub link: Link,
}

impl Head {
    /// The head as it stands in a file and in the log: number and hash.
    pub fn text(&self) -> String {
        format!("{} {}", self.seq, base64(&self.link))
    }

    /// Reads a head as it stands in a file.
    pub fn read(text: &str) -> Option<Self> {
        let (seq, link) = text.trim().split_once(' ')?;
        Some(Self {
            seq: seq.parse().ok()?,
            link: unbase64(link)?,
        })
    }

    fn message(&self) -> Vec<u8> {
        [CONTEXT, self.text().as_bytes()].concat()
    }
}

/// The key that signs checkpoints; the monitor's alone.
pub struct TrailKey(Ed25519KeyPair);

impl TrailKey {
    /// The key of this seed.
    ///
    /// # Errors
    /// That no key can be made of the seed.
    pub fn of(seed: &Zeroizing<[u8; 32]>) -> Result<Self, String> {
        Ed25519KeyPair::from_seed_unchecked(&**seed)
            .map(Self)
            .map_err(|_| "the trail's key is none".into())
    }

    /// The key's public half.
    pub fn public(&self) -> TrailPublic {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        TrailPublic(key)
    }

    /// Signs what a transfer has moved; the signature is base64.
    pub fn sign_receipt(&self, text: &ReceiptText<'_>) -> String {
        base64(self.0.sign(&text.message()).as_ref())
    }

    /// Signs where the chain has come to; the signature is base64.
    pub fn sign(&self, head: &Head) -> String {
        base64(self.0.sign(&head.message()).as_ref())
    }
}

impl std::fmt::Debug for TrailKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "TrailKey({})", self.public())
    }
}

/// What verifies checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrailPublic([u8; 32]);

impl TrailPublic {
    /// Whether the key signed this.
    pub fn verifies(&self, head: &Head, signature: &str) -> bool {
        unbase64::<64>(signature).is_some_and(|signature| {
            UnparsedPublicKey::new(&ED25519, self.0)
                .verify(&head.message(), &signature)
                .is_ok()
        })
    }

    /// Whether the key signed that this was moved.
    pub fn verifies_receipt(&self, text: &ReceiptText<'_>, signature: &str) -> bool {
        unbase64::<64>(signature).is_some_and(|signature| {
            UnparsedPublicKey::new(&ED25519, self.0)
                .verify(&text.message(), &signature)
                .is_ok()
        })
    }
}

impl std::fmt::Display for TrailPublic {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "ordain-trail-ed25519 {}", base64(&self.0))
    }
}

impl std::str::FromStr for TrailPublic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.trim()
            .strip_prefix("ordain-trail-ed25519 ")
            .and_then(unbase64)
            .map(Self)
            .ok_or_else(|| "a trail's public key looks like ordain-trail-ed25519 followed by 44 characters of base64".into())
    }
}
