//! What README.md and the book show is true: their commands are run, their configurations are
//! checked.
//!
//! A command stands in a block tagged `console`, behind `$ ` or `# `. The lines below it are what it
//! prints; `…` stands for anything. It must exit with 0, unless `echo $?` below it shows another
//! status. In a block tagged `console recorded` only the first line is a command. `ORDAIN_SHOW=1 cargo
//! test --test book -- --nocapture` prints what each of them prints, for whoever writes a page.

mod common;
#[path = "common/pages.rs"]
mod pages;
#[path = "common/shown.rs"]
mod shown;

use clap::{CommandFactory, Parser};
use common::{Server, write};
use ordain::cli::{CertsArgs, ClientArgs, DaemonArgs};
use pages::{below, blocks, documents, root};
use shown::{Shown, commands, play, with_status};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is shown and not run, by its first words, and why not. What it says to ordain's own programs
/// is read by their definitions all the same.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo ", "builds for minutes what this test was built with"),
    ("ORDAIN_WRITE=1 cargo ", "writes the documents"),
    (
        "packaging/build ",
        "needs cargo-deb and a build for release; packaging/check plays the packages' life",
    ),
    ("install ", "writes to the machine's own folders"),
    ("useradd ", "makes a user of the machine"),
    (
        "systemctl ",
        "needs a running systemd; systemd/check plays the service's life",
    ),
    ("journalctl ", "needs a running journald"),
    (
        "ordaind --config try/config.toml",
        "serves until it is stopped",
    ),
    ("ordaind\n", "serves until it is stopped"),
    (
        "ordain run alice@192.0.2.7 ",
        "is an address that is nobody's, and asks a person about its key",
    ),
];

/// The commands of the documents, in a form that runs everywhere.
const WORLD: &str = r#"
[commands.uptime]
exec = ["/bin/cat", "/proc/uptime", "/proc/loadavg"]
[commands.tail-log]
exec = ["/usr/bin/tail", ["-n", "{lines}"], "--", "{file}"]
args.file = { type = "path", beneath = "{folder}/files", pass = "fd" }
args.lines = { type = "integer", min = 1, max = 1000, default = 100 }
[commands.deploy]
exec = ["/bin/sh", "-c", 'cat > /dev/null; echo "$1 is deployed"', "deploy", "{version}"]
stdin = { max = "2GiB" }
environment = { DEPLOY_TOKEN = "{token}" }
args.version = { type = "string", pattern = 'v[0-9]+(\.[0-9]+){2}', max = 20 }
args.token = { type = "string", pattern = '[A-Za-z0-9]+', secret = true }
[commands.migrate]
exec = ["/usr/bin/seq", "2000"]
on_disconnect = "continue"
[commands.import]
exec = ["/bin/sh", "-c", 'trap "" HUP; sleep 1000']
on_disconnect = "continue"
signals = ["HUP"]
[commands.status]
exec = ["/bin/echo", "status of", "{service}"]
args.service = { type = "string", pattern = "[a-z][a-z0-9-]*", max = 32 }
[roles.all]
commands = ["*"]
[roles.support]
commands = ["uptime"]
[users.alice]
roles = ["all"]
password = "{hash}"
"#;

/// Bob's public key.
const BOB: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea bob@laptop\n";

/// Words of a line as the shell reads them, cut into its single commands.
fn single_commands(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '&' | ';' | '<' | '>') => {
                words.extend(word.take());
                all.push(std::mem::take(&mut words));
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }

    words.extend(word);
    all.push(words);
    all.retain(|words| !words.is_empty());
    all
}

/// What a line says to one of ordain's programs is read by that program's own definition.
fn reads(shown: &Shown) {
    for words in single_commands(&shown.line) {
        let name = Path::new(&words[0]).file_name().unwrap().to_owned();
        let line: Vec<OsString> = std::iter::once(name.clone())
            .chain(words[1..].iter().map(OsString::from))
            .collect();
        let fault = match name.to_str().unwrap() {
            "ordain" => ClientArgs::read(&line).err(),
            "ordaind" => DaemonArgs::try_parse_from(&line).err(),
            "ordain-certs" => CertsArgs::try_parse_from(&line).err(),
            _ => None,
        };
        if let Some(fault) = fault {
            panic!("{}: {}\n{fault}", shown.place, shown.line);
        }
    }
}

/// A server, and a folder from which the commands of a document reach it as they are written.
struct World {
    server: Server,
}

impl World {
    fn new() -> Self {
        let described = Server::new().resumable().toml(WORLD);
        let server = described.table("login", "self_service = true").start();
        let home = server.path("home");
        std::fs::create_dir_all(home.join(".config/ordain")).unwrap();
        std::fs::create_dir(server.path("bin")).unwrap();
        write(&server.path("files/error.log"), "an error\n", 0o644);
        write(&home.join("token"), "abc123\n", 0o600);
        write(&home.join("bob.pub"), BOB, 0o644);
        write(&home.join("v1.2.3.tar"), "an archive", 0o600);
        write(&home.join("password"), common::PASSWORD, 0o600);
        write(&home.join("new-password"), "another horse", 0o600);

        let world = Self { server };
        world.programs();
        let pin = world.output("ordaind fingerprint").1;
        let mut settings =
            "[hosts.\"web*\"]\nuser = \"deploy\"\nport = 2222\n[groups]\nweb = \"web[1-40]\"\n"
                .to_owned();
        // On the last one's port nobody listens.
        for (name, port) in [
            ("web1", world.server.port),
            ("web2", world.server.port),
            ("web3", world.server.port),
            ("web9", 1),
        ] {
            settings += &format!(
                "[hosts.{name}]\naddress = \"127.0.0.1\"\nport = {port}\nuser = \"alice\"\npin = \"{}\"\npassword_file = \"~/password\"\n",
                pin.trim()
            );
        }
        write(&home.join(".config/ordain/config.toml"), &settings, 0o600);
        // So that there is something in the trail.
        assert_eq!(world.output("ordain run web1 uptime").0, 0);
        world
    }

    /// The programs, of which `ordaind` finds this world's configuration as root finds the machine's.
    fn programs(&self) {
        let bin = self.server.path("bin");
        for (name, program) in [
            ("ordain", env!("CARGO_BIN_EXE_ordain")),
            ("ordain-certs", env!("CARGO_BIN_EXE_ordain-certs")),
        ] {
            std::os::unix::fs::symlink(program, bin.join(name)).unwrap();
        }

        let own = env!("CARGO_BIN_EXE_ordaind");
        let folder = self.server.folder.path().display().to_string();
        let password = common::PASSWORD;
        let script = format!(
            r#"#!/bin/sh
edit() {{ echo '{password}' | {own} "$@"; }}
case "$1 $*" in
*" user "*--password*--config*) edit "$@"; exit ;;
*" user add alice "*)
    {own} --config {folder}/config.toml user remove alice --no-reload > {folder}/out 2>&1 || exit
    edit --config {folder}/config.toml "$@"; exit ;;
*" user "*--password) edit --config {folder}/config.toml "$@"; exit ;;
demo*) exec {own} "$@" ;;
hash-password*) echo secret | {own} "$@"; exit ;;
*--config* | init*--dir*) exec {own} "$@" ;;
init*) exec {own} "$@" --dir {folder}/etc ;;
esac
exec {own} --config {folder}/config.toml "$@"
"#
        );
        write(&bin.join("ordaind"), &script, 0o755);
    }

    /// Runs a line in the shell; its status, and both its outputs.
    fn output(&self, line: &str) -> (i32, String) {
        let path = format!("{}:/usr/bin:/bin", self.server.path("bin").display());
        let home = self.server.path("home");
        let output = Command::new("timeout")
            .args(["60", "/bin/sh", "-c"])
            .arg(format!("exec 2>&1; {line}"))
            .current_dir(&home)
            .env_clear()
            .env("PATH", path)
            .env("HOME", home)
            .env("USER", "alice")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), text)
    }
}

#[test]
fn every_command_that_is_shown_does_what_is_shown() {
    let mut faults = Vec::new();
    for document in documents() {
        let shown = commands(&document);
        shown.iter().for_each(reads);
        // tests/recipes.rs runs these, with the configurations that they show.
        if document.parent().unwrap().ends_with("recipes") {
            continue;
        }
        let (mut world, mut ids) = (None, Vec::new());
        for command in with_status(shown) {
            let line = format!("{}\n", command.0.line);
            let demo = line.contains("ordaind demo");
            let excused = NOT_RUN.iter().any(|(words, _)| line.starts_with(words));
            if excused && !demo {
                continue;
            }

            let world = world.get_or_insert_with(World::new);
            let here = |text: &str| text.replace("cargo build && target/debug/", "");
            faults.extend(play(&command, &mut ids, here, |line| world.output(line)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_excuse_is_needed() {
    let shown: Vec<String> = documents()
        .iter()
        .flat_map(|document| commands(document))
        .map(|shown| shown.line + "\n")
        .collect();
    for (words, why) in NOT_RUN {
        assert!(
            shown.iter().any(|line| line.starts_with(words)),
            "nothing begins with {words:?} any more, which {why}"
        );
    }
}

#[test]
fn what_cargo_is_asked_for_exists() {
    let folders = [("--test", "tests"), ("--bench", "benches")];
    for shown in documents().iter().flat_map(|document| commands(document)) {
        let words: Vec<&str> = shown.line.split(' ').collect();
        let mut asked = String::new();
        for (kind, folder) in folders {
            if let Some(at) = words.iter().position(|word| *word == kind) {
                let file = root().join(folder).join(format!("{}.rs", words[at + 1]));
                asked = std::fs::read_to_string(&file)
                    .unwrap_or_else(|_| panic!("{}: {}", shown.place, shown.line));
            }
        }
        if let Some(at) = words.iter().position(|word| *word == "--exact") {
            let test = format!("fn {}(", words[at + 1]);
            assert!(asked.contains(&test), "{}: {}", shown.place, shown.line);
        }
    }
}

/// A configuration that lacks what the text around it has said.
fn completed(text: &str) -> String {
    let mut whole: toml::Table = text.parse().unwrap();
    let parts: toml::Table = "tls = { certificate = 'server.crt', key = 'server.key' }\ndefaults = { run_as = 'daemon', timeout = '60s' }"
        .parse()
        .unwrap();
    for (name, part) in parts {
        whole.entry(name).or_insert(part);
    }
    toml::to_string(&whole).unwrap()
}

#[test]
fn every_configuration_that_is_shown_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let mut checked = 0;
    for document in documents() {
        for block in blocks(&document) {
            let text = block.lines.join("\n");
            match block.tag.as_str() {
                "toml" => {
                    write(&file, &completed(&text), 0o600);
                    let judged = Command::new(env!("CARGO_BIN_EXE_ordaind"))
                        .args(["check", "--offline", "--config"])
                        .arg(&file)
                        .output()
                        .unwrap();
                    let said = common::stdout(&judged) + &common::stderr(&judged);
                    assert!(judged.status.success(), "{}:\n{said}", block.place);
                }
                "toml client" => {
                    write(&file, &text, 0o600);
                    let read = ordain::config::load_hosts(&file);
                    assert!(read.is_ok(), "{}: {:?}", block.place, read.err());
                }
                _ => continue,
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} blocks were found");
}

/// The options of a program and of all its verbs.
fn options(command: &clap::Command, into: &mut BTreeSet<String>) {
    into.extend(
        command
            .get_arguments()
            .filter_map(|argument| Some(format!("--{}", argument.get_long()?))),
    );
    for verb in command.get_subcommands() {
        options(verb, into);
    }
}

#[test]
fn every_option_in_the_text_exists() {
    let mut known = BTreeSet::new();
    for mut command in [
        ClientArgs::command(),
        DaemonArgs::command(),
        CertsArgs::command(),
    ] {
        command.build();
        options(&command, &mut known);
    }
    // Those of a command's own arguments, of cargo, and of the program that becomes the frontend.
    known.extend(["--name", "--token", "--host", "--version", "--frontend"].map(str::to_owned));

    let option = regex::Regex::new(r"--[a-z][a-z-]*").unwrap();
    for document in below(&root().join("docs/src")) {
        let text = std::fs::read_to_string(&document).unwrap();
        let outside: Vec<&str> = text.split("```").step_by(2).collect();
        for code in outside.join("").split('`').skip(1).step_by(2) {
            for found in option.find_iter(code) {
                assert!(
                    known.contains(found.as_str())
                        || code.contains("cargo ")
                        || code.contains("certbot ")
                        || code.contains("systemctl")
                        || code.contains("journalctl ")
                        || code.contains("systemd-"),
                    "{}: `{code}`: there is no {}",
                    document.display(),
                    found.as_str()
                );
            }
        }
    }
}

/// PROTOCOL.md shows how a login is signed by hand. What that makes is what the server takes.
#[test]
fn a_login_is_signed_as_the_protocol_shows() {
    let text = std::fs::read_to_string(root().join("PROTOCOL.md")).unwrap();
    let shown = text
        .lines()
        .find(|line| line.contains("ssh-keygen -Y sign -q"))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", "KEY"])
        .current_dir(&folder)
        .status();
    if !made.is_ok_and(|made| made.success()) {
        return println!("skipped: ssh-keygen is not installed");
    }
    let login = r#"{"version":1,"user":"alice"}"#;
    let signed = Command::new("/bin/sh")
        .args(["-c", shown])
        .env("text", login)
        .current_dir(&folder)
        .output()
        .unwrap();
    let signature = String::from_utf8(signed.stdout).unwrap();
    let public = std::fs::read_to_string(folder.path().join("KEY.pub")).unwrap();
    let signer = ordain::credential::SshPublic::signer(login, &signature).unwrap();
    assert!(signer.is(&ordain::credential::SshPublic::read(public.trim()).unwrap()));
    let other = login.replace("alice", "bob");
    assert!(ordain::credential::SshPublic::signer(&other, &signature).is_err());
}
