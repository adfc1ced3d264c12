//! Servers that send what nobody has asked for, or something else than they say: nothing of it is kept.

use super::*;
use crate::files::stream::{FileHead, Head, LinkHead};
use crate::files::{Mode, Target};
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

fn path(text: &str) -> Below {
    text.parse().unwrap()
}

fn file(name: &str, content: &[u8]) -> Vec<Record<'static>> {
    let head = FileHead {
        path: path(name),
        mode: Mode::of_file(0o644),
        time: 1,
        size: Some(content.len() as u64),
        asks: false,
    };
    let mut records = vec![Record::File(head)];
    if !content.is_empty() {
        records.push(Record::Data(content.to_vec().leak()));
    }
    records.push(Record::End(*blake3::hash(content).as_bytes()));
    records
}

fn folder(name: &str) -> Vec<Record<'static>> {
    vec![Record::Folder(Head {
        path: path(name),
        mode: Mode::of_file(0o755),
        time: 1,
    })]
}

fn link(name: &str, target: &str) -> Vec<Record<'static>> {
    let path = path(name);
    let target = Target::inside(target.as_bytes(), &path).unwrap();
    vec![Record::Link(LinkHead { path, target })]
}

/// A stream with the digest that belongs to it.
fn whole(records: &[Vec<Record<'static>>]) -> Vec<u8> {
    let (mut bytes, mut manifest) = (Vec::new(), Manifest::default());
    let mut head = None;
    let mut size = 0;
    for record in records.iter().flatten() {
        record.encode(&mut bytes);
        let (path, mode, time, what) = match record {
            Record::Folder(head) => (head.path.clone(), head.mode, head.time, What::Folder),
            Record::Link(link) => {
                let target = link.target.clone();
                (
                    link.path.clone(),
                    Mode::of_file(0o777),
                    0,
                    What::Link { target },
                )
            }
            Record::File(file) => {
                head = Some(file.clone());
                size = 0;
                continue;
            }
            Record::Data(data) => {
                size += data.len() as u64;
                continue;
            }
            Record::End(digest) => {
                let file = head.take().unwrap();
                let digest = Some(*digest);
                (file.path, file.mode, file.time, What::File { size, digest })
            }
            _ => continue,
        };
        // What is out of order has no digest, and is refused before that is looked at.
        let _ = manifest.add(&Entry {
            path,
            mode,
            time,
            what,
        });
    }
    Record::Done(manifest.sum()).encode(&mut bytes);
    bytes
}

/// Receives into a folder with a file `old` and a link `l` that leads out; whether all was well.
fn received(expected: &Expected, stream: &[u8], judged: bool) -> (bool, Vec<String>) {
    let whole = tempfile::tempdir().unwrap();
    let here = whole.path().join("here");
    std::fs::create_dir(&here).unwrap();
    std::fs::create_dir(whole.path().join("outside")).unwrap();
    std::fs::write(here.join("old"), "old").unwrap();
    symlink("../outside", here.join("l")).unwrap();
    let scope = here::scope(true).unwrap();
    let folder = Folder::named(&here, true).unwrap();
    let place = match expected {
        Expected::Chosen(_) => Place::Root(folder),
        _ => Place::In(folder, b"new".to_vec()),
    };
    let (came, mut has_come) = oneshot::channel();
    let (verdict, judge) = mpsc::channel();
    verdict.send(judged).unwrap();
    let how = (expected.clone(), false);
    let done = receive(&scope, &place, how, stream, came, &judge);
    let well = done.is_ok_and(|faults| faults.is_empty())
        && has_come.try_recv().is_ok_and(|came| came.is_ok());
    let mut left: Vec<String> = std::fs::read_dir(&here)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(
        std::fs::read_dir(whole.path().join("outside"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(std::fs::read(here.join("old")).unwrap(), b"old");
    (well, left)
}

const BEFORE: [&str; 2] = ["l", "old"];

#[test]
fn what_was_asked_for_is_kept_if_it_is_proved() {
    let stream = whole(&[file("", b"text")]);
    assert_eq!(
        received(&Expected::One, &stream, true),
        (true, vec!["l".into(), "new".into(), "old".into()])
    );
    let (_, left) = received(&Expected::One, &stream, false);
    assert_eq!(left, BEFORE, "the server's monitor says something else");
}

#[test]
fn what_nobody_has_asked_for_ends_the_transfer() {
    let chosen = Expected::Chosen(BTreeSet::from([
        Below::root(),
        path("a"),
        path("l"),
        path("l/f"),
    ]));
    let (one, tree) = (Expected::One, Expected::Tree);
    let rows = [
        (&one, vec![folder("")]),
        (&one, vec![folder(""), file("authorized_keys", b"key")]),
        (&one, vec![file("x", b"text")]),
        (&one, vec![file("", b"text"), file("", b"text")]),
        (&tree, vec![folder(""), file("a/b", b"text")]),
        (
            &tree,
            vec![folder(""), link("a", "b"), file("a/f", b"text")],
        ),
        (&chosen, vec![folder(""), file("old", b"new")]),
        (&chosen, vec![folder(""), file("b", b"text")]),
        (&chosen, vec![folder(""), file("l/f", b"text")]),
    ];
    for (expected, records) in rows {
        let (well, left) = received(expected, &whole(&records), true);
        assert!(!well, "{records:?}");
        assert_eq!(left, BEFORE, "{records:?}");
    }
    // A link that is here is gone through by nobody, though the folder was asked for.
    let (well, left) = received(
        &chosen,
        &whole(&[folder(""), folder("l"), file("l/f", b"text")]),
        true,
    );
    assert_eq!((well, left), (false, BEFORE.map(str::to_owned).to_vec()));
}

#[test]
fn what_is_not_what_it_says_is_not_kept() {
    let good = whole(&[folder(""), file("a", b"text")]);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let (well, left) = received(&Expected::Tree, &bad, true);
        assert!(!well, "byte {at}");
        assert!(!left.contains(&"new".to_owned()), "byte {at}");
    }
    for cut in 0..good.len() {
        let (well, left) = received(&Expected::Tree, &good[..cut], true);
        assert!(!well && !left.contains(&"new".to_owned()), "cut at {cut}");
    }
}
