//! What could come next on a command line, from the same definitions as `--help`; for the shells'
//! completions.

use clap::{Arg, ArgAction, Command};

/// Something that could come next, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The word.
    pub word: String,
    /// What the word is for, in a few words.
    pub help: String,
}

/// What is being typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Completing {
    /// What the definitions themselves know.
    pub candidates: Vec<Candidate>,
    /// Whether the name of a file is wanted.
    pub files: bool,
    /// The argument whose value is wanted, by its id; empty when none is.
    pub value: String,
    /// The verb, if one was given.
    pub verb: String,
    /// The values of positional arguments so far, by their ids.
    pub given: Vec<(String, String)>,
    /// Options that hold for every verb, as they were typed.
    pub options: Vec<String>,
    /// The word that is being typed.
    pub partial: String,
}

impl Completing {
    /// The value of a positional argument that was given.
    pub fn given(&self, id: &str) -> Option<&str> {
        self.given
            .iter()
            .find(|(name, _)| name == id)
            .map(|(_, value)| value.as_str())
    }

    /// All the words of an argument that takes the rest of the line.
    pub fn all(&self, id: &str) -> Vec<String> {
        self.given
            .iter()
            .filter(|(name, _)| name == id)
            .map(|(_, value)| value.clone())
            .collect()
    }
}

/// Looks at the words of a command line, the last of which is being typed.
pub fn completing(mut command: Command, words: &[String]) -> Completing {
    command.build();
    let (partial, complete) = words
        .split_last()
        .map_or((String::new(), words), |(last, rest)| (last.clone(), rest));
    let mut found = Completing {
        partial,
        ..Completing::default()
    };

    let mut at = At {
        command: &command,
        positions: 0,
        waiting: None,
    };
    for word in complete {
        at.pass(word, &mut found);
    }

    at.offer(&mut found);
    let partial = found.partial.clone();
    found
        .candidates
        .retain(|candidate| candidate.word.starts_with(&partial));
    found.candidates.sort();
    found.candidates.dedup();
    found
}

/// A place in a command line.
struct At<'c> {
    /// The verb that holds there.
    command: &'c Command,
    /// How many positional words it has had.
    positions: usize,
    /// The option whose value comes next.
    waiting: Option<&'c Arg>,
}

impl<'c> At<'c> {
    /// The positional argument that is next.
    fn next_positional(&self) -> Option<&'c Arg> {
        rest_of_line(self.command, self.positions)
            .or_else(|| self.command.get_positionals().nth(self.positions))
            .or_else(|| repeated(self.command))
    }

    /// Passes a whole word, and notes what it says.
    fn pass(&mut self, word: &str, found: &mut Completing) {
        if let Some(option) = self.waiting.take() {
            note_option(found, option, word);
            return;
        }

        if rest_of_line(self.command, self.positions).is_none()
            && let Some(option) = option(self.command, word)
        {
            note_option(found, option, word);
            self.positions = self.positions.max(usize::from(is_in_place(option)));
            self.waiting = Some(option).filter(|option| {
                takes_value(option) && !(word.starts_with("--") && word.contains('='))
            });
            return;
        }

        if let Some(verb) = self
            .command
            .find_subcommand(word)
            .filter(|_| self.positions == 0)
        {
            found.verb = [found.verb.as_str(), verb.get_name()]
                .join(" ")
                .trim()
                .to_owned();
            self.command = verb;
            return;
        }

        if let Some(argument) = self.next_positional() {
            found
                .given
                .push((argument.get_id().to_string(), word.to_owned()));
        }

        self.positions += 1;
    }

    /// What could stand here.
    fn offer(self, found: &mut Completing) {
        let rest = rest_of_line(self.command, self.positions);
        match self.waiting {
            Some(option) => want(found, option),
            None if rest.is_none() && found.partial.starts_with('-') => {
                found.candidates.extend(options(self.command));
            }

            None if rest.is_none() && self.positions == 0 && self.command.has_subcommands() => {
                found.candidates.extend(verbs(self.command));
            }

            None => {
                if let Some(argument) = self.next_positional() {
                    want(found, argument);
                }
            }
        }
    }
}

/// The options of a verb, by their long names.
fn options(command: &Command) -> impl Iterator<Item = Candidate> {
    command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
        .filter_map(|argument| {
            Some(Candidate {
                word: format!("--{}", argument.get_long()?),
                help: help(argument.get_help()),
            })
        })
}

/// The verbs below a verb.
fn verbs(command: &Command) -> impl Iterator<Item = Candidate> {
    command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| Candidate {
            word: verb.get_name().to_owned(),
            help: help(verb.get_about()),
        })
}

/// The argument that takes every word from here on, whatever it looks like.
fn rest_of_line(at: &Command, positions: usize) -> Option<&Arg> {
    let last = at
        .get_positionals()
        .last()
        .filter(|last| last.is_trailing_var_arg_set())?;
    (positions >= at.get_positionals().count()).then_some(last)
}

/// The positional argument that may be given any number of times.
fn repeated(at: &Command) -> Option<&Arg> {
    let last = at.get_positionals().last()?;
    matches!(last.get_action(), ArgAction::Append).then_some(last)
}

fn takes_value(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
}

fn option<'c>(at: &'c Command, word: &str) -> Option<&'c Arg> {
    match word.strip_prefix("--") {
        Some(long) => {
            let name = long.split('=').next().unwrap_or(long);
            at.get_arguments()
                .find(|argument| argument.get_long() == Some(name))
        }

        None => {
            let short = word.strip_prefix('-')?.chars().next_back()?;
            at.get_arguments()
                .find(|argument| argument.get_short() == Some(short))
        }
    }
}

/// Whether an option stands in the place of a verb's first word.
fn is_in_place(option: &Arg) -> bool {
    option.get_id() == super::listed::BESIDE
}

fn note_option(found: &mut Completing, option: &Arg, word: &str) {
    if option.is_global_set() {
        found.options.push(word.to_owned());
    }
}

/// What an argument's value can be, as far as its definition says.
fn want(found: &mut Completing, argument: &Arg) {
    found.value = argument.get_id().to_string();
    let files = |name: &str| ["FILE", "DIR"].iter().any(|word| name.contains(word));
    found.files = argument
        .get_value_names()
        .is_some_and(|names| names.iter().any(|name| files(name)));
    let possible = argument.get_possible_values();
    found.candidates.extend(possible.iter().map(|value| {
        Candidate {
            word: value.get_name().to_owned(),
            help: value
                .get_help()
                .map(|help| help.to_string())
                .unwrap_or_default(),
        }
    }));
}

fn help(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string)
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> Completing {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        completing(crate::cli::ClientArgs::command(), &words)
    }

    fn words(found: &Completing) -> Vec<&str> {
        found
            .candidates
            .iter()
            .map(|candidate| candidate.word.as_str())
            .collect()
    }

    #[test]
    fn verbs_options_and_values_are_told_apart() {
        assert!(words(&at("")).contains(&"run") && words(&at("")).contains(&"whoami"));
        assert_eq!(words(&at("des")), ["describe"]);
        assert!(
            words(&at("run --")).contains(&"--dry-run") && words(&at("run --")).contains(&"--ca")
        );
        assert_eq!(
            words(&at("--pass")),
            ["--password-file", "--password-stdin"]
        );

        let file = at("--ca ");
        assert!(file.files && file.value == "ca" && file.candidates.is_empty());
        let host = at("--ca x -v run --raw al");
        assert_eq!(
            (
                host.value.as_str(),
                host.verb.as_str(),
                host.partial.as_str()
            ),
            ("host", "run", "al")
        );

        assert_eq!(host.options, ["--ca", "x", "-v"]);
        let listed = at("run --hosts-from ");
        assert!(listed.files && listed.candidates.is_empty());
        assert_eq!(at("run --hosts-from list ").value, "line");
        assert_eq!(at("list --hosts-from=list ").value, "");

        let command = at("run --connect-timeout=3s web1 ");
        assert_eq!(
            (
                command.value.as_str(),
                command.given("host"),
                command.options.as_slice()
            ),
            (
                "line",
                Some("web1"),
                &["--connect-timeout=3s".to_owned()][..]
            )
        );
    }

    #[test]
    fn what_follows_the_command_is_the_commands() {
        let found = at("run web1 deploy --json --target ");
        assert_eq!(
            (found.value.as_str(), found.all("line").as_slice()),
            (
                "line",
                ["deploy", "--json", "--target"]
                    .map(String::from)
                    .as_slice()
            )
        );

        assert!(
            found.options.is_empty() && found.candidates.is_empty(),
            "{found:?}"
        );

        assert_eq!(at("run web1 deploy --ta").value, "line");
    }

    #[test]
    fn nothing_that_can_be_typed_is_too_much() {
        for line in [
            "-",
            "--",
            "---",
            "run",
            "run x y z -- --",
            "nonsense more",
            "--ca",
            "-v -v",
            "sessions h --end ",
            "=",
            "--=x ",
        ] {
            let _ = at(line);
        }
    }
}
