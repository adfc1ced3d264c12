//! The digest of a manifest: its vectors, and that nothing of an entry is left out of it.

use super::*;
use crate::encoding::hex;
use proptest::prelude::*;

fn entry(path: &str, what: What) -> Entry {
    Entry {
        path: path.parse().unwrap(),
        mode: Mode::new(0o644).unwrap(),
        time: 1_700_000_000_000_000_000,
        what,
    }
}

fn file(path: &str, content: &[u8]) -> Entry {
    let digest = Some(*blake3::hash(content).as_bytes());
    let size = content.len() as u64;
    entry(path, What::File { size, digest })
}

fn digest(entries: &[Entry]) -> [u8; 32] {
    let mut manifest = Manifest::default();
    for entry in entries {
        manifest.add(entry).unwrap();
    }
    manifest.sum().digest
}

/// PROTOCOL.md has the same.
#[test]
fn the_vectors() {
    let folder = entry("", What::Folder);
    let target = Target::inside(b"../x", &"d/l".parse().unwrap()).unwrap();
    let tree = [
        folder,
        entry("d", What::Folder),
        file("d/a", b"hello\n"),
        entry("d/l", What::Link { target }),
    ];
    let vectors = [digest(&[]), digest(&[file("", b"hello\n")]), digest(&tree)].map(|of| hex(&of));
    assert_eq!(vectors, VECTORS);
    let encoded = postcard::to_allocvec(&file("", b"hello\n")).unwrap();
    let content = hex(blake3::hash(b"hello\n").as_bytes());
    assert_eq!(hex(&encoded), [ENCODED, &content].concat());
}

const VECTORS: [&str; 3] = [
    "b30506e614eef7a381ada23273a1134a03eb90ee98df5af8f61602d10514783b",
    "2a5dbaf0f95aa39b48d8e8698824e9395be76ddc13f742b8c2dc0df8898fb6f3",
    "5e33b7fe5aded1efdfa7b040327a694a5b44585903993627d23a7758da928fd5",
];
const ENCODED: &str = "00a4038080d0e2c6bfce972f010601";

#[test]
fn entries_come_in_order_and_once() {
    let mut manifest = Manifest::default();
    manifest.add(&entry("", What::Folder)).unwrap();
    manifest.add(&file("a/b", b"")).unwrap();
    for path in ["a/b", "a", "", "a/a/z"] {
        assert_eq!(manifest.add(&file(path, b"")), Err(OutOfOrder), "{path}");
    }
    manifest.add(&file("a-", b"")).unwrap();
    assert_eq!(manifest.sum().files, 3);
}

#[test]
fn links_lead_inside_or_are_none() {
    let at = |path: &str| path.parse::<Below>().unwrap();
    for (text, link) in [
        ("b", "a"),
        ("b/c", "a"),
        ("../b", "d/a"),
        ("..", "d/a"),
        ("../../x/y", "d/e/a"),
    ] {
        let target = Target::inside(text.as_bytes(), &at(link));
        assert_eq!(target.unwrap().text(), text.as_bytes(), "{text}");
    }
    for (text, link) in [
        ("/etc/passwd", "a"),
        ("..", "a"),
        ("../b", "a"),
        ("../../b", "d/a"),
        ("b/../../c", "d/a"),
        ("b/..", "d/a"),
        ("./b", "a"),
        ("", "a"),
        ("b//c", "a"),
        ("b\n", "a"),
        ("b/", "a"),
        ("../", "d/a"),
        ("b", ""),
        (".ordain-x", "a"),
    ] {
        assert_eq!(Target::inside(text.as_bytes(), &at(link)), None, "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_differs_changes_the_digest(
        mode in 0_u32..0o1000, time in any::<i64>(), size in any::<u64>(), content in any::<[u8; 32]>(),
    ) {
        let what = What::File { size, digest: Some(content) };
        let one = Entry { path: "a".parse().unwrap(), mode: Mode::new(mode).unwrap(), time, what };
        let of = digest(std::slice::from_ref(&one));
        let mut others = vec![
            Entry { mode: Mode::new(mode ^ 1).unwrap(), ..one.clone() },
            Entry { time: time.wrapping_add(1), ..one.clone() },
            Entry { path: "b".parse().unwrap(), ..one.clone() },
            Entry { what: What::Folder, ..one.clone() },
            Entry { what: What::File { size: size.wrapping_add(1), digest: Some(content) }, ..one.clone() },
            Entry { what: What::File { size, digest: None }, ..one.clone() },
        ];
        let mut flipped = content;
        flipped[0] ^= 1;
        others.push(Entry { what: What::File { size, digest: Some(flipped) }, ..one });
        for other in others {
            prop_assert_ne!(digest(&[other]), of);
        }
    }

    #[test]
    fn a_link_inside_never_leads_out(text in "(\\.\\./){0,4}([a-c]{1,2}/){0,3}[a-c]{1,2}", link in "([a-c]{1,2}/){0,4}[a-c]") {
        let link: Below = link.parse().unwrap();
        if let Some(target) = Target::inside(text.as_bytes(), &link) {
            let mut depth = i64::try_from(link.depth()).unwrap() - 1;
            for name in target.text().split(|byte| *byte == b'/') {
                depth += if name == b".." { -1 } else { 1 };
                prop_assert!(depth >= 0);
            }
        }
    }
}
