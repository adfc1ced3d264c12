//! Ids as text and back.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn text_and_back(bytes: [u8; 20]) {
        let id = SessionId::from_random(bytes);
        prop_assert_eq!(id.to_string().len(), 32);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn any_text_is_an_id_or_refused(text in "\\PC{0,40}") {
        if let Ok(id) = text.parse::<RunId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}

#[test]
fn paths_are_not_ids() {
    for text in [
        "",
        "../../x",
        "0000000000000000/",
        "AAAAAAAAAAAAAAAA",
        "000000000000000\0",
    ] {
        assert_eq!(text.parse::<RunId>(), Err(NotAnId), "{text:?}");
    }
}

#[test]
fn ids_of_known_bytes() {
    assert_eq!(RunId::from_random([0; 10]).to_string(), "0000000000000000");
    assert_eq!(
        RunId::from_random([0xff; 10]).to_string(),
        "zzzzzzzzzzzzzzzz"
    );
    assert_eq!(
        RunId::from_random([0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf])
            .to_string(),
        "0123456789abcdef"
    );
}

#[test]
fn letters_that_are_misread_and_capitals_are_no_symbols() {
    for symbol in ['i', 'l', 'o', 'u', 'A', 'Z', '-', ' ', 'é', '\0'] {
        let mut text = "0".repeat(15);
        text.push(symbol);
        assert_eq!(text.parse::<RunId>(), Err(NotAnId), "{symbol:?}");
    }
}

#[test]
fn an_id_of_one_kind_is_too_short_or_too_long_for_another() {
    let run = RunId::from_random([7; 10]).to_string();
    let session = SessionId::from_random([7; 20]).to_string();
    assert_eq!(run.parse::<SessionId>(), Err(NotAnId));
    assert_eq!(session.parse::<RunId>(), Err(NotAnId));
}

#[test]
fn ids_are_shown_the_same_for_people_and_for_programmers() {
    let id = RunId::from_random([3; 10]);
    assert_eq!(format!("{id:?}"), id.to_string());
    assert_eq!(RunId::from_random(*id.bytes()), id);
}

proptest! {
    #[test]
    fn ids_are_ordered_as_their_texts_are(one: [u8; 10], other: [u8; 10]) {
        let (one, other) = (RunId::from_random(one), RunId::from_random(other));
        prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
    }

    #[test]
    fn an_id_is_a_safe_name_for_anything(bytes: [u8; 20]) {
        let text = SessionId::from_random(bytes).to_string();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    }
}
