//! The decision: who may do what, judged in one place, as data.

use super::model::{Command, Policy, Role};
use super::{Kind, Network, Pass, canonical};
use crate::ids::{RequestId, RunId};
use crate::request::{Ask, Attachment, Door, Invocation, Needs, Place, Terminal, VERBS, Verb};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Proof that the policy allows one exact request. Only [`Policy::authorize`] can make one.
#[derive(Debug, Clone)]
pub struct Grant<T> {
    what: T,
    request: RequestId,
    user: Arc<str>,
    source: IpAddr,
    rule: String,
}

impl<T> Grant<T> {
    /// What is granted.
    pub const fn what(&self) -> &T {
        &self.what
    }

    /// The request it was granted for.
    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// Who asked.
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// From which address.
    pub const fn source(&self) -> IpAddr {
        self.source
    }

    /// The rule that decided, with its place.
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

/// A command made ready: nothing of the client's is left to interpret.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The command.
    pub command: Arc<Command>,
    /// The exact argv.
    pub argv: Vec<String>,
    /// The argv with secrets masked, for people and the trail.
    pub shown: Vec<String>,
    /// The declared variables, filled.
    pub environment: Vec<(String, String)>,
    /// The paths to open before the command starts, in the order of their arguments.
    pub opens: Vec<Opened>,
    /// The terminal it gets, when it wants one.
    pub terminal: Option<Terminal>,
}

/// A path argument, to be opened by the child as the account it runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The argument's name.
    pub argument: String,
    /// The root.
    pub beneath: PathBuf,
    /// The path below it.
    pub relative: String,
    /// The descriptor the command gets it as; `None` when it gets the name.
    pub descriptor: Option<u32>,
}

/// A plan that may be shown and not be run.
#[derive(Debug, Clone)]
pub struct Shown(pub Plan);

/// Whose runs are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One's own.
    Own,
    /// Everybody's.
    All,
}

/// What the policy says to a request.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// [`Verb::List`]: these commands.
    List(Grant<Vec<Arc<Command>>>),
    /// [`Verb::Describe`]: this command.
    Describe(Grant<Arc<Command>>),
    /// [`Verb::Preview`]: this may be shown.
    Preview(Grant<Shown>),
    /// [`Verb::Run`]: this may be run.
    Run(Box<Grant<Plan>>),
    /// [`Verb::Cancel`]: this run may be ended.
    Cancel(Grant<RunId>),
    /// [`Verb::Runs`]: these may be listed.
    Runs(Grant<Scope>),
    /// [`Verb::Attach`]: this run's output may be seen.
    Attach(Grant<Attachment>),
    /// [`Verb::Signal`]: this run may be sent this signal, if its command accepts it.
    Signal(Grant<(RunId, String)>),
    /// No.
    Refused(Refusal),
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind, which the wire gives a number.
    pub kind: RefusalKind,
    /// The argument it is about.
    pub argument: Option<String>,
    /// The rule that decided, with its place.
    pub rule: String,
    /// For people.
    pub text: String,
    /// Whether the request's text holds a secret in the clear, so that it must not be kept.
    pub holds_secret: bool,
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// No role grants it, or it does not exist.
    NotPermitted,
    /// A role would grant it, to another address.
    Source,
    /// An argument is wrong.
    Argument,
    /// A person must agree first.
    Confirm,
    /// No such run for this user.
    NoSuchRun,
}

impl Policy {
    /// Judges a request of a user who logged in. Pure: the same arguments give the same decision.
    ///
    /// `owner` tells whose a run is; `source` is the address as the kernel says it.
    pub fn authorize(
        &self,
        user: &Arc<str>,
        request: RequestId,
        ask: &Ask,
        source: IpAddr,
        owner: impl Fn(RunId) -> Option<Arc<str>>,
    ) -> Decision {
        let Some(row) = ask.verb().row().filter(|row| row.door == Door::Wire) else {
            return Decision::Refused(Refusal::plain(RefusalKind::NotPermitted, "default deny", "this verb is not served here".into()));
        };
        let judge = Judge { policy: self, user, source: canonical(source) };
        let grant = |rule: String| Made { request, user: user.clone(), source, rule };
        match (ask, row.needs) {
            (Ask::List, Needs::Nothing) => {
                let commands = self.commands.values().filter(|command| judge.command(&command.name).is_ok()).cloned().collect();
                Decision::List(grant("every user may list what is granted to him".into()).of(commands))
            }
            (Ask::Describe { command }, Needs::Command) => match judge.command(command) {
                Ok((command, rule)) => Decision::Describe(grant(rule).of(command)),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Preview(invocation), Needs::Command) => match judge.plan(invocation) {
                Ok((plan, rule)) => Decision::Preview(grant(rule).of(Shown(plan))),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Run(invocation), Needs::Command) => match judge.plan(invocation) {
                Ok((plan, _)) if plan.command.confirm && !invocation.confirmed => Decision::Refused(Refusal::plain(
                    RefusalKind::Confirm,
                    &format!("commands.{}.confirm ({})", plan.command.name, plan.command.place),
                    "this command wants to be confirmed by a person who has seen its argv".into(),
                )),
                Ok((plan, rule)) => Decision::Run(Box::new(grant(rule).of(plan))),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Cancel { run }, Needs::OwnRunOr(right)) => match judge.run(owner(*run), right) {
                Ok(rule) => Decision::Cancel(grant(rule).of(*run)),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Attach(attachment), Needs::OwnRunOr(right)) => match judge.run(owner(attachment.run), right) {
                Ok(rule) => Decision::Attach(grant(rule).of(*attachment)),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Signal { run, signal }, Needs::OwnRunOr(right)) => match judge.run(owner(*run), right) {
                Ok(rule) => Decision::Signal(grant(rule).of((*run, signal.clone()))),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Runs, Needs::OwnRunOr(right)) => match judge.right(right) {
                Some(rule) => Decision::Runs(grant(rule).of(Scope::All)),
                None => Decision::Runs(grant("every user may list his own runs".into()).of(Scope::Own)),
            },
            _ => {
                Decision::Refused(Refusal::plain(RefusalKind::NotPermitted, "default deny", "this is not how the verb is asked for".into()))
            }
        }
    }

    /// The commands that a role grants, wildcards spelled out.
    pub fn granted_by(&self, role: &Role) -> Vec<&str> {
        let granted = |name: &str| role.commands.iter().any(|pattern| pattern.matches(name));
        self.commands.keys().map(String::as_str).filter(|name| granted(name)).collect()
    }
}

/// Proof that a local verb may be served.
#[derive(Debug)]
pub struct LocalGrant(Verb);

impl LocalGrant {
    /// The verb.
    pub const fn verb(&self) -> Verb {
        self.0
    }
}

/// Judges a local verb: root and the daemon's own user may, by what the kernel says of the peer.
pub fn authorize_local(verb: &str, peer: u32, own: u32) -> Result<LocalGrant, Refusal> {
    let row = VERBS.iter().find(|row| row.name == verb && row.door == Door::Control && row.needs == Needs::LocalAdmin);
    match row {
        Some(row) if peer == 0 || peer == own => Ok(LocalGrant(row.verb)),
        _ => Err(Refusal::plain(RefusalKind::NotPermitted, "default deny", "only root and the daemon's own user may ask this".into())),
    }
}

/// What every grant of one request has in common.
struct Made {
    request: RequestId,
    user: Arc<str>,
    source: IpAddr,
    rule: String,
}

impl Made {
    fn of<T>(self, what: T) -> Grant<T> {
        Grant { what, request: self.request, user: self.user, source: self.source, rule: self.rule }
    }
}

impl Refusal {
    fn plain(kind: RefusalKind, rule: &str, text: String) -> Self {
        Self { kind, argument: None, rule: rule.into(), text, holds_secret: false }
    }
}

struct Judge<'p> {
    policy: &'p Policy,
    user: &'p str,
    source: IpAddr,
}

impl Judge<'_> {
    /// The roles of the user, with their names.
    fn roles(&self) -> impl Iterator<Item = (&str, &Role)> {
        let names = self.policy.users.get(self.user).filter(|user| !user.disabled).map(|user| user.roles.as_slice()).unwrap_or_default();
        names.iter().filter_map(|name| self.policy.roles.get(name).map(|role| (name.as_str(), role)))
    }

    fn holds_here(&self, role: &Role) -> bool {
        role.sources.is_empty() || role.sources.iter().any(|network| network.contains(self.source))
    }

    /// The command, if a role of the user grants it, with the rule that does.
    fn command(&self, name: &str) -> Result<(Arc<Command>, String), Refusal> {
        let mut elsewhere = None;
        if let Some(command) = self.policy.commands.get(name) {
            for (role_name, role) in self.roles() {
                let Some(pattern) = role.commands.iter().find(|pattern| pattern.matches(name)) else { continue };
                if self.holds_here(role) {
                    return Ok((command.clone(), format!("roles.{role_name}.commands `{}` ({})", pattern.text, pattern.place)));
                }
                elsewhere = Some((role_name, role));
            }
        }
        Err(match elsewhere {
            Some((role_name, role)) => Refusal::plain(
                RefusalKind::Source,
                &format!("roles.{role_name}.sources ({})", role.place),
                format!("role `{role_name}` does not hold for the address {}; it holds for {}", self.source, listed(&role.sources)),
            ),
            None => Refusal::plain(
                RefusalKind::NotPermitted,
                "default deny",
                format!("no role of `{}` grants a command `{}`", self.user, name.escape_debug()),
            ),
        })
    }

    fn right(&self, right: &str) -> Option<String> {
        self.roles()
            .find(|(_, role)| self.holds_here(role) && role.verbs.iter().any(|verb| verb == right))
            .map(|(name, role)| format!("roles.{name}.verbs `{right}` ({})", role.place))
    }

    /// The rule by which this user may deal with a run of this owner's. Whether there is none, or it is another's, reads
    /// the same.
    fn run(&self, owner: Option<Arc<str>>, right: &str) -> Result<String, Refusal> {
        match (owner, self.right(right)) {
            (Some(owner), _) if *owner == *self.user => Ok("every user may deal with his own runs".into()),
            (Some(_), Some(rule)) => Ok(rule),
            _ => Err(Refusal::plain(RefusalKind::NoSuchRun, "default deny", "there is no such run".into())),
        }
    }

    /// The command with every argument accepted and every hole filled.
    fn plan(&self, invocation: &Invocation) -> Result<(Plan, String), Refusal> {
        let (command, rule) = self.command(&invocation.command)?;
        let refuse = |name: &str, rule: String, text: String| Refusal {
            kind: RefusalKind::Argument,
            argument: Some(name.to_owned()),
            rule,
            text: format!("argument `{}` {text}", name.escape_debug()),
            // A secret in the clear, or under a name that may be a misspelt secret's.
            holds_secret: command.arguments.iter().any(|argument| argument.secret)
                && invocation.arguments.iter().any(|(given, value)| {
                    !matches!(value, crate::request::Value::Secret(_))
                        && command.argument(given).is_none_or(|(_, argument)| argument.secret)
                }),
        };
        let of_command = format!("commands.{} ({})", command.name, command.place);
        for (position, (name, _)) in invocation.arguments.iter().enumerate() {
            if command.argument(name).is_none() {
                return Err(refuse(name, of_command, format!("is unknown; `{}` takes {}", command.name, names(&command))));
            }
            if invocation.arguments.iter().take(position).any(|(earlier, _)| earlier == name) {
                return Err(refuse(name, of_command, "is given twice".into()));
            }
        }
        let mut values: Vec<Vec<String>> = Vec::with_capacity(command.arguments.len());
        for argument in &command.arguments {
            let given = invocation.arguments.iter().find(|(name, _)| *name == argument.name).map(|(_, value)| value);
            values.push(
                argument.accept(given).map_err(|text| refuse(&argument.name, rule_of(&command, &argument.name, &argument.place), text))?,
            );
        }
        let terminal = command.pty.then(|| known_terminal(invocation.terminal.as_ref()));
        Ok((Plan { terminal, ..fill(command, values) }, rule))
    }
}

/// Kinds of terminals that a client may name: what TERM says decides which files programs read.
const TERMINALS: &[&str] = &[
    "alacritty",
    "ansi",
    "dumb",
    "foot",
    "linux",
    "rxvt",
    "rxvt-unicode",
    "rxvt-unicode-256color",
    "screen",
    "screen-256color",
    "tmux",
    "tmux-256color",
    "vt100",
    "vt220",
    "xterm",
    "xterm-256color",
    "xterm-color",
    "xterm-kitty",
];

/// The client's terminal, as far as it is known; a plain one otherwise.
fn known_terminal(asked: Option<&Terminal>) -> Terminal {
    let kind = asked.map(|terminal| terminal.kind.as_str()).filter(|kind| TERMINALS.contains(kind)).unwrap_or("dumb");
    Terminal { kind: kind.into(), size: asked.map_or((80, 24), |terminal| terminal.size) }
}

fn rule_of(command: &Command, argument: &str, place: &Place) -> String {
    format!("commands.{}.args.{argument} ({place})", command.name)
}

fn names(command: &Command) -> String {
    if command.arguments.is_empty() {
        return "no arguments".into();
    }
    command.arguments.iter().map(|argument| argument.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn listed(networks: &[Network]) -> String {
    networks.iter().map(Network::to_string).collect::<Vec<_>>().join(", ")
}

/// Fills template and environment with accepted values; paths get their names or descriptors here.
fn fill(command: Arc<Command>, mut values: Vec<Vec<String>>) -> Plan {
    let mut opens = Vec::new();
    let mut next_descriptor = 3;
    for (argument, values) in command.arguments.iter().zip(&mut values) {
        let Kind::Path { beneath, pass } = &argument.kind else { continue };
        for value in values {
            let relative = std::mem::take(value);
            let descriptor = (*pass == Pass::Descriptor).then_some(next_descriptor);
            *value = match descriptor {
                Some(number) => {
                    next_descriptor += 1;
                    format!("/dev/fd/{number}")
                }
                None => beneath.join(&relative).to_string_lossy().into_owned(),
            };
            opens.push(Opened { argument: argument.name.clone(), beneath: beneath.clone(), relative, descriptor });
        }
    }
    let masked: Vec<Vec<String>> = command
        .arguments
        .iter()
        .zip(&values)
        .map(|(argument, values)| if argument.secret { vec!["***".to_owned(); values.len()] } else { values.clone() })
        .collect();
    let argv = command.template.fill(|index| values.get(index).map(Vec::as_slice).unwrap_or_default());
    let shown = command.template.fill(|index| masked.get(index).map(Vec::as_slice).unwrap_or_default());
    let environment = command
        .environment
        .iter()
        .filter_map(|(name, word)| {
            let filled = word.fill(|index| values.get(index).map(Vec::as_slice).unwrap_or_default());
            (!filled.is_empty()).then(|| (name.clone(), filled.join(" ")))
        })
        .collect();
    Plan { argv, shown, environment, opens, command, terminal: None }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
