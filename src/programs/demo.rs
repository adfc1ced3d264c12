//! `ordaind demo`: the real daemon and the real client, on this machine, with throw-away
//! certificates and user.

use super::{complain, say};
use crate::credential::{self, COST};
use crate::devca::{self, Use};
use crate::encoding;
use crate::exit::Status;
use crate::secret::Secret;
use crate::sys;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use toml::{Table, Value};

/// The configuration that ships with ordain; its commands are the demo's.
const SHIPPED: &str = include_str!("../../config.toml");

/// The tour; `exit` ends after it instead of leaving the server up.
pub fn demo(exit: bool) -> Status {
    let folder = std::env::temp_dir().join(format!(
        "ordain-demo-{}",
        encoding::hex(&credential::random::<6>())
    ));
    let outcome = tour(&folder, exit);
    let _ = std::fs::remove_dir_all(&folder);

    match outcome {
        Ok(()) => Status::OK,
        Err(why) => {
            complain(&format!("ordaind: demo: {why}"));
            Status::FAULT
        }
    }
}

/// The tour, in a folder of its own.
fn tour(folder: &Path, exit: bool) -> Result<(), String> {
    let client = beside("ordain")?;
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(folder)
        .map_err(|fault| format!("{}: {fault}", folder.display()))?;
    let config = prepare(folder)?;
    say(
        "A certificate, a user with a random password and the shipped commands were made for this demo.",
    );
    say("All commands run as you. Starting ordaind:");
    let mut daemon = Daemon::start(&config)?;
    say(&format!(
        "  ordaind listens on {} (two processes: the monitor, and a confined frontend)",
        daemon.address
    ));
    write_client_config(folder, &daemon.address)?;

    let client = Client {
        program: client,
        config: folder.join("client.toml"),
    };

    show_commands(&client)?;
    show_trail(folder)?;
    if exit {
        return daemon.stop();
    }
    say("The server stays up until you press Ctrl-C. Try:");
    say(&format!(
        "  {} --config {} run demo tail-log --lines 5 --file dpkg.log",
        client.program.display(),
        client.config.display()
    ));
    until_told(&mut daemon.child)?;
    daemon.stop()
}

/// One command after the other, as a user types them.
fn show_commands(client: &Client) -> Result<(), String> {
    client.show("What may I run?", &["list", "demo"], None, 0)?;
    client.show(
        "A command with an argument:",
        &["run", "demo", "disk", "/"],
        None,
        0,
    )?;

    client.show(
        "Output that arrives line by line, as it is written:",
        &["run", "demo", "countdown", "--from=3"],
        None,
        0,
    )?;

    client.show(
        "Standard input, streamed to the command:",
        &["run", "demo", "checksum"],
        Some("hello"),
        0,
    )?;

    client.show(
        "The exact argv, without running it:",
        &["run", "--dry-run", "demo", "tail-log", "--file=dpkg.log"],
        None,
        0,
    )?;

    client.show(
        "A command that fails: its exit status is ours.",
        &["run", "demo", "check-space", "0"],
        None,
        2,
    )?;

    client.show(
        "What the policy does not allow does not happen:",
        &["run", "demo", "tail-log", "--file=../../etc/shadow"],
        None,
        255,
    )
}

/// The record of what was refused.
fn show_trail(folder: &Path) -> Result<(), String> {
    say("");
    say(
        "The last line of the audit trail says who asked, for what, signed by which session, and why not:",
    );
    let trail = std::fs::read_to_string(folder.join("state/trail.jsonl")).unwrap_or_default();
    let refused = trail
        .lines()
        .rfind(|line| line.contains("\"refused\""))
        .ok_or("the trail holds no refusal")?;
    say(&format!("  {refused}"));
    say("");
    Ok(())
}

/// Returns when somebody ends the demo, or the daemon has ended by itself.
fn until_told(daemon: &mut Child) -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| fault.to_string())?;
    runtime.block_on(async {
        let told = |kind| signal(kind).map_err(|fault| fault.to_string());
        let (mut int, mut term, mut hup) = (
            told(SignalKind::interrupt())?,
            told(SignalKind::terminate())?,
            told(SignalKind::hangup())?,
        );

        let mut looks = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                _ = int.recv() => return Ok(()),
                _ = term.recv() => return Ok(()),
                _ = hup.recv() => return Ok(()),
                _ = looks.tick() => if !matches!(daemon.try_wait(), Ok(None)) {
                    return Ok(());
                },
            }
        }
    })
}

/// A program that was built together with this one.
fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|fault| fault.to_string())?;
    let path = own.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "{} is missing; `cargo build` makes all three programs",
            path.display()
        ))
    }
}

/// Certificates, a user and the shipped commands, in the folder.
fn prepare(folder: &Path) -> Result<PathBuf, String> {
    let cannot = |fault: std::io::Error| format!("{}: {fault}", folder.display());
    let ca = devca::ca(1)?;
    let server = devca::issue(
        &ca,
        &["demo".into(), "localhost".into(), "127.0.0.1".into()],
        Use::Server,
        1,
    )?;

    let password = encoding::hex(&credential::random::<12>());
    let hash = credential::hash_password(&Secret::new(password.clone()), COST)?;
    let own = sys::lookup(Err(sys::effective_uid()), None, crate::limits::NAME_SERVICE)?
        .0
        .name;
    let config = configuration(&own, &hash)?;
    for (name, text, mode) in [
        ("ca.crt", &ca.certificate, 0o644),
        ("server.crt", &server.certificate, 0o644),
        ("server.key", &server.key, 0o600),
        ("password", &password, 0o600),
        ("config.toml", &config, 0o600),
    ] {
        sys::replace(&folder.join(name), text.as_bytes(), mode, false).map_err(cannot)?;
    }

    Ok(folder.join("config.toml"))
}

/// The shipped configuration with this demo's certificates, user and place, every command as the
/// caller.
fn configuration(own: &str, hash: &str) -> Result<String, String> {
    let mut config: Table = SHIPPED
        .parse()
        .map_err(|fault| format!("the shipped configuration: {fault}"))?;
    let text = |text: &str| Value::String(text.into());
    let table = |entries: Vec<(&str, Value)>| {
        Value::Table(
            entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    };

    let containment = if sys::cgroups_offered().is_ok() {
        "cgroup"
    } else {
        "best-effort"
    };

    config.insert(
        "server".into(),
        table(vec![
            ("listen", Value::Array(vec![text("127.0.0.1:0")])),
            ("state", text("state")),
            ("containment", text(containment)),
        ]),
    );

    config.insert(
        "tls".into(),
        table(vec![
            ("certificate", text("server.crt")),
            ("key", text("server.key")),
        ]),
    );

    config.insert(
        "users".into(),
        table(vec![(
            "demo",
            table(vec![
                (
                    "roles",
                    Value::Array(vec![text("support"), text("monitoring")]),
                ),
                ("password", text(hash)),
            ]),
        )]),
    );

    run_as_the_caller(&mut config, own)?;
    leave_out_the_impossible(&mut config);
    toml::to_string(&config).map_err(|fault| fault.to_string())
}

/// Every command runs as this user, whatever the shipped configuration says.
fn run_as_the_caller(config: &mut Table, own: &str) -> Result<(), String> {
    for section in ["defaults", "commands"] {
        let Some(Value::Table(section_table)) = config.get_mut(section) else {
            return Err(format!("the shipped configuration has no [{section}]"));
        };
        if section == "defaults" {
            section_table.insert("run_as".into(), Value::String(own.into()));
        } else {
            for (_, command) in section_table.iter_mut() {
                if let Value::Table(command) = command {
                    command.remove("run_as");
                }
            }
        }
    }
    Ok(())
}

/// Commands that this machine has no program for, or no Landlock, are left out of the tour.
fn leave_out_the_impossible(config: &mut Table) {
    let landlock = sys::kernel_offers().1.is_some();
    let possible = |command: &Value| {
        let executable = command
            .get("exec")
            .and_then(|exec| exec.get(0))
            .and_then(Value::as_str);
        executable.is_some_and(|path| Path::new(path).exists())
            && (landlock || command.get("sandbox").is_none())
    };

    let mut kept = Vec::new();
    if let Some(Value::Table(commands)) = config.get_mut("commands") {
        commands.retain(|_, command| possible(command));
        kept.extend(commands.keys().cloned());
    }

    if let Some(Value::Table(roles)) = config.get_mut("roles") {
        for (_, role) in roles.iter_mut() {
            if let Some(Value::Array(granted)) = role.get_mut("commands") {
                granted.retain(|name| {
                    name.as_str().is_some_and(|name| {
                        name.contains('*') || kept.iter().any(|known| known == name)
                    })
                });
            }
        }
    }
}

fn write_client_config(folder: &Path, address: &str) -> Result<(), String> {
    let port = address.rsplit_once(':').map_or("7424", |(_, port)| port);
    let text = format!(
        "[hosts.demo]\naddress = \"127.0.0.1\"\nport = {port}\nuser = \"demo\"\nca = \"ca.crt\"\npassword_file = \"password\"\n"
    );
    sys::replace(&folder.join("client.toml"), text.as_bytes(), 0o600, false)
        .map_err(|fault| fault.to_string())
}

/// The daemon, as a process of its own.
struct Daemon {
    child: Child,
    address: String,
}

impl Daemon {
    fn start(config: &Path) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|fault| fault.to_string())?;
        let mut child = Command::new(own)
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .map_err(|fault| fault.to_string())?;
        let (sender, lines) = mpsc::channel();
        if let Some(log) = child.stderr.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(log).lines().map_while(Result::ok) {
                    // Once the address is known nobody listens any more, and the log goes on being
                    // read.
                    let _ = sender.send(line);
                }
            });
        }

        let mut seen = String::new();
        while let Ok(line) = lines.recv_timeout(Duration::from_secs(20)) {
            if let Some((_, rest)) = line.split_once("listening on ") {
                let address = rest
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                return Ok(Self { child, address });
            }

            seen.push_str(&format!("\n  {line}"));
        }

        let _ = child.kill();
        let _ = child.wait();
        Err(format!("the daemon did not start:{seen}"))
    }

    fn stop(&mut self) -> Result<(), String> {
        sys::terminate(self.child.id());
        let status = self.child.wait().map_err(|fault| fault.to_string())?;
        say("The daemon was stopped, and everything it made is removed.");
        if status.success() {
            Ok(())
        } else {
            Err(format!("the daemon ended with {status}"))
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The client, as a user would call it.
struct Client {
    program: PathBuf,
    config: PathBuf,
}

impl Client {
    /// Shows a command line, runs it, and holds its exit status to what was meant to happen.
    fn show(
        &self,
        title: &str,
        words: &[&str],
        stdin: Option<&str>,
        expected: i32,
    ) -> Result<(), String> {
        let pipe = stdin
            .map(|text| format!("printf {text} | "))
            .unwrap_or_default();
        say("");
        say(&format!("# {title}"));
        say(&format!("$ {pipe}ordain {}", words.join(" ")));
        let mut child = Command::new(&self.program)
            .arg("--config")
            .arg(&self.config)
            .args(words)
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .spawn()
            .map_err(|fault| format!("{}: {fault}", self.program.display()))?;
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            let _ = pipe.write_all(text.as_bytes());
        }
        let status = child.wait().map_err(|fault| fault.to_string())?.code();
        say(&format!("  (exit status {})", status.unwrap_or(-1)));
        if status == Some(expected) {
            Ok(())
        } else {
            Err(format!(
                "`ordain {}` exited with {status:?}, not {expected}",
                words.join(" ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_configuration_is_sound_and_has_no_user() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, SHIPPED).unwrap();
        let loaded = crate::config::offline(&file).unwrap();
        assert!(loaded.policy.users.is_empty());
        assert!(loaded.policy.commands.len() >= 7);
    }

    #[test]
    fn the_demo_passes_the_full_check() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("demo");
        std::fs::create_dir(&inner).unwrap();
        let loaded =
            crate::config::load(&prepare(&inner).unwrap(), &crate::config::Machine::probe());
        assert!(loaded.is_ok(), "{loaded:?}");
    }
}
