//! Text that must not be seen.

use super::*;

#[test]
fn debug_shows_nothing() {
    let secret = Secret::first_line("hunter2\nrest".into());
    assert_eq!(secret.expose(), "hunter2");
    assert_eq!(format!("{secret:?}"), "Secret(…)");
}

#[test]
fn a_secret_is_the_first_line_and_nothing_of_its_end() {
    for (whole, line) in [
        ("", ""),
        ("\n", ""),
        ("a", "a"),
        ("a\n", "a"),
        ("a\r\n", "a"),
        ("a\nb", "a"),
        ("\na", ""),
        (" a ", " a "),
        ("ä\u{1f511}\n", "ä\u{1f511}"),
    ] {
        assert_eq!(Secret::first_line(whole.into()).expose(), line, "{whole:?}");
    }
}

#[test]
fn a_secret_is_not_shown_inside_anything_else() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "it is only shown")]
    struct Around {
        user: &'static str,
        password: Secret,
    }

    let around = Around {
        user: "alice",
        password: Secret::new("hunter2".into()),
    };
    for shown in [format!("{around:?}"), format!("{around:#?}")] {
        assert!(
            shown.contains("alice") && !shown.contains("hunter2"),
            "{shown}"
        );
        assert!(!shown.contains('7'), "nor its length: {shown}");
    }
}

#[test]
fn secrets_are_equal_by_their_text() {
    assert_eq!(Secret::new("a".into()), Secret::new("a".into()));
    assert_ne!(Secret::new("a".into()), Secret::new("b".into()));
    assert_eq!(Secret::default().bytes(), b"");
}
