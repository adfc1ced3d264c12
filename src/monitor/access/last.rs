//! What was last known of a user's groups, for whatever only takes away.

use crate::monitor::state::Shared;
use crate::policy::{Member, Policy};
use std::sync::Arc;

/// A user by what was last known of their groups. It decides what ends and grants nothing.
pub fn last_known(state: &Shared, policy: &Policy, user: &Arc<str>) -> Member {
    policy.member(user).unwrap_or_else(|question| {
        let known = state.access.members.last(user);
        known.unwrap_or_else(|| question.unanswered())
    })
}
