//! A server that files are moved from or to, and how a transfer with it begins.

use super::bar::Bar;
use super::proof::{self, Proof};
use crate::cli::{Asked, ClientArgs, There};
use crate::client::{ClientError, Durable, Session};
use crate::credential::random;
use crate::ids::RequestId;
use crate::programs::complain;
use crate::programs::display::plain;
use crate::programs::target::Target;
use crate::programs::wish::{Wish, Wishes};
use crate::protocol::{Code, Queued, RequestName};
use crate::verb::Verb;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// A server that files are moved from or to.
#[derive(Clone, Copy)]
pub struct Server<'s> {
    pub args: &'s ClientArgs,
    pub target: &'s Target,
    pub session: &'s Session,
}

impl<'s> From<(&'s ClientArgs, &'s Target, &'s Session)> for Server<'s> {
    fn from((args, target, session): (&'s ClientArgs, &'s Target, &'s Session)) -> Self {
        Self {
            args,
            target,
            session,
        }
    }
}

impl Server<'_> {
    /// Begins what a verb asks for, as a run, and says what is due at its end.
    ///
    /// # Errors
    /// The server's refusal, or that the link is lost.
    pub async fn begin<V: Verb>(&self, verb: &V) -> Result<(Durable, Proof), ClientError> {
        let key = proof::key(self.session, &self.target.login()).await?;
        let request = RequestId::from_random(random());
        let name = RequestName::from(request);
        let run = self.begun(name, verb).await?;
        if self.args.verbose {
            complain(&format!("ordain: run {}", run.id()));
        }
        let proof = Proof::due(key, request, run.id());
        Ok((run, proof))
    }

    /// Begins the run. One of many is given up where nothing is wanted of it any more.
    async fn begun<V: Verb>(&self, name: RequestName, verb: &V) -> Result<Durable, ClientError> {
        let (tell, mut told) = mpsc::unbounded_channel();
        let queued = move |queued: Queued| drop(tell.send(queued));
        let (options, session) = (self.target.options.clone(), self.session.clone());
        let mut beginning = pin!(Durable::begin(name, options, session, verb, queued));
        let (mut waits, mut given_up) = (false, None);
        loop {
            if waits && given_up.is_some() {
                let text = "given up before it has begun";
                return Err(ClientError::new(Code::Declined, text));
            }
            tokio::select! {
                biased;
                Some(queued) = told.recv() => {
                    waits = true;
                    let (run, text) = (plain(&queued.run), plain(&queued.text));
                    complain(&format!("ordain: run {run} waits: {text}"));
                }
                run = &mut beginning => return run,
                () = self.unwanted(), if given_up.is_none() => {
                    given_up = Some(Instant::now() + ANSWER);
                }
                () = until(given_up) => {
                    let text = "given up; the server has not said whether it has begun";
                    return Err(ClientError::new(Code::OutcomeUnknown, text));
                }
            }
        }
    }

    /// Waits until something else is wanted of many than that they go on.
    async fn unwanted(&self) {
        let Some(among) = &self.target.among else {
            return std::future::pending().await;
        };
        let _ = among
            .wish
            .clone()
            .wait_for(|wish| *wish != Wish::GoOn)
            .await;
    }

    /// What is wanted of a transfer while it goes on.
    ///
    /// # Errors
    /// Signals cannot be heard.
    pub fn wishes(&self) -> Result<Wishes, ClientError> {
        match &self.target.among {
            Some(among) => Ok(Wishes::of_fleet(among.wish.clone())),
            None => Wishes::of_signals(),
        }
    }

    /// How far a transfer is: shown by itself, or with those beside it.
    pub fn bar(&self) -> Arc<Bar> {
        Arc::new(match &self.target.among {
            Some(among) => Bar::among(among.common.moved.clone()),
            None => Bar::new(self.args.json),
        })
    }

    /// Whether what shrinks is packed: not where that was forbidden, nor where nothing is far.
    pub fn packs(&self, is_forbidden: bool) -> bool {
        let host = self.target.options.host.to_string();
        let address = host.parse::<std::net::IpAddr>();
        let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        !(is_forbidden || is_here)
    }
}

/// Waits until then; for ever where no time was said.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// How long a server may take to say whether something has begun, once it is not wanted any more.
const ANSWER: Duration = Duration::from_secs(2);

/// What every verb that moves files has besides its own.
pub fn said(asked: &Asked) -> (bool, Option<String>) {
    (asked.yes, asked.reason.clone())
}

/// The path as a verb has it.
pub fn path_of(there: &There) -> String {
    there.path.to_string()
}

/// What is wrong with the command line.
pub fn usage(text: impl Into<String>) -> ClientError {
    ClientError::new(Code::Usage, text)
}

/// What a thread has come to that did not come to its end.
pub fn no_thread() -> ClientError {
    ClientError::new(
        Code::Internal,
        "a thread that moves files has ended by itself",
    )
}
