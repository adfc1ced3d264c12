//! The users whose groups of the system are known, and since when.

use crate::limits;
use crate::policy::{Member, Question};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Which groups the users who are here are in, by the name service's word.
#[derive(Debug)]
pub struct Members {
    known: RefCell<HashMap<Arc<str>, (Member, Instant)>>,
    /// One place for each question that is being asked; one that hangs keeps it.
    pub asking: Arc<Semaphore>,
    /// Whether the last answer was none, which is told once.
    pub silent: Cell<bool>,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            known: RefCell::default(),
            asking: Arc::new(Semaphore::new(limits::LOOKUPS)),
            silent: Cell::new(false),
        }
    }
}

impl Members {
    /// The answer to this question, where it is known and no older than this.
    pub fn answer(&self, question: &Question, age: Duration) -> Option<Member> {
        let known = self.known.borrow();
        let (member, at) = known.get(question.user())?;
        (member.answers(question) && at.elapsed() <= age).then(|| member.clone())
    }

    /// What was last known of a user, however long ago and whatever was asked then.
    pub fn last(&self, user: &str) -> Option<Member> {
        self.known
            .borrow()
            .get(user)
            .map(|(member, _)| member.clone())
    }

    /// What was last known of everybody.
    pub fn all(&self) -> HashMap<Arc<str>, Member> {
        let known = self.known.borrow();
        known
            .iter()
            .map(|(user, (member, _))| (user.clone(), member.clone()))
            .collect()
    }

    /// This is so from now on; what was known before.
    pub fn learn(&self, member: Member) -> Option<Member> {
        let user = member.user().clone();
        let before = self
            .known
            .borrow_mut()
            .insert(user, (member, Instant::now()));
        before.map(|(member, _)| member)
    }

    /// Forgets whoever is not here, and was not asked for so lately.
    pub fn forget(&self, here: impl Fn(&Arc<str>) -> bool, age: Duration) {
        self.known
            .borrow_mut()
            .retain(|user, (_, at)| here(user) || at.elapsed() <= age);
    }
}
