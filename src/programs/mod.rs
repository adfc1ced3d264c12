//! The three programs, a readable story each.

#[cfg(target_os = "linux")]
mod access;
mod ask;
#[cfg(target_os = "linux")]
mod audit;
mod certs;
mod client;
mod complete;
#[cfg(target_os = "linux")]
mod daemon;
#[cfg(target_os = "linux")]
mod demo;
mod display;
#[cfg(target_os = "linux")]
mod doctor;
mod enter;
#[cfg(target_os = "linux")]
mod faults;
mod follow;
mod home;
#[cfg(target_os = "linux")]
mod init;
mod invoke;
#[cfg(target_os = "linux")]
mod local;
#[cfg(target_os = "linux")]
mod logs;
mod run;
#[cfg(target_os = "linux")]
mod status;
mod target;
mod terminal;
mod verbs;

pub use certs::ordain_certs;
pub use client::ordain;
#[cfg(target_os = "linux")]
pub use daemon::ordaind;
pub use display::Sanitizer;

/// Prints a line to standard output; a reader that has gone away is no reason to fail. Whatever the
/// line is made of, it is one line and harmless to a terminal: nothing else prints what a server or
/// a file says.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "{}", display::plain(line));
}

/// Prints several lines to standard output, each as [`say`] does.
#[cfg(target_os = "linux")]
fn say_lines(text: &str) {
    text.lines().for_each(say);
}

/// Prints JSON to standard output, in printable ASCII: whatever a server says, a terminal sees
/// plain characters.
fn say_json(value: &serde_json::Value) {
    let line = crate::audit::line(value).unwrap_or_default();
    say(String::from_utf8_lossy(&line).trim_end());
}

/// Prints a line to standard error, as [`say`] does to standard output.
fn complain(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{}", display::plain(line));
}
