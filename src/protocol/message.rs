//! The payloads of control frames: JSON objects with known fields only.

use crate::exit::{Counts, End};
use crate::ids::RunId;
use crate::verb::Secrets;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Payload of HELLO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The version this side speaks, 1.
    pub version: u32,
    /// Name and version of the program, for logs.
    pub software: String,
    /// What this side understands beyond version 1; the other sends nothing that is not named here.
    #[serde(default)]
    pub features: Vec<String>,
    /// Server only: 32 random bytes of the monitor's, base64, that the login signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Server only: a random name of this start of the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Server only: milliseconds of a clock that goes on for as long as this start of the daemon
    /// does, for `not_after` of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now_ms: Option<u64>,
}

/// Payload of LOGIN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The JSON text of a [`super::LoginText`], exactly as it was signed.
    pub signed: String,
    /// Ed25519 signature by the session key, base64.
    pub signature: String,
    /// The password, with the method `password`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// The SSHSIG over the text, base64, with the method `ssh-key`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key_signature: String,
    /// Where this login stands among those that share the SSH key's signature; absent where the
    /// signature is over this text alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gathered: Option<Gathered>,
    /// The one-time code, where a second factor is wanted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
}

/// Where a login stands among those that share one signature of an SSH key: the key has signed the
/// root of a tree over the hashes of their texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gathered {
    /// The number of this login among them, from 0.
    pub index: u32,
    /// How many there are.
    pub count: u32,
    /// The hashes beside the way from this login's text to the root, from the text on, 32 bytes
    /// each, base64.
    pub path: String,
}

/// Payload of LOGGED_IN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedIn {
    /// The session that requests must name.
    pub session: String,
    /// The user as the server knows them.
    pub user: String,
    /// For how many seconds the login is kept, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_s: Option<u64>,
}

/// Payload of ERROR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The stable number, see [`super::Code`].
    pub code: u16,
    /// What went wrong, in a sentence for people.
    pub text: String,
    /// The argument that the failure is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// The rule that decided, told to authenticated users only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// With [`super::Code::Stopping`]: milliseconds that the stop may still take at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_ms: Option<u64>,
}

/// Payload of PING and PONG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// What comes back as it was sent.
    pub token: u64,
}

/// Payload of GOAWAY.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goaway {
    /// Why the server takes nothing new, in a sentence for people.
    pub text: String,
    /// Milliseconds that the stop may still take at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_ms: Option<u64>,
}

/// Payload of EOF, RESET and STDIN_CLOSED, which say all by their kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Payload of OPEN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The JSON text of the request, exactly as it was signed.
    pub signed: String,
    /// Ed25519 signature by the session key, base64.
    pub signature: String,
    /// What the signed text only commits to.
    #[serde(default, skip_serializing_if = "Secrets::is_empty")]
    pub secrets: Secrets,
}

/// Payload of STARTED.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The run's id.
    pub run: String,
    /// Whether standard input is taken; when not, nothing of it may be sent.
    pub stdin: bool,
    /// When the run will be ended, in milliseconds from now; absent when never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether the run sits at a terminal: every key is its own, and its output is the terminal's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminal: bool,
    /// The kind of that terminal, which is the TERM of the command: the client's own, or another
    /// where the server does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal_kind: Option<String>,
    /// Whether the run goes on when its client leaves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outlives_client: bool,
    /// Milliseconds for which a client whose link is lost may come back and go on; absent when it
    /// may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_ms: Option<u64>,
    /// Of a run that was attached to: the offset of the first byte of standard output that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_from: Option<u64>,
    /// Of a run that was attached to: the offset of the first byte of standard error that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_from: Option<u64>,
    /// Of a run that is taken up again: bytes of standard input that have arrived so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_bytes: Option<u64>,
    /// Of a run that is taken up again: bytes of standard input that may be sent now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin_credit: Option<u64>,
    /// Standard output may lack bytes from this offset on: the server's network side ended while it
    /// read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_lost_from: Option<u64>,
    /// Standard error may lack bytes from this offset on: the server's network side ended while it
    /// read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_lost_from: Option<u64>,
    /// How far the client may open the window of this stream, in bytes; absent where it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_max: Option<u32>,
}

/// Payload of RESIZE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// How many characters a line of the terminal has.
    pub columns: u16,
    /// How many lines the terminal has.
    pub rows: u16,
}

/// Payload of QUEUED.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queued {
    /// The run's id.
    pub run: String,
    /// What the run waits for, for people.
    pub text: String,
}

/// Payload of EVENT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event<W> {
    /// The number of the trail's record as of which this is so. Later events have the same number
    /// or a higher one.
    pub id: u64,
    /// How many events before this one were not told, because the client did not read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
    /// What has happened, in the form of the verb's answer; absent where all that is told is what
    /// was missed.
    #[serde(
        default = "none",
        skip_serializing_if = "Option::is_none",
        bound(deserialize = "W: Deserialize<'de>")
    )]
    pub what: Option<W>,
}

const fn none<W>() -> Option<W> {
    None
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Payload of CREDIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// How many more bytes of data may be sent on this stream.
    pub bytes: u32,
    /// How wide the window of this stream is from now on, where that has changed: so many bytes have
    /// been granted, or have come and are not dealt with, and no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
}

/// Payload of EXIT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The run's id.
    pub run: String,
    /// How the run ended, a word of [`crate::exit::Reason`].
    pub reason: String,
    /// The exit status or the signal, where the reason has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
    /// Milliseconds from the run's start to its end.
    pub duration_ms: u64,
    /// Milliseconds of processor time outside the kernel.
    #[serde(default)]
    pub user_ms: u64,
    /// Milliseconds of processor time inside the kernel.
    #[serde(default)]
    pub system_ms: u64,
    /// The most memory that the run had, in KiB; 0 where that is not known.
    #[serde(default)]
    pub peak_kib: u64,
    /// Processes that outlived the main one and were killed.
    #[serde(default)]
    pub left_killed: u32,
    /// Processes that outlived the main one and go on, because the command says so.
    #[serde(default)]
    pub left_running: u32,
    /// Whether the kernel vouches that no other process is left.
    #[serde(default = "yes")]
    pub verified: bool,
    /// Whether this is not the run's end: what was kept of it so far has been told, and it goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
    /// Whether output followed that was not passed on, because the command's `output_max` was
    /// reached.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Bytes that the command's standard input took.
    pub stdin_bytes: u64,
    /// Bytes of standard output sent.
    pub stdout_bytes: u64,
    /// Bytes of standard error sent.
    pub stderr_bytes: u64,
    /// Whether a process that outlived the run still held its output open; what it wrote later is
    /// not here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_open: bool,
    /// Of a run that moved files: the digest of the manifest of what was listed, read, put aside or
    /// removed, in 64 hexadecimal digits. Whether it was done `reason` and `number` say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// With `digest`: how many entries the manifest has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// With `digest`: how many bytes the files of the manifest have together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// With `digest`: the signature of the trail's key over all this (section 6.10), base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

impl Ended {
    /// A run's end as the wire tells it.
    pub fn of(run: RunId, end: &End, counts: &Counts) -> Self {
        Self {
            run: run.to_string(),
            reason: end.reason.clone(),
            number: end.number,
            duration_ms: end.duration_ms,
            user_ms: end.user_ms,
            system_ms: end.system_ms,
            peak_kib: end.peak_kib,
            left_killed: end.left_killed,
            left_running: end.left_running,
            verified: end.verified,
            goes_on: false,
            cut: counts.cut,
            stdin_bytes: counts.stdin,
            stdout_bytes: counts.stdout,
            stderr_bytes: counts.stderr,
            held_open: counts.held_open,
            digest: end.moved.as_ref().map(|moved| moved.digest.clone()),
            files: end.moved.as_ref().map(|moved| moved.files),
            bytes: end.moved.as_ref().map(|moved| moved.bytes),
            receipt: end.moved.as_ref().map(|moved| moved.receipt.clone()),
        }
    }
}

const fn yes() -> bool {
    true
}

/// A control payload as bytes.
pub fn write<M: Serialize>(message: &M) -> Vec<u8> {
    // None of these types has a map with keys that are not strings, the only thing that could fail.
    serde_json::to_vec(message).unwrap_or_else(|_| b"{}".to_vec())
}

/// Reads a control payload.
///
/// # Errors
/// What serde has to say: an unknown, doubled or missing field, a wrong type, text after the
/// object.
pub fn read<M: DeserializeOwned>(payload: &[u8]) -> Result<M, String> {
    // serde would take a list for an object with its fields in order.
    if payload.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err("it is not an object".into());
    }
    serde_json::from_slice(payload).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_doubled_fields_are_refused() {
        for text in [
            r#"{"bytes":1,"x":2}"#,
            r#"{"bytes":1,"bytes":2}"#,
            r#"{"bytes":-1}"#,
            "{}",
            "[]",
            r#"{"bytes":1}x"#,
        ] {
            assert!(read::<Credit>(text.as_bytes()).is_err(), "{text}");
        }

        let credit = |bytes, window| Ok(Credit { bytes, window });
        assert_eq!(read(br#"{"bytes":7}"#), credit(7, None));
        assert_eq!(read(br#"{"bytes":7,"window":9}"#), credit(7, Some(9)));
    }
}
