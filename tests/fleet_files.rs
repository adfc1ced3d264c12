//! Files from and to many machines at once: real daemons, their movers, and the real client.

mod common;

use common::{Machines, Server, Setup, stderr, stdout};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

/// A daemon with the root `site`, of which alice may do this.
fn with_site(rights: &str) -> Setup {
    let setup = Server::new();
    fs::create_dir(setup.path("site")).unwrap();
    fs::set_permissions(setup.path("site"), Permissions::from_mode(0o777)).unwrap();
    setup
        .toml(
            "[files.site]\nbeneath = \"{folder}/site\"\nallow = [\"list\", \"get\", \"put\", \"remove\"]\n\
             put = { mode = \"0755\", directories = \"0755\" }\n",
        )
        .role_with("all", &[], &format!("files = [{rights}]"))
        .user("alice", &["all"])
}

/// So many of them.
fn machines(count: usize) -> Machines {
    Machines::of(count, |_| with_site("\"site\""))
}

/// A path below the root of a machine, counted from 1 on.
fn there(machines: &Machines, machine: usize, name: &str) -> PathBuf {
    machines.servers[machine - 1].path(&format!("site/{name}"))
}

/// A path in the client's folder, as text.
fn here(machines: &Machines, name: &str) -> String {
    machines.path().join(name).display().to_string()
}

#[track_caller]
fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

#[track_caller]
fn ends(output: &Output, status: i32, says: &str) {
    let said = stderr(output);
    let printed = stdout(output);
    assert_eq!(output.status.code(), Some(status), "{printed}{said}");
    assert!(said.contains(says), "expected: {says}\nsaid: {said}");
}

/// What is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_goes_to_all_and_comes_back_from_each_into_a_folder_of_its_own() {
    let machines = machines(3);
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 7) as u8).collect();
    fs::write(machines.path().join("app.tar"), &content).unwrap();
    let app = here(&machines, "app.tar");
    let output = machines.ordain(&["cp", &app, "web[1-3]:site/"]);
    ends(&output, 0, "ordain: 3 exit 0\n");
    for machine in 1..=3 {
        assert_eq!(read(&there(&machines, machine, "app.tar")), content);
        fs::write(there(&machines, machine, "own.log"), format!("{machine}")).unwrap();
    }

    let all = here(&machines, "logs/");
    fs::create_dir(machines.path().join("logs")).unwrap();
    let output = machines.ordain(&["cp", "web[1-3]:site/own.log", &all]);
    ends(&output, 0, "ordain: 3 exit 0\n");
    for machine in 1..=3 {
        let path = machines.path().join(format!("logs/web{machine}/own.log"));
        assert_eq!(read(&path), machine.to_string().as_bytes());
    }

    // A tree, too, and what is there of it already is left alone.
    let output = machines.ordain(&["cp", "-r", "web[1-3]:site", &all]);
    ends(&output, 0, "ordain: 3 exit 0\n");
    assert_eq!(
        names(&machines.path().join("logs/web2/site")),
        ["app.tar", "own.log"]
    );
    ends(
        &machines.ordain(&["cp", "-r", "web[1-3]:site", &all]),
        255,
        "is there already",
    );
}

#[test]
fn standard_input_is_read_once_and_is_the_same_everywhere() {
    let machines = machines(3);
    let content: Vec<u8> = (0..9_500_000_u32).map(|at| (at / 11) as u8).collect();
    let mut client = machines
        .client(&["--json", "cp", "-", "web[1-3]:site/in"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(&content).unwrap();
    let output = client.wait_with_output().unwrap();
    ends(&output, 0, "");
    for machine in 1..=3 {
        assert!(
            read(&there(&machines, machine, "in")) == content,
            "{machine}"
        );
    }
    // One digest for all of them, and each host's is told behind its name.
    let events: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let moved: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "answer")
        .collect();
    assert_eq!(moved.len(), 3, "{events:?}");
    for event in &moved {
        assert_eq!(event["answer"]["bytes"], content.len());
        assert_eq!(event["answer"]["digest"], moved[0]["answer"]["digest"]);
    }
    assert_eq!(events.last().unwrap()["event"], "summary");
}

#[test]
fn a_file_that_gets_another_meanwhile_is_still_the_one_that_was_named() {
    let machines = machines(2);
    let old = vec![b'a'; 2_000_000];
    fs::write(machines.path().join("app"), &old).unwrap();
    let app = here(&machines, "app");
    // The second batch begins when somebody says so, and by then another file has the name.
    let mut client = machines
        .client(&[
            "cp",
            "--batch",
            "1,rest",
            "--pause",
            "1s",
            &app,
            "web[1-2]:site/",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    machines.servers[0].wait_for_records("end", 1);
    fs::write(machines.path().join("new"), "new").unwrap();
    fs::rename(machines.path().join("new"), machines.path().join("app")).unwrap();
    client.wait().unwrap();
    assert!(read(&there(&machines, 1, "app")) == old);
    assert!(read(&there(&machines, 2, "app")) == old);
}

#[test]
fn lists_removals_and_contents_stand_behind_the_names_of_their_hosts() {
    let machines = machines(2);
    for machine in 1..=2 {
        fs::write(
            there(&machines, machine, "a"),
            format!("one {machine}\ntwo\n"),
        )
        .unwrap();
    }
    fs::write(there(&machines, 2, "b"), "").unwrap();
    let output = machines.ordain(&["ls", "--fold", "web[1-2]:site"]);
    ends(&output, 0, "ordain: 2 exit 0\n");
    let said = stdout(&output);
    assert!(
        said.contains("web1 (1) exit 0\n") && said.contains("a\nb\n"),
        "{said}"
    );

    let output = machines.ordain(&["cat", "web[1-2]:site/a"]);
    ends(&output, 0, "ordain: 2 exit 0\n");
    let said = stdout(&output);
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["web1: one 1", "web1: two", "web2: one 2", "web2: two"]
    );

    let output = machines.ordain(&["files", "--fold", "web[1-2]"]);
    ends(&output, 0, "ordain: 2 exit 0\n");
    assert!(stdout(&output).contains("web[1-2] (2) exit 0\n"));

    // Where it is not there it is told, and where it is it goes.
    let output = machines.ordain(&["rm", "web[1-2]:site/b"]);
    ends(&output, 2, "1 exit 2: web1");
    assert!(!there(&machines, 2, "b").exists());
}

#[test]
fn much_is_printed_without_being_kept() {
    let machines = machines(2);
    let line = "x".repeat(999) + "\n";
    for machine in 1..=2 {
        fs::write(there(&machines, machine, "big"), line.repeat(20_000)).unwrap();
    }
    let output = machines.ordain(&["cat", "web[1-2]:site/big"]);
    ends(&output, 0, "ordain: 2 exit 0\n");
    assert_eq!(stdout(&output).lines().count(), 40_000);
    // Whoever reads only the beginning ends all of it.
    let mut client = machines
        .client(&["cat", "web[1-2]:site/big"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(client.stdout.take());
    assert_ne!(client.wait().unwrap().code(), Some(0));
}

#[test]
fn who_may_not_put_at_one_host_does_at_the_others_and_that_one_is_named() {
    let machines = Machines::of(3, |number| {
        with_site(if number == 2 {
            "\"site:get\""
        } else {
            "\"site\""
        })
    });
    fs::write(machines.path().join("app"), "new").unwrap();
    let app = here(&machines, "app");
    let output = machines.ordain(&["cp", &app, "web[1-3]:site/"]);
    ends(&output, 255, "1 refused (400): web2");
    assert!(!there(&machines, 2, "app").exists());
    assert_eq!(read(&there(&machines, 3, "app")), b"new");

    // With a canary nothing is begun behind it.
    let output = machines.ordain(&[
        "cp",
        "--batch",
        "1,rest",
        "--max-fail",
        "0",
        &app,
        "web2,web1,web3:site/canary",
    ]);
    ends(&output, 255, "not started: web[1,3]");
    assert!(!there(&machines, 1, "canary").exists());
}

#[test]
fn what_comes_from_many_has_a_folder_for_each_or_is_not_asked_for() {
    let machines = machines(2);
    for machine in 1..=2 {
        fs::write(there(&machines, machine, "a"), "a").unwrap();
    }
    let one = here(&machines, "one");
    let output = machines.ordain(&["cp", "web[1-2]:site/a", &one]);
    ends(
        &output,
        255,
        "one` would be one name for what comes from many hosts",
    );
    let into = here(&machines, "none/");
    let output = machines.ordain(&["cp", "web[1-2]:site/a", &into]);
    ends(&output, 255, "is no folder");
    assert_eq!(machines.starts(1) + machines.starts(2), 0);

    // A link here that has a host's name leads nothing astray, and what comes to nothing leaves nothing.
    fs::create_dir(machines.path().join("all")).unwrap();
    fs::create_dir(machines.path().join("elsewhere")).unwrap();
    symlink(
        machines.path().join("elsewhere"),
        machines.path().join("all/web1"),
    )
    .unwrap();
    let all = here(&machines, "all/");
    let output = machines.ordain(&["cp", "web[1-2]:site/a", &all]);
    ends(&output, 255, "all/web1 is no folder");
    assert_eq!(names(&machines.path().join("elsewhere")), [""; 0]);
    assert_eq!(read(&machines.path().join("all/web2/a")), b"a");
    fs::remove_dir_all(machines.path().join("all")).unwrap();
    fs::create_dir(machines.path().join("all")).unwrap();
    let output = machines.ordain(&["cp", "web[1-2]:site/absent", &all]);
    ends(&output, 2, "2 exit 2: web[1-2]");
    assert_eq!(names(&machines.path().join("all")), [""; 0]);
}

#[test]
fn a_folder_is_made_alike_everywhere_and_nothing_much_is_removed_unasked() {
    let machines = machines(2);
    fs::create_dir(machines.path().join("build")).unwrap();
    fs::write(machines.path().join("build/new"), "new").unwrap();
    for number in 0..30 {
        fs::write(there(&machines, 2, &format!("old{number}")), "old").unwrap();
    }
    let build = here(&machines, "build");
    let output = machines.ordain(&["sync", "--delete", &build, "web[1-2]:site"]);
    ends(&output, 255, "--yes agrees to that at each of many hosts");
    assert_eq!(read(&there(&machines, 1, "new")), b"new");
    assert_eq!(names(&there(&machines, 2, "")).len(), 30);
    let output = machines.ordain(&["sync", "--delete", "--yes", &build, "web[1-2]:site"]);
    ends(&output, 0, "ordain: 2 exit 0\n");
    assert_eq!(names(&there(&machines, 2, "")), ["new"]);
}

#[test]
fn one_interrupt_ends_what_is_on_its_way_and_places_nothing() {
    let machines = machines(2);
    let mut client = machines
        .client(&["cp", "-", "web[1-2]:site/in"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    input.write_all(&[7; 100_000]).unwrap();
    machines.all_have_begun();
    common::signal(client.id(), "-INT");
    let output = client.wait_with_output().unwrap();
    drop(input);
    ends(&output, 255, "");
    let said = stderr(&output);
    assert!(
        said.contains("cancelled: web[1-2]") || said.contains("not started"),
        "{said}"
    );
    for machine in 1..=2 {
        assert!(!there(&machines, machine, "in").exists());
        machines.servers[machine - 1].wait_for_records("end", 1);
    }
}
