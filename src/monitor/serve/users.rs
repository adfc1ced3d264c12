//! Local verbs about users: locks, seeds of one-time codes, penalties.

use super::ServeLocal;
use crate::audit::{Record, What};
use crate::limits;
use crate::monitor::state::Shared;
use crate::monitor::{access, penalties};
use crate::policy::LocalGrant;
use crate::verb::{
    Forgive, Forgiven, Lock, LockLine, LockList, Locked, Locks, Penalties, PenaltyList, Seed, Totp,
    Unlock, Unlocked,
};
use std::io;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Whether this can be a user's name.
fn name(user: &str) -> Result<(), String> {
    if user.is_empty() || user.len() > limits::USER_NAME {
        return Err("this is not a user's name".into());
    }
    Ok(())
}

/// What the administrator should know of a change that could not be written.
fn unwritten(fault: &io::Error) -> String {
    format!("it holds for now, but could not be written and ends with this daemon: {fault}")
}

impl ServeLocal for Lock {
    const WITHOUT_TRAIL: bool = true;

    async fn serve(state: &Shared, grant: LocalGrant<Self>) -> Result<Locked, String> {
        let user = &grant.verb().user;
        name(user)?;
        let warning = match access::lock(state, &grant).await {
            Err(fault) => Some(unwritten(&fault)),
            Ok(()) if state.settings().policy.users.contains_key(user) => None,
            Ok(()) => {
                let text =
                    "no such user is configured now; the lock holds for whoever gets this name";
                Some(text.into())
            }
        };
        Ok(Locked { warning })
    }
}

impl ServeLocal for Unlock {
    async fn serve(state: &Shared, grant: LocalGrant<Self>) -> Result<Unlocked, String> {
        name(&grant.verb().user)?;
        let (was, warning) = match access::unlock(state, &grant).await {
            Ok(was) => (Some(was), None),
            Err(fault) => (None, Some(unwritten(&fault))),
        };
        Ok(Unlocked { was, warning })
    }
}

impl ServeLocal for Locks {
    const WITHOUT_TRAIL: bool = true;

    async fn serve(state: &Shared, _: LocalGrant<Self>) -> Result<LockList, String> {
        let when = |since: u64| {
            let since = i64::try_from(since).ok()?;
            let time = OffsetDateTime::from_unix_timestamp(since).ok()?;
            time.format(&Rfc3339).ok()
        };
        let vault = state.access.vault.borrow();
        let line = |(user, lock): (&String, &crate::vault::Lock)| {
            let line = LockLine {
                reason: lock.reason.clone(),
                since: when(lock.since).unwrap_or_default(),
                by: lock.by,
            };
            (user.clone(), line)
        };
        Ok(LockList {
            locks: vault.contents.locks.iter().map(line).collect(),
        })
    }
}

impl ServeLocal for Totp {
    async fn serve(state: &Shared, grant: LocalGrant<Self>) -> Result<Seed, String> {
        let Totp { user, remove } = grant.verb();
        name(user)?;
        let mut seed = Seed {
            uri: None,
            was: None,
            warning: None,
        };
        if *remove {
            match access::remove_seed(state, &grant).await {
                Ok(was) => seed.was = Some(was),
                Err(fault) => seed.warning = Some(unwritten(&fault)),
            }
            return Ok(seed);
        }
        if !state.settings().policy.users.contains_key(user) {
            return Err("there is no such user".into());
        }
        let made = access::make_seed(state, &grant).await;
        let cannot = |fault| format!("the seed could not be kept, so none was made: {fault}");
        seed.uri = Some(made.map_err(cannot)?);
        Ok(seed)
    }
}

impl ServeLocal for Penalties {
    const WITHOUT_TRAIL: bool = true;

    async fn serve(state: &Shared, _: LocalGrant<Self>) -> Result<PenaltyList, String> {
        Ok(penalties::list(state))
    }
}

impl ServeLocal for Forgive {
    async fn serve(state: &Shared, grant: LocalGrant<Self>) -> Result<Forgiven, String> {
        let who: String = grant.verb().who.chars().take(64).collect();
        let forgiven = penalties::forgive(state, &who);
        let subject = match who.as_str() {
            "all" => "all",
            who if who.contains(['.', ':']) => "source",
            _ => "user",
        };
        let _ = state.record(&Record::now(What::Penalty {
            subject,
            who: &who,
            state: "forgiven",
            misdeeds: 0,
            seconds: 0,
        }));
        Ok(Forgiven { forgiven })
    }
}
