//! Many machines at once: who is meant, what is asked of them, and what all of it came to.

mod again;
mod differ;
mod drive;
mod files;
pub mod hosts;
mod input;
mod member;
mod noted;
mod notes;
mod once;
mod progress;
mod screen;
mod sides;
mod start;
mod summary;
mod transfer;
mod verbs;

pub use verbs::fleets;

use super::answers::Answers;
#[cfg(target_os = "linux")]
use super::moves::Common;
use super::target;
use super::terminal::Signals;
use super::trusts::Trusts;
use super::wish::Wish;
use crate::cli::{ClientArgs, ClientVerb, Place};
use crate::client::ClientError;
use crate::config::Hosts;
use crate::exit::Status;
use crate::protocol::Code;
use files::Files;
use hosts::{Host, meant};
use input::{Expected, Input};
use noted::{Called, Known};
use notes::Notes;
use once::Once;
use screen::{Manner, Screen};
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use tokio::sync::watch;

/// Many hosts, and what is asked of them.
pub struct Fleet {
    args: ClientArgs,
    known: Rc<Hosts>,
    hosts: Rc<[Host]>,
    answers: Rc<Answers>,
    trusts: Trusts,
    screen: Screen,
    input: Rc<Input>,
    /// What transfers have in common.
    #[cfg(target_os = "linux")]
    common: Rc<Common>,
    wish: watch::Sender<Wish>,
    /// What is noted on the disk, of a run.
    notes: Option<Notes>,
    /// What was known of each host when this began.
    known_of: Vec<Known>,
    /// Where each host's output goes besides.
    files: Option<Files>,
    /// What is wanted of what goes on from the first moment on.
    first_wish: Wish,
    /// Which host runs it, where several are one server.
    once: Once,
    /// Whether it is noted what standard input was.
    input_noted: Cell<bool>,
    /// What standard input has to be, where it was given before.
    expected: Expected,
    /// Whether it was said what becomes of runs whose client is gone.
    told_rule: tokio::sync::Mutex<bool>,
}

/// Asks all of them for what was asked for.
///
/// # Errors
/// [`Code::Usage`]: the words or the settings.
pub async fn many(args: &ClientArgs, place: &Place) -> Result<Status, ClientError> {
    for_many(args)?;
    sides::for_many(args, place)?;
    if place.is_stdin() && args.password_stdin {
        let text = "standard input has the names of the hosts, so no password can come from there; use --password-file";
        return Err(ClientError::new(Code::Usage, text));
    }
    let known = Rc::new(target::hosts(args)?);
    let hosts = meant(place, &known)?;
    sides::have_folders(args, &hosts)?;
    begun(
        args,
        &place.to_string(),
        (known, hosts),
        Expected::default(),
    )
    .await
}

/// Asks these hosts, whatever they were named by.
async fn begun(
    args: &ClientArgs,
    set: &str,
    (known, named): (Rc<Hosts>, Vec<Host>),
    expected: Expected,
) -> Result<Status, ClientError> {
    if let ClientVerb::Run(run) = &args.verb
        && let Some(folder) = &run.stdin_each
    {
        input::are_there(folder, &named)?;
    }
    let notes = match &args.verb {
        ClientVerb::Run(run) if !run.dry_run && !run.detach => {
            let called = named.iter().map(Called::of).collect();
            let begun = Notes::begin(set, called, run);
            Some(begun.map_err(|fault| {
                let text = format!("what is asked cannot be noted, so nothing is asked: {fault}");
                ClientError::new(Code::Usage, text)
            })?)
        }
        _ => None,
    };
    let answers = match &args.verb {
        ClientVerb::Login { each: true, .. } => Answers::for_each(),
        _ => Answers::for_many(),
    };
    let (answers, hosts) = (Rc::new(answers), named.into());
    let mut fleet = Fleet::new(args.clone(), known, hosts, answers, manner(args));
    fleet.notes = notes;
    fleet.expected = expected;
    if let ClientVerb::Run(run) = &args.verb
        && let Some(folder) = &run.output
    {
        let made = Files::in_folder(folder);
        let usage = |fault| ClientError::new(Code::Usage, format!("{}: {fault}", folder.display()));
        fleet.files = Some(made.map_err(usage)?);
    }
    fleet.end().await
}

/// How it is told, as the arguments say.
fn manner(args: &ClientArgs) -> Manner {
    Manner {
        live: args.many.live || !(args.many.fold || args.many.quiet || args.many.summary),
        // Machines read every event, and put together what they want together.
        fold: args.many.fold && !args.json,
        quiet: args.many.quiet && !args.json,
        json: args.json,
        aside: false,
        diff: args.many.diff,
        alike: args.many.alike && !args.json,
        raw: match &args.verb {
            ClientVerb::Run(run) => run.raw,
            ClientVerb::Cat(cat) => cat.raw,
            _ => false,
        },
    }
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
            trusts: Trusts::default(),
            input: Rc::default(),
            #[cfg(target_os = "linux")]
            common: Rc::default(),
            wish: watch::Sender::new(Wish::GoOn),
            notes: None,
            known_of: Vec::new(),
            files: None,
            first_wish: Wish::GoOn,
            once: Once::default(),
            input_noted: Cell::default(),
            expected: Expected::default(),
            told_rule: tokio::sync::Mutex::default(),
        }
    }

    /// Asks all of them, and tells what came of it.
    async fn end(self) -> Result<Status, ClientError> {
        let fleet = Rc::new(self);
        let ends = Self::drive(&fleet).await?;
        let mut signals = Signals::new()?;
        let mut told = pin!(fleet.told(&ends));
        loop {
            tokio::select! {
                status = &mut told => return Ok(status),
                () = signals.interrupt.rung() => fleet.left(),
                () = signals.end.rung() => fleet.left(),
            }
        }
    }

    /// Nobody waits for what is not read yet.
    fn left(&self) {
        self.screen.leave();
        self.wish.send_replace(Wish::Leave);
    }

    /// Waits until something else is wanted than that all goes on. Nothing of the wish is held then,
    /// so that there can be a next one.
    async fn unwanted(&self) {
        let mut wish = self.wish.subscribe();
        let _ = wish.wait_for(|wish| *wish != Wish::GoOn).await;
    }

    /// A host as it is called.
    fn name(&self, host: usize) -> &str {
        self.hosts.get(host).map_or("", |host| host.name.as_str())
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
        | ClientVerb::Approvals { run: Some(_), .. }
        | ClientVerb::Approve { .. }
        | ClientVerb::Deny { .. }
        | ClientVerb::Cancel { .. } => "a run's id is of one host; name that one",
        ClientVerb::Passwd { .. } => "a password is changed at one host at a time",
        ClientVerb::Sessions { end: Some(end), .. } if end != "all" => {
            "a session's id is of one host; name that one"
        }
        _ => return Ok(()),
    };
    Err(ClientError::new(Code::Usage, for_one))
}
