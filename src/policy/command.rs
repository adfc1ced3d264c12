//! A command as the configuration says it: what runs, as whom, confined how, and what ends it.

use super::{Argument, Network, RunAs, Template, Text, Word};
use crate::place::Place;
use std::path::PathBuf;
use std::time::Duration;

/// Standard input of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// `/dev/null`; the client's is never read.
    None,
    /// The client's, up to so many bytes.
    Accepted {
        /// Bytes at the most; `None` is no bound.
        max: Option<u64>,
    },
}

/// What happens to a run when its client goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It is ended.
    Cancel,
    /// It goes on; what it writes is read and dropped.
    Continue,
}

/// What happens to a run whose user may not run it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRevoke {
    /// It is ended.
    Cancel,
    /// It goes on.
    Continue,
}

/// What a run may use, beside its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// How long it may be without output.
    pub idle: Option<Duration>,
    /// Bytes of output, both streams together.
    pub output: Option<u64>,
    /// Bytes of memory, all its processes together.
    pub memory: Option<u64>,
    /// Processes and threads at once.
    pub processes: Option<u64>,
    /// Processor time in hundredths of one core, all its processes together.
    pub cpu_percent: Option<u32>,
    /// Whether memory and processes are bounded for each process by itself, where the kernel cannot
    /// bound the tree.
    pub per_process: bool,
    /// Processor time of each process.
    pub cpu_time: Option<Duration>,
    /// Open descriptors of each process.
    pub open_files: Option<u64>,
    /// Bytes of a file that it writes.
    pub file_size: Option<u64>,
    /// Whether it may leave core dumps.
    pub core: bool,
}

/// The files a run may use; everything else is out of its reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// To read.
    pub read: Vec<PathBuf>,
    /// To read and change.
    pub write: Vec<PathBuf>,
    /// To read and execute, beside the command itself and the system's libraries.
    pub execute: Vec<PathBuf>,
}

/// What a run is kept from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// Whether what it executes may give it privileges (setuid, file capabilities).
    pub setuid_allowed: bool,
    /// Whether it may make sockets.
    pub network: bool,
    /// The permissions that its new files do not get.
    pub umask: u32,
    /// The files it may use; `None` are all that its account may.
    pub sandbox: Option<Sandbox>,
}

impl Default for Confinement {
    fn default() -> Self {
        Self {
            setuid_allowed: false,
            network: true,
            umask: 0o022,
            sandbox: None,
        }
    }
}

/// A signal that a person may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Its name without SIG.
    pub name: &'static str,
    /// Its number on this machine.
    pub number: i32,
}

impl Signal {
    /// Every signal that may be accepted. KILL and STOP are not among them: `cancel` ends a run for
    /// good, and a run that stands still holds its locks.
    pub const ALL: &'static [Self] = &[
        Self {
            name: "HUP",
            number: libc::SIGHUP,
        },
        Self {
            name: "INT",
            number: libc::SIGINT,
        },
        Self {
            name: "QUIT",
            number: libc::SIGQUIT,
        },
        Self {
            name: "USR1",
            number: libc::SIGUSR1,
        },
        Self {
            name: "USR2",
            number: libc::SIGUSR2,
        },
        Self {
            name: "TERM",
            number: libc::SIGTERM,
        },
        Self {
            name: "WINCH",
            number: libc::SIGWINCH,
        },
    ];

    /// The signal of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|signal| signal.name == name).copied()
    }
}

/// One vetted command.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub summary: String,
    /// Its argv; the first word is the executable's absolute path.
    pub template: Template,
    /// Its arguments; holes speak of them by index.
    pub arguments: Vec<Argument>,
    /// Variables beside PATH, LANG, HOME, USER and ORDAIN_*.
    pub environment: Vec<(String, Word)>,
    /// Who it runs as.
    pub run_as: RunAs,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Its standard input.
    pub stdin: Stdin,
    /// Whether it gets a terminal.
    pub pty: bool,
    /// How long it may run; `None` is spelled `"none"` in the configuration.
    pub timeout: Option<Duration>,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// How long the rest of its processes may go on after the main one has ended.
    pub linger: Duration,
    /// Whether that rest goes on for good.
    pub leave_running: bool,
    /// What it may use.
    pub limits: RunLimits,
    /// What it is kept from.
    pub confinement: Confinement,
    /// The SHA-256 that its executable must have.
    pub sha256: Option<[u8; 32]>,
    /// Whether a person must agree first.
    pub confirm: bool,
    /// Commands with the same lock never run at the same time.
    pub lock: Option<String>,
    /// Runs of it at once.
    pub max_running: Option<usize>,
    /// Runs that may wait for the lock, or for a place.
    pub queue: usize,
    /// How long they may wait.
    pub queue_timeout: Duration,
    /// What happens when its client goes away.
    pub on_disconnect: OnDisconnect,
    /// What happens when its user may not run it any more.
    pub on_revoke: OnRevoke,
    /// Where whoever runs it must come from; empty means anywhere.
    pub sources: Vec<Network>,
    /// Whether it runs even when the trail cannot be written.
    pub audit_best_effort: bool,
    /// What the reason that must be given looks like, such as a ticket's number.
    pub reason: Option<Text>,
    /// How long a client whose link is lost may come back.
    pub resume_window: Duration,
    /// Bytes of each output stream that are kept.
    pub spool: u64,
    /// The signals that may be sent to it.
    pub signals: Vec<Signal>,
    /// Where it is declared.
    pub place: Place,
}

impl Command {
    /// The executable's path.
    pub fn executable(&self) -> &str {
        self.template
            .words()
            .next()
            .and_then(Word::literal)
            .unwrap_or_default()
    }

    /// The argument of this name, with its index.
    pub fn argument(&self, name: &str) -> Option<(usize, &Argument)> {
        self.arguments
            .iter()
            .enumerate()
            .find(|(_, argument)| argument.name == name)
    }

    /// How it is typed: `tail-log FILE [--lines LINES]`.
    pub fn usage(&self) -> String {
        use super::{Kind, Presence};
        let mut words = vec![self.name.clone()];
        let positions = self.template.positions();
        let positional = |index: &usize| {
            self.arguments
                .get(*index)
                .is_some_and(|argument| !matches!(argument.kind, Kind::Flag(_)) && !argument.secret)
        };

        for index in positions.iter().filter(|index| positional(index)) {
            let Some(argument) = self.arguments.get(*index) else {
                continue;
            };
            let name = argument.name.to_uppercase();
            let dots = if argument.repeated.is_some() {
                "…"
            } else {
                ""
            };

            words.push(match argument.presence {
                Presence::Required => format!("{name}{dots}"),
                _ => format!("[{name}{dots}]"),
            });
        }

        for (index, argument) in self.arguments.iter().enumerate() {
            if positions.contains(&index) && positional(&index) {
                continue;
            }
            let text = match argument.kind {
                Kind::Flag(_) => format!("--{}", argument.name),
                _ if argument.secret => format!("--{} @FILE", argument.name),
                _ => format!("--{} {}", argument.name, argument.name.to_uppercase()),
            };

            words.push(match (&argument.kind, &argument.presence) {
                (Kind::Flag(_), _) | (_, Presence::Optional | Presence::Default(_)) => {
                    format!("[{text}]")
                }
                _ => text,
            });
        }

        words.join(" ")
    }
}
