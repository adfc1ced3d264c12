//! Files below roots: real daemons and real movers, and what attackers, links, full disks and lost
//! rights make of them.

mod common;

use common::{Server, block, is_root, run, signal, stderr, stdout, wait};
use ordain::audit::TrailPublic;
use ordain::client::{ClientError, Run, Session};
use ordain::credential::random;
use ordain::files::stream::{Fault, FileHead, Record};
use ordain::files::{Below, Entry, Manifest, Mode, Sum, What};
use ordain::ids::{Named, RequestId, RunId};
use ordain::mover::Reader;
use ordain::protocol::{Code, Ended, ReceiptText};
use ordain::verb::{Cancel, Commit, Files, Get, ListFiles, Put, RemoveFiles, Verb};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// A daemon with the root `site`, whose rights alice has all; bob may get, and carol may put.
fn server(more: &str) -> Server {
    server_with("", more)
}

/// The same, with more keys of the root.
fn server_with(keys: &str, more: &str) -> Server {
    let setup = Server::new();
    std::fs::create_dir(setup.path("site")).unwrap();
    started(setup, keys, more)
}

fn started(setup: common::Setup, keys: &str, more: &str) -> Server {
    let root = format!(
        "[files.site]\nbeneath = \"{{folder}}/site\"\nallow = [\"list\", \"get\", \"put\", \"remove\"]\n{keys}\n"
    );
    setup
        .role_with("all", &[], "files = [\"site\"]")
        .role_with("reads", &[], "files = [\"site:get\"]")
        .role_with("writes", &[], "files = [\"site:put\"]")
        .user("alice", &["all"])
        .user("bob", &["reads"])
        .user("carol", &["writes"])
        .toml(&root)
        .toml(more)
        .start()
}

fn get(path: &str) -> Get {
    Get {
        root: "site".into(),
        path: path.into(),
        recursive: true,
        chosen: false,
        pack: false,
        confirmed: false,
        reason: None,
    }
}

fn put(path: &str) -> Put {
    Put {
        root: "site".into(),
        path: path.into(),
        recursive: false,
        all_or_nothing: false,
        confirmed: false,
        reason: None,
    }
}

fn remove(path: &str) -> RemoveFiles {
    RemoveFiles {
        root: "site".into(),
        path: path.into(),
        recursive: true,
        names: None,
        confirmed: false,
        reason: None,
    }
}

fn list(path: &str) -> ListFiles {
    ListFiles {
        root: "site".into(),
        path: path.into(),
        recursive: true,
        digests: false,
        confirmed: false,
        reason: None,
    }
}

fn new_id() -> RequestId {
    RequestId::from_random(random())
}

async fn begin<V: Verb>(session: &Session, verb: &V) -> Result<Run, ClientError> {
    session.ask_for(verb, new_id(), |_| {}).await
}

/// A file as a client sends it, and what it comes to.
fn stream(content: &[u8]) -> (Vec<u8>, Sum) {
    let (mut bytes, mut manifest) = (Vec::new(), Manifest::default());
    let (path, mode, time) = (Below::root(), Mode::new(0o640).unwrap(), 1_000_000_000);
    let size = content.len() as u64;
    let head = FileHead {
        path: path.clone(),
        mode,
        time,
        size: Some(size),
        asks: false,
    };
    Record::File(head).encode(&mut bytes);
    for part in content.chunks(64 * 1024) {
        Record::Data(part).encode(&mut bytes);
    }
    let digest = *blake3::hash(content).as_bytes();
    Record::End(digest).encode(&mut bytes);
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
    let sum = manifest.sum();
    Record::Done(sum).encode(&mut bytes);
    (bytes, sum)
}

fn hex(bytes: &[u8]) -> String {
    ordain::encoding::hex(bytes)
}

fn commit(run: RunId, path: &str, sum: Sum) -> Commit {
    Commit {
        run: Named(Some(run)),
        root: "site".into(),
        path: path.into(),
        digest: hex(&sum.digest),
        files: sum.files,
        bytes: sum.bytes,
    }
}

/// A put to this path, of which all has been sent, and nothing is committed.
async fn sent(session: &Session, path: &str, bytes: &[u8]) -> Run {
    let run = begin(session, &put(path)).await.unwrap();
    let input = run.input();
    assert!(input.send(bytes).await.unwrap());
    input.end().await.unwrap();
    run
}

/// A whole put, committed with what was sent.
async fn placed(session: &Session, path: &str, content: &[u8]) -> Ended {
    let (bytes, sum) = stream(content);
    let run = sent(session, path, &bytes).await;
    let id = run.id().unwrap();
    let told = session.ask(&commit(id, path, sum)).await.unwrap();
    assert_eq!(told.committed, id.to_string());
    run.collect().await.unwrap().2
}

/// A file's path and content.
type Content = (String, Vec<u8>);

/// What a mover has written, record by record: the contents of files and the faults.
fn read(output: &[u8]) -> (Vec<Content>, Vec<Fault>, Option<Sum>) {
    let (mut files, mut faults, mut done) = (Vec::<Content>::new(), Vec::new(), None);
    let mut records = Reader::new(output);
    while let Some(record) = records.next_record().unwrap() {
        match record {
            Record::File(head) => files.push((head.path.to_string(), Vec::new())),
            Record::Data(bytes) => files.last_mut().unwrap().1.extend(bytes),
            Record::Hole(length) => {
                let content = &mut files.last_mut().unwrap().1;
                content.resize(content.len() + usize::try_from(length).unwrap(), 0);
            }
            Record::Fault(told) => faults.push(told.what),
            Record::Listed(entry) => files.push((entry.path.to_string(), Vec::new())),
            Record::Done(sum) => done = Some(sum),
            _ => {}
        }
    }
    (files, faults, done)
}

/// What is in a folder, but for what movers keep there for the next attempt.
fn visible(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with(".ordain-")).collect();
    names.sort();
    names
}

fn code(refused: Result<impl Sized, ClientError>) -> Code {
    match refused {
        Ok(_) => panic!("it was done"),
        Err(error) => Code::numbered(error.code).unwrap(),
    }
}

#[test]
fn what_is_got_is_what_is_there_and_the_trail_vouches_for_it() {
    let server = server("");
    std::fs::write(server.path("site/page"), "hello").unwrap();
    std::fs::create_dir(server.path("site/sub")).unwrap();
    std::fs::write(server.path("site/sub/other"), "x".repeat(300_000)).unwrap();
    block(async {
        let session = server.session("bob").await;
        let request = new_id();
        let run = session.ask_for(&get(""), request, |_| {}).await.unwrap();
        let id = run.id().unwrap();
        let (output, errors, ended) = run.collect().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&errors), "");
        assert_eq!((ended.reason.as_str(), ended.number), ("exit", Some(0)));

        let (files, faults, done) = read(&output);
        assert_eq!(faults, []);
        assert_eq!(files[0], ("page".to_owned(), b"hello".to_vec()));
        assert_eq!(files[1].1.len(), 300_000);
        let sum = done.unwrap();
        let digest = hex(&sum.digest);
        assert_eq!(ended.digest.as_deref(), Some(digest.as_str()));
        assert_eq!((ended.files, ended.bytes), (Some(sum.files), Some(300_005)));

        let key: TrailPublic = session
            .ask(&Files {})
            .await
            .unwrap()
            .trail_key
            .parse()
            .unwrap();
        let text = ReceiptText {
            request,
            run: id,
            reason: "exit",
            number: Some(0),
            digest: &digest,
            files: sum.files,
            bytes: sum.bytes,
        };
        let receipt = ended.receipt.unwrap();
        assert!(key.verifies_receipt(&text, &receipt));
        let lies = [
            ReceiptText {
                request: new_id(),
                ..text
            },
            ReceiptText {
                number: Some(1),
                ..text
            },
            ReceiptText { bytes: 1, ..text },
            ReceiptText {
                digest: &"0".repeat(64),
                ..text
            },
        ];
        for lie in lies {
            assert!(!key.verifies_receipt(&lie, &receipt), "{lie}");
        }

        let end = &server.records("end")[0];
        assert_eq!(end["digest"], digest);
        assert_eq!(end["command"], "site:get");
        assert_eq!(
            (&end["files"], &end["bytes"]),
            (&sum.files.into(), &300_005.into())
        );
        let asked = &server.records("request")[0];
        assert_eq!(
            (&asked["root"], &asked["path"]),
            (&"site".into(), &"".into())
        );
        let folder = std::fs::metadata(server.path("site")).unwrap();
        let start = &server.records("start")[0];
        assert_eq!(
            start["folder"],
            format!("{}:{}", folder.dev(), folder.ino())
        );
    });
}

#[test]
fn each_right_goes_alone_and_is_told() {
    let server = server("");
    block(async {
        let (alice, bob, carol) = (
            server.session("alice").await,
            server.session("bob").await,
            server.session("carol").await,
        );
        for (session, rights) in [
            (&alice, &["list", "get", "put", "remove"][..]),
            (&bob, &["get"]),
            (&carol, &["put"]),
        ] {
            let view = session.ask(&Files {}).await.unwrap();
            assert_eq!(view.roots[0].rights, rights);
        }
        for refused in [
            code(begin(&bob, &put("x")).await),
            code(begin(&bob, &list("")).await),
            code(begin(&bob, &remove("x")).await),
            code(begin(&carol, &get("")).await),
            code(begin(&carol, &list("")).await),
        ] {
            assert_eq!(refused, Code::NotPermitted);
        }
        let (_, _, ended) = begin(&alice, &list(""))
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        assert_eq!(ended.number, Some(0));
    });
    assert_eq!(server.records("start").len(), 1, "nothing else has begun");
}

#[test]
fn a_put_is_placed_when_what_has_come_was_signed() {
    let server = server_with("put = { mode = \"0660\" }", "");
    block(async {
        let session = server.session("carol").await;
        let content = vec![b'a'; 1_000_000];
        let ended = placed(&session, "page", &content).await;
        assert_eq!((ended.reason.as_str(), ended.number), ("exit", Some(0)));
        assert_eq!(std::fs::read(server.path("site/page")).unwrap(), content);
        let mode = std::fs::metadata(server.path("site/page")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(visible(&server.path("site")), ["page"]);

        // Another one takes its place.
        placed(&session, "page", b"new").await;
        assert_eq!(std::fs::read(server.path("site/page")).unwrap(), b"new");
    });
    let asked = server.records("request");
    let commit = asked
        .iter()
        .find(|asked| asked["verb"] == "commit")
        .unwrap();
    let end = &server.records("end")[0];
    assert_eq!(commit["run"], end["run"]);
    let signed: serde_json::Value =
        serde_json::from_str(commit["signed"].as_str().unwrap()).unwrap();
    assert_eq!(signed["digest"], end["digest"]);
}

#[test]
fn what_was_not_signed_is_not_placed() {
    let server = server("");
    block(async {
        let session = server.session("carol").await;
        let (bytes, sum) = stream(b"what came");
        let (_, other) = stream(b"what was signed");
        // The network process cannot change a byte, a count or the digest.
        let lies = [
            Sum {
                digest: other.digest,
                ..sum
            },
            Sum {
                bytes: sum.bytes + 1,
                ..sum
            },
            Sum {
                files: sum.files + 1,
                ..sum
            },
        ];
        for lie in lies {
            let run = sent(&session, "page", &bytes).await;
            let id = run.id().unwrap();
            session.ask(&commit(id, "page", lie)).await.unwrap();
            let (_, _, ended) = run.collect().await.unwrap();
            assert_eq!(ended.reason, "exit");
            assert_ne!(ended.number, Some(0));
            assert_eq!(visible(&server.path("site")), [""; 0]);
        }
        // Bytes that are none of what their own records say.
        let mut altered = bytes.clone();
        let at = altered.len() - 60;
        altered[at] ^= 1;
        let run = sent(&session, "page", &altered).await;
        let id = run.id().unwrap();
        let _ = session.ask(&commit(id, "page", sum)).await;
        let (_, _, ended) = run.collect().await.unwrap();
        assert_ne!(ended.number, Some(0));
        assert_eq!(visible(&server.path("site")), [""; 0]);
    });
}

#[test]
fn a_commit_is_of_ones_own_put_to_that_place_and_counts_once() {
    let server = server("");
    block(async {
        let (alice, carol) = (server.session("alice").await, server.session("carol").await);
        let (bytes, sum) = stream(b"page");
        let run = sent(&carol, "page", &bytes).await;
        let id = run.id().unwrap();
        let elsewhere = Commit {
            path: "other".into(),
            ..commit(id, "page", sum)
        };
        let nothing = Commit {
            root: "s1te".into(),
            ..commit(id, "page", sum)
        };
        let no_digest = Commit {
            digest: "0".into(),
            ..commit(id, "page", sum)
        };
        assert_eq!(
            code(alice.ask(&commit(id, "page", sum)).await),
            Code::NoSuchRun
        );
        assert_eq!(code(carol.ask(&elsewhere).await), Code::NoSuchRun);
        assert_eq!(code(carol.ask(&nothing).await), Code::NotPermitted);
        assert_eq!(code(carol.ask(&no_digest).await), Code::Argument);
        let nobodys = RunId::from_random(random());
        assert_eq!(
            code(carol.ask(&commit(nobodys, "page", sum)).await),
            Code::NoSuchRun
        );

        let got = begin(&alice, &get("")).await.unwrap();
        let other = got.id().unwrap();
        got.collect().await.unwrap();
        assert_eq!(
            code(alice.ask(&commit(other, "", sum)).await),
            Code::NoSuchRun
        );

        carol.ask(&commit(id, "page", sum)).await.unwrap();
        let again = code(carol.ask(&commit(id, "page", sum)).await);
        assert!(
            [Code::IdReused, Code::NoSuchRun].contains(&again),
            "{again:?}"
        );
        let (_, _, ended) = run.collect().await.unwrap();
        assert_eq!(ended.number, Some(0));
        assert_eq!(std::fs::read(server.path("site/page")).unwrap(), b"page");
    });
}

#[test]
fn a_right_that_was_lost_meanwhile_places_nothing() {
    let server = server_with("on_revoke = \"continue\"", "");
    block(async {
        let session = server.session("carol").await;
        let (bytes, sum) = stream(b"page");
        let run = sent(&session, "page", &bytes).await;
        let id = run.id().unwrap();
        let config = std::fs::read_to_string(server.config()).unwrap();
        let less = config.replace("files = [\"site:put\"]", "files = [\"site:get\"]");
        std::fs::write(server.config(), less).unwrap();
        assert!(server.ordaind(&["reload"]).status.success());
        // Her session has ended with the right, and a new one has not got it.
        assert!(session.ask(&commit(id, "page", sum)).await.is_err());
        let again = server.session("carol").await;
        assert_eq!(
            code(again.ask(&commit(id, "page", sum)).await),
            Code::NotPermitted
        );
        assert_eq!(visible(&server.path("site")), [""; 0]);
        drop(run);
    });
}

#[test]
fn names_that_lead_elsewhere_are_refused_before_a_mover_begins() {
    let server = server("");
    std::fs::write(server.path("secret"), "secret").unwrap();
    block(async {
        let session = server.session("alice").await;
        let long = "x".repeat(256);
        for path in [
            "..",
            "../secret",
            "a/../../secret",
            "/etc/passwd",
            "a//b",
            "a/",
            "./a",
            "a\nb",
            "\u{1b}[2J",
            "a\0",
            ".ordain-00000000",
            &long,
        ] {
            assert_eq!(
                code(begin(&session, &get(path)).await),
                Code::Argument,
                "{path:?}"
            );
            assert_eq!(
                code(begin(&session, &put(path)).await),
                Code::Argument,
                "{path:?}"
            );
        }
        assert_eq!(code(begin(&session, &remove("")).await), Code::Argument);
    });
    assert_eq!(server.records("start").len(), 0);
}

#[test]
fn no_link_is_followed_and_nothing_outside_is_reached() {
    let server = server("");
    std::fs::write(server.path("secret"), "secret").unwrap();
    std::fs::create_dir(server.path("elsewhere")).unwrap();
    symlink(server.path("secret"), server.path("site/link")).unwrap();
    symlink("../secret", server.path("site/relative")).unwrap();
    symlink(server.path("elsewhere"), server.path("site/folder")).unwrap();
    block(async {
        let session = server.session("alice").await;
        for path in ["", "link", "relative", "folder", "folder/x"] {
            let run = begin(&session, &get(path)).await.unwrap();
            let (output, _, ended) = run.collect().await.unwrap();
            assert_ne!(ended.number, Some(0), "{path}");
            assert!(
                !String::from_utf8_lossy(&output).contains("secret\u{0}"),
                "{path}"
            );
            let (files, faults, _) = read(&output);
            assert!(files.is_empty() && !faults.is_empty(), "{path}: {files:?}");
        }
        let (bytes, sum) = stream(b"new");
        for path in ["folder/new", "link/new"] {
            let run = sent(&session, path, &bytes).await;
            let id = run.id().unwrap();
            let _ = session.ask(&commit(id, path, sum)).await;
            let (_, _, ended) = run.collect().await.unwrap();
            assert_ne!(ended.number, Some(0), "{path}");
        }
        let run = begin(&session, &remove("folder/x")).await.unwrap();
        assert_ne!(run.collect().await.unwrap().2.number, Some(0));
    });
    assert_eq!(std::fs::read(server.path("secret")).unwrap(), b"secret");
    assert_eq!(visible(&server.path("elsewhere")), [""; 0]);
}

#[test]
fn a_mover_has_its_root_and_nothing_else() {
    let server = server("");
    block(async {
        let session = server.session("carol").await;
        let run = begin(&session, &put("page")).await.unwrap();
        server.wait_for_records("start", 1);
        let pid = server.records("start")[0]["pid"].to_string();
        let proc = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
        wait("its start", || {
            proc("cmdline").is_ok_and(|line| line == "ordaind\0--mover\0")
        });
        // Only what the daemon itself may look into is looked at.
        if is_root() {
            let status = proc("status").unwrap();
            let says = |line: &str| status.lines().any(|own| own.replace('\t', " ") == line);
            assert!(says("NoNewPrivs: 1"), "{status}");
            assert!(says("Seccomp: 2"), "{status}");
            assert_eq!(proc("environ").unwrap(), "");
            let limits = proc("limits").unwrap();
            let size = limits
                .lines()
                .find(|line| line.starts_with("Max file size"));
            assert!(size.unwrap().contains("2147483648"), "{limits}");
            let inside = server.path("site");
            wait("its loader's end", || {
                let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
                open.flatten()
                    .filter_map(|entry| std::fs::read_link(entry.path()).ok())
                    .filter(|path| path.is_absolute() && !path.starts_with("/dev"))
                    .all(|path| path.starts_with(&inside))
            });
        }
        session
            .ask(&Cancel {
                run: Named(run.id()),
            })
            .await
            .unwrap();
        let (_, _, ended) = run.collect().await.unwrap();
        assert_eq!(ended.reason, "cancelled");
        assert_eq!(ended.digest, None);
    });
}

#[test]
fn a_mover_that_is_killed_places_nothing_and_vouches_for_nothing() {
    let server = server("");
    block(async {
        let session = server.session("carol").await;
        let (bytes, _) = stream(&vec![b'x'; 500_000]);
        let run = begin(&session, &put("page")).await.unwrap();
        run.input().send(&bytes[..bytes.len() / 2]).await.unwrap();
        server.wait_for_records("start", 1);
        let pid = server.records("start")[0]["pid"].as_u64().unwrap();
        signal(u32::try_from(pid).unwrap(), "-KILL");
        let (_, _, ended) = run.collect().await.unwrap();
        assert_eq!((ended.reason.as_str(), ended.number), ("signal", Some(9)));
        assert_eq!((ended.digest, ended.receipt), (None, None));
        assert_eq!(visible(&server.path("site")), [""; 0]);

        // The next attempt is whole.
        let ended = placed(&session, "page", &vec![b'x'; 500_000]).await;
        assert_eq!(ended.number, Some(0));
    });
}

#[test]
fn locks_times_and_places_bind_transfers_as_they_bind_commands() {
    let keys = "lock = \"web\"\nmax_running = 1\ntimeout = \"1s\"\ngrace = \"100ms\"";
    let server = server_with(keys, "");
    std::fs::write(server.path("site/page"), "x").unwrap();
    block(async {
        let (alice, carol) = (server.session("alice").await, server.session("carol").await);
        let run = begin(&carol, &put("page")).await.unwrap();
        assert_eq!(code(begin(&alice, &get("page")).await), Code::Locked);
        let (_, _, ended) = run.collect().await.unwrap();
        assert_eq!(ended.reason, "timeout");
        let got = begin(&alice, &get("page")).await.unwrap();
        assert_eq!(got.collect().await.unwrap().2.number, Some(0));
    });
}

#[test]
fn the_same_request_again_is_the_same_transfer() {
    let server = server("");
    std::fs::write(server.path("site/page"), "x").unwrap();
    block(async {
        let session = server.session("alice").await;
        let id = new_id();
        let first = session.ask_for(&get("page"), id, |_| {}).await.unwrap();
        let name = first.id();
        first.collect().await.unwrap();
        let again = session.ask_for(&get("page"), id, |_| {}).await.unwrap();
        assert_eq!(again.id(), name);
        let other = session.ask_for(&get("other"), id, |_| {}).await;
        assert_eq!(code(other), Code::IdReused);
    });
    assert_eq!(server.records("start").len(), 1);
}

#[test]
fn reasons_and_consent_are_asked_for() {
    let server = server_with("confirm = true\nrequire = { reason = \"OPS-[0-9]+\" }", "");
    std::fs::write(server.path("site/page"), "x").unwrap();
    block(async {
        let session = server.session("bob").await;
        assert_eq!(code(begin(&session, &get("page")).await), Code::Reason);
        let reasoned = Get {
            reason: Some("OPS-7".into()),
            ..get("page")
        };
        assert_eq!(code(begin(&session, &reasoned).await), Code::Confirm);
        let whole = Get {
            confirmed: true,
            ..reasoned
        };
        let run = begin(&session, &whole).await.unwrap();
        assert_eq!(run.collect().await.unwrap().2.number, Some(0));
    });
    let granted = server.records("request");
    let granted = granted.iter().find(|asked| asked["decision"] == "granted");
    assert_eq!(granted.unwrap()["reason"], "OPS-7");
}

#[test]
fn what_is_removed_is_gone_and_told() {
    let server = server_with("audit = \"names\"", "");
    std::fs::create_dir_all(server.path("site/old/deep")).unwrap();
    std::fs::write(server.path("site/old/deep/page"), "x").unwrap();
    std::fs::write(server.path("site/kept"), "x").unwrap();
    block(async {
        let session = server.session("alice").await;
        let run = begin(&session, &remove("old")).await.unwrap();
        let (_, _, ended) = run.collect().await.unwrap();
        assert_eq!(ended.number, Some(0), "{ended:?}");
        assert!(ended.digest.is_some());
    });
    assert_eq!(visible(&server.path("site")), ["kept"]);
    let names = server.records("name");
    assert!(
        names.iter().any(|name| name["path"] == "deep/page"),
        "{names:?}"
    );
}

#[test]
fn a_full_disk_leaves_nothing_half_in_place() {
    if !is_root() {
        println!("skipped: a small file system can be mounted by root only");
        return;
    }
    let setup = Server::new();
    let site = setup.path("site");
    std::fs::create_dir(&site).unwrap();
    let mounted = run(Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&site));
    if !mounted.status.success() {
        println!(
            "skipped: no file system can be mounted here: {}",
            stderr(&mounted)
        );
        return;
    }
    let server = started(setup, "", "");
    block(async {
        let session = server.session("carol").await;
        let (bytes, sum) = stream(&vec![b'x'; 2 << 20]);
        let run = begin(&session, &put("page")).await.unwrap();
        let (input, id) = (run.input(), run.id().unwrap());
        let sending = tokio::spawn(async move {
            let _ = input.send(&bytes).await;
            let _ = input.end().await;
        });
        let _ = session.ask(&commit(id, "page", sum)).await;
        let (_, _, ended) = run.collect().await.unwrap();
        sending.await.unwrap();
        assert_eq!(ended.reason, "exit");
        assert_ne!(ended.number, Some(0));
    });
    assert_eq!(visible(&site), [""; 0]);
    drop(server);
    assert!(
        run(Command::new("umount").arg("-l").arg(&site))
            .status
            .success()
    );
}

#[test]
fn check_spells_out_roots_and_warns_of_what_is_in_them() {
    let setup = Server::new();
    let site = setup.path("site");
    std::fs::create_dir_all(site.join(".ssh")).unwrap();
    std::fs::write(site.join("tool"), "x").unwrap();
    std::fs::set_permissions(site.join("tool"), PermissionsExt::from_mode(0o4755)).unwrap();
    symlink("/etc/passwd", site.join("out")).unwrap();
    symlink("tool", site.join("in")).unwrap();
    let own = "[files.own]\nbeneath = \"{folder}\"\nallow = [\"get\"]\n";
    let server = started(setup, "", own);
    let checked = server.ordaind(&["check"]);
    let said = stdout(&checked);
    assert!(checked.status.success(), "{said}{}", stderr(&checked));
    for expected in [
        "list by all; get by all, reads; put by all, writes; remove by all",
        "2 roots",
        "[root-setuid]",
        "out leads out (1 in all)",
        "[root-secrets]",
        "holds ordain's own",
        "no role grants get [unused-root]",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let access = stdout(&server.ordaind(&["access", "bob"]));
    assert!(access.contains("site:get"), "{access}");
    assert!(!access.contains("site:put"), "{access}");
}

#[test]
fn a_root_that_is_removed_or_exchanged_is_never_left() {
    let server = server("");
    std::fs::write(server.path("site/page"), "old").unwrap();
    std::fs::rename(server.path("site"), server.path("was")).unwrap();
    std::fs::create_dir(server.path("site")).unwrap();
    std::fs::write(server.path("site/page"), "new").unwrap();
    block(async {
        let session = server.session("bob").await;
        let content = |output: Vec<u8>| read(&output).0.remove(0).1;
        let run = begin(&session, &get("page")).await.unwrap();
        assert_eq!(
            content(run.collect().await.unwrap().0),
            b"old",
            "as it was opened"
        );
        assert!(server.ordaind(&["reload"]).status.success());
        let session = server.session("bob").await;
        let run = begin(&session, &get("page")).await.unwrap();
        assert_eq!(content(run.collect().await.unwrap().0), b"new");
    });
    std::fs::remove_dir_all(server.path("site")).unwrap();
    block(async {
        let session = server.session("bob").await;
        let run = begin(&session, &get("page")).await.unwrap();
        assert_ne!(run.collect().await.unwrap().2.number, Some(0));
    });
}

#[test]
fn a_keeper_passes_on_what_a_mover_needs() {
    let setup = Server::new().best_effort();
    std::fs::create_dir(setup.path("site")).unwrap();
    let server = started(setup, "", "");
    block(async {
        let session = server.session("alice").await;
        let ended = placed(&session, "page", b"kept").await;
        assert_eq!(ended.number, Some(0));
        let run = begin(&session, &get("page")).await.unwrap();
        let (output, _, ended) = run.collect().await.unwrap();
        assert_eq!(read(&output).0[0].1, b"kept");
        assert!(ended.receipt.is_some());
    });
}

#[test]
fn a_network_process_that_dies_places_nothing() {
    let server = server("");
    block(async {
        let session = server.session("carol").await;
        let (bytes, _) = stream(&vec![b'x'; 300_000]);
        let run = sent(&session, "page", &bytes).await;
        server.wait_for_records("start", 1);
        server.kill_frontend();
        assert!(run.collect().await.is_err());
    });
    server.wait_for_records("end", 1);
    assert_ne!(server.records("end")[0]["number"], 0);
    assert_eq!(visible(&server.path("site")), [""; 0]);
}

#[test]
fn a_user_who_is_locked_places_nothing() {
    let server = server("");
    block(async {
        let session = server.session("carol").await;
        let (bytes, sum) = stream(b"page");
        let run = sent(&session, "page", &bytes).await;
        let id = run.id().unwrap();
        assert!(server.ordaind(&["lock", "carol"]).status.success());
        assert!(session.ask(&commit(id, "page", sum)).await.is_err());
        drop(run);
    });
    server.wait_for_records("end", 1);
    assert_eq!(server.records("end")[0]["reason"], "revoked");
    assert_eq!(visible(&server.path("site")), [""; 0]);
}
