//! What sessions are told unasked: bounded, only to those who may know, and numbered by the trail.
//!
//! A listener has so many events on their way at the most. What happens beyond is counted, told as a
//! number once the listener reads again, and makes nobody wait.

use super::link::Link;
use crate::ids::{ConnectionId, StreamId};
use crate::ipc::ToFrontend;
use crate::limits::EVENTS_WAITING;
use crate::policy::Scope;
use crate::protocol::{Event, write};
use serde::Serialize;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::sync::Notify;

/// What can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Runs that begin to wait, start and end.
    Runs,
    /// What happens in the room.
    Room,
}

/// Who follows what.
#[derive(Debug, Default)]
pub struct Feed {
    listeners: RefCell<Vec<Listener>>,
    /// Rung when somebody has taken an event, or has left.
    moved: Notify,
}

/// One stream that follows.
#[derive(Debug)]
struct Listener {
    place: (ConnectionId, StreamId),
    topic: Topic,
    user: Arc<str>,
    scope: Scope,
    /// The number up to which everything was told before, or by somebody else.
    since: u64,
    /// Whether it is still told what was before.
    behind: bool,
    /// Events that are on their way.
    waiting: usize,
    /// Events that were not told, and the number of the last of them.
    missed: (u64, u64),
}

impl Listener {
    /// Whether it may know of what is this user's.
    fn hears(&self, topic: Topic, owner: &str) -> bool {
        self.topic == topic && (self.scope == Scope::All || *self.user == *owner)
    }

    fn tell<W: Serialize>(&mut self, link: &Link, id: u64, what: Option<W>) {
        let (missed, _) = std::mem::take(&mut self.missed);
        let (connection, stream) = self.place;
        self.waiting += 1;
        link.tell(ToFrontend::Event {
            connection,
            stream,
            payload: write(&Event { id, missed, what }),
        });
    }
}

impl Feed {
    /// A stream follows from now on. It is told first what is so as of a record of the trail.
    pub fn follow<W: Serialize>(
        &self,
        link: &Link,
        place: (ConnectionId, StreamId),
        (topic, user, scope): (Topic, Arc<str>, Scope),
        (id, begin): (u64, Vec<W>),
    ) {
        let mut listener = Listener {
            place,
            topic,
            user,
            scope,
            since: id,
            behind: false,
            waiting: 0,
            missed: (0, 0),
        };
        for what in begin {
            listener.tell(link, id, Some(what));
        }
        self.listeners.borrow_mut().push(listener);
    }

    /// Tells everybody who follows and may know of what is this user's. What is told is made only
    /// where somebody hears it.
    pub fn publish<W: Serialize>(
        &self,
        link: &Link,
        (topic, owner): (Topic, &str),
        id: u64,
        what: impl FnOnce() -> W,
    ) {
        let mut listeners = self.listeners.borrow_mut();
        let mut hearing = listeners
            .iter_mut()
            .filter(|listener| listener.hears(topic, owner))
            .peekable();
        if hearing.peek().is_none() {
            return;
        }
        let what = what();
        for listener in hearing {
            if listener.waiting < EVENTS_WAITING {
                listener.tell(link, id, Some(&what));
            } else {
                listener.missed = (listener.missed.0 + 1, id);
            }
        }
    }

    /// A stream follows what happens in the room, and is told by [`Feed::tell_before`] what was
    /// before.
    pub fn come_in(&self, place: (ConnectionId, StreamId), user: Arc<str>, scope: Scope) {
        self.listeners.borrow_mut().push(Listener {
            place,
            topic: Topic::Room,
            user,
            scope,
            since: 0,
            behind: true,
            waiting: 0,
            missed: (0, 0),
        });
    }

    /// Tells a stream something of before, once there is room for it; `false` when it has left.
    pub async fn tell_before<W: Serialize>(
        &self,
        link: &Link,
        place: (ConnectionId, StreamId),
        id: u64,
        what: &W,
    ) -> bool {
        loop {
            {
                let mut listeners = self.listeners.borrow_mut();
                let found = listeners.iter_mut().find(|found| found.place == place);
                let Some(listener) = found else { return false };
                if listener.waiting < EVENTS_WAITING {
                    listener.tell(link, id, Some(what));
                    return true;
                }
            }
            self.moved.notified().await;
        }
    }

    /// Tells a stream how far it was told everything, or with the next event where there is no room.
    pub fn tell_now<W: Serialize>(
        &self,
        link: &Link,
        place: (ConnectionId, StreamId),
        id: u64,
        what: &W,
    ) {
        let mut listeners = self.listeners.borrow_mut();
        let found = listeners.iter_mut().find(|found| found.place == place);
        if let Some(listener) = found {
            listener.tell(link, id, Some(what));
        }
    }

    /// A stream was told everything up to this number, and from now on what happens.
    pub fn caught_up(&self, place: (ConnectionId, StreamId), id: u64) {
        let mut listeners = self.listeners.borrow_mut();
        if let Some(found) = listeners.iter_mut().find(|found| found.place == place) {
            (found.since, found.behind) = (id, false);
        }
    }

    /// Tells everybody in the room what they may know of something.
    pub fn publish_in_room<W: Serialize>(
        &self,
        link: &Link,
        id: u64,
        told_to: impl Fn(&str, Scope) -> Option<W>,
    ) {
        let mut listeners = self.listeners.borrow_mut();
        let here = |listener: &&mut Listener| {
            listener.topic == Topic::Room && !listener.behind && id > listener.since
        };
        for listener in listeners.iter_mut().filter(here) {
            let Some(what) = told_to(&listener.user, listener.scope) else {
                continue;
            };
            if listener.waiting < EVENTS_WAITING {
                listener.tell(link, id, Some(what));
            } else {
                listener.missed = (listener.missed.0 + 1, id);
            }
        }
    }

    /// Whether anybody is in the room.
    pub fn has_room(&self) -> bool {
        let listeners = self.listeners.borrow();
        listeners.iter().any(|found| found.topic == Topic::Room)
    }

    /// An event has come to its client's connection, or could not.
    pub fn taken(&self, link: &Link, place: (ConnectionId, StreamId), kept: bool) {
        let mut listeners = self.listeners.borrow_mut();
        let found = listeners
            .iter_mut()
            .find(|listener| listener.place == place);
        let Some(listener) = found else { return };
        listener.waiting = listener.waiting.saturating_sub(1);
        self.moved.notify_waiters();
        if !kept {
            listener.missed.0 += 1;
        }

        // Once, and when there is room for what comes after it.
        let (missed, last) = listener.missed;
        if missed > 0 && listener.waiting <= EVENTS_WAITING / 2 {
            listener.tell(link, last, None::<()>);
        }
    }

    /// A stream has enough, or its whole connection.
    pub fn leave(&self, connection: ConnectionId, stream: Option<StreamId>) {
        let mut listeners = self.listeners.borrow_mut();
        listeners.retain(|listener| {
            let (its, own) = listener.place;
            its != connection || stream.is_some_and(|stream| stream != own)
        });
        self.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A feed that nobody carries away: what is told is counted by its listener.
    fn followed() -> (Feed, Link) {
        let (feed, link) = (Feed::default(), Link::default());
        let to = |user: &str, scope| (Topic::Runs, Arc::from(user), scope);
        feed.follow(&link, (1, 1), to("alice", Scope::Own), (7, vec!["now"]));
        feed.follow(
            &link,
            (2, 1),
            to("lead", Scope::All),
            (7, Vec::<&str>::new()),
        );
        (feed, link)
    }

    fn waiting(feed: &Feed) -> Vec<usize> {
        feed.listeners
            .borrow()
            .iter()
            .map(|listener| listener.waiting)
            .collect()
    }

    #[test]
    fn only_those_who_may_know_are_told() {
        let (feed, link) = followed();
        assert_eq!(waiting(&feed), [1, 0]);
        feed.publish(&link, (Topic::Runs, "alice"), 8, || "of alice");
        feed.publish(&link, (Topic::Runs, "bob"), 9, || "of bob");
        assert_eq!(waiting(&feed), [2, 2]);
    }

    #[test]
    fn nothing_is_made_where_nobody_hears() {
        let (feed, link) = followed();
        feed.leave(2, None);
        feed.publish(&link, (Topic::Runs, "bob"), 8, || -> &str {
            panic!("made for nobody")
        });
        assert_eq!(feed.listeners.borrow().len(), 1);
    }

    #[test]
    fn one_who_does_not_read_is_told_how_much_was_missed() {
        let (feed, link) = followed();
        for id in 0..100 {
            feed.publish(&link, (Topic::Runs, "bob"), id, || "x");
        }
        let missed = |feed: &Feed| feed.listeners.borrow()[1].missed;
        assert_eq!(waiting(&feed), [1, EVENTS_WAITING]);
        assert_eq!(missed(&feed), (100 - EVENTS_WAITING as u64, 99));

        // Reading again: the number comes once there is room, and then everything new.
        for _ in 0..EVENTS_WAITING / 2 {
            feed.taken(&link, (2, 1), true);
        }
        assert_eq!(missed(&feed), (0, 0));
        assert_eq!(waiting(&feed)[1], EVENTS_WAITING / 2 + 1);
        feed.taken(&link, (2, 1), false);
        assert_eq!(
            (missed(&feed), waiting(&feed)[1]),
            ((0, 0), EVENTS_WAITING / 2 + 1)
        );
        feed.taken(&link, (9, 9), true);
    }

    #[test]
    fn the_room_is_told_from_where_one_has_caught_up_and_of_one_gap() {
        let (feed, link) = (Feed::default(), Link::default());
        assert!(!feed.has_room());
        feed.come_in((3, 1), Arc::from("bob"), Scope::Own);
        feed.publish_in_room(&link, 4, |_, _| Some("before"));
        feed.caught_up((3, 1), 5);
        feed.publish_in_room(&link, 5, |_, _| Some("told already"));
        feed.publish_in_room(&link, 6, |_, _| None::<&str>);
        assert!(feed.has_room() && waiting(&feed) == [0]);

        for id in 7..107 {
            feed.publish_in_room(&link, id, |user, _| Some(user.to_owned()));
        }
        let missed = |feed: &Feed| feed.listeners.borrow()[0].missed;
        assert_eq!(waiting(&feed), [EVENTS_WAITING]);
        assert_eq!(missed(&feed), (100 - EVENTS_WAITING as u64, 106));
        for _ in 0..EVENTS_WAITING {
            feed.taken(&link, (3, 1), true);
        }
        assert_eq!(missed(&feed), (0, 0));
        feed.leave(3, None);
        assert!(!feed.has_room());
    }

    #[test]
    fn a_stream_leaves_alone_and_a_connection_with_all_it_has() {
        let (feed, _) = followed();
        feed.leave(1, Some(2));
        assert_eq!(feed.listeners.borrow().len(), 2);
        feed.leave(1, Some(1));
        assert_eq!(feed.listeners.borrow().len(), 1);
        feed.leave(2, None);
        assert_eq!(feed.listeners.borrow().len(), 0);
    }
}
