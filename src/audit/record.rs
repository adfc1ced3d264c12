//! The records: one kind for each thing worth proving, each with stable fields.

use serde::Serialize;

/// The kinds, as they are written.
pub const KINDS: &[&str] = &[
    "started",
    "checkpoint",
    "recovered",
    "missing",
    "gap",
    "continued",
    "removed",
    "standing",
    "archive",
    "archived",
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
    "trail-key",
    "penalty",
    "totp",
    "password",
    "request",
    "start",
    "name",
    "said",
    "end",
    "recording",
    "recording-failed",
    "recording-removed",
    "recording-held",
    "approval",
    "left-running",
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
        /// The daemon's version.
        version: &'a str,
        /// The random name of this start of the daemon.
        instance: &'a str,
        /// The daemon's process id.
        pid: u32,
    },
    /// A signature, by the trail's key, over the number and hash of the record before it.
    Checkpoint {
        /// The signature: Ed25519, base64.
        signature: &'a str,
    },
    /// A crash has left the line before this one unfinished.
    Recovered {
        /// How many bytes of the unfinished line there are.
        torn_bytes: u64,
        /// The SHA-256 of the unfinished line, base64.
        torn_sha256: &'a str,
    },
    /// The file ends before where the chain had come to: it was truncated, removed, or put back
    /// from a backup.
    Missing {
        /// The number of the last record that is there; 0 where none is.
        found: u64,
        /// The number of the last record that was known to have been written.
        expected: u64,
        /// The hash of the last record that was known to have been written, base64.
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
    /// A file of the trail is about to be removed, by `audit.keep_age` or `audit.keep_size`.
    Removed {
        /// The file's name.
        file: &'a str,
        /// The number of the file's first record.
        first: u64,
        /// The number of the file's last record.
        last: u64,
        /// The hash of the line before the file's first record, as that carries it, base64.
        before_hash: &'a str,
        /// The hash of the file's last line, base64.
        last_hash: &'a str,
        /// `age` or `size`: which of the two settings the file was beyond.
        why: &'a str,
    },
    /// Something that was recorded in a file which is about to be removed, and that holds on.
    Standing {
        /// `lock`, `totp` for a seed of one-time codes, or `password` for one that the user has chosen.
        what: &'a str,
        /// The user's name.
        user: &'a str,
        /// Why the user is locked, in the words of the administrator.
        #[serde(skip_serializing_if = "str::is_empty")]
        reason: &'a str,
        /// Since when, in seconds since 1970; 0 where that is not known.
        since: u64,
        /// The user id of the administrator; 0 where that is not known.
        uid: u32,
        /// With `password`: the random name of the change.
        #[serde(skip_serializing_if = "str::is_empty")]
        change: &'a str,
    },
    /// The archive command (`audit.archive`) is about to be started with a file that is to be
    /// removed.
    Archive {
        /// The id of the run. It is the daemon's own, and no request has begun it.
        run: &'a str,
        /// The file's name.
        file: &'a str,
        /// The command's name.
        command: &'a str,
        /// The rule by which it is started, with its place in the configuration.
        rule: &'a str,
        /// The exact argv.
        argv: &'a [String],
        /// The account that the command runs as.
        run_as: &'a str,
    },
    /// The archive command has ended, or could not begin. The file counts as archived after `exit`
    /// with 0.
    Archived {
        /// The id of the run.
        run: &'a str,
        /// The file's name.
        file: &'a str,
        /// How the run ended: `exit` (by itself), `signal`, `timeout`, `stopped` (with the daemon),
        /// `lost` (not known), or `not-started`.
        reason: &'a str,
        /// With `exit` and `signal`: the exit status or the signal.
        #[serde(skip_serializing_if = "Option::is_none")]
        number: Option<u8>,
        /// Why the run did not begin.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        /// Milliseconds from the run's start to its end.
        duration_ms: u64,
    },
    /// What clients did that nobody knows, or what a user was refused, beyond what is recorded one
    /// by one.
    Summed {
        /// The network of the clients, or `others` when there were too many; absent where it is
        /// about a user.
        #[serde(skip_serializing_if = "str::is_empty")]
        source: &'a str,
        /// The user whose requests were refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<&'a str>,
        /// How many requests of that user were refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        requests_refused: Option<u64>,
        /// How many connections they made.
        connections: u64,
        /// How many of their logins were refused.
        logins_refused: u64,
        /// How often they broke the protocol.
        violations: u64,
        /// Within how many seconds all this was counted.
        seconds: u64,
    },
    /// The daemon is stopping.
    Stopping {
        /// How many runs go on for their grace.
        runs: usize,
    },
    /// The network process has started or ended.
    Frontend {
        /// `started`, or how the network process ended.
        state: &'a str,
    },
    /// The configuration was taken over, or refused.
    Reload {
        /// `accepted` or `refused`.
        outcome: &'a str,
        /// The number of the configuration that is in force now, counted from the start.
        generation: u64,
        /// The faults of the configuration, when it was refused.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        faults: &'a [String],
        /// What the configuration has added, removed and changed, a line each: `command deploy
        /// changed: exec, timeout`.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        changes: &'a [String],
    },
    /// The files of certificate and key have changed, and what they hold now is in force.
    Certificate {
        /// The fingerprint of the certificate's key.
        fingerprint: &'a str,
        /// When the certificate expires.
        expires: &'a str,
        /// Whether the key is the one before, so that pins still hold.
        same_key: bool,
    },
    /// A client connected and passed the handshake.
    Connection {
        /// The connection's number.
        connection: u64,
        /// The client's address and port, by the network process's word.
        source: &'a str,
        /// Whose word it is: always `frontend`.
        reported_by: &'a str,
    },
    /// A client broke the protocol and was closed.
    Violation {
        /// The connection's number.
        connection: u64,
        /// What the client did.
        text: &'a str,
        /// Whose word it is: always `frontend`.
        reported_by: &'a str,
    },
    /// A login was accepted or refused.
    Login {
        /// The number of the connection.
        connection: u64,
        /// The client's address and port, as the kernel says.
        source: &'a str,
        /// The name of the user, as it was given.
        user: &'a str,
        /// The method of the login: `password`, `ssh-key`, `session`, `kept`, or `unknown`.
        method: &'a str,
        /// `accepted` or `refused`.
        outcome: &'a str,
        /// Why the login was refused, for the administrator; never told to the client.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// What the session was proved by, also when it is only taken up again: `password`, or an
        /// SSH key's fingerprint.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        /// The id of the session, when the login was accepted.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a str>,
        /// The session's public key, base64.
        #[serde(skip_serializing_if = "Option::is_none")]
        session_key: Option<&'a str>,
        /// The id of the kept login that the session began with, or is kept as.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<&'a str>,
        /// The text of the login exactly as it was signed.
        #[serde(skip_serializing_if = "Option::is_none")]
        signed: Option<&'a str>,
        /// The session key's signature of the text: Ed25519, base64.
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a str>,
        /// The SSH key's signature of the text: SSHSIG, base64.
        #[serde(skip_serializing_if = "Option::is_none")]
        key_signature: Option<&'a str>,
        /// Where that signature is for many logins: the number of this one among them, from 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        gathered_index: Option<u32>,
        /// How many logins the signature is for.
        #[serde(skip_serializing_if = "Option::is_none")]
        gathered_count: Option<u32>,
        /// The hashes beside the way from this login's text to what was signed, base64.
        #[serde(skip_serializing_if = "Option::is_none")]
        gathered_path: Option<&'a str>,
    },
    /// A session has ended.
    Logout {
        /// The id of the session.
        session: &'a str,
        /// The user whose session it was.
        user: &'a str,
        /// Why the session ended, where that was not with its connection.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// A kept login has ended.
    KeptEnded {
        /// The id of the kept login.
        kept: &'a str,
        /// The user whose login it was.
        user: &'a str,
        /// Why the kept login ended.
        reason: &'a str,
    },
    /// A user was locked or unlocked.
    Lock {
        /// The user's name.
        user: &'a str,
        /// `locked` or `unlocked`.
        state: &'a str,
        /// Why the user is locked, in the words of the administrator.
        #[serde(skip_serializing_if = "str::is_empty")]
        reason: &'a str,
        /// The user id of the administrator.
        uid: u32,
    },
    /// The file of locks and kept logins was made, or is not as it was left.
    Vault {
        /// `made` at the first start; `replaced` where it is another file than was left, and kept
        /// logins in it are not believed; `removed` where it is gone; `older` where it, or the key
        /// of the trail, is there and the trail is gone. After `replaced` and `removed` whom the
        /// trail says to be locked stays locked, and whose seed is gone is locked.
        state: &'a str,
    },
    /// The key that signs checkpoints was gone, and another one was made.
    TrailKey {
        /// The new key's public half.
        public: &'a str,
    },
    /// A source or user has failed too often and is not let in for a while, or was forgiven.
    Penalty {
        /// Who it is about: `source` or `user`; `all` when everybody was forgiven.
        subject: &'a str,
        /// The network of the source, or the name of the user.
        who: &'a str,
        /// `closed` or `forgiven`.
        state: &'a str,
        /// How many misdeeds were counted.
        misdeeds: u32,
        /// For how many seconds they are not let in.
        seconds: u64,
    },
    /// A user got a seed for one-time codes, or lost it.
    Totp {
        /// The user's name.
        user: &'a str,
        /// `made` or `removed`.
        state: &'a str,
        /// The user id of the administrator.
        uid: u32,
    },
    /// A user has changed their own password, or wanted to, or the configuration says another since.
    Password {
        /// The user's name.
        user: &'a str,
        /// `changed` by the user; `refused`, after a request that was granted; or `replaced` by the
        /// configuration.
        state: &'a str,
        /// The random name of the change: of the user's last one, where it was replaced.
        #[serde(skip_serializing_if = "Option::is_none")]
        change: Option<&'a str>,
        /// Why it was refused, for the administrator.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// A request and what was decided.
    Request {
        /// The number of the connection.
        connection: u64,
        /// The user who asked.
        user: &'a str,
        /// The client's address and port, as the kernel says.
        source: &'a str,
        /// The verb that was asked for; `unknown` when the text could not be read.
        verb: &'a str,
        /// The command that the request speaks of, when there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        command: Option<&'a str>,
        /// The root below which the request wants to do anything with files.
        #[serde(skip_serializing_if = "Option::is_none")]
        root: Option<&'a str>,
        /// With `root`: the path below it; empty for the root itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<&'a str>,
        /// The id of the run that is about to start, or that the request speaks of.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<&'a str>,
        /// The exact argv, secrets masked.
        #[serde(skip_serializing_if = "Option::is_none")]
        argv: Option<&'a [String]>,
        /// What of each word of `argv` was signed: the word with the names of arguments in braces,
        /// braces of its own doubled; empty where nothing was.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        holes: &'a [String],
        /// The account that the command runs as.
        #[serde(skip_serializing_if = "Option::is_none")]
        run_as: Option<&'a str>,
        /// Why it is asked for, in the words of whoever asks.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// `granted` or `refused`.
        decision: &'a str,
        /// The rule that decided, with its place in the configuration, and the group of the system that
        /// gave the user its role.
        rule: &'a str,
        /// The stable code of a refusal.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// The refusal's sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        /// The text of the request exactly as it was signed; absent when it held a secret in the
        /// clear.
        #[serde(skip_serializing_if = "Option::is_none")]
        signed: Option<&'a str>,
        /// The session key's signature of the text: Ed25519, base64.
        signature: &'a str,
    },
    /// A run has begun.
    Start {
        /// The id of the run.
        run: &'a str,
        /// The process id of the run's main process.
        pid: i32,
        /// Of a run that moves files: the device and the inode of the root's folder, with a colon
        /// between them.
        #[serde(skip_serializing_if = "Option::is_none")]
        folder: Option<&'a str>,
    },
    /// A file or folder is among what a run lists, reads, puts or removes, of a root with `audit =
    /// "names"`. By the word of the mover.
    Name {
        /// The id of the run.
        run: &'a str,
        /// The user whose run it is.
        user: &'a str,
        /// The path, from that of the request on; bytes that are no text are shown by their numbers.
        path: &'a str,
    },
    /// A user has said something in the room. The record before it is the request, whose signed text
    /// says the same.
    Said {
        /// The user who has said it.
        user: &'a str,
        /// What was said.
        text: &'a str,
        /// The id of the run that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<&'a str>,
    },
    /// A run has ended, or could not begin.
    End {
        /// The id of the run.
        run: &'a str,
        /// The user whose run it was.
        user: &'a str,
        /// The command's name.
        command: &'a str,
        /// How the run ended: `exit` (by itself), `signal`, `timeout`, `idle`, `output-limit`,
        /// `input-limit`, `oom`, `cancelled`, `disconnected`, `stopped` (with the daemon),
        /// `revoked`, `recording` (it had to be recorded, and could not be, or its recorder has ended),
        /// `lost` (not known), or `not-started`.
        reason: &'a str,
        /// Whose word it is that the run had come to that: `frontend` with `idle`, `output-limit`,
        /// `input-limit` and `disconnected`, which the network process tells, or brings about by
        /// ending; absent otherwise.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason_reported_by: Option<&'a str>,
        /// With `exit` and `signal`: the exit status or the signal.
        #[serde(skip_serializing_if = "Option::is_none")]
        number: Option<u8>,
        /// The step that failed and why, of a run that did not begin.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        /// Milliseconds from the run's start to its end.
        duration_ms: u64,
        /// Milliseconds of processor time outside the kernel, of the main process and the children
        /// it waited for; absent where it is 0.
        #[serde(skip_serializing_if = "is_zero")]
        user_ms: u64,
        /// Milliseconds of processor time inside the kernel, of the main process and the children
        /// it waited for; absent where it is 0.
        #[serde(skip_serializing_if = "is_zero")]
        system_ms: u64,
        /// The most memory that the run had, in KiB; absent where that is not known.
        #[serde(skip_serializing_if = "is_zero")]
        peak_kib: u64,
        /// Processes that outlived the main one and were killed; absent where it is 0.
        #[serde(skip_serializing_if = "is_zero")]
        left_killed: u32,
        /// Processes that outlived the main one and go on, by the command's rule; absent where it is 0.
        #[serde(skip_serializing_if = "is_zero")]
        left_running: u32,
        /// `verified` when the kernel vouches that no other process is left, else `unverified`.
        tree: &'a str,
        /// Whose word the three counts of bytes are: `frontend`; absent when it told none. With it a
        /// count that is absent is 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes_reported_by: Option<&'a str>,
        /// Bytes of standard input that the command took.
        #[serde(skip_serializing_if = "is_nothing")]
        stdin_bytes: Option<u64>,
        /// Bytes of standard output that were read.
        #[serde(skip_serializing_if = "is_nothing")]
        stdout_bytes: Option<u64>,
        /// Bytes of standard error that were read.
        #[serde(skip_serializing_if = "is_nothing")]
        stderr_bytes: Option<u64>,
        /// Of a run that moved files: the digest of the manifest of what was listed, read, put aside or
        /// removed, in hexadecimal digits, by the word of the mover, which runs as the root's account.
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<&'a str>,
        /// With `digest`: how many entries the manifest has.
        #[serde(skip_serializing_if = "Option::is_none")]
        files: Option<u64>,
        /// With `digest`: how many bytes the files of the manifest have together.
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        /// Of a run that was recorded: the SHA-256 of its recording, in hexadecimal digits, by the word of
        /// the recorder.
        #[serde(skip_serializing_if = "Option::is_none")]
        recording: Option<&'a str>,
        /// With `recording`: its bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        recording_bytes: Option<u64>,
        /// With `recording`: whether everything that the command has written is in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        recording_whole: Option<bool>,
    },
    /// The recording of a run that goes on is on the disk up to here.
    Recording {
        /// The id of the run.
        run: &'a str,
        /// The user whose run it is.
        user: &'a str,
        /// Bytes of the recording, from its first.
        bytes: u64,
        /// The SHA-256 of these bytes, in hexadecimal digits.
        sha256: &'a str,
    },
    /// A recording could not begin, or could not go on.
    RecordingFailed {
        /// The id of the run.
        run: &'a str,
        /// The user whose run it is.
        user: &'a str,
        /// Why.
        text: &'a str,
    },
    /// A recording is about to be removed.
    RecordingRemoved {
        /// The id of the run.
        run: &'a str,
        /// The user whose run it was.
        user: &'a str,
        /// Bytes of the recording.
        bytes: u64,
        /// The SHA-256 of the recording, in hexadecimal digits; empty where it was cut off by the end of a
        /// daemon.
        sha256: &'a str,
        /// `age` or `size`: which of the two settings it was beyond.
        why: &'a str,
    },
    /// An administrator keeps a recording, or lets it go in its turn again.
    RecordingHeld {
        /// The id of the run.
        run: &'a str,
        /// The user whose run it was.
        user: &'a str,
        /// `held` or `released`.
        state: &'a str,
        /// Why, in the words of the administrator.
        #[serde(skip_serializing_if = "str::is_empty")]
        reason: &'a str,
        /// The user id of the administrator.
        uid: u32,
    },
    /// A run waits until others have agreed to it. What they agree to is this text: the requests
    /// `approve` and `deny` name its SHA-256.
    Approval {
        /// The id of the run.
        run: &'a str,
        /// The user who has asked for it.
        user: &'a str,
        /// The command's name.
        command: &'a str,
        /// The plan of the run, a text of its own in JSON (PROTOCOL.md, 6.12).
        plan: &'a str,
    },
    /// Processes that a run had left running, by its command's rule, were killed.
    LeftRunning {
        /// The id of the run, which has ended.
        run: &'a str,
        /// The user whose run it was.
        user: &'a str,
        /// The command's name.
        command: &'a str,
        /// Why they were killed: always `revoked`.
        state: &'a str,
    },
    /// The network process has died under a run that goes on with the next one.
    HandedOn {
        /// The id of the run.
        run: &'a str,
        /// Whether the run's standard input was still open: such a run is ended, because half an
        /// input looks like a whole one.
        input_cut: bool,
    },
    /// A command's executable is not the file that it was at the last run.
    Executable {
        /// The command's name.
        command: &'a str,
        /// The executable's path.
        path: &'a str,
        /// The id of the first run of the new file.
        run: &'a str,
    },
    /// A local verb was asked for over the control socket.
    Local {
        /// The verb that was asked for, such as `lock`, `locks` (who is locked) or `forgive`
        /// (`penalties --clear`).
        verb: &'a str,
        /// The user id of whoever asked.
        uid: u32,
        /// `granted` or `refused`.
        decision: &'a str,
    },
}

/// Whether a number says nothing that its absence does not.
fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// The same, of one that may not be known.
fn is_nothing(number: &Option<u64>) -> bool {
    number.is_none_or(|number| number == 0)
}
