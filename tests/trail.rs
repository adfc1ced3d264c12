//! The trail of the real daemon: proved by `ordaind audit verify`, broken, cut off, moved away, out
//! of room.

mod common;

use common::{Cmd, Server, Setup, signal, stderr, stdout, wait, write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One command that alice may run, and one that she may not.
fn described() -> Setup {
    Server::new()
        .common(&["true", "hidden"])
        .role("all", &["true"])
        .user("alice", &["all"])
}

fn audit(server: &Server, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(server.path("config.toml"))
        .arg("audit")
        .args(words)
        .output()
        .unwrap()
}

fn verified(server: &Server, words: &[&str]) -> serde_json::Value {
    let mut all = vec!["verify", "--json"];
    all.extend(words);
    let output = audit(server, &all);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
}

#[test]
fn a_trail_is_proved_and_so_is_who_asked() {
    let mut server = described().start();
    for _ in 0..3 {
        assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));
    }
    assert_eq!(
        server.ordain(&["run", "t", "hidden"]).status.code(),
        Some(255)
    );

    server.stop();
    let report = verified(&server, &[]);
    assert_eq!(report["sound"], true, "{report}");
    assert_eq!(
        report["signatures"], 8,
        "four logins and four requests: {report}"
    );

    assert_eq!(
        report["proved_to"].as_u64().unwrap() + 1,
        report["records"].as_u64().unwrap(),
        "all but the last checkpoint itself"
    );

    let said = stdout(&audit(&server, &["verify"]));
    assert!(
        said.contains("proved against whoever has not the daemon's key: records 1 to"),
        "{said}"
    );

    let head = report["head"].as_str().unwrap().to_owned();
    assert_eq!(verified(&server, &["--seen", &head])["sound"], true);

    // A user's own words, changed by somebody who can make the chain fit but does not have that
    // user's key.
    let trail = server.path("state/trail.jsonl");
    let text = std::fs::read_to_string(&trail).unwrap();
    write(
        &server.path("forged"),
        &text.replacen(
            "\\\"command\\\":\\\"true\\\"",
            "\\\"command\\\":\\\"false\\\"",
            1,
        ),
        0o600,
    );

    let forged = verified(&server, &[&server.path("forged").to_string_lossy()]);
    let faults = forged["faults"].as_array().unwrap();
    assert!(
        faults.iter().any(|fault| fault["text"]
            .as_str()
            .unwrap()
            .contains("the user's signature")),
        "{forged}"
    );

    assert!(
        faults
            .iter()
            .any(|fault| fault["text"].as_str().unwrap().contains("was edited")),
        "{forged}"
    );

    // The last record, which no other vouches for yet: what it says beside what was signed.
    let first = text
        .lines()
        .take_while(|line| !line.contains("\"kind\":\"request\""))
        .count()
        + 1;
    let until: String = text
        .lines()
        .take(first)
        .map(|line| format!("{line}\n"))
        .collect();
    for (from, to, expected) in [
        (
            "\"command\":\"true\"",
            "\"command\":\"false\"",
            "says `false` as the command, but `true` was signed",
        ),
        (
            "\"user\":\"alice\"",
            "\"user\":\"bob\"",
            "says that `bob` asked, but the session is that of `alice`",
        ),
    ] {
        let at = until.rfind(from).unwrap();
        let changed = format!("{}{to}{}", &until[..at], &until[at + from.len()..]);
        write(&server.path("changed"), &changed, 0o600);
        let report = verified(&server, &[&server.path("changed").to_string_lossy()]);
        assert!(report["faults"].to_string().contains(expected), "{report}");
    }

    // Another key proves nothing.
    let other = audit(
        &server,
        &[
            "verify",
            "--key",
            "ordain-trail-ed25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ],
    );

    assert_eq!(other.status.code(), Some(1));
    assert!(
        stdout(&other).contains("the checkpoint's signature does not fit"),
        "{}",
        stdout(&other)
    );

    server.honest_trail = false;

    // Cut off: the next daemon says so, for it remembers where it was.
    let lines: Vec<&str> = text.lines().collect();
    write(&trail, &(lines[..lines.len() - 3].join("\n") + "\n"), 0o600);
    let cut = verified(&server, &["--seen", &head]);
    assert!(
        cut["faults"][0]["text"]
            .as_str()
            .unwrap()
            .contains("truncated or rolled back"),
        "{cut}"
    );

    server.restart();
    let found = server.records("missing");
    assert_eq!(
        found[0]["expected"].as_u64().unwrap() - found[0]["found"].as_u64().unwrap(),
        3,
        "{found:?}"
    );

    let after = verified(&server, &[]);
    assert!(
        after["faults"][0]["text"]
            .as_str()
            .unwrap()
            .contains("are missing: the file was truncated"),
        "{after}"
    );

    assert_eq!(
        stdout(&audit(&server, &["key"])).trim(),
        std::fs::read_to_string(server.path("state/trail.pub"))
            .unwrap()
            .trim()
    );
}

#[test]
fn a_daemon_killed_in_the_middle_of_a_line_is_recovered() {
    let mut server = described().start();
    assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));
    signal(server.child.id(), "-KILL");
    server.child.wait().unwrap();
    let trail = server.path("state/trail.jsonl");
    let mut text = std::fs::read_to_string(&trail).unwrap();
    text.push_str("{\"seq\":99,\"prev\":\"half a li");
    write(&trail, &text, 0o600);
    server.restart();
    assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));
    server.stop();
    let report = verified(&server, &[]);
    assert_eq!(
        (report["sound"].as_bool(), report["recovered"].as_u64()),
        (Some(true), Some(1)),
        "{report}"
    );
}

#[test]
fn a_trail_that_is_moved_or_removed_goes_on() {
    let mut server = described().start();
    let (trail, moved) = (
        server.path("state/trail.jsonl"),
        server.path("state/trail-moved.jsonl"),
    );

    assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));
    std::fs::rename(&trail, &moved).unwrap();
    wait("another file", || {
        trail.exists() && !server.records("continued").is_empty()
    });
    assert_eq!(server.records("continued")[0]["why"], "replaced");
    assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));
    server.stop();
    let whole = verified(&server, &[]);
    assert_eq!(
        (whole["sound"].as_bool(), whole["first"].as_u64()),
        (Some(true), Some(1)),
        "{whole}"
    );

    let rest = verified(&server, &[&trail.to_string_lossy()]);
    assert!(
        rest["faults"].to_string().contains("no signed record says"),
        "nobody but the daemon may remove anything: {rest}"
    );
    let rest = verified(&server, &["--part", &trail.to_string_lossy()]);
    assert!(
        rest["first"].as_u64().unwrap() > 1 && rest["sound"] == true,
        "what is left is proved, and says where it begins: {rest}"
    );
}

#[test]
fn a_trail_is_rotated_and_the_chain_runs_on() {
    let mut server = described()
        .table("audit", "rotate_size = \"4KiB\"\nsync = \"always\"")
        .start();
    let state = server.path("state");
    let files = || -> Vec<PathBuf> {
        let folder = std::fs::read_dir(&state)
            .unwrap()
            .flatten()
            .map(|entry| entry.path());
        folder
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with("trail-")
            })
            .collect()
    };

    while files().len() < 3 {
        assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));
    }
    server.stop();
    let report = verified(&server, &[]);
    assert_eq!(
        (
            report["sound"].as_bool(),
            report["first"].as_u64(),
            report["unknown_sessions"].as_u64()
        ),
        (Some(true), Some(1), Some(0)),
        "{report}"
    );

    // One of them gone is noticed.
    server.honest_trail = false;
    let mut names = files();
    names.sort();
    std::fs::remove_file(&names[1]).unwrap();
    let missing = verified(&server, &[]);
    assert!(
        missing["faults"][0]["text"]
            .as_str()
            .unwrap()
            .contains("are missing: they were deleted, or moved"),
        "{missing}"
    );
}

/// A small file system of its own; gone when dropped. `None` where that cannot be had.
struct Disk(PathBuf);

impl Disk {
    fn at(path: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir(path).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(path)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        println!("skipped: no file system can be mounted here");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn without_room_nothing_runs_and_with_room_again_it_does() {
    let setup = Server::new()
        .table("audit", "file = \"small/trail.jsonl\"\nreserve = \"none\"")
        .common(&["true"])
        .command(Cmd::new("quiet", &["/bin/true"]).says("audit", "best-effort"))
        .alice();
    let Some(_disk) = Disk::at(&setup.path("small"), "2m") else {
        return;
    };
    let mut server = setup.start();
    let trail = server.path("small/trail.jsonl");
    let session = tokio::runtime::Runtime::new().unwrap();
    let alice = session.block_on(server.session("alice"));
    let run = |command: &str| {
        session.block_on(async {
            alice
                .run(common::invocation(command, &[]))
                .await
                .map(|_| ())
        })
    };

    run("true").unwrap();

    // Full to the last byte.
    let filler = server.path("small/filler");
    let _ = std::fs::write(&filler, vec![0u8; 4 << 20]);
    let _ = std::fs::write(server.path("small/more"), vec![0u8; 64 << 10]);
    let mut refused = None;

    for _ in 0..200 {
        if let Err(error) = run("true") {
            refused = Some(error);
            break;
        }
    }

    let refused = refused.expect("the disk was never full");
    assert_eq!(refused.code, 520, "{refused}");

    // The health check fails, and says why. Its own record is short, and may be the last that finds
    // room.
    wait("the health check", || {
        let status = server.ordaind(&["status"]);
        status.status.code() == Some(1) && stdout(&status).contains("the trail cannot be written")
    });

    // What may go on without does, and is counted.
    run("quiet").unwrap();
    std::fs::remove_file(&filler).unwrap();
    run("true").unwrap();
    assert_eq!(server.ordaind(&["status"]).status.code(), Some(0));
    let text = std::fs::read_to_string(&trail).unwrap();
    assert!(text.contains("\"kind\":\"gap\",\"missed\":1"), "{text}");
    server.stop();
    let report = verified(&server, &[&trail.to_string_lossy()]);
    assert_eq!(
        report["sound"], true,
        "nothing half written is left: {report}"
    );
}

#[test]
fn a_reserve_is_kept_before_the_disk_is_full() {
    let setup = described().table("audit", "file = \"small/trail.jsonl\"\nreserve = \"2MiB\"");
    let Some(_disk) = Disk::at(&setup.path("small"), "4m") else {
        return;
    };
    let server = setup.start();
    assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));
    std::fs::write(server.path("small/filler"), vec![0u8; 3 << 20]).unwrap();
    server.wait_for_log("audit.reserve");
    assert_eq!(server.ordaind(&["status"]).status.code(), Some(1));
    let output = server.ordain(&["run", "t", "true"]);
    assert!(
        stderr(&output).contains("code 520") && stderr(&output).contains("audit.reserve"),
        "{}",
        stderr(&output)
    );

    std::fs::remove_file(server.path("small/filler")).unwrap();
    server.wait_for_log("the trail can be written again");
    assert_eq!(server.ordain(&["run", "t", "true"]).status.code(), Some(0));
}

#[test]
fn the_trail_is_shown_to_people_and_programs() {
    let server = Server::standard();
    assert_eq!(
        server.ordain(&["run", "t", "exit", "3"]).status.code(),
        Some(3)
    );

    assert_eq!(
        server.ordain(&["run", "bob@t", "hidden"]).status.code(),
        Some(255)
    );

    let run = server.records("start")[0]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let show = |words: &[&str]| {
        let mut all = vec!["show"];
        all.extend(words);
        let output = audit(&server, &all);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };

    let of_run = show(&["--run", &run]);
    assert_eq!(of_run.lines().count(), 3, "request, start, end: {of_run}");
    assert!(
        of_run.contains("argv=/bin/sh -c ")
            && of_run.contains("number=3")
            && of_run.contains("reason=exit"),
        "{of_run}"
    );

    let refused = show(&["--decision", "refused", "--user", "bob"]);
    assert!(
        refused.lines().count() == 1 && refused.contains("command=hidden"),
        "{refused}"
    );

    assert_eq!(
        show(&["--command", "exit", "--user", "alice"])
            .lines()
            .count(),
        4,
        "describe too, and the start, which does not say whose it is"
    );

    assert_eq!(show(&["--since", "2099-01-01T00:00:00Z"]), "");
    assert_eq!(
        show(&["--since", "1h", "--kind", "login"]).lines().count(),
        2
    );

    assert_eq!(show(&["--source", "10.0.0.0/8"]), "");
    let json = show(&["--kind", "end", "--json"]);
    let record: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(record["number"], 3);

    // Following ends when it is told to; what comes is shown.
    use std::io::{BufRead, BufReader};
    let mut following = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(server.path("config.toml"))
        .args([
            "audit", "show", "--follow", "--kind", "end", "--since", "1h",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("number=3"));
    assert_eq!(
        server.ordain(&["run", "t", "exit", "4"]).status.code(),
        Some(4)
    );

    assert!(lines.next().unwrap().unwrap().contains("number=4"));
    following.kill().unwrap();
    following.wait().unwrap();
}

#[test]
fn outsiders_cannot_fill_the_trail() {
    // Not exempt, and not closed out: what they do costs them nothing here, so that all of it
    // arrives.
    let mut server = described().penalties("off = true").start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for _ in 0..60 {
            assert!(server.try_session("nobody", "guess").await.is_err());
        }
        server.session("alice").await;
    });

    assert_eq!(
        server.records("connection").len() + server.records("login").len(),
        11,
        "ten of a source, and whoever got in"
    );

    server.stop();
    let summed = server.records("summed");
    assert_eq!(summed.len(), 1, "{summed:?}");
    let all = |key: &str| summed[0][key].as_u64().unwrap();
    assert_eq!(
        (
            all("connections") + all("logins_refused"),
            summed[0]["source"].as_str()
        ),
        (121 - 10, Some("127.0.0.1"))
    );
}
