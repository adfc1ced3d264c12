//! What the tests and benches stand on: a daemon described by a builder, started in a folder of its
//! own, and clients of it.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test program and each bench uses its part of this"
)]

mod agent;
pub mod builder;
mod client;
mod going;
mod machines;
mod pair;
mod server;
mod standard;
mod words;

pub use agent::{RealAgent, TouchedAgent};
pub use builder::{Cmd, Setup, hash, hash_of, run_as};
pub use client::{client_in, host, log_in, ran, trusting};
pub use going::{DEADLINE, Going, bounded, in_time, last, whole};
pub use machines::{Machines, everywhere};
pub use pair::keygen;
pub use server::{Log, Server, launch, port_in};
pub use words::{
    PASSWORD, PATIENCE, alive, begun_by, block, grouped, invocation, is_root, run, signal, stderr,
    stdout, text, totp, typed, typed_to, wait, write,
};
