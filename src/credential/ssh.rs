//! SSH keys: what stands in `ssh_keys`, and what agents name a key by. Each key has one encoding
//! that is accepted.
//!
//! The formats are the `ssh-key` crate's; whether a point is on its curve is aws-lc's word.

use super::session::small_order;
use crate::encoding::der::bits;
use crate::encoding::unbase64_any;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, UnparsedPublicKey,
};
use ssh_encoding::{Decode, Encode};
use ssh_key::public::{EcdsaPublicKey, KeyData, RsaPublicKey};
use ssh_key::{EcdsaCurve, HashAlg};
use std::fmt;

/// The kinds of keys that are accepted.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];
/// Bits of an RSA key: less can be broken, more costs every login too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Bits of an RSA key's exponent, as aws-lc has it.
const RSA_EXPONENT_BITS: usize = 33;

/// A user's public key.
#[derive(Clone, PartialEq, Eq)]
pub struct SshPublic {
    pub(super) key: KeyData,
    comment: String,
}

impl SshPublic {
    /// Reads a line as in `authorized_keys`, without options. Between its fields is any run of
    /// spaces and tabs, and the comment may have some too.
    ///
    /// # Errors
    /// A sentence: another kind, a certificate, options, what is no key.
    pub fn read(line: &str) -> Result<Self, String> {
        let line = line.trim_matches([' ', '\t', '\r', '\n']);
        let (kind, rest) = field(line);
        let (encoded, comment) = field(rest);
        named(kind, rest)?;
        if line.contains(['\r', '\n']) {
            return Err("has more than one line; each key is an entry of its own".into());
        }
        let bytes = unbase64_any(encoded)
            .filter(|bytes| !bytes.is_empty())
            .ok_or("is no public key: what stands behind its kind is not base64, or is cut off")?;

        let key = Self::of_bytes(&bytes)?;
        if key.kind() != kind {
            return Err(format!(
                "calls itself {kind}, and is a key of the kind {}",
                key.kind()
            ));
        }
        Ok(key.called(comment))
    }

    /// Reads the bytes that agents and signatures name a key by.
    ///
    /// # Errors
    /// As [`SshPublic::read`].
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, String> {
        let mut rest = bytes;
        let kind = String::decode(&mut rest)
            .map_err(|_| "is no public key: its kind cannot be read".to_owned())?;
        named(&kind, "")?;
        let mut rest = bytes;
        let key = KeyData::decode(&mut rest)
            .map_err(|_| format!("is no public key: its bytes are not those of the kind {kind}"))?;

        let key = Self::of_key(key)?;
        if key.bytes() != bytes {
            return Err("is no public key: its bytes are not as a key is written".into());
        }
        Ok(key)
    }

    /// A key, if it is one of those that are accepted.
    ///
    /// # Errors
    /// As [`SshPublic::read`].
    pub(super) fn of_key(key: KeyData) -> Result<Self, String> {
        match &key {
            KeyData::Ed25519(point) => sound(&point.0)?,
            KeyData::SkEd25519(key) => sound(&key.public_key().0)?,
            KeyData::Ecdsa(point) => Curve::of(point.curve()).holds(point.as_sec1_bytes())?,
            KeyData::SkEcdsaSha2NistP256(key) => {
                Curve::of(EcdsaCurve::NistP256).holds(key.ec_point().as_bytes())?;
            }
            KeyData::Rsa(key) => strong(key)?,
            other => named(other.algorithm().as_str(), "")?,
        }

        Ok(Self {
            key,
            comment: String::new(),
        })
    }

    /// The same key with this comment.
    pub fn called(self, comment: &str) -> Self {
        Self {
            comment: comment.to_owned(),
            ..self
        }
    }

    /// The key's bytes, by which agents name it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();

        // Writing into memory fails for lengths beyond 4 GiB only.
        let _ = self.key.encode(&mut bytes);
        bytes
    }

    /// The key's kind, as it begins its line.
    pub fn kind(&self) -> String {
        self.key.algorithm().as_str().to_owned()
    }

    /// Whether it is an RSA key, which can make signatures of several kinds.
    pub const fn is_rsa(&self) -> bool {
        matches!(self.key, KeyData::Rsa(_))
    }

    /// Whether the key is a FIDO key, which somebody has to touch for each signature.
    pub const fn is_touched(&self) -> bool {
        matches!(
            self.key,
            KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_)
        )
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The comment behind the key, usually where it lives.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether it is the same key, whatever the comment.
    pub fn is(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl fmt::Debug for SshPublic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.fingerprint())
    }
}

/// The first field of a line, and what is behind it.
fn field(line: &str) -> (&str, &str) {
    let (field, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    (field, rest.trim_start_matches([' ', '\t']))
}

/// Whether keys of this kind are accepted; `rest` is what stands behind it in a line.
fn named(kind: &str, rest: &str) -> Result<(), String> {
    if KINDS.contains(&kind) {
        return Ok(());
    }
    let accepted = KINDS.join(", ");
    let shown = kind.escape_debug();
    if kind.contains("-cert-") {
        return Err(format!(
            "found a certificate (\"{shown}\"); accepted are the keys themselves: {accepted}"
        ));
    }
    if kind == "ssh-dss" {
        return Err(format!(
            "found a DSA key, which protects nothing any more (`ssh-keygen -t ed25519` makes a new one); accepted are {accepted}"
        ));
    }
    if kind.starts_with("-----BEGIN") {
        return Err(
            "found a private key; what belongs here is the line of its public half (the file that ends in .pub)"
                .into(),
        );
    }

    // An option may have quoted blanks in it, so the kind is looked for in all that follows.
    let mut words = rest.split([' ', '\t']);
    if words.any(|word| KINDS.contains(&word)) {
        return Err(format!(
            "found options before the key (\"{shown}\"); leave them out, the configuration says what a user may do"
        ));
    }
    Err(format!(
        "found a key of the kind \"{shown}\"; accepted are {accepted}"
    ))
}

/// Whether a point of Ed25519 is no key for which everybody can sign.
fn sound(point: &[u8; 32]) -> Result<(), String> {
    if small_order(point) {
        return Err("is a point that fits every signature, and no key".into());
    }
    Ok(())
}

/// Whether an RSA key is one that nobody can break, and aws-lc takes.
fn strong(RsaPublicKey { e, n }: &RsaPublicKey) -> Result<(), String> {
    let (Some(exponent), Some(modulus)) = (e.as_positive_bytes(), n.as_positive_bytes()) else {
        return Err("is no public key: an RSA key's numbers are positive".into());
    };
    let size = bits(modulus);
    if !RSA_BITS.contains(&size) {
        return Err(format!(
            "is an RSA key of {size} bits; accepted are {} to {} (`ssh-keygen -t ed25519` makes a better key)",
            RSA_BITS.start(),
            RSA_BITS.end()
        ));
    }

    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !odd(modulus) || !odd(exponent) || !(2..=RSA_EXPONENT_BITS).contains(&bits(exponent)) {
        return Err("is an RSA key whose numbers cannot be those of a key".into());
    }
    Ok(())
}

/// A curve of ECDSA, with the hash that SSH uses on it (RFC 5656).
pub(super) struct Curve {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    /// Bytes of a coordinate, and of a number of a signature.
    pub(super) bytes: usize,
    pub(super) verifies: &'static EcdsaVerificationAlgorithm,
    pub(super) signs: &'static EcdsaSigningAlgorithm,
}

/// All curves.
pub(super) static CURVES: [Curve; 3] = [
    Curve {
        kind: "ecdsa-sha2-nistp256",
        name: "nistp256",
        bytes: 32,
        verifies: &ECDSA_P256_SHA256_FIXED,
        signs: &ECDSA_P256_SHA256_FIXED_SIGNING,
    },
    Curve {
        kind: "ecdsa-sha2-nistp384",
        name: "nistp384",
        bytes: 48,
        verifies: &ECDSA_P384_SHA384_FIXED,
        signs: &ECDSA_P384_SHA384_FIXED_SIGNING,
    },
    Curve {
        kind: "ecdsa-sha2-nistp521",
        name: "nistp521",
        bytes: 66,
        verifies: &ECDSA_P521_SHA512_FIXED,
        signs: &ECDSA_P521_SHA512_FIXED_SIGNING,
    },
];

impl Curve {
    /// The curve that the crate calls so.
    pub(super) fn of(curve: EcdsaCurve) -> &'static Self {
        let [p256, p384, p521] = &CURVES;
        match curve {
            EcdsaCurve::NistP256 => p256,
            EcdsaCurve::NistP384 => p384,
            EcdsaCurve::NistP521 => p521,
        }
    }

    /// Whether this is a point of the curve, in the one form that SSH has (uncompressed).
    fn holds(&self, point: &[u8]) -> Result<(), String> {
        let whole = point.len() == 2 * self.bytes + 1 && point.first() == Some(&4);
        if whole && UnparsedPublicKey::new(self.verifies, point).parse().is_ok() {
            return Ok(());
        }
        Err(format!(
            "is no public key: its point is none of the curve {}",
            self.name
        ))
    }

    /// The public key of a point.
    pub(super) fn key(point: &[u8]) -> Option<KeyData> {
        EcdsaPublicKey::from_sec1_bytes(point)
            .ok()
            .map(KeyData::Ecdsa)
    }
}

#[cfg(test)]
#[path = "ssh_tests.rs"]
mod tests;
