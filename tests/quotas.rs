//! The ledger's rows: one user at their limit is refused by its name, and another's work goes on.

mod common;

use common::{Cmd, Server, Setup, alive, block, invocation, ran, wait};
use ordain::client::{ClientError, Session};
use ordain::ids::RunId;
use ordain::verb::{Attach, Cancel, Runs, Whoami};
use serde_json::Value;
use std::collections::HashSet;
use std::process::Command;
use std::sync::Arc;

/// Two users who may do the same, under these limits.
fn two(limits: &str) -> Setup {
    Server::new()
        .table("limits", limits)
        .common(&["true", "sleep", "flood", "goes-on"])
        .alice()
        .user("bob", &["all"])
}

/// To follow a run from its first byte on.
fn follows(run: RunId) -> Attach {
    Attach {
        run: run.into(),
        stdout: None,
        stderr: None,
        follow: true,
        resume: false,
    }
}

/// Refused because of this limit, which the sentence names; the other user's work goes on.
async fn at_the_limit(error: ClientError, limit: &str, other: &Session) {
    assert_eq!(error.code, 510, "{error}");
    assert!(error.text.contains(limit), "{error}");
    let (_, _, ended) = ran(other, "true").await;
    assert_eq!(ended.number, Some(0));
}

/// What `status` says of limits that are nearly reached: the limit, whose it is, used and most.
fn near(server: &Server) -> Vec<(String, String, u64, u64)> {
    let status = server.ordaind(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let line = |near: &Value| {
        let text = |key: &str| near[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| near[key].as_u64().unwrap();
        (text("limit"), text("user"), number("used"), number("most"))
    };
    status["limits_near"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

#[test]
fn sessions() {
    let server = two("sessions_per_user = 3").start();
    block(async {
        let bob = server.session("bob").await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(server.session("alice").await);
        }
        let refused = server.try_session("alice", common::PASSWORD).await;
        let refused = refused.map(drop).unwrap_err();
        at_the_limit(refused, "sessions_per_user", &bob).await;
        let at = ("limits.sessions_per_user".into(), "alice".into(), 3, 3);
        assert!(near(&server).contains(&at), "{:?}", near(&server));

        // What is given back can be taken again.
        drop(held.pop());
        while let Err(refused) = server.try_session("alice", common::PASSWORD).await {
            assert_eq!(refused.code, 510, "{refused}");
        }
    });
}

#[test]
fn runs() {
    let server = two("runs_per_user = 4").start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(alice.run(invocation("sleep", &[])).await.unwrap());
        }
        let refused = alice.run(invocation("sleep", &[])).await.err().unwrap();
        at_the_limit(refused, "limits.runs_per_user", &bob).await;
    });
    let record = server
        .records("request")
        .into_iter()
        .find(|record| record["code"] == 510);
    let record = record.unwrap();
    assert_eq!(record["rule"], "limits.runs_per_user");
    assert!(record["signed"].is_string());
}

/// Streams that follow runs which have ended hold a descriptor each: 308 connections of one user
/// killed the frontend.
#[test]
fn streams_that_follow() {
    let server = two("follows_per_user = 5").start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let run = alice.run(invocation("flood", &[])).await.unwrap();
        let id = run.id().unwrap();
        let mut held = Vec::new();
        for _ in 0..4 {
            let attach = follows(id);
            held.push(alice.attach(attach).await.unwrap());
        }
        let mut following = alice.follow(&Runs { follow: true }).await.unwrap();
        following.next().await.unwrap();
        let attach = follows(id);
        let refused = alice.attach(attach).await.err().unwrap();
        at_the_limit(refused, "limits.follows_per_user", &bob).await;
        let refused = alice.follow(&Runs { follow: true }).await;
        let refused = match refused {
            Ok(mut following) => following.next().await.unwrap_err(),
            Err(refused) => refused,
        };
        at_the_limit(refused, "limits.follows_per_user", &bob).await;

        // One that has had enough makes room, and so does one whose run has ended.
        drop(held.pop());
        let again = loop {
            match alice.attach(attach).await {
                Ok(again) => break again,
                Err(error) => assert_eq!(error.code, 510, "{error}"),
            }
        };
        drop((again, held, following));
    });
}

/// A stream whose run is over is given back when its last byte is told, not when the connection ends.
#[test]
fn what_was_followed_to_its_end_is_given_back() {
    let server = two("follows_per_user = 2").start();
    block(async {
        let alice = server.session("alice").await;
        let run = alice.run(invocation("true", &[])).await.unwrap();
        let id = run.id().unwrap();
        run.collect().await.unwrap();
        for _ in 0..20 {
            let whole = alice.attach(follows(id)).await;
            let mut whole = whole.err();
            while let Some(refused) = whole.take() {
                assert_eq!(refused.code, 510, "{refused}");
                let again = alice.attach(follows(id)).await;
                match again {
                    Ok(run) => drop(run.collect().await.unwrap()),
                    Err(refused) => whole = Some(refused),
                }
            }
        }
    });
}

/// The deciding thread takes users in turn: whoever asks much waits behind themselves, and what
/// waits beyond their share is refused.
#[test]
fn requests_that_wait_and_the_time_of_the_deciding_thread() {
    // Each decision takes two seconds, so that what comes meanwhile has to wait.
    let server = two("requests_per_user = 3")
        .env("ORDAIN_FAULT", "monitor-asked:slow")
        .start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let whoami = Whoami {};
        let ask = async || {
            let asked = [&whoami; 6].map(|verb| alice.ask(verb));
            let [one, two, three, four, five, six] = asked;
            let (one, two, three, four, five, six) = tokio::join!(one, two, three, four, five, six);
            [one, two, three, four, five, six]
        };
        let other = async {
            // Alice's first is being decided by now, or another of hers is before it.
            let began = std::time::Instant::now();
            bob.ask(&whoami).await.unwrap();
            began.elapsed()
        };
        let (answers, waited) = tokio::join!(ask(), other);
        let refused: Vec<_> = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .collect();
        assert!((2..=3).contains(&refused.len()), "{refused:?}");
        for error in refused {
            assert_eq!(error.code, 510, "{error}");
            assert!(error.text.contains("limits.requests_per_user"), "{error}");
        }
        // One decision of alice's, his own, and no more of hers between: eight seconds would be all
        // of them.
        assert!(waited.as_secs() < 8, "{waited:?}");
    });
}

#[test]
fn processes_that_are_left_running() {
    let stays =
        Cmd::sh("stays", "sleep 1000 >/dev/null 2>&1 & echo $!", &[]).set("leave_running", "true");
    let kept = Cmd::sh("kept", "sleep 1000 >/dev/null 2>&1 & echo $!", &[])
        .set("leave_running", "true")
        .says("on_revoke", "continue");
    let server = two("left_running_per_user = 3")
        .command(stays)
        .command(kept)
        .start();
    let left = block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let mut left = Vec::new();
        for command in ["stays", "stays", "kept"] {
            let (out, _, _) = ran(&alice, command).await;
            left.push(String::from_utf8(out).unwrap().trim().to_owned());
        }
        let refused = alice.run(invocation("stays", &[])).await.err().unwrap();
        at_the_limit(refused, "limits.left_running_per_user", &bob).await;
        let at = ("limits.left_running_per_user".into(), "alice".into(), 3, 3);
        assert!(near(&server).contains(&at), "{:?}", near(&server));
        left
    });

    // What ends by itself is given back.
    assert!(
        Command::new("kill")
            .arg(&left[0])
            .status()
            .unwrap()
            .success()
    );
    wait("a place that is free again", || near(&server).is_empty());

    // A lock reaches what was left running, as its rule says.
    assert!(server.ordaind(&["lock", "alice"]).status.success());
    wait("the end of what was left running", || !alive(&left[1]));
    assert!(alive(&left[2]));
    let record = server.records("left-running");
    assert_eq!(
        (record.len(), &record[0]["command"]),
        (1, &Value::from("stays"))
    );
    assert_eq!(record[0]["state"], "revoked");
    assert!(
        Command::new("kill")
            .arg(&left[2])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn output_goes_to_the_disk_beyond_the_share_of_memory_and_no_further_than_the_share_of_the_disk() {
    let server = two("memory_per_user = \"4MiB\"\ndisk_per_user = \"8MiB\"").start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(alice.run(invocation("sleep", &[])).await.unwrap());
        }
        let refused = alice.run(invocation("sleep", &[])).await.err().unwrap();
        at_the_limit(refused, "limits.disk_per_user", &bob).await;
        let mut near = near(&server).into_iter().map(|(limit, ..)| limit);
        assert_eq!(near.next().as_deref(), Some("limits.memory_per_user"));
        assert_eq!(near.next().as_deref(), Some("limits.disk_per_user"));

        // What is kept on disk is told like any other.
        drop(held);
        let again = loop {
            match alice.run(invocation("true", &[])).await {
                Ok(again) => break again,
                Err(refused) => assert_eq!(refused.code, 510, "{refused}"),
            }
        };
        let (_, _, ended) = again.collect().await.unwrap();
        assert_eq!(ended.number, Some(0));
    });
}

/// 515 runs of `true` pushed everybody's kept output out.
#[test]
fn runs_that_are_kept() {
    let server = two("runs_per_user = 600").start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let run = bob.run(invocation("true", &[])).await.unwrap();
        let his = run.id().unwrap();
        run.collect().await.unwrap();
        let mut first = None;
        for _ in 0..22 {
            let some = (0..25).map(|_| alice.run(invocation("true", &[])));
            for run in some {
                let run = run.await.unwrap();
                first = first.or(run.id());
                run.collect().await.unwrap();
            }
        }
        bob.attach(follows(his))
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        let gone = alice.attach(follows(first.unwrap())).await.err().unwrap();
        assert_eq!(gone.code, 404, "{gone}");
    });
}

/// Whoever lets many wait holds up nobody but themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_in_a_queue() {
    let holds = Cmd::new("holds", &["/bin/sleep", "1000"]).lock("one");
    let wanted = Cmd::new("wanted", &["/bin/true"])
        .lock("one")
        .set("queue", "3");
    let server = two("").command(holds).command(wanted).start();
    let (alice, bob) = (server.session("alice").await, server.session("bob").await);
    let (alice, bob) = (Arc::new(alice), Arc::new(bob));
    let holder = alice.run(invocation("holds", &[])).await.unwrap();
    let mut waiting = Vec::new();
    for (index, session) in [&alice, &alice, &alice, &bob].into_iter().enumerate() {
        let session = session.clone();
        waiting.push(tokio::spawn(async move {
            let run = session.run(invocation("wanted", &[])).await.unwrap();
            run.collect().await.unwrap();
        }));
        server.wait_for_trail("a run that waits", |trail| {
            let asked =
                |record: &&Value| record["command"] == "wanted" && record["run"].is_string();
            trail.iter().filter(asked).count() == index + 1
        });
    }
    let refused = alice.run(invocation("wanted", &[])).await.err().unwrap();
    assert_eq!(refused.code, 511, "{refused}");
    drop(holder);
    for waiting in waiting {
        waiting.await.unwrap();
    }

    let trail = server.trail();
    let starter = |run: &Value| {
        let asked = |record: &&Value| record["run"] == *run && record["command"] == "wanted";
        trail
            .iter()
            .find(asked)
            .map(|record| record["user"].clone())
    };
    let order: Vec<_> = trail
        .iter()
        .filter(|record| record["kind"] == "start")
        .filter_map(|record| starter(&record["run"]))
        .collect();
    assert_eq!(order, ["alice", "bob", "alice", "alice"]);
}

/// One connection of a user with no rights wrote 24 MB of trail a second, and filled the disk.
#[test]
fn records_of_refusals() {
    let mut server = two("").start();
    let before = server.trail_text().len();
    block(async {
        let alice = server.session("alice").await;
        // What is asked for is a long name with letters that the trail spells out.
        let long = "é".repeat(2000);
        for _ in 0..300 {
            let refused = alice.run(invocation(&long, &[])).await.err().unwrap();
            assert_ne!(refused.code, 510, "{refused}");
        }
    });
    let written = server.trail_text().len() - before;
    let refused = server.records("request");
    assert_eq!(refused.len(), 60);
    // A text is stored once: what was signed, and of the sentence about it the beginning.
    assert!(written < 60 * 20_000, "{written}");
    server.stop();
    let summed = server.records("summed");
    assert_eq!(summed.len(), 1, "{summed:?}");
    assert_eq!(
        (&summed[0]["user"], &summed[0]["requests_refused"]),
        (&"alice".into(), &240.into())
    );
    assert!(summed[0].get("source").is_none());
}

#[test]
fn bytes_of_the_trail() {
    let server = two("trail_per_user = \"64KiB\"").start();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let sleeping = alice.run(invocation("sleep", &[])).await.unwrap();
        let run = sleeping.id().unwrap();
        let refused = loop {
            if let Err(refused) = alice.ask(&Whoami {}).await {
                break refused;
            }
        };
        at_the_limit(refused, "limits.trail_per_user", &bob).await;
        let refused = server.try_session("alice", common::PASSWORD).await;
        at_the_limit(
            refused.map(drop).unwrap_err(),
            "limits.trail_per_user",
            &bob,
        )
        .await;
        let near = near(&server);
        assert!(
            near.iter()
                .any(|(limit, user, ..)| limit == "limits.trail_per_user" && user == "alice"),
            "{near:?}"
        );

        // What only takes away is still done.
        alice.ask(&Cancel { run: run.into() }).await.unwrap();
    });
    let own = |record: &&Value| record["user"] == "alice";
    let lines = server
        .trail()
        .iter()
        .filter(own)
        .map(|record| record.to_string().len())
        .sum::<usize>();
    assert!((60_000..90_000).contains(&lines), "{lines}");
}

/// Out of descriptors, a control message came without its descriptors, which ended the frontend.
#[test]
fn descriptors() {
    let much = Cmd::sh("much", "head -c 1500000 /dev/zero", &[]);
    let limits = "follows_per_user = 1000\nstreams_per_connection = 500";
    let server = two(limits).command(much).start();
    let frontend = server.frontend();
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let run = alice.run(invocation("sleep", &[])).await.unwrap();
        // One that has ended, and has written more than who does not read is sent.
        let ended = alice.run(invocation("much", &[])).await.unwrap();
        let id = ended.id().unwrap();
        ended.collect().await.unwrap();
        let open = std::fs::read_dir(format!("/proc/{frontend}/fd"))
            .unwrap()
            .count();
        let limit = format!("--nofile={0}:{0}", open + 6);
        // A process's own account may narrow what it may have.
        let status = std::fs::read_to_string(format!("/proc/{frontend}/status")).unwrap();
        let number = |key: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .unwrap();
            line.split_whitespace().next().unwrap().to_owned()
        };
        let set = Command::new("setpriv")
            .args([
                "--reuid",
                &number("Uid:"),
                "--regid",
                &number("Gid:"),
                "--clear-groups",
            ])
            .args(["prlimit", "--pid", &frontend.to_string(), &limit])
            .status();
        if !set.is_ok_and(|status| status.success()) {
            return println!("skipped: prlimit is not here, or may not");
        }
        let mut held = Vec::new();
        let refused = loop {
            match alice.attach(follows(id)).await {
                Ok(follower) => held.push(follower),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused.code, 510, "{refused}");
        assert!(refused.text.contains("descriptors"), "{refused}");
        let refused = bob.run(invocation("true", &[])).await.err().unwrap();
        assert_eq!(refused.code, 510, "{refused}");

        // What runs goes on, and what is given back can be used again.
        held.clear();
        loop {
            match bob.run(invocation("true", &[])).await {
                Ok(run) => break drop(run.collect().await.unwrap()),
                Err(refused) => assert_eq!(refused.code, 510, "{refused}"),
            }
        }
        let going = run.id().unwrap().into();
        alice.ask(&Cancel { run: going }).await.unwrap();
        let (_, _, ended) = run.collect().await.unwrap();
        assert_eq!(ended.reason, "cancelled");
    });
    assert_eq!(server.frontend(), frontend, "the frontend lives");
}

/// One user takes all they can of everything at once, and asks for more: another's work is done, each
/// time and whole, and nothing of the daemon ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once() {
    let stays = Cmd::sh("stays", "sleep 1000 >/dev/null 2>&1 &", &[]).set("leave_running", "true");
    let wanted = Cmd::new("wanted", &["/bin/sleep", "1000"])
        .lock("one")
        .set("queue", "8");
    let limits = "sessions_per_user = 12\nruns_per_user = 24\nfollows_per_user = 30\n\
                  left_running_per_user = 6\nmemory_per_user = \"16MiB\"\n\
                  disk_per_user = \"96MiB\"\ntrail_per_user = \"256KiB\"\nrequests_per_user = 40";
    let server = two(limits).command(stays).command(wanted).start();
    let server = Arc::new(server);
    let (frontend, bob) = (server.frontend(), server.session("bob").await);
    let his = bob.run(invocation("true", &[])).await.unwrap();
    let kept = his.id().unwrap();
    his.collect().await.unwrap();

    // Twenty clients, of which twelve are let in: each takes what it gets, and asks on.
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut floods = Vec::new();
    for number in 0..20 {
        let (server, done) = (server.clone(), done.clone());
        floods.push(tokio::spawn(async move {
            let mut refused = Vec::new();
            let Ok(session) = server.try_session("alice", common::PASSWORD).await else {
                return vec![510];
            };
            let mut held = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let command = ["sleep", "wanted", "stays", "flood", "none"][number % 5];
                let asked = session.run(invocation(command, &[]));
                // What waits for its turn is left behind, and ends.
                let asked =
                    tokio::time::timeout(std::time::Duration::from_millis(200), asked).await;
                match asked {
                    Ok(Ok(run)) => {
                        let id = run.id().unwrap();
                        held.push(run);
                        held.extend(session.attach(follows(id)).await.ok());
                    }
                    Ok(Err(error)) => refused.push(error.code),
                    Err(_) => {}
                }
                refused.extend(session.ask(&Whoami {}).await.err().map(|error| error.code));
            }
            refused
        }));
    }
    for _ in 0..60 {
        let (_, _, ended) = ran(&bob, "true").await;
        assert_eq!(ended.number, Some(0));
        assert_eq!(bob.ask(&Whoami {}).await.unwrap().user, "bob");
    }
    let another = server.session("bob").await;
    let (out, _, _) = another
        .attach(follows(kept))
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert!(out.is_empty());

    done.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut refused = HashSet::new();
    for flood in floods {
        refused.extend(flood.await.unwrap());
    }
    assert!(refused.contains(&510), "{refused:?}");
    assert_eq!(server.frontend(), frontend, "the frontend lives");
    let own: usize = server
        .trail()
        .iter()
        .filter(|record| record["user"] == "alice")
        .map(|record| record.to_string().len())
        .sum();
    assert!(own < 600_000, "{own}");
}
