//! What was read of roles, users, commands and roots, from one file or many.

use super::command::Read;
use super::root;
use crate::credential::Credentials;
use crate::policy::{Given, Role, User};
use std::collections::BTreeMap;

/// What was read; names of accounts are not looked up here.
#[derive(Default)]
pub struct Parts {
    /// The roles, by name.
    pub roles: BTreeMap<String, Role>,
    /// What groups of the system give, by the group.
    pub groups: BTreeMap<String, Given>,
    /// The users by name, with what proves who they are.
    pub users: BTreeMap<String, ReadUser>,
    /// The commands, by name.
    pub commands: BTreeMap<String, Read>,
    /// The roots, by name.
    pub roots: BTreeMap<String, root::Read>,
    /// The names of commands that are there, and could not be read.
    pub(super) unread: Vec<String>,
}

/// A user as the file says.
pub struct ReadUser {
    /// Their roles.
    pub user: User,
    /// What proves that somebody is this user.
    pub credentials: Credentials,
    /// Whether the file holds a hash.
    pub has_hash: bool,
}
