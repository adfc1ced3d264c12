//! The words after COMMAND: by position, `--name value`, `--name=value`, flags; assigned with the
//! command's description at hand, because only that says which name is a flag and which argument is
//! secret.

use crate::limits::ARGUMENTS;
use crate::verb::{ArgumentView, CommandView, Value};
use std::collections::VecDeque;
use std::fmt;

/// A word or two, before it is known what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spoken {
    /// A word that is given by its position.
    Word(String),
    /// `--name=value`.
    Pair(String, String),
    /// `--name`, the value (if any) to follow.
    Name(String),
}

/// What an argument got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// The value that was given.
    Value(Value),
    /// A secret to be read from a file; `-` is standard input.
    SecretFrom(String),
}

/// Words that cannot be assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordFault {
    /// The argument.
    pub argument: String,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for WordFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.starts_with("is one too many") {
            true => write!(
                out,
                "the word `{}` {}",
                self.argument.escape_debug(),
                self.text
            ),
            false => write!(
                out,
                "argument `{}` {}",
                self.argument.escape_debug(),
                self.text
            ),
        }
    }
}

/// Splits words into names and values; `--` ends names.
pub fn speak(words: &[String]) -> Vec<Spoken> {
    let mut spoken = Vec::new();
    let mut words = words.iter();
    for word in words.by_ref() {
        match word.strip_prefix("--") {
            Some("") => break,
            Some(rest) => spoken.push(match rest.split_once('=') {
                Some((name, value)) => Spoken::Pair(name.to_owned(), value.to_owned()),
                None => Spoken::Name(rest.to_owned()),
            }),
            None => spoken.push(Spoken::Word(word.clone())),
        }
    }

    spoken.extend(words.map(|word| Spoken::Word(word.clone())));
    spoken
}

/// Gives every word to its argument. An unknown name is passed on: the server refuses it by name,
/// and records it.
///
/// # Errors
/// A value too many, a name without its value, an argument given twice, a secret in the clear.
pub fn assign(
    spoken: Vec<Spoken>,
    command: &CommandView,
) -> Result<Vec<(String, Given)>, WordFault> {
    let fault = |argument: &str, text: &str| WordFault {
        argument: argument.to_owned(),
        text: text.to_owned(),
    };
    let mut given: Vec<(String, Given)> = Vec::new();
    let mut words = Vec::new();
    let mut spoken = spoken.into_iter().peekable();
    while let Some(next) = spoken.next() {
        let (name, value) = match next {
            Spoken::Word(word) => {
                words.push(word);
                continue;
            }
            Spoken::Pair(name, value) => (name, Some(value)),
            Spoken::Name(name) => {
                let known = command
                    .arguments
                    .iter()
                    .find(|argument| argument.name == name);
                let value = match known {
                    Some(argument) if argument.kind == "flag" => None,
                    _ => match spoken.next_if(|next| matches!(next, Spoken::Word(_))) {
                        Some(Spoken::Word(word)) => Some(word),
                        _ if let Some(argument) = known => {
                            return Err(fault(
                                &name,
                                &format!("has no value; it takes {}", taken(argument)),
                            ));
                        }
                        // Unknown: what it would have taken is not known either.
                        _ => Some(String::new()),
                    },
                };
                (name, value)
            }
        };
        give(&mut given, &name, value, command)?;
        if given.len() > ARGUMENTS {
            let text = format!(
                "is one too many: a request has at most {ARGUMENTS} arguments; usage: {}",
                command.usage
            );
            return Err(fault(&name, &text));
        }
    }
    for (argument, values) in by_position(words, &given, command)? {
        for value in values {
            give(&mut given, &argument, Some(value), command)?;
        }
    }
    Ok(given)
}

/// What an argument takes, in words.
fn taken(argument: &ArgumentView) -> String {
    match argument.bounds.as_str() {
        "" => argument.kind.clone(),
        bounds => format!("{} ({bounds})", argument.kind),
    }
}

/// Distributes words over the positions that no name has filled. With fewer words than positions,
/// those that may be left out are passed over, so that the ones that must be given get theirs.
fn by_position(
    words: Vec<String>,
    given: &[(String, Given)],
    command: &CommandView,
) -> Result<Vec<(String, Vec<String>)>, WordFault> {
    let free: Vec<&ArgumentView> = command
        .arguments
        .iter()
        .filter(|argument| {
            argument.positional && !given.iter().any(|(name, _)| *name == argument.name)
        })
        .collect();
    let mut required = free.iter().filter(|argument| argument.required).count();
    let mut words = VecDeque::from(words);
    let mut assigned = Vec::new();
    for argument in free {
        required -= usize::from(argument.required);
        let spare = words.len().saturating_sub(required);
        let take = match (argument.repeated, argument.required) {
            (true, _) => spare,
            (false, true) => 1,
            (false, false) => spare.min(1),
        };
        let values: Vec<String> = words.drain(..take.min(words.len())).collect();
        if !values.is_empty() {
            assigned.push((argument.name.clone(), values));
        }
    }
    match words.front() {
        None => Ok(assigned),
        Some(word) => Err(WordFault {
            argument: word.clone(),
            text: format!("is one too many; usage: {}", command.usage),
        }),
    }
}

/// Puts a value to its argument.
fn give(
    given: &mut Vec<(String, Given)>,
    name: &str,
    value: Option<String>,
    command: &CommandView,
) -> Result<(), WordFault> {
    let fault = |text: &str| WordFault {
        argument: name.to_owned(),
        text: text.to_owned(),
    };
    let value = match (
        command
            .arguments
            .iter()
            .find(|argument| argument.name == name),
        value,
    ) {
        (Some(argument), Some(value)) if argument.secret => match value.strip_prefix('@') {
            Some(file) if !file.is_empty() => Given::SecretFrom(file.to_owned()),
            _ => {
                return Err(fault(
                    "is secret and would be seen by others in ps; leave it out to be asked, or use @FILE or @-",
                ));
            }
        },
        (Some(argument), Some(value)) if argument.kind == "flag" => match value.as_str() {
            "true" => Given::Value(Value::Flag(true)),
            "false" => Given::Value(Value::Flag(false)),
            _ => return Err(fault("is a flag and takes no value")),
        },
        (Some(argument), Some(value)) if argument.repeated => {
            if let Some((_, Given::Value(Value::Many(values)))) =
                given.iter_mut().find(|(known, _)| known == name)
            {
                values.push(value);
                return Ok(());
            }
            Given::Value(Value::Many(vec![value]))
        }
        (_, Some(value)) => Given::Value(Value::Text(value)),
        (_, None) => Given::Value(Value::Flag(true)),
    };
    if given.iter().any(|(known, _)| known == name) {
        return Err(fault("is given twice"));
    }
    given.push((name.to_owned(), value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> CommandView {
        let argument = |name: &str, kind: &str, positional: bool, repeated, secret| ArgumentView {
            name: name.into(),
            kind: kind.into(),
            bounds: String::new(),
            choices: vec![],
            required: positional && name != "lines",
            default: None,
            repeated,
            secret,
            positional,
            summary: String::new(),
        };

        CommandView {
            name: "c".into(),
            summary: String::new(),
            usage: "c A FILES…".into(),
            arguments: vec![
                argument("lines", "integer", true, false, false),
                argument("a", "string", true, false, false),
                argument("files", "path", true, true, false),
                argument("force", "flag", false, false, false),
                argument("token", "string", false, false, true),
            ],
            stdin: false,
            stdin_max: None,
            timeout_ms: None,
            confirm: false,
            approval_by: None,
            approval_needed: None,
            record: None,
            outlives_client: false,
            terminal: false,
            reason: None,
        }
    }

    fn assigned(words: &[&str]) -> Result<Vec<(String, Given)>, WordFault> {
        assign(
            speak(&words.iter().map(ToString::to_string).collect::<Vec<_>>()),
            &view(),
        )
    }

    fn text(text: &str) -> Given {
        Given::Value(Value::Text(text.into()))
    }

    fn many(values: &[&str]) -> Given {
        Given::Value(Value::Many(
            values.iter().map(ToString::to_string).collect(),
        ))
    }

    #[test]
    fn words_find_their_arguments() {
        let named = |list: &[(&str, Given)]| {
            Ok(list
                .iter()
                .map(|(name, given)| ((*name).to_owned(), given.clone()))
                .collect::<Vec<_>>())
        };

        assert_eq!(
            assigned(&["x", "f"]),
            named(&[("a", text("x")), ("files", many(&["f"]))]),
            "the optional first position is passed over"
        );

        assert_eq!(
            assigned(&["5", "x", "f"]),
            named(&[
                ("lines", text("5")),
                ("a", text("x")),
                ("files", many(&["f"]))
            ])
        );

        assert_eq!(
            assigned(&["5", "x", "f", "g"]),
            named(&[
                ("lines", text("5")),
                ("a", text("x")),
                ("files", many(&["f", "g"]))
            ])
        );

        assert_eq!(
            assigned(&["--a=x", "f"]),
            named(&[("a", text("x")), ("files", many(&["f"]))])
        );

        assert_eq!(
            assigned(&["--force", "x"]),
            named(&[("force", Given::Value(Value::Flag(true))), ("a", text("x"))])
        );

        assert_eq!(
            assigned(&["--a", "x", "--token", "@f"]),
            named(&[("a", text("x")), ("token", Given::SecretFrom("f".into()))])
        );

        assert_eq!(assigned(&["--", "--a"]), named(&[("a", text("--a"))]));
        assert_eq!(
            assigned(&["-x"]),
            named(&[("a", text("-x"))]),
            "the server refuses it by name"
        );

        assert_eq!(assigned(&["--bogus", "v"]), named(&[("bogus", text("v"))]));
        assert_eq!(
            assigned(&["--files=f", "--files", "g"]),
            named(&[("files", many(&["f", "g"]))])
        );
    }

    #[test]
    fn words_that_find_none() {
        for (words, argument) in [
            (&["--a"][..], "a"),
            (&["1", "--files=x", "--lines=2", "3"], "3"),
            (&["--a=1", "--a=2"], "a"),
            (&["--token", "hunter2"], "token"),
            (&["--token=hunter2"], "token"),
            (&["--force=maybe"], "force"),
        ] {
            let fault = assigned(words).unwrap_err();
            assert_eq!(fault.argument, argument, "{words:?}");
            assert!(!fault.text.contains("hunter2"));
        }
    }
}
