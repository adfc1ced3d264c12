//! Which requests have led to runs: the same request again answers with the run that exists, and
//! never makes a second.

use crate::ids::{RequestId, RunId};
use crate::limits::{REQUEST_ID_AGE, REQUEST_IDS};
use crate::verb::{Invocation, Value};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// What a request asked for, as bytes that are the same only for the same thing.
pub type Digest = [u8; 32];

/// What an id is known for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing yet.
    New,
    /// This run.
    Run(RunId),
    /// Another request.
    Reused,
    /// As many ids of this user are remembered as may be.
    Full,
}

/// Requests by user and id.
#[derive(Debug, Default)]
pub struct Requested {
    known: HashMap<(Arc<str>, RequestId), (Digest, RunId)>,
    order: VecDeque<(Instant, Arc<str>, RequestId, RunId)>,
    users: HashMap<Arc<str>, usize>,
}

impl Requested {
    /// What is known of a request. An id is not forgotten while its run waits or goes on.
    pub fn look(
        &mut self,
        user: &Arc<str>,
        id: RequestId,
        digest: &Digest,
        goes_on: impl Fn(RunId) -> bool,
    ) -> Seen {
        self.forget_old(Instant::now(), goes_on);
        match self.known.get(&(user.clone(), id)) {
            Some((known, run)) if known == digest => Seen::Run(*run),
            Some(_) => Seen::Reused,
            // None is forgotten early: a request that came again would be run again.
            None if self
                .users
                .get(user)
                .is_some_and(|count| *count >= REQUEST_IDS) =>
            {
                Seen::Full
            }
            None => Seen::New,
        }
    }

    /// A request has led to a run.
    pub fn add(&mut self, user: &Arc<str>, id: RequestId, digest: Digest, run: RunId) {
        self.known.insert((user.clone(), id), (digest, run));
        self.order
            .push_back((Instant::now(), user.clone(), id, run));
        *self.users.entry(user.clone()).or_default() += 1;
    }

    /// A request's run could not begin: nothing has happened, and it may be asked for again. What
    /// was tried counts until its time is over, as a run that began does.
    pub fn remove(&mut self, user: &Arc<str>, id: RequestId) {
        self.known.remove(&(user.clone(), id));
    }

    fn forget_old(&mut self, now: Instant, goes_on: impl Fn(RunId) -> bool) {
        let over = |at: Instant| now.saturating_duration_since(at) >= REQUEST_ID_AGE;
        while self.order.front().is_some_and(|(at, ..)| over(*at)) {
            let Some((_, user, id, run)) = self.order.pop_front() else {
                return;
            };

            // An earlier try that could not begin is no longer known by its run: then the id stands
            // for a later run, whose time is not over.
            let known = self.known.get(&(user.clone(), id));
            let own = known.is_some_and(|(_, known)| *known == run);
            if own && goes_on(run) {
                self.order.push_back((now, user, id, run));
                continue;
            }
            if own {
                self.known.remove(&(user.clone(), id));
            }
            self.count_down(&user);
        }
    }

    fn count_down(&mut self, user: &Arc<str>) {
        if let Some(count) = self.users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
    }
}

/// What a run asks for, whatever its counter, session and salts.
pub fn digest(invocation: &Invocation) -> Digest {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };

    part(invocation.command.as_bytes());
    for (name, value) in invocation.arguments.iter() {
        part(name.as_bytes());
        part(value.kind().as_bytes());
        match value {
            Value::Text(text) => part(text.as_bytes()),
            Value::Integer(number) => part(&number.to_be_bytes()),
            Value::Flag(given) => part(&[u8::from(*given)]),
            Value::Many(values) => {
                part(&(values.len() as u64).to_be_bytes());
                for value in values {
                    part(value.as_bytes());
                }
            }

            Value::Secret(secret) => part(secret.bytes()),
            Value::Commitment(_) | Value::Misfit(_) => {}
        }
    }

    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(word: &str) -> Invocation {
        Invocation {
            arguments: vec![("version".into(), Value::Text(word.into()))].into(),
            ..Invocation::of("deploy")
        }
    }

    #[test]
    fn an_id_means_one_request() {
        let mut seen = Requested::default();
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        let (id, run) = (RequestId::from_random([1; 20]), RunId::from_random([2; 10]));
        let (one, other) = (digest(&invocation("1")), digest(&invocation("2")));
        assert_ne!(one, other);
        assert_eq!(seen.look(&alice, id, &one, |_| false), Seen::New);
        seen.add(&alice, id, one, run);
        assert_eq!(seen.look(&alice, id, &one, |_| false), Seen::Run(run));
        assert_eq!(seen.look(&alice, id, &other, |_| false), Seen::Reused);
        assert_eq!(
            seen.look(&bob, id, &one, |_| false),
            Seen::New,
            "another user's ids are their own"
        );
    }

    #[test]
    fn at_the_cap_nothing_is_forgotten_and_nothing_new_is_taken() {
        let mut seen = Requested::default();
        let alice: Arc<str> = "alice".into();
        let id = |number: usize| {
            let mut bytes = [0; 20];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            RequestId::from_random(bytes)
        };

        for number in 0..REQUEST_IDS {
            seen.add(&alice, id(number), [0; 32], RunId::from_random([0; 10]));
        }
        assert_eq!(
            seen.look(&alice, id(REQUEST_IDS), &[0; 32], |_| false),
            Seen::Full
        );

        assert!(matches!(
            seen.look(&alice, id(0), &[0; 32], |_| false),
            Seen::Run(_)
        ));
    }

    /// Asked again at 588 s it was forgotten at 604 s, by the first try's entry, and ran twice.
    #[test]
    fn an_id_whose_first_try_could_not_begin_is_remembered_from_the_second_on() {
        let mut requested = Requested::default();
        let alice: Arc<str> = "alice".into();
        let id = RequestId::from_random([1; 20]);
        let digest = digest(&invocation("1"));
        let (first, second) = (RunId::from_random([2; 10]), RunId::from_random([3; 10]));
        requested.add(&alice, id, digest, first);
        requested.remove(&alice, id);
        assert_eq!(requested.look(&alice, id, &digest, |_| false), Seen::New);
        requested.add(&alice, id, digest, second);

        // The first try's time is over, and not the second's.
        let began = Instant::now();
        requested.order[1].0 = began + REQUEST_ID_AGE / 2;
        requested.forget_old(began + REQUEST_ID_AGE, |_| false);
        assert_eq!(
            requested.look(&alice, id, &digest, |_| false),
            Seen::Run(second)
        );
        requested.forget_old(began + 2 * REQUEST_ID_AGE, |_| false);
        assert_eq!(requested.look(&alice, id, &digest, |_| false), Seen::New);
        assert!(requested.users.is_empty() && requested.known.is_empty());
    }

    #[test]
    fn what_could_not_begin_counts_until_its_time_is_over() {
        let mut requested = Requested::default();
        let alice: Arc<str> = "alice".into();
        for number in 0..10u8 {
            let id = RequestId::from_random([number; 20]);
            requested.add(&alice, id, [0; 32], RunId::from_random([number; 10]));
            requested.remove(&alice, id);
        }
        assert_eq!((requested.users[&alice], requested.known.len()), (10, 0));
        requested.forget_old(Instant::now() + REQUEST_ID_AGE, |_| true);
        assert!(requested.users.is_empty() && requested.order.is_empty());
    }
}
