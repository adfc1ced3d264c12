//! Private keys, and what they sign: aws-lc makes the signatures, and reads the forms in which OpenSSL
//! writes keys (PKCS#8, SEC1, PKCS#1).

use super::ssh::{CURVES, Curve, SshPublic};
use crate::encoding::der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA512};
use ssh_encoding::Encode;
use ssh_key::Mpint;
use ssh_key::public::{Ed25519PublicKey, KeyData, RsaPublicKey};
use std::fmt;

/// Why a private key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateFault {
    /// The key wants its passphrase.
    Passphrase,
    /// The passphrase is not the key's.
    Wrong,
    /// What stands in the way, in words.
    Unusable(String),
}

impl fmt::Display for PrivateFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase => out.write_str("it wants its passphrase"),
            Self::Wrong => out.write_str("the passphrase does not fit"),
            Self::Unusable(why) => out.write_str(why),
        }
    }
}

pub(super) fn unusable(why: impl Into<String>) -> PrivateFault {
    PrivateFault::Unusable(why.into())
}

/// A private key out of a file.
pub struct SshPrivate {
    public: SshPublic,
    signer: Signer,
}

impl SshPrivate {
    /// A key whose two halves are known to belong together.
    pub(super) const fn new(public: SshPublic, signer: Signer) -> Self {
        Self { public, signer }
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
        let (kind, bytes) = self.signer.sign(signed)?;
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

/// What signs.
pub(super) enum Signer {
    Ed25519(Box<Ed25519KeyPair>),
    Ecdsa(&'static Curve, Box<EcdsaKeyPair>),
    Rsa(Box<rsa::KeyPair>),
}

impl Signer {
    /// A key in PKCS#8, whatever its kind.
    pub(super) fn pkcs8(bytes: &[u8]) -> Result<Self, PrivateFault> {
        let (kind, key) = der::pkcs8(bytes).ok_or_else(damaged)?;
        match kind {
            der::RSA => Self::rsa(key),
            b"\x2a\x86\x48\xce\x3d\x02\x01" => Self::ecdsa(bytes),
            b"\x2b\x65\x70" => Ed25519KeyPair::from_pkcs8(bytes)
                .map(|pair| Self::Ed25519(Box::new(pair)))
                .map_err(|_| damaged()),
            b"\x2a\x86\x48\xce\x38\x04\x01" => Err(of_kind("DSA")),
            b"\x2b\x65\x71" => Err(of_kind("Ed448")),
            b"\x2b\x65\x6e" => Err(of_kind("X25519, which does not sign")),
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" => Err(of_kind("RSA-PSS")),
            _ => Err(of_kind("something else")),
        }
    }

    /// A key of ECDSA in SEC1 or PKCS#8.
    pub(super) fn ecdsa(bytes: &[u8]) -> Result<Self, PrivateFault> {
        let of = |curve: &'static Curve| {
            let pair = EcdsaKeyPair::from_private_key_der(curve.signs, bytes).ok()?;
            Some(Self::Ecdsa(curve, Box::new(pair)))
        };
        CURVES.iter().find_map(of).ok_or_else(|| {
            let names = CURVES.iter().map(|curve| curve.name);
            let names = names.collect::<Vec<_>>().join(", ");
            unusable(format!("its curve is none of {names}, or it is damaged"))
        })
    }

    /// A key of RSA in PKCS#1.
    pub(super) fn rsa(bytes: &[u8]) -> Result<Self, PrivateFault> {
        let numbers = der::rsa_private(bytes).ok_or_else(damaged)?;
        // What is wrong with its size is said before aws-lc refuses it without a word.
        public_rsa(numbers)?;
        rsa::KeyPair::from_der(bytes)
            .map(|pair| Self::Rsa(Box::new(pair)))
            .map_err(|_| damaged())
    }

    /// The whole key.
    pub(super) fn key(self) -> Result<SshPrivate, PrivateFault> {
        let public = match &self {
            Self::Ed25519(pair) => {
                let point = pair.public_key().as_ref().try_into();
                let point = point.map_err(|_| damaged())?;
                public_of(KeyData::Ed25519(Ed25519PublicKey(point)))?
            }
            Self::Ecdsa(_, pair) => {
                let point = Curve::key(pair.public_key().as_ref());
                public_of(point.ok_or_else(damaged)?)?
            }
            Self::Rsa(pair) => {
                let numbers = der::rsa_public(pair.public_key().as_ref());
                public_rsa(numbers.ok_or_else(damaged)?)?
            }
        };

        Ok(SshPrivate::new(public, self))
    }

    /// The kind of a signature, and its bytes as SSH writes them.
    fn sign(&self, signed: &[u8]) -> Result<(&'static str, Vec<u8>), String> {
        let failed = |_| "aws-lc did not sign".to_owned();
        match self {
            Self::Ed25519(pair) => Ok(("ssh-ed25519", pair.sign(signed).as_ref().to_vec())),
            Self::Ecdsa(curve, pair) => {
                let fixed = pair.sign(&SystemRandom::new(), signed).map_err(failed)?;
                let mut numbers = Vec::new();
                for number in fixed.as_ref().chunks(curve.bytes) {
                    Mpint::from_positive_bytes(number)
                        .and_then(|number| Ok(number.encode(&mut numbers)?))
                        .map_err(|fault| fault.to_string())?;
                }

                Ok((curve.kind, numbers))
            }
            Self::Rsa(pair) => {
                let mut number = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), signed, &mut number)
                    .map_err(failed)?;
                Ok(("rsa-sha2-512", number))
            }
        }
    }
}

/// The public half, if a server would take it.
pub(super) fn public_of(key: KeyData) -> Result<SshPublic, PrivateFault> {
    SshPublic::of_key(key).map_err(|why| unusable(format!("it {why}")))
}

fn public_rsa((n, e): (&[u8], &[u8])) -> Result<SshPublic, PrivateFault> {
    let number = |bytes| Mpint::from_positive_bytes(bytes).map_err(|_| damaged());
    let (n, e) = (number(n)?, number(e)?);
    public_of(KeyData::Rsa(RsaPublicKey { e, n }))
}

pub(super) fn damaged() -> PrivateFault {
    unusable("it is damaged: its numbers are not those of a key")
}

pub(super) fn of_kind(kind: &str) -> PrivateFault {
    unusable(format!(
        "its kind is {kind}; accepted are Ed25519, ECDSA and RSA (`ssh-keygen -t ed25519` makes a key)"
    ))
}
