//! Trails written, broken in every way, and walked.

use super::*;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

fn key() -> TrailKey {
    TrailKey::of(&Zeroizing::new([7; 32])).unwrap()
}

fn open(path: &Path, known: Option<Head>) -> Trail {
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    Trail::open(file, key(), known, None).unwrap()
}

fn some(trail: &mut Trail, count: u32) {
    for pid in 0..count {
        trail
            .append(&Record::now(What::Started {
                version: "1",
                instance: "i",
                pid,
            }))
            .unwrap();
    }
}

fn walk(files: &[&Path], seen: Option<Head>) -> Report {
    walk_along(Verifier::new(Some(key().public()), None, seen), files)
}

fn walk_along(mut verifier: Verifier<'_>, files: &[&Path]) -> Report {
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let last = lines.pop().unwrap();

        for (number, line) in lines.into_iter().enumerate() {
            verifier.line(&|| format!("{}", number + 1), line, true);
        }
        if !last.is_empty() {
            verifier.line(&|| "last".into(), last, false);
        }
    }

    verifier.finish()
}

/// Twelve records with a checkpoint after the fifth and at the end.
fn made() -> (tempfile::TempDir, PathBuf, Head) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail");
    let mut trail = open(&path, None);
    some(&mut trail, 5);
    trail.checkpoint().unwrap().unwrap();
    some(&mut trail, 5);
    trail.checkpoint().unwrap().unwrap();
    assert_eq!(
        trail.checkpoint().unwrap(),
        None,
        "nothing has happened since"
    );

    let head = trail.head();
    (folder, path, head)
}

#[test]
fn a_whole_trail_is_proved() {
    let (_folder, path, head) = made();
    let report = walk(&[&path], Some(head));
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!(
        (
            report.records,
            report.first,
            report.last,
            report.checkpoints
        ),
        (12, 1, head, 2)
    );

    assert_eq!(report.proved.map(|(seq, _)| seq), Some(11));

    // It goes on where it was.
    let mut trail = open(&path, Some(head));
    some(&mut trail, 1);
    assert_eq!(trail.head().seq, 13);
    assert!(walk(&[&path], Some(head)).faults.is_empty());
}

#[test]
fn whatever_is_done_to_a_trail_shows() {
    let (folder, path, head) = made();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    type Change = fn(&mut Vec<String>);
    let changes: [(&str, Change, &str); 8] = [
        (
            "edited",
            |lines| lines[3] = lines[3].replace("\"pid\":3", "\"pid\":4"),
            "record 4 was edited",
        ),
        (
            "deleted",
            |lines| drop(lines.remove(3)),
            "records 4 to 4 are missing",
        ),
        (
            "swapped",
            |lines| lines.swap(3, 4),
            "records 4 to 4 are missing",
        ),
        (
            "doubled",
            |lines| lines.insert(4, lines[3].clone()),
            "record 4 comes after record 4",
        ),
        (
            "inserted",
            |lines| lines.insert(4, "{\"kind\":\"request\"}".into()),
            "has no number",
        ),
        (
            "rubbish",
            |lines| lines.insert(4, "rubbish".into()),
            "is no record",
        ),
        (
            "no beginning",
            |lines| drop(lines.drain(..7)),
            "the trail begins with record 8",
        ),
        ("nothing", |_| {}, ""),
    ];

    for (name, change, expected) in changes {
        let mut changed = lines.clone();
        change(&mut changed);
        let other = folder.path().join(name);
        std::fs::write(&other, changed.join("\n") + "\n").unwrap();
        let report = walk(&[&other], None);

        match report.faults.first() {
            Some(fault) => assert!(
                !expected.is_empty() && fault.text.contains(expected),
                "{name}: {fault:?}"
            ),
            None => assert!(expected.is_empty(), "{name}"),
        }

        if name == "edited" {
            assert_eq!(report.proved, None, "nothing before it was signed");
        }
    }

    // Truncated: what left the machine tells, and so does the note beside the file.
    std::fs::write(&path, lines[..8].join("\n") + "\n").unwrap();
    assert!(walk(&[&path], None).faults.is_empty());
    assert!(
        walk(&[&path], Some(head)).faults[0]
            .text
            .contains("truncated or rolled back")
    );

    let mut trail = open(&path, Some(head));
    some(&mut trail, 1);
    let report = walk(&[&path], None);
    assert!(
        report.faults[0]
            .text
            .contains("records 9 to 12 are missing: the file was truncated or put back"),
        "{:?}",
        report.faults
    );

    assert_eq!(report.proved.map(|(seq, _)| seq), Some(5));

    // Rewritten from the beginning, hashes and all, by somebody who has not the key.
    let forged = folder.path().join("forged");
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .open(&forged)
        .unwrap();
    let mut forger = Trail::open(
        file,
        TrailKey::of(&Zeroizing::new([8; 32])).unwrap(),
        None,
        None,
    )
    .unwrap();
    some(&mut forger, 5);
    forger.checkpoint().unwrap();
    assert!(
        walk(&[&forged], None).faults[0]
            .text
            .contains("the checkpoint's signature does not fit")
    );
}

#[test]
fn a_torn_line_is_recovered_and_told_of() {
    for torn in ["{\"seq\":13,\"prev\":\"", "{\"seq\":13", "\u{0}\u{0}\u{0}"] {
        let (_folder, path, head) = made();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(torn.as_bytes()).unwrap();
        let before = walk(&[&path], None);
        assert!(
            before.faults[0].text.contains("a crash may have left it"),
            "{before:?}"
        );

        let mut trail = open(&path, Some(head));
        some(&mut trail, 2);
        let report = walk(&[&path], Some(head));
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        assert_eq!((report.recovered, report.records), (1, 15));

        // What is said to be torn cannot be exchanged for something else.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(torn, "something else")).unwrap();
        assert!(walk(&[&path], None).faults[0].text.contains("is no record"));
    }
}

#[test]
fn a_trail_runs_on_through_files_and_from_what_was_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail");
    std::fs::write(&path, "{\"time\":\"then\",\"kind\":\"started\"}\n").unwrap();
    let mut trail = open(&path, None);
    some(&mut trail, 3);
    trail.checkpoint().unwrap();
    let next = folder.path().join("next");
    let file = File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(&next)
        .unwrap();
    trail.go_on_in(file, "rotated", "trail").unwrap();
    some(&mut trail, 3);
    let report = walk(&[&path, &next], Some(trail.head()));
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!((report.unchained, report.records), (1, 8));
    let alone = walk(&[&next], None);
    assert!(alone.faults[0].text.contains("begins with record 5"));
    let part = Verifier::new(Some(key().public()), None, None).of_a_part();
    let alone = walk_along(part, &[&next]);
    assert!(alone.faults.is_empty(), "{:?}", alone.faults);
    let before = Trail::head_of(&mut File::open(&path).unwrap()).unwrap();
    assert_eq!(
        walk(&[&next], Some(before)).passed,
        Some(before.seq),
        "it goes on from there"
    );

    assert!(
        !walk(&[&next, &path], None).faults.is_empty(),
        "in the wrong order"
    );
}

#[test]
fn what_could_not_be_written_leaves_nothing_and_is_not_forgotten() {
    // A file that is only read stands for a disk that is full.
    let (_folder, path, head) = made();
    let mut trail = open(&path, Some(head));
    let writable = std::mem::replace(&mut trail.file, File::open(&path).unwrap());
    assert!(
        trail
            .append(&Record::now(What::Frontend { state: "lost" }))
            .is_err()
    );

    assert_eq!(trail.head(), head);
    trail.missed = 3;
    trail.file = writable;
    some(&mut trail, 1);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.lines()
            .nth(12)
            .unwrap()
            .contains("\"kind\":\"gap\",\"missed\":3"),
        "{text}"
    );

    assert!(walk(&[&path], None).faults.is_empty());
}

#[test]
fn numbers_at_the_end_of_the_world_are_no_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail");
    for line in [
        "{\"seq\":18446744073709551615}",
        "{\"seq\":7,\"kind\":\"missing\",\"expected\":18446744073709551615}",
    ] {
        std::fs::write(&path, format!("{line}\n{line}\n")).unwrap();
        assert!(!walk(&[&path], None).faults.is_empty(), "{line}");
        let mut trail = open(&path, None);
        some(&mut trail, 2);
    }
}

proptest! {
    #[test]
    fn every_changed_byte_shows(at in 0usize..4000, bit in 0u8..8) {
        let (_folder, path, head) = made();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        let report = walk(&[&path], Some(head));
        prop_assert!(!report.faults.is_empty(), "byte {}", at);
    }

    #[test]
    fn no_bytes_break_the_walk_or_the_opening(bytes: Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        std::fs::write(&path, &bytes).unwrap();
        let _ = walk(&[&path], None);
        let mut trail = open(&path, None);
        some(&mut trail, 1);
    }
}
