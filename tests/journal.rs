//! The trail's way to journald, played with a socket of the test's own that takes, hangs, goes away
//! and comes back.

mod common;

use common::{PATIENCE, Server, Setup, stdout};
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// A daemon that sends its trail to a socket in its folder.
fn described(audit: &str) -> Setup {
    Server::new()
        .table(
            "audit",
            &format!("journal = \"{{folder}}/journal\"\n{audit}"),
        )
        .common(&["true", "hidden"])
        .role("all", &["true"])
        .user("alice", &["all"])
}

fn bind(path: &Path) -> UnixDatagram {
    let _ = std::fs::remove_file(path);
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The fields of one datagram, by journald's rules.
fn fields(mut datagram: &[u8]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while !datagram.is_empty() {
        let end = datagram
            .iter()
            .position(|byte| *byte == b'=' || *byte == b'\n')
            .unwrap();
        let name = String::from_utf8(datagram[..end].to_vec()).unwrap();
        let (value, rest) = if datagram[end] == b'=' {
            let stop = datagram.iter().position(|byte| *byte == b'\n').unwrap();
            (&datagram[end + 1..stop], &datagram[stop + 1..])
        } else {
            let length =
                u64::from_le_bytes(datagram[end + 1..end + 9].try_into().unwrap()) as usize;
            (
                &datagram[end + 9..end + 9 + length],
                &datagram[end + 10 + length..],
            )
        };

        found.insert(name, String::from_utf8(value.to_vec()).unwrap());
        datagram = rest;
    }

    found
}

fn next(socket: &UnixDatagram) -> BTreeMap<String, String> {
    let mut buffer = vec![0; 256 * 1024];
    let count = socket.recv(&mut buffer).unwrap();
    fields(&buffer[..count])
}

/// Everything up to the run's end, as numbers in the order in which they came.
fn until_end_of(socket: &UnixDatagram, run: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    loop {
        let record = next(socket);
        numbers.push(record["ORDAIN_SEQ"].parse().unwrap());
        if record["ORDAIN_KIND"] == "end" && record["ORDAIN_RUN"] == run {
            return numbers;
        }
    }
}

fn last_run(server: &Server) -> String {
    server.records("end").last().unwrap()["run"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn run_and_wait(server: &Server, ends: usize) -> String {
    assert!(server.ordain(&["run", "t", "true"]).status.success());
    server.wait_for_trail("the end", |trail| {
        trail
            .iter()
            .filter(|record| record["kind"] == "end")
            .count()
            == ends
    });

    last_run(server)
}

#[test]
fn the_journal_gets_every_record_with_its_fields() {
    let setup = described("");
    let socket = bind(&setup.path("journal"));
    let server = setup.start();
    let run = run_and_wait(&server, 1);
    let mut kinds = Vec::new();
    let request = loop {
        let record = next(&socket);
        kinds.push(record["ORDAIN_KIND"].clone());
        assert_eq!(
            (
                record["SYSLOG_IDENTIFIER"].as_str(),
                record["ORDAIN_SEQ"].parse()
            ),
            ("ordain-audit", Ok(kinds.len()))
        );

        if record["ORDAIN_KIND"] == "request" {
            break record;
        }
    };

    assert_eq!(
        kinds,
        [
            "started",
            "vault",
            "frontend",
            "connection",
            "login",
            "request"
        ]
    );

    assert_eq!(
        (
            request["ORDAIN_USER"].as_str(),
            request["ORDAIN_COMMAND"].as_str(),
            request["PRIORITY"].as_str()
        ),
        ("alice", "true", "6")
    );

    assert_eq!(request["ORDAIN_RUN"], run);
    assert!(
        request["MESSAGE"].starts_with("request verb=run user=alice command=true"),
        "{}",
        request["MESSAGE"]
    );

    let trail = std::fs::read_to_string(server.path("state/trail.jsonl")).unwrap();
    assert!(
        trail.lines().any(|line| line == request["ORDAIN_RECORD"]),
        "the whole record, byte by byte"
    );

    until_end_of(&socket, &run);
    assert_eq!(
        server.ordain(&["run", "t", "hidden"]).status.code(),
        Some(255)
    );

    let refused = std::iter::repeat_with(|| next(&socket))
        .find(|record| record["ORDAIN_KIND"] == "request")
        .unwrap();
    assert_eq!(
        (
            refused["PRIORITY"].as_str(),
            refused["ORDAIN_DECISION"].as_str(),
            refused["ORDAIN_CODE"].as_str()
        ),
        ("4", "refused", "400")
    );
}

/// An outage loses nothing, and nobody waits for it.
#[test]
fn a_journal_that_hangs_or_is_gone_delays_no_run_and_misses_nothing() {
    let setup = described("rotate_size = \"64KiB\"");
    let path = setup.path("journal");
    let socket = bind(&path);
    let mut server = setup.start();

    // Its queue is full long before this, and the trail is rotated several times.
    let rotated = || {
        let names = std::fs::read_dir(server.path("state"))
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("trail-0"))
            .count()
    };

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let session = server.session("alice").await;
        while rotated() < 3 {
            common::ran(&session, "true").await;
        }

        session.close().await;
    });

    assert!(
        server.ordaind(&["status"]).status.success(),
        "a journal that hangs is no fault of the trail"
    );

    assert!(stdout(&server.ordaind(&["status"])).contains("not in the journal yet"));
    let run = {
        // The last one that it is behind with.
        let text = stdout(
            &std::process::Command::new(env!("CARGO_BIN_EXE_ordaind"))
                .args(["audit", "show", "--json", "--kind", "end", "--config"])
                .arg(server.path("config.toml"))
                .output()
                .unwrap(),
        );

        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        last["run"].as_str().unwrap().to_owned()
    };

    let numbers = until_end_of(&socket, &run);
    let expected: Vec<u64> = (1..=*numbers.last().unwrap()).collect();
    assert_eq!(numbers, expected, "each once and in order");

    // Gone altogether, and back again. What it had taken it has taken.
    let mut taken = *numbers.last().unwrap();
    common::wait("the rest", || {
        let sent = std::fs::read_to_string(server.path("state/trail.journal")).unwrap();
        server.trail().last().unwrap()["seq"].as_u64() == sent.trim().parse().ok()
    });

    socket.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(count) = socket.recv(&mut buffer) {
        taken = fields(&buffer[..count])["ORDAIN_SEQ"].parse().unwrap();
    }
    drop(socket);
    std::fs::remove_file(&path).unwrap();
    assert!(server.ordain(&["run", "t", "true"]).status.success());
    server.wait_for_log("the journal takes no records");
    let socket = bind(&path);
    server.wait_for_log("the journal takes records again");

    // A daemon that was killed meanwhile goes on where its note says: again rather than not.
    let from: u64 = next(&socket)["ORDAIN_SEQ"].parse().unwrap();
    assert_eq!(from, taken + 1);
    server.restart();
    assert!(server.ordain(&["run", "t", "true"]).status.success());
    let mut seen = std::collections::BTreeSet::from([from]);
    let begun = |trail: &[serde_json::Value]| {
        trail
            .iter()
            .rposition(|record| record["kind"] == "started")
            .unwrap()
    };

    let logout = |trail: &[serde_json::Value]| {
        trail[begun(trail)..]
            .iter()
            .find(|record| record["kind"] == "logout")
            .cloned()
    };

    server.wait_for_trail("the logout", |trail| logout(trail).is_some());
    let last = logout(&server.trail()).unwrap()["seq"].as_u64().unwrap();
    while !seen.contains(&last) {
        seen.insert(next(&socket)["ORDAIN_SEQ"].parse().unwrap());
    }
    assert!(
        (from..=last).all(|number| seen.contains(&number)),
        "{seen:?}"
    );
}
