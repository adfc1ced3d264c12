//! Nothing leads out of a folder that is held, however much it is exchanged meanwhile.

use super::*;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

fn held(path: &Path) -> Folder {
    Folder::named(path, false).unwrap()
}

fn number<T>(done: io::Result<T>) -> Option<i32> {
    done.err().and_then(|fault| fault.raw_os_error())
}

#[test]
fn a_step_is_one_name_and_no_link() {
    let whole = tempfile::tempdir().unwrap();
    let root = whole.path().join("root");
    std::fs::create_dir_all(root.join("d")).unwrap();
    std::fs::write(whole.path().join("out"), "out").unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("../out", root.join("l")).unwrap();
    symlink("d", root.join("inside")).unwrap();
    let folder = held(&root);

    for name in [b"..".as_slice(), b".", b"", b"d/..", b"a\0b", b"/etc"] {
        let kind = folder.folder(name).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::InvalidInput, "{name:?}");
        assert!(folder.create(name).is_err() && folder.look(name).is_err());
        assert!(folder.remove_folder(name).is_err());
    }
    for name in [b"up".as_slice(), b"inside"] {
        assert!(folder.folder(name).is_err());
        assert_eq!(folder.look(name).unwrap().kind, FoundKind::Link);
    }
    assert!(folder.file(b"l").is_err());
    assert_eq!(folder.target(b"l").unwrap(), b"../out");
    let made = folder.create(b"l").unwrap_err();
    assert_eq!(made.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(whole.path().join("out")).unwrap(), b"out");
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let whole = tempfile::tempdir().unwrap();
    let folder = held(whole.path());
    let socket = std::os::unix::net::UnixListener::bind(whole.path().join("s")).unwrap();
    assert_eq!(folder.look(b"s").unwrap().kind, FoundKind::Special);
    assert!(folder.file(b"s").is_err());
    drop(socket);
    std::fs::create_dir(whole.path().join("d")).unwrap();
    assert!(folder.file(b"d").is_err());
    assert_eq!(number(folder.folder(b"none")), Some(libc::ENOENT));
}

#[test]
fn files_are_made_named_and_removed() {
    let whole = tempfile::tempdir().unwrap();
    let folder = held(whole.path());
    let mut file = folder.create(b"a").unwrap();
    file.write_all(b"one").unwrap();
    set_file(&file, 0o4640, -1_500_000_000).unwrap();
    let found = folder.look(b"a").unwrap();
    assert_eq!((found.mode & 0o7777, found.time), (0o640, -1_500_000_000));
    std::fs::write(whole.path().join("b"), "two").unwrap();

    let taken = folder.rename(b"a", &folder, b"b", Rename::Fresh);
    assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    folder
        .rename(b"a", &folder, b"b", Rename::Exchange)
        .unwrap();
    assert_eq!(std::fs::read(whole.path().join("a")).unwrap(), b"two");
    folder.rename(b"a", &folder, b"b", Rename::Over).unwrap();
    assert_eq!(std::fs::read(whole.path().join("b")).unwrap(), b"two");

    folder.make_folder(b"d").unwrap().create(b"x").unwrap();
    assert_eq!(number(folder.remove_folder(b"d")), Some(libc::ENOTEMPTY));
    let mut names = Vec::new();
    folder
        .names(|name| {
            names.push(name.to_vec());
            Ok(())
        })
        .unwrap();
    names.sort();
    assert_eq!(names, [b"b", b"d"]);
    folder.remove_file(b"b").unwrap();
    folder.sync().unwrap();
}

#[test]
fn many_names_are_all_told() {
    let whole = tempfile::tempdir().unwrap();
    let folder = held(whole.path());
    for number in 0..3000 {
        drop(folder.create(format!("{number:0100}").as_bytes()).unwrap());
    }
    let mut count = 0;
    folder
        .names(|_| {
            count += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(count, 3000);
}

#[test]
fn holes_are_found() {
    let whole = tempfile::tempdir().unwrap();
    let folder = held(whole.path());
    let mut file = folder.create(b"a").unwrap();
    file.set_len(1 << 20).unwrap();
    file.write_all(b"begins").unwrap();
    let size = 1 << 20;
    let first = extent(&file, 0, size).unwrap();
    let Some(Extent::Bytes(end)) = first else {
        panic!("{first:?}");
    };
    // Where the file system knows holes, the rest is one.
    if end < size {
        assert_eq!(extent(&file, end, size).unwrap(), Some(Extent::Hole(size)));
    }
    assert_eq!(extent(&file, size, size).unwrap(), None);
    assert_eq!(extent(&file, u64::MAX, size).unwrap(), None);
}

/// Somebody exchanges a folder with a link that leads out, as fast as they can.
#[test]
fn a_racer_leads_nobody_out() {
    let whole = tempfile::tempdir().unwrap();
    let (root, outside) = (whole.path().join("root"), whole.path().join("outside"));
    std::fs::create_dir_all(root.join("d")).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(root.join("d/f"), "inside").unwrap();
    std::fs::write(outside.join("f"), "outside").unwrap();
    symlink(&outside, root.join("l")).unwrap();
    let (folder, over) = (held(&root), AtomicBool::new(false));

    std::thread::scope(|scope| {
        scope.spawn(|| {
            let racer = held(&root);
            while !over.load(Ordering::Relaxed) {
                racer.rename(b"d", &racer, b"l", Rename::Exchange).unwrap();
            }
        });
        let mut reached = 0;
        for round in 0..10_000 {
            let Ok(inner) = folder.folder(b"d") else {
                continue;
            };
            reached += 1;
            let mut text = String::new();
            inner
                .file(b"f")
                .unwrap()
                .0
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, "inside");
            let name = format!("w{round}");
            drop(inner.create(name.as_bytes()).unwrap());
            inner.remove_file(name.as_bytes()).unwrap();
        }
        over.store(true, Ordering::Relaxed);
        assert!(reached > 0, "the folder was never there");
    });
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}
