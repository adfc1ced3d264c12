//! Key pairs of SSH, made without its programs.

use super::write;
use ordain::encoding::base64;
use std::path::{Path, PathBuf};

/// A key pair in OpenSSH's format, as ssh-keygen would make it, which not every machine has.
pub fn keygen(folder: &Path, kind: &str, passphrase: &str) -> PathBuf {
    use aws_lc_rs::encoding::AsBigEndian;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    };
    let put = |parts: &[&[u8]]| {
        parts.iter().fold(Vec::new(), |mut all: Vec<u8>, part| {
            all.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            all.extend(*part);
            all
        })
    };

    let (public, private) = match kind {
        "ed25519" => {
            let seed = ordain::credential::random::<32>();
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
            let public = pair.public_key().as_ref().to_vec();
            let both = [seed.as_slice(), &public].concat();
            (
                put(&[b"ssh-ed25519", &public]),
                put(&[b"ssh-ed25519", &public, &both]),
            )
        }

        _ => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let public = put(&[
                b"ecdsa-sha2-nistp256",
                b"nistp256",
                pair.public_key().as_ref(),
            ]);
            let number = pair.private_key().as_be_bytes().unwrap();

            // The zero keeps the number positive where its first bit is set.
            let zero: &[u8] = if number.as_ref()[0] & 0x80 != 0 {
                &[0]
            } else {
                &[]
            };

            let number = [zero, number.as_ref()].concat();
            (public.clone(), [public, put(&[&number])].concat())
        }
    };

    let mut section = [&[7u8; 8], private.as_slice(), &put(&[b"ops@laptop"])].concat();
    section.extend((1..=u8::try_from((8 - section.len() % 8) % 8).unwrap()).collect::<Vec<_>>());
    let blob = [
        b"openssh-key-v1\0".as_slice(),
        &put(&[b"none", b"none", b""]),
        &1u32.to_be_bytes(),
        &put(&[&public, &section]),
    ]
    .concat();
    let lines = base64(&blob)
        .into_bytes()
        .chunks(70)
        .map(|line| String::from_utf8(line.to_vec()).unwrap() + "\n")
        .collect::<String>();
    let mut text =
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}-----END OPENSSH PRIVATE KEY-----\n");
    if !passphrase.is_empty() {
        let kdf = ssh_key::Kdf::Bcrypt {
            salt: vec![5; 16],
            rounds: 4,
        };

        let key = ssh_key::PrivateKey::from_openssh(&text).unwrap();
        let locked = key
            .encrypt_with(ssh_key::Cipher::Aes256Ctr, kdf, 9, passphrase)
            .unwrap();
        text = locked
            .to_openssh(ssh_key::LineEnding::LF)
            .unwrap()
            .to_string();
    }

    let path = folder.join(format!(
        "id_{kind}{}",
        if passphrase.is_empty() { "" } else { "_locked" }
    ));
    write(&path, &text, 0o600);
    let name = if kind == "ed25519" {
        "ssh-ed25519"
    } else {
        "ecdsa-sha2-nistp256"
    };

    write(
        &path.with_extension("pub"),
        &format!("{name} {} ops@laptop\n", base64(&public)),
        0o644,
    );

    path
}
