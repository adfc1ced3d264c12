//! Bytes as text and back.

use super::*;
use proptest::prelude::*;

#[test]
fn base32_of_the_rfc() {
    for (text, expected) in [
        ("", ""),
        ("f", "MY"),
        ("fo", "MZXQ"),
        ("foo", "MZXW6"),
        ("foob", "MZXW6YQ"),
        ("foobar", "MZXW6YTBOI"),
    ] {
        assert_eq!(base32(text.as_bytes()), expected);
    }

    assert_eq!(unhex(&hex(&[0, 1, 0xfe])), Some(vec![0, 1, 0xfe]));
    assert_eq!(unhex("0"), None);
    assert_eq!(unhex("0g"), None);
}

#[test]
fn base64_of_the_rfc() {
    for (text, expected) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(text.as_bytes()), expected);
        assert_eq!(unbase64_any(expected).unwrap(), text.as_bytes());
    }
}

#[test]
fn base64_has_one_spelling() {
    for text in [
        "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v\n", " Zm9v", "Zm9v=", "Zm-_", "=", "Zm 9v",
        "Zmüv",
    ] {
        assert_eq!(unbase64_any(text), None, "{text:?}");
    }
}

#[test]
fn base64_of_a_length_is_of_that_length() {
    assert_eq!(unbase64::<3>("Zm9v"), Some(*b"foo"));
    assert_eq!(unbase64::<2>("Zm9v"), None);
    assert_eq!(unbase64::<4>("Zm9v"), None);
    assert_eq!(unbase64::<0>(""), Some([]));
}

#[test]
fn hexadecimal_comes_in_pairs() {
    assert_eq!(hex(&[]), "");
    assert_eq!(unhex(""), Some(vec![]));
    assert_eq!(unhex("00ff10"), Some(vec![0, 255, 16]));
    for text in ["0", "000", "0x00", "zz", "+1", "-1", " 1", "1 ", "é"] {
        assert_eq!(unhex(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn bytes_come_back_from_every_text(bytes: Vec<u8>) {
        prop_assert_eq!(unbase64_any(&base64(&bytes)).unwrap(), bytes.clone());
        prop_assert_eq!(unhex(&hex(&bytes)).unwrap(), bytes);
    }

    #[test]
    fn whatever_is_read_is_written_the_same(text in "[A-Za-z0-9+/]{0,40}={0,2}") {
        if let Some(bytes) = unbase64_any(&text) {
            prop_assert_eq!(base64(&bytes), text);
        }
    }

    #[test]
    fn base32_has_a_symbol_for_five_bits(bytes: Vec<u8>) {
        let text = base32(&bytes);
        prop_assert_eq!(text.len(), (bytes.len() * 8).div_ceil(5));
        prop_assert!(text.bytes().all(|symbol| matches!(symbol, b'A'..=b'Z' | b'2'..=b'7')));
    }

    #[test]
    fn no_text_breaks_a_reader(text in "\\PC{0,40}") {
        let _ = (unbase64_any(&text), unhex(&text), unbase64::<16>(&text));
    }
}
