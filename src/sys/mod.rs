//! The kernel's edge: the only module with `unsafe`, each block with its reason.

#![expect(
    unsafe_code,
    reason = "system calls that std has no safe form of; everything above uses the safe forms here"
)]

#[cfg(target_os = "linux")]
mod account;
#[cfg(target_os = "linux")]
mod beneath;
#[cfg(target_os = "linux")]
mod cell;
#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod descriptor;
#[cfg(target_os = "linux")]
mod executable;
#[cfg(target_os = "linux")]
mod fault;
mod file;
#[cfg(target_os = "linux")]
mod foreign;
#[cfg(target_os = "linux")]
mod group;
mod interface;
#[cfg(target_os = "linux")]
mod jail;
#[cfg(target_os = "linux")]
mod keeper;
#[cfg(target_os = "linux")]
mod listener;
#[cfg(target_os = "linux")]
mod membership;
#[cfg(target_os = "linux")]
mod message;
mod poll;
#[cfg(target_os = "linux")]
mod process;
mod prompt;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod service;
mod signal;
#[cfg(target_os = "linux")]
mod spawn;
#[cfg(target_os = "linux")]
mod standing;
mod stream;
mod terminal;
mod trust;
mod waited;
mod walk;

#[cfg(target_os = "linux")]
pub use account::{Group, Names, group_is_private, lookup};
#[cfg(target_os = "linux")]
pub use beneath::{Extent, Folder, Found, FoundKind, Rename, extent, set_file};
#[cfg(target_os = "linux")]
pub use cell::{Allowed, CELL, Seen};
#[cfg(target_os = "linux")]
pub use cgroup::{Cgroup, Cgroups, Controllers, Spent, TreeLimits, cgroups_offered};
#[cfg(target_os = "linux")]
pub use descriptor::{
    adopt, give_name, memory_file, nameless_file, null, null_for_writing, pipe, unblock,
    watch_held, widen,
};
#[cfg(target_os = "linux")]
pub use executable::{
    Executable, ExecutableFault, Version, agreed_executable, digested_executable,
    executable_digest, has_capabilities, open_executable, own_executable,
};
#[cfg(target_os = "linux")]
pub use fault::{fault_point, fault_time};
pub use file::{
    FOLDER_ALONE, append_private, exchange, free_bytes, hold, host_name, make_folder, open_private,
    others_can_read, private_file, private_folder, read_config, read_private, read_secret,
    read_trusted, replace, try_hold, unnamed_file,
};
#[cfg(target_os = "linux")]
pub use foreign::{Foreign, Held, closing_hangs};
pub use interface::{in_zone, with_named_zone};
#[cfg(target_os = "linux")]
pub use jail::{Files, Reach, confine_mover, confine_recorder};
#[cfg(target_os = "linux")]
pub use keeper::{FromKeeper, ToKeeper, hand_over, keep, keeper_program, small_program};
#[cfg(target_os = "linux")]
pub use listener::{is_no_own_address, listen_again, socket_listens};
#[cfg(target_os = "linux")]
pub use membership::{groups_among, groups_among_within, unknown_groups};
#[cfg(target_os = "linux")]
pub use message::{Received, pair, receive, send};
pub use poll::{Look, pause, wait_for_any, wait_readable, wait_writable, wait_writable_for};
#[cfg(target_os = "linux")]
pub use process::{
    Exited, kill, leave_signals_to_the_monitor, parent_death_signal, raise_descriptor_limit, reap,
    reexecute, return_large_blocks, steady_heap, step_back, terminate, undumpable,
};
pub use prompt::{Echo, Typed, type_line};
#[cfg(target_os = "linux")]
pub use sandbox::{Confinement, Identity, confine, kernel_offers};
#[cfg(target_os = "linux")]
pub use service::{
    Clock, clock, has_passed_listeners, is_a_service, logs_to_the_journal, machine_ms, notify,
    notify_reloading, passed_listeners, watchdog, worked,
};
pub use signal::{count_signal, signal_group, signal_waits, signals_heard, usual_signals};
#[cfg(target_os = "linux")]
pub use spawn::{
    Child, Full, Gate, Open, ProcessLimit, Program, Resource, SpawnError, Spawner, Step, Take,
    Wanted,
};
#[cfg(target_os = "linux")]
pub use standing::put_right;
pub use stream::{read_stream, read_text};
pub use terminal::{RawMode, Size, is_ignored, own_terminal_size, stop};
#[cfg(target_os = "linux")]
pub use terminal::{resize, terminal};
pub use trust::{FileFault, Kind, Stranger, Trust, effective_uid, in_a_shell, named, owner_word};
pub use waited::{is_null, read_once, reopened, watch};
pub use walk::{closed_folder, replaceable, trusted};
