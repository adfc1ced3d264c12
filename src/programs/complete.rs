//! `ordain complete SHELL -- WORD…`, which the shells' completions ask: words from the definitions,
//! hosts from the settings, and commands, arguments and choices from what the server has told this
//! user, kept for an hour.

use super::groups::kept_groups;
use super::target::Target;
use super::trusts::Trusts;
use super::{ask, enter, home, invoke, say};
use crate::cli::{Candidate, ClientArgs, Completing, Destination, completing};
use crate::client::{ClientError, Session};
use crate::config::Hosts;
use crate::exit::Status;
use crate::nodes::last_operand;
use crate::sys;
use crate::verb::{ArgumentView, CommandView, List, Runs};
use clap::Parser;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The word by which a shell asks; no verb of a person's.
const COMPLETE: &str = "complete";
/// How long what a server has told is believed.
const FRESH: u64 = 3600;
/// How long a server that could not be asked is left alone.
const LEFT_ALONE: u64 = 60;
/// How long a person who has pressed a key may wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a shell wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Answers a shell, if it is a shell that asks.
pub fn asked(program: fn() -> clap::Command) -> Option<Status> {
    if std::env::args_os()
        .nth(1)
        .is_none_or(|word| word != COMPLETE)
    {
        return None;
    }
    let words: Vec<String> = std::env::args_os()
        .skip(2)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    Some(complete(program(), &words))
}

/// A candidate a line; `@files` first where the shell should complete a file's name.
fn complete(program: clap::Command, arguments: &[String]) -> Status {
    let shell = match arguments.first().map(String::as_str) {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    };

    let words: Vec<String> = arguments
        .iter()
        .skip_while(|word| *word != "--")
        .skip(1)
        .cloned()
        .collect();
    // Nobody is asked for a password because a key was pressed.
    ask::never();
    let ordain = program.get_name() == "ordain";
    let mut found = completing(program, &words);
    if ordain {
        let more = dynamic(&found);
        found.candidates.extend(more);
    }

    if found.files {
        say("@files");
    }
    for candidate in &found.candidates {
        say(&spelled(shell, candidate, &found.partial));
    }
    Status::OK
}

/// A candidate as the shell takes it.
fn spelled(shell: Shell, candidate: &Candidate, partial: &str) -> String {
    let help = super::display::plain(&candidate.help);
    let word = super::display::plain(&candidate.word);
    match shell {
        // bash replaces what stands behind the last `:` or `=` only.
        Shell::Bash => {
            let kept = partial.rfind([':', '=']).map_or(0, |at| at + 1);

            // What bash gets it types as it is, and a server chose the words.
            quoted(word.get(kept..).unwrap_or_default())
        }

        Shell::Zsh => format!("{}:{help}", word.replace('\\', "\\\\").replace(':', "\\:")),
        Shell::Fish => format!("{word}\t{help}"),
    }
}

/// A word in which nothing means anything to a shell.
fn quoted(word: &str) -> String {
    let mut out = String::new();
    for c in word.chars() {
        if !(c.is_alphanumeric() || "-_./=:,@%+".contains(c)) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn dynamic(found: &Completing) -> Vec<Candidate> {
    match found.value.as_str() {
        "host" | "set" => hosts(found),
        "command" => commands(found),
        "run" => runs(found),
        "line" => match found.all("line").split_first() {
            None => commands(found),
            Some((command, words)) => {
                let view = schema(found, Some(command))
                    .and_then(|mut schema| schema.views.remove(command));
                view.map(|view| arguments(&view, words, &found.partial))
                    .unwrap_or_default()
            }
        },
        _ => Vec::new(),
    }
}

fn commands(found: &Completing) -> Vec<Candidate> {
    let commands = schema(found, None)
        .map(|schema| schema.commands)
        .unwrap_or_default();
    let candidates = commands
        .into_iter()
        .map(|(word, help)| Candidate { word, help });
    candidates
        .filter(|candidate| candidate.word.starts_with(&found.partial))
        .collect()
}

fn settings(args: &ClientArgs) -> Hosts {
    super::target::hosts(args).unwrap_or_default()
}

/// Hosts and groups of the settings, and servers that are known: what the last operand of a set
/// could become.
fn hosts(found: &Completing) -> Vec<Candidate> {
    let Some(args) = options(found, "h") else {
        return Vec::new();
    };
    // What is quoted is left to the person: the shell passes it on with its quotes.
    if found.partial.contains(['\'', '"', '\\']) {
        return Vec::new();
    }
    let mut partial = last_operand(&found.partial);
    if let Some((user, rest)) = partial.split_once('@')
        && partial == found.partial
        && !user.is_empty()
    {
        partial = rest;
    }
    let before = found.partial.strip_suffix(partial).unwrap_or_default();

    let settings = settings(&args);
    let groups = groups(&settings);
    let configured = settings.hosts.into_iter().map(|(host, settings)| {
        let address = settings.address.map(|address| address.to_string());
        (
            settings.name.unwrap_or_else(|| host.to_string()),
            address.unwrap_or_default(),
        )
    });
    let known = home::KnownServers::own()
        .map(|servers| servers.names())
        .unwrap_or_default();
    let usual = format!(":{}", crate::protocol::PORT);
    let known = known.into_iter().map(|name| {
        (
            name.strip_suffix(&usual)
                .map_or_else(|| name.clone(), str::to_owned),
            "known server".to_owned(),
        )
    });
    let all: BTreeMap<String, String> = known
        .chain(configured)
        .chain(groups)
        .filter(|(name, _)| name.starts_with(partial))
        .collect();
    all.into_iter()
        .map(|(name, help)| Candidate {
            word: format!("{before}{name}"),
            help,
        })
        .collect()
}

/// Groups as they are written, with their members. No program is asked because a key was pressed:
/// its groups are those that it has told before.
fn groups(settings: &Hosts) -> Vec<(String, String)> {
    let named = settings.groups.named.iter();
    let named = named.map(|(name, group)| (format!("@{name}"), group.text.clone()));
    let told = kept_groups(settings).into_iter();
    let told = told.map(|(source, group)| {
        let help = format!("group that {source} tells of");
        (format!("@{source}:{group}"), help)
    });
    named.chain(told).collect()
}

/// The runs of the host, as it tells now: those that go on, and ended ones where these can be meant.
fn runs(found: &Completing) -> Vec<Candidate> {
    let going_alone = matches!(found.verb.as_str(), "cancel" | "signal");
    let told = || {
        let host = found.given("host")?;
        let args = options(found, host)?;
        let destination: Destination = host.parse().ok()?;
        let mut target =
            Target::new(&args, &destination, &settings(&args), &Trusts::default()).ok()?;
        within_patience(async {
            let session: Session = enter::enter(&args, &mut target).await?;
            let list = session.ask(&Runs::default()).await?;
            session.close().await;
            Ok(list.runs)
        })
    };
    told()
        .unwrap_or_default()
        .into_iter()
        .rev()
        .filter(|run| !going_alone || run.ended.is_none())
        .filter(|run| run.run.starts_with(&found.partial))
        .map(|run| Candidate {
            help: format!("{} {}", run.command, run.arguments)
                .trim_end()
                .to_owned(),
            word: run.run,
        })
        .collect()
}

/// What a server tells, unless it takes longer than anybody waits at a key.
fn within_patience<T>(asks: impl Future<Output = Result<T, ClientError>>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .ok()?;
    let told = runtime.block_on(async { tokio::time::timeout(PATIENCE, asks).await.ok()?.ok() });
    runtime.shutdown_background();
    told
}

/// The client's arguments as if `list HOST` had been typed with the same options.
fn options(found: &Completing, host: &str) -> Option<ClientArgs> {
    // What is agreed to by pressing a key is nothing.
    let kept = found
        .options
        .iter()
        .filter(|word| *word != "--accept-new" && *word != "--password-stdin");
    let words = std::iter::once("ordain".to_owned())
        .chain(kept.cloned())
        .chain(["list".to_owned(), host.to_owned()]);
    ClientArgs::try_parse_from(words).ok()
}

/// What a server has told this user.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Schema {
    /// When the server was asked, in seconds since 1970.
    at: u64,
    /// The names of commands, with their summaries.
    commands: BTreeMap<String, String>,
    /// The commands whose arguments were wanted.
    views: BTreeMap<String, CommandView>,
}

/// What is kept, or what the server tells now.
fn schema(found: &Completing, command: Option<&str>) -> Option<Schema> {
    let host = found.given("host")?;
    let args = options(found, host)?;
    let destination: Destination = host.parse().ok()?;
    let mut target = Target::new(&args, &destination, &settings(&args), &Trusts::default()).ok()?;
    let file = home::cache(&format!(
        "schema {}@{}",
        target.user,
        target.options.host.with_port(target.options.port)
    ))?;
    let now = home::now();
    let kept: Option<Schema> = sys::read_private(&file, 16 << 20)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let kept = kept.filter(|schema| schema.at <= now && now - schema.at < FRESH);
    let asked = kept.as_ref().is_some_and(|kept| {
        command.is_none_or(|command| {
            kept.views.contains_key(command) || !kept.commands.contains_key(command)
        })
    });
    if asked {
        return kept;
    }
    let mut schema = kept.unwrap_or_default();
    let told = within_patience(fetch(&args, &mut target, &mut schema, command));
    // One that cannot be asked is not asked at every key.
    schema.at = if told.is_some() {
        now
    } else {
        now.saturating_sub(FRESH - LEFT_ALONE)
    };
    keep(&file, &schema);
    Some(schema)
}

fn keep(file: &Path, schema: &Schema) {
    let folder = file
        .parent()
        .map_or(Ok(()), |folder| sys::make_folder(folder, 0o700));
    if let (Ok(()), Ok(bytes)) = (folder, serde_json::to_vec(schema)) {
        let _ = sys::replace(file, &bytes, 0o600, true);
    }
}

async fn fetch(
    args: &ClientArgs,
    target: &mut Target,
    schema: &mut Schema,
    command: Option<&str>,
) -> Result<(), ClientError> {
    let session: Session = enter::enter(args, target).await?;
    let commands = session.ask(&List {}).await?.commands;
    schema.commands = commands
        .into_iter()
        .map(|command| (command.name, command.summary))
        .collect();
    if let Some(command) = command.filter(|command| schema.commands.contains_key(*command)) {
        schema.views.insert(
            command.to_owned(),
            invoke::described(&session, command).await?,
        );
    }
    session.close().await;
    Ok(())
}

/// A command's own words: names that were not given, and choices where one is wanted.
fn arguments(view: &CommandView, before: &[String], partial: &str) -> Vec<Candidate> {
    if before.iter().any(|word| word == "--") {
        return Vec::new();
    }
    if let Some(argument) = before.last().and_then(|last| takes_value(view, last)) {
        return choices(argument, "", partial);
    }
    if let Some((name, value)) = partial
        .strip_prefix("--")
        .and_then(|rest| rest.split_once('='))
    {
        return named(view, name)
            .map(|argument| choices(argument, &format!("--{name}="), value))
            .unwrap_or_default();
    }
    if partial.starts_with('-') {
        return open_names(view, before, partial);
    }

    let position = positions(view, before);
    let mut open = view
        .arguments
        .iter()
        .filter(|argument| argument.positional && !given(argument, before));
    open.nth(position)
        .map(|argument| choices(argument, "", partial))
        .unwrap_or_default()
}

fn named<'v>(view: &'v CommandView, name: &str) -> Option<&'v ArgumentView> {
    view.arguments.iter().find(|argument| argument.name == name)
}

/// The argument whose value is the next word.
fn takes_value<'v>(view: &'v CommandView, word: &str) -> Option<&'v ArgumentView> {
    let name = word.strip_prefix("--").filter(|name| !name.contains('='))?;
    named(view, name).filter(|argument| argument.kind != "flag")
}

/// The choices that a value could still become.
fn choices(argument: &ArgumentView, prefix: &str, partial: &str) -> Vec<Candidate> {
    let candidates = argument
        .choices
        .iter()
        .filter(|choice| choice.starts_with(partial));
    candidates
        .map(|choice| Candidate {
            word: format!("{prefix}{choice}"),
            help: argument.summary.clone(),
        })
        .collect()
}

/// Whether an argument was given by its name.
fn given(argument: &ArgumentView, before: &[String]) -> bool {
    let (name, with_value) = (
        format!("--{}", argument.name),
        format!("--{}=", argument.name),
    );
    before
        .iter()
        .any(|word| *word == name || word.starts_with(&with_value))
}

/// The names that may still be given.
fn open_names(view: &CommandView, before: &[String], partial: &str) -> Vec<Candidate> {
    view.arguments
        .iter()
        .filter(|argument| argument.repeated || !given(argument, before))
        .map(|argument| Candidate {
            word: format!("--{}", argument.name),
            help: described(argument),
        })
        .filter(|candidate| candidate.word.starts_with(partial))
        .collect()
}

/// How many values were given by their position.
fn positions(view: &CommandView, before: &[String]) -> usize {
    let mut by_position = 0;
    let mut skip = false;
    for word in before {
        if std::mem::take(&mut skip) {
            continue;
        }
        skip = takes_value(view, word).is_some();
        by_position += usize::from(!word.starts_with("--"));
    }
    by_position
}

fn described(argument: &ArgumentView) -> String {
    let parts = [
        argument.summary.as_str(),
        argument.kind.as_str(),
        argument.bounds.as_str(),
    ];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}
