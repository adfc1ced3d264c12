//! What can be asked: every verb in one table, and a request as typed values.
//!
//! The table is the single definition of a verb: protocol, authorisation, the verb × role test and
//! the control socket read it, and a verb without a row does not exist.

use crate::ids::RunId;
use crate::secret::Secret;

/// Something that can be asked of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// The commands this user may run.
    List,
    /// The arguments of one of them.
    Describe,
    /// The decision and the exact argv, without running anything.
    Preview,
    /// Run a command.
    Run,
    /// End a run.
    Cancel,
    /// The runs that are going on, and those that have ended not long ago.
    Runs,
    /// Follow a run's output, or see what was kept of it.
    Attach,
    /// Send a signal to a run.
    Signal,
    /// What would be decided, and every rule that was considered.
    Explain,
    /// Who this is, by what, and until when.
    Whoami,
    /// The sessions and kept logins.
    Sessions,
    /// End sessions and kept logins.
    EndSession,
    /// Lock a user, unlock him, list who is locked (local).
    Lock,
    /// As above.
    Unlock,
    /// As above.
    Locks,
    /// Make a seed for one-time codes, or remove it (local).
    Totp,
    /// What sources have earned by failing, and forgiving it (local).
    Penalties,
    /// As above.
    Forgive,
    /// How the daemon is (local).
    Status,
    /// What is counted and measured (local).
    Metrics,
    /// Take over the configuration anew (local).
    Reload,
}

/// Through which door a verb can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Over TLS, by a user who logged in, signed with the session key.
    Wire,
    /// Over the control socket, by root or the daemon's own user.
    Control,
}

/// Who may ask for a verb, beyond having come through its door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing more: the answer shows this user only what is his.
    Nothing,
    /// A role that grants the command.
    Command,
    /// That the run or session is one's own, or this right in `verbs` of a role.
    OwnOr(&'static str),
    /// To be root or the daemon's own user.
    LocalAdmin,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct VerbRow {
    /// The verb.
    pub verb: Verb,
    /// Its name on the wire and in the trail.
    pub name: &'static str,
    /// Where it can be asked for.
    pub door: Door,
    /// Who may.
    pub needs: Needs,
    /// What it does, for help and documentation.
    pub summary: &'static str,
}

/// Every verb there is.
pub const VERBS: &[VerbRow] = &[
    row(
        Verb::List,
        "list",
        Door::Wire,
        Needs::Nothing,
        "the commands this user may run",
    ),
    row(
        Verb::Describe,
        "describe",
        Door::Wire,
        Needs::Command,
        "the arguments of a command",
    ),
    row(
        Verb::Preview,
        "preview",
        Door::Wire,
        Needs::Command,
        "the decision and the exact argv, nothing run",
    ),
    row(
        Verb::Run,
        "run",
        Door::Wire,
        Needs::Command,
        "run a command",
    ),
    row(
        Verb::Cancel,
        "cancel",
        Door::Wire,
        Needs::OwnOr("cancel-of-others"),
        "end a run",
    ),
    row(
        Verb::Runs,
        "runs",
        Door::Wire,
        Needs::OwnOr("runs-of-others"),
        "the runs that are going on",
    ),
    row(
        Verb::Attach,
        "attach",
        Door::Wire,
        Needs::OwnOr("output-of-others"),
        "follow a run's output, or see what was kept of it",
    ),
    row(
        Verb::Signal,
        "signal",
        Door::Wire,
        Needs::OwnOr("signal-of-others"),
        "send a signal that the command accepts",
    ),
    row(
        Verb::Explain,
        "explain",
        Door::Wire,
        Needs::Nothing,
        "what would be decided, and every rule that was considered",
    ),
    row(
        Verb::Whoami,
        "whoami",
        Door::Wire,
        Needs::Nothing,
        "who one is here, by what, and until when",
    ),
    row(
        Verb::Sessions,
        "sessions",
        Door::Wire,
        Needs::OwnOr("sessions-of-others"),
        "the sessions and kept logins",
    ),
    row(
        Verb::EndSession,
        "end-session",
        Door::Wire,
        Needs::OwnOr("end-sessions-of-others"),
        "end sessions and kept logins",
    ),
    row(
        Verb::Lock,
        "lock",
        Door::Control,
        Needs::LocalAdmin,
        "lock a user, at once and whatever the configuration says",
    ),
    row(
        Verb::Unlock,
        "unlock",
        Door::Control,
        Needs::LocalAdmin,
        "unlock a user",
    ),
    row(
        Verb::Locks,
        "locks",
        Door::Control,
        Needs::LocalAdmin,
        "who is locked, since when and why",
    ),
    row(
        Verb::Totp,
        "totp",
        Door::Control,
        Needs::LocalAdmin,
        "make a user's seed for one-time codes, or remove it",
    ),
    row(
        Verb::Penalties,
        "penalties",
        Door::Control,
        Needs::LocalAdmin,
        "what sources and users have earned by failing",
    ),
    row(
        Verb::Forgive,
        "forgive",
        Door::Control,
        Needs::LocalAdmin,
        "forget what a source or user has earned",
    ),
    row(
        Verb::Status,
        "status",
        Door::Control,
        Needs::LocalAdmin,
        "how the daemon is",
    ),
    row(
        Verb::Metrics,
        "metrics",
        Door::Control,
        Needs::LocalAdmin,
        "what is counted and measured, for Prometheus",
    ),
    row(
        Verb::Reload,
        "reload",
        Door::Control,
        Needs::LocalAdmin,
        "take over the configuration anew",
    ),
];

const fn row(
    verb: Verb,
    name: &'static str,
    door: Door,
    needs: Needs,
    summary: &'static str,
) -> VerbRow {
    VerbRow {
        verb,
        name,
        door,
        needs,
        summary,
    }
}

impl Verb {
    /// The verb of this name.
    pub fn named(name: &str) -> Option<Self> {
        VERBS
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.verb)
    }

    /// Its row; `None` only if the table lost one, which authorisation takes for a refusal.
    pub fn row(self) -> Option<&'static VerbRow> {
        VERBS.iter().find(|row| row.verb == self)
    }

    /// Its name on the wire and in the trail.
    pub fn name(self) -> &'static str {
        self.row().map_or("unknown", |row| row.name)
    }
}

/// The rights over others that a role's `verbs` may name.
pub fn rights() -> impl Iterator<Item = &'static str> {
    VERBS.iter().filter_map(|row| match row.needs {
        Needs::OwnOr(right) => Some(right),
        _ => None,
    })
}

/// The value of one named argument, as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A flag: given or not.
    Flag(bool),
    /// The values of a repeated argument.
    Many(Vec<String>),
    /// A secret; what was signed and is kept is a commitment to it.
    Secret(Secret),
    /// Something no argument can be (null, an object, a fraction): kept so that the refusal can
    /// name it.
    Misfit(&'static str),
}

impl Value {
    /// What it is, for a refusal.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Flag(_) => "a boolean",
            Self::Many(_) => "a list of strings",
            Self::Secret(_) => "a secret",
            Self::Misfit(kind) => kind,
        }
    }
}

/// The named arguments of a request, in the order in which they came, duplicates included.
pub type Arguments = Vec<(String, Value)>;

/// A request, read once into types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// [`Verb::List`]
    List,
    /// [`Verb::Describe`]
    Describe {
        /// The command's name.
        command: String,
    },
    /// [`Verb::Preview`]
    Preview(Invocation),
    /// [`Verb::Run`]
    Run(Invocation),
    /// [`Verb::Cancel`]
    Cancel {
        /// Which run.
        run: RunId,
    },
    /// [`Verb::Runs`]
    Runs,
    /// [`Verb::Attach`]
    Attach(Attachment),
    /// [`Verb::Signal`]
    Signal {
        /// Which run.
        run: RunId,
        /// The signal's name without SIG.
        signal: String,
    },
    /// [`Verb::Explain`]
    Explain(Invocation),
    /// [`Verb::Whoami`]
    Whoami,
    /// [`Verb::Sessions`]
    Sessions,
    /// [`Verb::EndSession`]
    EndSession(Ending),
}

/// Which sessions are to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The one of this id, session or kept login.
    One(crate::ids::SessionId),
    /// Every one of the user, this one too.
    All,
}

/// From where a run's output is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment {
    /// Which run.
    pub run: RunId,
    /// The first byte of standard output that is wanted; `None` is the first that is kept.
    pub stdout: Option<u64>,
    /// The first byte of standard error that is wanted, likewise.
    pub stderr: Option<u64>,
    /// Whether to stay until the run ends; otherwise what is there already is all.
    pub follow: bool,
    /// Whether this session takes its own run up again after a lost link: standard input goes on
    /// here too.
    pub resume: bool,
}

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The command's name.
    pub command: String,
    /// Its arguments by name.
    pub arguments: Arguments,
    /// Whether a person has seen the argv and agreed; needed where the command says `confirm`.
    pub confirmed: bool,
    /// The terminal that the client has, for commands that want one.
    pub terminal: Option<Terminal>,
    /// Why, in the words of whoever asks.
    pub reason: Option<String>,
}

impl Invocation {
    /// Whether a secret is among its arguments.
    pub fn holds_secret(&self) -> bool {
        self.arguments
            .iter()
            .any(|(_, value)| matches!(value, Value::Secret(_)))
    }
}

/// A client's terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Its kind, as in TERM.
    pub kind: String,
    /// Columns and rows.
    pub size: (u16, u16),
}

impl Ask {
    /// The verb of this request.
    pub const fn verb(&self) -> Verb {
        match self {
            Self::List => Verb::List,
            Self::Describe { .. } => Verb::Describe,
            Self::Preview(_) => Verb::Preview,
            Self::Run(_) => Verb::Run,
            Self::Cancel { .. } => Verb::Cancel,
            Self::Runs => Verb::Runs,
            Self::Attach(_) => Verb::Attach,
            Self::Signal { .. } => Verb::Signal,
            Self::Explain(_) => Verb::Explain,
            Self::Whoami => Verb::Whoami,
            Self::Sessions => Verb::Sessions,
            Self::EndSession(_) => Verb::EndSession,
        }
    }

    /// The command it speaks of, if any.
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Describe { command } => Some(command),
            Self::Preview(invocation) | Self::Run(invocation) | Self::Explain(invocation) => {
                Some(&invocation.command)
            }
            Self::List
            | Self::Cancel { .. }
            | Self::Runs
            | Self::Attach(_)
            | Self::Signal { .. }
            | Self::Whoami
            | Self::Sessions
            | Self::EndSession(_) => None,
        }
    }
}

/// Where a listing's line stands in a configuration file, for refusals and faults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Place {
    /// The file, as it was named.
    pub file: std::sync::Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for row in VERBS {
            assert_eq!(Verb::named(row.name), Some(row.verb));
            assert_eq!(row.verb.name(), row.name);
        }
    }
}
