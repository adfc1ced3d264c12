//! Whether a user may run a command: what a role denies, what one grants, and for where.

use super::{Judge, listed};
use crate::policy::command::Command;
use crate::policy::member::Held;
use crate::policy::model::{Kind, Pattern, within};
use crate::policy::verdict::{Refusal, RefusalKind};
use std::sync::Arc;
use std::time::Duration;

/// What the user's roles say of a command.
struct Granted<'j> {
    /// The rule that grants it, and how long the role lets it run.
    best: Option<(String, Option<Duration>)>,
    /// A role that grants it to other addresses.
    elsewhere: Option<Held<'j>>,
    /// A role that grants it from here at other times, and why not now.
    later: Option<(Held<'j>, String)>,
}

impl Judge<'_> {
    /// The command, if a role of the user grants it and none denies it, with the rule that does,
    /// and how long that role lets it run.
    pub(in crate::policy) fn command(
        &self,
        name: &str,
    ) -> Result<(Arc<Command>, String, Option<Duration>), Refusal> {
        self.thing(Kind::Commands, name)
    }

    /// The command or the transfer of this name, by the same rules.
    pub(super) fn thing(
        &self,
        kind: Kind,
        name: &str,
    ) -> Result<(Arc<Command>, String, Option<Duration>), Refusal> {
        if Kind::of(name) != kind {
            // No command's name has a colon, and no root's.
            return Err(self.granted_by_nobody(kind, name));
        }
        self.not_denied(name)?;
        let Granted {
            best,
            elsewhere,
            later,
        } = self.granted(kind, name);
        let refuse = |kind, rule: &str, text| Err(Refusal::plain(kind, rule, text));
        match (self.policy.declared(name), best, later, elsewhere) {
            (Some(command), Some((rule, time)), ..) => {
                self.command_here(command)?;
                Ok((command.clone(), rule, time))
            }

            // Whoever may run whatever it is may know that it is not.
            (None, Some(_), ..) => {
                let shown = name.escape_debug();
                let text = match kind {
                    Kind::Commands => format!("there is no command `{shown}`"),
                    Kind::Files => format!("there is no root that allows `{shown}`"),
                };
                self.note(|| text.clone());
                refuse(RefusalKind::NotPermitted, "default deny", text)
            }

            // Whether a command exists is told to nobody who may not run it.
            (Some(_), None, Some((held, why)), _) => refuse(
                RefusalKind::Hours,
                &rule_of(&held, "when"),
                format!("roles.{} {why}", held.name),
            ),
            (Some(_), None, None, Some(held)) => refuse(
                RefusalKind::Source,
                &rule_of(&held, "sources"),
                format!(
                    "role `{}` does not hold for the address {}; it holds for {}",
                    held.name,
                    self.source,
                    listed(&held.role.sources)
                ),
            ),
            _ => Err(self.granted_by_nobody(kind, name)),
        }
    }

    /// The refusal of what no role grants, whether it is there or not.
    fn granted_by_nobody(&self, kind: Kind, name: &str) -> Refusal {
        let what = match kind {
            Kind::Commands => "a command ",
            Kind::Files => "",
        };
        let text = format!(
            "no role of `{}` grants {what}`{}`",
            self.user,
            name.escape_debug()
        );
        Refusal::plain(RefusalKind::NotPermitted, "default deny", text)
    }

    /// What is denied is denied everywhere and always: a role that holds for some addresses or hours
    /// only takes away at all of them.
    fn not_denied(&self, name: &str) -> Result<(), Refusal> {
        for held in self.roles() {
            let role_name = held.name;
            if let Some(pattern) = held.role.denies(name) {
                let rule = rule_by(&held, "deny", pattern);

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
        Ok(())
    }

    /// The role that counts: of several that grant the command the most generous one, the first of
    /// equals.
    fn granted(&self, kind: Kind, name: &str) -> Granted<'_> {
        let mut granted = Granted {
            best: None,
            elsewhere: None,
            later: None,
        };
        for held in self.roles() {
            let (role_name, role) = (held.name, held.role);
            let Some(pattern) = role.grants(name) else {
                self.note(|| {
                    let rule = rule_of(&held, kind.key());
                    format!("{rule}: does not name it")
                });
                continue;
            };

            let rule = rule_by(&held, kind.key(), pattern);
            if !role.holds_from(self.source) {
                self.note(|| {
                    format!(
                        "{rule}: names it, but roles.{role_name}.sources holds for {} only",
                        listed(&role.sources)
                    )
                });
                granted.elsewhere = Some(held);
                continue;
            }
            if let Some(why) = role.out_of_hours(self.now) {
                self.note(|| format!("{rule}: names it, but roles.{role_name} {why}"));
                granted.later = Some((held, why));
                continue;
            }

            let bound = role
                .max_run_time
                .map(|time| format!(" (for {} at the most)", crate::exit::Human(time)))
                .unwrap_or_default();
            self.note(|| format!("{rule}: names it{bound}"));
            let best = granted.best.as_ref();
            if best.is_none_or(|(_, time)| longer(role.max_run_time, *time)) {
                granted.best = Some((rule, role.max_run_time));
            }
        }
        granted
    }

    /// Whether the command may be run from here.
    fn command_here(&self, command: &Command) -> Result<(), Refusal> {
        if within(&command.sources, self.source) {
            return Ok(());
        }

        let name = &command.name;
        let rule = format!("{}.sources ({})", command.key(), command.place);
        let text = format!(
            "`{name}` may not be run from {}; accepted are {}",
            self.source,
            listed(&command.sources)
        );
        self.note(|| format!("{rule}: {text}"));
        Err(Refusal::plain(RefusalKind::Source, &rule, text))
    }
}

/// A key of a role, where it stands, and the group that gives the role.
fn rule_of(held: &Held<'_>, key: &str) -> String {
    let (name, place) = (held.name, &held.role.place);
    format!("roles.{name}.{key} ({place}){}", held.by_group())
}

/// A pattern among a role's, where it stands, and the group that gives the role.
fn rule_by(held: &Held<'_>, key: &str, pattern: &Pattern) -> String {
    let Pattern { text, place } = pattern;
    let name = held.name;
    format!("roles.{name}.{key} `{text}` ({place}){}", held.by_group())
}

/// How long a run may take; `None` is without bound, and more than any.
fn longer(one: Option<Duration>, other: Option<Duration>) -> bool {
    match (one, other) {
        (None, other) => other.is_some(),
        (Some(_), None) => false,
        (Some(one), Some(other)) => one > other,
    }
}
