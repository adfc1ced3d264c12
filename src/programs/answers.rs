//! What a person has answered, for every host that asks the same: nobody types a passphrase twice,
//! and nobody types a password for forty hosts.

use super::ask::{self, Wanted};
use super::gatherer::Gatherer;
use super::keys::{self, Candidate};
use crate::client::{ClientError, Signer};
use crate::protocol::Code;
use crate::secret::Secret;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard};

/// The answers so far.
#[derive(Default)]
pub struct Answers {
    passwords: RefCell<HashMap<String, Secret>>,
    /// Passwords that somebody has typed and no server has judged.
    untried: RefCell<HashMap<String, Secret>>,
    signers: RefCell<HashMap<PathBuf, Signer>>,
    secrets: RefCell<HashMap<String, Secret>>,
    stdin: RefCell<Option<Secret>>,
    /// The reason for a run.
    pub reason: Mutex<Option<String>>,
    /// Whether somebody has agreed to a run, or not.
    pub agreed: Mutex<Option<Result<(), ClientError>>>,
    /// Whether there are many hosts, of which one is tried first for each user: a password that was
    /// mistyped must not be told to forty, each of which counts it.
    first: Option<Mutex<First>>,
    /// The users whom a host has let in.
    are_in: RefCell<HashSet<String>>,
    /// Whether each host has a password of its own.
    each: bool,
    /// The logins at many hosts that wait for an SSH key's signature.
    pub gatherer: Option<Rc<Gatherer>>,
    /// Whose question it is: one host asks at a time, by a login that is under way.
    question: Arc<Mutex<()>>,
}

/// What became of the first logins of many.
#[derive(Default)]
enum First {
    #[default]
    Open,
    Refused,
}

/// The turn to log in.
pub struct Turn<'a>(Option<(&'a Answers, &'a str, MutexGuard<'a, First>)>);

impl Turn<'_> {
    /// Whether the other hosts of this user wait for it.
    pub const fn is_first(&self) -> bool {
        self.0.is_some()
    }

    /// Says what came of it.
    pub fn came_to(self, refused: Option<&ClientError>) {
        let Some((answers, user, mut first)) = self.0 else {
            return;
        };
        match refused {
            None => {
                let mut are_in = answers.are_in.borrow_mut();
                are_in.insert(user.to_owned());
            }
            Some(error)
                if [Code::LoginRefused, Code::LoginTries]
                    .iter()
                    .any(|code| error.is(*code)) =>
            {
                *first = First::Refused;
            }
            // It was not the proof; the next one is the first.
            Some(_) => {}
        }
    }
}

/// A password, and whether a person can be asked for another one when it is refused.
pub enum Password {
    /// Somebody has typed it now.
    Typed(Secret),
    /// It got the same user in at another host.
    Known(Secret),
}

impl Answers {
    /// A user's password, typed now where nobody has been asked for it.
    ///
    /// # Errors
    /// That there is nobody to ask; `None` where nobody is asked any more.
    pub fn password(&self, user: &str, wanted: &Wanted) -> Result<Option<Password>, ClientError> {
        if self.each {
            return ask::secret(wanted).map(|typed| Some(Password::Typed(typed)));
        }
        if let Some(known) = self.passwords.borrow().get(user) {
            return Ok(Some(Password::Known(known.clone())));
        }
        if self.is_in(user) {
            return Ok(None);
        }
        if let Some(typed) = self.untried.borrow_mut().remove(user) {
            return Ok(Some(Password::Typed(typed)));
        }
        ask::secret(wanted).map(|typed| Some(Password::Typed(typed)))
    }

    /// Keeps a password that was typed, for the next try: the server has gone before it said whether it
    /// is right.
    pub fn was_not_judged(&self, user: &str, typed: Secret) {
        self.untried.borrow_mut().insert(user.to_owned(), typed);
    }

    /// This password got the user in.
    pub fn was_right(&self, user: &str, password: &Secret) {
        let mut passwords = self.passwords.borrow_mut();
        passwords.insert(user.to_owned(), password.clone());
    }

    /// The answers for many hosts.
    pub fn for_many() -> Self {
        Self {
            first: Some(Mutex::default()),
            gatherer: Some(Rc::default()),
            ..Self::default()
        }
    }

    /// The answers for many hosts, each of which has a password of its own.
    pub fn for_each() -> Self {
        Self {
            each: true,
            ..Self::for_many()
        }
    }

    /// Whether each host is asked for by itself.
    pub const fn are_for_each(&self) -> bool {
        self.each
    }

    fn is_in(&self, user: &str) -> bool {
        self.are_in.borrow().contains(user)
    }

    /// The turn to ask a person about one host, on a connection that is made now.
    pub async fn question(&self) -> OwnedMutexGuard<()> {
        self.question.clone().lock_owned().await
    }

    /// Whether these are for many hosts.
    pub const fn are_for_many(&self) -> bool {
        self.first.is_some()
    }

    /// The user's turn to log in: at once, but for many hosts only one at first.
    ///
    /// # Errors
    /// [`Code::Declined`]: the first was refused, and nobody else is tried.
    pub async fn turn<'a>(&'a self, user: &'a str) -> Result<Turn<'a>, ClientError> {
        let has_turns = !self.each && !self.is_in(user);
        let Some(first) = self.first.as_ref().filter(|_| has_turns) else {
            return Ok(Turn(None));
        };
        let first = first.lock().await;
        match *first {
            _ if self.is_in(user) => Ok(Turn(None)),
            First::Open => Ok(Turn(Some((self, user, first)))),
            First::Refused => Err(ClientError::new(
                Code::Declined,
                "the first login was refused, so no other was tried",
            )),
        }
    }

    /// Whether somebody has agreed to a run.
    pub fn is_agreed(&self) -> bool {
        let agreed = self.agreed.try_lock();
        agreed.is_ok_and(|agreed| matches!(*agreed, Some(Ok(()))))
    }

    /// What signs with one of the keys that nobody has named.
    ///
    /// # Errors
    /// Why the file cannot be used, in a sentence.
    pub fn signs(&self, key: &Candidate) -> Result<Signer, String> {
        match key {
            Candidate::Agents(agent, key) => Ok(Signer::Agent(agent.clone(), key.clone())),
            Candidate::File(path) => self.signer(path).map_err(|error| error.text),
        }
    }

    /// The key that a file is, or names.
    ///
    /// # Errors
    /// What [`keys::signer_of`] says.
    pub fn signer(&self, file: &Path) -> Result<Signer, ClientError> {
        if let Some(known) = self.signers.borrow().get(file) {
            return Ok(known.clone());
        }
        let signer = keys::signer_of(file)?;
        let mut signers = self.signers.borrow_mut();
        signers.insert(file.to_owned(), signer.clone());
        Ok(signer)
    }

    /// The first line of standard input, which is read once.
    ///
    /// # Errors
    /// What [`ask::secret_stdin`] says.
    pub fn stdin(&self) -> Result<Secret, ClientError> {
        if let Some(known) = &*self.stdin.borrow() {
            return Ok(known.clone());
        }
        let secret = ask::secret_stdin()?;
        Ok(self.stdin.borrow_mut().insert(secret).clone())
    }

    /// A secret argument, asked for once.
    ///
    /// # Errors
    /// What [`ask::secret`] says.
    pub fn secret(&self, name: &str, wanted: &Wanted) -> Result<Secret, ClientError> {
        if let Some(known) = self.secrets.borrow().get(name) {
            return Ok(known.clone());
        }
        let secret = ask::secret(wanted)?;
        let mut secrets = self.secrets.borrow_mut();
        secrets.insert(name.to_owned(), secret.clone());
        Ok(secret)
    }
}
