//! Records in printable ASCII.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_text_becomes_one_printable_line_and_comes_back(text: String) {
        let bytes = line(&text).unwrap();
        let (end, body) = bytes.split_last().unwrap();
        prop_assert_eq!(*end, b'\n');
        prop_assert!(body.iter().all(|byte| (b' '..=b'~').contains(byte)));
        prop_assert_eq!(serde_json::from_slice::<String>(body).unwrap(), text);
    }
}

#[test]
fn what_a_terminal_would_act_on_is_spelled_out() {
    for (text, expected) in [
        ("plain", r#""plain""#),
        ("a\x1b[2J", r#""a\u001b[2J""#),
        ("\x7f", r#""\u007f""#),
        ("\u{9b}2J", r#""\u009b2J""#),
        ("\u{202e}x", r#""\u202ex""#),
        ("ä", r#""\u00e4""#),
        ("\u{1f511}", r#""\ud83d\udd11""#),
        ("a\nb", r#""a\nb""#),
        ("\"\\", r#""\"\\""#),
        ("", r#""""#),
    ] {
        assert_eq!(
            String::from_utf8(line(text).unwrap()).unwrap(),
            format!("{expected}\n"),
            "{text:?}"
        );
    }
}

#[test]
fn keys_are_spelled_out_as_values_are() {
    let value = serde_json::json!({ "ä\x1b": ["\u{2028}"] });
    let bytes = line(&value).unwrap();
    assert_eq!(bytes, b"{\"\\u00e4\\u001b\":[\"\\u2028\"]}\n");
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(),
        value
    );
}

proptest! {
    #[test]
    fn a_record_of_any_texts_is_one_line(texts: Vec<String>) {
        let bytes = line(&texts).unwrap();
        prop_assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
        prop_assert!(bytes.iter().all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte)));
        prop_assert_eq!(serde_json::from_slice::<Vec<String>>(&bytes).unwrap(), texts);
    }
}
