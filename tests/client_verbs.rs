//! Every verb and option of `ordain`, against the real daemon: what is printed where, and the exit
//! status.

mod common;

use common::{Cmd, Server, stderr, stdout, write};
use std::io::{BufRead, BufReader, Write};
use std::process::Output;

/// Exit status, standard output and standard error.
fn said(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), stdout(output), stderr(output))
}

/// ordain's own failure: 255, nothing on standard output, and this on standard error.
fn refused(output: &Output, sentence: &str) {
    let (status, out, err) = said(output);
    assert_eq!((status, out.as_str()), (Some(255), ""), "{err}");
    assert!(err.contains(sentence), "expected: {sentence}\nsaid: {err}");
}

/// All is well, and exactly this is printed.
fn printed(output: &Output, text: &str) {
    assert_eq!(said(output), (Some(0), text.to_owned(), String::new()));
}

fn json(output: &Output) -> serde_json::Value {
    let (status, out, err) = said(output);
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(out.lines().count(), 1, "one line for machines: {out}");
    serde_json::from_str(&out).unwrap()
}

/// A daemon with a little of everything, for questions that change nothing.
fn described() -> common::Setup {
    Server::new()
        .command(
            Cmd::new("echo", &["/bin/echo", "{word}"])
                .group(&["-n", "{number}"])
                .word("{loud}")
                .summary("Says a word")
                .string("word", "[a-z]+", 8)
                .arg(
                    "number",
                    r#"type = "integer", min = 1, max = 9, optional = true"#,
                )
                .arg("loud", r#"type = "flag", word = "--loud""#),
        )
        .common(&["true", "exit"])
        .command(Cmd::new("hidden", &["/bin/true"]))
        .command(Cmd::sh("hangs", "echo 'OK: so far'; sleep 60", &[]))
        .command(Cmd::sh("much", "head -c 300000 /dev/zero; exit 1", &[]))
        .role("some", &["echo", "true", "exit", "hangs", "much"])
        .user("alice", &["some"])
}

#[test]
fn list_prints_what_one_may_run_and_nothing_else() {
    let server = described().start();
    printed(
        &server.ordain(&["list", "t"]),
        "echo   Says a word\nexit\nhangs\nmuch\ntrue\n",
    );

    let listed = json(&server.ordain(&["--json", "list", "t"]));
    let names: Vec<&str> = listed["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|command| command["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["echo", "exit", "hangs", "much", "true"]);
    assert_eq!(listed["commands"][0]["summary"], "Says a word");
}

#[test]
fn describe_prints_kinds_bounds_and_usage() {
    let server = described().start();
    printed(
        &server.ordain(&["describe", "t", "echo"]),
        "echo - Says a word\n\
         usage: ordain run HOST echo WORD [NUMBER] [--loud]\n  \
         word: string, [a-z]+ (at most 8 bytes), required\n  \
         number: integer, 1 to 9, optional\n  \
         loud: flag, becomes --loud, optional\n\
         is ended after 50.0s\n",
    );

    let described = json(&server.ordain(&["--json", "describe", "t", "echo"]));
    assert_eq!(described["name"], "echo");
    assert_eq!(described["timeout_ms"], 50_000);
    assert_eq!(described["stdin"], false);
    assert_eq!(described["terminal"], false);
    assert_eq!(described["confirm"], false);
    assert_eq!(described["outlives_client"], false);
    let kinds: Vec<&str> = described["arguments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|argument| argument["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["string", "integer", "flag"]);
}

#[test]
fn what_is_hidden_and_what_is_not_there_read_the_same() {
    let server = described().start();
    for verb in [["describe", "t"], ["run", "t"]] {
        for command in ["hidden", "nothing"] {
            refused(
                &server.ordain(&[&verb[..], &[command]].concat()),
                &format!("no role of `alice` grants a command `{command}` (code 400)"),
            );
        }
    }
}

#[test]
fn a_dry_run_shows_the_argv_and_runs_nothing() {
    let server = described().start();
    let output = server.ordain(&["run", "--dry-run", "t", "echo", "hello", "3"]);
    let (status, out, err) = said(&output);
    assert_eq!(status, Some(0), "{err}");
    assert!(
        out.starts_with("granted by roles.some.commands `echo` ("),
        "{out}"
    );
    assert!(out.ends_with("  /bin/echo hello -n 3\n"), "{out}");

    let preview = json(&server.ordain(&["--json", "run", "--dry-run", "t", "echo", "hello"]));
    assert_eq!(preview["argv"], serde_json::json!(["/bin/echo", "hello"]));
    assert_eq!(preview["cwd"], "/");
    assert_eq!(server.records("start").len(), 0);
}

#[test]
fn explain_names_every_rule_it_looked_at() {
    let server = described().start();
    let (status, out, _) = said(&server.ordain(&["explain", "t", "echo", "hello"]));
    assert_eq!(status, Some(0));
    for part in [
        "granted, by roles.some.commands `echo` (",
        "  would run: /bin/echo hello\n",
        "  users.alice (",
        "commands.echo.args.number (",
        ": nothing was given, and nothing must be\n",
        ": accepts what was given\n",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }

    let (_, out, _) = said(&server.ordain(&["explain", "t", "hidden"]));
    assert!(
        out.starts_with(
            "refused, by default deny\n  no role of `alice` grants a command `hidden` (code 400)\n"
        ),
        "{out}"
    );

    let explained = json(&server.ordain(&["--json", "explain", "t", "echo", "NO"]));
    assert_eq!(explained["decision"], "refused");
    assert!(
        explained["decided_by"]
            .as_str()
            .unwrap()
            .starts_with("commands.echo.args.word ("),
        "{explained}"
    );
    assert_eq!(server.records("start").len(), 0);
}

#[test]
fn explain_takes_a_reason_as_run_does() {
    let server = Server::new()
        .command(
            Cmd::new("deploy", &["/bin/echo", "deployed"])
                .set("require", r#"{ reason = "OPS-[0-9]+" }"#),
        )
        .alice()
        .start();
    for (reason, decision) in [("OPS-1", "granted"), ("because", "refused")] {
        let words = ["--json", "explain", "--reason", reason, "t", "deploy"];
        assert_eq!(
            json(&server.ordain(&words))["decision"],
            decision,
            "{reason}"
        );
    }

    printed(
        &server.ordain(&["run", "--reason", "OPS-1", "t", "deploy"]),
        "deployed\n",
    );
    let wrong = server.ordain(&["run", "--reason", "because", "t", "deploy"]);
    assert_eq!(wrong.status.code(), Some(255));
    assert!(stderr(&wrong).contains("reason"), "{}", stderr(&wrong));
    let none = server.ordain(&["run", "t", "deploy"]);
    assert_eq!(none.status.code(), Some(255));
    assert_eq!(server.records("start").len(), 1);
}

#[test]
fn json_of_a_run_is_an_event_a_line() {
    let server = Server::new().common(&["exit"]).alice().start();
    let output = server.ordain(&["--json", "run", "t", "exit", "3"]);
    assert_eq!(output.status.code(), Some(3));
    let events: Vec<serde_json::Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| {
        events
            .iter()
            .find(|event| event["event"] == kind)
            .unwrap_or_else(|| panic!("no {kind}: {events:?}"))
    };

    assert_eq!(events.first().unwrap()["event"], "started");
    assert_eq!(events.last().unwrap()["event"], "ended");
    assert_eq!(of("stdout")["text"], "out\n");
    assert_eq!(of("stderr")["text"], "err\n");
    let end = &of("ended")["end"];
    assert_eq!(end["run"], of("started")["run"]);
    assert_eq!(
        (&end["reason"], &end["number"]),
        (&"exit".into(), &3.into())
    );
    assert_eq!(
        (&end["stdout_bytes"], &end["stderr_bytes"]),
        (&4.into(), &4.into())
    );
}

#[test]
fn a_failure_for_machines_is_json_too() {
    let server = described().start();
    let output = server.ordain(&["--json", "run", "t", "hidden"]);
    let (status, out, err) = said(&output);
    assert_eq!(status, Some(255));
    let line = if out.is_empty() { err } else { out };
    assert!(line.contains("400"), "{line}");
}

#[test]
fn programs_are_told_host_waiting_and_exit_status() {
    let server = Server::new()
        .command(
            Cmd::sh("one", "echo ready; read line; exit 4", &[])
                .stdin()
                .set("max_running", "1")
                .set("queue", "1"),
        )
        .alice()
        .start();
    let client = || {
        let mut command = server.client();
        command
            .args(["--json", "run", "alice@t", "one"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let events =
            lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
        (child, events)
    };
    let (mut first, mut of_first) = client();
    let started = of_first.next().unwrap();
    assert_eq!(
        (&started["event"], &started["host"]),
        (&"started".into(), &"alice@t".into())
    );
    let (mut second, mut of_second) = client();
    let queued = of_second.next().unwrap();
    assert_eq!(
        (&queued["event"], &queued["host"]),
        (&"queued".into(), &"alice@t".into())
    );
    drop((first.stdin.take(), second.stdin.take()));
    for (child, events) in [(&mut first, &mut of_first), (&mut second, &mut of_second)] {
        let last = events.last().unwrap();
        assert_eq!(
            (&last["event"], &last["exit_status"]),
            (&"ended".into(), &4.into()),
            "{last}"
        );
        assert_eq!(child.wait().unwrap().code(), Some(4));
    }
}

#[test]
fn runs_are_shown_with_their_arguments_and_without_secrets() {
    let server = Server::new()
        .command(Cmd::new("echo", &["/bin/echo", "{word}"]).string("word", "[a-z]+", 8))
        .command(
            Cmd::new("keeps", &["/bin/true", "{words}"])
                .environment("TOKEN", "{token}")
                .arg(
                    "token",
                    r#"type = "string", pattern = "[a-z]+", max = 99, secret = true"#,
                )
                .string("words", ".*", 4000),
        )
        .alice()
        .start();
    let long = "ä".repeat(300);
    write(&server.path("token"), "hushhush", 0o600);
    let token = format!("@{}", server.path("token").display());
    let mut child = server
        .client()
        .args(["run", "t", "keeps", "--token", &token, "--words", &long])
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    printed(&server.ordain(&["run", "t", "echo", "hello"]), "hello\n");

    let shown = stdout(&server.ordain(&["runs", "t"]));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[0].starts_with("RUN ") && lines[0].ends_with("ARGUMENTS"),
        "{shown}"
    );
    assert!(
        lines[1].contains("token=***") && lines[1].ends_with('…'),
        "{shown}"
    );
    assert!(lines[2].ends_with("exit 0  word=hello"), "{shown}");
    assert!(!shown.contains("hushhush"), "{shown}");

    let one = stdout(&server.ordain(&["runs", "t", "--command", "echo"]));
    assert_eq!(one.lines().count(), 2, "{one}");
    printed(&server.ordain(&["runs", "t", "--going"]), "");
    printed(&server.ordain(&["runs", "t", "--of", "bob"]), "");

    let listed = json(&server.ordain(&["--json", "runs", "t"]));
    let arguments = listed["runs"][0]["arguments"].as_str().unwrap();
    assert!(
        arguments.len() <= 160 && arguments.ends_with('…'),
        "{arguments}"
    );
    assert!(listed["runs"][1]["since"].as_u64().unwrap() > 1_700_000_000);
}

#[test]
fn what_speaks_no_tls_is_named_so() {
    let server = described().start();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let other = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        let _ = std::io::copy(&mut socket, &mut std::io::sink());
    });
    let password = server.path("password").display().to_string();
    let host = format!("alice@127.0.0.1:{port}");
    let output = server.ordain(&["--password-file", &password, "run", &host, "true"]);
    let said = stderr(&output);
    assert!(said.contains("does not speak TLS"), "{said}");
    drop(output);
    other.join().unwrap();
}

#[test]
fn a_timeout_of_the_clients_own_cancels_and_says_124() {
    let server = Server::new().common(&["sleep"]).alice().start();
    let output = server.ordain(&["run", "--timeout", "100ms", "t", "sleep"]);
    assert_eq!(
        said(&output),
        (
            Some(124),
            String::new(),
            "ordain: --timeout is over; cancelling the run\n".into()
        )
    );

    server.wait_for_records("end", 1);
    assert_eq!(server.records("end")[0]["reason"], "cancelled");
}

#[test]
fn nagios_gets_its_own_words_for_ordains_failures_only() {
    let server = described().start();
    assert_eq!(
        said(&server.ordain(&["run", "--nagios", "t", "hidden"])),
        (
            Some(3),
            "ORDAIN UNKNOWN - t: no role of `alice` grants a command `hidden` (code 400) [default deny]\n"
                .into(),
            String::new()
        )
    );
    printed(&server.ordain(&["run", "--nagios", "t", "true"]), "");

    // Its first line is what counts: a plugin that says OK and does not end is not OK.
    let output = server.ordain(&["run", "--nagios", "--timeout", "500ms", "t", "hangs"]);
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (
            Some(3),
            "ORDAIN UNKNOWN - the plugin did not end by itself: cancelled\nOK: so far\n".into()
        )
    );

    // One that writes much is written as it comes, whole.
    let output = server.ordain(&["run", "--nagios", "t", "much"]);
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(1), 300_000)
    );

    // A plugin's own status is passed on as it is.
    let output = server.ordain(&["run", "--nagios", "t", "exit", "2"]);
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(2), "out\n".into())
    );
}

#[test]
fn what_wants_to_be_confirmed_is_agreed_to_beforehand_or_not_run() {
    let server = Server::new().common(&["ask"]).alice().start();
    refused(
        &server.ordain(&["run", "t", "ask"]),
        "this command wants to be confirmed, and there is no terminal to ask on; --yes agrees beforehand (code 604)",
    );
    printed(&server.ordain(&["run", "--yes", "t", "ask"]), "asked\n");
    assert_eq!(server.records("start").len(), 1);
}

#[test]
fn arguments_are_refused_by_their_name_bound_and_line() {
    let server = described().start();
    for (words, sentence) in [
        (
            &["echo"][..],
            "argument `word` is missing (code 401) [commands.echo.args.word (",
        ),
        (
            &["echo", "UPPER"],
            "argument `word` `UPPER` does not match [a-z]+ (code 401)",
        ),
        (
            &["echo", "muchtoolong"],
            "argument `word` has 11 bytes, 8 are allowed (code 401)",
        ),
        (
            &["echo", "x", "10"],
            "argument `number` `10` is not a whole number from 1 to 9 (code 401)",
        ),
        (
            &["echo", "--number", "x", "x"],
            "argument `number` `x` is not a whole number from 1 to 9 (code 401)",
        ),
    ] {
        let output = server.ordain(&[&["run", "t"], words].concat());
        refused(&output, sentence);
    }

    assert_eq!(server.records("start").len(), 0);
}

#[test]
fn words_that_fit_no_argument_never_leave_the_client() {
    let server = described().start();
    for (words, sentence) in [
        (&["echo", "x", "1", "2"][..], "is one too many"),
        (&["true", "x"], "is one too many"),
    ] {
        let output = server.ordain(&[&["run", "t"], words].concat());
        refused(&output, sentence);
    }

    let asked = server.records("request");
    assert!(
        asked.iter().all(|record| record["verb"] == "describe"),
        "{asked:?}"
    );
}

#[test]
fn detaching_is_for_what_outlives_its_client() {
    let server = Server::new()
        .common(&["sleep", "goes-on"])
        .command(Cmd::sh("slow", "echo begun; sleep 0.2; echo done; exit 6", &[]).goes_on())
        .alice()
        .start();
    refused(
        &server.ordain(&["run", "--detach", "t", "sleep"]),
        "this command ends with its client (on_disconnect is not \"continue\"), so it cannot be detached (code 604)",
    );
    refused(
        &server.ordain(&["run", "--detach", "t", "goes-on"]),
        "this command takes standard input, so it cannot be detached (code 604)",
    );

    let (status, id, err) = said(&server.ordain(&["run", "--detach", "t", "slow"]));
    assert_eq!((status, id.trim().len()), (Some(0), 16), "{err}");
    let followed = server.ordain(&["attach", "t", id.trim()]);
    assert_eq!(
        (followed.status.code(), stdout(&followed)),
        (Some(6), "begun\ndone\n".into()),
        "{}",
        stderr(&followed)
    );

    // From a byte on, both of what goes on and of what is over.
    for verb in ["attach", "output"] {
        let rest = server.ordain(&[verb, "t", id.trim(), "--from", "6"]);
        assert_eq!(stdout(&rest), "done\n", "{verb}: {}", stderr(&rest));
    }
    let beyond = server.ordain(&["output", "t", id.trim(), "--from", "4096"]);
    assert_eq!(beyond.status.code(), Some(255));
    assert!(stderr(&beyond).contains("code 408"), "{}", stderr(&beyond));
}

#[test]
fn runs_are_listed_signalled_and_cancelled_by_their_id() {
    let server = Server::new()
        .command(
            Cmd::sh(
                "traps",
                r#"trap "exit 7" USR1; echo ready; while :; do sleep 0.02; done"#,
                &[],
            )
            .set("signals", r#"["USR1"]"#)
            .goes_on(),
        )
        .common(&["marked"])
        .alice()
        .start();
    printed(&server.ordain(&["runs", "t"]), "");
    assert_eq!(
        json(&server.ordain(&["--json", "runs", "t"])),
        serde_json::json!({ "runs": [] })
    );

    let id = stdout(&server.ordain(&["run", "--detach", "t", "traps"]));
    let id = id.trim();
    common::wait("its first line", || {
        stdout(&server.ordain(&["output", "t", id])) == "ready\n"
    });
    let listed = stdout(&server.ordain(&["runs", "t"]));
    assert!(listed.contains(id) && listed.contains("traps"), "{listed}");
    let listed = json(&server.ordain(&["--json", "runs", "t"]));
    assert_eq!(listed["runs"][0]["run"], id);
    assert_eq!(listed["runs"][0]["command"], "traps");

    let other = server.ordain(&["signal", "t", id, "HUP"]);
    assert_eq!(other.status.code(), Some(255), "{}", stdout(&other));
    let sent = server.ordain(&["signal", "t", id, "USR1"]);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let ended = server.ordain(&["attach", "t", id]);
    assert_eq!(ended.status.code(), Some(7), "{}", stderr(&ended));

    let id = stdout(&server.ordain(&["run", "--detach", "t", "traps"]));
    let cancelled = server.ordain(&["cancel", "t", id.trim()]);
    assert_eq!(cancelled.status.code(), Some(0), "{}", stderr(&cancelled));
    server.wait_for_records("end", 2);
    assert_eq!(server.records("end")[1]["reason"], "cancelled");
}

#[test]
fn a_run_that_is_not_there_reads_the_same_for_every_verb() {
    let server = Server::new().common(&["true"]).alice().start();
    for id in [
        "0123456789abcdef",
        "x",
        "../../etc/passwd",
        "0123456789ABCDEF",
        "",
    ] {
        for words in [
            &["attach", "t", id][..],
            &["output", "t", id],
            &["cancel", "t", id],
            &["signal", "t", id, "INT"],
        ] {
            refused(&server.ordain(words), "there is no such run (code 404)");
        }
    }
}

#[test]
fn whoami_says_who_from_where_by_what() {
    let server = Server::new().common(&["true"]).alice().start();
    let (status, out, err) = said(&server.ordain(&["whoami", "t"]));
    assert_eq!((status, err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines[..3],
        ["alice from 127.0.0.1", "by: password", "roles: all"]
    );
    assert!(
        lines[3].starts_with("session: ") && lines[3].len() == 9 + 32,
        "{out}"
    );
    assert_eq!(lines[4], "kept login: none (`ordain login` keeps one)");

    let told = json(&server.ordain(&["--json", "whoami", "t"]));
    assert_eq!(
        (&told["user"], &told["by"], &told["source"], &told["roles"]),
        (
            &"alice".into(),
            &"password".into(),
            &"127.0.0.1".into(),
            &serde_json::json!(["all"])
        )
    );
}

#[test]
fn a_login_is_kept_shown_and_ended() {
    let server = Server::new().common(&["true"]).alice().start();
    printed(
        &server.ordain(&["login", "t"]),
        "logged in to t as alice for 8h00m\n",
    );

    // From now on without a password.
    let bare = |words: &[&str]| server.bare().args(words).output().unwrap();
    let (status, out, err) = said(&bare(&["whoami", "t"]));
    assert_eq!(status, Some(0), "{err}");
    let kept = out
        .lines()
        .find_map(|line| line.strip_prefix("kept login: "))
        .unwrap();
    let (id, until) = kept.split_once(", ").unwrap();
    assert_eq!(id.len(), 32);
    // A second may have passed.
    let times = ["for another 8h00m", "for another 7h59m"];
    assert!(times.contains(&until), "{until}");

    let listed = json(&bare(&["--json", "sessions", "t"]));
    let sessions = listed["sessions"].as_array().unwrap();
    assert!(
        sessions
            .iter()
            .any(|one| one["session"] == id && one["state"] == "kept"),
        "{listed}"
    );

    printed(&bare(&["logout", "t"]), "logged out of t\n");
    printed(&bare(&["logout", "t"]), "no login to t is kept\n");
    refused(
        &bare(&["whoami", "t"]),
        "there is no terminal to ask for the password of alice at t on; use --password-file or --password-stdin",
    );
}

#[test]
fn sessions_are_ended_one_by_one_or_all() {
    let server = Server::new().common(&["true"]).alice().start();
    let one = common::block(server.session("alice"));
    let listed = json(&server.ordain(&["--json", "sessions", "t"]));
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{listed}");
    let other = sessions.iter().find(|one| one["this"] != true).unwrap();
    let id = other["session"].as_str().unwrap();
    let ended = server.ordain(&["sessions", "t", "--end", id]);
    assert_eq!(
        (ended.status.code(), stdout(&ended)),
        (Some(0), "ended 1\n".into()),
        "{}",
        stderr(&ended)
    );
    drop(one);

    refused(
        &server.ordain(&["sessions", "t", "--end", "x"]),
        "there is no such session (code 407)",
    );
    let all = server.ordain(&["sessions", "t", "--end", "all"]);
    assert_eq!(
        (all.status.code(), stdout(&all)),
        (Some(0), "ended 1\n".into()),
        "its own at the least: {}",
        stderr(&all)
    );
}

#[test]
fn verbose_says_which_server_key_and_settings_are_used() {
    let server = Server::new().common(&["true"]).alice().start();
    let key = stdout(&server.ordaind(&["fingerprint"]));
    for option in ["-v", "--verbose"] {
        let (status, out, err) = said(&server.ordain(&[option, "run", "t", "true"]));
        assert_eq!((status, out.as_str()), (Some(0), ""));
        for part in [
            &format!("ordain: t at 127.0.0.1:{} (ordaind ", server.port),
            &format!("key {}, user alice, settings: ", key.trim()),
            "client.toml:1\n",
            "ordain: run ",
        ] {
            assert!(err.contains(part), "{part}\n{err}");
        }
    }
}

#[test]
fn a_server_is_trusted_by_its_authority_its_name_or_its_key() {
    let server = Server::new().common(&["true"]).alice().start();
    let path = |name: &str| server.path(name).display().to_string();
    let (ca, password) = (path("ca.crt"), path("password"));
    let address = format!("alice@127.0.0.1:{}", server.port);
    let key = stdout(&server.ordaind(&["fingerprint"])).trim().to_owned();
    let with = |options: &[&str], address: &str| {
        server
            .bare()
            .args(["--password-file", &password])
            .args(options)
            .args(["run", address, "true"])
            .output()
            .unwrap()
    };

    for options in [
        &["--ca", &ca][..],
        &["--ca", &ca, "--tls-name", "localhost"],
        &["--pin", &key],
    ] {
        let output = with(options, &address);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{options:?}: {}",
            stderr(&output)
        );
    }

    let other = key.replace(key.get(10..14).unwrap(), "0000");
    for (options, sentence) in [
        (
            &["--ca", &ca, "--tls-name", "web1"][..],
            "its certificate is not for the name `web1` (tls_name sets another name) (code 602)",
        ),
        (
            &["--ca", "/none"],
            "/none: No such file or directory (os error 2) (code 604)",
        ),
        (
            &["--ca", &password],
            "holds no certificate (-----BEGIN CERTIFICATE-----) (code 604)",
        ),
        (
            &["--pin", "sha256:abc"],
            "a pin looks like sha256: followed by 44 characters of base64 (code 604)",
        ),
        (&["--pin", &other], "is pinned (code 602)"),
        (
            &[],
            "and there is no terminal to ask on; give --pin or --ca, or --accept-new to trust it from now on (code 607)",
        ),
    ] {
        refused(&with(options, &address), sentence);
    }
}

#[test]
fn a_server_that_is_met_is_known_from_then_on_by_address_and_port() {
    let server = Server::new().common(&["true"]).alice().start();
    let password = server.path("password").display().to_string();
    let to = |name: &str| format!("alice@{name}:{}", server.port);
    let go = |options: &[&str], name: &str| {
        server
            .bare()
            .args(["--password-file", &password])
            .args(options)
            .args(["run", &to(name), "true"])
            .output()
            .unwrap()
    };

    let key = stdout(&server.ordaind(&["fingerprint"]));
    let first = go(&["--accept-new"], "127.0.0.1");
    assert_eq!(first.status.code(), Some(0));
    assert!(
        stderr(&first).contains(&format!(
            "127.0.0.1 is known from now on by the key {}",
            key.trim()
        )),
        "{}",
        stderr(&first)
    );

    let again = go(&[], "127.0.0.1");
    assert_eq!(said(&again), (Some(0), String::new(), String::new()));
    assert_eq!(
        std::fs::read_to_string(server.path("home/ordain/known_servers")).unwrap(),
        format!("127.0.0.1:{} {}", server.port, key)
    );
    refused(
        &go(&[], "localhost"),
        "localhost is not known: it shows the key ",
    );
}

#[test]
fn passwords_come_from_a_private_file_or_standard_input() {
    let server = Server::new().common(&["true"]).alice().start();
    let bare = |words: &[&str]| server.bare().args(words).output().unwrap();
    let file = server.path("password").display().to_string();
    let open = server.path("ca.crt").display().to_string();
    printed(&bare(&["--password-file", &file, "run", "t", "true"]), "");
    refused(
        &bare(&["--password-file", &open, "run", "t", "true"]),
        "ca.crt has mode 0644, so others can read it; `chmod 600 ",
    );
    refused(
        &bare(&["--password-file", "/none", "run", "t", "true"]),
        "/none: No such file or directory (os error 2) (code 604)",
    );
    write(&server.path("wrong"), "not it\n", 0o600);
    refused(
        &bare(&[
            "--password-file",
            &server.path("wrong").display().to_string(),
            "run",
            "t",
            "true",
        ]),
        "login refused (code 200)",
    );

    // The first line, and no more of it.
    for (input, status) in [
        (&b"correct horse\n"[..], 0),
        (b"correct horse\nand more\n", 0),
        (b"correct horse", 0),
        (b"wrong\ncorrect horse\n", 255),
        (b"", 255),
    ] {
        let mut child = server
            .bare()
            .args(["--password-stdin", "run", "t", "true"])
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{input:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn whoever_logs_in_is_said_by_option_address_or_entry() {
    let server = Server::standard();
    let who = |words: &[&str]| json(&server.ordain(&[&["--json"], words].concat()))["user"].clone();
    assert_eq!(who(&["whoami", "t"]), "alice", "the entry's");
    assert_eq!(who(&["whoami", "bob@t"]), "bob", "the address'");
    assert_eq!(
        who(&["--user", "lead", "whoami", "t"]),
        "lead",
        "the option's"
    );
    refused(
        &server.ordain(&["--user", "nobody", "whoami", "t"]),
        "login refused (code 200)",
    );
    refused(
        &server.ordain(&["--user", "gone", "whoami", "t"]),
        "login refused (code 200)",
    );
}

#[test]
fn an_address_without_an_entry_needs_a_user() {
    let server = Server::new().common(&["true"]).alice().start();
    let output = server
        .bare()
        .env_remove("USER")
        .env_remove("LOGNAME")
        .args(["whoami", "127.0.0.1:1"])
        .output()
        .unwrap();
    refused(
        &output,
        "who logs in? (user@host, --user, `user` in the host's entry, or $USER) (code 604)",
    );
}

/// With 65 values for one argument they were "a list of other things than a few strings".
#[test]
fn too_much_says_what_was_given_what_is_accepted_and_where_that_stands() {
    let many = |name: &str, rules: &str| {
        Cmd::new(name, &["/bin/echo", "{words}"]).arg(
            "words",
            &format!("type = \"string\", pattern = \"[a-z0-9]+\", max = 100, {rules}"),
        )
    };
    let server = Server::new()
        .command(many("many", "repeated = true"))
        .command(many("few", "repeated = 3"))
        .command(Cmd::new("one", &["/bin/echo", "{n}"]).integer("n", 1, 9))
        .alice()
        .start();
    let words = |count: usize| {
        (0..count)
            .map(|word| format!("w{word}"))
            .collect::<Vec<_>>()
    };
    let named = (0..70).map(|name| format!("--a{name}=x")).collect();
    for (command, words, sentence) in [
        (
            "many",
            words(65),
            "argument `words` has 65 values, 64 are allowed (code 401)",
        ),
        (
            "few",
            words(4),
            "argument `words` has 4 values, 3 are allowed (code 401)",
        ),
        (
            "many",
            words(3000),
            "argument `words` has 13890 bytes in all; a whole request may have 12288 (code 101)",
        ),
        (
            "many",
            vec!["x".repeat(101)],
            "argument `words` has 101 bytes, 100 are allowed (code 401)",
        ),
        (
            "many",
            vec!["x".repeat(9000)],
            "argument `words` has 9000 bytes, 8192 are allowed (code 401)",
        ),
        (
            "many",
            vec!["x".repeat(20_000)],
            "argument `words` has 20000 bytes in all; a whole request may have 12288 (code 101)",
        ),
        (
            "one",
            words(2),
            "the word `w1` is one too many; usage: one N (code 604)",
        ),
        (
            "one",
            named,
            "the word `a64` is one too many: a request has at most 64 arguments; usage: one N (code 604)",
        ),
        (
            "one",
            vec!["--n".into()],
            "argument `n` has no value; it takes integer (1 to 9) (code 604)",
        ),
        (
            "one",
            vec!["1".into(), "--help".into()],
            "argument `help` is unknown; `one` takes n (code 401)",
        ),
        (
            "one",
            vec!["1".into(), "--bogus=5".into()],
            "argument `bogus` is unknown; `one` takes n (code 401)",
        ),
    ] {
        let mut all = vec!["run", "t", command];
        all.extend(words.iter().map(String::as_str));
        let output = server.ordain(&all);
        refused(&output, sentence);
        refused(
            &output,
            &format!("ordain: `ordain describe t {command}` shows what {command} takes\n"),
        );
    }

    let described = |command| stdout(&server.ordain(&["describe", "t", command]));
    assert!(described("many").contains("at most 64 values"));
    assert!(described("few").contains("at most 3 values"));
    let unknown = server.ordain(&["run", "t", "nosuch", "--help"]);
    refused(
        &unknown,
        "ordain: `ordain list t` shows what you may run there\n",
    );
}

#[test]
fn a_server_that_is_not_there_is_told_within_the_time_given() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("client.toml"), "", 0o600);
    write(&folder.path().join("password"), "x", 0o600);

    // A port that was free a moment ago, and is nobody's now.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let output = common::client_in(folder.path(), "client.toml")
        .args(["--connect-timeout", "5s", "--accept-new", "--password-file"])
        .arg(folder.path().join("password"))
        .args(["run", &format!("alice@127.0.0.1:{port}"), "true"])
        .output()
        .unwrap();
    let nobody = format!(
        "ordain: alice@127.0.0.1:{port}: 127.0.0.1 port {port} cannot be reached: Connection refused (os error 111): nothing listens there; is ordaind running (`systemctl status ordaind` there), and is it the right port? (code 600)\n"
    );
    refused(&output, &nobody);

    // One that takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let began = std::time::Instant::now();
    let output = common::client_in(folder.path(), "client.toml")
        .args([
            "--connect-timeout",
            "200ms",
            "--accept-new",
            "--password-file",
        ])
        .arg(folder.path().join("password"))
        .args(["run", &format!("alice@127.0.0.1:{port}"), "true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(255));
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
    refused(
        &output,
        "was not reached within 200ms (it takes connections and says nothing: it hangs, or its service manager listens for a daemon that has not begun; --connect-timeout waits longer) (code 601)\n",
    );
}

#[test]
fn command_lines_that_are_none_say_what_is_wrong_with_them() {
    let server = Server::new().common(&["true"]).alice().start();
    let ca = server.path("ca.crt").display().to_string();
    for (words, sentence) in [
        (
            &[][..],
            "'ordain' requires a subcommand but one was not provided",
        ),
        (&["nothing"], "unrecognized subcommand 'nothing'"),
        (
            &["whoami", "@x"],
            "`@x` is not known: the settings have no group `x`, nor any other",
        ),
        (
            &["whoami", "h:0"],
            "invalid value 'h:0' for '<HOST>': `0` is not a port",
        ),
        (&["whoami", "h:99999"], "`99999` is not a port"),
        (
            &["whoami", "[::1"],
            "`[::1` opens a bracket that is not closed",
        ),
        (&["whoami", "-x"], "unexpected argument '-x' found"),
        (
            &["run", "t"],
            "the following required arguments were not provided",
        ),
        (
            &["run", "--timeout", "1x", "t", "true"],
            "a duration looks like 500ms, 60s, 30m, 2h",
        ),
        (
            &["--connect-timeout", "1x", "whoami", "t"],
            "a duration looks like 500ms, 60s, 30m, 2h",
        ),
        (&["--cert", &ca, "whoami", "t"], "--key <FILE>"),
        (&["--key", &ca, "whoami", "t"], "--cert <FILE>"),
        (
            &["--pin", "x", "--ca", &ca, "whoami", "t"],
            "'--pin <sha256:…>' cannot be used with '--ca <FILE>'",
        ),
        (
            &["--identity", &ca, "--password-stdin", "whoami", "t"],
            "'--identity <FILE>' cannot be used with '--password-stdin'",
        ),
        (
            &["--password-file", &ca, "--password-stdin", "whoami", "t"],
            "cannot be used with",
        ),
        (
            &["attach", "t"],
            "the following required arguments were not provided",
        ),
        (
            &["output", "t", "x", "--from", "much"],
            "invalid value 'much' for '--from <BYTE>'",
        ),
        (
            &["signal", "t", "x"],
            "the following required arguments were not provided",
        ),
        (&["list", "t", "more"], "unexpected argument 'more' found"),
    ] {
        let output = server.bare().args(words).output().unwrap();
        refused(&output, sentence);
    }

    assert!(server.records("connection").is_empty(), "nobody was asked");
}

#[test]
fn help_and_version_are_no_failures() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("client.toml"), "", 0o600);
    let run = |words: &[&str]| {
        common::client_in(folder.path(), "client.toml")
            .args(words)
            .output()
            .unwrap()
    };
    printed(
        &run(&["--version"]),
        &format!("ordain {}\n", env!("CARGO_PKG_VERSION")),
    );
    printed(
        &run(&["-V"]),
        &format!("ordain {}\n", env!("CARGO_PKG_VERSION")),
    );
    let whole = stdout(&run(&["--help"]));
    for verb in [
        "run",
        "keyscan",
        "nodes",
        "hosts",
        "fleet",
        "login",
        "logout",
        "passwd",
        "whoami",
        "sessions",
        "explain",
        "list",
        "describe",
        "attach",
        "output",
        "signal",
        "runs",
        "cancel",
        "files",
        "ls",
        "cat",
        "cp",
        "rm",
        "sync",
        "room",
        "say",
        "who",
        "approvals",
        "approve",
        "deny",
        "recordings",
        "replay",
        "export",
    ] {
        assert!(whole.contains(&format!("\n  {verb} ")), "{verb}\n{whole}");
        let (status, out, err) = said(&run(&[verb, "--help"]));
        assert_eq!((status, err.as_str()), (Some(0), ""), "{verb}");
        assert!(
            out.contains(&format!("Usage: ordain {verb}")) || out.contains("Usage: "),
            "{verb}\n{out}"
        );
    }
}

#[test]
fn control_characters_reach_a_pipe_as_they_are() {
    let server = Server::new().common(&["control"]).alice().start();
    for options in [&["run"][..], &["run", "--raw"]] {
        let output = server.ordain(&[options, &["t", "control"]].concat());
        assert_eq!(output.stdout, b"a\x1b[2Jb", "{options:?}");
    }
}

#[test]
fn a_secret_is_read_from_a_file_or_standard_input_and_never_from_the_line() {
    let server = Server::new().common(&["secret"]).alice().start();
    write(&server.path("token"), "hunter2\n", 0o600);
    write(&server.path("open"), "hunter2\n", 0o644);
    let from = |name: &str| format!("@{}", server.path(name).display());
    printed(
        &server.ordain(&["run", "t", "secret", "--token", &from("token")]),
        "hunter2",
    );
    let piped = server.ordain_with_input(&["run", "t", "secret", "--token", "@-"], b"hunter3\n");
    assert_eq!(stdout(&piped), "hunter3", "{}", stderr(&piped));

    for words in [&["--token", "hunter2"][..], &["--token=hunter2"]] {
        let output = server.ordain(&[&["run", "t", "secret"], words].concat());
        assert_eq!(output.status.code(), Some(255), "{words:?}");
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
    }
    for file in ["open", "none"] {
        let output = server.ordain(&["run", "t", "secret", "--token", &from(file)]);
        assert_eq!(output.status.code(), Some(255), "{file}");
    }

    assert!(!server.trail_text().contains("hunter"), "it stands nowhere");
}
