//! Arguments whose word is one thing and whose value is another, by a real client over a real
//! socket: choices with values, definitions that commands share, times; and paths that must be files
//! or folders.

mod common;

use common::{Cmd, Server, Setup, stderr, stdout};
use std::process::{Output, Stdio};

/// A command that prints its words, a line each.
fn prints(name: &str, words: &[&str]) -> Cmd {
    Cmd::sh(name, r#"for word in "$@"; do echo "$word"; done"#, words)
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(255), "{}", stdout(output));
    stderr(output)
}

/// What the argv of the last granted run was, and which arguments were signed for it.
fn last_run(server: &Server) -> (serde_json::Value, serde_json::Value) {
    let requests = server.records("request");
    let run = requests
        .iter()
        .rfind(|record| record["verb"] == "run" && record["decision"] == "granted")
        .unwrap();
    let signed: serde_json::Value = serde_json::from_str(run["signed"].as_str().unwrap()).unwrap();
    (run["argv"].clone(), signed["arguments"].clone())
}

fn shared() -> Setup {
    let choices = r#"choices = { web = "nginx.service", db = "postgresql.service" }"#;
    Server::new()
        .table(
            "arguments.unit",
            &format!("type = \"choice\"\n{choices}\nsummary = \"which service\""),
        )
        .command(prints("restart", &["{unit}"]).arg("unit", r#"use = "unit""#))
        .command(
            prints("state", &["{of}"])
                .arg("of", r#"use = "unit", default = "db", summary = "of what""#),
        )
        .alice()
}

#[test]
fn users_speak_of_the_word_and_the_command_gets_the_value() {
    let server = shared().start();
    let ran = server.ordain(&["run", "t", "restart", "web"]);
    assert_eq!(stdout(&ran), "nginx.service\n", "{}", stderr(&ran));
    let (argv, signed) = last_run(&server);
    assert_eq!(argv.as_array().unwrap().last().unwrap(), "nginx.service");
    assert_eq!(signed, serde_json::json!({ "unit": "web" }));

    // Two commands share it, and one says otherwise what stands in.
    assert_eq!(
        stdout(&server.ordain(&["run", "t", "state"])),
        "postgresql.service\n"
    );
    let missing = refusal(&server.ordain(&["run", "t", "restart"]));
    assert!(missing.contains("argument `unit` is missing"), "{missing}");

    // The value is no word.
    let value = refusal(&server.ordain(&["run", "t", "restart", "nginx.service"]));
    assert!(
        value.contains("argument `unit` `nginx.service` is not one of db, web (code 401)"),
        "{value}"
    );

    let described = stdout(&server.ordain(&["--json", "describe", "t", "restart"]));
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    let unit = &described["arguments"][0];
    assert_eq!(unit["choices"], serde_json::json!(["db", "web"]));
    assert_eq!(unit["summary"], "which service");
    assert!(!described.to_string().contains("nginx"), "{described}");
    let described = stdout(&server.ordain(&["describe", "t", "state"]));
    assert!(described.contains("of what"), "{described}");

    let explained = server.ordaind(&["explain", "--offline", "alice", "restart", "db"]);
    let explained = stdout(&explained);
    assert!(explained.contains("postgresql.service"), "{explained}");
    assert!(
        explained.contains("commands.restart.args.unit (")
            && explained.contains(", arguments.unit ("),
        "{explained}"
    );

    let verified = server.ordaind(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", stdout(&verified));
}

#[test]
fn a_reload_says_that_a_shared_definition_has_changed() {
    let server = shared().start();
    let text = std::fs::read_to_string(server.config()).unwrap();
    std::fs::write(
        server.config(),
        text.replace("nginx.service", "caddy.service"),
    )
    .unwrap();
    let reloaded = server.ordaind(&["reload"]);
    let said = format!("{}{}", stdout(&reloaded), stderr(&reloaded));
    assert!(said.contains("argument unit changed: choices"), "{said}");
    let ran = server.ordain(&["run", "t", "restart", "web"]);
    assert_eq!(stdout(&ran), "caddy.service\n", "{}", stderr(&ran));
}

#[test]
fn a_path_leads_to_what_is_wanted_or_the_sentence_says_what_it_is() {
    for setup in [Server::new(), Server::new().best_effort()] {
        let path = r#"type = "path", beneath = "{folder}/files", pass = "fd""#;
        let server = setup
            .command(
                Cmd::new("file", &["/bin/cat", "--", "{of}"])
                    .arg("of", &format!(r#"{path}, only = "file""#)),
            )
            .command(
                Cmd::new("folder", &["/bin/ls", "--", "{of}"])
                    .arg("of", &format!(r#"{path}, only = "folder""#)),
            )
            .command(Cmd::new("either", &["/bin/ls", "-d", "--", "{of}"]).arg("of", path))
            .alice()
            .start();

        let ok = |words: &[&str]| {
            let output = server.ordain(&[&["run", "t"], words].concat());
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            stdout(&output)
        };
        assert_eq!(ok(&["file", "inner/two"]), "two\n");
        assert_eq!(ok(&["folder", "inner"]), "two\n");
        ok(&["either", "one"]);
        ok(&["either", "inner"]);

        let refused = |words: &[&str]| refusal(&server.ordain(&[&["run", "t"], words].concat()));
        for (words, sentence) in [
            (
                ["file", "inner"],
                "argument `of` leads to a folder, and this command takes files only (code 503)",
            ),
            (
                ["folder", "one"],
                "argument `of` leads to a file, and this command takes folders only (code 503)",
            ),
            (
                ["folder", "one/more"],
                "argument `of` leads to nothing that this command may open (code 503)",
            ),
            (
                ["file", "none"],
                "argument `of` leads to nothing that this command may open (code 503)",
            ),
        ] {
            let said = refused(&words);
            assert!(said.contains(sentence), "{words:?}: {said}");
        }

        let described = stdout(&server.ordain(&["describe", "t", "folder"]));
        assert!(described.contains("a folder beneath "), "{described}");
    }
}

fn timed(setup: Setup) -> Setup {
    let time = |form: &str| {
        format!(
            r#"type = "time", min = "7d ago", max = "now", default = "1h ago", form = "{form}""#
        )
    };
    let command = |name: &str, form: &str| prints(name, &["{since}"]).arg("since", &time(form));
    setup
        .command(command("unix", "unix"))
        .command(command("rfc3339", "rfc3339"))
        .command(command("journal", "journal"))
        .command(command("waits", "unix").lock("only").set("queue", "1"))
        .command(Cmd::new("holds", &["/bin/sleep", "1000"]).lock("only"))
        .alice()
}

/// Seconds since 1970, as this machine says now.
fn now() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn a_time_is_judged_by_the_servers_clock_and_given_in_its_form() {
    let server = timed(Server::new()).start();
    let before = now();
    for (words, ago) in [
        (&["unix", "now"][..], 0),
        (&["unix", "2h ago"], 7200),
        (&["unix", "--since=6d ago"], 6 * 86_400),
        (&["unix"], 3600),
    ] {
        let ran = server.ordain(&[&["run", "t"], words].concat());
        let seen: u64 = stdout(&ran).trim().parse().unwrap();
        assert!(
            (before - ago..=now() - ago).contains(&seen),
            "{words:?}: {seen}"
        );
        // What was signed is the word, and what the command got is in the record.
        let (argv, signed) = last_run(&server);
        assert_eq!(*argv.as_array().unwrap().last().unwrap(), seen.to_string());
        let given = words.get(1).map(|word| word.trim_start_matches("--since="));
        assert_eq!(signed["since"].as_str(), given);
    }

    // The same second in every form; date knows them all.
    let second = before - 86_400;
    let date = |format: &str| {
        let output = std::process::Command::new("date")
            .args(["-u", "-d", &format!("@{second}"), format])
            .output()
            .unwrap();
        stdout(&output)
    };
    let typed = date("+%Y-%m-%dT%H:%M:%S+00:00");
    for (command, format) in [
        ("unix", "+%s"),
        ("rfc3339", "+%Y-%m-%dT%H:%M:%SZ"),
        ("journal", "+%Y-%m-%d %H:%M:%S UTC"),
    ] {
        let ran = server.ordain(&["run", "t", command, typed.trim()]);
        assert_eq!(stdout(&ran), date(format), "{}", stderr(&ran));
    }

    for (word, why) in [
        ("8d ago", "lies before 7d ago ("),
        ("2999-01-01", "lies after now ("),
        (
            "1970-01-01T00:00:00+00:01",
            "lies outside of the years 1970 to 9999",
        ),
        ("yesterday", "is no time; accepted are now, 2h ago, "),
        ("99999999999999999999s ago", "is no time ago; "),
        ("-1h ago", "starts with `-`"),
    ] {
        let said = refusal(&server.ordain(&["run", "t", "unix", "--", word]));
        assert!(
            said.contains(&format!("argument `since` `{word}` {why}"))
                || said.contains(&format!("argument `since` {why}")),
            "{word}: {said}"
        );
    }

    let described = stdout(&server.ordain(&["describe", "t", "unix"]));
    assert!(described.contains("from 7d ago to now"), "{described}");
    let verified = server.ordaind(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", stdout(&verified));
}

/// It waits for an hour and a reload, and means the time at which it was granted and recorded.
#[test]
fn a_run_that_waits_goes_on_to_mean_the_time_that_was_recorded() {
    let setup = Server::new();
    let clock = setup.path("clock");
    std::fs::write(&clock, "0").unwrap();
    let setup = setup.env("ORDAIN_CLOCK", clock.to_str().unwrap());
    let server = timed(setup).start();
    let mut holds = server
        .client()
        .args(["run", "t", "holds"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_for_records("start", 1);
    let waits = server
        .client()
        .args(["run", "t", "waits", "now"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.wait_for_trail("the run that waits", |trail| {
        let waits = |record: &serde_json::Value| record["command"] == "waits";
        trail.iter().any(waits)
    });

    std::fs::write(&clock, "3600").unwrap();
    let reloaded = server.ordaind(&["reload"]);
    assert_eq!(reloaded.status.code(), Some(0), "{}", stderr(&reloaded));
    holds.kill().unwrap();
    holds.wait().unwrap();
    let waited = waits.wait_with_output().unwrap();
    let (argv, _) = last_run(&server);
    assert_eq!(
        stdout(&waited).trim(),
        argv.as_array().unwrap().last().unwrap(),
        "{}",
        stderr(&waited)
    );
}

#[test]
fn check_and_the_log_are_silent_about_what_is_acknowledged() {
    let risky = r#"type = "string", pattern = ".*", allow_dash = true"#;
    let server = Server::new()
        .command(prints("plain", &["{text}"]).arg("text", risky))
        .command(
            Cmd::new("loose", &["/bin/echo", "{text}"])
                .arg("text", risky)
                .set(
                    "acknowledge",
                    r#"{ option-injection = "echo only prints" }"#,
                ),
        )
        .command(Cmd::new("open", &["/bin/echo", "{text}"]).arg("text", risky))
        .alice()
        .start();
    let checked = stdout(&server.ordaind(&["check"]));
    let about = |name: &str| checked.contains(&format!("commands.{name}.args.text: allow_dash"));
    assert!(
        about("open") && !about("loose") && !about("plain"),
        "{checked}"
    );
    assert!(checked.contains("[option-injection]"), "{checked}");
    assert!(checked.contains(", 1 acknowledged)"), "{checked}");

    // What is loaded is warned of in the log, in the order of the file.
    let reloaded = server.ordaind(&["reload"]);
    assert_eq!(reloaded.status.code(), Some(0), "{}", stderr(&reloaded));
    let first = server.wait_for_log("args.text: allow_dash");
    assert!(first.contains("commands.open."), "{first}");
}
