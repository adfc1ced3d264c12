//! Passwords are verified in a bounded pool of threads that stand behind everything else.

use crate::credential::{self, Hash};
use crate::limits;
use crate::monitor::metrics::count;
use crate::monitor::penalties;
use crate::monitor::state::Shared;
use crate::protocol::Code;
use crate::secret::Secret;
use crate::source::Source;
use std::time::{Duration, Instant};

/// Verifies a password in its turn; one that is longer than any is wrong without work.
pub async fn verify(
    state: &Shared,
    source: &Source,
    hash: Hash,
    password: Secret,
) -> Result<(bool, Duration), Code> {
    if password.bytes().len() > limits::PASSWORD {
        return Ok((false, Duration::ZERO));
    }
    let work = move || {
        let began = Instant::now();
        let fits = hash.verify(&password);
        (fits, began.elapsed())
    };
    in_turn(state, source, work).await
}

/// Works on a password in the bounded pool, in which sources are served in turn. Whoever would wait
/// too long is told so.
pub async fn in_turn<T: Send + 'static>(
    state: &Shared,
    source: &Source,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Code> {
    let waiting = state.access.wait_for_login().ok_or(Code::LoginBusy)?;
    // One that hangs is no danger here: each is over after what a hash costs.
    let network = penalties::network(state, source);
    let verifiers = state.access.verifiers.borrow().clone();
    let place = tokio::time::timeout(limits::LOGIN_QUEUE, verifiers.wait(&network)).await;
    drop(waiting);
    let Ok(place) = place else {
        return Err(Code::LoginBusy);
    };
    forget_memory_later(state);

    // A thread of its own, behind everything else on this machine: however many wait to be
    // verified, whoever is in already does not notice. At most as many as there are places.
    let (done, verified) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("verifier".into())
        .spawn(move || {
            crate::sys::step_back();
            let _ = done.send(work());
        });

    let outcome = match thread {
        Ok(_) => verified.await.map_err(|_| Code::Internal),
        Err(_) => Err(Code::LoginBusy),
    };
    drop(place);
    outcome
}

/// Gives the verifiers' memory back once nobody has logged in for a while.
fn forget_memory_later(state: &Shared) {
    count(&state.health.counts.verifications);
    let verification = state.health.counts.verifications.get();
    let state = state.clone();
    tokio::task::spawn_local(async move {
        tokio::time::sleep(limits::VERIFIER_MEMORY).await;
        if state.health.counts.verifications.get() == verification {
            credential::forget_memory();
        }
    });
}
