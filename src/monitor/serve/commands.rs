//! Verbs about commands, and the policy's types as the wire shows them.

use super::Serve;
use crate::monitor::asked::Asked;
use crate::monitor::state::Shared;
use crate::policy::{Argument, Command, Explanation, Grant, Kind, OnDisconnect, Presence, Stdin};
use crate::protocol::Code;
use crate::verb::{
    ArgumentView, CommandLine, CommandList, CommandView, Describe, Explain, ExplainView, List,
    Preview, PreviewView,
};

impl Serve for List {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        asked.done(state, &asked.granted(&grant), || {
            let policy = &state.settings().policy;
            let now = grant.asked();
            let commands = policy.granted_to(grant.member(), grant.source(), now);
            let line = |command: &std::sync::Arc<Command>| CommandLine {
                name: command.name.clone(),
                summary: command.summary.clone(),
            };
            Ok(CommandList {
                commands: commands.iter().map(line).collect(),
                out_of_hours: policy.out_of_hours(grant.member(), now),
            })
        });
    }
}

impl Serve for Describe {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        asked.done(state, &asked.granted(&grant), || {
            Ok(describe(grant.allowed()))
        });
    }
}

impl Serve for Preview {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let plan = grant.allowed();
        asked.done(state, &asked.granted(&grant).with_plan(plan), || {
            Ok(PreviewView {
                rule: grant.rule().into(),
                argv: plan.shown.clone(),
                run_as: plan.command.run_as.name().into(),
                cwd: plan.command.cwd.to_string_lossy().into_owned(),
            })
        });
    }
}

impl Serve for Explain {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let policy = &state.settings().policy;
        let explanation = policy.explain(
            grant.member(),
            &grant.verb().0,
            grant.source(),
            grant.asked(),
        );
        let refusal = explanation.outcome.as_ref().err();
        let mut record = asked.granted(&grant);
        record.keep_text = !refusal.is_some_and(|refusal| refusal.holds_secret);
        asked.done(state, &record, || Ok(explain(&explanation)));
    }
}

/// To `describe`.
pub fn describe(command: &Command) -> CommandView {
    let positions = command.template.positions();
    let mut order = positions.clone();
    order.extend((0..command.arguments.len()).filter(|index| !positions.contains(index)));
    let view = |index: &usize| {
        command
            .arguments
            .get(*index)
            .map(|argument| argument_view(argument, positions.contains(index)))
    };

    CommandView {
        name: command.name.clone(),
        summary: command.summary.clone(),
        usage: command.usage(),
        arguments: order.iter().filter_map(view).collect(),
        stdin: command.stdin != Stdin::None,
        stdin_max: match command.stdin {
            Stdin::Accepted { max } => max,
            Stdin::None => None,
        },
        timeout_ms: command
            .timeout
            .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        confirm: command.confirm,
        approval_by: command.approval.as_ref().map(|rule| rule.by.clone()),
        approval_needed: command.approval.as_ref().map(|rule| rule.needed as u64),
        record: command.record.map(|record| record.word().to_owned()),
        outlives_client: command.on_disconnect == OnDisconnect::Continue,
        terminal: command.pty,
        reason: command.reason.as_ref().map(|form| form.pattern.clone()),
    }
}

fn argument_view(argument: &Argument, has_hole: bool) -> ArgumentView {
    ArgumentView {
        name: argument.name.clone(),
        kind: argument.kind.word().into(),
        bounds: bounds(argument),
        choices: match &argument.kind {
            Kind::Choice(choices) => choices.words().map(str::to_owned).collect(),
            _ => Vec::new(),
        },
        required: argument.presence == Presence::Required
            && !matches!(argument.kind, Kind::Flag(_)),
        default: match &argument.presence {
            Presence::Default(text) if argument.secret => {
                Some("***".chars().take(text.len().min(3)).collect())
            }
            Presence::Default(text) => Some(text.clone()),
            _ => None,
        },
        repeated: argument.repeated.is_some(),
        secret: argument.secret,
        positional: has_hole && !argument.secret && !matches!(argument.kind, Kind::Flag(_)),
        summary: argument.summary.clone(),
    }
}

/// What each value may be, and how many there may be.
fn bounds(argument: &Argument) -> String {
    let most = argument
        .repeated
        .map(|most| format!("at most {most} values"));
    let of_each = Some(argument.kind.bounds()).filter(|bounds| !bounds.is_empty());
    let parts: Vec<String> = of_each.into_iter().chain(most).collect();
    parts.join(", ")
}

/// To `explain`.
pub fn explain(explanation: &Explanation) -> ExplainView {
    let refusal = explanation.outcome.as_ref().err();
    ExplainView {
        decision: if refusal.is_none() {
            "granted"
        } else {
            "refused"
        }
        .into(),
        decided_by: explanation.rule.clone(),
        code: refusal.map(|refusal| Code::from(refusal.kind).number()),
        text: refusal.map(|refusal| refusal.text.clone()),
        argv: explanation.outcome.clone().unwrap_or_default(),
        considered: explanation.considered.clone(),
    }
}
