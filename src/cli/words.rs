//! The words after COMMAND: by position, `--name value`, `--name=value`, flags; assigned with the command's
//! description at hand, because only that says which name is a flag and which argument is secret.

use crate::protocol::CommandView;
use crate::request::Value;
use std::fmt;

/// A word or two, before it is known what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spoken {
    /// By position.
    Word(String),
    /// `--name=value`.
    Pair(String, String),
    /// `--name`, the value (if any) to follow.
    Name(String),
}

/// What an argument got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Its value.
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
        write!(out, "argument `{}` {}", self.argument.escape_debug(), self.text)
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

/// Gives every word to its argument. An unknown name is passed on: the server refuses it by name, and records it.
///
/// # Errors
/// A value too many, a name without its value, an argument given twice, a secret in the clear.
pub fn assign(spoken: Vec<Spoken>, command: &CommandView) -> Result<Vec<(String, Given)>, WordFault> {
    let fault = |argument: &str, text: &str| WordFault { argument: argument.to_owned(), text: text.to_owned() };
    let mut given: Vec<(String, Given)> = Vec::new();
    let mut positions = command.arguments.iter().filter(|argument| argument.positional);
    let mut last = None;
    let mut spoken = spoken.into_iter().peekable();
    while let Some(next) = spoken.next() {
        let (name, value) = match next {
            Spoken::Word(word) => {
                // A repeated argument takes all words that follow.
                let argument = match last {
                    Some(argument) => argument,
                    None => loop {
                        let argument =
                            positions.next().ok_or_else(|| fault(&word, &format!("is one too many; usage: {}", command.usage)))?;
                        if !given.iter().any(|(name, _)| *name == argument.name) {
                            break argument;
                        }
                    },
                };
                last = argument.repeated.then_some(argument);
                (argument.name.clone(), Some(word))
            }
            Spoken::Pair(name, value) => (name, Some(value)),
            Spoken::Name(name) => {
                let flag = command.arguments.iter().any(|argument| argument.name == name && argument.kind == "flag");
                let follows = if flag { None } else { spoken.next_if(|next| matches!(next, Spoken::Word(_))) };
                let value = match follows {
                    Some(Spoken::Word(word)) => Some(word),
                    _ if flag => None,
                    // Unknown, or known and without its value.
                    _ if command.arguments.iter().any(|argument| argument.name == name) => return Err(fault(&name, "has no value")),
                    _ => Some(String::new()),
                };
                (name, value)
            }
        };
        let known = command.arguments.iter().find(|argument| argument.name == name);
        let value = match (known, value) {
            (Some(argument), Some(value)) if argument.secret => match value.strip_prefix('@') {
                Some(file) if !file.is_empty() => Given::SecretFrom(file.to_owned()),
                _ => return Err(fault(&name, "is secret and would be seen by others in ps; leave it out to be asked, or use @FILE or @-")),
            },
            (Some(argument), Some(value)) if argument.kind == "flag" => match value.as_str() {
                "true" => Given::Value(Value::Flag(true)),
                "false" => Given::Value(Value::Flag(false)),
                _ => return Err(fault(&name, "is a flag and takes no value")),
            },
            (Some(argument), Some(value)) if argument.repeated => {
                if let Some((_, Given::Value(Value::Many(values)))) = given.iter_mut().find(|(known, _)| *known == name) {
                    values.push(value);
                    continue;
                }
                Given::Value(Value::Many(vec![value]))
            }
            (_, Some(value)) => Given::Value(Value::Text(value)),
            (_, None) => Given::Value(Value::Flag(true)),
        };
        if given.iter().any(|(known, _)| *known == name) {
            return Err(fault(&name, "is given twice"));
        }
        given.push((name, value));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ArgumentView;

    fn view() -> CommandView {
        let argument = |name: &str, kind: &str, positional, repeated, secret| ArgumentView {
            name: name.into(),
            kind: kind.into(),
            bounds: String::new(),
            choices: vec![],
            required: true,
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
                argument("a", "string", true, false, false),
                argument("files", "path", true, true, false),
                argument("force", "flag", false, false, false),
                argument("token", "string", false, false, true),
            ],
            stdin: false,
            stdin_max: None,
            timeout_ms: None,
            confirm: false,
        }
    }

    fn assigned(words: &[&str]) -> Result<Vec<(String, Given)>, WordFault> {
        assign(speak(&words.iter().map(ToString::to_string).collect::<Vec<_>>()), &view())
    }

    fn text(text: &str) -> Given {
        Given::Value(Value::Text(text.into()))
    }

    fn many(values: &[&str]) -> Given {
        Given::Value(Value::Many(values.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn words_find_their_arguments() {
        let named = |list: &[(&str, Given)]| Ok(list.iter().map(|(name, given)| ((*name).to_owned(), given.clone())).collect::<Vec<_>>());
        assert_eq!(assigned(&["x", "f", "g"]), named(&[("a", text("x")), ("files", many(&["f", "g"]))]));
        assert_eq!(assigned(&["--a=x", "f"]), named(&[("a", text("x")), ("files", many(&["f"]))]));
        assert_eq!(assigned(&["--force", "x"]), named(&[("force", Given::Value(Value::Flag(true))), ("a", text("x"))]));
        assert_eq!(assigned(&["--a", "x", "--token", "@f"]), named(&[("a", text("x")), ("token", Given::SecretFrom("f".into()))]));
        assert_eq!(assigned(&["--", "--a"]), named(&[("a", text("--a"))]));
        assert_eq!(assigned(&["-x"]), named(&[("a", text("-x"))]), "the server refuses it by name");
        assert_eq!(assigned(&["--bogus", "v"]), named(&[("bogus", text("v"))]));
        assert_eq!(assigned(&["--files=f", "--files", "g"]), named(&[("files", many(&["f", "g"]))]));
    }

    #[test]
    fn words_that_find_none() {
        for (words, argument) in [
            (&["--a"][..], "a"),
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
