//! A user with the groups of the system that their account is in, and the roles that these give.

use super::groups::Groups;
use super::model::{Policy, Role};
use crate::place::Place;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the name service has to be asked before anybody can say which roles a user has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    user: Arc<str>,
    account: Arc<str>,
    /// Whether the configuration names the account, so that there must be one.
    named: bool,
    groups: Arc<[String]>,
}

/// A user as the policy judges them. There is none without the name service's answer where a group
/// gives roles: only [`Policy::member`] and the answers to its [`Question`] make one, so that nobody is
/// judged by half of their roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    user: Arc<str>,
    question: Option<Question>,
    groups: Found,
}

/// What is known of a user's groups.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// The machine has no account for them.
    NoAccount,
    /// Their account is in these.
    In(BTreeSet<String>),
    /// Nobody was asked.
    NotAsked,
}

impl Question {
    /// Whose groups are asked for.
    pub const fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// The account that is looked for.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The groups that it could be in.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The user, now that the name service has said in which of the groups their account is; `None`
    /// says that there is no such account.
    pub fn answered(self, groups: Option<Vec<String>>) -> Member {
        let groups = groups.map_or(Found::NoAccount, |groups| {
            Found::In(groups.into_iter().collect())
        });
        Member::new(self, groups)
    }

    /// The user with the roles of their entry alone, where nobody could be asked. Such a one is granted no
    /// command, which a group's role could deny.
    pub fn unanswered(self) -> Member {
        Member::new(self, Found::NotAsked)
    }
}

impl Member {
    fn new(question: Question, groups: Found) -> Self {
        Self(Arc::new(Inner {
            user: question.user.clone(),
            question: Some(question),
            groups,
        }))
    }

    /// The daemon itself, by this name: no user, and in no group.
    pub(super) fn daemon(name: &str) -> Self {
        Self(Arc::new(Inner {
            user: name.into(),
            question: None,
            groups: Found::NoAccount,
        }))
    }

    /// The user's name.
    pub fn user(&self) -> &Arc<str> {
        &self.0.user
    }

    /// Whether their account is in this group.
    pub fn is_in(&self, group: &str) -> bool {
        matches!(&self.0.groups, Found::In(groups) if groups.contains(group))
    }

    /// Whether the configuration names their account, and the machine does not know it.
    pub fn has_lost_its_account(&self) -> bool {
        let named = self.0.question.as_ref().is_some_and(|asked| asked.named);
        named && self.0.groups == Found::NoAccount
    }

    /// Whether what was asked of the name service is all that this policy has to know, and was
    /// answered.
    pub fn fits(&self, policy: &Policy) -> bool {
        let known = match &self.0.groups {
            Found::NotAsked => self.0.question.is_none(),
            Found::NoAccount | Found::In(_) => true,
        };
        known && self.0.question == policy.question(&self.0.user)
    }

    /// Whether the roles of their entry alone are known, because nobody has answered what this policy
    /// has to know of them.
    pub fn is_known_by_entry(&self, policy: &Policy) -> bool {
        self.0.groups == Found::NotAsked && self.0.question == policy.question(&self.0.user)
    }

    /// Whether it is the answer to this question.
    pub fn answers(&self, question: &Question) -> bool {
        self.0.question.as_ref() == Some(question)
    }

    /// What is to be said of their groups where everything is to be said: a line for each that gives
    /// them roles, or why there is none.
    pub(super) fn told(&self, groups: &Groups) -> Vec<String> {
        let Some(question) = &self.0.question else {
            return Vec::new();
        };
        let (account, named) = (question.account.escape_debug(), "groups-of-system");
        let lines: Vec<String> = groups
            .iter()
            .filter(|(group, _)| self.is_in(group))
            .map(|(group, given)| {
                let (group, roles) = (group.escape_debug(), given.roles.join(", "));
                let place = &given.place;
                format!("{named}.{group} ({place}): account `{account}` is in it, which gives the roles {roles}")
            })
            .collect();
        match &self.0.groups {
            Found::NotAsked => vec![format!(
                "{named}: the name service was not asked, so no role of a group is looked at"
            )],
            Found::NoAccount => vec![format!(
                "{named}: this machine knows no account `{account}`, so no group gives a role"
            )],
            Found::In(_) if lines.is_empty() => {
                vec![format!("{named}: account `{account}` is in none of them")]
            }
            Found::In(_) => lines,
        }
    }
}

/// A role that somebody has.
#[derive(Debug, Clone, Copy)]
pub struct Held<'p> {
    /// The role's name.
    pub name: &'p str,
    /// What it grants.
    pub role: &'p Role,
    /// The group of the system that gives it; none where their own entry does.
    pub by: Option<(&'p str, &'p Place)>,
}

impl Held<'_> {
    /// The group that gives the role, for the end of a rule; nothing where their own entry does.
    pub fn by_group(&self) -> String {
        let told = |(group, place): (&str, &Place)| {
            format!(", given by the group `{}` ({place})", group.escape_debug())
        };
        self.by.map(told).unwrap_or_default()
    }
}

impl Policy {
    /// A user as they can be judged, or what has to be asked first.
    ///
    /// # Errors
    /// The question to the name service, where a group could give this user roles.
    pub fn member(&self, user: &Arc<str>) -> Result<Member, Question> {
        match self.question(user) {
            Some(question) => Err(question),
            None => Ok(Member(Arc::new(Inner {
                user: user.clone(),
                question: None,
                groups: Found::NotAsked,
            }))),
        }
    }

    /// What has to be asked of the name service, if anything has.
    fn question(&self, user: &Arc<str>) -> Option<Question> {
        if self.groups.names().is_empty() {
            return None;
        }
        let known = self.users.get(&**user).filter(|known| !known.disabled)?;
        let named = known.account.is_some();
        Some(Question {
            user: user.clone(),
            account: known.account.clone().unwrap_or_else(|| user.clone()),
            named,
            groups: self.groups.shared_names(),
        })
    }

    /// The roles of a user who is not disabled: those of their entry first, then those that groups of the
    /// system give besides.
    pub fn roles_of<'p>(&'p self, member: &Member) -> impl Iterator<Item = Held<'p>> {
        let user = self.users.get(&**member.user());
        let user = user.filter(|user| !user.disabled);
        let own = user.map(|user| user.roles.as_slice()).unwrap_or_default();
        let theirs = move || {
            let groups = self.groups.iter().filter(move |_| user.is_some());
            groups.filter(|(group, _)| member.is_in(group))
        };

        let given = theirs().flat_map(move |(group, given)| {
            let before = move |name: &String| {
                let mut earlier = theirs().take_while(|(earlier, _)| *earlier != group);
                own.contains(name) || earlier.any(|(_, given)| given.roles.contains(name))
            };
            let new = given.roles.iter().filter(move |name| !before(name));
            new.map(move |name| (name, Some((group, &given.place))))
        });
        own.iter()
            .map(|name| (name, None))
            .chain(given)
            .filter_map(|(name, by)| {
                let role = self.roles.get(name)?;
                Some(Held { name, role, by })
            })
    }
}

#[cfg(test)]
#[path = "member_tests.rs"]
mod tests;
