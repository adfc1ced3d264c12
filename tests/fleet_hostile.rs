//! Many machines at once, where some of them, the network, the disk or whoever is at the keyboard do
//! what nobody wants: the others' ends are told, nobody is forgotten, and nothing runs twice.

mod common;
mod liar;

use common::{
    Cmd, DEADLINE, Going, Machines, Server, begun_by, bounded, everywhere, in_time, last, signal,
    stderr, stdout, wait, whole, write,
};
use liar::{Act, Liar, Step, When, stories};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn says(name: &str, script: &str) -> Cmd {
    Cmd::sh(name, script, &[])
}

/// A host that does this with everybody who comes, for as long as this test lives.
fn host(does: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let does = does.clone();
            std::thread::spawn(move || does(socket));
        }
    });
    port
}

/// A port on which nobody listens.
fn nobody() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Reads all that comes, and says nothing.
fn silent(mut socket: TcpStream) {
    let _ = std::io::copy(&mut socket, &mut std::io::sink());
}

/// A byte a second, each as TLS would begin.
fn dribbles(mut socket: TcpStream) {
    while socket.write_all(b"\x16").is_ok() {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Settings of a host at this port, with whatever makes it trusted.
fn settings(name: &str, port: u16, trust: &str) -> String {
    format!("[hosts.{name}]\naddress = \"127.0.0.1\"\nport = {port}\n{trust}\n")
}

/// What makes a liar trusted.
fn trusted(liar: &Liar) -> String {
    let authority = liar.authority();
    format!("ca = \"{}\"\ntls_name = \"localhost\"", authority.display())
}

/// What an honest server says until this comes.
fn until(when: When) -> Vec<Step> {
    let honest = stories().into_iter().find(|story| story.name == "run");
    let script = honest.unwrap().script;
    let before = script.into_iter().take_while(|step| step.when != when);
    before.chain([Act::Silence.when(when)]).collect()
}

/// Every line is one event in printable ASCII.
fn events(output: &Output) -> Vec<serde_json::Value> {
    let said = stdout(output);
    assert!(
        said.bytes()
            .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)),
        "{said:?}"
    );
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

/// How often the notes of a client's runs on many machines say something.
fn noted(machines: &Machines, what: &str) -> usize {
    let folder = machines.path().join("home/ordain/fleets");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let notes = files.filter(|file| file.path().extension().is_some_and(|end| end == "jsonl"));
    notes
        .map(|file| {
            std::fs::read_to_string(file.path())
                .unwrap_or_default()
                .matches(what)
                .count()
        })
        .sum()
}

/// The notes of the youngest run.
fn notes_of(machines: &Machines) -> PathBuf {
    let name = format!("home/ordain/fleets/{}.jsonl", machines.noted());
    machines.path().join(name)
}

/// What a client shows at a terminal of its own.
fn at_a_terminal(client: &Command) -> String {
    let (kept, given) = ordain::sys::terminal((200, 40), None).unwrap();
    let mut command = begun_by(&["setsid", "--ctty", "--wait"], client);
    let way = || Stdio::from(given.try_clone().unwrap());
    let mut child = command
        .stdin(way())
        .stdout(way())
        .stderr(way())
        .spawn()
        .unwrap();
    let (mut terminal, mut seen, mut piece) = (File::from(kept), Vec::new(), [0; 4096]);
    let until = Instant::now() + DEADLINE;
    loop {
        let over = child.try_wait().unwrap().is_some();
        while ordain::sys::wait_readable(terminal.as_fd(), Duration::from_millis(2)).is_ok() {
            match terminal.read(&mut piece) {
                Ok(count @ 1..) => seen.extend_from_slice(&piece[..count]),
                _ => break,
            }
        }
        if over {
            return String::from_utf8_lossy(&seen).into_owned();
        }
        assert!(Instant::now() < until, "{}", String::from_utf8_lossy(&seen));
    }
}

/// The port is the same for all fifty, and so is the key.
#[test]
fn one_server_behind_a_thousand_names_is_asked_by_each_and_two_hundred_that_refuse_are_told() {
    let server = everywhere(says("true", "true"));
    let many = |set: &str| {
        let mut client = common::client_in(&server.path(""), "many.toml");
        client.args(["run", set, "true"]);
        client
    };
    let output = bounded(many("127.0.0.[1-50]"));
    assert_eq!(stderr(&output), "ordain: 50 exit 0\n");
    assert!(output.status.success());

    let mut child = many("127.0.[1-4].[1-250]")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = whole(child.stderr.take().unwrap());
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let until = Instant::now() + DEADLINE;
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
    assert_eq!(said, "ordain: 1000 exit 0\n");
    assert!(ended.success());
    assert_eq!(server.records("start").len(), 1050);
    assert!((1..65_536).contains(&peak), "{peak} KiB");

    let output = bounded(many("127.0.[101-102].[1-100]:1"));
    assert_eq!(
        last(&output),
        "ordain: 200 unreachable (600): 127.0.[101-102].[1-100]"
    );
    assert_eq!(output.status.code(), Some(255));
}

/// What would rename a window and clear a screen, bytes that are no text, and lines without end.
const EVIL: &str = r"printf '\033]0;title\007\033[2J\000\200\377\302\233mred\r\nnext\n'; printf '\033]52;c;aGk=\007' >&2; head -c 40000 /dev/zero | tr '\0' x; printf '\nno end'";

#[test]
fn whatever_hosts_write_is_whole_in_a_pipe_and_does_no_harm_in_a_terminal() {
    let machines = Machines::new(2, |_| vec![says("evil", EVIL)]);
    let one = b"\x1b]0;title\x07\x1b[2J\0\x80\xff\xc2\x9bmred\r\nnext\n";
    let run = |more: &[&str]| {
        let words = [more, &["run", "web[1-2]", "evil"]].concat();
        machines.client(&words)
    };

    let output = bounded(run(&[]));
    for host in ["web1: ", "web2: "] {
        let wanted = [
            host.as_bytes(),
            &one[..one.len() - 5],
            host.as_bytes(),
            b"next\n",
        ]
        .concat();
        assert!(
            output
                .stdout
                .windows(wanted.len())
                .any(|part| part == wanted),
            "{host}"
        );
        assert!(
            stdout(&output).contains(&format!("\n{host}no end\n")),
            "{host}"
        );
    }
    assert_eq!(
        output.stdout.iter().filter(|byte| **byte == b'x').count(),
        80_002
    );

    let output = bounded(run(&["--fold"]));
    assert!(output.stdout.windows(one.len()).any(|part| part == one));
    assert_eq!(
        output.stdout.iter().filter(|byte| **byte == b'x').count(),
        40_002
    );

    let said = events(&bounded(run(&["--json"])));
    let bytes = |event: &serde_json::Value| match event["base64"].as_str() {
        Some(base64) => base64.len() / 4 * 3 - base64.matches('=').count(),
        None => event["text"].as_str().unwrap().len(),
    };
    for host in ["web1", "web2"] {
        let told = said
            .iter()
            .filter(|event| event["host"] == host && event["event"] == "stdout");
        let sum: usize = told.map(bytes).sum();
        assert_eq!(sum, one.len() + 40_000 + "\nno end".len());
    }

    let folder = machines.path().join("out");
    let words = [
        "run",
        "--output",
        folder.to_str().unwrap(),
        "web[1-2]",
        "evil",
    ];
    assert!(bounded(machines.client(&words)).status.success());
    let file = std::fs::read(folder.join("web2.stdout")).unwrap();
    assert!(file.starts_with(one) && file.ends_with(b"\nno end"));

    for manner in [&[][..], &["--fold"], &["--fold", "--live"], &["--json"]] {
        let shown = at_a_terminal(&run(manner));
        assert!(
            shown.contains("2 exit 0") || manner == ["--json"],
            "{shown}"
        );
        for evil in ["\u{1b}]", "\u{1b}[2J\0", "\0", "\u{7}", "\u{9b}"] {
            assert!(!shown.contains(evil), "{manner:?}: {evil:?}");
        }
    }
}

/// Whoever runs in a cron job is told once at each host, and has run nothing.
#[test]
fn what_wants_to_be_confirmed_runs_nowhere_where_nobody_can_be_asked() {
    let secret = Cmd::sh("secret", "echo \"$1\"", &["{token}"]);
    let secret = secret.arg(
        "token",
        "type = \"string\", secret = true, pattern = \".*\", max = 20",
    );
    let danger = says("danger", "echo boom").set("confirm", "true");
    let machines = Machines::new(2, |_| vec![danger.clone(), secret.clone()]);
    let client = machines.client(&["run", "web[1-2]", "danger"]);
    let output = bounded(begun_by(&["setsid", "--wait"], &client));
    assert_eq!(
        stderr(&output)
            .matches("there is no terminal to ask on")
            .count(),
        2
    );
    assert_eq!(last(&output), "ordain: 2 refused (604): web[1-2]");
    assert_eq!(output.status.code(), Some(255));
    assert_eq!((machines.starts(1), machines.starts(2)), (0, 0));

    let output = bounded(machines.client(&["run", "--yes", "web[1-2]", "danger"]));
    assert_eq!(stderr(&output), "ordain: 2 exit 0\n");

    write(&machines.path().join("token"), "hush\n", 0o600);
    let token = format!("@{}", machines.path().join("token").display());
    let words = ["run", "--fold", "web[1-2]", "secret", "--token", &token];
    let output = bounded(machines.client(&words));
    assert!(
        stdout(&output).contains("web[1-2] (2) exit 0"),
        "{}",
        stderr(&output)
    );
    assert!(stdout(&output).ends_with("\nhush\n"));
    assert_eq!(noted(&machines, "hush"), 0);
}

#[test]
fn each_option_for_many_does_what_it_says() {
    let fails = says("fails", "echo bad >&2; exit 2");
    // It fails while another one goes on.
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let gate = gate.display();
    let later = format!("while ! [ -e {gate} ]; do sleep 0.02; done; echo bad >&2; exit 2");
    let machines = Machines::new(4, |number| match number {
        1 | 2 => vec![says("check", "echo well"), fails.clone()],
        3 => vec![says("check", "echo bad >&2; exit 2"), says("fails", &later)],
        _ => {
            let stays = format!(": > {gate}; sleep 40");
            vec![says("check", "exit 3"), says("fails", &stays)]
        }
    });
    machines.settings(&settings("gone", nobody(), "ca = \"system\""));
    let cases: &[(&[&str], &str, i32)] = &[
        (&["web[1-3]", "check"], "2 exit 0 · 1 exit 2: web3", 2),
        (
            &["web[1-4]", "check"],
            "2 exit 0 · 1 exit 2: web3 · 1 exit 3: web4",
            1,
        ),
        (
            &["--ok-exit", "0,2,3", "web[1-4]", "check"],
            "2 exit 0 · 1 exit 2 · 1 exit 3",
            0,
        ),
        (
            &["--batch", "50%", "--max-fail", "1", "web[1-4]", "fails"],
            "2 exit 2: web[1-2] · 2 not started: web[3-4]",
            255,
        ),
        (
            &["--fanout", "1", "--max-fail", "0", "gone,web1", "check"],
            "1 unreachable (600): gone · 1 not started: web1",
            255,
        ),
        (
            &[
                "--fanout",
                "1",
                "--max-fail",
                "0",
                "--count-only-exits",
                "gone,web1",
                "check",
            ],
            "1 exit 0 · 1 unreachable (600): gone",
            255,
        ),
        (
            &["--max-fail", "0", "--cancel-rest", "web[3-4]", "fails"],
            "1 exit 2: web3 · 1 cancelled: web4",
            255,
        ),
    ];
    for (words, wanted, status) in cases {
        let output = bounded(machines.client(&[&["run"], *words].concat()));
        assert_eq!(
            last(&output),
            format!("ordain: {wanted}"),
            "{words:?} {}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(*status), "{words:?}");
    }

    let output = bounded(machines.client(&["run", "--quiet", "web[1-3]", "check"]));
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    assert!(
        said.contains("web3: bad\n") && !said.contains("well"),
        "{said}"
    );
    let output = bounded(machines.client(&["run", "--summary", "web[1-2]", "check"]));
    assert_eq!(
        (stdout(&output), stderr(&output)),
        (String::new(), "ordain: 2 exit 0\n".into())
    );

    for (set, line, status) in [
        (
            "web[1-2]",
            "ORDAIN OK - 2 exit 0 | ok=2;;;0;2 failed=0;;;0;2 other=0;;;0;2",
            0,
        ),
        (
            "web[2-3]",
            "ORDAIN CRITICAL - 1 exit 0 · 1 exit 2: web3 | ok=1;;;0;2 failed=1;;;0;2 other=0;;;0;2",
            2,
        ),
        (
            "web2,gone",
            "ORDAIN UNKNOWN - 1 exit 0 · 1 unreachable (600): gone | ok=1;;;0;2 failed=0;;;0;2 other=1;;;0;2",
            3,
        ),
    ] {
        let output = bounded(machines.client(&["run", "--summary", "--nagios", set, "check"]));
        assert_eq!(stdout(&output), format!("{line}\n"), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(status));
    }
}

/// A flood is read by nobody but this test, which waits for the other host's line in it.
#[test]
fn a_host_that_floods_does_not_hold_up_the_lines_of_another() {
    let machines = Machines::new(2, |number| {
        let script = if number == 1 {
            "yes"
        } else {
            "sleep 0.2; echo well"
        };
        vec![says("flood", script)]
    });
    let mut child = machines
        .client(&["run", "web[1-2]", "flood"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = whole(child.stderr.take().unwrap());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "web2: well"));
    let rest = std::thread::spawn(move || lines.count());
    machines.servers[1].wait_for_records("end", 1);
    signal(child.id(), "-INT");
    let ended = in_time(&mut child);
    assert_eq!(ended.and_then(|ended| ended.code()), Some(255));
    rest.join().unwrap();
    let said = String::from_utf8(said.join().unwrap()).unwrap();
    assert!(
        said.contains("ordain: 1 exit 0 · 1 cancelled: web1\n"),
        "{said}"
    );
}

#[test]
fn a_reader_that_is_gone_ends_it_as_any_program() {
    let machines = Machines::new(2, |_| vec![says("flood", "yes")]);
    let mut child = machines
        .client(&["run", "web[1-2]", "flood"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ended = in_time(&mut child);
    assert_eq!(ended.and_then(|ended| ended.code()), Some(141));
    // One of them may not have had its turn before the reader was gone.
    for server in &machines.servers {
        let count = |kind| server.records(kind).len();
        wait("the end of what began", || count("start") == count("end"));
    }
}

#[test]
fn what_waits_behind_a_lock_is_given_up_by_an_interrupt_and_never_begins() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let script = format!("while ! [ -e {} ]; do sleep 0.02; done", gate.display());
    let machines = Machines::of(2, |_| {
        Server::new()
            .command(
                says("turn", &script)
                    .lock("one")
                    .set("queue", "5")
                    .goes_on(),
            )
            .alice()
            .resumable()
    });
    for signalled in ["-INT", "-TERM"] {
        let before = noted(&machines, "\"sent\":true");
        let held = machines.ordain(&["run", "--detach", "web1", "turn"]);
        assert!(held.status.success(), "{}", stderr(&held));
        let going = Going::new(machines.client(&["run", "--fanout", "1", "web[1-2]", "turn"]));
        wait("a request", || noted(&machines, "\"sent\":true") > before);
        wait("the queue", || {
            stdout(&machines.ordain(&["runs", "--going", "web1"])).contains("waits")
        });
        signal(going.child.id(), signalled);
        let output = going.ends();
        assert_eq!(
            last(&output),
            "ordain: 2 not started: web[1-2]",
            "{}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(status_of(signalled)));
        let starts = machines.starts(1);
        let shown = stdout(&machines.ordain(&["fleet", "show", &machines.noted()]));
        assert!(shown.contains("web1  not started"), "{shown}");
        // Once the lock is free the next one gets it.
        std::fs::write(&gate, "").unwrap();
        assert!(machines.ordain(&["run", "web1", "turn"]).status.success());
        assert_eq!((machines.starts(1), machines.starts(2)), (starts + 1, 0));
        std::fs::remove_file(&gate).unwrap();
    }
}

/// A server that lies costs its own end, and nothing else.
#[test]
fn a_server_that_lies_is_refused_and_the_others_are_told() {
    let machines = Machines::new(2, |_| vec![says("check", "echo well")]);
    let liar = Liar::new();
    let honest = stories()
        .into_iter()
        .find(|story| story.name == "deaf")
        .unwrap();
    let evil = serde_json::json!("\u{1b}]0;title\u{7}\u{9b}2J");
    let lies = [
        ("run", honest.with("STARTED", "run", evil.clone())),
        ("bytes", honest.with("EXIT", "stdout_bytes", 99.into())),
        ("reason", honest.with("EXIT", "reason", evil)),
        ("number", honest.with("EXIT", "number", (-1).into())),
    ];
    let more: Vec<String> = lies
        .iter()
        .map(|(name, lie)| settings(name, liar.host(lie.script.clone()), &trusted(&liar)))
        .collect();
    machines.settings(&more.concat());
    let set = "web[1-2],run,bytes,reason,number";
    let output = bounded(machines.client(&["run", set, "check"]));
    assert!(
        last(&output).starts_with("ordain: 2 exit 0 · "),
        "{}",
        stderr(&output)
    );
    for (name, _) in &lies {
        assert!(last(&output).contains(name), "{name}: {}", stderr(&output));
    }
    assert_eq!(output.status.code(), Some(255));
    let shown = [stdout(&output), stderr(&output)].concat();
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{shown:?}");
}

/// Neither Ctrl-C nor SIGTERM ended it, and `--timeout` said that nothing had begun.
#[test]
fn a_server_that_takes_a_request_and_says_nothing_is_unknown_and_given_up_in_time() {
    let machines = Machines::new(2, |_| vec![says("check", "echo well")]);
    let liar = Liar::new();
    let mute = liar.host(until(When::Open("run")));
    machines.settings(&settings("mute", mute, &trusted(&liar)));
    for how in ["--timeout", "-INT", "-TERM"] {
        let before = noted(&machines, "\"sent\":true");
        let mut words = vec!["run", "web[1-2],mute", "check"];
        if how == "--timeout" {
            words.splice(1..1, [how, "1s"]);
        }
        let going = Going::new(machines.client(&words));
        if how != "--timeout" {
            wait("all requests", || {
                noted(&machines, "\"sent\":true") == before + 3
            });
            wait("two ends", || {
                let known = machines.ordain(&["fleet", "show", &machines.noted()]);
                stdout(&known).matches("  exit 0  run ").count() == 2
            });
            signal(going.child.id(), how);
        }
        let output = going.ends();
        assert_eq!(
            last(&output),
            "ordain: 2 exit 0 · 1 unknown (606): mute",
            "{how}"
        );
        assert_eq!(output.status.code(), Some(status_of(how)));
        let shown = stdout(&machines.ordain(&["fleet", "show", &machines.noted()]));
        assert!(shown.contains("mute  unknown (606)"), "{shown}");
    }
}

/// Each of them was asked twice by a client of many, and the answer was taken for that of the first.
#[test]
fn what_is_said_to_many_is_never_said_twice() {
    let machines = Machines::new(1, |_| vec![says("check", "true")]);
    let liar = Liar::new();
    let honest = stories().into_iter().find(|story| story.name == "say");
    let asked = When::Open("say");
    let before = honest.unwrap().script;
    let before: Vec<Step> = before
        .into_iter()
        .take_while(|step| step.when != asked)
        .collect();
    let cut = [before.clone(), vec![Act::Cut.when(asked)]].concat();
    let mute = [before, vec![Act::Silence.when(asked)]].concat();
    let (mute, is_silent) = liar.host_that_falls_silent(mute);
    let (cut, mute) = (
        settings("cut", liar.host(cut), &trusted(&liar)),
        settings("mute", mute, &trusted(&liar)),
    );
    machines.settings(&[cut, mute].concat());
    // Asked again, it would have been cut off again before it could say that it has begun.
    let output = bounded(machines.client(&["say", "cut,none", "hello"]));
    assert!(
        last(&output).contains("1 unknown (606): cut"),
        "{}",
        stderr(&output)
    );
    let going = Going::new(machines.client(&["say", "mute,none", "hello"]));
    wait("the request", &is_silent);
    signal(going.child.id(), "-TERM");
    let output = going.ends();
    assert!(
        last(&output).contains("1 unknown (606): mute"),
        "{}",
        stderr(&output)
    );
}

/// Whoever is told to end leaves; an interrupt alone cancels.
fn status_of(how: &str) -> i32 {
    if how == "-TERM" { 130 } else { 255 }
}

/// The second one waited for ever for a lock that the first one held.
#[test]
fn an_interrupt_that_comes_twice_leaves_what_goes_on() {
    let machines = Machines::new(2, |_| {
        vec![
            says("stays", "trap '' TERM INT; echo up; sleep 45")
                .grace("40s")
                .goes_on(),
        ]
    });
    let mut child = machines
        .client(&["run", "web[1-2]", "stays"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().is_some() && lines.next().is_some());
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    signal(child.id(), "-INT");
    let first = said.next().unwrap().unwrap();
    assert!(first.contains("once more leaves it to itself"), "{first}");
    signal(child.id(), "-INT");
    let ended = in_time(&mut child);
    assert_eq!(ended.and_then(|ended| ended.code()), Some(130));
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    assert!(
        rest.iter()
            .any(|line| line == "ordain: 2 going on: web[1-2]"),
        "{rest:?}"
    );
}

/// The others waited for the first login, whose server said nothing.
#[test]
fn hosts_that_are_not_what_they_should_be_are_each_told_and_cost_the_others_nothing() {
    let machines = Machines::new(2, |_| vec![says("check", "echo well")]);
    let liar = Liar::new();
    let pin = format!("pin = \"sha256:{}=\"", "A".repeat(43));
    let more = [
        settings("silent", host(silent), &pin),
        settings("dribbles", host(dribbles), &pin),
        settings("mute", liar.host(until(When::Accepted)), &trusted(&liar)),
        settings("deaf", liar.host(until(When::Login)), &trusted(&liar)),
        settings("gone", nobody(), &pin),
        settings("changed", machines.servers[0].port, &pin),
        settings("new", machines.servers[1].port, ""),
    ];
    machines.settings(&more.concat());
    let set = "deaf,web[1-2],silent,dribbles,mute,gone,changed,new,name.invalid";
    let words = ["--connect-timeout", "1s", "run", set, "check"];
    let output = bounded(begun_by(&["setsid", "--wait"], &machines.client(&words)));
    let said = stderr(&output);
    assert_eq!(stdout(&output).matches("well\n").count(), 2, "{said}");
    assert!(
        last(&output)
            .starts_with("ordain: 2 exit 0 · 4 unreachable (601): deaf,dribbles,mute,silent · "),
        "{said}"
    );
    for part in [
        "1 unreachable (602): changed",
        "1 unreachable (607): new",
        "name.invalid",
        "gone",
    ] {
        assert!(last(&output).contains(part), "{part}: {said}");
    }
    assert_eq!(output.status.code(), Some(255));

    let words = [&["--json"], &words[..]].concat();
    let told = events(&bounded(begun_by(
        &["setsid", "--wait"],
        &machines.client(&words),
    )));
    let ends = told.iter().filter(|event| event["event"] == "end");
    assert_eq!(ends.count(), 10);
    let summary = told.last().unwrap();
    assert_eq!(summary["sets"]["exit 0"], "web[1-2]");
    assert_eq!(
        summary["sets"]["unreachable (601)"],
        "deaf,dribbles,mute,silent"
    );
    assert_eq!(summary["exit_status"], 255);
}

/// Files of outputs were not counted among what each host takes.
#[test]
fn few_descriptors_are_shared_out_with_the_files_of_each_host() {
    let server = everywhere(says("both", "echo out; echo err >&2; sleep 0.3"));
    let folder = server.path("out");
    let mut client = common::client_in(&server.path(""), "many.toml");
    client.args(["run", "--summary", "--output", folder.to_str().unwrap()]);
    client.args(["127.0.0.[1-64]", "both"]);
    let output = bounded(begun_by(&["prlimit", "-n=192"], &client));
    let said = stderr(&output);
    assert!(said.contains("32 hosts at once, not 64"), "{said}");
    assert_eq!(last(&output), "ordain: 64 exit 0");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 128);
}

/// An empty file was left behind, which `ordain fleet` then complained of.
#[test]
fn a_run_that_was_never_begun_is_not_made_by_asking_for_it() {
    let machines = Machines::new(2, |_| vec![says("check", "exit 1")]);
    machines.ordain(&["run", "web[1-2]", "check"]);
    for verb in ["attach", "cancel", "show", "forget"] {
        let output = machines.ordain(&["fleet", verb, "xt7fkm6s"]);
        assert!(
            stderr(&output).contains("was begun here"),
            "{verb}: {}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(255));
    }
    let output = machines.ordain(&["fleet"]);
    assert_eq!(
        (stderr(&output).as_str(), stdout(&output).lines().count()),
        ("", 2)
    );
    let id = machines.noted();
    for which in [&[][..], &["--unreachable"], &["--not-started"]] {
        let words = [&["fleet", "retry", id.as_str()], which].concat();
        let output = machines.ordain(&words);
        assert!(
            stderr(&output).contains("has no such hosts"),
            "{}",
            stderr(&output)
        );
    }
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));
}

/// Two machines on which a command has begun that goes on, and whose client is dead.
fn left_behind() -> Machines {
    let machines = Machines::new(2, |_| vec![says("stays", "sleep 45").goes_on()]);
    let mut client = machines
        .client(&["run", "web[1-2]", "stays"])
        .spawn()
        .unwrap();
    machines.all_have_begun();
    wait("both runs", || noted(&machines, "\"run\":") == 2);
    client.kill().unwrap();
    client.wait().unwrap();
    machines
}

/// What was noted next became a part of the line that was cut.
#[test]
fn notes_that_were_cut_in_a_line_are_gone_on_with_in_a_new_one() {
    let machines = left_behind();
    let path = notes_of(&machines);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 9]).unwrap();
    let output = bounded(machines.client(&["fleet", "cancel", &machines.noted()]));
    assert_eq!(
        last(&output),
        "ordain: 2 cancelled: web[1-2]",
        "{}",
        stderr(&output)
    );
    for line in std::fs::read_to_string(&path).unwrap().lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));
}

/// A host of which nothing could be read was taken for one that was never asked.
#[test]
fn a_host_whose_notes_are_spoilt_is_unknown_and_runs_nothing_twice() {
    let mut machines = left_behind();
    let path = notes_of(&machines);
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let spoilt = rest.replace("\"host\":0", "\"hosT:0");
    write(&path, &format!("{head}\n{spoilt}"), 0o600);
    for server in &mut machines.servers {
        server.restart();
    }
    let output = bounded(machines.client(&["fleet", "attach", &machines.noted()]));
    assert_eq!(
        last(&output),
        "ordain: 2 unknown (606): web[1-2]",
        "{}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(255));
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));
}

/// The daemon does not know the run any more, and the client says so.
#[test]
fn a_run_of_a_daemon_that_was_started_anew_is_unknown_and_does_not_run_twice() {
    let mut machines = left_behind();
    machines.servers[0].restart();
    let id = machines.noted();
    let output = bounded(machines.client(&["fleet", "cancel", &id]));
    assert_eq!(
        last(&output),
        "ordain: 1 unknown (606): web1 · 1 cancelled: web2",
        "{}",
        stderr(&output)
    );
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));
}

#[test]
fn notes_that_others_could_have_written_are_not_believed() {
    let machines = Machines::new(2, |_| vec![says("check", "exit 1")]);
    machines.ordain(&["run", "web[1-2]", "check"]);
    let (id, path) = (machines.noted(), notes_of(&machines));
    let text = std::fs::read_to_string(&path).unwrap();
    for mode in [0o660, 0o604, 0o666] {
        write(&path, &text, mode);
        for words in [
            &["attach", &id][..],
            &["retry", &id, "--failed"],
            &["show", &id],
        ] {
            let output = machines.ordain(&[&["fleet"], words].concat());
            assert_eq!(output.status.code(), Some(255), "{mode:o} {words:?}");
            assert!(stderr(&output).contains(&id), "{}", stderr(&output));
        }
    }
    write(&path, &text, 0o600);
    if common::is_root() {
        std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
        let output = machines.ordain(&["fleet", "retry", &id, "--failed"]);
        assert_eq!(output.status.code(), Some(255), "{}", stderr(&output));
    } else {
        println!("whose the file is can only be changed by root: not tried");
    }
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));
}

/// The server ended it when the right was taken away.
#[test]
fn whoever_has_lost_the_right_meanwhile_is_told_so_and_runs_nothing_again() {
    let machines = left_behind();
    let config = machines.servers[0].config();
    let text = std::fs::read_to_string(&config).unwrap();
    let without = text.replace("commands = [\"*\"]", "commands = []");
    assert_ne!(text, without);
    write(&config, &without, 0o600);
    let reloaded = machines.servers[0].ordaind(&["reload"]);
    assert!(reloaded.status.success(), "{}", stderr(&reloaded));
    machines.servers[0].wait_for_records("end", 1);
    let id = machines.noted();
    let output = bounded(machines.client(&["fleet", "cancel", &id]));
    assert_eq!(output.status.code(), Some(255));
    assert_eq!(
        last(&output),
        "ordain: 1 revoked: web1 · 1 cancelled: web2",
        "{}",
        stderr(&output)
    );
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));
}

#[test]
fn an_interrupt_while_servers_are_reached_begins_nothing() {
    let machines = Machines::new(1, |_| vec![says("check", "echo well")]);
    let (met, seen) = std::sync::mpsc::channel();
    let slow = host(move |socket| {
        met.send(()).unwrap();
        silent(socket);
    });
    machines.settings(&settings("silent", slow, "ca = \"system\""));
    for signalled in ["-INT", "-TERM"] {
        let words = [
            "--connect-timeout",
            "1h",
            "run",
            "--fanout",
            "1",
            "silent,web1",
            "check",
        ];
        let going = Going::new(machines.client(&words));
        seen.recv().unwrap();
        signal(going.child.id(), signalled);
        let output = going.ends();
        assert_eq!(last(&output), "ordain: 2 not started: silent,web1");
        assert_eq!(output.status.code(), Some(status_of(signalled)));
    }
    assert_eq!(machines.starts(1), 0);
}

/// Nothing is asked of anybody that could not be noted.
#[test]
fn a_disk_that_is_full_for_the_notes_lets_nothing_begin() {
    let machines = Machines::new(2, |_| vec![says("check", "echo well")]);
    let folder = machines.path().join("home/ordain/fleets");
    std::fs::create_dir_all(&folder).unwrap();
    let client = machines.client(&["run", "web[1-2]", "check"]);
    // A name space of its own for the mount, which ends with it.
    let fill = "mount -t tmpfs -o size=4k,mode=0700 none \"$0\" && { head -c 4096 /dev/zero > \"$0/full\"; exec \"$@\"; } || exit 99";
    let program = [
        "unshare",
        "--mount",
        "/bin/sh",
        "-c",
        fill,
        folder.to_str().unwrap(),
    ];
    let output = bounded(begun_by(&program, &client));
    let said = stderr(&output);
    if !said.contains("ordain: ") {
        println!("no file system of our own can be mounted here: not tried");
        return;
    }
    assert!(
        said.contains("cannot be noted, so nothing is asked: No space left"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(255));
    assert_eq!((machines.starts(1), machines.starts(2)), (0, 0));
}

/// A number that was changed made a failure a success, and a line that is gone a host that was not
/// asked.
#[test]
fn notes_that_were_changed_are_found_and_not_believed() {
    let machines = Machines::new(2, |_| vec![says("check", "exit 1")]);
    machines.ordain(&["run", "web[1-2]", "check"]);
    let (id, path) = (machines.noted(), notes_of(&machines));
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let without_one: Vec<&str> = rest
        .lines()
        .filter(|line| !line.contains("\"line\":2,"))
        .collect();
    let changed = [
        rest.replace("\"number\":1", "\"number\":0"),
        without_one.join("\n") + "\n",
        rest.replacen("\"sum\":\"", "\"sum\":\"0", 1),
        format!("{rest}{}\n", rest.lines().next().unwrap()),
    ];
    for changed in changed {
        assert_ne!(changed, rest);
        write(&path, &format!("{head}\n{changed}"), 0o600);
        let output = machines.ordain(&["fleet", "show", &id]);
        let said = [stdout(&output), stderr(&output)].concat();
        assert!(
            said.contains("is not as it was written, and is not believed"),
            "{said}"
        );
        assert!(!said.contains("exit 0"), "{said}");
    }
    let spoilt = head.replace("\"yes\":false", "\"yes\":true");
    assert_ne!(spoilt, head);
    write(&path, &format!("{spoilt}\n{rest}"), 0o600);
    for words in [
        &["show", &id][..],
        &["attach", &id],
        &["retry", &id, "--failed"],
    ] {
        let output = machines.ordain(&[&["fleet"], words].concat());
        assert!(
            stderr(&output).contains("its first line is not as it was written"),
            "{}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(255));
    }

    // What the notes say no more, the server does.
    let changed = rest.replace("\"number\":1", "\"number\":0");
    write(&path, &format!("{head}\n{changed}"), 0o600);
    let output = bounded(machines.client(&["fleet", "attach", &id]));
    assert_eq!(
        last(&output),
        "ordain: 2 exit 1: web[1-2]",
        "{}",
        stderr(&output)
    );
    assert_eq!((machines.starts(1), machines.starts(2)), (1, 1));
}

/// It said that nothing had begun, and closed the connection on a run that had.
#[test]
fn a_single_run_that_a_server_does_not_answer_is_unknown() {
    let machines = Machines::new(1, |_| vec![says("check", "echo well")]);
    let liar = Liar::new();
    for how in ["--timeout", "-INT", "-TERM"] {
        let (mute, is_silent) = liar.host_that_falls_silent(until(When::Open("run")));
        machines.settings(&settings("mute", mute, &trusted(&liar)));
        let mut words = vec!["run", "mute", "check"];
        if how == "--timeout" {
            words.splice(1..1, [how, "1s"]);
        }
        let going = Going::new(machines.client(&words));
        if how != "--timeout" {
            wait("the request", &is_silent);
            signal(going.child.id(), how);
        }
        let output = going.ends();
        let said = stderr(&output);
        assert!(
            said.contains("the server has not said whether the run has begun (code 606)"),
            "{how}: {said}"
        );
        assert!(
            said.contains("`ordain runs` there may show what became of it"),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(255), "{how}");
    }
}

/// A client whose standard output, or both, go to somebody who stays and does not read.
struct Stuck {
    child: Child,
    /// The end that would be read.
    _reader: OwnedFd,
}

/// Two ends of what a program can write to: the one that is read, and the one that is written.
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

impl Stuck {
    /// Returns once no more is taken.
    fn new(mut client: Command, ends: Ends, with_errors: bool) -> Self {
        let (reader, writer) = ends();
        if with_errors {
            client.stderr(writer.try_clone().unwrap());
        } else {
            client.stderr(Stdio::piped());
        }
        let child = client.stdout(writer.try_clone().unwrap()).spawn().unwrap();
        drop(client);
        let moment = Duration::from_millis(1);
        wait("that no more is taken", || {
            ordain::sys::wait_writable_for(writer.as_fd(), moment).is_err()
        });
        let _reader = reader;
        Self { child, _reader }
    }

    /// How it ends once it is told so; a signal that is said again is told until it has ended.
    fn ends(mut self, name: &str, again: bool) -> (Option<i32>, String) {
        signal(self.child.id(), name);
        let until = Instant::now() + DEADLINE;
        while again && self.child.try_wait().unwrap().is_none() && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(50));
            signal(self.child.id(), name);
        }
        let ended = in_time(&mut self.child).expect("it does not end");
        let mut said = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut said).unwrap();
        }
        (ended.code(), said)
    }
}

/// Neither Ctrl-C nor SIGTERM ended it, as long as somebody held the other end of the pipe.
#[test]
fn a_reader_that_stays_and_does_not_read_keeps_nobody_from_leaving() {
    let machines = Machines::new(2, |_| {
        vec![
            says("flood", "yes"),
            says("much", "head -c 200000 /dev/zero"),
        ]
    });
    for words in [["run", "web1", "flood"], ["run", "web[1-2]", "flood"]] {
        for (name, again) in [("-TERM", false), ("-INT", true)] {
            for (ends, with_errors) in [(pipe as Ends, false), (pipe, true), (socket, false)] {
                let stuck = Stuck::new(machines.client(&words), ends, with_errors);
                let (status, said) = stuck.ends(name, again);
                assert_eq!(status, Some(130), "{words:?} {name} {with_errors}: {said}");
                let told = "wrote was taken by whoever reads it here\n";
                assert!(
                    with_errors || said.contains(told),
                    "{words:?} {name}: {said}"
                );
            }
        }
    }
    // What has ended may have more to tell than a pipe takes.
    for words in [["run", "web1", "much"], ["run", "web[1-2]", "much"]] {
        let before = machines.servers[0].records("end").len();
        let stuck = Stuck::new(machines.client(&words), pipe, false);
        machines.servers[0].wait_for_records("end", before + 1);
        let (status, said) = stuck.ends("-TERM", false);
        assert_eq!(status, Some(130), "{words:?}: {said}");
    }
    for server in &machines.servers {
        let count = |kind| server.records(kind).len();
        wait("the end of what began", || count("start") == count("end"));
    }
}
