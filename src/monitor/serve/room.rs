//! Verbs about the room.

use super::Serve;
use crate::audit::{Record, What};
use crate::clock::seconds as now;
use crate::ids::RunId;
use crate::ledger::Share;
use crate::monitor::asked::{Asked, answer_to};
use crate::monitor::denied::Denied;
use crate::monitor::room::{self, Before};
use crate::monitor::session::Followed;
use crate::monitor::state::Shared;
use crate::policy::{Grant, Scope};
use crate::verb::{Room, Said, Say, Who, WhoLine, WhoList};
use std::collections::{BTreeMap, BTreeSet};

impl Serve for Say {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let share = match state.ledger.charge(grant.user(), Share::Said, 1) {
            Ok(share) => share,
            Err(spent) => return asked.over_limit(state, grant.verb(), &spent),
        };
        let Self { text, run } = grant.verb();
        let run = run.and_then(|run| run.0).map(|run| run.to_string());
        let mut record = asked.granted(&grant);
        if let Some(run) = &run {
            record = record.with_run(run);
        }
        asked.done(state, &record, || {
            let said = Record::now(What::Said {
                user: grant.user(),
                text,
                run: run.as_deref(),
            });
            state.record(&said).map_err(|_| Denied::trail())?;
            room::count(share);
            let said = state.audit.trail().head().seq;
            Ok(Said { said })
        });
    }
}

impl Serve for Room {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let share = match state.ledger.charge(grant.user(), Share::Follows, 1) {
            Ok(share) => share,
            Err(spent) => return asked.over_limit(state, grant.verb(), &spent),
        };
        if asked.granted(&grant).write(state).is_err() {
            return asked.deny(state, Denied::trail());
        }
        let place = (asked.connection, asked.stream);
        let since = grant.verb().since;
        let since = since.unwrap_or_else(|| state.audit.trail().head().seq);
        let before = match Before::behind(state, since) {
            Ok(before) => before,
            Err(denied) => return asked.deny(state, denied),
        };

        let (state, follow) = (state.clone(), grant.verb().follow);
        let hearer = (grant.user().clone(), *grant.allowed());
        state.sessions.hold(place, Followed::Room, share);
        tokio::task::spawn_local(async move {
            let done = if follow {
                room::come_in(&state, place, hearer, before).await
            } else {
                let page = room::page(&state, hearer, before).await;
                state.sessions.let_go(place);
                page.map(|page| answer_to(&state, place, &page))
            };
            if let Err(denied) = done {
                state.sessions.let_go(place);
                state.refuse(place, denied);
            }
        });
    }
}

impl Serve for Who {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        asked.done(state, &asked.granted(&grant), || Ok(who(state, &grant)));
    }
}

/// Who is there, as far as whoever asks may know.
fn who(state: &Shared, grant: &Grant<Who>) -> WhoList {
    /// As many as fit into an answer.
    const MOST: usize = 1000;
    /// Runs that are told of one user.
    const RUNS: usize = 64;

    let settings = state.settings();
    let policy = &settings.policy;
    let runs = policy.runs_seen_by(grant.member(), grant.source(), grant.asked());
    let asker = grant.user();
    let may_see = |user: &str, run: RunId| {
        let owner = state.runs.owner(run, settings.retention);
        runs == Scope::All || *user == **asker || owner.is_some_and(|owner| owner == *asker)
    };

    let mut lines: BTreeMap<String, (WhoLine, BTreeSet<String>)> = BTreeMap::new();
    for connection in state.sessions.connections.borrow().values() {
        let Some(session) = &connection.session else {
            continue;
        };
        let followed = || connection.follows.values().map(|(followed, _)| *followed);
        let watching = followed().filter_map(|followed| match followed {
            Followed::Run(run) if may_see(&session.user, run) => Some(run.to_string()),
            _ => None,
        });
        let watching: Vec<String> = watching.collect();
        let all = *grant.allowed() == Scope::All || session.user == *asker;
        if !all && watching.is_empty() {
            continue;
        }

        let age_s = now().saturating_sub(session.since);
        let user = session.user.to_string();
        let (line, runs) = lines.entry(user.clone()).or_insert_with(|| {
            let line = WhoLine {
                user,
                sessions: 0,
                age_s,
                in_room: false,
                watching: Vec::new(),
            };
            (line, BTreeSet::new())
        });
        line.sessions += 1;
        line.age_s = line.age_s.max(age_s);
        line.in_room |= all && followed().any(|followed| followed == Followed::Room);
        runs.extend(watching);
    }
    let lines = lines.into_values().take(MOST);
    let line = |(line, runs): (WhoLine, BTreeSet<String>)| WhoLine {
        watching: runs.into_iter().take(RUNS).collect(),
        ..line
    };
    WhoList {
        users: lines.map(line).collect(),
    }
}
