//! Whether an invocation fits its command: its arguments, and what only a run must have.

use super::Judge;
use crate::limits;
use crate::policy::Argument;
use crate::policy::command::{Command, OnDisconnect};
use crate::policy::model::Kind;
use crate::policy::plan::{Plan, fill, known_terminal};
use crate::policy::text::plain_text;
use crate::policy::verdict::{Refusal, RefusalKind};
use crate::verb::{Invocation, Value};
use std::sync::Arc;

impl Judge<'_> {
    /// The plan of a run: what [`Judge::plan`] makes, where also that is there which only a run
    /// must have, a reason and a person's consent.
    pub(in crate::policy) fn run_plan(
        &self,
        invocation: &Invocation,
    ) -> Result<(Plan, String), Refusal> {
        let (mut plan, rule) = self.plan(invocation)?;
        let command = plan.command.clone();
        self.consent(&command, invocation.reason.as_deref(), invocation.confirmed)?;
        plan.reason.clone_from(&invocation.reason);
        plan.unattended = self.unattended(&command, invocation)?;
        if let Some(approval) = &command.approval {
            self.note(|| {
                format!(
                    "{}.approval ({}): waits until {} with the role `{}` have agreed",
                    command.key(),
                    command.place,
                    approval.needed,
                    approval.by
                )
            });
        }
        Ok((plan, rule))
    }

    /// Whether the run begins by itself, also while its client is away, which only one may that
    /// goes on without it.
    fn unattended(&self, command: &Command, invocation: &Invocation) -> Result<bool, Refusal> {
        if invocation.unattended && command.on_disconnect != OnDisconnect::Continue {
            let rule = format!("{}.on_disconnect ({})", command.key(), command.place);
            let text = "this command ends with its client, so it does not begin without one";
            self.note(|| format!("{rule}: {text}"));
            return Err(Refusal::plain(RefusalKind::Argument, &rule, text.into()));
        }
        Ok(invocation.unattended)
    }

    /// Whether there is what only a run must have: a reason that will do, and a person's consent.
    pub(super) fn consent(
        &self,
        command: &Command,
        reason: Option<&str>,
        confirmed: bool,
    ) -> Result<(), Refusal> {
        self.reason(command, reason)?;
        if command.confirm {
            let rule = format!("{}.confirm ({})", command.key(), command.place);
            if !confirmed {
                let text = match Kind::of(&command.name) {
                    Kind::Commands => {
                        "this command wants to be confirmed by a person who has seen its argv"
                    }
                    Kind::Files => "this root wants transfers to be confirmed by a person",
                };
                self.note(|| format!("{rule}: {text}"));
                return Err(Refusal::plain(RefusalKind::Confirm, &rule, text.into()));
            }

            self.note(|| format!("{rule}: is confirmed"));
        }
        Ok(())
    }

    /// Whether the reason that was given, or was not, will do.
    fn reason(&self, command: &Command, reason: Option<&str>) -> Result<(), Refusal> {
        if let Some(form) = &command.reason {
            let rule = format!("{}.require.reason ({})", command.key(), command.place);
            if !reason.is_some_and(|reason| form.regex.is_match(reason)) {
                let given = reason.map_or("none was given".to_owned(), |given| {
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

        if let Some(given) = reason
            && let Err(why) = plain_text(given, limits::REASON)
        {
            let rule = format!("{} ({})", command.key(), command.place);
            let text = format!("the reason {why}");
            return Err(Refusal::plain(RefusalKind::Reason, &rule, text));
        }
        Ok(())
    }

    /// The command with every argument accepted and every hole filled.
    pub(in crate::policy) fn plan(
        &self,
        invocation: &Invocation,
    ) -> Result<(Plan, String), Refusal> {
        let (command, rule, most) = self.command(&invocation.command)?;
        is_asked_rightly(&command, invocation)?;
        let values = self.accepted(&command, invocation)?;
        let terminal = command
            .pty
            .then(|| known_terminal(invocation.terminal.as_ref(), &self.policy.terminals));
        let timeout = [command.timeout, most].into_iter().flatten().min();
        Ok((
            Plan {
                terminal,
                timeout,
                ..fill(command, values, &invocation.arguments)
            },
            rule,
        ))
    }

    /// The plan of an errand, whatever the roles say.
    pub(in crate::policy) fn errand(
        &self,
        command: &Arc<Command>,
        invocation: &Invocation,
    ) -> Result<Plan, Refusal> {
        let values = self.accepted(command, invocation)?;
        Ok(fill(command.clone(), values, &invocation.arguments))
    }

    /// The values of every argument of the command, in its order.
    fn accepted(
        &self,
        command: &Command,
        invocation: &Invocation,
    ) -> Result<Vec<Vec<String>>, Refusal> {
        let mut values = Vec::with_capacity(command.arguments.len());
        for argument in &command.arguments {
            let given = invocation
                .arguments
                .iter()
                .find(|(name, _)| *name == argument.name)
                .map(|(_, value)| value);
            let rule = rule_of(command, argument);
            match argument.accept(given, self.asked) {
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
                    return Err(refused(command, invocation, &argument.name, rule, &text));
                }
            }
        }
        Ok(values)
    }
}

/// Whether every argument that was given is one of the command's, and is given once.
fn is_asked_rightly(command: &Command, invocation: &Invocation) -> Result<(), Refusal> {
    let refuse = |name: &str, text: &str| {
        let rule = format!("commands.{} ({})", command.name, command.place);
        Err(refused(command, invocation, name, rule, text))
    };

    for (position, (name, _)) in invocation.arguments.iter().enumerate() {
        if command.argument(name).is_none() {
            let text = format!("is unknown; `{}` takes {}", command.name, names(command));
            return refuse(name, &text);
        }
        let mut earlier = invocation.arguments.iter().take(position);
        if earlier.any(|(earlier, _)| earlier == name) {
            return refuse(name, "is given twice");
        }
    }
    Ok(())
}

/// The refusal of an argument.
fn refused(
    command: &Command,
    invocation: &Invocation,
    name: &str,
    rule: String,
    text: &str,
) -> Refusal {
    Refusal {
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
    }
}

/// The rule that an argument is, with the definition that it shares with others.
fn rule_of(command: &Command, argument: &Argument) -> String {
    let shared = argument.definition.as_ref();
    let shared = shared.map(|shared| format!(", arguments.{} ({})", shared.name, shared.place));
    format!(
        "commands.{}.args.{} ({}){}",
        command.name,
        argument.name,
        argument.place,
        shared.unwrap_or_default()
    )
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
