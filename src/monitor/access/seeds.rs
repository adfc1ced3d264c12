//! Seeds of one-time codes: given to a user, and taken away.

use super::kept::end_kept;
use super::store::save;
use crate::audit::{Record, What};
use crate::credential::{self, totp};
use crate::encoding::hex;
use crate::monitor::state::Shared;
use crate::policy::LocalGrant;
use crate::vault::Seed;
use crate::verb;
use std::io;

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

/// Takes a user's seed away; `false` when they had none.
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
