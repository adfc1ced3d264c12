//! Whether somebody may log in: what proves who they are, the one-time code, and why not.

use super::proofs::proofs;
use super::store::save_soon;
use crate::clock::seconds as now;
use crate::credential::{Credentials, totp};
use crate::encoding::unhex;
use crate::monitor::penalties;
use crate::monitor::state::Shared;
use crate::protocol::Code;
use crate::source::Source;

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

/// What proves who this user is, if they may log in at all, from there.
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
    proofs(&settings, state, user).ok_or("unknown user")
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

    let known_place = penalties::is_known_place(state, user, source);
    let patience = seed.patience(known_place);
    let accepted = totp::accept(&secret, given, now(), seed.last);
    drop(vault);
    // Looked at after the code, so that the refusal takes as long for a right one.
    if patience > now() {
        return refused("too many wrong codes in a row in this user's name");
    }
    if let Err(why) = penalties::takes_guess(state, user, source) {
        return refused(why);
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
