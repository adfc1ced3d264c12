//! PEM files of TLS, as other programs leave them.

use super::*;
use proptest::prelude::*;
use std::process::{Command, Stdio};

/// A certificate and its key.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn what_other_programs_put_around_blocks_is_passed_over() {
    let (certificate, key) = pair();
    let der = certificates(certificate.as_bytes()).unwrap();
    let private = private_key(key.as_bytes()).unwrap();
    let mark = "\u{feff}".as_bytes();
    let around = |text: &str| -> Vec<Vec<u8>> {
        vec![
            [mark, text.as_bytes()].concat(),
            [b"subject=CN = M\xfcller\n", text.as_bytes(), b"\xff\xfe\n"].concat(),
            text.replace('\n', "\r\n").into_bytes(),
            [b"\r\n\n", text.as_bytes(), b"\n\n \n"].concat(),
            [
                b"\r\n",
                mark,
                text.replace('\n', "\r\n").as_bytes(),
                b"\x80",
            ]
            .concat(),
        ]
    };
    for file in around(&certificate) {
        assert_eq!(certificates(&file).as_ref(), Ok(&der));
    }
    for file in around(&key) {
        assert_eq!(private_key(&file).as_ref(), Ok(&private));
    }

    // Two files that were put together, each with its mark.
    let both = [mark, certificate.as_bytes(), mark, certificate.as_bytes()].concat();
    assert_eq!(certificates(&both).unwrap().len(), 2);
}

#[test]
fn what_a_file_lacks_is_named_with_what_it_has() {
    let (certificate, key) = pair();
    let wanted = "holds no certificate (-----BEGIN CERTIFICATE-----)";
    assert_eq!(certificates(b"hello").unwrap_err(), wanted);
    let other = format!("{wanted}, but \"PRIVATE KEY\"");
    assert_eq!(certificates(key.as_bytes()).unwrap_err(), other);

    let wanted = "holds no private key (-----BEGIN PRIVATE KEY-----)";
    assert_eq!(private_key(b"").unwrap_err(), wanted);
    let other = format!("{wanted}, but \"CERTIFICATE\"");
    assert_eq!(private_key(certificate.as_bytes()).unwrap_err(), other);
    assert_eq!(
        private_key(b"-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap_err(),
        "is cut off: there is no -----END PRIVATE KEY-----"
    );
    let sixteen: Vec<u8> = format!("\u{feff}{key}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        private_key(&sixteen).unwrap_err(),
        "is UTF-16 text; save it as plain text (UTF-8)"
    );
}

#[test]
fn encrypted_and_weak_keys_are_named_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let openssl = |words: &[&str]| {
        let status = Command::new("openssl")
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status
            .inspect_err(|_| println!("skipped: openssl is not installed"))
            .is_ok_and(|status| status.success())
    };
    let fault = |name: &str| private_key(&std::fs::read(path(name)).unwrap()).unwrap_err();

    let encrypted = "is encrypted, and there is nobody to ask for its passphrase; `openssl pkey -in KEY -out NEW` writes it without one";
    for format in [&["genrsa"][..], &["genrsa", "-traditional"]] {
        let end = [
            "-aes256",
            "-passout",
            "pass:x",
            "-out",
            &path("locked"),
            "2048",
        ];
        if !openssl(&[format, &end].concat()) {
            return;
        }
        assert_eq!(fault("locked"), encrypted);
        assert!(openssl(&[
            "pkey",
            "-passin",
            "pass:x",
            "-in",
            &path("locked"),
            "-out",
            &path("open"),
        ]));
        assert!(private_key(&std::fs::read(path("open")).unwrap()).is_ok());
    }

    for format in [&["genrsa"][..], &["genrsa", "-traditional"]] {
        assert!(openssl(
            &[format, &["-out", &path("weak"), "1024"]].concat()
        ));
        let why = fault("weak");
        assert!(
            why.starts_with(
                "is an RSA key of 1024 bits; at least 2048 are wanted. `openssl genpkey"
            ),
            "{why}"
        );
    }
    let curve = "ec_paramgen_curve:P-256";
    assert!(openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        curve,
        "-out",
        &path("better"),
    ]));
    assert!(private_key(&std::fs::read(path("better")).unwrap()).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_no_harm(
        before in proptest::collection::vec(any::<u8>(), 0..60),
        inside in proptest::collection::vec(any::<u8>(), 0..60),
        label in "(RSA |EC |ENCRYPTED |)PRIVATE KEY|CERTIFICATE",
    ) {
        let text = crate::encoding::base64(&inside);
        let block = format!("\n-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
        let file = [before.as_slice(), block.as_bytes()].concat();
        let _ = certificates(&file);
        let _ = private_key(&file);
        let _ = private_key(&before);
    }
}
