//! Transfers under attack, with the real client, daemon and movers: links that are cut again and again,
//! two puts at one name, names and trees that nobody expects.

mod common;

use common::{Server, host, stderr, stdout, write};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A daemon with the root `site`, of which alice may do everything.
fn server() -> Server {
    let setup = Server::new();
    fs::create_dir(setup.path("site")).unwrap();
    fs::set_permissions(setup.path("site"), Permissions::from_mode(0o777)).unwrap();
    setup
        .toml(
            "[files.site]\nbeneath = \"{folder}/site\"\nallow = [\"list\", \"get\", \"put\", \"remove\"]\n\
             put = { mode = \"0755\", directories = \"0755\" }\n",
        )
        .role_with("all", &[], "files = [\"site\"]")
        .user("alice", &["all"])
        .resumable()
        .start()
}

#[track_caller]
fn ends(output: &Output, status: i32) -> String {
    let said = stderr(output);
    let printed = stdout(output);
    assert_eq!(output.status.code(), Some(status), "{printed}{said}");
    said
}

/// Bytes that do not repeat.
fn noise(length: usize, mut state: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What is in a folder, by its bytes.
fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// A link to a port that is cut after so many bytes, again and again, and how often it was.
fn cutting(to: u16, every: u64) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let cuts = Arc::new(AtomicU64::new(0));
    let counted = cuts.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", to))) else {
                return;
            };
            let number = counted.load(Ordering::Relaxed);
            // The handshake and the login pass, and then it is cut in another place each time.
            let left = Arc::new(AtomicU64::new(20_000 + every / 2 + (number * 7919) % every));
            for (from, into) in [(&client, &server), (&server, &client)] {
                let (mut from, mut into) = (from.try_clone().unwrap(), into.try_clone().unwrap());
                let (left, counted) = (left.clone(), counted.clone());
                thread::spawn(move || {
                    let mut buffer = [0; 16 * 1024];
                    while let Ok(count @ 1..) = from.read(&mut buffer) {
                        let before = left.load(Ordering::Relaxed);
                        let allowed = before.min(count as u64);
                        left.fetch_sub(allowed, Ordering::Relaxed);
                        if into.write_all(&buffer[..allowed as usize]).is_err() {
                            break;
                        }
                        if allowed < count as u64 {
                            counted.fetch_add(1, Ordering::Relaxed);
                            break;
                        }
                    }
                    let _ = from.shutdown(Shutdown::Both);
                    let _ = into.shutdown(Shutdown::Both);
                });
            }
        }
    });
    (port, cuts)
}

#[test]
fn a_transfer_is_whole_through_many_cuts() {
    let server = server();
    let content = noise(2_400_000, 88_172_645_463_325_252);
    fs::write(server.path("large"), &content).unwrap();
    let (port, cuts) = cutting(server.port, 400_000);
    let settings = format!("{}password_file = \"password\"\n", host(port));
    write(&server.path("cut.toml"), &settings, 0o600);
    let ordain = |words: &[&str]| {
        let mut client = common::client_in(&server.path(""), "cut.toml");
        client
            .current_dir(server.path(""))
            .args(words)
            .output()
            .unwrap()
    };
    let said = ends(&ordain(&["cp", "large", "t:site/large"]), 0);
    assert!(said.contains("reaching the server again"), "{said}");
    assert!(fs::read(server.path("site/large")).unwrap() == content);
    let sent = cuts.load(Ordering::Relaxed);
    assert!(sent >= 3, "only {sent} cuts");

    ends(&ordain(&["cp", "t:site/large", "back"]), 0);
    assert!(fs::read(server.path("back")).unwrap() == content);
    let fetched = cuts.load(Ordering::Relaxed) - sent;
    assert!(fetched >= 3, "only {fetched} cuts");
    assert_eq!(names(&server.path("site")), ["large"]);
    // Each was one transfer, however often the link was lost.
    assert_eq!(server.records("start").len(), 2);
}

#[test]
fn of_two_puts_at_one_name_one_is_there_whole() {
    let server = server();
    let (one, other) = (noise(3_000_000, 1), noise(4_000_000, 2));
    for _ in 0..4 {
        let put = |content: &[u8]| {
            let mut client = server
                .client()
                .args(["cp", "-", "t:site/name"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let (mut input, content) = (client.stdin.take().unwrap(), content.to_vec());
            thread::spawn(move || input.write_all(&content));
            client
        };
        let outputs = [put(&one), put(&other)].map(|client| client.wait_with_output().unwrap());
        // Where nothing was there at its beginning, the later one replaces nothing, and says so.
        for output in outputs.iter().filter(|output| !output.status.success()) {
            let said = ends(output, 1);
            assert!(said.contains("it is there already"), "{said}");
        }
        assert!(outputs.iter().any(|output| output.status.success()));
        let there = fs::read(server.path("site/name")).unwrap();
        assert!(there == one || there == other, "{} bytes", there.len());
        // What was not placed is kept beside it for a day, and nothing else is there.
        let mut others = names(&server.path("site"));
        others.retain(|name| !name.as_bytes().starts_with(b".ordain-"));
        assert_eq!(others, ["name"]);
    }
}

#[test]
fn odd_names_travel_as_they_are_or_are_told() {
    let server = server();
    let here = server.path("odd");
    fs::create_dir(&here).unwrap();
    let longest = "ü".repeat(127) + "x";
    let good = [
        "-rf", " a b ", "...", "a:b", "\\", "*", &longest, "A", "a", "~", "$(id)",
    ];
    for name in good {
        fs::write(here.join(name), name).unwrap();
    }
    let bad: [&[u8]; 3] = [b"a\nb", b"\x1b[2J", b".ordain-AAAAAAAA"];
    for name in bad {
        fs::write(here.join(OsStr::from_bytes(name)), "bad").unwrap();
    }
    let mut expected: Vec<OsString> = good.iter().map(OsString::from).collect();
    expected.sort();
    let ordain = |words: &[&str]| {
        let mut client = server.client();
        client
            .current_dir(server.path(""))
            .args(words)
            .output()
            .unwrap()
    };
    let said = ends(&ordain(&["cp", "-r", "odd", "t:site/odd"]), 1);
    assert!(
        said.chars()
            .all(|letter| letter == '\n' || !letter.is_control()),
        "{said:?}"
    );
    assert_eq!(names(&server.path("site/odd")), expected);
    for name in bad {
        fs::write(server.path("site/odd").join(OsStr::from_bytes(name)), "bad").unwrap();
    }
    ends(&ordain(&["cp", "-r", "t:site/odd", "back"]), 1);
    assert_eq!(names(&server.path("back")), expected);
    for name in good {
        assert_eq!(
            fs::read(server.path("back").join(name)).unwrap(),
            name.as_bytes()
        );
    }
    // By itself, too.
    ends(&ordain(&["cp", "t:site/odd/-rf", "./-x"]), 0);
    assert_eq!(fs::read(server.path("-x")).unwrap(), b"-rf");
}

#[test]
fn names_that_are_no_text_are_never_mistaken_for_others() {
    let server = server();
    let name = OsString::from_vec(b"a\xff\xfe".to_vec());
    fs::write(server.path("site").join(&name), "bytes").unwrap();
    fs::write(server.path("site/a\u{fffd}\u{fffd}"), "letters").unwrap();
    let output = server
        .client()
        .current_dir(server.path(""))
        .args(["cp", "-r", "t:site", "back"])
        .output()
        .unwrap();
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        stderr(&output)
    );
    let back = server.path("back");
    assert_eq!(
        fs::read(back.join("a\u{fffd}\u{fffd}")).unwrap(),
        b"letters"
    );
    match fs::read(back.join(&name)) {
        Ok(content) => assert_eq!(content, b"bytes"),
        Err(_) => assert_eq!(output.status.code(), Some(1)),
    }
}

#[test]
fn a_tree_that_is_too_deep_is_told_and_holds_nobody_up() {
    let server = server();
    for side in ["deep", "site/deep"] {
        let bottom = server.path(side).join("d/".repeat(1000));
        fs::create_dir_all(&bottom).unwrap();
        fs::write(bottom.join("f"), "deep").unwrap();
        fs::write(server.path(side).join("f"), "flat").unwrap();
    }
    let ordain = |words: &[&str]| {
        let mut client = server.client();
        client
            .current_dir(server.path(""))
            .args(words)
            .output()
            .unwrap()
    };
    for (words, status) in [
        (["cp", "-r", "deep", "t:site/up"], 1),
        (["cp", "-r", "t:site/deep", "down"], 1),
        (["ls", "-r", "t:site/deep", "--json"], 0),
    ] {
        let said = ends(&ordain(&words), status);
        assert!(
            said.contains("is too long or reserved"),
            "{words:?}: {said}"
        );
    }
    for came in ["site/up/f", "down/f"] {
        assert_eq!(fs::read(server.path(came)).unwrap(), b"flat");
    }
}
