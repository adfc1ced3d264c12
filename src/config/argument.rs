//! `[commands.NAME.args.NAME]`: one argument, its kind, and what its value must be.

use super::names::name;
use super::reader::{Item, Table};
use super::values::{absolute, one_of};
use crate::limits;
use crate::policy::{Argument, Kind, Pass, Presence, Text};

/// Reads all arguments of a command.
pub fn arguments(table: &Table<'_>) -> Vec<Argument> {
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
        .filter_map(|(name, item)| argument(name, item.table()?))
        .collect()
}

fn argument(argument: String, table: Table<'_>) -> Option<Argument> {
    if let Err(why) = name(&argument) {
        table.fault(why);
    }
    // What is accepted depends on the kind; asking for everything keeps one fault from becoming
    // five.
    let kind = kind(&table)?;
    let optional = table.flag("optional").unwrap_or(false);
    let default = table.item("default");
    let presence = presence(&table, default.as_ref(), optional);
    let read = Argument {
        name: argument,
        presence: if matches!(kind, Kind::Flag(_)) {
            Presence::Optional
        } else {
            presence
        },
        repeated: repeated(&table),
        secret: table.flag("secret").unwrap_or(false),
        allow_dash: table.flag("allow_dash").unwrap_or(false),
        summary: table.text("summary").unwrap_or_default(),
        place: table.place.clone(),
        kind,
    };

    judge(&read, default.as_ref(), &table);
    table.finish();
    Some(read)
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
    if let (Presence::Default(text), Some(item)) = (&read.presence, default)
        && let Err(why) = read.one(text)
    {
        item.fault(format!("the default {why}"));
    }
    if read.secret && read.repeated.is_some() {
        table.fault("a secret cannot be repeated");
    }
    if read.secret && matches!(read.kind, Kind::Flag(_) | Kind::Path { .. }) {
        table.fault(format!("a {} cannot be secret", read.kind.word()));
    }
}

const KINDS: &str =
    "\"choice\", \"integer\", \"string\", \"flag\", \"path\", \"hostname\", \"ip\", \"cidr\"";

/// `type`, with the keys that its kind has.
fn kind(table: &Table<'_>) -> Option<Kind> {
    let Some(item) = table.item("type") else {
        table.fault(format!("`type` is missing; accepted are {KINDS}"));
        return None;
    };

    match item.text()?.as_str() {
        "choice" => choice(table),
        "integer" => integer(table),
        "string" => string(table),
        "flag" => flag(table),
        "path" => path(table),
        "hostname" => Some(Kind::Hostname),
        "ip" => Some(Kind::Ip),
        "cidr" => Some(Kind::Cidr),
        other => {
            item.fault(format!(
                "found \"{}\"; accepted are {KINDS}",
                other.escape_debug()
            ));
            None
        }
    }
}

/// A key that its kind cannot do without is not there.
fn missing(table: &Table<'_>, key: &str, accepted: &str) -> Option<Kind> {
    table.fault(format!("`{key}` is missing; accepted is {accepted}"));
    None
}

fn choice(table: &Table<'_>) -> Option<Kind> {
    let Some(choices) = table.texts("choices") else {
        return missing(table, "choices", "a list of strings");
    };

    let choices: Vec<String> = choices.iter().filter_map(Item::text).collect();
    if choices.is_empty() {
        table.fault("`choices` is empty");
    }
    let dashes = table.item("allow_dash").and_then(|item| item.as_flag()) == Some(true);
    for choice in choices
        .iter()
        .filter(|choice| choice.starts_with('-') && !dashes)
    {
        table.fault(format!(
            "the choice `{}` starts with `-`, which allow_dash = true must permit",
            choice.escape_debug()
        ));
    }

    Some(Kind::Choice(choices))
}

fn integer(table: &Table<'_>) -> Option<Kind> {
    let (min, max) = (
        table.integer("min", i64::MIN..=i64::MAX),
        table.integer("max", i64::MIN..=i64::MAX),
    );

    match (min, max) {
        (Some(min), Some(max)) if min <= max => Some(Kind::Integer { min, max }),
        (Some(_), Some(_)) => {
            table.fault("`min` is greater than `max`");
            None
        }

        _ => missing(table, "min and max", "a whole number for each"),
    }
}

fn string(table: &Table<'_>) -> Option<Kind> {
    let max = table
        .integer("max", 1..=limits::ARGUMENT as i64)
        .and_then(|max| usize::try_from(max).ok())
        .unwrap_or(256);
    let Some(pattern) = table.item("pattern") else {
        return missing(
            table,
            "pattern",
            "a regular expression that matches the whole value, such as '[a-z0-9-]+'",
        );
    };

    pattern
        .parsed(|text| Text::new(text, max).map_err(|why| format!("is no usable pattern: {why}")))
        .map(Kind::Text)
}

fn flag(table: &Table<'_>) -> Option<Kind> {
    let Some(word) = table.item("word") else {
        return missing(table, "word", "what the flag becomes, such as \"--force\"");
    };

    word.parsed(|text| {
        if text.is_empty() || text.contains('\0') {
            Err("is empty".into())
        } else {
            Ok(text.to_owned())
        }
    })
    .map(Kind::Flag)
}

fn path(table: &Table<'_>) -> Option<Kind> {
    let Some(beneath) = table.item("beneath") else {
        return missing(table, "beneath", "the absolute path of a folder");
    };

    let pass = table.item("pass").map_or(Some(Pass::Name), |item| {
        one_of(&item, &[("name", Pass::Name), ("fd", Pass::Descriptor)])
    });

    Some(Kind::Path {
        beneath: beneath.parsed(absolute)?,
        pass: pass?,
    })
}
