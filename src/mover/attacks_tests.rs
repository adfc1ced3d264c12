//! Attacks on a mover, by whoever speaks to it and by whoever can write below its root. Those that made
//! another program's holes are rows with the hole's number.

use super::tests::{
    Listener, committed, get, moved, noise, path, put, remove, rules, sent, shown, tree,
};
use super::*;
use crate::files::stream::{Chunk, Copy, Fault, FileHead, Head, LinkHead, Told};
use crate::files::{Below, Manifest, Mode, Rules, Target};
use proptest::prelude::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

/// A root beside something that nobody may touch.
struct Yard {
    whole: tempfile::TempDir,
}

impl Yard {
    fn new() -> Self {
        let whole = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(whole.path().join("root/d")).unwrap();
        std::fs::write(whole.path().join("root/d/f"), "inside").unwrap();
        std::fs::create_dir(whole.path().join("outside")).unwrap();
        std::fs::write(whole.path().join("outside/f"), "outside").unwrap();
        Self { whole }
    }

    fn root(&self) -> std::path::PathBuf {
        self.whole.path().join("root")
    }

    fn outside(&self) -> std::path::PathBuf {
        self.whole.path().join("outside")
    }

    fn is_untouched(&self) {
        let there = tree(&self.outside());
        assert_eq!(
            there.into_iter().collect::<Vec<_>>(),
            [("f".into(), "outside".into())]
        );
    }

    fn moved(&self, act: &Act, input: &[u8]) -> (Result<Ended, Stop>, Vec<u8>) {
        moved(&self.root(), act, rules(), &mut committed(), input)
    }
}

const TIME: i64 = 1_000_000_000_000_000_000;

fn mode() -> Mode {
    Mode::new(0o644).unwrap()
}

fn head(name: &str, size: Option<u64>) -> Record<'static> {
    Record::File(FileHead {
        path: path(name),
        mode: mode(),
        time: TIME,
        size,
        asks: false,
    })
}

fn folder(name: &str) -> Record<'static> {
    Record::Folder(Head {
        path: path(name),
        mode: mode(),
        time: TIME,
    })
}

fn stream(records: &[Record<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        record.encode(&mut bytes);
    }
    bytes
}

fn end(content: &[u8]) -> Record<'static> {
    Record::End(*blake3::hash(content).as_bytes())
}

fn done() -> Record<'static> {
    Record::Done(Manifest::default().sum())
}

/// CVE-2026-53785, -53797, -53801, -53802, -53803: a link in the place of a folder or file is followed.
#[test]
fn no_link_is_followed_by_any_act() {
    let yard = Yard::new();
    symlink("../outside", yard.root().join("l")).unwrap();
    symlink("../outside/f", yard.root().join("lf")).unwrap();
    symlink("d", yard.root().join("inside")).unwrap();
    for name in ["l/f", "l", "lf", "inside/f"] {
        let (ended, stream) = yard.moved(&get(name), b"");
        assert!(!matches!(ended, Ok(Ended::Done)), "{name}");
        assert!(
            !shown(&stream).iter().any(|line| line.starts_with("data")),
            "{name}"
        );
    }
    for name in ["l/f", "l/new", "inside/f"] {
        let (ended, _) = yard.moved(&put(name, false), &sent(&[("", Some(b"new"))]));
        assert!(ended.is_err(), "{name}");
        assert!(yard.moved(&remove(name), b"").0.is_err(), "{name}");
    }
    let (ended, _) = yard.moved(&put("l", false), &sent(&[("", None), ("f", Some(b"new"))]));
    assert_eq!(ended.unwrap(), Ended::Not);
    // A link itself is replaced and removed, and not what it leads to.
    let (ended, _) = yard.moved(&put("lf", false), &sent(&[("", Some(b"new"))]));
    assert_eq!(ended.unwrap(), Ended::Done);
    assert!(yard.root().join("lf").symlink_metadata().unwrap().is_file());
    assert_eq!(yard.moved(&remove("l"), b"").0.unwrap(), Ended::Done);
    yard.is_untouched();
}

/// CVE-2024-12087, CVE-2022-29154, CVE-2019-6111: names that nobody asked for, or that lead elsewhere.
#[test]
fn names_come_once_in_their_order_and_below_what_was_asked_for() {
    let yard = Yard::new();
    let file = |name: &str| [head(name, Some(0)), end(b"")];
    let [x, x_end] = file("x");
    let rows: Vec<Vec<Record<'_>>> = vec![
        // No folder before it; the folder of another; twice; backwards; a file as a folder.
        vec![folder(""), head("e/x", Some(0)), end(b"")],
        vec![
            folder(""),
            folder("e"),
            folder("e/e"),
            head("e/x/y", Some(0)),
            end(b""),
        ],
        vec![
            folder(""),
            x.clone(),
            x_end.clone(),
            x.clone(),
            x_end.clone(),
        ],
        vec![
            folder(""),
            x.clone(),
            x_end.clone(),
            head("a", Some(0)),
            end(b""),
        ],
        vec![
            folder(""),
            x.clone(),
            x_end.clone(),
            head("x/y", Some(0)),
            end(b""),
        ],
        vec![x.clone(), x_end.clone()],
        // What has its place nowhere.
        vec![Record::Data(b"x")],
        vec![folder(""), end(b"")],
        vec![Record::Again],
        vec![Record::Want(path("x"), false)],
        vec![Record::Chunks(Vec::new())],
        vec![head("", Some(1)), folder("")],
        vec![],
    ];
    for row in rows {
        let bytes = stream(&[row.clone(), vec![done()]].concat());
        for act in [
            put("new", false),
            put("d", false),
            put("", false),
            put("new", true),
        ] {
            let (ended, _) = yard.moved(&act, &bytes);
            assert!(!matches!(ended, Ok(Ended::Done | Ended::Partly)), "{row:?}");
        }
    }
    let one = Act::Put {
        path: path("new"),
        recursive: false,
        all_or_nothing: false,
    };
    for row in [vec![folder("")], vec![head("x", Some(0)), end(b"")]] {
        let (ended, _) = yard.moved(&one, &stream(&[row, vec![done()]].concat()));
        assert!(ended.is_err());
    }
    assert!(!yard.root().join("new").exists());
    assert_eq!(std::fs::read(yard.root().join("d/f")).unwrap(), b"inside");
    yard.is_untouched();
}

/// CVE-2026-53792, -53794, -70453, CVE-2024-12084: lengths that lie.
#[test]
fn lengths_and_digests_that_lie_place_nothing() {
    let yard = Yard::new();
    let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
    let copy = |seed, offset, length| {
        Record::Copy(Copy {
            seed,
            offset,
            length,
        })
    };
    let rows: Vec<Vec<Record<'_>>> = vec![
        vec![head("", Some(5)), Record::Data(b"four"), end(b"four")],
        vec![head("", Some(3)), Record::Data(b"four"), end(b"four")],
        vec![head("", Some(4)), Record::Data(b"four"), end(b"five")],
        vec![head("", Some(4)), Record::Packed(4, &bomb), end(&[0; 4])],
        vec![
            head("", Some(1 << 20)),
            Record::Packed(1 << 20, b"no frame"),
            end(b""),
        ],
        vec![head("", Some(1 << 20)), Record::Packed(1, &bomb), end(b"")],
        vec![
            head("", None),
            Record::Hole(u64::MAX),
            Record::Hole(u64::MAX),
            end(b""),
        ],
        vec![head("", None), Record::Hole(1 << 45), end(b"")],
        vec![head("", Some(4)), copy(0, 0, 4), end(b"four")],
        vec![head("", Some(4)), copy(255, u64::MAX - 4, 4), end(b"four")],
        vec![head("", Some(4)), Record::Data(b"four")],
        vec![
            head("", Some(4)),
            Record::Data(b"four"),
            Record::Again,
            end(b"four"),
        ],
    ];
    for row in rows {
        let (ended, _) = yard.moved(
            &put("new", false),
            &stream(&[row.clone(), vec![done()]].concat()),
        );
        assert!(ended.is_err(), "{row:?}");
        // Cut off in the middle.
        let (ended, _) = yard.moved(&put("new", false), &stream(&row));
        assert!(ended.is_err());
    }
    // Another sum than that of what has come.
    let good = sent(&[("", Some(b"four"))]);
    let lied = [&good[..good.len() - 1], &[9]].concat();
    assert!(yard.moved(&put("new", false), &lied).0.is_err());
    assert!(!yard.root().join("new").exists());
}

/// CVE-2026-53787 and the like: what a sender can have others lend rights by.
#[test]
fn no_rights_travel_but_permission_bits_within_the_mask() {
    let yard = Yard::new();
    // A mode of more than nine bits is no record: the field before the time, as two bytes.
    let good = stream(&[head("", Some(0))]);
    let at = good.len() - 13;
    let bits = postcard::to_allocvec(&0o644_u16).unwrap();
    let place = good.windows(2).position(|two| two == bits).unwrap();
    let setuid = postcard::to_allocvec(&0o4755_u16).unwrap();
    assert_eq!(setuid.len(), 2, "{at}");
    let mut bad = good.clone();
    bad[place..place + 2].copy_from_slice(&setuid);
    let (ended, _) = yard.moved(
        &put("new", false),
        &[bad, stream(&[end(b""), done()])].concat(),
    );
    assert!(matches!(ended, Err(Stop::Stream(_))));

    let narrow = Rules {
        mode: Mode::new(0o600).unwrap(),
        directories: Mode::new(0o700).unwrap(),
        ..rules()
    };
    let input = sent(&[("", None), ("a", Some(b"x"))]);
    let (ended, _) = moved(
        &yard.root(),
        &put("new", false),
        narrow,
        &mut committed(),
        &input,
    );
    assert_eq!(ended.unwrap(), Ended::Done);
    let bits = |name: &str| {
        let meta = std::fs::metadata(yard.root().join(name)).unwrap();
        meta.permissions().mode() & 0o7777
    };
    assert_eq!((bits("new"), bits("new/a")), (0o600, 0o600));
}

/// CVE-2026-53789 and oferchen/rsync#7082: more is removed than was said.
#[test]
fn a_list_of_removals_cannot_be_widened_or_cut() {
    let yard = Yard::new();
    std::fs::write(yard.root().join("d/g"), "inside").unwrap();
    let mut names = crate::files::Names::default();
    names.add(&path("d/f"));
    let act = Act::Remove {
        path: Below::root(),
        recursive: true,
        chosen: Some(names.sum().digest),
    };
    let want = |name: &str| Record::Want(path(name), false);
    let end = Record::Done(names.sum());
    for list in [
        vec![want("d/f"), want("d/g"), end.clone()],
        vec![end.clone()],
        vec![want("d/g"), end.clone()],
        vec![want("d/f")],
        vec![want("d/f"), folder("x"), end.clone()],
    ] {
        assert!(yard.moved(&act, &stream(&list)).0.is_err());
        assert_eq!(tree(&yard.root()).len(), 3);
    }
    assert_eq!(
        yard.moved(&act, &stream(&[want("d/f"), end])).0.unwrap(),
        Ended::Done
    );
    assert_eq!(tree(&yard.root()).len(), 2);
}

/// kubectl's CVE-2019-11246 and -11249: links that come first and are gone through afterwards.
#[test]
fn a_link_that_has_come_is_not_gone_through() {
    let yard = Yard::new();
    let target = Target::inside(b"d", &path("l")).unwrap();
    let link = Record::Link(LinkHead {
        path: path("l"),
        target,
    });
    let rows = [
        vec![
            folder(""),
            link.clone(),
            head("l/f", Some(0)),
            end(b""),
            done(),
        ],
        vec![
            folder(""),
            link.clone(),
            folder("l"),
            head("l/f", Some(0)),
            end(b""),
            done(),
        ],
    ];
    for row in rows {
        for name in ["", "new"] {
            assert!(yard.moved(&put(name, false), &stream(&row)).0.is_err());
        }
    }
    assert_eq!(std::fs::read(yard.root().join("d/f")).unwrap(), b"inside");
}

/// CVE-2026-53788: a line of text that a name has made.
#[test]
fn names_that_would_do_harm_are_told_and_left_out() {
    let yard = Yard::new();
    for name in ["a\nb", "\x1b]0;title\x07", "\u{9b}31m"] {
        std::fs::write(yard.root().join(name), "text").unwrap();
    }
    let (ended, bytes) = yard.moved(&get(""), b"");
    assert_eq!(ended.unwrap(), Ended::Partly);
    let mut reader = Reader::new(&bytes[..]);
    let mut faults = 0;
    while let Some(record) = reader.next_record().unwrap() {
        if let Record::Fault(told) = record {
            assert_eq!(told.what, Fault::Name);
            assert!(!told.to_string().chars().any(char::is_control));
            faults += 1;
        }
    }
    assert_eq!(faults, 3);
}

/// CVE-2026-53798, -53799, -53800: what is no file, folder or link does not travel.
#[test]
fn pipes_and_sockets_are_told_and_hold_nobody_up() {
    let yard = Yard::new();
    let socket = std::os::unix::net::UnixListener::bind(yard.root().join("s")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(yard.root().join("p"))
        .status();
    let has_pipe = made.is_ok_and(|status| status.success());
    let (ended, bytes) = yard.moved(&get(""), b"");
    assert_eq!(ended.unwrap(), Ended::Partly);
    let told = shown(&bytes)
        .iter()
        .filter(|line| line.ends_with("Special"))
        .count();
    assert_eq!(told, 1 + usize::from(has_pipe));
    let (ended, _) = yard.moved(&put("s", false), &sent(&[("", Some(b"new"))]));
    assert_eq!(ended.unwrap(), Ended::Not);
    drop(socket);
}

#[test]
fn what_is_too_much_is_not_placed() {
    let yard = Yard::new();
    let bounded = |max_file, max_total, max_files| Rules {
        max_file,
        max_total,
        max_files,
        ..rules()
    };
    let input = sent(&[("", None), ("a", Some(b"12345")), ("b", Some(b"123"))]);
    for rules in [bounded(100, 7, 100), bounded(100, 100, 2)] {
        let mut monitor = committed();
        let (ended, _) = moved(
            &yard.root(),
            &put("new", false),
            rules,
            &mut monitor,
            &input,
        );
        assert!(ended.is_err());
        assert!(!yard.root().join("new").exists());
    }
    // One file alone is left out.
    let mut monitor = committed();
    let (ended, _) = moved(
        &yard.root(),
        &put("new", false),
        bounded(4, 100, 100),
        &mut monitor,
        &input,
    );
    assert_eq!(ended.unwrap(), Ended::Partly);
    assert_eq!(
        tree(&yard.root().join("new"))
            .into_keys()
            .collect::<Vec<_>>(),
        ["b"]
    );
    let (ended, _) = moved(
        &yard.root(),
        &get(""),
        bounded(1, 1, 2),
        &mut Listener::default(),
        b"",
    );
    assert!(
        ended.is_err(),
        "entries are bounded when they are read, too"
    );
}

#[test]
fn nobody_is_told_of_files_on_their_way_nor_touches_them() {
    let yard = Yard::new();
    std::fs::write(yard.root().join(".ordain-x"), "secret").unwrap();
    let (_, bytes) = yard.moved(&get(""), b"");
    assert!(!shown(&bytes).iter().any(|line| line.contains(".ordain")));
    assert!(
        ".ordain-x".parse::<Below>().is_err(),
        "it cannot even be said"
    );
}

/// Somebody exchanges a folder with a link that leads out, as fast as they can, while files are read,
/// written and removed through it.
#[test]
fn a_racer_leads_no_mover_out() {
    const ROUNDS: usize = 2500;
    let yard = Yard::new();
    symlink("../outside", yard.root().join("l")).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let racer = Folder::named(&yard.root(), false).unwrap();
            while !over.load(Ordering::Relaxed) {
                let exchange = sys::Rename::Exchange;
                let _ = racer.rename(b"d", &racer, b"l", exchange);
            }
        });
        let mut came = 0;
        for round in 0..ROUNDS {
            let (_, bytes) = yard.moved(&get("d"), b"");
            assert!(!String::from_utf8_lossy(&bytes).contains("outside"));
            came += usize::from(String::from_utf8_lossy(&bytes).contains("inside"));
            let name = format!("d/w{}", round % 7);
            let _ = yard.moved(&put(&name, false), &sent(&[("", Some(b"new"))]));
            let _ = yard.moved(
                &put("d", false),
                &sent(&[("", None), ("x", None), ("x/y", Some(b"new"))]),
            );
            let _ = yard.moved(&remove(&name), b"");
        }
        over.store(true, Ordering::Relaxed);
        assert!(came > 0, "the folder was never there");
    });
    yard.is_untouched();
}

/// A disk without room, where one can be made.
#[test]
fn a_full_disk_leaves_nothing_half_in_place() {
    let whole = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(whole.path())
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: only root can make a small disk");
        return;
    }
    std::fs::write(whole.path().join("a"), "old").unwrap();
    let large = noise(2 << 20, 1);
    let input = sent(&[("", None), ("a", Some(&large)), ("b", Some(b"small"))]);
    let (ended, bytes) = moved(
        whole.path(),
        &put("", false),
        rules(),
        &mut committed(),
        &input,
    );
    let there = tree(whole.path());
    let unmounted = std::process::Command::new("umount")
        .arg(whole.path())
        .status();
    assert!(unmounted.unwrap().success());
    assert_eq!(ended.unwrap(), Ended::Partly);
    assert_eq!(shown(&bytes)[0], "fault a Full");
    let expected = [("a".into(), "old".into()), ("b".into(), "small".into())];
    assert_eq!(there.into_iter().collect::<Vec<_>>(), expected);
}

/// Another file system below the root is not entered.
#[test]
fn mounts_are_not_crossed() {
    let yard = Yard::new();
    let mounted = std::process::Command::new("mount")
        .arg("--bind")
        .args([yard.outside(), yard.root().join("d")])
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: only root can mount");
        return;
    }
    let (got, _) = yard.moved(&get("d/f"), b"");
    let (written, _) = yard.moved(&put("d/g", false), &sent(&[("", Some(b"new"))]));
    let unmounted = std::process::Command::new("umount")
        .arg(yard.root().join("d"))
        .status();
    assert!(unmounted.unwrap().success());
    assert!(got.is_err() && written.is_err());
    yard.is_untouched();
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec!["", "d", "d/f", "d/f/x", "new", "new/a", "l"]);
    let record = (0_u8..12, names, any::<[u8; 3]>()).prop_map(|(kind, name, bytes)| {
        let record = match kind {
            0 | 1 => folder(name),
            2 | 3 => head(name, Some(3)),
            4 | 5 => Record::Data(&bytes),
            6 | 7 => end(&bytes),
            8 => Record::Hole(3),
            9 => Record::Again,
            10 => Record::Chunks(vec![Chunk {
                seed: 0,
                length: 1,
                digest: [0; 16],
            }]),
            _ => Record::Fault(Told {
                path: path(name),
                name: Vec::new(),
                what: Fault::Absent,
                number: 0,
            }),
        };
        stream(&[record])
    });
    prop::collection::vec(record, 0..12).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever comes, nothing is outside and nothing is placed that was not proved.
    #[test]
    fn whatever_comes_is_refused_or_whole(bytes in any_stream(), name in prop::sample::select(vec!["", "d", "new", "d/f"])) {
        let yard = Yard::new();
        symlink("../outside", yard.root().join("l")).unwrap();
        let before = tree(&yard.root());
        let (ended, _) = yard.moved(&put(name, false), &[bytes, stream(&[done()])].concat());
        prop_assert!(!matches!(ended, Ok(Ended::Done)) || tree(&yard.root()) == before);
        let visible: std::collections::BTreeMap<String, String> = tree(&yard.root())
            .into_iter()
            .filter(|(name, _)| !name.contains(".ordain-"))
            .collect();
        prop_assert_eq!(visible, before);
        yard.is_untouched();
    }
}
