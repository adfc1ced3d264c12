//! Whether a user may agree to runs of a command.

use super::Judge;
use crate::limits;
use crate::policy::command::Command;
use crate::policy::text::plain_text;
use crate::policy::verdict::{Refusal, RefusalKind};
use crate::verb::Decides;
use std::sync::Arc;

impl Judge<'_> {
    /// What [`Judge::decides`] says, where also the reason that is given can be shown.
    pub fn deciding<V: Decides>(&self, verb: &V) -> Result<(Arc<Command>, String), Refusal> {
        let decided = self.decides(verb.command())?;
        if let Some(Err(why)) = verb.reason().map(|text| plain_text(text, limits::REASON)) {
            let text = format!("the reason {why}");
            return Err(Refusal::plain(RefusalKind::Reason, &decided.1, text));
        }
        Ok(decided)
    }

    /// The command, and the rule by which the user may agree to its runs. Of what they may not decide
    /// on they do not learn whether it is there.
    fn decides(&self, name: &str) -> Result<(Arc<Command>, String), Refusal> {
        let command = self.policy.commands.get(name).filter(|command| {
            self.policy
                .may_decide(self.member, self.source, self.now, command)
        });
        let by = |command: &Command| Some(command.approval.as_ref()?.by.clone());
        match command.and_then(|command| Some((command, by(command)?))) {
            Some((command, role)) => {
                let rule = format!("commands.{name}.approval `{role}` ({})", command.place);
                Ok((command.clone(), rule))
            }
            None => {
                let text = format!(
                    "`{}` may not decide on runs of `{}`",
                    self.user,
                    name.escape_debug()
                );
                Err(Refusal::plain(
                    RefusalKind::NotPermitted,
                    "default deny",
                    text,
                ))
            }
        }
    }
}
