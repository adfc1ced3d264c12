//! Small words that every test uses.

use ordain::verb::{Invocation, Value};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

pub const PASSWORD: &str = "correct horse";
/// Nothing here takes long; what does is stuck.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether runs can have control groups here.
pub fn grouped() -> bool {
    ordain::sys::cgroups_offered().is_ok()
}

pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

pub fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Runs it to its end with nothing to read.
pub fn run(command: &mut Command) -> Output {
    command.stdin(std::process::Stdio::null()).output().unwrap()
}

pub fn signal(pid: u32, signal: &str) {
    assert!(
        Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Whether a process lives (a zombie does not).
pub fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|text| !text.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

/// Looks again and again, because nothing rings for this.
pub fn wait(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Does asynchronous work on this thread.
pub fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

pub fn invocation(command: &str, arguments: &[(&str, Value)]) -> Invocation {
    Invocation {
        arguments: arguments
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        ..Invocation::of(command)
    }
}

pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Types the words, each when it is asked for, on a terminal that is the program's own; what it showed
/// is returned with whether it did it. The line is the program with its arguments.
pub fn typed(line: &[String], answers: &[&str]) -> (bool, String) {
    let (kept, given) = ordain::sys::terminal((80, 24), None).unwrap();
    let mut terminal = std::fs::File::from(kept);
    let mut child = Command::new("setsid")
        .args(["--ctty", "--wait"])
        .args(line)
        .stdin(given.try_clone().unwrap())
        .stdout(given.try_clone().unwrap())
        .stderr(given)
        .spawn()
        .unwrap();
    let mut shown = String::new();
    let mut piece = [0; 256];
    let mut answers = answers.iter();
    // A terminal that nobody holds any more ends with an error (EIO), after all that was written.
    loop {
        match terminal.read(&mut piece) {
            Ok(count @ 1..) => {
                shown.push_str(&String::from_utf8_lossy(&piece[..count]));
                if shown.ends_with(": ") {
                    writeln!(terminal, "{}", answers.next().unwrap()).unwrap();
                }
            }
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                ordain::sys::wait_readable(terminal.as_fd(), PATIENCE).unwrap();
            }
            _ => break,
        }
    }
    (child.wait().unwrap().success(), shown)
}
