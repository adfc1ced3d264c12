//! `exec` and `environment`: the words of a command, with holes for its arguments, and what only
//! shows when both are seen together.

use super::reader::{Item, Table};
use super::values::absolute;
use super::warning::{Subject, Warning};
use crate::policy::{
    Argument, Command, Kind, Loose, Presence, Segment, Template, Word, forbidden_variable,
    interpreter_hole, option_hole, starts_shells,
};

/// Reads `exec`; `index` is the number of the argument of a hole.
pub fn template(exec: &Item<'_>, index: impl Fn(&str) -> Option<usize> + Copy) -> Option<Template> {
    let word = |item: &Item<'_>| {
        item.parsed(|text| Word::parse(text, index).map_err(|fault| fault.to_string()))
    };
    let mut segments = Vec::new();
    let mut whole = true;

    for item in exec.list()? {
        let segment = if item.is_list() {
            let words: Vec<_> = item.list().unwrap_or_default().iter().map(word).collect();
            if words
                .iter()
                .flatten()
                .all(|word| word.holes().next().is_none())
                && words.iter().all(Option::is_some)
            {
                item.fault("a nested list without a hole would never vanish; write its words out");
            }
            words
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .map(Segment::Group)
        } else {
            word(&item).map(Segment::Word)
        };

        whole &= segment.is_some();
        segments.extend(segment);
    }

    match segments.first() {
        None => {
            exec.fault("found an empty list; accepted is at least the executable's absolute path");
            return None;
        }

        Some(Segment::Word(first)) if first.literal().is_some() => {
            if let Err(why) = absolute(first.literal().unwrap_or_default()) {
                exec.fault(format!("the executable: {why}"));
                whole = false;
            }
        }

        Some(_) => {
            exec.fault("the executable must be one fixed word without holes");
            whole = false;
        }
    }

    whole.then_some(Template(segments))
}

/// Reads `environment`, whose values may have holes too.
pub fn environment(
    table: &Table<'_>,
    index: impl Fn(&str) -> Option<usize> + Copy,
) -> Vec<(String, Word)> {
    let mut variables = Vec::new();
    for (variable, item) in table.named() {
        let fine = variable
            .chars()
            .enumerate()
            .all(|(at, c)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit()));
        if !fine || variable.is_empty() {
            item.fault(
                "is not a variable's name: letters, digits and `_`, not beginning with a digit",
            );
        } else if variable.starts_with("ORDAIN_") {
            item.fault("ORDAIN_ variables are ordain's own");
        }
        let Some(word) =
            item.parsed(|text| Word::parse(text, index).map_err(|fault| fault.to_string()))
        else {
            continue;
        };
        if word.holes().next().is_some() && forbidden_variable(&variable) {
            item.fault(format!(
                "a client must not fill `{variable}`: it changes which code runs"
            ));
        }
        variables.push((variable, word));
    }
    variables
}

/// What only shows when template and arguments are seen together.
pub fn judge(command: &Command, table: &Table<'_>) {
    if let Some(word) = interpreter_hole(&command.template) {
        table.fault(format!("`{word}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script"));
    }
    for (index, argument) in command.arguments.iter().enumerate() {
        judge_holes(command, index, argument, table);
    }

    if command.pty && starts_shells(command.executable()) {
        let what = (Warning::ShellInside, &Subject::command(&command.name));
        table.warn(what, "pty: this program can start a shell from inside, and whoever runs it has that shell as its account");
    }
}

/// What is to be said where a value may begin with `-` and could be taken for an option.
fn option_injection(command: &Command, index: usize, argument: &Argument) -> Option<String> {
    let dash = match argument.kind {
        Kind::Text(_) if argument.allow_dash => "allow_dash: a value may look like an option",
        Kind::Integer { min, .. } if min < 0 => "min: a number below 0 may look like an option",
        _ => return None,
    };

    let name = &argument.name;
    Some(match option_hole(&command.template, index)? {
        Loose::Word => format!("{dash}; put `--` before its hole"),
        Loose::Behind(option) => format!(
            "{dash} if `{option}` takes no value; put `--` before its hole, or where `{option}` does take one write both in a nested list, [\"{option}\", \"{{{name}}}\"]"
        ),
    })
}

/// Whether an argument has holes, and in words that it can be part of.
fn judge_holes(command: &Command, index: usize, argument: &Argument, table: &Table<'_>) {
    let here = |word: &Word| word.holes().any(|hole| hole == index);
    let partly = |word: &Word| word.whole_hole() != Some(index) && here(word);
    let argv = || command.template.words();
    let variables = || command.environment.iter().map(|(_, word)| word);
    let name = &argument.name;

    if !argv().chain(variables()).any(here) {
        table.fault(format!(
            "argument `{name}` has no hole `{{{name}}}` in exec or environment ({})",
            argument.place
        ));
    }

    let about = Subject::command(&command.name);
    let below = format!("args.{name}");
    if let Some(text) = option_injection(command, index, argument) {
        let what = (Warning::OptionInjection, &about);
        table.warn_below(what, &argument.place, &below, text);
    }

    if argument.secret && argv().any(here) {
        let text = "a secret in argv is seen by every user of this machine in ps; pass it in `environment`";
        table.warn_below(
            (Warning::SecretInArgv, &about),
            &argument.place,
            &below,
            text,
        );
    }

    let alone = match argument.repeated {
        Some(_) => Some("repeated"),
        None if matches!(argument.kind, Kind::Flag(_)) => Some("a flag"),
        None => None,
    };
    if let Some(what) = alone.filter(|_| argv().chain(variables()).any(partly)) {
        table.fault(format!(
            "argument `{name}` is {what}, which must be a word of its own, not part of one"
        ));
    }

    if argument.repeated.is_some() && variables().any(here) {
        table.fault(format!(
            "argument `{name}` is repeated, and a variable has one value"
        ));
    }

    let outside_groups = command
        .template
        .0
        .iter()
        .any(|segment| matches!(segment, Segment::Word(word) if partly(word)));
    if outside_groups && argument.presence == Presence::Optional {
        table.fault(format!(
            "argument `{name}` may be left out, so the word it is part of must be in a nested list that can vanish"
        ));
    }
}
