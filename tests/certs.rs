//! `ordain-certs`: what it writes, for how long, and what it never overwrites; and the daemon and
//! the client with what it wrote.

mod common;

use common::{Server, run, stderr, stdout, write};
use ordain::tls::{Fingerprint, Validity, certificates};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

/// The program in a folder of its own.
fn certs(folder: &Path, words: &[&str]) -> Output {
    run(Command::new(env!("CARGO_BIN_EXE_ordain-certs"))
        .current_dir(folder)
        .args(words))
}

fn fine(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    assert_eq!(stderr(output), "");
    stdout(output)
}

fn failed(output: &Output, sentence: &str) {
    assert_eq!(
        (output.status.code(), stdout(output).as_str()),
        (Some(1), "")
    );
    assert!(
        stderr(output).contains(sentence),
        "{sentence}\n{}",
        stderr(output)
    );
}

fn days(file: &Path) -> i64 {
    let parsed = certificates(&std::fs::read(file).unwrap()).unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let left = Validity::of(&parsed[0]).unwrap().until - i64::try_from(now).unwrap();
    (left + 43_200) / 86_400
}

#[test]
fn a_development_set_is_made_at_once_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let out = fine(&certs(
        folder.path(),
        &["--host", "web1", "--host", "10.1.2.3"],
    ));
    for part in [
        "wrote certs/ca.crt and certs/ca.key\n",
        "wrote certs/server.crt and certs/server.key\n",
        "  fingerprint sha256:",
        "  valid until 2",
        "for localhost, 127.0.0.1, ::1, ",
        "web1, 10.1.2.3\n",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }

    for (file, mode) in [
        ("ca.crt", 0o644),
        ("ca.key", 0o600),
        ("server.crt", 0o644),
        ("server.key", 0o600),
    ] {
        let meta = std::fs::metadata(folder.path().join("certs").join(file)).unwrap();
        assert_eq!(meta.mode() & 0o777, mode, "{file}");
    }

    // The real daemon serves it, and the real client trusts it by its authority.
    let prepared = Server::new().common(&["true"]).alice().prepare();
    for file in ["ca.crt", "server.crt", "server.key"] {
        std::fs::copy(folder.path().join("certs").join(file), prepared.path(file)).unwrap();
    }
    let server = prepared.start();
    let output = server.ordain(&["run", "t", "true"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn the_fingerprint_that_is_printed_is_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let out = fine(&certs(folder.path(), &["ca", "--out", "x"]));
    let printed = out
        .lines()
        .find_map(|line| line.strip_prefix("  fingerprint "))
        .unwrap();
    let pem = std::fs::read(folder.path().join("x/ca.crt")).unwrap();
    let parsed = certificates(&pem).unwrap();
    assert_eq!(printed, Fingerprint::of(&parsed[0]).unwrap().to_string());
}

#[test]
fn certificates_last_as_long_as_is_usual_or_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fine(&certs(folder.path(), &[]));
    assert_eq!(days(&path("certs/ca.crt")), 3650);
    assert_eq!(days(&path("certs/server.crt")), 825);
    for (verb, file) in [
        (&["ca"][..], "ca.crt"),
        (&["server", "web1", "--ca", "certs"], "server.crt"),
        (&["client", "laptop", "--ca", "certs"], "laptop.crt"),
    ] {
        fine(&certs(
            folder.path(),
            &[verb, &["--out", "short", "--days", "7", "--force"]].concat(),
        ));
        assert_eq!(days(&path("short").join(file)), 7, "{verb:?}");
    }

    for wrong in ["0", "36501", "1.5", "much"] {
        let output = certs(folder.path(), &["ca", "--days", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert!(stderr(&output).contains("--days"), "{}", stderr(&output));
    }
}

#[test]
fn nothing_is_overwritten_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read(folder.path().join("certs").join(name)).unwrap();
    fine(&certs(folder.path(), &[]));
    let before = ["ca.crt", "ca.key", "server.crt", "server.key"].map(read);
    for words in [
        &[][..],
        &["ca", "--out", "certs"],
        &["server", "web1", "--ca", "certs", "--out", "certs"],
    ] {
        failed(
            &certs(folder.path(), words),
            " exists already; --force overwrites it",
        );
    }
    assert_eq!(
        ["ca.crt", "ca.key", "server.crt", "server.key"].map(read),
        before
    );

    // One of them alone is enough to stop all.
    for file in ["ca.crt", "ca.key", "server.crt"] {
        std::fs::remove_file(folder.path().join("certs").join(file)).unwrap();
    }
    failed(&certs(folder.path(), &[]), "server.key exists already");
    assert!(!folder.path().join("certs/ca.crt").exists());

    fine(&certs(folder.path(), &["--force"]));
    assert_ne!(read("server.key"), before[3]);
}

#[test]
fn a_server_of_ones_own_authority_is_trusted_by_its_names_only() {
    let folder = tempfile::tempdir().unwrap();
    fine(&certs(folder.path(), &["ca", "--out", "ca"]));
    fine(&certs(
        folder.path(),
        &[
            "server",
            "web1.example",
            "192.0.2.7",
            "--ca",
            "ca",
            "--out",
            "web1",
        ],
    ));

    let prepared = Server::new().common(&["true"]).alice().prepare();
    std::fs::copy(folder.path().join("ca/ca.crt"), prepared.path("ca.crt")).unwrap();
    for file in ["server.crt", "server.key"] {
        std::fs::copy(folder.path().join("web1").join(file), prepared.path(file)).unwrap();
    }
    let server = prepared.start();
    for (name, trusted) in [
        ("web1.example", true),
        ("192.0.2.7", true),
        ("localhost", false),
        ("web2.example", false),
        ("192.0.2.8", false),
    ] {
        let output = server.ordain(&["--tls-name", name, "run", "t", "true"]);
        assert_eq!(
            output.status.code() == Some(0),
            trusted,
            "{name}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_clients_certificate_opens_a_gate_and_serves_nobody() {
    let folder = tempfile::tempdir().unwrap();
    fine(&certs(folder.path(), &["--out", "ca"]));
    fine(&certs(
        folder.path(),
        &["client", "laptop", "--ca", "ca", "--out", "own"],
    ));
    fine(&certs(
        folder.path(),
        &["client", "other@home", "--ca", "ca", "--out", "own"],
    ));
    fine(&certs(folder.path(), &["--out", "foreign"]));
    fine(&certs(
        folder.path(),
        &["client", "laptop", "--ca", "foreign", "--out", "theirs"],
    ));

    let prepared = Server::new()
        .tls("client_ca = \"ca.crt\"")
        .common(&["true"])
        .alice()
        .prepare();
    for file in ["ca.crt", "server.crt", "server.key"] {
        std::fs::copy(folder.path().join("ca").join(file), prepared.path(file)).unwrap();
    }
    let server = prepared.start();
    let with = |name: &str| {
        let file = |end: &str| {
            folder
                .path()
                .join(format!("{name}.{end}"))
                .display()
                .to_string()
        };
        server.ordain(&[
            "--cert",
            &file("crt"),
            "--key",
            &file("key"),
            "run",
            "t",
            "true",
        ])
    };

    for (name, let_in) in [
        ("own/laptop", true),
        ("own/other@home", true),
        ("theirs/laptop", false),
        ("ca/server", false),
    ] {
        let output = with(name);
        assert_eq!(
            output.status.code() == Some(0),
            let_in,
            "{name}: {}",
            stderr(&output)
        );
    }
    assert_eq!(
        server.ordain(&["run", "t", "true"]).status.code(),
        Some(255)
    );

    // The other way round: no client would take it for a server's.
    let prepared = Server::new().common(&["true"]).alice().prepare();
    std::fs::copy(folder.path().join("ca/ca.crt"), prepared.path("ca.crt")).unwrap();
    std::fs::copy(
        folder.path().join("own/laptop.crt"),
        prepared.path("server.crt"),
    )
    .unwrap();
    std::fs::copy(
        folder.path().join("own/laptop.key"),
        prepared.path("server.key"),
    )
    .unwrap();
    let server = prepared.start();
    let output = server.ordain(&["--tls-name", "laptop", "run", "t", "true"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(
        stderr(&output).contains("(code 602)"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn names_that_are_no_files_and_authorities_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fine(&certs(folder.path(), &["--out", "ca"]));
    for name in [
        "../evil",
        "/etc/x",
        ".hidden",
        "",
        "a b",
        "a/b",
        "a\u{202e}b",
    ] {
        failed(
            &certs(folder.path(), &["client", name, "--ca", "ca", "--out", "x"]),
            "cannot be a file's name",
        );
    }
    assert!(!folder.path().join("x").exists());
    assert!(!folder.path().join("evil.crt").exists());

    failed(
        &certs(
            folder.path(),
            &["server", "web1", "--ca", "none", "--out", "x"],
        ),
        "none/ca.crt: No such file or directory",
    );
    std::fs::create_dir(folder.path().join("broken")).unwrap();
    write(
        &folder.path().join("broken/ca.crt"),
        "no certificate\n",
        0o644,
    );
    std::fs::copy(
        folder.path().join("ca/ca.key"),
        folder.path().join("broken/ca.key"),
    )
    .unwrap();
    let output = certs(
        folder.path(),
        &["server", "web1", "--ca", "broken", "--out", "x"],
    );
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(1), "")
    );
    assert!(!folder.path().join("x/server.crt").exists());
}

#[test]
fn command_lines_that_are_none_say_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    for (words, sentence) in [
        (&["nothing"][..], "unrecognized subcommand 'nothing'"),
        (
            &["server", "--ca", "x"],
            "the following required arguments were not provided",
        ),
        (&["server", "web1"], "--ca <DIR>"),
        (&["client", "--ca", "x"], "<NAME>"),
        (&["ca", "more"], "unexpected argument 'more' found"),
        (&["--colour"], "unexpected argument '--colour' found"),
    ] {
        let output = certs(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(
            stderr(&output).contains(sentence),
            "{words:?}: {}",
            stderr(&output)
        );
    }

    let help = fine(&certs(folder.path(), &["--help"]));
    for word in [
        "ca", "server", "client", "--host", "--out", "--days", "--force",
    ] {
        assert!(help.contains(word), "{word}\n{help}");
    }
    assert_eq!(
        fine(&certs(folder.path(), &["--version"])),
        format!("ordain-certs {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}
