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
    /// The client's standard input is taken, up to so many bytes.
    Accepted {
        /// Bytes at the most; `None` is no bound.
        max: Option<u64>,
    },
}

/// What happens to a run when its client goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisconnect {
    /// The run is ended.
    Cancel,
    /// The run goes on; what it writes is kept as far as its spool goes.
    Continue,
}

/// What happens to a run whose user may not run it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRevoke {
    /// The run is ended.
    Cancel,
    /// The run goes on.
    Continue,
}

/// What a run may use, beside its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// How long a run may be without output.
    pub idle: Option<Duration>,
    /// Bytes of output at the most, both streams together.
    pub output: Option<u64>,
    /// Bytes of memory that all processes of a run may have together.
    pub memory: Option<u64>,
    /// Processes and threads that a run may have at once.
    pub processes: Option<u64>,
    /// Processor time that all processes of a run may have together, in hundredths of one core.
    pub cpu_percent: Option<u32>,
    /// Whether memory and processes are bounded for each process by itself, where the kernel cannot
    /// bound the tree.
    pub per_process: bool,
    /// Processor time that each process may have.
    pub cpu_time: Option<Duration>,
    /// Descriptors that each process may have open.
    pub open_files: Option<u64>,
    /// Bytes of a file that a process writes.
    pub file_size: Option<u64>,
    /// Whether a run may leave core dumps.
    pub core: bool,
}

/// The files a run may use; everything else is out of its reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Files that a run may read.
    pub read: Vec<PathBuf>,
    /// Files that a run may read and change.
    pub write: Vec<PathBuf>,
    /// Files that a run may read and execute, beside the command itself and the system's libraries.
    pub execute: Vec<PathBuf>,
}

/// What a run is kept from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// Whether what it executes may give it privileges (setuid, file capabilities).
    pub setuid_allowed: bool,
    /// Whether a run may make sockets.
    pub network: bool,
    /// The permissions that a run's new files do not get.
    pub umask: u32,
    /// The files that a run may use; `None` are all that its account may.
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
    /// The signal's name without SIG.
    pub name: &'static str,
    /// The signal's number on this machine.
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

/// Who must agree before a command begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The role whose users may agree.
    pub by: String,
    /// How many of them must.
    pub needed: usize,
    /// How long a run waits for them.
    pub asked_for: Duration,
}

/// Whether runs of a command are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// As far as that can be done.
    Optional,
    /// Nothing runs that is not recorded.
    Required,
}

impl Recording {
    /// The word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// A file and its SHA-256.
pub type Digested = (String, [u8; 32]);

/// One vetted command.
#[derive(Debug, Clone)]
pub struct Command {
    /// The command's name.
    pub name: String,
    /// What the command is for.
    pub summary: String,
    /// The command's argv; the first word is the executable's absolute path.
    pub template: Template,
    /// The command's arguments; holes speak of them by index.
    pub arguments: Vec<Argument>,
    /// The command's variables beside PATH, LANG, HOME, USER and ORDAIN_*.
    pub environment: Vec<(String, Word)>,
    /// The account that the command runs as.
    pub run_as: RunAs,
    /// The working directory.
    pub cwd: PathBuf,
    /// What becomes of the client's standard input.
    pub stdin: Stdin,
    /// Whether the command gets a terminal.
    pub pty: bool,
    /// How long a run may take; `None` is spelled `"none"` in the configuration.
    pub timeout: Option<Duration>,
    /// The time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// How long the other processes of a run may go on after the main one has ended.
    pub linger: Duration,
    /// Whether the other processes of a run go on for good.
    pub leave_running: bool,
    /// What a run may use.
    pub limits: RunLimits,
    /// What a run is kept from.
    pub confinement: Confinement,
    /// The SHA-256 that the executable must have.
    pub sha256: Option<[u8; 32]>,
    /// Who else must agree first.
    pub approval: Option<Approval>,
    /// Whether a person must agree first.
    pub confirm: bool,
    /// Commands with the same lock never run at the same time.
    pub lock: Option<String>,
    /// How many runs of the command there may be at once.
    pub max_running: Option<usize>,
    /// How many runs may wait for the lock, or for a place.
    pub queue: usize,
    /// How long runs may wait for the lock, or for a place.
    pub queue_timeout: Duration,
    /// What happens to a run when its client goes away.
    pub on_disconnect: OnDisconnect,
    /// What happens to a run whose user may not run the command any more.
    pub on_revoke: OnRevoke,
    /// Where whoever runs it must come from; empty means anywhere.
    pub sources: Vec<Network>,
    /// Whether a run begins even when the trail cannot be written.
    pub audit_best_effort: bool,
    /// Whether what a run writes is recorded.
    pub record: Option<Recording>,
    /// What the reason that must be given looks like, such as a ticket's number.
    pub reason: Option<Text>,
    /// How long a client whose link is lost may come back.
    pub resume_window: Duration,
    /// Bytes of each output stream that are kept of a run.
    pub spool: u64,
    /// The signals that may be sent to a run.
    pub signals: Vec<Signal>,
    /// Where the command is declared.
    pub place: Place,
}

impl Command {
    /// Where it stands in the configuration: `commands.NAME`, or `files.NAME` of a transfer.
    pub fn key(&self) -> String {
        match self.name.split_once(':') {
            Some((root, _)) => format!("files.{root}"),
            None => format!("commands.{}", self.name),
        }
    }

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

    /// How the command is typed: `tail-log FILE [--lines LINES]`.
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
