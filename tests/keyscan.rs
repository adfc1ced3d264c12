//! `ordain keyscan`: the keys of many servers, as lines that known_servers takes; what does not
//! answer is named, and nobody logs in.

mod common;

use common::{PASSWORD, Server, host, stderr, stdout, write};
use std::net::TcpListener;
use std::process::Output;

const WARNING: &str = "these keys are what the network says; compare each with `ordaind fingerprint` on the server itself";

fn scan(server: &Server, words: &[&str]) -> Output {
    let words = [&["keyscan"][..], words].concat();
    server.bare().args(words).output().unwrap()
}

fn fingerprint(server: &Server) -> String {
    stdout(&server.ordaind(&["fingerprint"])).trim().to_owned()
}

#[test]
fn its_lines_make_servers_known_and_it_makes_none_known_itself() {
    let server = Server::new().common(&["true"]).alice().start();
    let other = Server::new().common(&["true"]).alice().start();
    let here = format!("LOCALHOST.:{}", other.port);
    let output = scan(
        &server,
        &["t", &here, &format!("127.0.0.1:{}", server.port)],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = stdout(&output);
    assert_eq!(
        lines,
        format!(
            "127.0.0.1:{} {}\nlocalhost:{} {}\n",
            server.port,
            fingerprint(&server),
            other.port,
            fingerprint(&other)
        ),
        "each server once, in the order of the words"
    );
    let said = stderr(&output);
    assert_eq!(
        (said.lines().count(), said.matches(WARNING).count()),
        (1, 1)
    );
    let known = server.path("home/ordain/known_servers");
    assert!(!known.exists());
    assert!(server.records("login").is_empty(), "nobody has logged in");

    std::fs::create_dir_all(known.parent().unwrap()).unwrap();
    write(&known, &lines, 0o600);
    write(&server.path("password"), PASSWORD, 0o600);
    let whoami = |place: &str| {
        let mut client = server.bare();
        client.args(["--user", "alice", "--password-file"]);
        let output = client.arg(server.path("password")).args(["whoami", place]);
        output.output().unwrap()
    };
    for place in [format!("127.0.0.1:{}", server.port), here] {
        let output = whoami(&place);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

/// Whoever is asked for a client certificate has been shown the server's before that.
#[test]
fn a_key_is_seen_whatever_its_server_wants_and_whatever_is_trusted() {
    let prepared = Server::new()
        .tls("client_ca = \"ca.crt\"")
        .alice()
        .prepare();
    let server = prepared.start();
    let wrong = format!("sha256:{}=", "A".repeat(43));
    let settings = host(server.port).replace("ca = \"ca.crt\"", &format!("pin = \"{wrong}\""));
    write(&server.path("bare.toml"), &settings, 0o600);
    let output = scan(&server, &["t", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let line: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let place = format!("127.0.0.1:{}", server.port);
    assert_eq!(
        line,
        serde_json::json!({
            "event": "key", "host": "t", "server": place, "fingerprint": fingerprint(&server),
        })
    );
}

#[test]
fn what_does_not_answer_is_named_and_the_others_are_shown() {
    let server = Server::new().common(&["true"]).alice().start();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("127.0.0.1:{}", closed.local_addr().unwrap().port());
    drop(closed);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("localhost:{}", silent.local_addr().unwrap().port());
    let words = ["--connect-timeout", "2s", &nobody, "t", &mute, "--json"];
    let output = scan(&server, &words);

    assert_eq!(output.status.code(), Some(255));
    let lines: Vec<serde_json::Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["event"].as_str().unwrap(),
                line["host"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("error", "127.0.0.1"), ("key", "t"), ("error", "localhost")]
    );
    let said = stderr(&output);
    for part in [
        "ordain: 127.0.0.1: ",
        "ordain: localhost: ",
        "was not reached within",
        WARNING,
    ] {
        assert_eq!(said.matches(part).count(), 1, "{part}\n{said}");
    }

    let output = scan(&server, &[&nobody]);
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(255), String::new())
    );
    assert!(
        !stderr(&output).contains(WARNING),
        "there is nothing to compare"
    );
}

/// More servers than are looked at at once.
#[test]
fn many_are_looked_at_in_turn() {
    let server = Server::new()
        .without_listeners()
        .server("listen = [\"0.0.0.0:0\"]")
        .penalties("off = true")
        .alice()
        .start();
    let places: Vec<String> = (1..=80)
        .map(|number| format!("127.0.0.{number}:{}", server.port))
        .collect();
    let words: Vec<&str> = places.iter().map(String::as_str).collect();
    let output = scan(&server, &words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let key = fingerprint(&server);
    let lines: Vec<String> = places
        .iter()
        .map(|place| format!("{place} {key}"))
        .collect();
    assert_eq!(stdout(&output).lines().collect::<Vec<_>>(), lines);
}
