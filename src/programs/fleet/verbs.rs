//! `ordain fleet`: the runs on many machines that were begun here.

use super::hosts::Host;
use super::noted::{Head, Known};
use super::notes::{self, Notes, Read};
use super::summary::in_a_line;
use super::{Fleet, manner};
use crate::cli::{ClientArgs, ClientVerb, FleetVerb, Set};
use crate::client::ClientError;
use crate::exit::{Human, Status};
use crate::fleet::{End, Tally};
use crate::ids::FleetId;
use crate::nodes;
use crate::programs::answers::Answers;
use crate::programs::display::{plain, quoted};
use crate::programs::wish::Wish;
use crate::programs::{complain, home, say, say_json, target};
use crate::protocol::Code;
use serde_json::json;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// Shows them all, or does something with one.
///
/// # Errors
/// [`Code::Usage`]: there is no such run, or another process attends to it.
pub async fn fleets(args: &ClientArgs, verb: Option<&FleetVerb>) -> Result<Status, ClientError> {
    match verb {
        None => list(args),
        Some(FleetVerb::Show { id }) => show(args, *id),
        Some(FleetVerb::Attach { id }) => taken_up(args, *id, Wish::GoOn).await,
        Some(FleetVerb::Cancel { id }) => taken_up(args, *id, Wish::Cancel).await,
        Some(FleetVerb::Retry {
            id,
            failed,
            unreachable,
            not_started,
        }) => {
            let wanted = |end: End, good: &[u8]| match end {
                End::Ended(_) => *failed && !end.is_well(good),
                End::Refused(_) => *failed,
                End::Unreachable(_) => *unreachable,
                End::NotStarted => *not_started,
                // What may have run is not run again by anybody's guess.
                End::Unknown | End::GoesOn => false,
            };
            retry(args, *id, wanted).await
        }
        Some(FleetVerb::Forget { id }) => {
            if notes::is_attended(*id) {
                return Err(attended(*id));
            }
            notes::forget(*id).map_err(|fault| no_such(*id, &fault))?;
            Ok(Status::OK)
        }
    }
}

fn no_such(id: FleetId, fault: &io::Error) -> ClientError {
    match fault.kind() {
        io::ErrorKind::WouldBlock => attended(id),
        io::ErrorKind::NotFound => ClientError::new(
            Code::Usage,
            format!(
                "no run {id} on many machines was begun here; `ordain fleet` shows those that were"
            ),
        ),
        _ => ClientError::new(Code::Usage, format!("fleet {id}: {fault}")),
    }
}

fn attended(id: FleetId) -> ClientError {
    let text = format!(
        "another ordain attends to fleet {id}; `ordain fleet show {id}` shows how far it is"
    );
    ClientError::new(Code::Usage, text)
}

/// What is known of each host, as an end.
fn ends(known: &[Known]) -> Vec<End> {
    let end = |known: &Known| match known.end {
        Some(end) => end,
        None if known.sent => End::GoesOn,
        None => End::NotStarted,
    };
    known.iter().map(end).collect()
}

/// What it has come to, as its last line says it.
fn come_to(head: &Head, ends: &[End]) -> String {
    let name = |host: &usize| head.hosts.get(*host).map(|called| called.name.as_str());
    let groups = Tally::new(ends, head.good()).groups();
    in_a_line(&groups, |group| {
        nodes::fold(group.hosts.iter().filter_map(name))
    })
}

/// Says where notes are not as they were written.
fn told(id: FleetId, read: Read) -> Read {
    if !read.is_whole {
        complain(&format!(
            "ordain: fleet {id}: some of what was noted is not as it was written, and is not believed"
        ));
    }
    read
}

fn list(args: &ClientArgs) -> Result<Status, ClientError> {
    for id in notes::all() {
        let Read { head, known, .. } = match notes::look(id) {
            Ok(read) => told(id, read),
            Err(fault) => {
                complain(&format!(
                    "ordain: fleet {id}: what was noted of it cannot be read: {fault}"
                ));
                continue;
            }
        };
        let line = come_to(&head, &ends(&known));
        if args.json {
            say_json(
                &json!({ "fleet": id.to_string(), "at": head.at, "set": head.set, "line": head.line, "hosts": head.hosts.len(), "summary": line }),
            );
            continue;
        }
        let ago = Human(Duration::from_secs(home::now().saturating_sub(head.at)));
        let (set, command) = (plain(&head.set), quoted(&head.line));
        say(&format!("{id}  {ago} ago  {set}  {command}"));
        say(&format!("          {line}"));
    }
    Ok(Status::OK)
}

fn show(args: &ClientArgs, id: FleetId) -> Result<Status, ClientError> {
    let read = notes::look(id).map_err(|fault| no_such(id, &fault))?;
    let Read { head, known, .. } = told(id, read);
    let ends = ends(&known);
    let hosts = head.hosts.iter().zip(&known).zip(&ends);
    if args.json {
        let rows: Vec<_> = hosts
            .map(|((called, known), end)| {
                json!({ "host": called.name, "state": end.word(), "end": end.to_string(), "run": known.run.map(|run| run.to_string()) })
            })
            .collect();
        say_json(
            &json!({ "fleet": id.to_string(), "at": head.at, "set": head.set, "line": head.line, "hosts": rows }),
        );
        return Ok(Status::OK);
    }
    let set = plain(&head.set);
    say(&format!("fleet {id}: {} on {set}", quoted(&head.line)));
    let width = head
        .hosts
        .iter()
        .map(|called| called.name.len())
        .max()
        .unwrap_or(0);
    for ((called, known), end) in hosts {
        let run = known
            .run
            .map(|run| format!("  run {run}"))
            .unwrap_or_default();
        say(&format!("  {:width$}  {end}{run}", plain(&called.name)));
    }
    say(&come_to(&head, &ends));
    Ok(Status::OK)
}

/// Goes on with a run, or has what goes on of it ended.
async fn taken_up(args: &ClientArgs, id: FleetId, wish: Wish) -> Result<Status, ClientError> {
    let (notes, known) = Notes::take_up(id).map_err(|fault| no_such(id, &fault))?;
    let hosts = called(&notes.head)?;
    let mut args = args.clone();
    args.verb = ClientVerb::Run(notes.head.run(Set::again(&notes.head.set)));
    let settings = Rc::new(target::hosts(&args)?);
    let (answers, manner) = (Rc::new(Answers::for_many()), manner(&args));
    let mut fleet = Fleet::new(args, settings, hosts.into(), answers, manner);
    fleet.known_of = match wish {
        // What was not begun stays so.
        Wish::Cancel => known.into_iter().map(Known::closed_to_more).collect(),
        _ => known,
    };
    for (host, known) in fleet.known_of.iter().enumerate() {
        if let Some(key) = known.key {
            fleet.once.owner(key, host);
        }
    }
    fleet.notes = Some(notes);
    fleet.first_wish = wish;
    fleet.end().await
}

async fn retry(
    args: &ClientArgs,
    id: FleetId,
    wanted: impl Fn(End, &[u8]) -> bool,
) -> Result<Status, ClientError> {
    let read = notes::look(id).map_err(|fault| no_such(id, &fault))?;
    let expected = read.expected();
    let Read { head, known, .. } = told(id, read);
    let hosts: Vec<Host> = called(&head)?
        .into_iter()
        .zip(ends(&known))
        .filter_map(|(host, end)| wanted(end, head.good()).then_some(host))
        .collect();
    if hosts.is_empty() {
        let text = format!(
            "fleet {id} has no such hosts ({}); --failed, --unreachable and --not-started say which are asked again",
            come_to(&head, &ends(&known))
        );
        return Err(ClientError::new(Code::Usage, text));
    }
    let mut args = args.clone();
    let set = Set::again(&nodes::fold(hosts.iter().map(|host| host.name.as_str())));
    args.verb = ClientVerb::Run(head.run(set.clone()));
    let known = Rc::new(target::hosts(&args)?);
    super::begun(&args, &set.to_string(), (known, hosts), expected).await
}

fn called(head: &Head) -> Result<Vec<Host>, ClientError> {
    let usage = |why| ClientError::new(Code::Usage, why);
    let hosts = head.hosts.iter();
    hosts.map(|called| called.host().map_err(usage)).collect()
}
