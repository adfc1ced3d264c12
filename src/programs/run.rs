//! `ordain run`: arguments from words, output to this terminal, input to that command, and its exit
//! status.

use super::display::{plain, quoted};
use super::invoke::{ask_for_secrets, described, detachable};
use super::terminal::{Leaving, Output, Signals, feed};
use super::{ask, complain};
use crate::cli::{ClientArgs, RunArgs};
use crate::client::{ClientError, Durable, Event, Options, Session, Told, reason};
use crate::exit::{Human, Reason, Status};
use crate::protocol::{Code, Ended};
use crate::verb::{Cancel, CommandView, Invocation, Preview, Signal};
use std::io::IsTerminal;
use std::time::Duration;

/// Runs it and stays until its end.
pub async fn perform(
    args: &ClientArgs,
    run: &RunArgs,
    (options, session): (&Options, &Session),
    mut invocation: Invocation,
    view: Option<CommandView>,
    begun: &mut bool,
) -> Result<Status, ClientError> {
    let start = async |invocation: &Invocation| {
        Durable::start(
            options.clone(),
            session.clone(),
            invocation.clone(),
            |queued| {
                complain(&format!(
                    "ordain: run {} waits: {}",
                    plain(&queued.run),
                    plain(&queued.text)
                ));
            },
        )
        .await
    };
    if run.detach {
        detachable(session, run.command(), view.as_ref()).await?;
    }
    let mut started = start(&invocation).await;
    if let Err(error) = &started
        && view.is_none()
        && error.is(Code::Argument)
    {
        // Asked for without words: perhaps all that is missing is a secret.
        let view = described(session, run.command()).await?;
        let before = invocation.arguments.len();
        ask_for_secrets(&mut invocation.arguments, &view)?;
        if invocation.arguments.len() > before {
            started = start(&invocation).await;
        }
    }
    if let Err(error) = &started
        && error.is(Code::Reason)
        && invocation.reason.is_none()
        && ask::can_ask()
    {
        let view = described(session, run.command()).await?;
        let form = view
            .reason
            .map(|form| format!(" ({})", plain(&form)))
            .unwrap_or_default();
        invocation.reason = Some(ask::line(&format!("reason{form}: "))?);
        started = start(&invocation).await;
    }
    if let Err(error) = &started
        && error.is(Code::Confirm)
    {
        let preview = session.ask(&Preview(invocation.clone())).await?;
        ask::agree(&format!(
            "run as {}: {} ?",
            plain(&preview.run_as),
            quoted(&preview.argv)
        ))?;
        invocation.confirmed = true;
        started = start(&invocation).await;
    }
    let started = started?;
    *begun = true;
    if run.detach {
        return Ok(detach(args, started).await);
    }
    let how = How {
        json: args.json,
        raw: run.raw,
        nagios: run.nagios,
        timeout: run.timeout,
        verbose: args.verbose,
        watching: false,
    };
    if started.takes_stdin() {
        if args.password_stdin {
            return Err(ClientError::new(
                Code::Usage,
                "this command takes standard input, so the password cannot come from there; use --password-file",
            ));
        }
        let leave = started.at_a_terminal() && std::io::stdin().is_terminal();
        let (left, leaving) = tokio::sync::oneshot::channel();
        tokio::spawn(feed(started.input(), leave.then_some(left)));
        return follow(&how, started, leave.then_some(leaving)).await;
    }
    follow(&how, started, None).await
}

/// Says which run it is, and leaves it to itself.
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

/// How a run is followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// For machines.
    pub json: bool,
    /// Control characters as they are.
    pub raw: bool,
    /// Ends that are not the command's own are UNKNOWN.
    pub nagios: bool,
    /// Cancel the run after this time.
    pub timeout: Option<Duration>,
    /// Say which run it is.
    pub verbose: bool,
    /// It is only looked at: Ctrl-C stops looking, and touches nothing.
    pub watching: bool,
}

/// What nobody will see is not passed over in silence.
fn tell_missing(missing: [Option<u64>; 2]) {
    for (name, offset) in ["standard output", "standard error"]
        .into_iter()
        .zip(missing)
    {
        if let Some(offset) = offset {
            complain(&format!(
                "ordain: {name} may lack bytes from byte {offset} on: the server lost them"
            ));
        }
    }
}

/// Output here, input there, until the end; exits as the command did.
pub async fn follow(
    how: &How,
    mut run: Durable,
    leaving: Option<Leaving>,
) -> Result<Status, ClientError> {
    let id = run.id();
    let terminal = run.at_a_terminal();
    // From here on every key is the command's; back to what it was on every way out, panics
    // included.
    let raw_mode = if terminal && leaving.is_some() {
        crate::sys::RawMode::begin().ok()
    } else {
        None
    };
    if how.verbose {
        complain(&format!("ordain: run {id}"));
    }
    tell_missing(run.missing());
    let mut output = Output::begin(how.json, how.raw || raw_mode.is_some());
    if how.json {
        output
            .event(serde_json::json!({ "event": "started", "run": id.to_string() }))
            .await;
    }
    let (mut cancelled, mut interrupts) = (false, 0);
    let timeout = async {
        match how.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(timeout);
    let mut interrupt =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
            .map_err(|fault| ClientError::new(Code::Internal, format!("SIGINT: {fault}")))?;
    let Signals {
        mut end,
        mut window,
    } = Signals::new()?;
    let leave = async {
        match leaving {
            // The sender goes when input ends; that is no wish to leave.
            Some(leaving) => match leaving.await {
                Ok(()) => {}
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    };
    tokio::pin!(leave);
    let ended: Ended = loop {
        tokio::select! {
            () = &mut leave => {
                drop(raw_mode);
                return Ok(left(run).await);
            }
            // The way out of here puts the terminal back as it was; the signal's own way would not.
            () = end.rung() => {
                drop(raw_mode);
                return Ok(left(run).await);
            }
            _ = window.recv(), if raw_mode.is_some() => {
                if let Some(size) = crate::sys::own_terminal_size() {
                    run.resize(size).await;
                }
            }
            told = run.next() => match told? {
                Told::Event(Event::Stdout(bytes)) => output.bytes(false, bytes).await?,
                Told::Event(Event::Stderr(bytes)) => output.bytes(true, bytes).await?,
                Told::Event(Event::Ended(ended)) => break ended,
                Told::Event(_) => {}
                Told::Lost(error) => complain(&format!("ordain: {}; reaching the server again", plain(&error.text))),
                Told::Healed { after, missing } => {
                    complain(&format!("ordain: back after {}; going on where it was", Human(after)));
                    tell_missing(missing);
                    if cancelled {
                        cancel(&run);
                    }
                }
            },
            written = output.written.more() => match written {
                Some(bytes) => run.consumed(bytes).await?,
                // As any program whose reader has gone away.
                None => {
                    run.leave().await;
                    return Ok(Status(128 + 13));
                }
            },
            () = &mut timeout, if !cancelled => {
                cancelled = true;
                complain("ordain: --timeout is over; cancelling the run");
                cancel(&run);
            }
            _ = interrupt.recv() => {
                interrupts += 1;
                if how.watching {
                    run.leave().await;
                    return Ok(Status(128 + 2));
                }
                if interrupts > 1 {
                    return Ok(left(run).await);
                }
                complain("ordain: interrupting the run; once more leaves it");
                let session = run.session();
                tokio::spawn(async move {
                    if let Err(error) = session.ask(&Signal { run: id.into(), signal: "INT".into() }).await {
                        complain(&format!("ordain: it was not interrupted: {}", plain(&error.to_string())));
                    }
                });
            }
        }
    };
    if how.json {
        output
            .event(serde_json::json!({ "event": "ended", "end": ended }))
            .await;
    }
    output.finish().await;
    drop(raw_mode);
    if ended.goes_on {
        complain(&format!("ordain: run {id} goes on"));
        return Ok(Status::OK);
    }
    let status = conclude(&ended, cancelled)?;
    if how.nagios && !matches!(reason(&ended)?, Reason::Exit(_)) {
        super::say(&format!(
            "ORDAIN UNKNOWN - the plugin did not end by itself: {}",
            plain(&ended.reason)
        ));
        return Ok(Status::NAGIOS_UNKNOWN);
    }
    Ok(status)
}

/// Leaves the run to its rule, and says which it is.
async fn left(run: Durable) -> Status {
    let rule = if run.outlives_us() {
        "it goes on without us"
    } else {
        "it is ended"
    };

    complain(&format!("ordain: leaving run {}; {rule}", run.id()));
    run.leave().await;
    Status(128 + 2)
}

/// Asks for the run's end, which tells itself.
fn cancel(run: &Durable) {
    let (session, id) = (run.session(), run.id());
    tokio::spawn(async move {
        // It may have ended by itself in this very moment.
        let _ = session.ask(&Cancel { run: id.into() }).await;
    });
}

/// The exit status, and a word about ends that are not the command's own.
fn conclude(ended: &Ended, by_timeout: bool) -> Result<Status, ClientError> {
    let reason = reason(ended)?;
    let spent = Human(Duration::from_millis(ended.duration_ms));
    match reason {
        Reason::Exit(_) => {}
        Reason::Signal(signal) => complain(&format!(
            "ordain: the command was ended by signal {signal} after {spent}"
        )),
        Reason::Timeout => complain(&format!("ordain: the command's time was up after {spent}")),
        Reason::Idle => complain(&format!(
            "ordain: the command wrote nothing for longer than it may; ended after {spent}"
        )),
        Reason::OutputLimit => complain(&format!(
            "ordain: the command wrote more than its output_max and was ended; its output is cut after {} bytes",
            ended.stdout_bytes + ended.stderr_bytes
        )),
        Reason::InputLimit => complain(&format!(
            "ordain: more input came than the command's stdin.max; it was ended after {spent}"
        )),
        Reason::OutOfMemory => complain(&format!(
            "ordain: the command took more memory than it may and was killed after {spent}"
        )),
        Reason::Cancelled if by_timeout => return Ok(Status::TIMEOUT),
        Reason::Cancelled => complain(&format!("ordain: the run was cancelled after {spent}")),
        Reason::Revoked => complain(&format!(
            "ordain: the run was ended after {spent}: its user may not run it any more"
        )),
        Reason::Stopped => complain(&format!(
            "ordain: the server was stopped and ended the run after {spent}"
        )),
        Reason::Disconnected => complain(&format!(
            "ordain: the run was ended after {spent}, because its client was gone"
        )),
        Reason::Lost => complain("ordain: what became of the run is not known"),
    }

    if ended.left_killed > 0 {
        complain(&format!(
            "ordain: {} process(es) that the command had left behind were killed",
            ended.left_killed
        ));
    }

    if !ended.verified && ended.left_running == 0 {
        complain(
            "ordain: whether every process of the run has ended is not certain (containment is best-effort there)",
        );
    }

    if ended.held_open {
        complain(
            "ordain: a process that the command left running still holds its output open; what it writes is not shown",
        );
    }

    Ok(reason.status())
}
