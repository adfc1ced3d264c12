//! Whether each run of a trail was granted, began once and ended once.

use super::report::{Page, Report};
use super::seen::{Seen, SignedRequest};
use crate::ids::{RequestId, RunId};
use std::collections::HashMap;

/// A run that goes on, as far as the records have come.
struct Going {
    /// Who asked for it, and for what; not known of one whose request was not seen.
    asked: Option<(String, String)>,
    /// Whether its start was seen, or anything that comes behind it.
    begun: bool,
    /// Whether its start was seen.
    started: bool,
    /// Of a put, where to, and what was signed that is to be placed.
    put: Option<(Place, Option<Sum>)>,
}

/// A root, and the path below it.
type Place = (String, String);
/// A digest, the entries and the bytes of a manifest.
type Sum = (String, u64, u64);

/// Where a request wants files to be placed.
fn place(signed: &SignedRequest<'_>) -> Place {
    let root = signed.root.as_deref().unwrap_or_default();
    (
        root.to_owned(),
        signed.place().unwrap_or_default().to_owned(),
    )
}

/// All runs up to a record.
#[derive(Default)]
pub(super) struct Runs {
    going: HashMap<RunId, Going>,
    /// Those that are over, and whether their request was seen.
    over: HashMap<RunId, bool>,
    /// What each request has led to, by its user and its id.
    requested: HashMap<(String, RequestId), RunId>,
    /// Records that could not be written: as many runs may be without a request.
    unrecorded: u64,
}

/// The run that a record names.
fn named(seen: &Seen<'_>, page: &mut Page<'_>) -> Option<RunId> {
    let run = seen.run.as_deref().and_then(|run| run.parse().ok());
    if run.is_none() {
        page.fault("names no run");
    }
    run
}

impl Runs {
    /// A daemon has started, which goes on with no run of the one before it, or the trail has ended.
    pub fn restart(&mut self, report: &mut Report) {
        report.open.without_end += self.going.len() as u64;
        let ended = self.going.drain();
        self.over
            .extend(ended.map(|(run, going)| (run, going.asked.is_some())));
    }

    /// So many records of commands that go on without could not be written.
    pub fn gap(&mut self, missed: u64) {
        self.unrecorded = self.unrecorded.saturating_add(missed);
    }

    /// A request that begins a run was granted. One with an argv is about to begin, one without is the same request
    /// again.
    pub fn granted(&mut self, seen: &Seen<'_>, signed: &SignedRequest<'_>, page: &mut Page<'_>) {
        let Some(run) = named(seen, page) else { return };
        let Ok(id) = signed.id.parse() else {
            return page.fault("was signed with an id that is none");
        };
        let command = match signed.right() {
            Some(right) => format!("{}:{right}", signed.root.as_deref().unwrap_or_default()),
            None => seen.command.clone().unwrap_or_default().into_owned(),
        };
        let user = seen.user.clone().into_owned();
        let request = (user.clone(), id);
        let earlier = self.requested.get(&request).copied();
        if seen.argv.is_none() {
            return self.again(run, earlier, page);
        }

        if self.going.contains_key(&run) || self.over.contains_key(&run) {
            return page.fault(format!("begins the run {run}, which has begun before"));
        }
        // One that has not begun may have failed to, where that could not be recorded.
        let first = earlier.and_then(|earlier| self.going.get(&earlier));
        if first.is_some_and(|first| first.begun) {
            page.fault("begins a second run of one request, whose first goes on");
        }
        self.requested.insert(request, run);
        let going = Going {
            asked: Some((user, command)),
            begun: false,
            started: false,
            put: (signed.verb == "put").then(|| (place(signed), None)),
        };
        self.going.insert(run, going);
    }

    fn again(&mut self, run: RunId, earlier: Option<RunId>, page: &mut Page<'_>) {
        match earlier {
            Some(earlier) if earlier == run => {}
            Some(earlier) => page.fault(format!(
                "gives the same request again the run {run}, but it has led to {earlier}"
            )),
            None if self.unasked(run) => {}
            None => self.unknown(run, page),
        }
    }

    /// Whether a run is known, but not what it was asked for with.
    fn unasked(&self, run: RunId) -> bool {
        let over = self.over.get(&run).map(|asked| !asked);
        let going = self.going.get(&run).map(|going| going.asked.is_none());
        going.or(over).unwrap_or(false)
    }

    /// A run that no request has begun, as far as was seen: it may stand for a record that is not
    /// here.
    fn unknown(&mut self, run: RunId, page: &mut Page<'_>) {
        if page.complete {
            let Some(fewer) = self.unrecorded.checked_sub(1) else {
                return page.fault(format!(
                    "names the run {run}, which no granted request began"
                ));
            };
            self.unrecorded = fewer;
        }
        page.report.open.unknown_runs += 1;
        let going = Going {
            asked: None,
            begun: false,
            started: false,
            put: None,
        };
        self.going.insert(run, going);
    }

    /// A `commit` was granted: of a put of the same user that goes on, to the same place, once.
    pub fn committed(&mut self, seen: &Seen<'_>, signed: &SignedRequest<'_>, page: &mut Page<'_>) {
        let Some(run) = named(seen, page) else { return };
        if self.over.contains_key(&run) {
            return page.fault(format!("commits the run {run}, which has ended before"));
        }
        let Some(going) = self.going.get_mut(&run) else {
            page.report.open.unknown_runs += 1;
            return;
        };
        let Some((user, _)) = &going.asked else {
            return;
        };
        let sum = signed.digest.as_deref().zip(signed.files.zip(signed.bytes));
        match (&mut going.put, sum) {
            (Some((to, committed)), Some((digest, (files, bytes))))
                if *user == seen.user
                    && *to == place(signed)
                    && committed.is_none()
                    && going.begun =>
            {
                *committed = Some((digest.to_owned(), files, bytes));
            }
            _ => page.fault(format!(
                "commits the run {run}, which is no put of this user to this place that waits for it"
            )),
        }
    }

    /// A request that is about a run was granted. The run may be older than the trail.
    pub fn about(&self, seen: &Seen<'_>, page: &mut Page<'_>) {
        let Some(run) = named(seen, page) else { return };
        if !self.going.contains_key(&run) && !self.over.contains_key(&run) {
            page.report.open.unknown_runs += 1;
        }
    }

    /// A record of a run that goes on: its start, that it was handed on, its executable.
    pub fn goes_on(&mut self, seen: &Seen<'_>, page: &mut Page<'_>) {
        let Some(run) = named(seen, page) else { return };
        let start = seen.kind == "start";
        self.look(run, page);
        let Some(going) = self.going.get_mut(&run) else {
            return;
        };
        if start && going.begun {
            page.fault(format!("is not the first record of the run {run}"));
        }
        going.begun = true;
        going.started |= start;
        let of_command = seen.kind == "executable";
        if let Some((_, asked)) = going.asked.as_ref().filter(|_| of_command)
            && Some(asked.as_str()) != seen.command.as_deref()
        {
            page.fault(format!("names another command than the run {run} has"));
        }
    }

    /// A run has ended, or could not begin.
    pub fn end(&mut self, seen: &Seen<'_>, page: &mut Page<'_>) {
        let Some(run) = named(seen, page) else { return };
        self.look(run, page);
        let Some(going) = self.going.remove(&run) else {
            return;
        };
        self.over.insert(run, going.asked.is_some());
        if seen.reason.as_deref() == Some("not-started") {
            if going.begun {
                page.fault(format!("says that the run {run} did not begin, but it did"));
            }
        } else if !going.started && (going.asked.is_some() || page.complete) {
            page.report.open.without_start += 1;
        }

        if let Some((_, committed)) = &going.put
            && seen.reason.as_deref() == Some("exit")
            && seen.number == Some(0)
        {
            let said = seen.digest.as_deref().zip(seen.files.zip(seen.bytes));
            let said = said.map(|(digest, (files, bytes))| (digest.to_owned(), files, bytes));
            if said.is_none() || said != *committed {
                page.fault(format!(
                    "says that the run {run} has placed what its user has not signed"
                ));
            }
        }
        let Some((user, command)) = going.asked else {
            return;
        };
        if user != seen.user || Some(command.as_str()) != seen.command.as_deref() {
            page.fault(format!(
                "says that the run {run} is `{}` of `{}`, but `{}` has asked for `{}`",
                seen.command.as_deref().unwrap_or_default().escape_debug(),
                seen.user.escape_debug(),
                user.escape_debug(),
                command.escape_debug()
            ));
        }
    }

    /// Looks for a run that must go on.
    fn look(&mut self, run: RunId, page: &mut Page<'_>) {
        if self.over.contains_key(&run) {
            page.fault(format!("speaks of the run {run}, which has ended before"));
        } else if !self.going.contains_key(&run) {
            self.unknown(run, page);
        }
    }
}
