//! What a command writes is recorded by a process of its own, exactly, and what becomes of a run whose
//! recording fails.

mod common;

use common::{
    Cmd, Server, Setup, block, invocation, is_root, run, signal, stderr, stdout, text, wait,
};
use ordain::cast::{Output, Reader, What};
use ordain::client::{ClientError, Event};
use ordain::credential::sha256;
use ordain::encoding::{hex, unbase64_any};
use ordain::ids::{Named, RunId};
use ordain::protocol::Code;
use ordain::verb::{Recording, Recordings, Value};
use serde_json::Value as Json;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

fn recorded(command: Cmd, record: &str) -> Cmd {
    command.says("record", record)
}

/// Writes as many random bytes as it is told, as base64.
fn noise(name: &str, record: &str) -> Cmd {
    let command = Cmd::sh(
        name,
        r#"head -c "$1" /dev/urandom | base64 -w0"#,
        &["{bytes}"],
    );
    recorded(command.integer("bytes", 0, 1 << 30), record)
}

fn echoes(record: &str) -> Cmd {
    recorded(Cmd::new("echoes", &["/bin/cat"]).stdin(), record)
}

fn sleeps(name: &str, record: &str) -> Cmd {
    recorded(
        Cmd::sh(name, "echo begun; exec sleep 1000", &[]).grace("1s"),
        record,
    )
}

fn started(commands: impl IntoIterator<Item = Cmd>, table: &str) -> Server {
    let setup = of(commands);
    let setup = if table.is_empty() {
        setup
    } else {
        setup.table("recordings", table)
    };
    setup.start()
}

fn of(commands: impl IntoIterator<Item = Cmd>) -> Setup {
    Server::new()
        .commands(commands)
        .role("all", &["*"])
        .user("alice", &["all"])
        .user("bob", &["all"])
}

/// The one recording that there is.
fn only(folder: &Path) -> PathBuf {
    let mut found: Vec<PathBuf> = files(folder);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".cast.zst"))
        .collect()
}

/// What is in a recording: both outputs, and the status of its end.
fn played(file: &Path) -> ([Vec<u8>; 2], Option<String>) {
    let lines = zstd::stream::read::Decoder::new(std::fs::File::open(file).unwrap()).unwrap();
    let mut reader = Reader::new(BufReader::new(lines)).unwrap();
    let (mut outputs, mut status) = ([Vec::new(), Vec::new()], None);
    while let Some(event) = reader.next_event().unwrap() {
        match event.what {
            What::Wrote(Output::Stdout, bytes) => outputs[0].extend(bytes),
            What::Wrote(Output::Stderr, bytes) => outputs[1].extend(bytes),
            What::Ended(with) => status = Some(with),
            What::Other(..) => {}
        }
    }
    (outputs, status)
}

/// The record of the only run's end, once it is there.
fn end_of(server: &Server) -> Json {
    server.wait_for_records("end", 1);
    server.records("end").remove(0)
}

fn recorders(server: &Server) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
    let children = tasks.flatten().flat_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let numbers = children.split_whitespace();
        numbers
            .map(|child| child.parse().unwrap())
            .collect::<Vec<u32>>()
    });
    children
        .filter(|child| {
            std::fs::read(format!("/proc/{child}/cmdline"))
                .is_ok_and(|line| line.starts_with(b"ordaind: recorder"))
        })
        .collect()
}

#[test]
fn what_a_run_writes_is_in_its_recording_and_the_trail_has_the_digest_of_it() {
    let command = Cmd::sh("both", "echo out; echo error >&2; exit 3", &[]);
    let server = started([recorded(command, "required")], "");
    let output = server.ordain(&["run", "t", "both"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        (stdout(&output), stderr(&output)),
        ("out\n".into(), "error\n".into())
    );

    let file = only(&server.path("state/recordings"));
    let (outputs, status) = played(&file);
    assert_eq!(outputs, [b"out\n".to_vec(), b"error\n".to_vec()]);
    assert_eq!(status.as_deref(), Some("3"));

    let bytes = std::fs::read(&file).unwrap();
    let end = end_of(&server);
    assert_eq!(end["recording"], hex(&sha256(&bytes)));
    assert_eq!(end["recording_bytes"], bytes.len());
    assert_eq!(end["recording_whole"], true);
    assert_eq!(
        file.file_stem().unwrap().to_str(),
        Some(format!("{}.cast", end["run"].as_str().unwrap()).as_str())
    );
    wait("the recorder to end", || recorders(&server).is_empty());
}

#[test]
fn every_byte_comes_through_and_into_the_recording_whatever_it_is() {
    let server = started([echoes("optional")], "");
    let mut bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for size in [1, 3, 4095, 4097, 65_537, 400_000] {
        bytes.extend("ä€𝄞\u{1b}[2J".as_bytes());
        bytes.extend(ordain::credential::random::<32>());
        bytes.resize(bytes.len() + size, b'\0');
    }
    let output = server.ordain_with_input(&["run", "t", "echoes"], &bytes);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(output.stdout == bytes);
    let (outputs, status) = played(&only(&server.path("state/recordings")));
    assert!(outputs[0] == bytes);
    assert_eq!(status.as_deref(), Some("0"));
}

#[test]
fn a_hundred_million_bytes_are_recorded_in_segments_that_the_trail_vouches_for() {
    const BYTES: usize = 100_000_000;
    let script = r#"yes "a line of output that comes again and again" | head -c 100000000"#;
    let server = started([recorded(Cmd::sh("much", script, &[]), "required")], "");
    let output = server.ordain(&["run", "t", "much"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout.len(), BYTES);

    let file = only(&server.path("state/recordings"));
    let (outputs, _) = played(&file);
    assert!(outputs[0] == output.stdout);
    let end = end_of(&server);
    let stored = std::fs::read(&file).unwrap();
    assert_eq!(end["recording_bytes"], stored.len());
    for segment in server.records("recording") {
        let length = usize::try_from(segment["bytes"].as_u64().unwrap()).unwrap();
        assert_eq!(segment["sha256"], hex(&sha256(&stored[..length])));
    }
}

#[test]
fn a_long_recording_is_vouched_for_before_it_ends() {
    let script = r#"head -c 20000000 /dev/urandom; exec sleep 1000"#;
    let server = started([recorded(Cmd::sh("long", script, &[]), "required")], "");
    block(async {
        let session = server.session("alice").await;
        let mut going = session.run(invocation("long", &[])).await.unwrap();
        let mut length = 0;
        while length < 20_000_000 {
            if let Event::Stdout(bytes) = going.next().await.unwrap() {
                length += bytes.len();
                going.consumed(bytes.len()).await.unwrap();
            }
        }
        server.wait_for_records("recording", 1);
        let file = only(&server.path("state/recordings"));
        let segment = server.records("recording").remove(0);
        let stored = std::fs::read(&file).unwrap();
        let length = usize::try_from(segment["bytes"].as_u64().unwrap()).unwrap();
        assert_eq!(segment["sha256"], hex(&sha256(&stored[..length])));
    });
}

#[test]
fn the_network_process_has_no_descriptor_of_what_a_recorded_command_writes_to() {
    let server = started([sleeps("sleeps", "required")], "");
    block(async {
        let session = server.session("alice").await;
        let going = session.run(invocation("sleeps", &[])).await.unwrap();
        server.wait_for_records("start", 1);
        let pid = &server.records("start")[0]["pid"];
        let pipe = |at: &str| std::fs::read_link(at).unwrap_or_default();
        let own = [1, 2].map(|number| pipe(&format!("/proc/{pid}/fd/{number}")));
        assert!(
            own.iter()
                .all(|own| own.to_string_lossy().starts_with("pipe:"))
        );
        let of = |pid: u32| -> Vec<PathBuf> {
            let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter();
            let open = open.flatten().flatten();
            open.map(|entry| pipe(&entry.path().to_string_lossy()))
                .collect()
        };
        let frontend = of(u32::try_from(server.frontend()).unwrap());
        if frontend.is_empty() {
            println!("skipped: only root sees what the network process has open");
        }
        assert!(own.iter().all(|own| !frontend.contains(own)));
        drop(going);
    });
}

#[test]
fn a_run_ends_when_its_recorder_is_killed() {
    for record in ["required", "optional"] {
        let server = started([sleeps("sleeps", record)], "");
        block(async {
            let session = server.session("alice").await;
            let going = session.run(invocation("sleeps", &[])).await.unwrap();
            server.wait_for_records("start", 1);
            let recorder = recorders(&server);
            assert_eq!(recorder.len(), 1);
            signal(recorder[0], "-KILL");
            let (_, _, ended) = going.collect().await.unwrap();
            assert_eq!(ended.reason, "recording");
        });
        let failed = server.records("recording-failed");
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(end_of(&server)["reason"], "recording");
    }
}

/// The same for a disk that is full, which only root can make, and for the bound on all recordings.
fn a_recording_that_cannot_go_on(server: &Server, said: &str) {
    let output = server.ordain(&["run", "t", "goes-on", "3000000"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout.len(), 4_000_000);
    let end = end_of(server);
    assert_eq!(
        (&end["reason"], &end["recording_whole"]),
        (&"exit".into(), &false.into())
    );
    let failed = server.records("recording-failed");
    assert!(
        failed[0]["text"].as_str().unwrap().contains(said),
        "{failed:?}"
    );
    // What was recorded until then is what the record says.
    let file = only(&server.path("recordings"));
    let bytes = std::fs::read(&file).unwrap();
    let length = usize::try_from(end["recording_bytes"].as_u64().unwrap()).unwrap();
    assert_eq!(end["recording"], hex(&sha256(&bytes[..length])));
    std::fs::remove_file(&file).unwrap();

    let output = server.ordain(&["run", "t", "ends", "3000000"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stderr(&output).contains("must be recorded"),
        "{}",
        stderr(&output)
    );
    assert!(output.stdout.len() < 4_000_000);
    server.wait_for_records("end", 2);
    assert_eq!(server.records("end")[1]["reason"], "recording");
}

#[test]
fn a_recording_that_grows_too_large_ends_a_run_that_must_be_recorded_and_no_other() {
    let commands = [noise("goes-on", "optional"), noise("ends", "required")];
    let server = started(commands, "folder = \"recordings\"\nkeep_size = \"1MiB\"");
    a_recording_that_cannot_go_on(&server, "larger than the 1048576 bytes");
}

#[test]
fn a_full_disk_ends_a_run_that_must_be_recorded_and_no_other() {
    if !is_root() {
        println!("skipped: a small file system can be mounted by root only");
        return;
    }
    let commands = [noise("goes-on", "optional"), noise("ends", "required")];
    let setup = of(commands).table("recordings", "folder = \"recordings\"");
    let folder = setup.path("recordings");
    std::fs::create_dir(&folder).unwrap();
    let mounted = run(Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"])
        .arg(&folder));
    if !mounted.status.success() {
        println!(
            "skipped: no file system can be mounted here: {}",
            stderr(&mounted)
        );
        return;
    }
    let server = setup.start();
    a_recording_that_cannot_go_on(&server, "No space left");
    drop(server);
    assert!(
        run(Command::new("umount").arg("-l").arg(&folder))
            .status
            .success()
    );
}

#[test]
fn without_a_place_to_keep_it_nothing_begins_that_must_be_recorded() {
    let touches = |name, record| {
        let command = Cmd::sh(name, r#"echo ran > "$1/$2""#, &["{folder}"]).word(name);
        recorded(command, record)
    };
    let setup = of([touches("must", "required"), touches("may", "optional")]);
    let setup = setup.file("taken", "no folder", 0o600);
    let server = setup.table("recordings", "folder = \"taken\"").start();
    block(async {
        let session = server.session("alice").await;
        let refused = async {
            let run = session.run(invocation("must", &[])).await?;
            run.collect().await.map(|_| ())
        };
        let refused: Result<(), ClientError> = refused.await;
        assert_eq!(refused.unwrap_err().code, Code::CannotRecord.number());
        let run = session.run(invocation("may", &[])).await.unwrap();
        let (_, _, ended) = run.collect().await.unwrap();
        assert_eq!((ended.reason.as_str(), ended.number), ("exit", Some(0)));
    });
    assert!(!server.path("must").exists() && server.path("may").exists());
    server.wait_for_records("recording-failed", 2);
}

#[test]
fn what_is_not_recorded_has_no_recorder() {
    let plain = Cmd::sh("plain", "exec sleep 1000", &[]).grace("1s");
    let server = started([plain, sleeps("sleeps", "optional")], "");
    block(async {
        let session = server.session("alice").await;
        let going = session.run(invocation("plain", &[])).await.unwrap();
        server.wait_for_records("start", 1);
        assert!(recorders(&server).is_empty());
        drop(going);
    });
    assert!(!server.path("state/recordings").exists());
}

#[test]
fn no_secret_and_nothing_that_is_typed_is_in_a_recording() {
    let command = Cmd::sh("logs-in", "cat > /dev/null; echo done", &[])
        .word("{token}")
        .arg(
            "token",
            "type = \"string\", pattern = \"[a-z0-9-]+\", max = 64, secret = true",
        )
        .stdin();
    let server = started([recorded(command, "required")], "");
    let secret = "a-secret-that-nobody-sees";
    common::write(&server.path("token"), secret, 0o600);
    let from = format!("@{}", server.path("token").display());
    let typed = "a password that is typed";
    let output =
        server.ordain_with_input(&["run", "t", "logs-in", "--token", &from], typed.as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    let file = only(&server.path("state/recordings"));
    let lines = std::fs::File::open(&file).unwrap();
    let text = zstd::stream::decode_all(lines).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("done") && text.contains("***"), "{text}");
    assert!(!text.contains(secret) && !text.contains(typed), "{text}");
    let about = std::fs::read_to_string(file.with_extension("").with_extension("json")).unwrap();
    assert!(!about.contains(secret), "{about}");
}

#[test]
fn the_oldest_recordings_go_first_each_recorded() {
    let server = started([noise("noise", "required")], "keep_size = \"1MiB\"");
    for _ in 0..4 {
        let output = server.ordain(&["run", "t", "noise", "400000"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    server.wait_for_records("end", 4);
    wait("the oldest to go", || {
        server.records("recording-removed").len() == 2
    });
    let runs = server.records("end");
    let removed = server.records("recording-removed");
    for (run, removed) in runs.iter().zip(&removed) {
        assert_eq!(
            (&removed["run"], &removed["why"]),
            (&run["run"], &"size".into())
        );
        assert_eq!(removed["sha256"], run["recording"]);
    }
    assert_eq!(files(&server.path("state/recordings")).len(), 2);
}

#[test]
fn a_command_says_that_it_is_recorded() {
    let server = started([echoes("required")], "");
    let output = server.ordain(&["describe", "t", "echoes"]);
    assert!(
        stdout(&output).contains("is recorded"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_run_that_goes_on_without_its_client_is_recorded_through_the_death_of_the_network_process() {
    let script = r#"echo one; while [ ! -e "$1/go" ]; do sleep 0.05; done; echo two"#;
    let command = Cmd::sh("long", script, &["{folder}"]).goes_on();
    let server = started([recorded(command, "required")], "");
    block(async {
        let session = server.session("alice").await;
        let going = session.run(invocation("long", &[])).await.unwrap();
        server.wait_for_records("start", 1);
        server.kill_frontend();
        server.wait_for_records("handed-on", 1);
        common::write(&server.path("go"), "", 0o600);
        drop(going);
    });
    let end = end_of(&server);
    assert_eq!(
        (&end["reason"], &end["number"]),
        (&"exit".into(), &0.into())
    );
    let (outputs, _) = played(&only(&server.path("state/recordings")));
    assert_eq!(outputs[0], b"one\ntwo\n");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_as_without_a_recorder() {
    let command = Cmd::sh("endless", "exec yes", &[]);
    let server = started([recorded(command, "required")], "");
    block(async {
        let session = server.session("alice").await;
        let going = session.run(invocation("endless", &[])).await.unwrap();
        server.wait_for_records("start", 1);
        drop(going);
        drop(session);
    });
    let end = end_of(&server);
    assert_ne!(end["reason"], "lost");
    wait("the recorder to end", || recorders(&server).is_empty());
    played(&only(&server.path("state/recordings")));
}

#[test]
fn arguments_of_a_recorded_run_are_shown_with_it() {
    let command = Cmd::new("says", &["/bin/echo", "{word}"]).string("word", "[a-z]+", 20);
    let server = started([recorded(command, "optional")], "");
    block(async {
        let session = server.session("alice").await;
        let words: &[(&str, Value)] = &[("word", text("hello"))];
        let run = session.run(invocation("says", words)).await.unwrap();
        let (out, _, _) = run.collect().await.unwrap();
        assert_eq!(out, b"hello\n");
    });
    let file = only(&server.path("state/recordings"));
    let lines = zstd::stream::decode_all(std::fs::File::open(file).unwrap()).unwrap();
    let first = lines.split(|byte| *byte == b'\n').next().unwrap();
    let header: Json = serde_json::from_slice(first).unwrap();
    assert_eq!(header["command"], "/bin/echo hello");
    assert_eq!(
        (&header["title"], &header["ordain"]["user"]),
        (&"says".into(), &"alice".into())
    );
}

/// A daemon on which alice has recorded a run, and that run.
fn with_one() -> (Server, String) {
    let script =
        r#"printf 'one\ntwo \033]0;title\007 \033[31mred\033[0m \233 three\n'; echo error >&2"#;
    let setup = Server::new()
        .command(recorded(Cmd::sh("says", script, &[]), "required"))
        .command(Cmd::new("true", &["/bin/true"]))
        .role("all", &["*"])
        .role_with("watches", &[], "verbs = [\"recordings-of-others\"]")
        .user("alice", &["all"])
        .user("bob", &["all"])
        .user("carol", &["watches"]);
    let server = setup.start();
    let output = server.ordain(&["run", "t", "says"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let run = end_of(&server)["run"].as_str().unwrap().to_owned();
    (server, run)
}

fn bytes_of(run: &str) -> Recording {
    Recording {
        run: Named::from(run.parse::<RunId>().unwrap()),
        offset: None,
    }
}

#[test]
fn a_recording_is_shown_to_its_user_and_to_whoever_has_the_right_and_to_nobody_else() {
    let (server, run) = with_one();
    block(async {
        for (user, sees) in [("alice", true), ("carol", true), ("bob", false)] {
            let session = server.session(user).await;
            let list = session.ask(&Recordings::default()).await.unwrap();
            assert_eq!(list.recordings.len(), usize::from(sees), "{user}");
            match session.ask(&bytes_of(&run)).await {
                Ok(part) => {
                    assert!(sees, "{user}");
                    let stored = std::fs::read(only(&server.path("state/recordings"))).unwrap();
                    assert_eq!(unbase64_any(&part.part), Some(stored.clone()));
                    assert_eq!((part.bytes, part.grows), (stored.len() as u64, false));
                    assert_eq!(part.sha256, hex(&sha256(&stored)));
                }
                // What is another's is as if it was not there.
                Err(error) => {
                    assert!(
                        !sees && error.code == Code::NoSuchRun.number(),
                        "{user}: {error}"
                    );
                }
            }
        }
        let session = server.session("carol").await;
        let bobs = Recordings {
            user: Some("bob".into()),
            ..Recordings::default()
        };
        assert!(session.ask(&bobs).await.unwrap().recordings.is_empty());
    });
    // Each time that somebody was shown it is in the trail.
    let seen: Vec<Json> = server.records("request");
    let seen = seen
        .iter()
        .filter(|record| record["verb"] == "recording" && record["decision"] == "granted");
    let seen: Vec<_> = seen
        .map(|record| (&record["user"], &record["run"]))
        .collect();
    let run = Json::from(run);
    assert_eq!(seen, [(&"alice".into(), &run), (&"carol".into(), &run)]);
}

#[test]
fn what_is_not_recorded_and_what_lies_behind_the_end_is_told_so() {
    let (server, run) = with_one();
    server.ordain(&["run", "t", "true"]);
    server.wait_for_records("end", 2);
    let plain = server.records("end")[1]["run"].as_str().unwrap().to_owned();
    block(async {
        let session = server.session("alice").await;
        let refused = session.ask(&bytes_of(&plain)).await.unwrap_err();
        assert_eq!(refused.code, Code::NotRecorded.number());
        let behind = Recording {
            offset: Some(1 << 40),
            ..bytes_of(&run)
        };
        let refused = session.ask(&behind).await.unwrap_err();
        assert_eq!(refused.code, Code::NotRecorded.number());
        let nobodys = bytes_of(&RunId::from_random([7; 10]).to_string());
        let refused = session.ask(&nobodys).await.unwrap_err();
        assert_eq!(refused.code, Code::NoSuchRun.number());
    });
}

#[test]
fn a_recording_is_exported_as_text_and_for_players_of_both_versions() {
    let (server, run) = with_one();
    let exported = |format: &str| {
        let output = server.ordain(&["export", "t", &run, "--format", format]);
        assert!(output.status.success(), "{}", stderr(&output));
        output.stdout
    };
    let text = b"one\ntwo \x1b]0;title\x07 \x1b[31mred\x1b[0m \x9b three\nerror\n";
    assert_eq!(
        exported("txt").escape_ascii().to_string(),
        text.escape_ascii().to_string()
    );

    let lines = |format: &str| -> Vec<Json> {
        let text = String::from_utf8(exported(format)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let second = lines("v2");
    assert_eq!(
        (&second[0]["version"], &second[0]["width"]),
        (&2.into(), &80.into())
    );
    assert!(
        second[1..].iter().all(|event| event[1] == "o"),
        "{second:?}"
    );
    let third = lines("v3");
    assert_eq!(
        (&third[0]["version"], &third[0]["title"]),
        (&3.into(), &"says".into())
    );
    assert_eq!(third.last().unwrap()[1], "x");

    // What was exported is played again, out of a file.
    let file = server.path("exported.cast");
    std::fs::write(&file, exported("v3")).unwrap();
    let file = file.to_str().unwrap();
    let output = server.ordain(&["export", "--file", file, "--format", "txt"]);
    assert_eq!(
        output.stdout.escape_ascii().to_string(),
        text.escape_ascii().to_string()
    );
}

#[test]
fn a_replay_shows_text_and_colours_and_nothing_that_a_terminal_would_obey() {
    let (server, run) = with_one();
    let output = server.ordain(&["replay", "t", &run, "--speed", "1000"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(
        shown.starts_with("one\ntwo \\x1b]0;title\\x07 \x1b[31mred\x1b[0m \\x9b three\n"),
        "{shown:?}"
    );

    let output = server.ordain(&["replay", "t", &run, "--from", "1h"]);
    assert!(output.status.success() && stdout(&output).contains("error"));
    let output = server.ordain(&["recordings", "t"]);
    assert!(stdout(&output).contains(&run), "{}", stdout(&output));
    let output = server.ordain(&["recordings", "t", "--of", "bob"]);
    assert_eq!(stdout(&output), "");
}

#[test]
fn a_recording_that_somebody_has_changed_is_not_shown_as_the_server_s() {
    let (server, run) = with_one();
    let file = only(&server.path("state/recordings"));
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let output = server.ordain(&["export", "t", &run, "--format", "txt"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).contains("SHA-256"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn what_a_killed_daemon_has_left_is_shown_as_far_as_it_goes() {
    let script = r#"echo begun; sleep 2; echo later; exec sleep 1000"#;
    let mut server = started([recorded(Cmd::sh("long", script, &[]), "required")], "");
    let run = block(async {
        let session = server.session("alice").await;
        let mut going = session.run(invocation("long", &[])).await.unwrap();
        let run = loop {
            match going.next().await.unwrap() {
                Event::Stdout(bytes) if bytes.starts_with(b"later") => break going.id().unwrap(),
                Event::Stdout(bytes) => going.consumed(bytes.len()).await.unwrap(),
                _ => {}
            }
        };
        drop(going);
        run.to_string()
    });
    server.restart();
    let list = stdout(&server.ordain(&["recordings", "t"]));
    assert!(
        list.contains(&run) && list.contains("interrupted"),
        "{list}"
    );
    let output = server.ordain(&["export", "t", &run, "--format", "txt"]);
    assert!(output.status.success(), "{}", stderr(&output));
    // What had waited for less than a second may be lost.
    assert!(output.stdout.starts_with(b"begun\n"), "{}", stdout(&output));
    assert!(stderr(&output).contains("cut off"), "{}", stderr(&output));
}

#[test]
fn a_recording_that_is_held_stays_until_it_is_released() {
    let server = started([noise("noise", "required")], "keep_size = \"1MiB\"");
    let noise = || {
        let output = server.ordain(&["run", "t", "noise", "400000"]);
        assert!(output.status.success(), "{}", stderr(&output));
    };
    noise();
    let first = end_of(&server)["run"].as_str().unwrap().to_owned();
    let held = server.ordaind(&["recordings", "hold", &first, "--reason", "case 7"]);
    assert!(held.status.success(), "{}", stderr(&held));
    for _ in 0..3 {
        noise();
    }
    server.wait_for_records("end", 4);
    wait("others to go", || {
        server.records("recording-removed").len() == 2
    });
    let removed = server.records("recording-removed");
    assert!(
        removed.iter().all(|removed| removed["run"] != *first),
        "{removed:?}"
    );
    let list = stdout(&server.ordaind(&["recordings", "list", "--held"]));
    assert!(
        list.contains(&first) && list.contains("held: case 7"),
        "{list}"
    );

    let released = server.ordaind(&["recordings", "release", &first]);
    assert!(released.status.success(), "{}", stderr(&released));
    noise();
    wait("the first to go", || {
        let removed = server.records("recording-removed");
        removed.iter().any(|removed| removed["run"] == *first)
    });
    let states: Vec<Json> = server.records("recording-held");
    let states: Vec<_> = states.iter().map(|record| &record["state"]).collect();
    assert_eq!(states, ["held", "released"]);
    let unknown = server.ordaind(&["recordings", "hold", "nothing"]);
    assert!(!unknown.status.success());
}
