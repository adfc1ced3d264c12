//! Users with the groups of the system that they are in, as the name service says it here and now.

use super::complain;
use super::display::plain;
use crate::exit::Status;
use crate::policy::{Member, Policy};
use crate::{limits, sys};

/// A user with their groups; nobody is asked where only the policy is looked at.
///
/// # Errors
/// The exit status, where the name service does not say; that was told.
pub fn member(policy: &Policy, user: &str, offline: bool) -> Result<Member, Status> {
    let question = match policy.member(&user.into()) {
        Ok(member) => return Ok(member),
        Err(question) if offline => return Ok(question.unanswered()),
        Err(question) => question,
    };
    let (account, groups) = (question.account(), question.groups());
    match sys::groups_among_within(account, groups, limits::NAME_SERVICE) {
        Ok(found) => Ok(question.answered(found)),
        Err(why) => {
            let (user, why) = (plain(user), plain(&why));
            complain(&format!(
                "ordaind: it is not known in which groups of this system `{user}` is: {why}"
            ));
            Err(Status::FAULT)
        }
    }
}

/// One user, or all, with their groups.
///
/// # Errors
/// As [`member`].
pub fn members(policy: &Policy, user: Option<&str>, offline: bool) -> Result<Vec<Member>, Status> {
    let meant = |name: &&String| user.is_none_or(|user| user == *name);
    let users = policy.users.keys().filter(meant);
    users.map(|user| member(policy, user, offline)).collect()
}

/// A role's name, with the group that gives it.
pub fn with_group(role: &str, group: Option<&str>) -> String {
    match group {
        Some(group) => format!("{role} (group {})", plain(group)),
        None => role.to_owned(),
    }
}
