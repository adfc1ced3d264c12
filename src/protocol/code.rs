//! The stable error codes. A number never changes its meaning; the text beside it is for people.

macro_rules! codes {
    ($($(#[doc = $doc:expr])+ $name:ident = $number:literal, $word:literal;)+) => {
        /// What went wrong, as a number that programs can rely on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code there is, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number),+ }
            }

            /// The word in the trail and in `--json`.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// The code of this number.
            pub const fn numbered(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

codes! {
    /// A frame, field or order of messages that the protocol does not know.
    Protocol = 100, "protocol-error";
    /// A frame longer than allowed at this point.
    FrameTooLarge = 101, "frame-too-large";
    /// A stage (login, silence) took longer than its deadline.
    Deadline = 102, "deadline";
    /// The server is stopping and takes nothing new.
    Stopping = 104, "stopping";
    /// The two sides share no version of the protocol.
    Version = 105, "version";
    /// Something inside the server failed; its log knows more.
    Internal = 106, "internal";

    /// This session has gone on over another connection.
    TakenOver = 107, "taken-over";

    /// The session was ended: its user was locked, removed or given less, or somebody ended it.
    Revoked = 108, "revoked";

    /// User and proof do not go together. Says no more on purpose.
    LoginRefused = 200, "login-refused";
    /// Too many logins wait to be verified, or this one waited too long.
    LoginBusy = 201, "login-busy";
    /// This connection has used up its tries.
    LoginTries = 202, "login-tries";

    /// The first factor is right; this user's one-time code is wanted with it.
    CodeWanted = 203, "code-wanted";

    /// It is not known now in which groups of the server's system the user is, and such groups give
    /// roles.
    GroupsUnknown = 204, "groups-unknown";

    /// The request's signature is missing, wrong, or by another key or for another session.
    Signature = 300, "signature";
    /// The request's counter is not higher than the last one's: it was sent before.
    Replay = 301, "replay";
    /// The request's text is not a request.
    Malformed = 302, "malformed-request";
    /// The request's id was used for another request.
    IdReused = 304, "request-id-reused";
    /// The request was to begin before now.
    TooLate = 305, "too-late";
    /// No such verb.
    UnknownVerb = 303, "unknown-verb";

    /// The command does not exist, or no role of this user grants it.
    NotPermitted = 400, "not-permitted";
    /// An argument is unknown, missing, doubled or outside its bounds; it is named.
    Argument = 401, "argument";
    /// A role that would grant this does not hold for the client's address.
    Source = 402, "source";
    /// The command wants a person's confirmation first.
    Confirm = 403, "confirm";
    /// There is no such run, or it is not this user's.
    NoSuchRun = 404, "no-such-run";
    /// The command takes less standard input than was sent.
    Stdin = 405, "stdin";
    /// The command wants a reason of a certain form (a ticket's number).
    Reason = 406, "reason";
    /// There is no such session, or it is not this user's.
    NoSuchSession = 407, "no-such-session";

    /// The run keeps no such part of its output; the range that it keeps is named.
    Offset = 408, "no-such-offset";
    /// The command accepts no such signal.
    Signal = 409, "signal-not-accepted";
    /// A role that would grant this does not hold at this time.
    Hours = 410, "hours";
    /// Nobody decides on a run of their own, nor on one whose user has a key of theirs.
    NotAnApprover = 411, "not-an-approver";
    /// What was agreed to is not what would run, or is not what waits; the sentence says what has
    /// changed.
    Changed = 412, "changed";
    /// Nobody has agreed in time.
    NotApproved = 413, "not-approved-in-time";
    /// Somebody who was asked to agree has denied.
    ApprovalDenied = 414, "approval-denied";
    /// What was recorded of the run is not kept, or not from there on.
    NotRecorded = 417, "not-recorded";
    /// The run must be recorded, and that cannot be done now.
    CannotRecord = 418, "cannot-record";
    /// The trail has no such record, any more or yet; its first or last one is named.
    NoSuchRecord = 419, "no-such-record";

    /// The executable does not exist.
    CommandMissing = 500, "command-missing";
    /// The executable may not be executed.
    CommandNotExecutable = 501, "command-not-executable";
    /// The executable is in no format that this machine runs.
    CommandFormat = 502, "command-format";
    /// A path argument leads to nothing this command may open.
    Path = 503, "path";
    /// The process could not be started for another reason.
    Start = 504, "start";
    /// The process did not start within its deadline.
    StartDeadline = 505, "start-deadline";
    /// Somebody else could have changed the executable, so it is not run.
    UntrustedExecutable = 506, "untrusted-executable";
    /// The executable is not the one that was pinned.
    Digest = 507, "executable-changed";
    /// This user, or this connection, has as much of something as they may have; the sentence names
    /// the limit.
    OverLimit = 510, "over-limit";
    /// Another run holds the lock that this command needs.
    Locked = 511, "locked";
    /// The run waited for its turn longer than it may.
    QueueDeadline = 512, "queue-deadline";
    /// The run was ended before its turn came.
    QueueLeft = 513, "ended-while-waiting";
    /// The audit trail cannot be written, so nothing runs.
    Trail = 520, "trail";

    /// The client could not reach the server.
    Connect = 600, "connect";
    /// The client did not reach the server in time.
    ConnectTimeout = 601, "connect-timeout";
    /// The server is not the one the client was told to expect, or TLS failed.
    Untrusted = 602, "untrusted-server";
    /// The connection broke before the end was known, or the end does not fit what came.
    ConnectionLost = 603, "connection-lost";
    /// The client's words, files or settings are off.
    Usage = 604, "usage";
    /// The link was lost and could not be healed: what became of the run is not known.
    OutcomeUnknown = 606, "outcome-unknown";
    /// The person said no.
    Declined = 605, "declined";
    /// The server's key is not known yet, or not the one that is known.
    UnknownServer = 607, "unknown-server";
    /// The SSH agent, or the key's file, gave no signature.
    Identity = 608, "identity";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_lead_back() {
        for code in Code::ALL {
            assert_eq!(Code::numbered(code.number()), Some(*code));
        }
    }
}
