//! A run that outlives its link: when that is lost, the client reaches the server again by itself,
//! takes its session up by the session's key, and goes on at the exact byte, on both outputs and on
//! standard input.

use super::error::resume_window;
use super::event::Event;
use super::feed::{DurableInput, Feed, drive};
use super::run::{Run, adds_up, further, offsets};
use super::session::Session;
use super::{ClientError, Options};
use crate::ids::RunId;
use crate::limits::RESUME_MOST;
use crate::protocol::{Code, Ended, Queued, RequestName, Started};
use crate::verb::{self, Attach, Invocation, Verb};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Something that a durable run brings.
#[derive(Debug)]
pub enum Told {
    /// What the run says.
    Event(Event),
    /// The link is lost; it is being healed.
    Lost(ClientError),
    /// The link was healed; from these offsets on the server may have lost bytes by itself.
    Healed {
        /// How long healing the link took.
        after: Duration,
        /// The offsets of standard output and error.
        missing: [Option<u64>; 2],
    },
}

/// A run, followed across links.
pub struct Durable {
    options: Options,
    session: Session,
    /// The run that is followed; always there, until it is left.
    run: Option<Run>,
    id: RunId,
    offsets: [u64; 2],
    /// How the run is attached to again.
    again: Attach,
    feed: Arc<Feed>,
    window: Option<Duration>,
    healing: Option<(Instant, Healing)>,
    /// How long to wait before the next link is made: none after one that has brought something.
    pause: Duration,
    over: bool,
}

/// A link that is being made anew, in a task of its own so that it goes on whatever else is waited
/// for.
type Healing = JoinHandle<Result<(Session, Run), ClientError>>;

/// The first and the last pause between two tries; it doubles from one to the other.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(3);

impl Durable {
    /// Runs a command. A link that is lost before the server has answered is healed too: the
    /// request is asked again under its id, and never runs twice.
    ///
    /// # Errors
    /// The server's refusal; [`Code::OutcomeUnknown`] when the link is lost and could not be
    /// healed.
    pub async fn start(
        options: Options,
        session: Session,
        invocation: Invocation,
        waits: impl FnMut(Queued),
    ) -> Result<Self, ClientError> {
        let name = session.name_for(&invocation);
        Self::start_as(name, options, session, invocation, waits).await
    }

    /// Runs a command as [`Durable::start`] does, by a request of this name.
    ///
    /// # Errors
    /// What [`Durable::start`] says.
    pub async fn start_as(
        name: RequestName,
        options: Options,
        session: Session,
        invocation: Invocation,
        waits: impl FnMut(Queued),
    ) -> Result<Self, ClientError> {
        Self::begin(name, options, session, &verb::Run(invocation), waits).await
    }

    /// Begins a run by a verb that begins one, as [`Durable::start`] does for a command.
    ///
    /// # Errors
    /// What [`Durable::start`] says.
    pub async fn begin<V: Verb>(
        mut name: RequestName,
        options: Options,
        session: Session,
        verb: &V,
        mut waits: impl FnMut(Queued),
    ) -> Result<Self, ClientError> {
        let (mut session, mut lost) = (session, None::<Instant>);
        let mut pause = Duration::ZERO;
        let run = loop {
            let error = match session.ask_for(verb, name.clone(), &mut waits).await {
                Ok(run) => break run,
                Err(error) => error,
            };
            if !error.is(Code::ConnectionLost) {
                return Err(error);
            }
            // Another daemon does not know what this one may have begun.
            name.instance = name
                .instance
                .or_else(|| session.instance().map(str::to_owned));
            let until = *lost.get_or_insert_with(Instant::now) + resume_window();
            if Instant::now() > until {
                return Err(unknown(&error, &error));
            }
            rest(&mut pause).await;
            session = reach(&options, &session, until)
                .await
                .map_err(|why| unknown(&error, &why))?;
        };
        Self::follow(options, session, run)
    }

    /// Follows somebody's run from where it is wanted, input left alone.
    ///
    /// # Errors
    /// [`Code::NoSuchRun`], [`Code::Offset`], or that the connection is lost.
    pub async fn watch(
        options: Options,
        session: Session,
        attachment: Attach,
    ) -> Result<Self, ClientError> {
        let run = session.attach(attachment).await?;
        let mut followed = Self::follow(options, session, run)?;
        followed.offsets = followed.started().map(offsets).unwrap_or_default();
        followed.again = attachment;
        // A link that is lost meanwhile is healed; whose run it is makes no difference to watching.
        followed.window = Some(resume_window()).filter(|_| attachment.follow);
        Ok(followed)
    }

    /// Follows a run that has started.
    ///
    /// # Errors
    /// When the server gave it no id.
    pub fn follow(options: Options, session: Session, run: Run) -> Result<Self, ClientError> {
        let id = run.id().ok_or_else(|| {
            ClientError::new(Code::Protocol, "the server started a run without an id")
        })?;
        let window = run
            .started()
            .and_then(|started| started.resume_ms)
            .map(|resume_ms| Duration::from_millis(resume_ms).min(RESUME_MOST));
        let feed = Arc::new(Feed::new(run.input()));
        if run.takes_stdin() {
            tokio::spawn(drive(feed.clone()));
        }
        let again = Attach {
            run: id.into(),
            stdout: None,
            stderr: None,
            follow: true,
            resume: true,
        };

        Ok(Self {
            options,
            session,
            run: Some(run),
            id,
            offsets: [0; 2],
            again,
            feed,
            window,
            healing: None,
            pause: Duration::ZERO,
            over: false,
        })
    }

    /// From which offsets on the server may have lost bytes of the outputs before this link.
    pub fn missing(&self) -> [Option<u64>; 2] {
        lost(self.started())
    }

    fn started(&self) -> Option<&Started> {
        self.run.as_ref()?.started()
    }

    /// The run's id.
    pub const fn id(&self) -> RunId {
        self.id
    }

    /// Whether the run goes on when its client leaves.
    pub fn outlives_us(&self) -> bool {
        self.started()
            .is_some_and(|started| started.outlives_client)
    }

    /// Whether the run sits at a terminal.
    pub fn at_a_terminal(&self) -> bool {
        self.started().is_some_and(|started| started.terminal)
    }

    /// The kind of the run's terminal, as the server says.
    pub fn terminal_kind(&self) -> Option<&str> {
        self.started()?.terminal_kind.as_deref()
    }

    /// Tells the run's terminal how large ours is.
    pub async fn resize(&self, size: (u16, u16)) {
        if self.healing.is_none() {
            // A lost link is told of by what comes next.
            if let Some(run) = &self.run {
                let _ = run.resize(size).await;
            }
        }
    }

    /// Whether the command takes standard input.
    pub fn takes_stdin(&self) -> bool {
        self.started().is_some_and(|started| started.stdin)
    }

    /// The session, for other requests; another one after each healing.
    pub fn session(&self) -> Session {
        self.session.clone()
    }

    /// The way to the command's standard input.
    pub fn input(&self) -> DurableInput {
        DurableInput::new(self.feed.clone())
    }

    /// The next thing that happens. Cancel-safe.
    ///
    /// # Errors
    /// The server's refusal; [`Code::OutcomeUnknown`] when the link could not be healed.
    pub async fn next(&mut self) -> Result<Told, ClientError> {
        if self.healing.is_some() {
            return self.healed().await;
        }
        let Some(run) = &mut self.run else {
            return Err(ClientError::new(Code::Internal, "the run was left"));
        };

        match run.next().await {
            Ok(event) => {
                self.note(&event);
                if let Event::Ended(ended) = &event {
                    self.settle(ended)?;
                }
                Ok(Told::Event(event))
            }

            Err(error) if error.is(Code::ConnectionLost) && self.window.is_some() && !self.over => {
                self.heal(&error);
                Ok(Told::Lost(error))
            }

            Err(error) => {
                self.feed.end();
                Err(self.outcome(error))
            }
        }
    }

    /// Waits for the link that is being made anew, and goes on over it.
    async fn healed(&mut self) -> Result<Told, ClientError> {
        let Some((since, healing)) = &mut self.healing else {
            return Err(ClientError::new(Code::Internal, "nothing is being healed"));
        };
        let healed = healing
            .await
            .unwrap_or_else(|_| Err(ClientError::new(Code::Internal, "the healing failed")));
        let after = since.elapsed();
        self.healing = None;
        let (session, run) = healed.inspect_err(|_| self.feed.end())?;
        let started = run.started();
        let missing = lost(started);
        let arrived = started
            .filter(|told| told.stdin)
            .and_then(|told| told.stdin_bytes);
        if !self.feed.go_on(run.input(), arrived) {
            let text = "the server says that standard input came which was not sent";
            return Err(ClientError::new(Code::Protocol, text));
        }
        self.session = session;
        if let Some(old) = self.run.replace(run) {
            old.forget();
        }
        Ok(Told::Healed { after, missing })
    }

    /// Notes how far the run has come.
    fn note(&mut self, event: &Event) {
        self.pause = Duration::ZERO;
        let [stdout, stderr] = &mut self.offsets;
        match event {
            Event::Stdout(bytes) => *stdout = further(*stdout, bytes),
            Event::Stderr(bytes) => *stderr = further(*stderr, bytes),
            Event::StdinClosed | Event::Ended(_) => {
                self.over |= matches!(event, Event::Ended(_));
                self.feed.end();
            }

            Event::Queued(_) | Event::Started(_) | Event::Happened(_) | Event::Answer(_) => {}
        }
    }

    /// Judges the end: it must be this run's, and say what came of it.
    fn settle(&self, ended: &Ended) -> Result<(), ClientError> {
        let ours = ended.run.parse() == Ok(self.id);
        let fits = !(ended.goes_on && self.again.follow);
        if !ours || !fits {
            let text = "the server told an end that is not the one of this run";
            return Err(ClientError::new(Code::Protocol, text));
        }

        adds_up(ended, self.offsets)?;
        let (said, sent) = (ended.stdin_bytes, self.feed.sent());
        if self.again.resume && said > sent {
            let text = format!(
                "the server says that {said} bytes of standard input came, and {sent} were sent"
            );
            return Err(ClientError::new(Code::ConnectionLost, text));
        }
        Ok(())
    }

    /// The error of a run that was going on. Before a run begins a lost server means that nothing
    /// has; here it means that its end was not told.
    fn outcome(&self, error: ClientError) -> ClientError {
        let cut_off = [Code::Stopping, Code::ConnectionLost]
            .iter()
            .any(|code| error.is(*code));
        if !cut_off || self.over {
            return error;
        }
        let what = if error.is(Code::Stopping) {
            "the server has stopped"
        } else {
            error.text.as_str()
        };

        let text = format!("{what}, and what became of the run is not known");
        ClientError::new(Code::OutcomeUnknown, text)
    }

    /// Begins to make the lost link anew.
    fn heal(&mut self, lost: &ClientError) {
        let since = Instant::now();
        let until = since + self.window.unwrap_or_default().max(Duration::from_secs(1));
        let (options, session, lost) = (self.options.clone(), self.session.clone(), lost.clone());
        let [stdout, stderr] = self.offsets;
        let attachment = Attach {
            stdout: Some(stdout),
            stderr: Some(stderr),
            ..self.again
        };

        let mut pause = self.pause;
        self.pause = next_pause(pause);
        let healing = async move {
            let mut session = session;
            loop {
                rest(&mut pause).await;
                session = reach(&options, &session, until)
                    .await
                    .map_err(|why| unknown(&lost, &why))?;
                match session.attach(attachment).await {
                    Ok(run) => return Ok((session, run)),
                    Err(error) if error.is(Code::ConnectionLost) && Instant::now() < until => {}
                    Err(error) => return Err(unknown(&lost, &error)),
                }
            }
        };

        self.healing = Some((since, tokio::spawn(healing)));
    }

    /// Says that output which [`Durable::next`] gave was dealt with.
    ///
    /// # Errors
    /// Never for a lost link, which [`Durable::next`] tells of.
    pub async fn consumed(&self, bytes: usize) -> Result<(), ClientError> {
        if let Some(run) = self.run.as_ref().filter(|_| self.healing.is_none()) {
            let _ = run.consumed(bytes).await;
        }
        Ok(())
    }

    /// Leaves the run to its rule, and returns when the server knows of it (or cannot be told).
    pub async fn leave(self) {
        let leaving = {
            let mut own = self;
            own.feed.end();
            if own.healing.take().is_some() {
                None
            } else {
                own.run.take()
            }
        };

        if let Some(run) = leaving {
            run.leave().await;
        }
    }

    /// Waits for the end and collects the output; for small outputs.
    ///
    /// # Errors
    /// What [`Durable::next`] says.
    pub async fn collect(mut self) -> Result<(Vec<u8>, Vec<u8>, Ended), ClientError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match self.next().await? {
                Told::Event(Event::Stdout(bytes)) => {
                    self.consumed(bytes.len()).await?;
                    stdout.extend(bytes);
                }

                Told::Event(Event::Stderr(bytes)) => {
                    self.consumed(bytes.len()).await?;
                    stderr.extend(bytes);
                }

                Told::Event(Event::Ended(ended)) => return Ok((stdout, stderr, ended)),
                _ => {}
            }
        }
    }
}

/// From which offsets on the server may have lost bytes by itself.
fn lost(started: Option<&Started>) -> [Option<u64>; 2] {
    [
        started.and_then(|told| told.stdout_lost_from),
        started.and_then(|told| told.stderr_lost_from),
    ]
}

impl Drop for Durable {
    fn drop(&mut self) {
        if let Some((_, healing)) = &self.healing {
            healing.abort();
        }
        self.feed.end();
    }
}

/// Lets some time pass before another try, more each time and none before the first.
async fn rest(pause: &mut Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(*pause).await;
    }
    *pause = next_pause(*pause);
}

/// The pause after this one.
fn next_pause(pause: Duration) -> Duration {
    (pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE)
}

/// Reaches the server again, as often as it takes.
async fn reach(
    options: &Options,
    session: &Session,
    until: Instant,
) -> Result<Session, ClientError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let options = Options {
            timeout: options.timeout.min(left.max(Duration::from_secs(1))),
            ..options.clone()
        };
        let error = match session.reconnect(&options).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        let passing = [
            Code::Connect,
            Code::ConnectTimeout,
            Code::ConnectionLost,
            Code::LoginBusy,
            Code::GroupsUnknown,
            Code::Deadline,
            Code::Stopping,
        ];
        if !passing.iter().any(|code| error.is(*code)) || Instant::now() + pause >= until {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Nobody knows what became of a run whose link could not be healed.
fn unknown(lost: &ClientError, why: &ClientError) -> ClientError {
    let text = format!(
        "{}, and the link could not be healed ({}); what became of the run is not known",
        lost.text, why.text
    );

    ClientError::new(Code::OutcomeUnknown, text)
}
