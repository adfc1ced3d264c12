//! Processes that die or hang at every step of a run, clocks that jump, reloads that storm: what is
//! stated of each, shown.
// Release builds have no points to fail at.
#![cfg(debug_assertions)]

mod common;

use common::{Cmd, Log, Server, Setup, signal, stderr, stdout, wait, write};
use ordain::client::Event;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output, Stdio};

fn truth() -> Cmd {
    Cmd::new("true", &["/bin/true"])
}

fn stays() -> Cmd {
    Cmd::sh(
        "stays",
        r#"echo "$1" >> "$2"; echo "noted $1"; cat "$3" >/dev/null; echo done"#,
        &["{word}", "{folder}/notes", "{folder}/gate"],
    )
    .string("word", "[a-z0-9-]+", 40)
    .goes_on()
}

/// Runs outlive their links; `gate` is what `note` and `stays` read, and holds them where it is a
/// fifo.
fn gated() -> Setup {
    Server::new()
        .resumable()
        .command(truth())
        .file("gate", "", 0o600)
        .alice()
}

/// Its clock is as many seconds ahead as a file says.
fn clocked() -> Setup {
    let setup = Server::new()
        .command(truth())
        .alice()
        .file("clock", "0", 0o600);
    let clock = setup.path("clock").to_string_lossy().into_owned();
    setup.env("ORDAIN_CLOCK", &clock)
}

fn notes(server: &Server, word: &str) -> usize {
    std::fs::read_to_string(server.path("notes"))
        .unwrap_or_default()
        .lines()
        .filter(|line| *line == word)
        .count()
}

fn proved(server: &Server) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .args(["audit", "verify", "--config"])
        .arg(server.path("config.toml"))
        .output()
        .unwrap()
}

/// Whatever step it dies at: the client is told what is known, nothing runs twice or without its
/// record, nothing goes on running, and the trail that the next daemon goes on with is whole.
#[test]
fn a_monitor_that_dies_at_any_step_leaves_an_honest_outcome() {
    let points = [
        "monitor-asked",
        "monitor-recorded",
        "monitor-started",
        "monitor-told",
        "monitor-over",
        "monitor-exited",
        "monitor-ended",
    ];

    std::thread::scope(|scope| {
        for point in points {
            scope.spawn(move || {
                let mut server = gated()
                    .env("ORDAIN_FAULT", point)
                    .command(
                        Cmd::sh(
                            "note",
                            r#"echo "$1" >> "$2"; echo "noted $1"; cat "$3" >/dev/null; echo done"#,
                            &["{word}", "{folder}/notes", "{folder}/gate"],
                        )
                        .string("word", "[a-z0-9-]+", 40),
                    )
                    .start();
                let mut client = server.client();
                client.args(["run", "t", "note", point]);

                // The first request asks what the command takes; that is the step for the first
                // point.
                let client = client
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let died = server.child.wait().unwrap();
                assert!(!died.success(), "{point}: it did not die");
                server.restart();
                let output = client.wait_with_output().unwrap();
                let times = notes(&server, point);
                let recorded = |trail: &[serde_json::Value]| {
                    trail
                        .iter()
                        .filter(|record| {
                            record["kind"] == "request"
                                && record["verb"] == "run"
                                && record["decision"] == "granted"
                        })
                        .count()
                };

                match output.status.code() {
                    Some(0) => assert_eq!(
                        (times, stdout(&output)),
                        (1, format!("noted {point}\ndone\n")),
                        "{point}"
                    ),
                    Some(255) => {
                        let told = stderr(&output);
                        assert!(
                            told.contains("code 606") || told.contains("code 603"),
                            "{point}: {told}"
                        );

                        assert!(times <= 1, "{point}: ran {times} times");

                        // Never asked for is known to the client; whatever may have begun is called
                        // unknown.
                        assert!(
                            told.contains("code 606") || recorded(&server.trail()) == 0,
                            "{point}: {told}"
                        );
                    }

                    other => panic!("{point}: {other:?} {}", stderr(&output)),
                }

                assert!(
                    times == 0 || recorded(&server.trail()) == 1,
                    "{point}: it ran without a record"
                );

                assert!(
                    server.ordain(&["run", "t", "true"]).status.success(),
                    "{point}"
                );

                let verified = proved(&server);
                assert!(verified.status.success(), "{point}: {}", stdout(&verified));
            });
        }
    });
}

/// The monitor holds what matters: a frontend may die at any step, and the client goes on with the
/// next one.
#[test]
fn a_frontend_that_dies_at_any_step_is_survived_by_what_outlives_it() {
    let points = [
        "frontend-asked",
        "frontend-started",
        "frontend-output",
        "frontend-exit",
    ];

    std::thread::scope(|scope| {
        for point in points {
            scope.spawn(move || {
                let server = gated().env("ORDAIN_FAULT", point).command(stays()).start();
                let output = server.ordain(&["run", "t", "stays", point]);
                let told = stderr(&output);

                match output.status.code() {
                    Some(0) => {
                        assert_eq!(
                            (notes(&server, point), stdout(&output)),
                            (1, format!("noted {point}\ndone\n")),
                            "{point}: {told}"
                        )
                    }

                    // It died while it was asked what the command takes: nothing had been asked to
                    // run.
                    Some(255) => assert!(
                        told.contains("code 603") && notes(&server, point) == 0,
                        "{point}: {told}"
                    ),
                    other => panic!("{point}: {other:?} {told}"),
                }

                wait("the next frontend", || {
                    server
                        .records("frontend")
                        .iter()
                        .filter(|record| record["state"] == "started")
                        .count()
                        == 2
                });

                assert!(
                    server.ordain(&["run", "t", "true"]).status.success(),
                    "{point}"
                );
            });
        }
    });
}

/// Bytes that had left the pipe and were not kept yet are told of, from which one on: never passed
/// over in silence.
#[test]
fn bytes_that_died_with_a_frontend_are_told_of() {
    let server = gated()
        .env("ORDAIN_FAULT", "frontend-read")
        .command(stays())
        .start();

    // It writes on when the frontend is dead, not before: what it wrote then could be in the same
    // read.
    std::fs::remove_file(server.path("gate")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(server.path("gate"))
            .status()
            .unwrap()
            .success()
    );

    let client = server
        .client()
        .args(["run", "t", "stays", "lost"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait("the next frontend", || {
        server
            .records("frontend")
            .iter()
            .filter(|record| record["state"] == "started")
            .count()
            == 2
    });

    std::fs::write(server.path("gate"), "").unwrap();
    let output = client.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), notes(&server, "lost")),
        (Some(0), 1),
        "{}",
        stderr(&output)
    );

    assert!(
        stderr(&output)
            .contains("standard output may lack bytes from byte 0 on: the server lost them"),
        "{}",
        stderr(&output)
    );

    assert!(
        !stdout(&output).contains("noted") && stdout(&output).ends_with("done\n"),
        "{}",
        stdout(&output)
    );
}

/// Output of a run that had ended was lost when the frontend, on a machine with too much to do, did
/// not look for half a second: the pipe was taken for one that somebody else held open.
#[test]
fn output_is_not_lost_by_a_frontend_that_is_late() {
    let server = gated()
        .env("ORDAIN_FAULT", "frontend-late:slow")
        .command(Cmd::sh("window", "head -c 574288 /dev/zero", &[]))
        .start();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let session = server.session("alice").await;
            let mut run = session
                .run(common::invocation("window", &[]))
                .await
                .unwrap();
            // More than a window: the rest is in the pipe when the command ends, because nothing is
            // granted before.
            let (mut out, mut ended) = (0, None);
            while out < 512 * 1024 {
                match run.next().await.unwrap() {
                    Event::Stdout(bytes) => out += bytes.len(),
                    other => panic!("{other:?}"),
                }
            }

            let over = |record: &serde_json::Value| record["kind"] == "end";
            server.wait_for_trail("the end", |trail| trail.iter().any(over));
            run.consumed(out).await.unwrap();

            while ended.is_none() {
                match run.next().await.unwrap() {
                    Event::Stdout(bytes) => out += bytes.len(),
                    Event::Ended(told) => ended = Some(told),
                    _ => {}
                }
            }

            let ended = ended.unwrap();
            assert_eq!(
                (out, ended.stdout_bytes, ended.held_open),
                (574_288, 574_288, false),
                "{ended:?}"
            );
        });
}

/// The watchdog is fed by the loop that decides, so one that is stuck is not fed, and systemd
/// replaces the daemon.
/// SIGTERM waited for a reload that hung, on a disk or a name service.
#[test]
fn a_reload_that_hangs_does_not_keep_the_daemon_from_stopping() {
    let mut server = Server::new()
        .env("ORDAIN_FAULT", "monitor-reload:stuck")
        .command(truth())
        .alice()
        .start();
    signal(server.child.id(), "-HUP");
    // It has been taken up when another request is served after it.
    let done = server.ordain(&["run", "t", "true"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    server.stop();
}

#[test]
fn a_stuck_loop_starves_the_watchdog() {
    let prepared = Server::new().command(truth()).alice().prepare();
    let socket = UnixDatagram::bind(prepared.path("notify")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(prepared.config())
        .env("NOTIFY_SOCKET", prepared.path("notify"))
        .env("WATCHDOG_USEC", "200000")
        .env("ORDAIN_FAULT", "monitor-asked:stuck")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let port = Log::of(&mut child).port();
    let mut buffer = [0; 4096];
    let mut said = |patience: u64| {
        socket
            .set_read_timeout(Some(std::time::Duration::from_millis(patience)))
            .unwrap();
        socket
            .recv(&mut buffer)
            .map(|count| String::from_utf8_lossy(&buffer[..count]).into_owned())
            .unwrap_or_default()
    };

    while !said(60_000).contains("WATCHDOG=1") {}
    let mut client = Command::new(env!("CARGO_BIN_EXE_ordain"))
        .args(["--ca"])
        .arg(prepared.path("ca.crt"))
        .arg("--password-file")
        .arg(prepared.path("password"))
        .args(["list", &format!("alice@localhost:{port}")])
        .env("HOME", prepared.folder())
        .env("XDG_STATE_HOME", prepared.folder())
        .env("XDG_CONFIG_HOME", prepared.folder())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It asks, and from then on nothing is said: systemd would have killed it five times over.
    while !said(1_000).is_empty() {}
    child.kill().unwrap();
    child.wait().unwrap();
    client.wait().unwrap();
}

/// A disk that takes seconds to write: by default nobody waits for it, and what is not on it yet is
/// told; with `sync = "always"` each run does.
#[test]
fn a_slow_disk_delays_only_those_who_asked_for_it() {
    let slow = || {
        Server::new()
            .env("ORDAIN_FAULT", "trail-sync:slow")
            .command(truth())
            .alice()
    };

    let unsynced = |server: &Server| {
        let text = stdout(&server.ordaind(&["metrics"]));
        text.lines()
            .find_map(|line| {
                line.strip_prefix("ordain_trail_unsynced_records ")?
                    .parse::<u64>()
                    .ok()
            })
            .unwrap()
    };

    let mut server = slow().start();
    assert!(server.ordain(&["run", "t", "true"]).status.success());
    assert!(unsynced(&server) > 0, "the run waited for the disk");
    signal(server.child.id(), "-TERM");
    assert!(server.child.wait().unwrap().success() && proved(&server).status.success());
    let server = slow().table("audit", "sync = \"always\"").start();
    assert!(server.ordain(&["run", "t", "true"]).status.success());
    let at = |kind: &str| {
        let trail = server.trail();
        let record = trail
            .iter()
            .find(|record| record["kind"] == kind && record["command"] != "none")
            .unwrap();
        time::OffsetDateTime::parse(
            record["time"].as_str().unwrap(),
            &time::format_description::well_known::Rfc3339,
        )
        .unwrap()
    };

    assert!(
        at("start") - at("request") >= time::Duration::seconds(1),
        "it started before its record was on the disk"
    );
}

/// A clock that jumps: what is timed goes on as if nothing had happened, and the trail's order is
/// its numbers.
#[test]
fn a_clock_that_jumps_ends_nothing_and_breaks_no_trail() {
    let setup = clocked().command(Cmd::new("gated", &["/bin/cat", "{folder}/fifo"]));
    assert!(
        Command::new("mkfifo")
            .arg(setup.path("fifo"))
            .status()
            .unwrap()
            .success()
    );

    let server = setup.start();
    let clock = server.path("clock");
    let running = server
        .client()
        .args(["run", "t", "gated"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    server.wait_for_trail("the start", |trail| {
        trail.iter().any(|record| record["kind"] == "start")
    });
    let status = || stdout(&server.ordaind(&["status"]));

    // A year on: the certificate has expired by this clock, which is said; who is in stays in, and
    // what runs, runs.
    write(&clock, &(365 * 86_400).to_string(), 0o600);
    assert!(
        status().contains("certificate  expired") && status().contains("1 running"),
        "{}",
        status()
    );

    // And back again, before the start.
    write(&clock, "0", 0o600);
    assert!(status().contains("health       ok"), "{}", status());
    assert!(server.ordain(&["run", "t", "true"]).status.success());
    write(&server.path("fifo"), "through", 0o600);
    let output = running.wait_with_output().unwrap();
    assert!(
        output.status.success() && stdout(&output) == "through",
        "{output:?}"
    );

    let times: Vec<String> = server
        .trail()
        .iter()
        .map(|record| record["time"].as_str().unwrap().to_owned())
        .collect();
    assert!(!times.is_sorted(), "the jump is in the records");
    let verified = proved(&server);
    assert!(verified.status.success(), "{}", stdout(&verified));
}

/// What has expired does not replace what has not; what may be used later is taken over later,
/// without another change; and what was wrong with files that a reload no longer names is no fault
/// any more.
#[test]
fn a_certificate_that_cannot_be_used_now_is_looked_at_again() {
    let server = clocked().start();
    let clock = server.path("clock");
    let shown = || stdout(&server.ordaind(&["status"]));

    // A day and a half on: the server's has half a day left, the new one is over.
    write(&clock, &(36 * 3600).to_string(), 0o600);
    let short = ordain::devca::issue(
        &server.ca,
        &["localhost".into()],
        ordain::devca::Use::Server,
        1,
    )
    .unwrap();
    let chain = std::fs::read_to_string(server.path("server.crt")).unwrap();
    write(&server.path("server.key"), &short.key, 0o600);
    write(&server.path("server.crt"), &short.certificate, 0o644);
    server.wait_for_log("the one that is in force stays");
    assert!(
        shown().contains("the files as they are now: ")
            && !shown().contains("certificate  expired"),
        "{}",
        shown()
    );

    write(&clock, "0", 0o600);
    server.wait_for_log("is taken over, with another key");
    assert!(
        !shown().contains("the files as they are now: "),
        "{}",
        shown()
    );

    // Other files, by a reload.
    write(&server.path("server.crt"), &chain, 0o644);
    server.wait_for_log("does not belong to the certificate");
    assert!(
        shown().contains("the files as they are now: "),
        "{}",
        shown()
    );

    write(&server.path("other.key"), &short.key, 0o600);
    write(&server.path("other.crt"), &short.certificate, 0o644);
    let config = std::fs::read_to_string(server.path("config.toml"))
        .unwrap()
        .replace("\"server.", "\"other.");
    write(&server.path("config.toml"), &config, 0o600);
    assert!(server.ordaind(&["reload"]).status.success());
    assert!(
        !shown().contains("the files as they are now: "),
        "{}",
        shown()
    );
}

/// Hundreds of reloads under load, some of them of a file that is only half written: no request is
/// lost or refused for it.
#[test]
fn a_storm_of_reloads_disturbs_nobody() {
    let server = gated().start();
    let config = server.path("config.toml");
    let sound = std::fs::read_to_string(&config).unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..300 {
                // Written in place, as editors should not: the end is missing in the middle of the
                // last line.
                let text = if round % 3 == 0 {
                    &sound[..sound.len() - 5 * (round % 7) - 3]
                } else {
                    &sound
                };

                write(&config, text, 0o600);
                signal(server.child.id(), "-HUP");
            }

            write(&config, &sound, 0o600);
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let session = server.session("alice").await;
            let mut runs = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) || runs < 20 {
                let (_, _, ended) = common::ran(&session, "true").await;
                assert_eq!(ended.number, Some(0));
                runs += 1;
            }

            session.close().await;
        });
    });

    assert!(server.ordaind(&["reload"]).status.success());
    let reloads = server.records("reload");
    assert!(
        reloads.iter().any(|record| record["outcome"] == "refused")
            && reloads.iter().any(|record| record["outcome"] == "accepted")
    );

    assert!(server.ordain(&["run", "t", "true"]).status.success());
}
