//! Private keys' files, as OpenSSH, OpenSSL and others write them.

use super::*;
use crate::credential::{SshPublic, blob, to_sign};
use crate::encoding::base64;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

fn pem(label: &str, bytes: &[u8]) -> Vec<u8> {
    let text = base64(bytes);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n").into_bytes()
}

/// Keys of every kind that aws-lc makes, as PKCS#8.
fn made() -> Vec<Vec<u8>> {
    use crate::credential::ssh::CURVES;
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair};
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let mut all = vec![ed25519.to_pkcs8v1().unwrap().as_ref().to_vec()];
    for curve in &CURVES {
        let pair = EcdsaKeyPair::generate(curve.signs).unwrap();
        all.push(pair.to_pkcs8v1().unwrap().as_ref().to_vec());
    }
    let rsa = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    all.push(rsa.as_ref().to_vec());
    all
}

/// Whether the key signs what its public half verifies.
fn signs(key: &SshPrivate) -> bool {
    let signature = blob(key.public(), &key.sign(&to_sign("text").unwrap()).unwrap());
    SshPublic::signer("text", &signature).is_ok_and(|signer| signer.is(key.public()))
}

/// A program with these words; nothing where it is not installed.
fn run(program: &str, words: &[&str]) -> Option<Output> {
    let made = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output();
    made.inspect_err(|_| println!("skipped: {program} is not installed"))
        .ok()
}

/// A key that ssh-keygen makes with these words.
fn keygen(folder: &Path, name: &str, words: &[&str]) -> Option<PathBuf> {
    let path = folder.join(name);
    let file = path.to_string_lossy();
    let output = run(
        "ssh-keygen",
        &[&["-q", "-a", "1", "-f", &*file], words].concat(),
    )?;
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(path)
}

fn read(path: &Path, passphrase: &str) -> Result<SshPrivate, PrivateFault> {
    let secret = Secret::new(passphrase.into());
    let secret = (!passphrase.is_empty()).then_some(&secret);
    SshPrivate::read(&std::fs::read(path).unwrap(), secret)
}

const KINDS: [(&str, &str); 5] = [
    ("ed25519", "256"),
    ("ecdsa", "256"),
    ("ecdsa", "384"),
    ("ecdsa", "521"),
    ("rsa", "2048"),
];

#[test]
fn every_kind_signs_out_of_pkcs8() {
    for der in made() {
        let key = SshPrivate::read(&pem("PRIVATE KEY", &der), None).unwrap();
        assert!(signs(&key), "{}", key.public().kind());
    }
}

/// Numbers that are shorter than their curve are written shorter, so there is more than one of each.
#[test]
fn every_kind_of_ssh_keygens_is_read_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, bits) in KINDS {
        for (format, count) in [("RFC4716", 12), ("PEM", 4), ("PKCS8", 4)] {
            if kind == "ed25519" && format != "RFC4716" {
                continue;
            }
            for at in 0..if kind == "rsa" { 1 } else { count } {
                let name = format!("{kind}{bits}{format}{at}");
                let words = [
                    "-t", kind, "-b", bits, "-m", format, "-N", "", "-C", "the key",
                ];
                let Some(path) = keygen(folder.path(), &name, &words) else {
                    return;
                };
                let key = read(&path, "").unwrap_or_else(|why| panic!("{name}: {why}"));
                assert!(signs(&key), "{name}");
                let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
                assert!(key.public().is(&SshPublic::read(&line).unwrap()), "{name}");
                if format == "RFC4716" {
                    assert_eq!(key.public().comment(), "the key");
                }
            }
        }
    }
}

#[test]
fn every_cipher_of_ssh_keygens_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(ciphers) = run("ssh", &["-Q", "cipher"]) else {
        return;
    };
    let ciphers = String::from_utf8(ciphers.stdout).unwrap();
    assert!(
        ciphers.contains("chacha20-poly1305@openssh.com"),
        "{ciphers}"
    );
    for cipher in ciphers.lines() {
        for (kind, bits) in [("ed25519", "256"), ("ecdsa", "521"), ("rsa", "2048")] {
            let name = format!("{kind}-{cipher}");
            let words = ["-t", kind, "-b", bits, "-Z", cipher, "-N", "pass word"];
            let Some(path) = keygen(folder.path(), &name, &words) else {
                return;
            };
            let key = read(&path, "pass word").unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(signs(&key), "{name}");
            assert_eq!(
                read(&path, "").unwrap_err(),
                PrivateFault::Passphrase,
                "{name}"
            );
            assert_eq!(
                read(&path, "other").unwrap_err(),
                PrivateFault::Wrong,
                "{name}"
            );
        }
    }
}

#[test]
fn what_openssl_writes_is_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for (name, words) in [
        ("sec1", &["ecparam", "-genkey", "-name", "secp384r1"][..]),
        (
            "p521",
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-521",
            ],
        ),
        ("ed25519", &["genpkey", "-algorithm", "ED25519"]),
        ("rsa", &["genrsa", "-traditional", "2048"]),
        ("rsa8", &["genrsa", "3072"]),
    ] {
        let path = file(name);
        // The options stand before the number of bits.
        let (first, rest) = words.split_at(1);
        let Some(output) = run("openssl", &[first, &["-out", &path], rest].concat()) else {
            return;
        };
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let key = read(Path::new(&path), "").unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(signs(&key), "{name}");
    }

    let encrypted = "it is encrypted in OpenSSL's way, which is not read here; `ssh-keygen -p -f FILE` writes it anew in OpenSSH's";
    let kind = |kind: &str| {
        format!(
            "its kind is {kind}; accepted are Ed25519, ECDSA and RSA (`ssh-keygen -t ed25519` makes a key)"
        )
    };
    for (name, words, why) in [
        ("locked8", &["genrsa", "-aes256", "-passout", "pass:x", "2048"][..], encrypted.to_owned()),
        ("locked", &["genrsa", "-traditional", "-aes256", "-passout", "pass:x", "2048"], encrypted.into()),
        (
            "weak",
            &["genrsa", "1024"],
            "it is an RSA key of 1024 bits; accepted are 2048 to 8192 (`ssh-keygen -t ed25519` makes a better key)".into(),
        ),
        ("ed448", &["genpkey", "-algorithm", "ED448"], kind("Ed448")),
        ("x25519", &["genpkey", "-algorithm", "X25519"], kind("X25519, which does not sign")),
        (
            "curve",
            &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
            "its curve is none of nistp256, nistp384, nistp521, or it is damaged".into(),
        ),
        ("public", &["pkey", "-pubout", "-in", &file("rsa")], "it is a public key, which cannot sign; name the file of the private one".into()),
        (
            "parameters",
            &["ecparam", "-name", "secp384r1"],
            "it holds no private key, but \"EC PARAMETERS\"".into(),
        ),
    ] {
        let path = file(name);
        let (first, rest) = words.split_at(1);
        let Some(output) = run("openssl", &[first, &["-out", &path], rest].concat()) else {
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for passphrase in ["", "x"] {
            let fault = read(Path::new(&path), passphrase).unwrap_err();
            assert_eq!(fault, PrivateFault::Unusable(why.clone()), "{name}");
        }
    }

    // The advice helps.
    let Some(output) = run(
        "ssh-keygen",
        &["-q", "-p", "-P", "x", "-N", "y", "-f", &file("locked")],
    ) else {
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(signs(&read(Path::new(&file("locked")), "y").unwrap()));
}

#[test]
fn a_file_is_read_whatever_an_editor_did_to_it() {
    let der = made().swap_remove(0);
    let text = pem("PRIVATE KEY", &der);
    let windows = String::from_utf8(text.clone())
        .unwrap()
        .replace('\n', "\r\n");
    for file in [
        [b"\xef\xbb\xbf".as_slice(), &text].concat(),
        windows.into_bytes(),
        [b"\n\n \n".as_slice(), &text, b"\n\n\n"].concat(),
        [b"Owner: M\xfcller\n".as_slice(), &text, b"\xff\n"].concat(),
    ] {
        assert!(
            SshPrivate::read(&file, None).is_ok(),
            "{}",
            String::from_utf8_lossy(&file)
        );
    }
}

#[test]
fn what_is_no_private_key_is_named() {
    let sixteen: Vec<u8> = "\u{feff}-----BEGIN"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let public = "it is a public key, which cannot sign; name the file of the private one";
    for (file, why) in [
        (&b""[..], "it is empty"),
        (b"\r\n \n", "it is empty"),
        (
            b"hello",
            "it holds no private key (-----BEGIN OPENSSH PRIVATE KEY-----)",
        ),
        (&sixteen, "it is UTF-16 text; save it as plain text (UTF-8)"),
        (b"ssh-ed25519 AAAA x", public),
        (b"\xef\xbb\xbfecdsa-sha2-nistp256 AAAA x", public),
        (b"---- BEGIN SSH2 PUBLIC KEY ----", public),
        (
            b"PuTTY-User-Key-File-3: ssh-ed25519",
            "it is in PuTTY's format; `puttygen FILE -O private-openssh -o NEW` writes it in OpenSSH's",
        ),
        (
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
            "is cut off: there is no -----END OPENSSH PRIVATE KEY-----",
        ),
        (
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl*\n-----END OPENSSH PRIVATE KEY-----",
            "it is damaged: it is not base64",
        ),
        (
            b"-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----",
            "its kind is DSA; accepted are Ed25519, ECDSA and RSA (`ssh-keygen -t ed25519` makes a key)",
        ),
        (
            b"-----BEGIN X PRIVATE KEY-----\nAAAA\n-----END X PRIVATE KEY-----",
            "it holds \"X PRIVATE KEY\", which is not known here; OpenSSH's format is, PKCS#8, SEC1 and PKCS#1",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "it holds no private key, but \"CERTIFICATE\"",
        ),
    ] {
        let fault = SshPrivate::read(file, None).unwrap_err();
        assert_eq!(
            fault,
            PrivateFault::Unusable(why.into()),
            "{}",
            String::from_utf8_lossy(file)
        );
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length, bytes].concat()
}

/// OpenSSH's container of this key, and what is around it.
fn container(
    cipher: &str,
    kdf: &str,
    options: &[u8],
    count: u32,
    public: &[u8],
    private: &[u8],
) -> Vec<u8> {
    let parts = [
        b"openssh-key-v1\0".to_vec(),
        string(cipher.as_bytes()),
        string(kdf.as_bytes()),
        string(options),
        count.to_be_bytes().to_vec(),
        string(public),
        string(private),
    ];
    pem("OPENSSH PRIVATE KEY", &parts.concat())
}

#[test]
fn what_is_strange_in_a_container_is_named() {
    let bcrypt = |rounds: u32| [string(b"saltsalt"), rounds.to_be_bytes().to_vec()].concat();
    let of = |kind: &[u8]| [string(kind), string(&[7; 32])].concat();
    let ed25519 = of(b"ssh-ed25519");
    let private = [0; 64];
    let damaged = "it is damaged: it is not as OpenSSH writes a key";
    let rewrite =
        "is not known here; `ssh-keygen -p -Z aes256-ctr -f FILE` writes it anew with one that is";
    for (file, why) in [
        (
            container("rot13", "bcrypt", &bcrypt(1), 1, &ed25519, &private),
            format!("its cipher, \"rot13\", {rewrite}"),
        ),
        (
            container("aes256-ctr", "scrypt", &bcrypt(1), 1, &ed25519, &private),
            format!("its way to make a key of a passphrase, \"scrypt\", {rewrite}"),
        ),
        (
            container("none", "none", b"", 2, &ed25519, &private),
            "it holds 2 keys; a file with one is accepted".into(),
        ),
        (
            container("aes256-ctr", "bcrypt", &bcrypt(9_999_999), 1, &ed25519, &private),
            "its passphrase is to be hashed 9999999 times; at most 16384 are accepted (`ssh-keygen -p -a 100 -f FILE`)".into(),
        ),
        (container("aes256-ctr", "bcrypt", &bcrypt(0), 1, &ed25519, &private), damaged.into()),
        (container("aes256-ctr", "bcrypt", b"", 1, &ed25519, &private), damaged.into()),
        (container("none", "bcrypt", &bcrypt(1), 1, &ed25519, &private), damaged.into()),
        (container("aes256-ctr", "none", b"", 1, &ed25519, &private), damaged.into()),
        (container("aes256-ctr", "bcrypt", &bcrypt(1), 1, &ed25519, &private[1..]), damaged.into()),
        (
            container("aes256-gcm@openssh.com", "bcrypt", &bcrypt(1), 1, &ed25519, &private),
            damaged.into(),
        ),
        (
            container("aes256-ctr", "bcrypt", &bcrypt(1), 1, &of(b"ssh-dss"), &private),
            "its kind is DSA; accepted are Ed25519, ECDSA and RSA (`ssh-keygen -t ed25519` makes a key)".into(),
        ),
        (
            container("aes256-ctr", "bcrypt", &bcrypt(1), 1, &of(b"sk-ssh-ed25519@openssh.com"), &private),
            "it is a FIDO key; ssh-agent can sign with it (ssh-add)".into(),
        ),
        (
            container("aes256-ctr", "bcrypt", &bcrypt(1), 1, &of(b"ssh-xmss@openssh.com"), &private),
            "its kind is \"ssh-xmss@openssh.com\"; accepted are Ed25519, ECDSA and RSA (`ssh-keygen -t ed25519` makes a key)".into(),
        ),
        (
            pem("OPENSSH PRIVATE KEY", b"openssh-key-v2\0"),
            "it is damaged, or of a newer format than OpenSSH's first (openssh-key-v1)".into(),
        ),
        // Open, and with nothing of a key in it.
        (
            container("none", "none", b"", 1, &ed25519, &private),
            "it is damaged: its numbers are not those of a key".into(),
        ),
    ] {
        let fault = SshPrivate::read(&file, Some(&Secret::new("x".into()))).unwrap_err();
        assert_eq!(fault, PrivateFault::Unusable(why.clone()));
    }
}

/// The files that are mutated: every form, each of a key that is read.
fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let mut all: Vec<_> = made()
            .iter()
            .map(|der| ("PRIVATE KEY", der.clone()))
            .map(|(label, der)| [string(label.as_bytes()), der].concat())
            .collect();
        let folder = tempfile::tempdir().unwrap();
        for (kind, bits) in KINDS {
            for format in ["RFC4716", "PEM"] {
                let name = format!("{kind}{bits}{format}");
                let words = ["-t", kind, "-b", bits, "-m", format, "-N", ""];
                let Some(path) = keygen(folder.path(), &name, &words) else {
                    return all;
                };
                let text = std::fs::read(&path).unwrap();
                let blocks = pem::blocks(&text).unwrap();
                let bytes = blocks[0].bytes().unwrap();
                all.push([string(blocks[0].label.as_bytes()), bytes.to_vec()].concat());
            }
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is read signs, whatever was done to its file; nothing makes a reader panic.
    #[test]
    fn changed_files_are_refused_or_good_keys(
        seed in 0..15usize,
        changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<u16>()),
    ) {
        let seed = &seeds()[seed % seeds().len()];
        let length = u32::from_be_bytes(seed[..4].try_into().unwrap()) as usize;
        let (label, der) = seed[4..].split_at(length);
        let mut der = der.to_vec();
        for (at, to) in changes {
            let at = usize::from(at) % der.len();
            der[at] = to;
        }
        if let Some(cut) = cut {
            der.truncate(usize::from(cut) % der.len());
        }
        let file = pem(std::str::from_utf8(label).unwrap(), &der);
        if let Ok(key) = SshPrivate::read(&file, None) {
            prop_assert!(signs(&key));
        }
    }

    #[test]
    fn any_bytes_are_no_key(bytes in proptest::collection::vec(any::<u8>(), 0..300), label in "(OPENSSH |EC |RSA |DSA |ENCRYPTED |)PRIVATE KEY") {
        let secret = Secret::new("x".into());
        prop_assert!(SshPrivate::read(&bytes, Some(&secret)).is_err());
        prop_assert!(SshPrivate::read(&pem(&label, &bytes), Some(&secret)).is_err());
        let inside = [b"openssh-key-v1\0".as_slice(), &bytes].concat();
        prop_assert!(SshPrivate::read(&pem(&label, &inside), Some(&secret)).is_err());
    }
}
