//! The client that PROTOCOL.md promises: a Python program with the standard library only, against
//! the real daemon.

mod common;

use common::{Cmd, PATIENCE, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

/// Whether there is a Python to test with.
fn python() -> bool {
    let found = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_err() {
        println!("skipped: python3 is not installed");
    }
    found.is_ok()
}

/// A daemon, and a Python client of it.
fn start() -> Server {
    Server::new()
        .command(
            Cmd::sh(
                "greet",
                r#"printf "%s|" "$@"; echo to stderr >&2"#,
                &["{loud}", "{times}", "{name}"],
            )
            .arg(
                "name",
                r#"type = "string", pattern = ".*", max = 100, repeated = 3"#,
            )
            .arg(
                "times",
                r#"type = "integer", min = 1, max = 9, default = 1"#,
            )
            .arg("loud", r#"type = "flag", word = "--loud""#),
        )
        .command(Cmd::sh("fail", "echo before; exit 3", &[]))
        .command(Cmd::sh("die", "kill -9 $$", &[]))
        .command(Cmd::sh("slow", "echo waiting; exec sleep 100", &[]).timeout("200ms"))
        .command(Cmd::new("cat", &["/bin/cat"]).set("stdin", r#"{ max = "8MiB" }"#))
        .command(Cmd::sh(
            "evil",
            r#"printf 'a\033]0;title\007b\302\2332J\342\200\256\303\274\303' >&2; printf 'c\033[2Jd\n'"#,
            &[],
        ))
        .command(Cmd::new("forbidden", &["/bin/true"]))
        .role("tester", &["greet", "fail", "die", "slow", "cat", "evil"])
        .user("demo", &["tester"])
        .file("wrong", "Correct Horse\n", 0o600)
        .start()
}

/// Runs the client with this password file, these words and this input.
fn client(server: &Server, password: &str, words: &[&str], stdin: Vec<u8>) -> Output {
    let mut child = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ordain.py"))
        .arg("--ca")
        .arg(server.path("ca.crt"))
        .args(["--user", "demo", "--password-file"])
        .arg(server.path(password))
        .arg(format!("127.0.0.1:{}", server.port))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();

    // A client that reads no input closes the pipe.
    std::thread::spawn(move || drop(input.write_all(&stdin)));
    let (sender, done) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    done.recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("{words:?} did not end within {PATIENCE:?}"))
}

fn run(server: &Server, words: &[&str]) -> Output {
    client(server, "password", words, Vec::new())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_client_in_python_runs_commands() {
    if !python() {
        return;
    }
    let server = start();

    let greeted = run(
        &server,
        &[
            "greet",
            "name=two words",
            "name=$(id) äöü",
            "times=3",
            "loud",
        ],
    );
    assert_eq!(greeted.status.code(), Some(0), "{greeted:?}");
    assert_eq!(text(&greeted.stdout), "--loud|3|two words|$(id) äöü|");
    assert_eq!(text(&greeted.stderr), "to stderr\n");

    let failed = run(&server, &["fail"]);
    assert_eq!(
        (
            failed.status.code(),
            text(&failed.stdout),
            text(&failed.stderr)
        ),
        (Some(3), "before\n", "")
    );

    let killed = run(&server, &["die"]);
    assert_eq!(killed.status.code(), Some(128 + 9), "{killed:?}");

    let late = run(&server, &["slow"]);
    assert_eq!(
        (late.status.code(), text(&late.stdout)),
        (Some(124), "waiting\n"),
        "{late:?}"
    );
}

/// What a server that stops has not answered, the next one is asked for, as `ordain` does it.
#[test]
fn a_client_in_python_waits_for_the_next_daemon() {
    if !python() {
        return;
    }
    let mut server = Server::new()
        .grace("1h")
        .command(Cmd::sh("begun", "echo begun; exec sleep 1000", &[]))
        .command(Cmd::sh("greet", "echo hello", &[]))
        .role("tester", &["begun", "greet"])
        .user("demo", &["tester"])
        .start();
    let start = |word: &str| {
        let mut child = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ordain.py"))
            .arg("--ca")
            .arg(server.path("ca.crt"))
            .args(["--user", "demo", "--password-file"])
            .arg(server.path("password"))
            .args([&format!("127.0.0.1:{}", server.port), word])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        (child, errors)
    };
    let (mut open, _open_errors) = start("begun");
    let mut output = BufReader::new(open.stdout.take().unwrap()).lines();
    assert_eq!(output.next().unwrap().unwrap(), "begun");
    common::signal(server.child.id(), "-TERM");
    server.wait_for_log("starting nothing new");

    let (late, mut told) = start("greet");
    let first = told.next().unwrap().unwrap();
    assert_eq!(
        first,
        "ordain.py: the server is stopping; waiting for it to come back, for 610 s at the most"
    );
    // A second signal cuts what has its grace.
    server.stop_and_start(&[]);
    let late = late.wait_with_output().unwrap();
    assert_eq!(text(&late.stdout), "hello\n", "{:?}", told.next());
    assert!(late.status.success());
    // What had begun is not asked for again.
    assert_eq!(open.wait().unwrap().code(), Some(255));
    assert_eq!(server.records("start").len(), 2);
}

#[test]
fn a_client_in_python_is_refused() {
    if !python() {
        return;
    }
    let server = start();
    let cases: &[(&str, &[&str], &str)] = &[
        ("password", &["forbidden"], "(code 400)"),
        ("password", &["no-such-command"], "(code 400)"),
        ("password", &["greet", "name=x", "times=10"], "(code 401)"),
        ("password", &["greet", "name=x", "unknown=1"], "(code 401)"),
        ("wrong", &["fail"], "(code 200)"),
    ];

    for (password, words, code) in cases {
        let refused = client(&server, password, words, Vec::new());
        assert_eq!(
            (refused.status.code(), text(&refused.stdout)),
            (Some(255), ""),
            "{words:?}: {refused:?}"
        );

        assert!(
            text(&refused.stderr).contains(code),
            "{words:?}: {refused:?}"
        );
    }
}

#[test]
fn a_client_in_python_streams_input_and_output() {
    if !python() {
        return;
    }
    let server = start();

    // Twice the window of each direction, and no multiple of any frame.
    let sent: Vec<u8> = (0u32..1024 * 1024 + 7)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let echoed = client(&server, "password", &["cat"], sent.clone());
    assert_eq!(
        echoed.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&echoed.stderr)
    );

    assert!(
        echoed.stdout == sent,
        "{} bytes came back of {}",
        echoed.stdout.len(),
        sent.len()
    );
}

#[test]
fn a_verifier_in_python_proves_a_daemons_trail() {
    if !python() {
        return;
    }
    let has = Command::new("python3")
        .args(["-c", "import cryptography"])
        .stderr(Stdio::null())
        .status();
    if !has.is_ok_and(|status| status.success()) {
        println!("skipped: the Python package `cryptography` is not installed");
        return;
    }
    let mut server = start();
    for words in [
        &[
            "greet",
            "name=two words",
            "name=$(id) äöü",
            "times=3",
            "loud",
        ][..],
        &["greet", "name={times}", "name={", "name=}"],
        &["fail"],
        &["forbidden"],
        &["greet", "name=x", "times=10"],
    ] {
        run(&server, words);
    }
    server.stop();

    let verified = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify.py"))
        .args(["--json", "--key"])
        .arg(server.path("state/trail.pub"))
        .arg(server.path("state/trail.jsonl"))
        .output()
        .unwrap();
    let said: serde_json::Value =
        serde_json::from_slice(&verified.stdout).unwrap_or_else(|_| panic!("{verified:?}"));
    assert_eq!(
        (
            &said["sound"],
            &said["granted"],
            &said["signatures"],
            &said["unshown"]
        ),
        (&true.into(), &3.into(), &10.into(), &0.into()),
        "{said}"
    );
    let output = server.ordaind(&["audit", "verify", "--json"]);
    let ours: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for (name, count) in said.as_object().unwrap() {
        assert!(
            name == "trail" || ours[name] == *count,
            "{name}: {said}\n{ours}"
        );
    }
}

#[test]
fn a_client_in_python_shows_a_terminal_nothing_that_could_do_harm() {
    if !python() {
        return;
    }
    let server = start();
    let (kept, given) = ordain::sys::terminal((80, 24), None).unwrap();
    let child = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ordain.py"))
        .arg("--ca")
        .arg(server.path("ca.crt"))
        .args(["--user", "demo", "--password-file"])
        .arg(server.path("password"))
        .arg(format!("127.0.0.1:{}", server.port))
        .arg("evil")
        .stdin(Stdio::null())
        .stdout(given.try_clone().unwrap())
        .stderr(given)
        .spawn();
    assert_eq!(child.unwrap().wait().unwrap().code(), Some(0));

    // A terminal that nobody holds any more ends with an error (EIO), after all that was written.
    let mut shown = Vec::new();
    let _ = std::fs::File::from(kept).read_to_end(&mut shown);
    let shown = text(&shown);
    // Each output comes whole. The half letter at the end of one is shown when that output ends,
    // and the other output may come before it.
    let (of_errors, of_output, half_letter) = (
        r"a\x1b]0;title\x07b\x9b2J\u202eü",
        "c\\x1b[2Jd\r\n",
        r"\xc3",
    );
    assert!(shown.contains(of_errors), "{shown:?}");
    assert!(shown.contains(of_output), "{shown:?}");
    let rest = shown.replacen(of_errors, "", 1).replacen(of_output, "", 1);
    assert_eq!(rest, half_letter, "{shown:?}");
}
