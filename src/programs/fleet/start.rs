//! The beginning of a run at one host of many: what is missing is asked for once for all of them.

use super::Fleet;
use super::again::Found;
use super::screen::Manner;
use crate::cli::{ClientVerb, RunArgs};
use crate::client::{ClientError, Durable, Session};
use crate::credential::random;
use crate::fleet::End;
use crate::ids::RequestId;
use crate::programs::ask::{self, Wanted};
use crate::programs::display::plain;
use crate::programs::invoke;
use crate::programs::target::Target;
use crate::protocol::{Code, Queued, RequestName};
use crate::verb::Invocation;
use serde_json::json;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

impl Fleet {
    /// Runs the command at one host, and follows it to its end.
    pub async fn run(
        &self,
        host: usize,
        target: &mut Target,
        run: &RunArgs,
        begun: &Cell<bool>,
    ) -> Result<End, ClientError> {
        let (session, same) = self.session(host, target).await?;
        match self.found(host, target, &session, run, same).await? {
            Found::Run(found) => {
                begun.set(true);
                return self.followed(host, *found, run.timeout).await;
            }
            Found::Lost => return Ok(End::Unknown),
            Found::Nothing => {}
        }
        if let Some(known) = self.known(host)
            && self.takes_input(&session, run).await?
        {
            let text = "its input is gone with the client that had it, so nothing is begun; `ordain fleet retry` asks anew";
            let _ = self.screen.note(host, text).await;
            return Ok(if known.sent {
                End::Unknown
            } else {
                End::NotStarted
            });
        }
        self.has_input(&session, run).await?;
        let name = self.request(host, &session)?;
        let (mut invocation, view) = invoke::invocation(&self.args, run, target, &session).await?;
        invocation.confirmed = run.yes || self.answers.is_agreed();
        let since = Instant::now();
        let left = || {
            run.timeout
                .map(|timeout| timeout.saturating_sub(since.elapsed()))
        };
        let (mut described, mut reasoned, mut agreed) = (view.is_some(), false, false);
        let started = loop {
            let asked = (name.clone(), invocation.clone());
            let starting = self.start(host, target, &session, asked, left(), begun);
            let error = match starting.await {
                Ok(Some(started)) => break started,
                Ok(None) => return Ok(End::NotStarted),
                Err(error) => error,
            };
            begun.set(error.is(Code::OutcomeUnknown));
            if error.is(Code::TooLate) {
                // It may have led to a run that is forgotten by now.
                return Ok(End::Unknown);
            }
            if error.is(Code::Argument) && !std::mem::replace(&mut described, true) {
                let view = invoke::described(&session, run.command()).await?;
                let before = invocation.arguments.len();
                invoke::ask_for_secrets(&mut invocation.arguments, &view, run.command(), target)?;
                if invocation.arguments.len() == before {
                    return Err(error);
                }
            } else if error.is(Code::Reason)
                && invocation.reason.is_none()
                && !std::mem::replace(&mut reasoned, true)
            {
                invocation.reason = Some(self.reason(run, error).await?);
            } else if error.is(Code::Confirm) && !std::mem::replace(&mut agreed, true) {
                self.agree(run).await?;
                invocation.confirmed = true;
            } else {
                return Err(error);
            }
        };
        let end = self.followed(host, started, left()).await;
        session.close().await;
        end
    }

    /// Whether standard input is there for a command that takes it. What was read from it already, a
    /// password or the names of the hosts, would be missing, and half an input looks like a whole one.
    async fn has_input(&self, session: &Session, run: &RunArgs) -> Result<(), ClientError> {
        let taken = match (self.args.password_stdin, run.host.is_stdin()) {
            (true, _) => "the password cannot come from there; use --password-file",
            (_, true) => "the names of the hosts cannot come from there; give --hosts-from a file",
            _ => return Ok(()),
        };
        if !self.takes_input(session, run).await? {
            return Ok(());
        }
        let text = format!("this command takes standard input, so {taken}");
        Err(ClientError::new(Code::Usage, text))
    }

    /// Starts the run; nothing where that was given up before it has begun.
    async fn start(
        &self,
        host: usize,
        target: &Target,
        session: &Session,
        (name, invocation): (RequestName, Invocation),
        left: Option<Duration>,
        begun: &Cell<bool>,
    ) -> Result<Option<Durable>, ClientError> {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let queued = move |queued: Queued| drop(tell.send(queued));
        begun.set(true);
        let (options, session) = (target.options.clone(), session.clone());
        let starting = Durable::start_as(name, options, session, invocation, queued);
        let late = tokio::time::sleep(left.unwrap_or(FOR_EVER));
        tokio::pin!(starting, late);
        let (mut waits, mut wished) = (false, false);
        let answered = tokio::time::sleep(FOR_EVER);
        tokio::pin!(answered);
        loop {
            // What waits is given up then, and never begins.
            if wished && waits {
                begun.set(false);
                return Ok(None);
            }
            tokio::select! {
                started = &mut starting => return started.map(Some),
                Some(queued) = told.recv() => {
                    waits = true;
                    self.tell_queued(host, &queued).await;
                }
                () = &mut late => {
                    // Of what does not wait only the server knows whether it has begun.
                    if !waits {
                        return Err(unanswered("--timeout is over"));
                    }
                    begun.set(false);
                    let text = "--timeout is over before the run has begun; it does not begin";
                    let _ = self.screen.note(host, text).await;
                    return Ok(None);
                }
                () = &mut answered => return Err(unanswered("given up")),
                () = self.unwanted(), if !wished => {
                    wished = true;
                    answered.as_mut().reset(tokio::time::Instant::now() + ANSWER);
                }
            }
        }
    }

    /// The name of a host's request, noted before it leaves.
    fn request(&self, host: usize, session: &Session) -> Result<RequestName, ClientError> {
        let Some(notes) = &self.notes else {
            return Ok(RequestId::from_random(random()).into());
        };
        let known = self.known(host).filter(|known| known.sent);
        let good = match known {
            Some(known) => known.good.clone(),
            None => {
                let good = session.good_for(GOOD);
                notes
                    .sends(host, good.as_ref(), &session.kept())
                    .map_err(|fault| {
                        let text =
                            format!("what is sent cannot be noted, so it is not sent: {fault}");
                        ClientError::new(Code::Usage, text)
                    })?;
                good
            }
        };
        Ok(RequestName {
            id: notes.request(self.name(host)),
            instance: good.as_ref().map(|good| good.instance.clone()),
            not_after: good.map(|good| good.not_after),
        })
    }

    async fn tell_queued(&self, host: usize, queued: &Queued) {
        let text = format!("run {} waits: {}", plain(&queued.run), plain(&queued.text));
        let _ = self.screen.note(host, &text).await;
        let event = json!({ "event": "queued", "run": queued.run, "text": queued.text });
        let _ = self.screen.event(host, &event).await;
    }

    /// The reason for the run, asked for once.
    async fn reason(&self, run: &RunArgs, missing: ClientError) -> Result<String, ClientError> {
        let mut reason = self.answers.reason.lock().await;
        if let Some(known) = &*reason {
            return Ok(known.clone());
        }
        if !ask::can_ask() {
            return Err(missing);
        }
        let what = format!("reason for {} on {} hosts", run.command(), self.hosts.len());
        let asked = tokio::task::spawn_blocking(move || ask::line(&Wanted::own("ordain", &what)));
        let given = asked.await.map_err(internal)??;
        Ok(reason.insert(given).clone())
    }

    /// Shows what would run everywhere, and asks once whether it shall.
    async fn agree(&self, run: &RunArgs) -> Result<(), ClientError> {
        let mut agreed = self.answers.agreed.lock().await;
        if let Some(known) = &*agreed {
            return known.clone();
        }
        if !ask::can_ask() {
            return ask::agree(&Wanted::own("ordain", ""));
        }
        self.plan(run).await?;
        let what = format!("run {} on {} hosts?", run.command(), self.hosts.len());
        let asked = tokio::task::spawn_blocking(move || ask::agree(&Wanted::own("ordain", &what)));
        agreed.insert(asked.await.map_err(internal)?).clone()
    }

    /// What the run would be at each host, equal ones together, on standard error.
    async fn plan(&self, run: &RunArgs) -> Result<(), ClientError> {
        let mut args = self.args.clone();
        args.json = false;
        let mut plan = run.clone();
        (plan.dry_run, plan.batch) = (true, None);
        args.verb = ClientVerb::Run(plan);
        let manner = Manner {
            fold: true,
            aside: true,
            ..Manner::default()
        };
        let (known, hosts) = (self.known.clone(), self.hosts.clone());
        let plan = Rc::new(Self::new(args, known, hosts, self.answers.clone(), manner));
        // A fleet within a fleet, whose future would be within its own.
        let driven: Pin<Box<dyn Future<Output = _>>> = Box::pin(Self::drive(&plan));
        let ends = driven.await?;
        plan.screen.finish(&ends, plan.good()).await;
        Ok(())
    }
}

/// How long a server may take to say whether a run has begun, once it is not wanted any more.
const ANSWER: Duration = Duration::from_secs(2);
/// For how long a request may be asked again by whoever takes the fleet up.
const GOOD: Duration = Duration::from_secs(3600);
/// Longer than any program runs.
pub const FOR_EVER: Duration = Duration::from_secs(1 << 30);

/// The server was asked, and has not said whether the run has begun.
fn unanswered(why: &str) -> ClientError {
    let text = format!("{why}, and the server has not said whether the run has begun");
    ClientError::new(Code::OutcomeUnknown, text)
}

fn internal(fault: tokio::task::JoinError) -> ClientError {
    ClientError::new(Code::Internal, fault.to_string())
}
