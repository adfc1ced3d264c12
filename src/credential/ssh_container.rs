//! OpenSSH's own format of private keys (PROTOCOL.key), with every cipher that `ssh-keygen -Z` knows.
//! Taken apart here, so that what stands in the way can be named; the ciphers are the `ssh-key`
//! crate's.

use super::ssh::{CURVES, Curve, SshPublic};
use super::ssh_private::{PrivateFault, Signer, SshPrivate, damaged, of_kind, public_of, unusable};
use crate::limits;
use crate::secret::Secret;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair};
use ssh_key::public::{Ed25519PublicKey, KeyData, RsaPublicKey};
use ssh_key::{Cipher, Kdf, Mpint};
use std::str;
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The container of a key, with what it takes to open it.
struct Container<'b> {
    cipher: Cipher,
    /// Salt and rounds of bcrypt; none where nothing is encrypted.
    derived: Option<(&'b [u8], u32)>,
    public: &'b [u8],
    private: &'b [u8],
    /// What an authenticating cipher puts behind it.
    tag: Option<[u8; 16]>,
}

/// Reads a key.
pub(super) fn read(bytes: &[u8], passphrase: Option<&Secret>) -> Result<SshPrivate, PrivateFault> {
    let container = Container::read(bytes)?;
    container.judge_kind()?;
    let opened = match (container.derived, passphrase) {
        (None, _) => None,
        (Some(_), None) => return Err(PrivateFault::Passphrase),
        (Some((salt, rounds)), Some(passphrase)) => Some(container.open(salt, rounds, passphrase)?),
    };

    let mut rest = opened.as_ref().map_or(container.private, |opened| opened);
    let (one, other) = (number32(&mut rest), number32(&mut rest));
    if one.is_none() || one != other {
        return Err(match opened {
            Some(_) => PrivateFault::Wrong,
            None => cut(),
        });
    }

    let (key, signer) = pair(&mut rest)?;
    let comment = part(&mut rest).ok_or_else(cut)?;
    if !rest.iter().zip(1u8..).all(|(byte, count)| *byte == count) || rest.len() >= 255 {
        return Err(cut());
    }
    let public = public_of(key)?;
    if public.bytes() != container.public {
        return Err(unusable(
            "it is damaged: its two halves are of different keys",
        ));
    }
    let public: SshPublic = public.called(&String::from_utf8_lossy(comment));
    Ok(SshPrivate::new(public, signer))
}

impl<'b> Container<'b> {
    fn read(bytes: &'b [u8]) -> Result<Self, PrivateFault> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| {
            unusable("it is damaged, or of a newer format than OpenSSH's first (openssh-key-v1)")
        })?;
        let mut next = || part(&mut rest).ok_or_else(cut);
        let (cipher, kdf, mut options) = (next()?, next()?, next()?);
        let cipher = known(cipher)?;
        let count = number32(&mut rest).ok_or_else(cut)?;
        if count != 1 {
            return Err(unusable(format!(
                "it holds {count} keys; a file with one is accepted"
            )));
        }
        let mut next = || part(&mut rest).ok_or_else(cut);
        let (public, private) = (next()?, next()?);

        let derived = match (cipher, kdf) {
            (Cipher::None, b"none") if options.is_empty() => None,
            (Cipher::None, _) | (_, b"none") => return Err(cut()),
            (_, b"bcrypt") => {
                let salt = part(&mut options).filter(|salt| !salt.is_empty());
                let rounds = number32(&mut options).filter(|rounds| *rounds > 0);
                let both = salt.zip(rounds).filter(|_| options.is_empty());
                Some(both.ok_or_else(cut)?)
            }
            (_, other) => return Err(unknown("way to make a key of a passphrase", other)),
        };
        let tag = match cipher.has_tag() {
            true => Some(rest.try_into().map_err(|_| cut())?),
            false if rest.is_empty() => None,
            false => return Err(cut()),
        };

        Ok(Self {
            cipher,
            derived,
            public,
            private,
            tag,
        })
    }

    /// Refuses the kinds that cannot be used, which is known before anybody types a passphrase.
    fn judge_kind(&self) -> Result<(), PrivateFault> {
        let mut public = self.public;
        let kind = part(&mut public).ok_or_else(cut)?;
        match kind {
            b"ssh-dss" => Err(of_kind("DSA")),
            [b's', b'k', b'-', ..] => Err(unusable(
                "it is a FIDO key; ssh-agent can sign with it (ssh-add)",
            )),
            b"ssh-ed25519" | b"ssh-rsa" => SshPublic::of_bytes(self.public)
                .map(drop)
                .map_err(|why| unusable(format!("it {why}"))),
            other if CURVES.iter().any(|curve| curve.kind.as_bytes() == other) => Ok(()),
            other => Err(of_kind(&format!("\"{}\"", shown(other)))),
        }
    }

    /// The private part, decrypted.
    fn open(
        &self,
        salt: &[u8],
        rounds: u32,
        passphrase: &Secret,
    ) -> Result<Zeroizing<Vec<u8>>, PrivateFault> {
        if rounds > limits::BCRYPT_ROUNDS {
            return Err(unusable(format!(
                "its passphrase is to be hashed {rounds} times; at most {} are accepted (`ssh-keygen -p -a 100 -f FILE`)",
                limits::BCRYPT_ROUNDS
            )));
        }
        if !self.private.len().is_multiple_of(self.cipher.block_size()) {
            return Err(cut());
        }
        // Nothing is encrypted with it.
        if passphrase.bytes().is_empty() {
            return Err(PrivateFault::Wrong);
        }

        let kdf = Kdf::Bcrypt {
            salt: salt.to_vec(),
            rounds,
        };
        let failed = |fault: &dyn std::fmt::Display| {
            unusable(format!("it cannot be decrypted ({}): {fault}", self.cipher))
        };
        let (key, iv) = kdf
            .derive_key_and_iv(self.cipher, passphrase.bytes())
            .map_err(|fault| failed(&fault))?;
        let mut opened = Zeroizing::new(self.private.to_vec());
        match self.cipher.decrypt(&key, &iv, &mut opened, self.tag) {
            Ok(()) => Ok(opened),
            // What an authenticating cipher says of another key.
            Err(_) if self.tag.is_some() => Err(PrivateFault::Wrong),
            Err(fault) => Err(failed(&fault)),
        }
    }
}

/// A key's two halves.
fn pair(rest: &mut &[u8]) -> Result<(KeyData, Signer), PrivateFault> {
    let mut next = || part(rest).ok_or_else(cut);
    let kind = next()?;
    match kind {
        b"ssh-ed25519" => ed25519(next()?, next()?),
        b"ssh-rsa" => {
            let [n, e, d, inverse, p, q] = [next()?, next()?, next()?, next()?, next()?, next()?];
            rsa_pair(&[n, e], &[d, inverse, p, q])
        }
        _ => {
            let of_kind = |curve: &&Curve| curve.kind.as_bytes() == kind;
            let curve = CURVES.iter().find(of_kind).ok_or_else(damaged)?;
            let (name, point, number) = (next()?, next()?, next()?);
            ecdsa(curve, name, point, number)
        }
    }
}

fn ed25519(public: &[u8], both: &[u8]) -> Result<(KeyData, Signer), PrivateFault> {
    let seed = both.strip_suffix(public).ok_or_else(damaged)?;
    let point = public.try_into().map_err(|_| damaged())?;
    let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| damaged())?;
    Ok((
        KeyData::Ed25519(Ed25519PublicKey(point)),
        Signer::Ed25519(Box::new(pair)),
    ))
}

fn ecdsa(
    curve: &'static Curve,
    name: &[u8],
    point: &[u8],
    number: &[u8],
) -> Result<(KeyData, Signer), PrivateFault> {
    let number = positive(number)?;
    let zeros = curve.bytes.checked_sub(number.len()).ok_or_else(damaged)?;
    let mut fixed = Zeroizing::new(vec![0; curve.bytes]);
    if let Some(end) = fixed.get_mut(zeros..) {
        end.copy_from_slice(number);
    }

    let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signs, &fixed, point);
    let (pair, key) = (pair.map_err(|_| damaged())?, Curve::key(point));
    if name != curve.name.as_bytes() {
        return Err(damaged());
    }
    Ok((
        key.ok_or_else(damaged)?,
        Signer::Ecdsa(curve, Box::new(pair)),
    ))
}

/// A key of RSA, whose two exponents for the primes the format leaves out.
fn rsa_pair(public: &[&[u8]; 2], private: &[&[u8]; 4]) -> Result<(KeyData, Signer), PrivateFault> {
    let [n, e] = public;
    let mpint = |bytes: &[u8]| Mpint::from_bytes(bytes).map_err(|_| damaged());
    let key = KeyData::Rsa(RsaPublicKey {
        e: mpint(e)?,
        n: mpint(n)?,
    });
    public_of(key.clone())?;

    let (n, e) = (positive(n)?, positive(e)?);
    let [d, inverse, p, q] = private;
    let [d, inverse, p, q] = [positive(d)?, positive(inverse)?, positive(p)?, positive(q)?];
    // Longer numbers are no key's, and would take long.
    if [d, inverse, p, q].iter().any(|part| part.len() > n.len()) {
        return Err(damaged());
    }
    let components = rsa::KeyPairComponents {
        public_key: rsa::PublicKeyComponents { n, e },
        d,
        p,
        q,
        dP: &*remainder(d, p)?,
        dQ: &*remainder(d, q)?,
        qInv: inverse,
    };
    let pair = rsa::KeyPair::from_components(&components).map_err(|_| damaged())?;
    Ok((key, Signer::Rsa(Box::new(pair))))
}

/// What remains of a number when it is divided by a prime less one, bit by bit, as at school. It
/// happens once for each file that is read.
fn remainder(number: &[u8], prime: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrivateFault> {
    let mut divisor = Zeroizing::new(Vec::with_capacity(prime.len() + 1));
    divisor.push(0);
    divisor.extend(prime);
    match divisor.last_mut() {
        Some(last) if *last & 1 == 1 => *last &= !1,
        _ => return Err(damaged()),
    }

    let mut left = Zeroizing::new(vec![0u8; divisor.len()]);
    for bit in number
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
    {
        let mut carried = bit;
        for digit in left.iter_mut().rev() {
            let out = *digit >> 7;
            *digit = *digit << 1 | carried;
            carried = out;
        }
        if *left < *divisor {
            continue;
        }
        let mut borrowed = false;
        for (digit, less) in left.iter_mut().zip(divisor.iter()).rev() {
            let (once, one) = digit.overflowing_sub(*less);
            let (twice, two) = once.overflowing_sub(u8::from(borrowed));
            *digit = twice;
            borrowed = one || two;
        }
    }

    Ok(left)
}

/// A positive number in its one encoding, without the zero in front.
fn positive(number: &[u8]) -> Result<&[u8], PrivateFault> {
    match number {
        [0, rest @ ..] if rest.first().is_some_and(|first| first & 0x80 != 0) => Ok(rest),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Ok(number),
        _ => Err(damaged()),
    }
}

/// A cipher by its name.
fn known(name: &[u8]) -> Result<Cipher, PrivateFault> {
    str::from_utf8(name)
        .ok()
        .and_then(|text| Cipher::new(text).ok())
        .ok_or_else(|| unknown("cipher", name))
}

fn unknown(what: &str, name: &[u8]) -> PrivateFault {
    unusable(format!(
        "its {what}, \"{}\", is not known here; `ssh-keygen -p -Z aes256-ctr -f FILE` writes it anew with one that is",
        shown(name)
    ))
}

/// A name out of a file, short and harmless.
fn shown(name: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(name).chars().take(64).collect();
    text.escape_debug().to_string()
}

fn cut() -> PrivateFault {
    unusable("it is damaged: it is not as OpenSSH writes a key")
}

/// The next part, which its length stands before.
fn part<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let mut behind = *rest;
    let length = usize::try_from(number32(&mut behind)?).ok()?;
    let (part, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(part)
}

fn number32(rest: &mut &[u8]) -> Option<u32> {
    let (number, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u32::from_be_bytes(*number))
}
