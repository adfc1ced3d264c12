//! Runs that begin only when others have agreed to them: who may, to what, and what ends it.

mod common;

use common::{Cmd, Server, Setup, block, invocation, stderr, stdout, text, write};
use ordain::client::{ClientError, Session};
use ordain::ids::{Named, RequestId, RunId};
use ordain::protocol::{Code, Ended};
use ordain::verb::{
    ApprovalLine, Approvals, Approve, ApprovedRun, Cancel, Deny, Invocation, RunPlan, Value,
};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const APPROVAL: &str = "{ by = \"dba\" }";

fn guarded(command: Cmd) -> Cmd {
    command.set("approval", APPROVAL)
}

/// Alice may run everything; bob and carol may agree, and bob may run, too.
fn setup() -> Setup {
    Server::new()
        .command(guarded(Cmd::new("true", &["/bin/true"])))
        .role("all", &["*"])
        .role("dba", &[])
        .user("alice", &["all"])
        .user("bob", &["all", "dba"])
        .user("carol", &["dba"])
        .user("dave", &["all"])
}

type Outcome = Result<(Vec<u8>, Vec<u8>, Ended), ClientError>;

/// A run that is asked for.
struct Asked {
    run: RunId,
    ends: JoinHandle<Outcome>,
}

impl Asked {
    /// Asks, and waits until others can decide on it.
    async fn by(session: &Session, asked: Invocation) -> Self {
        let (told, waits) = oneshot::channel();
        let session = session.clone();
        let ends = tokio::spawn(async move {
            let mut told = Some(told);
            let id = RequestId::from_random(ordain::credential::random());
            let tell = |queued: ordain::protocol::Queued| {
                if let Some(told) = told.take() {
                    let _ = told.send((queued.run, queued.text));
                }
            };
            session.ask_for_run(asked, id, tell).await?.collect().await
        });
        let (run, text) = in_time(waits).await.expect("it did not wait");
        assert!(text.contains("must agree to it"), "{text}");
        let run = run.parse().unwrap();
        Self { run, ends }
    }

    /// How it has ended, or why it never began.
    async fn ends(self) -> Outcome {
        in_time(self.ends).await.unwrap()
    }

    /// The code with which it did not begin.
    async fn refused(self) -> (Code, String) {
        let error = self.ends().await.map(drop).unwrap_err();
        (Code::numbered(error.code).unwrap(), error.text)
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .expect("nothing came of it")
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    ordain::encoding::hex(digest.as_ref())
}

/// The run among those that this user is shown, with its plan.
async fn shown(session: &Session, run: RunId) -> Option<(ApprovalLine, RunPlan)> {
    let list = session.ask(&Approvals {}).await.unwrap();
    let lines = list.approvals.into_iter();
    let mut read = lines.map(|line| {
        let plan: RunPlan = serde_json::from_str(&line.plan).unwrap();
        (line, plan)
    });
    read.find(|(_, plan)| plan.run == run.to_string())
}

/// What this user signs to agree to the plan that they are shown.
async fn agreement(session: &Session, run: RunId) -> Approve {
    let (line, plan) = shown(session, run).await.expect("it is not shown");
    Approve {
        run: Named::from(run),
        command: plan.command,
        plan: sha256(&line.plan),
    }
}

async fn agree(session: &Session, run: RunId) -> Result<u64, Code> {
    let approve = agreement(session, run).await;
    let answer = session.ask(&approve).await;
    let answer = answer.map(|ApprovedRun { missing, .. }| missing);
    answer.map_err(|error| Code::numbered(error.code).unwrap())
}

fn verifies(server: &Server) {
    let verified = server.ordaind(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", stdout(&verified));
}

#[test]
fn a_run_begins_only_after_another_user_has_agreed_to_its_exact_plan() {
    let server = setup().start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let asked = Asked::by(&alice, invocation("true", &[])).await;
        assert!(server.records("start").is_empty());
        let (line, plan) = shown(&bob, asked.run).await.unwrap();
        assert_eq!((line.yours, line.agreed.len()), (true, 0));
        assert_eq!(
            (plan.requester.as_str(), plan.argv),
            ("alice", vec!["/bin/true".to_owned()])
        );
        assert_eq!((plan.stdin.as_str(), plan.needed), ("none", 1));
        let read = std::fs::read(&plan.files[0].path).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &read);
        assert_eq!(plan.files[0].sha256, ordain::encoding::hex(digest.as_ref()));

        let run = asked.run;
        assert_eq!(agree(&bob, run).await, Ok(0));
        let (_, _, ended) = asked.ends().await.unwrap();
        assert_eq!((ended.reason.as_str(), ended.number), ("exit", Some(0)));
        assert!(shown(&bob, run).await.is_none());

        let asked = &server.records("approval")[0];
        assert_eq!(asked["plan"], line.plan);
        let requests = server.records("request");
        let approve = requests
            .iter()
            .find(|record| record["verb"] == "approve")
            .unwrap();
        assert_eq!(
            (&approve["user"], &approve["run"]),
            (&"bob".into(), &run.to_string().into())
        );
        assert!(
            approve["signed"]
                .as_str()
                .unwrap()
                .contains(&sha256(&line.plan))
        );
    });
    verifies(&server);
}

#[test]
fn nobody_decides_on_their_own_run_nor_without_the_role_nor_on_another_plan() {
    let server = setup().start();
    block(async {
        let (bob, carol) = (server.session("bob").await, server.session("carol").await);
        let dave = server.session("dave").await;
        let asked = Asked::by(&bob, invocation("true", &[])).await;
        let own = agreement(&bob, asked.run).await;
        assert!(!shown(&bob, asked.run).await.unwrap().0.yours);
        assert!(
            shown(&dave, asked.run).await.is_none(),
            "who cannot decide is not told"
        );
        let code = |answer: Result<ApprovedRun, ClientError>| answer.map(drop).unwrap_err().code;
        assert_eq!(code(bob.ask(&own).await), Code::NotAnApprover.number());
        assert_eq!(code(dave.ask(&own).await), Code::NotPermitted.number());
        let other = |plan: &str, command: &str, run| Approve {
            run,
            command: command.into(),
            plan: plan.into(),
        };
        let run = Named::from(asked.run);
        let stranger = Named::from(RunId::from_random([7; 10]));
        for (approve, expected) in [
            (other(&"0".repeat(64), "true", run), Code::Changed),
            (other("", "true", run), Code::Changed),
            (other(&own.plan.to_uppercase(), "true", run), Code::Changed),
            (other(&own.plan, "true", stranger), Code::NoSuchRun),
            (other(&own.plan, "true", Named(None)), Code::NoSuchRun),
            (other(&own.plan, "false", run), Code::NotPermitted),
        ] {
            assert_eq!(
                code(carol.ask(&approve).await),
                expected.number(),
                "{approve:?}"
            );
        }
        let deny = Deny {
            run,
            command: "true".into(),
            plan: own.plan.clone(),
            reason: None,
        };
        let denied = bob.ask(&deny).await.map(drop).unwrap_err();
        assert_eq!(denied.code, Code::NotAnApprover.number());
        assert!(server.records("start").is_empty());
        assert_eq!(agree(&carol, asked.run).await, Ok(0));
        assert!(asked.ends().await.is_ok());
    });
    verifies(&server);
}

#[test]
fn one_denial_ends_it_and_tells_why() {
    let server = setup().start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let asked = Asked::by(&alice, invocation("true", &[])).await;
        let run = asked.run;
        let approve = agreement(&bob, run).await;
        let deny = |reason: &str| Deny {
            run: approve.run,
            command: "true".into(),
            plan: approve.plan.clone(),
            reason: Some(reason.into()),
        };
        let hostile = bob.ask(&deny("\u{1b}[2J")).await.map(drop).unwrap_err();
        assert_eq!(hostile.code, Code::Reason.number());
        bob.ask(&deny("not on a Friday")).await.unwrap();
        let (code, text) = asked.refused().await;
        assert_eq!(code, Code::ApprovalDenied);
        assert!(
            text.contains("`bob` has denied it: not on a Friday"),
            "{text}"
        );
        let late = bob.ask(&approve).await.map(drop).unwrap_err();
        assert_eq!(late.code, Code::NoSuchRun.number());
    });
    assert!(server.records("start").is_empty());
    verifies(&server);
}

#[test]
fn as_many_must_agree_as_are_needed_and_each_counts_once() {
    let server = Server::new()
        .command(Cmd::new("true", &["/bin/true"]).set("approval", "{ by = \"dba\", needed = 2 }"))
        .role("all", &["*"])
        .role("dba", &[])
        .user("alice", &["all"])
        .user("bob", &["dba"])
        .user("carol", &["dba"])
        .user("dave", &["dba"])
        .start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let carol = server.session("carol").await;
        let asked = Asked::by(&alice, invocation("true", &[])).await;
        assert_eq!(agree(&bob, asked.run).await, Ok(1));
        assert_eq!(agree(&bob, asked.run).await, Ok(1), "twice is once");
        assert!(server.records("start").is_empty());
        assert_eq!(agree(&carol, asked.run).await, Ok(0));
        assert!(asked.ends().await.is_ok());
    });
    verifies(&server);
}

#[test]
fn what_nobody_has_agreed_to_in_time_does_not_run() {
    let server = Server::new()
        .command(
            Cmd::new("true", &["/bin/true"])
                .set("approval", "{ by = \"dba\", asked_for = \"1s\" }"),
        )
        .role("all", &["*"])
        .role("dba", &[])
        .user("alice", &["all"])
        .user("bob", &["dba"])
        .user("carol", &["dba"])
        .start();
    block(async {
        let alice = server.session("alice").await;
        let asked = Asked::by(&alice, invocation("true", &[])).await;
        let (code, text) = asked.refused().await;
        assert_eq!(code, Code::NotApproved);
        assert!(text.contains("0 of 1"), "{text}");
    });
    assert!(server.records("start").is_empty());
}

#[test]
fn whoever_has_asked_can_withdraw_it() {
    let server = setup().start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let asked = Asked::by(&alice, invocation("true", &[])).await;
        let approve = agreement(&bob, asked.run).await;
        let run = Named::from(asked.run);
        alice.ask(&Cancel { run }).await.unwrap();
        assert_eq!(asked.refused().await.0, Code::QueueLeft);
        let late = bob.ask(&approve).await.map(drop).unwrap_err();
        assert_eq!(late.code, Code::NoSuchRun.number());
    });
    verifies(&server);
}

/// A script of which another content, or another interpreter, is not what was agreed to.
#[test]
fn what_would_be_executed_is_what_was_agreed_to() {
    let server = setup()
        .command(guarded(Cmd::new("tool", &["{folder}/tool"])))
        .file("tool", "#!/bin/sh\necho first\n", 0o755)
        .start();
    let tool = server.path("tool");
    let shell = server.path("shell");
    std::fs::copy("/bin/sh", &shell).unwrap();
    let script = |echo: &str| format!("#!{}\necho {echo}\n", shell.display());
    let by_write = |echo: &str| std::fs::write(&tool, script(echo)).unwrap();
    by_write("agreed");
    let by_rename = |path: &Path, content: &[u8]| {
        let new = server.path("new");
        std::fs::write(&new, content).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&new, path).unwrap();
    };
    let written = || by_write("other");
    let renamed = || by_rename(&tool, script("other").as_bytes());
    let interpreter = || {
        let mut other = std::fs::read("/bin/sh").unwrap();
        other.push(0);
        by_rename(&shell, &other);
    };
    let changes: [(&str, &dyn Fn()); 3] = [
        ("tool", &written),
        ("tool", &renamed),
        ("shell", &interpreter),
    ];
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let asked = Asked::by(&alice, invocation("tool", &[])).await;
        assert_eq!(shown(&bob, asked.run).await.unwrap().0.changed, None);
        assert_eq!(agree(&bob, asked.run).await, Ok(0));
        assert_eq!(asked.ends().await.unwrap().0, b"agreed\n");
        for (name, change) in changes {
            let asked = Asked::by(&alice, invocation("tool", &[])).await;
            assert_eq!(shown(&bob, asked.run).await.unwrap().1.files.len(), 2);
            change();
            assert_eq!(agree(&bob, asked.run).await, Ok(0));
            let (code, text) = asked.refused().await;
            assert_eq!(code, Code::Changed, "{text}");
            assert!(text.contains(&format!("/{name} is not the file")), "{text}");
            by_write("agreed");
        }
        // The interpreter is another one now, and said to be; the script is the same again.
        let asked = Asked::by(&alice, invocation("tool", &[])).await;
        let changed = shown(&bob, asked.run).await.unwrap().0.changed.unwrap();
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert!(changed[0].ends_with("/shell"), "{changed:?}");
    });
    verifies(&server);
}

/// What holds when somebody agrees must hold when it begins: here a lock is waited for in between.
#[test]
fn rights_rules_and_locks_are_judged_again_directly_before_the_start() {
    for (what, expected) in [
        ("lock", Code::Changed),
        ("demote", Code::Changed),
        ("rules", Code::Changed),
        ("nothing", Code::Internal),
    ] {
        let server = setup()
            .command(Cmd::new("holds", &["/bin/sleep", "1000"]).lock("one"))
            .command(guarded(Cmd::new("guarded", &["/bin/true"]).lock("one")))
            .user("erin", &["dba"])
            .start();
        block(async {
            let (alice, bob) = (server.session("alice").await, server.session("bob").await);
            let holds = alice.run(invocation("holds", &[])).await.unwrap();
            let asked = Asked::by(&alice, invocation("guarded", &[])).await;
            assert_eq!(agree(&bob, asked.run).await, Ok(0));
            let configured = std::fs::read_to_string(server.config()).unwrap();
            let changed = match what {
                "demote" => configured.replace(
                    "[users.bob]\nroles = [\"all\", \"dba\"]",
                    "[users.bob]\nroles = [\"all\"]",
                ),
                "rules" => configured.replace(
                    "lock = \"one\"\napproval",
                    "lock = \"one\"\ngrace = \"7s\"\napproval",
                ),
                _ => configured.clone(),
            };
            assert_eq!(
                changed != configured,
                ["demote", "rules"].contains(&what),
                "{configured}"
            );
            if what == "lock" {
                assert!(
                    server
                        .ordaind(&["lock", "bob", "--reason", "left"])
                        .status
                        .success()
                );
            } else {
                write(&server.config(), &changed, 0o600);
                let reloaded = server.ordaind(&["reload"]);
                assert!(reloaded.status.success(), "{}", stderr(&reloaded));
            }
            let run = Named::from(holds.id().unwrap());
            alice.ask(&Cancel { run }).await.unwrap();
            if expected == Code::Internal {
                assert!(asked.ends().await.is_ok(), "nothing has changed");
            } else {
                let (code, text) = asked.refused().await;
                assert_eq!(code, expected, "{what}: {text}");
            }
        });
        verifies(&server);
    }
}

#[test]
fn two_users_with_one_key_are_one_person() {
    let folder = tempfile::tempdir().unwrap();
    let key = common::keygen(folder.path(), "ed25519", "");
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let keys = format!(
        "password = \"{{hash}}\"\nssh_keys = [\"{}\"]",
        public.trim()
    );
    let server = Server::new()
        .command(guarded(Cmd::new("true", &["/bin/true"])))
        .role("all", &["*"])
        .role("dba", &[])
        .user_with("alice", &["all"], &keys)
        .user_with("alias", &["dba"], &keys)
        .user("carol", &["dba"])
        .start();
    block(async {
        let (alice, alias) = (server.session("alice").await, server.session("alias").await);
        let asked = Asked::by(&alice, invocation("true", &[])).await;
        assert_eq!(agree(&alias, asked.run).await, Err(Code::NotAnApprover));
    });
    assert!(server.records("start").is_empty());
}

#[test]
fn secrets_stand_in_the_plan_by_their_commitments() {
    let secret = Cmd::sh("uses", "echo $TOKEN", &[])
        .arg(
            "token",
            "type = \"string\", pattern = \"[a-z0-9]+\", max = 64, secret = true",
        )
        .environment("TOKEN", "{token}");
    let server = setup().command(guarded(secret)).start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let value = Value::Secret(ordain::secret::Secret::new("tellnobody7".into()));
        let asked = Asked::by(&alice, invocation("uses", &[("token", value)])).await;
        let (line, plan) = shown(&bob, asked.run).await.unwrap();
        assert!(!line.plan.contains("tellnobody7"));
        assert_eq!(plan.environment, ["TOKEN=***"]);
        let requests = server.records("request");
        let run = requests
            .iter()
            .find(|record| record["verb"] == "run")
            .unwrap();
        assert!(
            run["signed"]
                .as_str()
                .unwrap()
                .contains(&plan.secrets["token"])
        );
        assert_eq!(agree(&bob, asked.run).await, Ok(0));
        assert_eq!(asked.ends().await.unwrap().0, b"tellnobody7\n");
    });
    assert!(!server.trail_text().contains("tellnobody7"));
}

/// Asks, then leaves: the run begins by itself.
#[test]
fn a_run_that_was_left_begins_once_others_have_agreed() {
    let echo = Cmd::sh("later", "echo done", &[]).set("on_disconnect", "\"continue\"");
    let server = setup().command(guarded(echo)).start();
    let leave = || {
        let left = server.ordain(&["run", "--detach", "t", "later"]);
        assert!(left.status.success(), "{}", stderr(&left));
        let told = stderr(&left);
        assert!(
            told.contains("it begins by itself; it waits: 1 with the role `dba`"),
            "{told}"
        );
        stdout(&left).trim().parse::<RunId>().unwrap()
    };
    let (agreed, denied) = (leave(), leave());
    block(async {
        let bob = server.session("bob").await;
        let (_, plan) = shown(&bob, agreed).await.unwrap();
        assert!(plan.unattended);
        let deny = Deny {
            run: Named::from(denied),
            command: "later".into(),
            plan: sha256(&shown(&bob, denied).await.unwrap().0.plan),
            reason: None,
        };
        bob.ask(&deny).await.unwrap();
        assert!(server.records("start").is_empty());
        assert_eq!(agree(&bob, agreed).await, Ok(0));
    });
    let output = server.ordain(&["attach", "t", &agreed.to_string()]);
    assert_eq!(stdout(&output), "done\n", "{}", stderr(&output));
    server.wait_for_records("end", 2);
    let ends = server.records("end");
    let how = |run: RunId| {
        let mut ends = ends.iter();
        let end = ends.find(|end| end["run"] == run.to_string().as_str());
        end.unwrap()["reason"].clone()
    };
    assert_eq!(
        (how(agreed), how(denied)),
        ("exit".into(), "not-started".into())
    );
    assert_eq!(server.records("start").len(), 1);
    verifies(&server);
}

/// A command that ends with its client does not begin without one, whatever a client asks for.
#[test]
fn a_command_that_ends_with_its_client_does_not_begin_without_one() {
    let server = setup().start();
    block(async {
        let alice = server.session("alice").await;
        let asked = Invocation {
            unattended: true,
            ..invocation("true", &[])
        };
        let error = alice.run(asked).await.map(drop).unwrap_err();
        assert_eq!(error.code, Code::Argument.number(), "{}", error.text);
    });
    assert!(server.records("start").is_empty());
}

#[test]
fn many_that_wait_are_their_users_own_concern() {
    let server = setup().table("limits", "runs_per_user = 2").start();
    block(async {
        let (alice, dave) = (server.session("alice").await, server.session("dave").await);
        let bob = server.session("bob").await;
        let one = Asked::by(&alice, invocation("true", &[])).await;
        let two = Asked::by(&alice, invocation("true", &[])).await;
        let third = alice
            .run(invocation("true", &[]))
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(third.code, Code::OverLimit.number());
        let other = Asked::by(&dave, invocation("true", &[])).await;
        for asked in [other, two, one] {
            assert_eq!(agree(&bob, asked.run).await, Ok(0));
            assert!(asked.ends().await.is_ok());
        }
    });
}

/// A plan is as long as it may be read by everybody whom it concerns, and no longer.
#[test]
fn a_plan_has_a_bound_and_the_trail_holds_the_longest() {
    let echo = Cmd::new("echo", &["/bin/echo"]).string("word", ".*", 8_000);
    let echo = (0..8).fold(echo, |echo, _| echo.word("{word}"));
    let server = setup().command(guarded(echo)).start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let word = "\u{e9}".repeat(1_500);
        let asked = Asked::by(&alice, invocation("echo", &[("word", text(&word))])).await;
        assert_eq!(shown(&bob, asked.run).await.unwrap().1.argv[1], word);
        assert_eq!(agree(&bob, asked.run).await, Ok(0));
        assert!(asked.ends().await.is_ok());
        let quotes = "\"".repeat(2_500);
        let longer = alice.run(invocation("echo", &[("word", text(&quotes))]));
        let longer = longer.await.map(drop).unwrap_err();
        assert_eq!(longer.code, Code::Argument.number(), "{longer}");
    });
    verifies(&server);
}

#[test]
fn the_room_tells_whoever_may_see_it_that_a_run_waits_and_who_decides() {
    use ordain::verb::Room;
    let server = setup()
        .role_with("sees", &[], "verbs = [\"room\", \"runs-of-others\"]")
        .role_with("talks", &[], "verbs = [\"room\"]")
        .user("erin", &["dba", "sees"])
        .user("frank", &["talks"])
        .start();
    block(async {
        let alice = server.session("alice").await;
        let (erin, frank) = (server.session("erin").await, server.session("frank").await);
        let since = erin.ask(&Room::default()).await.unwrap().upto;
        let asked = Asked::by(&alice, invocation("true", &[])).await;
        let run = asked.run.to_string();
        assert_eq!(agree(&erin, asked.run).await, Ok(0));
        assert!(asked.ends().await.is_ok());
        let told = async |session: &Session| {
            let room = Room {
                since: Some(since),
                follow: false,
            };
            let events = session.ask(&room).await.unwrap().events;
            let about = events.into_iter().filter(|event| event.run == run);
            about
                .map(|event| (event.kind, event.user))
                .collect::<Vec<_>>()
        };
        let all = told(&erin).await;
        for (kind, user) in [("approval", "alice"), ("approve", "erin")] {
            assert!(all.contains(&(kind.into(), user.into())), "{all:?}");
        }
        assert!(told(&frank).await.is_empty());
    });
}

/// The way of somebody who has nothing but the client.
#[test]
fn it_is_all_done_with_the_client_and_hostile_words_show_themselves() {
    let server = setup()
        .command(guarded(
            Cmd::new("echo", &["/bin/echo", "{word}"]).string("word", "(?s).*", 200),
        ))
        .start();
    block(async {
        let alice = server.session("alice").await;
        let word = "a\u{200b}b\u{e9}'\"";
        let asked = Asked::by(&alice, invocation("echo", &[("word", text(word))])).await;
        let run = asked.run.to_string();
        let client = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let mut client = server.client();
            tokio::task::spawn_blocking(move || client.args(words).output().unwrap())
        };
        let listed = client(&["approvals", "bob@t"]).await.unwrap();
        let listed = stdout(&listed);
        assert!(
            listed.contains(&run) && listed.contains("alice"),
            "{listed}"
        );
        assert!(listed.contains(r#""a\u{200b}bé'\"""#), "{listed}");
        let whole = stdout(&client(&["approvals", "bob@t", &run]).await.unwrap());
        assert!(
            whole.contains("/bin/echo") && whole.contains("sha256"),
            "{whole}"
        );
        assert!(!whole.contains('\u{200b}'), "{whole}");

        let described = stdout(&client(&["describe", "t", "echo"]).await.unwrap());
        let rule = "begins when 1 with the role dba have agreed";
        assert!(described.contains(rule), "{described}");
        let explained = stdout(&client(&["explain", "t", "echo", "x"]).await.unwrap());
        let rule = "waits until 1 with the role `dba` have agreed";
        assert!(explained.contains(rule), "{explained}");

        let nobody = client(&["approve", "bob@t", &run]).await.unwrap();
        assert!(stderr(&nobody).contains("code 604"), "{}", stderr(&nobody));
        let own = client(&["approve", "--yes", "t", &run]).await.unwrap();
        assert!(stderr(&own).contains("code 400"), "{}", stderr(&own));
        let agreed = client(&["approve", "--yes", "bob@t", &run]).await.unwrap();
        assert_eq!(stdout(&agreed), "agreed\n", "{}", stderr(&agreed));
        let (out, _, _) = asked.ends().await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{word}\n"));

        let asked = Asked::by(&alice, invocation("echo", &[("word", text("x"))])).await;
        let run = asked.run.to_string();
        let denied = client(&["deny", "--reason", "no", "bob@t", &run])
            .await
            .unwrap();
        assert!(denied.status.success(), "{}", stderr(&denied));
        assert_eq!(asked.refused().await.0, Code::ApprovalDenied);
    });
    verifies(&server);
}

#[test]
fn no_plan_waits_behind_a_restart() {
    let mut server = setup().start();
    block(async {
        let alice = server.session("alice").await;
        Asked::by(&alice, invocation("true", &[])).await
    })
    .ends
    .abort();
    server.stop_and_start(&[]);
    block(async {
        let bob = server.session("bob").await;
        let list = bob.ask(&Approvals {}).await.unwrap();
        assert!(list.approvals.is_empty());
    });
    assert!(server.records("start").is_empty());
    verifies(&server);
}
