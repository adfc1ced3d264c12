//! `ordain run`: what is missing is asked for, the run begins, and is followed or left.

use super::ask::{self, Wanted};
use super::complain;
use super::display::{plain, quoted};
use super::follow::{FromInput, How, follow};
use super::invoke::{ask_for_secrets, described, detachable};
use super::output::hurry;
use super::run_input::feed;
use super::target::Target;
use super::terminal::Signals;
use crate::cli::{ClientArgs, RunArgs};
use crate::client::{ClientError, Durable, Session};
use crate::exit::Status;
use crate::protocol::{Code, Queued};
use crate::verb::{CommandView, Invocation, Preview};
use std::cell::Cell;
use std::io::IsTerminal;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Runs the command and stays until its end.
pub async fn perform(
    args: &ClientArgs,
    run: &RunArgs,
    (target, session): (&Target, &Session),
    mut invocation: Invocation,
    view: Option<CommandView>,
    (mut waiting, begun): (Waiting, &Cell<bool>),
) -> Result<Status, ClientError> {
    if run.detach {
        detachable(session, run.command(), view.as_ref()).await?;
        invocation.unattended = session.knows_unattended();
    }
    let asked = invocation
        .terminal
        .as_ref()
        .map(|terminal| terminal.kind.clone());
    let server = Server {
        target,
        session,
        json: args.json,
        waits: waiting.waits.clone(),
    };
    let started = match start(run, &server, invocation, view.is_some(), &mut waiting).await {
        Ok(started) => started,
        Err(NotBegun::Error(error)) => return Err(error),
        Err(NotBegun::Left(status)) => return Ok(status),
    };
    begun.set(true);
    if run.detach {
        return Ok(detach(args, started).await);
    }

    // A server gets this terminal where the request has asked for one, and never by its own word.
    let ours = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let terminal = asked.is_some() && ours && started.at_a_terminal();
    tell_of_terminal(args, run, &started, (asked.as_deref(), ours, terminal));
    let how = How {
        timeout: waiting.left(),
        terminal,
        ..how(args, run, target)
    };
    if !started.takes_stdin() {
        return follow(how, started, FromInput::default()).await;
    }
    if args.password_stdin {
        return Err(ClientError::new(
            Code::Usage,
            "this command takes standard input, so the password cannot come from there; use --password-file",
        ));
    }

    let (left, leaving) = tokio::sync::oneshot::channel();
    let (broke, broken) = tokio::sync::oneshot::channel();
    tokio::spawn(feed(started.input(), terminal.then_some(left), broke));
    let input = FromInput {
        leaving: terminal.then_some(leaving),
        broken: Some(broken),
    };
    follow(how, started, input).await
}

/// How a run is followed, as far as the command line says it.
fn how(args: &ClientArgs, run: &RunArgs, target: &Target) -> How {
    How {
        json: args.json,
        host: target.destination.to_string(),
        raw: run.raw,
        nagios: run.nagios,
        verbose: args.verbose,
        ..How::default()
    }
}

/// Tells the person what is otherwise than they may think of their terminal: its kind, whose it is, and
/// that it is read.
fn tell_of_terminal(
    args: &ClientArgs,
    run: &RunArgs,
    started: &Durable,
    (asked, ours, terminal): (Option<&str>, bool, bool),
) {
    if args.verbose
        && let (Some(asked), Some(given)) = (asked, started.terminal_kind())
        && asked != given
    {
        complain(&format!(
            "ordain: TERM is {} there: that machine does not know {}",
            plain(given),
            plain(asked)
        ));
    }
    if ours && asked.is_none() && started.at_a_terminal() {
        complain(&format!(
            "ordain: `{}` runs at a terminal there; --tty gives it this one",
            run.command()
        ));
    }
    if started.takes_stdin() && !terminal && std::io::stdin().is_terminal() {
        complain(&format!(
            "ordain: `{}` reads its input from this terminal; Ctrl-D ends it",
            run.command()
        ));
    }
}

/// Why a run has not begun.
enum NotBegun {
    /// The server refused it, or could not be asked.
    Error(ClientError),
    /// It was given up while it waited for its turn.
    Left(Status),
}

impl From<ClientError> for NotBegun {
    fn from(error: ClientError) -> Self {
        Self::Error(error)
    }
}

/// Waiting for a run to begin: `--timeout` counts, and whoever wants this program to end is heard.
/// What waits is given up then, and never begins; of anything else only the server knows.
pub struct Waiting {
    /// Whether the server has said that the run waits.
    waits: Rc<Cell<bool>>,
    timeout: Option<Duration>,
    spent: Duration,
    /// Heard from the moment on at which the request leaves; before it a signal does what it
    /// usually does.
    signals: Arc<OnceLock<Mutex<Signals>>>,
    /// Whether somebody has wanted this program to end.
    rung: bool,
}

/// How long the server's word on a run is waited for that somebody has given up before it came.
const WORD: Duration = Duration::from_secs(1);

impl Waiting {
    pub fn new(timeout: Option<Duration>) -> Self {
        Self {
            waits: Rc::default(),
            timeout,
            spent: Duration::ZERO,
            signals: Arc::default(),
            rung: false,
        }
    }

    /// To be called when the request leaves.
    pub fn leaves(&self) -> impl Fn() + Send + Sync + use<> {
        let signals = self.signals.clone();
        move || {
            if signals.get().is_none()
                && let Ok(heard) = Signals::new()
            {
                let _ = signals.set(Mutex::new(heard));
            }
        }
    }

    /// Waits until somebody wants this program to end.
    async fn ring(signals: &OnceLock<Mutex<Signals>>) {
        std::future::poll_fn(|context| match signals.get() {
            Some(signals) => lock(signals).poll_rung(context),
            None => Poll::Pending,
        })
        .await;
    }

    /// Waits for a login with which the run is asked for.
    pub async fn entered<T>(
        &mut self,
        enters: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let mut enters = pin!(enters);
        tokio::select! {
            // First, since the signals are heard from within.
            biased;
            entered = &mut enters => return entered,
            () = Self::ring(&self.signals) => {}
        }
        self.rung = true;
        hurry();
        let entered = tokio::time::timeout(WORD, enters).await;
        entered.unwrap_or_else(|_| Err(unanswered("given up")))
    }

    /// What is left of `--timeout`.
    fn left(&self) -> Option<Duration> {
        self.timeout
            .map(|timeout| timeout.saturating_sub(self.spent))
    }

    /// Waits for it to begin.
    async fn begun<T>(
        &mut self,
        begins: impl Future<Output = Result<T, NotBegun>>,
    ) -> Result<T, NotBegun> {
        self.leaves()();
        let mut begins = pin!(begins);
        let began = Instant::now();
        let left = self.left().unwrap_or(Duration::MAX);
        let (signals, rung) = (self.signals.clone(), self.rung);
        let rings = async {
            if !rung {
                Self::ring(&signals).await;
            }
        };
        let (why, status) = tokio::select! {
            begun = tokio::time::timeout(left, &mut begins) => match begun {
                Ok(begun) => {
                    self.spent += began.elapsed();
                    return begun;
                }
                Err(_) => ("--timeout is over", Status::TIMEOUT),
            },
            () = rings => ("given up", Status(128 + 2)),
        };
        hurry();

        // Whether it waits may be on its way.
        let waits = self.waits.clone();
        let told = std::future::poll_fn(|context| match waits.get() {
            true => Poll::Ready(None),
            false => match begins.as_mut().poll(context) {
                Poll::Pending if waits.get() => Poll::Ready(None),
                answer => answer.map(Some),
            },
        });
        match tokio::time::timeout(WORD, told).await {
            Ok(Some(Err(refused))) => Err(refused),
            _ => Err(self.given_up(why, status)),
        }
    }

    fn given_up(&self, why: &str, status: Status) -> NotBegun {
        if !self.waits.get() {
            return NotBegun::Error(unanswered(why));
        }
        complain(&format!(
            "ordain: {why} before the run has begun; it does not begin"
        ));
        NotBegun::Left(status)
    }
}

fn lock(signals: &Mutex<Signals>) -> MutexGuard<'_, Signals> {
    signals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server was asked, and has not said whether the run has begun.
pub fn unanswered(why: &str) -> ClientError {
    let text = format!("{why}, and the server has not said whether the run has begun");
    ClientError::new(Code::OutcomeUnknown, text)
}

/// Starts the run. What the server says is missing is asked for once, and then it is tried again.
async fn start(
    run: &RunArgs,
    server: &Server<'_>,
    mut invocation: Invocation,
    is_described: bool,
    waiting: &mut Waiting,
) -> Result<Durable, NotBegun> {
    let mut started = waiting.begun(server.begin(&invocation)).await;

    if let Err(NotBegun::Error(error)) = &started
        && !is_described
        && error.is(Code::Argument)
    {
        // Asked for without words: perhaps all that is missing is a secret.
        let view = described(server.session, run.command()).await?;
        let before = invocation.arguments.len();
        ask_for_secrets(
            &mut invocation.arguments,
            &view,
            run.command(),
            server.target,
        )?;
        if invocation.arguments.len() > before {
            started = waiting.begun(server.begin(&invocation)).await;
        }
    }

    if let Err(NotBegun::Error(error)) = &started
        && error.is(Code::Reason)
        && invocation.reason.is_none()
        && ask::can_ask()
    {
        let view = described(server.session, run.command()).await?;
        invocation.reason = Some(reason(&view, run.command(), server.target)?);
        started = waiting.begun(server.begin(&invocation)).await;
    }

    if let Err(NotBegun::Error(error)) = &started
        && error.is(Code::Confirm)
    {
        let preview = server.session.ask(&Preview(invocation.clone())).await?;
        // What the server says of the run stands on a line of its own, and not in the question.
        let (host, command) = (server.target.host(), run.command());
        complain(&format!(
            "ordain: {host}: {command} would run as {}: {}",
            plain(&preview.run_as),
            quoted(&preview.argv)
        ));
        ask::agree(&Wanted::of(host, &format!("run {command}?")))?;
        invocation.confirmed = true;
        started = waiting.begun(server.begin(&invocation)).await;
    }

    started
}

/// The server that is asked, and how it is told what it says.
struct Server<'s> {
    target: &'s Target,
    session: &'s Session,
    json: bool,
    /// Whether the server has said that the run waits.
    waits: Rc<Cell<bool>>,
}

impl Server<'_> {
    /// Asks for the run. One that begins by itself is left as soon as it waits.
    async fn begin(&self, invocation: &Invocation) -> Result<Durable, NotBegun> {
        let (left, leaving) = tokio::sync::oneshot::channel();
        let mut left = invocation.unattended.then_some(left);
        let queued = |queued: Queued| {
            self.waits.set(true);
            if let Some(left) = left.take() {
                let _ = left.send(queued);
            } else if self.json {
                let host = self.target.destination.to_string();
                super::say_json(
                    &serde_json::json!({ "event": "queued", "host": host, "run": queued.run, "text": queued.text }),
                );
            } else {
                complain(&format!(
                    "ordain: run {} waits: {}",
                    plain(&queued.run),
                    plain(&queued.text)
                ));
            }
        };
        let (options, session) = (self.target.options.clone(), self.session.clone());
        tokio::select! {
            begun = Durable::start(options, session, invocation.clone(), queued) => Ok(begun?),
            Ok(queued) = leaving => {
                self.leave_waiting(&queued);
                Err(NotBegun::Left(Status::OK))
            }
        }
    }

    /// Says which run it is that waits by itself.
    fn leave_waiting(&self, queued: &Queued) {
        if self.json {
            super::say_json(&serde_json::json!({ "run": queued.run, "waits": queued.text }));
            return;
        }
        let text = plain(&queued.text);
        complain(&format!("ordain: it begins by itself; it waits: {text}"));
        super::say(&plain(&queued.run));
    }
}

/// The reason for the run, asked for once it was said which form the command wants.
fn reason(view: &CommandView, command: &str, target: &Target) -> Result<String, ClientError> {
    let host = target.host();
    if let Some(form) = &view.reason {
        complain(&format!(
            "ordain: {host}: {command} wants a reason of the form {}",
            plain(form)
        ));
    }
    ask::line(&Wanted::of(host, &format!("reason for {command}")))
}

/// Says which run it is, and leaves the run to itself.
async fn detach(args: &ClientArgs, run: Durable) -> Status {
    let id = run.id();
    if args.json {
        super::say_json(&serde_json::json!({ "run": id.to_string() }));
    } else {
        super::say(&id.to_string());
    }

    run.leave().await;
    Status::OK
}
