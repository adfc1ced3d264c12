//! Users change their own password: what ends and what stays, what a wrong one costs, and that no
//! password of before comes back.

mod common;

use common::{
    Cmd, PASSWORD, Server, Setup, block, hash, invocation, stderr, stdout, typed, wait, write,
};
use ordain::client::{ClientError, Session};
use ordain::protocol::Code;
use ordain::secret::Secret;
use ordain::verb::{Arguments, List, Passwd, PasswordChanged, Value};
use std::process::Output;

const NEW: &str = "a new password of mine";
const NEWER: &str = "yet another password";

fn setup() -> Setup {
    Server::new()
        .command(Cmd::new("true", &["/bin/true"]))
        .command(
            Cmd::new("sleep", &["/bin/sleep", "1000"])
                .goes_on()
                .grace("100ms"),
        )
        .role("all", &["*"])
        .user("alice", &["all"])
        .user("bob", &["all"])
}

fn server() -> Server {
    setup().table("login", "self_service = true").start()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

async fn change(session: &Session, old: &str, new: &str) -> Result<PasswordChanged, ClientError> {
    session
        .ask(&Passwd::from_to(secret(old), secret(new)))
        .await
}

async fn refused(session: &Session, old: &str, new: &str) -> ClientError {
    change(session, old, new).await.err().unwrap()
}

async fn lets_in(server: &Server, password: &str) -> bool {
    match server.try_session("alice", password).await {
        Ok(_) => true,
        Err(error) => {
            assert!(error.is(Code::LoginRefused), "{error}");
            false
        }
    }
}

fn states(server: &Server) -> Vec<String> {
    let records = server.records("password").into_iter();
    let state = |record: serde_json::Value| {
        assert_eq!(record["user"], "alice");
        record["state"].as_str().unwrap().to_owned()
    };
    records.map(state).collect()
}

fn reload(server: &Server, from: &str, to: &str) {
    let text = std::fs::read_to_string(server.config()).unwrap();
    assert!(text.contains(from), "{from}");
    write(&server.config(), &text.replacen(from, to, 1), 0o600);
    let output = server.ordaind(&["reload"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// The line of alice's password in the configuration.
fn configured(server: &Server) -> String {
    let text = std::fs::read_to_string(server.config()).unwrap();
    let alice = text.split("[users.alice]").nth(1).unwrap();
    let mut lines = alice.lines();
    lines
        .find(|line| line.starts_with("password"))
        .unwrap()
        .to_owned()
}

#[test]
fn a_new_password_holds_everywhere_and_ends_all_that_the_old_one_had_begun() {
    let mut server = server();
    block(async {
        let alice = server.session("alice").await;
        let other = server.session("alice").await;
        let own = alice.run(invocation("sleep", &[])).await.unwrap();
        let others = other.run(invocation("sleep", &[])).await.unwrap();
        let bob = server.session("bob").await;

        assert_eq!(
            change(&alice, PASSWORD, NEW).await.unwrap().ended_sessions,
            1
        );
        assert!(other.ask(&List {}).await.err().unwrap().is(Code::Revoked));
        assert!(!lets_in(&server, PASSWORD).await);
        assert!(lets_in(&server, NEW).await);
        // The session that has asked stays, and so does what it runs.
        wait("the end of the other run", || {
            server.records("end").len() == 1
        });
        assert_eq!(server.records("end")[0]["reason"], "revoked");
        alice.run(invocation("true", &[])).await.unwrap();
        alice.ask(&List {}).await.unwrap();
        bob.ask(&List {}).await.unwrap();

        // A reload that changes nothing takes nothing.
        let output = server.ordaind(&["reload"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        alice.ask(&List {}).await.unwrap();
        assert_eq!(change(&alice, NEW, NEWER).await.unwrap().ended_sessions, 0);
        alice.ask(&List {}).await.unwrap();
        drop((own, others));
    });
    server.restart();
    block(async {
        assert!(!lets_in(&server, PASSWORD).await && !lets_in(&server, NEW).await);
        assert!(lets_in(&server, NEWER).await);
    });
    assert_eq!(states(&server), ["changed", "changed"]);

    // Neither a password nor a hash is anywhere but in the vault.
    let vault = std::fs::read_to_string(server.path("state/vault.json")).unwrap();
    let vault: serde_json::Value = serde_json::from_str(&vault).unwrap();
    let chosen = vault["passwords"]["alice"]["hash"].as_str().unwrap();
    let mut said = server.trail_text();
    while let Some(line) = server.log.next_now() {
        said += &line;
    }
    for secret in [PASSWORD, NEW, NEWER, chosen, "argon2"] {
        assert!(!said.contains(secret), "{secret}");
    }
    let shown = stdout(&server.ordaind(&["user", "show", "alice"]));
    assert!(
        shown.contains("password: another than the file's, chosen by the user"),
        "{shown}"
    );
}

#[test]
fn an_administrator_who_sets_another_password_goes_before_the_user() {
    let server = server();
    let (old, of_admin) = (configured(&server), format!("password = \"{}\"", hash()));
    block(async {
        let alice = server.session("alice").await;
        change(&alice, PASSWORD, NEW).await.unwrap();
        assert!(!lets_in(&server, PASSWORD).await);

        // The same password, by a hash with another salt.
        reload(&server, &old, &of_admin);
        assert!(alice.ask(&List {}).await.err().unwrap().is(Code::Revoked));
        assert!(!lets_in(&server, NEW).await);
        assert!(lets_in(&server, PASSWORD).await);
        // What the user had chosen does not come back with the line of before.
        reload(&server, &of_admin, &old);
        assert!(!lets_in(&server, NEW).await);
        assert!(lets_in(&server, PASSWORD).await);
    });
    assert_eq!(states(&server), ["changed", "replaced"]);
}

#[test]
fn what_cannot_be_a_new_password_is_told_and_costs_nothing() {
    let server = server();
    block(async {
        let alice = server.session("alice").await;
        let long = "x".repeat(1025);
        for (old, new, text) in [
            (
                PASSWORD,
                "eleven char",
                "a new password has 12 characters at the least",
            ),
            (
                PASSWORD,
                "",
                "a new password has 12 characters at the least",
            ),
            (PASSWORD, &long, "a password has 1024 bytes at the most"),
            (PASSWORD, PASSWORD, "the new password is the old one"),
        ] {
            let error = refused(&alice, old, new).await;
            assert_eq!((error.code, error.text.as_str()), (401, text));
            assert_eq!(error.argument.as_deref(), Some("new"));
        }

        // A client that sends them in the clear, or something else, leaves nothing of it in the trail.
        let clear = |name: &str, text: &str| (name.to_owned(), Value::Text(text.into()));
        let both = vec![clear("old", PASSWORD), clear("new", NEW)];
        let one = vec![("new".to_owned(), Value::Secret(secret(NEW)))];
        let mut three: Vec<(String, Value)> = both
            .iter()
            .map(|(name, _)| (name.clone(), Value::Secret(secret(NEW))))
            .collect();
        three.push(clear("user", "bob"));
        for passwords in [both, one, three, vec![]] {
            let passwords = Arguments::from(passwords);
            let error = alice.ask(&Passwd { passwords }).await.err().unwrap();
            assert!(error.is(Code::Argument), "{error}");
        }
        assert!(lets_in(&server, PASSWORD).await);
    });
    let said = server.trail_text();
    assert!(!said.contains(PASSWORD) && !said.contains(NEW), "{said}");
    assert!(states(&server).is_empty());
}

#[test]
fn nobody_changes_a_password_where_that_is_not_allowed_or_there_is_none() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea x";
    let server = setup()
        .user_with("keyed", &["all"], &format!("ssh_keys = [\"{key}\"]"))
        .start();
    block(async {
        let alice = server.session("alice").await;
        let error = refused(&alice, PASSWORD, NEW).await;
        assert!(error.is(Code::NotPermitted), "{error}");
        assert_eq!(error.rule.as_deref(), Some("login.self_service"));

        let with = "[login]\nself_service = true\n[defaults]";
        reload(&server, "[defaults]", with);
        change(&alice, PASSWORD, NEW).await.unwrap();
        // What was chosen stays when nobody may choose any more.
        reload(&server, with, "[defaults]");
        assert!(refused(&alice, NEW, NEWER).await.is(Code::NotPermitted));
        assert!(lets_in(&server, NEW).await);
    });
}

/// Somebody at a terminal that was left alone guesses the old password.
#[test]
fn a_wrong_old_password_costs_what_a_failed_login_costs() {
    let server = setup()
        .table("login", "self_service = true")
        .penalties("login = \"100s\"\nfloor = \"150s\"\ncap = \"20m\"\nuser_floor = \"10m\"")
        .start();
    block(async {
        let alice = server.session("alice").await;
        for _ in 0..2 {
            let error = refused(&alice, "a wrong password", NEW).await;
            assert!(error.is(Code::LoginRefused), "{error}");
            assert_eq!(error.text, "the old password was refused");
        }
        // The source is closed out: the right one looks like a wrong one too.
        let error = refused(&alice, PASSWORD, NEW).await;
        assert_eq!(error.text, "the old password was refused");
        alice.ask(&List {}).await.unwrap();
        assert!(server.try_session("bob", PASSWORD).await.is_err());
    });
    let owed = stdout(&server.ordaind(&["penalties"]));
    assert!(owed.contains("127.0.0.1"), "{owed}");
    let records = server.records("password");
    let told = |key: &str| -> Vec<String> {
        let text = |record: &serde_json::Value| record[key].as_str().unwrap().to_owned();
        records.iter().map(text).collect()
    };
    assert_eq!(told("state"), ["refused"; 3]);
    assert_eq!(
        told("reason"),
        [
            "wrong password",
            "wrong password",
            "too many failures from there"
        ]
    );
}

/// A session is its own user's, and many requests at once are no more than one.
#[test]
fn a_flood_of_changes_changes_once_and_keeps_nobody_else_out() {
    let server = server();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let mut all = Vec::new();
        for number in 0..60 {
            let alice = alice.clone();
            let new = format!("{NEW} {number}");
            all.push(async move { change(&alice, PASSWORD, &new).await });
        }
        let local = tokio::task::LocalSet::new();
        let changed = local
            .run_until(async {
                let tasks: Vec<_> = all.into_iter().map(tokio::task::spawn_local).collect();
                let entered = server.session("bob").await;
                bob.ask(&List {}).await.unwrap();
                entered.ask(&List {}).await.unwrap();
                let mut changed = 0;
                for task in tasks {
                    match task.await.unwrap() {
                        Ok(_) => changed += 1,
                        Err(error) => assert!(
                            error.is(Code::LoginBusy) || error.is(Code::LoginRefused),
                            "{error}"
                        ),
                    }
                }
                changed
            })
            .await;
        assert_eq!(changed, 1);
        assert!(!lets_in(&server, PASSWORD).await);
        // Bob's proof changes nothing of alice's.
        change(&bob, PASSWORD, NEWER).await.unwrap();
        assert!(!lets_in(&server, NEWER).await);
    });
}

/// The vault's files, as a backup has them.
fn backup(server: &Server) -> Vec<Vec<u8>> {
    let read = |name| std::fs::read(server.path(&format!("state/vault.{name}"))).unwrap();
    ["json", "seal"].map(read).into()
}

fn put_back(server: &Server, files: &[Vec<u8>]) {
    for (name, bytes) in ["json", "seal"].iter().zip(files) {
        std::fs::write(server.path(&format!("state/vault.{name}")), bytes).unwrap();
    }
}

#[test]
fn no_password_of_before_comes_back_with_a_vault_out_of_a_backup_or_without_one() {
    let mut server = server();
    let first = block(async {
        let alice = server.session("alice").await;
        change(&alice, PASSWORD, NEW).await.unwrap();
        let first = backup(&server);
        change(&alice, NEW, NEWER).await.unwrap();
        first
    });

    for gone in [false, true] {
        if gone {
            std::fs::remove_file(server.path("state/vault.json")).unwrap();
        } else {
            put_back(&server, &first);
        }
        server.restart();
        let locks = stdout(&server.ordaind(&["lock"]));
        let why = "the password that they had chosen is gone with the vault";
        assert!(locks.contains("alice") && locks.contains(why), "{locks}");
        let unlocked = server.ordaind(&["unlock", "alice"]);
        assert_eq!(unlocked.status.code(), Some(0), "{}", stderr(&unlocked));
        // Also an administrator who reads no further lets nobody in by what is known from before.
        block(async {
            for password in [PASSWORD, NEW, NEWER] {
                assert!(!lets_in(&server, password).await, "{password}");
            }
        });
    }

    write(&server.path("hash"), &hash(), 0o600);
    let file = server.path("hash").display().to_string();
    let set = server.ordaind(&["user", "set", "alice", "--password-hash", &file]);
    assert_eq!(set.status.code(), Some(0), "{}", stderr(&set));
    assert!(block(lets_in(&server, PASSWORD)));
    assert_eq!(states(&server), ["changed", "changed", "replaced"]);
}

#[test]
fn a_password_that_cannot_be_kept_is_none() {
    let server = server();
    block(async {
        let alice = server.session("alice").await;
        // No file takes the place of a folder. That somebody has logged in may be written just now.
        wait("a folder in the place of the vault", || {
            let _ = std::fs::remove_file(server.path("state/vault.json"));
            std::fs::create_dir(server.path("state/vault.json")).is_ok()
        });
        let error = refused(&alice, PASSWORD, NEW).await;
        assert!(error.is(Code::Internal), "{error}");
        alice.ask(&List {}).await.unwrap();
        assert!(!lets_in(&server, NEW).await);
        assert!(lets_in(&server, PASSWORD).await);
        std::fs::remove_dir(server.path("state/vault.json")).unwrap();
        change(&alice, PASSWORD, NEW).await.unwrap();
    });
    assert_eq!(states(&server), ["refused", "changed"]);
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), stdout(output), stderr(output))
}

#[test]
fn the_client_takes_both_from_files() {
    let server = server();
    let file = |name: &str| server.path(name).display().to_string();
    write(&server.path("new"), &format!("{NEW}\n"), 0o600);
    assert_eq!(server.ordain(&["login", "t"]).status.code(), Some(0));
    let new = file("new");
    let words = ["passwd", "t", "--new-password-file", &new];
    let (status, out, err) = said(&server.ordain(&words));
    assert_eq!(status, Some(0), "{err}");
    assert!(
        out.starts_with("the password of alice at t is changed; "),
        "{out}"
    );
    assert!(err.contains("the login that was kept has ended"), "{err}");
    assert!(err.contains("still holds the old password"), "{err}");
    assert_eq!(server.records("kept-ended").len(), 1);

    let (status, _, err) = said(&server.ordain(&["whoami", "t"]));
    assert_eq!(status, Some(255), "{err}");
    let login = server.ordain(&["whoami", "t", "--password-file", &new]);
    assert_eq!(login.status.code(), Some(0), "{}", stderr(&login));
    write(&server.path("newer"), NEWER, 0o600);
    let newer = file("newer");
    let words = [
        "--json",
        "--password-file",
        &new,
        "passwd",
        "t",
        "--new-password-file",
        &newer,
    ];
    let (status, out, err) = said(&server.ordain(&words));
    assert_eq!(
        (status, out.trim()),
        (Some(0), "{\"ended_sessions\":0}"),
        "{err}"
    );

    let words = ["--password-stdin", "passwd", "t"];
    let (status, _, err) = said(&server.ordain(&words));
    assert_eq!(status, Some(255));
    assert!(err.contains("use --password-file"), "{err}");
}

#[test]
fn on_a_terminal_old_and_new_are_asked_for_and_typed_twice() {
    let server = server();
    server.bare();
    let line = [
        "env",
        &format!("HOME={}", server.path("home").display()),
        env!("CARGO_BIN_EXE_ordain"),
        "--config",
        &server.path("bare.toml").display().to_string(),
        "--user",
        "alice",
        "passwd",
        "t",
    ]
    .map(str::to_owned);
    let (done, shown) = typed(&line, &[PASSWORD, PASSWORD, NEW, NEWER]);
    assert!(
        !done && shown.contains("the two new passwords differ; nothing was changed"),
        "{shown}"
    );
    let (done, shown) = typed(&line, &[PASSWORD, PASSWORD, NEW, NEW]);
    assert!(done, "{shown}");
    for prompt in [
        "ordain: t: password of alice: ",
        "ordain: t: old password of alice: ",
        "ordain: t: new password of alice: ",
        "ordain: t: new password again of alice: ",
    ] {
        assert!(shown.contains(prompt), "{prompt}: {shown}");
    }
    assert!(block(lets_in(&server, NEW)));
}
