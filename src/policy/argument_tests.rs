//! Values, accepted and refused.

use super::*;
use crate::policy::text::plain_text;
use proptest::prelude::*;

/// Only times look at it.
const CLOCK: SystemTime = SystemTime::UNIX_EPOCH;

fn argument(kind: Kind) -> Argument {
    Argument {
        name: "x".into(),
        kind,
        presence: Presence::Required,
        repeated: None,
        secret: false,
        allow_dash: false,
        summary: String::new(),
        place: Place::default(),
        definition: None,
    }
}

fn text(pattern: &str) -> Argument {
    argument(Kind::Text(Text::new(pattern, 100).unwrap()))
}

#[test]
fn patterns_mean_the_whole_value() {
    for (pattern, value) in [
        ("a|b", "ab"),
        ("a|b", "xa"),
        ("[a-z]+", "abc\n"),
        ("(?m)^a$", "a\nb"),
        ("^a|b$", "ac"),
        ("", "a"),
    ] {
        assert!(
            text(pattern).one(value, CLOCK).is_err(),
            "{pattern:?} {value:?}"
        );
    }

    for (pattern, value) in [("a|b", "b"), ("(?i)abc", "ABC"), ("", "")] {
        assert_eq!(
            text(pattern).one(value, CLOCK).as_deref(),
            Ok(value),
            "{pattern:?}"
        );
    }
}

#[test]
fn a_pattern_cannot_escape_its_anchors() {
    for pattern in ["a)|(?:b", "a)(", "(?x)a # ", "[", r"\"] {
        assert!(Text::new(pattern, 10).is_err(), "{pattern}");
    }
}

#[test]
fn hostile_values_are_refused_in_every_kind() {
    let kinds = [
        Kind::Choice(Choices::of_words(["a"])),
        Kind::Integer { min: 0, max: 10 },
        Kind::Text(Text::new("(?s).*", 4096).unwrap()),
        Kind::Path {
            beneath: "/srv".into(),
            pass: Pass::Descriptor,
            only: None,
        },
        Kind::Hostname,
        Kind::Ip,
        Kind::Cidr,
    ];

    let values = [
        "a\0b",
        "a\nb",
        "\r",
        "\x1b[2J",
        "a\u{9b}b",
        "a\u{202e}b",
        "-x",
        "--output=/etc/passwd",
        "a\u{2028}",
        "-",
        "\x7f",
    ];

    for kind in kinds {
        let argument = argument(kind);
        for value in values {
            assert!(
                argument.one(value, CLOCK).is_err(),
                "{} {value:?}",
                argument.kind.word()
            );
        }

        assert!(argument.one(&"a".repeat(1 << 20), CLOCK).is_err());
    }
}

#[test]
fn numbers_have_one_spelling() {
    let number = argument(Kind::Integer { min: -5, max: 1000 });
    for good in ["0", "-5", "1000"] {
        assert_eq!(number.one(good, CLOCK).as_deref(), Ok(good));
    }
    for bad in [
        "",
        "+1",
        "007",
        "1e3",
        "0x10",
        " 1",
        "1001",
        "-6",
        "9223372036854775808",
        "١",
    ] {
        assert!(number.one(bad, CLOCK).is_err(), "{bad:?}");
    }
}

#[test]
fn paths_stay_beneath() {
    let path = argument(Kind::Path {
        beneath: "/var/log/nginx".into(),
        pass: Pass::Name,
        only: None,
    });

    for (good, relative) in [
        ("access.log", "access.log"),
        ("a/b", "a/b"),
        ("/var/log/nginx/x", "x"),
        ("..x", "..x"),
    ] {
        assert_eq!(path.one(good, CLOCK).as_deref(), Ok(relative));
    }

    for bad in [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "a//b",
        "/etc/passwd",
        "/var/log/nginx",
        "/var/log/nginx/",
        "/var/log/nginxx/a",
        "a/./b",
        "/var/log/nginx/../x",
    ] {
        assert!(path.one(bad, CLOCK).is_err(), "{bad:?}");
    }
}

#[test]
fn host_names() {
    for good in ["a", "web1.example.com", "xn--nxasmq6b", "1.2.3.4"] {
        assert!(argument(Kind::Hostname).one(good, CLOCK).is_ok(), "{good}");
    }
    for bad in ["", ".", "a..b", "a.", "a_b", "a b", "ä.de", "a-", "x;id"] {
        assert!(argument(Kind::Hostname).one(bad, CLOCK).is_err(), "{bad}");
    }
}

#[test]
fn kinds_and_values_must_fit() {
    let flag = argument(Kind::Flag("--force".into()));
    assert_eq!(
        flag.accept(Some(&Value::Flag(true)), CLOCK),
        Ok(vec!["--force".into()])
    );

    assert_eq!(flag.accept(Some(&Value::Flag(false)), CLOCK), Ok(vec![]));
    assert!(
        flag.accept(Some(&Value::Text("--other".into())), CLOCK)
            .is_err()
    );
    assert!(text("a").accept(Some(&Value::Flag(true)), CLOCK).is_err());
    assert!(
        text("a")
            .accept(Some(&Value::Many(vec!["a".into()])), CLOCK)
            .is_err()
    );

    assert!(
        text("a")
            .accept(Some(&Value::Misfit("null")), CLOCK)
            .is_err()
    );
    assert!(text("1").accept(Some(&Value::Integer(1)), CLOCK).is_err());
    assert!(text("a").accept(None, CLOCK).is_err());
    let many = Argument {
        repeated: Some(2),
        ..text("a|b")
    };

    assert_eq!(
        many.accept(Some(&Value::Many(vec!["a".into(), "b".into()])), CLOCK),
        Ok(vec!["a".into(), "b".into()])
    );

    assert!(
        many.accept(Some(&Value::Many(vec!["a".into(); 3])), CLOCK)
            .is_err()
    );

    assert!(
        many.accept(Some(&Value::Many(vec![])), CLOCK).is_err(),
        "required"
    );
}

#[test]
fn a_secret_is_never_quoted() {
    let secret = Argument {
        secret: true,
        ..text("[0-9]+")
    };

    let refusal = secret
        .accept(
            Some(&Value::Secret(crate::secret::Secret::new("hunter2".into()))),
            CLOCK,
        )
        .unwrap_err();
    assert!(!refusal.contains("hunter2"), "{refusal}");
    assert!(
        secret
            .accept(Some(&Value::Text("1".into())), CLOCK)
            .is_err()
    );
}

proptest! {
    #[test]
    fn no_value_makes_a_kind_panic(value in "\\PC{0,40}|[-./a-z]{0,12}") {
        for kind in [
            Kind::Choice(Choices::of_words(["a"])), Kind::Integer { min: i64::MIN, max: i64::MAX }, Kind::Hostname, Kind::Ip, Kind::Cidr,
            Kind::Path { beneath: "/srv".into(), pass: Pass::Descriptor, only: None },
        ] {
            let argument = argument(kind);
            if let Ok(accepted) = argument.one(&value, CLOCK) {
                prop_assert!(!accepted.contains(char::is_control));
                prop_assert!(!accepted.split('/').any(|part| part == ".."));
            }
        }
    }
}

#[test]
fn hostnames_are_those_of_the_rfc() {
    let host = argument(Kind::Hostname);
    let long = "a".repeat(63);
    for name in [
        "a",
        "web1",
        "web-1.example.org",
        "1.2.3.4",
        "xn--bcher-kva.example",
        "A",
        &long,
    ] {
        assert_eq!(host.one(name, CLOCK).as_deref(), Ok(name));
    }
    let (longer, whole) = ("a".repeat(64), format!("{}a", "a.".repeat(127)));
    for name in [
        "", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a_b", "a b", "ä", "a/b", &longer, &whole,
    ] {
        assert!(host.one(name, CLOCK).is_err(), "{name:?}");
    }
}

#[test]
fn addresses_and_networks_have_one_spelling() {
    let (ip, net) = (argument(Kind::Ip), argument(Kind::Cidr));
    for (text, kept) in [
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("2001:0DB8::0001", "2001:db8::1"),
    ] {
        assert_eq!(ip.one(text, CLOCK).as_deref(), Ok(kept));
    }
    assert_eq!(net.one("10.0.0.0/8", CLOCK).as_deref(), Ok("10.0.0.0/8"));
    assert_eq!(net.one("10.0.0.1", CLOCK).as_deref(), Ok("10.0.0.1/32"));
    for text in [
        "",
        "10.0.0",
        "10.0.0.256",
        "010.0.0.1",
        "::g",
        "fe80::1%eth0",
        "[::1]",
        "10.0.0.1:80",
    ] {
        assert!(ip.one(text, CLOCK).is_err(), "{text}");
        assert!(net.one(text, CLOCK).is_err(), "{text}");
    }
}

#[test]
fn numbers_have_one_spelling_and_both_bounds() {
    let number = argument(Kind::Integer { min: -5, max: 10 });
    for text in ["-5", "-1", "0", "10"] {
        assert_eq!(number.one(text, CLOCK).as_deref(), Ok(text));
    }
    for text in [
        "-6",
        "11",
        "+1",
        "01",
        "-0",
        "1.0",
        "1e1",
        "0x1",
        " 1",
        "1 ",
        "",
        "-",
        "9223372036854775808",
        "١",
    ] {
        assert!(number.one(text, CLOCK).is_err(), "{text:?}");
    }
    let all = argument(Kind::Integer {
        min: i64::MIN,
        max: i64::MAX,
    });
    for edge in [i64::MIN, i64::MAX] {
        assert_eq!(all.one(&edge.to_string(), CLOCK), Ok(edge.to_string()));
    }
}

#[test]
fn paths_stay_beneath_their_root_by_their_text_alone() {
    let path = argument(Kind::Path {
        beneath: "/srv/data".into(),
        pass: Pass::Descriptor,
        only: None,
    });
    for (text, kept) in [
        ("a", "a"),
        ("a/b.log", "a/b.log"),
        ("/srv/data/a", "a"),
        ("...", "..."),
        ("a b", "a b"),
    ] {
        assert_eq!(path.one(text, CLOCK).as_deref(), Ok(kept), "{text}");
    }
    let long = "a".repeat(256);
    for text in [
        "",
        "/",
        ".",
        "..",
        "a/..",
        "../a",
        "a/../b",
        "a//b",
        "a/",
        "/srv/data",
        "/srv/data/",
        "/srv/database",
        "/srv/data/../x",
        "/etc/passwd",
        "./a",
        &long,
    ] {
        assert!(path.one(text, CLOCK).is_err(), "{text:?}");
    }
}

#[test]
fn a_value_that_was_left_out_is_missing_nothing_or_its_default() {
    let mut number = argument(Kind::Integer { min: 1, max: 9 });
    assert_eq!(number.accept(None, CLOCK), Err("is missing".into()));
    number.presence = Presence::Optional;
    assert_eq!(number.accept(None, CLOCK), Ok(vec![]));
    number.presence = Presence::Default("7".into());
    assert_eq!(number.accept(None, CLOCK), Ok(vec!["7".into()]));
}

#[test]
fn repeated_values_are_counted_and_each_is_judged() {
    let mut words = text("[a-z]+");
    words.repeated = Some(2);
    let many = |values: &[&str]| Value::Many(values.iter().map(ToString::to_string).collect());
    assert_eq!(
        words.accept(Some(&many(&["a", "b"])), CLOCK),
        Ok(vec!["a".into(), "b".into()])
    );
    assert_eq!(
        words.accept(Some(&many(&["a", "b", "c"])), CLOCK),
        Err("has 3 values, 2 are allowed".into())
    );
    assert_eq!(
        words.accept(Some(&many(&["a", "B"])), CLOCK),
        Err("`B` does not match [a-z]+".into())
    );
    assert_eq!(
        words.accept(Some(&many(&[])), CLOCK),
        Err("is missing".into())
    );

    words.repeated = None;
    assert!(
        words.accept(Some(&many(&["a"])), CLOCK).is_err(),
        "it is not repeated"
    );
}

#[test]
fn flags_are_given_or_not_and_nothing_else() {
    let flag = argument(Kind::Flag("--force".into()));
    assert_eq!(
        flag.accept(Some(&Value::Flag(true)), CLOCK),
        Ok(vec!["--force".into()])
    );
    assert_eq!(flag.accept(Some(&Value::Flag(false)), CLOCK), Ok(vec![]));
    for other in [
        Value::Text("--force".into()),
        Value::Text("true".into()),
        Value::Integer(1),
        Value::Many(vec!["x".into()]),
        Value::Misfit("null"),
    ] {
        assert!(flag.accept(Some(&other), CLOCK).is_err(), "{other:?}");
    }
    assert!(text(".*").accept(Some(&Value::Flag(true)), CLOCK).is_err());
}

#[test]
fn a_refusal_says_nothing_of_a_secret() {
    use crate::secret::Secret;
    let mut token = text("[a-z]+");
    token.secret = true;
    let given = Value::Secret(Secret::new("HUNTER2".into()));
    let why = token.accept(Some(&given), CLOCK).unwrap_err();
    assert_eq!(why, "the value does not match [a-z]+");
    assert_eq!(
        token.accept(Some(&Value::Text("hunter".into())), CLOCK),
        Err("is secret and must be sent apart from the signed text".into())
    );

    token.secret = false;
    assert_eq!(
        token.accept(Some(&given), CLOCK),
        Err("is not secret and must be sent in the signed text".into())
    );
}

#[test]
fn what_is_shown_of_a_value_is_short_and_harmless() {
    let choice = argument(Kind::Choice(Choices::of_words(["a"])));
    let long = "x".repeat(200);
    let why = choice.one(&long, CLOCK).unwrap_err();
    assert!(why.contains(&format!("`{}…`", "x".repeat(60))), "{why}");
    let why = choice.one("\"quoted\"", CLOCK).unwrap_err();
    assert_eq!(why, "`\\\"quoted\\\"` is not one of a");
}

#[test]
fn text_for_the_trail_is_plain_and_short() {
    assert_eq!(plain_text("OPS-1: because", 20), Ok(()));
    assert_eq!(
        plain_text("four", 3),
        Err("has 4 bytes, 3 are allowed".into())
    );
    for (text, code) in [
        ("a\nb", "U+000A"),
        ("\x1b[2J", "U+001B"),
        ("\u{202e}x", "U+202E"),
        ("\u{feff}", "U+FEFF"),
        ("\u{2028}", "U+2028"),
    ] {
        assert_eq!(
            plain_text(text, 99),
            Err(format!("holds the character {code}"))
        );
    }
}
