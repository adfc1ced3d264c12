//! Judging: the roles, commands and arguments that a decision looks at, with notes of each where
//! somebody wants to know why.

mod approval;
mod command;
mod files;
mod invocation;
mod room;

pub use files::{Moved, digest};

use super::Network;
use super::member::{Held, Member};
use super::model::{Policy, within};
use super::verdict::{Refusal, RefusalKind};
use crate::ids::RunId;
use crate::source::Source;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

/// A policy with the user who asks it.
pub struct Judge<'p> {
    policy: &'p Policy,
    user: &'p str,
    member: &'p Member,
    source: &'p Source,
    /// Who has asked for a run, if there is such a run.
    owner: &'p dyn Fn(RunId) -> Option<Arc<str>>,
    /// The time of the judgement, at which roles hold or do not.
    now: SystemTime,
    /// What `now` among arguments means.
    asked: SystemTime,
    /// What was looked at, where somebody wants to know.
    considered: Option<RefCell<Vec<String>>>,
}

impl<'p> Judge<'p> {
    pub(super) fn of(
        policy: &'p Policy,
        member: &'p Member,
        source: &'p Source,
        owner: &'p dyn Fn(RunId) -> Option<Arc<str>>,
        now: SystemTime,
    ) -> Self {
        Self {
            policy,
            user: member.user(),
            member,
            source,
            owner,
            now,
            asked: now,
            considered: None,
        }
    }

    /// This judge, for what was asked at another time than now.
    pub(super) const fn for_what_was_asked_at(mut self, asked: SystemTime) -> Self {
        self.asked = asked;
        self
    }

    /// This judge, who from now on notes everything that is looked at.
    pub(super) fn taking_notes(mut self) -> Self {
        self.considered = Some(RefCell::default());
        self
    }

    /// What was looked at, in order.
    pub(super) fn considered(self) -> Vec<String> {
        self.considered.map(RefCell::into_inner).unwrap_or_default()
    }

    /// The roles of the user.
    fn roles(&self) -> impl Iterator<Item = Held<'_>> {
        self.policy.roles_of(self.member)
    }

    /// Notes what is looked at, where somebody wants to know.
    fn note(&self, what: impl FnOnce() -> String) {
        if let Some(considered) = &self.considered {
            considered.borrow_mut().push(what());
        }
    }

    /// Whether the user may come from here at all.
    pub(super) fn user_here(&self) -> Result<(), Refusal> {
        let Some(user) = self.policy.users.get(self.user) else {
            self.note(|| format!("users.{}: there is no such user", self.user.escape_debug()));
            return Err(Refusal::plain(
                RefusalKind::NotPermitted,
                "default deny",
                format!("there is no user `{}`", self.user.escape_debug()),
            ));
        };

        let rule = format!("users.{} ({})", self.user, user.place);
        if user.disabled {
            self.note(|| format!("{rule}: is disabled"));
            return Err(Refusal::plain(
                RefusalKind::NotPermitted,
                &rule,
                format!("`{}` is disabled", self.user),
            ));
        }

        let roles = if user.roles.is_empty() {
            "no role".to_owned()
        } else {
            format!("the roles {}", user.roles.join(", "))
        };

        self.note(|| format!("{rule}: has {roles}"));
        for told in self.member.told(&self.policy.groups) {
            self.note(|| told);
        }
        if within(&user.sources, self.source) {
            if !user.sources.is_empty() {
                self.note(|| {
                    format!(
                        "users.{}.sources ({}): {} is among {}",
                        self.user,
                        user.place,
                        self.source,
                        listed(&user.sources)
                    )
                });
            }

            return Ok(());
        }

        let text = format!(
            "`{}` may not come from {}; accepted are {}",
            self.user,
            self.source,
            listed(&user.sources)
        );

        self.note(|| format!("users.{}.sources ({}): {text}", self.user, user.place));
        Err(Refusal::plain(
            RefusalKind::Source,
            &format!("users.{}.sources ({})", self.user, user.place),
            text,
        ))
    }

    /// The rule by which the user has this right.
    pub(super) fn right(&self, right: &str) -> Option<String> {
        self.roles()
            .find(|Held { role, .. }| {
                role.holds_from(self.source)
                    && role.holds_at(self.now)
                    && role.verbs.iter().any(|verb| verb == right)
            })
            .map(|held| {
                let (name, place) = (held.name, &held.role.place);
                format!("roles.{name}.verbs `{right}` ({place}){}", held.by_group())
            })
    }

    /// The run, and the rule by which this user may deal with it. Whether there is none, or it is
    /// another's, reads the same.
    pub(super) fn run(&self, run: Option<RunId>, right: &str) -> Result<(RunId, String), Refusal> {
        let owned = run.and_then(|run| Some((run, (self.owner)(run)?)));
        match (owned, self.right(right)) {
            (Some((run, owner)), _) if *owner == *self.user => {
                Ok((run, "every user may deal with their own runs".into()))
            }
            (Some((run, _)), Some(rule)) => Ok((run, rule)),
            _ => Err(Refusal::plain(
                RefusalKind::NoSuchRun,
                "default deny",
                "there is no such run".into(),
            )),
        }
    }
}

/// Networks in words.
fn listed(networks: &[Network]) -> String {
    networks
        .iter()
        .map(Network::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
