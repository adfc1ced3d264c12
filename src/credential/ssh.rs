//! SSH keys: what stands in `ssh_keys`, and signatures as `ssh-keygen -Y sign` makes them (SSHSIG,
//! OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f).
//!
//! The formats are the `ssh-key` crate's; the signatures are verified and made by aws-lc, like
//! every other.

use super::session::small_order;
use super::sha256;
use crate::encoding::{base64, unbase64_any};
use crate::protocol::{LOGIN_CONTEXT, SSH_NAMESPACE};
use crate::secret::Secret;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, UnparsedPublicKey,
};
use ssh_encoding::{Decode, Encode};
use ssh_key::private::{EcdsaKeypair, KeypairData};
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, Mpint, PrivateKey, PublicKey, SshSig};
use std::fmt;

/// The kinds of keys that are accepted.
const KINDS: [&str; 4] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];
/// Bytes of a signature's base64, before anything is made of it.
const MOST: usize = 2048;
/// The flag of a FIDO signature that says that somebody touched the key (WebAuthn's UP).
const USER_PRESENT: u8 = 1;

/// A user's public key.
#[derive(Clone, PartialEq, Eq)]
pub struct SshPublic {
    key: KeyData,
    comment: String,
}

impl SshPublic {
    /// Reads a line as in `authorized_keys`, without options.
    ///
    /// # Errors
    /// A sentence: another kind, a certificate, options, what is no key.
    pub fn read(line: &str) -> Result<Self, String> {
        let kind = line.split_whitespace().next().unwrap_or_default();
        if kind.contains("-cert-") {
            return Err(format!(
                "found a certificate (\"{}\"); accepted are the keys themselves: {}",
                kind.escape_debug(),
                KINDS.join(", ")
            ));
        }

        if !KINDS.contains(&kind) {
            return Err(format!(
                "found a key of the kind \"{}\"; accepted are {}",
                kind.escape_debug(),
                KINDS.join(", ")
            ));
        }

        let key = PublicKey::from_openssh(line.trim())
            .map_err(|fault| format!("is no public key: {fault}"))?;
        if !accepted(key.key_data()) {
            return Err("is a point that fits every signature, and no key".into());
        }
        Ok(Self {
            comment: key.comment().to_owned(),
            key: key.key_data().clone(),
        })
    }

    /// Reads the bytes that agents and signatures name a key by.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let key = PublicKey::from_bytes(bytes).ok()?;
        accepted(key.key_data()).then(|| Self {
            comment: String::new(),
            key: key.key_data().clone(),
        })
    }

    /// The key's bytes, by which agents name it.
    pub fn bytes(&self) -> Vec<u8> {
        PublicKey::from(self.key.clone())
            .to_bytes()
            .unwrap_or_default()
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

fn accepted(key: &KeyData) -> bool {
    matches!(
        key,
        KeyData::Ed25519(key) if !small_order(&key.0)
    ) || matches!(key, KeyData::SkEd25519(key) if !small_order(&key.public_key().0))
        || matches!(
            key,
            KeyData::Ecdsa(EcdsaPublicKey::NistP256(_)) | KeyData::SkEcdsaSha2NistP256(_)
        )
}

/// What an SSH key signs to prove a login: SSHSIG's envelope (namespace, SHA-512) around the
/// login's text.
///
/// # Errors
/// Never for a namespace that is not empty; the crate's signature says so.
pub fn to_sign(text: &str) -> Result<Vec<u8>, String> {
    SshSig::signed_data(SSH_NAMESPACE, HashAlg::Sha512, &message(text))
        .map_err(|fault| fault.to_string())
}

fn message(text: &str) -> Vec<u8> {
    [LOGIN_CONTEXT, text.as_bytes()].concat()
}

/// An SSHSIG, base64, of a raw signature: what stands between the two lines of `ssh-keygen -Y
/// sign`.
pub fn blob(key: &SshPublic, raw: &[u8]) -> String {
    let mut blob = b"SSHSIG".to_vec();

    // Writing into memory fails for lengths beyond 4 GiB only.
    let _ = 1u32.encode(&mut blob);
    let _ = key.bytes().encode(&mut blob);
    for part in [SSH_NAMESPACE.as_bytes(), b"", b"sha512", raw] {
        let _ = part.encode(&mut blob);
    }
    base64(&blob)
}

impl SshPublic {
    /// The key that has signed this login's text; whose it is, is for the caller to look up.
    ///
    /// # Errors
    /// Why the signature is worth nothing.
    pub fn signer(text: &str, signature: &str) -> Result<Self, &'static str> {
        if signature.len() > MOST {
            return Err("an SSH signature that is too long");
        }
        let bytes = unbase64_any(signature).ok_or("an SSH signature that is not base64")?;
        let parts = Parts::read(&bytes).ok_or("an SSH signature that is none")?;
        if parts.namespace != SSH_NAMESPACE.as_bytes() {
            return Err("an SSH signature for another namespace");
        }
        let hash = match parts.hash.as_slice() {
            b"sha256" => HashAlg::Sha256,
            b"sha512" => HashAlg::Sha512,
            _ => return Err("an SSH signature with an unknown hash"),
        };

        let signer = Self::of_bytes(&parts.key)
            .filter(|key| key.bytes() == parts.key)
            .ok_or("a key of a kind that is not accepted")?;
        if signer.key.algorithm().as_str().as_bytes() != parts.kind {
            return Err("an SSH signature of another kind than its key");
        }
        let signed = SshSig::signed_data(SSH_NAMESPACE, hash, &message(text))
            .map_err(|_| "an SSH signature without a hash")?;
        let raw = parts.raw.as_slice();
        let fits = match &signer.key {
            KeyData::Ed25519(key) => {
                parts.trailer.is_empty()
                    && UnparsedPublicKey::new(&ED25519, key.0)
                        .verify(&signed, raw)
                        .is_ok()
            }

            KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => {
                parts.trailer.is_empty() && p256(point.as_bytes(), &signed, raw)
            }
            KeyData::SkEd25519(key) => {
                let shown = touched(&parts.trailer, key.application(), &signed)?;
                UnparsedPublicKey::new(&ED25519, key.public_key().0)
                    .verify(&shown, raw)
                    .is_ok()
            }

            KeyData::SkEcdsaSha2NistP256(key) => {
                let shown = touched(&parts.trailer, key.application(), &signed)?;
                p256(key.ec_point().as_bytes(), &shown, raw)
            }

            _ => return Err("a key of a kind that is not accepted"),
        };

        if fits {
            Ok(signer)
        } else {
            Err("an SSH signature that does not fit")
        }
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
fn p256(point: &[u8], signed: &[u8], mut raw: &[u8]) -> bool {
    let mut number = || {
        let number = Mpint::decode(&mut raw).ok()?;
        let bytes = number.as_positive_bytes()?;
        let mut fixed = [0; 32];
        fixed
            .get_mut(32usize.checked_sub(bytes.len())?..)?
            .copy_from_slice(bytes);
        Some(fixed)
    };

    let (Some(r), Some(s)) = (number(), number()) else {
        return false;
    };
    raw.is_empty()
        && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed, &[r, s].concat())
            .is_ok()
}

/// Why a private key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateFault {
    /// The key wants its passphrase.
    Passphrase,
    /// What stands in the way, in words.
    Unusable(String),
}

/// A private key out of a file in OpenSSH's format.
pub struct SshPrivate {
    public: SshPublic,
    signer: Signer,
}

enum Signer {
    Ed25519(Box<Ed25519KeyPair>),
    P256(Box<EcdsaKeyPair>),
}

impl Signer {
    /// What signs with this pair of keys.
    fn of(key: &KeypairData) -> Result<Self, PrivateFault> {
        match key {
            KeypairData::Ed25519(pair) => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(
                    &zeroize::Zeroizing::new(pair.private.to_bytes())[..],
                    &pair.public.0,
                );

                Ok(Signer::Ed25519(Box::new(
                    pair.map_err(|fault| unusable(&fault))?,
                )))
            }

            KeypairData::Ecdsa(EcdsaKeypair::NistP256 { public, private }) => {
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    private.as_slice(),
                    public.as_bytes(),
                );

                Ok(Signer::P256(Box::new(
                    pair.map_err(|fault| unusable(&fault))?,
                )))
            }

            KeypairData::SkEd25519(_) | KeypairData::SkEcdsaSha2NistP256(_) => Err(unusable(
                &"it is a FIDO key; ssh-agent can sign with it (ssh-add)",
            )),

            other => {
                let kind = other
                    .algorithm()
                    .map_or_else(|_| "unknown".to_owned(), |kind: Algorithm| kind.to_string());
                Err(unusable(&format_args!(
                    "it is of the kind {kind}; accepted are {}",
                    KINDS.join(", ")
                )))
            }
        }
    }
}

fn unusable(why: &dyn fmt::Display) -> PrivateFault {
    PrivateFault::Unusable(why.to_string())
}

impl SshPrivate {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`PrivateFault::Passphrase`] when one is needed and none was given.
    pub fn read(pem: &[u8], passphrase: Option<&Secret>) -> Result<Self, PrivateFault> {
        let key = PrivateKey::from_openssh(pem).map_err(|fault| {
            unusable(&format_args!(
                "it is no private key in OpenSSH's format ({fault})"
            ))
        })?;

        let key = match (key.is_encrypted(), passphrase) {
            (false, _) => key,
            (true, None) => return Err(PrivateFault::Passphrase),
            (true, Some(passphrase)) => key
                .decrypt(passphrase.bytes())
                .map_err(|_| unusable(&"the passphrase does not fit"))?,
        };

        let public = SshPublic {
            key: key.public_key().key_data().clone(),
            comment: key.comment().to_owned(),
        };

        let signer = Signer::of(key.key_data())?;
        Ok(Self { public, signer })
    }

    /// The key's public half.
    pub const fn public(&self) -> &SshPublic {
        &self.public
    }

    /// Signs a message; the bytes are as an agent's.
    ///
    /// # Errors
    /// When the library fails.
    pub fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, String> {
        let (kind, bytes) = match &self.signer {
            Signer::Ed25519(pair) => ("ssh-ed25519", pair.sign(signed).as_ref().to_vec()),
            Signer::P256(pair) => {
                let fixed = pair
                    .sign(&SystemRandom::new(), signed)
                    .map_err(|fault| fault.to_string())?;
                let (r, s) = fixed
                    .as_ref()
                    .split_at_checked(32)
                    .ok_or("a signature of another size")?;
                let mut numbers = Vec::new();
                for number in [r, s] {
                    Mpint::from_positive_bytes(number)
                        .and_then(|number| Ok(number.encode(&mut numbers)?))
                        .map_err(|fault| fault.to_string())?;
                }

                ("ecdsa-sha2-nistp256", numbers)
            }
        };

        let mut raw = Vec::new();
        for part in [kind.as_bytes(), &bytes] {
            part.encode(&mut raw).map_err(|fault| fault.to_string())?;
        }
        Ok(raw)
    }
}

impl fmt::Debug for SshPrivate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SshPrivate({:?})", self.public)
    }
}
