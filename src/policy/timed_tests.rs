//! Decisions where roles hold at some hours only.

use super::*;
use crate::policy::{Hours, Zone};

/// The policy in which `support` holds in the office's hours, `lead` has a right in them, and
/// `office` denies at weekends.
fn timed() -> Policy {
    let mut policy = policy();
    let hours = |text: &str| Hours::read(text, |_| Ok(Zone::utc())).unwrap();
    for name in ["support", "office"] {
        let role = policy.roles.get_mut(name).unwrap();
        role.when = vec![
            hours("Mon-Fri 08:00-18:00 UTC"),
            hours("Sat 10:00-12:00 UTC"),
        ];
        role.sources = vec![];
    }
    let no = Role {
        deny: vec![Pattern {
            text: "cat".into(),
            place: at(7),
        }],
        when: vec![hours("Sun 00:00-24:00 UTC")],
        ..Role::default()
    };
    policy.roles.insert("no".into(), no);
    policy
        .users
        .get_mut("alice")
        .unwrap()
        .roles
        .push("no".into());
    policy
}

/// So many hours after 08:00 on Friday 2026-11-27.
fn later(hours: u64) -> SystemTime {
    now() + Duration::from_secs(3600 * hours)
}

fn judged_at<V: Judged>(
    policy: &Policy,
    user: &str,
    now: SystemTime,
    verb: &V,
) -> Result<Grant<V>, Refusal> {
    let asker = Asker {
        member: &member(policy, user),
        request: RequestId::from_random([1; 20]),
        source: Source::from(HOME.parse::<IpAddr>().unwrap()),
        owner: &|run| (run == own_run()).then(|| Arc::from("alice")),
        asked: super::now(),
        now,
    };
    policy.authorize(&asker, verb)
}

fn restart() -> Run {
    run("restart", &[("service", text("nginx"))])
}

#[test]
fn a_role_out_of_its_hours_grants_nothing() {
    let policy = timed();
    let list = |now| {
        let home = Source::from(HOME.parse::<IpAddr>().unwrap());
        policy
            .granted_to(&member(&policy, "alice"), &home, now)
            .len()
    };
    for (hours, holds) in [
        (0, true),
        (9, true),
        (10, false),
        (26, true),
        (28, false),
        (72, true),
    ] {
        let decided = judged_at(&policy, "alice", later(hours), &restart());
        assert_eq!(decided.is_ok(), holds, "{hours}: {decided:?}");
        assert_eq!(list(later(hours)), if holds { 3 } else { 0 }, "{hours}");
        assert_eq!(
            policy
                .out_of_hours(&member(&policy, "alice"), later(hours))
                .len(),
            if holds { 1 } else { 2 }
        );
    }

    let refusal = judged_at(&policy, "alice", later(28), &restart()).unwrap_err();
    assert_eq!(
        refusal,
        Refusal {
            kind: RefusalKind::Hours,
            argument: None,
            rule: "roles.support.when (c.toml:4)".into(),
            text: "roles.support holds Mon-Fri 08:00-18:00 UTC or Sat 10:00-12:00 UTC; it is Sat 12:00 there".into(),
            holds_secret: false,
        }
    );
    // Who has the role at no time learns nothing.
    let stranger = judged_at(&policy, "nobody", later(28), &restart()).unwrap_err();
    assert_eq!(stranger.kind, RefusalKind::NotPermitted);
}

#[test]
fn a_denial_holds_out_of_hours_too() {
    let cat = run("cat", &[("file", Value::Many(vec!["a".into()]))]);
    for hours in [0, 28, 60] {
        let refusal = judged_at(&timed(), "alice", later(hours), &cat).unwrap_err();
        assert_eq!(refusal.rule, "roles.no.deny `cat` (c.toml:7)", "{hours}");
    }
}

#[test]
fn a_right_over_others_has_hours_and_what_is_ones_own_has_none() {
    let cancel = Cancel {
        run: Named(Some(own_run())),
    };
    let may = |user: &str, hours| judged_at(&timed(), user, later(hours), &cancel).is_ok();
    assert!(may("lead", 0) && !may("lead", 28));
    assert!(may("alice", 0) && may("alice", 28));
}

#[test]
fn the_time_of_the_judgement_is_not_the_time_that_arguments_mean() {
    let grant = judged_at(&timed(), "alice", later(1), &restart()).unwrap();
    assert_eq!(grant.asked(), now());
}

#[test]
fn an_explanation_says_the_hours_and_what_clocks_show() {
    let Run(invocation) = restart();
    let home = Source::from(HOME.parse::<IpAddr>().unwrap());
    let (policy, alice) = (timed(), member(&timed(), "alice"));
    let explained = policy.explain(&alice, &invocation, &home, later(28));
    assert_eq!(explained.rule, "roles.support.when (c.toml:4)");
    assert_eq!(
        explained.considered,
        [
            "users.alice (c.toml:2): has the roles support, no",
            "roles.support.commands `restart` (c.toml:5): names it, but roles.support holds Mon-Fri 08:00-18:00 UTC or Sat 10:00-12:00 UTC; it is Sat 12:00 there",
            "roles.no.commands (:0): does not name it",
        ]
    );
}

#[test]
fn hours_that_are_less_are_taken_and_hours_that_pass_are_not() {
    let (unbound, bound) = (policy(), timed());
    let mut same = policy();
    for name in ["support", "office"] {
        same.roles.get_mut(name).unwrap().sources = vec![];
    }
    assert!(takes(&bound, &unbound, "alice"));
    assert!(!takes(&bound, &bound, "alice") && !takes(&same, &bound, "lead"));
    // What goes on is looked at by this: it does not end with the hours.
    let home = Source::from(HOME.parse::<IpAddr>().unwrap());
    assert!(bound.may_from(&member(&bound, "alice"), "restart", &home));
}
