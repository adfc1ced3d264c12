//! `ordain list`, `describe`, `explain`, and what `run` does before it runs.

use crate::cli::{ClientArgs, ExplainArgs, RunArgs};
use crate::client::{ClientError, Session};
use crate::exit::{Human, Status};
use crate::limits;
use crate::programs::display::{explanation, plain, quoted};
use crate::programs::target::Target;
use crate::programs::{complain, invoke, run, say, say_json};
use crate::verb::{ArgumentView, CommandList, CommandView, Explain, List, Preview};
use std::cell::Cell;
use std::time::Duration;

pub async fn run_verb(
    args: &ClientArgs,
    run: &RunArgs,
    target: &Target,
    session: &Session,
    beginning: (run::Waiting, &Cell<bool>),
) -> Result<Status, ClientError> {
    let (invocation, described) = invoke::invocation(args, run, target, session).await?;
    if run.dry_run {
        let preview = session.ask(&Preview(invocation)).await?;
        if args.json {
            say_json(&serde_json::json!(preview));
        } else {
            say(&format!("granted by {}", plain(&preview.rule)));
            say(&format!(
                "as {} in {}:",
                plain(&preview.run_as),
                plain(&preview.cwd)
            ));
            say(&format!("  {}", quoted(&preview.argv)));
            let view = match described {
                Some(view) => view,
                None => invoke::described(session, run.command()).await?,
            };
            if let Some(form) = view.reason.filter(|_| run.reason.is_none()) {
                say(&format!(
                    "but it wants a reason of the form {} (--reason)",
                    plain(&form)
                ));
            }
            if view.confirm {
                say("and to be confirmed (--yes)");
            }
        }
        return Ok(Status::OK);
    }
    let server = (target, session);
    run::perform(args, run, server, invocation, described, beginning).await
}

pub async fn list(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let list = session.ask(&List {}).await?;
    if args.json {
        say_json(&serde_json::json!(list));
        return Ok(Status::OK);
    }
    let CommandList {
        commands,
        out_of_hours,
    } = list;

    if commands.is_empty() {
        complain(&format!(
            "ordain: `{}` may run nothing here",
            plain(session.user())
        ));
    }
    for role in &out_of_hours {
        complain(&format!("ordain: not now: {}", plain(role)));
    }

    let width = commands
        .iter()
        .map(|command| command.name.chars().count())
        .max()
        .unwrap_or(0)
        .min(limits::NAME);
    for command in commands {
        say(format!(
            "{:width$}  {}",
            plain(&command.name),
            plain(&command.summary)
        )
        .trim_end());
    }

    Ok(Status::OK)
}

pub async fn describe(
    args: &ClientArgs,
    session: &Session,
    command: &str,
) -> Result<Status, ClientError> {
    let view = invoke::described(session, command).await?;
    if args.json {
        say_json(&serde_json::json!(view));
    } else {
        for line in description(&view) {
            say(&line);
        }
    }
    Ok(Status::OK)
}

fn description(view: &CommandView) -> Vec<String> {
    let mut lines = vec![
        [plain(&view.name), plain(&view.summary)]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" - "),
        format!("usage: ordain run HOST {}", plain(&view.usage)),
    ];

    for argument in &view.arguments {
        lines.push(argument_line(argument));
        if !argument.summary.is_empty() {
            lines.push(format!("      {}", plain(&argument.summary)));
        }
    }
    lines.extend(ways(view));
    lines
}

/// An argument: what it is, its bounds, and whether it must be given.
fn argument_line(argument: &ArgumentView) -> String {
    let mut notes = vec![plain(&argument.kind), plain(&argument.bounds)];
    notes.retain(|note| !note.is_empty());
    if argument.repeated {
        notes.push("may be repeated".into());
    }
    if argument.secret {
        notes.push("secret".into());
    }
    match &argument.default {
        Some(default) => notes.push(format!("default {}", plain(default))),
        None if argument.required => notes.push("required".into()),
        None => notes.push("optional".into()),
    }

    format!("  {}: {}", plain(&argument.name), notes.join(", "))
}

/// What else is to be known of a run of it.
fn ways(view: &CommandView) -> Vec<String> {
    let mut lines = Vec::new();
    if view.stdin {
        let bound = view
            .stdin_max
            .map(|max| format!(", at most {max} bytes"))
            .unwrap_or_default();
        lines.push(format!("takes standard input{bound}"));
    }

    if let Some(milliseconds) = view.timeout_ms {
        lines.push(format!(
            "is ended after {}",
            Human(Duration::from_millis(milliseconds))
        ));
    }

    if view.outlives_client {
        lines.push("goes on when its client leaves; `ordain attach` follows it".into());
    }
    if view.terminal {
        lines.push("gets a terminal".into());
    }
    if let Some(form) = &view.reason {
        lines.push(format!(
            "wants a reason of the form {} (--reason)",
            plain(form)
        ));
    }

    if view.confirm {
        lines.push("wants to be confirmed".into());
    }
    match view.record.as_deref() {
        None => {}
        Some("required") => lines.push("is recorded: it does not run without that".into()),
        Some(_) => lines.push("is recorded, as far as that can be done".into()),
    }
    if let Some(role) = &view.approval_by {
        let (needed, role) = (view.approval_needed.unwrap_or(1), plain(role));
        lines.push(format!(
            "begins when {needed} with the role {role} have agreed"
        ));
    }
    lines
}

pub async fn explain_verb(
    args: &ClientArgs,
    explain: &ExplainArgs,
    target: &Target,
    session: &Session,
) -> Result<Status, ClientError> {
    let invocation = invoke::explained(args, explain, target, session).await?;
    let view = session.ask(&Explain(invocation)).await?;
    if args.json {
        say_json(&serde_json::json!(view));
        return Ok(Status::OK);
    }
    explanation(&view).iter().for_each(|line| say(line));
    Ok(Status::OK)
}
