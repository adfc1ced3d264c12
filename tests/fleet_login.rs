//! Logging in to many machines: what a person is asked for, at which host, and how often.

mod common;

use common::{Cmd, Machines, PASSWORD, Server, begun_by, hash_of, stderr, stdout, totp, typed_to};
use std::process::Command;
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
    common::write(&machines.path().join("client.toml"), &text, 0o600);
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
