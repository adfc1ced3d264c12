//! Verbs over the control socket about users: locks, seeds of one-time codes, penalties.

use super::definition::{LocalAdmin, Verb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Locks a user, at once and whatever the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The user's name. No such user need be configured: whoever is to be locked may have been
    /// removed.
    pub user: String,
    /// Why the user is locked, for the trail and the next administrator.
    #[serde(default)]
    pub reason: String,
}

/// What `lock` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// What the administrator should know about this lock, such as that it could not be written
    /// down, or that no such user is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Verb for Lock {
    const NAME: &'static str = "lock";
    const SUMMARY: &'static str = "Lock a user at once and whatever the configuration says; bare or with --list, show who is locked";
    type Needs = LocalAdmin;
    type Answer = Locked;
}

/// Unlocks a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlock {
    /// The user's name.
    pub user: String,
}

/// What `unlock` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlocked {
    /// Whether the user was locked; absent where the change could not be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<bool>,
    /// Where the change could not be written: what the administrator should know about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Verb for Unlock {
    const NAME: &'static str = "unlock";
    const SUMMARY: &'static str = "Unlock a user";
    type Needs = LocalAdmin;
    type Answer = Unlocked;
}

/// Lists who is locked, since when and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locks {}

/// What `locks` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockList {
    /// The locks, each under its user's name.
    pub locks: BTreeMap<String, LockLine>,
}

/// One of the `locks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockLine {
    /// Why the user is locked, in the words of the administrator.
    pub reason: String,
    /// When the user was locked, RFC 3339.
    pub since: String,
    /// The user id of the administrator who locked them.
    pub by: u32,
}

impl Verb for Locks {
    const NAME: &'static str = "locks";
    const SUMMARY: &'static str = "Show who is locked, since when and why";
    type Needs = LocalAdmin;
    type Answer = LockList;
}

/// Makes a user's seed for one-time codes, or removes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totp {
    /// The user's name.
    pub user: String,
    /// Whether the seed is taken away instead.
    #[serde(default)]
    pub remove: bool,
}

/// What `totp` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// What an authenticator app reads, where a seed was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Whether there was a seed, where one was to be removed; absent where that could not be
    /// written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<bool>,
    /// Where the removal could not be written: what the administrator should know about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Verb for Totp {
    const NAME: &'static str = "totp";
    const SUMMARY: &'static str =
        "Make a user's seed for one-time codes, and print what an authenticator app reads";
    type Needs = LocalAdmin;
    type Answer = Seed;
}

/// Lists what sources and users have earned by failing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Penalties {}

/// What `penalties` answers; whoever owes most comes last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenaltyList {
    /// The sources that owe something.
    pub sources: Vec<PenaltyLine>,
    /// The users that owe something.
    pub users: Vec<PenaltyLine>,
}

/// What one source or user owes, a line of `sources` or `users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PenaltyLine {
    /// The network of the source, or the name of the user.
    pub who: String,
    /// For how many seconds yet the penalty lasts.
    pub seconds: u64,
    /// Whether they are not let in now.
    pub enforced: bool,
    /// How often they have failed.
    pub misdeeds: u32,
}

impl Verb for Penalties {
    const NAME: &'static str = "penalties";
    const SUMMARY: &'static str = "Show what sources and users have earned by failing";
    type Needs = LocalAdmin;
    type Answer = PenaltyList;
}

/// Forgets what a source or user has earned by failing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forgive {
    /// An address, a network, a user's name, or `all`.
    pub who: String,
}

/// What `forgive` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forgiven {
    /// How many sources and users were forgiven.
    pub forgiven: usize,
}

impl Verb for Forgive {
    const NAME: &'static str = "forgive";
    const SUMMARY: &'static str = "Forget what a source or user has earned by failing";
    type Needs = LocalAdmin;
    type Answer = Forgiven;
}
