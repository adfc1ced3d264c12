//! Following a run: its output here, our input and signals there, until its end and its exit status.

use super::complain;
use super::display::plain;
use super::output::hurry;
use super::run_input::{Broken, Leaving};
use super::run_output::Output;
use super::terminal::{OfTerminal, Ring, Signals};
use crate::client::{ClientError, Durable, Event, Told, reason};
use crate::exit::{Human, Reason, Status};
use crate::protocol::Ended;
use crate::sys::{RawMode, own_terminal_size, stop};
use crate::verb::{Cancel, Signal};
use serde_json::json;
use std::io;
use std::time::Duration;

/// How a run is followed.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Whether everything is told as JSON, for machines.
    pub json: bool,
    /// The host, as it was typed.
    pub host: String,
    /// Whether control characters are shown as they are.
    pub raw: bool,
    /// Whether ends that are not the command's own are UNKNOWN, for Nagios.
    pub nagios: bool,
    /// After which time the run is cancelled.
    pub timeout: Option<Duration>,
    /// Whether it is said which run it is.
    pub verbose: bool,
    /// Whether the run is only looked at: Ctrl-C stops looking, and touches nothing.
    pub watching: bool,
    /// Whether the run has this terminal, because the person has said so.
    pub terminal: bool,
}

/// What may come from standard input while a run is followed, besides its bytes.
#[derive(Default)]
pub struct FromInput {
    /// The person wants to leave.
    pub leaving: Option<Leaving>,
    /// It cannot be read.
    pub broken: Option<Broken>,
}

/// Output here, input there, until the end; exits as the command did.
pub async fn follow(how: How, run: Durable, input: FromInput) -> Result<Status, ClientError> {
    let mut signals = Signals::new()?;
    let mut following = Following::begin(how, run).await;
    let way = following.until_the_end(input, &mut signals).await?;
    match way {
        Way::Ended(ended) => following.end(ended, &mut signals).await,
        Way::Left => {
            // Who stays and does not read does not keep us.
            hurry();
            drop(following.raw_mode);
            let is_taken = following.output.is_taken();
            let status = left(following.run).await;
            if !is_taken {
                complain("ordain: not all that it wrote was taken by whoever reads it here");
            }
            Ok(status)
        }
        Way::Gone(status) => {
            following.run.leave().await;
            Ok(status)
        }
    }
}

/// Bytes of a plugin's output that are held back until it has ended: more than Nagios and Icinga
/// read of one (8 KiB and 64 KiB). Of one that writes more, all is written as it comes.
const PLUGIN_OUTPUT: usize = 64 * 1024;

/// How following a run comes to its end.
enum Way {
    /// The run has ended, or its server says that it goes on.
    Ended(Ended),
    /// The person wants to leave.
    Left,
    /// Nobody looks any more.
    Gone(Status),
}

/// A run that is followed.
struct Following {
    how: How,
    run: Durable,
    output: Output,
    /// The terminal, which is put back to what it was on every way out, panics included.
    raw_mode: Option<RawMode>,
    /// Whether our `--timeout` has ended it.
    cancelled: bool,
    /// Whether it was ended because its input could not be read.
    cut_short: bool,
    interrupts: u32,
    /// What a plugin has written so far: nothing of it is said before it is known that it has ended
    /// by itself, since its first line is what counts. `None` where what comes is written at once.
    held: Option<Vec<u8>>,
}

impl Following {
    /// Says what is to be said before the first byte.
    async fn begin(how: How, run: Durable) -> Self {
        let id = run.id();
        // From here on every key is the command's.
        let raw_mode = how.terminal.then(|| RawMode::begin().ok()).flatten();
        if how.verbose {
            complain(&format!("ordain: run {id}"));
        }
        tell_missing(run.missing());

        let how_much_is_held = how.nagios.then(Vec::new);
        let mut output = Output::begin(how.json, how.raw || raw_mode.is_some());
        if how.json {
            output
                .event(json!({ "event": "started", "run": id.to_string(), "host": how.host }))
                .await;
        }
        Self {
            how,
            run,
            output,
            raw_mode,
            cancelled: false,
            cut_short: false,
            interrupts: 0,
            held: how_much_is_held,
        }
    }

    async fn until_the_end(
        &mut self,
        input: FromInput,
        signals: &mut Signals,
    ) -> Result<Way, ClientError> {
        let timeout = after(self.how.timeout);
        tokio::pin!(timeout);
        let mut terminal = self
            .raw_mode
            .as_ref()
            .map(|_| OfTerminal::new())
            .transpose()?;
        let leave = asked_to_leave(input.leaving);
        let broken = broken(input.broken);
        tokio::pin!(leave, broken);

        loop {
            tokio::select! {
                () = &mut leave => return Ok(Way::Left),
                // The way out of here puts the terminal back as it was; the signal's own way would not.
                () = signals.end.rung() => return Ok(Way::Left),
                ring = rung(&mut terminal) => match ring {
                    Ring::Quit => return Ok(Way::Left),
                    ring => self.of_terminal(&ring).await,
                },
                told = self.run.next(), if self.output.has_room() => {
                    if let Some(ended) = self.told(told?).await? {
                        return Ok(Way::Ended(ended));
                    }
                }
                written = self.output.more() => match written {
                    Some(bytes) => self.run.consumed(bytes).await?,
                    // As any program whose reader has gone away.
                    None => return Ok(Way::Gone(Status::READER_GONE)),
                },
                fault = &mut broken, if !self.cut_short => {
                    self.cut_short = true;
                    complain(&format!("ordain: standard input cannot be read, so the run is ended: {fault}"));
                    cancel(&self.run);
                }
                () = &mut timeout, if !self.cancelled => {
                    self.cancelled = true;
                    complain("ordain: --timeout is over; cancelling the run");
                    cancel(&self.run);
                }
                () = signals.interrupt.rung() => {
                    if let Some(way) = self.interrupted() {
                        return Ok(way);
                    }
                }
            }
        }
    }

    /// Gives the terminal back while this program is stopped, and takes it again; tells its size.
    async fn of_terminal(&mut self, ring: &Ring) {
        if matches!(ring, Ring::Stop) {
            self.raw_mode = None;
            stop();
        }
        // Whoever had it meanwhile may have left it in any mode; what it was at first is kept.
        match &self.raw_mode {
            Some(raw_mode) if matches!(ring, Ring::Again) => raw_mode.again(),
            Some(_) => {}
            None => self.raw_mode = RawMode::begin().ok(),
        }
        if let Some(size) = own_terminal_size() {
            self.run.resize(size).await;
        }
    }

    /// What the server has told, done; the run's end, if it was that.
    async fn told(&mut self, told: Told) -> Result<Option<Ended>, ClientError> {
        match told {
            Told::Event(Event::Stdout(bytes)) => match &mut self.held {
                Some(held) if held.len() + bytes.len() <= PLUGIN_OUTPUT => {
                    held.extend_from_slice(&bytes);
                    self.run.consumed(bytes.len()).await?;
                }
                _ => {
                    self.let_go().await;
                    self.output.bytes(false, bytes).await;
                }
            },
            Told::Event(Event::Stderr(bytes)) => self.output.bytes(true, bytes).await,
            Told::Event(Event::Ended(ended)) => return Ok(Some(ended)),
            Told::Event(_) => {}
            Told::Lost(error) => complain(&format!(
                "ordain: {}; reaching the server again",
                plain(&error.text)
            )),
            Told::Healed { after, missing } => {
                complain(&format!(
                    "ordain: back after {}; going on where it was",
                    Human(after)
                ));
                tell_missing(missing);
                if self.cancelled || self.cut_short {
                    cancel(&self.run);
                }
            }
        }
        Ok(None)
    }

    /// Writes what was held back; what comes from now on is written at once.
    async fn let_go(&mut self) {
        if let Some(held) = self.held.take().filter(|held| !held.is_empty()) {
            self.output.taken(held).await;
        }
    }

    /// What this program ends with.
    fn status(&self, ended: &Ended) -> Result<Status, ClientError> {
        let reason = reason(ended)?;
        Ok(if ended.goes_on {
            Status::OK
        } else if self.cut_short {
            // Whatever the command has made of half its input.
            Status::OWN_FAILURE
        } else if self.how.nagios && !matches!(reason, Reason::Exit(_)) {
            Status::NAGIOS_UNKNOWN
        } else if self.cancelled && matches!(reason, Reason::Cancelled) {
            Status::TIMEOUT
        } else {
            reason.status()
        })
    }

    /// Ctrl-C: the command gets it once, and the second one leaves.
    fn interrupted(&mut self) -> Option<Way> {
        self.interrupts += 1;
        if self.how.watching {
            return Some(Way::Gone(Status(128 + 2)));
        }
        if self.interrupts > 1 {
            return Some(Way::Left);
        }

        complain("ordain: interrupting the run; once more leaves it");
        let (session, id) = (self.run.session(), self.run.id());
        tokio::spawn(async move {
            let signal = Signal {
                run: id.into(),
                signal: "INT".into(),
            };
            if let Err(error) = session.ask(&signal).await {
                complain(&format!(
                    "ordain: it was not interrupted: {}",
                    plain(&error.to_string())
                ));
            }
        });
        None
    }

    /// The last byte, and the exit status.
    async fn end(self, ended: Ended, signals: &mut Signals) -> Result<Status, ClientError> {
        let status = self.status(&ended)?;
        let id = self.run.id();
        let mut following = self;
        let raw_mode = following.raw_mode.take();
        let cancelled = following.cancelled;
        let told = tokio::select! {
            () = following.tell_end(&ended, status) => true,
            () = signals.end.rung() => false,
            () = signals.interrupt.rung() => false,
        };
        drop(raw_mode);
        if !told {
            hurry();
            complain("ordain: the run has ended, and nobody reads the rest of its output");
            return Ok(Status(128 + 2));
        }
        if ended.goes_on {
            complain(&format!("ordain: run {id} goes on"));
            return Ok(Status::OK);
        }

        tell_why(&ended, cancelled)?;
        Ok(status)
    }

    /// Tells what was held back and how it ended, until all of it is written.
    async fn tell_end(mut self, ended: &Ended, status: Status) {
        if self.how.json {
            self.output.cut_letters().await;
            self.output
                .event(json!({ "event": "ended", "exit_status": status.0, "end": ended }))
                .await;
        }
        if status == Status::NAGIOS_UNKNOWN && self.held.is_some() {
            super::say(&format!(
                "ORDAIN UNKNOWN - the plugin did not end by itself: {}",
                plain(&ended.reason)
            ));
        }
        self.let_go().await;
        self.output.finish().await;
    }
}

/// Waits for what a program is told whose terminal is a run's; for ever where none is.
async fn rung(terminal: &mut Option<OfTerminal>) -> Ring {
    match terminal {
        Some(terminal) => terminal.rung().await,
        None => std::future::pending().await,
    }
}

/// Waits for this time; for ever without one.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Waits until standard input cannot be read, and says why.
async fn broken(broken: Option<Broken>) -> io::Error {
    if let Some(broken) = broken
        && let Ok(fault) = broken.await
    {
        return fault;
    }
    std::future::pending().await
}

/// Waits until the person wants to leave, where they can say so.
async fn asked_to_leave(leaving: Option<Leaving>) {
    let rung = match leaving {
        Some(leaving) => leaving.await.is_ok(),
        None => false,
    };
    // The sender goes when input ends; that is no wish to leave.
    if !rung {
        std::future::pending::<()>().await;
    }
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

/// A word about ends that are not the command's own.
fn tell_why(ended: &Ended, by_timeout: bool) -> Result<(), ClientError> {
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
            ended.stdout_bytes.saturating_add(ended.stderr_bytes)
        )),
        Reason::InputLimit => complain(&format!(
            "ordain: more input came than the command's stdin.max; it was ended after {spent}"
        )),
        Reason::OutOfMemory => complain(&format!(
            "ordain: the command took more memory than it may and was killed after {spent}"
        )),
        Reason::Cancelled if by_timeout => return Ok(()),
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
        Reason::Recording => complain(&format!(
            "ordain: the run was ended after {spent}: it must be recorded, and its recording has failed"
        )),
        Reason::Lost => complain("ordain: what became of the run is not known"),
    }

    tell_left_behind(ended);
    Ok(())
}

/// What the command has left behind, and what is not certain of it.
fn tell_left_behind(ended: &Ended) {
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
}
