//! The client that PROTOCOL.md promises: a Python program with the standard library only, against
//! the real daemon.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "it says what it expects by failing"
)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const PASSWORD: &str = "correct horse battery staple";
/// Nothing here takes long; whatever does is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon with its folder; both are gone when it is dropped.
struct Daemon {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether there is a Python to test with.
fn python() -> bool {
    let found = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_err() {
        println!("skipped: python3 is not installed");
    }
    found.is_ok()
}

fn private(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn hash(password: &str) -> String {
    let daemon = Path::new(env!("CARGO_BIN_EXE_ordaind"));
    let mut child = Command::new(daemon)
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    let made = child.wait_with_output().unwrap();
    assert!(made.status.success());
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn config(folder: &Path) -> String {
    // Root has to say as whom commands run, others cannot choose.
    let run_as = if std::fs::metadata(folder).unwrap().uid() == 0 {
        "run_as = \"root\""
    } else {
        ""
    };

    // A plain user's tests have no control groups to put runs into.
    let containment = if ordain::sys::cgroups_offered().is_ok() {
        ""
    } else {
        "containment = \"best-effort\"\n"
    };

    format!(
        r#"
[server]
{containment}listen = ["127.0.0.1:0"]
state = "state"

[tls]
certificate = "certs/server.crt"
key = "certs/server.key"

[defaults]
{run_as}
timeout = "50s"

[commands.greet]
exec = ["/bin/sh", "-c", 'printf "%s|" "$@"; echo to stderr >&2', "greet", "{{loud}}", "{{times}}", "{{name}}"]
args.name = {{ type = "string", pattern = ".*", max = 100, repeated = 3 }}
args.times = {{ type = "integer", min = 1, max = 9, default = 1 }}
args.loud = {{ type = "flag", word = "--loud" }}

[commands.fail]
exec = ["/bin/sh", "-c", "echo before; exit 3"]

[commands.die]
exec = ["/bin/sh", "-c", "kill -9 $$"]

[commands.slow]
exec = ["/bin/sh", "-c", "echo waiting; exec sleep 100"]
timeout = "200ms"

[commands.cat]
exec = ["/bin/cat"]
stdin = {{ max = "8MiB" }}

[commands.forbidden]
exec = ["/bin/true"]

[roles.tester]
commands = ["greet", "fail", "die", "slow", "cat"]

[users.demo]
roles = ["tester"]
password = "{}"
"#,
        hash(PASSWORD)
    )
}

fn start() -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let certs = Command::new(env!("CARGO_BIN_EXE_ordain-certs"))
        .arg("--out")
        .arg(at("certs"))
        .output()
        .unwrap();
    assert!(certs.status.success(), "{certs:?}");
    private(&at("password"), &format!("{PASSWORD}\n"));
    private(&at("wrong"), "Correct horse battery staple\n");
    private(&at("config.toml"), &config(folder.path()));
    let mut child = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("--config")
        .arg(at("config.toml"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = child.stderr.take().unwrap();
    let mut daemon = Daemon {
        child,
        address: String::new(),
        folder,
    };

    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            // The log is read to its end, also when nobody listens any more.
            let _ = sender.send(line);
        }
    });

    let mut seen = String::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if let Some((_, rest)) = line.split_once("listening on ") {
            rest.split_whitespace()
                .next()
                .unwrap()
                .clone_into(&mut daemon.address);
            return daemon;
        }

        seen.push_str(&line);
        seen.push('\n');
    }

    panic!("the daemon did not start:\n{seen}");
}

impl Daemon {
    /// Runs the client with this password file, these words and this input.
    fn client(&self, password: &str, words: &[&str], stdin: Vec<u8>) -> Output {
        let mut child = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ordain.py"))
            .arg("--ca")
            .arg(self.folder.path().join("certs/ca.crt"))
            .args(["--user", "demo", "--password-file"])
            .arg(self.folder.path().join(password))
            .arg(&self.address)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();

        // A client that reads no input closes the pipe.
        std::thread::spawn(move || drop(input.write_all(&stdin)));
        let (sender, done) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
        done.recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("{words:?} did not end within {PATIENCE:?}"))
    }

    fn run(&self, words: &[&str]) -> Output {
        self.client("password", words, Vec::new())
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_client_in_python_runs_commands() {
    if !python() {
        return;
    }
    let daemon = start();

    let greeted = daemon.run(&[
        "greet",
        "name=two words",
        "name=$(id) äöü",
        "times=3",
        "loud",
    ]);
    assert_eq!(greeted.status.code(), Some(0), "{greeted:?}");
    assert_eq!(text(&greeted.stdout), "--loud|3|two words|$(id) äöü|");
    assert_eq!(text(&greeted.stderr), "to stderr\n");

    let failed = daemon.run(&["fail"]);
    assert_eq!(
        (
            failed.status.code(),
            text(&failed.stdout),
            text(&failed.stderr)
        ),
        (Some(3), "before\n", "")
    );

    let killed = daemon.run(&["die"]);
    assert_eq!(killed.status.code(), Some(128 + 9), "{killed:?}");

    let late = daemon.run(&["slow"]);
    assert_eq!(
        (late.status.code(), text(&late.stdout)),
        (Some(124), "waiting\n"),
        "{late:?}"
    );
}

#[test]
fn a_client_in_python_is_refused() {
    if !python() {
        return;
    }
    let daemon = start();
    let cases: &[(&str, &[&str], &str)] = &[
        ("password", &["forbidden"], "(code 400)"),
        ("password", &["no-such-command"], "(code 400)"),
        ("password", &["greet", "name=x", "times=10"], "(code 401)"),
        ("password", &["greet", "name=x", "unknown=1"], "(code 401)"),
        ("wrong", &["fail"], "(code 200)"),
    ];

    for (password, words, code) in cases {
        let refused = daemon.client(password, words, Vec::new());
        assert_eq!(
            (refused.status.code(), text(&refused.stdout)),
            (Some(255), ""),
            "{words:?}: {refused:?}"
        );

        assert!(
            text(&refused.stderr).contains(code),
            "{words:?}: {refused:?}"
        );
    }
}

#[test]
fn a_client_in_python_streams_input_and_output() {
    if !python() {
        return;
    }
    let daemon = start();

    // Twice the window of each direction, and no multiple of any frame.
    let sent: Vec<u8> = (0u32..1024 * 1024 + 7)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let echoed = daemon.client("password", &["cat"], sent.clone());
    assert_eq!(
        echoed.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&echoed.stderr)
    );

    assert!(
        echoed.stdout == sent,
        "{} bytes came back of {}",
        echoed.stdout.len(),
        sent.len()
    );
}
