//! What a terminal is left as: at prompts and by runs at a terminal, whatever signal comes.

mod common;

use common::{Cmd, Machines, PASSWORD, PATIENCE, Server, block, signal, stdout, wait};
use ordain::verb::Say;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A terminal, and what was seen on it.
struct Screen {
    kept: File,
    given: OwnedFd,
    seen: String,
}

impl Screen {
    fn new() -> Self {
        let (kept, given) = ordain::sys::terminal((80, 24), None).unwrap();
        Self {
            kept: kept.into(),
            given,
            seen: String::new(),
        }
    }

    /// A shell's script with the client as its words, at this terminal, which is its own.
    fn runs(&self, server: &Server, script: &str, words: &[&str]) -> Child {
        self.begins(&server.bare(), script, words)
    }

    /// The same with this client.
    fn begins(&self, client: &Command, script: &str, words: &[&str]) -> Child {
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait", "/bin/sh", "-c", script, "sh"])
            .arg(client.get_program())
            .args(client.get_args())
            .args(words);
        for (name, value) in client.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .stdin(self.given.try_clone().unwrap())
            .stdout(self.given.try_clone().unwrap())
            .stderr(Stdio::from(self.given.try_clone().unwrap()))
            .spawn()
            .unwrap()
    }

    /// How the terminal is set.
    fn settings(&self) -> String {
        let mut stty = Command::new("stty");
        let output = stty
            .arg("-a")
            .stdin(self.given.try_clone().unwrap())
            .output();
        stdout(&output.unwrap())
    }

    /// Waits for a text behind what was waited for before.
    fn until(&mut self, text: &str) {
        let mut piece = [0; 4096];
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            match self.kept.read(&mut piece) {
                Ok(count @ 1..) => self
                    .seen
                    .push_str(&String::from_utf8_lossy(&piece[..count])),
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                    let waited = ordain::sys::wait_readable(self.kept.as_fd(), PATIENCE);
                    waited.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.seen));
                }
                _ => panic!("no {text:?} in {:?}", self.seen),
            }
        }
    }

    fn types(&mut self, keys: &str) {
        self.kept.write_all(keys.as_bytes()).unwrap();
    }
}

/// A signal at the prompt for a password left a terminal that showed nothing of what was typed next.
#[test]
fn a_signal_at_a_prompt_leaves_the_terminal_as_it_was() {
    let server = Server::new().alice().start();
    for (name, number) in [("-HUP", 1), ("-INT", 2), ("-QUIT", 3), ("-TERM", 15)] {
        let mut screen = Screen::new();
        let before = screen.settings();
        let script = r#"ulimit -c 0; exec "$@""#;
        let mut client = screen.runs(&server, script, &["whoami", "t"]);
        screen.until("ordain: t: password of alice: ");
        assert!(screen.settings().contains("-echo "), "{name}");
        signal(client.id(), name);
        assert_eq!(client.wait().unwrap().signal(), Some(number), "{name}");
        assert_eq!(screen.settings(), before, "{name}");
    }
}

/// Somebody who stops the output to read it (Ctrl-S) stops neither the hosts nor Ctrl-C.
#[test]
fn a_terminal_that_is_stopped_holds_up_no_host() {
    // Long enough for the line to be drawn a few times after the terminal was stopped.
    let script = "while ! [ -e \"$0\" ]; do sleep 0.05; done; sleep 0.5";
    let folder = tempfile::tempdir().unwrap();
    let released = folder.path().join("released");
    // Web1 waits until this test wants it to end, and web2 for somebody who cancels it.
    let machines = Machines::new(2, |number| {
        let waits_for = match number {
            1 => released.clone(),
            _ => folder.path().join("never"),
        };
        let word = waits_for.to_str().unwrap();
        vec![Cmd::new("wait", &["/bin/sh", "-c", script, word])]
    });
    let mut screen = Screen::new();
    let client = machines.client(&["run", "--fanout", "1", "web[1-2]", "wait"]);
    let mut shell = screen.begins(&client, r#"exec "$@""#, &[]);
    machines.servers[0].wait_for_records("start", 1);
    screen.until("1 running (web1");

    screen.types("\u{13}");
    let takes = || ordain::sys::wait_writable_for(screen.given.as_fd(), Duration::ZERO);
    wait("a terminal that takes nothing", || takes().is_err());
    std::fs::write(&released, "").unwrap();
    machines.servers[1].wait_for_records("start", 1);
    assert!(takes().is_err(), "it is still stopped");

    screen.types("\u{3}");
    screen.until("or [c]ancel what goes on?: ");
    screen.types("c\n");
    screen.until("1 exit 0");
    screen.until("1 cancelled");
    assert!(shell.wait().unwrap().code().is_some());
    assert_eq!(machines.servers[1].records("end")[0]["reason"], "cancelled");
}

/// What the shell says of a job that was stopped, and of the same job when it is over.
const STOPPED: &str =
    r#"set -m; "$@"; echo "came back with $?"; stty -a; read go; fg; echo "over with $?""#;

#[test]
fn ctrl_z_at_a_prompt_gives_the_terminal_back_and_asks_again() {
    let server = Server::new().alice().start();
    let mut screen = Screen::new();
    let before = screen.settings();
    let mut shell = screen.runs(&server, STOPPED, &["whoami", "t"]);
    screen.until("ordain: t: password of alice: ");
    wait("no echo", || screen.settings().contains("-echo "));
    screen.types("\u{1a}");
    screen.until("came back with 148");
    assert_eq!(screen.settings(), before);
    screen.types("\n");
    screen.until("ordain: t: password of alice: ");
    wait("no echo", || screen.settings().contains("-echo "));
    screen.types(&format!("{PASSWORD}\n"));
    screen.until("alice");
    screen.until("over with 0");
    assert!(!screen.seen.contains(PASSWORD));
    assert!(shell.wait().unwrap().success());
    assert_eq!(screen.settings(), before);
}

/// `kill -TSTP` of a client whose terminal is a run's left it in raw mode.
#[test]
fn a_client_that_is_stopped_gives_its_terminal_back_and_takes_it_again() {
    let server = Server::new()
        .command(
            Cmd::sh(
                "keys",
                r#"echo ready; read line; echo "got $line"; exit 6"#,
                &[],
            )
            .pty(),
        )
        .alice()
        .start();
    let password = server.path("password");
    let words = [
        "--password-file",
        password.to_str().unwrap(),
        "run",
        "--tty",
        "t",
        "keys",
    ];
    let mut screen = Screen::new();
    let before = screen.settings();
    let mut shell = screen.runs(&server, STOPPED, &words);
    screen.until("ready");
    wait("raw mode", || screen.settings().contains("-icanon"));
    signal(child_of(shell.id()), "-TSTP");
    screen.until("came back with 148");
    assert_eq!(screen.settings(), before);
    screen.types("\n");
    wait("raw mode again", || screen.settings().contains("-icanon"));
    screen.types("hello\r");
    screen.until("got hello");
    screen.until("over with 6");
    assert!(shell.wait().unwrap().success());
    assert_eq!(screen.settings(), before);
}

/// The one process that a shell has started.
fn child_of(shell: u32) -> u32 {
    let file = format!("/proc/{shell}/task/{shell}/children");
    let children = std::fs::read_to_string(file).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

/// What is typed at the room's prompt is edited, kept below what happens, and brought back.
#[test]
fn the_prompt_of_the_room_stays_below_what_happens() {
    let server = Server::new()
        .role_with("talk", &[], "verbs = [\"room\"]")
        .user("alice", &["talk"])
        .user("bob", &["talk"])
        .start();
    let password = server.path("password");
    let words = ["--password-file", password.to_str().unwrap(), "room", "t"];
    let mut screen = Screen::new();
    let before = screen.settings();
    let mut shell = screen.runs(&server, STOPPED, &words);
    screen.until("> ");
    screen.types("hi\x1b[Dx\r");
    screen.until("<alice> hxi");

    screen.types("half a line");
    screen.until("> half a line");
    block(async {
        let bob = server.session("bob").await;
        let text = "are you there?".into();
        bob.ask(&Say { text, run: None }).await.unwrap();
    });
    screen.until("<bob> are you there?");
    screen.until("> half a line");
    // Forgotten, and the line before comes again.
    screen.types("\x03");
    screen.until("> \x1b7");
    screen.types("\x1b[A\r");
    screen.until("<alice> hxi");
    screen.types("/who\r");
    screen.until("> /who");
    screen.until("alice: 1 session");

    screen.types("\x1a");
    screen.until("came back with 148");
    assert_eq!(screen.settings(), before);
    screen.types("\n");
    wait("the prompt", || screen.settings().contains("-icanon"));
    screen.types("still\r");
    screen.until("<alice> still");
    screen.types("\x04");
    screen.until("over with 0");
    assert!(shell.wait().unwrap().success());
    assert_eq!(screen.settings(), before);
}

#[test]
fn a_signal_at_the_prompt_of_the_room_leaves_the_terminal_as_it_was() {
    let server = Server::new()
        .role_with("talk", &[], "verbs = [\"room\"]")
        .user("alice", &["talk"])
        .start();
    let password = server.path("password");
    let words = ["--password-file", password.to_str().unwrap(), "room", "t"];
    for name in ["-HUP", "-INT", "-QUIT", "-TERM"] {
        let mut screen = Screen::new();
        let before = screen.settings();
        let mut client = screen.runs(&server, r#"exec "$@""#, &words);
        screen.until("> ");
        assert!(screen.settings().contains("-icanon"), "{name}");
        signal(client.id(), name);
        assert!(client.wait().unwrap().success(), "{name}");
        assert_eq!(screen.settings(), before, "{name}");
    }
}
