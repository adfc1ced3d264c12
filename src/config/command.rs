//! `[commands.NAME]`: a command with its template and its arguments.

use super::confinement;
use super::reader::{Item, Table};
use crate::limits;
use crate::policy::{
    Argument, Command, Kind, OnDisconnect, OnRevoke, Pass, Presence, RunAs, Segment, Signal, Stdin,
    Template, Text, Word, forbidden_variable, interpreter_hole, starts_shells,
};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// What `[defaults]` sets for every command.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// `run_as`, as written.
    pub run_as: Option<String>,
    /// `timeout`; the inner `None` is `"none"`.
    pub timeout: Option<Option<Duration>>,
    /// `grace`.
    pub grace: Option<Duration>,
    /// `resume_window`.
    pub resume_window: Option<Duration>,
}

/// A command as it was read; the account is only a name yet.
pub struct Read {
    /// The command, with an unresolved `run_as`.
    pub command: Command,
    /// `run_as` as written, its own or the default.
    pub run_as: Option<String>,
}

/// Names of commands, roles, users and arguments: what survives in a shell, a file name and a log.
pub fn name(text: &str) -> Result<(), String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    if begins && text.len() <= limits::NAME && text.chars().all(fine) {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a name: letters, digits, `-`, `_`, `.`, beginning with a letter or digit, at most {} bytes",
        text.escape_debug(),
        limits::NAME
    ))
}

/// `"none"` or a duration.
pub fn timeout(item: &Item<'_>) -> Option<Option<Duration>> {
    if item.as_text() == Some("none") {
        Some(None)
    } else {
        item.duration().map(Some)
    }
}

/// `"none"` is no time at all.
pub fn window(item: &Item<'_>) -> Option<Duration> {
    timeout(item).map(Option::unwrap_or_default)
}

/// Reads one command. Faults are left where readers leave them; `None` when nothing usable came
/// out.
pub fn read(command: &str, table: Table<'_>, defaults: &Defaults) -> Option<Read> {
    if let Err(why) = name(command) {
        table.fault(why);
    }
    let arguments = table
        .table("args")
        .map(|args| arguments(&args))
        .unwrap_or_default();
    let index = |hole: &str| arguments.iter().position(|argument| argument.name == hole);
    let template = table.item("exec").and_then(|exec| template(&exec, index));
    if template.is_none() && !table_has(&table, "exec") {
        table.fault("`exec` is missing; accepted is a list of words such as [\"/usr/bin/uptime\"]");
    }
    let environment = table
        .table("environment")
        .map(|table| environment(&table, index))
        .unwrap_or_default();
    let timeout = match table.item("timeout") {
        Some(item) => timeout(&item),
        None => defaults.timeout,
    };

    if timeout.is_none() && !table_has(&table, "timeout") {
        table.fault("`timeout` is missing, here and in [defaults]; accepted is a duration, or \"none\" spelled out");
    }
    let pty = table.flag("pty").unwrap_or(false);
    let (linger, leave_running) = confinement::after(&table);
    let run_as = table.text("run_as").or_else(|| defaults.run_as.clone());
    let read = Command {
        name: command.to_owned(),
        summary: table.text("summary").unwrap_or_default(),
        template: template.clone().unwrap_or_default(),
        environment,
        run_as: RunAs::Unresolved(run_as.clone().unwrap_or_default()),
        cwd: table
            .item("cwd")
            .and_then(|item| item.parsed(absolute))
            .unwrap_or_else(|| PathBuf::from("/")),
        stdin: match table.item("stdin") {
            Some(item) if pty => {
                item.fault("goes with no `pty`: what is typed at a terminal is its input");
                Stdin::None
            }

            Some(item) => stdin(&item),
            // What is typed at a terminal is input.
            None if pty => Stdin::Accepted { max: None },
            None => Stdin::None,
        },
        pty,
        timeout: timeout.flatten(),
        grace: table
            .duration("grace")
            .or(defaults.grace)
            .unwrap_or(Duration::from_secs(5)),
        linger,
        leave_running,
        limits: confinement::limits(&table),
        confinement: confinement::confinement(&table),
        sha256: table
            .item("sha256")
            .and_then(|item| confinement::sha256(&item)),
        confirm: table.flag("confirm").unwrap_or(false),
        lock: table
            .item("lock")
            .and_then(|item| item.parsed(|text| name(text).map(|()| text.to_owned()))),
        max_running: table
            .integer("max_running", 1..=100_000)
            .and_then(|most| usize::try_from(most).ok()),
        queue: table
            .integer("queue", 0..=10_000)
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(0),
        queue_timeout: table
            .duration("queue_timeout")
            .unwrap_or(limits::QUEUE_TIMEOUT),
        on_disconnect: match table.item("on_disconnect") {
            None => OnDisconnect::Cancel,
            Some(item) => item
                .parsed(|text| match text {
                    "cancel" => Ok(OnDisconnect::Cancel),
                    "continue" => Ok(OnDisconnect::Continue),
                    other => Err(format!(
                        "found \"{}\"; accepted are \"cancel\", \"continue\"",
                        other.escape_debug()
                    )),
                })
                .unwrap_or(OnDisconnect::Cancel),
        },
        on_revoke: match table.item("on_revoke") {
            None => OnRevoke::Cancel,
            Some(item) => item
                .parsed(|text| match text {
                    "cancel" => Ok(OnRevoke::Cancel),
                    "continue" => Ok(OnRevoke::Continue),
                    other => Err(format!(
                        "found \"{}\"; accepted are \"cancel\", \"continue\"",
                        other.escape_debug()
                    )),
                })
                .unwrap_or(OnRevoke::Cancel),
        },
        sources: super::policy::sources(&table),
        audit_best_effort: table
            .item("audit")
            .and_then(|item| {
                item.parsed(|text| match text {
                    "required" => Ok(false),
                    "best-effort" => Ok(true),
                    other => Err(format!(
                        "found \"{}\"; accepted are \"required\", \"best-effort\"",
                        other.escape_debug()
                    )),
                })
            })
            .unwrap_or(false),
        reason: table.table("require").and_then(|table| {
            let reason = table
                .item("reason")
                .and_then(|item| item.parsed(|text| Text::new(text, limits::NAME * 4)));
            table.finish();
            reason
        }),
        resume_window: table
            .item("resume_window")
            .and_then(|item| window(&item))
            .or(defaults.resume_window)
            .unwrap_or(limits::RESUME_WINDOW),
        spool: 0,
        signals: signals(&table),
        place: table.place.clone(),
        arguments,
    };

    let read = Command {
        spool: spool(&table, read.on_disconnect),
        ..read
    };

    if template.is_some() {
        judge(&read, &table);
    }
    table.finish();
    template.map(|_| Read {
        command: read,
        run_as,
    })
}

fn spool(table: &Table<'_>, on_disconnect: OnDisconnect) -> u64 {
    let usual = match on_disconnect {
        OnDisconnect::Cancel => limits::SPOOL_LEAST,
        OnDisconnect::Continue => limits::SPOOL_DURABLE,
    };

    let Some(item) = table.item("spool") else {
        return usual;
    };
    match item.size() {
        Some(size) if size < limits::SPOOL_LEAST => {
            item.fault("is under 2 MiB, which is what a lost link may need");
            usual
        }

        Some(size) if size > limits::SPOOL_MOST => {
            item.fault("is over 1 TiB");
            usual
        }

        Some(size) => size,
        None => usual,
    }
}

/// `signals`; Ctrl-C at the client is INT, so that alone is accepted where nothing is said.
fn signals(table: &Table<'_>) -> Vec<Signal> {
    let Some(items) = table.texts("signals") else {
        return Signal::named("INT").into_iter().collect();
    };
    let known = || {
        Signal::ALL
            .iter()
            .map(|signal| format!("\"{}\"", signal.name))
            .collect::<Vec<_>>()
            .join(", ")
    };

    let parse = |text: &str| {
        Signal::named(text).ok_or_else(|| {
            format!(
                "found \"{}\"; accepted are {}",
                text.escape_debug(),
                known()
            )
        })
    };

    items.iter().filter_map(|item| item.parsed(parse)).collect()
}

pub(super) fn table_has(table: &Table<'_>, name: &'static str) -> bool {
    table.item(name).is_some()
}

/// What only shows when template and arguments are seen together.
fn judge(command: &Command, table: &Table<'_>) {
    let template = &command.template;
    if let Some(word) = interpreter_hole(template) {
        table.fault(format!("`{word}`: a hole in the code, script or options given to an interpreter would give the client a shell; pass the value as an argument of a fixed script"));
    }
    let used: Vec<usize> = template
        .words()
        .chain(command.environment.iter().map(|(_, word)| word))
        .flat_map(Word::holes)
        .collect();
    for (index, argument) in command.arguments.iter().enumerate() {
        let key = format!("{}.args.{}", table.key, argument.name);
        if !used.contains(&index) {
            table.fault(format!(
                "argument `{}` has no hole `{{{}}}` in exec or environment ({})",
                argument.name, argument.name, argument.place
            ));
        }

        if argument.secret
            && template
                .words()
                .flat_map(Word::holes)
                .any(|hole| hole == index)
        {
            table.warn(format!("{key}: a secret in argv is seen by every user of this machine in ps; pass it in `environment`"));
        }
        let in_part = template
            .words()
            .chain(command.environment.iter().map(|(_, word)| word))
            .any(|word| word.whole_hole() != Some(index) && word.holes().any(|hole| hole == index));
        if in_part && (argument.repeated.is_some() || matches!(argument.kind, Kind::Flag(_))) {
            table.fault(format!(
                "argument `{}` is {}, which must be a word of its own, not part of one",
                argument.name,
                if argument.repeated.is_some() {
                    "repeated"
                } else {
                    "a flag"
                }
            ));
        }

        let in_environment = command
            .environment
            .iter()
            .any(|(_, word)| word.holes().any(|hole| hole == index));
        if in_environment && argument.repeated.is_some() {
            table.fault(format!(
                "argument `{}` is repeated, and a variable has one value",
                argument.name
            ));
        }

        let outside_groups = template.0.iter().any(
            |segment| matches!(segment, Segment::Word(word) if word.whole_hole() != Some(index) && word.holes().any(|hole| hole == index)),
        );
        if outside_groups && argument.presence == Presence::Optional {
            table.fault(format!(
                "argument `{}` may be left out, so the word it is part of must be in a nested list that can vanish",
                argument.name
            ));
        }
    }

    if command.pty && starts_shells(command.executable()) {
        table.warn("pty: this program can start a shell from inside, and whoever runs it has that shell as its account");
    }
    if command.timeout.is_none() {
        table.warn("timeout is \"none\": a run that hangs goes on for ever");
    }
}

fn template(exec: &Item<'_>, index: impl Fn(&str) -> Option<usize> + Copy) -> Option<Template> {
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

/// An absolute path without `.` and `..`.
pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if text.starts_with('/') && plain && !text.contains("/./") && !text.contains('\0') {
        return Ok(path.components().collect());
    }
    Err(format!(
        "found \"{}\"; accepted is an absolute path without `.` and `..`",
        text.escape_debug()
    ))
}

fn environment(
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

fn stdin(item: &Item<'_>) -> Stdin {
    if !item.is_table() {
        return match item.flag() {
            Some(true) => Stdin::Accepted { max: None },
            _ => Stdin::None,
        };
    }

    let Some(table) = item.table() else {
        return Stdin::None;
    };
    let max = table.item("max").and_then(|item| item.size());
    if max.is_none() && !table_has(&table, "max") {
        table.fault(
            "`max` is missing; accepted is a size such as \"2GiB\" (stdin = true has no bound)",
        );
    }

    table.finish();
    Stdin::Accepted { max }
}

fn arguments(table: &Table<'_>) -> Vec<Argument> {
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
    let Some(kind) = kind(&table) else {
        // What is accepted depends on the kind; asking for everything keeps one fault from becoming
        // five.
        return None;
    };

    let optional = table.flag("optional").unwrap_or(false);
    let default = table.item("default");
    let presence = match (&default, optional) {
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
    };

    let repeated = table
        .item("repeated")
        .and_then(|item| match item.as_flag() {
            Some(true) => Some(limits::REPEATS),
            Some(false) => None,
            None => item
                .integer(1..=limits::REPEATS as i64)
                .and_then(|most| usize::try_from(most).ok()),
        });
    let read = Argument {
        name: argument,
        presence: if matches!(kind, Kind::Flag(_)) {
            Presence::Optional
        } else {
            presence
        },
        repeated,
        secret: table.flag("secret").unwrap_or(false),
        allow_dash: table.flag("allow_dash").unwrap_or(false),
        summary: table.text("summary").unwrap_or_default(),
        place: table.place.clone(),
        kind,
    };

    if let (Presence::Default(text), Some(item)) = (&read.presence, &default)
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
    if read.allow_dash && matches!(read.kind, Kind::Text(_)) {
        table.warn("allow_dash: a value may look like an option; put `--` before its hole");
    }
    table.finish();
    Some(read)
}

const KINDS: &str =
    "\"choice\", \"integer\", \"string\", \"flag\", \"path\", \"hostname\", \"ip\", \"cidr\"";

fn kind(table: &Table<'_>) -> Option<Kind> {
    let Some(item) = table.item("type") else {
        table.fault(format!("`type` is missing; accepted are {KINDS}"));
        return None;
    };

    let word = item.text()?;
    let missing = |key: &str, accepted: &str| {
        table.fault(format!("`{key}` is missing; accepted is {accepted}"))
    };
    let kind = match word.as_str() {
        "choice" => {
            let Some(choices) = table.texts("choices") else {
                missing("choices", "a list of strings");
                return None;
            };

            let choices: Vec<String> = choices.iter().filter_map(Item::text).collect();
            if choices.is_empty() {
                table.fault("`choices` is empty");
            }
            let kind = Kind::Choice(choices.clone());
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

            kind
        }

        "integer" => {
            let (min, max) = (
                table.integer("min", i64::MIN..=i64::MAX),
                table.integer("max", i64::MIN..=i64::MAX),
            );

            match (min, max) {
                (Some(min), Some(max)) if min <= max => Kind::Integer { min, max },
                (Some(_), Some(_)) => {
                    table.fault("`min` is greater than `max`");
                    return None;
                }

                _ => {
                    missing("min and max", "a whole number for each");
                    return None;
                }
            }
        }

        "string" => {
            let max = table
                .integer("max", 1..=limits::ARGUMENT as i64)
                .and_then(|max| usize::try_from(max).ok())
                .unwrap_or(256);
            let Some(pattern) = table.item("pattern") else {
                missing(
                    "pattern",
                    "a regular expression that matches the whole value, such as '[a-z0-9-]+'",
                );

                return None;
            };

            Kind::Text(pattern.parsed(|text| {
                Text::new(text, max).map_err(|why| format!("is no usable pattern: {why}"))
            })?)
        }

        "flag" => {
            let Some(word) = table.item("word") else {
                missing("word", "what the flag becomes, such as \"--force\"");
                return None;
            };

            Kind::Flag(word.parsed(|text| {
                if text.is_empty() || text.contains('\0') {
                    Err("is empty".into())
                } else {
                    Ok(text.to_owned())
                }
            })?)
        }

        "path" => {
            let Some(beneath) = table.item("beneath") else {
                missing("beneath", "the absolute path of a folder");
                return None;
            };

            let pass = table.item("pass").map_or(Some(Pass::Name), |item| {
                item.parsed(|text| match text {
                    "name" => Ok(Pass::Name),
                    "fd" => Ok(Pass::Descriptor),
                    other => Err(format!(
                        "found \"{}\"; accepted are \"name\", \"fd\"",
                        other.escape_debug()
                    )),
                })
            });

            Kind::Path {
                beneath: beneath.parsed(absolute)?,
                pass: pass?,
            }
        }

        "hostname" => Kind::Hostname,
        "ip" => Kind::Ip,
        "cidr" => Kind::Cidr,
        other => {
            item.fault(format!(
                "found \"{}\"; accepted are {KINDS}",
                other.escape_debug()
            ));
            return None;
        }
    };

    Some(kind)
}
