//! A command made ready to be run: its template filled with accepted values.

use super::command::{Command, Stdin};
use super::holes::holes;
use super::root::Moving;
use super::{Kind, Only, Pass, Word};
use crate::verb::{Arguments, Terminal};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A command made ready: nothing of the client's is left to interpret.
#[derive(Clone)]
pub struct Plan {
    /// The command that is run.
    pub command: Arc<Command>,
    /// The exact argv.
    pub argv: Vec<String>,
    /// The argv with secrets masked, for people and the trail.
    pub shown: Vec<String>,
    /// For each word of [`Plan::shown`] what of it the client has signed (TRAIL.md, `holes`);
    /// empty when that is nothing of any word.
    pub holes: Vec<String>,
    /// The declared variables, filled.
    pub environment: Vec<(String, String)>,
    /// The same with secrets masked, for people.
    pub shown_environment: Vec<(String, String)>,
    /// The paths to open before the command starts, in the order of their arguments.
    pub opens: Vec<Opened>,
    /// The terminal that the run gets, when the command wants one.
    pub terminal: Option<Terminal>,
    /// How long the run may take: the command's time, or the role's where that is shorter.
    pub timeout: Option<Duration>,
    /// Why the run is asked for, in the words of whoever asks.
    pub reason: Option<String>,
    /// Whether it begins by itself, also while its client is away.
    pub unattended: bool,
    /// What a mover is to do, where it is one that runs.
    pub moving: Option<Moving>,
}

/// The hidden argument that makes the program a mover.
pub const MOVER: &str = "--mover";

impl Plan {
    /// The plan of a transfer, which the daemon's own program carries out.
    pub(super) fn of_mover(command: Arc<Command>, moving: Moving) -> Self {
        let argv = vec!["ordaind".to_owned(), MOVER.to_owned()];
        Self {
            timeout: command.timeout,
            command,
            shown: argv.clone(),
            argv,
            holes: Vec::new(),
            environment: Vec::new(),
            shown_environment: Vec::new(),
            opens: Vec::new(),
            terminal: None,
            reason: None,
            unattended: false,
            moving: Some(moving),
        }
    }

    /// Whether the client's standard input is taken, and how much of it.
    pub fn stdin(&self) -> Stdin {
        match &self.moving {
            None => self.command.stdin,
            Some(Moving { reads: true, .. }) => Stdin::Accepted { max: None },
            Some(_) => Stdin::None,
        }
    }
}

impl std::fmt::Debug for Plan {
    /// Without what may be a secret: argv with secrets masked, and no environment.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Plan")
            .field("command", &self.command.name)
            .field("argv", &self.shown)
            .finish_non_exhaustive()
    }
}

/// A path argument, to be opened by the child as the account it runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The argument's name.
    pub argument: String,
    /// The root folder.
    pub beneath: PathBuf,
    /// The path below the root.
    pub relative: String,
    /// What the path must lead to; `None` takes files and folders.
    pub only: Option<Only>,
    /// The descriptor that the command gets the path as; `None` when it gets the name.
    pub descriptor: Option<u32>,
}

/// What a kind of terminal becomes that the machine does not know: what nearly every terminal of
/// today can do.
const USUAL_TERMINAL: &str = "xterm-256color";
/// The kind of a terminal that nobody sits at.
const NO_TERMINAL: &str = "dumb";

/// The client's terminal, as far as its kind is one of those that are known here: what TERM says
/// decides which files programs read. Without one of the client's it is a plain one.
pub(super) fn known_terminal(asked: Option<&Terminal>, known: &BTreeSet<String>) -> Terminal {
    let Some(asked) = asked else {
        return Terminal {
            kind: NO_TERMINAL.into(),
            columns: 80,
            rows: 24,
        };
    };

    let is_known = asked.kind == NO_TERMINAL || known.contains(&asked.kind);
    Terminal {
        kind: if is_known {
            asked.kind.clone()
        } else {
            USUAL_TERMINAL.into()
        },
        columns: asked.columns,
        rows: asked.rows,
    }
}

/// Fills template and environment with accepted values; paths get their names or descriptors here.
pub(super) fn fill(command: Arc<Command>, mut values: Vec<Vec<String>>, given: &Arguments) -> Plan {
    let opens = opened(&command, &mut values);
    let masked = masked(&command, &values);
    let argv = command
        .template
        .fill(|index| values.get(index).map(Vec::as_slice).unwrap_or_default());
    let shown = command
        .template
        .fill(|index| masked.get(index).map(Vec::as_slice).unwrap_or_default());
    let holes = holes(&command, &masked, given, &shown);
    let (environment, shown_environment) =
        (variables(&command, &values), variables(&command, &masked));
    let timeout = command.timeout;
    Plan {
        argv,
        shown,
        holes,
        environment,
        shown_environment,
        opens,
        command,
        terminal: None,
        timeout,
        reason: None,
        unattended: false,
        moving: None,
    }
}

/// The command's own variables, filled with these values.
fn variables(command: &Command, values: &[Vec<String>]) -> Vec<(String, String)> {
    let filled =
        |word: &Word| word.fill(|index| values.get(index).map(Vec::as_slice).unwrap_or_default());
    let variables = command.environment.iter();
    variables
        .map(|(name, word)| (name.clone(), filled(word)))
        .filter(|(_, filled)| !filled.is_empty())
        .map(|(name, filled)| (name, filled.join(" ")))
        .collect()
}

/// The paths among the values, which become what the command gets them as.
fn opened(command: &Command, values: &mut [Vec<String>]) -> Vec<Opened> {
    let mut opens = Vec::new();
    let mut next_descriptor = 3;
    for (argument, values) in command.arguments.iter().zip(values) {
        let Kind::Path {
            beneath,
            pass,
            only,
        } = &argument.kind
        else {
            continue;
        };
        for value in values {
            let relative = std::mem::take(value);
            let descriptor = (*pass == Pass::Descriptor).then_some(next_descriptor);
            *value = match descriptor {
                Some(number) => {
                    next_descriptor += 1;
                    format!("/dev/fd/{number}")
                }
                None => beneath.join(&relative).to_string_lossy().into_owned(),
            };

            opens.push(Opened {
                argument: argument.name.clone(),
                beneath: beneath.clone(),
                relative,
                only: *only,
                descriptor,
            });
        }
    }
    opens
}

/// The values as people and the trail may see them.
fn masked(command: &Command, values: &[Vec<String>]) -> Vec<Vec<String>> {
    command
        .arguments
        .iter()
        .zip(values)
        .map(|(argument, values)| {
            if argument.secret {
                vec!["***".to_owned(); values.len()]
            } else {
                values.clone()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_one_that_the_machine_knows() {
        let known = ["xterm", "foot"].map(str::to_owned).into();
        let kind = |asked: Option<&str>| {
            let asked = asked.map(|kind| Terminal {
                kind: kind.into(),
                columns: 100,
                rows: 40,
            });
            known_terminal(asked.as_ref(), &known).kind
        };
        assert_eq!(kind(Some("foot")), "foot");
        assert_eq!(kind(Some("dumb")), "dumb");
        for unknown in ["xterm-kitty", "", "../../etc/passwd", "x\ny"] {
            assert_eq!(kind(Some(unknown)), "xterm-256color", "{unknown:?}");
        }
        assert_eq!(kind(None), "dumb");
    }
}
