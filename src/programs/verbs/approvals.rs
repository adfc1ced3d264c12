//! `ordain approvals`, `approve` and `deny`: runs that begin only when others have agreed to them.

use crate::cli::ClientArgs;
use crate::client::{ClientError, Session};
use crate::exit::{Human, Status};
use crate::programs::ask::{self, Wanted};
use crate::programs::display::plain;
use crate::programs::{say, say_json};
use crate::protocol::Code;
use crate::verb::{
    ApprovalLine, ApprovalList, Approvals, Approve, ApprovedRun, DeniedRun, Deny, RunPlan,
    plan_digest,
};
use std::time::Duration;

/// `ordain approvals`
pub async fn approvals(
    args: &ClientArgs,
    session: &Session,
    run: Option<&str>,
) -> Result<Status, ClientError> {
    if let Some(run) = run {
        let (line, plan) = find(session, run).await?;
        if args.json {
            say_json(&serde_json::json!(line));
        } else {
            show(&line, &plan);
        }
        return Ok(Status::OK);
    }
    let ApprovalList { approvals, more } = session.ask(&Approvals {}).await?;
    if args.json {
        say_json(&serde_json::json!({ "approvals": approvals, "more": more }));
        return Ok(Status::OK);
    }
    for line in &approvals {
        let plan = read(line)?;
        let whose = if line.yours {
            ""
        } else {
            " (not yours to decide)"
        };
        say(&format!(
            "{}  {} of {}: {}{whose}, {} of {} have agreed, for another {}",
            plain(&plan.run),
            plain(&plan.command),
            plain(&plan.requester),
            plan.argv
                .iter()
                .map(|word| shown(word))
                .collect::<Vec<_>>()
                .join(" "),
            line.agreed.len(),
            plan.needed,
            left(line),
        ));
    }
    if more > 0 {
        say(&format!("and {more} more than an answer holds"));
    }
    Ok(Status::OK)
}

/// `ordain approve`
pub async fn approve(
    args: &ClientArgs,
    session: &Session,
    (host, run, yes): (&str, &str, bool),
) -> Result<Status, ClientError> {
    let (line, plan) = find(session, run).await?;
    if !yes {
        show(&line, &plan);
        ask::agree(&Wanted::of(host, "agree to this run?"))?;
    }
    // What was shown is what is signed: the digest is of the text that the plan was read from.
    let approve = Approve {
        run: named(&plan.run)?,
        plan: plan_digest(&line.plan),
        command: plan.command,
    };
    let ApprovedRun { approved, missing } = session.ask(&approve).await?;
    if args.json {
        say_json(&serde_json::json!({ "approved": approved, "missing": missing }));
    } else if missing > 0 {
        say(&format!("agreed; {missing} more must"));
    } else {
        say("agreed");
    }
    Ok(Status::OK)
}

/// `ordain deny`
pub async fn deny(
    args: &ClientArgs,
    session: &Session,
    (run, reason): (&str, Option<&str>),
) -> Result<Status, ClientError> {
    let (line, plan) = find(session, run).await?;
    let deny = Deny {
        run: named(&plan.run)?,
        plan: plan_digest(&line.plan),
        command: plan.command,
        reason: reason.map(str::to_owned),
    };
    let DeniedRun { denied } = session.ask(&deny).await?;
    if args.json {
        say_json(&serde_json::json!({ "denied": denied }));
    }
    Ok(Status::OK)
}

/// The run of this id among those that wait, with its plan.
async fn find(session: &Session, run: &str) -> Result<(ApprovalLine, RunPlan), ClientError> {
    let list = session.ask(&Approvals {}).await?;
    for line in list.approvals {
        let plan = read(&line)?;
        if plan.run == run {
            return Ok((line, plan));
        }
    }
    let text = "no such run waits for somebody to agree to it";
    Err(ClientError::new(Code::NoSuchRun, text))
}

/// A plan, of which nothing may be unknown: who agrees has to have seen all of it.
fn read(line: &ApprovalLine) -> Result<RunPlan, ClientError> {
    let read: Result<RunPlan, _> = serde_json::from_str(&line.plan);
    let plan = read.map_err(|fault| {
        let text = format!("the server tells of a plan that this client cannot read: {fault}");
        ClientError::new(Code::Protocol, text)
    })?;
    match plan.version {
        1 => Ok(plan),
        version => {
            let text = format!("the plan has version {version}, and this client knows 1 alone");
            Err(ClientError::new(Code::Protocol, text))
        }
    }
}

fn named(run: &str) -> Result<crate::ids::Named<crate::ids::RunId>, ClientError> {
    let run: Result<crate::ids::RunId, _> = run.parse();
    run.map(Into::into)
        .map_err(|_| ClientError::new(Code::Protocol, "the plan names no run"))
}

fn left(line: &ApprovalLine) -> String {
    Human(Duration::from_secs(line.left_s)).to_string()
}

/// Everything that is agreed to.
fn show(line: &ApprovalLine, plan: &RunPlan) {
    say(&format!("run:          {}", plain(&plan.run)));
    say(&format!(
        "asked for by: {} from {}",
        plain(&plan.requester),
        plain(&plan.source)
    ));
    if plan.unattended {
        say("begins:       by itself, also while they are away");
    }
    if let Some(reason) = &plan.reason {
        say(&format!("reason:       {}", shown(reason)));
    }
    say(&format!("command:      {}", plain(&plan.command)));
    for word in &plan.argv {
        say(&format!("  argv        {}", shown(word)));
    }
    for (name, commitment) in &plan.secrets {
        say(&format!(
            "  secret      {} ({})",
            plain(name),
            plain(commitment)
        ));
    }
    for variable in &plan.environment {
        say(&format!("  variable    {}", shown(variable)));
    }
    say(&format!(
        "runs as:      {} in {}, standard input: {}",
        plain(&plan.run_as),
        shown(&plan.cwd),
        plain(&plan.stdin)
    ));
    for file in &plan.files {
        let since = match &line.changed {
            None => "",
            Some(changed) if changed.contains(&file.path) => ", CHANGED since it last ran here",
            Some(_) => ", as when it last ran here",
        };
        say(&format!(
            "  file        {} sha256 {}{since}",
            shown(&file.path),
            plain(&file.sha256)
        ));
    }
    say(&format!("rules:        sha256 {}", plain(&plan.rules)));
    let agreed: Vec<String> = line.agreed.iter().map(|user| plain(user)).collect();
    let agreed = match agreed.is_empty() {
        true => "nobody yet".to_owned(),
        false => agreed.join(", "),
    };
    say(&format!(
        "must agree:   {} with the role {}; so far {agreed}; for another {}",
        plan.needed,
        plain(&plan.by),
        left(line)
    ));
    say(&format!("plan:         sha256 {}", plan_digest(&line.plan)));
}

/// A text in quotes, in which everything that a terminal would not show as itself is spelled out: what
/// is agreed to must not look like something else. Behind a word with letters beyond those of Latin-1,
/// which may look like those, or run from right to left, stands how it is spelled.
fn shown(text: &str) -> String {
    let foreign = |c: char| c.is_alphanumeric() && c > LAST_LATIN;
    let kept = quoted(text, |c| c <= LAST_LATIN || (foreign(c) && !misleads(c)));
    match text.chars().any(foreign) {
        true => format!("{kept} (spelled {})", quoted(text, |c| c <= LAST_LATIN)),
        false => kept,
    }
}

/// The last letter of the block Latin-1: those behind it have some that look like others, too.
const LAST_LATIN: char = '\u{ff}';

/// In quotes; letters and digits are shown where they may be.
fn quoted(text: &str, may: impl Fn(char) -> bool) -> String {
    let mut shown = String::from("\"");
    for c in text.chars() {
        let plain = c.is_ascii_graphic() || c == ' ' || (c.is_alphanumeric() && may(c));
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            _ if plain => shown.push(c),
            _ => shown.extend(c.escape_unicode()),
        }
    }
    shown.push('"');
    shown
}

/// Whether a letter turns the order of what stands beside it, or is not seen: the blocks that are
/// written from right to left, and the fillers that count as letters.
const fn misleads(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_agreed_to_shows_itself() {
        for (text, expected) in [
            ("", r#""""#),
            ("prod db", r#""prod db""#),
            ("größe", r#""größe""#),
            ("a\nb\t", r#""a\u{a}b\u{9}""#),
            ("\u{1b}[2K", r#""\u{1b}[2K""#),
            ("a\u{202e}b\u{2066}", r#""a\u{202e}b\u{2066}""#),
            ("a\u{200b}b\u{feff}", r#""a\u{200b}b\u{feff}""#),
            (r#"" "\"#, r#""\" \"\\""#),
            // A letter that looks like another, one that is not seen, and letters that turn the order.
            ("p\u{430}y", "\"p\u{430}y\" (spelled \"p\\u{430}y\")"),
            ("a\u{3164}", r#""a\u{3164}" (spelled "a\u{3164}")"#),
            ("\u{5d0}-1", r#""\u{5d0}-1" (spelled "\u{5d0}-1")"#),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
