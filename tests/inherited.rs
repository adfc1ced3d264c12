//! What a process has from whoever started it is set or kept by design, and never happens to be
//! so: all three programs are started by a parent that leaves everything as it should not be.

mod common;

use common::{Cmd, Server, block, builder, is_root, run, signal, stderr, stdout};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// What a command says of how it stands.
const STANDING: &str = "umask; nice; cat /proc/self/oom_score_adj; \
    grep -E '^(SigBlk|SigIgn|SigCgt|CapInh|CapAmb|NoNewPrivs|Threads)' /proc/self/status; \
    ls /proc/self/fd; env | grep -v -E '^(ORDAIN_RUN_ID|ORDAIN_SOURCE)=' | sort";

/// Starts a program as no program should be started.
fn hostile(program: &str, nice: &str) -> Command {
    let script = "umask 0; echo -500 2>&- >/proc/self/oom_score_adj; exec \"$@\"";
    let mut command = Command::new("nice");
    command
        .args(["-n", nice, "env", "--ignore-signal=CHLD,XFSZ,PIPE,USR1"])
        .args(["--block-signal=TERM,INT,HUP,CHLD,USR2"]);
    let ambient = ["--inh-caps=+net_raw", "--ambient-caps=+net_raw"];
    let may = Command::new("setpriv")
        .args(ambient)
        .arg("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if may {
        command.arg("setpriv").args(ambient);
    }
    command
        .args(["/bin/sh", "-c", script, "sh", program])
        .env("LANG", "xx_XX.ebcdic")
        .env("LC_ALL", "tlh")
        .env("TZ", "Nowhere/At/All")
        .env("IFS", "o")
        .env("BASH_ENV", "/dev/full")
        .env("TMPDIR", "/nowhere")
        .env("RUST_BACKTRACE", "full")
        .env("MALLOC_PERTURB_", "170")
        .stdin(Stdio::null());
    command
}

fn prepared() -> builder::Prepared {
    Server::new()
        .command(Cmd::new("standing", &["/bin/sh", "-c", STANDING]))
        .command(Cmd::new("true", &["/bin/true"]))
        .alice()
        .prepare()
}

/// What a command of this daemon says of how it stands, and the daemon itself.
fn standing(prepared: &builder::Prepared, daemon: &mut Command) -> (String, u32) {
    let mut child = daemon
        .arg("--config")
        .arg(prepared.config())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = common::Log::of(&mut child);
    let port = log.port();
    let said = block(async {
        let options = common::trusting(&prepared.ca, port);
        let session = common::log_in(&options, "alice", common::PASSWORD)
            .await
            .unwrap();
        let (out, _, ended) = common::ran(&session, "standing").await;
        assert_eq!((ended.reason.as_str(), ended.number), ("exit", Some(0)));
        String::from_utf8(out).unwrap()
    });
    let id = child.id();
    for file in ["state", "audit.jsonl"] {
        let path = prepared.path(file);
        if let Ok(found) = std::fs::symlink_metadata(&path) {
            let mode = found.permissions().mode();
            assert_eq!(mode & 0o022, 0, "{}: {mode:o}", path.display());
        }
    }
    // The signal was blocked when it started.
    signal(id, "-TERM");
    assert!(child.wait().unwrap().success());
    (said, id)
}

#[test]
fn commands_get_what_the_book_says_whatever_the_daemon_was_started_with() {
    let (usual, _) = standing(
        &prepared(),
        &mut Command::new(env!("CARGO_BIN_EXE_ordaind")),
    );
    let (odd, _) = standing(
        &prepared(),
        &mut hostile(env!("CARGO_BIN_EXE_ordaind"), "0"),
    );
    assert_eq!(usual, odd);
    let lines: Vec<_> = usual.lines().collect();
    assert_eq!(lines[0], "0022", "{usual}");
    for line in [
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
        "CapInh:\t0000000000000000",
        "CapAmb:\t0000000000000000",
    ] {
        assert!(lines.contains(&line), "{line}: {usual}");
    }

    // What an administrator has said of the daemon's turn holds for its commands; that the daemon
    // itself goes ahead does not.
    let own: i32 = lines[1].parse().unwrap();
    let (later, _) = standing(
        &prepared(),
        &mut hostile(env!("CARGO_BIN_EXE_ordaind"), "4"),
    );
    let expected = (own + 4).min(19).to_string();
    assert_eq!(later.lines().nth(1), Some(expected.as_str()), "{later}");
}

#[test]
fn a_daemon_goes_ahead_of_its_commands_where_it_may() {
    if !is_root() {
        eprintln!("skipped: only root may go ahead of others");
        return;
    }
    let server = Server::new()
        .command(Cmd::new("true", &["/bin/true"]))
        .alice()
        .start();
    let nice = |pid: &str| -> i32 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let after = stat.rsplit_once(") ").unwrap().1;
        after.split(' ').nth(16).unwrap().parse().unwrap()
    };
    let frontend = server.frontend().to_string();
    let own = nice("self");
    if nice(&frontend) == own {
        eprintln!("skipped: CAP_SYS_NICE is not to be had here");
        return;
    }
    assert_eq!(nice(&frontend), (own - 5).max(-20));
}

#[test]
fn a_client_and_the_certificates_program_do_not_mind_who_started_them() {
    let server = Server::new()
        .command(Cmd::new("true", &["/bin/true"]))
        .command(Cmd::new("sleep", &["/bin/sleep", "1000"]))
        .alice()
        .start();
    let client = server.client();
    let as_usual = |words: &[&str]| {
        let mut odd = hostile(&client.get_program().to_string_lossy(), "0");
        odd.args(client.get_args()).args(words);
        for (name, value) in client.get_envs() {
            if let Some(value) = value {
                odd.env(name, value);
            }
        }
        odd.current_dir(client.get_current_dir().unwrap_or("/".as_ref()));
        odd
    };
    let output = run(&mut as_usual(&["run", "t", "true"]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    // A program's word on its groups is waited for, though the ends of children were ignored.
    let settings = server.path("client.toml");
    let before = std::fs::read_to_string(&settings).unwrap_or_default();
    assert!(!before.is_empty());
    std::fs::write(
        &settings,
        format!(
            "{before}\n[groups-from.said]\nform = \"lines\"\nrun = [\"/bin/echo\", \"{{group}}\"]\n"
        ),
    )
    .unwrap();
    let output = run(&mut as_usual(&["nodes", "--expand", "@said:x"]));
    assert!(output.status.success(), "{}", stderr(&output));

    // A signal that was blocked when it started ends it.
    let mut waiting = as_usual(&["run", "t", "sleep"]);
    let mut waiting = waiting
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_for_records("start", 2);
    signal(waiting.id(), "-TERM");
    assert!(!waiting.wait().unwrap().success());

    // What is secret is so under any umask.
    let folder = tempfile::tempdir().unwrap();
    let output = hostile(env!("CARGO_BIN_EXE_ordain-certs"), "0")
        .arg("--out")
        .arg(folder.path().join("certs"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    let mut keys = 0;
    for entry in std::fs::read_dir(folder.path().join("certs")).unwrap() {
        let path = entry.unwrap().path();
        let mode = path.metadata().unwrap().permissions().mode();
        let secret = path.to_string_lossy().contains("key");
        keys += usize::from(secret);
        let wrong = if secret { 0o077 } else { 0o022 };
        assert_eq!(mode & wrong, 0, "{}: {mode:o}", path.display());
    }
    assert!(keys > 0);
}
