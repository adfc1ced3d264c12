//! Many machines at once: what folding costs, what a client takes for ten thousand targets, and what
//! one slow machine costs the others.
//!
//! `cargo bench --bench fleet` runs all; names choose: fold names many hundred slow. The first two
//! ask no machine.

mod common;

use common::{Cmd, Daemon, keygen, median, wanted};
use ordain::fleet::{Leaf, Tree};
use ordain::nodes;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Outputs that are folded, and bytes of each.
const OUTPUTS: (usize, usize) = (10_000, 10 * 1024);
/// Bytes of the pieces that they come in.
const PIECE: usize = 4096;

fn main() {
    for name in wanted(&["fold", "names", "many", "hundred", "slow"]) {
        match name.as_str() {
            // Each in a process of its own, whose peak of memory is its own too.
            "fold" => {
                for kind in ["fold-equal", "fold-unlike"] {
                    let own = std::env::current_exe().unwrap();
                    assert!(Command::new(own).arg(kind).status().unwrap().success());
                }
            }
            "fold-equal" => folded("equal", equal),
            "fold-unlike" => folded("unlike", unlike),
            "names" => names(),
            "many" => many(),
            "hundred" => hundred(),
            "slow" => slow(),
            other => panic!("there is no bench `{other}`"),
        }
    }
}

/// The highest that a process's memory has been, in KiB; 0 where that is not told.
fn peak(pid: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    number.unwrap_or(0)
}

/// Lines that all hosts write.
fn equal(_: usize, at: usize) -> u8 {
    b"the same line, whoever writes it, and whatever is in it for them\n"[at % 65]
}

/// Lines of which no two hosts' are alike from the first byte on.
fn unlike(host: usize, at: usize) -> u8 {
    let number = host.wrapping_mul(0x9E37_79B9).wrapping_add(at / 8);
    match at % 8 {
        7 => b'\n',
        place => b'a' + u8::try_from((number >> (place * 4)) & 15).unwrap(),
    }
}

fn folded(kind: &str, byte: impl Fn(usize, usize) -> u8) {
    let (hosts, bytes) = OUTPUTS;
    let outputs: Vec<Vec<u8>> = match kind {
        "equal" => vec![(0..bytes).map(|at| byte(0, at)).collect()],
        _ => {
            // Few are ready at a time, as of hosts that are asked; making them is not measured.
            Vec::new()
        }
    };
    let mut tree = Tree::default();
    let (mut ends, mut spent) = (Vec::with_capacity(hosts), Duration::ZERO);
    let mut ready = Vec::new();
    for host in 0..hosts {
        let output = match outputs.first() {
            Some(output) => output,
            None => {
                ready.clear();
                ready.extend((0..bytes).map(|at| byte(host, at)));
                &ready
            }
        };
        let began = Instant::now();
        let mut at = Leaf::default();
        for piece in output.chunks(PIECE) {
            at = tree.add(at, piece).unwrap();
        }
        spent += began.elapsed();
        ends.push(at);
    }
    let began = Instant::now();
    let mut places: Vec<Leaf> = ends.iter().map(|end| tree.settled(*end)).collect();
    places.sort_unstable();
    places.dedup();
    let mut read = 0;
    for place in &places {
        tree.each(*place, |piece| {
            read += piece.len();
            Ok(())
        })
        .unwrap();
    }
    spent += began.elapsed();

    let different = if kind == "equal" { 1 } else { hosts };
    assert_eq!((places.len(), read), (different, different * bytes));
    assert!(ends.iter().all(|end| end.length() == bytes as u64));
    println!(
        "fold: {hosts} {kind} outputs of {} KiB take {:.0} ms, {} MiB of text are kept, and the process has {} MiB at its peak",
        bytes / 1024,
        spent.as_secs_f64() * 1e3,
        tree.kept() >> 20,
        peak("self") / 1024,
    );
}

fn names() {
    let five = |count: usize| -> Vec<String> {
        let each = (2000..2074).flat_map(|x| (0..8).map(move |c| (x, c)));
        let each = each.flat_map(|(x, c)| (0..8).map(move |s| (x, c, s)));
        let each = each.flat_map(|(x, c, s)| (0..2).map(move |b| (x, c, s, b)));
        // One of eight is there: what is left folds in no simple way.
        let there = each.filter(|(x, c, s, b)| (x * 31 + c * 17 + s * 7 + b * 3) % 8 == 0);
        let names = there.map(|(x, c, s, b)| format!("x{x}c{c}s{s}b{b}n{}", x % 3));
        names.take(count).collect()
    };
    let lone: Vec<String> = (0..10_000).map(|number: u64| lone_name(number)).collect();
    for (what, names) in [("five-part", five(1184)), ("unfoldable", lone)] {
        let mut times = Vec::new();
        let mut folded = String::new();
        for _ in 0..5 {
            let began = Instant::now();
            folded = nodes::fold(&names);
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let set = nodes::NodeSet::parse(&folded, &nodes::NoGroups).unwrap();
        assert_eq!(set.len(), names.len());
        println!(
            "names: {} {what} names fold in {:.1} ms, to {} bytes",
            names.len(),
            median(times),
            folded.len()
        );
    }
}

/// A name that has no number in it, and none like it.
fn lone_name(number: u64) -> String {
    let mut rest = number;
    let mut name = String::from("h");
    for _ in 0..4 {
        name.push(char::from(b'a' + u8::try_from(rest % 26).unwrap()));
        rest /= 26;
    }
    name
}

/// One daemon on all addresses of this machine, and what its clients need to know of it: everybody
/// logs in by the file of an SSH key, alice everywhere but at the addresses that are bob's.
fn everywhere() -> Daemon {
    let setup = common::described()
        .without_listeners()
        .server("listen = [\"0.0.0.0:0\"]")
        .command(Cmd::new("true", &["/bin/true"]));
    let key = keygen(setup.folder(), "ed25519", "");
    let line = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let keys = format!("ssh_keys = [\"{}\"]", line.trim());
    let setup = setup
        .role("all", &["*"])
        .user_with("alice", &["all"], &keys)
        .user_with("bob", &["all"], &keys);
    let daemon = Daemon::start(setup);
    let fingerprint = daemon.ordaind(&["fingerprint"]).stdout;
    let pin = String::from_utf8(fingerprint).unwrap();
    let key = key.display();
    let server = format!("port = {}\npin = \"{}\"\n", daemon.port, pin.trim());
    let text = format!(
        "[defaults]\nuser = \"alice\"\nidentity = \"{key}\"\n[hosts.\"127.*\"]\n{server}[hosts.\"127.3.1.*\"]\nuser = \"bob\"\n{server}"
    );
    std::fs::write(daemon.path("many.toml"), text).unwrap();
    daemon
}

fn client(daemon: &Daemon, words: &[&str]) -> Command {
    let mut client = common::client_in(&daemon.path(""), "many.toml");
    client.args(words).stdin(Stdio::null());
    client
}

/// How long a client takes, in seconds, and the peak of its memory in KiB. The kernel knows the peak,
/// so it is enough to ask a few times, and the last time shortly before the end.
fn measured(mut client: Command) -> (f64, u64) {
    client.stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = client.spawn().unwrap();
    let pid = child.id().to_string();
    let (over, is_over) = mpsc::channel::<()>();
    let asking = std::thread::spawn(move || {
        let mut highest = 0;
        loop {
            highest = peak(&pid).max(highest);
            let ended = is_over.recv_timeout(Duration::from_millis(50));
            if ended != Err(mpsc::RecvTimeoutError::Timeout) {
                return highest;
            }
        }
    });
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    let ended = child.wait().unwrap();
    let spent = began.elapsed().as_secs_f64();
    drop(over);
    assert!(ended.success(), "{said}");
    (spent, asking.join().unwrap())
}

fn many() {
    let daemon = everywhere();
    let run = |set: &str| {
        measured(client(
            &daemon,
            &["run", "--summary", "--fanout", "256", set, "true"],
        ))
    };
    run("127.1.0.[1-200]");
    let (thousand, of_thousand) = run("127.1.[0-3].[1-250]");
    let (all, of_all) = run("127.2.[0-39].[1-250]");
    println!(
        "many: 1,000 targets take {thousand:.2} s and {} MiB of the client, 10,000 take {all:.2} s and {} MiB: {:.2} of ten times as long",
        of_thousand / 1024,
        of_all / 1024,
        all / (10.0 * thousand)
    );
}

fn hundred() {
    let daemon = everywhere();
    // A server keeps 64 logins of one user, so each of two has half of the addresses.
    let set = "127.3.[0-1].[1-50]";
    let times = |words: &[&str]| {
        let times = (0..7).map(|_| measured(client(&daemon, words)).0 * 1e3);
        median(times.collect())
    };
    let cold = times(&["run", "--summary", set, "true"]);
    measured(client(&daemon, &["login", "--summary", set]));
    let kept = times(&["run", "--summary", set, "true"]);
    println!(
        "hundred: `true` on 100 addresses takes {cold:.0} ms by the file of a key, {kept:.0} ms with logins that are kept"
    );
}

/// When hosts have come to good ends, in milliseconds from the start on.
fn ends(mut client: Command) -> Vec<f64> {
    let began = Instant::now();
    let mut child = client
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ends = lines.map_while(Result::ok).filter(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["event"] == "end" && event["exit_status"] == 0
    });
    let times = ends.map(|_| began.elapsed().as_secs_f64() * 1e3).collect();
    child.wait().unwrap();
    times
}

fn slow() {
    let daemon = everywhere();
    // A host that takes a connection and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = std::fs::read_to_string(daemon.path("many.toml")).unwrap();
    let pin = text
        .lines()
        .find(|line| line.starts_with("pin = "))
        .unwrap();
    let port = mute.local_addr().unwrap().port();
    let more = format!("{text}[hosts.mute]\naddress = \"127.0.0.1\"\nport = {port}\n{pin}\n");
    std::fs::write(daemon.path("many.toml"), more).unwrap();
    let last = |set: &str, hosts: usize| {
        let times = (0..5).map(|_| {
            let words = ["--json", "--connect-timeout", "3s", "run", set, "true"];
            let ends = ends(client(&daemon, &words));
            *ends.get(hosts - 1).unwrap()
        });
        median(times.collect())
    };
    last("127.4.0.[1-99]", 99);
    let alone = last("127.4.0.[1-99]", 99);
    let beside = last("mute,127.4.0.[1-99]", 99);
    println!(
        "slow: 99 hosts have ended after {alone:.0} ms, and after {beside:.0} ms beside one that says nothing: {:.2}",
        beside / alone
    );
}
