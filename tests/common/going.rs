//! Clients that are under way, whose ends come in time.

use super::stderr;
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Whatever hosts do, nothing of this takes longer.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// A client that is under way, and what it writes meanwhile.
pub struct Going {
    pub child: Child,
    out: std::thread::JoinHandle<Vec<u8>>,
    err: std::thread::JoinHandle<Vec<u8>>,
}

impl Going {
    pub fn new(mut client: Command) -> Self {
        let mut child = client
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = whole(child.stdout.take().unwrap());
        let err = whole(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// Its end, which comes in time.
    pub fn ends(mut self) -> Output {
        let ended = in_time(&mut self.child);
        let (stdout, stderr) = (self.out.join().unwrap(), self.err.join().unwrap());
        let said = || String::from_utf8_lossy(&[&stdout[..], &stderr].concat()).into_owned();
        let status = ended.unwrap_or_else(|| panic!("it does not end: {}", said()));
        Output {
            status,
            stdout,
            stderr,
        }
    }
}

pub fn whole(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

/// How a process ends; nothing, and no process any more, where it does not in time.
pub fn in_time(child: &mut Child) -> Option<std::process::ExitStatus> {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > until {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

pub fn bounded(client: Command) -> Output {
    Going::new(client).ends()
}

/// The line that says what all came to.
pub fn last(output: &Output) -> String {
    let said = stderr(output);
    let line = said
        .lines()
        .rfind(|line| line.starts_with("ordain: ") && !line.contains("ordain fleet "));
    line.unwrap_or_else(|| panic!("{said}")).to_owned()
}
