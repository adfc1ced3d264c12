//! Every change of a field, and every record removed, doubled or exchanged, by somebody who has not
//! the trail's key and by somebody who has.

use super::forged_tests::{
    Client, Records, chained, checkpoint, deploy, object, removed, run, verified, whole, without,
};
use super::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is changed, as the list of what is not seen calls it, and what comes of it.
pub(super) struct Mutation {
    pub label: String,
    pub records: Records,
}

/// What is done to a record.
type Change<'c> = dyn Fn(&mut Map<String, Value>) + 'c;

fn text<'r>(record: &'r Map<String, Value>, key: &str) -> &'r str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// What the list calls a record.
fn name(records: &Records, at: usize) -> &'static str {
    let record = &records[at];
    match (text(record, "kind"), text(record, "run") == run(3)) {
        ("login", _) if text(record, "outcome") == "refused" => "`login`, refused",
        ("login", _) => "`login`, accepted",
        ("request", _) if text(record, "verb") == "unknown" => "`request`, not read",
        ("request", _) if !record.contains_key("signed") => "`request` without its text",
        ("request", _) if text(record, "decision") == "refused" => "`request`, refused",
        ("request", _) if record.contains_key("root") && record.contains_key("argv") => {
            "`request`, granted, of a transfer"
        }
        ("request", _) if record.contains_key("argv") => "`request`, granted, with an argv",
        ("request", _) => "`request`, granted",
        ("start", false) if record.contains_key("folder") => "`start` of a put",
        ("start", false) => "`start`",
        ("end", false) if text(record, "reason") == "not-started" => "`end`, `not-started`",
        ("end", false) if record.contains_key("digest") => "`end` of a put",
        ("end", false) => "`end`",
        ("start", true) => "`start` of a run without request",
        ("end", true) => "`end` of a run without request",
        ("handed-on", _) => "`handed-on`",
        ("executable", _) => "`executable`",
        ("logout", _) => "`logout`",
        ("gap", _) => "`gap`",
        ("started", _) => "`started`",
        ("checkpoint", _) => "`checkpoint`",
        ("removed", _) => "`removed`, of a file that is there",
        _ => "every other kind",
    }
}

/// What the list calls a record that is removed or doubled as a whole.
fn whole_name(records: &Records, at: usize) -> String {
    let own = name(records, at);
    let record = &records[at];
    if !own.starts_with("`request`, ") || own.ends_with("not read") {
        return own.into();
    }
    if text(record, "verb") == "commit" {
        return "`request`, granted, that places a put".into();
    }
    if record.contains_key("argv") && text(record, "verb") != "preview" {
        return "`request`, granted, that begins a run".into();
    }
    let session = |record: &Map<String, Value>| {
        if text(record, "kind") != "request" {
            return None;
        }
        serde_json::from_str::<Value>(text(record, "signed"))
            .ok()
            .map(|signed| signed["session"].clone())
    };
    let last = records[at + 1..]
        .iter()
        .all(|later| session(later) != session(record));
    match last {
        true => "`request`, the last of its session".into(),
        false => "`request`, any other".into(),
    }
}

/// The field as the list calls it.
fn field<'f>(record: &'static str, field: &'f str) -> (&'static str, &'f str) {
    match (record, field) {
        (_, "time") => ("any record", field),
        (_, "kind") => (record, field),
        ("`started`" | "every other kind", _) => (record, "any field"),
        (_, "run" | "user" | "command" | "reason") => (record, field),
        ("`end` of a put", "number" | "digest" | "files" | "bytes") => (record, field),
        (end, _) if end.starts_with("`end`") => (record, "any other field"),
        _ => (record, field),
    }
}

fn other(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(format!("{text}x")),
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::Bool(given) => json!(!given),
        _ => json!(["other"]),
    }
}

/// One field of one record, changed, removed or added.
fn of_fields(records: &Records, into: &mut Vec<Mutation>) {
    let mut fields: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for record in records {
        let known = fields.entry(text(record, "kind").into()).or_default();
        known.extend(record.clone());
    }
    for at in 0..records.len() {
        let own = name(records, at);
        if own == "`checkpoint`" {
            continue;
        }
        let whole = whole_name(records, at);
        let mut add = |key: &str, what: &str, change: &Change<'_>| {
            let mut changed = records.clone();
            change(&mut changed[at]);
            let (record, key) = field(own, key);
            into.push(Mutation {
                label: match key {
                    "kind" => format!("{whole}: made another kind"),
                    _ => format!("{record}: `{key}` {what}"),
                },
                records: changed,
            });
        };
        for (key, value) in &fields[text(&records[at], "kind")] {
            let Some(own) = records[at].get(key) else {
                add(key, "added", &|record| {
                    record.insert(key.clone(), value.clone());
                });
                continue;
            };
            add(key, "removed", &|record| drop(record.remove(key)));
            if let Value::Array(words) = own {
                of_words(key, words, &records[at], &mut add);
            } else {
                add(key, "changed", &|record| {
                    record.insert(key.clone(), other(own));
                });
            }
        }
    }
}

/// The words of an argv, of its holes, of any list.
fn of_words(
    key: &str,
    words: &[Value],
    record: &Map<String, Value>,
    add: &mut dyn FnMut(&str, &str, &Change<'_>),
) {
    for at in 0..words.len() {
        let holes = record
            .get("holes")
            .map_or("", |holes| holes[at].as_str().unwrap_or_default());
        let signed = !holes.is_empty();
        let what = match (key, signed) {
            ("argv", _) if holes == "{force}" => "changed in the word of a flag",
            ("argv", true) => "changed in a word that was signed",
            ("argv", false) => "changed in a word of the configuration",
            ("holes", true) => "changed",
            ("holes", false) => "changed in an empty word",
            _ => "changed",
        };
        add(key, what, &|record| {
            record[key][at] = other(&words[at]);
        });
        if key == "holes" && signed {
            let what = match holes {
                "{hosts}" => "emptied in one of several words of an argument",
                _ => "emptied in the one word of an argument",
            };
            add(key, what, &|record| {
                record[key][at] = json!("");
            });
        }
    }
    if key == "argv" || key == "holes" {
        add(key, "made longer", &|record| {
            let list = record[key].as_array_mut().unwrap();
            list.push(json!(""));
        });
        add(key, "made shorter", &|record| {
            drop(record[key].as_array_mut().unwrap().pop());
        });
    }
}

/// One record removed, doubled, or exchanged with the next.
fn of_records(records: &Records, into: &mut Vec<Mutation>) {
    for at in 0..records.len() {
        let own = whole_name(records, at);
        let mut removed = records.clone();
        removed.remove(at);
        into.push(Mutation {
            label: format!("{own}: removed"),
            records: removed,
        });
        let mut doubled = records.clone();
        doubled.insert(at, records[at].clone());
        into.push(Mutation {
            label: format!("{own}: doubled"),
            records: doubled,
        });
        if at + 1 < records.len() {
            let mut exchanged = records.clone();
            exchanged.swap(at, at + 1);
            let what = match bound(&records[at], &records[at + 1]) {
                true => "two neighbours of one session or run: exchanged",
                false => "two neighbours of no common session or run: exchanged",
            };
            into.push(Mutation {
                label: what.into(),
                records: exchanged,
            });
        }
    }
}

/// What of sessions and runs a record speaks of.
fn speaks_of(record: &Map<String, Value>) -> BTreeSet<String> {
    let mut of: BTreeSet<String> = ["session", "run"]
        .iter()
        .map(|key| text(record, key).to_owned())
        .collect();
    if let Ok(signed) = serde_json::from_str::<Value>(text(record, "signed")) {
        of.insert(signed["session"].as_str().unwrap_or_default().to_owned());
    }
    if text(record, "kind") == "gap" {
        of.insert(run(3));
    }
    of.remove("");
    of
}

fn bound(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let started = |record: &Map<String, Value>| text(record, "kind") == "started";
    let (one_of, other_of) = (speaks_of(one), speaks_of(other));
    (started(one) && !other_of.is_empty())
        || (started(other) && !one_of.is_empty())
        || !one_of.is_disjoint(&other_of)
}

/// What takes more than one change: of whole sessions.
fn of_sessions(records: &Records, add: &mut dyn FnMut(&str, Records)) {
    let bob = Client::new("bob", 2, 12).session;
    let of_bob = |record: &Map<String, Value>| speaks_of(record).contains(&bob);
    let mut less = records.clone();
    less.retain(|record| !of_bob(record));
    add(
        "a whole session, from its login to its logout: removed",
        less,
    );

    let mut less = records.clone();
    less.retain(|record| text(record, "run") != run(4));
    add(
        "the last requests of a session, with all records of the runs that they began: removed",
        less,
    );

    let mut mallory = Client::new("alice", 9, 99);
    let (asks, says) = deploy(9);
    let mut forged = records.clone();
    forged.push(mallory.login(50, "password", json!({})));
    forged.push(mallory.request(90, asks, says));
    forged.push(object(json!({ "kind": "start", "run": run(9), "pid": 5 })));
    forged.push(object(
        json!({ "kind": "end", "run": run(9), "user": "alice", "command": "deploy", "reason": "exit" }),
    ));
    forged.push(object(
        json!({ "kind": "logout", "session": mallory.session, "user": "alice" }),
    ));
    add(
        "a session of a key that the forger has made: added, with requests and runs",
        forged,
    );

    let mut elsewhere = records.clone();
    for record in &mut elsewhere {
        if of_bob(record) && record.contains_key("source") {
            record.insert("source".into(), json!("198.51.100.1:9"));
        }
    }
    add(
        "the source or the connection of a session: changed in all its records",
        elsewhere,
    );

    let mut beheaded = without(records, 0..3);
    beheaded.push(removed(1, 3));
    beheaded.push(checkpoint());
    add(
        "the records at the beginning: removed, behind a `removed` that is added",
        beheaded,
    );

    let mut cut = records.clone();
    cut.truncate(records.len() - 2);
    add("the records at the end: removed", cut);
}

/// What takes more than one change: of requests.
fn of_requests(records: &Records, add: &mut dyn FnMut(&str, Records)) {
    let mut granted = records.clone();
    for record in &mut granted {
        if name(records, 10) == "`request`, refused"
            && record.get("signed") == records[10].get("signed")
        {
            record.remove("code");
            record.remove("text");
            record.insert("decision".into(), json!("granted"));
            record.extend(object(deploy(8).1));
        }
    }
    granted.insert(
        11,
        object(json!({ "kind": "start", "run": run(8), "pid": 5 })),
    );
    granted.insert(12, object(
        json!({ "kind": "end", "run": run(8), "user": "bob", "command": "deploy", "reason": "exit" }),
    ));
    add(
        "a request that was refused: told as granted, with all that belongs to a run",
        granted,
    );

    let mut refused = records.clone();
    for record in &mut refused {
        if text(record, "verb") == "whoami" {
            let no = json!({ "decision": "refused", "code": 403, "text": "no" });
            record.extend(object(no));
        }
    }
    add(
        "a granted request that began no run: told as refused",
        refused,
    );

    let mut made_up = records.clone();
    made_up.push(object(json!({ "kind": "gap", "missed": 1 })));
    made_up.push(object(json!({ "kind": "start", "run": run(9), "pid": 5 })));
    made_up.push(object(
        json!({ "kind": "end", "run": run(9), "user": "bob", "command": "deploy", "reason": "exit" }),
    ));
    add(
        "a run without request: added, behind a `gap` that is added too",
        made_up,
    );

    let mut emptied = records.clone();
    for record in &mut emptied {
        if record.contains_key("holes") && text(record, "verb") == "run" {
            record.remove("holes");
            record["argv"][1] = json!("--to=6.6");
        }
    }
    add(
        "`request`, granted, with an argv: `holes` removed and `argv` changed",
        emptied,
    );
}

/// Every change of a trail that is tried.
pub(super) fn mutations(records: &Records) -> Vec<Mutation> {
    let mut all = Vec::new();
    of_fields(records, &mut all);
    of_records(records, &mut all);
    let mut add = |label: &str, records: Records| {
        all.push(Mutation {
            label: label.into(),
            records,
        });
    };
    of_sessions(records, &mut add);
    of_requests(records, &mut add);
    all
}

/// The counts by which two reports differ; `None` when there is a fault.
fn outcome(honest: &Report, report: &Report) -> Option<String> {
    if !report.faults.is_empty() {
        return None;
    }
    let counts = honest.open.named().into_iter().zip(report.open.named());
    let differ: Vec<String> = counts
        .filter(|((_, before, _), (_, after, _))| before != after)
        .map(|((name, ..), _)| name.to_owned())
        .collect();
    Some(differ.join(", "))
}

/// The list, each change by itself, with the count that shows it.
fn listed() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for row in UNSEEN {
        for change in row.changes {
            let labels: Vec<String> = match row.fields {
                [] => vec![format!("{}: {change}", row.records)],
                fields => fields
                    .iter()
                    .map(|field| format!("{}: `{field}` {change}", row.records))
                    .collect(),
            };
            for label in labels {
                let twice = all.insert(label.clone(), row.counted.to_owned());
                assert_eq!(twice, None, "{label} is listed twice");
            }
        }
    }
    all
}

#[test]
fn whoever_holds_the_key_can_change_what_is_listed_and_nothing_else() {
    let records = whole();
    let honest = verified(&chained(&records));
    let mut seen: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
    for Mutation { label, records } in mutations(&records) {
        let report = verified(&chained(&records));
        seen.entry(label)
            .or_default()
            .insert(outcome(&honest, &report));
    }

    let (mut listed, mut told) = (listed(), Vec::new());
    for (label, outcomes) in seen {
        let row = listed.remove(&label);
        let outcomes: Vec<_> = outcomes.into_iter().collect();
        match (outcomes.as_slice(), row) {
            ([None], None) => {}
            ([Some(counted)], Some(row)) if *counted == row => {}
            ([None], Some(_)) => told.push(format!("is found, but listed: {label}")),
            (found, row) => told.push(format!("{label} -> {found:?}, listed as {row:?}")),
        }
    }
    told.extend(
        listed
            .into_keys()
            .map(|label| format!("is never tried: {label}")),
    );
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

#[test]
fn whoever_does_not_hold_the_key_can_change_nothing() {
    let records = whole();
    let lines = chained(&records);
    // The last record, a checkpoint, is what was seen elsewhere.
    let last = lines.last().unwrap();
    let seen = Head {
        seq: lines.len() as u64,
        link: link(last.as_bytes()),
    };
    let chain = |records: &Records| -> Vec<String> {
        // What was not touched stays as it is written.
        records
            .iter()
            .map(|record| Value::Object(record.clone()).to_string())
            .collect()
    };
    let written: Records = lines
        .iter()
        .map(|line| object(serde_json::from_str(line).unwrap()))
        .collect();
    let mut tried = Vec::new();
    of_fields(&written, &mut tried);
    of_records(&written, &mut tried);
    assert!(tried.len() > 800, "{}", tried.len());
    for Mutation { label, records } in tried {
        let mut verifier =
            Verifier::new(Some(forged_tests::trail_key().public()), None, Some(seen));
        for line in chain(&records) {
            verifier.line(&String::new, line.as_bytes(), true);
        }
        let report = verifier.finish();
        // Where the first record is gone, the report says where the files begin.
        let told = !report.faults.is_empty() || report.first > 1;
        assert!(told, "{label}");
    }
}
