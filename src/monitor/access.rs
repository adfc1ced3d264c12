//! Who may be here: locks, kept logins, one-time codes; and what happens at once when somebody may
//! not any more.

use super::run::Run;
use super::session::Session;
use super::settings::Settings;
use super::state::Shared;
use super::{penalties, runs, sessions};
use crate::audit::{Record, What};
use crate::clock::seconds as now;
use crate::credential::{self, Credentials, Factor, totp};
use crate::encoding::{hex, unhex};
use crate::exit::Reason;
use crate::ids::SessionId;
use crate::policy::{LocalGrant, OnRevoke};
use crate::protocol::Code;
use crate::source::Source;
use crate::vault::{Found, KeptLogin, Lock, Seed};
use crate::verb;
use std::io;
use std::time::Duration;

/// Characters of the reason for a lock.
const LOCK_REASON: usize = 256;

/// Why a login is refused: what the client is told, what the trail says, and whether somebody could
/// have guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// What the client is told.
    pub code: Code,
    /// For the trail.
    pub why: &'static str,
    /// Whether what was wrong could be guessed in the end: a password, a code.
    pub guessed: bool,
}

impl Refused {
    /// Because of this; nothing could have been guessed.
    pub const fn because(why: &'static str) -> Self {
        Self {
            code: Code::LoginRefused,
            why,
            guessed: false,
        }
    }

    /// The same of something that could.
    pub const fn guessed(self) -> Self {
        Self {
            guessed: true,
            ..self
        }
    }
}

/// What proves who this user is, if he may log in at all, from there.
///
/// # Errors
/// Why not, for the trail.
pub fn standing(state: &Shared, user: &str, source: &Source) -> Result<Credentials, &'static str> {
    let settings = state.settings();
    let known = settings.policy.users.get(user).ok_or("unknown user")?;
    if state
        .access
        .vault
        .borrow()
        .contents
        .locks
        .contains_key(user)
    {
        return Err("locked user");
    }
    if known.disabled {
        return Err("disabled user");
    }
    if !known.holds_from(source) {
        return Err("a source that this user may not come from");
    }
    settings
        .credentials
        .get(user)
        .cloned()
        .ok_or("unknown user")
}

/// The one-time code, where one is wanted. It serves once.
///
/// # Errors
/// [`Code::CodeWanted`] when none was given; a refusal when it is wrong.
pub fn second_factor(
    state: &Shared,
    user: &str,
    source: &Source,
    wanted: bool,
    given: &str,
) -> Result<(), Refused> {
    let refused = |why| Err(Refused::because(why).guessed());
    let vault = state.access.vault.borrow();
    let Some(seed) = vault.contents.seeds.get(user) else {
        return if wanted {
            refused("a one-time code is wanted, and this user has no seed (`ordaind totp`)")
        } else {
            Ok(())
        };
    };
    if given.is_empty() {
        return Err(Refused {
            code: Code::CodeWanted,
            ..Refused::because("a one-time code is wanted")
        });
    }
    let Some(secret) = unhex(&seed.secret) else {
        return refused("the seed in the vault is damaged");
    };
    let patience = seed.patience();
    let accepted = totp::accept(&secret, given, now(), seed.last);
    drop(vault);
    let known = penalties::is_known_place(state, user, source);
    // Looked at after the code, so that the refusal takes as long for a right one.
    if (patience > now() && !known) || !penalties::takes_guess(state, user, source) {
        return refused(
            "too many wrong codes in this user's name, and he has never logged in from there",
        );
    }
    if let Some(seed) = state.access.vault.borrow_mut().contents.seeds.get_mut(user) {
        match accepted {
            Some(step) => (seed.last, seed.wrong) = (step, 0),
            None => (seed.wrong, seed.wrong_at) = (seed.wrong.saturating_add(1), now()),
        }
    }
    save_soon(state);
    if accepted.is_none() {
        penalties::user(state, user);
        return refused("wrong or used one-time code");
    }
    Ok(())
}

/// Writes the vault as it is now.
pub async fn save(state: &Shared) -> io::Result<()> {
    let _in_order = state.access.saving.lock().await;
    let snapshot = state.access.vault.borrow().snapshot();
    let written = tokio::task::spawn_blocking(move || snapshot.write())
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    state.access.unsaved.set(written.is_err());
    written.inspect_err(|fault| tracing::error!(%fault, "the vault cannot be written; what has changed in it ends with this daemon"))
}

/// As [`save`], when there is time.
pub fn save_soon(state: &Shared) {
    let state = state.clone();
    tokio::task::spawn_local(async move {
        let _ = save(&state).await;
    });
}

/// The vault was opened. Another file than was left there is told of.
pub async fn opened(state: &Shared, found: Found) {
    let settings = state.settings();
    if found == Found::Removed {
        tracing::error!(
            "the vault in the state folder was removed: locks, seeds of one-time codes and kept logins are gone"
        );
        let _ = state.record(&Record::now(What::Vault { state: "removed" }));
    }

    if found == Found::Other {
        tracing::warn!(
            "the vault in the state folder is not the file that was left there (a backup?): kept logins in it are not believed; look at `ordaind lock --list`"
        );
        let _ = state.record(&Record::now(What::Vault { state: "replaced" }));
    }

    // Whoever has lost what a login was proved by while no daemon ran has lost the login.
    if end_kept(state, |_, login| over(&settings, state, login), "revoked")
        || matches!(found, Found::Other | Found::Removed)
    {
        let _ = save(state).await;
    }
    let state = state.clone();
    tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let settings = state.settings();
            if end_kept(
                &state,
                |_, login| over(&settings, &state, login),
                "its time is up",
            ) || state.access.unsaved.get()
            {
                let _ = save(&state).await;
            }
        }
    });
}

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

/// Whether a kept login is worth nothing any more: its time is up, by the configuration as it is
/// now too, or its user has lost what it was proved by.
fn over(settings: &Settings, state: &Shared, login: &KeptLogin) -> bool {
    kept_for(state, login) == 0 || gone(settings, state, &login.user, &login.factor)
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

/// The kept login of this id, if it is still worth something.
pub fn kept(state: &Shared, id: SessionId) -> Option<KeptLogin> {
    let login = state.access.vault.borrow().login(id, now()).cloned();
    login.filter(|login| !over(&state.settings(), state, login))
}

/// Whether a user has lost everything, or at least this.
fn gone(settings: &Settings, state: &Shared, user: &str, factor: &Factor) -> bool {
    let locked = state
        .access
        .vault
        .borrow()
        .contents
        .locks
        .contains_key(user);
    locked
        || settings
            .credentials
            .get(user)
            .is_none_or(|known| !known.holds(factor))
}

/// Whether a user may not be here any more, or not by what they have logged in with.
pub fn lost(state: &Shared, user: &str, factor: &Factor) -> bool {
    gone(&state.settings(), state, user, factor)
}

/// Ends kept logins in memory, and records it. Whether there were any.
fn end_kept(state: &Shared, ended: impl Fn(&str, &KeptLogin) -> bool, reason: &str) -> bool {
    let found: Vec<String> = {
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
        .end_logins(|id, _| found.iter().any(|found| found == id));
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
    let kept = end_kept(state, |known, _| ids.iter().any(|id| id == known), reason);
    let meant = |id: &SessionId| ids.iter().any(|known| *known == id.to_string());
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

/// What the policy takes away takes effect: sessions, kept logins, and by their rule runs.
/// `narrowed` says who has lost some of his rights.
pub async fn enforce(state: &Shared, narrowed: impl Fn(&str) -> bool) {
    // First of all: no start that was judged before this is cloned any more.
    state.runs.epoch.raise();
    let settings = state.settings();
    let lost = |user: &str, factor: &Factor| gone(&settings, state, user, factor);
    let changed = end_kept(state, |_, login| over(&settings, state, login), "revoked");
    let ending: Vec<_> = {
        let runs = state.runs.going.borrow();
        let ended = |run: &&Run| {
            // One whose command is gone altogether keeps what it began with; it is not this user's
            // right that was taken.
            let may = || {
                !settings.policy.commands.contains_key(&run.command.name)
                    || settings
                        .policy
                        .may_from(&run.user, &run.command.name, &run.source)
            };

            let lost = lost(&run.user, &run.factor) || (narrowed(&run.user) && !may());
            // What has not begun must not begin; what has follows its rule.
            lost && (!run.has_begun() || run.command.on_revoke == OnRevoke::Cancel)
        };

        runs.values().filter(ended).map(|run| run.id).collect()
    };

    for id in ending {
        if let Some(run) = state.runs.going.borrow().get(&id) {
            run.end_for(Reason::Revoked);
        }
    }

    sessions::end(
        state,
        |session| lost(&session.user, &session.factor) || narrowed(&session.user),
        "revoked",
    );

    if changed {
        let _ = save(state).await;
    }
    runs::settle(state).await;
}

/// Locks a user: at once, and whatever the configuration says, until he is unlocked.
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

/// Unlocks a user; `false` when he was not locked.
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

/// Gives a user a new seed for one-time codes; what an authenticator app reads.
///
/// # Errors
/// That it could not be written, so that none was made.
pub async fn make_seed(state: &Shared, grant: &LocalGrant<verb::Totp>) -> io::Result<String> {
    let (user, uid) = (&*grant.verb().user, grant.uid());
    let secret = credential::random::<{ totp::SEED }>();
    let old = state.access.vault.borrow_mut().contents.seeds.insert(
        user.to_owned(),
        Seed {
            secret: hex(&secret),
            last: 0,
            wrong: 0,
            wrong_at: 0,
        },
    );

    if let Err(fault) = save(state).await {
        let mut vault = state.access.vault.borrow_mut();
        match old {
            Some(old) => vault.contents.seeds.insert(user.to_owned(), old),
            None => vault.contents.seeds.remove(user),
        };

        return Err(fault);
    }

    let _ = state.record(&Record::now(What::Totp {
        user,
        state: "made",
        uid,
    }));

    // What was proved with less than is wanted now is proved no more.
    if end_kept(
        state,
        |_, login| login.user == user,
        "a one-time code is wanted now",
    ) {
        let _ = save(state).await;
    }

    Ok(totp::uri(&secret, user, &crate::sys::host_name()))
}

/// Takes a user's seed away; `false` when he had none.
///
/// # Errors
/// That it could not be written.
pub async fn remove_seed(state: &Shared, grant: &LocalGrant<verb::Totp>) -> io::Result<bool> {
    let (user, uid) = (&*grant.verb().user, grant.uid());
    let was = state
        .access
        .vault
        .borrow_mut()
        .contents
        .seeds
        .remove(user)
        .is_some();
    if was {
        let _ = state.record(&Record::now(What::Totp {
            user,
            state: "removed",
            uid,
        }));
        save(state).await?;
    }

    Ok(was)
}
