//! What an argument's value must be: `type`, and the keys that its kind has.

use super::reader::{Item, Table};
use super::values::{absolute, has, one_of};
use crate::limits;
use crate::policy::{Choices, Form, Kind, Only, Pass, Text, Times, plain_text};

const KINDS: &str = "\"choice\", \"integer\", \"string\", \"flag\", \"path\", \"hostname\", \"ip\", \"cidr\", \"time\"";

/// The keys that some kinds have.
const KEYS: &[&str] = &[
    "beneath", "choices", "form", "max", "min", "only", "pass", "pattern", "word",
];

/// `type`, with the keys that its kind has. Where it is not said, every key that some kind has is
/// taken for known.
pub fn kind(table: &Table<'_>) -> Option<Kind> {
    let Some(item) = table.item("type") else {
        if !table.has_near("type") {
            table.fault(format!("`type` is missing; accepted are {KINDS}"));
        }
        for key in KEYS {
            table.item(key);
        }
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
        "time" => time(table),
        other => {
            item.fault(format!(
                "found \"{}\"; accepted are {KINDS}",
                other.escape_debug()
            ));
            None
        }
    }
}

/// Keys that their kind cannot do without are not there.
fn missing(table: &Table<'_>, keys: &[&str], accepted: &str) -> Option<Kind> {
    if !keys.iter().any(|key| table.meant(key)) {
        let keys = keys.join(" and ");
        table.fault(format!("`{keys}` is missing; accepted is {accepted}"));
    }
    None
}

/// A list of words, or a table of words with what the command gets for each.
fn choice(table: &Table<'_>) -> Option<Kind> {
    let Some(item) = table.item("choices") else {
        let accepted = "a list of strings, or a table of words with their values";
        return missing(table, &["choices"], accepted);
    };

    let choices = match item.is_table() {
        true => pairs(&item.table()?),
        false => Choices::of_words(item.list()?.iter().filter_map(Item::text)),
    };
    if choices.is_empty() {
        table.fault("`choices` is empty");
    }
    let dashes = table.item("allow_dash").and_then(|item| item.as_flag()) == Some(true);
    for (word, value) in choices.pairs().filter(|_| !dashes) {
        let must = "which allow_dash = true must permit";
        if word.starts_with('-') {
            let word = word.escape_debug();
            table.fault(format!("the choice `{word}` starts with `-`, {must}"));
        } else if value.starts_with('-') {
            let (word, value) = (word.escape_debug(), value.escape_debug());
            table.fault(format!(
                "the choice `{word}` becomes `{value}`, which starts with `-`, {must}"
            ));
        }
    }

    Some(Kind::Choice(choices))
}

/// Words that users type, with the values that the command gets.
fn pairs(table: &Table<'_>) -> Choices {
    let pair = |(word, item): (String, Item<'_>)| {
        let typed = match word.as_str() {
            "" => Err("is empty, and a word must be typed".to_owned()),
            word => plain_text(word, limits::ARGUMENT),
        };
        if let Err(why) = typed {
            item.fault(format!("the word {why}"));
        }
        let value = item.parsed(|value| match value.contains('\0') {
            true => Err("has a NUL character, which no argument can hold".into()),
            false => Ok(value.to_owned()),
        })?;
        Some((word, value))
    };
    Choices::of_pairs(table.named().into_iter().filter_map(pair).collect())
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

        _ if has(table, "min") && has(table, "max") => None,
        _ => missing(table, &["min", "max"], "a whole number for each"),
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
            &["pattern"],
            "a regular expression that matches the whole value, such as '[a-z0-9-]+'",
        );
    };

    pattern
        .parsed(|text| Text::new(text, max).map_err(|why| format!("is no usable pattern: {why}")))
        .map(Kind::Text)
}

fn flag(table: &Table<'_>) -> Option<Kind> {
    let Some(word) = table.item("word") else {
        return missing(
            table,
            &["word"],
            "what the flag becomes, such as \"--force\"",
        );
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
        return missing(table, &["beneath"], "the absolute path of a folder");
    };

    let pass = table.item("pass").map_or(Some(Pass::Name), |item| {
        one_of(&item, &[("name", Pass::Name), ("fd", Pass::Descriptor)])
    });
    let only = table.item("only").map(|item| {
        let words = [Only::File, Only::Folder].map(|only| (only.word(), only));
        one_of(&item, &words)
    });

    Some(Kind::Path {
        beneath: beneath.parsed(absolute)?,
        pass: pass?,
        only: match only {
            Some(read) => Some(read?),
            None => None,
        },
    })
}

/// A point in time between two others, and the form in which the command gets it.
fn time(table: &Table<'_>) -> Option<Kind> {
    let bound = |key: &'static str| {
        let read = |text: &str| {
            text.parse()
                .map_err(|why| format!("`{}` {why}", text.escape_debug()))
        };
        table.item(key).map(|item| item.parsed(read))
    };
    let forms = [
        ("rfc3339", Form::Rfc3339),
        ("unix", Form::Unix),
        ("journal", Form::Journal),
    ];

    let (min, max) = (bound("min"), bound("max"));
    let form = table
        .item("form")
        .map_or(Some(Form::Rfc3339), |item| one_of(&item, &forms));
    if matches!(min, Some(None)) || matches!(max, Some(None)) {
        return None;
    }
    let times = Times {
        min: min.flatten(),
        max: max.flatten(),
        form: form?,
    };
    if times.is_empty() {
        table.fault("`min` is later than `max`");
        return None;
    }
    Some(Kind::Time(times))
}
