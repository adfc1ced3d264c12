//! Paths whose meaning somebody else could change, and paths whose meaning nobody can.

use super::*;
use crate::sys::effective_uid;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

/// Somebody else, on every machine.
const STRANGER: u32 = 65534;

fn mine() -> Trust {
    Trust {
        own: effective_uid(),
        private_group: |_, _| false,
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder with a file `f` in it.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "x").unwrap();
    chmod(&folder.path().join("f"), 0o644);
    let real = folder.path().canonicalize().unwrap();
    (folder, real)
}

fn writable(path: &Path) -> PathBuf {
    match walk(path, &mine()) {
        Err(FileFault::Writable(found, _)) => found,
        other => panic!("{}: {other:?}", path.display()),
    }
}

fn error(path: &Path) -> i32 {
    match walk(path, &mine()) {
        Err(FileFault::Io(found, fault)) => {
            assert_eq!(found, path, "told by the name that was asked for");
            fault.raw_os_error().unwrap()
        }
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn who_could_have_written_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    std::fs::write(&file, "x").unwrap();
    chmod(&file, 0o644);
    assert!(trusted(&file, &mine()).is_ok());

    for mode in [0o666, 0o664, 0o602] {
        chmod(&file, mode);

        // Group root counts as root, so 0664 is fine where the tests run as root.
        let fine = mode == 0o664 && std::fs::metadata(&file).unwrap().gid() == 0;
        assert_eq!(trusted(&file, &mine()).is_ok(), fine, "{mode:o}");
    }

    chmod(&file, 0o600);
    chmod(folder.path(), 0o777);
    assert!(
        matches!(trusted(&file, &mine()), Err(FileFault::Writable(path, _)) if path == folder.path())
    );
    chmod(folder.path(), 0o1777);
    assert!(
        trusted(&file, &mine()).is_ok(),
        "sticky folders protect their entries"
    );
}

/// The hole that the walk closes: `tool → …/open/current → /bin/echo`, and anybody repoints
/// `current`.
#[test]
fn a_link_in_the_middle_is_judged_with_the_folder_that_holds_it() {
    let (_kept, folder) = folder();
    let open = folder.join("open");
    std::fs::create_dir(&open).unwrap();
    symlink("/bin/echo", open.join("current")).unwrap();
    symlink("open/current", folder.join("tool")).unwrap();
    symlink(open.join("current"), folder.join("again")).unwrap();
    for mode in [0o755, 0o1777] {
        chmod(&open, mode);
        assert!(trusted(&folder.join("tool"), &mine()).is_ok(), "{mode:o}");
    }
    for mode in [0o777, 0o757] {
        chmod(&open, mode);
        assert_eq!(writable(&folder.join("tool")), open);
        assert_eq!(writable(&folder.join("again")), open);
    }
}

#[test]
fn a_folder_that_a_link_leads_through_is_judged_and_so_is_one_that_it_only_leaves() {
    let (_kept, folder) = folder();
    let open = folder.join("open");
    std::fs::create_dir_all(open.join("in")).unwrap();
    std::fs::write(open.join("in/f"), "x").unwrap();
    symlink("open/in", folder.join("release")).unwrap();
    symlink("open/../f", folder.join("left")).unwrap();
    chmod(&open, 0o777);
    assert_eq!(writable(&folder.join("release/f")), open);
    assert_eq!(writable(&folder.join("left")), open);
}

#[test]
fn a_link_that_is_somebody_elses_leads_nowhere() {
    if effective_uid() != 0 {
        return;
    }
    let (_kept, folder) = folder();
    let sticky = folder.join("sticky");
    std::fs::create_dir(&sticky).unwrap();
    chmod(&sticky, 0o1777);
    symlink("../f", sticky.join("link")).unwrap();
    assert!(trusted(&sticky.join("link"), &mine()).is_ok());
    lchown(sticky.join("link"), Some(STRANGER), None).unwrap();
    assert_eq!(writable(&sticky.join("link")), sticky.join("link"));

    let as_them = Trust {
        own: STRANGER,
        ..mine()
    };
    assert!(
        walk(&sticky.join("link"), &as_them).is_ok(),
        "one's own links are one's own"
    );

    std::fs::write(sticky.join("f"), "x").unwrap();
    chown(sticky.join("f"), Some(STRANGER), None).unwrap();
    symlink("sticky/f", folder.join("link")).unwrap();
    assert_eq!(writable(&folder.join("link")), sticky.join("f"));
}

#[test]
fn it_ends_where_the_kernel_would() {
    let (_kept, folder) = folder();
    std::fs::create_dir_all(folder.join("a/b")).unwrap();
    std::fs::write(folder.join("a/b/g"), "x").unwrap();
    symlink("b", folder.join("a/relative")).unwrap();
    symlink(folder.join("a"), folder.join("absolute")).unwrap();
    symlink("relative/../../f", folder.join("a/up")).unwrap();
    symlink("/", folder.join("root")).unwrap();
    symlink("a/b/", folder.join("slash")).unwrap();
    let beyond = "../".repeat(100);
    for path in [
        "f",
        "a/../f",
        "a//b/./g",
        "absolute/relative/g",
        "absolute/up",
        "absolute/relative/../up",
        "a/b/",
        "a/b/.",
        "slash",
        "slash/g",
        "root",
        "root/bin/sh",
        "root/proc/self/status",
        &beyond,
        &format!("{beyond}bin/sh"),
    ] {
        let path = folder.join(path);
        let found = walk(&path, &mine()).unwrap();
        let theirs = std::fs::metadata(&path).unwrap();
        assert_eq!(
            (found.meta.dev(), found.meta.ino()),
            (theirs.dev(), theirs.ino()),
            "{}",
            path.display()
        );
        if !path.ends_with("status") {
            assert_eq!(found.real, path.canonicalize().unwrap());
        }
    }
}

#[test]
fn what_leads_nowhere_fails_as_it_does_for_the_kernel() {
    let (_kept, folder) = folder();
    symlink("none", folder.join("dangling")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    symlink("two", folder.join("one")).unwrap();
    symlink("one", folder.join("two")).unwrap();
    symlink("f/", folder.join("slash")).unwrap();
    symlink("f", folder.join("link")).unwrap();
    for path in [
        "none", "none/f", "dangling", "loop", "loop/f", "one", "f/", "f/.", "f/..", "f/g", "slash",
        "link/", "link/g",
    ] {
        let path = folder.join(path);
        let theirs = std::fs::metadata(&path).unwrap_err().raw_os_error();
        assert_eq!(Some(error(&path)), theirs, "{}", path.display());
    }
    assert_eq!(
        error(&folder.join("n".repeat(256))),
        libc::ENAMETOOLONG,
        "a name that no folder holds"
    );
}

#[test]
fn as_many_links_are_followed_as_by_the_kernel() {
    let (_kept, folder) = folder();
    symlink("f", folder.join("1")).unwrap();
    for number in 2..=41 {
        symlink((number - 1).to_string(), folder.join(number.to_string())).unwrap();
    }
    for (last, follows) in [("40", true), ("41", false)] {
        let path = folder.join(last);
        assert_eq!(trusted(&path, &mine()).is_ok(), follows);
        assert_eq!(std::fs::metadata(&path).is_ok(), follows);
    }
}

/// Two files change places without pause, and a link between two. Whatever the walk ends at is one
/// of them, and what is read is what was judged.
#[test]
fn what_is_exchanged_on_the_way_is_never_mixed() {
    let (_kept, folder) = folder();
    for (name, mode) in [("sound", 0o755), ("open", 0o777)] {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("f"), name).unwrap();
        chmod(&folder.join(name).join("f"), 0o644);
        chmod(&folder.join(name), mode);
        symlink(name, folder.join(format!("to-{name}"))).unwrap();
    }
    let exchange = |one: &str, other: &str| {
        let name =
            |text: &str| std::ffi::CString::new(folder.join(text).as_os_str().as_bytes()).unwrap();
        let (one, other) = (name(one), name(other));
        // SAFETY: two strings with their NULs.
        let done = unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                libc::AT_FDCWD,
                one.as_ptr(),
                libc::AT_FDCWD,
                other.as_ptr(),
                libc::RENAME_EXCHANGE,
            )
        };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
    };

    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                exchange("to-sound", "to-open");
                exchange("sound", "open");
                std::thread::yield_now();
            }
        });
        let mut outcomes = [0; 2];
        for _ in 0..2000 {
            match open_trusted(&folder.join("to-sound/f"), &mine()) {
                Ok((file, _)) => {
                    let text = io::read_to_string(file).unwrap();
                    assert_eq!(
                        text, "sound",
                        "read through a folder that anybody can write"
                    );
                    outcomes[0] += 1;
                }
                Err(_) => outcomes[1] += 1,
            }
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(outcomes[0] > 0, "{outcomes:?}");
    });
}

#[test]
fn only_regular_files_are_opened_and_nothing_is_waited_for() {
    let (_kept, folder) = folder();
    let pipe = folder.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    chmod(&pipe, 0o600);
    for path in [&pipe, &folder, Path::new("/dev/null"), Path::new("/")] {
        assert!(matches!(
            open_trusted(path, &mine()),
            Err(FileFault::NotAFile(..) | FileFault::Writable(..))
        ));
    }
    assert_eq!(error(Path::new("")), libc::ENOENT);
    assert!(trusted(Path::new("Cargo.toml"), &mine()).is_ok());
    let (file, _) = open_trusted(&folder.join("f"), &mine()).unwrap();
    assert_eq!(io::read_to_string(file).unwrap(), "x");
}
