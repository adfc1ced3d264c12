//! How an operator sees that all is well, or what is not: metrics, status, doctor.

mod common;

use common::{Server, stderr, stdout, write};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn ordaind(server: &Server, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .args(words)
        .arg("--config")
        .arg(server.path("config.toml"))
        .output()
        .unwrap()
}

/// Reads the text format strictly: every sample under its own HELP and TYPE, no series twice, names
/// by the rules.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut families: BTreeSet<String> = BTreeSet::new();
    let (mut family, mut kind) = (String::new(), String::new());
    let mut helped = String::new();
    let named = |name: &str| {
        name.starts_with("ordain_")
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };

    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(named(name) && help.ends_with('.'), "{line}");
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, its) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "a TYPE without its HELP");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            assert_eq!(its == "counter", name.ends_with("_total"), "{line}");
            (family, kind) = (name.to_owned(), its.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let base = if kind == "histogram" {
                ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end))
                    .unwrap()
            } else {
                name
            };

            assert_eq!(base, family, "{line}");
            assert!(!series.contains('{') || series.ends_with("\"}"), "{line}");
            assert!(
                found
                    .insert(series.to_owned(), value.parse::<f64>().unwrap())
                    .is_none(),
                "{line} comes twice"
            );
        }
    }

    found
}

#[test]
fn metrics_say_what_has_happened() {
    let server = Server::standard();
    assert!(server.ordain(&["run", "t", "true"]).status.success());
    assert_eq!(
        server.ordain(&["run", "t", "exit", "3"]).status.code(),
        Some(3)
    );

    assert_eq!(
        server.ordain(&["run", "bob@t", "exit", "3"]).status.code(),
        Some(255)
    );

    assert_eq!(
        server.ordain(&["run", "t", "missing"]).status.code(),
        Some(255)
    );

    assert!(
        server
            .ordain_with_input(&["run", "t", "cat"], b"12345")
            .status
            .success()
    );

    assert_eq!(
        server
            .ordain(&["--user", "nobody-known", "run", "t", "true"])
            .status
            .code(),
        Some(255)
    );

    let mut sleeper = server
        .client()
        .args(["run", "t", "locked"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_for_trail("the ends and the last start", |trail| {
        let of = |kind: &str| trail.iter().filter(|record| record["kind"] == kind).count();
        of("end") == 4 && of("start") == 4
    });

    let output = ordaind(&server, &["metrics"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let found = samples(&text);
    for (series, value) in [
        ("ordain_healthy", 1.0),
        ("ordain_build_info{version=\"0.1.0\"}", 1.0),
        (
            "ordain_logins_total{method=\"password\",outcome=\"accepted\"}",
            6.0,
        ),
        (
            "ordain_logins_total{method=\"password\",outcome=\"refused\"}",
            1.0,
        ),
        (
            "ordain_requests_total{verb=\"run\",decision=\"granted\"}",
            5.0,
        ),
        // The client asks what a command takes before it asks for it.
        (
            "ordain_requests_total{verb=\"describe\",decision=\"refused\"}",
            1.0,
        ),
        ("ordain_refusals_total{code=\"400\"}", 1.0),
        ("ordain_runs{phase=\"running\"}", 1.0),
        (
            "ordain_runs_ended_total{command=\"exit\",reason=\"exit\"}",
            1.0,
        ),
        (
            "ordain_runs_ended_total{command=\"missing\",reason=\"not-started\"}",
            1.0,
        ),
        ("ordain_run_duration_seconds_count{command=\"cat\"}", 1.0),
        (
            "ordain_run_duration_seconds_bucket{command=\"cat\",le=\"+Inf\"}",
            1.0,
        ),
        ("ordain_run_bytes_total{stream=\"stdin\"}", 5.0),
        ("ordain_run_bytes_total{stream=\"stdout\"}", 5.0 + 4.0),
        ("ordain_frontend_starts_total", 1.0),
        ("ordain_trail_missed_records", 0.0),
    ] {
        assert_eq!(found.get(series), Some(&value), "{series}\n{text}");
    }

    assert!(
        found["ordain_certificate_expiry_timestamp_seconds"] > found["ordain_start_time_seconds"],
        "{text}"
    );

    assert!(found["ordain_trail_records_total"] > 20.0);

    // What is scraped every few seconds is no record.
    assert!(server.records("local").is_empty());

    // Whole in its place, or not at all.
    let file = server.path("ordain.prom");
    assert!(
        ordaind(&server, &["metrics", "--out", &file.to_string_lossy()])
            .status
            .success()
    );

    samples(&std::fs::read_to_string(&file).unwrap());

    // Prometheus' own judge, where it is installed.
    if let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    {
        promtool
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let judged = promtool.wait_with_output().unwrap();
        assert!(
            judged.status.success() && judged.stderr.is_empty(),
            "{}{}",
            stdout(&judged),
            stderr(&judged)
        );
    }

    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn status_is_for_people_and_its_exit_status_for_programs() {
    // `gone` is there for the start only.
    let server = Server::new().common(&["sleep", "missing"]).alice().start();
    let status = ordaind(&server, &["status"]);
    let said = stdout(&status);
    assert_eq!(status.status.code(), Some(0), "{said}");
    for line in [
        "health       ok",
        "listening    127.0.0.1:",
        "seccomp enforced",
        "runs contained by",
        "locked       none",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }

    // What was loud is remembered, and what is said again is one line.
    for _ in 0..3 {
        assert_eq!(
            server.ordain(&["run", "t", "missing"]).status.code(),
            Some(255)
        );
    }

    let said = stdout(&ordaind(&server, &["status"]));
    assert!(
        said.lines()
            .any(|line| line.contains("not started") && line.contains("(the last of 3)")),
        "{said}"
    );

    // A limit that is near is named.
    let config = std::fs::read_to_string(server.path("config.toml")).unwrap();
    write(
        &server.path("config.toml"),
        &format!(
            "{}\n[limits]\nruns_per_user = 1\n",
            config.replace("/gone", "/plain")
        ),
        0o600,
    );

    assert!(server.ordaind(&["reload"]).status.success());
    let mut sleeper = server.client().args(["run", "t", "sleep"]).spawn().unwrap();
    server.wait_for_trail("the start", |trail| {
        trail.iter().any(|record| record["kind"] == "start")
    });
    let said = stdout(&ordaind(&server, &["status"]));
    assert!(said.contains("limits.runs_per_user: 1 of 1"), "{said}");

    // Without a frontend nobody can connect, and that is no good health; the next one heals it.
    server.kill_frontend();
    common::wait("another frontend", || {
        stdout(&ordaind(&server, &["status"])).contains("started 2 times")
    });
    common::wait("health", || ordaind(&server, &["status"]).status.success());
    let _ = sleeper.kill();
    sleeper.wait().unwrap();
}

#[test]
fn the_doctor_looks_at_everything_and_names_what_is_wrong() {
    let server = Server::new()
        .common(&["missing", "plain", "noexec"])
        .alice()
        .start();
    let well = ordaind(&server, &["doctor"]);
    let said = stdout(&well);

    // The configuration names files that were there for the start only.
    assert!(
        said.contains("WRONG configuration: ") && said.contains("/gone"),
        "{said}"
    );

    assert!(
        !said
            .lines()
            .any(|line| line.starts_with("WRONG") && !line.contains("configuration")),
        "{said}"
    );

    for line in [
        "ok    kernel: seccomp is there",
        "ok    daemon: answers",
        "mind  login: not tried",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }

    let config = std::fs::read_to_string(server.path("config.toml")).unwrap();
    let sound = config
        .replace(
            "[commands.missing]\nexec = [",
            "[commands.missing]\nexec = [\"/bin/true\", ",
        )
        .replace(
            "[commands.plain]\nexec = [",
            "[commands.plain]\nexec = [\"/bin/true\", ",
        )
        .replace(
            "[commands.noexec]\nexec = [",
            "[commands.noexec]\nexec = [\"/bin/true\", ",
        );
    write(&server.path("config.toml"), &sound, 0o600);

    // A refused doctor costs its source no more than anybody who leaves without a word.
    let nobody = ordaind(&server, &["doctor"]);
    assert!(
        nobody.status.success()
            && stdout(&nobody)
                .contains("ok    login: an unknown user was refused as they should be"),
        "{}",
        stdout(&nobody)
    );

    let password = server.path("password");
    let words = [
        "doctor",
        "--user",
        "alice",
        "--password-file",
        &password.to_string_lossy(),
    ];

    let well = ordaind(&server, &words);
    assert!(
        well.status.success()
            && stdout(&well).contains("ok    login: alice was let in and answered"),
        "{}",
        stdout(&well)
    );

    // A key that others can read, and a certificate that is not the one that is served.
    std::fs::set_permissions(
        server.path("state/trail.key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    write(&password, "wrong", 0o600);
    let ill = ordaind(&server, &words);
    assert_eq!(ill.status.code(), Some(1));
    for line in [
        "trail.key has the mode 644; at most 600 is wanted",
        "WRONG login: alice was refused",
    ] {
        assert!(stdout(&ill).contains(line), "{line}\n{}", stdout(&ill));
    }

    // A daemon that is not there.
    let mut server = server;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let gone = ordaind(&server, &["doctor"]);
    assert!(
        gone.status.code() == Some(1) && stdout(&gone).contains("WRONG daemon: "),
        "{}",
        stdout(&gone)
    );
}
