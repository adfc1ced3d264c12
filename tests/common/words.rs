//! Small words that every test uses.

use ordain::verb::{Invocation, Value};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
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
    command.stdin(Stdio::null()).output().unwrap()
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

/// RFC 6238 as an app has it, out of what the URI says.
pub fn totp(secret: &str, step: u64) -> String {
    let symbols = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = secret
        .bytes()
        .map(|c| format!("{:05b}", symbols.iter().position(|s| *s == c).unwrap()))
        .collect();
    let seed: Vec<u8> = (0..bits.len() / 8)
        .map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap())
        .collect();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &seed);
    let mac = aws_lc_rs::hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(mac.as_ref()[19] & 15);
    let number = u32::from_be_bytes(mac.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
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
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).args(line);
    let mut answers = answers.iter();
    typed_to(command, |_| (*answers.next().unwrap()).to_owned())
}

/// A command that is begun by another program, which gets it with its words.
pub fn begun_by(program: &[&str], client: &Command) -> Command {
    let mut command = Command::new(program[0]);
    command
        .args(&program[1..])
        .arg(client.get_program())
        .args(client.get_args());
    for (name, value) in client.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
    command
}

/// What a program shows at a terminal, to whose prompts somebody answers who has read all of it.
pub fn typed_to(mut program: Command, mut answer: impl FnMut(&str) -> String) -> (bool, String) {
    let (kept, given) = ordain::sys::terminal((200, 40), None).unwrap();
    let mut terminal = std::fs::File::from(kept);
    let mut child = program
        .stdin(given.try_clone().unwrap())
        .stdout(given.try_clone().unwrap())
        .stderr(given)
        .spawn()
        .unwrap();
    let mut shown = String::new();
    let mut piece = [0; 256];
    // The command holds its own ends of the terminal.
    drop(program);
    // A terminal that nobody holds any more ends with an error (EIO), after all that was written.
    loop {
        match terminal.read(&mut piece) {
            Ok(count @ 1..) => {
                shown.push_str(&String::from_utf8_lossy(&piece[..count]));
                if shown.ends_with(": ") {
                    let typed = answer(&shown);
                    writeln!(terminal, "{typed}").unwrap();
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
