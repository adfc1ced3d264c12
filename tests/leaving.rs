//! Whoever leaves is not held up by somebody who stays and does not read, whatever they have asked for
//! and whatever is yet to be said: neither what was asked for nor a complaint waits for a reader then.

mod common;

use common::{Cmd, DEADLINE, Machines, Server, in_time, signal, stdout};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Two ends of what a program can write to: the one that would be read, and the one that is written.
type Ends = fn() -> (OwnedFd, OwnedFd);

fn pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (reader.into(), writer.into())
}

/// The client can open no socket anew, and leaves it to a thread.
fn socket() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = UnixStream::pair().unwrap();
    (reader.into(), writer.into())
}

/// Ends between which nothing has room any more.
fn full(ends: Ends) -> (OwnedFd, OwnedFd) {
    let (reader, writer) = ends();
    let mut file = File::from(writer.try_clone().unwrap());
    let moment = Duration::from_millis(1);
    while ordain::sys::wait_writable_for(writer.as_fd(), moment).is_ok() {
        file.write_all(&[b'x'; 1024]).unwrap();
    }
    (reader, writer)
}

/// What of a process its kernel tells: the time that it has used, and whether it hears of SIGTERM.
fn used(child: &Child) -> Option<(String, bool)> {
    let of = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", child.id()));
    let (stat, status) = (of("stat").ok()?, of("status").ok()?);
    let fields: Vec<&str> = stat.rsplit(')').next()?.split(' ').collect();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught?.trim(), 16).ok()?;
    let time = fields.get(12..14)?.join(" ");
    Some((time, caught & (1 << (libc::SIGTERM - 1)) != 0))
}

/// Returns once a client that hears of signals does nothing any more, or has ended.
fn is_stuck(child: &mut Child) {
    const STILL: u32 = 15;
    let until = Instant::now() + DEADLINE;
    let (mut before, mut still) = (None, 0);
    while still < STILL && Instant::now() < until && child.try_wait().unwrap().is_none() {
        let now = used(child);
        let hears = now.as_ref().is_some_and(|(_, hears)| *hears);
        still = if hears && now == before { still + 1 } else { 0 };
        before = now;
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn machines() -> Machines {
    Machines::of(2, |_| {
        let setup = Server::new();
        std::fs::create_dir(setup.path("site")).unwrap();
        std::fs::write(setup.path("site/big"), vec![b'y'; 1_000_000]).unwrap();
        std::fs::write(setup.path("site/small"), b"small\n").unwrap();
        let root = "[files.site]\nbeneath = \"{folder}/site\"\nallow = [\"list\", \"get\"]\n";
        setup
            .toml(root)
            .command(Cmd::sh("dies", "kill -9 $$", &[]))
            .command(Cmd::sh("both", "yes & exec yes >&2", &[]))
            .command(Cmd::sh("floods-on", "exec yes", &[]).goes_on())
            .role_with("all", &["dies", "both", "floods-on"], "files = [\"site\"]")
            .user("alice", &["all"])
    })
}

/// Each client ends by one SIGTERM, and by Ctrl-C typed twice.
fn all_leave(machines: &Machines, cases: &[&[&str]], ends: Ends, with_errors: bool) {
    for (name, again) in [("-TERM", false), ("-INT", true)] {
        let stuck = cases.iter().map(|words| {
            let (reader, writer) = full(ends);
            let mut client: Command = machines.client(words);
            client.stdin(Stdio::null()).stderr(Stdio::null());
            if with_errors {
                client.stderr(writer.try_clone().unwrap());
            }
            let child = client.stdout(writer).spawn().unwrap();
            (words, child, reader)
        });
        let mut stuck: Vec<_> = stuck.collect();
        for _ in 0..1 + u32::from(again) {
            stuck.iter_mut().for_each(|(_, child, _)| is_stuck(child));
            for (_, child, _) in &mut stuck {
                if child.try_wait().unwrap().is_none() {
                    signal(child.id(), name);
                }
            }
        }
        for (words, child, _) in &mut stuck {
            let ended = in_time(child);
            let ended = ended.unwrap_or_else(|| panic!("{words:?} does not end by {name}"));
            assert!(!ended.success(), "{words:?} {name}");
        }
    }
}

/// What is said when something did not go well waited for a reader, signal or not.
#[test]
fn no_complaint_holds_up_whoever_leaves() {
    let machines = machines();
    let cases: &[&[&str]] = &[
        &["run", "web1", "dies"],
        &["run", "web1", "nothing"],
        &["run", "--nagios", "web1", "dies"],
        &["run", "web[1-2]", "dies"],
        &["run", "web[1-2]", "nothing"],
        &["--json", "list", "web[1-2]"],
    ];
    all_leave(&machines, cases, pipe, true);
    all_leave(&machines, cases, socket, true);
}

/// Neither the list of what is there nor a file that has come whole waited for anybody to leave.
#[test]
fn nothing_that_was_asked_for_holds_up_whoever_leaves() {
    let machines = machines();
    let run = stdout(&machines.ordain(&["run", "--detach", "web1", "floods-on"]));
    let cases: &[&[&str]] = &[
        &["run", "web1", "both"],
        &["run", "web[1-2]", "both"],
        &["attach", "web1", run.trim()],
        &["ls", "web1:site"],
        &["cat", "web1:site/small"],
        &["cp", "web1:site/big", "-"],
    ];
    all_leave(&machines, cases, pipe, false);
    all_leave(&machines, cases, pipe, true);
    all_leave(&machines, cases, socket, false);
    machines.ordain(&["cancel", "web1", run.trim()]);
}
