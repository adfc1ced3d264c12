//! The account a command runs as, resolved once when the configuration loads.

use std::path::PathBuf;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's name.
    pub name: String,
    /// The account's user id; never -1.
    pub uid: u32,
    /// The account's group, or the one that `run_as` names.
    pub gid: u32,
    /// The account's real supplementary groups.
    pub groups: Vec<u32>,
    /// The account's home folder.
    pub home: PathBuf,
}

/// Who a command runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunAs {
    /// The daemon's own user: nothing is changed, for a daemon without root.
    Daemon(Account),
    /// This account, entered by a daemon that is root.
    Account(Account),
    /// A name that was not looked up, because the configuration was only checked (`--offline`).
    Unresolved(String),
}

impl RunAs {
    /// The account's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Daemon(account) | Self::Account(account) => &account.name,
            Self::Unresolved(name) => name,
        }
    }
}
