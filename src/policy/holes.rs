//! What of an argv the client has signed, word by word, so that the trail can be compared with the
//! signed text without the configuration.

use super::Kind;
use super::command::Command;
use crate::verb::{Arguments, Value};

/// For each word that is shown: the word with `{name}` where the signed value of an argument stands,
/// braces of its own doubled; empty where nothing of the word was signed. No words at all when that
/// holds for every one.
pub(super) fn holes(
    command: &Command,
    shown_values: &[Vec<String>],
    given: &Arguments,
    shown: &[String],
) -> Vec<String> {
    let stand_ins: Vec<Vec<String>> = command
        .arguments
        .iter()
        .zip(shown_values)
        .map(|(argument, values)| {
            let value = given.iter().find(|(name, _)| *name == argument.name);
            let stand_in = |(position, shown): (usize, &String)| match value {
                Some((name, value)) => {
                    let below = matches!(argument.kind, Kind::Path { .. });
                    stand_in(name, signed(value, position), shown, below)
                }
                None => doubled(shown),
            };
            values.iter().enumerate().map(stand_in).collect()
        })
        .collect();

    let mut words = command.template.filled(
        |index| stand_ins.get(index).map(Vec::as_slice).unwrap_or_default(),
        doubled,
    );
    for (word, shown) in words.iter_mut().zip(shown) {
        if *word == doubled(shown) {
            word.clear();
        }
    }
    if words.iter().all(String::is_empty) {
        words.clear();
    }
    words
}

/// What was signed of a value.
enum Signed {
    /// Its text.
    Text(String),
    /// That it is there: a flag, or a secret.
    Presence,
    /// Nothing: it is the configuration's.
    Nothing,
}

fn signed(value: &Value, position: usize) -> Signed {
    match value {
        Value::Text(text) => Signed::Text(text.clone()),
        Value::Integer(number) => Signed::Text(number.to_string()),
        Value::Many(values) => values
            .get(position)
            .map_or(Signed::Nothing, |text| Signed::Text(text.clone())),
        Value::Flag(_) | Value::Secret(_) => Signed::Presence,
        Value::Commitment(_) | Value::Misfit(_) | Value::TooMany(_) => Signed::Nothing,
    }
}

/// What stands in the place of a value: a value that is not shown as it was signed (an address in
/// another spelling, a path that became a descriptor, a word that stands for another, a time) counts
/// as the configuration's. A path is shown behind the folder that it lies beneath.
fn stand_in(name: &str, signed: Signed, shown: &str, below: bool) -> String {
    match signed {
        Signed::Presence => format!("{{{name}}}"),
        Signed::Text(text) if text == shown => format!("{{{name}}}"),
        Signed::Text(text) if below && !text.is_empty() => shown.strip_suffix(&*text).map_or_else(
            || doubled(shown),
            |folder| format!("{}{{{name}}}", doubled(folder)),
        ),
        Signed::Text(_) | Signed::Nothing => doubled(shown),
    }
}

/// Text as it stands in a word with holes.
fn doubled(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}
