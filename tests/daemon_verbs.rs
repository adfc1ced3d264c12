//! Every verb and option of `ordaind` beside serving: what is printed where, and the exit status.

mod common;

use common::{Cmd, PASSWORD, Server, is_root, run, stderr, stdout, wait, write};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ordaind(config: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordaind"));
    run(command.arg("--config").arg(config).args(words))
}

/// Exit status, standard output and standard error.
fn said(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), stdout(output), stderr(output))
}

/// All is well, and exactly this is printed.
fn printed(output: &Output, text: &str) {
    assert_eq!(said(output), (Some(0), text.to_owned(), String::new()));
}

/// Status 1, nothing on standard output, and this on standard error.
fn failed(output: &Output, sentence: &str) {
    let (status, out, err) = said(output);
    assert_eq!((status, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains(sentence), "expected: {sentence}\nsaid: {err}");
}

fn parsed(output: &Output) -> Value {
    let (status, out, err) = said(output);
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(out.lines().count(), 1, "one line for machines: {out}");
    serde_json::from_str(&out).unwrap()
}

/// Two users, one of whom may do less, from few places.
fn described() -> common::Setup {
    Server::new()
        .common(&["exit", "sleep", "ask"])
        .command(
            Cmd::new("deploy", &["/bin/echo", "x"])
                .set("require", r#"{ reason = "OPS-[0-9]+" }"#)
                .set("sources", r#"["10.0.0.0/8"]"#),
        )
        .role("all", &["*"])
        .role_with(
            "few",
            &["sleep"],
            r#"sources = ["192.0.2.0/24", "2001:db8::/32"]"#,
        )
        .user("alice", &["all"])
        .user("bob", &["few"])
}

#[test]
fn locks_are_set_listed_and_taken_away() {
    let server = described().start();
    printed(&server.ordaind(&["lock"]), "");
    printed(&server.ordaind(&["lock", "--list"]), "");
    assert_eq!(
        parsed(&server.ordaind(&["lock", "--json"])),
        json!({ "locks": {} })
    );

    printed(
        &server.ordaind(&["lock", "bob", "--reason", "left us"]),
        "bob is locked\n",
    );
    let (status, out, _) = said(&server.ordaind(&["lock", "--list"]));
    assert_eq!(status, Some(0));
    assert!(
        out.starts_with("bob  since 2") && out.ends_with(": left us\n"),
        "{out}"
    );
    let listed = parsed(&server.ordaind(&["lock", "--json"]));
    assert_eq!(listed["locks"]["bob"]["reason"], "left us");

    let refused = server.ordain(&["whoami", "bob@t"]);
    assert!(stderr(&refused).contains("login refused (code 200)"));

    printed(&server.ordaind(&["unlock", "bob"]), "bob is unlocked\n");
    printed(&server.ordaind(&["unlock", "bob"]), "bob was not locked\n");
    assert_eq!(server.ordain(&["whoami", "bob@t"]).status.code(), Some(0));
    let states: Vec<Value> = server
        .records("lock")
        .iter()
        .map(|record| record["state"].clone())
        .collect();
    assert_eq!(states.first().unwrap(), "locked");
    assert_eq!(states.get(1).unwrap(), "unlocked");
}

#[test]
fn what_a_lock_says_cannot_write_to_a_terminal() {
    let server = described().start();
    assert_eq!(
        server
            .ordaind(&["lock", "bob", "--reason", "a\x1b[2J\u{202e}b"])
            .status
            .code(),
        Some(0)
    );
    let out = stdout(&server.ordaind(&["lock"]));
    assert!(
        !out.contains('\x1b') && !out.contains('\u{202e}'),
        "{out:?}"
    );
    assert_eq!(
        parsed(&server.ordaind(&["lock", "--json"]))["locks"]["bob"]["reason"],
        "a\x1b[2J\u{202e}b",
        "a machine gets it as it is"
    );
}

#[test]
fn seeds_of_codes_are_made_and_taken_away() {
    let server = described().start();
    let uri = stdout(&server.ordaind(&["totp", "bob"]));
    assert!(
        uri.starts_with("otpauth://totp/ordain:bob@") && uri.ends_with("&issuer=ordain\n"),
        "{uri}"
    );
    let secret = |uri: &str| {
        uri.split("secret=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(secret(&uri).len(), 32, "20 bytes in base32");
    let again = stdout(&server.ordaind(&["totp", "bob"]));
    assert_ne!(secret(&uri), secret(&again), "each time another");

    printed(
        &server.ordaind(&["totp", "bob", "--remove"]),
        "bob needs no one-time code any more, unless the configuration says so\n",
    );
    printed(
        &server.ordaind(&["totp", "bob", "--remove"]),
        "bob had no seed\n",
    );
    failed(
        &server.ordaind(&["totp", "nobody"]),
        "there is no such user",
    );
    assert!(
        !server.trail_text().contains(&secret(&uri)),
        "the trail knows that, not what"
    );
}

#[test]
fn penalties_are_shown_and_forgiven() {
    let server = described()
        .penalties("login = \"100s\"\nfloor = \"150s\"\ncap = \"20m\"\nuser_floor = \"10m\"")
        .start();
    printed(&server.ordaind(&["penalties"]), "");
    assert_eq!(
        parsed(&server.ordaind(&["penalties", "--json"])),
        json!({ "sources": [], "users": [] })
    );

    common::block(async {
        for _ in 0..2 {
            assert!(server.try_session("alice", "wrong").await.is_err());
        }
    });
    wait("the penalty", || !server.records("penalty").is_empty());
    let out = stdout(&server.ordaind(&["penalties"]));
    assert!(
        out.contains("source  127.0.0.1/32  not let in for another ")
            && out.contains("user  alice  noted for another "),
        "{out}"
    );
    let listed = parsed(&server.ordaind(&["penalties", "--json"]));
    assert_eq!(
        (
            &listed["sources"][0]["enforced"],
            &listed["sources"][0]["misdeeds"]
        ),
        (&json!(true), &json!(2))
    );
    assert_eq!(listed["users"][0]["enforced"], false);

    printed(
        &server.ordaind(&["penalties", "--clear", "192.0.2.1"]),
        "forgave 0\n",
    );
    printed(
        &server.ordaind(&["penalties", "--clear", "alice"]),
        "forgave 1\n",
    );
    printed(
        &server.ordaind(&["penalties", "--clear", "all"]),
        "forgave 1\n",
    );
    printed(&server.ordaind(&["penalties"]), "");
    assert_eq!(server.ordain(&["whoami", "t"]).status.code(), Some(0));
}

#[test]
fn explain_answers_without_a_daemon() {
    let prepared = described().prepare();
    let config = prepared.config();
    let explain = |words: &[&str]| ordaind(&config, &[&["explain", "--offline"], words].concat());
    let (status, out, _) = said(&explain(&["alice", "exit", "3"]));
    assert_eq!(status, Some(0));
    for part in [
        "granted, by roles.all.commands `*` (",
        "  would run: /bin/sh -c 'echo out; echo err >&2; exit \"$1\"' exit 3\n",
        ": has the roles all\n",
        ": accepts what was given\n",
        "(locks and penalties are not looked at here: `ordaind lock`, `ordaind penalties`)\n",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }

    for (words, sentence) in [
        (
            &["alice", "exit", "300"][..],
            "argument `status` `300` is not a whole number from 0 to 255 (code 401)",
        ),
        (
            &["bob", "exit", "3"],
            "no role of `bob` grants a command `exit` (code 400)",
        ),
        (
            &["nobody", "exit", "3"],
            "there is no user `nobody` (code 400)",
        ),
        (
            &["alice", "none"],
            "  commands.none: there is no such command\n",
        ),
        (&["alice", "deploy"], "refused, by "),
    ] {
        let (status, out, _) = said(&explain(words));
        assert_eq!(status, Some(1), "{words:?}\n{out}");
        assert!(out.contains(sentence), "{words:?}: {sentence}\n{out}");
    }
    failed(&explain(&["alice", "exit", "3", "4"]), "is one too many");
}

#[test]
fn explain_takes_a_place_and_a_reason() {
    let prepared = described().prepare();
    let config = prepared.config();
    let explain = |words: &[&str]| {
        ordaind(&config, &[&["explain", "--offline"], words].concat())
            .status
            .code()
    };

    for (source, granted) in [
        ("192.0.2.77", true),
        ("2001:db8:1::1", true),
        ("::ffff:192.0.2.77", true),
        ("192.0.3.1", false),
        ("127.0.0.1", false),
        ("::1", false),
    ] {
        assert_eq!(
            explain(&["--source", source, "bob", "sleep"]) == Some(0),
            granted,
            "{source}"
        );
    }

    assert_eq!(
        explain(&["bob", "sleep"]),
        Some(1),
        "127.0.0.1 where nothing is said"
    );
    for (source, reason, granted) in [
        ("10.1.2.3", Some("OPS-7"), true),
        ("10.1.2.3", Some("ops-7"), false),
        ("10.1.2.3", Some("OPS-7 and more"), false),
        ("10.1.2.3", None, false),
        ("11.1.2.3", Some("OPS-7"), false),
    ] {
        let mut words = vec!["--source", source];
        words.extend(reason.into_iter().flat_map(|reason| ["--reason", reason]));
        words.extend(["alice", "deploy"]);
        assert_eq!(explain(&words) == Some(0), granted, "{words:?}");
    }

    let wrong = ordaind(&config, &["explain", "--source", "here", "alice", "sleep"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("invalid value 'here' for '--source <ADDRESS>'"));
}

#[test]
fn access_tabulates_who_may_run_what() {
    let prepared = described().prepare();
    let config = prepared.config();
    let access = |words: &[&str]| ordaind(&config, &[&["access", "--offline"], words].concat());
    let account = if is_root() { " as root" } else { "" };
    printed(
        &access(&[]),
        &format!(
            "alice  ask     by all{account}; confirmed\n\
             alice  deploy  by all{account}; command from 10.0.0.0/8, with a reason\n\
             alice  exit    by all{account}\n\
             alice  sleep   by all{account}\n\
             bob    sleep   by few{account}; role from 192.0.2.0/24 or 2001:db8::/32\n"
        ),
    );
    printed(
        &access(&["bob"]),
        &format!("bob  sleep  by few{account}; role from 192.0.2.0/24 or 2001:db8::/32\n"),
    );
    printed(
        &access(&["--command", "exit"]),
        &format!("alice  exit  by all{account}\n"),
    );

    let rows = parsed(&access(&["--command", "sleep", "--json"]));
    let rows = rows["access"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["user"], &rows[0]["command"], &rows[0]["roles"]),
        (&json!("alice"), &json!("sleep"), &json!(["all"]))
    );
    assert_eq!(rows[1]["bounds"], "role from 192.0.2.0/24 or 2001:db8::/32");

    failed(&access(&["nobody"]), "there is no user `nobody`");
    failed(
        &access(&["--command", "none"]),
        "there is no command `none`",
    );
    let nobody = access(&["bob", "--command", "exit"]);
    assert_eq!(
        said(&nobody),
        (
            Some(0),
            String::new(),
            "ordaind: nobody may run anything of this\n".into()
        )
    );
}

#[test]
fn a_role_that_holds_anywhere_makes_the_others_addresses_matter_no_more() {
    let prepared = Server::new()
        .common(&["true"])
        .role_with("near", &["true"], r#"sources = ["10.0.0.0/8"]"#)
        .role("far", &["true"])
        .user("both", &["near", "far"])
        .user("near", &["near"])
        .prepare();
    let rows = parsed(&ordaind(
        &prepared.config(),
        &["access", "--offline", "--json"],
    ));
    assert_eq!(rows["access"][0]["user"], "both");
    assert_eq!(rows["access"][0]["bounds"], "");
    assert_eq!(rows["access"][1]["bounds"], "role from 10.0.0.0/8");
}

#[test]
fn a_faulty_configuration_fails_every_verb_that_reads_it() {
    let prepared = described().toml("colour = 1").prepare();
    let config = prepared.config();
    for words in [
        &["explain", "alice", "sleep"][..],
        &["explain", "--offline", "alice", "sleep"],
        &["access"],
        &["access", "--offline"],
        &[],
    ] {
        let (status, _, err) = said(&ordaind(&config, words));
        assert_eq!(status, Some(1), "{words:?}");
        assert!(
            err.contains("colour: unknown key") && err.contains("1 fault found; nothing is served"),
            "{words:?}: {err}"
        );
    }
    for words in [&["check"][..], &["check", "--offline"]] {
        let (status, out, _) = said(&ordaind(&config, words));
        assert_eq!(status, Some(1), "{words:?}");
        assert!(
            out.contains("fault: ") && out.contains("colour: unknown key"),
            "{out}"
        );
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    for words in [
        &["check"][..],
        &["access"],
        &["explain", "alice", "true"],
        &["fingerprint"],
        &["status"],
        &["reload"],
        &["lock"],
        &["penalties"],
        &["metrics"],
        &["audit", "verify"],
        &["audit", "show"],
        &[],
    ] {
        let output = ordaind(Path::new("/no/such/config.toml"), words);
        let (status, out, err) = said(&output);
        assert_eq!(status, Some(1), "{words:?}: {out}{err}");
        assert!(
            format!("{out}{err}").contains("/no/such/config.toml"),
            "{words:?}: {out}{err}"
        );
    }
}

#[test]
fn without_a_daemon_its_verbs_say_so() {
    let prepared = described().prepare();
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["reload"],
        &["lock"],
        &["lock", "bob"],
        &["unlock", "bob"],
        &["totp", "bob"],
        &["penalties"],
        &["penalties", "--clear", "all"],
        &["metrics"],
    ] {
        failed(
            &ordaind(&prepared.config(), words),
            "(is the daemon running?)",
        );
    }
}

/// Somebody without rights of their own.
const STRANGER: u32 = 65534;

/// The daemon's verbs as a stranger asks them; `None` where they cannot reach the program itself.
fn as_a_stranger(config: &Path, words: &[&str]) -> Option<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordaind"));
    command
        .args(["--config".as_ref(), config.as_os_str()])
        .args(words)
        .uid(STRANGER)
        .gid(STRANGER)
        .stdin(Stdio::null());
    command.output().ok()
}

/// `ordaind status` without root said "Permission denied" and no more.
#[test]
fn whoever_may_not_ask_is_told_who_may_and_how() {
    if !is_root() {
        return println!("skipped: only root can become somebody else");
    }
    let server = described().start();
    let config = server.config();
    let shown = config.display();
    let verbs = [
        &["status"][..],
        &["status", "--json"],
        &["reload"],
        &["lock"],
        &["lock", "bob", "--reason", "left us"],
        &["unlock", "bob"],
        &["totp", "bob"],
        &["penalties"],
        &["penalties", "--clear", "all"],
        &["metrics"],
    ];
    let typed = |words: &[&str]| words.join(" ").replace("left us", "'left us'");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };

    for (closed, said) in [
        (
            true,
            format!("{shown} is in a folder that not everybody may enter"),
        ),
        (false, format!("{shown} belongs to root (mode 0600)")),
    ] {
        mode(server.folder.path(), if closed { 0o700 } else { 0o755 });
        for words in verbs.iter().chain(&[&["check"][..], &["fingerprint"]]) {
            let Some(output) = as_a_stranger(&config, words) else {
                return println!("skipped: a stranger cannot reach the program");
            };
            failed(
                &output,
                &format!(
                    "ordaind: {said}, and this is user id {STRANGER}, who may not read it; ask as root: `sudo ordaind --config {shown} {}`\n",
                    typed(words)
                ),
            );
        }
    }

    // They may read it, and the socket is not theirs.
    mode(&config, 0o644);
    for words in verbs {
        let output = as_a_stranger(&config, words).unwrap();
        failed(
            &output,
            &format!(
                "Permission denied (os error 13): only root may ask the daemon, and this is user id {STRANGER}; ask as root: `sudo ordaind --config {shown} {}` (`systemctl status ordaind` tells everybody how it is)\n",
                typed(words)
            ),
        );
    }
}

/// Reading a pipe that nobody writes to, or a device, never came to an end.
#[test]
fn a_configuration_that_is_no_file_is_read_or_named_at_once() {
    let prepared = described().prepare();
    let text = prepared.text();
    let fifo = prepared.path("fifo");
    assert!(run(Command::new("mkfifo").arg(&fifo)).status.success());
    let folder = prepared.folder().to_string_lossy().into_owned();
    let (fifo, folder) = (fifo.to_str().unwrap(), folder.as_str());
    let ask = |config: &str, words: &[&str], input: &str| {
        let mut child = Command::new("timeout")
            .args(["20", env!("CARGO_BIN_EXE_ordaind"), "--config", config])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have gone without reading it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), stdout(&output) + &stderr(&output))
    };

    let (status, sound) = ask("/dev/stdin", &["check", "--offline"], &text);
    assert_eq!(status, Some(0), "{sound}");
    assert!(sound.contains("/dev/stdin: sound (4 commands, "), "{sound}");
    let again = "is a pipe, and not a regular file; a reload must be able to read it again (`ordaind check --offline` takes a pipe)";
    let empty = "this pipe is empty, and nobody writes to it";
    for words in [&[][..], &["check"], &["user", "list"], &["access"]] {
        for config in ["/dev/stdin", fifo] {
            let (status, told) = ask(config, words, &text);
            assert_eq!(status, Some(1), "{told}");
            assert!(told.contains(&format!("{config} {again}")), "{told}");
        }
        for (config, kind) in [("/dev/null", "a device"), (folder, "a folder")] {
            let (status, told) = ask(config, words, "");
            let said = format!("{config} is {kind}, and not a regular file\n");
            assert_eq!(status, Some(1), "{told}");
            assert!(told.contains(&said), "{told}");
        }
    }
    for words in [
        &["check", "--offline"][..],
        &["status"],
        &["fingerprint"],
        &["audit", "show"],
    ] {
        for (config, said) in [
            (fifo, empty),
            ("/dev/zero", "/dev/zero is a device, and not a regular file"),
            (folder, "is a folder, and not a regular file"),
        ] {
            let (status, told) = ask(config, words, "");
            assert_eq!(status, Some(1), "{told}");
            assert!(told.contains(said), "{words:?}: {told}");
        }
    }
}

#[test]
fn without_config_it_says_which_file_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordaind"));
    let output = run(command.current_dir(folder.path()).arg("access"));
    if !is_root() {
        failed(
            &output,
            "without --config; `ordaind init` makes one, and a daemon of root's has /etc/ordain/config.toml: `sudo ordaind access`",
        );
    } else if !Path::new("/etc/ordain/config.toml").exists() {
        failed(
            &output,
            "/etc/ordain/config.toml does not exist; `ordaind init` makes it, and --config names another file",
        );
    } else {
        println!("skipped: this machine has a configuration");
    }
}

#[test]
fn check_says_what_is_sound_and_how_many_there_are() {
    let prepared = described().prepare();
    for words in [&["check"][..], &["check", "--offline"]] {
        let (status, out, err) = said(&ordaind(&prepared.config(), words));
        assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
        assert!(
            out.contains(": sound (4 commands, 2 roles, 2 users; "),
            "{out}"
        );
        assert!(
            out.contains("warning: ")
                && out.contains(
                    "roles.all.commands: `*` grants ask, deploy, exit, sleep [wildcard]\n"
                ),
            "{out}"
        );
    }
}

#[test]
fn check_needs_no_certificate_offline_and_one_here() {
    let prepared = described().prepare();
    std::fs::remove_file(prepared.path("server.crt")).unwrap();
    assert_eq!(
        ordaind(&prepared.config(), &["check", "--offline"])
            .status
            .code(),
        Some(0)
    );
    let here = ordaind(&prepared.config(), &["check"]);
    assert_eq!(here.status.code(), Some(1));
    assert!(stdout(&here).contains("server.crt"), "{}", stdout(&here));
}

#[test]
fn the_fingerprint_is_that_of_the_key_that_is_served() {
    let server = described().start();
    let printed = stdout(&server.ordaind(&["fingerprint"]));
    assert!(
        printed.starts_with("sha256:") && printed.trim().len() == 7 + 44,
        "{printed}"
    );
    let certificate = std::fs::read(server.path("server.crt")).unwrap();
    let parsed = ordain::tls::certificates(&certificate).unwrap();
    let expected = ordain::tls::Fingerprint::of(&parsed[0]).unwrap();
    assert_eq!(printed.trim(), expected.to_string());
    assert!(stderr(&server.ordain(&["-v", "whoami", "t"])).contains(printed.trim()));
}

#[test]
fn status_has_the_same_in_words_and_for_machines() {
    let server = described().start();
    let words = stdout(&server.ordaind(&["status"]));
    let status = parsed(&server.ordaind(&["status", "--json"]));
    let line = |key: &str| {
        words
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_else(|| panic!("{key}\n{words}"))
            .trim()
            .to_owned()
    };

    assert_eq!(line("health "), "ok");
    assert_eq!(line("listening "), format!("127.0.0.1:{}", server.port));
    assert!(line("ordaind ").starts_with(env!("CARGO_PKG_VERSION")));
    assert!(line("ordaind ").ends_with("configuration 1"));
    assert!(line("commands ").starts_with("4 ("), "{words}");
    assert!(
        line("runs ").starts_with("0 running, 0 starting, 0 waiting; "),
        "{words}"
    );
    assert_eq!(line("locked "), "none");
    assert_eq!(status["generation"], 1);
    assert_eq!(status["frontend"]["seccomp"], "enforced");
    assert!(
        words.contains(stdout(&server.ordaind(&["fingerprint"])).trim()),
        "{words}"
    );

    server.ordaind(&["lock", "bob"]);
    let words = stdout(&server.ordaind(&["status"]));
    assert!(words.contains("locked       bob"), "{words}");
    assert_eq!(server.ordaind(&["reload"]).status.code(), Some(0));
    assert_eq!(
        parsed(&server.ordaind(&["status", "--json"]))["generation"],
        2
    );
}

#[test]
fn metrics_go_to_standard_output_or_whole_into_a_file() {
    let server = described().start();
    let text = stdout(&server.ordaind(&["metrics"]));
    assert!(text.contains("\nordain_healthy 1\n"), "{text}");
    let file = server.path("node.prom");
    printed(
        &server.ordaind(&["metrics", "--out", &file.to_string_lossy()]),
        "",
    );
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("ordain_healthy 1")
    );
    assert_eq!(
        std::fs::metadata(&file).unwrap().mode() & 0o444,
        0o444,
        "the collector is another user"
    );
    failed(
        &server.ordaind(&["metrics", "--out", "/none/x"]),
        "/none/x: No such file or directory",
    );
}

fn hash_password(input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ordaind"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_hash_is_of_the_first_line_and_each_time_another() {
    let one = stdout(&hash_password(b"hunter2\nmore\n"));
    let other = stdout(&hash_password(b"hunter2"));
    assert_ne!(one, other, "the salt is another");
    for hash in [&one, &other] {
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_eq!(hash.lines().count(), 1);
        let read = ordain::credential::Hash::read(hash.trim()).unwrap();
        let fits = |text: &str| read.verify(&ordain::secret::Secret::new(text.into()));
        assert!(fits("hunter2"));
        for wrong in ["", "hunter", "hunter2\n", "hunter2\nmore", "Hunter2"] {
            assert!(!fits(wrong), "{wrong:?}");
        }
    }
}

#[test]
fn a_hash_that_was_printed_lets_somebody_in() {
    let hash = stdout(&hash_password(format!("{PASSWORD}\n").as_bytes()));
    let server = Server::new()
        .common(&["true"])
        .role("all", &["true"])
        .user_with(
            "alice",
            &["all"],
            &format!("password = \"{}\"", hash.trim()),
        )
        .start();
    printed(&server.ordain(&["run", "t", "true"]), "");
}

#[test]
fn an_empty_password_is_no_password() {
    for input in [&b""[..], b"\n", b"\nhunter2\n"] {
        let output = hash_password(input);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{input:?}: {}",
            stdout(&output)
        );
        assert_eq!(stdout(&output), "", "{input:?}");
    }
}

#[test]
fn init_writes_private_files_and_changes_none_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let init = |dir: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ordaind"));
        run(command.arg("init").arg("--dir").arg(dir))
    };
    let dir = folder.path().join("a/b");
    let (status, out, err) = said(&init(&dir));
    assert_eq!((status, err.as_str()), (Some(0), ""));
    for part in [
        "the server's key is sha256:",
        "it will listen on every address, port 7424",
        " user add YOU --roles everybody --password\n",
        " check\n",
        "4. on a client: ordain --pin sha256:",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    for (file, mode) in [
        ("config.toml", 0o600),
        ("server.key", 0o600),
        ("server.crt", 0o644),
    ] {
        let meta = std::fs::metadata(dir.join(file)).unwrap();
        assert_eq!(meta.mode() & 0o777, mode, "{file}");
    }

    let before = std::fs::read(dir.join("server.key")).unwrap();
    failed(
        &init(&dir),
        "server.key exists already; nothing was changed (--dir makes a new key elsewhere)",
    );
    assert_eq!(std::fs::read(dir.join("server.key")).unwrap(), before);

    // A configuration alone is kept.
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    write(&own.join("config.toml"), "# my own\n", 0o600);
    let (status, out, _) = said(&init(&own));
    assert_eq!(status, Some(0));
    assert!(out.contains("config.toml was there and is kept"), "{out}");
    assert_eq!(
        std::fs::read_to_string(own.join("config.toml")).unwrap(),
        "# my own\n"
    );

    // A place that cannot be.
    write(&folder.path().join("file"), "", 0o600);
    let nowhere = init(&folder.path().join("file/x"));
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn the_trail_is_filtered_by_everything_it_says() {
    let server = Server::standard();
    for words in [
        &["run", "t", "exit", "3"][..],
        &["run", "bob@t", "true"],
        &["run", "bob@t", "exit", "1"],
    ] {
        server.ordain(words);
    }
    server.ordaind(&["lock", "lead", "--reason", "test"]);
    server.wait_for_records("end", 2);
    server.wait_for_records("logout", 3);
    let show = |words: &[&str]| {
        let output = server.ordaind(&[&["audit", "show"], words].concat());
        let (status, out, err) = said(&output);
        assert_eq!(status, Some(0), "{words:?}");
        assert_eq!(err == "ordaind: no record fits\n", out.is_empty(), "{err}");
        out
    };
    let count = |words: &[&str]| show(words).lines().count();

    assert_eq!(count(&["--kind", "login"]), 3);
    assert_eq!(count(&["--kind", "login", "--user", "bob"]), 2);
    assert_eq!(count(&["--kind", "start"]), 2);
    assert_eq!(count(&["--kind", "start", "--command", "exit"]), 1);
    assert_eq!(count(&["--kind", "lock"]), 1);
    assert_eq!(count(&["--user", "lead"]), 1);
    assert_eq!(count(&["--user", "nobody"]), 0);
    assert_eq!(count(&["--decision", "refused"]), 1);
    assert_eq!(count(&["--decision", "accepted", "--kind", "login"]), 3);
    assert!(count(&["--source", "127.0.0.1"]) > 5);
    assert_eq!(
        count(&["--source", "127.0.0.0/8"]),
        count(&["--source", "127.0.0.1"])
    );
    assert_eq!(count(&["--source", "10.0.0.0/8"]), 0);
    assert_eq!(count(&["--since", "2099-01-01T00:00:00Z"]), 0);
    assert_eq!(count(&["--since", "1970-01-01T00:00:00Z"]), count(&[]));
    assert_eq!(count(&["--since", "1h"]), count(&[]));

    let run = server.records("start")[0]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(count(&["--run", &run]), 3);
    for line in show(&["--json", "--kind", "end"]).lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["kind"], "end");
    }
    let own = server.path("state/trail.jsonl").display().to_string();
    assert_eq!(show(&[&own]), show(&[]), "the file that is configured");
}

#[test]
fn questions_to_the_trail_that_are_none_are_refused() {
    let server = described().start();
    let audit = |words: &[&str]| server.ordaind(&[&["audit"], words].concat());
    for (words, sentence) in [
        (
            &["show", "--since", "x"][..],
            "--since takes a time such as 2026-01-31T12:00:00Z, or how long ago, such as 2h",
        ),
        (
            &["show", "--source", "x"],
            "`x` is not an IP address or network",
        ),
        (
            &["show", "--source", "10.0.0.1/8"],
            "the network is 10.0.0.0/8",
        ),
        (&["show", "/none"], "/none: No such file or directory"),
        (&["verify", "/none"], "/none: No such file or directory"),
        (
            &["verify", "--seen", "x"],
            "--seen looks like a number and a hash, as the log says them",
        ),
        (
            &["verify", "--seen", "7 x"],
            "--seen looks like a number and a hash",
        ),
        (
            &["verify", "--key", "/none"],
            "/none: No such file or directory",
        ),
    ] {
        failed(&audit(words), sentence);
    }

    for (words, sentence) in [
        (
            &["show", "--kind", "none"][..],
            "invalid value 'none' for '--kind <KIND>'",
        ),
        (
            &["show", "--decision", "maybe"],
            "invalid value 'maybe' for '--decision <WORD>'",
        ),
        (&[], "Usage: ordaind audit"),
        (
            &["show", "--colour"],
            "unexpected argument '--colour' found",
        ),
    ] {
        let output = audit(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(
            stderr(&output).contains(sentence),
            "{words:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn the_trail_is_verified_with_the_key_and_the_head_that_were_seen() {
    let mut server = described().start();
    assert_eq!(
        server.ordain(&["run", "t", "exit", "0"]).status.code(),
        Some(0)
    );
    server.stop();
    let verify = |words: &[&str]| server.ordaind(&[&["audit", "verify"], words].concat());
    let (status, out, err) = said(&verify(&[]));
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    for part in [
        " records in the chain, 1 to ",
        "signatures of users fit\n",
        "proved against whoever has not the daemon's key: records 1 to ",
        "the chain ends with ",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    assert!(
        said(&verify(&["--no-signatures"]))
            .1
            .contains("0 signatures of users fit\n")
    );

    let key = stdout(&server.ordaind(&["audit", "key"]));
    assert!(key.starts_with("ordain-trail-ed25519 "), "{key}");
    assert_eq!(verify(&["--key", key.trim()]).status.code(), Some(0));
    let file = server.path("state/trail.pub").display().to_string();
    assert_eq!(verify(&["--key", &file]).status.code(), Some(0));

    let head = out
        .lines()
        .find_map(|line| line.strip_prefix("the chain ends with "))
        .unwrap();
    assert_eq!(verify(&["--seen", head]).status.code(), Some(0));
    let (number, hash) = head.split_once(' ').unwrap();
    let beyond = format!("{} {hash}", number.parse::<u64>().unwrap() + 1);
    assert_eq!(verify(&["--seen", &beyond]).status.code(), Some(1));
    let report: Value = serde_json::from_slice(&verify(&["--json"]).stdout).unwrap();
    assert_eq!(
        (&report["sound"], &report["head"]),
        (&json!(true), &json!(head))
    );
}

#[test]
fn command_lines_that_are_none_say_what_is_wrong_with_them() {
    let prepared = described().prepare();
    for (words, sentence) in [
        (&["nothing"][..], "unrecognized subcommand 'nothing'"),
        (
            &["lock", "bob", "--list"],
            "'[USER]' cannot be used with '--list'",
        ),
        (
            &["unlock"],
            "the following required arguments were not provided",
        ),
        (
            &["totp"],
            "the following required arguments were not provided",
        ),
        (
            &["explain", "alice"],
            "the following required arguments were not provided",
        ),
        (&["doctor", "--user", "alice"], "--password-file <FILE>"),
        (&["doctor", "--password-file", "/x"], "--user <NAME>"),
        (&["check", "more"], "unexpected argument 'more' found"),
        (
            &["status", "--colour"],
            "unexpected argument '--colour' found",
        ),
    ] {
        let (status, out, err) = said(&ordaind(&prepared.config(), words));
        assert_eq!((status, out.as_str()), (Some(2), ""), "{words:?}");
        assert!(err.contains(sentence), "{words:?}: {err}");
    }
}

#[test]
fn help_knows_every_verb() {
    let prepared = described().prepare();
    let (status, out, _) = said(&ordaind(&prepared.config(), &["--help"]));
    assert_eq!(status, Some(0));
    for verb in [
        "check",
        "init",
        "hash-password",
        "user",
        "fingerprint",
        "reload",
        "lock",
        "unlock",
        "recordings",
        "totp",
        "audit",
        "penalties",
        "explain",
        "access",
        "metrics",
        "doctor",
        "status",
        "demo",
    ] {
        assert!(out.contains(&format!("\n  {verb}")), "{verb}\n{out}");
        let help = ordaind(&prepared.config(), &[verb, "--help"]);
        assert_eq!(help.status.code(), Some(0), "{verb}");
        assert!(stdout(&help).contains("Usage: "), "{verb}");
    }
    printed(
        &ordaind(&prepared.config(), &["--version"]),
        &format!("ordaind {}\n", env!("CARGO_PKG_VERSION")),
    );
}
