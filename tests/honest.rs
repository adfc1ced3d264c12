//! Success is never said when bytes were lost or an act was unwanted: what cannot be written or read
//! is told, and what waits is not done for whoever has gone.

mod common;

use common::{Cmd, Server, block, invocation, run, signal, stderr, stdout};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

const FULL: &str = "No space left on device";

fn server() -> Server {
    Server::new()
        .common(&["true", "args", "sleep"])
        .command(Cmd::sh("much", "head -c 3000000 /dev/zero", &[]))
        .command(Cmd::new("echoes", &["/bin/cat"]).stdin())
        .command(Cmd::sh(
            "both",
            "head -c 1500000 /dev/zero; head -c 1000000 /dev/zero >&2; head -c 1500000 /dev/zero",
            &[],
        ))
        .command(Cmd::sh("loud", "echo said >&2", &[]))
        .command(
            Cmd::sh(
                "takes",
                "cat >{folder}/taken; echo whole >>{folder}/taken",
                &[],
            )
            .stdin(),
        )
        .command(Cmd::sh("counts", "wc -c", &[]).stdin())
        .command(Cmd::new("holds", &["/bin/sleep", "1000"]).lock("one"))
        .command(
            Cmd::new("wants", &["/bin/true"])
                .lock("one")
                .set("queue", "9"),
        )
        .command(
            Cmd::new("wants-on", &["/bin/true"])
                .lock("one")
                .set("queue", "9")
                .goes_on(),
        )
        .alice()
        .start()
}

/// A full disk took a database dump, and the status was 0.
#[test]
fn a_full_disk_is_no_success() {
    let server = server();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let id = block(async {
        let session = server.session("alice").await;
        let run = session.run(invocation("much", &[])).await.unwrap();
        let id = run.id().unwrap().to_string();
        run.collect().await.unwrap();
        id
    });
    let said: &[&[&str]] = &[
        &["run", "t", "args", "x"],
        &["run", "t", "much"],
        &["--json", "run", "t", "args", "x"],
        &["run", "--dry-run", "t", "args", "x"],
        &["output", "t", &id],
        &["list", "t"],
        &["--json", "list", "t"],
        &["describe", "t", "args"],
        &["runs", "t"],
        &["whoami", "t"],
    ];
    for words in said {
        let done = run(server.client().args(*words).stdout(full()));
        assert_eq!(
            done.status.code(),
            Some(255),
            "{words:?}: {}",
            stderr(&done)
        );
        let text = stderr(&done);
        assert!(
            text.contains("standard output could not be written") && text.contains(FULL),
            "{words:?}: {text}"
        );
    }

    // What a command says to standard error is output too.
    let done = run(server.client().args(["run", "t", "loud"]).stderr(full()));
    assert_eq!(done.status.code(), Some(255), "{}", stdout(&done));
    for words in [
        &["audit", "show"][..],
        &["status"],
        &["explain", "alice", "true"],
    ] {
        let mut daemon = Command::new(env!("CARGO_BIN_EXE_ordaind"));
        daemon.arg("--config").arg(server.config()).args(words);
        let done = run(daemon.stdout(full()));
        assert_eq!(
            done.status.code(),
            Some(255),
            "{words:?}: {}",
            stderr(&done)
        );
        assert!(stderr(&done).contains(FULL), "{words:?}: {}", stderr(&done));
    }
}

/// A reader that has gone away is not a fault to be told, and no success either.
#[test]
fn a_reader_that_has_gone_is_told_by_the_status() {
    let server = server();
    for words in [
        &["run", "t", "much"][..],
        &["list", "t"],
        &["run", "t", "args", "x"],
    ] {
        let (ours, theirs) = std::io::pipe().unwrap();
        drop(ours);
        let done = run(server.client().args(words).stdout(theirs));
        assert_eq!(
            (done.status.code(), stderr(&done).as_str()),
            (Some(141), ""),
            "{words:?}"
        );
    }
}

/// A read error on local standard input was taken for its end.
#[test]
fn input_that_cannot_be_read_is_no_end_of_input() {
    let server = server();
    let folder = File::open("/").unwrap();
    let mut client = server.client();
    client.args(["run", "t", "takes"]).stdin(folder);
    let done = client.output().unwrap();
    assert_eq!(done.status.code(), Some(255), "{}", stderr(&done));
    assert!(
        stderr(&done).contains("standard input cannot be read"),
        "{}",
        stderr(&done)
    );
    server.wait_for_records("end", 1);
    assert_eq!(server.records("end")[0]["reason"], "cancelled");
    let taken = std::fs::read_to_string(server.path("taken")).unwrap();
    assert_eq!(taken, "", "the command took half an input for a whole one");
}

/// A descriptor that does not block is waited for: its other side may be slow.
#[test]
fn descriptors_that_do_not_block_lose_nothing() {
    let server = server();
    let pair = || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (ours, OwnedFd::from(theirs))
    };
    let (mut ours, theirs) = pair();
    let mut child = server.client();
    child
        .args(["run", "t", "counts"])
        .stdin(theirs)
        .stdout(Stdio::piped());
    let child = child.spawn().unwrap();
    server.wait_for_records("start", 1);
    for _ in 0..50 {
        ours.write_all(&[b'x'; 1000]).unwrap();
    }
    drop(ours);
    let done = child.wait_with_output().unwrap();
    assert_eq!(
        (done.status.code(), stdout(&done).trim()),
        (Some(0), "50000")
    );

    let (mut ours, theirs) = pair();
    let mut child = server
        .client()
        .args(["run", "t", "much"])
        .stdout(theirs)
        .spawn()
        .unwrap();
    // The pair is full long before it is read.
    server.wait_for_records("start", 2);
    let mut bytes = Vec::new();
    ours.read_to_end(&mut bytes).unwrap();
    assert_eq!(
        (child.wait().unwrap().code(), bytes.len()),
        (Some(0), 3_000_000)
    );
}

/// A thread between costs two wake-ups for each line.
#[test]
#[cfg(target_os = "linux")]
fn what_can_be_waited_for_needs_no_thread() {
    let server = server();
    let mut child = server
        .client()
        .args(["run", "t", "echoes"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for line in [*b"one\n", *b"two\n"] {
        input.write_all(&line).unwrap();
        let mut back = [0; 4];
        output.read_exact(&mut back).unwrap();
        assert_eq!(back, line);
    }
    let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    assert_eq!(threads.count(), 1);
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// What a file takes is written by a thread, and comes behind what a pipe had not taken yet.
#[test]
fn a_pipe_and_a_file_get_all_of_it_beside_one_another() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("errors");
    let mut child = server
        .client()
        .args(["run", "t", "both"])
        .stdout(Stdio::piped())
        .stderr(File::create(&path).unwrap())
        .spawn()
        .unwrap();
    // The pipe is full long before it is read.
    server.wait_for_records("start", 1);
    let mut bytes = Vec::new();
    let mut output = child.stdout.take().unwrap();
    output.read_to_end(&mut bytes).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(bytes.len(), 3_000_000);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 1_000_000);
}

/// A client that waits behind the lock, and the one that holds it.
fn waiting(server: &Server, words: &[&str]) -> (Child, Child) {
    let mut holder = server.client();
    let holder = holder
        .args(["run", "t", "holds"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_for_records("start", 1);
    let mut waits = server.client();
    waits
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut waits = waits.spawn().unwrap();
    // Whoever knows no more than that they have asked is told something else.
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&said).contains(" waits: ") {
        let stderr = waits.stderr.as_mut().unwrap();
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "it ended");
        said.push(byte[0]);
    }
    (holder, waits)
}

/// The holder ends; whatever was to be started then has been, once a further run has had its turn.
fn let_go(server: &Server, mut holder: Child) {
    signal(holder.id(), "-TERM");
    holder.wait().unwrap();
    let next = server.ordain(&["run", "t", "wants"]);
    assert_eq!(next.status.code(), Some(0), "{}", stderr(&next));
}

fn starts(server: &Server) -> usize {
    server.records("start").len()
}

/// `timeout 3 ordain run …` that waited for a lock ran as soon as the lock was free, with nobody there.
#[test]
fn what_waits_is_not_started_for_whoever_has_given_it_up() {
    for command in ["wants", "wants-on"] {
        for name in ["-INT", "-TERM", "-HUP"] {
            let server = server();
            let (holder, mut waits) = waiting(&server, &["run", "t", command]);
            signal(waits.id(), name);
            assert_eq!(waits.wait().unwrap().code(), Some(130), "{name}");
            let_go(&server, holder);
            assert_eq!(starts(&server), 2, "{command} {name}");
            let ends = server.records("end");
            let given_up = ends.iter().find(|end| end["command"] == command);
            assert_eq!(
                given_up.unwrap()["reason"],
                "not-started",
                "{command} {name}"
            );
        }
    }
}

/// Whoever is away, and may yet come back, is not waited for and nothing is started for them.
#[test]
fn what_waits_is_not_started_for_a_client_that_is_away() {
    let server = Server::new()
        .resumable()
        .command(
            Cmd::new("holds", &["/bin/sleep", "1000"])
                .lock("one")
                .set("resume_window", "\"none\""),
        )
        .command(
            Cmd::new("wants", &["/bin/true"])
                .lock("one")
                .set("queue", "9"),
        )
        .command(
            Cmd::new("wants-on", &["/bin/true"])
                .lock("one")
                .set("queue", "9")
                .goes_on(),
        )
        .alice()
        .start();
    let (holder, mut waits) = waiting(&server, &["run", "t", "wants-on"]);
    signal(waits.id(), "-KILL");
    waits.wait().unwrap();
    let_go(&server, holder);
    assert_eq!(starts(&server), 2, "the holder's and the last one's");
}

/// `--timeout` did not count what a run waited.
#[test]
fn the_time_counts_while_a_run_waits() {
    let server = server();
    let (holder, mut waits) = waiting(&server, &["run", "--timeout", "1s", "t", "wants"]);
    assert_eq!(waits.wait().unwrap().code(), Some(124));
    let mut said = String::new();
    waits
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(
        said.contains("--timeout is over before the run has begun"),
        "{said}"
    );
    let_go(&server, holder);
    assert_eq!(starts(&server), 2);
}

/// Bytes that are no UTF-8 made the program panic.
#[test]
fn words_that_are_no_text_are_a_usage_fault() {
    let server = server();
    let word = |bytes: &[u8]| std::ffi::OsString::from_vec(bytes.to_vec());
    for words in [
        vec![
            word(b"run"),
            word(b"t"),
            word(b"args"),
            word(b"--text=\xff\xfe"),
        ],
        vec![word(b"run"), word(b"t"), word(b"\xff")],
        vec![
            word(b"run"),
            word(b"--nagios"),
            word(b"t\xff"),
            word(b"true"),
        ],
        vec![word(b"--\xff")],
        vec![word(b"\xff")],
    ] {
        let done = run(server.client().args(&words));
        let code = done.status.code();
        assert!(
            matches!(code, Some(255 | 3 | 2)),
            "{words:?}: {code:?} {}",
            stderr(&done)
        );
        let text = stderr(&done);
        assert!(
            text.is_ascii() && !text.contains("panicked"),
            "{words:?}: {text}"
        );
    }
    for program in [
        env!("CARGO_BIN_EXE_ordaind"),
        env!("CARGO_BIN_EXE_ordain-certs"),
    ] {
        let done = run(Command::new(program).arg(word(b"\xff")));
        assert!(
            matches!(done.status.code(), Some(1 | 2)),
            "{program}: {:?}",
            done.status
        );
    }
}

/// 600 kB of valid text came as base64, because frames cut letters.
#[test]
fn letters_are_whole_for_machines() {
    let text = "printf 'a'; i=0; while [ $i -lt 20000 ]; do printf '\\342\\202\\254\\360\\237\\246\\200'; i=$((i+1)); done";
    let server = Server::new()
        .command(Cmd::sh("text", text, &[]))
        .command(Cmd::sh("cut", "printf 'ab\\342\\202'", &[]))
        .alice()
        .start();
    let told = |command: &str| {
        let done = server.ordain(&["--json", "run", "t", command]);
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        let lines = stdout(&done);
        let lines: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        lines
            .into_iter()
            .filter(|line| line["event"] == "stdout")
            .collect::<Vec<_>>()
    };
    let whole: String = told("text")
        .iter()
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    assert_eq!(whole, format!("a{}", "€🦀".repeat(20_000)));

    // A letter that never comes to its end is not lost.
    let cut = told("cut");
    assert_eq!(
        (&cut[0]["text"], &cut[1]["base64"]),
        (&"ab".into(), &"4oI=".into())
    );
}

/// Whoever is told to ignore a signal, as by nohup, goes on ignoring it.
#[test]
fn a_client_that_was_told_to_ignore_signals_does() {
    let server = Server::new()
        .command(Cmd::sh(
            "waits",
            "until [ -e {folder}/go ]; do sleep 0.02; done",
            &[],
        ))
        .alice()
        .start();
    let client = server.client();
    let mut hardened = Command::new("/bin/sh");
    hardened
        .args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\""])
        .arg(client.get_program())
        .args(client.get_args())
        .args(["run", "t", "waits"])
        .envs(
            client
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(
            client
                .get_current_dir()
                .unwrap_or(std::path::Path::new(".")),
        )
        .stdin(Stdio::null());
    let mut child = hardened.spawn().unwrap();
    server.wait_for_records("start", 1);
    signal(child.id(), "-HUP");
    signal(child.id(), "-INT");
    std::fs::write(server.path("go"), "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A daemon that was started with SIGCHLD ignored did not learn how its runs had ended.
#[test]
fn a_daemon_puts_its_signals_right() {
    let prepared = Server::new().common(&["true"]).alice().prepare();
    let mut daemon = Command::new("env");
    daemon
        .args(["--ignore-signal=CHLD", "--block-signal=TERM"])
        .arg(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(prepared.config())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = daemon.spawn().unwrap();
    let log = common::Log::of(&mut child);
    let port = log.port();
    block(async {
        let options = common::trusting(&prepared.ca, port);
        let session = common::log_in(&options, "alice", common::PASSWORD)
            .await
            .unwrap();
        let (_, _, ended) = common::ran(&session, "true").await;
        assert_eq!((ended.reason.as_str(), ended.number), ("exit", Some(0)));
    });
    signal(child.id(), "-TERM");
    assert!(child.wait().unwrap().success());
}
