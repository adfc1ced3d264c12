//! The vault as it was found at the start: what is not as it was left is told, and who was kept out
//! stays out.

use super::kept::{end_kept, over};
use super::passwords::forget_replaced;
use super::store::save;
use crate::audit::{Record, What};
use crate::encoding::hex;
use crate::monitor::remembered::Remembered;
use crate::monitor::state::Shared;
use crate::vault::Found;
use std::time::Duration;

/// The vault was opened. `remembered` is what the trail says of it, where the vault is not the one
/// that was left and there is a trail.
pub async fn opened(state: &Shared, found: Found, remembered: Option<Remembered>) {
    let found = match &remembered {
        Some(known) if found == Found::Nothing && known.vault => Found::Removed,
        _ => found,
    };
    let begins = remembered.as_ref().map_or(0, |known| known.begins);
    let stay_out = remembered
        .map(|known| {
            let settings = state.settings();
            let mark = |user: &str| {
                let known = settings.credentials.get(user)?.password.as_ref()?;
                Some(hex(&known.mark()))
            };
            known.take_over(&mut state.access.vault.borrow_mut().contents, mark)
        })
        .unwrap_or_default();
    tell(state, found, &stay_out, begins);

    // Whoever has lost what a login was proved by while no daemon ran has lost the login.
    let replaced = forget_replaced(state);
    let settings = state.settings();
    let ended = end_kept(state, |_, login| over(&settings, state, login), "revoked");
    let written = if ended || replaced || found != Found::Same {
        save(state).await.is_ok()
    } else {
        false
    };
    if written && found == Found::Nothing {
        // From now on a vault that is not there was removed.
        let _ = state.record(&Record::now(What::Vault { state: "made" }));
    }
    look_after(state.clone());
}

/// Says what was found, if that is not what was left.
fn tell(state: &Shared, found: Found, stay_out: &[String], begins: u64) {
    let mut taken = match stay_out.len() {
        0 => "the trail names nobody else who has to stay out".to_owned(),
        1 => "one user stays locked by what the trail says".to_owned(),
        count => format!("{count} users stay locked by what the trail says"),
    };
    if begins > 1 {
        taken += &format!(
            " (whose beginning, up to record {}, is not there)",
            begins - 1
        );
    }
    match found {
        Found::Same | Found::Nothing => {}
        Found::Removed => {
            let alarm = format!(
                "the vault in the state folder was removed, and seeds of one-time codes and kept logins with it; {taken}; look at `ordaind lock --list`"
            );
            tracing::error!("{alarm}");
            let _ = state.record(&Record::now(What::Vault { state: "removed" }));
            state.health.alarms.borrow_mut().push(alarm);
        }
        Found::Other => {
            tracing::warn!(
                "the vault in the state folder is not the file that was left there (a backup?): kept logins in it are not believed; {taken}; look at `ordaind lock --list`"
            );
            let _ = state.record(&Record::now(What::Vault { state: "replaced" }));
        }
    }

    for user in stay_out {
        let user = user.escape_debug().to_string();
        tracing::warn!(user, "stays locked by what the trail says");
    }
}

/// Ends kept logins whose time is up, and tries again what could not be written.
fn look_after(state: Shared) {
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
