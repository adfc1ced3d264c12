//! What many machines are given as standard input, what is one machine by several names, and outputs
//! that differ by a name alone.

mod common;

use common::{Cmd, Machines, begun_by, stderr, stdout, typed_to, write};
use std::fs::File;
use std::path::Path;
use std::process::Output;

/// Machines with a command that tells its input, and ends well once there is a file.
fn machines(count: usize, mended: &Path) -> Machines {
    let script = format!("cat; [ -e {} ]", mended.display());
    Machines::new(count, |_| {
        vec![
            Cmd::sh("echo", "cat", &[]).stdin(),
            Cmd::sh("check", &script, &[]).stdin(),
            Cmd::sh("bare", "echo well", &[]),
        ]
    })
}

fn with_input(machines: &Machines, words: &[&str], input: &str) -> Output {
    let path = machines.path().join("input");
    write(&path, input, 0o600);
    let mut client = machines.client(words);
    client.stdin(File::open(path).unwrap()).output().unwrap()
}

/// Settings of more names for the first of the machines.
fn names_of_the_first(machines: &Machines, names: &[&str]) -> String {
    let pin = stdout(&machines.servers[0].ordaind(&["fingerprint"]));
    let port = machines.servers[0].port;
    let each = |name: &&str| {
        format!(
            "[hosts.{name}]\naddress = \"127.0.0.1\"\nport = {port}\npin = \"{}\"\n",
            pin.trim()
        )
    };
    names.iter().map(each).collect()
}

#[test]
fn each_host_gets_the_file_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let machines = machines(3, &folder.path().join("mended"));
    let each = folder.path().join("each");
    std::fs::create_dir(&each).unwrap();
    let run = |command: &str| {
        let each = each.to_str().unwrap();
        machines.ordain(&["run", "--stdin-each", each, "web[1-3]", command])
    };
    write(&each.join("web2"), "for two\n", 0o600);
    let output = run("echo");
    let said = stderr(&output);
    assert!(said.contains("has no file for web[1,3]; each"), "{said}");
    assert_eq!(output.status.code(), Some(255));

    write(&each.join("web3"), "", 0o600);
    std::fs::create_dir(each.join("web1")).unwrap();
    let said = stderr(&run("echo"));
    assert!(said.contains("web1 is no regular file"), "{said}");
    assert!((1..=3).all(|machine| machines.starts(machine) == 0));

    std::fs::remove_dir(each.join("web1")).unwrap();
    let long = "a long line for one\n".repeat(20_000);
    write(&each.join("web1"), &long, 0o600);
    let output = run("echo");
    let said = stdout(&output);
    assert_eq!(said.matches("web1: a long line for one\n").count(), 20_000);
    assert_eq!(said.matches("web2: for two\n").count(), 1);
    assert!(!said.contains("web3"), "{}", stderr(&output));
    assert_eq!(stderr(&output), "ordain: 3 exit 0\n");

    let output = run("bare");
    let said = stderr(&output);
    assert!(said.contains("takes no standard input"), "{said}");
    assert_eq!(output.status.code(), Some(255));
}

/// A retry with other bytes would be another run under the same name.
#[test]
fn the_same_is_asked_again_with_the_same_input_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mended = folder.path().join("mended");
    let machines = machines(2, &mended);
    let output = with_input(&machines, &["run", "web[1-2]", "check"], "the input\n");
    let said = stderr(&output);
    assert!(said.contains("2 exit 1: web[1-2]"), "{said}");
    let id = machines.noted();
    let retry = ["fleet", "retry", &id, "--failed"];
    for other in ["", "the inputs", "the input\nand more\n"] {
        let output = with_input(&machines, &retry, other);
        let said = stderr(&output);
        let told = format!("{} bytes now, 10 bytes then", other.len());
        assert_eq!(said.matches(&told).count(), 2, "{said}");
        assert_eq!(output.status.code(), Some(255));
    }
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));
    write(&mended, "", 0o600);
    let output = with_input(&machines, &retry, "the input\n");
    assert_eq!(stderr(&output), "ordain: 2 exit 0\n");
    assert_eq!(stdout(&output).matches("the input\n").count(), 2);
}

#[test]
fn files_of_hosts_are_the_same_too() {
    let folder = tempfile::tempdir().unwrap();
    let (mended, each) = (folder.path().join("mended"), folder.path().join("each"));
    let machines = machines(2, &mended);
    std::fs::create_dir(&each).unwrap();
    write(&each.join("web1"), "one\n", 0o600);
    write(&each.join("web2"), "two\n", 0o600);
    // The folder as it is seen from where the client stands.
    let mut client = machines.client(&["run", "--stdin-each", "each", "web[1-2]", "check"]);
    let said = stderr(&client.current_dir(folder.path()).output().unwrap());
    assert!(said.contains("2 exit 1: web[1-2]"), "{said}");
    write(&each.join("web2"), "other\n", 0o600);
    write(&mended, "", 0o600);
    let said = stderr(&machines.ordain(&["fleet", "retry", &machines.noted(), "--failed"]));
    let changed = "web2: ordain: standard input is not what it was: 6 bytes now, 4 bytes then";
    assert!(said.contains(changed), "{said}");
    assert!(said.contains("1 exit 0 · 1 refused (604): web2"), "{said}");
    assert_eq!((machines.starts(1), machines.starts(2)), (2, 1));
}

#[test]
fn one_server_behind_several_names_runs_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let machines = machines(2, &folder.path().join("mended"));
    machines.settings(&names_of_the_first(&machines, &["also", "more"]));
    let output = machines.ordain(&["run", "--once", "web[1-2],also,more", "bare"]);
    let said = stderr(&output);
    let told = said.matches(", where it runs (--once)\n").count();
    assert_eq!(told, 2, "{said}");
    assert!(said.ends_with("ordain: 4 exit 0\n"), "{said}");
    assert_eq!(stdout(&output).matches(": well\n").count(), 2);
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));

    // One after the other, and with the end that the one run has.
    let words = ["run", "--once", "--fanout", "1", "web1,also", "check"];
    let said = stderr(&with_input(&machines, &words, "x"));
    assert!(said.contains("ordain: 2 exit 1: also,web1\n"), "{said}");
    assert_eq!(machines.starts(1), 2);
    let said = stderr(&machines.ordain(&["fleet", "attach", &machines.noted()]));
    assert!(said.contains("2 exit 1"), "{said}");
    assert_eq!(machines.starts(1), 2);

    let output = machines.ordain(&["run", "web1,also", "bare"]);
    assert_eq!(stderr(&output), "ordain: 2 exit 0\n");
    assert_eq!(machines.starts(1), 4);
}

/// The client dies while it goes on, and whoever comes back knows which host has it.
#[test]
fn one_server_that_is_taken_up_again_runs_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let script = format!("while ! [ -e {} ]; do sleep 0.02; done", gate.display());
    let machines = Machines::new(1, |_| vec![Cmd::sh("wait", &script, &[]).goes_on()]);
    machines.settings(&names_of_the_first(&machines, &["also"]));
    let words = ["run", "--once", "--fanout", "1", "web1,also", "wait"];
    let mut client = machines.client(&words).spawn().unwrap();
    machines.all_have_begun();
    client.kill().unwrap();
    client.wait().unwrap();
    write(&gate, "", 0o600);
    let said = stderr(&machines.ordain(&["fleet", "attach", &machines.noted()]));
    assert!(said.ends_with("ordain: 2 exit 0\n"), "{said}");
    assert_eq!(machines.starts(1), 1);
}

#[test]
fn outputs_that_differ_by_the_hosts_own_name_fold() {
    let line = "-".repeat(15);
    let alike = ["run", "--fold", "--alike", "web[1-3]", "check"];
    let machines = Machines::new(3, |machine| {
        let script =
            format!("echo web{machine} is up as web{machine}.example; echo web{machine}0 >&2");
        vec![Cmd::sh("check", &script, &[])]
    });
    let output = machines.ordain(&alike);
    let wanted = format!("{line}\nweb1 (1) exit 0\n{line}\n%h is up as %h.example\n");
    assert!(stdout(&output).contains(&wanted), "{}", stdout(&output));
    // Another host's name is not its own.
    let said = stderr(&output);
    assert!(said.contains("\nweb10\n"), "{said}");

    let machines = Machines::new(3, |machine| {
        let script = format!("printf 'this is web{machine}'");
        vec![Cmd::sh("check", &script, &[])]
    });
    let output = machines.ordain(&alike);
    let wanted = format!("{line}\nweb[1-3] (3) exit 0\n{line}\nthis is %h\n");
    assert_eq!(stdout(&output), wanted, "{}", stderr(&output));
}

/// Who may want to go away is told before it begins, and nobody else.
#[test]
fn it_is_said_before_the_start_what_ends_when_its_client_is_gone() {
    let machines = Machines::new(2, |_| {
        vec![
            Cmd::sh("ends", "echo well", &[]),
            Cmd::sh("stays", "echo well", &[]).goes_on(),
        ]
    });
    let at_a_terminal = |words: &[&str]| {
        let client = begun_by(&["setsid", "--ctty", "--wait"], &machines.client(words));
        let (done, shown) = typed_to(client, |shown| panic!("{shown}"));
        assert!(done, "{shown}");
        shown
    };
    let said = "ends at hosts that we are away from for longer than they wait";
    let shown = at_a_terminal(&["run", "web[1-2]", "ends"]);
    assert_eq!(shown.matches(said).count(), 1, "{shown}");
    assert!(shown.find(said) < shown.find("well"), "{shown}");
    assert!(!at_a_terminal(&["run", "web[1-2]", "stays"]).contains(said));
    assert!(!at_a_terminal(&["run", "--summary", "web[1-2]", "ends"]).contains(said));
}
