//! `ordain nodes`: the names that a set of hosts has; `ordain hosts`: what the settings say of one.
//! Nothing is asked of any server.

use crate::cli::{ClientArgs, Destination, NodesArgs};
use crate::client::ClientError;
use crate::config::{HostSettings, Line};
use crate::exit::Status;
use crate::nodes::{NodeSet, split};
use crate::programs::display::plain;
use crate::programs::fleet::hosts::names_in;
use crate::programs::groups::{node_set, told_fault};
use crate::programs::output::print;
use crate::programs::target::hosts;
use crate::programs::{say, say_json};
use crate::protocol::{Code, PORT};
use crate::sys::with_named_zone;

/// Prints the names of a set, how many there are, or their shortest form.
///
/// # Errors
/// [`Code::Usage`]: the settings, or what is no set.
pub fn nodes(args: &ClientArgs, asked: &NodesArgs) -> Result<Status, ClientError> {
    let set = meant(args, asked)?;
    if args.json {
        say_json(&serde_json::json!({
            "count": set.len(), "fold": set.fold(), "names": set.names(),
        }));
    } else if asked.count {
        say(&set.len().to_string());
    } else if args.many.fold {
        say(&set.fold());
    } else {
        // Names are harmless by what they are; in one piece, because they may be very many.
        let lines = set.names().join("\n") + "\n";
        let _ = print(false, lines.as_bytes());
    }
    Ok(Status::OK)
}

fn meant(args: &ClientArgs, asked: &NodesArgs) -> Result<NodeSet, ClientError> {
    let known = hosts(args)?;
    let told = |fault| told_fault(&fault, &known);
    let typed = asked.set.as_deref().map(|text| {
        let typed = split(text).map_err(told)?;
        node_set(typed.user, typed.set, &known)
    });
    let typed = typed.transpose()?;
    let listed = asked.hosts_from.as_deref().map(names_in).transpose()?;
    match (typed, listed) {
        (Some(typed), Some(listed)) => typed.union(listed).map_err(told),
        (Some(set), None) | (None, Some(set)) => Ok(set),
        (None, None) => Err(ClientError::new(Code::Usage, "no set is given")),
    }
}

/// Prints what holds for a host, and which line of the settings says so.
///
/// # Errors
/// [`Code::Usage`]: the settings.
pub fn host(args: &ClientArgs, destination: &Destination) -> Result<Status, ClientError> {
    let known = hosts(args)?;
    let called = with_named_zone(destination.host.clone());
    let settings = known.settings(&called);
    if args.json {
        say_json(&as_json(&destination.typed, &settings));
        return Ok(Status::OK);
    }

    let mut rows: Vec<[String; 3]> = settings
        .shown()
        .into_iter()
        .map(|(key, value)| [key.to_owned(), value, line(&settings, key)])
        .collect();
    if settings.port.is_none() {
        rows.push(["port".into(), PORT.to_string(), "the usual port".into()]);
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| plain(cell).chars().count())
            .max()
            .unwrap_or_default()
    };
    let (keys, values) = (width(0), width(1));
    for [key, value, line] in &rows {
        let value = plain(value);
        say(&format!("{key:keys$}  {value:values$}  {line}"));
    }
    Ok(Status::OK)
}

fn line(settings: &HostSettings, key: &str) -> String {
    match settings.lines.get(key) {
        Some(Line { place, table }) => format!("{place} [{table}]"),
        None => String::new(),
    }
}

fn as_json(host: &str, settings: &HostSettings) -> serde_json::Value {
    let rows = settings.shown().into_iter().map(|(key, value)| {
        let line = settings.lines.get(key);
        serde_json::json!({
            "key": key,
            "value": value,
            "table": line.map(|line| &line.table),
            "place": line.map(|line| line.place.to_string()),
        })
    });
    serde_json::json!({ "host": host, "settings": rows.collect::<Vec<_>>() })
}
