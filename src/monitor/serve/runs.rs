//! Verbs about runs.

use super::Serve;
use crate::ids::RunId;
use crate::ledger::Share;
use crate::monitor::asked::Asked;
use crate::monitor::denied::Denied;
use crate::monitor::feed::Topic;
use crate::monitor::run::{Attachment, Run};
use crate::monitor::runs::{self, Over};
use crate::monitor::session::Followed;
use crate::monitor::state::Shared;
use crate::policy::{Grant, Scope};
use crate::verb::{self, Attach, Cancel, Cancelled, RunLine, RunList, Runs, Signal, Signalled};
use std::collections::HashSet;

impl Serve for verb::Run {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        runs::begin(state, asked, grant.into());
    }
}

impl Serve for Attach {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let run = grant.allowed().to_string();
        let attachment = Attachment::of(&grant);
        let share = match runs::share_to_follow(state, asked, &attachment) {
            Ok(share) => share,
            Err(spent) => return asked.over_limit(state, grant.verb(), &spent),
        };
        let recorded = asked.granted(&grant).with_run(&run).write(state);
        let attached = recorded
            .map_err(|_| Denied::trail())
            .and_then(|()| runs::join(state, asked, attachment, share));
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
    const TAKES_AWAY: bool = true;

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
        let share = state.ledger.charge(grant.user(), Share::Follows, 1);
        let share = match share {
            Ok(share) => share,
            Err(spent) => return asked.over_limit(state, grant.verb(), &spent),
        };
        match record.write(state) {
            Ok(()) => {
                let place = (asked.connection, asked.stream);
                state.sessions.hold(place, Followed::Runs, share);
                follow(state, asked, &grant);
            }
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
    let over: HashSet<RunId> = ended
        .iter(state.settings().retention)
        .map(|over| over.ran.run)
        .collect();
    let runs = state.runs.going.borrow();
    let mut going: Vec<_> = runs
        .values()
        .filter(|run| shown(&run.user) && !over.contains(&run.id))
        .collect();
    going.sort_by_key(|run| run.since);
    lines.extend(going.into_iter().map(Run::line));

    let skipped = lines.len().saturating_sub(MOST);
    RunList {
        runs: lines.split_off(skipped),
    }
}
