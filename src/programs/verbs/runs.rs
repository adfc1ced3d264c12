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
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Which runs are to be shown.
pub struct Wanted<'w> {
    /// Only what waits or goes on.
    pub going: bool,
    /// Only this user's.
    pub user: Option<&'w str>,
    /// Only this command's.
    pub command: Option<&'w str>,
}

impl Wanted<'_> {
    fn of(&self, runs: Vec<RunLine>) -> Vec<RunLine> {
        let is = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
        let mut runs = runs;
        runs.retain(|run| {
            let goes_on = run.ended.is_none() || !self.going;
            goes_on && is(self.user, &run.user) && is(self.command, &run.command)
        });
        runs
    }
}

/// `ordain runs`: as they are now, or every change from now on.
pub async fn runs(
    args: &ClientArgs,
    session: &Session,
    follow: bool,
    wanted: &Wanted<'_>,
) -> Result<Status, ClientError> {
    if follow {
        return followed(args, session, wanted).await;
    }
    let RunList { runs } = session.ask(&Runs::default()).await?;
    let runs = wanted.of(runs);
    if args.json {
        say_json(&json!({ "runs": runs }));
    } else if !runs.is_empty() {
        let rows: Vec<_> = runs.iter().map(row).collect();
        Columns::of(&rows).say(&rows);
    }
    Ok(Status::OK)
}

/// Tells every change until the server ends the stream, or somebody here does.
async fn followed(
    args: &ClientArgs,
    session: &Session,
    wanted: &Wanted<'_>,
) -> Result<Status, ClientError> {
    let mut following = session.follow(&Runs { follow: true }).await?;
    let mut columns = None;
    loop {
        let mut event = following.next().await?;
        event.what = event.what.map(|list| RunList {
            runs: wanted.of(list.runs),
        });
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
        let rows: Vec<_> = runs.iter().map(row).collect();
        match &columns {
            Some(columns) => Columns::rows(columns, &rows),
            None if rows.is_empty() => {}
            None => columns.insert(Columns::of(&rows)).say(&rows),
        }
    }
}

/// What is shown of a run, from left to right.
type Row = [String; 7];

const HEADER: [&str; 7] = [
    "RUN",
    "USER",
    "COMMAND",
    "SINCE",
    "TIME",
    "STATE",
    "ARGUMENTS",
];

/// A run as a row for people.
fn row(run: &RunLine) -> Row {
    let took = match run.seconds {
        0 => "<1s".to_owned(),
        seconds @ 1..60 => format!("{seconds}s"),
        seconds => Human(Duration::from_secs(seconds)).to_string(),
    };
    let state = match (&run.ended, run.number) {
        (None, _) if run.waiting => "waits".to_owned(),
        (None, _) => "goes on".to_owned(),
        (Some(reason), Some(number)) => format!("{} {number}", plain(reason)),
        (Some(reason), None) => plain(reason),
    };
    [
        plain(&run.run),
        plain(&run.user),
        plain(&run.command),
        moment(run.since),
        took,
        state,
        plain(&run.arguments),
    ]
}

/// `2026-11-27T08:00:00Z`; a server may say a time that is none.
pub fn moment(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "-".to_owned())
}

/// Characters that a column has at the most: what a server says may be of any length.
const WIDEST: usize = 64;

/// The widths of the columns: of the widest of the first rows, which later ones may be beyond.
struct Columns([usize; 7]);

impl Columns {
    fn of(rows: &[Row]) -> Self {
        let mut widths = HEADER.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count()).min(WIDEST);
            }
        }
        Self(widths)
    }

    /// The header and the rows.
    fn say(&self, rows: &[Row]) {
        self.line(&HEADER.map(str::to_owned));
        self.rows(rows);
    }

    fn rows(&self, rows: &[Row]) {
        rows.iter().for_each(|row| self.line(row));
    }

    fn line(&self, row: &Row) {
        let cells = row.iter().zip(self.0);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        say(line.join("  ").trim_end());
    }
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
    follow::follow(how, attached, follow::FromInput::default()).await
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
