//! One host of many, from the first packet to its end.

use super::Fleet;
use super::input::{file_of, pour_file};
use super::noted::Known;
use super::start::FOR_EVER;
use crate::cli::ClientVerb;
use crate::client::{ClientError, Durable, DurableInput, Event, Told, reason};
use crate::exit::{Human, Reason};
use crate::fleet::End;
use crate::programs::ask;
use crate::programs::caught::{Captured, Piece};
use crate::programs::client::{about_files, attempt, moves_files};
use crate::programs::display::plain;
use crate::programs::patience::Patience;
use crate::programs::target::Target;
use crate::programs::wish::{Wish, changed};
use crate::protocol::{Code, Ended};
use crate::verb::Cancel;
use serde_json::json;
use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;

/// How long the beginning of a line waits for its end.
const PART: Duration = Duration::from_millis(200);

impl Fleet {
    /// Asks one host for what was asked for, and tells what it says.
    pub async fn at(&self, host: usize) -> End {
        if let Some(end) = self.known(host).and_then(Known::last_word) {
            self.once.ended(host, end);
            return end;
        }
        let begun = Cell::new(false);
        let said = Captured::default();
        let asked = async {
            let outcome = said.catches(self.wanted(host, &begun)).await;
            said.close();
            outcome
        };
        // What is printed is told meanwhile, and all of it before the end.
        let (outcome, ()) = tokio::join!(asked, self.tells(host, &said));
        let end = match outcome {
            Ok(end) => end,
            Err(error) => self.failed(host, &error, begun.get()).await,
        };
        let _ = self.screen.ended(host).await;
        let closed = self
            .files
            .as_ref()
            .map_or(Ok(()), |files| files.close(host));
        let end = match closed {
            Ok(()) => end,
            Err(why) => {
                let _ = self.screen.note(host, &why).await;
                End::Refused(Code::Usage.number())
            }
        };
        if let Some(notes) = &self.notes
            && let Err(fault) = notes.ended(host, end)
        {
            let _ = self
                .screen
                .note(host, &format!("its end could not be noted: {fault}"))
                .await;
        }
        self.once.ended(host, end);
        let event = json!({
            "event": "end", "state": end.word(), "code": end.code(), "reason": reason_of(end).map(Reason::word),
            "number": reason_of(end).and_then(Reason::number), "exit_status": end.status().0,
        });
        let _ = self.screen.event(host, &event).await;
        end
    }

    /// Does it, as long as it is wanted.
    async fn wanted(&self, host: usize, begun: &Cell<bool>) -> Result<End, ClientError> {
        let mut tried = pin!(self.tried(host, begun));
        tokio::select! {
            outcome = &mut tried => outcome,
            () = self.unwanted() => match begun.get() {
                false => Ok(End::NotStarted),
                // What is followed to its end hears the wish itself.
                true if self.follows() || moves_files(&self.args.verb) => tried.await,
                true => {
                    let text = "the server has not said whether it was done";
                    Err(ClientError::new(Code::OutcomeUnknown, text))
                }
            },
        }
    }

    /// Tells what a verb prints, until all of it was told: as an event what it prints for machines.
    async fn tells(&self, host: usize, said: &Captured) {
        while let Some(piece) = said.next().await {
            let told = match piece {
                Piece::Bytes(error, bytes) => self.screen.bytes(host, error, &bytes).await,
                Piece::Json(answer) => {
                    let event = json!({ "event": "answer", "answer": answer });
                    self.screen.event(host, &event).await
                }
            };
            if told.is_err() {
                // Nobody reads any more: as any program whose reader has gone away.
                said.close();
                self.wish.send_replace(Wish::Leave);
                return;
            }
        }
    }

    async fn failed(&self, host: usize, error: &ClientError, begun: bool) -> End {
        // Nobody has asked this host: somebody said no before its turn.
        if error.is(Code::Declined) {
            return End::NotStarted;
        }
        let _ = self.screen.note(host, &error.to_string()).await;
        let event = json!({
            "event": "error", "code": error.code, "text": error.text, "argument": error.argument, "rule": error.rule,
        });
        let _ = self.screen.event(host, &event).await;
        End::of_code(error.code, begun)
    }

    /// Tries until something has begun, as long as what stands in the way may pass.
    async fn tried(&self, host: usize, begun: &Cell<bool>) -> Result<End, ClientError> {
        let Some(asked) = self.hosts.get(host) else {
            return Ok(End::NotStarted);
        };
        let mut target = Target::new(&self.args, &asked.destination, &self.known, &self.trusts)?;
        target.answers = self.answers.clone();
        let (mut patience, mut lost) = (None, false);
        loop {
            let error = match self.once(host, &mut target, begun).await {
                Err(error) if !begun.get() => error,
                done => return done,
            };
            // A person is asked about one host at a time, on a connection that does not wait.
            if error.is(Code::CodeWanted) && !target.may_ask() && ask::possible() {
                let question = self.answers.question().await;
                target.question.replace(Some(question));
                continue;
            }
            // Somebody was asked something meanwhile, and the server did not wait.
            if !lost && (error.is(Code::ConnectionLost) || error.is(Code::Deadline)) {
                lost = true;
                continue;
            }
            if patience.is_none() && error.is(Code::Stopping) {
                patience = Some(Patience::new(self.args.connect_timeout, error.stop));
            }
            let Some(patience) = &mut patience else {
                return Err(error);
            };
            patience.pause(error).await?;
        }
    }

    /// Whether each host is asked for a run that is followed to its end.
    fn follows(&self) -> bool {
        matches!(&self.args.verb, ClientVerb::Run(run) if !run.dry_run && !run.detach)
    }

    async fn once(
        &self,
        host: usize,
        target: &mut Target,
        begun: &Cell<bool>,
    ) -> Result<End, ClientError> {
        match &self.args.verb {
            ClientVerb::Run(run) if self.follows() => self.run(host, target, run, begun).await,
            verb if about_files(verb) => self.moved(host, target, begun).await,
            _ => attempt(&self.args, target, begun)
                .await
                .map(|status| End::Ended(Reason::Exit(status.0))),
        }
    }

    /// Follows a run to its end.
    pub async fn followed(
        &self,
        host: usize,
        mut run: Durable,
        timeout: Option<Duration>,
    ) -> Result<End, ClientError> {
        let event = json!({ "event": "started", "run": run.id().to_string() });
        let _ = self.screen.event(host, &event).await;
        if let Some(notes) = &self.notes {
            // Without it the run is found by its request.
            let _ = notes.runs(host, run.id());
        }
        let takes_input = run.takes_stdin();
        let pouring = self.pour(host, run.input());
        let late = tokio::time::sleep(timeout.unwrap_or(FOR_EVER));
        tokio::pin!(pouring, late);
        let mut wish = self.wish.subscribe();
        // What was wished while it began is heard now.
        wish.mark_changed();
        if self.first_wish == Wish::Cancel {
            cancel(&run);
        }
        let (mut poured, mut cut_short, mut timed_out) = (!takes_input, None, false);
        loop {
            tokio::select! {
                told = run.next() => match self.heard(host, &run, told?, &mut wish).await {
                    Ok(None) => {}
                    Ok(Some(ended)) => return match cut_short {
                        Some(why) => Err(why),
                        None => ended_by(&ended, timed_out),
                    },
                    // What it writes cannot be kept here. It may go on there.
                    Err(why) => {
                        let _ = self.screen.note(host, &format!("{}; its run is left", why.text)).await;
                        return Ok(left(run).await);
                    }
                },
                done = &mut pouring, if !poured => {
                    poured = true;
                    if let Err(why) = done {
                        let text = format!("standard input cannot be read, so the run was ended: {why}");
                        cut_short = Some(ClientError::new(Code::Usage, text));
                        cancel(&run);
                    }
                }
                () = &mut late, if !timed_out => {
                    timed_out = true;
                    cancel(&run);
                }
                wished = changed(&mut wish) => match wished {
                    Wish::GoOn => {}
                    Wish::Cancel => cancel(&run),
                    Wish::Leave => return Ok(left(run).await),
                },
                () = tokio::time::sleep(PART), if self.screen.is_within_a_line(host) => {
                    let _ = self.screen.parts(host).await;
                }
            }
        }
    }

    /// What the server has told, done. Where nobody reads it, a wish is heard all the same.
    async fn heard(
        &self,
        host: usize,
        run: &Durable,
        told: Told,
        wish: &mut watch::Receiver<Wish>,
    ) -> Result<Option<Ended>, ClientError> {
        let mut done = pin!(self.told_by(host, run, told));
        loop {
            tokio::select! {
                biased;
                done = &mut done => return done,
                wished = changed(wish) => match wished {
                    Wish::GoOn => {}
                    Wish::Cancel => cancel(run),
                    // Then nobody is waited for, and this wish is heard once more.
                    Wish::Leave => {
                        wish.mark_changed();
                        return done.await;
                    }
                },
            }
        }
    }

    /// Gives a run its standard input, and notes what that was.
    async fn pour(&self, host: usize, into: DurableInput) -> Result<(), String> {
        let (of, input) = match self.run_args().and_then(|run| run.stdin_each.as_ref()) {
            Some(folder) => {
                let path = file_of(folder, self.name(host));
                (Some(host), pour_file(&path, into).await?)
            }
            None => {
                self.input.pour(into).await?;
                (
                    None,
                    self.input
                        .whole()
                        .filter(|_| !self.input_noted.replace(true)),
                )
            }
        };
        if let (Some(notes), Some(input)) = (&self.notes, input) {
            // Without it nobody can compare it with another.
            let _ = notes.input(of, input);
        }
        Ok(())
    }

    /// What the server has told, done; the run's end, if it was that.
    async fn told_by(
        &self,
        host: usize,
        run: &Durable,
        told: Told,
    ) -> Result<Option<Ended>, ClientError> {
        let (error, bytes) = match told {
            Told::Event(Event::Ended(ended)) => return Ok(Some(ended)),
            Told::Event(Event::Stdout(bytes)) => (false, bytes),
            Told::Event(Event::Stderr(bytes)) => (true, bytes),
            Told::Event(_) => return Ok(None),
            Told::Lost(error) => {
                let text = format!("{}; reaching the server again", plain(&error.text));
                let _ = self.screen.note(host, &text).await;
                return Ok(None);
            }
            Told::Healed { after, missing } => {
                let mut text = format!("back after {}; going on where it was", Human(after));
                if missing != [None; 2] {
                    text.push_str("; output is missing");
                }
                let _ = self.screen.note(host, &text).await;
                return Ok(None);
            }
        };
        if let Some(files) = &self.files {
            let written = files.write((host, self.name(host)), error, &bytes);
            written.map_err(|why| ClientError::new(Code::Usage, why))?;
        }
        if self.screen.bytes(host, error, &bytes).await.is_err() {
            // Nobody reads any more: as any program whose reader has gone away.
            self.wish.send_replace(Wish::Leave);
        }
        run.consumed(bytes.len()).await?;
        Ok(None)
    }
}

const fn reason_of(end: End) -> Option<Reason> {
    match end {
        End::Ended(reason) => Some(reason),
        _ => None,
    }
}

/// How a run ended, where our own time may have ended it.
fn ended_by(ended: &Ended, timed_out: bool) -> Result<End, ClientError> {
    let reason = reason(ended)?;
    Ok(match reason {
        _ if ended.goes_on => End::GoesOn,
        Reason::Cancelled if timed_out => End::Ended(Reason::Timeout),
        Reason::Lost => End::Unknown,
        reason => End::Ended(reason),
    })
}

/// Leaves a run to its rule.
async fn left(run: Durable) -> End {
    let goes_on = run.outlives_us();
    run.leave().await;
    if goes_on {
        End::GoesOn
    } else {
        End::Ended(Reason::Disconnected)
    }
}

/// Has the run ended there, in a task of its own.
fn cancel(run: &Durable) {
    let (session, id) = (run.session(), run.id());
    tokio::spawn(async move {
        // One that has ended already is told of by what comes next.
        let _ = session.ask(&Cancel { run: id.into() }).await;
    });
}
