//! What a session is told unasked: who runs what, as it happens, to whoever may know.

mod common;

use common::{Cmd, Server, block, invocation, wait};
use ordain::client::{ClientError, Following, Session};
use ordain::protocol::{Code, Event};
use ordain::verb::{Cancel, RunLine, RunList, Runs};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

fn server() -> Server {
    Server::new()
        .command(Cmd::new("true", &["/bin/true"]))
        .command(Cmd::new("sleep", &["/bin/sleep", "1000"]))
        .command(
            Cmd::new("locked", &["/bin/sleep", "1000"])
                .lock("only")
                .set("queue", "2"),
        )
        .command(Cmd::new("missing", &["{folder}/gone"]))
        .role("all", &["true", "sleep", "locked", "missing"])
        .role_with("lead", &["true"], "verbs = [\"runs-of-others\"]")
        .user("alice", &["all"])
        .user("bob", &["all"])
        .user("lead", &["lead"])
        .start()
}

async fn follow(session: &Session) -> Following<Runs> {
    session.follow(&Runs { follow: true }).await.unwrap()
}

async fn next(following: &mut Following<Runs>) -> Result<Event<RunList>, ClientError> {
    tokio::time::timeout(Duration::from_secs(20), following.next())
        .await
        .expect("nothing was told")
}

/// The next change, of exactly one run.
async fn change(following: &mut Following<Runs>) -> (u64, RunLine) {
    let event = next(following).await.unwrap();
    assert_eq!(event.missed, 0);
    let mut runs = event.what.unwrap().runs;
    assert_eq!(runs.len(), 1, "{runs:?}");
    (event.id, runs.remove(0))
}

#[test]
fn a_follower_is_told_of_every_change_in_order_and_by_the_trails_numbers() {
    let server = server();
    block(async {
        let (lead, alice) = (server.session("lead").await, server.session("alice").await);
        let earlier = alice.run(invocation("sleep", &[])).await.unwrap();
        let mut following = follow(&lead).await;
        let begin = next(&mut following).await.unwrap();
        let listed = begin.what.unwrap().runs;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].run, earlier.id().unwrap().to_string());

        let (_, _, ended) = alice
            .run(invocation("true", &[]))
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        let (begun, first) = change(&mut following).await;
        assert_eq!((first.command.as_str(), first.ended), ("true", None));
        let (over, last) = change(&mut following).await;
        assert_eq!(
            (last.ended.as_deref(), last.number),
            (Some("exit"), Some(0))
        );
        assert_eq!(last.run, ended.run);
        assert!(
            begin.id < begun && begun < over,
            "{} {begun} {over}",
            begin.id
        );

        // The numbers are those of the records that say the same.
        let record = |number: u64| {
            let trail = server.trail();
            trail
                .into_iter()
                .find(|record| record["seq"] == number)
                .unwrap()
        };
        assert_eq!(
            (&record(begun)["kind"], &record(begun)["run"]),
            (&"start".into(), &ended.run.into())
        );
        assert_eq!(record(over)["kind"], "end");
    });
}

#[test]
fn waiting_and_not_starting_are_told_too() {
    let server = server();
    block(async {
        let alice = server.session("alice").await;
        let mut following = follow(&alice).await;
        assert!(
            next(&mut following)
                .await
                .unwrap()
                .what
                .unwrap()
                .runs
                .is_empty()
        );

        let holder = alice.run(invocation("locked", &[])).await.unwrap();
        assert!(!change(&mut following).await.1.waiting);
        let (other, command) = (alice.clone(), invocation("locked", &[]));
        let waiting = tokio::spawn(async move { other.run(command).await.map(drop) });
        let (_, queued) = change(&mut following).await;
        assert!(queued.waiting, "{queued:?}");
        let run = ordain::ids::Named(queued.run.parse().ok());
        alice.ask(&Cancel { run }).await.unwrap();
        let (_, gone) = change(&mut following).await;
        assert_eq!(
            (gone.run, gone.ended.as_deref()),
            (queued.run, Some("not-started"))
        );
        assert!(waiting.await.unwrap().is_err());
        drop(holder);
        assert_eq!(
            change(&mut following).await.1.ended.as_deref(),
            Some("disconnected")
        );

        let missing = alice.run(invocation("missing", &[])).await;
        assert!(missing.is_err());
        assert_eq!(
            change(&mut following).await.1.ended.as_deref(),
            Some("not-started")
        );
    });
}

#[test]
fn nobody_is_told_of_what_they_could_not_ask_for() {
    let server = server();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let mut following = follow(&bob).await;
        next(&mut following).await.unwrap();
        for name in ["alice", "bob"] {
            let session = if name == "alice" { &alice } else { &bob };
            let run = session.run(invocation("true", &[])).await.unwrap();
            run.collect().await.unwrap();
        }
        // Alice's run was first, and is not here.
        assert_eq!(change(&mut following).await.1.user, "bob");
        assert_eq!(change(&mut following).await.1.user, "bob");
    });
}

#[test]
fn whoever_is_locked_is_told_nothing_more() {
    let server = server();
    block(async {
        let lead = server.session("lead").await;
        let mut following = follow(&lead).await;
        next(&mut following).await.unwrap();
        assert!(server.ordaind(&["lock", "lead"]).status.success());
        let error = next(&mut following).await.unwrap_err();
        assert!(error.is(Code::Revoked), "{error}");
    });
}

#[test]
fn the_client_shows_changes_as_they_come_to_people_and_programs() {
    let server = server();
    for json in [false, true] {
        let mut client = server.client();
        let words: &[&str] = if json { &["--json"] } else { &[] };
        let mut client = client
            .args(words)
            .args(["runs", "t", "--follow"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
        if json {
            // The list at the beginning, which tells that nothing is missed from here on.
            assert!(lines.next().unwrap().unwrap().starts_with("{\"id\":"));
        } else {
            wait("the follower", || {
                server.trail().iter().any(|record| record["verb"] == "runs")
            });
        }
        assert!(
            server
                .client()
                .args(["run", "t", "true"])
                .status()
                .unwrap()
                .success()
        );
        let mut seen = lines
            .by_ref()
            .map(Result::unwrap)
            .filter(|line| line.contains("true"));
        let (begun, ended) = (seen.next().unwrap(), seen.next().unwrap());
        if json {
            let event: serde_json::Value = serde_json::from_str(&ended).unwrap();
            assert_eq!(event["what"]["runs"][0]["ended"], "exit", "{event}");
        } else {
            assert!(
                begun.contains("  alice  true ") && begun.contains("  goes on"),
                "{begun}"
            );
            assert!(
                ended.contains("  alice  true ") && ended.contains("  exit 0"),
                "{ended}"
            );
        }
        client.kill().unwrap();
        client.wait().unwrap();
    }
}

#[test]
fn a_stream_that_is_given_up_is_told_nothing_more() {
    let server = server();
    block(async {
        let alice = server.session("alice").await;
        for _ in 0..200 {
            // More than a connection may have streams: each gives its place back.
            let mut following = follow(&alice).await;
            next(&mut following).await.unwrap();
        }
        let run = alice.run(invocation("true", &[])).await.unwrap();
        run.collect().await.unwrap();
    });
}
