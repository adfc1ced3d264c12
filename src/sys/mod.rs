//! The kernel's edge: the only module with `unsafe`, each block with its reason.

#![expect(unsafe_code, reason = "system calls that std has no safe form of; everything above uses the safe forms here")]

#[cfg(target_os = "linux")]
mod account;
mod file;
#[cfg(target_os = "linux")]
mod message;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod spawn;

#[cfg(target_os = "linux")]
pub use account::{Group, Names, group_is_private, lookup};
pub use file::{FileFault, Trust, append_private, effective_uid, others_can_read, read_config, read_private, replace, trusted};
#[cfg(target_os = "linux")]
pub use message::{Received, pair, receive, send};
#[cfg(target_os = "linux")]
pub use process::{
    Exited, adopt, kill, leave_signals_to_the_monitor, null, parent_death_signal, pipe, raise_descriptor_limit, reap, reexecute,
    return_large_blocks, signal_group, steady_heap, terminate, undumpable, wait_readable, watch, widen,
};
#[cfg(target_os = "linux")]
pub use sandbox::{Confinement, Identity, confine, kernel_offers};
#[cfg(target_os = "linux")]
pub use spawn::{Child, Full, Open, Program, SpawnError, Spawner, Step, Take};
