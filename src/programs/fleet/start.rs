//! The beginning of a run at one host of many: what is missing is asked for once for all of them.

use super::Fleet;
use super::again::Found;
use super::input::{file_of, whole_of};
use super::noted::Known;
use super::screen::Manner;
use crate::cli::{ClientVerb, RunArgs};
use crate::client::{ClientError, Durable, Session};
use crate::credential::random;
use crate::fleet::End;
use crate::ids::RequestId;
use crate::programs::ask::{self, Wanted};
use crate::programs::display::plain;
use crate::programs::invoke;
use crate::programs::run::unanswered;
use crate::programs::target::Target;
use crate::protocol::{Code, Queued, RequestName};
use crate::verb::{CommandView, Invocation};
use serde_json::json;
use std::cell::Cell;
use std::io::{self, IsTerminal};
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
        if let Some(owner) = self.same_server(host, target, run) {
            session.close().await;
            return Ok(self.as_other(host, owner).await);
        }
        match self.found(host, target, &session, run, same).await? {
            Found::Run(found) => {
                begun.set(true);
                return self.followed(host, *found, run.timeout).await;
            }
            Found::Lost => return Ok(End::Unknown),
            Found::Nothing => {}
        }
        let may_be_asked = |known: &&Known| known.sent || run.stdin_each.is_none();
        if let Some(known) = self.known(host).filter(may_be_asked)
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
        self.has_input(host, &session, run).await?;
        let since = Instant::now();
        let started = match self.anew(host, target, &session, run, begun).await? {
            Begun::Run(started) => *started,
            Begun::Not(end) => return Ok(end),
        };
        let left = run.timeout.map(|time| time.saturating_sub(since.elapsed()));
        let end = self.followed(host, started, left).await;
        session.close().await;
        end
    }

    /// Begins the run at a host where none is found. What the server says is missing is asked for
    /// once for all, and then it is tried again.
    async fn anew(
        &self,
        host: usize,
        target: &Target,
        session: &Session,
        run: &RunArgs,
        begun: &Cell<bool>,
    ) -> Result<Begun, ClientError> {
        let name = self.request(host, target, session)?;
        let (mut invocation, view) = invoke::invocation(&self.args, run, target, session).await?;
        invocation.confirmed = run.yes || self.answers.is_agreed();
        self.tell_rule(view.as_ref(), session, run).await;
        let since = Instant::now();
        let left = || {
            run.timeout
                .map(|timeout| timeout.saturating_sub(since.elapsed()))
        };
        let (mut described, mut reasoned, mut agreed) = (view.is_some(), false, false);
        loop {
            let asked = (name.clone(), invocation.clone());
            let starting = self.start(host, target, session, asked, left(), begun);
            let error = match starting.await {
                Ok(Some(started)) => return Ok(Begun::Run(Box::new(started))),
                Ok(None) => return Ok(Begun::Not(End::NotStarted)),
                Err(error) => error,
            };
            begun.set(error.is(Code::OutcomeUnknown));
            if error.is(Code::TooLate) {
                // It may have led to a run that is forgotten by now.
                return Ok(Begun::Not(End::Unknown));
            }
            if error.is(Code::Argument) && !std::mem::replace(&mut described, true) {
                let view = invoke::described(session, run.command()).await?;
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
        }
    }

    /// Whether standard input is there for a command that takes it. What was read from it already, a
    /// password or the names of the hosts, would be missing, and half an input looks like a whole one.
    async fn has_input(
        &self,
        host: usize,
        session: &Session,
        run: &RunArgs,
    ) -> Result<(), ClientError> {
        if run.stdin_each.is_some() || self.expected.of_all.is_some() {
            return self.is_same_input(host, session, run).await;
        }
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

    /// Whether standard input is what it was, where the same is asked for again; and whether a
    /// command takes the file that is meant for it.
    async fn is_same_input(
        &self,
        host: usize,
        session: &Session,
        run: &RunArgs,
    ) -> Result<(), ClientError> {
        let usage = |why: String| ClientError::new(Code::Usage, why);
        let takes = self.takes_input(session, run).await?;
        let (was, is) = match &run.stdin_each {
            Some(_) if !takes => {
                let text = "this command takes no standard input, so --stdin-each is for nothing";
                return Err(usage(text.into()));
            }
            Some(folder) => {
                let Some(was) = self.expected.of_each.get(self.name(host)) else {
                    return Ok(());
                };
                (
                    was,
                    whole_of(&file_of(folder, self.name(host))).map_err(usage)?,
                )
            }
            None => match &self.expected.of_all {
                Some(was) if takes => (was, self.input.read_whole().await.map_err(usage)?),
                _ => return Ok(()),
            },
        };
        was.is(&is).map_err(usage)
    }

    /// Another host that is the same server, where the command runs once.
    fn same_server(&self, host: usize, target: &Target, run: &RunArgs) -> Option<usize> {
        let key = target.server_key.get().filter(|_| run.once)?;
        Some(self.once.owner(key, host)).filter(|owner| *owner != host)
    }

    /// The end of another host, which is the same server.
    async fn as_other(&self, host: usize, owner: usize) -> End {
        let name = self.name(owner);
        let text = format!("is the server that {name} is, where it runs (--once)");
        let _ = self.screen.note(host, &text).await;
        let event = json!({ "event": "same-server", "as": name });
        let _ = self.screen.event(host, &event).await;
        self.once.end_of(owner).await
    }

    /// Says before it begins what becomes of a run whose client is gone, to somebody who may want to
    /// go away; once for all, and nobody waits long for it.
    async fn tell_rule(&self, view: Option<&CommandView>, session: &Session, run: &RunArgs) {
        let is_quiet = self.args.json || self.args.many.quiet || self.args.many.summary;
        if is_quiet || !io::stderr().is_terminal() {
            return;
        }
        let told = async {
            let mut told = self.told_rule.lock().await;
            if std::mem::replace(&mut *told, true) {
                return;
            }
            let outlives = match view {
                Some(view) => view.outlives_client,
                None => {
                    let view = invoke::described(session, run.command()).await;
                    view.is_ok_and(|view| view.outlives_client)
                }
            };
            if !outlives {
                let command = run.command();
                self.screen.say(&format!(
                    "{command} ends at hosts that we are away from for longer than they wait (resume_window, 60 s unless their settings say otherwise)"
                )).await;
            }
        };
        let _ = tokio::time::timeout(RULE, told).await;
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
    fn request(
        &self,
        host: usize,
        target: &Target,
        session: &Session,
    ) -> Result<RequestName, ClientError> {
        let Some(notes) = &self.notes else {
            return Ok(RequestId::from_random(random()).into());
        };
        let known = self.known(host).filter(|known| known.sent);
        let good = match known {
            Some(known) => known.good.clone(),
            None => {
                let good = session.good_for(GOOD);
                let once = self.run_args().is_some_and(|run| run.once);
                let key = target.server_key.get().filter(|_| once);
                notes
                    .sends(host, good.as_ref(), &session.kept(), key)
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
        (plan.dry_run, plan.pace.batch) = (true, None);
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

/// What came of asking for a run.
enum Begun {
    /// It has begun.
    Run(Box<Durable>),
    /// It has not, or nobody knows.
    Not(End),
}

/// How long a server may take to say whether a run has begun, once it is not wanted any more.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a host may wait until it is said what becomes of its run.
const RULE: Duration = Duration::from_secs(1);
/// For how long a request may be asked again by whoever takes the fleet up.
const GOOD: Duration = Duration::from_secs(3600);
/// Longer than any program runs.
pub const FOR_EVER: Duration = Duration::from_secs(1 << 30);

fn internal(fault: tokio::task::JoinError) -> ClientError {
    ClientError::new(Code::Internal, fault.to_string())
}
