//! Whether the argv of a record shows the arguments that were signed.

use crate::verb::{Arguments, Value};
use std::collections::BTreeMap;

/// A part of a word with holes.
enum Piece<'w> {
    Text(String),
    Hole(&'w str),
}

/// How many of the signed arguments the argv does not show, where all that it shows was signed.
///
/// # Errors
/// What it shows otherwise, in words.
pub(super) fn compare(
    argv: &[String],
    holes: &[String],
    signed: &Arguments,
) -> Result<u64, String> {
    if !holes.is_empty() && holes.len() != argv.len() {
        let (words, holes) = (argv.len(), holes.len());
        return Err(format!("has {words} words as argv, but {holes} in `holes`"));
    }

    let mut given = Given::of(signed)?;
    for (word, holes) in argv
        .iter()
        .zip(holes)
        .filter(|(_, holes)| !holes.is_empty())
    {
        given.word(word, holes)?;
    }
    given.unshown()
}

/// The arguments that were given, each with the number of holes that it has filled so far.
struct Given<'s>(BTreeMap<&'s str, (&'s Value, usize)>);

impl<'s> Given<'s> {
    fn of(signed: &'s Arguments) -> Result<Self, String> {
        let mut given = BTreeMap::new();
        for (name, value) in signed.iter() {
            if given.insert(name.as_str(), (value, 0)).is_some() {
                let name = name.escape_debug();
                return Err(format!("is granted, but `{name}` was signed twice"));
            }
        }
        // Both are the same as leaving them out.
        given.retain(|_, (value, _)| match value {
            Value::Flag(given) => *given,
            Value::Many(values) => !values.is_empty(),
            _ => true,
        });
        Ok(Self(given))
    }

    /// A word of the argv, and what of it is said to be signed.
    fn word(&mut self, word: &str, holes: &str) -> Result<(), String> {
        let pieces = pieces(holes).ok_or_else(|| {
            let holes = holes.escape_debug();
            format!("has `{holes}` among its `holes`, which is no word with holes")
        })?;
        let mut expected = vec![String::new()];
        for piece in pieces {
            let text = match piece {
                Piece::Text(text) => Some(text),
                Piece::Hole(name) => self.fill(name)?,
            };
            match (text, expected.last_mut()) {
                (Some(text), Some(last)) => last.push_str(&text),
                // What a flag stands for is the configuration's.
                _ => expected.push(String::new()),
            }
        }

        if fits(word, &expected) {
            Ok(())
        } else {
            let (word, expected) = (word.escape_debug(), expected.join("…"));
            let expected = expected.escape_debug();
            Err(format!(
                "has `{word}` in its argv, but `{expected}` was signed"
            ))
        }
    }

    /// The text that stands in a hole: of a repeated argument one value after the other; `None` for
    /// any text.
    fn fill(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some((value, filled)) = self.0.get_mut(name) else {
            let name = name.escape_debug();
            return Err(format!("shows `{name}` in its argv, which was not signed"));
        };
        let position = *filled;
        *filled += 1;
        Ok(match value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Many(values) => position
                .checked_rem(values.len())
                .and_then(|position| values.get(position))
                .cloned(),
            Value::Commitment(_) => Some("***".into()),
            Value::Flag(_) | Value::Secret(_) | Value::Misfit(_) | Value::TooMany(_) => None,
        })
    }

    /// How many are in no hole.
    fn unshown(&self) -> Result<u64, String> {
        let mut unshown = 0;
        for (name, (value, filled)) in &self.0 {
            let values = match value {
                Value::Many(values) => values.len(),
                _ => 1,
            };
            if filled.checked_rem(values).unwrap_or(0) != 0 {
                let name = name.escape_debug();
                return Err(format!("does not show every value of `{name}` in its argv"));
            }
            unshown += u64::from(*filled == 0);
        }
        Ok(unshown)
    }
}

/// Whether a word begins with the first text and ends with the last, with anything between two.
fn fits(word: &str, expected: &[String]) -> bool {
    match expected {
        [whole] => word == whole,
        [first, .., last] => word
            .strip_prefix(first.as_str())
            .is_some_and(|rest| rest.ends_with(last.as_str())),
        [] => false,
    }
}

/// A word with holes in its pieces; `None` where its braces do not fit.
fn pieces(word: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        let (text, from) = rest.split_at_checked(at)?;
        pieces.push(Piece::Text(text.to_owned()));
        rest = if let Some(after) = from.strip_prefix("{{") {
            pieces.push(Piece::Text("{".into()));
            after
        } else if let Some(after) = from.strip_prefix("}}") {
            pieces.push(Piece::Text("}".into()));
            after
        } else {
            let (name, after) = from.strip_prefix('{')?.split_once('}')?;
            pieces.push(Piece::Hole(name));
            after
        };
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Some(pieces)
}

#[cfg(test)]
#[path = "argv_tests.rs"]
mod tests;
