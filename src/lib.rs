//! ordain: vetted remote commands over TLS. See ARCHITECTURE.md for the floors and the journey of a command.

pub mod audit;
pub mod credential;
pub mod devca;
#[cfg(target_os = "linux")]
pub mod exec;
pub mod exit;
pub mod ids;
#[cfg(target_os = "linux")]
pub mod ipc;
pub mod limits;
pub mod mux;
pub mod policy;
pub mod protocol;
pub mod request;
pub mod secret;
pub mod sys;
pub mod tls;
