//! Locks: who is kept out whatever the configuration says.

use super::enforce::enforce;
use super::store::save;
use crate::audit::{Record, What};
use crate::clock::seconds as now;
use crate::monitor::state::Shared;
use crate::policy::LocalGrant;
use crate::vault::Lock;
use crate::verb;
use std::io;

/// Characters of the reason for a lock.
const LOCK_REASON: usize = 256;

/// Locks a user: at once, and whatever the configuration says, until they are unlocked.
///
/// # Errors
/// That it could not be written: it holds, but until the daemon ends only.
pub async fn lock(state: &Shared, grant: &LocalGrant<verb::Lock>) -> io::Result<()> {
    let (user, uid) = (&*grant.verb().user, grant.uid());
    let reason: String = grant.verb().reason.chars().take(LOCK_REASON).collect();
    let reason = reason.as_str();

    {
        let mut vault = state.access.vault.borrow_mut();
        match vault.contents.locks.get_mut(user) {
            // Locked already: what is known of that stays, but for another reason.
            Some(_) if reason.is_empty() => {}
            Some(known) => reason.clone_into(&mut known.reason),
            None => drop(vault.contents.locks.insert(
                user.to_owned(),
                Lock {
                    reason: reason.to_owned(),
                    since: now(),
                    by: uid,
                },
            )),
        }
    }

    let _ = state.record(&Record::now(What::Lock {
        user,
        state: "locked",
        reason,
        uid,
    }));
    tracing::warn!(
        user = user.escape_debug().to_string(),
        reason,
        uid,
        "locked"
    );

    enforce(state, |_| false).await;
    save(state).await
}

/// Unlocks a user; `false` when they were not locked.
///
/// # Errors
/// That it could not be written.
pub async fn unlock(state: &Shared, grant: &LocalGrant<verb::Unlock>) -> io::Result<bool> {
    let (user, uid) = (&*grant.verb().user, grant.uid());
    let was = state
        .access
        .vault
        .borrow_mut()
        .contents
        .locks
        .remove(user)
        .is_some();
    if was {
        let _ = state.record(&Record::now(What::Lock {
            user,
            state: "unlocked",
            reason: "",
            uid,
        }));
        tracing::warn!(user = user.escape_debug().to_string(), uid, "unlocked");
        save(state).await?;
    }

    Ok(was)
}
