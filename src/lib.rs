//! ordain: vetted remote commands over TLS. See ARCHITECTURE.md for the floors and the journey of a
//! command.
// What a daemon that people trust does not do: end itself over a value it did not expect, or write to
// an output that is not its own. An exception carries its reason with #[expect]. This stands here and
// not in Cargo.toml, because whatever is not in here (tests, benches, examples, the bodies of fuzz
// targets) says what it expects by failing.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr
)]

pub mod audit;
pub mod budget;
pub mod cast;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod credential;
pub mod devca;
pub mod encoding;
#[cfg(target_os = "linux")]
pub mod exec;
pub mod exit;
pub mod fair;
pub mod files;
pub mod fleet;
#[cfg(target_os = "linux")]
pub mod frontend;
pub mod host;
pub mod ids;
#[cfg(target_os = "linux")]
pub mod ipc;
pub mod ledger;
pub mod limits;
#[cfg(target_os = "linux")]
pub mod monitor;
#[cfg(target_os = "linux")]
pub mod mover;
pub mod mux;
pub mod nodes;
pub mod penalty;
pub mod place;
pub mod policy;
pub mod programs;
pub mod protocol;
#[cfg(target_os = "linux")]
pub mod recorder;
pub mod secret;
pub mod source;
#[cfg(target_os = "linux")]
pub mod spool;
#[cfg(target_os = "linux")]
mod sync;
pub mod sys;
pub mod tls;
pub mod units;
#[cfg(target_os = "linux")]
pub mod vault;
pub mod verb;
