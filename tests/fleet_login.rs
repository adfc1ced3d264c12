//! Logging in to many machines: what a person is asked for, at which host, and how often.

mod common;
mod liar;

use common::{
    Cmd, Machines, PASSWORD, Server, TouchedAgent, begun_by, client_in, hash_of, keygen, stderr,
    stdout, totp, typed_to, write,
};
use liar::{Liar, stories};
use ordain::credential::{SshPublic, Statement};
use ordain::protocol::Gathered;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

/// Two or more machines that nobody can log in to without being asked.
fn machines(count: usize) -> Machines {
    let machines = Machines::new(count, |_| vec![Cmd::sh("check", "echo well", &[])]);
    machines.without_password();
    machines
}

fn at_a_terminal(client: &Command, answer: impl FnMut(&str) -> String) -> (bool, String) {
    let mut client = begun_by(&["setsid", "--ctty", "--wait"], client);
    client.env("NO_COLOR", "1");
    typed_to(client, answer)
}

/// How many logins came to an end on a machine, and how many of them were let in.
fn logins(machines: &Machines, machine: usize) -> (usize, usize) {
    let records = machines.servers[machine - 1].records("login");
    let granted = records
        .iter()
        .filter(|record| record["outcome"] == "accepted");
    (records.len(), granted.count())
}

/// The host that the last prompt is for.
fn asked(shown: &str) -> String {
    let line = shown.rsplit("ordain: ").next().unwrap();
    line.split(':').next().unwrap().to_owned()
}

#[test]
fn the_same_user_is_asked_once_for_all_hosts_and_for_nothing_afterwards() {
    let machines = machines(3);
    let mut prompts = Vec::new();
    let (done, shown) = at_a_terminal(&machines.client(&["login", "web[1-3]"]), |shown| {
        prompts.push(asked(shown));
        PASSWORD.into()
    });
    assert!(done, "{shown}");
    assert_eq!(prompts.len(), 1, "{shown}");
    for host in ["web1", "web2", "web3"] {
        assert!(
            shown.contains(&format!("{host}: logged in to {host} as alice for ")),
            "{shown}"
        );
    }
    assert!(shown.contains("3 exit 0"), "{shown}");

    // What is kept asks nobody, also where there is nobody to ask.
    let client = machines.client(&["run", "--fold", "web[1-3]", "check"]);
    let output = begun_by(&["setsid", "--wait"], &client).output().unwrap();
    assert!(
        stdout(&output).contains("web[1-3] (3) exit 0"),
        "{}",
        stderr(&output)
    );
    let client = machines.client(&["logout", "web[1-3]"]);
    let output = begun_by(&["setsid", "--wait"], &client).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("web2: logged out of web2\n"));
}

/// Forty hosts would each have counted it.
#[test]
fn a_password_that_is_mistyped_is_told_to_one_host_alone() {
    let machines = machines(3);
    let (done, shown) = at_a_terminal(&machines.client(&["login", "web[1-3]"]), |_| {
        "mistyped".into()
    });
    assert!(!done, "{shown}");
    assert!(shown.contains("2 not started: web"), "{shown}");
    let tried: Vec<usize> = (1..=3)
        .map(|machine| logins(&machines, machine).0)
        .collect();
    assert_eq!(
        tried.iter().filter(|count| **count > 0).count(),
        1,
        "{tried:?}"
    );
    assert!((1..=3).all(|machine| logins(&machines, machine).1 == 0));

    // A second try at the prompt is for the same host, and then for all.
    let mut answers = ["mistyped", PASSWORD].into_iter();
    let (done, shown) = at_a_terminal(&machines.client(&["login", "web[1-3]"]), |_| {
        answers.next().unwrap().into()
    });
    assert!(done, "{shown}");
    assert!(
        (1..=3).all(|machine| logins(&machines, machine).1 == 1),
        "{shown}"
    );
}

#[test]
fn each_host_is_asked_for_where_passwords_are_not_the_same() {
    let machines = Machines::of(3, |machine| {
        let hash = hash_of(&format!("{PASSWORD} {machine}"));
        Server::new()
            .command(Cmd::sh("check", "echo well", &[]))
            .role("all", &["*"])
            .user_with("alice", &["all"], &format!("password = \"{hash}\""))
    });
    machines.without_password();
    let mut prompts = Vec::new();
    let (done, shown) = at_a_terminal(
        &machines.client(&["login", "--each", "web[1-3]"]),
        |shown| {
            let host = asked(shown);
            prompts.push(host.clone());
            // One that is wrong stops no other.
            let right = format!("{PASSWORD} {}", host.trim_start_matches("web"));
            if host == "web2" {
                "wrong".into()
            } else {
                right
            }
        },
    );
    assert!(!done, "{shown}");
    assert_eq!(
        (prompts.first(), prompts.last()),
        (Some(&"web1".into()), Some(&"web3".into()))
    );
    assert_eq!(
        prompts.iter().filter(|host| *host == "web1").count(),
        1,
        "{prompts:?}"
    );
    for (machine, granted) in [(1, 1), (2, 0), (3, 1)] {
        assert_eq!(logins(&machines, machine).1, granted, "{shown}");
    }
}

/// Users that differ are each asked for, and each is tried at one host first.
#[test]
fn each_user_is_asked_for_once() {
    let machines = Machines::of(4, |_| {
        Server::new()
            .command(Cmd::sh("check", "echo well", &[]))
            .alice()
            .user("bob", &["all"])
    });
    machines.without_password();
    let text = std::fs::read_to_string(machines.path().join("client.toml")).unwrap();
    let of_bob = |text: String, host: &str| {
        let table = format!("[hosts.{host}]\n");
        text.replace(&table, &format!("{table}user = \"bob\"\n"))
    };
    let text = of_bob(of_bob(text, "web3"), "web4");
    write(&machines.path().join("client.toml"), &text, 0o600);
    let mut prompts = Vec::new();
    let (done, shown) = at_a_terminal(&machines.client(&["login", "web[1-4]"]), |shown| {
        let last = shown.rsplit("password of ").next().unwrap();
        prompts.push(last.trim_end_matches(": ").to_owned());
        PASSWORD.into()
    });
    assert!(done, "{shown}");
    prompts.sort();
    assert_eq!(prompts, ["alice", "bob"], "{shown}");
}

/// Each host has a seed of its own, and waits for nobody else's code.
#[test]
fn each_host_that_wants_a_code_asks_for_its_own() {
    let machines = Machines::of(3, |_| {
        Server::new()
            .command(Cmd::sh("check", "echo well", &[]))
            .role("all", &["*"])
            .user_with("alice", &["all"], "password = \"{hash}\"\ntotp = true")
    });
    machines.without_password();
    let seeds: Vec<String> = machines
        .servers
        .iter()
        .map(|server| {
            let uri = stdout(&server.ordaind(&["totp", "alice"]));
            let seed = uri.split("secret=").nth(1).unwrap();
            seed.split('&').next().unwrap().trim().to_owned()
        })
        .collect();
    let mut prompts = Vec::new();
    let (done, shown) = at_a_terminal(&machines.client(&["login", "web[1-3]"]), |shown| {
        if shown.ends_with("password of alice: ") {
            prompts.push("password".to_owned());
            return PASSWORD.into();
        }
        let host = asked(shown);
        let machine: usize = host.trim_start_matches("web").parse().unwrap();
        prompts.push(host);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        totp(&seeds[machine - 1], now.as_secs() / 30)
    });
    assert!(done, "{shown}");
    prompts.sort();
    assert_eq!(prompts, ["password", "web1", "web2", "web3"], "{shown}");
}

/// One daemon behind many addresses, and a user of it with a FIDO key.
struct Touched {
    server: Server,
    agent: TouchedAgent,
    /// The file of another key of the user's.
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Touched {
    /// `listed` is whether the key is the user's.
    fn new(listed: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agent = TouchedAgent::begin(folder.path());
        let file = keygen(folder.path(), "ed25519", "");
        let other = std::fs::read_to_string(file.with_extension("pub")).unwrap();
        let keys = match listed {
            true => format!("ssh_keys = [\"{}\", \"{}\"]", agent.line, other.trim()),
            false => "password = \"{hash}\"".into(),
        };
        let server = Server::new()
            .without_listeners()
            .server("listen = [\"0.0.0.0:0\"]")
            .command(Cmd::sh("check", "echo well", &[]))
            .role("all", &["*"])
            .user_with("alice", &["all"], &keys)
            .start();
        let pin = stdout(&server.ordaind(&["fingerprint"]));
        let text = format!(
            "[defaults]\nuser = \"alice\"\n[hosts.\"127.0.*\"]\nport = {}\npin = \"{}\"\n",
            server.port,
            pin.trim()
        );
        write(&server.path("touched.toml"), &text, 0o600);
        Self {
            server,
            agent,
            file,
            _folder: folder,
        }
    }

    /// The client's words, with nobody to ask.
    fn ordain(&self, words: &[&str]) -> Output {
        let mut client = client_in(&self.server.path(""), "touched.toml");
        client.args(words).env("SSH_AUTH_SOCK", &self.agent.socket);
        begun_by(&["setsid", "--wait"], &client).output().unwrap()
    }

    fn logins(&self, outcome: &str) -> Vec<Value> {
        let mut logins = self.server.records("login");
        logins.retain(|login| login["outcome"] == outcome);
        logins
    }
}

/// Whoever has to touch their key for each login touches it once for all of them.
#[test]
fn a_key_is_touched_once_for_twenty_hosts() {
    let touched = Touched::new(true);
    let output = touched.ordain(&["run", "--fold", "127.0.0.[1-20]", "check"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("127.0.0.[1-20] (20) exit 0"),
        "{}",
        stdout(&output)
    );
    assert_eq!(touched.agent.touched(), 1, "{}", stderr(&output));

    // Each has its own place under the one signature, and the trail proves it.
    let logins = touched.logins("accepted");
    assert_eq!(logins.len(), 20);
    let signature = &logins[0]["key_signature"];
    assert!(signature.is_string());
    let places: BTreeSet<u64> = logins
        .iter()
        .map(|login| {
            assert_eq!(login["gathered_count"], 20, "{login}");
            assert_eq!(login["key_signature"], *signature, "{login}");
            login["gathered_index"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(places, (0..20).collect());
    let verified = touched.server.ordaind(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", stderr(&verified));

    // What is kept by one touch asks for none later.
    let output = touched.ordain(&["login", "127.0.0.[1-20]"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = touched.ordain(&["run", "--quiet", "127.0.0.[1-20]", "check"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(touched.agent.touched(), 2);
}

/// What one host alone is told is what it always was.
#[test]
fn a_login_at_one_host_has_a_signature_of_its_own() {
    let touched = Touched::new(true);
    for set in ["127.0.0.1", "127.0.0.[1-1]"] {
        let output = touched.ordain(&["run", set, "check"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert_eq!(touched.agent.touched(), 2);
    for login in touched.logins("accepted") {
        assert!(login["key_signature"].is_string(), "{login}");
        assert!(login.get("gathered_index").is_none(), "{login}");
    }
}

/// One signature for all does not mean that all are told it: the first is tried before the others.
#[test]
fn a_key_that_the_first_host_refuses_is_told_to_no_other() {
    let touched = Touched::new(false);
    let output = touched.ordain(&["run", "127.0.0.[1-5]", "check"]);
    assert!(!output.status.success());
    let said = stderr(&output);
    assert!(said.contains("4 not started: 127.0.0."), "{said}");
    assert_eq!(touched.agent.touched(), 1, "{said}");
    assert_eq!(touched.logins("refused").len(), 1);
}

/// Nobody waits for anything where the key is a file: what waits at the same moment is signed for, and
/// whatever shares a signature, the trail proves all of it.
#[test]
fn the_file_of_a_key_signs_for_many_hosts() {
    let touched = Touched::new(true);
    let file = touched.file.to_str().unwrap();
    let words = [
        "--identity",
        file,
        "run",
        "--fold",
        "127.0.0.[1-20]",
        "check",
    ];
    let output = touched.ordain(&words);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(touched.agent.touched(), 0);
    assert_eq!(touched.logins("accepted").len(), 20);
    let verified = touched.server.ordaind(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", stderr(&verified));
}

/// A server of a version that knows of no signature for many gets one that is its own.
#[test]
fn a_server_that_announces_nothing_gets_a_signature_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let agent = TouchedAgent::begin(folder.path());
    let liar = Liar::new();
    let mut all = stories().into_iter();
    let honest = all.find(|story| story.name == "deaf").unwrap();
    let old = honest.with("HELLO", "features", json!([])).script;
    let mut text = String::from("[defaults]\nuser = \"alice\"\n");
    let mut hosts = Vec::new();
    for (name, script) in [
        ("new1", honest.script.clone()),
        ("new2", honest.script),
        ("old", old),
    ] {
        let (port, logins) = liar.host_that_notes(script);
        let authority = liar.authority();
        text += &format!(
            "[hosts.{name}]\naddress = \"127.0.0.1\"\nport = {port}\ntls_name = \"localhost\"\nca = \"{}\"\n",
            authority.display()
        );
        hosts.push(logins);
    }
    write(&folder.path().join("client.toml"), &text, 0o600);
    let mut client = client_in(folder.path(), "client.toml");
    client
        .args(["run", "new1,new2,old", "check"])
        .env("SSH_AUTH_SOCK", &agent.socket);
    let output = begun_by(&["setsid", "--wait"], &client).output().unwrap();
    assert_eq!(agent.touched(), 2, "{}", stderr(&output));

    let key = SshPublic::read(&agent.line).unwrap();
    let signed_at = |login: &Value, place: Option<&Gathered>| {
        let what = Statement::with(login["signed"].as_str().unwrap(), place).unwrap();
        let signature = login["key_signature"].as_str().unwrap();
        SshPublic::says(&what, signature).is_ok_and(|signer| signer.is(&key))
    };
    let [first, second, old] = [0, 1, 2].map(|host| {
        let mut logins = hosts[host]();
        assert_eq!(logins.len(), 1, "{}", stderr(&output));
        logins.remove(0)
    });
    for login in [&first, &second] {
        let place: Gathered = serde_json::from_value(login["gathered"].clone()).unwrap();
        assert_eq!(place.count, 2);
        assert!(signed_at(login, Some(&place)));
    }
    assert_eq!(first["key_signature"], second["key_signature"]);
    assert!(old.get("gathered").is_none(), "{old}");
    assert!(signed_at(&old, None));
}
