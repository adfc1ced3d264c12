//! Signatures of SSH keys as `ssh-keygen -Y sign` makes them (SSHSIG, OpenSSH's PROTOCOL.sshsig and
//! PROTOCOL.u2f), verified by aws-lc like every other. Each is accepted in one encoding only.

use super::gathered::{Gathering, signed_at};
use super::sha256;
use super::ssh::{Curve, SshPublic};
use crate::encoding::{base64, unbase64_any};
use crate::protocol::{Gathered, LOGIN_CONTEXT, LOGINS_CONTEXT, LOGINS_NAMESPACE, SSH_NAMESPACE};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
};
use ssh_encoding::{Decode, Encode};
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::{EcdsaCurve, HashAlg, Mpint, SshSig};

/// Bytes of a signature's base64, before anything is made of it: those of an RSA key of 8192 bits
/// are 2852.
const MOST: usize = 3072;
/// The flag of a FIDO signature that says that somebody touched the key (WebAuthn's UP).
const USER_PRESENT: u8 = 1;

/// What an SSH key says with a signature: that one login is meant, or many.
pub struct Statement {
    namespace: &'static str,
    message: Vec<u8>,
}

impl Statement {
    /// The login of this text.
    pub fn login(text: &str) -> Self {
        Self {
            namespace: SSH_NAMESPACE,
            message: [LOGIN_CONTEXT, text.as_bytes()].concat(),
        }
    }

    /// All of these logins.
    pub fn logins(all: &Gathering) -> Self {
        Self::counted(&all.signed())
    }

    /// The login of this text, which stands among others where a place is given.
    ///
    /// # Errors
    /// Why no text stands at such a place.
    pub fn with(text: &str, place: Option<&Gathered>) -> Result<Self, &'static str> {
        Ok(match place {
            None => Self::login(text),
            Some(place) => Self::counted(&signed_at(text, place)?),
        })
    }

    fn counted(root: &[u8]) -> Self {
        Self {
            namespace: LOGINS_NAMESPACE,
            message: [LOGINS_CONTEXT, root].concat(),
        }
    }

    /// What the key signs: SSHSIG's envelope (namespace, SHA-512) around what is said.
    ///
    /// # Errors
    /// Never for a namespace that is not empty; the crate's signature says so.
    pub fn to_sign(&self) -> Result<Vec<u8>, String> {
        self.enveloped(HashAlg::Sha512)
            .map_err(|fault| fault.to_string())
    }

    fn enveloped(&self, hash: HashAlg) -> ssh_key::Result<Vec<u8>> {
        SshSig::signed_data(self.namespace, hash, &self.message)
    }

    /// An SSHSIG, base64, of a raw signature: what stands between the two lines of `ssh-keygen -Y
    /// sign`.
    pub fn blob(&self, key: &SshPublic, raw: &[u8]) -> String {
        let mut blob = b"SSHSIG".to_vec();

        // Writing into memory fails for lengths beyond 4 GiB only.
        let _ = 1u32.encode(&mut blob);
        let _ = key.bytes().encode(&mut blob);
        for part in [self.namespace.as_bytes(), b"", b"sha512", raw] {
            let _ = part.encode(&mut blob);
        }
        base64(&blob)
    }
}

/// What an SSH key signs to prove a login with a signature of its own.
///
/// # Errors
/// What [`Statement::to_sign`] says.
pub fn to_sign(text: &str) -> Result<Vec<u8>, String> {
    Statement::login(text).to_sign()
}

/// The SSHSIG of one login, of a raw signature: [`Statement::blob`].
pub fn blob(key: &SshPublic, raw: &[u8]) -> String {
    Statement::login("").blob(key, raw)
}

impl SshPublic {
    /// The key that has signed this login's text alone; whose it is, is for the caller to look up.
    ///
    /// # Errors
    /// Why the signature is worth nothing.
    pub fn signer(text: &str, signature: &str) -> Result<Self, &'static str> {
        Self::says(&Statement::login(text), signature)
    }

    /// The key that says this with its signature.
    ///
    /// # Errors
    /// Why the signature is worth nothing.
    pub fn says(what: &Statement, signature: &str) -> Result<Self, &'static str> {
        if signature.len() > MOST {
            return Err("an SSH signature that is too long");
        }
        let bytes = unbase64_any(signature).ok_or("an SSH signature that is not base64")?;
        let parts = Parts::read(&bytes).ok_or("an SSH signature that is none")?;
        if parts.namespace != what.namespace.as_bytes() {
            return Err("an SSH signature for another namespace");
        }
        let hash = match parts.hash.as_slice() {
            b"sha256" => HashAlg::Sha256,
            b"sha512" => HashAlg::Sha512,
            _ => return Err("an SSH signature with an unknown hash"),
        };

        let signer =
            Self::of_bytes(&parts.key).map_err(|_| "a key of a kind that is not accepted")?;
        let signed = what
            .enveloped(hash)
            .map_err(|_| "an SSH signature without a hash")?;
        if signer.fits(&parts, &signed)? {
            Ok(signer)
        } else {
            Err("an SSH signature that does not fit")
        }
    }

    /// Whether the signature is this key's over these bytes.
    fn fits(&self, parts: &Parts, signed: &[u8]) -> Result<bool, &'static str> {
        let raw = parts.raw.as_slice();
        if let KeyData::Rsa(key) = &self.key {
            let hash = match parts.kind.as_slice() {
                b"rsa-sha2-512" => &RSA_PKCS1_2048_8192_SHA512,
                b"rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                b"ssh-rsa" => return Err("an RSA signature with SHA-1"),
                _ => return Err("an SSH signature of another kind than its key"),
            };

            return Ok(parts.trailer.is_empty() && rsa(key, hash, signed, raw));
        }

        if self.kind().as_bytes() != parts.kind {
            return Err("an SSH signature of another kind than its key");
        }
        let fits = |key: &[u8], signed: &[u8]| {
            UnparsedPublicKey::new(&ED25519, key)
                .verify(signed, raw)
                .is_ok()
        };
        Ok(match &self.key {
            KeyData::Ed25519(key) => parts.trailer.is_empty() && fits(&key.0, signed),
            KeyData::Ecdsa(key) => {
                let curve = Curve::of(key.curve());
                parts.trailer.is_empty() && ecdsa(curve, key.as_sec1_bytes(), signed, raw)
            }
            KeyData::SkEd25519(key) => {
                let shown = touched(&parts.trailer, key.application(), signed)?;
                fits(&key.public_key().0, &shown)
            }
            KeyData::SkEcdsaSha2NistP256(key) => {
                let shown = touched(&parts.trailer, key.application(), signed)?;
                let curve = Curve::of(EcdsaCurve::NistP256);
                ecdsa(curve, key.ec_point().as_bytes(), &shown, raw)
            }
            _ => return Err("a key of a kind that is not accepted"),
        })
    }
}

/// An SSHSIG, taken apart. Read here and not by the crate, which passes over lengths that are too
/// long and is not exact about FIDO signatures: what is accepted has one spelling only.
struct Parts {
    key: Vec<u8>,
    namespace: Vec<u8>,
    hash: Vec<u8>,
    /// The signature's kind, its bytes, and what a FIDO key puts behind them.
    kind: Vec<u8>,
    raw: Vec<u8>,
    trailer: Vec<u8>,
}

impl Parts {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes
            .strip_prefix(b"SSHSIG")?
            .strip_prefix(&1u32.to_be_bytes())?;
        let mut part = || Vec::<u8>::decode(&mut rest).ok();
        let (key, namespace, reserved, hash, signature) =
            (part()?, part()?, part()?, part()?, part()?);
        if !rest.is_empty() || !reserved.is_empty() {
            return None;
        }
        let mut rest = signature.as_slice();
        let (kind, raw) = (
            Vec::<u8>::decode(&mut rest).ok()?,
            Vec::<u8>::decode(&mut rest).ok()?,
        );

        Some(Self {
            key,
            namespace,
            hash,
            kind,
            raw,
            trailer: rest.to_vec(),
        })
    }
}

/// A FIDO key signs hashes of its application's name and of the message, with flags and a counter
/// between them; the flags must say that somebody touched it.
fn touched(trailer: &[u8], application: &str, signed: &[u8]) -> Result<Vec<u8>, &'static str> {
    if trailer.len() != 5 {
        return Err("an SSH signature that is none");
    }
    if trailer
        .first()
        .is_none_or(|flags| flags & USER_PRESENT == 0)
    {
        return Err("a FIDO key that nobody touched");
    }
    Ok([
        sha256(application.as_bytes()).as_slice(),
        trailer,
        sha256(signed).as_slice(),
    ]
    .concat())
}

/// Two numbers, as SSH writes them, to the fixed form that is verified here.
fn ecdsa(curve: &Curve, point: &[u8], signed: &[u8], mut raw: &[u8]) -> bool {
    let mut fixed = Vec::with_capacity(2 * curve.bytes);
    for _ in 0..2 {
        let number = Mpint::decode(&mut raw).ok();
        let Some(zeros) = number
            .as_ref()
            .and_then(Mpint::as_positive_bytes)
            .and_then(|bytes| curve.bytes.checked_sub(bytes.len()))
        else {
            return false;
        };
        fixed.resize(fixed.len() + zeros, 0);
        fixed.extend(number.iter().filter_map(Mpint::as_positive_bytes).flatten());
    }

    raw.is_empty()
        && UnparsedPublicKey::new(curve.verifies, point)
            .verify(signed, &fixed)
            .is_ok()
}

/// A number below the modulus, with all its leading zeros.
fn rsa(
    key: &RsaPublicKey,
    hash: &aws_lc_rs::rsa::RsaParameters,
    signed: &[u8],
    raw: &[u8],
) -> bool {
    let (Some(n), Some(e)) = (key.n.as_positive_bytes(), key.e.as_positive_bytes()) else {
        return false;
    };
    raw.len() == n.len()
        && PublicKeyComponents { n, e }
            .verify(hash, signed, raw)
            .is_ok()
}

#[cfg(test)]
#[path = "ssh_signed_tests.rs"]
mod tests;
