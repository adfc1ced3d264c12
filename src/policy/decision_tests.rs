//! Whole decisions, compared in tables; and every verb against every kind of user.

use super::*;
use crate::files::{Links, Mode, Rules, Sync};
use crate::ids::Named;
use crate::place::Place;
use crate::policy::{
    Argument, Choices, Groups, Kind, Network, OnDisconnect, OnRevoke, Pass, Pattern, Presence,
    RefusalKind, Right, Root, RunAs, Segment, Stdin, Template, Text, User, Word,
};
use crate::source::Source;
use crate::verb::{
    Ask, Cancel, Describe, Door, List, Lock, Needs, Run, Runs, Sessions, Status, VERBS, Value,
    Whoami, with_verb,
};
use std::net::IpAddr;
use std::time::Duration;

#[path = "errand_tests.rs"]
mod errand;
#[path = "files_tests.rs"]
mod files;
#[path = "narrowed_tests.rs"]
mod narrowed;
#[path = "timed_tests.rs"]
mod timed;
#[path = "worded_tests.rs"]
mod worded;

fn argument(name: &str, kind: Kind, presence: Presence) -> Argument {
    Argument {
        name: name.into(),
        kind,
        presence,
        repeated: None,
        secret: false,
        allow_dash: false,
        summary: String::new(),
        place: at(30),
        definition: None,
    }
}

fn at(line: u32) -> Place {
    Place {
        file: "c.toml".into(),
        line,
    }
}

fn command(name: &str, exec: &[&[&str]], arguments: Vec<Argument>) -> (String, Arc<Command>) {
    let word = |text: &str| {
        Word::parse(text, |hole| {
            arguments.iter().position(|argument| argument.name == hole)
        })
        .unwrap()
    };

    let segments = exec.iter().map(|words| match words {
        [one] => Segment::Word(word(one)),
        many => Segment::Group(many.iter().map(|text| word(text)).collect()),
    });

    let command = Command {
        linger: Duration::from_secs(2),
        leave_running: false,
        limits: super::super::RunLimits::default(),
        max_running: None,
        queue: 0,
        queue_timeout: Duration::from_secs(60),
        resume_window: Duration::from_secs(60),
        on_revoke: OnRevoke::Cancel,
        sources: vec![],
        audit_best_effort: false,
        approval: (name == "wipe").then(|| super::super::Approval {
            by: "office".into(),
            needed: 1,
            asked_for: Duration::from_secs(60),
        }),
        record: None,
        reason: None,
        spool: 2 << 20,
        signals: vec![],
        confinement: super::super::Confinement::default(),
        sha256: None,
        name: name.into(),
        summary: String::new(),
        template: Template(segments.collect()),
        environment: vec![],
        run_as: RunAs::Unresolved("www-data".into()),
        cwd: "/".into(),
        stdin: Stdin::None,
        pty: false,
        timeout: Some(Duration::from_secs(60)),
        grace: Duration::from_secs(5),
        confirm: name == "wipe",
        lock: None,
        on_disconnect: OnDisconnect::Cancel,
        place: at(20),
        arguments,
    };

    (name.into(), Arc::new(command))
}

/// A root that allows this.
fn root(name: &str, rights: &[Right]) -> (String, Arc<Root>) {
    let transfer = |right: &Right| (*right, command(&right.of(name), &[], vec![]).1);
    let root = Root {
        name: name.into(),
        summary: String::new(),
        beneath: "/srv/site".into(),
        folder: None,
        rules: Rules {
            only: vec![],
            mode: Mode::of_file(0o644),
            directories: Mode::of_file(0o755),
            max_file: 1 << 20,
            max_total: 1 << 30,
            max_files: 100,
            replace: true,
            sync: Sync::Batch,
            cross_mounts: false,
            links: Links::Refused,
            names: false,
        },
        commands: rights.iter().map(transfer).collect(),
        place: at(40),
    };
    (name.into(), Arc::new(root))
}

fn policy() -> Policy {
    let patterns = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| Pattern {
                text: (*text).into(),
                place: at(5),
            })
            .collect()
    };

    let role = |commands: &[&str], verbs: &[&str], sources: &[&str]| Role {
        commands: patterns(commands),
        files: patterns(match commands {
            ["wi*"] => &["site"],
            _ => &["site:put"],
        }),
        deny: vec![],
        max_run_time: None,
        verbs: verbs.iter().map(ToString::to_string).collect(),
        sources: sources.iter().map(|text| text.parse().unwrap()).collect(),
        when: vec![],
        place: at(4),
    };

    let user = |roles: &[&str]| User {
        roles: roles.iter().map(ToString::to_string).collect(),
        account: None,
        disabled: false,
        sources: vec![],
        place: at(2),
    };

    let token = Argument {
        secret: true,
        ..argument(
            "token",
            Kind::Text(Text::new("[a-z0-9]+", 40).unwrap()),
            Presence::Optional,
        )
    };

    let files = Argument {
        repeated: Some(3),
        ..argument(
            "file",
            Kind::Path {
                beneath: "/srv".into(),
                pass: Pass::Descriptor,
                only: None,
            },
            Presence::Required,
        )
    };

    Policy {
        groups: Groups::default(),
        roots: [root("site", &Right::ALL)].into(),
        terminals: std::collections::BTreeSet::new(),
        roles: [
            (
                "support".to_owned(),
                role(&["restart", "tail", "cat", "call"], &[], &[]),
            ),
            (
                "office".to_owned(),
                role(
                    &["wi*"],
                    &["cancel-of-others", "runs-of-others", "room"],
                    &["10.0.0.0/8"],
                ),
            ),
        ]
        .into(),
        users: [
            ("alice".to_owned(), user(&["support"])),
            ("lead".to_owned(), user(&["support", "office"])),
            ("nobody".to_owned(), user(&[])),
            (
                "gone".to_owned(),
                User {
                    disabled: true,
                    ..user(&["support", "office"])
                },
            ),
        ]
        .into(),
        commands: [
            command(
                "restart",
                &[&["/bin/systemctl"], &["restart"], &["--"], &["{service}"]],
                vec![argument(
                    "service",
                    Kind::Choice(Choices::of_words(["nginx", "php"])),
                    Presence::Required,
                )],
            ),
            command(
                "tail",
                &[
                    &["/usr/bin/tail"],
                    &["-n", "{lines}"],
                    &["{quiet}"],
                    &["--"],
                    &["{file}"],
                ],
                vec![
                    argument(
                        "file",
                        Kind::Path {
                            beneath: "/var/log".into(),
                            pass: Pass::Name,
                            only: None,
                        },
                        Presence::Required,
                    ),
                    argument(
                        "lines",
                        Kind::Integer { min: 1, max: 1000 },
                        Presence::Default("100".into()),
                    ),
                    argument("quiet", Kind::Flag("-q".into()), Presence::Optional),
                ],
            ),
            command("cat", &[&["/bin/cat"], &["{file}"]], vec![files]),
            command("call", &[&["/bin/call"], &["--token={token}"]], vec![token]),
            command("wipe", &[&["/bin/wipe"]], vec![]),
        ]
        .into(),
    }
}

/// 2026-11-27T08:00:00Z
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_766_400)
}

const OFFICE: &str = "10.1.2.3";
const HOME: &str = "192.0.2.1";

/// A user of a policy in which no group gives roles.
fn member(policy: &Policy, user: &str) -> Member {
    policy.member(&Arc::from(user)).unwrap()
}

/// Whether a policy gives a user less than another, where no group gives roles.
fn takes(new: &Policy, old: &Policy, user: &str) -> bool {
    new.takes_from(&member(new, user), (old, &member(old, user)))
}

fn asked<V: Judged>(
    policy: &Policy,
    user: &str,
    source: &str,
    verb: &V,
) -> Result<Grant<V>, Refusal> {
    let owner = |run: RunId| (run == own_run()).then(|| Arc::from("alice"));
    let asker = Asker {
        member: &member(policy, user),
        request: RequestId::from_random([1; 20]),
        source: Source::from(source.parse::<IpAddr>().unwrap()),
        owner: &owner,
        asked: now(),
        now: now(),
    };
    policy.authorize(&asker, verb)
}

fn decide<V: Judged>(user: &str, source: &str, verb: &V) -> Result<Grant<V>, Refusal> {
    asked(&policy(), user, source, verb)
}

fn own_run() -> RunId {
    RunId::from_random([4; 10])
}

fn run(command: &str, arguments: &[(&str, Value)]) -> Run {
    let arguments = arguments
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    Run(Invocation {
        arguments,
        ..Invocation::of(command)
    })
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn granted_requests_become_exactly_this_argv() {
    type Case<'c> = (&'c str, &'c [(&'c str, Value)], &'c [&'c str]);
    let cases: &[Case<'_>] = &[
        (
            "restart",
            &[("service", text("nginx"))],
            &["/bin/systemctl", "restart", "--", "nginx"],
        ),
        (
            "tail",
            &[("file", text("a.log"))],
            &["/usr/bin/tail", "-n", "100", "--", "/var/log/a.log"],
        ),
        (
            "tail",
            &[
                ("file", text("/var/log/b/c")),
                ("lines", Value::Integer(5)),
                ("quiet", Value::Flag(true)),
            ],
            &["/usr/bin/tail", "-n", "5", "-q", "--", "/var/log/b/c"],
        ),
        (
            "cat",
            &[("file", Value::Many(vec!["a".into(), "b".into()]))],
            &["/bin/cat", "/dev/fd/3", "/dev/fd/4"],
        ),
        ("call", &[], &["/bin/call"]),
    ];

    for (command, arguments, argv) in cases {
        match decide("alice", HOME, &run(command, arguments)) {
            Ok(grant) => {
                assert_eq!(&grant.allowed().argv, argv);
                assert_eq!(
                    grant.rule(),
                    format!("roles.support.commands `{command}` (c.toml:5)")
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_signed_of_an_argv_is_told_apart_from_what_is_the_configurations() {
    let secret = Value::Secret(crate::secret::Secret::new("hunter2".into()));
    let many = Value::Many(vec!["a".into(), "b".into()]);
    type Case<'c> = (&'c str, &'c [(&'c str, Value)], &'c [&'c str]);
    let cases: &[Case<'_>] = &[
        (
            "restart",
            &[("service", text("nginx"))],
            &["", "", "", "{service}"],
        ),
        (
            "tail",
            &[("file", text("a.log"))],
            &["", "", "", "", "/var/log/{file}"],
        ),
        (
            "tail",
            &[
                ("file", text("/var/log/b/c")),
                ("lines", Value::Integer(5)),
                ("quiet", Value::Flag(true)),
            ],
            &["", "", "{lines}", "{quiet}", "", "{file}"],
        ),
        ("cat", &[("file", many)], &[]),
        ("call", &[("token", secret)], &["", "--token={token}"]),
        ("call", &[], &[]),
    ];

    for (command, arguments, holes) in cases {
        match decide("alice", HOME, &run(command, arguments)) {
            Ok(grant) => assert_eq!(&grant.allowed().holes, holes, "{command}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn refusals_name_rule_and_argument() {
    let of = |kind, argument: Option<&str>, rule: &str, text: &str| Refusal {
        kind,
        argument: argument.map(Into::into),
        rule: rule.into(),
        text: text.into(),
        holds_secret: false,
    };

    use RefusalKind::*;
    let cases = [
        (
            "alice",
            HOME,
            run("reboot", &[]),
            of(
                NotPermitted,
                None,
                "default deny",
                "no role of `alice` grants a command `reboot`",
            ),
        ),
        (
            "alice",
            OFFICE,
            run("wipe", &[]),
            of(
                NotPermitted,
                None,
                "default deny",
                "no role of `alice` grants a command `wipe`",
            ),
        ),
        (
            "nobody",
            HOME,
            run("restart", &[]),
            of(
                NotPermitted,
                None,
                "default deny",
                "no role of `nobody` grants a command `restart`",
            ),
        ),
        (
            "gone",
            OFFICE,
            run("restart", &[]),
            of(
                NotPermitted,
                None,
                "users.gone (c.toml:2)",
                "`gone` is disabled",
            ),
        ),
        (
            "ghost",
            OFFICE,
            run("restart", &[]),
            of(
                NotPermitted,
                None,
                "default deny",
                "there is no user `ghost`",
            ),
        ),
        (
            "lead",
            HOME,
            run("wipe", &[]),
            of(
                Source,
                None,
                "roles.office.sources (c.toml:4)",
                "role `office` does not hold for the address 192.0.2.1; it holds for 10.0.0.0/8",
            ),
        ),
        (
            "lead",
            OFFICE,
            run("wipe", &[]),
            of(
                Confirm,
                None,
                "commands.wipe.confirm (c.toml:20)",
                "this command wants to be confirmed by a person who has seen its argv",
            ),
        ),
        (
            "alice",
            HOME,
            run("restart", &[]),
            of(
                Argument,
                Some("service"),
                "commands.restart.args.service (c.toml:30)",
                "argument `service` is missing",
            ),
        ),
        (
            "alice",
            HOME,
            run("restart", &[("service", text("nginx; id"))]),
            of(
                Argument,
                Some("service"),
                "commands.restart.args.service (c.toml:30)",
                "argument `service` `nginx; id` is not one of nginx, php",
            ),
        ),
        (
            "alice",
            HOME,
            run(
                "restart",
                &[("service", text("nginx")), ("host", text("x"))],
            ),
            of(
                Argument,
                Some("host"),
                "commands.restart (c.toml:20)",
                "argument `host` is unknown; `restart` takes service",
            ),
        ),
        (
            "alice",
            HOME,
            run(
                "restart",
                &[("service", text("nginx")), ("service", text("php"))],
            ),
            of(
                Argument,
                Some("service"),
                "commands.restart (c.toml:20)",
                "argument `service` is given twice",
            ),
        ),
        (
            "alice",
            HOME,
            run("tail", &[("file", text("../shadow"))]),
            of(
                Argument,
                Some("file"),
                "commands.tail.args.file (c.toml:30)",
                "argument `file` `../shadow` is not a path beneath /var/log",
            ),
        ),
        (
            "alice",
            HOME,
            run("tail", &[("file", Value::Misfit("null"))]),
            of(
                Argument,
                Some("file"),
                "commands.tail.args.file (c.toml:30)",
                "argument `file` is null, not a string",
            ),
        ),
    ];

    for (user, source, ask, refusal) in cases {
        match decide(user, source, &ask) {
            Err(seen) => assert_eq!(seen, refusal),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn secrets_are_masked_and_a_secret_in_the_clear_is_marked() {
    let secret = Value::Secret(crate::secret::Secret::new("hunter2".into()));
    match decide("alice", HOME, &run("call", &[("token", secret)])) {
        Ok(grant) => {
            assert_eq!(grant.allowed().argv, ["/bin/call", "--token=hunter2"]);
            assert_eq!(grant.allowed().shown, ["/bin/call", "--token=***"]);
        }
        other => panic!("{other:?}"),
    }

    match decide("alice", HOME, &run("call", &[("token", text("hunter2"))])) {
        Err(refusal) => assert!(
            refusal.holds_secret && !refusal.text.contains("hunter2"),
            "{refusal:?}"
        ),
        other => panic!("{other:?}"),
    }
}

/// What the fields of verbs may hold. A verb whose parameters cannot be made of these fails the
/// test below until its field stands here.
fn pool(run: RunId) -> serde_json::Map<String, serde_json::Value> {
    let pool = serde_json::json!({
        "command": "wipe",
        "confirmed": true,
        "run": run,
        "signal": "INT",
        "text": "hello",
        "since": 1,
        "target": "all",
        "follow": true,
        "passwords": {},
        "root": "site",
        "path": "releases/42",
        "recursive": true,
        "digests": true,
        "chosen": true,
        "pack": true,
        "all_or_nothing": true,
        "plan": "0".repeat(64),
        "reason": "why",
        "names": "0".repeat(64),
        "digest": "0".repeat(64),
        "files": 1,
        "bytes": 2,
        "user": "anna",
        "until": 3,
        "offset": 4,
    });
    pool.as_object().unwrap().clone()
}

/// A request by the verb of this name, made of whatever fields it has, and their names.
fn sample(name: &str, run: RunId) -> (Ask, Vec<String>) {
    let mut fields = pool(run);
    loop {
        let texts: Vec<(String, Box<serde_json::value::RawValue>)> = fields
            .iter()
            .map(|(name, value)| {
                (
                    name.clone(),
                    serde_json::value::to_raw_value(value).unwrap(),
                )
            })
            .collect();
        let read = texts.iter().map(|(name, value)| (name.clone(), &**value));
        match Ask::read(name, read.collect()).unwrap() {
            Ok(ask) => return (ask, fields.into_iter().map(|(name, _)| name).collect()),
            Err(fault) => {
                let unknown = fault.split('`').nth(1).unwrap_or_default();
                assert!(
                    fault.starts_with("unknown field") && fields.remove(unknown).is_some(),
                    "no request by `{name}` can be made: {fault}"
                );
            }
        }
    }
}

/// Every verb × every kind of user, by what the verb needs. Nobody has to think of a new verb here.
#[test]
fn verb_by_role() {
    let stranger = RunId::from_random([9; 10]);
    let lead_has = ["runs-of-others", "cancel-of-others"];
    for row in VERBS.iter().filter(|row| row.door == Door::Wire) {
        let granted = |user: &str, source: &str, run: RunId| {
            let (ask, _) = sample(row.name, run);
            with_verb!(&ask, verb => decide(user, source, verb).is_ok())
        };
        let about_one_run = sample(row.name, stranger)
            .1
            .iter()
            .any(|field| field == "run");

        // user, source, run, granted?
        let rows: Vec<(&str, &str, RunId, bool)> = match row.needs {
            Needs::Nothing => vec![
                ("alice", HOME, stranger, true),
                ("nobody", HOME, stranger, true),
            ],
            Needs::Command => vec![
                ("alice", OFFICE, stranger, false),
                ("nobody", OFFICE, stranger, false),
                ("lead", OFFICE, stranger, true),
                ("lead", HOME, stranger, false),
            ],
            Needs::Root if about_one_run => vec![
                ("alice", HOME, own_run(), true),
                ("alice", HOME, stranger, false),
                ("lead", OFFICE, own_run(), false),
                ("lead", OFFICE, stranger, false),
                ("nobody", OFFICE, own_run(), false),
            ],
            Needs::Root => vec![
                ("alice", HOME, stranger, row.name == "put"),
                ("lead", OFFICE, stranger, true),
                ("lead", HOME, stranger, row.name == "put"),
                ("nobody", OFFICE, stranger, false),
            ],
            Needs::OwnOr(right) if about_one_run => vec![
                ("alice", HOME, own_run(), true),
                ("alice", HOME, stranger, false),
                ("nobody", HOME, own_run(), false),
                ("lead", OFFICE, own_run(), lead_has.contains(&right)),
                ("lead", HOME, own_run(), false),
                ("lead", OFFICE, stranger, false),
            ],
            Needs::Right(_) if about_one_run => vec![
                ("lead", OFFICE, own_run(), true),
                ("lead", OFFICE, stranger, false),
                ("lead", HOME, own_run(), false),
                ("alice", HOME, own_run(), false),
                ("nobody", OFFICE, own_run(), false),
            ],
            Needs::Right(_) => vec![
                ("lead", OFFICE, stranger, true),
                ("lead", HOME, stranger, false),
                ("alice", HOME, stranger, false),
                ("nobody", OFFICE, stranger, false),
            ],
            Needs::OwnOr(_) => vec![
                ("alice", HOME, stranger, true),
                ("nobody", HOME, stranger, true),
                ("lead", OFFICE, stranger, true),
            ],
            Needs::Approver => vec![
                ("lead", OFFICE, stranger, true),
                ("lead", HOME, stranger, false),
                ("alice", OFFICE, stranger, false),
                ("nobody", OFFICE, stranger, false),
            ],
            Needs::LocalAdmin => panic!("{} is a local verb", row.name),
        };
        for (user, source, run, expected) in rows {
            let name = row.name;
            assert_eq!(
                granted(user, source, run),
                expected,
                "{name} {user} {source}"
            );
        }
        for (user, source) in [
            ("ghost", HOME),
            ("ghost", OFFICE),
            ("gone", HOME),
            ("gone", OFFICE),
        ] {
            assert!(!granted(user, source, own_run()), "{} {user}", row.name);
        }
    }
}

#[test]
fn a_name_that_is_no_id_is_refused_like_an_id_that_is_nobodys() {
    let stranger = RunId::from_random([9; 10]).into();
    for user in ["alice", "lead", "nobody"] {
        let refusal = |run| decide(user, OFFICE, &Cancel { run }).unwrap_err();
        assert_eq!(refusal(Named(None)), refusal(stranger));
        assert_eq!(refusal(stranger).kind, RefusalKind::NoSuchRun);
    }
}

#[test]
fn rights_over_others_widen_what_is_shown_and_each_goes_alone() {
    let scope = |verb: &Runs, source| *decide("lead", source, verb).unwrap().allowed();
    assert_eq!(scope(&Runs::default(), OFFICE), Scope::All);
    assert_eq!(scope(&Runs::default(), HOME), Scope::Own);
    let sessions = decide("lead", OFFICE, &Sessions {}).unwrap();
    assert_eq!(*sessions.allowed(), Scope::Own, "this right is another");
}

#[test]
fn lists_show_only_what_is_granted_here() {
    let names = |user, source: &str| {
        let granted = decide(user, source, &List {}).unwrap();
        let commands = policy().granted_to(granted.member(), granted.source(), now());
        let names = commands.iter().map(|command| command.name.clone());
        names.collect::<Vec<_>>()
    };

    assert_eq!(names("alice", HOME), ["call", "cat", "restart", "tail"]);
    assert_eq!(names("lead", HOME), ["call", "cat", "restart", "tail"]);
    assert_eq!(
        names("lead", "::ffff:10.0.0.1"),
        ["call", "cat", "restart", "tail", "wipe"]
    );
}

#[test]
fn local_verbs_are_for_root_and_the_daemons_own_user() {
    for row in VERBS {
        assert_eq!(row.door == Door::Control, row.needs == Needs::LocalAdmin);
    }
    for (peer, fits) in [(0, true), (990, true), (1000, false)] {
        assert_eq!(
            authorize_local(Status {}, peer, 990).is_ok(),
            fits,
            "{peer}"
        );
        let lock = Lock {
            user: "alice".into(),
            reason: String::new(),
        };
        assert_eq!(authorize_local(lock, peer, 990).is_ok(), fits, "{peer}");
    }
}

#[test]
fn equal_refusals_for_commands_that_do_not_exist_and_commands_of_others() {
    for user in ["alice", "nobody", "ghost"] {
        let (Err(hidden), Err(missing)) = (
            decide(user, HOME, &run("wipe", &[])),
            decide(user, HOME, &run("w1pe", &[])),
        ) else {
            panic!("granted");
        };

        assert_eq!(hidden.text.replace("wipe", "w1pe"), missing.text);
        assert_eq!((hidden.kind, hidden.rule), (missing.kind, missing.rule));
    }
}
