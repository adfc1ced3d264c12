//! Passwords that users choose themselves: one is put in force, and what it replaces ends.

use super::enforce::enforce;
use super::kept::end_kept;
use super::store::save;
use crate::audit::{Record, What};
use crate::clock::seconds as now;
use crate::credential::{self, Factor, Hash};
use crate::encoding::hex;
use crate::ids::SessionId;
use crate::monitor::session::Session;
use crate::monitor::sessions;
use crate::monitor::state::Shared;
use crate::vault::Chosen;
use std::io;
use std::sync::Arc;

/// Why a session of the same user ends.
const REASON: &str = "the password was changed";

/// Puts the password that a session's user has chosen in force. All of their other sessions and kept
/// logins end; how many.
///
/// # Errors
/// That it could not be written, to the disk or to the trail: the old password stays.
pub async fn choose(state: &Shared, asking: &Session, hash: &str) -> io::Result<u32> {
    let user = &asking.user;
    let unusable = || io::Error::other("the hash that was made cannot be read");
    let made = Hash::read(hash).map_err(|_| unusable())?;
    let settings = state.settings();
    let configured = settings.credentials.get(&**user);
    let configured = configured.and_then(|known| known.password.as_ref());
    let chosen = Chosen {
        hash: hash.to_owned(),
        instead_of: hex(&configured.ok_or_else(unusable)?.mark()),
        change: hex(&credential::random::<16>()),
        since: now(),
    };

    let change = chosen.change.clone();
    let was = {
        let mut vault = state.access.vault.borrow_mut();
        let passwords = &mut vault.contents.passwords;
        passwords.insert(user.to_string(), chosen)
    };
    // In the same turn, so that the asking session is at no time one whose proof is gone.
    prove_by(state, asking.id, &made);
    let written = match save(state).await {
        Ok(()) => state.record(&Record::now(What::Password {
            user,
            state: "changed",
            change: Some(&change),
            reason: None,
        })),
        Err(fault) => Err(fault),
    };
    if let Err(fault) = written {
        take_back(state, asking, was).await;
        return Err(fault);
    }

    Ok(end_others(state, asking).await)
}

/// The password of before is in force again, and what the one that could not be kept has let in ends.
async fn take_back(state: &Shared, asking: &Session, was: Option<Chosen>) {
    {
        let mut vault = state.access.vault.borrow_mut();
        let passwords = &mut vault.contents.passwords;
        match was {
            Some(was) => passwords.insert(asking.user.to_string(), was),
            None => passwords.remove(&*asking.user),
        };
    }
    prove(state, asking.id, &asking.factor);
    let _ = save(state).await;
    enforce(state, |_| false).await;
}

/// The asking session is proved by the new password from now on, if it was by the old one.
fn prove_by(state: &Shared, session: SessionId, hash: &Hash) {
    let found = sessions::find(state, session);
    if found.is_some_and(|known| matches!(known.factor, Factor::Password(_))) {
        prove(state, session, &Factor::Password(hash.mark()));
    }
}

/// A session, wherever it is, and its runs are proved by this.
fn prove(state: &Shared, id: SessionId, factor: &Factor) {
    sessions::change(state, id, |session| session.factor = factor.clone());
    for run in state.runs.going.borrow_mut().values_mut() {
        if run.session == id {
            run.factor = factor.clone();
        }
    }
}

/// Ends all sessions and kept logins of a user but this session; how many.
async fn end_others(state: &Shared, asking: &Session) -> u32 {
    let user: &Arc<str> = &asking.user;
    let others = |session: &Session| session.user == *user && session.id != asking.id;
    let kept = {
        let vault = state.access.vault.borrow();
        let logins = vault.contents.logins.values();
        logins.filter(|login| *login.user == **user).count()
    };
    let ended = sessions::count(state, others) + kept;

    end_kept(state, |_, login| *login.user == **user, REASON);
    sessions::change(state, asking.id, |session| session.kept = None);
    sessions::end(state, others, REASON);
    enforce(state, |_| false).await;
    let _ = save(state).await;
    u32::try_from(ended).unwrap_or(u32::MAX)
}

/// Forgets passwords that users have chosen in the place of one that the configuration does not say
/// any more: an administrator who sets another goes before them. Whether there were any.
pub fn forget_replaced(state: &Shared) -> bool {
    let settings = state.settings();
    let replaced: Vec<(String, String)> = {
        let vault = state.access.vault.borrow();
        // Of somebody who is disabled, or not configured now, nothing is known.
        let replaced = |(user, chosen): (&String, &Chosen)| {
            let known = settings.credentials.get(user)?.password.as_ref();
            let same = known.is_some_and(|hash| hex(&hash.mark()) == chosen.instead_of);
            (!same).then(|| (user.clone(), chosen.change.clone()))
        };
        let passwords = vault.contents.passwords.iter();
        passwords.filter_map(replaced).collect()
    };

    for (user, change) in &replaced {
        let mut vault = state.access.vault.borrow_mut();
        vault.contents.passwords.remove(user);
        drop(vault);
        tracing::info!(
            user,
            "the configuration says another password than the one that the user had replaced"
        );
        let _ = state.record(&Record::now(What::Password {
            user,
            state: "replaced",
            change: Some(change),
            reason: None,
        }));
    }
    !replaced.is_empty()
}
