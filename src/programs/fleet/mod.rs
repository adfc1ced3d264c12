//! Many machines at once: who is meant, what is asked of them, and what all of it came to.

mod drive;
mod hosts;
mod input;
mod member;
mod screen;
mod start;
mod summary;

use super::answers::Answers;
use super::target;
use crate::cli::{ClientArgs, ClientVerb, Set};
use crate::client::ClientError;
use crate::config::Hosts;
use crate::exit::Status;
use crate::protocol::Code;
use hosts::{Host, named};
use input::Input;
use screen::{Manner, Screen};
use std::rc::Rc;
use tokio::sync::watch;

/// What is wanted of everything that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That it goes on.
    GoOn,
    /// That it is ended, there too.
    Cancel,
    /// That it is left to itself.
    Leave,
}

/// Many hosts, and what is asked of them.
pub struct Fleet {
    args: ClientArgs,
    known: Rc<Hosts>,
    hosts: Rc<[Host]>,
    answers: Rc<Answers>,
    screen: Screen,
    input: Input,
    wish: watch::Sender<Wish>,
}

/// Asks all of them for what was asked for.
///
/// # Errors
/// [`Code::Usage`]: the words or the settings.
pub async fn many(args: &ClientArgs, set: &Set) -> Result<Status, ClientError> {
    for_many(args)?;
    let known = Rc::new(target::hosts(args)?);
    let named = named(set)?;
    let manner = Manner {
        live: args.many.live || !(args.many.fold || args.many.quiet || args.many.summary),
        fold: args.many.fold,
        quiet: args.many.quiet,
        json: args.json,
        aside: false,
        raw: matches!(&args.verb, ClientVerb::Run(run) if run.raw),
    };
    let answers = Rc::new(Answers::for_many());
    let fleet = Rc::new(Fleet::new(
        args.clone(),
        known,
        named.into(),
        answers,
        manner,
    ));
    let ends = Fleet::drive(&fleet).await?;
    Ok(fleet.told(&ends).await)
}

impl Fleet {
    fn new(
        args: ClientArgs,
        known: Rc<Hosts>,
        hosts: Rc<[Host]>,
        answers: Rc<Answers>,
        manner: Manner,
    ) -> Self {
        Self {
            screen: Screen::begin(manner, &hosts),
            args,
            known,
            hosts,
            answers,
            input: Input::default(),
            wish: watch::Sender::new(Wish::GoOn),
        }
    }

    /// The exit statuses that are well.
    fn good(&self) -> &[u8] {
        match &self.args.verb {
            ClientVerb::Run(run) if !run.ok_exit.is_empty() => &run.ok_exit,
            _ => &[0],
        }
    }
}

/// What speaks of one run, or wants this terminal, is for one host.
fn for_many(args: &ClientArgs) -> Result<(), ClientError> {
    let for_one = match &args.verb {
        ClientVerb::Run(run) if run.tty => {
            "--tty gives a command this terminal, which is for one host"
        }
        ClientVerb::Run(run) if run.nagios && args.json => {
            "--nagios and --json exclude one another"
        }
        ClientVerb::Runs { follow: true, .. } => "`runs --follow` is for one host",
        ClientVerb::Attach { .. }
        | ClientVerb::Output { .. }
        | ClientVerb::Signal { .. }
        | ClientVerb::Cancel { .. } => "a run's id is of one host; name that one",
        ClientVerb::Sessions { end: Some(end), .. } if end != "all" => {
            "a session's id is of one host; name that one"
        }
        _ => return Ok(()),
    };
    Err(ClientError::new(Code::Usage, for_one))
}
