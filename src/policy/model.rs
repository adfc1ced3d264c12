//! What a configuration says, read and resolved: which commands there are, which roles grant them,
//! which users and groups of the system have these.

use super::Network;
use super::command::Command;
use super::groups::Groups;
use super::hours::{self, Hours};
use super::root::{Right, Root};
use crate::place::Place;
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Everything that authorisation looks at. Immutable; a reload makes a new one.
#[derive(Debug, Default)]
pub struct Policy {
    /// The roles, by name.
    pub roles: BTreeMap<String, Role>,
    /// The users, by name. What proves a user's identity is not here.
    pub users: BTreeMap<String, User>,
    /// The commands, by name.
    pub commands: BTreeMap<String, Arc<Command>>,
    /// The roots below which files may be moved, by name.
    pub roots: BTreeMap<String, Arc<Root>>,
    /// The groups of the system that give roles.
    pub groups: Groups,
    /// The kinds of terminals that the machine knows.
    pub terminals: BTreeSet<String>,
}

/// What a role grants, and from where.
#[derive(Debug, Clone, Default)]
pub struct Role {
    /// The commands that the role grants, wildcards allowed.
    pub commands: Vec<Pattern>,
    /// What the role grants over roots: a root's name, with a colon and a right where it is that one
    /// alone.
    pub files: Vec<Pattern>,
    /// Commands that nobody with this role may run, whatever else grants them, and wherever they
    /// come from; with a colon, rights over roots.
    pub deny: Vec<Pattern>,
    /// How long a run that this role grants may take.
    pub max_run_time: Option<Duration>,
    /// Rights over what belongs to others.
    pub verbs: Vec<String>,
    /// Where a user must come from for the role to hold; empty means anywhere.
    pub sources: Vec<Network>,
    /// When the role holds; empty means always.
    pub when: Vec<Hours>,
    /// Where the role is declared.
    pub place: Place,
}

/// A user, as far as authorisation is concerned.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// The roles of their entry, all of them declared; groups of the system can give more.
    pub roles: Vec<String>,
    /// The account whose groups give them roles, where it is not called as they are.
    pub account: Option<Arc<str>>,
    /// A disabled user cannot log in.
    pub disabled: bool,
    /// Where they must come from; empty means anywhere.
    pub sources: Vec<Network>,
    /// Where they are declared.
    pub place: Place,
}

impl User {
    /// Whether they may come from there.
    pub fn holds_from(&self, source: &Source) -> bool {
        within(&self.sources, source)
    }
}

/// What a role can grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Commands, by their names.
    Commands,
    /// Rights over roots, as [`Right::of`] spells them.
    Files,
}

impl Kind {
    /// What has this name: no command's has a colon.
    pub fn of(name: &str) -> Self {
        match name.contains(':') {
            true => Self::Files,
            false => Self::Commands,
        }
    }

    /// The key of a role that grants it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Files => "files",
        }
    }
}

impl Policy {
    /// The command, or the transfer, of this name.
    pub fn declared(&self, name: &str) -> Option<&Arc<Command>> {
        match name.split_once(':') {
            None => self.commands.get(name),
            Some((root, right)) => self.roots.get(root)?.commands.get(&Right::named(right)?),
        }
    }

    /// The names of all commands, and of all transfers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let transfers = self.roots.values().flat_map(|root| root.commands.values());
        let commands = self.commands.values().chain(transfers);
        commands.map(|command| command.name.as_str())
    }
}

impl Role {
    /// What of the role grants this, wherever and whenever it holds.
    pub fn grants(&self, name: &str) -> Option<&Pattern> {
        match Kind::of(name) {
            Kind::Commands => self.commands.iter().find(|pattern| pattern.matches(name)),
            Kind::Files => self.files.iter().find(|grant| {
                let rest = name.strip_prefix(grant.text.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            }),
        }
    }

    /// What of the role denies this.
    pub fn denies(&self, name: &str) -> Option<&Pattern> {
        self.deny.iter().find(|pattern| {
            let whole = || name.split_once(':').map(|(root, _)| root);
            pattern.matches(name) || whole().is_some_and(|root| pattern.text == root)
        })
    }

    /// Whether the role holds for somebody who comes from there.
    pub fn holds_from(&self, source: &Source) -> bool {
        within(&self.sources, source)
    }

    /// Whether the role holds at this time.
    pub fn holds_at(&self, now: SystemTime) -> bool {
        hours::hold(&self.when, now)
    }

    /// When the role holds, in words; `None` where it always does.
    pub fn hours(&self) -> Option<String> {
        (!self.when.is_empty()).then(|| hours::listed(&self.when))
    }

    /// Why the role does not hold at this time: its hours, and what the clocks there show. `None` where
    /// it does.
    pub fn out_of_hours(&self, now: SystemTime) -> Option<String> {
        (!self.holds_at(now)).then(|| {
            let (when, shown) = (hours::listed(&self.when), hours::told(&self.when, now));
            format!("holds {when}; {shown}")
        })
    }
}

/// No networks mean anywhere.
pub fn within(networks: &[Network], source: &Source) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.holds(source))
}

/// A command name with `*` for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern as written.
    pub text: String,
    /// Where the pattern is written.
    pub place: Place,
}

impl Pattern {
    /// Whether the pattern fits this name.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.text.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }

        rest.ends_with(last)
    }

    /// Whether the pattern names more than one command.
    pub fn is_wildcard(&self) -> bool {
        self.text.contains('*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        let cases = [
            ("deploy", "deploy", true),
            ("deploy", "deploys", false),
            ("*", "anything", true),
            ("check-*", "check-disk", true),
            ("check-*", "recheck-disk", false),
            ("*-disk", "check-disk", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("", "x", false),
        ];

        for (text, name, fits) in cases {
            assert_eq!(
                Pattern {
                    text: text.into(),
                    place: Place::default()
                }
                .matches(name),
                fits,
                "{text} {name}"
            );
        }
    }
}
