//! `ordain runs`, `attach`, `output`, `signal` and `cancel`.

use crate::cli::ClientArgs;
use crate::client::{ClientError, Durable, Options, Session};
use crate::exit::{Human, Status};
use crate::ids::{Named, RunId};
use crate::programs::display::plain;
use crate::programs::{complain, follow, say, say_json};
use crate::protocol::Code;
use crate::verb::{Attach, Cancel, Cancelled, RunLine, RunList, Runs, Signal, Signalled};
use serde_json::json;
use std::time::Duration;

/// `ordain runs`: as they are now, or every change from now on.
pub async fn runs(
    args: &ClientArgs,
    session: &Session,
    follow: bool,
) -> Result<Status, ClientError> {
    if follow {
        return followed(args, session).await;
    }
    let RunList { runs } = session.ask(&Runs::default()).await?;
    if args.json {
        say_json(&json!({ "runs": runs }));
    } else {
        runs.iter().for_each(|run| say(&line(run)));
    }
    Ok(Status::OK)
}

/// Tells every change until the server ends the stream, or somebody here does.
async fn followed(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let mut following = session.follow(&Runs { follow: true }).await?;
    loop {
        let event = following.next().await?;
        if args.json {
            say_json(&json!(event));
            continue;
        }
        if event.missed > 0 {
            let missed = event.missed;
            complain(&format!(
                "ordain: {missed} changes were missed, because they came too fast"
            ));
        }
        let runs = event.what.map(|list| list.runs).unwrap_or_default();
        runs.iter().for_each(|run| say(&line(run)));
    }
}

/// A run as a line for people.
fn line(run: &RunLine) -> String {
    let took = match run.seconds {
        0 => "under a second".to_owned(),
        seconds @ 1..60 => format!("{seconds}s"),
        seconds => Human(Duration::from_secs(seconds)).to_string(),
    };
    let state = match (&run.ended, run.number) {
        (None, _) if run.waiting => format!("waits for its turn, {took} so far"),
        (None, _) => format!("goes on, {took} so far"),
        (Some(reason), Some(number)) => format!("{} {number} after {took}", plain(reason)),
        (Some(reason), None) => format!("{} after {took}", plain(reason)),
    };
    let (id, user, command) = (plain(&run.run), plain(&run.user), plain(&run.command));
    format!("{id}  {user}  {command}  {state}")
}

/// A run's id as it was typed.
fn id(run: &str) -> Result<Named<RunId>, ClientError> {
    let id: Result<RunId, _> = run.parse();
    id.map(Named::from)
        .map_err(|_| ClientError::new(Code::NoSuchRun, "there is no such run"))
}

/// `attach` and `output`: as much as is kept, and what comes.
pub async fn attach(
    args: &ClientArgs,
    options: &Options,
    session: &Session,
    (run, stdout): (&str, Option<u64>),
    follow: bool,
    raw: bool,
) -> Result<Status, ClientError> {
    let run = id(run)?;
    let attachment = Attach {
        run,
        stdout,
        stderr: None,
        follow,
        resume: false,
    };
    let attached = Durable::watch(options.clone(), session.clone(), attachment).await?;
    let how = follow::How {
        json: args.json,
        raw,
        verbose: args.verbose,
        watching: true,
        ..follow::How::default()
    };
    follow::follow(&how, attached, follow::FromInput::default()).await
}

pub async fn signal(
    args: &ClientArgs,
    session: &Session,
    run: &str,
    name: &str,
) -> Result<Status, ClientError> {
    let run = id(run)?;
    let signal = name.strip_prefix("SIG").unwrap_or(name).to_uppercase();
    let Signalled { signalled } = session.ask(&Signal { run, signal }).await?;
    if args.json {
        say_json(&serde_json::json!({ "signalled": signalled }));
    }
    Ok(Status::OK)
}

pub async fn cancel(
    args: &ClientArgs,
    session: &Session,
    run: &str,
) -> Result<Status, ClientError> {
    let run = id(run)?;
    let Cancelled { cancelled } = session.ask(&Cancel { run }).await?;
    if args.json {
        say_json(&serde_json::json!({ "cancelled": cancelled }));
    }
    Ok(Status::OK)
}
