//! Lines of public keys, as people have them.

use super::*;
use crate::encoding::base64;
use proptest::prelude::*;
use ssh_key::Mpint;

const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
const P256: &str = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGsX0fLhLEJH+Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT+NC4v4af5uO5+tKfA+eFivOM1drMV7Oy7ZAaDe/UfU=";

fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        part.encode(&mut all).unwrap();
    }
    all
}

/// An RSA key of these numbers, however they are.
fn rsa(e: &[u8], n: &[u8]) -> Vec<u8> {
    parts(&[b"ssh-rsa", e, n])
}

/// An odd number of so many bits, as SSH writes it.
fn odd(bits: usize) -> Vec<u8> {
    let mut number = vec![0xff; bits.div_ceil(8)];
    number[0] >>= number.len() * 8 - bits;
    Mpint::from_positive_bytes(&number)
        .unwrap()
        .as_bytes()
        .to_vec()
}

#[test]
fn a_line_is_read_as_sshd_reads_it() {
    let key = SshPublic::read(&format!("ssh-ed25519 {ED25519}")).unwrap();
    assert_eq!(key.comment(), "");
    for (line, comment) in [
        (format!("ssh-ed25519 {ED25519} ops@laptop"), "ops@laptop"),
        (
            format!("ssh-ed25519   {ED25519}   ops@laptop"),
            "ops@laptop",
        ),
        (format!("ssh-ed25519\t{ED25519}\tops@laptop"), "ops@laptop"),
        (
            format!(" \tssh-ed25519 \t {ED25519} \t the key of ops  \t\r\n"),
            "the key of ops",
        ),
        (format!("ssh-ed25519 {ED25519} a  b\tc"), "a  b\tc"),
        (format!("ssh-ed25519 {ED25519} M\u{fc}ller"), "M\u{fc}ller"),
        (format!("ssh-ed25519 {ED25519}\t"), ""),
    ] {
        let read = SshPublic::read(&line).unwrap_or_else(|why| panic!("{line:?}: {why}"));
        assert!(read.is(&key), "{line:?}");
        assert_eq!(read.comment(), comment, "{line:?}");
    }
}

#[test]
fn every_accepted_kind_is_read() {
    use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair};
    for curve in &CURVES {
        let pair = EcdsaKeyPair::generate(curve.signs).unwrap();
        let point = pair.public_key().as_ref();
        let bytes = parts(&[curve.kind.as_bytes(), curve.name.as_bytes(), point]);
        let line = format!("{} {} x", curve.kind, base64(&bytes));
        let key = SshPublic::read(&line).unwrap();
        assert_eq!((key.kind().as_str(), key.bytes()), (curve.kind, bytes));
    }

    for bits in [2048, 2049, 2055, 3072, 4096, 8191, 8192] {
        let key = SshPublic::of_bytes(&rsa(&[1, 0, 1], &odd(bits))).unwrap();
        assert_eq!(key.kind(), "ssh-rsa");
        assert!(key.is_rsa());
    }
}

#[test]
fn what_cannot_be_a_key_is_named() {
    let accepted = KINDS.join(", ");
    for (line, why) in [
        ("x", format!("found a key of the kind \"x\"; accepted are {accepted}")),
        ("", format!("found a key of the kind \"\"; accepted are {accepted}")),
        ("# ssh-keys", format!("found a key of the kind \"#\"; accepted are {accepted}")),
        (
            "rsa-sha2-512 AAAA",
            format!("found a key of the kind \"rsa-sha2-512\"; accepted are {accepted}"),
        ),
        (
            "ssh-dss AAAA",
            format!("found a DSA key, which protects nothing any more (`ssh-keygen -t ed25519` makes a new one); accepted are {accepted}"),
        ),
        (
            "ssh-ed25519-cert-v01@openssh.com AAAA",
            format!("found a certificate (\"ssh-ed25519-cert-v01@openssh.com\"); accepted are the keys themselves: {accepted}"),
        ),
        (
            "from=\"10.0.0.1\",command=\"a b\" ssh-ed25519 AAAA",
            "found options before the key (\"from=\\\"10.0.0.1\\\",command=\\\"a\"); leave them out, the configuration says what a user may do".into(),
        ),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "found a private key; what belongs here is the line of its public half (the file that ends in .pub)".into(),
        ),
        (
            "ssh-ed25519",
            "is no public key: what stands behind its kind is not base64, or is cut off".into(),
        ),
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1E",
            "is no public key: what stands behind its kind is not base64, or is cut off".into(),
        ),
        ("ssh-ed25519 AAAA", "is no public key: its kind cannot be read".into()),
        (
            &format!("ssh-rsa {ED25519}"),
            "calls itself ssh-rsa, and is a key of the kind ssh-ed25519".into(),
        ),
        (
            &format!("ecdsa-sha2-nistp384 {P256}"),
            "calls itself ecdsa-sha2-nistp384, and is a key of the kind ecdsa-sha2-nistp256".into(),
        ),
        (
            &format!("ssh-ed25519 {ED25519} one\nssh-ed25519 {ED25519} two"),
            "has more than one line; each key is an entry of its own".into(),
        ),
    ] {
        assert_eq!(SshPublic::read(line).unwrap_err(), why, "{line:?}");
    }
}

#[test]
fn weak_and_impossible_rsa_keys_are_named() {
    let fault = |e: &[u8], n: &[u8]| SshPublic::of_bytes(&rsa(e, n)).unwrap_err();
    for bits in [1, 1024, 2047, 8193, 16384] {
        assert_eq!(
            fault(&[1, 0, 1], &odd(bits)),
            format!(
                "is an RSA key of {bits} bits; accepted are 2048 to 8192 (`ssh-keygen -t ed25519` makes a better key)"
            )
        );
    }

    let even = [odd(2048), vec![0]].concat();
    // Whatever is signed with the exponent 1 fits.
    for (e, n) in [
        (&[1][..], &odd(2048)),
        (&[3, 0], &odd(2048)),
        (&[2, 0, 0, 0, 1], &odd(2048)),
        (&[3], &even),
    ] {
        assert_eq!(
            fault(e, n),
            "is an RSA key whose numbers cannot be those of a key",
            "{e:?}"
        );
    }

    let positive = "is no public key: an RSA key's numbers are positive";
    assert_eq!(fault(&[], &odd(2048)), positive);
    assert_eq!(fault(&[3], &[0x80; 256]), positive);

    // Another spelling of the same numbers.
    let padded = |number: Vec<u8>| [vec![0], number].concat();
    let odd = odd(2048);
    assert!(SshPublic::of_bytes(&rsa(&[3], &odd)).is_ok());
    for (e, n) in [(vec![0, 3], odd.clone()), (vec![3], padded(odd.clone()))] {
        assert!(SshPublic::of_bytes(&rsa(&e, &n)).is_err());
    }
    let named = parts(&[b"rsa-sha2-512", &[3], &odd]);
    assert!(SshPublic::of_bytes(&named).is_err());
    let longer = [rsa(&[3], &odd), vec![0]].concat();
    assert!(SshPublic::of_bytes(&longer).is_err());
}

#[test]
fn a_point_is_on_its_curve_and_written_in_full() {
    use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair};
    for curve in &CURVES {
        let pair = EcdsaKeyPair::generate(curve.signs).unwrap();
        let point = pair.public_key().as_ref();
        let read = |point: &[u8]| {
            SshPublic::of_bytes(&parts(&[
                curve.kind.as_bytes(),
                curve.name.as_bytes(),
                point,
            ]))
        };
        assert!(read(point).is_ok());

        let mut beside = point.to_vec();
        *beside.last_mut().unwrap() ^= 1;
        let mut compressed = point[..=curve.bytes].to_vec();
        compressed[0] = 2 + (point[2 * curve.bytes] & 1);
        for wrong in [&beside, &compressed] {
            assert_eq!(
                read(wrong).unwrap_err(),
                format!(
                    "is no public key: its point is none of the curve {}",
                    curve.name
                )
            );
        }
        for wrong in [&[][..], &[0], &[4], &point[1..], &point[..point.len() - 1]] {
            assert!(read(wrong).is_err());
        }

        let other = CURVES
            .iter()
            .find(|other| other.name != curve.name)
            .unwrap();
        let mixed = parts(&[curve.kind.as_bytes(), other.name.as_bytes(), point]);
        assert!(SshPublic::of_bytes(&mixed).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), line in ".{0,200}") {
        let _ = SshPublic::read(&line);
        if let Ok(key) = SshPublic::of_bytes(&bytes) {
            prop_assert_eq!(key.bytes(), bytes);
        }
    }

    /// One key, one encoding: what is read is written as it was.
    #[test]
    fn changed_keys_are_refused_or_other_keys(at in 0..4096usize, to: u8, of in 0..3usize) {
        let mut bytes = match of {
            0 => unbase64_any(ED25519).unwrap(),
            1 => unbase64_any(P256).unwrap(),
            _ => rsa(&[1, 0, 1], &odd(2048)),
        };
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(key) = SshPublic::of_bytes(&bytes) {
            prop_assert_eq!(key.bytes(), bytes);
        }
    }
}
