//! The list of what the frontend may ask of the kernel, beside a trace of one at work: whatever it
//! asks stands in the list, and whatever stands there is asked for, or said to be rare.

mod common;

use common::{Cmd, Server, signal, stderr, stdout, wait};
use ordain::sys::{Allowed, CELL, Seen};
use std::collections::{HashMap, HashSet};
use std::process::{Command, Stdio};

/// The calls in a trace that frontends made in their cell.
#[derive(Default)]
struct Confined {
    /// How many filters each process has applied that is a frontend; the third is the last.
    filters: HashMap<String, u32>,
    /// The frontends' threads that are in the cell.
    within: HashSet<String>,
    /// The first halves of calls that another process came between.
    begun: HashMap<String, String>,
    calls: Vec<String>,
}

impl Confined {
    fn of(trace: &str) -> Vec<String> {
        let mut confined = Self::default();
        trace.lines().for_each(|line| confined.take(line));
        confined.calls
    }

    fn take(&mut self, line: &str) {
        let Some((process, text)) = line.split_once(char::is_whitespace) else {
            return;
        };
        let (process, text) = (process.to_owned(), text.trim_start());
        if let Some(first) = text.strip_suffix("<unfinished ...>") {
            self.begun.insert(process, first.to_owned());
            return;
        }
        let call = match text.strip_prefix("<... ") {
            Some(rest) => {
                let rest = rest.split_once(" resumed>").map_or("", |(_, rest)| rest);
                self.begun.remove(&process).unwrap_or_default() + rest
            }
            None => text.to_owned(),
        };
        self.whole(process, call);
    }

    fn whole(&mut self, process: String, call: String) {
        if self.within.contains(&process) {
            if call.contains("CLONE_THREAD")
                && let Some(thread) = call.rsplit_once("= ")
            {
                self.within.insert(thread.1.trim().to_owned());
            }
            self.calls.push(call);
        } else if call.starts_with("execve(") && call.contains("\"--frontend\"") {
            self.filters.insert(process, 0);
        } else if call.starts_with("seccomp(SECCOMP_SET_MODE_FILTER")
            && let Some(filters) = self.filters.get_mut(&process)
        {
            *filters += 1;
            if *filters == 3 {
                self.within.insert(process);
            }
        }
    }
}

fn is(allowed: &Allowed, call: &str) -> bool {
    let arguments = call.strip_prefix(allowed.name);
    arguments.is_some_and(|rest| rest.starts_with('(') && rest.contains(allowed.shown))
}

fn has_strace() -> bool {
    let there = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    there.is_ok_and(|status| status.success())
}

#[test]
fn what_the_frontend_asks_of_the_kernel_is_what_the_list_says() {
    if !has_strace() {
        return println!("left out: there is no strace here that may trace");
    }
    let traces = tempfile::tempdir().unwrap();
    let mut server = Server::new()
        .common(&["args"])
        .command(Cmd::sh("much", "head -c 4000000 /dev/zero", &[]))
        .command(Cmd::sh("takes", "wc -c", &[]).stdin())
        .command(Cmd::sh("later", "sleep 0.3; echo here", &[]).goes_on())
        .alice()
        .env("ORDAIN_TRACE", traces.path().to_str().unwrap())
        .start();

    assert_eq!(server.ordain(&["run", "t", "much"]).stdout.len(), 4_000_000);
    let counted = server.ordain_with_input(&["run", "t", "takes"], &[7; 100_000]);
    assert_eq!(stdout(&counted).trim(), "100000", "{}", stderr(&counted));
    let later = server.ordain(&["run", "--detach", "t", "later"]);
    let run = stdout(&later).trim().to_owned();
    let attached = server.ordain(&["attach", "t", &run]);
    assert_eq!(stdout(&attached), "here\n", "{run} {}", stderr(&attached));
    assert_ne!(
        server.ordain(&["run", "t", "unknown"]).status.code(),
        Some(0)
    );

    signal(server.child.id(), "-TERM");
    server.child.wait().unwrap();
    let daemon = server.child.id().to_string();
    let trace = traces.path().join(format!("{daemon}.trace"));
    let read = || std::fs::read_to_string(&trace).unwrap_or_default();
    wait("the trace's end", || {
        let ends = |line: &str| line.starts_with(&daemon) && line.contains("+++ exited");
        read().lines().any(ends)
    });

    let calls = Confined::of(&read());
    assert!(calls.len() > 100, "no frontend was seen in its cell");
    // A new thread is asked for by clone3 first, which a filter of its own answers: libc then takes
    // clone, whose flags a filter can see.
    // Of a thread that ends strace may not know any more what it asks.
    let of_list = |call: &&String| {
        !(call.starts_with(['+', '-', '?'])
            || call.starts_with("clone3(") && call.contains("= -1 ENOSYS"))
    };
    for call in calls.iter().filter(of_list) {
        assert!(
            CELL.iter().any(|allowed| is(allowed, call)),
            "it stands in no line of the list: {call}"
        );
        assert!(!call.contains("EPERM"), "it was refused: {call}");
    }
    for allowed in CELL.iter().filter(|allowed| allowed.seen == Seen::Always) {
        assert!(
            calls.iter().any(|call| is(allowed, call)),
            "nothing asks for {} {}: take it out of the list, or say when it is needed",
            allowed.name,
            allowed.shown
        );
    }
}
