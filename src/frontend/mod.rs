//! The network side: TLS, frames, streams. Unprivileged and confined; it decides nothing and can
//! open nothing.

mod accept;
mod barred;
mod census;
mod client;
mod connection;
mod follow;
mod inbox;
mod live;
mod login;
mod orders;
mod pump;
mod registry;
mod shared;
mod start;
mod stock;
mod streams;
mod windows;
mod wire;

pub use start::{Ended, run};
