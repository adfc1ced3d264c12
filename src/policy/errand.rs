//! An errand: a command that the daemon itself starts, because its configuration names it for that.
//! It is declared like any other, and no role needs to grant it.

use super::argument::{Kind, Presence};
use super::beginning::Beginning;
use super::command::{Command, Stdin};
use super::decision::{Asker, Grant};
use super::judge::Judge;
use super::member::Member;
use super::model::Policy;
use crate::ids::RequestId;
use crate::source::Source;
use crate::verb::{Invocation, Run, Value};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::SystemTime;

/// Who is said to ask for an errand. No user can be called so.
pub const OWN: &str = "(ordaind)";

/// Proof that an errand may begin.
pub type Errand = Beginning;

impl Policy {
    /// Judges an errand: this command, with the path of a file as its one argument. `key` is the key
    /// of the configuration that names the command, and its rule.
    ///
    /// # Errors
    /// Why the command does not do for that, in words.
    pub fn errand(
        &self,
        (key, command): (&str, &str),
        file: &Path,
        (request, now): (RequestId, SystemTime),
    ) -> Result<Errand, String> {
        let Some(command) = self.commands.get(command) else {
            return Err(format!("there is no command `{}`", command.escape_debug()));
        };
        let invocation = invocation(command, file)?;
        let member = Member::daemon(OWN);
        let asker = Asker {
            member: &member,
            request,
            source: Source::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)),
            owner: &|_| None,
            asked: now,
            now,
        };
        let judge = Judge::of(self, &member, &asker.source, asker.owner, now);
        let plan = judge
            .errand(command, &invocation)
            .map_err(|refusal| format!("{} (tried with {})", refusal.text, file.display()))?;
        let rule = format!("{key}: commands.{} ({})", command.name, command.place);
        Ok(Grant::new(&Run(invocation), &asker, plan, rule).into())
    }
}

/// What is asked for, where the command takes a path and nothing else of anybody.
fn invocation(command: &Command, file: &Path) -> Result<Invocation, String> {
    let wrong = |what: &str| Err(format!("`{}` {what}", command.name));
    let [argument] = command.arguments.as_slice() else {
        return wrong("does not take exactly one argument, which is to be the file's path");
    };
    if argument.secret || argument.repeated.is_some() || argument.presence != Presence::Required {
        return wrong(
            "has an argument that is secret, repeated or may be left out; it is to be the file's path",
        );
    }
    if command.pty || command.stdin != Stdin::None {
        return wrong("wants a terminal or an input, and nobody is there to give it one");
    }
    if command.confirm || command.reason.is_some() || command.approval.is_some() {
        return wrong(
            "wants a person's consent, reason or approval, and nobody is there to give one",
        );
    }
    let path = match &argument.kind {
        Kind::Text(_) => file,
        Kind::Path { beneath, .. } => file.strip_prefix(beneath).map_err(|_| {
            format!(
                "`{}` takes files beneath {}, and the trail is not there",
                command.name,
                beneath.display()
            )
        })?,
        _ => return wrong("has an argument that can be no path; accepted are `string` and `path`"),
    };
    let value = Value::Text(path.to_string_lossy().into_owned());
    Ok(Invocation {
        arguments: vec![(argument.name.clone(), value)].into(),
        ..Invocation::of(&command.name)
    })
}
