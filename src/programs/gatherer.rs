//! One signature of an SSH key for the logins at many hosts: those that wait for it at the same time
//! share it, so that somebody touches their key once and not at each host.

use crate::client::{Claimed, ClientError, KeySignature, Signer};
use crate::limits::GATHERED;
use crate::protocol::Code;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::time::Instant;

/// How long a host that is being reached is waited for, where somebody touches the key for each
/// signature: that takes them longer.
const TOUCHED: Duration = Duration::from_secs(2);
/// The same, where an agent signs by itself, as far as we know: it may ask somebody, too.
const AGENTS: Duration = Duration::from_millis(250);

/// The logins that wait for a signature, and the hosts that are being reached and may soon.
#[derive(Default)]
pub struct Gatherer {
    /// Since when each is being reached.
    coming: RefCell<HashMap<u64, Instant>>,
    numbers: Cell<u64>,
    /// By the fingerprint of their key.
    waiting: RefCell<HashMap<String, Vec<Waiting>>>,
    /// Told when a host is not waited for any more.
    changed: Notify,
    /// Somebody is asked for one signature after the other.
    signing: Mutex<()>,
}

/// A login that waits for a signature.
struct Waiting {
    text: String,
    tell: oneshot::Sender<Result<KeySignature, ClientError>>,
}

/// A host that is being reached.
pub struct Coming {
    gatherer: Rc<Gatherer>,
    number: u64,
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.gatherer.coming.borrow_mut().remove(&self.number);
        self.gatherer.changed.notify_waiters();
    }
}

impl Gatherer {
    /// A host is being reached from now on, and may soon wait for a signature.
    pub fn comes(self: &Rc<Self>) -> Coming {
        let number = self.numbers.get();
        self.numbers.set(number + 1);
        self.coming.borrow_mut().insert(number, Instant::now());
        Coming {
            gatherer: self.clone(),
            number,
        }
    }

    /// The login with the key's signature: one that others share where its server takes that, and
    /// one of its own where not. A host that was coming is there now.
    ///
    /// # Errors
    /// What [`Signer::sign`] says.
    pub async fn signed(
        self: &Rc<Self>,
        signer: &Signer,
        login: Claimed,
        coming: Option<Coming>,
    ) -> Result<Claimed, ClientError> {
        if !login.may_share {
            drop(coming);
            let _alone = self.signing.lock().await;
            let made = signatures(signer, vec![login.text().to_owned()]).await?;
            return made
                .into_iter()
                .next()
                .map_or_else(|| Err(gone()), |signature| Ok(login.signed(signature)));
        }

        let (tell, told) = oneshot::channel();
        let text = login.text().to_owned();
        let is_first = {
            let mut waiting = self.waiting.borrow_mut();
            let those = waiting.entry(signer.public().fingerprint()).or_default();
            those.push(Waiting { text, tell });
            those.len() == 1
        };
        drop(coming);
        if is_first {
            // A task of its own: whoever came first may go away, and the others wait for it.
            tokio::task::spawn_local(self.clone().sign(signer.clone()));
        }
        let signature = told.await.map_err(|_| gone())??;
        Ok(login.signed(signature))
    }

    /// Signs for all that wait for this key, once those are there who come now.
    async fn sign(self: Rc<Self>, signer: Signer) {
        // Who comes while another signature is made is among those that are signed next.
        let _alone = self.signing.lock().await;
        self.are_there(patience(&signer)).await;
        let fingerprint = signer.public().fingerprint();
        let waiting = self.waiting.borrow_mut().remove(&fingerprint);
        let mut waiting = waiting.unwrap_or_default();
        waiting.retain(|login| !login.tell.is_closed());

        while !waiting.is_empty() {
            let later = waiting.split_off(waiting.len().min(GATHERED));
            let texts = waiting.iter().map(|login| login.text.clone()).collect();
            match signatures(&signer, texts).await {
                Ok(made) => {
                    for (login, signature) in waiting.into_iter().zip(made) {
                        let _ = login.tell.send(Ok(signature));
                    }
                }
                Err(error) => {
                    for login in waiting {
                        let _ = login.tell.send(Err(error.clone()));
                    }
                }
            }
            waiting = later;
        }
    }

    /// Waits until no host is being reached that has begun within this time, and no longer than it.
    async fn are_there(&self, patience: Duration) {
        let until = Instant::now() + patience;
        loop {
            let youngest = self.coming.borrow().values().copied().max();
            let late = youngest.map(|began| (began + patience).min(until));
            let Some(late) = late.filter(|late| *late > Instant::now()) else {
                return;
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(late) => {}
            }
        }
    }
}

/// How long hosts that are being reached are waited for. A key of our own costs nobody anything: it
/// signs for those that wait already.
fn patience(signer: &Signer) -> Duration {
    match signer {
        Signer::Own(_) => Duration::ZERO,
        Signer::Agent(_, key) if key.is_touched() => TOUCHED,
        Signer::Agent(..) => AGENTS,
    }
}

/// One signature for all of these. An agent may wait for a person, and the other hosts go on
/// meanwhile.
async fn signatures(signer: &Signer, texts: Vec<String>) -> Result<Vec<KeySignature>, ClientError> {
    if let Signer::Own(_) = signer {
        return signer.sign_all(&texts);
    }
    let signer = signer.clone();
    tokio::task::spawn_blocking(move || signer.sign_all(&texts))
        .await
        .map_err(|_| gone())?
}

fn gone() -> ClientError {
    ClientError::new(Code::Internal, "what signs for many hosts has ended")
}
