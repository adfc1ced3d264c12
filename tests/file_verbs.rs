//! `ordain files`, `ls`, `cat`, `cp`, `rm` and `sync`, against the real daemon and its real movers.

mod common;

use common::{Server, stderr, stdout};
use std::cell::RefCell;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

/// A daemon with the root `site`, of which alice may do everything, and `logs`, of which she may get.
fn server() -> Server {
    let setup = Server::new();
    std::fs::create_dir(setup.path("site")).unwrap();
    std::fs::create_dir(setup.path("logs")).unwrap();
    std::fs::set_permissions(setup.path("site"), PermissionsExt::from_mode(0o777)).unwrap();
    setup
        .toml(
            "[files.site]\nsummary = \"What is served\"\nbeneath = \"{folder}/site\"\n\
             allow = [\"list\", \"get\", \"put\", \"remove\"]\n\
             put = { mode = \"0755\", directories = \"0755\" }\n\
             [files.logs]\nbeneath = \"{folder}/logs\"\nallow = [\"list\", \"get\"]\nonly = [\"*.log\"]\n",
        )
        .role_with("all", &[], "files = [\"site\", \"logs:get\"]")
        .user("alice", &["all"])
        .start()
}

/// A folder here, to copy from and to.
struct Here(tempfile::TempDir);

impl Here {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        std::fs::write(self.at(name), content).unwrap();
    }
}

#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(output),
        stderr(output)
    );
    stdout(output)
}

#[track_caller]
fn ends(output: &Output, status: i32, says: &str) {
    let said = stderr(output);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{}{said}",
        stdout(output)
    );
    assert!(said.contains(says), "expected: {says}\nsaid: {said}");
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// Nothing of a transfer is left beside what it has placed.
#[track_caller]
fn nothing_is_left(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with(".ordain-"), "{name} is left");
    }
}

#[test]
fn what_one_may_do_is_shown() {
    let server = server();
    let shown = done(&server.ordain(&["files", "t"]));
    assert!(shown.contains("logs  get; only *.log\n"), "{shown}");
    assert!(shown.contains("What is served"), "{shown}");
    ends(&server.ordain(&["ls", "t:logs"]), 255, "list");
    ends(&server.ordain(&["ls", "t:none"]), 255, "none");
}

#[test]
fn a_file_goes_there_and_comes_back() {
    let (server, here) = (server(), Here::new());
    here.write("a.txt", "hello\n");
    done(&server.ordain(&["cp", &here.text("a.txt"), "t:site/b.txt"]));
    assert_eq!(read(&server.path("site/b.txt")), b"hello\n");
    assert_eq!(done(&server.ordain(&["cat", "t:site/b.txt"])), "hello\n");
    done(&server.ordain(&["cp", "t:site/b.txt", &here.text("c.txt")]));
    assert_eq!(read(&here.at("c.txt")), b"hello\n");
    let into = format!("{}/", here.0.path().display());
    done(&server.ordain(&["cp", "t:site/b.txt", &into]));
    assert_eq!(read(&here.at("b.txt")), b"hello\n");
    done(&server.ordain(&["cp", &here.text("a.txt"), "t:site/"]));
    assert_eq!(read(&server.path("site/a.txt")), b"hello\n");
    assert_eq!(done(&server.ordain(&["ls", "t:site"])), "a.txt\nb.txt\n");
    assert_eq!(
        done(&server.ordain(&["cp", "t:site/b.txt", "-"])),
        "hello\n"
    );
    done(&server.ordain(&["rm", "t:site/b.txt"]));
    assert!(!server.path("site/b.txt").exists());
    ends(
        &server.ordain(&["rm", "t:site/b.txt"]),
        2,
        "it is not there",
    );
    ends(
        &server.ordain(&["cat", "t:site/none"]),
        2,
        "it is not there",
    );
    nothing_is_left(&server.path("site"));
    nothing_is_left(here.0.path());
}

#[test]
fn standard_input_is_put() {
    let server = server();
    let content: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number >> 7) as u8)
        .collect();
    done(&server.ordain_with_input(&["cp", "-", "t:site/piped"], &content));
    assert!(read(&server.path("site/piped")) == content);
}

#[test]
fn a_tree_goes_there_and_comes_back() {
    let (server, here) = (server(), Here::new());
    here.write("build/a", "1");
    here.write("build/d/b", "2".repeat(200_000));
    here.write("build/d/e/.hidden", "");
    std::fs::set_permissions(here.at("build/a"), PermissionsExt::from_mode(0o4755)).unwrap();
    ends(
        &server.ordain(&["cp", &here.text("build"), "t:site/42"]),
        255,
        "-r copies it",
    );
    done(&server.ordain(&["cp", "-r", &here.text("build"), "t:site/42"]));
    assert_eq!(read(&server.path("site/42/d/b")).len(), 200_000);
    let mode = std::fs::metadata(server.path("site/42/a"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755, "setuid does not travel");
    let again = server.ordain(&["cp", "-r", &here.text("build"), "t:site/42"]);
    ends(&again, 255, "is there already");
    done(&server.ordain(&[
        "cp",
        "-r",
        "--all-or-nothing",
        &here.text("build/d"),
        "t:site/42",
    ]));
    assert!(!server.path("site/42/a").exists() && server.path("site/42/b").exists());
    nothing_is_left(&server.path("site"));

    done(&server.ordain(&["cp", "-r", "t:site/42", &here.text("back")]));
    assert_eq!(read(&here.at("back/b")).len(), 200_000);
    ends(
        &server.ordain(&["cp", "-r", "t:site/42", &here.text("back")]),
        255,
        "is a folder",
    );
    let listed = done(&server.ordain(&["ls", "-r", "t:site"]));
    assert_eq!(listed, "42/\n42/b\n42/e/\n42/e/.hidden\n");
    ends(&server.ordain(&["rm", "t:site/42"]), 2, "it is a folder");
    done(&server.ordain(&["rm", "-r", "t:site/42"]));
    assert_eq!(std::fs::read_dir(server.path("site")).unwrap().count(), 0);
    ends(&server.ordain(&["rm", "-r", "t:site"]), 255, "is a root");
}

#[test]
fn what_is_synced_is_alike_and_only_what_differs_travels() {
    let (server, here) = (server(), Here::new());
    for number in 0..30 {
        here.write(
            &format!("from/d{}/{number}", number % 3),
            number.to_string(),
        );
    }
    here.write("from/large", vec![7; 3 << 20]);
    let sync = |words: &[&str]| {
        let (from, to) = (here.text("from"), "t:site/current");
        server.ordain(&[&["sync"], words, &[from.as_str(), to]].concat())
    };
    done(&sync(&[]));
    assert_eq!(read(&server.path("site/current/d2/29")), b"29");
    assert_eq!(
        done(&sync(&["--dry-run"])),
        "",
        "nothing is left to be done"
    );
    here.write("from/d0/new", "new");
    std::fs::remove_file(here.at("from/d1/1")).unwrap();
    std::fs::write(server.path("site/current/surplus"), "surplus").unwrap();
    let would = done(&sync(&["--delete", "--dry-run"]));
    assert_eq!(would, "send d0/new\nremove surplus\nremove d1/1\n");
    assert!(server.path("site/current/surplus").exists());
    done(&sync(&["--delete"]));
    assert!(
        !server.path("site/current/surplus").exists() && !server.path("site/current/d1/1").exists()
    );
    assert_eq!(read(&server.path("site/current/d0/new")), b"new");

    // Back again, into a folder that has something else.
    here.write("to/other", "other");
    here.write("to/d0/0", "changed here");
    let back = |words: &[&str]| {
        let (from, to) = ("t:site/current", here.text("to"));
        server.ordain(&[&["sync"], words, &[from, to.as_str()]].concat())
    };
    done(&back(&["--checksum", "--delete"]));
    assert_eq!(read(&here.at("to/d0/0")), b"0");
    assert!(!here.at("to/other").exists());
    assert_eq!(done(&back(&["--checksum", "--dry-run", "--delete"])), "");

    // Nothing is emptied.
    std::fs::create_dir(here.at("empty")).unwrap();
    let emptied = server.ordain(&["sync", "--delete", &here.text("empty"), "t:site/current"]);
    ends(&emptied, 255, "would empty");
    assert!(server.path("site/current/large").exists());
    nothing_is_left(&server.path("site/current"));
}

#[test]
fn a_copy_that_goes_wrong_says_both_meanings_and_keeps_what_was() {
    let (server, here) = (server(), Here::new());
    here.write("a", "new");
    std::fs::create_dir(server.path("site/d")).unwrap();
    std::fs::set_permissions(server.path("site/d"), PermissionsExt::from_mode(0o777)).unwrap();
    ends(
        &server.ordain(&["cp", &here.text("a"), "t:site/d"]),
        2,
        "a folder has that name",
    );
    ends(
        &server.ordain(&["cp", &here.text("a"), "t:logs/a.log"]),
        255,
        "put",
    );
    ends(
        &server.ordain(&["cp", &here.text("none"), "t:site/x"]),
        255,
        "none",
    );
    ends(
        &server.ordain(&["cp", &here.text("a"), &here.text("b")]),
        255,
        "HOST:ROOT/PATH",
    );
    ends(
        &server.ordain(&["cp", &here.text("a"), "t:site/../x"]),
        255,
        "are no names here",
    );
    std::fs::write(server.path("logs/a.txt"), "secret").unwrap();
    std::fs::write(server.path("logs/a.log"), "log").unwrap();
    assert_eq!(done(&server.ordain(&["cat", "t:logs/a.log"])), "log");
    let kept = server.ordain(&["cat", "t:logs/a.txt"]);
    assert_eq!((stdout(&kept).as_str(), kept.status.success()), ("", false));
    symlink("/etc/passwd", server.path("logs/l.log")).unwrap();
    let link = server.ordain(&["cat", "t:logs/l.log"]);
    assert_eq!((stdout(&link).as_str(), link.status.success()), ("", false));
    // A link here in the place of the copy is replaced, and not gone through.
    here.write("target", "untouched");
    symlink("target", here.at("l")).unwrap();
    done(&server.ordain(&["cp", "t:logs/a.log", &here.text("l")]));
    assert_eq!(read(&here.at("target")), b"untouched");
    assert_eq!(read(&here.at("l")), b"log");
    let kept = server.ordain(&["cp", "-n", "t:logs/a.log", &here.text("target")]);
    ends(&kept, 1, "is there already");
    assert_eq!(read(&here.at("target")), b"untouched");
}

#[test]
fn machines_are_told_in_lines() {
    let (server, here) = (server(), Here::new());
    here.write("a", "12345");
    let said = done(&server.ordain(&["--json", "cp", &here.text("a"), "t:site/a"]));
    let moved: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&moved["event"], &moved["bytes"]),
        (&"moved".into(), &5.into())
    );
    let end = server.records("end").pop().unwrap();
    assert!(
        end.to_string().contains(moved["digest"].as_str().unwrap()),
        "{end}"
    );
    let said = done(&server.ordain(&["--json", "ls", "t:site"]));
    let lines: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[1]["path"], "a");
}

/// Bytes that look like chance.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The largest file on its way in a folder.
fn on_its_way(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let sizes = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(".ordain-"))
        .filter_map(|entry| entry.metadata().ok());
    sizes.map(|meta| meta.len()).max().unwrap_or(0)
}

/// Begins a copy, and kills the client once so much has come; what it was about is whole then, or not
/// there.
fn killed_on_the_way(server: &Server, words: &[&str], into: &Path, most: u64) {
    let client = RefCell::new(server.client().args(words).spawn().unwrap());
    common::wait("half of it has come", || {
        on_its_way(into) > most || client.borrow_mut().try_wait().unwrap().is_some()
    });
    let mut client = client.into_inner();
    let _ = client.kill();
    client.wait().unwrap();
}

#[test]
fn what_was_cut_off_goes_on_where_it_was() {
    const WHOLE: u64 = 48 << 20;
    let (server, here) = (server(), Here::new());
    let content = noise(WHOLE as usize);
    here.write("large", &content);
    let words = ["cp", &here.text("large"), "t:site/large"];
    let site = server.path("site");
    killed_on_the_way(&server, &words, &site, WHOLE / 2);
    done(&server.ordain(&words));
    assert!(read(&site.join("large")) == content);
    // What was cut off ends some time later.
    let sent = |name: &str| {
        let mut ends = server.records("end").into_iter();
        let whole = ends.rfind(|end| end["reason"] == "exit").unwrap();
        whole[name].as_u64().unwrap()
    };
    let again = sent("stdin_bytes");
    assert!(
        again < WHOLE * 6 / 10,
        "{again} of {WHOLE} bytes were sent again"
    );

    let words = ["cp", "t:site/large", &here.text("back")];
    killed_on_the_way(&server, &words, here.0.path(), WHOLE / 2);
    done(&server.ordain(&words));
    assert!(read(&here.at("back")) == content);
    let again = sent("stdout_bytes");
    assert!(
        again < WHOLE * 6 / 10,
        "{again} of {WHOLE} bytes were sent again"
    );

    // Of a file that is there only what differs is sent.
    let mut changed = content;
    changed[30 << 20] ^= 1;
    here.write("large", &changed);
    done(&server.ordain(&["cp", &here.text("large"), "t:site/large"]));
    assert!(read(&site.join("large")) == changed);
    let again = sent("stdin_bytes");
    assert!(
        again < WHOLE / 50,
        "{again} of {WHOLE} bytes were sent again"
    );
    nothing_is_left(here.0.path());
}
