//! A run on many machines that is taken up again: what became of each host's request is found out
//! before anything is asked of it.

use super::Fleet;
use super::noted::Known;
use crate::cli::RunArgs;
use crate::client::{ClientError, Durable, Session};
use crate::ids::RunId;
use crate::programs::enter;
use crate::programs::invoke::described;
use crate::programs::target::Target;
use crate::protocol::Code;
use crate::verb::{Attach, Runs};

/// What is found of a host's request.
pub enum Found {
    /// The run that it has led to.
    Run(Box<Durable>),
    /// Nothing, and nothing can be known any more.
    Lost,
    /// It has led to nothing yet, and may be sent.
    Nothing,
}

/// Requests of a session that no client has made before it was lost.
const BEYOND: u64 = 1 << 20;

impl Fleet {
    /// What was known of a host when this began.
    pub fn known(&self, host: usize) -> Option<&Known> {
        self.known_of.get(host)
    }

    /// The session for a host: the one that had asked, as long as its server knows it.
    pub async fn session(
        &self,
        host: usize,
        target: &mut Target,
    ) -> Result<(Session, bool), ClientError> {
        let asked = self.known(host).and_then(|known| known.session.clone());
        if let (Some((kept, turns)), Some(notes)) = (asked, &self.notes) {
            let turns = turns + 1;
            notes
                .takes_up(host, &kept, turns)
                .map_err(|fault| ClientError::new(Code::Usage, fault.to_string()))?;
            let connection = target.reach(&self.args).await?;
            // It needs no signature of an SSH key.
            drop(target.coming.take());
            let counter = BEYOND * u64::from(turns);
            let taken_up = connection.take_up(&target.user, kept, counter);
            match enter::answered(target, taken_up).await? {
                Ok(session) => return Ok((session, true)),
                Err(error) if error.is(Code::LoginRefused) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((enter::enter(&self.args, target).await?, false))
    }

    /// Finds the run that a host's request has led to, if it was sent.
    pub async fn found(
        &self,
        host: usize,
        target: &Target,
        session: &Session,
        run: &RunArgs,
        same: bool,
    ) -> Result<Found, ClientError> {
        let (Some(known), Some(notes)) = (self.known(host), &self.notes) else {
            return Ok(Found::Nothing);
        };
        if !known.sent && notes.is_whole {
            return Ok(Found::Nothing);
        }
        let attachment = |run: RunId, resume: bool| Attach {
            run: run.into(),
            stdout: None,
            stderr: None,
            follow: true,
            resume,
        };
        let follow = async |found: RunId| {
            let (options, session) = (target.options.clone(), session.clone());
            // What is left of its input is gone with the client that had it.
            let resumes = same && !self.takes_input(&session, run).await?;
            let attached = Durable::watch(options, session, attachment(found, resumes)).await;
            match attached {
                Ok(run) => Ok(Found::Run(Box::new(run))),
                Err(error) if error.is(Code::NoSuchRun) => Ok(Found::Lost),
                Err(error) => Err(error),
            }
        };
        if let Some(found) = known.run {
            return follow(found).await;
        }
        let id = notes.request(self.name(host)).to_string();
        let list = session.ask(&Runs::default()).await?;
        let row = list.runs.into_iter().find(|row| row.request == id);
        match row.and_then(|row| row.run.parse().ok()) {
            Some(found) => follow(found).await,
            // The same bytes again run once, as long as they are good.
            None if known.sent && known.good.is_some() => Ok(Found::Nothing),
            None => Ok(Found::Lost),
        }
    }

    /// Whether the command takes standard input.
    pub async fn takes_input(&self, session: &Session, run: &RunArgs) -> Result<bool, ClientError> {
        let view = described(session, run.command()).await?;
        Ok(view.stdin)
    }
}
