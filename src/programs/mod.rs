//! The three programs, a readable story each.

#[cfg(target_os = "linux")]
mod access;
mod ahead;
mod answers;
mod ask;
#[cfg(target_os = "linux")]
mod audit;
mod caught;
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
mod edited;
mod enter;
#[cfg(target_os = "linux")]
mod faults;
mod fleet;
mod follow;
mod gatherer;
mod groups;
mod home;
#[cfg(target_os = "linux")]
mod init;
mod invoke;
mod keys;
#[cfg(target_os = "linux")]
mod local;
#[cfg(target_os = "linux")]
mod logs;
#[cfg(target_os = "linux")]
mod members;
#[cfg(target_os = "linux")]
mod moves;
mod output;
#[cfg(target_os = "linux")]
mod owner;
mod patience;
mod replay;
mod run;
mod run_input;
mod run_output;
#[cfg(target_os = "linux")]
mod status;
mod target;
mod terminal;
mod told;
mod trusts;
mod typing;
#[cfg(target_os = "linux")]
mod users;
mod verbs;
mod wish;

pub use certs::ordain_certs;
pub use client::ordain;
#[cfg(target_os = "linux")]
pub use daemon::ordaind;
pub use display::Sanitizer;
pub use output::Finished;

#[cfg(target_os = "linux")]
use output::say_lines;
use output::{complain, say, say_json};
use std::ffi::OsString;

/// The words that this program was called with. What is no text is shown, escaped, and is a fault:
/// nothing here takes it.
fn words(program: &str) -> Result<Vec<OsString>, ()> {
    let words: Vec<OsString> = std::env::args_os().collect();
    match words.iter().skip(1).find(|word| word.to_str().is_none()) {
        None => Ok(words),
        Some(word) => {
            let shown = word.as_encoded_bytes().escape_ascii();
            complain(&format!("{program}: `{shown}` is not UTF-8 text"));
            Err(())
        }
    }
}
