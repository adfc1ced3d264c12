//! Arguments: the first byte picks a kind, the rest is the value. What is accepted holds no control
//! character, nothing but a number below zero could be taken for an option, and no path leaves its
//! root.

use ordain::place::Place;
use ordain::policy::{Argument, Kind, Pass, Presence, Text};
use std::sync::LazyLock;

static ARGUMENTS: LazyLock<Vec<Argument>> = LazyLock::new(|| {
    let text = |pattern: &str, max| Kind::Text(Text::new(pattern, max).expect("a pattern"));
    let kinds = [
        Kind::Choice(vec!["nginx".into(), "php8.2-fpm".into(), "größer".into()]),
        Kind::Integer { min: 0, max: 1000 },
        Kind::Integer {
            min: i64::MIN,
            max: i64::MAX,
        },
        text(r"v[0-9]+(\.[0-9]+){2}", 20),
        text("(?s).*", 8192),
        Kind::Flag("--force".into()),
        Kind::Path {
            beneath: "/var/log".into(),
            pass: Pass::Descriptor,
        },
        Kind::Path {
            beneath: "/".into(),
            pass: Pass::Name,
        },
        Kind::Hostname,
        Kind::Ip,
        Kind::Cidr,
    ];
    kinds.into_iter().map(argument).collect()
});

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
    }
}

/// Anything at all.
pub fn check(bytes: &[u8]) {
    let Some((pick, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let argument = &ARGUMENTS[usize::from(*pick) % ARGUMENTS.len()];
    let Ok(accepted) = argument.one(text) else {
        return;
    };
    assert!(!accepted.chars().any(char::is_control), "{accepted:?}");
    match argument.kind {
        Kind::Flag(_) => assert_eq!(accepted, "--force"),
        // Only its text below the root: it may begin with a dash, since the root is put before it.
        Kind::Path { .. } => {
            assert!(
                !accepted.starts_with('/')
                    && !accepted
                        .split('/')
                        .any(|part| matches!(part, "" | "." | "..")),
                "{accepted:?}"
            );
        }

        Kind::Integer { min, .. } if min < 0 => assert_eq!(accepted, text),
        _ => {
            assert!(!accepted.starts_with('-'), "{accepted:?}");
            assert_eq!(
                argument.one(&accepted).as_deref(),
                Ok(accepted.as_str()),
                "not its one spelling"
            );
        }
    }
}
