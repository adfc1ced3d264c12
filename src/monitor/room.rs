//! The room: the trail, told live to whoever is in it, as far as they may know of it. What was before
//! is read out of the trail's files, beside the thread that decides.

use super::denied::Denied;
use super::state::Shared;
use crate::audit::{Follower, Happening};
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ledger::Charge;
use crate::limits::{ROOM_PAGE, ROOM_RECORDS, SAID_COUNTS};
use crate::policy::Scope;
use crate::protocol::Code;
use crate::verb::{RoomEvent, RoomPage};
use std::io;
use std::sync::Arc;

/// Whoever hears: their name, and whose runs they may see.
pub type Hearer = (Arc<str>, Scope);

/// Tells what is written from now on, for as long as the daemon runs.
pub async fn tell(state: Shared) {
    loop {
        state.audit.written.notified().await;
        if !state.feed.has_room() {
            state.audit.keep_fresh(false);
            continue;
        }
        let happened = state.audit.fresh();
        let happened = happened.iter().filter_map(|line| Happening::read(line));
        for happening in happened {
            let id = happening.id();
            let told_to = |user: &str, runs: Scope| {
                let event = told_to(&state, &happening, user, runs)?;
                Some(RoomPage {
                    events: vec![event],
                    upto: id,
                    last: id,
                })
            };
            state.feed.publish_in_room(&state.link, id, told_to);
        }
    }
}

fn told_to(state: &Shared, happening: &Happening, user: &str, runs: Scope) -> Option<RoomEvent> {
    let retention = state.settings().retention;
    let owner = |run: RunId| state.runs.owner(run, retention);
    happening.told_to(user, runs, owner)
}

/// What somebody has said counts for a while.
pub fn count(said: Charge) {
    tokio::task::spawn_local(async move {
        tokio::time::sleep(SAID_COUNTS).await;
        drop(said);
    });
}

/// Reads the trail behind a record, page by page.
pub struct Before {
    follower: Follower,
    /// The last record that was looked at.
    upto: u64,
    /// The trail's last record when this began.
    first_look: bool,
}

impl Before {
    /// From behind this record on.
    ///
    /// # Errors
    /// When there is no such record yet.
    pub fn behind(state: &Shared, since: u64) -> Result<Self, Denied> {
        let last = state.audit.trail().head().seq;
        if since > last {
            let text = format!("the trail has not come to record {since}; its last is {last}");
            return Err(Denied::new(Code::NoSuchRecord, text));
        }
        Ok(Self {
            follower: Follower::behind(state.settings().trail.clone(), since),
            upto: since,
            first_look: true,
        })
    }

    /// The next page, which is empty where nothing more can be read now.
    async fn next(mut self, until: u64) -> Result<(Self, Vec<Happening>), Denied> {
        let read = tokio::task::spawn_blocking(move || {
            let page = self.read(until);
            page.map(|page| (self, page))
        });
        match read.await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(fault)) => Err(Denied::new(Code::NoSuchRecord, fault.to_string())),
            Err(fault) => Err(Denied::new(Code::Internal, fault.to_string())),
        }
    }

    fn read(&mut self, until: u64) -> io::Result<Vec<Happening>> {
        let mut page = Vec::new();
        for _ in 0..ROOM_RECORDS {
            if self.upto >= until || page.len() >= ROOM_PAGE {
                break;
            }
            let Some((number, line)) = self.follower.next_record()? else {
                break;
            };
            if std::mem::take(&mut self.first_look) && number != self.upto + 1 {
                let wanted = self.upto + 1;
                let text = format!(
                    "record {wanted} is not in the trail any more; the first that is there is {number}"
                );
                return Err(io::Error::other(text));
            }
            self.upto = number;
            page.extend(Happening::read(&line));
        }
        Ok(page)
    }
}

/// One page of what was before, for a request that does not stay.
pub async fn page(
    state: &Shared,
    (user, runs): Hearer,
    before: Before,
) -> Result<RoomPage, Denied> {
    let last = state.audit.trail().head().seq;
    let (before, found) = before.next(last).await?;
    let events = found.iter();
    let events = events.filter_map(|found| told_to(state, found, &user, runs));
    Ok(RoomPage {
        events: events.collect(),
        upto: before.upto,
        last,
    })
}

/// Somebody comes into the room, and is told first what was before.
pub async fn come_in(
    state: &Shared,
    place: (ConnectionId, StreamId),
    (user, runs): Hearer,
    before: Before,
) -> Result<(), Denied> {
    state.feed.come_in(place, user.clone(), runs);
    let upto = match catch_up(state, place, (user, runs), before).await {
        Ok(Some(upto)) => upto,
        Ok(None) => return Ok(()),
        Err(denied) => {
            state.feed.leave(place.0, Some(place.1));
            return Err(denied);
        }
    };
    // Nothing comes in between: what is written from now on is told live.
    state.audit.keep_fresh(true);
    state.feed.caught_up(place, upto);
    let here = RoomPage {
        events: Vec::new(),
        upto,
        last: upto,
    };
    state.feed.tell_now(&state.link, place, upto, &here);
    Ok(())
}

/// Tells what was before, up to the trail's end; nothing comes of one who has left meanwhile.
async fn catch_up(
    state: &Shared,
    place: (ConnectionId, StreamId),
    (user, runs): Hearer,
    mut before: Before,
) -> Result<Option<u64>, Denied> {
    loop {
        let last = state.audit.trail().head().seq;
        if before.upto >= last {
            return Ok(Some(before.upto));
        }
        let known = before.upto;
        let found;
        (before, found) = before.next(last).await?;
        if before.upto == known {
            let text = "the trail cannot be read up to its end";
            return Err(Denied::new(Code::NoSuchRecord, text));
        }
        for found in &found {
            let Some(event) = told_to(state, found, &user, runs) else {
                continue;
            };
            let id = event.id;
            let told = RoomPage {
                events: vec![event],
                upto: id,
                last,
            };
            if !state.feed.tell_before(&state.link, place, id, &told).await {
                return Ok(None);
            }
        }
    }
}
