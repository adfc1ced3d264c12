//! Arguments: the first byte picks a kind, the rest is the value. What is accepted holds no control
//! character, nothing but a number below zero could be taken for an option, and no path leaves its
//! root.

use ordain::place::Place;
use ordain::policy::{Argument, Choices, Form, Kind, Pass, Presence, Text, Times};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

static ARGUMENTS: LazyLock<Vec<Argument>> = LazyLock::new(|| {
    let text = |pattern: &str, max| Kind::Text(Text::new(pattern, max).expect("a pattern"));
    let kinds = [
        Kind::Choice(Choices::of_words(["nginx", "php8.2-fpm", "größer"])),
        Kind::Choice(Choices::of_pairs(vec![(
            "web".into(),
            "nginx.service".into(),
        )])),
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
            only: None,
        },
        Kind::Path {
            beneath: "/".into(),
            pass: Pass::Name,
            only: None,
        },
        Kind::Hostname,
        Kind::Ip,
        Kind::Cidr,
        time(Form::Rfc3339),
        time(Form::Unix),
        time(Form::Journal),
    ];
    kinds.into_iter().map(argument).collect()
});

fn time(form: Form) -> Kind {
    Kind::Time(Times {
        min: "7d ago".parse().ok(),
        max: None,
        form,
    })
}

/// 2026-11-27T08:00:00Z
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_766_400)
}

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

/// Anything at all.
pub fn check(bytes: &[u8]) {
    let Some((pick, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let argument = &ARGUMENTS[usize::from(*pick) % ARGUMENTS.len()];
    let Ok(accepted) = argument.one(text, now()) else {
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

        Kind::Choice(ref choices) => assert_eq!(choices.value(text), Some(accepted.as_str())),
        Kind::Time(_) => assert!(
            accepted.len() <= 23 && accepted.starts_with(|c: char| c.is_ascii_digit()),
            "{accepted:?}"
        ),
        Kind::Integer { min, .. } if min < 0 => assert_eq!(accepted, text),
        _ => {
            assert!(!accepted.starts_with('-'), "{accepted:?}");
            assert_eq!(
                argument.one(&accepted, now()).as_deref(),
                Ok(accepted.as_str()),
                "not its one spelling"
            );
        }
    }
}
