//! Old files of the trail: removed when they are beyond what is kept, and what is left is proved.

mod common;

use common::{Cmd, Server, Setup, signal, stderr, stdout, wait, write};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(86_400);

/// One command, and a trail in small files, which stay as they are.
fn described(audit: &str) -> Setup {
    compressed(&format!("compress = false\n{audit}"))
}

/// One command, and a trail in small files.
fn compressed(audit: &str) -> Setup {
    Server::new()
        .common(&["true"])
        .table("audit", &format!("rotate_size = \"4KiB\"\n{audit}"))
        .alice()
}

fn run(server: &Server) {
    let output = server.ordain(&["run", "t", "true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// The rotated files, oldest first.
fn files(server: &Server) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(server.path("state")).unwrap();
    let mut files: Vec<PathBuf> = folder
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("trail-0")
        })
        .collect();
    files.sort();
    files
}

/// Runs the command until there are so many rotated files.
fn rotate(server: &Server, count: usize) {
    while files(server).len() < count {
        run(server);
    }
}

fn verified(server: &Server) -> Value {
    let output = server.ordaind(&["audit", "verify", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
}

/// What is left is proved, and begins where it is said to.
fn proved(server: &Server) -> Value {
    let report = verified(server);
    assert_eq!(report["sound"], true, "{report}");
    report
}

/// The records of a kind, of all files that are there.
fn records(server: &Server, kind: &str) -> Vec<Value> {
    let output = server.ordaind(&["audit", "show", "--json", "--kind", kind]);
    let lines = stdout(&output);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The settings of a daemon that goes on become others.
fn reloaded(server: &Server, from: &str, to: &str) {
    let text = std::fs::read_to_string(server.config()).unwrap();
    assert!(text.contains(from), "{text}");
    write(&server.config(), &text.replace(from, to), 0o600);
    let output = server.ordaind(&["reload"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// As if it had been written to last so long ago.
fn grown_old(path: &Path, age: Duration) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

fn faults(server: &Server) -> String {
    let status = server.ordaind(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    status["faults"].to_string()
}

#[test]
fn files_beyond_the_size_are_removed_and_what_is_left_is_proved() {
    let mut server = described("keep_size = \"40KiB\"\nkeep_least = \"none\"").start();
    let first = server.path("state/trail.jsonl");
    wait("files that were removed", || {
        run(&server);
        // What told of the first ones was removed with its file.
        let removed = records(&server, "removed");
        removed
            .iter()
            .any(|record| record["first"].as_u64() > Some(1))
    });
    wait("few files", || {
        let all: u64 = files(&server)
            .iter()
            .chain([&first])
            .map(|path| std::fs::metadata(path).map_or(0, |meta| meta.len()))
            .sum();
        all <= 40 << 10
    });
    reloaded(&server, "40KiB", "1GiB");
    rotate(&server, 1);
    server.stop();

    let report = proved(&server);
    let begins = report["first"].as_u64().unwrap();
    assert!(begins > 1, "{report}");
    assert_eq!(report["removed"], begins - 1, "{report}");
    let removed = records(&server, "removed");
    let last = removed.last().unwrap();
    assert_eq!(
        (&last["last"], &last["why"]),
        (&(begins - 1).into(), &"size".into())
    );
    let said = stdout(&server.ordaind(&["audit", "verify"]));
    assert!(
        said.contains("the daemon has removed them, as signed records say"),
        "{said}"
    );

    // Nothing says that the next file was removed.
    server.honest_trail = false;
    std::fs::remove_file(&files(&server)[0]).unwrap();
    let report = verified(&server);
    let fault = report["faults"][0]["text"].as_str().unwrap();
    assert!(
        fault.contains("no signed record says that those before it were removed"),
        "{fault}"
    );
    let rest = ["audit", "verify", "--part", first.to_str().unwrap()];
    assert_eq!(server.ordaind(&rest).status.code(), Some(0));
}

#[test]
fn files_beyond_the_age_are_removed_and_younger_ones_are_not() {
    let server = described("keep_age = \"20d\"").start();
    rotate(&server, 3);
    let old = files(&server);
    grown_old(&old[0], 30 * DAY);
    grown_old(&old[1], 19 * DAY);
    wait("a file that is gone", || {
        run(&server);
        !old[0].exists()
    });
    let removed = records(&server, "removed");
    assert_eq!(
        (removed.len(), &removed[0]["why"]),
        (1, &"age".into()),
        "{removed:?}"
    );
    assert!(old[1].exists());
    assert_eq!(faults(&server), "[]");
    proved(&server);
}

/// Whoever fills the trail must not push out what they have done before anybody has looked.
#[test]
fn what_is_young_is_not_removed_for_its_size_and_the_health_says_so() {
    let server = described("keep_size = \"8KiB\"").start();
    rotate(&server, 4);
    wait("the health", || {
        faults(&server).contains("audit.keep_least (604800 s)")
    });
    assert_eq!(records(&server, "removed").len(), 0);
    assert_eq!(server.ordaind(&["status"]).status.code(), Some(1));
    proved(&server);

    grown_old(&files(&server)[0], 8 * DAY);
    wait("one that is gone", || {
        run(&server);
        records(&server, "removed").len() == 1
    });
    reloaded(&server, "keep_size = \"8KiB\"", "keep_size = \"none\"");
    wait("the health", || faults(&server) == "[]");
}

/// The record comes first: whatever happens behind it, the next daemon finds the file, and says so
/// again.
#[cfg(debug_assertions)]
#[test]
fn a_daemon_that_is_killed_between_record_and_removal_leaves_what_the_next_one_ends() {
    let mut server = described("keep_age = \"20d\"")
        .env("ORDAIN_FAULT", "trail-remove")
        .start();
    rotate(&server, 2);
    let old = files(&server);
    grown_old(&old[0], 30 * DAY);
    signal(server.child.id(), "-HUP");
    server.child.wait().unwrap();
    assert!(old[0].exists());
    assert_eq!(
        proved(&server)["first"],
        1,
        "the record is there, and so is the file"
    );

    // One that is to keep it does, and it is no less proved.
    let text = std::fs::read_to_string(server.config()).unwrap();
    write(&server.config(), &text.replace("20d", "40d"), 0o600);
    server.restart();
    run(&server);
    assert_eq!(proved(&server)["first"], 1);
    reloaded(&server, "40d", "20d");
    wait("the file that is gone", || !old[0].exists());
    assert_eq!(
        records(&server, "removed").len(),
        2,
        "each says what is true"
    );
    assert!(proved(&server)["first"].as_u64().unwrap() > 1);
}

#[test]
fn a_file_that_comes_back_is_no_fault_and_goes_again() {
    let server = described("keep_age = \"20d\"").start();
    rotate(&server, 3);
    let old = files(&server);
    let copy = std::fs::read(&old[0]).unwrap();
    for file in &old[..2] {
        grown_old(file, 30 * DAY);
    }
    reloaded(&server, "20d", "21d");
    wait("files that are gone", || {
        !old[0].exists() && !old[1].exists()
    });
    proved(&server);

    // The younger of the two is still missing behind it.
    write(&old[0], &String::from_utf8(copy).unwrap(), 0o600);
    let report = proved(&server);
    assert_eq!(report["first"], 1, "{report}");
    assert!(report["removed"].as_u64().unwrap() > 1, "{report}");
    grown_old(&old[0], 30 * DAY);
    reloaded(&server, "21d", "20d");
    wait("the file that is gone", || !old[0].exists());
    proved(&server);
}

/// Whoever has changed a file must not have the daemon remove the evidence.
#[test]
fn a_file_that_somebody_has_changed_stays_and_the_health_says_so() {
    let mut server = described("keep_age = \"20d\"").start();
    server.honest_trail = false;
    rotate(&server, 2);
    let old = files(&server);
    let text = std::fs::read_to_string(&old[0]).unwrap();
    let changed = text.replacen("\"user\":\"alice\"", "\"user\":\"alicf\"", 1);
    assert_ne!(changed, text);
    write(&old[0], &changed, 0o600);
    grown_old(&old[0], 30 * DAY);
    reloaded(&server, "20d", "21d");
    wait("the health", || {
        faults(&server).contains("is not what was written")
    });
    assert!(old[0].exists());
    assert_eq!(records(&server, "removed").len(), 0);

    // As it was: it is tried again.
    write(&old[0], &text, 0o600);
    grown_old(&old[0], 30 * DAY);
    wait("the file that is gone", || !old[0].exists());
    wait("the health", || faults(&server) == "[]");
    proved(&server);
}

/// A file that cannot be removed while it lasts; needs root.
struct Stuck(PathBuf);

impl Stuck {
    fn at(path: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .arg("--bind")
            .args([path, path])
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        println!("skipped: nothing can be mounted here");
        None
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn what_cannot_be_removed_is_told_tried_again_and_recorded_once() {
    let server = described("keep_age = \"20d\"").start();
    rotate(&server, 3);
    let old = files(&server);
    let Some(stuck) = Stuck::at(&old[0]) else {
        return;
    };
    for file in &old[..2] {
        grown_old(file, 30 * DAY);
    }
    reloaded(&server, "20d", "21d");
    wait("the health", || {
        faults(&server).contains("cannot be removed")
    });
    assert!(old[1].exists(), "the oldest goes first, or none");
    assert_eq!(proved(&server)["first"], 1);
    drop(stuck);
    wait("files that are gone", || {
        !old[0].exists() && !old[1].exists()
    });
    wait("the health", || faults(&server) == "[]");
    assert_eq!(records(&server, "removed").len(), 2);
    proved(&server);
}

/// What the removed files told of locks holds on when the vault is gone, too.
#[test]
fn a_lock_that_was_told_of_in_a_removed_file_is_not_forgotten() {
    let mut server = described("keep_age = \"20d\"")
        .user("bob", &["all"])
        .start();
    let lock = server.ordaind(&["lock", "bob", "--reason", "left"]);
    assert!(lock.status.success(), "{}", stderr(&lock));
    rotate(&server, 1);
    let old = files(&server);
    grown_old(&old[0], 30 * DAY);
    reloaded(&server, "20d", "21d");
    wait("the file that is gone", || !old[0].exists());
    assert!(records(&server, "lock").is_empty());
    let standing = records(&server, "standing");
    assert_eq!(
        (standing.len(), &standing[0]["user"]),
        (1, &"bob".into()),
        "{standing:?}"
    );

    server.stop();
    std::fs::remove_file(server.path("state/vault.json")).unwrap();
    server.restart();
    let locked = stdout(&server.ordaind(&["status"]));
    let locked = locked
        .lines()
        .find(|line| line.starts_with("locked"))
        .unwrap();
    assert!(locked.contains("bob"), "{locked}");
    let listed = stdout(&server.ordaind(&["lock"]));
    assert!(
        listed.contains("bob") && listed.contains("left"),
        "{listed}"
    );
}

/// A command that copies files of the trail elsewhere, for as long as it may; `script` comes first.
fn archiving(script: &str) -> Setup {
    let script = format!("{script}cp -- \"$1\" \"$2/archived/\"");
    let store =
        Cmd::sh("store", &script, &["{file}", "{folder}"]).string("file", "/[A-Za-z0-9./_-]+", 200);
    let setup = described("keep_age = \"20d\"\narchive = \"store\"").command(store);
    std::fs::create_dir(setup.path("archived")).unwrap();
    setup
}

#[test]
fn a_file_is_archived_before_it_is_removed_and_both_are_recorded() {
    let server = archiving("").start();
    rotate(&server, 3);
    let old = files(&server);
    let copies: Vec<_> = old[..2]
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    for file in &old[..2] {
        grown_old(file, 30 * DAY);
    }
    reloaded(&server, "20d", "21d");
    wait("files that are gone", || {
        !old[0].exists() && !old[1].exists()
    });
    for (file, copy) in old.iter().zip(copies) {
        let archived = server.path("archived").join(file.file_name().unwrap());
        assert_eq!(std::fs::read(archived).unwrap(), copy);
    }

    let order: Vec<String> = ["archive", "archived", "removed"]
        .iter()
        .flat_map(|kind| records(&server, kind))
        .map(|record| format!("{:06} {}", record["seq"].as_u64().unwrap(), record["kind"]))
        .collect();
    let mut sorted = order.clone();
    sorted.sort();
    let kinds: Vec<&str> = sorted.iter().map(|line| &line[8..line.len() - 1]).collect();
    assert_eq!(
        kinds,
        [
            "archive", "archived", "removed", "archive", "archived", "removed"
        ]
    );
    let begun = &records(&server, "archive")[0];
    assert_eq!(begun["command"], "store", "{begun}");
    assert!(
        begun["rule"]
            .as_str()
            .unwrap()
            .starts_with("audit.archive: commands.store (")
    );
    let ended = &records(&server, "archived")[0];
    assert_eq!(
        (&ended["reason"], &ended["number"]),
        (&"exit".into(), &0.into()),
        "{ended}"
    );
    assert_eq!(ended["run"], begun["run"]);

    // Both together are the whole trail.
    let mut all: Vec<String> = files(&server)
        .iter()
        .chain(&[server.path("state/trail.jsonl")])
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    for file in &old[..2] {
        let archived = server.path("archived").join(file.file_name().unwrap());
        all.push(archived.to_string_lossy().into_owned());
    }
    let mut words = vec!["audit", "verify"];
    words.extend(all.iter().map(String::as_str));
    let whole = server.ordaind(&words);
    assert!(
        stdout(&whole).contains("records in the chain, 1 to "),
        "{}",
        stdout(&whole)
    );
    assert_eq!(whole.status.code(), Some(0));
}

#[test]
fn what_is_not_archived_stays_and_is_tried_again() {
    let server = archiving("test -e \"$2/ready\" || exit 3; ").start();
    rotate(&server, 2);
    let old = files(&server);
    grown_old(&old[0], 30 * DAY);
    reloaded(&server, "20d", "21d");
    let expected = "its archive command `store` failed: it ended with exit 3";
    wait("the health", || faults(&server).contains(expected));
    assert!(old[0].exists());
    assert_eq!(records(&server, "removed").len(), 0);
    let metrics = stdout(&server.ordaind(&["metrics"]));
    assert!(
        !metrics.contains("ordain_trail_archive_failures_total 0"),
        "{metrics}"
    );
    let ended = &records(&server, "archived")[0];
    assert_eq!(
        (&ended["reason"], &ended["number"]),
        (&"exit".into(), &3.into()),
        "{ended}"
    );

    write(&server.path("ready"), "", 0o600);
    wait("the file that is gone", || !old[0].exists());
    wait("the health", || faults(&server) == "[]");
    proved(&server);
}

#[test]
fn a_daemon_that_stops_ends_its_archive_command() {
    let mut server = archiving("echo $$ > \"$2/pid\"; sleep 1000; ").start();
    rotate(&server, 2);
    let old = files(&server);
    grown_old(&old[0], 30 * DAY);
    reloaded(&server, "20d", "21d");
    let pid = server.path("pid");
    wait("the archive command", || {
        std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'))
    });
    signal(server.child.id(), "-TERM");
    assert!(server.child.wait().unwrap().success());
    assert!(old[0].exists());
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists());
    let ended = &records(&server, "archived")[0];
    assert_eq!(ended["reason"], "stopped", "{ended}");
    proved(&server);
}

fn all_packed(server: &Server) -> bool {
    let packed = |path: &PathBuf| path.to_string_lossy().ends_with(".jsonl.zst");
    files(server).iter().all(packed)
}

#[test]
fn rotated_files_are_compressed_and_everything_reads_them() {
    let mut server = compressed("keep_age = \"20d\"").start();
    rotate(&server, 2);
    wait("compressed files", || all_packed(&server));
    let shown = stdout(&server.ordaind(&["audit", "show", "--kind", "started"]));
    assert_eq!(shown.lines().count(), 1, "{shown}");
    server.stop();
    let report = proved(&server);
    assert_eq!(
        (&report["first"], &report["unknown_sessions"]),
        (&1.into(), &0.into())
    );

    // The second verifier, where it can run.
    let has = |words: &[&str]| {
        let output = Command::new(words[0]).args(&words[1..]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if has(&["python3", "-c", "import cryptography"]) && has(&["zstd", "--version"]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify.py");
        let output = Command::new("python3")
            .arg(script)
            .arg("--key")
            .arg(server.path("state/trail.pub"))
            .args(files(&server))
            .arg(server.path("state/trail.jsonl"))
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}{}",
            stdout(&output),
            stderr(&output)
        );
        let said = format!("{} records", report["records"]);
        assert!(
            stdout(&output).contains(&said),
            "{said}: {}",
            stdout(&output)
        );
    } else {
        println!("skipped: no python3 with `cryptography`, or no zstd");
    }

    // A compressed file is removed like any other.
    server.restart();
    let old = files(&server);
    grown_old(&old[0], 30 * DAY);
    reloaded(&server, "20d", "21d");
    wait("the file that is gone", || !old[0].exists());
    assert!(
        records(&server, "removed")[0]["file"]
            .as_str()
            .unwrap()
            .ends_with(".zst")
    );
    proved(&server);
}

#[test]
fn a_compressed_file_that_is_damaged_is_a_fault_and_stays() {
    let mut server = compressed("keep_age = \"20d\"").start();
    server.honest_trail = false;
    rotate(&server, 2);
    wait("compressed files", || all_packed(&server));
    let old = files(&server);
    let bytes = std::fs::read(&old[0]).unwrap();
    std::fs::write(&old[0], &bytes[..bytes.len() - 9]).unwrap();
    grown_old(&old[0], 30 * DAY);
    reloaded(&server, "20d", "21d");
    wait("the health", || {
        faults(&server).contains("cannot be unpacked")
    });
    assert!(old[0].exists());
    let report = verified(&server);
    assert!(
        report["faults"].to_string().contains("cannot be unpacked"),
        "{report}"
    );
}

/// The next daemon reads what it must know of locks in files of both kinds.
#[test]
fn a_lock_in_a_compressed_file_is_remembered() {
    let mut server = compressed("").user("bob", &["all"]).start();
    assert!(
        server
            .ordaind(&["lock", "bob", "--reason", "left"])
            .status
            .success()
    );
    rotate(&server, 1);
    wait("compressed files", || all_packed(&server));
    server.stop();
    std::fs::remove_file(server.path("state/vault.json")).unwrap();
    server.restart();
    let listed = stdout(&server.ordaind(&["lock"]));
    assert!(
        listed.contains("bob") && listed.contains("left"),
        "{listed}"
    );
}

#[test]
fn status_and_metrics_say_how_long_there_is_room() {
    let server = described("reserve = \"none\"").start();
    rotate(&server, 2);
    let trail = || -> Value {
        let status = stdout(&server.ordaind(&["status", "--json"]));
        serde_json::from_str::<Value>(&status).unwrap()["trail"].take()
    };
    wait("both files", || trail()["files"].as_u64() >= Some(3));
    let seen = trail();
    let all: u64 = files(&server)
        .iter()
        .map(|path| std::fs::metadata(path).unwrap().len())
        .sum();
    assert!(seen["bytes"].as_u64().unwrap() > all, "{seen}");
    // It has just begun: an hour of this.
    let a_day = seen["bytes_a_day"].as_u64().unwrap();
    assert!(a_day > all * 20 && a_day < all * 60, "{seen}, {all}");
    assert_eq!(seen["days_left_until"], "audit.reserve");

    reloaded(&server, "reserve = \"none\"", "keep_size = \"1GiB\"");
    let days = (1 << 30) / a_day;
    let said = trail();
    assert_eq!(said["days_left_until"], "audit.keep_size", "{said}");
    assert!(
        said["days_left"].as_u64().unwrap().abs_diff(days) <= days / 10 + 1,
        "{said}, {days}"
    );
    let text = stdout(&server.ordaind(&["status"]));
    assert!(
        text.contains("days left until audit.keep_size removes the oldest"),
        "{text}"
    );
    let metrics = stdout(&server.ordaind(&["metrics"]));
    for sample in [
        "\nordain_trail_bytes ",
        "\nordain_trail_bytes_a_day ",
        "\nordain_trail_left_seconds{until=\"audit.keep_size\"} ",
    ] {
        assert!(metrics.contains(sample), "{sample}: {metrics}");
    }
    reloaded(
        &server,
        "keep_size = \"1GiB\"",
        "keep_age = \"1d\"\nkeep_size = \"1GiB\"",
    );
    assert_eq!(trail()["days_left_until"], "audit.keep_age");
}

/// What the book says that a run takes: bytes of its records, and of what they are compressed.
#[test]
fn a_run_takes_as_much_of_the_trail_as_the_book_says() {
    const RUNS: u64 = 100;
    let setup = || Server::new().common(&["true"]).alice();
    let bytes_a_run = |server: &mut Server| {
        server.stop();
        let rotated = server.path("state/trail-000000999999.jsonl");
        std::fs::copy(server.path("state/trail.jsonl"), &rotated).unwrap();
        let plain = std::fs::metadata(&rotated).unwrap().len();
        ordain::audit::pack(&rotated).unwrap();
        let packed = ordain::audit::packed_name(&rotated);
        let small = std::fs::metadata(&packed).unwrap().len();
        std::fs::remove_file(packed).unwrap();
        (plain / RUNS, small / RUNS)
    };

    let mut server = setup().start();
    for _ in 0..RUNS {
        run(&server);
    }
    let (plain, small) = bytes_a_run(&mut server);
    assert!(
        plain < 2400 && small < 700,
        "a login each: {plain}, compressed {small}"
    );

    let mut server = setup().start();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let session = server.session("alice").await;
        for _ in 0..RUNS {
            common::ran(&session, "true").await;
        }
    });
    let (plain, small) = bytes_a_run(&mut server);
    assert!(
        plain < 1200 && small < 330,
        "one session: {plain}, compressed {small}"
    );
}
