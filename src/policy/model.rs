//! What a configuration says, read and resolved: roles, users, commands.

use super::{Argument, Network, RunAs, Template, Text, Word};
use crate::place::Place;
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that authorisation looks at. Immutable; a reload makes a new one.
#[derive(Debug, Default)]
pub struct Policy {
    /// By name.
    pub roles: BTreeMap<String, Role>,
    /// By name. What proves a user's identity is not here.
    pub users: BTreeMap<String, User>,
    /// By name.
    pub commands: BTreeMap<String, Arc<Command>>,
}

/// What a role grants, and from where.
#[derive(Debug, Clone, Default)]
pub struct Role {
    /// Commands, wildcards allowed.
    pub commands: Vec<Pattern>,
    /// Commands that nobody with this role may run, whatever else grants them, and wherever
    /// they come from.
    pub deny: Vec<Pattern>,
    /// How long a run that this role grants may take.
    pub max_run_time: Option<Duration>,
    /// Rights over what belongs to others.
    pub verbs: Vec<String>,
    /// Where a user must come from for the role to hold; empty means anywhere.
    pub sources: Vec<Network>,
    /// Where it is declared.
    pub place: Place,
}

/// A user, as far as authorisation is concerned.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// Their roles, all of them declared.
    pub roles: Vec<String>,
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

impl Role {
    /// Whether it holds for somebody who comes from there.
    pub fn holds_from(&self, source: &Source) -> bool {
        within(&self.sources, source)
    }
}

/// No networks mean anywhere.
pub fn within(networks: &[Network], source: &Source) -> bool {
    networks.is_empty() || networks.iter().any(|network| network.holds(source))
}

impl Policy {
    /// The roles of a user who is not disabled, with their names.
    pub fn roles_of<'p>(&'p self, user: &str) -> impl Iterator<Item = (&'p str, &'p Role)> {
        let names = self
            .users
            .get(user)
            .filter(|user| !user.disabled)
            .map(|user| user.roles.as_slice())
            .unwrap_or_default();
        names
            .iter()
            .filter_map(|name| self.roles.get(name).map(|role| (name.as_str(), role)))
    }

    /// Whether a user may run a command from somewhere.
    pub fn may(&self, user: &str, command: &str) -> bool {
        let denied = self
            .roles_of(user)
            .any(|(_, role)| role.deny.iter().any(|pattern| pattern.matches(command)));
        let granted = self
            .roles_of(user)
            .any(|(_, role)| role.commands.iter().any(|pattern| pattern.matches(command)));
        self.commands.contains_key(command) && granted && !denied
    }

    /// As [`Policy::may`], from this address.
    pub fn may_from(&self, user: &str, command: &str, source: &Source) -> bool {
        let granted = |role: &Role| {
            role.holds_from(source) && role.commands.iter().any(|pattern| pattern.matches(command))
        };
        self.may(user, command)
            && self
                .users
                .get(user)
                .is_some_and(|user| user.holds_from(source))
            && self.roles_of(user).any(|(_, role)| granted(role))
            && self
                .commands
                .get(command)
                .is_some_and(|command| within(&command.sources, source))
    }

    /// Whether this policy gives a user less than an old one did: a role, a grant, a right, an
    /// address. What it only adds is no reason to end anything.
    pub fn takes_from(&self, old: &Self, user: &str) -> bool {
        let (Some(was), Some(is)) = (old.users.get(user), self.users.get(user)) else {
            return true;
        };
        // What a pattern means, in both: a name that is spelled out and one that a wildcard covers
        // are the same grant.
        let names: BTreeSet<&String> = old.commands.keys().chain(self.commands.keys()).collect();
        let means = |patterns: &[Pattern]| -> BTreeSet<String> {
            names
                .iter()
                .filter(|name| patterns.iter().any(|pattern| pattern.matches(name)))
                .map(|name| (*name).clone())
                .collect()
        };

        let narrower = |was: &[Network], is: &[Network]| {
            !is.is_empty()
                && (was.is_empty()
                    || !was
                        .iter()
                        .all(|network| is.iter().any(|wider| wider.covers(network))))
        };

        let shorter = |was: Option<Duration>, is: Option<Duration>| {
            is.is_some_and(|is| was.is_none_or(|was| is < was))
        };
        let lost = |was: &Role, is: &Role| {
            !means(&was.commands).is_subset(&means(&is.commands))
                || !means(&is.deny).is_subset(&means(&was.deny))
                || !was.verbs.iter().all(|verb| is.verbs.contains(verb))
                || narrower(&was.sources, &is.sources)
                || shorter(was.max_run_time, is.max_run_time)
        };

        (is.disabled && !was.disabled)
            || narrower(&was.sources, &is.sources)
            || was.roles.iter().any(|name| {
                !is.roles.contains(name) || old.roles.get(name).zip(self.roles.get(name)).is_none_or(|(was, is)| lost(was, is))
            })
            // A role that is new to them can take away too.
            || is.roles.iter().filter(|name| !was.roles.contains(name)).any(|name| self.roles.get(name).is_some_and(|role| !role.deny.is_empty()))
    }
}

/// A command name with `*` for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// Where it is written.
    pub place: Place,
}

impl Pattern {
    /// Whether the name fits.
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

    /// Whether it names more than one command.
    pub fn is_wildcard(&self) -> bool {
        self.text.contains('*')
    }
}

/// Standard input of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// `/dev/null`; the client's is never read.
    None,
    /// The client's, up to so many bytes.
    Accepted {
        /// Bytes at the most; `None` is no bound.
        max: Option<u64>,
    },
}

/// What happens to a run when its client goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It is ended.
    Cancel,
    /// It goes on; what it writes is read and dropped.
    Continue,
}

/// What happens to a run whose user may not run it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRevoke {
    /// It is ended.
    Cancel,
    /// It goes on.
    Continue,
}

/// What a run may use, beside its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// How long it may be without output.
    pub idle: Option<Duration>,
    /// Bytes of output, both streams together.
    pub output: Option<u64>,
    /// Bytes of memory, all its processes together.
    pub memory: Option<u64>,
    /// Processes and threads at once.
    pub processes: Option<u64>,
    /// Processor time in hundredths of one core, all its processes together.
    pub cpu_percent: Option<u32>,
    /// Whether memory and processes are bounded for each process by itself, where the kernel cannot
    /// bound the tree.
    pub per_process: bool,
    /// Processor time of each process.
    pub cpu_time: Option<Duration>,
    /// Open descriptors of each process.
    pub open_files: Option<u64>,
    /// Bytes of a file that it writes.
    pub file_size: Option<u64>,
    /// Whether it may leave core dumps.
    pub core: bool,
}

/// The files a run may use; everything else is out of its reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// To read.
    pub read: Vec<PathBuf>,
    /// To read and change.
    pub write: Vec<PathBuf>,
    /// To read and execute, beside the command itself and the system's libraries.
    pub execute: Vec<PathBuf>,
}

/// What a run is kept from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// Whether what it executes may give it privileges (setuid, file capabilities).
    pub setuid_allowed: bool,
    /// Whether it may make sockets.
    pub network: bool,
    /// The permissions that its new files do not get.
    pub umask: u32,
    /// The files it may use; `None` are all that its account may.
    pub sandbox: Option<Sandbox>,
}

impl Default for Confinement {
    fn default() -> Self {
        Self {
            setuid_allowed: false,
            network: true,
            umask: 0o022,
            sandbox: None,
        }
    }
}

/// A signal that a person may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Its name without SIG.
    pub name: &'static str,
    /// Its number on this machine.
    pub number: i32,
}

impl Signal {
    /// Every signal that may be accepted. KILL and STOP are not among them: `cancel` ends a run for
    /// good, and a run that stands still holds its locks.
    pub const ALL: &'static [Self] = &[
        Self {
            name: "HUP",
            number: libc::SIGHUP,
        },
        Self {
            name: "INT",
            number: libc::SIGINT,
        },
        Self {
            name: "QUIT",
            number: libc::SIGQUIT,
        },
        Self {
            name: "USR1",
            number: libc::SIGUSR1,
        },
        Self {
            name: "USR2",
            number: libc::SIGUSR2,
        },
        Self {
            name: "TERM",
            number: libc::SIGTERM,
        },
        Self {
            name: "WINCH",
            number: libc::SIGWINCH,
        },
    ];

    /// The signal of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|signal| signal.name == name).copied()
    }
}

/// One vetted command.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub summary: String,
    /// Its argv; the first word is the executable's absolute path.
    pub template: Template,
    /// Its arguments; holes speak of them by index.
    pub arguments: Vec<Argument>,
    /// Variables beside PATH, LANG, HOME, USER and ORDAIN_*.
    pub environment: Vec<(String, Word)>,
    /// Who it runs as.
    pub run_as: RunAs,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Its standard input.
    pub stdin: Stdin,
    /// Whether it gets a terminal.
    pub pty: bool,
    /// How long it may run; `None` is spelled `"none"` in the configuration.
    pub timeout: Option<Duration>,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// How long the rest of its processes may go on after the main one has ended.
    pub linger: Duration,
    /// Whether that rest goes on for good.
    pub leave_running: bool,
    /// What it may use.
    pub limits: RunLimits,
    /// What it is kept from.
    pub confinement: Confinement,
    /// The SHA-256 that its executable must have.
    pub sha256: Option<[u8; 32]>,
    /// Whether a person must agree first.
    pub confirm: bool,
    /// Commands with the same lock never run at the same time.
    pub lock: Option<String>,
    /// Runs of it at once.
    pub max_running: Option<usize>,
    /// Runs that may wait for the lock, or for a place.
    pub queue: usize,
    /// How long they may wait.
    pub queue_timeout: Duration,
    /// What happens when its client goes away.
    pub on_disconnect: OnDisconnect,
    /// What happens when its user may not run it any more.
    pub on_revoke: OnRevoke,
    /// Where whoever runs it must come from; empty means anywhere.
    pub sources: Vec<Network>,
    /// Whether it runs even when the trail cannot be written.
    pub audit_best_effort: bool,
    /// What the reason that must be given looks like, such as a ticket's number.
    pub reason: Option<Text>,
    /// How long a client whose link is lost may come back.
    pub resume_window: Duration,
    /// Bytes of each output stream that are kept.
    pub spool: u64,
    /// The signals that may be sent to it.
    pub signals: Vec<Signal>,
    /// Where it is declared.
    pub place: Place,
}

impl Command {
    /// The executable's path.
    pub fn executable(&self) -> &str {
        self.template
            .words()
            .next()
            .and_then(Word::literal)
            .unwrap_or_default()
    }

    /// The argument of this name, with its index.
    pub fn argument(&self, name: &str) -> Option<(usize, &Argument)> {
        self.arguments
            .iter()
            .enumerate()
            .find(|(_, argument)| argument.name == name)
    }

    /// How it is typed: `tail-log FILE [--lines LINES]`.
    pub fn usage(&self) -> String {
        use super::{Kind, Presence};
        let mut words = vec![self.name.clone()];
        let positions = self.template.positions();
        let positional = |index: &usize| {
            self.arguments
                .get(*index)
                .is_some_and(|argument| !matches!(argument.kind, Kind::Flag(_)) && !argument.secret)
        };

        for index in positions.iter().filter(|index| positional(index)) {
            let Some(argument) = self.arguments.get(*index) else {
                continue;
            };
            let name = argument.name.to_uppercase();
            let dots = if argument.repeated.is_some() {
                "…"
            } else {
                ""
            };

            words.push(match argument.presence {
                Presence::Required => format!("{name}{dots}"),
                _ => format!("[{name}{dots}]"),
            });
        }

        for (index, argument) in self.arguments.iter().enumerate() {
            if positions.contains(&index) && positional(&index) {
                continue;
            }
            let text = match argument.kind {
                Kind::Flag(_) => format!("--{}", argument.name),
                _ if argument.secret => format!("--{} @FILE", argument.name),
                _ => format!("--{} {}", argument.name, argument.name.to_uppercase()),
            };

            words.push(match (&argument.kind, &argument.presence) {
                (Kind::Flag(_), _) | (_, Presence::Optional | Presence::Default(_)) => {
                    format!("[{text}]")
                }
                _ => text,
            });
        }

        words.join(" ")
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
