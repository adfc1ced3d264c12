//! Why a request is refused, and what an explanation says.

/// Whose runs or sessions a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of the user who asks.
    Own,
    /// Those of everybody.
    All,
}

/// A decision with everything that was looked at on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The argv that would run, or why nothing would.
    pub outcome: Result<Vec<String>, Refusal>,
    /// The rule that decided, with its place.
    pub rule: String,
    /// Every rule that was considered, in order, with its place and what it said.
    pub considered: Vec<String>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of the refusal, which the wire gives a number.
    pub kind: RefusalKind,
    /// The argument that the refusal is about.
    pub argument: Option<String>,
    /// The rule that decided, with its place.
    pub rule: String,
    /// The refusal in a sentence for people.
    pub text: String,
    /// Whether the request's text holds a secret in the clear, so that it must not be kept.
    pub holds_secret: bool,
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// No role grants the command, or it does not exist.
    NotPermitted,
    /// A role would grant the command, to another address.
    Source,
    /// A role would grant the command, at another time.
    Hours,
    /// An argument is wrong.
    Argument,
    /// A person must agree first.
    Confirm,
    /// A reason must be given.
    Reason,
    /// The user has no such run.
    NoSuchRun,
    /// Nobody knows now in which groups of the system the user is.
    Groups,
}

impl Refusal {
    /// The one refusal at the control socket, also of what is no request.
    pub fn local() -> Self {
        let text = "only root and the daemon's own user may ask this";
        Self::plain(RefusalKind::NotPermitted, "default deny", text.into())
    }

    /// The refusal of whoever cannot be judged, because a group could give them another role.
    pub fn groups_unknown(user: &str) -> Self {
        let text = format!(
            "it is not known now in which groups of this system `{user}` is, so nobody can say what they may do; ask again in a moment"
        );
        Self::plain(RefusalKind::Groups, "groups-of-system", text)
    }

    pub(super) fn plain(kind: RefusalKind, rule: &str, text: String) -> Self {
        Self {
            kind,
            argument: None,
            rule: rule.into(),
            text,
            holds_secret: false,
        }
    }
}
