//! Judging: the roles, commands and arguments that a decision looks at, with notes of each where
//! somebody wants to know why.

use super::Network;
use super::model::{Command, Policy, Role, within};
use super::plan::{Plan, fill, known_terminal};
use super::verdict::{Refusal, RefusalKind};
use crate::ids::RunId;
use crate::place::Place;
use crate::source::Source;
use crate::verb::{Invocation, Value};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

/// A policy with the user who asks it.
pub struct Judge<'p> {
    policy: &'p Policy,
    user: &'p str,
    source: &'p Source,
    /// Whose a run is.
    owner: &'p dyn Fn(RunId) -> Option<Arc<str>>,
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

impl<'p> Judge<'p> {
    pub(super) fn of(
        policy: &'p Policy,
        user: &'p str,
        source: &'p Source,
        owner: &'p dyn Fn(RunId) -> Option<Arc<str>>,
    ) -> Self {
        Self {
            policy,
            user,
            source,
            owner,
            considered: None,
        }
    }

    /// The same judge, who notes everything that is looked at.
    pub(super) fn taking_notes(mut self) -> Self {
        self.considered = Some(RefCell::default());
        self
    }

    /// What was looked at, in order.
    pub(super) fn considered(self) -> Vec<String> {
        self.considered.map(RefCell::into_inner).unwrap_or_default()
    }

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
    pub(super) fn command(
        &self,
        name: &str,
    ) -> Result<(Arc<Command>, String, Option<Duration>), Refusal> {
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
    pub(super) fn run_plan(&self, invocation: &Invocation) -> Result<(Plan, String), Refusal> {
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

    pub(super) fn right(&self, right: &str) -> Option<String> {
        self.roles()
            .find(|(_, role)| {
                role.holds_from(self.source) && role.verbs.iter().any(|verb| verb == right)
            })
            .map(|(name, role)| format!("roles.{name}.verbs `{right}` ({})", role.place))
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

    /// The command with every argument accepted and every hole filled.
    pub(super) fn plan(&self, invocation: &Invocation) -> Result<(Plan, String), Refusal> {
        let (command, rule, most) = self.command(&invocation.command)?;
        let refuse = |name: &str, rule: String, text: String| Refusal {
            kind: RefusalKind::Argument,
            argument: Some(name.to_owned()),
            rule,
            text: format!("argument `{}` {text}", name.escape_debug()),
            // A secret in the clear, or under a name that may be a misspelt secret's.
            holds_secret: command.arguments.iter().any(|argument| argument.secret)
                && invocation.arguments.iter().any(|(given, value)| {
                    !matches!(value, Value::Secret(_))
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
