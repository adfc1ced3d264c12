//! Session keys and what they sign.

use super::*;

#[test]
fn points_of_small_order_are_no_keys() {
    let with = |first: u8, middle: u8, last: u8| {
        let mut key = [middle; 32];
        (key[0], key[31]) = (first, last);
        key
    };

    for key in [
        with(0, 0, 0),
        with(1, 0, 0),
        with(1, 0, 0x80),
        with(0xec, 0xff, 0x7f),
        with(0xed, 0xff, 0xff),
        with(0xee, 0xff, 0x7f),
    ] {
        assert!(SessionPublic::read(&base64(&key)).is_none(), "{key:?}");
    }

    assert!(SessionPublic::read(&SessionKey::generate().unwrap().public()).is_some());
}

#[test]
fn a_seed_makes_the_same_key_again() {
    let key = SessionKey::generate().unwrap();
    assert_eq!(
        SessionKey::from_seed(Zeroizing::new(*key.seed()))
            .unwrap()
            .public(),
        key.public()
    );
}

#[test]
fn signatures_hold_for_one_key_text_and_purpose() {
    let (key, other) = (
        SessionKey::generate().unwrap(),
        SessionKey::generate().unwrap(),
    );

    let public = SessionPublic::read(&key.public()).unwrap();
    let signature = key.sign(Purpose::Request, "text");
    assert!(public.verifies(Purpose::Request, "text", &signature));
    assert!(!public.verifies(Purpose::Login, "text", &signature));
    assert!(!public.verifies(Purpose::Request, "Text", &signature));
    assert!(!public.verifies(
        Purpose::Request,
        "text",
        &other.sign(Purpose::Request, "text")
    ));
    assert!(!public.verifies(Purpose::Request, "text", ""));
    assert!(SessionPublic::read("AAAA").is_none());
}

#[test]
fn a_signature_is_spelled_in_one_way() {
    let key = SessionKey::generate().unwrap();
    let public = SessionPublic::read(&key.public()).unwrap();
    let signature = key.sign(Purpose::Login, "text");
    for wrong in [
        signature.trim_end_matches('=').to_owned(),
        format!("{signature}="),
        format!(" {signature}"),
        format!("{signature}\n"),
        signature.to_lowercase(),
        base64(&[0; 64]),
        base64(&[0xff; 64]),
        base64(&[1; 63]),
        base64(&[1; 65]),
    ] {
        assert!(
            !public.verifies(Purpose::Login, "text", &wrong),
            "{wrong:?}"
        );
    }
}

#[test]
fn every_bit_of_a_signature_counts() {
    let key = SessionKey::generate().unwrap();
    let public = SessionPublic::read(&key.public()).unwrap();
    let signature: [u8; 64] = unbase64(&key.sign(Purpose::Request, "text")).unwrap();
    for at in 0..64 {
        for bit in 0..8 {
            let mut changed = signature;
            changed[at] ^= 1 << bit;
            assert!(
                !public.verifies(Purpose::Request, "text", &base64(&changed)),
                "byte {at}, bit {bit}"
            );
        }
    }
}

#[test]
fn public_keys_are_of_thirty_two_bytes() {
    let key = SessionKey::generate().unwrap();
    for text in [
        String::new(),
        "x".into(),
        base64(&[9; 31]),
        base64(&[9; 33]),
        key.public().trim_end_matches('=').to_owned(),
        format!("{} ", key.public()),
    ] {
        assert!(SessionPublic::read(&text).is_none(), "{text:?}");
    }
}

#[test]
fn a_key_is_not_shown() {
    let key = SessionKey::generate().unwrap();
    assert_eq!(format!("{key:?}"), "SessionKey(…)");
    let public = SessionPublic::read(&key.public()).unwrap();
    assert_eq!(format!("{public:?}"), key.public());
}

#[test]
fn keys_differ() {
    let keys: std::collections::HashSet<String> = (0..50)
        .map(|_| SessionKey::generate().unwrap().public())
        .collect();
    assert_eq!(keys.len(), 50);
}

#[test]
fn the_id_of_a_session_is_of_its_key_and_its_nonce() {
    let id = session_id(&[1; 32], &[2; 32]);
    assert_eq!(id, session_id(&[1; 32], &[2; 32]));
    assert_ne!(id, session_id(&[2; 32], &[1; 32]));
    assert_ne!(id, session_id(&[1; 32], &[3; 32]));
    let hash = super::super::sha256(&[SESSION_CONTEXT, &[1; 32], &[2; 32]].concat());
    assert_eq!(id.bytes()[..], hash[..20]);
}
