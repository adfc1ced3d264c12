//! The records: one kind for each thing worth proving, each with stable fields.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A record with its time.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    /// UTC, RFC 3339 with microseconds.
    time: String,
    /// What happened.
    #[serde(flatten)]
    what: What<'a>,
}

impl<'a> Record<'a> {
    /// A record of something that happens now.
    pub fn now(what: What<'a>) -> Self {
        let now = OffsetDateTime::from(crate::clock::now());
        let now = now
            .replace_nanosecond(now.nanosecond() / 1000 * 1000)
            .unwrap_or(now);
        Self {
            time: now.format(&Rfc3339).unwrap_or_default(),
            what,
        }
    }
}

/// The kinds, as they are written.
pub const KINDS: &[&str] = &[
    "started",
    "checkpoint",
    "recovered",
    "missing",
    "gap",
    "continued",
    "summed",
    "stopping",
    "frontend",
    "reload",
    "certificate",
    "connection",
    "violation",
    "login",
    "logout",
    "kept-ended",
    "lock",
    "vault",
    "penalty",
    "totp",
    "request",
    "start",
    "end",
    "handed-on",
    "executable",
    "local",
];

/// What happened. `reported_by: frontend` marks what rests on the network process's word.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What<'a> {
    /// The daemon has started.
    Started {
        /// Its version.
        version: &'a str,
        /// The random name of this start.
        instance: &'a str,
        /// Its process id.
        pid: u32,
    },
    /// A signature, by the trail's key, over the number and hash of the record before it.
    Checkpoint {
        /// Ed25519, base64.
        signature: &'a str,
    },
    /// A crash has left the line before this one unfinished.
    Recovered {
        /// Its length.
        torn_bytes: u64,
        /// Its SHA-256, base64.
        torn_sha256: &'a str,
    },
    /// The file ends before where the chain had come to: it was truncated, removed, or put back
    /// from a backup.
    Missing {
        /// The last record that is there; 0 for none.
        found: u64,
        /// The last one that was known to have been written.
        expected: u64,
        /// That one's hash, base64.
        expected_hash: &'a str,
    },
    /// Commands have run whose records could not be written, because their configuration lets them.
    Gap {
        /// How many records are missing.
        missed: u64,
    },
    /// The trail goes on in this file.
    Continued {
        /// `rotated`, or `replaced` where somebody has moved or removed the file before.
        why: &'a str,
        /// The name that the file before has now, as far as that is known.
        #[serde(skip_serializing_if = "str::is_empty")]
        previous: &'a str,
    },
    /// What clients did that nobody knows, beyond what is recorded one by one.
    Summed {
        /// The source, or `others` when there were too many.
        source: &'a str,
        /// Connections.
        connections: u64,
        /// Logins refused.
        logins_refused: u64,
        /// Breaches of the protocol.
        violations: u64,
        /// Within how many seconds.
        seconds: u64,
    },
    /// The daemon is stopping.
    Stopping {
        /// Runs that go on for their grace.
        runs: usize,
    },
    /// The network process has started or ended.
    Frontend {
        /// `started`, or how it ended.
        state: &'a str,
    },
    /// The configuration was taken over, or refused.
    Reload {
        /// `accepted` or `refused`.
        outcome: &'a str,
        /// The number of this configuration since the start.
        generation: u64,
        /// The faults, when it was refused.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        faults: &'a [String],
        /// What it has added, removed and changed, a line each: `command deploy changed: exec,
        /// timeout`.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        changes: &'a [String],
    },
    /// The files of certificate and key have changed, and what they hold now is in force.
    Certificate {
        /// The key's.
        fingerprint: &'a str,
        /// Its end.
        expires: &'a str,
        /// Whether the key is the one before, so that pins still hold.
        same_key: bool,
    },
    /// A client connected and passed the handshake.
    Connection {
        /// Its number.
        connection: u64,
        /// Address and port.
        source: &'a str,
        /// Always `frontend`.
        reported_by: &'a str,
    },
    /// A client broke the protocol and was closed.
    Violation {
        /// Its number.
        connection: u64,
        /// What it did.
        text: &'a str,
        /// Always `frontend`.
        reported_by: &'a str,
    },
    /// A login was accepted or refused.
    Login {
        /// The connection.
        connection: u64,
        /// Address and port, as the kernel says.
        source: &'a str,
        /// The user, as the name was given.
        user: &'a str,
        /// `password`, `ssh-key`, `session`, `kept`, or `unknown`.
        method: &'a str,
        /// `accepted` or `refused`.
        outcome: &'a str,
        /// Why, for the administrator; never told to the client.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// What the session was proved by, also when it is only taken up again: `password`, or an
        /// SSH key's fingerprint.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        /// The session, when accepted.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a str>,
        /// The session's public key, base64.
        #[serde(skip_serializing_if = "Option::is_none")]
        session_key: Option<&'a str>,
        /// The kept login that it began with, or is kept as.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<&'a str>,
        /// The signed text and its signature.
        #[serde(skip_serializing_if = "Option::is_none")]
        signed: Option<&'a str>,
        /// Ed25519, base64.
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a str>,
        /// The SSH key's signature over the same text (SSHSIG, base64).
        #[serde(skip_serializing_if = "Option::is_none")]
        key_signature: Option<&'a str>,
    },
    /// A session has ended.
    Logout {
        /// The session.
        session: &'a str,
        /// Whose it was.
        user: &'a str,
        /// Why, where it did not end with its connection.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// A kept login has ended.
    KeptEnded {
        /// Its id.
        kept: &'a str,
        /// Whose it was.
        user: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A user was locked or unlocked.
    Lock {
        /// Who.
        user: &'a str,
        /// `locked` or `unlocked`.
        state: &'a str,
        /// Why.
        #[serde(skip_serializing_if = "str::is_empty")]
        reason: &'a str,
        /// The user id that asked for it.
        uid: u32,
    },
    /// The file of locks and kept logins is not the one that was left: the kept logins in it are
    /// not believed.
    Vault {
        /// `replaced`.
        state: &'a str,
    },
    /// A source or user has failed too often and is not let in for a while, or was forgiven.
    Penalty {
        /// `source` or `user`; `all` when everybody was forgiven.
        subject: &'a str,
        /// The network, or the name.
        who: &'a str,
        /// `closed` or `forgiven`.
        state: &'a str,
        /// Misdeeds counted.
        misdeeds: u32,
        /// For how long.
        seconds: u64,
    },
    /// A user got a seed for one-time codes, or lost it.
    Totp {
        /// Who.
        user: &'a str,
        /// `made` or `removed`.
        state: &'a str,
        /// The user id that asked for it.
        uid: u32,
    },
    /// A request and what was decided.
    Request {
        /// The connection.
        connection: u64,
        /// Who asked.
        user: &'a str,
        /// Address and port, as the kernel says.
        source: &'a str,
        /// The verb; `unknown` when the text could not be read.
        verb: &'a str,
        /// The command, when there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        command: Option<&'a str>,
        /// The run that is about to start, or is spoken of.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<&'a str>,
        /// The exact argv, secrets masked.
        #[serde(skip_serializing_if = "Option::is_none")]
        argv: Option<&'a [String]>,
        /// The account it runs as.
        #[serde(skip_serializing_if = "Option::is_none")]
        run_as: Option<&'a str>,
        /// Why, in the words of whoever asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// `granted` or `refused`.
        decision: &'a str,
        /// The rule that decided.
        rule: &'a str,
        /// The stable code of a refusal.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// The refusal's sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        /// The text exactly as it was signed; absent when it held a secret in the clear.
        #[serde(skip_serializing_if = "Option::is_none")]
        signed: Option<&'a str>,
        /// Ed25519, base64.
        signature: &'a str,
    },
    /// A run has begun.
    Start {
        /// The run.
        run: &'a str,
        /// Its main process.
        pid: i32,
    },
    /// A run has ended, or could not begin.
    End {
        /// The run.
        run: &'a str,
        /// Whose it was.
        user: &'a str,
        /// Which command.
        command: &'a str,
        /// `exit` (by itself), `signal`, `timeout`, `idle`, `output-limit`, `input-limit`, `oom`,
        /// `cancelled`, `disconnected`, `stopped` (with the daemon), `revoked`, `lost` (not known),
        /// or `not-started`.
        reason: &'a str,
        /// Exit status or signal.
        #[serde(skip_serializing_if = "Option::is_none")]
        number: Option<u8>,
        /// The step that failed and why, of a run that did not begin.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        /// From start to end.
        duration_ms: u64,
        /// Processor time outside the kernel, main process and the children it waited for.
        user_ms: u64,
        /// Processor time inside it.
        system_ms: u64,
        /// The most memory it had, in KiB; 0 where that is not known.
        peak_kib: u64,
        /// Processes that outlived the main one and were killed.
        left_killed: u32,
        /// Processes that outlived it and go on, by the command's rule.
        left_running: u32,
        /// `verified` when the kernel vouches that no other process is left, else `unverified`.
        tree: &'a str,
        /// `frontend`, whose word the three counts of bytes are; absent when it did not tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes_reported_by: Option<&'a str>,
        /// Bytes of standard input that the command took.
        #[serde(skip_serializing_if = "Option::is_none")]
        stdin_bytes: Option<u64>,
        /// Bytes of standard output that were read.
        #[serde(skip_serializing_if = "Option::is_none")]
        stdout_bytes: Option<u64>,
        /// Bytes of standard error that were read.
        #[serde(skip_serializing_if = "Option::is_none")]
        stderr_bytes: Option<u64>,
    },
    /// The network process has died under a run that goes on with the next one.
    HandedOn {
        /// The run.
        run: &'a str,
        /// Whether its standard input was still open: such a run is ended, because half an input
        /// looks like a whole one.
        input_cut: bool,
    },
    /// A command's executable is not the file that it was at the last run.
    Executable {
        /// The command.
        command: &'a str,
        /// The executable's path.
        path: &'a str,
        /// The first run of the new file.
        run: &'a str,
    },
    /// A local verb was asked for over the control socket.
    Local {
        /// The verb: `status`, `reload`, `lock`, `unlock`, `locks` (who is locked), `totp`,
        /// `penalties`, `forgive` (`penalties --clear`).
        verb: &'a str,
        /// The user id of the asking process.
        uid: u32,
        /// `granted` or `refused`.
        decision: &'a str,
    },
}
