//! Many machines at once, from a machine whose disk is full, whose names nobody knows, whose network
//! is gone or whose clock is not the others'. What wants root is told where it is not tried.

mod common;

use common::{
    Cmd, DEADLINE, Machines, Server, begun_by, bounded, everywhere, last, stderr, stdout, write,
};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn says(name: &str, script: &str) -> Cmd {
    Cmd::sh(name, script, &[])
}

/// A client behind a script of root's in name spaces of its own; the script ends with `exec "$@"`.
fn within(spaces: &[&str], script: &str, client: &Command) -> Command {
    let script = format!("{script} || exit 99");
    let program = [&["unshare"], spaces, &["/bin/sh", "-c", &script, "sh"]].concat();
    begun_by(&program, client)
}

/// Whether this test may make such name spaces.
fn can_have(spaces: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    command.args(spaces).arg("true").stderr(Stdio::null());
    let can = command.status().is_ok_and(|status| status.success());
    if !can {
        println!("no name space of our own can be had here ({spaces:?}): not tried");
    }
    can
}

/// Only what was noted has left, so what is told adds up to what ran.
#[test]
fn a_disk_that_becomes_full_for_the_notes_lets_nothing_more_begin() {
    if !can_have(&["--mount"]) {
        return;
    }
    let server = everywhere(says("true", "true"));
    let folder = server.path("home/ordain/fleets");
    std::fs::create_dir_all(&folder).unwrap();
    let mut client = common::client_in(&server.path(""), "many.toml");
    client.args(["run", "--fanout", "4", "127.0.0.[1-200]", "true"]);
    let mount = format!(
        "mount -t tmpfs -o size=12k,mode=0700 none '{}' && exec \"$@\"",
        folder.display()
    );
    let output = bounded(within(&["--mount"], &mount, &client));
    let said = stderr(&output);
    assert!(
        said.contains("what is sent cannot be noted, so it is not sent: No space left"),
        "{said}"
    );
    let line = last(&output);
    let number = |part: &str| -> usize {
        let mut parts = line.trim_start_matches("ordain: ").split(" · ");
        let part = parts
            .find(|found| found.contains(part))
            .unwrap_or_else(|| panic!("{line}"));
        part.split(' ').next().unwrap().parse().unwrap()
    };
    let ran = number("exit 0");
    assert_eq!(ran + number("refused (604)"), 200, "{line}");
    assert_eq!(server.records("start").len(), ran);
    assert!((1..200).contains(&ran), "{line}");
    assert_eq!(output.status.code(), Some(255));
}

/// Half an output is no success, and the other host's is whole.
#[test]
fn a_disk_that_is_full_for_the_output_of_a_host_is_told() {
    if !can_have(&["--mount"]) {
        return;
    }
    let machines = Machines::new(2, |number| {
        let size = if number == 1 { 300_000 } else { 100 };
        vec![says("check", &format!("head -c {size} /dev/zero"))]
    });
    let folder = machines.path().join("out");
    std::fs::create_dir(&folder).unwrap();
    let client = machines.client(&[
        "run",
        "--summary",
        "--output",
        folder.to_str().unwrap(),
        "--fanout",
        "1",
        "web2,web1",
        "check",
    ]);
    let shown = "; wc -c < web2.stdout";
    let mount = format!(
        "mount -t tmpfs -o size=64k,mode=0700 none '{0}' && cd '{0}' && {{ \"$@\"; status=$?{shown}; exit $status; }}",
        folder.display()
    );
    let output = bounded(within(&["--mount"], &mount, &client));
    let said = stderr(&output);
    assert!(
        last(&output).contains("1 exit 0 · 1 disconnected: web1"),
        "{said}"
    );
    assert_eq!(stdout(&output).trim(), "100", "{said}");
    assert_eq!(output.status.code(), Some(255));
}

/// Somebody whose network is gone reaches nobody, and goes on where it is back.
#[test]
fn a_machine_without_a_network_reaches_nobody_and_asks_again_later() {
    if !can_have(&["--net"]) {
        return;
    }
    let machines = Machines::new(3, |_| vec![says("check", "echo well")]);
    let client = machines.client(&["run", "web[1-3]", "check"]);
    let output = bounded(within(&["--net"], "exec \"$@\"", &client));
    assert!(
        last(&output).contains("3 unreachable (600): web[1-3]"),
        "{}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(255));
    let id = machines.noted();
    let output = bounded(machines.client(&["fleet", "retry", &id, "--unreachable"]));
    assert_eq!(stderr(&output), "ordain: 3 exit 0\n");
    assert!((1..=3).all(|machine| machines.starts(machine) == 1));
}

/// Hosts of which nothing comes back, as behind a firewall that drops what is sent, are waited for side
/// by side, each for its own time.
#[test]
fn hosts_that_swallow_what_is_sent_are_waited_for_side_by_side() {
    if !can_have(&["--net"]) {
        return;
    }
    // What is sent to no address of this machine is lost there.
    let network = "ip link set lo up && ip address add 10.8.0.1/32 dev lo && ip route add 10.9.0.0/24 dev lo || exit 99; exec \"$@\"";
    let machines = Machines::new(1, |_| vec![says("check", "echo well")]);
    machines.settings("[hosts.\"10.9.0.*\"]\nca = \"system\"\n");
    let words = ["--connect-timeout", "2s", "run", "10.9.0.[2-31]", "check"];
    let began = Instant::now();
    let output = bounded(within(&["--net"], network, &machines.client(&words)));
    if output.status.code() == Some(99) {
        println!("skipped: no network can be made here (ip)");
        return;
    }
    assert_eq!(
        last(&output),
        "ordain: 30 unreachable (601): 10.9.0.[2-31]",
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("a firewall drops what is sent"));
    // One after the other would take a minute.
    let spent = began.elapsed();
    assert!(spent >= Duration::from_secs(2), "{spent:?}");
    assert!(spent < Duration::from_secs(30), "{spent:?}");
}

/// A resolver that takes questions and answers none costs the names that it is asked for, alone.
#[test]
fn a_resolver_that_hangs_holds_up_nobody_whose_address_is_known() {
    if !can_have(&["--mount"]) {
        return;
    }
    let Ok(resolver) = UdpSocket::bind("127.0.0.77:53") else {
        println!("nobody may answer for names here: not tried");
        return;
    };
    let machines = Machines::new(2, |_| vec![says("check", "echo well")]);
    let settings = machines.path().join("resolv.conf");
    write(
        &settings,
        "nameserver 127.0.0.77\noptions timeout:30 attempts:5\n",
        0o644,
    );
    let names = machines.path().join("nsswitch.conf");
    write(&names, "hosts: files dns\n", 0o644);
    let unknown: Vec<String> = (1..=40)
        .map(|number| format!("n{number}.example"))
        .collect();
    let set = format!("{},web[1-2]", unknown.join(","));
    machines.settings("[hosts.\"*.example\"]\nca = \"system\"\n");
    let client = machines.client(&["--connect-timeout", "1s", "run", &set, "check"]);
    let mount = format!(
        "mount --bind '{}' /etc/resolv.conf && mount --bind '{}' /etc/nsswitch.conf && exec \"$@\"",
        settings.display(),
        names.display()
    );
    let began = Instant::now();
    let output = bounded(within(&["--mount"], &mount, &client));
    if output.status.code() == Some(99) {
        println!("who answers for names cannot be changed here: not tried");
        return;
    }
    assert_eq!(
        last(&output),
        "ordain: 2 exit 0 · 40 unreachable (601): n[1-40].example",
        "{}",
        stderr(&output)
    );
    assert!(began.elapsed() < DEADLINE.min(Duration::from_secs(10)));
    // It was asked, so it was it that hung.
    resolver
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    assert!(resolver.recv(&mut [0; 512]).is_ok());
}

/// Until when a request is good is told by the server's own clock, which no other need agree with.
#[test]
fn a_host_whose_clock_is_years_off_runs_once_all_the_same() {
    let clocks = tempfile::tempdir().unwrap();
    let gate = clocks.path().join("gate");
    let script = format!("while ! [ -e {} ]; do sleep 0.02; done", gate.display());
    let machines = Machines::of(3, |number| {
        let clock = clocks.path().join(number.to_string());
        let years: i64 = [0, -10, 10][number - 1];
        write(&clock, &(years * 365 * 86_400).to_string(), 0o600);
        Server::new()
            .command(says("wait", &script).goes_on())
            .alice()
            .env("ORDAIN_CLOCK", clock.to_str().unwrap())
    });
    let mut client = machines
        .client(&["run", "web[1-3]", "wait"])
        .spawn()
        .unwrap();
    machines.all_have_begun();
    client.kill().unwrap();
    client.wait().unwrap();
    write(&gate, "", 0o600);
    let output = bounded(machines.client(&["fleet", "attach", &machines.noted()]));
    assert_eq!(last(&output), "ordain: 3 exit 0", "{}", stderr(&output));
    assert!((1..=3).all(|machine| machines.starts(machine) == 1));
}

/// All of them refuse at once: what ten thousand take is told by the kernel.
#[test]
fn ten_thousand_names_are_all_told_in_little_memory() {
    let server = everywhere(says("true", "true"));
    let mut client = common::client_in(&server.path(""), "many.toml");
    client.args([
        "run",
        "--summary",
        "--fanout",
        "256",
        "127.1.[1-40].[1-250]:1",
        "true",
    ]);
    let mut child = client.stderr(Stdio::piped()).spawn().unwrap();
    let said = common::whole(child.stderr.take().unwrap());
    let status = format!("/proc/{}/status", child.id());
    let (mut peak, until) = (0, Instant::now() + 4 * DEADLINE);
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(line) = line {
            peak = line.trim().trim_end_matches(" kB").parse().unwrap();
        }
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        assert!(Instant::now() < until, "it does not end");
        std::thread::park_timeout(Duration::from_millis(2));
    };
    let said = String::from_utf8(said.join().unwrap()).unwrap();
    assert!(
        said.contains("ordain: 10000 unreachable (600): 127.1.[1-40].[1-250]\n"),
        "{}",
        said.lines().last().unwrap_or_default()
    );
    assert_eq!(ended.code(), Some(255));
    assert!((1..65_536).contains(&peak), "{peak} KiB");
}
