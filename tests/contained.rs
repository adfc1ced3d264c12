//! Runs one can trust: whole trees are killed, limits hold, and what was vetted is what runs. Each
//! through the real daemon, with control groups where this machine has them and with keepers
//! everywhere.

mod common;

use common::{
    Cmd, Server, Setup, alive, block, grouped, invocation, is_root, stderr, stdout, wait, write,
};
use ordain::client::{Event, Session};
use ordain::protocol::Ended;
use ordain::verb::Cancel;
use std::time::{Duration, Instant};

fn tree() -> Cmd {
    Cmd::sh(
        "tree",
        r#"cd "$1"
: > pids
(setsid sh -c 'trap "" TERM HUP INT; echo $$ >> pids; while :; do sleep 1; done' &)
setsid sh -c 'trap "" TERM; echo $$ >> pids; kill -STOP $$' &
(setsid setsid sh -c 'echo $$ >> pids; exec sleep 1000' &)
(trap "" TERM; sh -c 'echo $$ >> pids; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); sleep 0.01 & done' 2>/dev/null) &
while [ "$(wc -l < pids)" -lt 4 ]; do sleep 0.01; done
trap "" TERM
echo ready
while :; do sleep 1; done
"#,
        &["{folder}"],
    )
    .timeout("20s")
    .grace("100ms")
}

fn ticks() -> Cmd {
    Cmd::sh(
        "ticks",
        "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done",
        &[],
    )
    .idle_timeout("5s")
}

fn unpinned() -> Cmd {
    Cmd::new("unpinned", &["{folder}/other", "x y"])
}

/// With a script in the folder that says how it was called and reads a file beside it.
fn with_other() -> Setup {
    let setup = Server::new().command(unpinned());
    script(
        setup.folder(),
        "other",
        "echo \"$0|$1|$(cat \"$(dirname \"$0\")/files/one\")\"",
    );
    setup
}

fn script(folder: &std::path::Path, name: &str, body: &str) {
    write(
        &folder.join(format!(".{name}")),
        &format!("#!/bin/sh\n{body}\n"),
        0o755,
    );

    std::fs::rename(folder.join(format!(".{name}")), folder.join(name)).unwrap();
}

async fn collect(session: &Session, command: &str) -> (String, Ended) {
    let (stdout, _, ended) = common::ran(session, command).await;
    (String::from_utf8(stdout).unwrap(), ended)
}

/// Double fork, setsid, TERM ignored, stopped, forking while being killed: cancelled means gone.
fn a_whole_tree(setup: Setup) {
    let server = setup.command(tree()).alice().start();
    block(async {
        let session = server.session("alice").await;
        let mut run = session.run(invocation("tree", &[])).await.unwrap();
        assert_eq!(
            run.next().await.unwrap(),
            Event::Stdout(b"ready\n".to_vec())
        );

        let pids = std::fs::read_to_string(server.path("pids")).unwrap();
        let pids: Vec<&str> = pids.lines().collect();
        assert_eq!(pids.len(), 4);
        assert!(pids.iter().all(|pid| alive(pid)));
        session
            .ask(&Cancel {
                run: run.id().unwrap().into(),
            })
            .await
            .unwrap();
        let began = Instant::now();
        let ended = loop {
            match run.next().await.unwrap() {
                Event::Ended(ended) => break ended,
                other => assert!(!matches!(other, Event::Answer(_))),
            }
        };

        assert_eq!((ended.reason.as_str(), ended.verified), ("cancelled", true));
        assert!(ended.left_killed >= 3, "{ended:?}");

        // The end is told after the last of them, not before.
        assert!(pids.iter().all(|pid| !alive(pid)), "{pids:?}");
        assert!(began.elapsed() < Duration::from_secs(8));
    });

    server.wait_for_trail("the record of the end", |trail| {
        trail.iter().any(|record| record["kind"] == "end")
    });
    let ends = server.records("end");
    assert_eq!(ends.len(), 1, "told exactly once");
    assert_eq!(ends[0]["tree"], "verified");
}

#[test]
fn a_whole_tree_is_killed_by_its_control_group() {
    if grouped() {
        a_whole_tree(Server::new());
    } else {
        println!("this machine has no control group to write to; only keepers are tested");
    }
}

#[test]
fn a_whole_tree_is_killed_by_its_keeper() {
    a_whole_tree(Server::new().best_effort());
}

fn what_is_left_behind(setup: Setup) {
    let server = setup
        .command(Cmd::sh("leaves", "sleep 1000 & echo $!; exit 5", &[]).linger("100ms"))
        .command(Cmd::sh("late", "(sleep 0.2; echo late) & echo early", &[]).linger("20s"))
        .command(
            Cmd::sh("stays", "sleep 1000 >/dev/null 2>&1 & echo $!", &[])
                .set("leave_running", "true"),
        )
        .command(ticks())
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;
        let (out, ended) = collect(&session, "leaves").await;
        assert_eq!(
            (ended.reason.as_str(), ended.number, ended.left_killed),
            ("exit", Some(5), 1),
            "{ended:?}"
        );

        assert!(!alive(out.trim()));
        let (out, ended) = collect(&session, "late").await;
        assert_eq!(
            (out.as_str(), ended.left_killed),
            ("early\nlate\n", 0),
            "output on its way is waited for"
        );

        let (out, ended) = collect(&session, "stays").await;
        assert_eq!(
            (ended.number, ended.left_killed, ended.left_running),
            (Some(0), 0, 1),
            "{ended:?}"
        );

        assert!(alive(out.trim()), "it was to go on");

        // A run after it is not disturbed by what was left.
        assert_eq!(collect(&session, "ticks").await.1.number, Some(0));
        assert!(alive(out.trim()));
        common::signal(out.trim().parse().unwrap(), "-KILL");
    });
}

#[test]
fn what_a_command_leaves_behind_follows_its_rule() {
    what_is_left_behind(Server::new().best_effort());
    if grouped() {
        what_is_left_behind(Server::new());
    }
}

/// A process that goes on by the command's rule and goes on writing must not hold up the end.
#[test]
fn leftovers_that_write_for_ever_do_not_hold_up_the_end() {
    let server = Server::new()
        .command(
            Cmd::sh(
                "chatters",
                "(i=0; while [ $i -lt 600 ]; do echo x; sleep 0.1; i=$((i+1)); done) & exit 0",
                &[],
            )
            .set("leave_running", "true"),
        )
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;
        let (out, ended) = collect(&session, "chatters").await;
        assert_eq!(
            (ended.number, ended.left_running > 0, ended.held_open),
            (Some(0), true, true),
            "{ended:?}"
        );

        assert!(out.len() < 100);
    });
}

#[test]
fn what_was_left_running_outlives_the_daemon() {
    if !grouped() {
        println!("this machine has no control group to write to");
        return;
    }

    let mut server = Server::new()
        .command(
            Cmd::sh("stays-on", "setsid sleep 60 >/dev/null 2>&1 & echo $!", &[])
                .set("leave_running", "true"),
        )
        .alice()
        .start();
    let pid = block(async {
        let session = server.session("alice").await;
        collect(&session, "stays-on").await.0
    });

    common::signal(server.child.id(), "-TERM");
    server.child.wait().unwrap();
    drop(Server::new().start());
    assert!(alive(pid.trim()), "the next daemon has ended it");
    common::signal(pid.trim().parse().unwrap(), "-KILL");
}

#[test]
fn a_command_is_not_idle_while_nobody_takes_its_output() {
    let server = Server::new()
        .command(
            Cmd::new("pressed", &["/usr/bin/head", "-c", "3000000", "/dev/zero"])
                .idle_timeout("1s"),
        )
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;

        // It writes all the time it may; the client grants nothing for longer than its
        // idle_timeout.
        let mut run = session.run(invocation("pressed", &[])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let mut count = 0;
        let ended = loop {
            match run.next().await.unwrap() {
                Event::Stdout(bytes) => {
                    count += bytes.len();
                    run.consumed(bytes.len()).await.unwrap();
                }

                Event::Ended(ended) => break ended,
                _ => {}
            }
        };

        assert_eq!((count, ended.number), (3_000_000, Some(0)), "{ended:?}");
    });
}

#[test]
fn limits_end_runs_and_say_so() {
    let server = Server::new()
        .command(
            Cmd::sh("quiet", "echo one; sleep 1000", &[])
                .idle_timeout("300ms")
                .grace("100ms"),
        )
        .command(ticks())
        .command(
            Cmd::new("yes", &["/usr/bin/yes"])
                .says("output_max", "100KiB")
                .grace("100ms"),
        )
        .command(
            Cmd::new("exactly", &["/usr/bin/head", "-c", "102400", "/dev/zero"])
                .says("output_max", "100KiB"),
        )
        .command(Cmd::sh("spends", "while :; do :; done", &[]).limits(r#"{ cpu_time = "1s" }"#))
        .command(
            Cmd::sh(
                "file",
                r#"head -c 100000 /dev/zero > "$1""#,
                &["{folder}/big"],
            )
            .limits(r#"{ file_size = "10KiB" }"#),
        )
        .alice()
        .start();
    block(async {
        let session = server.session("alice").await;
        let (out, ended) = collect(&session, "quiet").await;
        assert_eq!((out.as_str(), ended.reason.as_str()), ("one\n", "idle"));
        assert_eq!(collect(&session, "ticks").await.1.number, Some(0));
        let (out, ended) = collect(&session, "yes").await;
        assert_eq!(
            (out.len(), ended.reason.as_str(), ended.cut),
            (102_400, "output-limit", true)
        );

        let (out, ended) = collect(&session, "exactly").await;
        assert_eq!(
            (out.len(), ended.number, ended.cut),
            (102_400, Some(0), false),
            "the bound itself is allowed"
        );

        let (_, ended) = collect(&session, "spends").await;
        assert!(
            matches!(ended.number, Some(9 | 24)) && ended.user_ms >= 500,
            "{ended:?}"
        );

        let (_, ended) = collect(&session, "file").await;
        assert_ne!(ended.number, Some(0));
        assert_eq!(std::fs::metadata(server.path("big")).unwrap().len(), 10_240);
    });

    let output = server.ordain(&["run", "t", "yes"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stderr(&output).contains("cut after 102400 bytes"),
        "{}",
        stderr(&output)
    );

    assert_eq!(
        server.ordain(&["run", "t", "quiet"]).status.code(),
        Some(124)
    );
}

#[test]
fn confinement_holds() {
    let server = Server::new()
        .command(
            Cmd::new(
                "offline",
                &["/usr/bin/python3", "-c", "import socket; socket.socket()"],
            )
            .set("network", "false"),
        )
        .command(
            Cmd::new("boxed", &["/bin/cat", "{folder}/files/one", "/etc/passwd"])
                .set("sandbox", r#"{ read = ["{folder}/files/one"] }"#),
        )
        .command(
            Cmd::sh(
                "privileges",
                "grep NoNewPrivs /proc/self/status; umask; ulimit -c; ulimit -n",
                &[],
            )
            .says("umask", "077")
            .limits("{ open_files = 64 }"),
        )
        .command(
            Cmd::new(
                "more-privileges",
                &["/bin/grep", "NoNewPrivs", "/proc/self/status"],
            )
            .set("setuid_allowed", "true"),
        )
        .alice()
        .start();
    assert!(stderr(&server.ordain(&["run", "t", "offline"])).contains("PermissionError"));
    assert_eq!(
        stdout(&server.ordain(&["run", "t", "privileges"])),
        "NoNewPrivs:\t1\n0077\n0\n64\n"
    );

    assert_eq!(
        stdout(&server.ordain(&["run", "t", "more-privileges"])),
        "NoNewPrivs:\t0\n"
    );

    if ordain::sys::kernel_offers().1.is_some() {
        let output = server.ordain(&["run", "t", "boxed"]);
        assert_eq!(
            (stdout(&output).as_str(), output.status.code()),
            ("one\n", Some(1))
        );

        assert!(
            stderr(&output).contains("/etc/passwd"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn what_was_vetted_is_what_runs() {
    let setup = with_other();
    script(setup.folder(), "tool", "echo vetted");
    let pin = ordain::sys::executable_digest(&setup.path("tool")).unwrap();
    let server = setup
        .command(Cmd::new("pinned", &["{folder}/tool"]).says("sha256", &pin))
        .alice()
        .start();
    assert_eq!(stdout(&server.ordain(&["run", "t", "pinned"])), "vetted\n");
    let own = format!("{}|x y|one\n", server.path("other").display());
    assert_eq!(
        stdout(&server.ordain(&["run", "t", "unpinned"])),
        own,
        "a script prints its path and reads its own folder"
    );

    // An upgrade: the unpinned goes on, and the trail knows; the pinned is refused by a code of its
    // own.
    script(server.folder.path(), "tool", "echo other");
    script(server.folder.path(), "other", "echo upgraded");
    assert_eq!(
        stdout(&server.ordain(&["run", "t", "unpinned"])),
        "upgraded\n"
    );

    let output = server.ordain(&["run", "t", "pinned"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stderr(&output).contains("(code 507)"),
        "{}",
        stderr(&output)
    );

    let changes = server.records("executable");
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["command"], "unpinned");

    // `check` tells the digest to pin now.
    let digest = ordain::sys::executable_digest(&server.path("tool")).unwrap();
    assert!(stdout(&server.ordaind(&["check"])).contains(&digest));

    // A folder above it that others can write to.
    std::fs::set_permissions(
        server.folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let refused = block(async {
        let session = server.session("alice").await;
        session.run(invocation("unpinned", &[])).await.err()
    });

    assert_eq!(refused.unwrap().code, 506);
}

#[test]
fn a_swap_under_way_runs_one_file_or_the_other_whole() {
    let server = with_other().alice().start();
    let folder = server.folder.path().to_owned();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let swapping = std::thread::spawn(move || {
        let mut count = 0u32;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            script(
                &folder,
                "other",
                if count.is_multiple_of(2) {
                    "echo even"
                } else {
                    "echo odd"
                },
            );

            count += 1;
        }

        count
    });

    block(async {
        let session = server.session("alice").await;
        for _ in 0..100 {
            match session.run(invocation("unpinned", &[])).await {
                Ok(run) => {
                    let (out, _, ended) = run.collect().await.unwrap();
                    let out = String::from_utf8(out).unwrap();
                    assert!(
                        ended.number == Some(0)
                            && (out == "even\n" || out == "odd\n" || out.contains("|x y|")),
                        "{out:?} {ended:?}"
                    );
                }

                Err(error) => assert!((500..508).contains(&error.code), "{error}"),
            }
        }
    });

    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(swapping.join().unwrap() > 10);
}

#[test]
fn a_daemon_that_was_killed_leaves_nothing_running() {
    killed(Server::new().best_effort(), false);
    if grouped() {
        killed(Server::new(), true);
    }
}

fn killed(setup: Setup, grouped: bool) {
    let mut server = setup.command(tree()).alice().start();
    block(async {
        let session = server.session("alice").await;
        let mut run = session.run(invocation("tree", &[])).await.unwrap();
        assert_eq!(
            run.next().await.unwrap(),
            Event::Stdout(b"ready\n".to_vec())
        );
    });

    let text = std::fs::read_to_string(server.path("pids")).unwrap();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    if grouped {
        // The next daemon, of any configuration, clears up.
        drop(Server::new().start());
    }

    for pid in text.lines() {
        wait("the end of what a killed daemon had started", || {
            !alive(pid)
        });
    }
}

/// A control group for one daemon, with controllers for its runs: as a service manager delegates
/// one.
struct Delegated(std::path::PathBuf);

impl Delegated {
    /// `None` where these controllers cannot be had, which is said.
    fn with(controllers: &[&str]) -> Option<Self> {
        let root = std::path::Path::new("/sys/fs/cgroup");
        let group = root.join(format!("ordain-test-{}", std::process::id()));
        let own = (root.join("cgroup.controllers").exists() && std::fs::create_dir(&group).is_ok())
            .then(|| Self(group))
            .filter(|group| {
                let offered = std::fs::read_to_string(group.0.join("cgroup.controllers")).unwrap();
                controllers
                    .iter()
                    .all(|name| offered.split_whitespace().any(|word| word == *name))
            });
        if own.is_none() {
            println!("this machine gives no group with {controllers:?} to this test");
        }
        own
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        fn remove(group: &std::path::Path) {
            for inner in std::fs::read_dir(group)
                .unwrap()
                .flatten()
                .filter(|entry| entry.path().is_dir())
            {
                remove(&inner.path());
            }
            wait("the end of what lived in the test's group", || {
                std::fs::remove_dir(group).is_ok()
            });
        }

        let _ = std::fs::write(self.0.join("cgroup.kill"), "1");
        remove(&self.0);
    }
}

/// Bounds on a whole run by the kernel's controllers. A machine that has them bound to cgroup v1
/// cannot try this.
#[test]
fn bounds_on_the_whole_tree_strike_and_say_so() {
    let Some(group) = is_root()
        .then(|| Delegated::with(&["memory", "pids", "cpu"]))
        .flatten()
    else {
        return;
    };
    let server = Server::new()
        .group(&group.0)
        .command(
            Cmd::sh(
                "hungry",
                r#"sleep 1000 & echo $!; tail /dev/zero; echo "not reached"; sleep 1000"#,
                &[],
            )
            .limits(r#"{ memory = "32MiB" }"#),
        )
        .command(
            Cmd::sh(
                "many",
                "i=0; while [ $i -lt 60 ]; do sleep 1000 & echo $!; i=$((i+1)); done; wait",
                &[],
            )
            .limits("{ processes = 20 }")
            .linger("none"),
        )
        .command(
            Cmd::sh(
                "bomb",
                "bomb() ( bomb | bomb & ); bomb; while :; do bomb; sleep 0.01; done 2>/dev/null",
                &[],
            )
            .limits("{ processes = 50 }")
            .timeout("1s")
            .grace("100ms"),
        )
        .command(
            Cmd::sh("busy", "while :; do :; done & while :; do :; done", &[])
                .limits(r#"{ cpu = "20%" }"#)
                .timeout("2s")
                .grace("100ms"),
        )
        .command(Cmd::new("true", &["/bin/true"]))
        .alice()
        .start();
    let check = stdout(&server.ordaind(&["check"]));
    println!("{check}");
    block(async {
        let session = server.session("alice").await;

        // Memory: the kernel ends the whole run, not one process of it, and the reason is told.
        let (out, ended) = collect(&session, "hungry").await;
        assert_eq!(
            (ended.reason.as_str(), ended.verified),
            ("oom", true),
            "{ended:?}"
        );

        assert!(!alive(out.trim()), "{out}");
        assert!(
            (16 * 1024..=32 * 1024).contains(&ended.peak_kib),
            "{ended:?}"
        );

        // Processes: the twentieth cannot start another, and the shell says so by its status.
        let (out, ended) = collect(&session, "many").await;
        assert_eq!(
            (ended.number, out.lines().count(), ended.left_killed),
            (Some(2), 19, 19),
            "{ended:?}"
        );

        assert!(out.lines().all(|pid| !alive(pid)));

        // A fork bomb, with a run beside it that does not notice.
        let mut bomb = session.run(invocation("bomb", &[])).await.unwrap();
        for _ in 0..20 {
            assert_eq!(collect(&session, "true").await.1.number, Some(0));
        }
        let ended = loop {
            if let Event::Ended(ended) = bomb.next().await.unwrap() {
                break ended;
            }
        };

        assert_eq!(
            (ended.reason.as_str(), ended.verified),
            ("timeout", true),
            "{ended:?}"
        );

        // Processor time: two busy loops for two seconds get a fifth of one core.
        let (_, ended) = collect(&session, "busy").await;
        assert_eq!(ended.reason, "timeout");
        assert!(
            (100..900).contains(&(ended.user_ms + ended.system_ms)),
            "{ended:?}"
        );

        assert_eq!(collect(&session, "true").await.1.number, Some(0));
    });

    let output = server.ordain(&["run", "t", "hungry"]);
    assert_eq!(output.status.code(), Some(137), "{}", stderr(&output));
    assert!(stderr(&output).contains("memory"), "{}", stderr(&output));
    drop(server);
}

#[test]
fn bounds_that_cannot_be_kept_are_refused() {
    let check = |limits: &str| {
        let prepared = Server::new()
            .best_effort()
            .command(Cmd::new("true", &["/bin/true"]).limits(limits))
            .alice()
            .prepare();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_ordaind"))
            .args(["check", "--config"])
            .arg(prepared.config())
            .output()
            .unwrap();
        (output.status.code(), stdout(&output))
    };

    let (status, text) = check("{ memory = \"64MiB\" }");
    assert!(
        status == Some(1)
            && text.contains("commands.true.limits.memory")
            && text.contains("per_process"),
        "{text}"
    );

    let (status, text) = check("{ cpu = \"50%\" }");
    assert!(
        status == Some(1) && text.contains("commands.true.limits.cpu"),
        "{text}"
    );

    let (status, text) = check("{ memory = \"64MiB\", per_process = true, cpu_time = \"10s\" }");

    assert!(
        status == Some(0)
            && text.contains(
                "memory for each process, by rlimit; cpu_time for each process, by rlimit"
            ),
        "{text}"
    );

    for bad in [
        "{ memory = \"1KiB\" }",
        "{ cpu = \"much\" }",
        "{ processes = 0 }",
        "{ speed = 1 }",
        "{ cpu = \"50%\", per_process = true }",
    ] {
        assert_eq!(check(bad).0, Some(1), "{bad}");
    }

    if !is_root() {
        println!("not root: the account's own bounds apply");
    }
}
