//! The account a command runs as, resolved once when the configuration loads.

use std::path::PathBuf;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its user id; never -1.
    pub uid: u32,
    /// Its group, or the one that `run_as` names.
    pub gid: u32,
    /// Its real supplementary groups.
    pub groups: Vec<u32>,
    /// Its home folder.
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
