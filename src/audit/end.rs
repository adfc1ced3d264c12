//! The record of a run's end, and of a run that never began.

use super::record::What;
use crate::exit::{Counts, End, Reason};

impl<'a> What<'a> {
    /// The end of a run that had begun.
    pub fn ended(
        run: &'a str,
        user: &'a str,
        command: &'a str,
        end: &'a End,
        counts: Option<&Counts>,
    ) -> Self {
        What::End {
            run,
            user,
            command,
            reason: &end.reason,
            reason_reported_by: Reason::from_parts(&end.reason, end.number)
                .filter(|reason| reason.rests_on_the_frontend())
                .map(|_| "frontend"),
            number: end.number,
            text: None,
            duration_ms: end.duration_ms,
            user_ms: end.user_ms,
            system_ms: end.system_ms,
            peak_kib: end.peak_kib,
            left_killed: end.left_killed,
            left_running: end.left_running,
            tree: if end.verified {
                "verified"
            } else {
                "unverified"
            },
            bytes_reported_by: counts.map(|_| "frontend"),
            stdin_bytes: counts.map(|counts| counts.stdin),
            stdout_bytes: counts.map(|counts| counts.stdout),
            stderr_bytes: counts.map(|counts| counts.stderr),
            digest: end.moved.as_ref().map(|moved| moved.digest.as_str()),
            files: end.moved.as_ref().map(|moved| moved.files),
            bytes: end.moved.as_ref().map(|moved| moved.bytes),
            recording: end
                .recorded
                .as_ref()
                .map(|recorded| recorded.sha256.as_str()),
            recording_bytes: end.recorded.as_ref().map(|recorded| recorded.bytes),
            recording_whole: end.recorded.as_ref().map(|recorded| recorded.whole),
        }
    }

    /// The end of a run that could not begin: no process of it was there.
    pub const fn not_started(run: &'a str, user: &'a str, command: &'a str, text: &'a str) -> Self {
        What::End {
            run,
            user,
            command,
            reason: "not-started",
            reason_reported_by: None,
            number: None,
            text: Some(text),
            duration_ms: 0,
            user_ms: 0,
            system_ms: 0,
            peak_kib: 0,
            left_killed: 0,
            left_running: 0,
            tree: "verified",
            bytes_reported_by: None,
            stdin_bytes: None,
            stdout_bytes: None,
            stderr_bytes: None,
            digest: None,
            files: None,
            bytes: None,
            recording: None,
            recording_bytes: None,
            recording_whole: None,
        }
    }
}
