//! Runs that outlive their link: cut by a proxy of the test's own, taken up again by the client
//! itself, byte for byte.

mod common;

use common::{Cmd, PASSWORD, Server, alive, block, invocation, stderr, stdout, wait, write};
use ordain::client::{Durable, Event, Options, Session, Told};
use ordain::ids::{Named, RequestId, RunId};
use ordain::limits::{SPOOL_LEAST, SPOOL_WIDE, STOP_MOST};
use ordain::protocol::RequestName;
use ordain::verb::{Attach, Cancel, Runs, Signal, Whoami};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn counts() -> Cmd {
    Cmd::sh(
        "counts",
        r#"i=0; while [ "$i" -lt "$1" ]; do echo "line $i of the output"; echo "error $i" >&2; i=$((i+1)); done"#,
        &["{lines}"],
    )
    .integer("lines", 1, 1000000)
}

fn slow() -> Cmd {
    Cmd::sh(
        "slow",
        r#"i=0; while [ "$i" -lt 40 ]; do echo "$i"; i=$((i+1)); sleep 0.05; done; exit 7"#,
        &[],
    )
    .goes_on()
}

fn waits() -> Cmd {
    Cmd::sh("waits", "echo $$; exec sleep 1000", &[])
}

fn once() -> Cmd {
    Cmd::sh("once", r#"echo ran >> "$1"; cat "$1""#, &["{folder}/once"])
}

fn exclusive() -> Cmd {
    Cmd::sh("exclusive", "echo mine; exec sleep 1000", &[]).lock("deploy")
}

fn patient() -> Cmd {
    Cmd::new("patient", &["/bin/echo", "my turn"])
        .lock("deploy")
        .set("queue", "1")
        .says("queue_timeout", "20s")
}

fn traps() -> Cmd {
    Cmd::sh(
        "traps",
        r#"trap "echo got it; exit 3" USR1; echo ready; while :; do sleep 0.05; done"#,
        &[],
    )
    .set("signals", r#"["USR1"]"#)
}

fn terminal() -> Cmd {
    Cmd::sh(
        "terminal",
        r#"tty; stty size; echo "$TERM $PAGER"; read word; echo "got $word"; stty size; trap "echo resized; stty size; exit 6" WINCH; echo ready; while :; do sleep 0.05; done"#,
        &[],
    )
    .pty()
}

/// A link that is cut after so many bytes, again and again; every other cut is a reset, the rest
/// are ends without a word. Returns its address and how often it has cut.
async fn cutting(to: u16, every: u64) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cuts = Arc::new(AtomicU64::new(0));
    let counted = cuts.clone();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let counted = counted.clone();
            tokio::spawn(async move {
                let number = counted.load(Ordering::Relaxed);

                // The handshake and the login take some 6 KiB; a different place each time.
                let left = Arc::new(AtomicU64::new(12_000 + every / 2 + (number * 7919) % every));
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let down = left.clone();
                let mut one = tokio::spawn(async move {
                    pass(&mut from_server, &mut to_client, &down).await;
                    (from_server, to_client)
                });

                let mut other = tokio::spawn(async move {
                    pass(&mut from_client, &mut to_server, &left).await;
                    (from_client, to_server)
                });

                tokio::select! { _ = &mut one => {} _ = &mut other => {} }
                one.abort();
                other.abort();
                counted.fetch_add(1, Ordering::Relaxed);
            });
        }
    });

    (address, cuts)
}

async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    left: &AtomicU64,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        let allowed = left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(count as u64))
            })
            .unwrap();
        let now = count.min(usize::try_from(allowed).unwrap());
        if to.write_all(&buffer[..now]).await.is_err() || now < count || count == 0 {
            return;
        }
    }
}

fn through(server: &Server, address: SocketAddr) -> Options {
    Options {
        port: address.port(),
        ..server.options()
    }
}

async fn log_in(options: &Options) -> Session {
    common::log_in(options, "alice", PASSWORD).await.unwrap()
}

async fn durable(
    options: &Options,
    command: &str,
    arguments: &[(&str, ordain::verb::Value)],
) -> Durable {
    let session = log_in(options).await;
    Durable::start(
        options.clone(),
        session,
        invocation(command, arguments),
        |_| {},
    )
    .await
    .unwrap()
}

#[test]
fn output_is_byte_exact_through_many_cuts() {
    let server = Server::new().resumable().command(counts()).alice().start();
    block(async {
        let (address, cuts) = cutting(server.port, 150_000).await;
        let lines = 150_000;
        let run = durable(
            &through(&server, address),
            "counts",
            &[("lines", ordain::verb::Value::Integer(lines))],
        )
        .await;
        let (out, err, ended) = run.collect().await.unwrap();
        let expected: String = (0..lines)
            .map(|line| format!("line {line} of the output\n"))
            .collect();
        assert!(
            out == expected.as_bytes(),
            "{} bytes of {}",
            out.len(),
            expected.len()
        );

        let expected: String = (0..lines).map(|line| format!("error {line}\n")).collect();
        assert!(err == expected.as_bytes());
        assert_eq!(ended.number, Some(0));
        let cuts = cuts.load(Ordering::Relaxed);
        assert!(cuts > 20, "only {cuts} cuts");
    });

    let ends = server.records("end");
    assert_eq!(ends.len(), 1);
}

#[test]
fn input_is_byte_exact_through_cuts() {
    let server = Server::new()
        .resumable()
        .command(Cmd::new("copy", &["/bin/cat"]).stdin())
        .alice()
        .start();
    block(async {
        let (address, cuts) = cutting(server.port, 200_000).await;
        let run = durable(&through(&server, address), "copy", &[]).await;
        let input = run.input();
        let bytes: Vec<u8> = (0..6_000_000u32)
            .map(|number| u8::try_from((number * 31 + number / 251) % 256).unwrap())
            .collect();
        let sent = bytes.clone();
        tokio::spawn(async move {
            assert!(input.send(&sent).await);
            input.end();
        });

        let (out, _, ended) = run.collect().await.unwrap();
        assert!(out == bytes, "{} bytes of {}", out.len(), bytes.len());
        assert_eq!(
            (ended.number, ended.stdin_bytes),
            (Some(0), bytes.len() as u64)
        );

        assert!(cuts.load(Ordering::Relaxed) > 5);
    });
}

#[test]
fn the_real_client_heals_its_link_and_says_so() {
    let server = Server::new().resumable().command(counts()).alice().start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (address, _) = runtime.block_on(cutting(server.port, 60_000));
    let client = format!(
        "[hosts.t]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"alice\"\nca = \"ca.crt\"\ntls_name = \"localhost\"\npassword_file = \"password\"\n",
        address.port()
    );

    write(&server.path("client.toml"), &client, 0o600);
    let output = server.ordain(&["run", "t", "counts", "20000"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output).lines().count(), 20_000);
    assert!(
        stderr(&output).contains("reaching the server again")
            && stderr(&output).contains("ordain: back after")
    );

    drop(runtime);
}

#[test]
fn a_run_is_watched_listed_and_kept_after_its_end() {
    let server = Server::new()
        .resumable()
        .command(slow())
        .command(waits())
        .command(counts())
        .alice()
        .role("some", &["counts"])
        .user("bob", &["some"])
        .start();
    let id = stdout(&server.ordain(&["run", "--detach", "t", "slow"]));
    let id = id.trim();
    assert_eq!(id.len(), 16);
    let (one, two) = (
        server.ordain(&["attach", "t", id]),
        server.ordain(&["output", "t", id]),
    );

    let expected: String = (0..40).map(|number| format!("{number}\n")).collect();
    assert_eq!(
        (stdout(&one), one.status.code()),
        (expected.clone(), Some(7)),
        "{}",
        stderr(&one)
    );

    assert_eq!(
        (stdout(&two), two.status.code()),
        (expected.clone(), Some(7))
    );

    assert_eq!(
        stdout(&server.ordain(&["output", "t", id, "--from", "10"])),
        expected.chars().skip(10).collect::<String>()
    );

    let listed = stdout(&server.ordain(&["runs", "t"]));
    assert!(
        listed.contains(id) && listed.contains("slow") && listed.contains("exit 7"),
        "{listed}"
    );

    // What is not there: one answer for another user's, guessed, malformed and traversing ids.
    let bob = |words: &[&str]| {
        server
            .client()
            .args(["--user", "bob"])
            .args(words)
            .output()
            .unwrap()
    };

    let unknown = "0123456789abcdef";
    let answers: Vec<String> = [id, unknown, "../../x", "x"]
        .iter()
        .map(|run| stderr(&bob(&["output", "t", run])))
        .collect();
    assert!(
        answers
            .iter()
            .all(|answer| answer.contains("there is no such run (code 404)")),
        "{answers:?}"
    );

    let output = server.ordain(&["output", "t", id, "--from", "100000"]);
    assert!(
        stderr(&output).contains("code 408") && stderr(&output).contains("0 to 110"),
        "{}",
        stderr(&output)
    );

    assert!(
        stderr(&server.ordain(&["run", "--detach", "t", "waits"])).contains("cannot be detached")
    );
}

/// Whoever detaches has asked for it: what waits for a lock begins by itself.
#[test]
fn a_run_that_is_detached_while_it_waits_begins_by_itself() {
    let server = Server::new()
        .resumable()
        .command(Cmd::new("holds", &["/bin/sleep", "60"]).set("lock", "\"one\""))
        .command(
            Cmd::sh("later", "echo done", &[])
                .set("lock", "\"one\"")
                .set("queue", "1")
                .set("on_disconnect", "\"continue\""),
        )
        .alice()
        .start();
    block(async {
        let alice = server.session("alice").await;
        let holds = alice.run(invocation("holds", &[])).await.unwrap();
        let left = server.ordain(&["run", "--detach", "t", "later"]);
        let id = stdout(&left).trim().to_owned();
        assert!(left.status.success(), "{}", stderr(&left));
        assert!(stderr(&left).contains("it begins by itself; it waits: the lock `one`"));
        assert_eq!(server.records("start").len(), 1);
        let run = Named::from(holds.id().unwrap());
        alice.ask(&Cancel { run }).await.unwrap();
        let output = server.ordain(&["attach", "t", &id]);
        assert_eq!(stdout(&output), "done\n", "{}", stderr(&output));
    });
}

#[test]
fn what_is_kept_of_runs_is_there_after_a_restart() {
    let mut server = Server::new()
        .resumable()
        .command(counts())
        .command(slow())
        .alice()
        .role("some", &["counts"])
        .user("bob", &["some"])
        .start();
    let whole = server.ordain(&["run", "t", "counts", "100000"]);
    assert_eq!(whole.status.code(), Some(0), "{}", stderr(&whole));

    // A client may know of an end before the trail does.
    let ended = |server: &Server, times: usize| {
        let of_counts =
            |record: &&serde_json::Value| record["kind"] == "end" && record["command"] == "counts";
        server.wait_for_trail("the record of the end", |trail| {
            trail.iter().filter(of_counts).count() == times
        });
        server.trail().iter().rfind(of_counts).unwrap()["run"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    let run = ended(&server, 1);

    // One that the stop cuts: it goes on for longer than the grace.
    let cut = stdout(&server.ordain(&["run", "--detach", "t", "slow"]))
        .trim()
        .to_owned();
    let mut following = server
        .client()
        .args(["attach", "t", &cut])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(following.stdout.as_mut().unwrap(), &mut [0; 4]).unwrap();
    let folder = server.path("state/output");
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };

    let mut all = vec![run.clone(), cut.clone(), "runs.json".into()];
    all.sort();

    // More than once: what a daemon has found is left to the next one too.
    for _ in 0..2 {
        server.stop_and_start(&[]);
        assert_eq!(names(), all);
        for name in &all {
            assert_eq!(
                std::fs::metadata(folder.join(name))
                    .unwrap()
                    .permissions()
                    .mode()
                    & 0o777,
                0o600
            );
        }

        // More than its spool, where its window has grown because the link was slow.
        let list = std::fs::read_to_string(folder.join("runs.json")).unwrap();
        let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
        let of_run = list.iter().find(|over| over.to_string().contains(&run));
        let capacity = of_run.unwrap()["capacity"].as_u64().unwrap();
        assert!([SPOOL_LEAST, SPOOL_WIDE].contains(&capacity), "{capacity}");
        let capacity = usize::try_from(capacity).unwrap();
        assert!(whole.stdout.len() > 2 << 20);

        let kept = server.ordain(&["output", "t", &run]);
        assert!(
            kept.status.success() && kept.stdout.len() == capacity.min(whole.stdout.len()),
            "{} {}",
            kept.stdout.len(),
            stderr(&kept)
        );

        assert!(whole.stdout.ends_with(&kept.stdout) && stderr(&kept).contains("error 99999\n"));
        let part = server.ordain(&["output", "t", &cut]);
        assert!(
            stdout(&part).starts_with("0\n1\n"),
            "{} {}",
            stdout(&part),
            stderr(&part)
        );

        let listed = stdout(&server.ordain(&["runs", "t"]));
        assert!(
            listed.contains(&run)
                && listed
                    .lines()
                    .any(|line| line.contains(&cut) && line.contains("stopped")),
            "{listed}"
        );

        let other = server.ordain(&["--user", "bob", "output", "t", &run]);
        assert!(stderr(&other).contains("no such run"), "{}", stderr(&other));
    }

    following.wait().unwrap();

    // A daemon that was killed leaves what it had found; what nobody knows of is cleared away.
    write(
        &folder.join("0123456789abcdef"),
        "left by a daemon that was killed",
        0o600,
    );

    server.restart();
    assert_eq!(names(), all);
    assert!(server.ordain(&["output", "t", &run]).status.success());

    // Its time is over.
    write(&server.path("clock"), "7200", 0o600);
    let clock = server.path("clock");
    server.stop_and_start(&[("ORDAIN_CLOCK", clock.to_str().unwrap())]);
    assert_eq!(names(), ["runs.json"]);
    assert!(stderr(&server.ordain(&["output", "t", &run])).contains("no such run"));

    // What lies in the place of output is not opened, waited for, or taken for a run that has
    // written nothing.
    server.stop_and_start(&[]);
    server.ordain(&["run", "t", "counts", "1"]);
    let run = ended(&server, 2);
    write(&folder.join("notes.txt"), "not a run's", 0o644);
    server.stop_and_start(&[]);
    write(&server.path("secret"), &"x".repeat(10_000), 0o600);

    for spoilt in ["fifo", "link", "open", "missing"] {
        common::signal(server.child.id(), "-KILL");
        server.child.wait().unwrap();
        let output = folder.join(&run);
        let _ = std::fs::remove_file(&output);

        match spoilt {
            "fifo" => assert!(
                std::process::Command::new("mkfifo")
                    .arg(&output)
                    .status()
                    .unwrap()
                    .success()
            ),
            "link" => std::os::unix::fs::symlink(server.path("secret"), &output).unwrap(),
            "open" => write(&output, "anybody could have written this", 0o666),
            _ => {}
        }

        server.restart();
        let told = server.ordain(&["output", "t", &run]);
        assert!(
            told.stdout.is_empty() && stderr(&told).contains("could not be kept"),
            "{spoilt}: {}",
            stderr(&told)
        );

        assert!(
            stdout(&server.ordain(&["runs", "t"])).contains(&run),
            "{spoilt}"
        );
    }

    assert_eq!(
        std::fs::read_to_string(folder.join("notes.txt")).unwrap(),
        "not a run's"
    );

    std::fs::remove_file(folder.join("notes.txt")).unwrap();

    // Numbers and words that no daemon has written.
    server.stop_and_start(&[]);
    let list = std::fs::read_to_string(folder.join("runs.json")).unwrap();
    for (from, to) in [
        ("\"capacity\":2097152", "\"capacity\":18446744073709551615"),
        ("\"exit\"", "\"ended well\""),
        ("\"counts\",", "\"\","),
    ] {
        let spoilt = list.replace(from, to);
        assert_ne!(spoilt, list, "{from}");
        write(&folder.join("runs.json"), &spoilt, 0o600);
        server.restart();
        assert_eq!(stdout(&server.ordain(&["runs", "t"])), "", "{to}");
    }

    // A folder that is not the daemon's own is left alone.
    common::signal(server.child.id(), "-TERM");
    server.child.wait().unwrap();
    std::fs::rename(&folder, server.path("elsewhere")).unwrap();
    write(
        &server.path("elsewhere/0123456789abcdef"),
        "somebody's",
        0o600,
    );

    std::os::unix::fs::symlink(server.path("elsewhere"), &folder).unwrap();
    server.stop_and_start(&[]);
    server.stop_and_start(&[]);
    assert_eq!(
        std::fs::read_to_string(server.path("elsewhere/0123456789abcdef")).unwrap(),
        "somebody's"
    );

    std::fs::remove_file(&folder).unwrap();

    // A list that somebody has spoilt costs what was in it, and no start.
    server.stop_and_start(&[]);
    server.ordain(&["run", "t", "counts", "1"]);
    server.stop_and_start(&[]);
    write(&folder.join("runs.json"), "[{\"run\": \"../../x\"", 0o600);
    server.restart();
    assert_eq!(
        (
            names(),
            stdout(&server.ordain(&["runs", "t"])).lines().count()
        ),
        (vec!["runs.json".to_owned()], 0)
    );
}

#[test]
fn a_client_that_does_not_come_back_ends_its_run_after_the_window() {
    let server = Server::new()
        .resumable()
        .command(Cmd::sh("brief", "echo $$; exec sleep 1000", &[]).says("resume_window", "300ms"))
        .alice()
        .start();
    let gone = block(async {
        let (address, _) = cutting(server.port, 1).await;
        let mut run = durable(&through(&server, address), "brief", &[]).await;
        let Told::Event(Event::Stdout(pid)) = run.next().await.unwrap() else {
            panic!("no output")
        };
        let pid = String::from_utf8(pid).unwrap();
        assert!(alive(pid.trim()));
        run
    });

    // Cut for good: its runtime is gone, and with it the socket, without a word.
    drop(gone);
    server.wait_for_trail("the end of the run", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["reason"] == "disconnected")
    });
}

#[test]
fn leaving_on_purpose_does_not_wait_for_the_window() {
    let server = Server::new().resumable().command(waits()).alice().start();
    block(async {
        let session = server.session("alice").await;
        let mut run = session.run(invocation("waits", &[])).await.unwrap();
        assert!(matches!(run.next().await.unwrap(), Event::Stdout(_)));
        drop(run);

        while server.records("end").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn the_same_request_never_runs_twice() {
    let server = Server::new()
        .resumable()
        .command(waits())
        .command(once())
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;
        let id = RequestId::from_random([3; 20]);
        let first = session
            .ask_for_run(invocation("once", &[]), id, |_| {})
            .await
            .unwrap();
        let run = first.id();
        assert_eq!(first.collect().await.unwrap().0, b"ran\n");

        // The answer was lost, the client asks again: the run that exists, its output and its end.
        let again = session
            .ask_for_run(invocation("once", &[]), id, |_| {})
            .await
            .unwrap();
        assert_eq!(again.id(), run);
        let (out, _, ended) = again.collect().await.unwrap();
        assert_eq!(
            (out.as_slice(), ended.number),
            (b"ran\n".as_slice(), Some(0))
        );

        // Also over another connection of the same user; and another request under the id is
        // refused.
        let other = server.session("alice").await;
        let again = other
            .ask_for_run(invocation("once", &[]), id, |_| {})
            .await
            .unwrap();
        assert_eq!(again.id(), run);
        let error = other
            .ask_for_run(invocation("waits", &[]), id, |_| {})
            .await
            .err()
            .unwrap();
        assert_eq!(error.code, 304);
    });

    assert_eq!(
        std::fs::read_to_string(server.path("once")).unwrap(),
        "ran\n"
    );

    assert_eq!(server.records("start").len(), 1);
}

/// A client that has slept, and a network that has kept a request, find nothing to begin.
#[test]
fn a_request_begins_in_its_time_or_never() {
    let server = Server::new().command(once()).alice().start();
    block(async {
        let session = server.session("alice").await;
        let asks = async |id: u8, name: RequestName| {
            let name = RequestName {
                id: RequestId::from_random([id; 20]),
                ..name
            };
            let run = session
                .ask_for_run(invocation("once", &[]), name, |_| {})
                .await?;
            Ok::<_, ordain::client::ClientError>(run.collect().await.unwrap().2.number)
        };
        let good = session
            .good_for(std::time::Duration::from_secs(3600))
            .unwrap();
        let until = |not_after: u64| RequestName {
            id: RequestId::from_random([0; 20]),
            instance: Some(good.instance.clone()),
            not_after: Some(not_after),
        };

        let hour = 3_600_000;
        let late = asks(1, until(good.not_after - hour - 1000)).await;
        assert_eq!(late.unwrap_err().code, 305);
        let far = asks(2, until(good.not_after + 24 * hour)).await;
        assert_eq!(far.unwrap_err().code, 302);
        let in_time = until(good.not_after);
        assert_eq!(asks(3, in_time.clone()).await.unwrap(), Some(0));
        assert_eq!(asks(3, in_time).await.unwrap(), Some(0));

        // One that is known is told of, also when it is too late for another.
        let known = asks(3, until(good.not_after - hour - 1000)).await;
        assert_eq!(known.unwrap(), Some(0));
        let elsewhere = RequestName {
            instance: Some("0123456789abcdef".into()),
            ..until(good.not_after)
        };
        assert_eq!(asks(4, elsewhere).await.unwrap_err().code, 606);

        let list = session.ask(&Runs::default()).await.unwrap();
        let asked: Vec<&str> = list.runs.iter().map(|run| run.request.as_str()).collect();
        assert_eq!(asked, [RequestId::from_random([3; 20]).to_string()]);
    });
    let ran = std::fs::read_to_string(server.path("once")).unwrap();
    assert_eq!(ran, "ran\n");
}

/// Another daemon has the answer where the one before has left it, and otherwise says that it does
/// not know.
#[test]
fn a_request_never_runs_twice_across_daemons() {
    let mut server = Server::new()
        .resumable()
        .command(once())
        .command(traps())
        .alice()
        .start();
    let id = RequestId::from_random([6; 20]);
    let ran = |server: &Server| std::fs::read_to_string(server.path("once")).unwrap();
    let again = async |server: &Server, name: RequestName, command: &str| {
        let session = server.session("alice").await;
        session
            .ask_for_run(invocation(command, &[]), name, |_| {})
            .await
            .map(async |run| run.collect().await.unwrap())
    };

    let first = block(async {
        let session = server.session("alice").await;
        let (out, _, ended) = session
            .ask_for_run(invocation("once", &[]), id, |_| {})
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        assert_eq!(
            (out.as_slice(), ended.number),
            (b"ran\n".as_slice(), Some(0))
        );

        session.instance().unwrap().to_owned()
    });

    let name = |id| RequestName {
        id,
        instance: Some(first.clone()),
        not_after: None,
    };

    server.stop_and_start(&[]);
    block(async {
        let (out, _, ended) = again(&server, name(id), "once").await.unwrap().await;
        assert_eq!(
            (out.as_slice(), ended.number),
            (b"ran\n".as_slice(), Some(0)),
            "as it ran the first time"
        );

        assert_eq!(
            again(&server, name(id), "traps").await.err().unwrap().code,
            304
        );

        let unknown = again(&server, name(RequestId::from_random([5; 20])), "once")
            .await
            .err()
            .unwrap();
        assert_eq!(unknown.code, 606, "{unknown}");
    });

    assert_eq!(ran(&server), "ran\n");

    // Once more: what was found is left too. One that is killed leaves nothing new, and then nobody
    // knows.
    server.stop_and_start(&[]);
    let other = RequestId::from_random([4; 20]);
    let second = block(async {
        again(&server, name(id), "once").await.unwrap().await;
        let session = server.session("alice").await;
        session
            .ask_for_run(invocation("once", &[]), other, |_| {})
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        session.instance().unwrap().to_owned()
    });

    server.restart();
    block(async {
        let unknown = again(
            &server,
            RequestName {
                id: other,
                instance: Some(second),
                not_after: None,
            },
            "once",
        )
        .await
        .err()
        .unwrap();
        assert_eq!(unknown.code, 606, "{unknown}");

        // Whoever does not say that they ask again asks for the first time.
        again(&server, RequestId::from_random([3; 20]).into(), "once")
            .await
            .unwrap()
            .await;
    });

    assert_eq!(ran(&server), "ran\nran\nran\n");
}

#[test]
fn a_frontend_that_is_killed_loses_no_run_that_goes_on() {
    let server = Server::new().resumable().command(slow()).alice().start();
    block(async {
        let options = server.options();
        let mut run = durable(&options, "slow", &[]).await;
        let mut out = Vec::new();
        let mut killed = false;
        let mut healed = 0;
        let ended = loop {
            match run.next().await.unwrap() {
                Told::Event(Event::Stdout(bytes)) => {
                    run.consumed(bytes.len()).await.unwrap();
                    out.extend(bytes);
                    if !killed {
                        killed = true;
                        server.kill_frontend();
                    }
                }

                Told::Healed { .. } => healed += 1,
                Told::Event(Event::Ended(ended)) => break ended,
                _ => {}
            }
        };

        let expected: String = (0..40).map(|number| format!("{number}\n")).collect();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!((ended.number, healed), (Some(7), 1));
    });

    assert_eq!(server.records("handed-on").len(), 1);
}

/// A daemon that stopped accepted nobody, so a link that was lost meanwhile was lost for good.
#[test]
fn a_link_that_is_lost_while_the_server_stops_is_healed() {
    let mut server = Server::new()
        .grace("1h")
        .resumable()
        .command(waits())
        .alice()
        .start();
    block(async {
        let options = server.options();
        let session = log_in(&options).await;
        let mut run = session.run(invocation("waits", &[])).await.unwrap();
        let Event::Stdout(pid) = run.next().await.unwrap() else {
            panic!("no output")
        };
        common::signal(server.child.id(), "-TERM");
        server.wait_for_log("starting nothing new");
        let back = session.reconnect(&options).await.unwrap();
        let refused = back.run(invocation("waits", &[])).await.err().unwrap();
        assert_eq!((refused.code, refused.stop), (104, Some(STOP_MOST)));
        let attachment = Attach {
            run: run.id().unwrap().into(),
            stdout: Some(0),
            stderr: Some(0),
            follow: true,
            resume: true,
        };
        let mut again = back.attach(attachment).await.unwrap();
        assert_eq!(again.next().await.unwrap(), Event::Stdout(pid));

        // And it hears how the run ends.
        common::signal(server.child.id(), "-TERM");
        let Event::Ended(ended) = again.next().await.unwrap() else {
            panic!("no end")
        };
        assert_eq!(ended.reason, "stopped");
    });
    assert!(server.child.wait().unwrap().success());
}

/// What a client is told whose daemon was replaced while its link was lost.
#[test]
fn a_server_that_was_started_anew_is_named_as_that() {
    let mut server = Server::new().resumable().command(waits()).alice().start();
    block(async {
        let session = log_in(&server.options()).await;
        server.stop_and_start(&[]);
        let error = session.reconnect(&server.options()).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "the server was started anew meanwhile, and does not know this session (code 200)"
        );
    });
}

#[test]
fn a_session_comes_back_by_its_key_alone_and_one_at_a_time() {
    let server = Server::new().resumable().command(waits()).alice().start();
    block(async {
        let options = server.options();
        let session = log_in(&options).await;
        let mut run = session.run(invocation("waits", &[])).await.unwrap();
        let Event::Stdout(pid) = run.next().await.unwrap() else {
            panic!("no output")
        };
        // The old link is still there (half open, as far as the server knows) and the session is
        // taken over.
        let back = session.reconnect(&options).await.unwrap();
        let attachment = Attach {
            run: run.id().unwrap().into(),
            stdout: Some(0),
            stderr: Some(0),
            follow: true,
            resume: true,
        };

        // A failed attempt disturbs nobody.
        let wrong = Attach {
            stdout: Some(1_000_000),
            ..attachment
        };

        assert_eq!(back.attach(wrong).await.err().unwrap().code, 408);
        let mut again = back.attach(attachment).await.unwrap();
        assert_eq!(again.next().await.unwrap(), Event::Stdout(pid.clone()));

        // The old connection's requests are worth nothing any more.
        assert!(session.ask(&Runs::default()).await.is_err());
        back.ask(&Cancel {
            run: run.id().unwrap().into(),
        })
        .await
        .unwrap();
        assert!(matches!(again.next().await.unwrap(), Event::Ended(_)));
        wait("the end of the process", || {
            !alive(String::from_utf8(pid.clone()).unwrap().trim())
        });
    });
}

#[test]
fn two_watchers_and_one_that_stops_reading() {
    let server = Server::new().resumable().command(slow()).alice().start();
    block(async {
        let session = server.session("alice").await;
        let mut run = session.run(invocation("slow", &[])).await.unwrap();
        let id: RunId = run.id().unwrap();
        let from = |run: RunId| Attach {
            run: run.into(),
            stdout: None,
            stderr: None,
            follow: true,
            resume: false,
        };

        // One reads nothing, one half-closes, two read everything.
        let _silent = server
            .session("alice")
            .await
            .attach(from(id))
            .await
            .unwrap();
        let watcher = server.session("alice").await;
        let watched = watcher.attach(from(id)).await.unwrap();
        let reading = tokio::spawn(async move { watched.collect().await.unwrap() });
        let mut out = Vec::new();
        let ended = loop {
            match run.next().await.unwrap() {
                Event::Stdout(bytes) => {
                    run.consumed(bytes.len()).await.unwrap();
                    out.extend(bytes);
                }

                Event::Ended(ended) => break ended,
                _ => {}
            }
        };

        let (seen, _, end) = reading.await.unwrap();
        assert_eq!((seen, end.number), (out, ended.number));
    });
}

#[test]
fn a_lock_is_waited_for_and_its_holder_is_named() {
    let server = Server::new()
        .resumable()
        .command(exclusive())
        .command(patient())
        .command(
            Cmd::new("hasty", &["/bin/echo", "my turn"])
                .lock("deploy")
                .set("queue", "1")
                .says("queue_timeout", "100ms"),
        )
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;
        let mut holder = session.run(invocation("exclusive", &[])).await.unwrap();
        assert!(matches!(holder.next().await.unwrap(), Event::Stdout(_)));

        // No queue: refused, and told who holds it.
        let error = session
            .run(invocation("exclusive", &[]))
            .await
            .err()
            .unwrap();
        assert!(
            error.code == 511 && error.text.contains("`exclusive` of `alice`"),
            "{error}"
        );

        // A short patience.
        let error = session.run(invocation("hasty", &[])).await.err().unwrap();
        assert_eq!(error.code, 512);

        // A long one; the queue has one place.
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let waiting = {
            let session = session.clone();
            tokio::spawn(async move {
                let run = session.ask_for_run(
                    invocation("patient", &[]),
                    RequestId::from_random([9; 20]),
                    |queued| {
                        told.send(queued.text).unwrap();
                    },
                );

                run.await.unwrap().collect().await.unwrap()
            })
        };

        assert!(
            heard
                .recv()
                .await
                .unwrap()
                .contains("the lock `deploy` is held by `exclusive`")
        );

        let error = session.run(invocation("patient", &[])).await.err().unwrap();
        assert_eq!(error.code, 511);
        session
            .ask(&Cancel {
                run: holder.id().unwrap().into(),
            })
            .await
            .unwrap();
        assert_eq!(waiting.await.unwrap().0, b"my turn\n");
    });
}

#[test]
fn signals_are_sent_where_the_command_accepts_them() {
    let server = Server::new().resumable().command(traps()).alice().start();
    block(async {
        let session = server.session("alice").await;
        let mut run = session.run(invocation("traps", &[])).await.unwrap();
        assert_eq!(
            run.next().await.unwrap(),
            Event::Stdout(b"ready\n".to_vec())
        );

        let id = run.id().unwrap();
        let ask = |signal: &str| Signal {
            run: id.into(),
            signal: signal.into(),
        };

        for bad in ["KILL", "INT", "usr1", "10", ""] {
            assert_eq!(
                session.ask(&ask(bad)).await.err().unwrap().code,
                409,
                "{bad}"
            );
        }

        let signalled = session.ask(&ask("USR1")).await.unwrap().signalled;
        assert_eq!(signalled, id.to_string());
        let (out, _, ended) = run.collect().await.unwrap();
        assert_eq!(
            (out.as_slice(), ended.number),
            (b"got it\n".as_slice(), Some(3))
        );
    });
}

#[test]
fn ctrl_c_interrupts_the_run_and_waits_for_it() {
    let server = Server::new()
        .resumable()
        .command(Cmd::sh(
            "interrupted",
            r#"trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.05; done"#,
            &[],
        ))
        .alice()
        .start();
    let mut child = server
        .client()
        .args(["run", "t", "interrupted"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "ready\n");
    common::signal(child.id(), "-INT");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
    assert_eq!(
        (rest.as_str(), child.wait().unwrap().code()),
        ("interrupted\n", Some(5))
    );
}

#[test]
fn arguments_belong_to_a_request_and_its_id() {
    let server = Server::new().resumable().command(counts()).alice().start();
    block(async {
        let session = server.session("alice").await;
        let id = RequestId::from_random([4; 20]);
        let ask = |lines: i64| {
            session.ask_for_run(
                invocation("counts", &[("lines", ordain::verb::Value::Integer(lines))]),
                id,
                |_| {},
            )
        };

        let run = ask(1).await.unwrap();
        let (out, ..) = run.collect().await.unwrap();
        assert_eq!(out, b"line 0 of the output\n");
        assert_eq!(ask(2).await.err().unwrap().code, 304);
    });
}

#[test]
fn a_terminal_is_one_at_both_ends_and_is_left_as_it_was() {
    let server = Server::new()
        .resumable()
        .command(terminal())
        .alice()
        .start();
    let (kept, given) = ordain::sys::terminal((100, 40), None).unwrap();
    let settings = || {
        let stty = std::process::Command::new("stty")
            .arg("-a")
            .stdin(given.try_clone().unwrap())
            .output()
            .unwrap();
        stdout(&stty)
    };

    let before = settings();
    let mut child = server
        .client()
        .args(["-v", "run", "--tty", "t", "terminal"])
        .env("TERM", "xterm-of-tomorrow")
        .stdin(given.try_clone().unwrap())
        .stdout(given.try_clone().unwrap())
        .stderr(given.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut screen = String::new();
    let mut terminal = std::fs::File::from(kept.try_clone().unwrap());
    let mut until = |text: &str, terminal: &mut std::fs::File| {
        let mut buffer = [0; 4096];
        while !screen.contains(text) {
            ordain::sys::wait_readable(std::os::fd::AsFd::as_fd(&kept), common::PATIENCE).unwrap();
            let count = std::io::Read::read(terminal, &mut buffer).unwrap();
            screen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }

        screen.clone()
    };

    let seen = until("xterm-256color cat", &mut terminal);
    assert!(
        seen.contains("/dev/pts/") && seen.contains("40 100"),
        "{seen}"
    );
    let other = "TERM is xterm-256color there: that machine does not know xterm-of-tomorrow";
    assert!(seen.contains(other), "{seen}");

    assert!(settings().contains("-icanon"), "every key is the command's");
    std::io::Write::write_all(&mut terminal, b"hello\r").unwrap();
    until("ready", &mut terminal);
    ordain::sys::resize(std::os::fd::AsFd::as_fd(&kept), (120, 50)).unwrap();

    // Not its controlling terminal, so nobody tells it.
    common::signal(child.id(), "-WINCH");
    let seen = until("50 120", &mut terminal);
    assert!(
        seen.contains("got hello") && seen.contains("resized"),
        "{seen}"
    );

    assert_eq!(child.wait().unwrap().code(), Some(6));
    assert_eq!(
        settings(),
        before.replace("rows 40; columns 100", "rows 50; columns 120")
    );
}

#[test]
fn a_client_that_is_told_to_end_leaves_its_terminal_as_it_was() {
    let server = Server::new()
        .resumable()
        .command(terminal())
        .alice()
        .start();
    for way in ["-TERM", "-HUP", "-QUIT", "~."] {
        let (kept, given) = ordain::sys::terminal((80, 24), None).unwrap();
        let settings = || {
            stdout(
                &std::process::Command::new("stty")
                    .arg("-a")
                    .stdin(given.try_clone().unwrap())
                    .output()
                    .unwrap(),
            )
        };

        let before = settings();
        let mut child = server
            .client()
            .args(["run", "--tty", "t", "terminal"])
            .stdin(given.try_clone().unwrap())
            .stdout(given.try_clone().unwrap())
            .stderr(given.try_clone().unwrap())
            .spawn()
            .unwrap();
        wait("raw mode", || settings().contains("-icanon"));
        if way == "~." {
            let mut terminal = std::fs::File::from(kept.try_clone().unwrap());
            std::io::Write::write_all(&mut terminal, b"~.").unwrap();
        } else {
            common::signal(child.id(), way);
        }

        assert_eq!(child.wait().unwrap().code(), Some(130), "{way}");
        assert_eq!(settings(), before, "{way}");
    }

    server.wait_for_trail("the end of the four runs", |trail| {
        trail
            .iter()
            .filter(|record| record["kind"] == "end" && record["reason"] == "disconnected")
            .count()
            == 4
    });
}

/// A run that ends while one frontend is replaced by another: its end and its output reach whoever
/// asks.
#[test]
fn an_end_that_crosses_a_frontends_death_is_told() {
    let server = Server::new()
        .resumable()
        .command(
            Cmd::sh(
                "short",
                r#"echo begun; sleep "$1"; echo done; exit 4"#,
                &["{time}"],
            )
            .string("time", r"0\.[0-9]+", 5)
            .goes_on(),
        )
        .alice()
        .start();
    block(async {
        let options = server.options();
        let session = log_in(&options).await;
        let mut ids = Vec::new();

        for number in 0..30 {
            let time = common::text(&format!("0.{:02}", 20 + number));
            let mut run = session
                .run(invocation("short", &[("time", time)]))
                .await
                .unwrap();
            assert!(matches!(run.next().await.unwrap(), Event::Stdout(_)));
            ids.push(run.id().unwrap());
            drop(run);
        }

        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        server.kill_frontend();
        let session = loop {
            match session.reconnect(&options).await {
                Ok(session) => break session,
                Err(error) => assert!(error.code >= 600 || error.code == 201, "{error}"),
            }
        };

        for run in ids {
            let attachment = Attach {
                run: run.into(),
                stdout: None,
                stderr: None,
                follow: true,
                resume: false,
            };

            let (out, _, ended) = session
                .attach(attachment)
                .await
                .unwrap()
                .collect()
                .await
                .unwrap();
            assert_eq!(
                (out.as_slice(), ended.number),
                (b"begun\ndone\n".as_slice(), Some(4)),
                "{run}"
            );
        }
    });
}

/// What is typed goes on through the next frontend, nothing of it twice.
#[test]
fn a_terminal_takes_keys_after_a_frontends_death() {
    let server = Server::new()
        .resumable()
        .command(
            Cmd::sh(
                "keys",
                r#"stty -echo; echo ready; while read -r word; do [ "$word" != end ] || exit 3; echo "got $word"; done"#,
                &[],
            )
            .pty()
            .goes_on(),
        )
        .alice()
        .start();
    block(async {
        let mut invocation = invocation("keys", &[]);
        invocation.terminal = Some(ordain::verb::Terminal {
            kind: "xterm".into(),
            columns: 80,
            rows: 24,
        });

        let options = server.options();
        let mut run = Durable::start(options.clone(), log_in(&options).await, invocation, |_| {})
            .await
            .unwrap();
        let input = run.input();
        let (mut out, mut typed, mut healed) = (String::new(), 0, 0);
        let ended = loop {
            match run.next().await.unwrap() {
                Told::Event(Event::Stdout(bytes)) => {
                    run.consumed(bytes.len()).await.unwrap();
                    out.push_str(&String::from_utf8(bytes).unwrap());

                    // A key after each answer; the frontend dies twice between them.
                    if out.lines().count() > typed && out.ends_with('\n') {
                        if typed == 2 || typed == 4 {
                            server.kill_frontend();
                        }
                        let word = if typed == 6 {
                            "end\n".to_owned()
                        } else {
                            format!("{typed}\n")
                        };

                        assert!(input.send(word.as_bytes()).await);
                        typed += 1;
                    }
                }

                Told::Healed { .. } => healed += 1,
                Told::Event(Event::Ended(ended)) => break ended,
                _ => {}
            }
        };

        let expected: String = std::iter::once("ready\r\n".to_owned())
            .chain((0..6).map(|word| format!("got {word}\r\n")))
            .collect();
        assert_eq!((out, ended.number, healed), (expected, Some(3), 2));
    });
}

#[test]
fn half_an_input_is_not_the_whole_after_a_frontends_death() {
    let server = Server::new()
        .resumable()
        .command(
            Cmd::sh(
                "half",
                r#"cat > "$1"; echo whole >> "$1""#,
                &["{folder}/half"],
            )
            .stdin()
            .goes_on(),
        )
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;
        let run = session.run(invocation("half", &[])).await.unwrap();
        assert!(run.input().send(b"first half\n").await.unwrap());
        while std::fs::read(server.path("half"))
            .unwrap_or_default()
            .is_empty()
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        server.kill_frontend();
    });

    server.wait_for_trail("the end of the run", |trail| {
        trail.iter().any(|record| record["kind"] == "end")
    });
    assert_eq!(server.records("end")[0]["reason"], "disconnected");
    assert_eq!(
        std::fs::read_to_string(server.path("half")).unwrap(),
        "first half\n"
    );
}

#[test]
fn a_request_whose_run_could_not_begin_may_be_sent_again() {
    let server = Server::new()
        .resumable()
        .command(Cmd::new("gone", &["{folder}/gone"]))
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;
        for _ in 0..2 {
            let error = session
                .ask_for_run(
                    invocation("gone", &[]),
                    RequestId::from_random([8; 20]),
                    |_| {},
                )
                .await
                .err()
                .unwrap();
            assert_eq!(error.code, 500);
        }

        assert_eq!(
            session
                .ask(&Cancel {
                    run: Named("0123456789abcdef".parse().ok())
                })
                .await
                .err()
                .unwrap()
                .code,
            404
        );
    });
}

/// Thousands of small pieces for a reader that comes late: the client's writing thread and its loop
/// once waited for each other.
#[test]
fn small_pieces_for_a_late_reader_do_not_lock_the_client_up() {
    let server = Server::new().resumable().command(counts()).alice().start();
    for _ in 0..3 {
        let mut client = server.client();
        let mut child = client
            .args(["run", "t", "counts", "20000"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(300));
        let mut text = String::new();
        std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut text).unwrap();
        assert_eq!(
            (text.lines().count(), child.wait().unwrap().code()),
            (20_000, Some(0))
        );
    }
}

/// What is typed at a terminal has no end that could be missing: such a run goes on without its
/// client.
#[test]
fn a_run_at_a_terminal_goes_on_when_its_client_leaves() {
    let server = Server::new()
        .resumable()
        .command(
            Cmd::sh("screen", "echo begun; sleep 0.4; echo done", &[])
                .pty()
                .goes_on(),
        )
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;
        let mut run = session.run(invocation("screen", &[])).await.unwrap();
        assert!(matches!(run.next().await.unwrap(), Event::Stdout(_)));
        let attachment = Attach {
            run: run.id().unwrap().into(),
            stdout: None,
            stderr: None,
            follow: true,
            resume: false,
        };

        drop(run);
        let (out, _, ended) = session
            .attach(attachment)
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        assert_eq!(
            (String::from_utf8_lossy(&out).as_ref(), ended.number),
            ("begun\r\ndone\r\n", Some(0)),
            "{ended:?}"
        );
    });
}

/// More streams that end at once than the connection's task takes in one turn: every place is free
/// again.
#[test]
fn places_of_streams_that_end_together_are_all_given_back() {
    let server = Server::new()
        .resumable()
        .table(
            "limits",
            "streams_per_connection = 200\nruns_per_user = 400",
        )
        .command(waits())
        .alice()
        .start();

    block(async {
        let session = server.session("alice").await;
        for _ in 0..4 {
            let mut runs = Vec::new();
            for _ in 0..150 {
                runs.push(session.run(invocation("waits", &[])).await.unwrap());
            }
            let ids: Vec<RunId> = runs.iter().map(|run| run.id().unwrap()).collect();
            let other = server.session("alice").await;
            for run in ids {
                other.ask(&Cancel { run: run.into() }).await.unwrap();
            }
            for run in runs {
                assert_eq!(run.collect().await.unwrap().2.reason, "cancelled");
            }
        }
    });
}

/// Taking a run up at bytes that are not kept fails, and the run stays with whom it was: the
/// monitor had given it away.
#[test]
fn a_refused_attempt_does_not_become_the_runs_client() {
    let server = Server::new().resumable().command(waits()).alice().start();
    block(async {
        let session = server.session("alice").await;
        let mut run = session.run(invocation("waits", &[])).await.unwrap();
        assert!(matches!(run.next().await.unwrap(), Event::Stdout(_)));
        let wrong = Attach {
            run: run.id().unwrap().into(),
            stdout: Some(1 << 40),
            stderr: Some(0),
            follow: true,
            resume: true,
        };

        let error = match session.attach(wrong).await {
            Err(error) => error,
            Ok(mut attached) => attached.next().await.err().unwrap(),
        };

        assert_eq!(error.code, 408, "{error}");

        // Asked and answered behind it on the way to the monitor.
        session.ask(&Whoami {}).await.unwrap();
        drop(run);
        while server.records("end").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(server.records("end")[0]["reason"], "disconnected");
        session.close().await;
    });
}

/// The stream that had waited for it was left without any answer.
#[test]
fn a_request_asked_again_while_it_waits_answers_both_streams() {
    let server = Server::new()
        .resumable()
        .command(exclusive())
        .command(patient())
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;
        let holder = session.run(invocation("exclusive", &[])).await.unwrap();
        let id = RequestId::from_random([9; 20]);
        let (queued, mut waits) = tokio::sync::mpsc::unbounded_channel();
        let first = {
            let session = session.clone();
            tokio::spawn(async move {
                session
                    .ask_for_run(invocation("patient", &[]), id, |_| {
                        assert!(queued.send(()).is_ok())
                    })
                    .await
                    .err()
            })
        };

        waits.recv().await.unwrap();
        let again = {
            let session = session.clone();
            tokio::spawn(async move {
                session
                    .ask_for_run(invocation("patient", &[]), id, |_| {})
                    .await
                    .unwrap()
                    .collect()
                    .await
                    .unwrap()
            })
        };

        assert_eq!(first.await.unwrap().unwrap().code, 107);
        session
            .ask(&Cancel {
                run: holder.id().unwrap().into(),
            })
            .await
            .unwrap();
        let (stdout, _, _) = again.await.unwrap();
        assert_eq!(stdout, b"my turn\n");
    });
}
