//! Arguments whose word is one thing and whose value is another: choices with values, times, and
//! definitions that commands share.

use super::*;
use crate::policy::{Definition, Form, Times};

fn worded() -> Policy {
    let service = Argument {
        definition: Some(Definition {
            name: "service".into(),
            place: at(40),
        }),
        ..argument(
            "unit",
            Kind::Choice(Choices::of_pairs(vec![
                ("db".into(), "postgresql.service".into()),
                ("web".into(), "nginx.service".into()),
                ("service".into(), "own.service".into()),
            ])),
            Presence::Default("db".into()),
        )
    };
    let since = argument(
        "since",
        Kind::Time(Times {
            min: "7d ago".parse().ok(),
            max: "now".parse().ok(),
            form: Form::Rfc3339,
        }),
        Presence::Default("1h ago".into()),
    );

    let role = Role {
        commands: vec![Pattern {
            text: "logs".into(),
            place: at(5),
        }],
        place: at(4),
        ..Role::default()
    };
    let user = User {
        roles: vec!["support".into()],
        place: at(2),
        ..User::default()
    };
    Policy {
        groups: Groups::default(),
        roots: std::collections::BTreeMap::new(),
        terminals: std::collections::BTreeSet::new(),
        roles: [("support".to_owned(), role)].into(),
        users: [("alice".to_owned(), user)].into(),
        commands: [command(
            "logs",
            &[&["/bin/logs"], &["--since={since}"], &["--"], &["{unit}"]],
            vec![service, since],
        )]
        .into(),
    }
}

#[test]
fn the_user_says_the_word_and_the_command_gets_the_value() {
    type Case<'c> = (&'c [(&'c str, Value)], [&'c str; 4], &'c [&'c str]);
    let cases: &[Case<'_>] = &[
        (
            &[],
            [
                "/bin/logs",
                "--since=2026-11-27T07:00:00Z",
                "--",
                "postgresql.service",
            ],
            &[],
        ),
        (
            &[("unit", text("web")), ("since", text("2026-11-26"))],
            [
                "/bin/logs",
                "--since=2026-11-26T00:00:00Z",
                "--",
                "nginx.service",
            ],
            &[],
        ),
        // A time that was signed in the form that the command gets is what was signed. A value that
        // ends as its word does is not.
        (
            &[
                ("unit", text("service")),
                ("since", text("2026-11-26T00:00:00Z")),
            ],
            [
                "/bin/logs",
                "--since=2026-11-26T00:00:00Z",
                "--",
                "own.service",
            ],
            &["", "--since={since}", "", ""],
        ),
    ];
    for (arguments, argv, holes) in cases {
        let grant = asked(&worded(), "alice", HOME, &run("logs", arguments)).unwrap();
        assert_eq!(grant.allowed().argv, *argv);
        assert_eq!(grant.allowed().shown, *argv);
        assert_eq!(grant.allowed().holes, *holes);
        assert_eq!(grant.asked(), now());
    }
}

#[test]
fn refusals_speak_of_the_words_and_of_both_places() {
    let refused = |name: &str, given: &str| {
        asked(
            &worded(),
            "alice",
            HOME,
            &run("logs", &[(name, text(given))]),
        )
        .unwrap_err()
    };

    let refusal = refused("unit", "nginx.service");
    assert_eq!(
        refusal.text,
        "argument `unit` `nginx.service` is not one of db, web, service"
    );
    assert_eq!(
        refusal.rule,
        "commands.logs.args.unit (c.toml:30), arguments.service (c.toml:40)"
    );
    assert_eq!(
        refused("since", "8d ago").text,
        "argument `since` `8d ago` lies before 7d ago (2026-11-20T08:00:00Z), the earliest that is accepted"
    );
}

#[test]
fn the_same_request_means_the_same_time_as_long_as_it_is_judged_at_the_same() {
    let policy = worded();
    let verb = run("logs", &[]);
    let at = |now| {
        let asker = Asker {
            member: &member(&policy, "alice"),
            request: RequestId::from_random([1; 20]),
            source: Source::from(HOME.parse::<IpAddr>().unwrap()),
            owner: &|_| None,
            asked: now,
            now,
        };
        policy.authorize(&asker, &verb).unwrap()
    };

    let first = at(now());
    let later = at(now() + Duration::from_secs(90));
    assert_ne!(first.allowed().argv, later.allowed().argv);
    assert_eq!(at(first.asked()).allowed().argv, first.allowed().argv);
}
