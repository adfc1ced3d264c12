//! How far a user's rights go, wherever and whenever: what they may run, and whether one policy gives
//! them less than another.

use super::Network;
use super::hours;
use super::member::{Held, Member};
use super::model::{Policy, Role, within};
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Policy {
    /// Whether a user may run a command, or do a transfer, from somewhere, at some time.
    pub fn may(&self, member: &Member, name: &str) -> bool {
        let denied = self
            .roles_of(member)
            .any(|held| held.role.denies(name).is_some());
        let granted = self
            .roles_of(member)
            .any(|held| held.role.grants(name).is_some());
        self.declared(name).is_some() && granted && !denied
    }

    /// Whether a user may run a command, or do a transfer, from this address, at some time.
    pub fn may_from(&self, member: &Member, name: &str, source: &Source) -> bool {
        let granted = |role: &Role| role.holds_from(source) && role.grants(name).is_some();
        self.may(member, name)
            && self
                .users
                .get(&**member.user())
                .is_some_and(|user| user.holds_from(source))
            && self.roles_of(member).any(|held| granted(held.role))
            && self
                .declared(name)
                .is_some_and(|command| within(&command.sources, source))
    }

    /// Whether this policy gives a user less than an old one did when they were in the groups of then: a
    /// role, a grant, a right, an address, time. What it only adds is no reason to end anything.
    pub fn takes_from(&self, member: &Member, (old, then): (&Self, &Member)) -> bool {
        let user = &**member.user();
        let (Some(was), Some(is)) = (old.users.get(user), self.users.get(user)) else {
            return true;
        };
        let had: BTreeMap<&str, &Role> = by_name(old.roles_of(then));
        let has: BTreeMap<&str, &Role> = by_name(self.roles_of(member));
        let lost = |(name, was): (&&str, &&Role)| {
            has.get(*name)
                .is_none_or(|is| loses((old, was), (self, is)))
        };
        // A role that is new to them can take away too.
        let denies =
            |(name, role): (&&str, &&Role)| !had.contains_key(*name) && !role.deny.is_empty();

        (is.disabled && !was.disabled)
            || narrower(&was.sources, &is.sources)
            || had.iter().any(lost)
            || has.iter().any(denies)
    }
}

fn by_name<'p>(held: impl Iterator<Item = Held<'p>>) -> BTreeMap<&'p str, &'p Role> {
    held.map(|held| (held.name, held.role)).collect()
}

/// Whether a role is less than it was.
fn loses((old, was): (&Policy, &Role), (new, is): (&Policy, &Role)) -> bool {
    // What a pattern means, in both: a name that is spelled out and one that a wildcard covers
    // are the same grant.
    let names: BTreeSet<&str> = old.names().chain(new.names()).collect();
    let among = |means: &dyn Fn(&str) -> bool| -> BTreeSet<&str> {
        names.iter().copied().filter(|name| means(name)).collect()
    };
    let granted = |role: &Role| among(&|name| role.grants(name).is_some());
    let denied = |role: &Role| among(&|name| role.denies(name).is_some());

    !granted(was).is_subset(&granted(is))
        || !denied(is).is_subset(&denied(was))
        || !was.verbs.iter().all(|verb| is.verbs.contains(verb))
        || narrower(&was.sources, &is.sources)
        || hours::narrower(&was.when, &is.when)
        || shorter(was.max_run_time, is.max_run_time)
}

/// Whether these networks leave an address out that those held.
fn narrower(was: &[Network], is: &[Network]) -> bool {
    let kept = |network: &Network| is.iter().any(|wider| wider.covers(network));
    !is.is_empty() && (was.is_empty() || !was.iter().all(kept))
}

fn shorter(was: Option<Duration>, is: Option<Duration>) -> bool {
    is.is_some_and(|is| was.is_none_or(|was| is < was))
}
