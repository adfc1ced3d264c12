//! What the policy takes away takes effect at once.

use super::kept::{end_kept, gone, over};
use super::last::last_known;
use super::store::save;
use crate::credential::Factor;
use crate::exit::Reason;
use crate::monitor::run::Run;
use crate::monitor::runs;
use crate::monitor::sessions;
use crate::monitor::state::Shared;
use crate::policy::OnRevoke;
use std::sync::Arc;

/// What the policy takes away takes effect: sessions, kept logins, and by their rule runs.
/// `narrowed` says who has lost some of their rights.
pub async fn enforce(state: &Shared, narrowed: impl Fn(&Arc<str>) -> bool) {
    // First of all: no start that was judged before this is cloned any more.
    state.runs.epoch.raise();
    let settings = state.settings();
    let lost = |user: &str, factor: &Factor| gone(&settings, state, user, factor);
    let now_has = |user: &Arc<str>| last_known(state, &settings.policy, user);
    let changed = end_kept(state, |_, login| over(&settings, state, login), "revoked");
    let ending: Vec<_> = {
        let runs = state.runs.going.borrow();
        let ended = |run: &&Run| {
            // One whose command is gone altogether keeps what it began with; it is not this user's
            // right that was taken.
            let may = || {
                settings.policy.declared(&run.command.name).is_none()
                    || settings
                        .policy
                        .may_from(&now_has(&run.user), &run.command.name, &run.source)
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

    for left in state.runs.left.borrow().values() {
        let may = || {
            let (policy, name) = (&settings.policy, &left.command.name);
            policy.declared(name).is_none()
                || policy.may_from(&now_has(&left.user), name, &left.source)
        };
        let lost = lost(&left.user, &left.factor) || (narrowed(&left.user) && !may());
        if lost && left.command.on_revoke == OnRevoke::Cancel {
            left.end.notify_one();
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
