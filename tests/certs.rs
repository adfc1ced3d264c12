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

/// A pipe that nobody writes to, and a device, were read for ever.
#[test]
fn what_has_no_end_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    fine(&certs(folder.path(), &["ca", "--out", "ca"]));
    fine(&certs(folder.path(), &["request", "web1", "--out", "out"]));
    std::fs::create_dir(folder.path().join("odd")).unwrap();
    let made = run(Command::new("mkfifo").current_dir(folder.path()).args([
        "-m",
        "600",
        "fifo",
        "odd/ca.crt",
    ]));
    assert!(made.status.success());
    for (words, sentence) in [
        (
            &["sign", "fifo", "--ca", "ca", "--yes"][..],
            "fifo: this pipe is empty, and nobody writes to it",
        ),
        (
            &["sign", "/dev/zero", "--ca", "ca", "--yes"],
            "/dev/zero is a device, and not a regular file",
        ),
        (
            &["sign", "ca", "--ca", "ca", "--yes"],
            "ca is a folder, and not a regular file",
        ),
        (
            &["sign", "out/server.csr", "--ca", "odd", "--yes"],
            "odd/ca.crt: this pipe is empty",
        ),
        (
            &["client", "c", "--ca", "odd"],
            "odd/ca.crt: this pipe is empty",
        ),
        (
            &["request", "c", "--key", "fifo"],
            "fifo: this pipe is empty",
        ),
    ] {
        let mut command = Command::new("timeout");
        command
            .args(["20", env!("CARGO_BIN_EXE_ordain-certs")])
            .current_dir(folder.path())
            .args(words);
        failed(&run(&mut command), sentence);
    }

    // And a request may come out of a pipe.
    let request = std::fs::File::open(folder.path().join("out/server.csr")).unwrap();
    let mut command = Command::new("/bin/sh");
    command
        .current_dir(folder.path())
        .args(["-c", "cat | \"$0\" sign /dev/stdin --ca ca --yes --out out"])
        .arg(env!("CARGO_BIN_EXE_ordain-certs"))
        .stdin(request);
    let signed = fine(&command.output().unwrap());
    assert!(signed.contains("wrote out/stdin.crt"), "{signed}");
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
    is_trusted_as(
        &server,
        &[
            ("web1.example", true),
            ("192.0.2.7", true),
            ("localhost", false),
            ("web2.example", false),
            ("192.0.2.8", false),
        ],
    );
}

/// Whether a client that trusts the CA takes the server for the right one by each of these names.
fn is_trusted_as(server: &Server, names: &[(&str, bool)]) {
    for (name, trusted) in names {
        let output = server.ordain(&["--tls-name", name, "run", "t", "true"]);
        assert_eq!(
            output.status.code() == Some(0),
            *trusted,
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
        "ca", "server", "request", "sign", "client", "--host", "--out", "--days", "--force",
    ] {
        assert!(help.contains(word), "{word}\n{help}");
    }
    assert_eq!(
        fine(&certs(folder.path(), &["--version"])),
        format!("ordain-certs {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

/// The whole way: the server's key never leaves the server, and the CA's never leaves the CA.
#[test]
fn a_request_is_signed_elsewhere_and_its_server_is_trusted_by_its_names_only() {
    let (web, ca) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let out = fine(&certs(
        web.path(),
        &["request", "web1.example", "192.0.2.7", "--out", "tls"],
    ));
    assert!(
        out.contains("wrote tls/server.csr and left the key in tls/server.key\n")
            && out.contains("  for web1.example, 192.0.2.7\n"),
        "{out}"
    );
    let fingerprint = out.lines().last().unwrap();
    let mode = std::fs::metadata(web.path().join("tls/server.key"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    fine(&certs(ca.path(), &["ca", "--out", "ca"]));
    std::fs::copy(
        web.path().join("tls/server.csr"),
        ca.path().join("web1.csr"),
    )
    .unwrap();
    let sign = ["sign", "web1.csr", "--ca", "ca", "--out", "signed"];
    let output = certs(ca.path(), &sign);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no terminal to ask on; --yes agrees beforehand"));
    assert!(!ca.path().join("signed").exists(), "nobody has agreed");
    let out = fine(&certs(ca.path(), &[&sign[..], &["--yes"]].concat()));
    for part in [
        "web1.csr asks for a server's certificate\n  for web1.example, 192.0.2.7\n",
        "  valid for 825 days\n",
        "wrote signed/web1.crt\n",
        "  valid until 2",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    assert_eq!(out.matches(fingerprint).count(), 2, "{fingerprint}\n{out}");
    assert_eq!(days(&ca.path().join("signed/web1.crt")), 825);
    failed(
        &certs(ca.path(), &[&sign[..], &["--yes"]].concat()),
        "signed/web1.crt exists already; --force overwrites it",
    );

    let prepared = Server::new().common(&["true"]).alice().prepare();
    for (from, to) in [
        (ca.path().join("ca/ca.crt"), "ca.crt"),
        (ca.path().join("signed/web1.crt"), "server.crt"),
        (web.path().join("tls/server.key"), "server.key"),
    ] {
        std::fs::copy(from, prepared.path(to)).unwrap();
    }
    let server = prepared.start();
    is_trusted_as(
        &server,
        &[
            ("web1.example", true),
            ("192.0.2.7", true),
            ("web2.example", false),
        ],
    );
}

#[test]
fn a_request_for_a_key_that_is_there_keeps_its_pin() {
    let folder = tempfile::tempdir().unwrap();
    let said = |words: &[&str]| {
        fine(&certs(folder.path(), words))
            .lines()
            .last()
            .unwrap()
            .to_owned()
    };
    let first = said(&["request", "web1", "--out", "x"]);
    let key = std::fs::read(folder.path().join("x/server.key")).unwrap();
    let again = said(&["request", "web2", "--key", "x/server.key", "--out", "y"]);
    assert_eq!(first, again);
    assert!(!folder.path().join("y/server.key").exists());
    failed(
        &certs(folder.path(), &["request", "web1", "--out", "x"]),
        "x/server.key exists already",
    );
    assert_eq!(
        std::fs::read(folder.path().join("x/server.key")).unwrap(),
        key
    );
    failed(
        &certs(folder.path(), &["request", "web 1", "--out", "z"]),
        "asks for the name `web 1`, which no host can have",
    );
    assert!(!folder.path().join("z").exists());
}

#[test]
fn a_certificate_does_not_outlive_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    fine(&certs(
        folder.path(),
        &["ca", "--out", "ca", "--days", "30"],
    ));
    fine(&certs(folder.path(), &["request", "web1", "--out", "x"]));
    let sign = ["sign", "x/server.csr", "--ca", "ca", "--out", "y", "--yes"];
    let output = certs(folder.path(), &[&sign[..], &["--days", "31"]].concat());
    failed(&output, "the CA's certificate is valid for another 2");
    fine(&certs(folder.path(), &sign));
    assert!((29..=30).contains(&days(&folder.path().join("y/server.crt"))));
}

#[test]
fn what_is_no_request_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    fine(&certs(folder.path(), &["ca", "--out", "ca"]));
    fine(&certs(folder.path(), &["request", "web1", "--out", "x"]));
    let request = std::fs::read_to_string(folder.path().join("x/server.csr")).unwrap();
    // Two characters in the middle, which are part of the key.
    let at = request.len() / 2;
    let swapped = if &request[at..=at] == "A" { "B" } else { "A" };
    let changed = format!("{}{swapped}{}", &request[..at], &request[at + 1..]);
    for (file, text, why) in [
        ("changed.csr", changed.as_str(), "changed.csr "),
        ("empty.csr", "", "empty.csr holds no request"),
    ] {
        write(&folder.path().join(file), text, 0o644);
        failed(
            &certs(folder.path(), &["sign", file, "--ca", "ca", "--yes"]),
            why,
        );
    }
    failed(
        &certs(folder.path(), &["sign", "none.csr", "--ca", "ca", "--yes"]),
        "none.csr: No such file",
    );
    assert!(!folder.path().join("certs").exists());
}

/// As people make requests without ordain, where OpenSSL is installed.
#[test]
fn a_request_of_openssl_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |words: &[&str]| {
        Command::new("openssl")
            .current_dir(folder.path())
            .args(words)
            .output()
    };
    let names = "subjectAltName=DNS:web1.example,IP:192.0.2.7";
    let ec = [
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-384",
        "-nodes",
    ];
    let rest = ["-keyout", "k.pem", "-subj", "/O=Example/CN=web1"];
    let made = openssl(&[&ec[..], &rest, &["-addext", names, "-out", "web1.csr"]].concat());
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("there is no openssl here");
        return;
    }
    fine(&certs(folder.path(), &["ca", "--out", "ca"]));
    let out = fine(&certs(
        folder.path(),
        &["sign", "web1.csr", "--ca", "ca", "--yes", "--out", "."],
    ));
    assert!(out.contains("  for web1.example, 192.0.2.7\n"), "{out}");
    let verified = openssl(&["verify", "-CAfile", "ca/ca.crt", "web1.crt"]).unwrap();
    assert!(verified.status.success(), "{}", stderr(&verified));

    for (more, why) in [
        ("basicConstraints=critical,CA:TRUE", "asks to be a CA"),
        (
            "nameConstraints=critical,permitted;DNS:example.com",
            "insists on the extension 2.5.29.30",
        ),
        ("subjectAltName=email:a@example.com", "no host's"),
    ] {
        let mut words = [&ec[..], &rest, &["-addext", more, "-out", "bad.csr"]].concat();
        if !more.starts_with("subject") {
            words.extend(["-addext", names]);
        }
        let made = openssl(&words).unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        failed(
            &certs(folder.path(), &["sign", "bad.csr", "--ca", "ca", "--yes"]),
            why,
        );
    }
}
