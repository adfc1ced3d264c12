//! Signatures of SSH keys: of every kind, in one encoding each.

use super::super::ssh::CURVES;
use super::super::ssh_private::{Signer, SshPrivate};
use super::*;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::EcdsaKeyPair;
use std::sync::OnceLock;

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    bytes.encode(&mut all).unwrap();
    all
}

/// An RSA key, made once.
fn rsa_key() -> &'static SshPrivate {
    static KEY: OnceLock<SshPrivate> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        Signer::pkcs8(der.as_ref()).unwrap().key().unwrap()
    })
}

/// A signature of this kind, of these bytes, by this key.
fn signature(key: &SshPublic, kind: &str, raw: &[u8]) -> String {
    blob(key, &[string(kind.as_bytes()), string(raw)].concat())
}

/// The bytes of a key's own signature.
fn raw(key: &SshPrivate, text: &str) -> Vec<u8> {
    let made = key.sign(&to_sign(text).unwrap()).unwrap();
    let mut rest = made.as_slice();
    Vec::<u8>::decode(&mut rest).unwrap();
    Vec::<u8>::decode(&mut rest).unwrap()
}

#[test]
fn an_rsa_signature_is_of_sha2_and_of_the_keys_length() {
    let key = rsa_key();
    let public = key.public();
    let raw = raw(key, "text");
    assert_eq!(raw.len(), 256);
    let judge = |kind: &str, raw: &[u8]| SshPublic::signer("text", &signature(public, kind, raw));
    assert!(judge("rsa-sha2-512", &raw).unwrap().is(public));

    let unfit = "an SSH signature that does not fit";
    let padded = [&[0], raw.as_slice()].concat();
    for wrong in [
        &padded,
        &raw[1..],
        &raw[..255],
        &[0; 256],
        &[0xff; 256],
        &[],
    ] {
        assert_eq!(judge("rsa-sha2-512", wrong).unwrap_err(), unfit);
    }
    assert_eq!(
        judge("rsa-sha2-256", &raw).unwrap_err(),
        unfit,
        "the other hash"
    );
    assert_eq!(
        judge("ssh-rsa", &raw).unwrap_err(),
        "an RSA signature with SHA-1"
    );
    for kind in [
        "",
        "ssh-ed25519",
        "rsa-sha2-384",
        "rsa-sha2-512-cert-v01@openssh.com",
    ] {
        assert_eq!(
            judge(kind, &raw).unwrap_err(),
            "an SSH signature of another kind than its key"
        );
    }

    // Something behind it, as FIDO keys put there.
    let parts = [string(b"rsa-sha2-512"), string(&raw), vec![1, 0, 0, 0, 1]].concat();
    assert_eq!(
        SshPublic::signer("text", &blob(public, &parts)).unwrap_err(),
        unfit
    );
    assert!(SshPublic::signer("other", &signature(public, "rsa-sha2-512", &raw)).is_err());
}

#[test]
fn an_rsa_signature_may_be_of_sha256() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let key = Signer::pkcs8(der.as_ref()).unwrap().key().unwrap();
    let mut raw = vec![0; 256];
    let signed = to_sign("text").unwrap();
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &signed, &mut raw)
        .unwrap();
    let made = signature(key.public(), "rsa-sha2-256", &raw);
    assert!(SshPublic::signer("text", &made).unwrap().is(key.public()));
}

#[test]
fn numbers_of_ecdsa_are_as_short_as_they_can_be() {
    for curve in &CURVES {
        let pair = EcdsaKeyPair::generate(curve.signs).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        let key = Signer::pkcs8(der.as_ref()).unwrap().key().unwrap();
        let raw = raw(&key, "text");
        let mut rest = raw.as_slice();
        let numbers = [0; 2].map(|_| Vec::<u8>::decode(&mut rest).unwrap());
        let judge = |numbers: &[Vec<u8>]| {
            let raw: Vec<u8> = numbers.iter().flat_map(|number| string(number)).collect();
            SshPublic::signer("text", &signature(key.public(), curve.kind, &raw)).is_ok()
        };
        assert!(judge(&numbers), "{}", curve.name);

        let [r, s] = &numbers;
        let padded = |number: &Vec<u8>| [&[0], number.as_slice()].concat();
        let long = |number: &Vec<u8>| [vec![1; curve.bytes], number.clone()].concat();
        for wrong in [
            vec![],
            vec![r.clone()],
            vec![r.clone(), s.clone(), vec![]],
            vec![padded(r), s.clone()],
            vec![r.clone(), padded(s)],
            vec![long(r), s.clone()],
            vec![r.clone(), long(s)],
            vec![vec![], s.clone()],
            vec![r.clone(), vec![0]],
            vec![r.clone(), vec![0x80]],
            vec![s.clone(), r.clone()],
        ] {
            assert!(!judge(&wrong), "{}: {wrong:?}", curve.name);
        }

        for other in CURVES.iter().filter(|other| other.name != curve.name) {
            assert!(SshPublic::signer("text", &signature(key.public(), other.kind, &raw)).is_err());
        }
    }
}

/// The largest key that is accepted fits into what a login may be long.
#[test]
fn the_longest_signature_is_within_the_bound() {
    let n = PublicKeyComponents {
        n: vec![0xff; 1024],
        e: vec![1, 255, 255, 255, 255],
    };
    let number = |bytes: &[u8]| Mpint::from_positive_bytes(bytes).unwrap();
    let key = KeyData::Rsa(RsaPublicKey {
        e: number(&n.e),
        n: number(&n.n),
    });
    let key = SshPublic::of_key(key).unwrap();
    let made = signature(&key, "rsa-sha2-512", &[0xff; 1024]);
    assert!(made.len() <= MOST, "{}", made.len());
    assert_eq!(
        SshPublic::signer("text", &made).unwrap_err(),
        "an SSH signature that does not fit"
    );
}

/// One of each kind, with a signature of the text.
fn of_every_kind() -> Vec<(String, Vec<u8>)> {
    let mut keys = vec![Signer::Ed25519(Box::new(
        aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap(),
    ))];
    for curve in &CURVES {
        let pair = EcdsaKeyPair::generate(curve.signs).unwrap();
        keys.push(Signer::Ecdsa(curve, Box::new(pair)));
    }
    keys.push(Signer::Rsa(Box::new(
        KeyPair::generate(KeySize::Rsa2048).unwrap(),
    )));
    let each = |signer: Signer| {
        let key = signer.key().unwrap();
        let made = key.sign(&to_sign("text").unwrap()).unwrap();
        let blob = unbase64_any(&blob(key.public(), &made)).unwrap();
        (key.public().fingerprint(), blob)
    };
    keys.into_iter().map(each).collect()
}

/// `examples/verify.py` must say the same of every signature, and of every change of one.
#[test]
fn a_second_verifier_says_the_same_of_every_kind() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let (mut questions, mut expected) = (Vec::new(), Vec::new());
    for (fingerprint, blob) in of_every_kind() {
        let mut ask = |bytes: &[u8]| {
            let signature = base64(bytes);
            let fits = SshPublic::signer("text", &signature)
                .is_ok_and(|signer| signer.fingerprint() == fingerprint);
            expected.push(fits);
            questions.push(serde_json::json!([fingerprint, "text", signature]));
        };
        ask(&blob);
        for at in 0..blob.len() {
            let mut changed = blob.clone();
            changed[at] ^= 1;
            ask(&changed);
            changed.remove(at);
            ask(&changed);
        }
        ask(&[blob.as_slice(), &[0]].concat());
    }
    assert_eq!(expected.iter().filter(|fits| **fits).count(), 5);

    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let asked = "import sys, json; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]); import verify; \
        print(json.dumps([verify.ssh_fits(*each) for each in json.load(sys.stdin)]))";
    let child = Command::new("python3")
        .args(["-c", asked, examples])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return println!("skipped: python3 is not installed");
    };
    let questions = serde_json::to_vec(&questions).unwrap();
    let _ = child.stdin.take().unwrap().write_all(&questions);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("No module named 'cryptography'") {
        return println!("skipped: the Python package `cryptography` is not installed");
    }
    let said: Vec<bool> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    assert_eq!(said, expected);
}
