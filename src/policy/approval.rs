//! What a run needs beside its grant: that others have agreed to it, and the proof that they have.

use super::command::{Approval, Command, Digested};
use super::member::Member;
use super::model::Policy;
use crate::ids::RunId;
use crate::place::Place;
use crate::source::Source;
use std::sync::Arc;
use std::time::SystemTime;

/// Somebody who has agreed, as they were when they did.
#[derive(Debug, Clone)]
pub struct Agreed {
    /// The user.
    pub user: Arc<str>,
    /// Where they were.
    pub source: Source,
}

/// Proof that everybody who must agree to a run has, and may still. Only
/// [`Policy::approved`] can make one.
#[derive(Debug, Clone)]
pub struct Approved {
    run: RunId,
    files: Arc<[Digested]>,
}

impl Approved {
    /// The run that was agreed to.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The files that must be executed, and no others.
    pub const fn files(&self) -> &Arc<[Digested]> {
        &self.files
    }
}

impl Policy {
    /// Whether this user may agree to runs of this command, from there and at this time.
    pub fn may_decide(
        &self,
        member: &Member,
        source: &Source,
        now: SystemTime,
        command: &Command,
    ) -> bool {
        let Some(approval) = &command.approval else {
            return false;
        };
        let known = self.users.get(&**member.user());
        let here = known.is_some_and(|user| !user.disabled && user.holds_from(source));
        here && self.roles_of(member).any(|held| {
            held.name == approval.by && held.role.holds_from(source) && held.role.holds_at(now)
        })
    }

    /// The proof that enough of those who have agreed may still do so. Each is asked by `still`, which
    /// tells why one does not count any more.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn approved(
        run: RunId,
        approval: &Approval,
        files: &Arc<[Digested]>,
        agreed: &[Agreed],
        still: impl Fn(&Agreed) -> Result<(), String>,
    ) -> Result<Approved, String> {
        for one in agreed {
            still(one)?;
        }
        let mut users: Vec<&str> = agreed.iter().map(|one| &*one.user).collect();
        users.sort_unstable();
        users.dedup();
        if users.len() < approval.needed {
            return Err(format!(
                "{} of {} have agreed",
                users.len(),
                approval.needed
            ));
        }
        let files = files.clone();
        Ok(Approved { run, files })
    }
}

impl Command {
    /// A digest of everything that the configuration says of the command, wherever it stands there.
    pub fn rules_digest(&self) -> [u8; 32] {
        let mut rules = self.clone();
        rules.place = Place::default();
        for argument in &mut rules.arguments {
            argument.place = Place::default();
            if let Some(definition) = &mut argument.definition {
                definition.place = Place::default();
            }
        }
        let text = format!("{rules:?}");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn agreed(user: &str) -> Agreed {
        Agreed {
            user: user.into(),
            source: Source::from(std::net::IpAddr::from([127, 0, 0, 1])),
        }
    }

    #[test]
    fn only_enough_different_users_who_may_still_agree_are_a_proof() {
        let approval = Approval {
            by: "dba".into(),
            needed: 2,
            asked_for: Duration::from_secs(60),
        };
        let run = RunId::from_random([1; 10]);
        let files: Arc<[Digested]> = [("/bin/true".to_owned(), [7; 32])].into();
        let all = |users: &[&str]| {
            let agreed: Vec<_> = users.iter().map(|user| agreed(user)).collect();
            Policy::approved(run, &approval, &files, &agreed, |one| {
                let gone = &*one.user == "gone";
                (!gone).then_some(()).ok_or_else(|| "gone".to_owned())
            })
        };
        assert_eq!(all(&[]).unwrap_err(), "0 of 2 have agreed");
        assert_eq!(all(&["ann", "ann"]).unwrap_err(), "1 of 2 have agreed");
        assert_eq!(all(&["ann", "bob", "gone"]).unwrap_err(), "gone");
        let proof = all(&["ann", "bob"]).unwrap();
        assert_eq!((proof.run(), &**proof.files()), (run, &*files));
    }
}
