//! A mover as a process of its own, which is killed at any moment: nothing half is ever in place, and the
//! next one goes on where it was.

use ordain::files::stream::{FileHead, Head, Record};
use ordain::files::{
    Act, Below, Commit, Entry, FromMover, Links, Manifest, Mode, Rules, Sum, Sync, Task, ToMover,
    What,
};
use ordain::mover::Reader;
use ordain::sys;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A mover that is told what to do.
struct Mover {
    child: Child,
    words: OwnedFd,
}

impl Mover {
    /// Starts one as the monitor does: the root as descriptor 3, the words as 4.
    fn begin(root: &Path, act: Act) -> Self {
        Self::begin_at(root, act, None)
    }

    /// Starts one by the clock that stands in this file.
    fn begin_at(root: &Path, act: Act, clock: Option<&Path>) -> Self {
        let (words, theirs) = sys::pair().unwrap();
        let child = Command::new("/bin/sh")
            .arg("-c")
            .arg("exec 4>&2 3<\"$1\" 2>/dev/null; exec \"$0\" --mover")
            .arg(env!("CARGO_BIN_EXE_ordaind"))
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(theirs))
            .env_clear()
            .envs(clock.map(|file| ("ORDAIN_CLOCK", file)))
            .spawn()
            .unwrap();
        let task = Task {
            act,
            rules: rules(),
        };
        let word = ToMover::Task(task).encode().unwrap();
        sys::send(words.as_fd(), &word, &[]).unwrap();
        Self { child, words }
    }

    /// What the mover says next; nothing once it is gone.
    fn hear(&self) -> Option<FromMover> {
        sys::wait_readable(self.words.as_fd(), Duration::from_secs(60)).unwrap();
        let mut buffer = [0; 8192];
        match sys::receive(self.words.as_fd(), &mut buffer) {
            Ok(received) if received.length > 0 => {
                Some(FromMover::decode(&buffer[..received.length]).unwrap())
            }
            _ => None,
        }
    }

    fn commit(&self, sum: Sum) {
        let word = ToMover::Commit(Commit { digest: sum.digest });
        let _ = sys::send(self.words.as_fd(), &word.encode().unwrap(), &[]);
    }

    /// Takes what is left of its output, and waits for its end.
    fn end(mut self) -> (ExitStatus, Vec<u8>) {
        drop(self.child.stdin.take());
        let mut output = Vec::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut output)
            .unwrap();
        (self.child.wait().unwrap(), output)
    }
}

fn rules() -> Rules {
    Rules {
        only: Vec::new(),
        mode: Mode::new(0o644).unwrap(),
        directories: Mode::new(0o755).unwrap(),
        max_file: 1 << 40,
        max_total: 1 << 40,
        max_files: 10_000,
        replace: true,
        sync: Sync::Batch,
        cross_mounts: false,
        links: Links::Refused,
        names: false,
    }
}

fn put(path: &str) -> Act {
    Act::Put {
        path: path.parse().unwrap(),
        recursive: true,
        all_or_nothing: true,
    }
}

/// A tree of some files, as a client sends it.
fn stream(content: &[u8]) -> (Vec<u8>, Sum) {
    let (mut stream, mut manifest) = (Vec::new(), Manifest::default());
    let (mode, time) = (Mode::new(0o644).unwrap(), 1_000_000_000);
    let folder = |path: &str, stream: &mut Vec<u8>, manifest: &mut Manifest| {
        let path: Below = path.parse().unwrap();
        let head = Head {
            path: path.clone(),
            mode: Mode::new(0o755).unwrap(),
            time,
        };
        let entry = Entry {
            path,
            mode: head.mode,
            time,
            what: What::Folder,
        };
        Record::Folder(head).encode(stream);
        manifest.add(&entry).unwrap();
    };
    folder("", &mut stream, &mut manifest);
    for name in ["a", "b"] {
        folder(name, &mut stream, &mut manifest);
        for number in 0..20 {
            let path: Below = format!("{name}/{number:02}").parse().unwrap();
            let size = content.len() as u64;
            let head = FileHead {
                path: path.clone(),
                mode,
                time,
                size: Some(size),
                asks: false,
            };
            Record::File(head).encode(&mut stream);
            Record::Data(content).encode(&mut stream);
            let digest = *blake3::hash(content).as_bytes();
            Record::End(digest).encode(&mut stream);
            let what = What::File {
                size,
                digest: Some(digest),
            };
            let entry = Entry {
                path,
                mode,
                time,
                what,
            };
            manifest.add(&entry).unwrap();
        }
    }
    let sum = manifest.sum();
    Record::Done(sum).encode(&mut stream);
    (stream, sum)
}

/// What is visible below a folder: each file with the first byte and the length of its content.
fn visible(folder: &Path) -> BTreeMap<String, (u8, usize)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        let Ok(entries) = std::fs::read_dir(at) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(".ordain-") {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                assert!(
                    bytes.iter().all(|byte| *byte == bytes[0]),
                    "{path:?} is mixed"
                );
                let name = path
                    .strip_prefix(folder)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.insert(name, (bytes[0], bytes.len()));
            }
        }
    }
    found
}

#[test]
fn a_mover_is_told_over_its_socket_and_places_what_is_committed() {
    let root = tempfile::tempdir().unwrap();
    let (bytes, sum) = stream(&[b'1'; 5000]);
    let mut mover = Mover::begin(root.path(), put("new"));
    mover
        .child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&bytes)
        .unwrap();
    assert_eq!(mover.hear(), Some(FromMover::Sum(sum)));
    assert_eq!(
        visible(root.path()).len(),
        0,
        "nothing is placed before the commit"
    );
    mover.commit(sum);
    let (status, output) = mover.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(
        Reader::new(&output[..]).next_record().unwrap(),
        Some(Record::Done(sum))
    );
    assert_eq!(visible(root.path()).len(), 40);

    let list = Act::List {
        path: Below::root(),
        recursive: true,
        digests: true,
    };
    let mover = Mover::begin(root.path(), list);
    let Some(FromMover::Sum(listed)) = mover.hear() else {
        panic!("no sum");
    };
    assert_eq!((listed.files, listed.bytes), (44, 40 * 5000));
    assert_eq!(mover.end().0.code(), Some(0));
}

#[test]
fn without_a_monitor_nothing_is_placed() {
    let root = tempfile::tempdir().unwrap();
    let (bytes, sum) = stream(&[b'1'; 50]);
    let mut mover = Mover::begin(root.path(), put("new"));
    mover
        .child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&bytes)
        .unwrap();
    assert_eq!(mover.hear(), Some(FromMover::Sum(sum)));
    let Mover { child, words } = mover;
    drop(words);
    let (other, _) = sys::pair().unwrap();
    let (status, _) = Mover {
        child,
        words: other,
    }
    .end();
    assert_eq!(status.code(), Some(2));
    assert_eq!(visible(root.path()).len(), 0);
}

/// Killed after as many bytes, or as long after the commit, as chance says.
#[test]
fn a_mover_that_is_killed_at_any_moment_leaves_the_old_or_the_new() {
    let root = tempfile::tempdir().unwrap();
    let (mut dice, mut current) = (0x9E37_79B9_7F4A_7C15_u64, None::<u8>);
    let mut roll = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        usize::try_from(dice >> 11).unwrap() % sides
    };
    let (mut kept, mut replaced) = (0, 0);
    for round in 0..60_u8 {
        let (bytes, sum) = stream(&[b'0' + round; 3000]);
        let mut mover = Mover::begin(root.path(), put("new"));
        if round % 2 == 0 {
            let cut = roll(bytes.len());
            let _ = mover.child.stdin.as_mut().unwrap().write_all(&bytes[..cut]);
            mover.child.kill().unwrap();
            mover.end();
        } else {
            mover
                .child
                .stdin
                .as_mut()
                .unwrap()
                .write_all(&bytes)
                .unwrap();
            assert_eq!(mover.hear(), Some(FromMover::Sum(sum)));
            mover.commit(sum);
            // Some of them come to their end before.
            for _ in 0..roll(30_000) {
                std::hint::spin_loop();
            }
            mover.child.kill().unwrap();
            mover.end();
        }
        let there = visible(&root.path().join("new"));
        let bytes: Vec<u8> = there.values().map(|(byte, _)| *byte).collect();
        if bytes.first() == Some(&(b'0' + round)) {
            replaced += 1;
            current = Some(b'0' + round);
        } else {
            kept += 1;
        }
        match current {
            None => assert!(there.is_empty()),
            Some(byte) => {
                assert_eq!(there.len(), 40, "round {round}");
                assert!(
                    there.values().all(|one| *one == (byte, 3000)),
                    "round {round}"
                );
            }
        }
    }
    println!("{kept} kept, {replaced} replaced");
    // And after all that, one that is left alone.
    let (bytes, sum) = stream(&[b'z'; 10]);
    let mut mover = Mover::begin(root.path(), put("new"));
    mover
        .child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&bytes)
        .unwrap();
    assert_eq!(mover.hear(), Some(FromMover::Sum(sum)));
    mover.commit(sum);
    assert_eq!(mover.end().0.code(), Some(0));
    assert!(visible(root.path()).values().all(|one| *one == (b'z', 10)));
}

/// What is left behind goes with the first transfer after a day.
#[test]
fn what_nobody_has_come_for_in_a_day_is_swept() {
    let root = tempfile::tempdir().unwrap();
    let left = root.path().join(".ordain-LEFT-BEHIND");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("file"), "left").unwrap();
    let clock = tempfile::NamedTempFile::new().unwrap();
    for (seconds, stays) in [(86_000, true), (87_000, false)] {
        std::fs::write(clock.path(), seconds.to_string()).unwrap();
        let mut mover = Mover::begin_at(root.path(), put("new"), Some(clock.path()));
        let (bytes, sum) = stream(b"x");
        mover
            .child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(&bytes)
            .unwrap();
        assert_eq!(mover.hear(), Some(FromMover::Sum(sum)));
        assert_eq!(left.exists(), stays, "after {seconds} seconds");
        mover.commit(sum);
        assert_eq!(mover.end().0.code(), Some(0));
    }
}
