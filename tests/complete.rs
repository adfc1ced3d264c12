//! Completions: what the programs tell the shells, and the shells' own scripts where these shells
//! are installed.

mod common;

use common::{Cmd, Server, Setup, stdout};
use std::path::Path;
use std::process::Command;

fn described() -> Setup {
    Server::new()
        .command(
            Cmd::new("deploy", &["/bin/echo", "{target}"])
                .group(&["--version", "{version}"])
                .group(&["{unit}"])
                .word("{force}")
                .summary("Brings a version out")
                .arg(
                    "target",
                    r#"type = "choice", choices = ["staging", "production", "$(id); x"], summary = "where""#,
                )
                .arg(
                    "version",
                    r#"type = "string", pattern = "[0-9.]+", max = 20, optional = true"#,
                )
                .arg(
                    "unit",
                    r#"type = "choice", choices = { web = "nginx.service" }, optional = true"#,
                )
                .arg("force", r#"type = "flag", word = "--force""#),
        )
        .command(
            Cmd::new("disk", &["/bin/true"]),
        )
        .command(
            Cmd::new("hidden", &["/bin/true"]),
        )
        .role("all", &["deploy", "disk"])
        .user("alice", &["all"])
}

/// What `ordain complete` says of a line whose last word is being typed.
fn complete(server: &Server, shell: &str, line: &str) -> Vec<String> {
    let command = server.client();
    let settings = server.path("client.toml");
    let words = [
        "complete".to_owned(),
        shell.to_owned(),
        "--".to_owned(),
        "--config".to_owned(),
        settings.to_string_lossy().into_owned(),
    ];

    let output = Command::new(command.get_program())
        .args(words)
        .args(line.split(' '))
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("XDG_CACHE_HOME", server.path("cache"))
        .env_remove("SSH_AUTH_SOCK")
        .output()
        .unwrap();
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn hosts_commands_arguments_and_choices_are_completed_and_kept() {
    let mut server = described().start();
    assert_eq!(complete(&server, "bash", "run "), ["t"]);
    assert_eq!(complete(&server, "bash", "run bob@"), ["bob@t"]);
    assert_eq!(complete(&server, "bash", "keyscan "), ["t"]);
    assert_eq!(complete(&server, "bash", "keyscan web1 web2 "), ["t"]);
    assert_eq!(
        complete(&server, "fish", "run t d"),
        ["deploy\tBrings a version out", "disk\t"]
    );

    assert_eq!(
        complete(&server, "zsh", "describe t de"),
        ["deploy:Brings a version out"]
    );

    assert_eq!(
        complete(&server, "bash", "run t deploy "),
        ["staging", "production", "\\$\\(id\\)\\;\\ x"],
        "what bash types means nothing to it"
    );

    assert_eq!(complete(&server, "bash", "run t deploy st"), ["staging"]);
    assert_eq!(complete(&server, "bash", "run t deploy --unit "), ["web"]);
    assert_eq!(
        complete(&server, "bash", "run t deploy --target p"),
        ["production"]
    );

    assert_eq!(
        complete(&server, "bash", "run t deploy --target=pro"),
        ["production"],
        "bash replaces what is behind the = only"
    );

    assert_eq!(
        complete(&server, "fish", "run t deploy --target=pro")[0]
            .split('\t')
            .next(),
        Some("--target=production")
    );

    assert_eq!(
        complete(&server, "bash", "run t deploy staging --"),
        ["--target", "--version", "--unit", "--force"]
    );

    assert_eq!(
        complete(&server, "bash", "run t deploy --force --"),
        ["--target", "--version", "--unit"]
    );

    assert_eq!(
        complete(&server, "bash", "run t deploy staging --version "),
        Vec::<String>::new()
    );

    // The server was asked twice: for its commands, and for the arguments of one.
    server.wait_for_trail("the logins", |trail| {
        trail
            .iter()
            .filter(|record| record["kind"] == "logout")
            .count()
            == 2
    });

    assert_eq!(server.records("login").len(), 2);

    // What it told is kept, for the user alone, and serves without it.
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert_eq!(complete(&server, "bash", "run t deploy st"), ["staging"]);
    assert_eq!(
        complete(&server, "bash", "run t disk "),
        Vec::<String>::new(),
        "one whose arguments are not known, of a server that is gone"
    );

    for entry in std::fs::read_dir(server.path("cache/ordain"))
        .unwrap()
        .flatten()
    {
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions())
                & 0o777,
            0o600
        );
    }
}

/// A key that is pressed agrees to no server, types no password, and breaks nothing.
#[test]
fn a_server_that_is_not_known_is_not_agreed_to() {
    let server = described().start();
    let address = format!("run alice@127.0.0.1:{} ", server.port);
    assert_eq!(complete(&server, "bash", &address), Vec::<String>::new());
    assert_eq!(
        complete(&server, "bash", &format!("--accept-new {address}")),
        Vec::<String>::new()
    );

    assert!(!server.path("home/ordain/known_servers").exists());
    assert!(server.records("login").is_empty());
}

#[test]
fn every_program_completes_its_own_words() {
    let said = |program: &str, words: &[&str]| {
        let output = Command::new(program)
            .args(["complete", "bash", "--"])
            .args(words)
            .output()
            .unwrap();
        stdout(&output)
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };

    assert_eq!(
        said(env!("CARGO_BIN_EXE_ordaind"), &["audit", "ver"]),
        ["verify"]
    );

    assert_eq!(
        said(env!("CARGO_BIN_EXE_ordaind"), &["--config", ""]),
        ["@files"]
    );

    assert!(
        said(env!("CARGO_BIN_EXE_ordain-certs"), &["server", "--"]).contains(&"--ca".to_owned())
    );
    assert!(said(env!("CARGO_BIN_EXE_ordain"), &["ru"]) == ["run", "runs"]);
}

/// The scripts themselves, in each shell that is there.
#[test]
fn the_shells_scripts_work() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    let programs = Path::new(env!("CARGO_BIN_EXE_ordain")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let run = |shell: &str, script: &str| {
        let output = Command::new(shell)
            .args(["-c", script])
            .env("PATH", &path)
            .output()
            .ok()?;
        assert!(
            output.status.success(),
            "{shell}: {}",
            String::from_utf8_lossy(&output.stderr)
        );

        Some(stdout(&output))
    };

    let bash = format!(
        "source {}/ordain.bash; COMP_LINE='ordain des'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=(ordain des); COMP_CWORD=1; _ordain ordain; echo \"${{COMPREPLY[*]}}\"",
        folder.display()
    );

    assert_eq!(
        run("bash", &bash).as_deref(),
        Some("describe\n"),
        "bash is needed for this"
    );

    let fish = format!(
        "source {}/ordain.fish; complete -C 'ordain des'",
        folder.display()
    );

    if let Some(said) = run("fish", &fish) {
        assert!(said.starts_with("describe\t"), "{said}");
    }
    // zsh completes in a terminal only; that the function is sound can be seen without one.
    let zsh = format!(
        "words=(ordain des); CURRENT=2; _describe() {{ print -l -- \"${{(@P)2}}\" }}; _files() {{ print files }}; source {}/_ordain",
        folder.display()
    );

    if let Some(said) = run("zsh", &zsh) {
        assert!(said.starts_with("describe:"), "{said}");
    }
}

#[test]
fn runs_are_completed_as_they_are_now() {
    let server = described().start();
    assert!(server.ordain(&["run", "t", "disk"]).status.success());
    server.wait_for_records("end", 1);
    let run = server.records("end")[0]["run"].as_str().unwrap().to_owned();
    let run = run.as_str();
    assert_eq!(complete(&server, "bash", "output t "), [run]);
    assert_eq!(
        complete(&server, "bash", &format!("attach t {}", &run[..3])),
        [run]
    );
    assert!(complete(&server, "bash", "cancel t ").is_empty());
}
