//! What a program tells that the user's settings name: no shell, no input, a process group of its
//! own, a deadline, and a bound on its output.

use super::display::plain;
use crate::limits;
use crate::sys;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of standard error that are looked at for why a program failed.
const COMPLAINT: u64 = 16 * 1024;
/// How often it is looked whether a program that has told everything has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long a failed program's last words are waited for: what it has left behind may hold the pipe.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Runs a program and gives what it wrote to standard output.
///
/// # Errors
/// A sentence: it did not start, took too long, wrote too much, or failed, with the last line that
/// it complained of.
pub fn told_by(program: &Path, arguments: &[String]) -> Result<Vec<u8>, String> {
    let name = plain(&program.to_string_lossy());
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|fault| format!("{name} did not start: {fault}"))?;
    let deadline = Instant::now() + limits::GROUPS_TOLD;
    let output = reading(child.stdout.take(), limits::GROUPS_TEXT.saturating_add(1));
    let complaint = reading(child.stderr.take(), COMPLAINT);

    let wrote = heard(&output, deadline).map_err(|why| {
        end(&mut child);
        format!("{name} {why}")
    })?;
    let status = ended(&mut child, deadline).map_err(|why| {
        end(&mut child);
        format!("{name} {why}")
    })?;
    if status.success() {
        return Ok(wrote);
    }
    let complaint = complaint.recv_timeout(LAST_WORDS);
    let complaint = complaint.ok().and_then(Result::ok).unwrap_or_default();
    let complaint = String::from_utf8_lossy(&complaint);
    let last = complaint.trim_end().lines().next_back().unwrap_or_default();
    let why = if last.is_empty() {
        String::new()
    } else {
        format!(": {}", plain(last))
    };
    Err(format!("{name} failed ({status}){why}"))
}

/// Reads a pipe to its end in a thread of its own; what is beyond the bound is thrown away, so that
/// the writer is not held up.
fn reading<R: Read + Send + 'static>(pipe: Option<R>, most: u64) -> Receiver<io::Result<Vec<u8>>> {
    let (tell, hear) = mpsc::channel();
    thread::spawn(move || {
        let Some(mut pipe) = pipe else {
            return;
        };
        let mut read = Vec::new();
        let done = pipe.by_ref().take(most).read_to_end(&mut read);
        // Nobody may be there any more to hear it.
        let _ = tell.send(done.map(|_| read));
        let _ = io::copy(&mut pipe, &mut io::sink());
    });
    hear
}

fn heard(output: &Receiver<io::Result<Vec<u8>>>, deadline: Instant) -> Result<Vec<u8>, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    let wrote = output
        .recv_timeout(left)
        .map_err(|_| too_long())?
        .map_err(|fault| format!("could not be read: {fault}"))?;
    if u64::try_from(wrote.len()).unwrap_or(u64::MAX) > limits::GROUPS_TEXT {
        return Err(format!("tells more than {} bytes", limits::GROUPS_TEXT));
    }
    Ok(wrote)
}

fn ended(child: &mut Child, deadline: Instant) -> Result<ExitStatus, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(LOOK),
            Ok(None) => return Err(too_long()),
            Err(fault) => return Err(format!("could not be waited for: {fault}")),
        }
    }
}

fn too_long() -> String {
    format!("did not end within {} s", limits::GROUPS_TOLD.as_secs())
}

/// Ends the program and whatever it has started. It has not been waited for yet, so its group's
/// number is nobody else's.
fn end(child: &mut Child) {
    if let Ok(leader) = i32::try_from(child.id()) {
        sys::signal_group(leader, libc::SIGKILL);
    }
    let _ = child.wait();
}
