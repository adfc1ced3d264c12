//! Movers against folders: what they read, write, list and remove, and what they leave when they may not.

use super::scope::Scope;
use super::*;
use crate::files::stream::{FileHead, Head, Told};
use crate::files::{Below, Commit, Entry, Links, Manifest, Mode, Rules, Sum, Sync, What};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;

/// A monitor that commits to this.
#[derive(Default)]
pub struct Listener {
    pub sum: Option<Sum>,
    pub names: Vec<String>,
    pub commits: Option<Commits>,
}

/// What is committed.
#[derive(Clone, Copy)]
pub enum Commits {
    /// What the mover has said.
    Same,
    /// This.
    This([u8; 32]),
}

impl Monitor for Listener {
    fn name(&mut self, path: &Below) -> Result<(), Stop> {
        self.names.push(path.to_string());
        Ok(())
    }

    fn sum(&mut self, sum: Sum) -> Result<(), Stop> {
        assert!(self.sum.replace(sum).is_none(), "one sum");
        Ok(())
    }

    fn commit(&mut self) -> Result<Option<Commit>, Stop> {
        let digest = match self.commits {
            None => return Ok(None),
            Some(Commits::Same) => self.sum.unwrap().digest,
            Some(Commits::This(digest)) => digest,
        };
        Ok(Some(Commit { digest }))
    }
}

pub fn rules() -> Rules {
    Rules {
        only: Vec::new(),
        mode: Mode::new(0o755).unwrap(),
        directories: Mode::new(0o755).unwrap(),
        max_file: 1 << 40,
        max_total: 1 << 41,
        max_files: 100_000,
        replace: true,
        sync: Sync::Batch,
        cross_mounts: false,
        links: Links::Inside,
        names: false,
    }
}

pub fn path(text: &str) -> Below {
    text.parse().unwrap()
}

/// A mover's whole life, with what stands here as input.
pub fn moved(
    root: &Path,
    act: &Act,
    rules: Rules,
    monitor: &mut Listener,
    input: &[u8],
) -> (Result<Ended, Stop>, Vec<u8>) {
    let scope = Scope::new(act.path().clone(), rules).unwrap();
    let folder = Folder::named(root, false).unwrap();
    let mut output = Vec::new();
    let ended = serve_task(act, &scope, folder, monitor, input, &mut output);
    (ended, output)
}

pub fn get(text: &str) -> Act {
    Act::Get {
        path: path(text),
        recursive: true,
        chosen: false,
        pack: true,
    }
}

pub fn put(text: &str, all_or_nothing: bool) -> Act {
    Act::Put {
        path: path(text),
        recursive: true,
        all_or_nothing,
    }
}

pub fn remove(text: &str) -> Act {
    Act::Remove {
        path: path(text),
        recursive: true,
        chosen: None,
    }
}

/// The records of a stream, each as text that shows what matters.
pub fn shown(stream: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(stream);
    let mut shown = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        shown.push(match record {
            Record::Folder(Head { path, .. }) => format!("folder {path}"),
            Record::File(FileHead { path, size, .. }) => format!("file {path} {size:?}"),
            Record::Data(bytes) => format!("data {}", bytes.len()),
            Record::Packed(length, _) => format!("packed {length}"),
            Record::Hole(length) => format!("hole {length}"),
            Record::Listed(Entry { path, what, .. }) => match what {
                What::Folder => format!("{path}/"),
                What::File { size, digest } => format!("{path} {size} {}", digest.is_some()),
                What::Link { target } => format!("{path} -> {}", target.text().escape_ascii()),
            },
            Record::Link(link) => format!("link {}", link.path),
            Record::Fault(Told { path, what, .. }) => format!("fault {path} {what:?}"),
            Record::Done(sum) => format!("done {} {}", sum.files, sum.bytes),
            Record::End(_) => "end".into(),
            other => format!("{other:?}"),
        });
    }
    shown
}

/// All that is in a folder: what each is, with its content.
pub fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let name = path.strip_prefix(folder).unwrap();
            let name = name.to_string_lossy().into_owned();
            if kind.is_dir() {
                found.insert(name, "/".into());
                open.push(path);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(&path).unwrap();
                found.insert(name, format!("-> {}", target.display()));
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
    found
}

/// What a client sends that puts these entries.
pub fn sent(entries: &[(&str, Option<&[u8]>)]) -> Vec<u8> {
    let (mut stream, mut manifest) = (Vec::new(), Manifest::default());
    let (mode, time) = (Mode::new(0o640).unwrap(), 1_000_000_000_000_000_000);
    for (name, content) in entries {
        let path = path(name);
        let what = match content {
            None => {
                let path = path.clone();
                Record::Folder(Head { path, mode, time }).encode(&mut stream);
                What::Folder
            }
            Some(bytes) => {
                let size = bytes.len() as u64;
                Record::File(FileHead {
                    path: path.clone(),
                    mode,
                    time,
                    size: Some(size),
                    asks: false,
                })
                .encode(&mut stream);
                for block in bytes.chunks(1000) {
                    Record::Data(block).encode(&mut stream);
                }
                let digest = *blake3::hash(bytes).as_bytes();
                Record::End(digest).encode(&mut stream);
                let digest = Some(digest);
                What::File { size, digest }
            }
        };
        let entry = Entry {
            path,
            mode,
            time,
            what,
        };
        manifest.add(&entry).unwrap();
    }
    Record::Done(manifest.sum()).encode(&mut stream);
    stream
}

pub fn committed() -> Listener {
    Listener {
        commits: Some(Commits::Same),
        ..Listener::default()
    }
}

#[test]
fn a_file_is_read_and_a_folder_with_all_that_is_in_it() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    std::fs::create_dir_all(at("d/e")).unwrap();
    std::fs::write(at("d/e/f"), "text").unwrap();
    std::fs::write(at("d-"), "x".repeat(100_000)).unwrap();
    std::fs::write(at("d/.ordain-left"), "left").unwrap();
    symlink("e", at("d/l")).unwrap();
    symlink("../d-", at("d/out")).unwrap();

    let mut monitor = Listener::default();
    let (ended, stream) = moved(root.path(), &get("d-"), rules(), &mut monitor, b"");
    assert_eq!(ended.unwrap(), Ended::Done);
    assert_eq!(
        shown(&stream),
        [
            "file  Some(100000)",
            "packed 100000",
            "end",
            "done 1 100000"
        ]
    );
    assert_eq!(monitor.sum.unwrap().bytes, 100_000);

    let (ended, stream) = moved(
        root.path(),
        &get("d"),
        rules(),
        &mut Listener::default(),
        b"",
    );
    assert_eq!(ended.unwrap(), Ended::Partly);
    let expected = [
        "folder ",
        "folder e",
        "file e/f Some(4)",
        "data 4",
        "end",
        "link l",
        "fault out Link",
        "done 4 4",
    ];
    assert_eq!(shown(&stream), expected);

    let once = Act::Get {
        path: path("d"),
        recursive: false,
        chosen: false,
        pack: false,
    };
    let (ended, stream) = moved(root.path(), &once, rules(), &mut Listener::default(), b"");
    assert_eq!(ended.unwrap(), Ended::Not);
    assert_eq!(shown(&stream), ["fault  Folder", "done 0 0"]);
}

#[test]
fn a_list_tells_what_is_there_in_order() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("b/c")).unwrap();
    std::fs::write(root.path().join("b/c/f"), "text").unwrap();
    std::fs::write(root.path().join("a.log"), "text").unwrap();
    std::fs::write(root.path().join("b-"), "text").unwrap();
    let list = |recursive, digests| Act::List {
        path: Below::root(),
        recursive,
        digests,
    };
    let told = |act: &Act, only: &[&str]| {
        let only = only.iter().map(|&text| text.to_owned()).collect();
        let rules = Rules { only, ..rules() };
        let (ended, stream) = moved(root.path(), act, rules, &mut Listener::default(), b"");
        assert_eq!(ended.unwrap(), Ended::Done);
        shown(&stream)
    };
    assert_eq!(
        told(&list(false, false), &[]),
        ["/", "a.log 4 false", "b/", "b- 4 false", "done 4 8"]
    );
    let all = [
        "/",
        "a.log 4 true",
        "b/",
        "b/c/",
        "b/c/f 4 true",
        "b- 4 true",
        "done 6 12",
    ];
    assert_eq!(told(&list(true, true), &[]), all);
    assert_eq!(
        told(&list(true, false), &["*.log", "!b"]),
        ["/", "a.log 4 false", "done 2 4"]
    );
}

#[test]
fn what_does_not_belong_to_the_root_is_neither_read_nor_written_nor_removed() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("secrets")).unwrap();
    std::fs::write(root.path().join("secrets/a.log"), "text").unwrap();
    std::fs::write(root.path().join("b"), "text").unwrap();
    let narrow = || Rules {
        only: vec!["*.log".into(), "!secret*".into()],
        ..rules()
    };
    let before = tree(root.path());
    for act in [
        get("secrets/a.log"),
        get("b"),
        get("secrets"),
        remove("b"),
        remove("secrets"),
        put("secrets/a.log", false),
        put("b", false),
    ] {
        let input = sent(&[("", Some(b"new"))]);
        let (ended, stream) = moved(root.path(), &act, narrow(), &mut committed(), &input);
        assert!(
            !matches!(ended, Ok(Ended::Done | Ended::Partly)),
            "{act:?}: {ended:?}"
        );
        assert!(
            shown(&stream).iter().any(|line| line.ends_with("Kept")),
            "{act:?}"
        );
    }
    assert_eq!(tree(root.path()), before);
}

#[test]
fn nothing_is_placed_without_a_commit_of_exactly_this() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a"), "old").unwrap();
    let input = sent(&[("", Some(b"new"))]);
    for commits in [None, Some(Commits::This([0; 32]))] {
        let mut monitor = Listener {
            commits,
            ..Listener::default()
        };
        let (ended, _) = moved(root.path(), &put("a", false), rules(), &mut monitor, &input);
        assert!(!matches!(ended, Ok(Ended::Done | Ended::Partly)));
        assert_eq!(std::fs::read(root.path().join("a")).unwrap(), b"old");
    }
    let (ended, stream) = moved(
        root.path(),
        &put("a", false),
        rules(),
        &mut committed(),
        &input,
    );
    assert_eq!(ended.unwrap(), Ended::Done);
    assert_eq!(shown(&stream), ["done 1 3"]);
    assert_eq!(std::fs::read(root.path().join("a")).unwrap(), b"new");
    let meta = std::fs::metadata(root.path().join("a")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o640, 1_000_000_000));
}

#[test]
fn a_tree_comes_whole_where_there_was_none_and_joins_one_that_is_there() {
    let root = tempfile::tempdir().unwrap();
    let input = sent(&[
        ("", None),
        ("a", Some(b"1")),
        ("d", None),
        ("d/b", Some(b"2")),
    ]);
    let (ended, _) = moved(
        root.path(),
        &put("new", false),
        rules(),
        &mut committed(),
        &input,
    );
    assert_eq!(ended.unwrap(), Ended::Done);
    let inode = std::fs::metadata(root.path().join("new")).unwrap().ino();
    std::fs::write(root.path().join("new/kept"), "kept").unwrap();

    let input = sent(&[
        ("", None),
        ("a", Some(b"3")),
        ("e", None),
        ("e/c", Some(b"4")),
    ]);
    let (ended, _) = moved(
        root.path(),
        &put("new", false),
        rules(),
        &mut committed(),
        &input,
    );
    assert_eq!(ended.unwrap(), Ended::Done);
    let there = [
        ("a", "3"),
        ("d", "/"),
        ("d/b", "2"),
        ("e", "/"),
        ("e/c", "4"),
        ("kept", "kept"),
    ];
    let expected = |there: &[(&str, &str)]| -> BTreeMap<String, String> {
        there
            .iter()
            .map(|(name, what)| ((*name).into(), (*what).into()))
            .collect()
    };
    assert_eq!(tree(&root.path().join("new")), expected(&there));
    assert_eq!(
        std::fs::metadata(root.path().join("new")).unwrap().ino(),
        inode
    );

    // In one step, and without what was there before.
    let (ended, _) = moved(
        root.path(),
        &put("new", true),
        rules(),
        &mut committed(),
        &input,
    );
    assert_eq!(ended.unwrap(), Ended::Done);
    assert_eq!(
        tree(&root.path().join("new")),
        expected(&[("a", "3"), ("e", "/"), ("e/c", "4")])
    );
    assert_eq!(
        std::fs::read_dir(root.path()).unwrap().count(),
        1,
        "nothing is left"
    );
}

#[test]
fn what_may_not_be_replaced_stays_and_the_rest_comes() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    std::fs::write(at("a"), "old").unwrap();
    std::fs::create_dir(at("d")).unwrap();
    let input = sent(&[
        ("", None),
        ("a", Some(b"new")),
        ("b", Some(b"new")),
        ("d", Some(b"new")),
    ]);
    let fixed = Rules {
        replace: false,
        ..rules()
    };
    let (ended, stream) = moved(
        root.path(),
        &put("", false),
        fixed,
        &mut committed(),
        &input,
    );
    assert_eq!(ended.unwrap(), Ended::Partly);
    assert_eq!(shown(&stream)[..2], ["fault a Exists", "fault d Taken"]);
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    assert_eq!((read("a"), read("b")), ("old".into(), "new".into()));
    assert!(at("d").is_dir());
}

#[test]
fn what_is_removed_is_what_was_named() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    std::fs::create_dir_all(at("d/e")).unwrap();
    for name in ["a", "b", "d/x", "d/e/y"] {
        std::fs::write(at(name), "text").unwrap();
    }
    symlink("..", at("d/up")).unwrap();
    let all = |act: &Act, input: &[u8]| {
        moved(root.path(), act, rules(), &mut Listener::default(), input).0
    };

    let signed = |list: &[&str]| {
        let (mut names, mut stream) = (crate::files::Names::default(), Vec::new());
        for name in list {
            names.add(&path(name));
            Record::Want(path(name), false).encode(&mut stream);
        }
        Record::Done(names.sum()).encode(&mut stream);
        (names.sum().digest, stream)
    };
    let (digest, stream) = signed(&["d/x"]);
    let chosen = |digest| Act::Remove {
        path: Below::root(),
        recursive: true,
        chosen: Some(digest),
    };
    // Somebody on the way has made another list of it.
    let (_, other) = signed(&["d/x", "a"]);
    assert!(all(&chosen(digest), &other).is_err());
    assert!(at("d/x").exists() && at("a").exists());
    assert_eq!(all(&chosen(digest), &stream).unwrap(), Ended::Done);
    assert!(!at("d/x").exists() && at("a").exists());

    assert_eq!(all(&remove("d"), b"").unwrap(), Ended::Done);
    assert_eq!(
        tree(root.path()).into_keys().collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert!(all(&remove(""), b"").is_err(), "the root itself stays");
    assert_eq!(all(&remove("none"), b"").unwrap(), Ended::Not);
    assert_eq!(tree(root.path()).len(), 2);
}

/// A client's end of a put, which is asked and answers.
struct Client<'c>(&'c mpsc::Receiver<Vec<u8>>);

impl<W: Write> Ask<W> for Client<'_> {
    fn wants(&self, size: u64) -> bool {
        size >= crate::limits::FILE_ASKED
    }

    fn ask(&mut self, out: &mut Writer<W>) -> Result<Index, Stop> {
        out.flush()?;
        let mut index = Index::default();
        let mut open = true;
        while open {
            let bytes = self.0.recv().unwrap();
            let mut reader = Reader::new(&bytes[..]);
            while let Some(record) = reader.next_record()? {
                match record {
                    Record::Chunks(chunks) if chunks.is_empty() => open = false,
                    Record::Chunks(chunks) => index.add(&chunks)?,
                    _ => {}
                }
            }
        }
        Ok(index)
    }
}

/// What the mover writes, message by message.
struct Answers(mpsc::Sender<Vec<u8>>, Vec<u8>);

impl Write for Answers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.send(std::mem::take(&mut self.1));
        Ok(())
    }
}

/// Puts a file as a client does; how many bytes that took.
pub fn put_file(
    root: &Path,
    file: &Path,
    name: &str,
    monitor: &mut Listener,
) -> (Result<Ended, Stop>, u64) {
    let act = Act::Put {
        path: path(name),
        recursive: false,
        all_or_nothing: false,
    };
    let scope = Scope::new(path(name), rules()).unwrap();
    let folder = Folder::named(root, false).unwrap();
    let (input, to_mover) = io::pipe().unwrap();
    let (answers, heard) = mpsc::channel();
    let sent = std::cell::Cell::new(0);
    let ended = std::thread::scope(|threads| {
        let mover = threads.spawn(move || {
            let answers = Answers(answers, Vec::new());
            serve_task(&act, &scope, folder, monitor, input, answers)
        });
        let counted = Counted(to_mover, &sent);
        let mut out = Writer::new(counted);
        let mut nobody = Listener::default();
        let how = How {
            recursive: false,
            list: None,
            packs: true,
            links: false,
            names: false,
            most: 10,
        };
        let mut sending = Sending::new(&mut out, &mut nobody, Client(&heard), how);
        let mut file = File::open(file).unwrap();
        let found = sys::Found::of(&file.metadata().unwrap());
        sending.file(&Below::root(), &mut file, &found).unwrap();
        let _ = sending.done();
        drop(out);
        mover.join().unwrap()
    });
    (ended, sent.get())
}

struct Counted<'c, W>(W, &'c std::cell::Cell<u64>);

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.write(bytes)?;
        self.1.set(self.1.get() + count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new_derive_key("noise")
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

#[test]
fn of_a_large_file_only_what_changed_travels() {
    let (root, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = here.path().join("f");
    let mut bytes = noise(16 << 20, 1);
    std::fs::write(&file, &bytes).unwrap();
    let (ended, all) = put_file(root.path(), &file, "f", &mut committed());
    assert_eq!(ended.unwrap(), Ended::Done);
    assert!(all >= 16 << 20);

    bytes.splice(5 << 20..5 << 20, noise(1000, 2));
    bytes[9 << 20] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let (ended, some) = put_file(root.path(), &file, "f", &mut committed());
    assert_eq!(ended.unwrap(), Ended::Done);
    assert!(some < 1 << 20, "{some} bytes of {all}");
    assert!(std::fs::read(root.path().join("f")).unwrap() == bytes);
}

#[test]
fn what_was_interrupted_goes_on_where_it_was() {
    let (root, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = here.path().join("f");
    let bytes = noise(8 << 20, 1);
    std::fs::write(&file, &bytes).unwrap();
    // Not committed: it stays for the next attempt.
    let (ended, _) = put_file(root.path(), &file, "f", &mut Listener::default());
    assert_eq!(ended.unwrap(), Ended::Not);
    assert!(!root.path().join("f").exists());
    let (ended, again) = put_file(root.path(), &file, "f", &mut committed());
    assert_eq!(ended.unwrap(), Ended::Done);
    assert!(again < 256 * 1024, "{again} bytes were sent twice");
    assert!(std::fs::read(root.path().join("f")).unwrap() == bytes);
    assert_eq!(
        std::fs::read_dir(root.path()).unwrap().count(),
        1,
        "nothing is left"
    );
}

#[test]
fn holes_stay_holes() {
    let (root, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = here.path().join("f");
    let sparse = File::create(&file).unwrap();
    sparse.set_len(1 << 30).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"in the middle", 1 << 29).unwrap();
    let (ended, sent) = put_file(root.path(), &file, "f", &mut committed());
    assert_eq!(ended.unwrap(), Ended::Done);
    assert!(sent < 1 << 20, "{sent}");
    let meta = std::fs::metadata(root.path().join("f")).unwrap();
    assert_eq!(meta.len(), 1 << 30);
    assert!(meta.blocks() * 512 < 1 << 20);
}

#[test]
fn each_name_is_said_where_the_trail_wants_it() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a"), "text").unwrap();
    let named = || Rules {
        names: true,
        ..rules()
    };
    let mut monitor = Listener::default();
    moved(root.path(), &get(""), named(), &mut monitor, b"")
        .0
        .unwrap();
    assert_eq!(monitor.names, ["", "a"]);
    let mut monitor = committed();
    let input = sent(&[("", None), ("b", Some(b"1"))]);
    moved(root.path(), &put("", false), named(), &mut monitor, &input)
        .0
        .unwrap();
    assert_eq!(monitor.names, ["b"]);
}

#[test]
fn what_is_left_behind_is_swept_after_a_day() {
    // Nobody can set the time by which that is judged, so only what is younger can be shown.
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join(".ordain-ABC-DEF"), "left").unwrap();
    let input = sent(&[("", Some(b"new"))]);
    moved(
        root.path(),
        &put("a", false),
        rules(),
        &mut committed(),
        &input,
    )
    .0
    .unwrap();
    assert_eq!(tree(root.path()).len(), 2);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_no_good_file() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("f");
    std::fs::write(&file, noise(4 << 20, 1)).unwrap();
    /// Writes to the file whenever some of it was read.
    struct Meddling<'m>(&'m Path, Vec<u8>);
    impl Write for Meddling<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut file = File::options().append(true).open(self.0)?;
            file.write_all(b"more")?;
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let act = get("f");
    let scope = Scope::new(path("f"), rules()).unwrap();
    let mut output = Meddling(&file, Vec::new());
    let folder = Folder::named(root.path(), false).unwrap();
    let ended = serve_task(
        &act,
        &scope,
        folder,
        &mut Listener::default(),
        io::empty(),
        &mut output,
    );
    assert_eq!(ended.unwrap(), Ended::Not);
    let shown = shown(&output.1);
    assert_eq!(shown[shown.len() - 2..], ["fault  Changed", "done 0 0"]);
    let _ = std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600));
}
