//! The corpus of trails in tests/trails, what is said of each, and the second verifier
//! (examples/verify.py), which must say the same of them and of every change of a trail.

use super::forged_tests::{
    Client, Records, agreement, beginning, chained, checkpoint, cut_off, removed, run, talk,
    trail_key, verified, walked, whole, without,
};
use super::mutation_tests::mutations;
use super::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each trail of the corpus: its name, and its lines.
fn corpus() -> Vec<(&'static str, Vec<String>)> {
    [
        by_whoever_has_the_key(),
        gathered(),
        talked(),
        approved(),
        without_the_key(),
        cut(),
    ]
    .concat()
}

/// Honest trails, and those that somebody has changed who has the key.
fn by_whoever_has_the_key() -> Vec<(&'static str, Vec<String>)> {
    // The run that alice asks for, and where bob logs in.
    const RUN: usize = 4;
    const LOGIN: usize = 8;
    let changed = |change: &dyn Fn(&mut Records)| {
        let mut records = beginning();
        change(&mut records);
        chained(&records)
    };
    let mallory = Client::new("alice", 1, 99).request(2, json!({ "verb": "list" }), json!({}));

    vec![
        ("good", chained(&whole())),
        ("good-goes-on", chained(&beginning())),
        (
            "good-without-holes",
            changed(&|records| drop(records[RUN].remove("holes"))),
        ),
        (
            "bad-not-signed",
            changed(&|records| drop(records[RUN].remove("signed"))),
        ),
        (
            "bad-signed-no-json",
            changed(&|records| drop(records[RUN].insert("signed".into(), json!("{")))),
        ),
        (
            "bad-code-beside-granted",
            changed(&|records| drop(records[RUN].insert("code".into(), json!(400)))),
        ),
        (
            "bad-unknown-session",
            changed(&|records| drop(records.remove(LOGIN))),
        ),
        (
            "bad-argv",
            changed(&|records| records[RUN]["argv"][1] = json!("--to=6.6")),
        ),
        (
            "bad-same-request-twice",
            changed(&|records| records.insert(RUN, records[RUN - 1].clone())),
        ),
        (
            "bad-another-user",
            changed(&|records| drop(records[RUN].insert("user".into(), json!("bob")))),
        ),
        (
            "bad-signed-by-another-key",
            changed(&|records| {
                records[RUN].insert("signature".into(), mallory["signature"].clone());
            }),
        ),
        (
            "bad-run-without-request",
            changed(&|records| drop(records.remove(RUN))),
        ),
    ]
}

/// Trails with a login that shares an SSH key's signature with others.
fn gathered() -> Vec<(&'static str, Vec<String>)> {
    let honest = || {
        let mut carol = Client::new("carol", 4, 14);
        let mut login = carol.login(4, "many", json!({}));
        let mut asks = carol.request(13, json!({ "verb": "runs" }), json!({}));
        let mut records = beginning();
        for record in [&mut login, &mut asks] {
            record.insert("time".into(), records[records.len() - 1]["time"].clone());
        }
        records.extend([login, asks]);
        records
    };
    let at = honest().len() - 2;
    let changed = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut records = honest();
        change(&mut records[at]);
        chained(&records)
    };
    let says = |field: &'static str, value: Value| {
        changed(&|login| drop(login.insert(field.into(), value.clone())))
    };
    vec![
        ("good-gathered", chained(&honest())),
        (
            "bad-gathered-another-place",
            says("gathered_index", json!(3)),
        ),
        ("bad-gathered-beyond", says("gathered_index", json!(5))),
        ("bad-gathered-fewer", says("gathered_count", json!(4))),
        ("bad-gathered-more", says("gathered_count", json!(6))),
        (
            "bad-gathered-shorter",
            changed(&|login| {
                let path = login["gathered_path"]
                    .as_str()
                    .unwrap()
                    .split_at(44)
                    .0
                    .to_owned();
                login.insert("gathered_path".into(), json!(path));
            }),
        ),
        (
            "bad-gathered-elsewhere",
            says("gathered_path", json!("A".repeat(128))),
        ),
        (
            "bad-gathered-in-part",
            changed(&|login| drop(login.remove("gathered_count"))),
        ),
        (
            "bad-gathered-alone",
            changed(&|login| login.retain(|field, _| !field.starts_with("gathered"))),
        ),
    ]
}

/// Trails in which something was said.
fn talked() -> Vec<(&'static str, Vec<String>)> {
    let changed = |change: &dyn Fn(&mut Records)| {
        let mut records = talk();
        change(&mut records);
        chained(&records)
    };
    let said = talk().len() - 1;
    vec![
        ("good-said", chained(&talk())),
        (
            "bad-said-another-text",
            changed(&|records| drop(records[said].insert("text".into(), json!("bye")))),
        ),
        (
            "bad-said-by-another",
            changed(&|records| drop(records[said].insert("user".into(), json!("bob")))),
        ),
        (
            "bad-said-without-request",
            changed(&|records| drop(records.remove(said - 1))),
        ),
        (
            "bad-said-twice",
            changed(&|records| records.push(records[said].clone())),
        ),
    ]
}

/// Trails in which somebody has agreed to a run.
fn approved() -> Vec<(&'static str, Vec<String>)> {
    let honest = agreement(1);
    let approve = honest.len() - 2;
    let changed = |change: &dyn Fn(&mut Records)| {
        let mut records = honest.clone();
        change(&mut records);
        chained(&records)
    };
    let another_plan = |from: &str, to: &str| {
        changed(&|records| {
            let plan = records[approve - 1]["plan"].as_str().unwrap();
            assert!(plan.contains(from), "{plan}");
            let plan = plan.replace(from, to);
            records[approve - 1].insert("plan".into(), json!(plan));
        })
    };
    vec![
        ("good-approved", chained(&honest)),
        (
            "bad-approved-by-nobody",
            changed(&|records| drop(records.remove(approve))),
        ),
        (
            "bad-approved-after-the-start",
            changed(&|records| records.swap(approve, approve + 1)),
        ),
        (
            "bad-approved-another-plan",
            another_plan("[\"/bin/deploy\"]", "[\"/bin/destroy\"]"),
        ),
        ("bad-approved-by-too-few", chained(&agreement(2))),
        ("bad-approved-no-plan", another_plan("\"needed\":1,", "")),
        (
            "bad-approved-own",
            changed(&|records| {
                let mut alice = Client::new("alice", 1, 11);
                alice.login(3, "session", json!({ "session": alice.session.clone() }));
                let asks: Value =
                    serde_json::from_str(records[approve]["signed"].as_str().unwrap()).unwrap();
                // As many as the trail has of hers, and one more.
                for number in 0..5 {
                    alice.request(number, json!({ "verb": "list" }), json!({}));
                }
                let own = json!({
                    "verb": "approve", "run": run(2), "command": "deploy", "plan": asks["plan"],
                });
                let time = records[approve]["time"].clone();
                let mut own = alice.request(9, own, json!({ "run": run(2) }));
                own.insert("time".into(), time);
                records.insert(approve, own);
            }),
        ),
        (
            "bad-approved-denied",
            changed(&|records| {
                let mut bob = Client::new("bob", 2, 12);
                bob.login(2, "ssh-key", json!({}));
                let signed = records[approve]["signed"].as_str().unwrap();
                let asks: Value = serde_json::from_str(signed).unwrap();
                for number in 0..2 {
                    bob.request(number, json!({ "verb": "list" }), json!({}));
                }
                let deny = json!({
                    "verb": "deny", "run": run(2), "command": "deploy", "plan": asks["plan"],
                });
                let time = records[approve]["time"].clone();
                let mut deny = bob.request(9, deny, json!({ "run": run(2) }));
                deny.insert("time".into(), time);
                records[approve] = deny;
            }),
        ),
    ]
}

/// Trails that somebody has changed who has not the key.
fn without_the_key() -> Vec<(&'static str, Vec<String>)> {
    const RUN: usize = 4;
    let honest = chained(&beginning());
    vec![
        ("bad-edited-without-the-key", {
            let mut lines = honest.clone();
            lines[RUN] = lines[RUN].replace("\"rule\":\"a rule\"", "\"rule\":\"no rule\"");
            lines
        }),
        ("bad-line-missing", {
            let mut lines = honest.clone();
            lines.remove(RUN + 1);
            lines
        }),
        ("bad-name-twice", {
            let mut lines = honest;
            lines[RUN] = lines[RUN].replacen('{', "{\"user\":\"bob\",", 1);
            lines
        }),
    ]
}

/// Trails of which files are not there.
fn cut() -> Vec<(&'static str, Vec<String>)> {
    let beheaded = |after: Records| chained(&cut_off(after));
    let between = |after: Records| {
        let records = without(&beginning(), 3..9);
        chained(&[records, after].concat())
    };
    vec![
        (
            "good-removed",
            beheaded(vec![removed(1, 6), removed(7, 10), checkpoint()]),
        ),
        (
            "good-removed-between",
            between(vec![removed(4, 6), removed(7, 9), checkpoint()]),
        ),
        ("bad-begins-in-the-middle", beheaded(vec![checkpoint()])),
        ("bad-removed-not-signed", beheaded(vec![removed(1, 10)])),
        (
            "bad-removed-fewer",
            beheaded(vec![removed(1, 9), checkpoint()]),
        ),
        (
            "bad-removed-between-fewer",
            between(vec![removed(4, 6), checkpoint()]),
        ),
        (
            "bad-removed-what-is-to-come",
            beheaded(vec![removed(1, 10), checkpoint(), {
                let mut record = removed(1, 1);
                record.insert("last".into(), json!(99));
                record.insert("before_hash".into(), json!(""));
                record.insert("last_hash".into(), json!(""));
                record
            }]),
        ),
    ]
}

/// What a verifier says of a trail: the counts where there is no fault, the first fault's line where
/// there is one.
fn said(report: &Report) -> Value {
    let first = report.faults.first();
    if let Some(fault) = first {
        return json!({ "sound": false, "line": fault.place.parse::<u64>().unwrap() });
    }
    let mut said = json!({
        "sound": true, "records": report.records, "checkpoints": report.checkpoints,
        "signatures": report.signatures, "granted": report.granted, "removed": report.removed,
    });
    for (name, count, _) in report.open.named() {
        said[name] = json!(count);
    }
    said
}

/// The same, of what examples/verify.py has said in JSON.
fn said_in_python(line: &Value) -> Value {
    if line["sound"] == json!(false) {
        let place = line["faults"][0]["place"].as_str().unwrap();
        let (_, number) = place.rsplit_once(':').unwrap();
        return json!({ "sound": false, "line": number.parse::<u64>().unwrap() });
    }
    let mut said = line.clone();
    for name in ["trail", "first", "faults"] {
        said.as_object_mut().unwrap().remove(name);
    }
    said
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trails")
}

fn file(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_corpus_is_what_is_said_of_it() {
    let (folder, write) = (folder(), std::env::var_os("ORDAIN_WRITE").is_some());
    let mut expected = json!({});
    let compare = |name: &str, made: &str| {
        let path = folder.join(name);
        if write {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == made,
            "tests/trails/{name} is another; ORDAIN_WRITE=1 cargo test --lib audit writes it"
        );
    };
    for (name, lines) in corpus() {
        compare(&format!("{name}.jsonl"), &file(&lines));
        let report = verified(&lines);
        assert_eq!(
            report.faults.is_empty(),
            name.starts_with("good"),
            "{name}: {:?}",
            report.faults
        );
        expected[name] = said(&report);
    }
    compare("trail.pub", &format!("{}\n", trail_key().public()));
    let expected = serde_json::to_string_pretty(&expected).unwrap();
    compare("expected.json", &format!("{expected}\n"));
}

/// What the second verifier says of these files, each a trail of its own; nothing where there is no
/// Python with `cryptography`.
fn in_python(files: &[PathBuf], part: bool) -> Option<Vec<Value>> {
    let has = Command::new("python3")
        .args(["-c", "import cryptography"])
        .output();
    if !has.is_ok_and(|has| has.status.success()) {
        println!("skipped: python3 with the package `cryptography` is not installed");
        return None;
    }
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify.py"))
        .args(part.then_some("--part"))
        .args(["--each", "--json", "--key"])
        .arg(folder().join("trail.pub"))
        .args(files)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let said = text.lines().map(|line| serde_json::from_str(line).unwrap());
    Some(said.collect())
}

#[test]
fn a_second_verifier_says_the_same_of_the_corpus() {
    let names: Vec<&str> = corpus().into_iter().map(|(name, _)| name).collect();
    let files: Vec<PathBuf> = names
        .iter()
        .map(|name| folder().join(format!("{name}.jsonl")))
        .collect();
    let Some(said) = in_python(&files, false) else {
        return;
    };
    let expected = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    assert_eq!(said.len(), names.len());
    for (name, line) in names.iter().zip(&said) {
        assert_eq!(said_in_python(line), expected[name], "{name}: {line}");
    }
}

#[test]
fn a_second_verifier_says_the_same_of_every_change_and_of_every_rest() {
    let changed = mutations(&whole())
        .into_iter()
        .map(|mutation| (mutation.label, chained(&mutation.records)));
    agree(changed, false);
    let honest = chained(&whole());
    let rests =
        (1..honest.len()).map(|first| (format!("from {first} on"), honest[first..].to_vec()));
    agree(rests.clone(), true);
    agree(rests, false);
}

/// Both verifiers must say the same of each of these trails.
fn agree(trails: impl Iterator<Item = (String, Vec<String>)>, part: bool) {
    let temporary = tempfile::tempdir().unwrap();
    let (mut files, mut expected) = (Vec::new(), Vec::new());
    for (number, (label, lines)) in trails.enumerate() {
        let path = temporary.path().join(format!("{number}.jsonl"));
        std::fs::write(&path, file(&lines)).unwrap();
        files.push(path);
        expected.push((label, said(&walked(&lines, part))));
    }
    let Some(said) = in_python(&files, part) else {
        return;
    };
    assert_eq!(said.len(), expected.len());
    let other: Vec<String> = expected
        .iter()
        .zip(&said)
        .filter(|((_, expected), line)| said_in_python(line) != *expected)
        .map(|((label, expected), line)| format!("{label}: {expected}, in Python {line}"))
        .collect();
    assert!(other.is_empty(), "{}\n{}", other.len(), other.join("\n"));
}
