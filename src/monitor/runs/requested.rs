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
    order: VecDeque<(Instant, Arc<str>, RequestId)>,
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
        self.forget_old(goes_on);
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
        self.order.push_back((Instant::now(), user.clone(), id));
        *self.users.entry(user.clone()).or_default() += 1;
    }

    /// A request's run could not begin: nothing has happened, and it may be asked for again.
    pub fn remove(&mut self, user: &Arc<str>, id: RequestId) {
        if self.known.remove(&(user.clone(), id)).is_none() {
            return;
        }
        if let Some(count) = self.users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
    }

    fn forget_old(&mut self, goes_on: impl Fn(RunId) -> bool) {
        while self
            .order
            .front()
            .is_some_and(|(at, ..)| at.elapsed() >= REQUEST_ID_AGE)
        {
            let Some((_, user, id)) = self.order.pop_front() else {
                return;
            };
            match self.known.get(&(user.clone(), id)) {
                Some((_, run)) if goes_on(*run) => self.order.push_back((Instant::now(), user, id)),
                _ => self.remove(&user, id),
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
            "another user's ids are his own"
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
}
