//! `ordain run`: arguments from words, output to this terminal, input to that command, and its exit
//! status.

use super::display::{Sanitizer, plain};
use super::{ask, complain};
use crate::cli::{ClientArgs, ExplainArgs, Given, RunArgs, assign, speak};
use crate::client::{ClientError, Durable, DurableInput, Event, Options, Session, Told, reason};
use crate::exit::{Reason, Status};
use crate::limits::DATA_FRAME;
use crate::protocol::{Answer, Code, CommandView, Ended};
use crate::request::{Arguments, Ask, Invocation, Terminal, Value};
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// A command's description.
pub async fn described(session: &Session, command: &str) -> Result<CommandView, ClientError> {
    match session
        .ask(&Ask::Describe {
            command: command.to_owned(),
        })
        .await?
    {
        Answer::Describe(view) => Ok(*view),
        _ => Err(ClientError::new(
            Code::Protocol,
            "the server answered `describe` with something else",
        )),
    }
}

/// The invocation that the words mean. A command without words is asked for as it is, which saves a
/// round trip.
pub async fn invocation(
    args: &ClientArgs,
    run: &RunArgs,
    session: &Session,
) -> Result<(Invocation, Option<CommandView>), ClientError> {
    let command = run.command().to_owned();
    let bare = Invocation {
        command,
        arguments: Vec::new(),
        confirmed: false,
        terminal: own_terminal(),
        reason: run.reason.clone(),
    };
    if run.words().is_empty() {
        return Ok((bare, None));
    }
    let view = described(session, run.command()).await?;
    let mut arguments = given(run.words(), &view, view.stdin || args.password_stdin)?;
    ask_for_secrets(&mut arguments, &view)?;
    Ok((Invocation { arguments, ..bare }, Some(view)))
}

/// The same for `explain`, where nothing is asked for: a command that may not be described is
/// explained all the same.
pub async fn explained(
    args: &ClientArgs,
    explain: &ExplainArgs,
    session: &Session,
) -> Result<Invocation, ClientError> {
    let bare = Invocation {
        command: explain.command().to_owned(),
        arguments: Vec::new(),
        // Whether a person agrees is not what is asked here.
        confirmed: true,
        terminal: None,
        reason: explain.reason.clone(),
    };
    if explain.words().is_empty() {
        return Ok(bare);
    }
    match described(session, explain.command()).await {
        Ok(view) => Ok(Invocation {
            arguments: given(explain.words(), &view, args.password_stdin)?,
            ..bare
        }),
        Err(error) if error.is(Code::NotPermitted) || error.is(Code::Source) => Ok(bare),
        Err(error) => Err(error),
    }
}

/// Arguments out of words, secrets read.
fn given(
    words: &[String],
    view: &CommandView,
    stdin_is_taken: bool,
) -> Result<Arguments, ClientError> {
    let assigned = assign(speak(words), view).map_err(|fault| ClientError {
        argument: Some(fault.argument.clone()),
        ..ClientError::new(Code::Usage, fault.to_string())
    })?;
    let mut arguments: Arguments = Vec::new();
    for (name, given) in assigned {
        let value = match given {
            Given::Value(value) => value,
            Given::SecretFrom(file) if file == "-" => {
                if stdin_is_taken {
                    return Err(ClientError::new(
                        Code::Usage,
                        "standard input is needed for something else; use @FILE",
                    ));
                }
                Value::Secret(ask::secret_stdin()?)
            }
            Given::SecretFrom(file) => Value::Secret(ask::secret_file(Path::new(&file))?),
        };
        arguments.push((name, value));
    }
    Ok(arguments)
}

/// This terminal, where there is one on both sides.
fn own_terminal() -> Option<Terminal> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let size = crate::sys::own_terminal_size()?;
    Some(Terminal {
        kind: std::env::var("TERM")
            .unwrap_or_default()
            .chars()
            .take(64)
            .collect(),
        size,
    })
}

/// Required secrets that were not given are asked for.
fn ask_for_secrets(arguments: &mut Arguments, view: &CommandView) -> Result<(), ClientError> {
    for wanted in view
        .arguments
        .iter()
        .filter(|argument| argument.secret && argument.required)
    {
        if !arguments.iter().any(|(name, _)| *name == wanted.name) {
            arguments.push((
                wanted.name.clone(),
                Value::Secret(ask::secret(&format!("{}: ", plain(&wanted.name)))?),
            ));
        }
    }

    Ok(())
}

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
        let Answer::Preview(preview) = session.ask(&Ask::Preview(invocation.clone())).await? else {
            return Err(ClientError::new(
                Code::Protocol,
                "the server answered `preview` with something else",
            ));
        };
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

/// A command that ends with its client, or wants its input, is not left to itself. Asked before it
/// runs.
async fn detachable(
    session: &Session,
    command: &str,
    view: Option<&CommandView>,
) -> Result<(), ClientError> {
    let asked = match view {
        Some(_) => None,
        None => Some(described(session, command).await?),
    };
    let Some(view) = view.or(asked.as_ref()) else {
        return Ok(());
    };
    let usage = |text: &str| Err(ClientError::new(Code::Usage, text));
    if !view.outlives_client {
        return usage(
            "this command ends with its client (on_disconnect is not \"continue\"), so it cannot be detached",
        );
    }
    if view.stdin {
        return usage("this command takes standard input, so it cannot be detached");
    }
    Ok(())
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

/// An argv as a shell would take it, for people to read.
pub fn quoted(argv: &[String]) -> String {
    let quote = |word: &String| {
        let word = plain(word);
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
        if !word.is_empty() && word.chars().all(safe) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };

    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
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
                    complain(&format!("ordain: back after {}; going on where it was", crate::exit::Human(after)));
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
                    if let Err(error) = session.ask(&Ask::Signal { run: id, signal: "INT".into() }).await {
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

/// Rings when the person wants to leave.
pub type Leaving = tokio::sync::oneshot::Receiver<()>;

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

/// What the system tells this program while it follows a run.
struct Signals {
    /// It should end.
    end: End,
    /// Its terminal has another size.
    window: tokio::signal::unix::Signal,
}

struct End {
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, ClientError> {
        use tokio::signal::unix::{SignalKind, signal};
        let on = |kind| {
            signal(kind)
                .map_err(|fault| ClientError::new(Code::Internal, format!("signals: {fault}")))
        };

        let end = End {
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        };

        Ok(Self {
            end,
            window: on(SignalKind::window_change())?,
        })
    }
}

impl End {
    async fn rung(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Asks for the run's end, which tells itself.
fn cancel(run: &Durable) {
    let (session, id) = (run.session(), run.id());
    tokio::spawn(async move {
        // It may have ended by itself in this very moment.
        let _ = session.ask(&Ask::Cancel { run: id }).await;
    });
}

/// The exit status, and a word about ends that are not the command's own.
fn conclude(ended: &Ended, by_timeout: bool) -> Result<Status, ClientError> {
    let reason = reason(ended)?;
    let spent = crate::exit::Human(Duration::from_millis(ended.duration_ms));
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

/// Standard input, read in a thread of its own because reading blocks. At a terminal `~.` at the
/// beginning of a line rings `leave`, as ssh has it: the only way out of a link that hangs.
async fn feed(input: DurableInput, mut leave: Option<tokio::sync::oneshot::Sender<()>>) {
    let mut line = Line::Begun;
    let (sender, mut pieces) = mpsc::channel::<Vec<u8>>(2);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0; DATA_FRAME];
        while let Ok(count) = stdin.read(&mut buffer) {
            let piece = buffer.get(..count).unwrap_or_default().to_vec();
            if count == 0 || sender.blocking_send(piece).is_err() {
                return;
            }
        }
    });

    while let Some(piece) = pieces.recv().await {
        if leave.is_some() && piece.iter().any(|byte| line.leaves(*byte)) {
            if let Some(leave) = leave.take() {
                let _ = leave.send(());
            }
            return;
        }

        if !input.send(&piece).await {
            // The command reads no more.
            return;
        }
    }

    input.end();
}

/// Where in a line the last key was.
enum Line {
    Begun,
    Tilde,
    Within,
}

impl Line {
    fn leaves(&mut self, byte: u8) -> bool {
        let leaves = matches!((&self, byte), (Self::Tilde, b'.'));
        *self = match (&self, byte) {
            (_, b'\r' | b'\n') => Self::Begun,
            (Self::Begun, b'~') => Self::Tilde,
            _ => Self::Within,
        };

        leaves
    }
}

enum Piece {
    Bytes {
        error: bool,
        bytes: Vec<u8>,
        counted: usize,
    },
    Flush(tokio::sync::oneshot::Sender<()>),
}

/// Standard output and error, written in a thread of their own because writing blocks; what was
/// written is granted to the server anew, so that a slow reader here slows the command there and
/// fills no memory.
struct Output {
    /// The thread, until there is something to write: many commands write nothing, and a thread
    /// costs more than they do.
    thread: Option<Box<dyn FnOnce() + Send>>,
    pieces: mpsc::Sender<Piece>,
    written: Arc<Written>,
    json: bool,
}

/// What the writing thread has done. A count and not a queue: the thread must never wait for
/// whoever fills its own.
#[derive(Default)]
struct Written {
    bytes: AtomicUsize,
    failed: AtomicBool,
    bell: Notify,
}

impl Written {
    /// So many bytes were written since the last time, or `None` when nothing can be written any
    /// more.
    async fn more(&self) -> Option<usize> {
        self.bell.notified().await;
        (!self.failed.load(Ordering::Acquire)).then(|| self.bytes.swap(0, Ordering::AcqRel))
    }
}

impl Output {
    fn begin(json: bool, raw: bool) -> Self {
        let (pieces, mut queue) = mpsc::channel::<Piece>(256);
        let written = Arc::new(Written::default());
        let report = written.clone();
        let clean = |terminal: bool| (terminal && !raw && !json).then(Sanitizer::default);
        let mut sanitizers = [
            clean(std::io::stdout().is_terminal()),
            clean(std::io::stderr().is_terminal()),
        ];

        let thread = move || {
            while let Some(piece) = queue.blocking_recv() {
                match piece {
                    Piece::Bytes {
                        error,
                        bytes,
                        counted,
                    } => {
                        let sanitizer = sanitizers
                            .get_mut(usize::from(error))
                            .and_then(Option::as_mut);
                        let bytes = match sanitizer {
                            Some(sanitizer) => sanitizer.feed(&bytes),
                            None => bytes,
                        };

                        let failed = write_to(error, &bytes).is_err();
                        report.bytes.fetch_add(counted, Ordering::AcqRel);
                        report.failed.store(failed, Ordering::Release);
                        report.bell.notify_one();
                        if failed {
                            return;
                        }
                    }

                    Piece::Flush(done) => {
                        for (error, sanitizer) in [false, true].into_iter().zip(&mut sanitizers) {
                            if let Some(sanitizer) = sanitizer {
                                let _ = write_to(error, &sanitizer.finish());
                            }
                        }

                        let _ = done.send(());
                    }
                }
            }
        };

        Self {
            thread: Some(Box::new(thread)),
            pieces,
            written,
            json,
        }
    }

    async fn send(&mut self, piece: Piece) {
        if let Some(thread) = self.thread.take() {
            std::thread::spawn(thread);
        }
        // The window bounds what can be waiting, so there is room; a thread that is gone reports by
        // itself.
        let _ = self.pieces.send(piece).await;
    }

    async fn bytes(&mut self, error: bool, bytes: Vec<u8>) -> Result<(), ClientError> {
        let counted = bytes.len();
        let piece = if self.json {
            let mut line = serde_json::json!({ "event": if error { "stderr" } else { "stdout" } });
            if let Some(fields) = line.as_object_mut() {
                match String::from_utf8(bytes) {
                    Ok(text) => fields.insert("text".into(), text.into()),
                    Err(other) => fields.insert(
                        "base64".into(),
                        crate::encoding::base64(&other.into_bytes()).into(),
                    ),
                };
            }

            Piece::Bytes {
                error: false,
                bytes: crate::audit::line(&line).unwrap_or_default(),
                counted,
            }
        } else {
            Piece::Bytes {
                error,
                bytes,
                counted,
            }
        };

        self.send(piece).await;
        Ok(())
    }

    async fn event(&mut self, event: serde_json::Value) {
        self.send(Piece::Bytes {
            error: false,
            bytes: crate::audit::line(&event).unwrap_or_default(),
            counted: 0,
        })
        .await;
    }

    /// Everything is written when this returns.
    async fn finish(mut self) {
        if self.thread.is_some() {
            return;
        }
        let (done, flushed) = tokio::sync::oneshot::channel();
        self.send(Piece::Flush(done)).await;

        // Also when the thread has ended: then nobody holds the other end.
        let _ = flushed.await;
    }
}

fn write_to(error: bool, bytes: &[u8]) -> std::io::Result<()> {
    if error {
        return std::io::stderr().write_all(bytes);
    }
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
