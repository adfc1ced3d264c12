//! Verbs about runs.

use super::Serve;
use crate::monitor::asked::Asked;
use crate::monitor::denied::Denied;
use crate::monitor::feed::Topic;
use crate::monitor::run::Run;
use crate::monitor::runs::{self, Over};
use crate::monitor::state::Shared;
use crate::policy::{Grant, Scope};
use crate::verb::{self, Attach, Cancel, Cancelled, RunLine, RunList, Runs, Signal, Signalled};

impl Serve for verb::Run {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        runs::begin(state, asked, grant);
    }
}

impl Serve for Attach {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let run = grant.allowed().to_string();
        let recorded = asked.granted(&grant).with_run(&run).write(state);
        let attached = recorded
            .map_err(|_| Denied::trail())
            .and_then(|()| runs::attach(state, asked, &grant));
        if let Err(denied) = attached {
            asked.deny(state, denied);
        }
    }
}

impl Serve for Signal {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let run = grant.allowed().to_string();
        asked.done(state, &asked.granted(&grant).with_run(&run), || {
            runs::signal(state, &grant)?;
            Ok(Signalled {
                signalled: run.clone(),
            })
        });
    }
}

impl Serve for Cancel {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let run = grant.allowed().to_string();
        asked.done(state, &asked.granted(&grant).with_run(&run), || {
            runs::cancel(state, &grant)?;
            Ok(Cancelled {
                cancelled: run.clone(),
            })
        });
    }
}

impl Serve for Runs {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let record = asked.granted(&grant);
        if !grant.verb().follow {
            return asked.done(state, &record, || Ok(list(state, &grant)));
        }
        match record.write(state) {
            Ok(()) => follow(state, asked, &grant),
            Err(_) => asked.deny(state, Denied::trail()),
        }
    }
}

/// The list as it is now in events, and then every change.
fn follow(state: &Shared, asked: &Asked<'_>, grant: &Grant<Runs>) {
    /// As many lines as fit into a message to the frontend, whatever their names are.
    const LINES: usize = 64;

    let id = state.audit.trail().head().seq;
    let runs = list(state, grant).runs;
    let mut begin: Vec<RunList> = runs
        .chunks(LINES)
        .map(|runs| RunList {
            runs: runs.to_vec(),
        })
        .collect();

    // An empty list is told too: whoever follows knows from then on that nothing is missed.
    if begin.is_empty() {
        begin.push(RunList { runs: Vec::new() });
    }
    let place = (asked.connection, asked.stream);
    let what = (Topic::Runs, grant.user().clone(), *grant.allowed());
    state.feed.follow(&state.link, place, what, (id, begin));
}

/// Runs that have ended, as long as they are kept, and those that go on.
fn list(state: &Shared, grant: &Grant<Runs>) -> RunList {
    /// The answer to a signed request is one frame.
    const MOST: usize = 1000;

    let shown = |owner: &str| *grant.allowed() == Scope::All || *owner == **grant.user();
    let ended = state.runs.ended.borrow();
    let mut lines: Vec<RunLine> = ended
        .iter(state.settings().retention)
        .filter(|over| shown(&over.ran.user))
        .map(Over::line)
        .collect();

    // One whose end is being recorded is in both.
    let runs = state.runs.going.borrow();
    let mut going: Vec<_> = runs
        .values()
        .filter(|run| shown(&run.user))
        .filter(|run| !lines.iter().any(|line| line.run == run.id.to_string()))
        .collect();
    going.sort_by_key(|run| run.since);
    lines.extend(going.into_iter().map(Run::line));

    let skipped = lines.len().saturating_sub(MOST);
    RunList {
        runs: lines.split_off(skipped),
    }
}
