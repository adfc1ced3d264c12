//! Which requests have led to runs: the same request again answers with the run that exists, and
//! never makes a second.

use crate::ids::{RequestId, RunId};
use crate::ledger::Charge;
use crate::limits::REQUEST_ID_AGE;
use crate::policy::Begin;
use crate::protocol::write;
use crate::verb::{self, Invocation, Value, Verb};
use std::collections::{BTreeMap, HashMap};
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
}

/// Requests by user and id.
#[derive(Debug, Default)]
pub struct Requested {
    known: HashMap<(Arc<str>, RequestId), (Digest, RunId)>,
    /// Each until when it is remembered, in an order of its own: nobody's waits behind another's.
    due: BTreeMap<(Instant, u64), Tried>,
    /// How many there were.
    count: u64,
}

/// A request that has led to a run, or could not.
#[derive(Debug)]
struct Tried {
    user: Arc<str>,
    id: RequestId,
    run: RunId,
    /// None is forgotten early: a request that came again would be run again.
    charge: Charge,
}

impl Requested {
    /// What is known of a request. An id is not forgotten while its run waits or goes on.
    pub fn look(
        &mut self,
        (user, id): (&Arc<str>, RequestId),
        digest: &Digest,
        now: Instant,
        goes_on: impl Fn(RunId) -> bool,
    ) -> Seen {
        self.forget_old(now, goes_on);
        match self.known.get(&(user.clone(), id)) {
            Some((known, run)) if known == digest => Seen::Run(*run),
            Some(_) => Seen::Reused,
            None => Seen::New,
        }
    }

    /// A request has led to a run. It is remembered at the charge of its user, as long as every id
    /// is, or for as long as it is good for.
    pub fn add(
        &mut self,
        (user, id, digest): (&Arc<str>, RequestId, Digest),
        run: RunId,
        charge: Charge,
        (now, good_until): (Instant, Option<Instant>),
    ) {
        self.known.insert((user.clone(), id), (digest, run));
        let usual = now + REQUEST_ID_AGE;
        let tried = Tried {
            user: user.clone(),
            id,
            run,
            charge,
        };
        self.remember(good_until.map_or(usual, |good| good.max(usual)), tried);
    }

    fn remember(&mut self, until: Instant, tried: Tried) {
        self.count += 1;
        self.due.insert((until, self.count), tried);
    }

    /// A request's run could not begin: nothing has happened, and it may be asked for again. What
    /// was tried counts until its time is over, as a run that began does.
    pub fn remove(&mut self, user: &Arc<str>, id: RequestId) {
        self.known.remove(&(user.clone(), id));
    }

    fn forget_old(&mut self, now: Instant, goes_on: impl Fn(RunId) -> bool) {
        while let Some(first) = self.due.first_entry()
            && first.key().0 <= now
        {
            let tried = first.remove();
            let Tried { user, id, run, .. } = &tried;

            // An earlier try that could not begin is no longer known by its run: then the id stands
            // for a later run, whose time is not over.
            let known = self.known.get(&(user.clone(), *id));
            let own = known.is_some_and(|(_, known)| known == run);
            if own && goes_on(*run) {
                self.remember(now + REQUEST_ID_AGE, tried);
                continue;
            }
            if own {
                self.known.remove(&(user.clone(), *id));
            }
            drop(tried.charge);
        }
    }
}

/// What a request asks for, whatever its counter, session and salts.
pub fn digest(by: &Begin) -> Digest {
    match by {
        Begin::Run(verb::Run(invocation)) => of_invocation(invocation),
        Begin::ListFiles(verb) => of_transfer(verb),
        Begin::Get(verb) => of_transfer(verb),
        Begin::Put(verb) => of_transfer(verb),
        Begin::RemoveFiles(verb) => of_transfer(verb),
    }
}

/// Of a verb whose parameters hold no secret: itself, with all of them.
fn of_transfer<V: Verb>(verb: &V) -> Digest {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    // No command has such a name.
    context.update(b"\0");
    context.update(V::NAME.as_bytes());
    context.update(b"\0");
    context.update(&write(verb));
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

fn of_invocation(invocation: &Invocation) -> Digest {
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
            Value::Commitment(_) | Value::Misfit(_) | Value::TooMany(_) => {}
        }
    }

    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Bounds, Ledger, Share};

    fn charge(ledger: &Ledger, user: &Arc<str>) -> Charge {
        ledger.charge(user, Share::RequestIds, 1).unwrap()
    }

    fn ledger(most: u64) -> Ledger {
        Ledger::new(Bounds::default().with(Share::RequestIds, most))
    }

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
        let (one, other) = (
            of_invocation(&invocation("1")),
            of_invocation(&invocation("2")),
        );
        assert_ne!(one, other);
        assert_eq!(
            seen.look((&alice, id), &one, Instant::now(), |_| false),
            Seen::New
        );
        seen.add(
            (&alice, id, one),
            run,
            charge(&ledger(1), &alice),
            (Instant::now(), None),
        );
        assert_eq!(
            seen.look((&alice, id), &one, Instant::now(), |_| false),
            Seen::Run(run)
        );
        assert_eq!(
            seen.look((&alice, id), &other, Instant::now(), |_| false),
            Seen::Reused
        );
        assert_eq!(
            seen.look((&bob, id), &one, Instant::now(), |_| false),
            Seen::New,
            "another user's ids are their own"
        );
    }

    /// Asked again at 588 s it was forgotten at 604 s, by the first try's entry, and ran twice.
    #[test]
    fn an_id_whose_first_try_could_not_begin_is_remembered_from_the_second_on() {
        let began = Instant::now();
        let mut requested = Requested::default();
        let (ledger, alice): (Ledger, Arc<str>) = (ledger(2), "alice".into());
        let id = RequestId::from_random([1; 20]);
        let digest = of_invocation(&invocation("1"));
        let (first, second) = (RunId::from_random([2; 10]), RunId::from_random([3; 10]));
        requested.add(
            (&alice, id, digest),
            first,
            charge(&ledger, &alice),
            (began, None),
        );
        requested.remove(&alice, id);
        assert_eq!(
            requested.look((&alice, id), &digest, Instant::now(), |_| false),
            Seen::New
        );
        requested.add(
            (&alice, id, digest),
            second,
            charge(&ledger, &alice),
            (began + REQUEST_ID_AGE / 2, None),
        );

        // The first try's time is over, and not the second's.
        requested.forget_old(began + REQUEST_ID_AGE, |_| false);
        assert_eq!(
            requested.look((&alice, id), &digest, Instant::now(), |_| false),
            Seen::Run(second)
        );
        requested.forget_old(began + 2 * REQUEST_ID_AGE, |_| false);
        assert_eq!(
            requested.look((&alice, id), &digest, Instant::now(), |_| false),
            Seen::New
        );
        assert_eq!(ledger.used("alice", Share::RequestIds), 0);
        assert!(requested.known.is_empty());
    }

    /// One user's ids that are good for long keep nobody else's.
    #[test]
    fn an_id_is_remembered_for_as_long_as_its_request_is_good() {
        let mut requested = Requested::default();
        let ledger = ledger(2);
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        let (long, short) = (
            RequestId::from_random([1; 20]),
            RequestId::from_random([2; 20]),
        );
        let run = RunId::from_random([2; 10]);
        let (began, hour) = (Instant::now(), 6 * REQUEST_ID_AGE);
        let good = (began, Some(began + hour));
        requested.add((&alice, long, [0; 32]), run, charge(&ledger, &alice), good);
        requested.add(
            (&bob, short, [0; 32]),
            run,
            charge(&ledger, &bob),
            (began, None),
        );

        let last = began + hour - REQUEST_ID_AGE / 10;
        let looked = requested.look((&alice, long), &[0; 32], last, |_| false);
        assert_eq!(looked, Seen::Run(run));
        assert_eq!(ledger.used("bob", Share::RequestIds), 0);
        let looked = requested.look((&alice, long), &[0; 32], began + hour, |_| false);
        assert_eq!(looked, Seen::New);
        assert_eq!(ledger.used("alice", Share::RequestIds), 0);
    }

    #[test]
    fn what_could_not_begin_counts_until_its_time_is_over() {
        let mut requested = Requested::default();
        let (ledger, alice): (Ledger, Arc<str>) = (ledger(10), "alice".into());
        for number in 0..10u8 {
            let id = RequestId::from_random([number; 20]);
            let run = RunId::from_random([number; 10]);
            requested.add(
                (&alice, id, [0; 32]),
                run,
                charge(&ledger, &alice),
                (Instant::now(), None),
            );
            requested.remove(&alice, id);
        }
        assert_eq!(ledger.used("alice", Share::RequestIds), 10);
        assert!(requested.known.is_empty());
        assert!(ledger.charge(&alice, Share::RequestIds, 1).is_err());
        requested.forget_old(Instant::now() + REQUEST_ID_AGE, |_| true);
        assert!(requested.due.is_empty());
        assert_eq!(ledger.used("alice", Share::RequestIds), 0);
    }
}
