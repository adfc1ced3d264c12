//! The client and its own files: settings, servers it knows, logins it keeps. What is in them that
//! should not be is told by file and line, or makes no difference; never is the wrong server
//! trusted.

mod common;

use common::{Server, client_in, run, stderr, stdout, write};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The client with these settings.
fn with(settings: &str, words: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("client.toml"), settings, 0o600);
    run(client_in(folder.path(), "client.toml").args(words))
}

/// ordain's own failure with this sentence.
fn refused(output: &Output, sentence: &str) {
    assert_eq!(
        (output.status.code(), stdout(output).as_str()),
        (Some(255), "")
    );
    let said = stderr(output);
    assert!(
        said.contains(sentence),
        "expected: {sentence}\nsaid: {said}"
    );
}

fn file_in(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

/// `--config <(…)` was a file that does not exist, and a pipe that nobody writes to never ended.
#[test]
fn what_comes_out_of_a_pipe_is_read_and_what_has_no_end_is_named() {
    let server = Server::new().common(&["true"]).alice().start();
    let folder = server.folder.path();
    let fifo = server.path("fifo");
    assert!(
        run(Command::new("mkfifo").args(["-m", "600"]).arg(&fifo))
            .status
            .success()
    );
    let fifo = fifo.to_str().unwrap();
    let text = std::fs::read_to_string(server.path("client.toml")).unwrap();
    let absolute = |name: &str| format!("\"{}\"", server.path(name).display());
    let text = text
        .replace("\"ca.crt\"", &absolute("ca.crt"))
        .replace("\"password\"", &absolute("password"));
    let ask = |words: &[&str], input: &str| {
        let mut command = Command::new("timeout");
        command
            .args(["20", env!("CARGO_BIN_EXE_ordain")])
            .args(words)
            .env("HOME", folder)
            .env("XDG_STATE_HOME", folder)
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("USER")
            .env_remove("LOGNAME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may have gone without reading it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };

    // The settings, and what they name, one after the other.
    let output = ask(&["--config", "/dev/stdin", "run", "t", "true"], &text);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let settings = server.path("client.toml");
    let settings = settings.to_str().unwrap();
    for (option, file) in [("--ca", "ca.crt"), ("--password-file", "password")] {
        let input = std::fs::read_to_string(server.path(file)).unwrap();
        let words = [
            "--config",
            settings,
            option,
            "/dev/stdin",
            "run",
            "t",
            "true",
        ];
        let output = ask(&words, &input);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{option}: {}",
            stderr(&output)
        );
    }

    let folder = folder.to_str().unwrap();
    let empty = "this pipe is empty, and nobody writes to it";
    for (option, path, said) in [
        ("--config", fifo, "is a pipe, and not a regular file"),
        (
            "--config",
            "/dev/zero",
            "is a device, and not a regular file",
        ),
        ("--config", folder, "is a folder, and not a regular file"),
        ("--ca", fifo, empty),
        ("--ca", "/dev/zero", "is a device, and not a regular file"),
        ("--ca", folder, "is a folder, and not a regular file"),
        ("--password-file", fifo, empty),
        (
            "--password-file",
            "/dev/zero",
            "is a device, and not a regular file",
        ),
        ("--identity", fifo, empty),
        ("--identity", folder, "is a folder, and not a regular file"),
    ] {
        let mut words = vec!["--config", settings, option, path, "run", "t", "true"];
        if option == "--config" {
            words.drain(..2);
        }
        let output = ask(&words, "");
        assert_eq!(output.status.code(), Some(255), "{option} {path}");
        refused(&output, &format!("{path}: {said}").replace(": is", " is"));
    }
    let none = ask(&["--config", "/dev/null", "whoami", "t"], "");
    refused(&none, "who logs in?");
}

#[test]
fn settings_that_are_faulty_are_told_by_line() {
    for (settings, sentence) in [
        ("[hosts.t", "client.toml:1: not TOML: unclosed table"),
        (
            "colour = 1",
            "client.toml:1: colour: unknown key; accepted are defaults, groups, groups-from, hosts",
        ),
        (
            "[hosts.t]\ncolour = 1",
            "client.toml:2: hosts.t.colour: unknown key; accepted are address, ca, cert, identity, key, password_file, pin, port, tls_name, tty, user",
        ),
        (
            "[hosts.t]\nport = 0",
            "client.toml:2: hosts.t.port: found 0; accepted is a whole number from 1 to 65535",
        ),
        (
            "[hosts.t]\nport = \"7424\"",
            "client.toml:2: hosts.t.port: found \"7424\"; accepted is a whole number from 1 to 65535",
        ),
        (
            "[hosts.t]\n\naddress = 1",
            "client.toml:3: hosts.t.address: found 1; accepted is a string",
        ),
        (
            "[hosts.t]\nuser = true",
            "client.toml:2: hosts.t.user: found true; accepted is a string",
        ),
        (
            "[hosts.t]\npin = \"sha256:x\"",
            "client.toml:2: hosts.t.pin: a pin looks like sha256: followed by 44 characters of base64",
        ),
        (
            "[hosts.t]\npin = \"md5:x\"",
            "client.toml:2: hosts.t.pin: a pin looks like sha256: followed by 44 characters of base64",
        ),
        (
            "[hosts.t]\nca = \"system\"\npin = \"sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
            "client.toml:1: hosts.t: has `ca` and `pin`; one of them says what makes the server the right one",
        ),
        (
            "[defaults]\naddress = \"x\"",
            "client.toml:2: defaults.address: says where one host is; accepted is in [hosts.NAME]",
        ),
        (
            "[defaults]\ntls_name = \"x\"",
            "client.toml:2: defaults.tls_name: says where one host is; accepted is in [hosts.NAME]",
        ),
        (
            "hosts = 3",
            "client.toml:1: hosts: found 3; accepted is a table",
        ),
        (
            "[hosts]\nt = 3",
            "client.toml:2: hosts.t: found 3; accepted is a table",
        ),
        (
            "defaults = \"x\"",
            "client.toml:1: defaults: found \"x\"; accepted is a table",
        ),
        (
            "[hosts.t]\nport = 1\nport = 2",
            "client.toml:3: not TOML: duplicate key",
        ),
    ] {
        let output = with(settings, &["--user", "x", "list", "t"]);
        refused(&output, sentence);
        assert!(
            stderr(&output).contains("(code 604)"),
            "{settings}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn every_fault_of_the_settings_is_told_at_once() {
    let output = with(
        "[hosts.a]\nport = 0\n[hosts.b]\ncolour = 1\n",
        &["--user", "x", "list", "t"],
    );
    refused(&output, "hosts.a.port: found 0");
    refused(&output, "hosts.b.colour: unknown key");
}

#[test]
fn settings_that_others_can_write_are_not_believed() {
    let server = Server::new().common(&["true"]).alice().start();
    let settings = server.path("client.toml");
    for mode in [0o666, 0o622] {
        std::fs::set_permissions(&settings, PermissionsExt::from_mode(mode)).unwrap();
        refused(
            &server.ordain(&["run", "t", "true"]),
            "can be changed by anybody",
        );
    }
    std::fs::set_permissions(&settings, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(
        server.ordain(&["run", "t", "true"]).status.code(),
        Some(0),
        "read, they may be"
    );
    assert_eq!(server.records("login").len(), 1);
}

#[test]
fn settings_that_were_named_and_are_not_there_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(client_in(folder.path(), "none.toml").args(["--user", "x", "list", "h:1"]));
    refused(&output, "none.toml does not exist (code 604)");
}

#[test]
fn defaults_stand_in_for_what_an_entry_does_not_say() {
    let server = Server::standard();
    let settings = |text: &str| write(&server.path("client.toml"), text, 0o600);
    let entry = format!(
        "[hosts.t]\naddress = \"127.0.0.1\"\nport = {}\ntls_name = \"localhost\"\n",
        server.port
    );
    let who = || {
        let output = server.ordain(&["--json", "whoami", "t"]);
        let said: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", stderr(&output)));
        said["user"].as_str().unwrap().to_owned()
    };

    let usual = "[defaults]\nuser = \"bob\"\nca = \"ca.crt\"\npassword_file = \"password\"\n";
    settings(&format!("{usual}{entry}"));
    assert_eq!(who(), "bob");
    settings(&format!("{usual}{entry}user = \"alice\"\n"));
    assert_eq!(who(), "alice", "the entry's before the defaults'");

    // An entry with a pin is not asked for the defaults' authority as well.
    let pin = stdout(&server.ordaind(&["fingerprint"]));
    let foreign = usual.replace("ca.crt", "none.crt");
    settings(&format!("{foreign}{entry}pin = \"{}\"\n", pin.trim()));
    assert_eq!(who(), "bob");
    settings(&format!("{foreign}{entry}"));
    refused(
        &server.ordain(&["whoami", "t"]),
        "none.crt: No such file or directory",
    );
}

#[test]
fn paths_in_settings_begin_at_their_file() {
    let server = Server::new().common(&["true"]).alice().start();
    std::fs::create_dir(server.path("sub")).unwrap();
    let text = common::host(server.port).replace("\"ca.crt\"", "\"../ca.crt\"")
        + "password_file = \"../password\"\n";
    write(&server.path("sub/client.toml"), &text, 0o600);
    let output = run(client_in(server.folder.path(), "sub/client.toml")
        .current_dir("/")
        .args(["run", "t", "true"]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// A server, and how to go there with nothing but what is known of it.
struct Met {
    server: Server,
    known: PathBuf,
}

impl Met {
    fn new() -> Self {
        let server = Server::new().common(&["true"]).alice().start();
        let known = server.path("home/ordain/known_servers");
        std::fs::create_dir_all(known.parent().unwrap()).unwrap();
        Self { server, known }
    }

    fn name(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }

    fn key(&self) -> String {
        stdout(&self.server.ordaind(&["fingerprint"]))
            .trim()
            .to_owned()
    }

    fn knowing(&self, text: &str, options: &[&str]) -> Output {
        write(&self.known, text, 0o600);
        self.go(options)
    }

    fn go(&self, options: &[&str]) -> Output {
        run(self
            .server
            .bare()
            .arg("--password-file")
            .arg(self.server.path("password"))
            .args(options)
            .args(["run", &format!("alice@{}", self.name()), "true"]))
    }
}

#[test]
fn a_known_server_is_found_among_others_and_comments() {
    let met = Met::new();
    let (name, key) = (met.name(), met.key());
    let other = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for text in [
        format!("{name} {key}\n"),
        format!("{name}\t{key}"),
        format!("  {name}   {key}  \n"),
        format!("# mine\n\nweb1:7424 {other}\n{name} {key}\n"),
        format!("{name} {key}\n{name} {other}\n"),
        format!("# {name} {other}\n{name} {key}\n"),
    ] {
        let output = met.knowing(&text, &[]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{text:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_key_that_has_changed_is_refused_loudly_with_the_line_to_remove() {
    let met = Met::new();
    let text = format!(
        "# a comment\n{} sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        met.name()
    );
    for options in [&[][..], &["--accept-new"]] {
        let output = met.knowing(&text, options);
        refused(
            &output,
            "THE KEY OF 127.0.0.1 HAS CHANGED: somebody may be in between.",
        );
        refused(
            &output,
            &format!("remove the line {}:2", met.known.display()),
        );
        refused(&output, "(code 607)");
    }

    assert_eq!(
        std::fs::read_to_string(&met.known).unwrap(),
        text,
        "--accept-new is for servers that are met for the first time"
    );
    assert!(
        met.server.records("login").is_empty(),
        "no password was sent"
    );
}

#[test]
fn known_servers_with_a_line_that_is_none_are_not_guessed_at() {
    let met = Met::new();
    let name = met.name();
    for (text, sentence) in [
        (
            "nonsense\n".to_owned(),
            "known_servers:1: is not host:port and a key",
        ),
        (
            format!("{name}\n"),
            "known_servers:1: is not host:port and a key",
        ),
        (
            format!("{name} nonsense\n"),
            "known_servers:1: a pin looks like sha256: followed by 44 characters of base64",
        ),
        (
            format!("\n\n{name} sha256:AAAA\n"),
            "known_servers:3: a pin looks like sha256:",
        ),
        (
            format!("{name} {} more\n", met.key()),
            "known_servers:1: a pin looks like sha256:",
        ),
    ] {
        refused(&met.knowing(&text, &["--accept-new"]), sentence);
    }
    assert!(met.server.records("login").is_empty());
}

#[test]
fn known_servers_that_others_can_write_are_not_believed() {
    let met = Met::new();
    write(
        &met.known,
        &format!("{} {}\n", met.name(), met.key()),
        0o666,
    );
    refused(&met.go(&[]), "can be changed by anybody");
    std::fs::set_permissions(&met.known, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(met.go(&[]).status.code(), Some(0));
}

#[test]
fn what_is_learnt_is_a_line_of_its_own_after_an_unfinished_one() {
    let met = Met::new();
    let output = met.knowing(
        "web1:7424 sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        &["--accept-new"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = std::fs::read_to_string(&met.known).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(
        text.lines().last().unwrap(),
        format!("{} {}", met.name(), met.key())
    );
    assert_eq!(met.go(&[]).status.code(), Some(0));
}

#[test]
fn many_clients_that_meet_a_server_at_once_leave_whole_lines() {
    let met = Met::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                assert_eq!(met.go(&["--accept-new"]).status.code(), Some(0));
            });
        }
    });
    let text = std::fs::read_to_string(&met.known).unwrap();
    let line = format!("{} {}", met.name(), met.key());
    assert!(text.lines().all(|one| one == line), "{text}");
    assert_eq!(std::fs::metadata(&met.known).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_kept_login_is_private_and_of_no_use_when_it_is_broken() {
    let server = Server::new().common(&["true"]).alice().start();
    assert_eq!(server.ordain(&["login", "t"]).status.code(), Some(0));
    let files = file_in(&server.path("home/ordain/logins"));
    let [file] = files.as_slice() else {
        panic!("{files:?}")
    };
    assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(
        std::fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o077,
        0
    );
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    assert!(
        name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{name}"
    );

    let bare = || run(server.bare().args(["run", "t", "true"]));
    assert_eq!(bare().status.code(), Some(0), "{}", stderr(&bare()));
    let sound: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let changed = |key: &str, value: serde_json::Value| {
        let mut text = sound.clone();
        text[key] = value;
        text.to_string()
    };

    for text in [
        String::new(),
        "{".into(),
        "null".into(),
        "[]".into(),
        changed("until", 1.into()),
        changed("login", "bob@t:1".into()),
        changed(
            "server_key",
            "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(),
        ),
        changed("key", "AAAA".into()),
        changed("id", "../../x".into()),
    ] {
        write(file, &text, 0o600);
        let output = bare();
        refused(
            &output,
            "there is no terminal to ask for the password of alice at t on",
        );
    }

    // Somebody else's key is none that the server keeps.
    write(
        file,
        &changed("key", ordain::encoding::base64(&[9; 32]).into()),
        0o600,
    );
    assert_eq!(bare().status.code(), Some(255));

    write(file, &sound.to_string(), 0o644);
    refused(&bare(), "has mode 0644, so others can read it; `chmod 600 ");
    write(file, &sound.to_string(), 0o600);
}

#[test]
fn a_login_is_kept_for_one_user_of_one_server() {
    let (one, two) = (Server::standard(), Server::standard());
    let settings = common::host(one.port) + &common::host(two.port).replace("hosts.t", "hosts.u");
    write(&one.path("both.toml"), &settings, 0o600);
    std::fs::copy(two.path("ca.crt"), one.path("ca2.crt")).unwrap();
    let settings = settings.replacen("[hosts.u]", "#u", 1);
    let (first, second) = settings.split_once("#u").unwrap();
    let settings = format!("{first}[hosts.u]{}", second.replace("ca.crt", "ca2.crt"));
    write(&one.path("both.toml"), &settings, 0o600);
    let go = |words: &[&str]| run(client_in(one.folder.path(), "both.toml").args(words));
    let password = one.path("password").display().to_string();

    assert_eq!(
        go(&["--password-file", &password, "login", "t"])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(go(&["run", "t", "true"]).status.code(), Some(0));
    for words in [["run", "u", "true"], ["run", "bob@t", "true"]] {
        refused(
            &go(&words),
            "there is no terminal to ask for the password of",
        );
    }
    assert!(two.records("login").is_empty(), "nothing was sent there");
}
