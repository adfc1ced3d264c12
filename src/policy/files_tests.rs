//! Rights over roots: each apart, narrowed by roles and never widened, and denied everywhere.

use super::*;
use crate::files::Act;
use crate::verb::{Commit, Get, ListFiles, Put, RemoveFiles};

fn get(root: &str, path: &str) -> Get {
    Get {
        root: root.into(),
        path: path.into(),
        recursive: false,
        chosen: false,
        pack: false,
        confirmed: false,
        reason: None,
    }
}

fn list(root: &str, digests: bool) -> ListFiles {
    ListFiles {
        root: root.into(),
        path: String::new(),
        recursive: false,
        digests,
        confirmed: false,
        reason: None,
    }
}

fn put(root: &str) -> Put {
    Put {
        root: root.into(),
        path: "x".into(),
        recursive: false,
        all_or_nothing: false,
        confirmed: false,
        reason: None,
    }
}

fn remove(path: &str, names: Option<&str>) -> RemoveFiles {
    RemoveFiles {
        root: "site".into(),
        path: path.into(),
        recursive: true,
        names: names.map(str::to_owned),
        confirmed: false,
        reason: None,
    }
}

/// A policy in which alice has these grants, and these denials.
fn granting(files: &[&str], deny: &[&str], rights: &[Right]) -> Policy {
    let patterns = |texts: &[&str]| {
        let pattern = |text: &&str| Pattern {
            text: (*text).into(),
            place: at(5),
        };
        texts.iter().map(pattern).collect()
    };
    let role = Role {
        files: patterns(files),
        deny: patterns(deny),
        place: at(4),
        ..Role::default()
    };
    let mut policy = policy();
    policy.roots = [root("site", rights)].into();
    policy.roles.insert("support".into(), role);
    policy
}

/// What alice may do of everything.
fn rights(policy: &Policy) -> Vec<Right> {
    let asked = |right: Right| {
        let asker = asker_of(policy);
        match right {
            Right::List => policy.authorize(&asker, &list("site", false)).is_ok(),
            Right::Get => policy.authorize(&asker, &get("site", "x")).is_ok(),
            Right::Put => policy.authorize(&asker, &put("site")).is_ok(),
            Right::Remove => policy.authorize(&asker, &remove("x", None)).is_ok(),
        }
    };
    let may: Vec<Right> = Right::ALL
        .into_iter()
        .filter(|right| asked(*right))
        .collect();
    let member = member(policy, "alice");
    let listed = policy.roots_for(&member, &source(HOME), now());
    let listed: Vec<Right> = listed.into_iter().flat_map(|(_, rights)| rights).collect();
    assert_eq!(listed, may, "what is listed is what is granted");
    for right in Right::ALL {
        assert_eq!(policy.may(&member, &right.of("site")), may.contains(&right));
    }
    may
}

fn source(text: &str) -> Source {
    Source::from(text.parse::<IpAddr>().unwrap())
}

fn asker_of(policy: &Policy) -> Asker<'static> {
    Asker {
        member: Box::leak(Box::new(member(policy, "alice"))),
        request: RequestId::from_random([1; 20]),
        source: source(HOME),
        owner: &|run| (run == own_run()).then(|| "alice".into()),
        asked: now(),
        now: now(),
    }
}

#[test]
fn no_right_implies_another_and_a_role_narrows_what_a_root_allows() {
    use Right::{Get, List, Put, Remove};
    let all = &Right::ALL;
    /// What a role grants and denies, what the root allows, and what comes of it.
    type Row<'r> = (&'r [&'r str], &'r [&'r str], &'r [Right], &'r [Right]);

    let rows: &[Row<'_>] = &[
        (&[], &[], all, &[]),
        (&["site"], &[], all, all),
        (&["site"], &[], &[List, Get], &[List, Get]),
        (&["site:get"], &[], all, &[Get]),
        (&["site:put"], &[], all, &[Put]),
        (&["site:list", "site:remove"], &[], all, &[List, Remove]),
        (&["site:put"], &[], &[List, Get], &[]),
        (&["sit", "site2", "site2:get"], &[], all, &[]),
        (&["site"], &["site:put"], all, &[List, Get, Remove]),
        (&["site"], &["site"], all, &[]),
        (&["site"], &["*"], all, &[]),
        (&["site"], &["other"], all, all),
    ];
    for (files, deny, allowed, expected) in rows {
        let policy = granting(files, deny, allowed);
        assert_eq!(rights(&policy), *expected, "{files:?} {deny:?} {allowed:?}");
    }
}

#[test]
fn whoever_may_only_see_names_compares_no_contents() {
    let policy = granting(&["site:list"], &[], &Right::ALL);
    let asker = asker_of(&policy);
    assert!(policy.authorize(&asker, &list("site", false)).is_ok());
    assert!(policy.authorize(&asker, &list("site", true)).is_err());
    let policy = granting(&["site:list", "site:get"], &[], &Right::ALL);
    assert!(
        policy
            .authorize(&asker_of(&policy), &list("site", true))
            .is_ok()
    );
}

#[test]
fn paths_that_lead_elsewhere_are_refused_before_anything_begins() {
    let policy = granting(&["site"], &[], &Right::ALL);
    let asker = asker_of(&policy);
    let long = "x".repeat(256);
    for path in [
        "..",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a/",
        ".",
        "a\nb",
        "a\u{1b}[2J",
        "a\0b",
        ".ordain-x",
        "a/.ordain-x",
        &long,
    ] {
        let refusal = policy.authorize(&asker, &get("site", path)).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Argument, "{path:?}");
        assert_eq!(refusal.argument.as_deref(), Some("path"));
        assert!(
            !refusal.text.contains(['\n', '\u{1b}', '\0']),
            "{refusal:?}"
        );
    }
    let granted = policy.authorize(&asker, &get("site", "a/b c")).unwrap();
    let task = &granted.allowed().moving.as_ref().unwrap().task;
    assert!(matches!(&task.act, Act::Get { path, .. } if path.to_string() == "a/b c"));
}

#[test]
fn a_root_is_not_removed_and_a_list_of_names_has_a_digest() {
    let policy = granting(&["site"], &[], &Right::ALL);
    let asker = asker_of(&policy);
    let digest = "0a".repeat(32);
    assert!(policy.authorize(&asker, &remove("", None)).is_err());
    assert!(policy.authorize(&asker, &remove("", Some(&digest))).is_ok());
    for digits in ["", "0a", &digest.to_uppercase(), &"0g".repeat(32)] {
        let refusal = policy.authorize(&asker, &remove("x", Some(digits)));
        assert_eq!(refusal.unwrap_err().argument.as_deref(), Some("names"));
    }
}

#[test]
fn a_root_of_others_looks_like_one_that_is_not_there() {
    let policy = policy();
    let refusal = |root: &str| {
        let asker = asker_of(&policy);
        policy.authorize(&asker, &get(root, "x")).unwrap_err()
    };
    let (hidden, missing) = (refusal("site"), refusal("s1te"));
    assert_eq!(hidden.text.replace("site", "s1te"), missing.text);
    assert_eq!((hidden.kind, hidden.rule), (missing.kind, missing.rule));
    for odd in ["", ":", "site:get", "site:put", "*", "wipe"] {
        assert_eq!(refusal(odd).kind, RefusalKind::NotPermitted, "{odd}");
    }
    let asker = asker_of(&policy);
    assert!(policy.authorize(&asker, &put("site")).is_ok());
    assert!(
        policy.authorize(&asker, &run("site:put", &[])).is_err(),
        "a transfer is no command"
    );
}

#[test]
fn a_commit_is_of_a_run_of_ones_own_by_whoever_may_put_now() {
    let commit = |root: &str, run| Commit {
        run: Named(run),
        root: root.into(),
        path: "x".into(),
        digest: "00".repeat(32),
        files: 1,
        bytes: 1,
    };
    let judged = |policy: &Policy, root: &str, run| {
        policy
            .authorize(&asker_of(policy), &commit(root, run))
            .map(|grant| *grant.allowed())
            .map_err(|refusal| refusal.kind)
    };
    let may = granting(&["site:put"], &[], &Right::ALL);
    let other = RunId::from_random([9; 10]);
    assert_eq!(judged(&may, "site", Some(own_run())), Ok(own_run()));
    assert_eq!(
        judged(&may, "site", Some(other)),
        Err(RefusalKind::NoSuchRun)
    );
    assert_eq!(judged(&may, "site", None), Err(RefusalKind::NoSuchRun));
    let lost = granting(&["site:get"], &[], &Right::ALL);
    let refused = judged(&lost, "site", Some(own_run()));
    assert_eq!(refused, Err(RefusalKind::NotPermitted));
}

#[test]
fn what_a_root_takes_away_is_less() {
    let old = granting(&["site"], &[], &Right::ALL);
    let member = member(&old, "alice");
    let loses = |new: &Policy| new.takes_from(&member, (&old, &member));
    assert!(!loses(&granting(&["site"], &[], &Right::ALL)));
    assert!(loses(&granting(&["site:get"], &[], &Right::ALL)));
    assert!(loses(&granting(&["site"], &["site:get"], &Right::ALL)));
    assert!(!loses(&granting(
        &["site:get", "site:put", "site:list", "site:remove"],
        &[],
        &Right::ALL
    )));
}
