//! `ordaind user`: the administrator's file keeps every byte that is not the user's, what would be
//! wrong is not written, and what is written holds at once.

mod common;

use common::{PASSWORD, Server, Setup, block, run, stderr, stdout, typed, write};
use ordain::protocol::Code;
use ordain::verb::List;
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea bob@laptop";

/// Alice may run all, and the administrator has written more than a program would.
fn described() -> Setup {
    Server::new()
        .common(&["exit", "sleep"])
        .role("all", &["*"])
        .role("few", &["sleep"])
        .user("alice", &["all"])
        .toml("# bob used to stand here,\n#   until May\n\n[roles.later] # for carol\ncommands = [ 'exit' ]")
}

fn ordaind(config: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordaind"));
    command.arg("--config").arg(config).args(words);
    command
}

/// Runs one of the daemon's verbs with something to read.
fn fed(config: &Path, words: &[&str], input: &str) -> Output {
    let mut child = ordaind(config, words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have refused before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output)
}

#[track_caller]
fn refused(output: &Output, sentence: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", stdout(output));
    let said = stderr(output);
    assert!(
        said.contains(sentence),
        "expected: {sentence}\nsaid: {said}"
    );
}

fn text(server: &Server) -> String {
    std::fs::read_to_string(server.config()).unwrap()
}

/// The line of this file that begins so.
fn line_of(text: &str, begins: &str) -> usize {
    let mut lines = text.lines();
    lines.position(|line| line.starts_with(begins)).unwrap() + 1
}

#[test]
fn a_new_user_logs_in_at_once_and_leaves_no_byte_behind() {
    let server = described().start();
    let before = text(&server);
    let mode = std::fs::metadata(server.config()).unwrap().mode();
    let words = ["user", "add", "bob", "--roles", "few", "--password"];
    let said = fed(&server.config(), &words, &format!("{PASSWORD}\nmore\n"));
    let out = done(&said);

    let after = text(&server);
    let line = line_of(&after, "[users.bob]");
    let place = format!("{}:{line}", server.config().display());
    assert_eq!(
        out,
        format!("bob was added at {place}\nreloaded; this is configuration 2\n  user bob added\n")
    );
    assert!(!stderr(&said).contains("fault"), "{}", stderr(&said));
    let (head, rest) = after.split_once("\n[users.bob]\n").unwrap();
    let (own, tail) = rest.split_once("\n\n").unwrap();
    assert_eq!(format!("{head}\n{tail}"), before, "all else is as it was");
    assert!(
        own.starts_with("roles = [\"few\"]\npassword = \"$argon2id$"),
        "{own}"
    );
    assert_eq!(std::fs::metadata(server.config()).unwrap().mode(), mode);

    assert_eq!(
        done(&server.ordain(&["whoami", "bob@t"]))
            .lines()
            .next()
            .unwrap()[..8],
        *"bob from"
    );

    // Whom it says is there is not put in again.
    refused(
        &server.ordaind(&["user", "add", "bob"]),
        &format!("bob is there already, at {place}; `ordaind user set bob` says"),
    );

    // What they had ends with them.
    block(async {
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let out = done(&server.ordaind(&["user", "remove", "bob"]));
        assert!(
            out.starts_with("bob was removed from ") && out.ends_with("  user bob removed\n"),
            "{out}"
        );
        assert!(bob.ask(&List {}).await.unwrap_err().is(Code::Revoked));
        alice.ask(&List {}).await.unwrap();
    });
    assert_eq!(text(&server), before, "byte for byte");
    assert_eq!(std::fs::metadata(server.config()).unwrap().mode(), mode);

    // The trail tells of both, by name and without a hash.
    let changes: Vec<Value> = server
        .records("reload")
        .iter()
        .map(|record| record["changes"].clone())
        .collect();
    assert_eq!(
        changes,
        [
            serde_json::json!(["user bob added"]),
            serde_json::json!(["user bob removed"])
        ]
    );
    assert!(!server.trail_text().contains("argon2id"));
}

#[test]
fn keys_come_from_files_and_from_standard_input() {
    let server = described().start();
    let other = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc= \"at\" work";
    write(
        &server.path("bob.pub"),
        &format!("# mine\n{KEY}\n\n"),
        0o644,
    );
    let file = server.path("bob.pub").display().to_string();
    let words = ["user", "add", "bob", "--ssh-key", &file, "--ssh-key", "-"];
    done(&fed(&server.config(), &words, other));
    let now = text(&server);
    assert!(
        now.contains(&format!("    \"{KEY}\",\n    '{other}',\n]")),
        "{now}"
    );

    let shown: Value =
        serde_json::from_str(&done(&server.ordaind(&["user", "show", "bob", "--json"]))).unwrap();
    assert_eq!(shown["ssh_keys"][0]["comment"], "bob@laptop");
    assert_eq!(shown["ssh_keys"][1]["comment"], "\"at\" work");
    done(&server.ordaind(&["user", "remove", "bob"]));

    // What is no key is named with its place, and nothing is written.
    let before = text(&server);
    write(
        &server.path("id"),
        "-----BEGIN OPENSSH PRIVATE KEY-----\n",
        0o600,
    );
    write(&server.path("dsa.pub"), "\nssh-dss AAAA\n", 0o600);
    write(&server.path("none.pub"), "# none\n", 0o600);
    for (file, sentence) in [
        ("id", "id is no public key but a private one"),
        ("dsa.pub", "dsa.pub:2: found a DSA key"),
        ("none.pub", "none.pub has no key"),
        ("not-there.pub", "not-there.pub: No such file"),
    ] {
        let file = server.path(file).display().to_string();
        refused(
            &server.ordaind(&["user", "add", "bob", "--ssh-key", &file]),
            sentence,
        );
    }
    let twice = [
        "user",
        "add",
        "bob",
        "--ssh-key",
        "-",
        "--password-hash",
        "-",
    ];
    assert_eq!(server.ordaind(&twice).status.code(), Some(2));
    let both = ["user", "add", "bob", "--password", "--password-hash", "-"];
    assert_eq!(server.ordaind(&both).status.code(), Some(2));
    assert_eq!(text(&server), before);
}

#[test]
fn what_is_not_named_stays_as_it_is() {
    let server = described()
        .user_with(
            "bob",
            &["few"],
            "password = '{hash}' # old\nsources = [ \"127.0.0.0/8\" ] # office\n",
        )
        .start();
    let before = text(&server);
    let out = done(&server.ordaind(&["user", "set", "bob", "--roles", "few,later"]));
    assert!(out.ends_with("  user bob changed: roles\n"), "{out}");
    assert_eq!(
        text(&server),
        before.replace(
            "[users.bob]\nroles = [\"few\"]",
            "[users.bob]\nroles = [\"few\", \"later\"]"
        )
    );

    let hash = common::hash();
    done(&fed(
        &server.config(),
        &["user", "set", "bob", "--password-hash", "-"],
        &hash,
    ));
    assert!(text(&server).contains(&format!(
        "password = \"{hash}\" # old\nsources = [ \"127.0.0.0/8\" ] # office\n"
    )));
    let nothing = server.ordaind(&["user", "set", "bob"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("say what is new: --roles"));
    refused(
        &server.ordaind(&["user", "set", "nobody", "--roles", "few"]),
        "there is no user `nobody`",
    );
    refused(
        &server.ordaind(&["user", "remove", "nobody"]),
        "there is no user `nobody`",
    );
    refused(
        &fed(
            &server.config(),
            &["user", "set", "bob", "--password-hash", "-"],
            "hunter2",
        ),
        "standard input: is not a PHC string",
    );
    refused(
        &fed(&server.config(), &["user", "set", "bob", "--password"], ""),
        "a password has 1 to 1024 bytes",
    );
}

#[test]
fn a_fault_leaves_the_file_untouched() {
    let server = described().start();
    let before = text(&server);
    let output = server.ordaind(&["user", "add", "bob", "--roles", "few,fwe"]);
    refused(
        &output,
        "users.bob.roles: there is no role `fwe`; there are all, few, later\n",
    );
    let said = stderr(&output);
    assert!(
        said.starts_with("fault: ") && said.ends_with(": 1 fault; nothing was changed\n"),
        "{said}"
    );
    refused(&server.ordaind(&["user", "add", "../bob"]), "is not a name");
    refused(&server.ordaind(&["user", "add", "a\nb"]), "is not a name");

    // Hashes are for nobody else to read.
    std::fs::set_permissions(server.config(), PermissionsExt::from_mode(0o644)).unwrap();
    refused(
        &fed(&server.config(), &["user", "add", "bob", "--password"], "x"),
        "can be read by others; `chmod 600 ",
    );
    std::fs::set_permissions(server.config(), PermissionsExt::from_mode(0o600)).unwrap();

    // Faults that are there already are told to be.
    write(
        &server.config(),
        &format!("{before}\nnonsense = 1\n"),
        0o600,
    );
    refused(
        &server.ordaind(&["user", "add", "bob"]),
        "1 fault, which the configuration has already; nothing was changed",
    );
    write(&server.config(), &format!("{before}\n[x"), 0o600);
    refused(&server.ordaind(&["user", "add", "bob"]), "not TOML: ");
    write(&server.config(), &before, 0o600);

    // What is risky is said, and done.
    let output = server.ordaind(&["user", "add", "bob", "--roles", "few"]);
    done(&output);
    let said = stderr(&output);
    assert!(
        said.ends_with(
            "users.bob: has neither a password nor SSH keys and cannot log in [no-login]\n"
        ),
        "{said}"
    );
    assert_eq!(
        said.lines().count(),
        1,
        "what was risky before is not told again: {said}"
    );
    done(&server.ordaind(&["user", "remove", "bob"]));
    assert_eq!(text(&server), before);
    assert_eq!(
        server.records("reload").len(),
        2,
        "nothing else was reloaded"
    );
}

#[test]
fn links_and_files_of_others_are_not_replaced() {
    let server = described().start();
    let (before, folder) = (text(&server), server.path(""));
    let link = server.path("link.toml");
    symlink(server.config(), &link).unwrap();
    let add = |config: &Path| run(&mut ordaind(config, &["user", "add", "bob"]));
    refused(
        &add(&link),
        "link.toml leads through a symbolic link, and is not replaced; the file is ",
    );
    assert!(link.is_symlink());

    // Nor through a folder's link.
    let other = tempfile::tempdir().unwrap();
    symlink(&folder, other.path().join("etc")).unwrap();
    refused(
        &add(&other.path().join("etc/config.toml")),
        "leads through a symbolic link",
    );

    for (path, mode, was) in [
        (server.config(), 0o666, 0o600),
        (folder.clone(), 0o777, 0o700),
    ] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        refused(&add(&server.config()), "can be changed by anybody");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(was)).unwrap();
    }
    // A sticky folder keeps others from exchanging the file, and not from adding to it.
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o1777)).unwrap();
    refused(&add(&server.config()), "can be changed by anybody");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(text(&server), before);
    let left = std::fs::read_dir(&folder).unwrap().flatten();
    let left: Vec<_> = left
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".new"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn of_many_at_once_none_is_lost() {
    let server = described().start();
    let before = text(&server);
    let children: Vec<_> = (0..8)
        .map(|number| {
            let name = format!("user{number}");
            let mut command = ordaind(&server.config(), &["user", "add", &name, "--roles", "few"]);
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        done(&child.wait_with_output().unwrap());
    }
    let listed: Value =
        serde_json::from_str(&done(&server.ordaind(&["user", "list", "--json"]))).unwrap();
    assert_eq!(listed["users"].as_array().unwrap().len(), 9);
    for number in [3, 0, 7, 1, 2, 6, 5, 4] {
        done(&server.ordaind(&["user", "remove", &format!("user{number}"), "--no-reload"]));
    }
    assert_eq!(text(&server), before);
}

#[test]
fn users_stand_in_the_file_of_users_where_there_is_one() {
    let setup = described();
    std::fs::create_dir(setup.path("conf.d")).unwrap();
    let prepared = setup
        .file("conf.d/users.toml", "# Who may log in here.\r\n", 0o600)
        .file("conf.d/web.toml", "[users.carol]\nroles = []\n", 0o600)
        .prepare();
    let main = format!("include = [\"conf.d/*.toml\"]\n{}", prepared.text());
    write(&prepared.config(), &main, 0o600);
    let (users, web) = (
        prepared.path("conf.d/users.toml"),
        prepared.path("conf.d/web.toml"),
    );
    let server = prepared.start();

    let out = done(&server.ordaind(&["user", "add", "bob", "--roles", "few"]));
    assert!(
        out.starts_with(&format!("bob was added at {}:3\n", users.display())),
        "{out}"
    );
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(
        read(&users),
        "# Who may log in here.\r\n\r\n[users.bob]\r\nroles = [\"few\"]\r\n"
    );
    done(&server.ordaind(&["user", "remove", "bob"]));
    assert_eq!(read(&users), "# Who may log in here.\r\n");

    // Who is there is changed where they stand.
    done(&server.ordaind(&["user", "set", "carol", "--roles", "few"]));
    assert_eq!(read(&web), "[users.carol]\nroles = [\"few\"]\n");
    done(&server.ordaind(&["user", "remove", "carol"]));
    assert_eq!(read(&web), "");
    assert_eq!(text(&server), main);

    let link = server.path("conf.d/more.toml");
    write(&server.path("elsewhere.toml"), "[users.dave]\n", 0o600);
    symlink(server.path("elsewhere.toml"), &link).unwrap();
    refused(
        &server.ordaind(&["user", "remove", "dave"]),
        "more.toml leads through a symbolic link",
    );
}

#[test]
fn a_daemon_that_is_away_or_refuses_is_told() {
    let mut server = described().start();
    let out = done(&server.ordaind(&["user", "add", "bob", "--roles", "few", "--no-reload"]));
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(server.records("reload").is_empty());

    // What only a restart can change was changed as well, by somebody else.
    let text = text(&server);
    write(
        &server.config(),
        &text.replace("[tls]", "threads = 3\n[tls]"),
        0o600,
    );
    let output = server.ordaind(&["user", "add", "carol", "--roles", "few"]);
    refused(
        &output,
        "server.threads cannot change in a reload; restart the daemon",
    );
    refused(
        &output,
        "the configuration was not taken over; the old one stays",
    );
    assert!(
        stdout(&output).starts_with("carol was added at "),
        "{}",
        stdout(&output)
    );
    assert_eq!(
        server.records("reload").last().unwrap()["outcome"],
        "refused"
    );

    server.stop();
    let out = done(&server.ordaind(&["user", "remove", "carol"]));
    assert!(
        out.ends_with("no daemon runs with this configuration; the next one that starts has it\n"),
        "{out}"
    );
}

#[test]
fn users_are_shown_with_what_they_may_and_how_they_log_in() {
    let server = described()
        .user_with(
            "bob",
            &["few"],
            &format!("ssh_keys = ['{KEY}']\ntotp = true\nsources = ['127.0.0.0/8']"),
        )
        .user_with("carol", &[], "disabled = true\npassword = '{hash}'")
        .start();
    let place = |user: &str| {
        format!(
            "{}:{}",
            server.config().display(),
            line_of(&text(&server), &format!("[users.{user}]"))
        )
    };
    let fingerprint = ordain::credential::SshPublic::read(KEY)
        .unwrap()
        .fingerprint();

    let account = stdout(&run(Command::new("id").arg("-un")));
    let account = format!(" as {}", account.trim());
    let out = done(&server.ordaind(&["user", "show", "bob"]));
    let expected = format!(
        "bob, at {}\nroles: few\nlocked: no\nfrom: 127.0.0.0/8\npassword: none\nssh key: {fingerprint} bob@laptop\none-time code: wanted, but there is no seed (`ordaind totp bob`)\nmay run:\nbob  sleep  by few{account}; user from 127.0.0.0/8\n",
        place("bob")
    );
    assert_eq!(out, expected);
    done(&server.ordaind(&["totp", "bob"]));
    done(&server.ordaind(&["lock", "bob", "--reason", "left\x1b[2J us"]));
    let out = done(&server.ordaind(&["user", "show", "bob"]));
    assert!(
        out.contains("one-time code: wanted, there is a seed\n"),
        "{out}"
    );
    assert!(
        out.contains("locked: yes: left") && !out.contains('\x1b'),
        "{out}"
    );

    let out = done(&server.ordaind(&["user", "list"]));
    let expected = format!(
        "alice  all   {:19}  {}\nbob    few   {:19}  {}\ncarol  none  {:19}  {}\n",
        "password",
        place("alice"),
        "1 key, code, locked",
        place("bob"),
        "password, disabled",
        place("carol")
    );
    assert_eq!(out, expected);
    let shown: Value =
        serde_json::from_str(&done(&server.ordaind(&["user", "show", "bob", "--json"]))).unwrap();
    let line = u64::try_from(line_of(&text(&server), "[users.bob]")).unwrap();
    assert_eq!(shown["line"], line);
    assert_eq!(shown["locked"], true);
    assert_eq!(shown["seed"], true);
    assert_eq!(shown["password"], false);
    assert_eq!(shown["access"][0]["command"], "sleep");
    refused(
        &server.ordaind(&["user", "show", "nobody"]),
        "there is no user `nobody`",
    );
}

/// `ordaind` with these words, for a terminal.
fn program(config: &Path, words: &[&str]) -> Vec<String> {
    let own = [
        env!("CARGO_BIN_EXE_ordaind"),
        "--config",
        config.to_str().unwrap(),
    ];
    own.iter().chain(words).map(ToString::to_string).collect()
}

#[test]
fn a_password_is_typed_twice_on_a_terminal() {
    let server = described().start();
    let before = text(&server);
    let words = ["user", "add", "bob", "--roles", "few", "--password"];
    let (done, shown) = typed(&program(&server.config(), &words), &[PASSWORD, "another"]);
    assert!(
        !done && shown.contains("ordaind: the two passwords differ"),
        "{shown}"
    );
    assert_eq!(text(&server), before);

    let (done, shown) = typed(&program(&server.config(), &words), &[PASSWORD, PASSWORD]);
    assert!(
        done && shown.contains("ordaind: password again: "),
        "{shown}"
    );
    let login = server.ordain(&["whoami", "bob@t"]);
    assert_eq!(login.status.code(), Some(0), "{}", stderr(&login));
}

/// A person got a line of `$` and had to know what goes around it.
#[test]
fn a_hash_that_a_person_asks_for_is_ready_to_be_pasted() {
    let server = described().start();
    let (done, shown) = typed(
        &program(&server.config(), &["hash-password"]),
        &[PASSWORD, PASSWORD],
    );
    let from = shown
        .find("[users.NAME]")
        .unwrap_or_else(|| panic!("{shown}"));
    assert!(done && shown.contains("`ordaind user add NAME "), "{shown}");
    let pasted = shown[from..]
        .replace('\r', "")
        .replace("NAME", "carol")
        .replace("ROLE", "few");
    write(&server.config(), &(text(&server) + &pasted), 0o600);
    done_reload(&server);
    let login = server.ordain(&["whoami", "carol@t"]);
    assert_eq!(login.status.code(), Some(0), "{}", stderr(&login));
}

fn done_reload(server: &Server) {
    let reloaded = server.ordaind(&["reload"]);
    assert!(reloaded.status.success(), "{}", stderr(&reloaded));
}

/// A program that edits while it is edited: what was saved meanwhile is not lost.
#[test]
fn what_somebody_saves_meanwhile_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    write(&file, "old", 0o640);
    let was = std::fs::symlink_metadata(&file).unwrap();
    write(&file, "saved meanwhile", 0o640);
    let fault = ordain::sys::exchange(&file, b"new", &was).unwrap_err();
    assert_eq!(fault.kind(), ErrorKind::ResourceBusy);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "saved meanwhile");

    let was = std::fs::symlink_metadata(&file).unwrap();
    ordain::sys::exchange(&file, b"new", &was).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}
