//! Logins that are kept: from one that begins to what ends them.

use super::proofs::proves;
use super::store::save;
use crate::audit::{Record, What};
use crate::clock::seconds as now;
use crate::credential::Factor;
use crate::ids::SessionId;
use crate::monitor::session::Session;
use crate::monitor::sessions;
use crate::monitor::settings::Settings;
use crate::monitor::state::Shared;
use crate::source::Source;
use crate::vault::KeptLogin;
use std::collections::HashSet;
use std::io;

/// Keeps a login; for how many seconds, if it could be.
pub async fn keep(state: &Shared, session: &Session, source: &Source) -> Option<u64> {
    let lifetime = state.settings().login_lifetime.as_secs();
    if lifetime == 0 {
        return None;
    }
    let login = KeptLogin {
        user: session.user.to_string(),
        key: format!("{:?}", session.key),
        factor: session.factor.clone(),
        source: source.to_string(),
        since: now(),
        until: now() + lifetime,
    };

    let evicted = state.access.vault.borrow_mut().keep(session.id, login);
    if let Some((id, login)) = evicted {
        let reason = "the user's oldest made room for another";
        let _ = state.record(&Record::now(What::KeptEnded {
            kept: &id,
            user: &login.user,
            reason,
        }));
        let id = id.parse::<SessionId>().ok();
        sessions::end(
            state,
            |session| session.kept.is_some() && session.kept == id,
            reason,
        );
    }

    match save(state).await {
        Ok(()) => Some(lifetime),
        Err(_) => {
            // One that may or may not survive a restart is none.
            state
                .access
                .vault
                .borrow_mut()
                .contents
                .logins
                .remove(&session.id.to_string());
            None
        }
    }
}

/// The kept login of this id, if it is still worth something.
pub fn kept(state: &Shared, id: SessionId) -> Option<KeptLogin> {
    let login = state.access.vault.borrow().login(id, now()).cloned();
    login.filter(|login| !over(&state.settings(), state, login))
}

/// For how many seconds a login is kept from now on.
pub fn kept_for(state: &Shared, login: &KeptLogin) -> u64 {
    login
        .until
        .min(
            login
                .since
                .saturating_add(state.settings().login_lifetime.as_secs()),
        )
        .saturating_sub(now())
}

/// Whether a kept login is worth nothing any more: its time is up, by the configuration as it is
/// now too, or its user has lost what it was proved by.
pub fn over(settings: &Settings, state: &Shared, login: &KeptLogin) -> bool {
    kept_for(state, login) == 0 || gone(settings, state, &login.user, &login.factor)
}

/// Whether a user may not be here any more, or not by what they have logged in with.
pub fn lost(state: &Shared, user: &str, factor: &Factor) -> bool {
    gone(&state.settings(), state, user, factor)
}

/// Whether a user has lost everything, or at least this.
pub fn gone(settings: &Settings, state: &Shared, user: &str, factor: &Factor) -> bool {
    let locked = state
        .access
        .vault
        .borrow()
        .contents
        .locks
        .contains_key(user);
    locked || !proves(settings, state, user, factor)
}

/// Ends kept logins in memory, and records it. Whether there were any.
pub fn end_kept(state: &Shared, ended: impl Fn(&str, &KeptLogin) -> bool, reason: &str) -> bool {
    let found: HashSet<String> = {
        let vault = state.access.vault.borrow();
        vault
            .contents
            .logins
            .iter()
            .filter(|(id, login)| ended(id, login))
            .map(|(id, _)| id.clone())
            .collect()
    };

    let over = state
        .access
        .vault
        .borrow_mut()
        .end_logins(|id, _| found.contains(id));
    for (id, login) in &over {
        let _ = state.record(&Record::now(What::KeptEnded {
            kept: id,
            user: &login.user,
            reason,
        }));
    }

    !over.is_empty()
}

/// Ends a kept login with every session that it began, or a session.
///
/// What is on its way to `last` is let through first: `told` runs when all but that session has
/// ended and is written.
pub async fn end_logins(
    state: &Shared,
    ids: &[String],
    last: SessionId,
    reason: &str,
    told: impl FnOnce(io::Result<()>),
) {
    let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let kept = end_kept(state, |known, _| ids.contains(known), reason);
    let meant = |id: &SessionId| ids.contains(id.to_string().as_str());
    let ended = |session: &Session| meant(&session.id) || session.kept.as_ref().is_some_and(meant);
    sessions::end(
        state,
        |session| session.id != last && ended(session),
        reason,
    );
    let written = if kept { save(state).await } else { Ok(()) };
    told(written);
    sessions::end(state, ended, reason);
}
