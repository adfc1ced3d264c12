//! Whether a user may move files below a root, and what the mover is to do for it.

use super::Judge;
use crate::encoding::unhex;
use crate::files::{Act, Below, Task};
use crate::ids::RunId;
use crate::policy::command::Command;
use crate::policy::model::Kind;
use crate::policy::plan::Plan;
use crate::policy::root::{Moving, Right, Root};
use crate::policy::verdict::{Refusal, RefusalKind};
use crate::verb::{Get, ListFiles, Moves, Places, Put, RemoveFiles};
use std::sync::Arc;
use std::time::Duration;

/// A verb whose run is a mover's.
pub trait Moved: Moves {
    /// By which right.
    const RIGHT: Right;

    /// Further rights that it takes.
    fn also(&self) -> Option<Right> {
        None
    }

    /// What is to be done.
    ///
    /// # Errors
    /// The parameter that is wrong, and why.
    fn act(&self, path: Below) -> Result<Act, (&'static str, String)>;

    /// Whether the mover reads its standard input.
    fn reads(&self) -> bool {
        false
    }
}

impl Moved for ListFiles {
    const RIGHT: Right = Right::List;

    // Whoever may see names only must not compare contents.
    fn also(&self) -> Option<Right> {
        self.digests.then_some(Right::Get)
    }

    fn act(&self, path: Below) -> Result<Act, (&'static str, String)> {
        Ok(Act::List {
            path,
            recursive: self.recursive,
            digests: self.digests,
        })
    }
}

impl Moved for Get {
    const RIGHT: Right = Right::Get;

    fn act(&self, path: Below) -> Result<Act, (&'static str, String)> {
        Ok(Act::Get {
            path,
            recursive: self.recursive,
            chosen: self.chosen,
            pack: self.pack,
        })
    }

    fn reads(&self) -> bool {
        self.chosen
    }
}

impl Moved for Put {
    const RIGHT: Right = Right::Put;

    fn act(&self, path: Below) -> Result<Act, (&'static str, String)> {
        Ok(Act::Put {
            path,
            recursive: self.recursive,
            all_or_nothing: self.all_or_nothing,
        })
    }

    fn reads(&self) -> bool {
        true
    }
}

impl Moved for RemoveFiles {
    const RIGHT: Right = Right::Remove;

    fn act(&self, path: Below) -> Result<Act, (&'static str, String)> {
        if path.is_root() && self.names.is_none() {
            return Err(("path", "is the root itself, which stays".into()));
        }
        let chosen = match &self.names {
            Some(digits) => Some(digest(digits).ok_or_else(|| {
                let text = "is no digest: 64 hexadecimal digits in lower case";
                ("names", text.to_owned())
            })?),
            None => None,
        };
        Ok(Act::Remove {
            path,
            recursive: self.recursive,
            chosen,
        })
    }

    fn reads(&self) -> bool {
        self.names.is_some()
    }
}

/// The bytes of a digest in its one spelling.
pub fn digest(digits: &str) -> Option<[u8; 32]> {
    if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    unhex(digits)?.try_into().ok()
}

/// A root with the command of one of its rights, the rule that grants it, and how long that lets it
/// run.
type Granted = (Arc<Root>, Arc<Command>, String, Option<Duration>);

impl Judge<'_> {
    /// The root, if a role of the user grants this right over it and none denies it.
    pub(in crate::policy) fn root(&self, root: &str, right: Right) -> Result<Granted, Refusal> {
        let name = right.of(root);
        let (command, rule, time) = self.thing(Kind::Files, &name)?;
        let root = self.policy.roots.get(root).cloned();
        root.map(|root| (root, command, rule, time)).ok_or_else(|| {
            let text = format!("there is no root for `{}`", name.escape_debug());
            Refusal::plain(RefusalKind::NotPermitted, "default deny", text)
        })
    }

    /// The plan of a transfer.
    pub(in crate::policy) fn moving<V: Moved>(&self, verb: &V) -> Result<(Plan, String), Refusal> {
        let (root, command, rule, most) = self.root(verb.root(), V::RIGHT)?;
        if let Some(also) = verb.also() {
            self.root(verb.root(), also)?;
        }
        let path = below(&root, verb.path())?;
        let act = verb
            .act(path)
            .map_err(|(parameter, why)| wrong(&root, parameter, &why))?;
        self.consent(&command, verb.reason(), verb.confirmed())?;

        let timeout = [command.timeout, most].into_iter().flatten().min();
        let rules = root.rules.clone();
        let moving = Moving {
            root,
            right: V::RIGHT,
            task: Task { act, rules },
            reads: verb.reads(),
        };
        let plan = Plan {
            timeout,
            reason: verb.reason().map(str::to_owned),
            ..Plan::of_mover(command, moving)
        };
        Ok((plan, rule))
    }

    /// The run that a commit is of: one's own, below a root over which one has the right to put now.
    pub(in crate::policy) fn placing(
        &self,
        verb: &impl Places,
    ) -> Result<(RunId, String), Refusal> {
        let (root, _, rule, _) = self.root(verb.root(), Right::Put)?;
        below(&root, verb.path())?;
        let own = verb.run().0.filter(|run| {
            let owner = (self.owner)(*run);
            owner.is_some_and(|owner| *owner == *self.user)
        });
        let run = own.ok_or_else(|| {
            let text = "there is no such run".into();
            Refusal::plain(RefusalKind::NoSuchRun, "default deny", text)
        })?;
        Ok((run, rule))
    }
}

/// The path, if it is one below a root.
fn below(root: &Root, path: &str) -> Result<Below, Refusal> {
    Below::parse(path.as_bytes()).map_err(|fault| {
        let shown: String = path.escape_debug().take(200).collect();
        wrong(root, "path", &format!("`{shown}`: {fault}"))
    })
}

/// The refusal of a parameter.
fn wrong(root: &Root, parameter: &str, why: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Argument,
        argument: Some(parameter.to_owned()),
        rule: format!("files.{} ({})", root.name, root.place),
        text: format!("`{parameter}` {why}"),
        holds_secret: false,
    }
}
