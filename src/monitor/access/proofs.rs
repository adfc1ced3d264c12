//! What proves who a user is: what the configuration says, but for a password that they have chosen
//! since.

use crate::credential::{Credentials, Factor, Hash};
use crate::encoding::hex;
use crate::monitor::settings::Settings;
use crate::monitor::state::Shared;

/// What proves who a user is, now.
pub fn proofs(settings: &Settings, state: &Shared, user: &str) -> Option<Credentials> {
    let mut known = settings.credentials.get(user)?.clone();
    known.password = password(settings, state, user);
    Some(known)
}

/// Whether what a login was proved by proves it still.
pub fn proves(settings: &Settings, state: &Shared, user: &str, factor: &Factor) -> bool {
    match factor {
        Factor::Password(mark) => {
            password(settings, state, user).is_some_and(|hash| hash.mark() == *mark)
        }
        Factor::Key(_) => settings
            .credentials
            .get(user)
            .is_some_and(|known| known.holds(factor)),
    }
}

/// The hash of a user's password. The one that they have chosen takes the place of the one in the
/// configuration for as long as that one is the same; one that cannot be read lets nobody in.
fn password(settings: &Settings, state: &Shared, user: &str) -> Option<Hash> {
    let configured = settings.credentials.get(user)?.password.as_ref()?;
    let vault = state.access.vault.borrow();
    match vault.contents.passwords.get(user) {
        Some(chosen) if chosen.instead_of == hex(&configured.mark()) => {
            Hash::read(&chosen.hash).ok()
        }
        _ => Some(configured.clone()),
    }
}
