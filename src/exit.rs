//! How a run ended, and what status a program hands to its caller.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Why a run ended, as the monitor saw it. Exactly one of these reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The main process exited by itself with this status.
    Exit(u8),
    /// A signal that ordain did not send ended the main process.
    Signal(u8),
    /// The command's time was up.
    Timeout,
    /// Somebody with the right to it cancelled the run.
    Cancelled,
    /// The client went away and the command's rule says that the run goes with it.
    Disconnected,
    /// The run's user was locked, removed, or may not run the command any more.
    Revoked,
    /// The daemon was stopped.
    Stopped,
    /// The command wrote nothing for longer than it may.
    Idle,
    /// The command wrote more than it may; what came before the bound was passed on.
    OutputLimit,
    /// More input came than the command takes.
    InputLimit,
    /// The run took more memory than it may, and the kernel killed it.
    OutOfMemory,
    /// What the run had to be recorded by has failed.
    Recording,
    /// The monitor does not know what became of it.
    Lost,
}

impl Reason {
    /// The word on the wire and in the trail.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exit(_) => "exit",
            Self::Signal(_) => "signal",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Disconnected => "disconnected",
            Self::Revoked => "revoked",
            Self::Stopped => "stopped",
            Self::Idle => "idle",
            Self::OutputLimit => "output-limit",
            Self::InputLimit => "input-limit",
            Self::OutOfMemory => "oom",
            Self::Recording => "recording",
            Self::Lost => "lost",
        }
    }

    /// The number that belongs to the word: an exit status or a signal.
    pub const fn number(self) -> Option<u8> {
        match self {
            Self::Exit(number) | Self::Signal(number) => Some(number),
            _ => None,
        }
    }

    /// Whether a run came to this end by what the network process has told, or by its own end.
    pub const fn rests_on_the_frontend(self) -> bool {
        matches!(
            self,
            Self::Idle | Self::OutputLimit | Self::InputLimit | Self::Disconnected
        )
    }

    /// Puts word and number together again; `None` when they do not fit each other.
    pub fn from_parts(word: &str, number: Option<u8>) -> Option<Self> {
        Some(match (word, number) {
            ("exit", Some(status)) => Self::Exit(status),
            ("signal", Some(signal)) => Self::Signal(signal),
            ("timeout", None) => Self::Timeout,
            ("cancelled", None) => Self::Cancelled,
            ("disconnected", None) => Self::Disconnected,
            ("revoked", None) => Self::Revoked,
            ("stopped", None) => Self::Stopped,
            ("idle", None) => Self::Idle,
            ("output-limit", None) => Self::OutputLimit,
            ("input-limit", None) => Self::InputLimit,
            ("oom", None) => Self::OutOfMemory,
            ("recording", None) => Self::Recording,
            ("lost", None) => Self::Lost,
            _ => return None,
        })
    }

    /// What the client exits with: the command's own status wherever there is one.
    pub const fn status(self) -> Status {
        match self {
            Self::Exit(status) => Status(status),
            Self::Signal(signal) => Status(128u8.saturating_add(signal)),
            Self::Timeout | Self::Idle => Status::TIMEOUT,
            // As a shell says it of a process that the kernel killed.
            Self::OutOfMemory => Status(128 + 9),
            Self::Cancelled
            | Self::Disconnected
            | Self::Revoked
            | Self::Stopped
            | Self::OutputLimit
            | Self::InputLimit
            | Self::Recording
            | Self::Lost => Status::OWN_FAILURE,
        }
    }
}

/// The status a program exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// All went well.
    pub const OK: Self = Self(0);
    /// Faults were found (`ordaind check`), or the program could not do its work.
    pub const FAULT: Self = Self(1);
    /// `--nagios`: the state is unknown.
    pub const NAGIOS_UNKNOWN: Self = Self(3);
    /// The command's time was up, as timeout(1) says it.
    pub const TIMEOUT: Self = Self(124);
    /// Whoever read standard output has gone away, as a shell says it of a process that SIGPIPE has
    /// ended.
    pub const READER_GONE: Self = Self(128 + 13);
    /// ordain itself failed, and the command may not have run. The number is the one of ssh(1).
    pub const OWN_FAILURE: Self = Self(255);
}

/// A duration as people write it: `250ms`, `3.2s`, `12m04s`.
pub struct Human(pub Duration);

impl fmt::Display for Human {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 => write!(out, "{}ms", self.0.as_millis()),
            1..60 => write!(out, "{}.{}s", seconds, self.0.subsec_millis() / 100),
            60..3600 => write!(out, "{}m{:02}s", seconds / 60, seconds % 60),
            _ => write!(out, "{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

/// How a run ended, as the monitor knows it: the one definition from which the trail, the list of
/// ended runs and the wire take what they tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How the run ended, a word of [`Reason`].
    pub reason: String,
    /// The exit status or the signal, where the reason has one.
    pub number: Option<u8>,
    /// Milliseconds from start to end.
    pub duration_ms: u64,
    /// Milliseconds of processor time outside the kernel.
    pub user_ms: u64,
    /// Milliseconds of processor time inside the kernel.
    pub system_ms: u64,
    /// The most memory that the run had, in KiB; 0 where that is not known.
    pub peak_kib: u64,
    /// Processes that outlived the main one and were killed.
    pub left_killed: u32,
    /// Processes that outlived the main one and go on, by the command's rule.
    pub left_running: u32,
    /// Whether the kernel vouches for the two counts of processes.
    pub verified: bool,
    /// What was moved, of a run that moves files and has come so far.
    #[serde(default)]
    pub moved: Option<Box<Moved>>,
    /// What was recorded of the run.
    #[serde(default)]
    pub recorded: Option<Box<Recorded>>,
}

/// What was recorded of a run, by its recorder's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Bytes of the recording.
    pub bytes: u64,
    /// The SHA-256 of the recording, in hexadecimal digits.
    pub sha256: String,
    /// Whether everything that the command has written is in it.
    pub whole: bool,
    /// Bytes of standard output that were recorded.
    pub stdout_bytes: u64,
    /// Bytes of standard error that were recorded.
    pub stderr_bytes: u64,
    /// The SHA-256 of the recorded standard output, in hexadecimal digits.
    pub stdout_sha256: String,
    /// The SHA-256 of the recorded standard error, in hexadecimal digits.
    pub stderr_sha256: String,
}

/// What a run has moved, by its mover's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The digest of its manifest, in hexadecimal digits.
    pub digest: String,
    /// The entries of its manifest.
    pub files: u64,
    /// The bytes of its files.
    pub bytes: u64,
    /// The signature of the trail's key over this and how the run ended, base64.
    pub receipt: String,
}

/// Bytes that a run's streams carried, by the frontend's count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Bytes of standard input that the command took.
    pub stdin: u64,
    /// Bytes of standard output that were read.
    pub stdout: u64,
    /// Bytes of standard error that were read.
    pub stderr: u64,
    /// Whether more output came than was passed on.
    pub cut: bool,
    /// Whether somebody still held the output open at the end.
    pub held_open: bool,
}

#[cfg(test)]
#[path = "exit_tests.rs"]
mod tests;
