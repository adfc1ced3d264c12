//! TOML and its place: every value read once into types, every fault found at once, with file, line
//! and key.

#[cfg(target_os = "linux")]
mod accounts;
#[cfg(target_os = "linux")]
mod acknowledge;
#[cfg(target_os = "linux")]
mod approval;
mod argument;
#[cfg(target_os = "linux")]
mod audit;
#[cfg(target_os = "linux")]
mod beneath;
#[cfg(target_os = "linux")]
mod certificate;
#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod confinement;
#[cfg(target_os = "linux")]
mod daemon;
#[cfg(target_os = "linux")]
mod edit;
#[cfg_attr(
    not(target_os = "linux"),
    expect(
        dead_code,
        reason = "the client's file needs a part of what the daemon's does"
    )
)]
mod fault;
#[cfg(target_os = "linux")]
mod files;
mod groups;
mod host;
mod hosts;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod kind;
#[cfg(target_os = "linux")]
mod layout;
#[cfg(target_os = "linux")]
mod machine;
mod names;
#[cfg(target_os = "linux")]
mod outline;
#[cfg(target_os = "linux")]
mod parts;
mod pattern;
#[cfg(target_os = "linux")]
mod penalties;
#[cfg(target_os = "linux")]
mod places;
#[cfg(target_os = "linux")]
mod policy;
#[cfg_attr(
    not(target_os = "linux"),
    expect(
        dead_code,
        reason = "the client's file needs a part of what the daemon's does"
    )
)]
mod reader;
mod recordings;
#[cfg(target_os = "linux")]
mod role;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod system_groups;
#[cfg(target_os = "linux")]
mod template;
#[cfg(target_os = "linux")]
mod terminals;
#[cfg(target_os = "linux")]
mod values;
#[cfg_attr(
    not(target_os = "linux"),
    expect(
        dead_code,
        reason = "the client's file needs a part of what the daemon's does"
    )
)]
mod warning;
#[cfg(target_os = "linux")]
mod zones;

#[cfg(target_os = "linux")]
pub use beneath::spelled_out;
#[cfg(target_os = "linux")]
pub use daemon::{Loaded, load, load_edited, offline};
#[cfg(target_os = "linux")]
pub use edit::{Said, Text, Unedited};
pub use fault::Fault;
#[cfg(target_os = "linux")]
pub use files::{Edited, File, files};
pub use groups::{GROUP_HOLE, GroupForm, GroupSource, Groups, NamedGroup};
pub use host::{HostSettings, Line};
pub use hosts::{Hosts, load_hosts};
#[cfg(target_os = "linux")]
pub use machine::{Machine, Mode, enforcement};
pub use names::name;
#[cfg(target_os = "linux")]
pub use places::{control_socket, server_key, state_and_trail};
pub use warning::Warning;

/// For the fuzz target: any text is read or refused.
#[doc(hidden)]
#[cfg(target_os = "linux")]
pub fn read_any(text: &str) {
    let faults = fault::Faults::default();
    let document = reader::Document::parse("fuzz.toml", text, &faults);
    let root = document.root(&faults);
    let _ = policy::read(&[root], &faults);
}
