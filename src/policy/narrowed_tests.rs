//! Decisions where networks, denials, reasons and bounds of time narrow the policy.

use super::*;

/// The same policy, with what narrows it: networks of users and commands, a denial, a reason,
/// bounds of time.
fn narrowed() -> Policy {
    let mut policy = policy();
    let change = |policy: &mut Policy, name: &str, change: &dyn Fn(&mut Command)| {
        let mut command = Command::clone(&policy.commands[name]);
        change(&mut command);
        policy.commands.insert(name.into(), Arc::new(command));
    };

    change(&mut policy, "tail", &|command| {
        command.sources = vec!["10.0.0.0/8".parse().unwrap()]
    });
    change(&mut policy, "call", &|command| {
        command.reason = Some(Text::new("OPS-[0-9]+", 64).unwrap())
    });
    let role = |commands: &[&str], deny: &[&str], seconds: Option<u64>| Role {
        commands: commands
            .iter()
            .map(|text| Pattern {
                text: (*text).into(),
                place: at(6),
            })
            .collect(),
        deny: deny
            .iter()
            .map(|text| Pattern {
                text: (*text).into(),
                place: at(7),
            })
            .collect(),
        max_run_time: seconds.map(Duration::from_secs),
        place: at(6),
        ..Role::default()
    };

    policy
        .roles
        .insert("short".into(), role(&["call", "cat"], &[], Some(10)));
    policy
        .roles
        .insert("shorter".into(), role(&["call"], &[], Some(5)));
    policy.roles.insert(
        "not".into(),
        Role {
            sources: vec!["10.0.0.0/8".parse().unwrap()],
            ..role(&[], &["c*"], None)
        },
    );

    let user = |roles: &[&str], sources: &[&str]| User {
        roles: roles.iter().map(ToString::to_string).collect(),
        account: None,
        disabled: false,
        sources: sources.iter().map(|text| text.parse().unwrap()).collect(),
        place: at(3),
    };

    policy
        .users
        .insert("brief".into(), user(&["shorter", "short"], &[]));
    policy
        .users
        .insert("both".into(), user(&["short", "support"], &[]));
    policy
        .users
        .insert("denied".into(), user(&["support", "not"], &[]));
    policy
        .users
        .insert("inside".into(), user(&["support"], &["10.1.0.0/16", "::1"]));
    policy
}

fn judged<V: Judged>(user: &str, source: &str, verb: &V) -> Result<Grant<V>, Refusal> {
    asked(&narrowed(), user, source, verb)
}

fn because(reason: Option<&str>) -> Run {
    Run(Invocation {
        reason: reason.map(Into::into),
        ..Invocation::of("call")
    })
}

#[test]
fn users_and_commands_have_networks_too() {
    fn kind<V: Judged>(user: &str, source: &str, verb: &V) -> Option<(RefusalKind, String)> {
        let refused = judged(user, source, verb).err();
        refused.map(|refusal| (refusal.kind, refusal.rule))
    }

    assert_eq!(
        kind("inside", HOME, &List {}),
        Some((
            RefusalKind::Source,
            "users.inside.sources (c.toml:3)".into()
        ))
    );

    assert_eq!(kind("inside", "10.1.2.3", &List {}), None);
    assert_eq!(kind("inside", "::ffff:10.1.2.3", &Whoami {}), None);
    let tail = run("tail", &[("file", text("a"))]);
    assert_eq!(
        kind("alice", HOME, &tail).map(|(kind, _)| kind),
        Some(RefusalKind::Source)
    );

    let describe = Describe {
        command: "tail".into(),
    };
    assert_eq!(kind("alice", OFFICE, &describe), None);
}

#[test]
fn what_is_denied_stays_denied_wherever_one_comes_from() {
    for source in [HOME, OFFICE] {
        let refusal = judged("denied", source, &because(Some("OPS-1"))).unwrap_err();
        assert_eq!(
            (refusal.kind, refusal.rule.as_str()),
            (RefusalKind::NotPermitted, "roles.not.deny `c*` (c.toml:7)")
        );

        assert!(judged("denied", source, &List {}).is_ok());
        let listed = narrowed().granted_to(
            &member(&narrowed(), "denied"),
            &Source::from(source.parse::<IpAddr>().unwrap()),
            now(),
        );
        assert!(!listed.is_empty());
        assert!(
            listed.iter().all(|command| !command.name.starts_with('c')),
            "{listed:?}"
        );
    }
}

#[test]
fn a_reason_has_a_form_and_is_kept() {
    for (reason, fits) in [
        (None, false),
        (Some(""), false),
        (Some("because"), false),
        (Some("xOPS-1"), false),
        (Some("OPS-12"), true),
    ] {
        match judged("alice", HOME, &because(reason)) {
            Ok(grant) => assert!(
                fits && grant.allowed().reason.as_deref() == reason,
                "{reason:?}"
            ),
            Err(refusal) => {
                assert!(!fits && refusal.kind == RefusalKind::Reason, "{refusal:?}")
            }
        }
    }

    // Where none is wanted it is kept too, but not with what could deceive whoever reads it.
    let cat = |reason: &str| {
        let mut cat = run("cat", &[("file", Value::Many(vec!["a".into()]))]);
        cat.0.reason = Some(reason.into());
        judged("alice", HOME, &cat)
    };

    let kept = cat("weekly").unwrap().allowed().reason.clone();
    assert_eq!(kept.as_deref(), Some("weekly"));
    for bad in ["a\u{1b}[2J".to_owned(), "x".repeat(300), "\u{202e}".into()] {
        assert_eq!(cat(&bad).unwrap_err().kind, RefusalKind::Reason, "{bad:?}");
    }
}

#[test]
fn the_most_generous_role_bounds_the_time() {
    let time = |user| {
        let grant = judged(user, HOME, &because(Some("OPS-1"))).unwrap();
        (grant.allowed().timeout, grant.rule().to_owned())
    };

    assert_eq!(
        time("brief"),
        (
            Some(Duration::from_secs(10)),
            "roles.short.commands `call` (c.toml:6)".into()
        )
    );

    assert_eq!(
        time("both").0,
        Some(Duration::from_secs(60)),
        "the command's own"
    );
}

#[test]
fn an_explanation_names_every_rule_and_decides_as_a_request_does() {
    let Run(invocation) = because(None);
    for user in [
        "alice", "brief", "both", "denied", "inside", "nobody", "gone", "ghost", "lead",
    ] {
        for source in [HOME, OFFICE] {
            let explained = narrowed().explain(
                &member(&narrowed(), user),
                &invocation,
                &Source::from(source.parse::<IpAddr>().unwrap()),
                now(),
            );
            let refused = judged(user, source, &because(None)).err();

            assert_eq!(explained.outcome.err(), refused, "{user} {source}");
            assert!(!explained.considered.is_empty());
        }
    }

    let explained = narrowed().explain(
        &member(&narrowed(), "brief"),
        &Invocation {
            reason: Some("OPS-7".into()),
            ..invocation
        },
        &Source::from(HOME.parse::<IpAddr>().unwrap()),
        now(),
    );

    assert_eq!(
        explained.considered,
        [
            "users.brief (c.toml:3): has the roles shorter, short",
            "roles.shorter.commands `call` (c.toml:6): names it (for 5.0s at the most)",
            "roles.short.commands `call` (c.toml:6): names it (for 10.0s at the most)",
            "commands.call.args.token (c.toml:30): nothing was given, and nothing must be",
            "commands.call.require.reason (c.toml:20): the reason fits",
        ]
    );
}

#[test]
fn what_is_taken_from_a_user_and_what_is_not() {
    type Change = fn(&mut Policy);
    let role = |policy: &mut Policy, change: &dyn Fn(&mut Role)| {
        change(policy.roles.get_mut("support").unwrap())
    };
    let cases: &[(bool, Change)] = &[
        (false, |_| {}),
        (true, |policy| drop(policy.users.remove("alice"))),
        (true, |policy| {
            policy.users.get_mut("alice").unwrap().disabled = true
        }),
        (true, |policy| {
            policy.users.get_mut("alice").unwrap().roles.clear()
        }),
        (false, |policy| {
            policy
                .users
                .get_mut("alice")
                .unwrap()
                .roles
                .push("short".into())
        }),
        (true, |policy| {
            policy
                .users
                .get_mut("alice")
                .unwrap()
                .roles
                .push("not".into())
        }),
        (true, |policy| {
            policy
                .users
                .get_mut("alice")
                .unwrap()
                .sources
                .push("10.0.0.0/8".parse().unwrap())
        }),
        (true, |policy| drop(policy.roles.remove("support"))),
        (false, |policy| drop(policy.roles.remove("office"))),
        (false, |policy| policy.commands.clear()),
    ];

    let networks = |text: &str| -> Vec<Network> {
        text.split(' ')
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().unwrap())
            .collect()
    };

    for (was, is, taken) in [
        ("10.0.0.1", "10.0.0.0/8", false),
        ("10.0.0.0/24 10.0.1.0/24", "10.0.0.0/8 ::1", false),
        ("10.0.0.0/8", "10.0.0.0/9", true),
        ("10.0.0.0/8", "::/0", true),
        ("10.0.0.0/8", "", false),
        ("", "0.0.0.0/0", true),
    ] {
        let (mut old, mut new) = (narrowed(), narrowed());
        old.roles.get_mut("support").unwrap().sources = networks(was);
        new.roles.get_mut("support").unwrap().sources = networks(is);
        assert_eq!(takes(&new, &old, "alice"), taken, "{was} to {is}");
    }

    for (index, (taken, change)) in cases.iter().enumerate() {
        let mut new = narrowed();
        change(&mut new);
        assert_eq!(takes(&new, &narrowed(), "alice"), *taken, "{index}");
    }

    type RoleChange = fn(&mut Role);
    let roles: &[(bool, RoleChange)] = &[
        (true, |role| drop(role.commands.pop())),
        (false, |role| {
            role.commands.push(Pattern {
                text: "new".into(),
                place: at(1),
            })
        }),
        (true, |role| {
            role.deny.push(Pattern {
                text: "tail".into(),
                place: at(1),
            })
        }),
        (false, |role| {
            role.deny.push(Pattern {
                text: "no-such".into(),
                place: at(1),
            })
        }),
        (false, |role| {
            role.commands = vec![Pattern {
                text: "*".into(),
                place: at(1),
            }]
        }),
        (true, |role| {
            role.max_run_time = Some(Duration::from_secs(1))
        }),
        (true, |role| role.sources.push("::1".parse().unwrap())),
        (false, |role| role.verbs.push("runs-of-others".into())),
        (false, |role| role.place = at(99)),
    ];

    for (index, (taken, change)) in roles.iter().enumerate() {
        let mut new = narrowed();
        role(&mut new, &change);
        assert_eq!(takes(&new, &narrowed(), "alice"), *taken, "role {index}");
    }
}
