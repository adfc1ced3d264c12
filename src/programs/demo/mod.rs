//! `ordaind demo`: the real daemon and the real client, on this machine, with throw-away
//! certificates and user.

mod client;
mod folder;
mod talk;

use super::{complain, say};
use crate::credential;
use crate::encoding;
use crate::exit::Status;
use crate::sys;
use client::Client;
use folder::{another, prepare, write_client_config};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

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
    let mut others = Vec::new();
    for state in ["second", "third"] {
        others.push(Daemon::start(&another(&config, state)?)?);
    }
    let addresses = [&daemon.address, &daemon.address]
        .into_iter()
        .chain(others.iter().map(|other| &other.address));
    write_client_config(folder, addresses)?;

    let client = Client {
        program: client,
        config: folder.join("client.toml"),
    };

    show_commands(&client)?;
    talk::show(&client)?;
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
        "Three machines at once; for this demo they are three daemons here. Equal outputs are told once:",
        &["run", "--fold", "demo[1-3]", "check-space", "0"],
        None,
        2,
    )?;

    if sys::kernel_offers().1.is_some() {
        client.show(
            "A folder is put below a root of the server: placed whole, and only as it was signed:",
            &["cp", "-r", "pages", "demo:site/pages"],
            None,
            0,
        )?;
        client.show(
            "And fetched again, proved by the audit trail's signature:",
            &["cp", "-r", "demo:site/pages", "fetched"],
            None,
            0,
        )?;
        client.show(
            "Files of many machines at once, equal lists told once:",
            &["ls", "-r", "--fold", "demo[1-3]:site"],
            None,
            0,
        )?;
    }

    show_approval(client)?;
    client.show(
        "What the policy does not allow does not happen:",
        &["run", "demo", "tail-log", "--file=../../etc/shadow"],
        None,
        255,
    )
}

/// A run that begins when another user has agreed to it.
fn show_approval(client: &Client) -> Result<(), String> {
    let (mut asks, run) = client.ask(
        "A command for which one person is not enough:",
        &["run", "demo", "switch"],
    )?;
    client.show(
        "Another user sees the exact plan:",
        &["approvals", "ann@demo", &run],
        None,
        0,
    )?;
    client.show(
        "And signs that they agree, whereupon it runs:",
        &["approve", "--yes", "ann@demo", &run],
        None,
        0,
    )?;
    match asks.wait() {
        Ok(status) if status.success() => Ok(()),
        ended => Err(format!("`ordain run demo switch` ended with {ended:?}")),
    }
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
