//! A server that files are moved from or to, and how a transfer with it begins.

use super::proof::{self, Proof};
use crate::cli::{Asked, ClientArgs, There};
use crate::client::{ClientError, Durable, Session};
use crate::credential::random;
use crate::ids::RequestId;
use crate::programs::complain;
use crate::programs::display::plain;
use crate::programs::target::Target;
use crate::protocol::{Code, Queued, RequestName};
use crate::verb::Verb;

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
        let queued = |queued: Queued| {
            complain(&format!(
                "ordain: run {} waits: {}",
                plain(&queued.run),
                plain(&queued.text)
            ));
        };
        let (options, session) = (self.target.options.clone(), self.session.clone());
        let run = Durable::begin(name, options, session, verb, queued).await?;
        if self.args.verbose {
            complain(&format!("ordain: run {}", run.id()));
        }
        let proof = Proof::due(key, request, run.id());
        Ok((run, proof))
    }
}

impl Server<'_> {
    /// Whether what shrinks is packed: not where that was forbidden, nor where nothing is far.
    pub fn packs(&self, is_forbidden: bool) -> bool {
        let host = self.target.options.host.to_string();
        let address = host.parse::<std::net::IpAddr>();
        let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        !(is_forbidden || is_here)
    }
}

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
