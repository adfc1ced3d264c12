//! What clients do before anybody knows who they are, and what users are refused, is recorded one by
//! one only as far as it tells something: neither must be able to fill the trail.

use super::state::Shared;
use super::strangers::{Deed, MINUTE, Sum};
use crate::audit::{Record, What};
use crate::source::Source;

/// Whether this deed gets a record of its own. Networks that are exempt from penalties are trusted
/// not to flood.
pub fn admits(state: &Shared, source: &Source, deed: Deed) -> bool {
    if state.settings().penalties.exempts(source) {
        return true;
    }
    state.audit.summary.borrow_mut().admits(source, deed)
}

/// Writes what was summed, when the minute is over or the daemon ends.
pub fn flush(state: &Shared, now: bool) {
    if !now && state.audit.summary.borrow().began.elapsed() < MINUTE {
        return;
    }
    let over = std::mem::take(&mut *state.audit.summary.borrow_mut());
    let seconds = over.began.elapsed().as_secs();
    for (user, (_, refused)) in over
        .users
        .into_iter()
        .filter(|(_, (_, counted))| *counted > 0)
    {
        let _ = state.record(&Record::now(What::Summed {
            source: "",
            user: Some(&user),
            requests_refused: Some(refused),
            connections: 0,
            logins_refused: 0,
            violations: 0,
            seconds,
        }));
    }
    let named = over
        .sources
        .into_iter()
        .map(|(source, (_, sum))| (source.to_string(), sum));
    for (source, sum) in named.chain([("others".to_owned(), over.others)]) {
        let Sum {
            connections,
            logins_refused,
            violations,
        } = sum;
        if connections + logins_refused + violations > 0 {
            let _ = state.record(&Record::now(What::Summed {
                source: &source,
                user: None,
                requests_refused: None,
                connections,
                logins_refused,
                violations,
                seconds,
            }));
        }
    }
}
