//! The main job with the real programs: what a user types, and what comes back.

mod common;

use common::{PASSWORD, Server, alive, stderr, stdout, wait, write};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

#[test]
fn arguments_by_position_by_name_and_as_flags() {
    let server = Server::new().common(&["args"]).alice().start();
    for (words, lines) in [
        (&["hello world"][..], "<hello world>\n"),
        (
            &[
                "--text=$(id); `id` | & ; > * ? ~ \" '",
                "--number",
                "7",
                "--flag",
            ],
            "<$(id); `id` | & ; > * ? ~ \" '>\n<--number>\n<7>\n<--flag>\n",
        ),
        (&["x", "--many", "a", "--many=b"], "<x>\n<a>\n<b>\n"),
        (&["--number=-5", "--", "x"], "<x>\n<--number>\n<-5>\n"),
    ] {
        let output = server.ordain(&[&["run", "t", "args"], words].concat());
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(0), lines.to_owned()),
            "{words:?} {}",
            stderr(&output)
        );
    }
}

#[test]
fn the_exit_status_is_the_commands_own() {
    let server = Server::new().common(&["exit", "signal"]).alice().start();
    for status in ["0", "1", "3", "254", "255"] {
        let output = server.ordain(&["run", "t", "exit", status]);
        assert_eq!(output.status.code().unwrap().to_string(), status);
        assert_eq!(
            (stdout(&output), stderr(&output)),
            ("out\n".into(), "err\n".into())
        );
    }

    assert_eq!(
        server.ordain(&["run", "t", "signal", "9"]).status.code(),
        Some(137)
    );

    assert_eq!(
        server.ordain(&["run", "t", "signal", "15"]).status.code(),
        Some(143)
    );
}

#[test]
fn ends_are_told_apart() {
    let server = Server::standard();
    let cases = [
        ("hangs", 124, "time was up"),
        ("stubborn", 124, "time was up"),
        ("missing", 255, "(code 500)"),
        ("noexec", 255, "(code 501)"),
        ("plain", 255, "(code 502)"),
        ("hidden", 255, "(code 400)"),
        ("nothing", 255, "(code 400)"),
        ("quiet", 0, ""),
        ("closes", 4, "late"),
    ];

    for (command, status, says) in cases {
        let output = server.ordain(&["run", "t", command]);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{command}: {}",
            stderr(&output)
        );

        assert!(
            stderr(&output).contains(says),
            "{command}: {}",
            stderr(&output)
        );
    }

    let ends: Vec<(String, String)> = server
        .records("end")
        .iter()
        .map(|end| (end["command"].to_string(), end["reason"].to_string()))
        .collect();
    assert!(ends.contains(&("\"hangs\"".into(), "\"timeout\"".into())));
    assert!(ends.contains(&("\"plain\"".into(), "\"not-started\"".into())));
}

#[test]
fn input_is_streamed_where_it_is_declared_and_never_read_where_it_is_not() {
    let server = Server::new()
        .common(&["cat", "small", "early"])
        .alice()
        .start();
    let megabytes: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    let output = server.ordain_with_input(&["run", "t", "cat"], &megabytes);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == megabytes, "12 MB come back byte for byte");
    let output = server.ordain_with_input(&["run", "t", "early"], &megabytes);
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(0), "done\n".into()),
        "output survives a command that reads no input"
    );

    let output = server.ordain_with_input(&["run", "t", "small"], &[7; 2000]);
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).contains("code 405"), "{}", stderr(&output));
    server.wait_for_trail("what ended it", |trail| {
        trail.iter().any(|record| record["reason"] == "input-limit")
    });
    // A loop that reads hosts from its standard input keeps its lines.
    let client = server.client().get_program().to_owned();
    let script = format!(
        "printf 'a\\nb\\nc\\n' | while read -r line; do '{}' --config '{}' run t true; echo \"$line\"; done",
        client.to_string_lossy(),
        server.path("client.toml").display()
    );

    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "a\nb\nc\n");
}

#[test]
fn output_arrives_as_it_is_written() {
    let server = Server::new().common(&["marked"]).alice().start();
    let mut child = server
        .client()
        .args(["run", "t", "marked"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pid = line.trim().to_owned();
    assert!(
        alive(&pid),
        "the command still runs while its first line is here"
    );

    // client_killed_mid_run_leaves_no_process
    child.kill().unwrap();
    child.wait().unwrap();
    wait("the end of the command", || !alive(&pid));
    server.wait_for_trail("the end record", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["reason"] == "disconnected")
    });
}

#[test]
fn a_gibibyte_and_nothing_of_it_is_lost_or_held() {
    let server = Server::new().common(&["flood"]).alice().start();
    let mut child = server
        .client()
        .args(["run", "t", "flood"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut total, mut buffer) = (0u64, vec![0; 1 << 20]);
    loop {
        let count = stdout.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        total += count as u64;
    }

    assert_eq!((child.wait().unwrap().code(), total), (Some(0), 1 << 30));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.frontend())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap();
    assert!(peak < 64 * 1024, "the frontend held {peak} KiB");
}

#[test]
fn list_describe_preview_runs_and_cancel() {
    let server = Server::standard();
    let list = stdout(&server.ordain(&["list", "t"]));
    assert!(
        list.contains("args") && list.contains("Prints its arguments") && !list.contains("hidden"),
        "{list}"
    );

    let json: serde_json::Value =
        serde_json::from_str(&stdout(&server.ordain(&["list", "bob@t", "--json"]))).unwrap();
    let names: Vec<&str> = json["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|command| command["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["sleep", "true"]);
    let description = stdout(&server.ordain(&["describe", "t", "args"]));
    assert!(
        description.contains("number: integer, -5 to 1000, optional"),
        "{description}"
    );

    let preview = stdout(&server.ordain(&["run", "--dry-run", "t", "args", "a b", "--flag"]));
    assert!(
        preview.contains("granted by roles.all.commands `args`")
            && preview.contains("'a b' --flag"),
        "{preview}"
    );

    assert_eq!(server.records("start").len(), 0, "nothing ran");

    let mut sleeper = server
        .client()
        .args(["run", "-v", "t", "sleep"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.wait_for_trail("the start", |trail| {
        trail.iter().any(|record| record["kind"] == "start")
    });
    let runs: serde_json::Value =
        serde_json::from_str(&stdout(&server.ordain(&["--json", "runs", "t"]))).unwrap();
    let run = runs["runs"][0]["run"].as_str().unwrap().to_owned();

    // Another user's run, a guessed one and no id at all look the same.
    let others: Vec<String> = [run.as_str(), "0000000000000000", "../../x"]
        .iter()
        .map(|id| stderr(&server.ordain(&["cancel", "bob@t", id])))
        .collect();
    assert!(
        others.iter().all(|text| text.contains("no such run")),
        "{others:?}"
    );

    assert_eq!(
        server
            .ordain(&["--user", "lead", "cancel", "lead@t", &run])
            .status
            .code(),
        Some(0)
    );

    assert_eq!(sleeper.wait().unwrap().code(), Some(255));
    server.wait_for_trail("the end", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["reason"] == "cancelled")
    });
}

#[test]
fn machines_get_json_and_nagios_its_one_line() {
    let server = Server::new().common(&["exit", "hangs"]).alice().start();
    let output = server.ordain(&["--json", "run", "t", "exit", "3"]);
    assert_eq!(output.status.code(), Some(3));
    let lines: Vec<serde_json::Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.first().unwrap()["event"], "started");
    assert_eq!(
        (
            &lines.last().unwrap()["event"],
            &lines.last().unwrap()["end"]["number"]
        ),
        (&"ended".into(), &3.into())
    );

    assert!(
        lines
            .iter()
            .any(|line| line["event"] == "stderr" && line["text"] == "err\n")
    );

    let output = server.ordain(&["run", "--nagios", "t", "nothing"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stdout(&output).starts_with("ORDAIN UNKNOWN - ") && stdout(&output).lines().count() == 1
    );
    assert_eq!(
        server
            .ordain(&["run", "--nagios", "t", "exit", "2"])
            .status
            .code(),
        Some(2),
        "the plugin's own status stays"
    );

    assert_eq!(
        server
            .ordain(&["run", "--nagios", "t", "hangs"])
            .status
            .code(),
        Some(3)
    );
}

#[test]
fn the_environment_is_exactly_what_was_declared() {
    let server = Server::new().common(&["environment"]).alice().start();
    let output = server
        .client()
        .env("LD_PRELOAD", "/evil.so")
        .env("SECRET", "x")
        .args(["run", "t", "environment", "--who=me"])
        .output()
        .unwrap();
    let mut names: Vec<String> = stdout(&output)
        .lines()
        .map(|line| line.split('=').next().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "HOME",
            "LANG",
            "ORDAIN_COMMAND",
            "ORDAIN_RUN_ID",
            "ORDAIN_SOURCE",
            "ORDAIN_USER",
            "PATH",
            "USER",
            "WHO"
        ]
    );

    assert!(
        stdout(&output).contains("WHO=x-me\n")
            && stdout(&output).contains("ORDAIN_USER=alice\n")
            && stdout(&output).contains("ORDAIN_SOURCE=127.0.0.1\n")
    );
}

#[test]
fn secrets_reach_the_command_and_nothing_else() {
    let server = Server::new().common(&["secret"]).alice().start();
    write(&server.path("token"), "hunter2\n", 0o600);
    let at = format!("--token=@{}", server.path("token").display());
    assert_eq!(
        stdout(&server.ordain(&["run", "t", "secret", &at])),
        "hunter2"
    );

    assert_eq!(
        stdout(&server.ordain_with_input(&["run", "t", "secret", "--token=@-"], b"hunter3\n")),
        "hunter3"
    );

    let refused = server.ordain(&["run", "t", "secret", "--token=hunter4"]);
    assert_eq!(refused.status.code(), Some(255));
    assert!(
        stderr(&refused).contains("seen by others"),
        "{}",
        stderr(&refused)
    );

    let open = server.ordain(&["run", "t", "secret"]);
    assert!(stderr(&open).contains("no terminal"), "{}", stderr(&open));
    let trail = std::fs::read_to_string(server.path("state/trail.jsonl")).unwrap();

    for secret in ["hunter2", "hunter3", "hunter4", PASSWORD] {
        assert!(!trail.contains(secret));
    }
}

#[test]
fn confirmation_is_the_servers_to_ask_for() {
    let server = Server::new().common(&["ask"]).alice().start();
    let output = server.ordain(&["run", "t", "ask"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).contains("--yes"), "{}", stderr(&output));
    assert_eq!(
        stdout(&server.ordain(&["run", "--yes", "t", "ask"])),
        "asked\n"
    );
}

#[test]
fn a_lock_is_held_by_one_run_and_says_by_whose() {
    let server = Server::new().common(&["locked"]).alice().start();
    let mut first = server
        .client()
        .args(["run", "t", "locked"])
        .spawn()
        .unwrap();
    server.wait_for_trail("the start", |trail| {
        trail.iter().any(|record| record["kind"] == "start")
    });
    let second = server.ordain(&["run", "t", "locked"]);
    assert!(
        stderr(&second).contains("code 511") && stderr(&second).contains("`locked` of `alice`"),
        "{}",
        stderr(&second)
    );

    first.kill().unwrap();
    first.wait().unwrap();
    server.wait_for_trail("the end", |trail| {
        trail.iter().any(|record| record["kind"] == "end")
    });
    let mut third = server
        .client()
        .args(["run", "t", "locked"])
        .spawn()
        .unwrap();
    server.wait_for_trail("the next start", |trail| {
        trail
            .iter()
            .filter(|record| record["kind"] == "start")
            .count()
            == 2
    });

    third.kill().unwrap();
    third.wait().unwrap();
}

#[test]
fn the_clients_timeout_cancels_the_run() {
    let server = Server::new().common(&["sleep"]).alice().start();
    let output = server.ordain(&["run", "--timeout", "200ms", "t", "sleep"]);
    assert_eq!(output.status.code(), Some(124));
    server.wait_for_trail("the end", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["reason"] == "cancelled")
    });
}

#[test]
fn what_is_left_behind_is_killed_and_the_output_is_not_waited_for() {
    let server = Server::new().common(&["leaves"]).alice().start();
    let output = server.ordain(&["run", "t", "leaves"]);
    assert_eq!(output.status.code(), Some(5));
    let left = stdout(&output).trim().to_owned();
    wait("the end of what was left", || !alive(&left));
}

#[test]
fn output_is_raw_for_programs() {
    let server = Server::new().common(&["control"]).alice().start();
    assert_eq!(server.ordain(&["run", "t", "control"]).stdout, b"a\x1b[2Jb");
}

#[test]
fn who_the_server_is_matters() {
    let server = Server::new().common(&["true"]).alice().start();
    let run = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ordain"));
        command
            .env("XDG_CONFIG_HOME", server.path("nowhere"))
            .args(options);
        command.args([
            "--password-file",
            &server.path("password").to_string_lossy(),
        ]);
        command
            .args(["run", &format!("alice@127.0.0.1:{}", server.port), "true"])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };

    let stranger = run(&[]);
    assert_eq!(stranger.status.code(), Some(255));
    assert!(
        stderr(&stranger).contains("is not known") && stderr(&stranger).contains("code 607"),
        "{}",
        stderr(&stranger)
    );

    let known = run(&["--ca", &server.path("ca.crt").to_string_lossy()]);
    assert_eq!(known.status.code(), Some(0), "{}", stderr(&known));
    let pin = stdout(&server.ordaind(&["fingerprint"])).trim().to_owned();
    assert_eq!(run(&["--pin", &pin]).status.code(), Some(0));
    let wrong = run(&[
        "--pin",
        "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ]);
    assert_eq!(wrong.status.code(), Some(255));
    assert!(
        stderr(&wrong).contains("code 602") && stderr(&wrong).contains(&pin),
        "{}",
        stderr(&wrong)
    );

    let other = ordain::devca::ca(1).unwrap();
    write(&server.path("other.crt"), &other.certificate, 0o644);
    let unknown = run(&["--ca", &server.path("other.crt").to_string_lossy()]);
    assert!(
        stderr(&unknown).contains("a CA that you do not trust"),
        "{}",
        stderr(&unknown)
    );

    assert!(
        stderr(&run(&[
            "--ca",
            &server.path("ca.crt").to_string_lossy(),
            "--tls-name",
            "web1"
        ]))
        .contains("not for the name `web1`")
    );
}

#[test]
fn a_gate_of_client_certificates() {
    let server = Server::new()
        .tls("client_ca = \"ca.crt\"")
        .common(&["true"])
        .alice()
        .start();
    let refused = server.ordain(&["run", "t", "true"]);
    assert_eq!(refused.status.code(), Some(255));
    assert!(
        stderr(&refused).contains("client certificate"),
        "{}",
        stderr(&refused)
    );

    let pair = ordain::devca::issue(
        &server.ca,
        &["laptop".into()],
        ordain::devca::Use::Client,
        1,
    )
    .unwrap();
    write(&server.path("laptop.crt"), &pair.certificate, 0o644);
    write(&server.path("laptop.key"), &pair.key, 0o600);
    let (cert, key) = (server.path("laptop.crt"), server.path("laptop.key"));
    let output = server.ordain(&[
        "--cert",
        &cert.to_string_lossy(),
        "--key",
        &key.to_string_lossy(),
        "run",
        "t",
        "true",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn one_connection_runs_many_commands_at_once() {
    let server = Server::new().common(&["args"]).alice().start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let session = server.session("alice").await;
        let tasks: Vec<_> = (0..200)
            .map(|number| {
                let session = session.clone();
                tokio::spawn(async move {
                    let word = format!("run-{number}");
                    loop {
                        match session
                            .run(common::invocation("args", &[("text", common::text(&word))]))
                            .await
                        {
                            Ok(run) => {
                                let (stdout, _, ended) = run.collect().await.unwrap();
                                assert_eq!(
                                    (String::from_utf8(stdout).unwrap(), ended.number),
                                    (format!("<{word}>\n"), Some(0))
                                );

                                return;
                            }

                            Err(error) if error.code == 510 => tokio::task::yield_now().await,
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// The way to the client was kept for five seconds after the end of a run, so its connection stood
/// for one.
#[test]
fn a_run_that_is_over_does_not_hold_its_connection() {
    let server = Server::new().common(&["true"]).alice().start();
    assert!(server.ordain(&["run", "t", "true"]).status.success());
    server.wait_for_trail("the logout", |trail| {
        trail.iter().any(|record| record["kind"] == "logout")
    });
    let at = |kind: &str| {
        let time = server.records(kind)[0]["time"].as_str().unwrap().to_owned();
        time::OffsetDateTime::parse(&time, &time::format_description::well_known::Rfc3339).unwrap()
    };

    // Neither end waits for the other; the fault made it a full second.
    assert!(at("logout") - at("end") < time::Duration::milliseconds(900));
}

/// Whoever puts an option of ordain's own behind the command is told where it belongs.
#[test]
fn an_option_behind_the_command_is_told_its_place() {
    let server = Server::new().common(&["args"]).alice().start();
    for (word, told) in [("--yes", true), ("--dry-run", true), ("--nonsense", false)] {
        let output = server.ordain(&["run", "t", "args", word]);
        assert_eq!(output.status.code(), Some(255));
        assert!(
            stderr(&output).contains("is unknown"),
            "{}",
            stderr(&output)
        );

        assert_eq!(
            stderr(&output).contains("stand before COMMAND"),
            told,
            "{}",
            stderr(&output)
        );
    }
}

/// A server counts whoever reaches it and does not log in: a client that has nothing to log in with
/// does not go there.
#[test]
fn a_client_with_nothing_to_log_in_with_stays_at_home() {
    let folder = tempfile::tempdir().unwrap();

    // Without a terminal of its own. Nobody listens there, which it does not find out.
    let output = Command::new("setsid")
        .args([
            "--wait",
            env!("CARGO_BIN_EXE_ordain"),
            "--user",
            "alice",
            "run",
            "127.0.0.1:1",
            "true",
        ])
        .env("HOME", folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stderr(&output).contains("no terminal to ask") && stderr(&output).contains("code 604"),
        "{}",
        stderr(&output)
    );
}
