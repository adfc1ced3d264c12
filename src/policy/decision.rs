//! The decision: who may do what, judged in one place, as data.

use super::model::{Command, Policy, Role, within};
use super::{Kind, Network, Pass, canonical};
use crate::ids::{RequestId, RunId};
use crate::request::{
    Ask, Attachment, Door, Ending, Invocation, Needs, Place, Terminal, VERBS, Verb,
};
use std::cell::RefCell;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
    /// How long it may run: the command's time, or the role's where that is shorter.
    pub timeout: Option<Duration>,
    /// Why, in the words of whoever asked.
    pub reason: Option<String>,
}

/// A decision with everything that was looked at on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The argv that would run, or why nothing would.
    pub outcome: Result<Vec<String>, Refusal>,
    /// The rule that decided, with its place.
    pub rule: String,
    /// Every rule that was considered, in order, with its place and what it said.
    pub considered: Vec<String>,
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
    /// [`Verb::Explain`]: this is what would be decided, and why.
    Explain(Box<Grant<Explanation>>),
    /// [`Verb::Whoami`]: he may know who he is.
    Whoami(Grant<()>),
    /// [`Verb::Sessions`]: these may be listed.
    Sessions(Grant<Scope>),
    /// [`Verb::EndSession`]: these may be ended.
    EndSession(Grant<(Scope, Ending)>),
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
    /// A reason must be given.
    Reason,
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
            return Decision::Refused(Refusal::plain(
                RefusalKind::NotPermitted,
                "default deny",
                "this verb is not served here".into(),
            ));
        };
        let judge = Judge {
            policy: self,
            user,
            source: canonical(source),
            considered: None,
        };
        if let Err(refusal) = judge.user_here() {
            return Decision::Refused(refusal);
        }
        let grant = |rule: String| Made {
            request,
            user: user.clone(),
            source,
            rule,
        };
        match (ask, row.needs) {
            (Ask::List, Needs::Nothing) => {
                let commands = self
                    .commands
                    .values()
                    .filter(|command| judge.command(&command.name).is_ok())
                    .cloned()
                    .collect();
                Decision::List(
                    grant("every user may list what is granted to him".into()).of(commands),
                )
            }
            (Ask::Describe { command }, Needs::Command) => match judge.command(command) {
                Ok((command, rule, _)) => Decision::Describe(grant(rule).of(command)),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Preview(invocation), Needs::Command) => match judge.plan(invocation) {
                Ok((plan, rule)) => Decision::Preview(grant(rule).of(Shown(plan))),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Explain(invocation), Needs::Nothing) => {
                let explanation = self.explain(user, invocation, source);
                Decision::Explain(Box::new(
                    grant("every user may ask why for himself".into()).of(explanation),
                ))
            }
            (Ask::Whoami, Needs::Nothing) => {
                Decision::Whoami(grant("every user may know who he is".into()).of(()))
            }
            (Ask::Sessions, Needs::OwnOr(right)) => match judge.right(right) {
                Some(rule) => Decision::Sessions(grant(rule).of(Scope::All)),
                None => Decision::Sessions(
                    grant("every user may list his own sessions".into()).of(Scope::Own),
                ),
            },
            (Ask::EndSession(ending), Needs::OwnOr(right)) => match judge.right(right) {
                Some(rule) => Decision::EndSession(grant(rule).of((Scope::All, ending.clone()))),
                None => Decision::EndSession(
                    grant("every user may end his own sessions".into())
                        .of((Scope::Own, ending.clone())),
                ),
            },
            (Ask::Run(invocation), Needs::Command) => match judge.run_plan(invocation) {
                Ok((plan, rule)) => Decision::Run(Box::new(grant(rule).of(plan))),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Cancel { run }, Needs::OwnOr(right)) => match judge.run(owner(*run), right) {
                Ok(rule) => Decision::Cancel(grant(rule).of(*run)),
                Err(refusal) => Decision::Refused(refusal),
            },
            (Ask::Attach(attachment), Needs::OwnOr(right)) => {
                match judge.run(owner(attachment.run), right) {
                    Ok(rule) => Decision::Attach(grant(rule).of(*attachment)),
                    Err(refusal) => Decision::Refused(refusal),
                }
            }
            (Ask::Signal { run, signal }, Needs::OwnOr(right)) => {
                match judge.run(owner(*run), right) {
                    Ok(rule) => Decision::Signal(grant(rule).of((*run, signal.clone()))),
                    Err(refusal) => Decision::Refused(refusal),
                }
            }
            (Ask::Runs, Needs::OwnOr(right)) => match judge.right(right) {
                Some(rule) => Decision::Runs(grant(rule).of(Scope::All)),
                None => {
                    Decision::Runs(grant("every user may list his own runs".into()).of(Scope::Own))
                }
            },
            _ => Decision::Refused(Refusal::plain(
                RefusalKind::NotPermitted,
                "default deny",
                "this is not how the verb is asked for".into(),
            )),
        }
    }

    /// What would be decided if this user asked for this run from there, and everything that was
    /// considered.
    pub fn explain(&self, user: &str, invocation: &Invocation, source: IpAddr) -> Explanation {
        let judge = Judge {
            policy: self,
            user,
            source: canonical(source),
            considered: Some(RefCell::default()),
        };

        let decided = judge.user_here().and_then(|()| judge.run_plan(invocation));
        let considered = judge
            .considered
            .map(RefCell::into_inner)
            .unwrap_or_default();
        match decided {
            Ok((plan, rule)) => Explanation {
                outcome: Ok(plan.shown),
                rule,
                considered,
            },
            Err(refusal) => Explanation {
                rule: refusal.rule.clone(),
                outcome: Err(refusal),
                considered,
            },
        }
    }

    /// The commands that a role grants, wildcards spelled out.
    pub fn granted_by(&self, role: &Role) -> Vec<&str> {
        let granted = |name: &str| role.commands.iter().any(|pattern| pattern.matches(name));
        self.commands
            .keys()
            .map(String::as_str)
            .filter(|name| granted(name))
            .collect()
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
    let row = VERBS.iter().find(|row| {
        row.name == verb && row.door == Door::Control && row.needs == Needs::LocalAdmin
    });
    match row {
        Some(row) if peer == 0 || peer == own => Ok(LocalGrant(row.verb)),
        _ => Err(Refusal::plain(
            RefusalKind::NotPermitted,
            "default deny",
            "only root and the daemon's own user may ask this".into(),
        )),
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
        Grant {
            what,
            request: self.request,
            user: self.user,
            source: self.source,
            rule: self.rule,
        }
    }
}

impl Refusal {
    fn plain(kind: RefusalKind, rule: &str, text: String) -> Self {
        Self {
            kind,
            argument: None,
            rule: rule.into(),
            text,
            holds_secret: false,
        }
    }
}

struct Judge<'p> {
    policy: &'p Policy,
    user: &'p str,
    source: IpAddr,
    /// What was looked at, where somebody wants to know.
    considered: Option<RefCell<Vec<String>>>,
}

/// How long a run may take; `None` is without bound, and more than any.
fn longer(one: Option<Duration>, other: Option<Duration>) -> bool {
    match (one, other) {
        (None, other) => other.is_some(),
        (Some(_), None) => false,
        (Some(one), Some(other)) => one > other,
    }
}

impl Judge<'_> {
    /// The roles of the user, with their names.
    fn roles(&self) -> impl Iterator<Item = (&str, &Role)> {
        self.policy.roles_of(self.user)
    }

    fn note(&self, what: impl FnOnce() -> String) {
        if let Some(considered) = &self.considered {
            considered.borrow_mut().push(what());
        }
    }

    /// Whether the user may come from here at all.
    fn user_here(&self) -> Result<(), Refusal> {
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

    /// The command, if a role of the user grants it and none denies it, with the rule that does,
    /// and how long that role lets it run.
    fn command(&self, name: &str) -> Result<(Arc<Command>, String, Option<Duration>), Refusal> {
        // What is denied is denied everywhere: a role that holds for some addresses only takes away
        // at all of them.
        for (role_name, role) in self.roles() {
            if let Some(pattern) = role.deny.iter().find(|pattern| pattern.matches(name)) {
                let rule = format!(
                    "roles.{role_name}.deny `{}` ({})",
                    pattern.text, pattern.place
                );

                self.note(|| format!("{rule}: denies it, whatever grants it"));
                return Err(Refusal::plain(
                    RefusalKind::NotPermitted,
                    &rule,
                    format!(
                        "role `{role_name}` of `{}` denies `{}`",
                        self.user,
                        name.escape_debug()
                    ),
                ));
            }
        }

        let mut elsewhere = None;
        let mut best: Option<(String, Option<Duration>)> = None;
        for (role_name, role) in self.roles() {
            let Some(pattern) = role.commands.iter().find(|pattern| pattern.matches(name)) else {
                self.note(|| {
                    format!(
                        "roles.{role_name}.commands ({}): does not name it",
                        role.place
                    )
                });

                continue;
            };

            let rule = format!(
                "roles.{role_name}.commands `{}` ({})",
                pattern.text, pattern.place
            );

            if !role.holds_from(self.source) {
                self.note(|| {
                    format!(
                        "{rule}: names it, but roles.{role_name}.sources holds for {} only",
                        listed(&role.sources)
                    )
                });
                elsewhere = Some((role_name, role));
                continue;
            }

            let bound = role
                .max_run_time
                .map(|time| format!(" (for {} at the most)", crate::exit::Human(time)))
                .unwrap_or_default();
            self.note(|| format!("{rule}: names it{bound}"));

            // Of several roles that grant it the most generous counts, the first of equals.
            if best
                .as_ref()
                .is_none_or(|(_, time)| longer(role.max_run_time, *time))
            {
                best = Some((rule, role.max_run_time));
            }
        }

        if let (Some(command), Some((rule, time))) = (self.policy.commands.get(name), best.clone())
        {
            if within(&command.sources, self.source) {
                return Ok((command.clone(), rule, time));
            }
            let rule = format!("commands.{name}.sources ({})", command.place);
            let text = format!(
                "`{name}` may not be run from {}; accepted are {}",
                self.source,
                listed(&command.sources)
            );

            self.note(|| format!("{rule}: {text}"));
            return Err(Refusal::plain(RefusalKind::Source, &rule, text));
        }

        if best.is_some() && !self.policy.commands.contains_key(name) {
            // Whoever may run whatever it is may know that it is not.
            let text = format!("there is no command `{}`", name.escape_debug());
            self.note(|| text.clone());
            return Err(Refusal::plain(
                RefusalKind::NotPermitted,
                "default deny",
                text,
            ));
        }

        // Whether a command exists is told to nobody who may not run it.
        Err(
            match elsewhere.filter(|_| self.policy.commands.contains_key(name)) {
                Some((role_name, role)) => Refusal::plain(
                    RefusalKind::Source,
                    &format!("roles.{role_name}.sources ({})", role.place),
                    format!(
                        "role `{role_name}` does not hold for the address {}; it holds for {}",
                        self.source,
                        listed(&role.sources)
                    ),
                ),
                None => Refusal::plain(
                    RefusalKind::NotPermitted,
                    "default deny",
                    format!(
                        "no role of `{}` grants a command `{}`",
                        self.user,
                        name.escape_debug()
                    ),
                ),
            },
        )
    }

    /// As [`Judge::plan`], with what only a run must have: a reason, a person's consent.
    fn run_plan(&self, invocation: &Invocation) -> Result<(Plan, String), Refusal> {
        let (mut plan, rule) = self.plan(invocation)?;
        let command = plan.command.clone();
        if let Some(form) = &command.reason {
            let rule = format!(
                "commands.{}.require.reason ({})",
                command.name, command.place
            );

            let fits = invocation
                .reason
                .as_ref()
                .is_some_and(|reason| form.regex.is_match(reason));
            if !fits {
                let given = invocation
                    .reason
                    .as_ref()
                    .map_or("none was given".to_owned(), |given| {
                        format!("`{}` does not fit", given.escape_debug())
                    });
                let text = format!(
                    "this command wants a reason of the form {} (--reason); {given}",
                    form.pattern
                );

                self.note(|| format!("{rule}: {text}"));
                return Err(Refusal::plain(RefusalKind::Reason, &rule, text));
            }

            self.note(|| format!("{rule}: the reason fits"));
        }

        if let Some(reason) = &invocation.reason {
            if let Err(why) = super::argument::plain_text(reason, REASON) {
                let rule = format!("commands.{} ({})", command.name, command.place);
                return Err(Refusal::plain(
                    RefusalKind::Reason,
                    &rule,
                    format!("the reason {why}"),
                ));
            }

            plan.reason = Some(reason.clone());
        }

        if command.confirm {
            let rule = format!("commands.{}.confirm ({})", command.name, command.place);
            if !invocation.confirmed {
                let text = "this command wants to be confirmed by a person who has seen its argv";
                self.note(|| format!("{rule}: {text}"));
                return Err(Refusal::plain(RefusalKind::Confirm, &rule, text.into()));
            }

            self.note(|| format!("{rule}: is confirmed"));
        }

        Ok((plan, rule))
    }

    fn right(&self, right: &str) -> Option<String> {
        self.roles()
            .find(|(_, role)| {
                role.holds_from(self.source) && role.verbs.iter().any(|verb| verb == right)
            })
            .map(|(name, role)| format!("roles.{name}.verbs `{right}` ({})", role.place))
    }

    /// The rule by which this user may deal with a run of this owner's. Whether there is none, or
    /// it is another's, reads the same.
    fn run(&self, owner: Option<Arc<str>>, right: &str) -> Result<String, Refusal> {
        match (owner, self.right(right)) {
            (Some(owner), _) if *owner == *self.user => {
                Ok("every user may deal with his own runs".into())
            }
            (Some(_), Some(rule)) => Ok(rule),
            _ => Err(Refusal::plain(
                RefusalKind::NoSuchRun,
                "default deny",
                "there is no such run".into(),
            )),
        }
    }

    /// The command with every argument accepted and every hole filled.
    fn plan(&self, invocation: &Invocation) -> Result<(Plan, String), Refusal> {
        let (command, rule, most) = self.command(&invocation.command)?;
        let refuse = |name: &str, rule: String, text: String| Refusal {
            kind: RefusalKind::Argument,
            argument: Some(name.to_owned()),
            rule,
            text: format!("argument `{}` {text}", name.escape_debug()),
            // A secret in the clear, or under a name that may be a misspelt secret's.
            holds_secret: command.arguments.iter().any(|argument| argument.secret)
                && invocation.arguments.iter().any(|(given, value)| {
                    !matches!(value, crate::request::Value::Secret(_))
                        && command
                            .argument(given)
                            .is_none_or(|(_, argument)| argument.secret)
                }),
        };

        let of_command = format!("commands.{} ({})", command.name, command.place);
        for (position, (name, _)) in invocation.arguments.iter().enumerate() {
            if command.argument(name).is_none() {
                return Err(refuse(
                    name,
                    of_command,
                    format!("is unknown; `{}` takes {}", command.name, names(&command)),
                ));
            }

            if invocation
                .arguments
                .iter()
                .take(position)
                .any(|(earlier, _)| earlier == name)
            {
                return Err(refuse(name, of_command, "is given twice".into()));
            }
        }

        let mut values: Vec<Vec<String>> = Vec::with_capacity(command.arguments.len());
        for argument in &command.arguments {
            let given = invocation
                .arguments
                .iter()
                .find(|(name, _)| *name == argument.name)
                .map(|(_, value)| value);
            let rule = rule_of(&command, &argument.name, &argument.place);
            match argument.accept(given) {
                Ok(accepted) => {
                    self.note(|| {
                        format!(
                            "{rule}: {}",
                            if given.is_some() {
                                "accepts what was given"
                            } else {
                                "nothing was given, and nothing must be"
                            }
                        )
                    });

                    values.push(accepted);
                }

                Err(text) => {
                    self.note(|| format!("{rule}: {text}"));
                    return Err(refuse(&argument.name, rule, text));
                }
            }
        }

        let terminal = command
            .pty
            .then(|| known_terminal(invocation.terminal.as_ref()));
        let timeout = [command.timeout, most].into_iter().flatten().min();
        Ok((
            Plan {
                terminal,
                timeout,
                ..fill(command, values)
            },
            rule,
        ))
    }
}

/// Bytes of a reason.
const REASON: usize = 256;

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
    let kind = asked
        .map(|terminal| terminal.kind.as_str())
        .filter(|kind| TERMINALS.contains(kind))
        .unwrap_or("dumb");
    Terminal {
        kind: kind.into(),
        size: asked.map_or((80, 24), |terminal| terminal.size),
    }
}

fn rule_of(command: &Command, argument: &str, place: &Place) -> String {
    format!("commands.{}.args.{argument} ({place})", command.name)
}

fn names(command: &Command) -> String {
    if command.arguments.is_empty() {
        return "no arguments".into();
    }
    command
        .arguments
        .iter()
        .map(|argument| argument.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn listed(networks: &[Network]) -> String {
    networks
        .iter()
        .map(Network::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Fills template and environment with accepted values; paths get their names or descriptors here.
fn fill(command: Arc<Command>, mut values: Vec<Vec<String>>) -> Plan {
    let mut opens = Vec::new();
    let mut next_descriptor = 3;
    for (argument, values) in command.arguments.iter().zip(&mut values) {
        let Kind::Path { beneath, pass } = &argument.kind else {
            continue;
        };
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

            opens.push(Opened {
                argument: argument.name.clone(),
                beneath: beneath.clone(),
                relative,
                descriptor,
            });
        }
    }

    let masked: Vec<Vec<String>> = command
        .arguments
        .iter()
        .zip(&values)
        .map(|(argument, values)| {
            if argument.secret {
                vec!["***".to_owned(); values.len()]
            } else {
                values.clone()
            }
        })
        .collect();
    let argv = command
        .template
        .fill(|index| values.get(index).map(Vec::as_slice).unwrap_or_default());
    let shown = command
        .template
        .fill(|index| masked.get(index).map(Vec::as_slice).unwrap_or_default());
    let environment = command
        .environment
        .iter()
        .filter_map(|(name, word)| {
            let filled =
                word.fill(|index| values.get(index).map(Vec::as_slice).unwrap_or_default());
            (!filled.is_empty()).then(|| (name.clone(), filled.join(" ")))
        })
        .collect();
    let timeout = command.timeout;
    Plan {
        argv,
        shown,
        environment,
        opens,
        command,
        terminal: None,
        timeout,
        reason: None,
    }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
