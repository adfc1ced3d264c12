//! Roles that come by a group: which there are, what names them, what is judged without an answer, and
//! what is taken away.

use super::*;
use crate::ids::{RequestId, RunId};
use crate::policy::{Asker, RefusalKind};
use crate::policy::{Given, Pattern, User};
use crate::source::Source;
use crate::verb::{Cancel, Invocation, Run};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

fn at(line: u32) -> Place {
    Place {
        file: "c.toml".into(),
        line,
    }
}

fn role(commands: &[&str], deny: &[&str]) -> Role {
    let patterns = |texts: &[&str]| {
        let pattern = |text: &&str| Pattern {
            text: (*text).into(),
            place: at(5),
        };
        texts.iter().map(pattern).collect()
    };
    Role {
        commands: patterns(commands),
        deny: patterns(deny),
        place: at(4),
        ..Role::default()
    }
}

/// Alice has `own`; `staff` gives `own` and `shared`, `wheel` gives `shared` and `ops`.
fn policy() -> Policy {
    let given = |roles: &[&str], line| Given {
        roles: roles.iter().map(ToString::to_string).collect(),
        place: at(line),
    };
    let alice = User {
        roles: vec!["own".into()],
        place: at(2),
        ..User::default()
    };
    let gone = User {
        disabled: true,
        ..alice.clone()
    };
    let named = User {
        account: Some("alice.b".into()),
        ..alice.clone()
    };
    Policy {
        roles: [
            ("own".to_owned(), role(&[], &[])),
            ("shared".to_owned(), role(&[], &[])),
            ("ops".to_owned(), role(&["deploy"], &[])),
        ]
        .into(),
        users: [
            ("alice".to_owned(), alice),
            ("gone".to_owned(), gone),
            ("named".to_owned(), named),
        ]
        .into(),
        groups: BTreeMap::from([
            ("staff".to_owned(), given(&["own", "shared"], 8)),
            ("wheel".to_owned(), given(&["shared", "ops"], 9)),
        ])
        .into(),
        ..Policy::default()
    }
}

fn question(policy: &Policy, user: &str) -> Question {
    policy.member(&user.into()).unwrap_err()
}

fn member(policy: &Policy, user: &str, groups: &[&str]) -> Member {
    let groups = groups.iter().map(ToString::to_string).collect();
    question(policy, user).answered(Some(groups))
}

fn roles(policy: &Policy, member: &Member) -> Vec<String> {
    let told = |held: Held<'_>| format!("{}{}", held.name, held.by_group());
    policy.roles_of(member).map(told).collect()
}

#[test]
fn groups_give_roles_besides_those_of_the_entry_and_each_counts_once() {
    let policy = policy();
    let rows: &[(&[&str], &[&str])] = &[
        (&[], &["own"]),
        (
            &["staff"],
            &["own", "shared, given by the group `staff` (c.toml:8)"],
        ),
        (
            &["wheel", "no-such"],
            &[
                "own",
                "shared, given by the group `wheel` (c.toml:9)",
                "ops, given by the group `wheel` (c.toml:9)",
            ],
        ),
        (
            &["wheel", "staff"],
            &[
                "own",
                "shared, given by the group `staff` (c.toml:8)",
                "ops, given by the group `wheel` (c.toml:9)",
            ],
        ),
    ];
    for (groups, expected) in rows {
        let found = roles(&policy, &member(&policy, "alice", groups));
        assert_eq!(found, *expected, "{groups:?}");
    }
    let without = question(&policy, "alice").answered(None);
    assert_eq!(roles(&policy, &without), ["own"]);
}

#[test]
fn what_is_asked_is_the_account_and_every_group_and_nothing_where_none_gives_roles() {
    let mut policy = policy();
    let asked = question(&policy, "alice");
    assert_eq!(asked.account(), "alice");
    assert_eq!(asked.groups(), ["staff", "wheel"]);
    assert_eq!(question(&policy, "named").account(), "alice.b");
    for nobody in ["gone", "unknown"] {
        assert!(policy.member(&nobody.into()).is_ok(), "{nobody}");
    }

    let lost = |user| {
        question(&policy, user)
            .answered(None)
            .has_lost_its_account()
    };
    assert!(lost("named") && !lost("alice"));
    assert!(!member(&policy, "named", &[]).has_lost_its_account());

    policy.groups = Groups::default();
    assert!(policy.member(&"alice".into()).is_ok());
}

/// The owner of a configuration changes it while somebody is here, or the name service says nothing:
/// neither must grant or keep what is not known.
#[test]
fn nobody_is_judged_by_the_answer_to_another_question_or_by_none() {
    let old = policy();
    let alice = member(&old, "alice", &["wheel"]);
    assert!(alice.fits(&old));
    assert!(!question(&old, "alice").unanswered().fits(&old));

    let mut another = policy();
    let more = Given {
        roles: vec!["ops".into()],
        place: at(10),
    };
    let mut groups: BTreeMap<String, Given> = BTreeMap::from([("new".to_owned(), more)]);
    another.groups = std::mem::take(&mut groups).into();
    assert!(!alice.fits(&another));

    let mut renamed = policy();
    renamed.users.get_mut("alice").unwrap().account = Some("root".into());
    assert!(!alice.fits(&renamed));

    // Before there were groups she had been judged without any.
    let bare = Policy {
        groups: Groups::default(),
        ..policy()
    };
    assert!(!bare.member(&"alice".into()).unwrap().fits(&old));
    // What a group gives may change: who is in it is known.
    let mut less = policy();
    less.groups = BTreeMap::from([
        ("staff".to_owned(), Given::default()),
        ("wheel".to_owned(), Given::default()),
    ])
    .into();
    assert!(alice.fits(&less));
}

/// While nobody knows who is in which group, what one has begun can be ended, and nothing is run.
#[test]
fn without_an_answer_one_may_do_what_no_role_could_deny() {
    let policy = policy();
    let alice = question(&policy, "alice").unanswered();
    let own = RunId::from_random([4; 10]);
    let owner = |run| (run == own).then(|| Arc::from("alice"));
    let asker = |member| Asker {
        member,
        request: RequestId::from_random([1; 20]),
        source: Source::from(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        owner: &owner,
        asked: SystemTime::UNIX_EPOCH,
        now: SystemTime::UNIX_EPOCH,
    };
    let cancel = Cancel { run: own.into() };
    assert!(policy.authorize(&asker(&alice), &cancel).is_ok());
    let run = Run(Invocation::of("deploy"));
    let refusal = policy.authorize(&asker(&alice), &run).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Groups);

    // Who was known under another configuration is known by nothing here.
    let other = Policy {
        groups: Groups::default(),
        ..self::policy()
    };
    let before = other.member(&"alice".into()).unwrap();
    assert!(policy.authorize(&asker(&before), &cancel).is_err());
    // There is no such command, which only somebody hears who may run it.
    let known = member(&policy, "alice", &["wheel"]);
    let refusal = policy.authorize(&asker(&known), &run).unwrap_err();
    assert_eq!(refusal.text, "there is no command `deploy`");
}

#[test]
fn what_a_group_gave_is_taken_by_leaving_it_and_by_a_reload() {
    let policy = policy();
    let (none, staff, both) = (
        member(&policy, "alice", &[]),
        member(&policy, "alice", &["staff"]),
        member(&policy, "alice", &["staff", "wheel"]),
    );
    let takes = |is: &Member, was: &Member| policy.takes_from(is, (&policy, was));
    assert!(takes(&none, &both) && takes(&staff, &both) && takes(&none, &staff));
    assert!(!takes(&both, &none) && !takes(&both, &both) && !takes(&staff, &none));

    let mut less = Policy {
        groups: Groups::default(),
        ..self::policy()
    };
    let alice = less.member(&"alice".into()).unwrap();
    assert!(less.takes_from(&alice, (&policy, &both)));
    // What a group gave, the entry gives now.
    let entry = less.users.get_mut("alice").unwrap();
    entry.roles.extend(["shared".into(), "ops".into()]);
    assert!(!less.takes_from(&alice, (&policy, &both)));

    // A role that denies takes away by joining.
    let mut denies = self::policy();
    denies.roles.insert("ops".into(), role(&[], &["deploy"]));
    let (out, within) = (
        member(&denies, "alice", &[]),
        member(&denies, "alice", &["wheel"]),
    );
    assert!(denies.takes_from(&within, (&denies, &out)));
}

#[test]
fn an_explanation_says_which_group_gives_what_and_why_none_does() {
    let policy = policy();
    let source = Source::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let said = |member: &Member| {
        let asked = Invocation::of("deploy");
        let explained = policy.explain(member, &asked, &source, SystemTime::UNIX_EPOCH);
        explained.considered
    };
    let wheel = said(&member(&policy, "alice", &["wheel"]));
    assert_eq!(
        wheel.get(..3).unwrap(),
        [
            "users.alice (c.toml:2): has the roles own",
            "groups-of-system.wheel (c.toml:9): account `alice` is in it, which gives the roles shared, ops",
            "roles.own.commands (c.toml:4): does not name it",
        ]
    );
    assert!(
        wheel.contains(
            &"roles.ops.commands `deploy` (c.toml:5), given by the group `wheel` (c.toml:9): names it"
                .to_owned()
        ),
        "{wheel:?}"
    );

    let second = |member: &Member| said(member).remove(1);
    assert_eq!(
        second(&member(&policy, "alice", &[])),
        "groups-of-system: account `alice` is in none of them"
    );
    assert_eq!(
        second(&question(&policy, "named").answered(None)),
        "groups-of-system: this machine knows no account `alice.b`, so no group gives a role"
    );
    assert_eq!(
        second(&question(&policy, "alice").unanswered()),
        "groups-of-system: the name service was not asked, so no role of a group is looked at"
    );
}
