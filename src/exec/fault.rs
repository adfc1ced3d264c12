//! Why a run did not begin, told apart for the client.

use crate::policy::{Only, Plan};
use crate::sys::{SpawnError, Step};
use std::io;

/// What stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The executable does not exist.
    Missing,
    /// The executable may not be executed.
    NotExecutable,
    /// The executable is in no format that this machine runs.
    Format,
    /// A path argument leads to nothing the command may open.
    Path,
    /// The process did not reach exec in time.
    Deadline,
    /// Somebody else could have changed the executable.
    Untrusted,
    /// The executable is not the one that was pinned.
    Digest,
    /// What would be executed is not what was agreed to, or nobody has agreed.
    Changed,
    /// Anything else that can go wrong.
    Start,
}

/// A run that did not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStarted {
    /// What stood in the way.
    pub obstacle: Obstacle,
    /// The argument that the fault is about.
    pub argument: Option<String>,
    /// What went wrong, in a sentence for people.
    pub text: String,
}

impl NotStarted {
    /// A receipt and a grant that do not belong together.
    pub(super) fn of_another_request() -> Self {
        Self {
            obstacle: Obstacle::Start,
            argument: None,
            text: "the receipt is another request's".into(),
        }
    }

    /// A command that others must agree to, and they have not agreed to this run.
    pub(super) fn not_agreed_to() -> Self {
        Self {
            obstacle: Obstacle::Changed,
            argument: None,
            text: "nobody has agreed to this run".into(),
        }
    }

    pub(super) fn io(what: &str, fault: &io::Error) -> Self {
        Self {
            obstacle: Obstacle::Start,
            argument: None,
            text: format!("{what}: {fault}"),
        }
    }

    /// Translates the step that failed in the child. All causes why a path cannot be opened read the
    /// same, so that a client cannot learn which files exist.
    pub(super) fn step(error: &SpawnError, plan: &Plan) -> Self {
        if matches!(error.step, Step::Path | Step::Wanted) {
            return Self::path(error, plan);
        }
        let executable = plan.command.executable();
        let missing = || {
            let text = format!("{executable} (or the interpreter it names) does not exist");
            (Obstacle::Missing, text)
        };

        let (obstacle, text) = match (error.step, error.errno) {
            (Step::Agreed, _) => (Obstacle::Changed, error.cause()),
            (Step::Digest, _) => (Obstacle::Digest, error.cause()),
            (Step::Executable | Step::Exec, libc::ENOENT) => missing(),
            (Step::Executable, libc::EACCES | libc::EPERM) => (
                Obstacle::NotExecutable,
                format!("{executable} may not be executed: {}", error.cause()),
            ),
            (Step::Executable, libc::ENOEXEC) => (Obstacle::Format, error.cause()),
            (Step::Executable, 0) => (Obstacle::Untrusted, error.cause()),
            (Step::Deadline, _) => (
                Obstacle::Deadline,
                format!("{executable} was not started in time and was given up"),
            ),
            (Step::Exec, libc::EACCES | libc::EPERM) => (
                Obstacle::NotExecutable,
                format!(
                    "{executable} may not be executed by `{}`",
                    plan.command.run_as.name()
                ),
            ),
            (Step::Exec, libc::ENOEXEC) => (
                Obstacle::Format,
                format!(
                    "{executable} is in no format that this machine runs (a script without #! line?)"
                ),
            ),
            (step, _) => (
                Obstacle::Start,
                format!(
                    "starting {executable} failed at `{}`: {}",
                    step.word(),
                    error.cause()
                ),
            ),
        };

        Self {
            obstacle,
            argument: None,
            text,
        }
    }

    /// A path argument that could not be opened, or was opened and is not what it must be.
    fn path(error: &SpawnError, plan: &Plan) -> Self {
        let open = plan.opens.get(error.index);
        let argument = open.map(|open| open.argument.clone());
        let named = argument.as_deref().unwrap_or("path");
        let only = open.and_then(|open| open.only);
        let found = match only.filter(|_| error.step == Step::Wanted) {
            Some(Only::File) => "leads to a folder, and this command takes files only",
            Some(Only::Folder) => "leads to a file, and this command takes folders only",
            None => "leads to nothing that this command may open",
        };
        Self {
            obstacle: Obstacle::Path,
            text: format!("argument `{named}` {found}"),
            argument,
        }
    }
}
