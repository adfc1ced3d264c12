//! Reload: the whole configuration is read and judged, and then swapped in at once, or not at all.

use super::access;
use super::config::let_go;
use super::metrics::count;
use super::settings::Settings;
use super::state::{Shared, State};
use super::turns::Turns;
use crate::audit::{Record, What};
use crate::limits;
use crate::policy::{Member, Outline};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Reads the configuration anew and swaps it in, or keeps the old one and says every fault. Returns what
/// is new, in words.
///
/// # Errors
/// The faults; the old configuration stays in force.
pub async fn reload(state: &Shared) -> Result<Vec<String>, Vec<String>> {
    let _one_at_a_time = state.config.reloading.lock().await;
    crate::sys::notify_reloading();
    let outcome = read_anew(state).await;
    crate::sys::notify("READY=1");
    outcome
}

async fn read_anew(state: &Shared) -> Result<Vec<String>, Vec<String>> {
    let loader = state.config.loader();
    let load = move || {
        // What is asked meanwhile goes first.
        crate::sys::step_back();
        crate::sys::fault_point("monitor-reload");
        loader()
    };

    let loaded = tokio::task::spawn_blocking(load)
        .await
        .unwrap_or_else(|_| Err(vec!["the loader failed".into()]));
    let result = loaded.and_then(|new| fits(state, &new).map(|()| new));
    match result {
        Ok(new) => Ok(accept(state, new).await),
        Err(faults) => {
            refuse(state, &faults);
            Err(faults)
        }
    }
}

/// The old configuration stays, and every fault is said.
fn refuse(state: &Shared, faults: &[String]) {
    for fault in faults {
        tracing::error!(fault, "reload refused; the old configuration stays");
    }

    let [_, refused] = &state.health.counts.reloads;
    count(refused);
    let _ = state.record(&Record::now(What::Reload {
        outcome: "refused",
        generation: state.config.generation.get(),
        faults,
        changes: &[],
    }));
}

/// The new configuration is in force, and what it takes away ends. Returns what is new, in words.
async fn accept(state: &Shared, new: Settings) -> Vec<String> {
    for warning in &new.warnings {
        tracing::warn!(warning);
    }

    // A reload asks the name service anew: whoever was taken out of a group need not be waited for.
    let answers = access::ask_anew(state, &new.policy).await;

    *state.access.verifiers.borrow_mut() = Turns::new(new.verifiers, new.verifiers);
    let old = state.settings();
    let then = state.access.members.all();
    state.ledger.bound(new.bounds.clone());
    state.config.swap(new);
    // What stood on the disk was read, and is in force.
    state.config.certificate_fault.take();
    let new = state.settings();
    for member in answers {
        state.access.members.learn(member);
    }
    let generation = state.config.generation.get() + 1;
    state.config.generation.set(generation);

    let [accepted, _] = &state.health.counts.reloads;
    count(accepted);
    let changes = changes(&old, &new);
    let _ = state.record(&Record::now(What::Reload {
        outcome: "accepted",
        generation,
        faults: &[],
        changes: &changes,
    }));

    // Before what was proved is looked at: whose password is another has proved nothing by the one of before.
    if access::forget_replaced(state) {
        access::save_soon(state);
    }
    take_away(state, &old, &then).await;
    super::configure::configure(state, false).await;
    state.audit.keeping.wanted.notify_one();
    super::penalties::reloaded(state, &old.penalties);

    let told = if changes.is_empty() {
        "nothing".to_owned()
    } else {
        changes.join("; ")
    };
    tracing::info!(generation, changes = told, "reloaded");
    let_go(old);
    changes
}

/// Ends what the configuration before let users have, and the one in force does not; `then` are the
/// users as they were known before.
async fn take_away(state: &Shared, old: &Settings, then: &HashMap<Arc<str>, Member>) {
    let new = state.settings();
    let known = RefCell::new(HashMap::new());
    let takes = |user: &Arc<str>| {
        let had = old.policy.member(user).unwrap_or_else(|question| {
            let known = then.get(user).cloned();
            known.unwrap_or_else(|| question.unanswered())
        });
        let has = access::last_known(state, &new.policy, user);
        new.policy.takes_from(&has, (&old.policy, &had))
    };
    let narrowed = |user: &Arc<str>| {
        let mut known = known.borrow_mut();
        *known
            .entry(user.clone())
            .or_insert_with_key(|user| takes(user))
    };
    access::enforce(state, narrowed).await;
}

/// What is new, in words, as far as a record has room for it.
fn changes(old: &Settings, new: &Settings) -> Vec<String> {
    let mut lines = Outline::difference(&old.outline, &new.outline);
    if old.tls.chain != new.tls.chain {
        lines.push(format!(
            "the certificate is another: {}, valid until {}",
            new.tls.fingerprint,
            new.tls.validity.until_text()
        ));
    }

    if lines.len() > limits::CHANGES_TOLD {
        let more = lines.len() - limits::CHANGES_TOLD;
        lines.truncate(limits::CHANGES_TOLD);
        lines.push(format!("and {more} more"));
    }

    lines
}

/// What only a restart can change must not change in a reload, or the file and the daemon would
/// disagree silently.
fn fits(state: &State, new: &Settings) -> Result<(), Vec<String>> {
    let old = state.settings();
    let mut faults = Vec::new();
    let mut fixed = |what: &str, same: bool| {
        if !same {
            faults.push(format!(
                "{what} cannot change in a reload; restart the daemon"
            ));
        }
    };

    fixed("server.listen", old.listen == new.listen);
    let same_places =
        old.state == new.state && old.trail == new.trail && old.control == new.control;
    fixed(
        "server.state, audit.file or the control socket",
        same_places,
    );

    fixed("server.containment", old.grouped == new.grouped);
    fixed("server.frontend_user", old.frontend == new.frontend);
    fixed("server.logs", old.logs == new.logs);
    fixed("server.threads", old.threads == new.threads);
    fixed("audit.journal", old.audit.journal == new.audit.journal);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}
