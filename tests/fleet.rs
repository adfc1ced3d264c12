//! Many machines at once: real daemons, the real client, and hosts that do not do what is asked.

mod common;

use common::{Cmd, Machines, Server, stderr, stdout, write};
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;

/// A command that prints one thing, and ends so.
fn says(name: &str, script: &str) -> Cmd {
    Cmd::sh(name, script, &[])
}

/// The lines, in an order of their own.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn each_line_stands_behind_its_hosts_name_and_the_end_names_who_failed() {
    let machines = Machines::new(3, |number| {
        vec![says(
            "check",
            &format!("echo out {number}; echo err {number} >&2; [ {number} != 2 ] || exit 3"),
        )]
    });
    let output = machines.ordain(&["run", "web[1-3]", "check"]);
    assert_eq!(
        sorted(&stdout(&output)),
        ["web1: out 1", "web2: out 2", "web3: out 3"],
        "{}",
        stderr(&output)
    );
    assert_eq!(
        sorted(&stderr(&output)),
        [
            "ordain: 2 exit 0 · 1 exit 3: web2",
            &format!(
                "ordain: again: ordain fleet retry {} --failed",
                machines.noted()
            ),
            "web1: err 1",
            "web2: err 2",
            "web3: err 3"
        ]
    );
    assert_eq!(output.status.code(), Some(3));
    for machine in 1..=3 {
        assert_eq!(machines.starts(machine), 1);
    }
}

#[test]
fn equal_outputs_are_told_once_under_all_their_hosts() {
    let machines = Machines::new(4, |number| {
        let version = if number == 3 { 2 } else { 1 };
        vec![says(
            "version",
            &format!("echo version {version}; echo more"),
        )]
    });
    let output = machines.ordain(&["run", "--fold", "web[1-4]", "version"]);
    let line = "-".repeat(15);
    let wanted = format!(
        "{line}\nweb[1-2,4] (3) exit 0\n{line}\nversion 1\nmore\n{line}\nweb3 (1) exit 0\n{line}\nversion 2\nmore\n"
    );
    assert_eq!(stdout(&output), wanted, "{}", stderr(&output));
    assert_eq!(stderr(&output), "ordain: 4 exit 0\n");
    assert!(output.status.success());

    let output = machines.ordain(&["run", "--fold", "--diff", "web[1-4]", "version"]);
    let differs = format!(
        "{line}\nweb3 (1) exit 0, beside web[1-2,4]\n{line}\n@@ -1,2 +1,2 @@\n-version 1\n+version 2\n more\n"
    );
    assert!(stdout(&output).ends_with(&differs), "{}", stdout(&output));
}

#[test]
fn a_host_that_is_not_there_stops_no_other_and_is_not_forgotten() {
    let machines = Machines::new(2, |_| vec![says("check", "echo well")]);
    // A port on which nobody listens.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    machines.settings(&format!(
        "[hosts.dead]\naddress = \"127.0.0.1\"\nport = {nobody}\nca = \"system\"\n",
    ));
    let output = machines.ordain(&["run", "web1,dead,web2", "check"]);
    let said = stderr(&output);
    assert_eq!(
        sorted(&stdout(&output)),
        ["web1: well", "web2: well"],
        "{said}"
    );
    assert!(said.contains("dead: ordain: "), "{said}");
    assert!(
        said.contains("ordain: 2 exit 0 · 1 unreachable (600): dead\n"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(255));
}

#[test]
fn standard_input_goes_to_all_of_them() {
    let machines = Machines::new(3, |_| vec![says("sum", "cksum").stdin()]);
    let input = b"the same to everybody\n".repeat(60_000);
    let path = machines.path().join("input");
    std::fs::write(&path, &input).unwrap();
    let output = machines
        .client(&["run", "--fold", "web[1-3]", "sum"])
        .stdin(File::open(&path).unwrap())
        .output()
        .unwrap();
    let said = stdout(&output);
    let shown: Vec<&str> = said.lines().collect();
    assert_eq!(shown[1], "web[1-3] (3) exit 0", "{}", stderr(&output));
    assert_eq!(
        shown[3].split_whitespace().nth(1).unwrap(),
        input.len().to_string()
    );
    assert_eq!(shown.len(), 4);
}

#[test]
fn other_verbs_are_asked_of_many_too() {
    let machines = Machines::new(2, |_| vec![says("check", "echo well")]);
    let output = machines.ordain(&["list", "--fold", "web[1-2]"]);
    let line = "-".repeat(15);
    assert_eq!(
        stdout(&output),
        format!("{line}\nweb[1-2] (2) exit 0\n{line}\ncheck\n"),
        "{}",
        stderr(&output)
    );
    let output = machines.ordain(&["run", "--dry-run", "web[1-2]", "check"]);
    assert!(
        stdout(&output).contains("web1: granted by"),
        "{}",
        stderr(&output)
    );
    assert_eq!((machines.starts(1), machines.starts(2)), (0, 0));
    for words in [
        ["attach", "web[1-2]", "0123456789abcdef"],
        ["cancel", "web[1-2]", "0123456789abcdef"],
    ] {
        let output = machines.ordain(&words);
        assert!(
            stderr(&output).contains("name that one"),
            "{}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(255));
    }
}

#[test]
fn a_canary_that_fails_stops_the_rest() {
    let machines = Machines::new(4, |number| {
        vec![says("deploy", &format!("[ {number} != 1 ]"))]
    });
    let words = [
        "run",
        "--batch",
        "1,50%",
        "--max-fail",
        "0",
        "web[1-4]",
        "deploy",
    ];
    let output = machines.ordain(&words);
    let said = stderr(&output);
    assert!(
        said.contains("more hosts have failed than --max-fail allows"),
        "{said}"
    );
    assert!(
        said.contains("ordain: 1 exit 1: web1 · 3 not started: web[2-4]\n"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(machines.starts(1), 1);
    assert_eq!((machines.starts(2), machines.starts(4)), (0, 0));
}

/// Forty wrong passwords in a row would close somebody out everywhere.
#[test]
fn a_password_that_is_wrong_is_tried_at_one_host_only() {
    let machines = Machines::new(3, |_| vec![says("check", "echo well")]);
    write(&machines.path().join("password"), "mistyped", 0o600);
    let output = machines.ordain(&["run", "web[1-3]", "check"]);
    let said = stderr(&output);
    let last = said.lines().find(|line| line.contains('·')).unwrap();
    assert!(last.contains("1 refused (200): web"), "{said}");
    assert!(last.contains("2 not started: web"), "{said}");
    let failures: usize = machines
        .servers
        .iter()
        .map(|server| server.records("login").len())
        .sum();
    assert_eq!(failures, 1);
}

#[test]
fn machines_read_a_line_for_each_event_and_one_for_all() {
    let machines = Machines::new(2, |number| {
        vec![says(
            "check",
            &format!("echo é{number}; exit {}", number - 1),
        )]
    });
    let output = machines.ordain(&["--json", "run", "web[1-2]", "check"]);
    let said = stdout(&output);
    let events: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |host: &str, event: &str| {
        events
            .iter()
            .find(|found| found["host"] == host && found["event"] == event)
            .unwrap_or_else(|| panic!("{said}"))
    };
    assert_eq!(of("web2", "stdout")["text"], "é2\n");
    assert!(of("web1", "started")["run"].is_string());
    assert_eq!(of("web2", "end")["exit_status"], 1);
    assert_eq!(of("web2", "end")["reason"], "exit");
    let summary = events.last().unwrap();
    assert_eq!(summary["event"], "summary");
    assert_eq!(
        summary["counts"],
        serde_json::json!({ "exit 0": 1, "exit 1": 1 })
    );
    assert_eq!(summary["sets"]["exit 1"], "web2");
    assert_eq!(output.status.code(), Some(1));
}

/// A command that goes on without its client, says what it is, and ends when there is a file.
fn waits(machine: usize, gate: &Path) -> Cmd {
    let script = format!(
        "echo begun {machine}; while ! [ -e {} ]; do sleep 0.02; done; echo done {machine}",
        gate.display()
    );
    says("wait", &script).goes_on()
}

#[test]
fn what_a_dead_client_has_begun_is_taken_up_again_and_runs_once() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let machines = Machines::new(3, |machine| vec![waits(machine, &gate)]);
    let mut client = machines
        .client(&["run", "web[1-3]", "wait"])
        .spawn()
        .unwrap();
    machines.all_have_begun();
    client.kill().unwrap();
    client.wait().unwrap();

    let id = machines.noted();
    std::fs::write(&gate, "").unwrap();
    let output = machines.ordain(&["fleet", "attach", &id]);
    let said = stdout(&output);
    for machine in 1..=3 {
        assert!(
            said.contains(&format!("web{machine}: begun {machine}\n")),
            "{said}{}",
            stderr(&output)
        );
        assert!(
            said.contains(&format!("web{machine}: done {machine}\n")),
            "{said}"
        );
        assert_eq!(machines.starts(machine), 1);
    }
    assert_eq!(stderr(&output), "ordain: 3 exit 0\n");
    assert!(output.status.success());

    // Once more there is nothing left to do.
    let output = machines.ordain(&["fleet", "attach", &id]);
    assert_eq!(
        (stdout(&output), stderr(&output)),
        (String::new(), "ordain: 3 exit 0\n".into())
    );
    let keys: Vec<_> = std::fs::read_dir(machines.path().join("home/ordain/fleets"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "keys"))
        .collect();
    assert!(keys.is_empty(), "keys of sessions are left: {keys:?}");
}

/// The server waits for the session that began it, and not for any.
#[test]
fn a_run_that_ends_with_its_client_goes_on_when_the_same_session_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let script = format!(
        "while ! [ -e {} ]; do sleep 0.02; done; echo done",
        gate.display()
    );
    let machines = Machines::of(2, |_| {
        Server::new()
            .command(says("wait", &script))
            .alice()
            .resumable()
    });
    let mut client = machines
        .client(&["run", "web[1-2]", "wait"])
        .spawn()
        .unwrap();
    machines.all_have_begun();
    client.kill().unwrap();
    client.wait().unwrap();

    let id = machines.noted();
    let again = machines
        .client(&["fleet", "attach", &id])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for server in &machines.servers {
        server.wait_for_trail("attach", |records| {
            records.iter().any(|record| record["verb"] == "attach")
        });
    }
    std::fs::write(&gate, "").unwrap();
    let output = again.wait_with_output().unwrap();
    assert_eq!(sorted(&stdout(&output)), ["web1: done", "web2: done"]);
    assert_eq!(stderr(&output), "ordain: 2 exit 0\n");
}

/// Each time at another moment; whatever was begun then, it runs once.
#[test]
fn a_client_that_is_killed_at_any_moment_makes_nothing_run_twice() {
    let machines = Machines::new(3, |_| vec![says("once", "echo ran").goes_on()]);
    for round in 1..=20_u64 {
        let mut client = machines
            .client(&["run", "web[1-3]", "once"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Not a wait for something, but the moment of the kill.
        std::thread::sleep(std::time::Duration::from_millis(round * 3));
        client.kill().unwrap();
        client.wait().unwrap();

        // One that came before the notes has asked nobody.
        let fleets = stdout(&machines.ordain(&["--json", "fleet"]));
        let noted = fleets.lines().count();
        if noted == 0 {
            assert!((1..=3).all(|machine| machines.starts(machine) == 0));
            continue;
        }
        let line: serde_json::Value = serde_json::from_str(fleets.lines().next().unwrap()).unwrap();
        let id = line["fleet"].as_str().unwrap();
        let output = machines.ordain(&["fleet", "attach", id]);
        assert!(
            output.status.success(),
            "round {round}: {}",
            stderr(&output)
        );
        for machine in 1..=3 {
            assert_eq!(machines.starts(machine), noted, "round {round}: {fleets}");
        }
    }
}

#[test]
fn whoever_leaves_is_told_how_to_come_back_and_may_end_it_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let machines = Machines::new(2, |machine| vec![waits(machine, &gate)]);
    let client = machines
        .client(&["run", "web[1-2]", "wait"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    machines.all_have_begun();
    let id = machines.noted();
    let busy = machines.ordain(&["fleet", "attach", &id]);
    assert!(
        stderr(&busy).contains("another ordain attends to fleet"),
        "{}",
        stderr(&busy)
    );
    common::signal(client.id(), "-TERM");
    let output = client.wait_with_output().unwrap();
    let said = stderr(&output);
    assert!(said.contains("2 going on: web[1-2]"), "{said}");
    assert!(
        said.contains(&format!("ordain fleet attach {id}")),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(130));

    let shown = stdout(&machines.ordain(&["fleet", "show", &id]));
    assert!(shown.contains("web1  going on  run "), "{shown}");
    let output = machines.ordain(&["fleet", "cancel", &id]);
    assert!(
        stderr(&output).contains("2 cancelled: web[1-2]"),
        "{}",
        stderr(&output)
    );
    let ended = machines.servers[0].records("end");
    assert_eq!(ended.last().unwrap()["reason"], "cancelled");
}

#[test]
fn only_those_that_failed_are_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let mended = folder.path().join("mended");
    let machines = Machines::new(3, |machine| {
        let script = format!("[ {machine} != 2 ] || [ -e {} ]", mended.display());
        vec![says("check", &script)]
    });
    let output = machines.ordain(&["run", "web[1-3]", "check"]);
    let said = stderr(&output);
    let id = machines.noted();
    let again = format!("ordain: again: ordain fleet retry {id} --failed\n");
    assert!(said.ends_with(&again), "{said}");

    let none = machines.ordain(&["fleet", "retry", &id, "--unreachable"]);
    assert!(
        stderr(&none).contains("has no such hosts (2 exit 0 · 1 exit 1: web2)"),
        "{}",
        stderr(&none)
    );
    std::fs::write(&mended, "").unwrap();
    let output = machines.ordain(&["fleet", "retry", &id, "--failed"]);
    assert_eq!(stderr(&output), "ordain: 1 exit 0\n");
    assert_eq!(
        (machines.starts(1), machines.starts(2), machines.starts(3)),
        (1, 2, 1)
    );

    let other = machines.noted();
    assert_ne!(id, other);
    assert!(machines.ordain(&["fleet", "forget", &id]).status.success());
    let gone = machines.ordain(&["fleet", "show", &id]);
    assert!(
        stderr(&gone).contains("was begun here"),
        "{}",
        stderr(&gone)
    );
}

#[test]
fn each_host_has_files_of_its_own_where_that_is_wanted() {
    let machines = Machines::new(2, |number| {
        vec![says(
            "check",
            &format!("echo out {number}; [ {number} = 2 ] || echo err >&2"),
        )]
    });
    let folder = machines.path().join("out");
    let folder = folder.to_str().unwrap();
    let output = machines.ordain(&["run", "--output", folder, "--summary", "web[1-2]", "check"]);
    assert_eq!(stdout(&output), "");
    assert_eq!(stderr(&output), "ordain: 2 exit 0\n");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect();
    files.sort();
    let wanted = [
        ("web1.stderr", "err\n"),
        ("web1.stdout", "out 1\n"),
        ("web2.stdout", "out 2\n"),
    ];
    assert_eq!(
        files,
        wanted.map(|(name, text)| (name.to_owned(), text.to_owned()))
    );
}

/// `/dev/full` in the place of a file: half an output is no success.
#[test]
fn a_disk_that_is_full_is_no_success() {
    let machines = Machines::new(2, |_| vec![says("check", "echo out")]);
    let folder = machines.path().join("out");
    std::fs::create_dir(&folder).unwrap();
    let output = machines
        .client(&["run", "web[1-2]", "check"])
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert!(
        stderr(&output).contains("standard output could not be written"),
        "{}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(255));

    std::os::unix::fs::symlink("/dev/full", folder.join("web1.stdout")).unwrap();
    let output = machines.ordain(&[
        "run",
        "--output",
        folder.to_str().unwrap(),
        "web[1-2]",
        "check",
    ]);
    let said = stderr(&output);
    assert!(said.contains("web1.stdout: "), "{said}");
    assert!(said.contains("1 exit 0 · 1 disconnected: web1"), "{said}");
}

/// Nothing would look like a whole input, and the command would run on it.
#[test]
fn a_command_whose_input_is_gone_is_not_begun_by_whoever_comes_back() {
    let machines = Machines::new(2, |_| vec![says("sum", "cksum").stdin()]);
    // The first host keeps the input open, so that the second never has its turn.
    let mut client = machines
        .client(&["run", "--fanout", "1", "web[1-2]", "sum"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    machines.servers[0].wait_for_records("start", 1);
    client.kill().unwrap();
    client.wait().unwrap();
    let output = machines.ordain(&["fleet", "attach", &machines.noted()]);
    let said = stderr(&output);
    assert!(said.contains("web2: ordain: its input is gone"), "{said}");
    assert!(said.contains("not started: web2"), "{said}");
    assert_eq!(machines.starts(2), 0);
}

/// Every verb that a set can stand in has a file of names in its place.
#[test]
fn the_hosts_of_a_file_are_asked_in_the_place_of_a_set() {
    let machines = Machines::new(3, |number| {
        vec![says("check", &format!("echo out {number}"))]
    });
    let list = machines.path().join("list");
    write(
        &list,
        "# the canary\nweb3\n\nweb1 # and one more\r\nweb3\n",
        0o644,
    );
    let list = list.to_str().unwrap();
    let output = machines.ordain(&["run", "--hosts-from", list, "--fanout", "1", "check"]);
    assert_eq!(
        (stdout(&output).as_str(), stderr(&output).as_str()),
        ("web3: out 3\nweb1: out 1\n", "ordain: 2 exit 0\n")
    );
    let shown = stdout(&machines.ordain(&["fleet"]));
    assert!(
        shown.contains(&format!("--hosts-from {list}  check")),
        "{shown}"
    );
    assert_eq!(
        (machines.starts(1), machines.starts(2), machines.starts(3)),
        (1, 0, 1)
    );

    for (words, wanted) in [
        (&["list", "--fold"][..], "check\n"),
        (&["whoami"], "web3: alice from 127.0.0.1\n"),
        (
            &["describe", "check"],
            "web1: usage: ordain run HOST check\n",
        ),
        (&["runs"], "web3: RUN"),
        (&["sessions"], "web1: "),
        (&["explain", "check"], "web1: "),
        (&["run", "--dry-run", "check"], "web3: granted by"),
        (&["keyscan"], " sha256:"),
    ] {
        let words = [&words[..1], &["--hosts-from", list], &words[1..]].concat();
        let output = machines.ordain(&words);
        assert!(
            stdout(&output).contains(wanted),
            "{words:?}: {}{}",
            stdout(&output),
            stderr(&output)
        );
        assert!(output.status.success(), "{words:?}");
    }
}

/// Whatever is in it: nobody is asked, and nothing of it harms a terminal.
#[test]
fn a_file_that_is_no_list_of_names_asks_nobody() {
    let machines = Machines::new(1, |_| vec![says("check", "echo well")]);
    let many: String = (0..70_000).map(|number| format!("n{number}\n")).collect();
    let cases: &[(&[u8], &str)] = &[
        (b"", "names no host"),
        (b"# web1\n \n", "names no host"),
        (
            b"web1\nweb[1-2]\n",
            "line 2, column 1: `web[1-2]` has a '['",
        ),
        (b"web1\n@web\n", "line 2, column 1: `@web` has a '@'"),
        (b"alice@web1\n", "has a '@'"),
        (b"web1 web2\n", "has a ' '"),
        (b"../../etc/passwd\n", "no name"),
        (b"-oProxyCommand=x\n", "no name"),
        (b"\x1b]0;title\x07\x1b[2J\n", "no name"),
        (b"web1\0\n", "no name"),
        ("web\u{202e}1\n".as_bytes(), "no name"),
        (b"web\xff\n", "is not UTF-8 text"),
        (many.as_bytes(), "65536 are the most"),
        (&[b'a'; 70_000], "makes names longer"),
    ];
    let list = machines.path().join("list");
    for (text, sentence) in cases {
        std::fs::write(&list, text).unwrap();
        let output = machines.ordain(&["run", "--hosts-from", list.to_str().unwrap(), "check"]);
        let said = stderr(&output);
        assert!(said.contains(sentence), "{sentence}: {said}");
        assert!(
            said.starts_with(&format!("ordain: {}: ", list.display())),
            "{said}"
        );
        assert!(
            !said.contains(['\u{1b}', '\u{7}', '\0', '\u{202e}']),
            "{said:?}"
        );
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(255), String::new())
        );
    }
    for (file, sentence) in [
        ("gone", "No such file"),
        (".", "is a folder"),
        ("/dev/zero", "not a regular file"),
    ] {
        let output = machines
            .client(&["run", "--hosts-from", file, "check"])
            .current_dir(machines.path())
            .output()
            .unwrap();
        assert!(
            stderr(&output).contains(sentence),
            "{file}: {}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(255), "{file}");
    }
    assert_eq!(machines.starts(1), 0);
}

/// What names hosts is no input, and half an input looks like a whole one.
#[test]
fn names_on_standard_input_leave_nothing_else_to_be_read_from_it() {
    let secret = Cmd::sh("secret", "echo \"$1\"", &["{token}"]).arg(
        "token",
        "type = \"string\", secret = true, pattern = \".*\", max = 20",
    );
    let machines = Machines::new(2, |_| {
        vec![
            says("check", "echo well"),
            says("sum", "cksum").stdin(),
            secret.clone(),
        ]
    });
    let with_names = |words: &[&str]| {
        let path = machines.path().join("names");
        write(&path, "web1\nweb2\n", 0o600);
        let mut client = machines.client(words);
        client.stdin(File::open(path).unwrap()).output().unwrap()
    };
    let output = with_names(&["run", "--hosts-from", "-", "check"]);
    assert_eq!(stderr(&output), "ordain: 2 exit 0\n");
    for (words, sentence) in [
        (
            &["run", "--hosts-from", "-", "sum"][..],
            "takes standard input, so the names",
        ),
        (
            &["run", "--hosts-from", "-", "secret", "--token", "@-"],
            "needed for something else",
        ),
        (
            &["--password-stdin", "run", "--hosts-from", "-", "check"],
            "no password can come",
        ),
    ] {
        let output = with_names(words);
        assert!(stderr(&output).contains(sentence), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(255), "{words:?}");
    }
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));
}

/// What is equal is told once, whatever was asked.
#[test]
fn the_answers_of_all_verbs_are_folded_and_are_objects_for_machines() {
    let machines = Machines::new(3, |_| vec![says("check", "echo well").summary("Looks.")]);
    for (words, wanted) in [
        (&["list"][..], "check  Looks.\n"),
        (
            &["describe", "check"],
            "check - Looks.\nusage: ordain run HOST check\n",
        ),
        (&["explain", "check"], "granted"),
        (&["run", "--dry-run", "check"], "granted by"),
        (
            &["whoami"],
            "alice from 127.0.0.1\nby: password\nroles: all\nkept login: none\n",
        ),
        (&["runs"], ""),
        (&["sessions", "--end", "all"], "ended 1\n"),
    ] {
        let at = words
            .iter()
            .position(|word| *word == "check")
            .unwrap_or(words.len());
        let with =
            |more: &[&'static str]| [more, &words[..at], &["web[1-3]"], &words[at..]].concat();
        let output = machines.ordain(&with(&["--fold"]));
        let line = "-".repeat(15);
        let header = format!("{line}\nweb[1-3] (3) exit 0\n{line}\n");
        let said = stdout(&output);
        // Where a rule stands is no two machines' same place here.
        let is_unlike = said.contains("/config.toml:");
        assert!(said.starts_with(&header) || is_unlike, "{words:?}: {said}");
        assert!(said.contains(wanted), "{words:?}: {said}");

        let said = stdout(&machines.ordain(&with(&["--json"])));
        let events: Vec<serde_json::Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let answers = events.iter().filter(|event| event["event"] == "answer");
        assert_eq!(answers.clone().count(), 3, "{words:?}: {said}");
        assert!(
            answers
                .clone()
                .all(|event| event["answer"].is_object() && event["host"].is_string())
        );
        assert_eq!(events.last().unwrap()["event"], "summary");
    }
    for refused in [
        &["output", "web[1-2]", "x"][..],
        &["passwd", "web[1-2]"],
        &["runs", "--follow", "web[1-2]"],
    ] {
        let output = machines.ordain(refused);
        assert_eq!(output.status.code(), Some(255), "{refused:?}");
    }
}
