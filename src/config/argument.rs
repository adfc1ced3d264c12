//! `[arguments.NAME]` and `[commands.NAME.args.NAME]`: an argument by its own definition, or by one that
//! commands share.

use super::acknowledge::acknowledge;
use super::fault::Faults;
use super::kind::kind;
use super::names::name;
use super::reader::{Item, Table, is_near};
use super::values::has;
use super::warning::{Subject, Warning};
use crate::limits;
use crate::place::Place;
use crate::policy::{Argument, Definition, Kind, Presence};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// The definitions that commands share, by name.
#[derive(Default)]
pub struct Definitions(BTreeMap<String, Defined>);

/// A definition that is there.
pub struct Defined {
    /// `None` where it could not be read, which is told where it stands.
    argument: Option<Argument>,
    place: Place,
    used: Cell<bool>,
}

/// Reads a definition.
pub fn define(name: &str, table: Table<'_>) -> Defined {
    acknowledge(&table, &Subject::named("arguments", name));
    Defined {
        place: table.place.clone(),
        argument: argument(name.to_owned(), table),
        used: Cell::new(false),
    }
}

impl Definitions {
    /// All of them.
    pub fn all(&mut self) -> &mut BTreeMap<String, Defined> {
        &mut self.0
    }

    /// Where one stands.
    pub fn place(defined: &Defined) -> &Place {
        &defined.place
    }

    /// Warns of those that no command uses.
    pub fn judge(&self, faults: &Faults) {
        for (name, defined) in self.0.iter().filter(|(_, defined)| !defined.used.get()) {
            faults.warn(
                (Warning::UnusedArgument, &Subject::named("arguments", name)),
                &defined.place,
                format!("arguments.{name}"),
                "no command uses this definition",
            );
        }
    }

    /// The definition that a command's argument uses, with its name, where there is a sound one.
    fn used(&self, item: &Item<'_>) -> Option<(Argument, Definition)> {
        let name = item.text()?;
        let Some(defined) = self.0.get(&name) else {
            let mut known = self.0.keys();
            let meant = known.find(|known| is_near(&name, known));
            let meant = meant.map(|known| format!("; did you mean `{known}`?"));
            item.fault(format!(
                "there is no `[arguments.{}]`{}",
                name.escape_debug(),
                meant.unwrap_or_default()
            ));
            return None;
        };

        defined.used.set(true);
        let place = defined.place.clone();
        Some((defined.argument.clone()?, Definition { name, place }))
    }
}

/// Reads all arguments of a command.
pub fn arguments(table: &Table<'_>, definitions: &Definitions) -> Vec<Argument> {
    let named = table.named();
    if named.len() > limits::ARGUMENTS {
        table.fault(format!(
            "has {} arguments, {} are allowed",
            named.len(),
            limits::ARGUMENTS
        ));
    }

    named
        .into_iter()
        .map(|(argument, item)| {
            if let Err(why) = name(&argument) {
                item.fault(why);
            }
            match item.table() {
                Some(table) => of_command(&argument, table, definitions),
                None => None,
            }
            .unwrap_or_else(|| unread(argument, item.place))
        })
        .collect()
}

/// An argument of a command: its own, or one that uses a definition and may say otherwise whether it
/// must be given, what stands in for it, and what it is for. What is accepted is the definition's
/// alone.
fn of_command(name: &str, table: Table<'_>, definitions: &Definitions) -> Option<Argument> {
    let Some(item) = table.item("use") else {
        return argument(name.to_owned(), table);
    };
    let (defined, definition) = definitions.used(&item)?;
    let optional = table.item("optional");
    let default = table.item("default");
    let summary = table.text("summary");
    let own_presence = (optional.is_some() || default.is_some()).then(|| {
        let optional = optional.and_then(|item| item.flag()).unwrap_or(false);
        presence(&table, default.as_ref(), optional)
    });

    let read = Argument {
        name: name.to_owned(),
        presence: match own_presence {
            Some(presence) if !matches!(defined.kind, Kind::Flag(_)) => presence,
            _ => defined.presence,
        },
        summary: summary.unwrap_or(defined.summary),
        place: table.place.clone(),
        definition: Some(definition),
        ..defined
    };
    judge_default(&read, default.as_ref());
    table.finish();
    Some(read)
}

/// Reads an argument that is defined here; `None` where its kind is wrong.
fn argument(name: String, table: Table<'_>) -> Option<Argument> {
    let kind = kind(&table);
    let said = has(&table, "type");
    let optional = table.flag("optional").unwrap_or(false);
    let default = table.item("default");
    let presence = presence(&table, default.as_ref(), optional);
    let repeated = repeated(&table);
    let secret = table.flag("secret").unwrap_or(false);
    let allow_dash = table.flag("allow_dash").unwrap_or(false);
    let summary = table.text("summary").unwrap_or_default();

    let Some(kind) = kind else {
        // What is accepted depends on the kind, so which keys are unknown is not known where the
        // kind is wrong.
        if !said {
            table.finish();
        }
        return None;
    };
    let read = Argument {
        name,
        presence: if matches!(kind, Kind::Flag(_)) {
            Presence::Optional
        } else {
            presence
        },
        repeated,
        secret,
        allow_dash,
        summary,
        place: table.place.clone(),
        definition: None,
        kind,
    };

    judge(&read, default.as_ref(), &table);
    table.finish();
    Some(read)
}

/// What stands in for an argument that could not be read, so that its holes are not faults as well.
fn unread(name: String, place: Place) -> Argument {
    Argument {
        name,
        kind: Kind::Hostname,
        presence: Presence::Required,
        repeated: None,
        secret: false,
        allow_dash: false,
        summary: String::new(),
        place,
        definition: None,
    }
}

/// Whether an argument must be given, and what holds where it is not.
fn presence(table: &Table<'_>, default: Option<&Item<'_>>, optional: bool) -> Presence {
    match (default, optional) {
        (Some(_), true) => {
            table.fault(
                "has `optional` and `default`; an argument with a default is optional already",
            );
            Presence::Optional
        }

        (Some(item), false) => Presence::Default(
            item.as_text()
                .map(str::to_owned)
                .or_else(|| {
                    item.integer(i64::MIN..=i64::MAX)
                        .map(|number| number.to_string())
                })
                .unwrap_or_default(),
        ),
        (None, true) => Presence::Optional,
        (None, false) => Presence::Required,
    }
}

/// How many values it may have, if more than one.
fn repeated(table: &Table<'_>) -> Option<usize> {
    let item = table.item("repeated")?;
    match item.as_flag() {
        Some(true) => Some(limits::REPEATS),
        Some(false) => None,
        None => item
            .integer(1..=limits::REPEATS as i64)
            .and_then(|most| usize::try_from(most).ok()),
    }
}

/// What only shows when the argument is seen as a whole.
fn judge(read: &Argument, default: Option<&Item<'_>>, table: &Table<'_>) {
    judge_default(read, default);
    if read.secret && read.repeated.is_some() {
        table.fault("a secret cannot be repeated");
    }
    if read.secret && matches!(read.kind, Kind::Flag(_) | Kind::Path { .. }) {
        table.fault(format!("a {} cannot be secret", read.kind.word()));
    }
}

/// Whether what stands in would be accepted itself.
fn judge_default(read: &Argument, default: Option<&Item<'_>>) {
    let (Presence::Default(text), Some(item)) = (&read.presence, default) else {
        return;
    };
    let judged = match &read.kind {
        // Whether the clock is right is no question of the configuration.
        Kind::Time(times) => times.fits_always(text),
        _ => read.one(text, SystemTime::UNIX_EPOCH).map(drop),
    };
    if let Err(why) = judged {
        item.fault(format!("the default {why}"));
    }
}
