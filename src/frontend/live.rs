//! A run as the frontend knows it: what was kept of its output, who follows it, and what the
//! monitor said of it.

use super::inbox::Inbox;
use crate::ids::{ConnectionId, RunId, StreamId};
use crate::ipc::{End, RunRules};
use crate::limits::DATA_FRAME;
use crate::mux::{Allowance, Outbox};
use crate::protocol::{Code, Ended, Failure, HEADER, Kind, Started, encode, header, write};
use crate::spool::{Gone, Spool, Stream};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, mpsc};

/// A run that goes on, or has just ended.
#[derive(Debug)]
pub struct Live {
    /// Its id.
    pub run: RunId,
    /// Its output so far.
    pub spool: Spool,
    /// What holds for it.
    pub rules: RunRules,
    /// Bytes of standard input that may still come.
    pub stdin_left: AtomicU64,
    /// The offsets from which output may be missing, because a frontend before this one died while
    /// it read.
    pub lost: [Option<u64>; 2],
    ended: Mutex<Option<Ended>>,
    /// Rung when output was kept, or the run ended.
    pub changed: Notify,
    mail: Mutex<Mail>,
    /// Rung when there is mail.
    pub bell: Notify,
}

/// What waits for a run's pump.
#[derive(Debug, Default)]
pub struct Mail {
    /// Its processes are gone.
    pub exited: Option<End>,
    /// Its session has come back over another connection.
    pub client: Option<Client>,
    /// Nobody takes mail any more.
    closed: bool,
}

impl Live {
    /// A run whose pump is about to start.
    pub fn new(run: RunId, spool: Spool, rules: RunRules, lost: [Option<u64>; 2]) -> Self {
        let stdin_left = AtomicU64::new(rules.stdin.unwrap_or(0));
        let (ended, changed, mail, bell) = Default::default();
        Self {
            run,
            spool,
            rules,
            stdin_left,
            lost,
            ended,
            changed,
            mail,
            bell,
        }
    }

    /// A run that has ended.
    pub fn over(run: RunId, (spool, lost): (Spool, [Option<u64>; 2]), ended: Ended) -> Self {
        let rules = RunRules {
            stdin: None,
            timeout_ms: None,
            outlives_client: false,
            resume_ms: 0,
            idle_ms: None,
            output_max: None,
            capacity: 0,
            terminal: false,
        };

        let live = Self::new(run, spool, rules, lost);
        live.mail().closed = true;
        live.end(ended);
        live
    }

    /// Takes so many bytes of input, if the command may still have them.
    #[must_use]
    pub fn takes(&self, bytes: u64) -> bool {
        self.stdin_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }

    fn mail(&self) -> std::sync::MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its processes are gone.
    pub fn exited(&self, end: End) {
        self.mail().exited = Some(end);
        self.bell.notify_one();
    }

    /// Its session has come back. Given back when the run is over, and only its spool is left.
    pub fn come_back(&self, client: Client) -> Result<(), Client> {
        let mut mail = self.mail();
        if mail.closed {
            return Err(client);
        }
        mail.client = Some(client);
        drop(mail);
        self.bell.notify_one();
        Ok(())
    }

    /// Whether its session has come back over another connection, and waits.
    pub fn replaced(&self) -> bool {
        self.mail().client.is_some()
    }

    /// Takes the mail.
    pub fn take_mail(&self) -> (Option<End>, Option<Client>) {
        let mut mail = self.mail();
        (mail.exited.take(), mail.client.take())
    }

    /// No mail is taken any more, unless some has come just now.
    #[must_use]
    pub fn close_mail(&self) -> bool {
        let mut mail = self.mail();
        mail.closed = mail.client.is_none();
        mail.closed
    }

    /// How it ended is known, and all its output is kept.
    pub fn end(&self, ended: Ended) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        self.changed.notify_waiters();
    }

    /// How it ended, once all its output is kept.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The head of what a client is told of it.
    pub fn started(&self, stdin: bool) -> Started {
        let resumable = self.rules.resume_ms > 0;
        Started {
            run: self.run.to_string(),
            stdin,
            timeout_ms: self.rules.timeout_ms,
            outlives_client: self.rules.outlives_client,
            terminal: self.rules.terminal,
            resume_ms: resumable.then_some(self.rules.resume_ms),
            stdout_from: None,
            stderr_from: None,
            stdin_bytes: None,
            stdin_credit: None,
            stdout_lost_from: self.lost[0],
            stderr_lost_from: self.lost[1],
        }
    }
}

/// Runs by id.
#[derive(Debug, Default)]
pub struct Runs(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    live: HashMap<RunId, Arc<Live>>,
    /// Ended so shortly ago that the monitor may still speak of them as going on.
    over: VecDeque<Arc<Live>>,
}

/// Runs that are kept after their end, for messages that cross it.
const CROSSING: usize = 64;

impl Runs {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run has begun.
    pub fn enter(&self, live: Arc<Live>) {
        self.known().live.insert(live.run, live);
    }

    /// A run's pump has ended.
    pub fn leave(&self, run: RunId) {
        let mut known = self.known();
        if let Some(live) = known.live.remove(&run) {
            known.over.push_back(live);
            if known.over.len() > CROSSING {
                known.over.pop_front();
            }
        }
    }

    /// Forgets a run that has ended: nothing crosses its end for so long.
    pub fn forget(&self, run: RunId) {
        self.known().over.retain(|live| live.run != run);
    }

    /// A run that goes on, or has just ended.
    pub fn find(&self, run: RunId) -> Option<Arc<Live>> {
        let known = self.known();
        known
            .live
            .get(&run)
            .or_else(|| known.over.iter().find(|live| live.run == run))
            .cloned()
    }
}

/// A client that is told a run's output, on one stream of one connection.
#[derive(Debug)]
pub struct Client {
    /// Its connection.
    pub connection: ConnectionId,
    /// The stream.
    pub stream: StreamId,
    /// The way to the client.
    pub outbox: Outbox,
    /// What the connection's task leaves for this stream.
    pub inbox: Arc<Inbox>,
    /// The next byte of each output that is to be sent.
    pub sent: [u64; 2],
    /// Bytes it may be sent.
    pub allowance: Allowance,
    /// Told when the stream is over.
    pub over: mpsc::Sender<StreamId>,
}

/// Why a client gets no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It is gone.
    Closed,
    /// What comes next is not kept any more.
    Gone(Stream, Gone),
}

impl Client {
    /// Whether output is kept that it was not sent.
    pub fn behind(&self, spool: &Spool) -> bool {
        Stream::BOTH
            .into_iter()
            .any(|stream| self.next(stream) < spool.published(stream))
    }

    /// The next byte that is to be sent.
    pub fn next(&self, stream: Stream) -> u64 {
        let [stdout, stderr] = self.sent;
        match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        }
    }

    /// So many bytes were sent.
    pub fn advance(&mut self, stream: Stream, bytes: usize) {
        let [stdout, stderr] = &mut self.sent;
        *match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        } += bytes as u64;
        self.allowance.spend(bytes);
    }

    /// Tells the connection's task that this stream's place is free. Never waits: that task may be
    /// waiting itself.
    pub fn stream_is_over(&self) {
        if let Err(mpsc::error::TrySendError::Full(stream)) = self.over.try_send(self.stream) {
            let over = self.over.clone();
            tokio::spawn(async move { over.send(stream).await });
        }
    }

    /// The head of what it is told of a run that it has attached to.
    pub fn started(&self, live: &Live, stdin: bool) -> Started {
        let [stdout, stderr] = self.sent;
        Started {
            stdout_from: Some(stdout),
            stderr_from: Some(stderr),
            ..live.started(stdin)
        }
    }

    /// The first offset that is not kept.
    pub fn missing(&self, spool: &Spool) -> Option<(Stream, Gone)> {
        Stream::BOTH.into_iter().find_map(|stream| {
            let (from, to) = spool.range(stream);
            let next = self.next(stream);
            (next < from || next > to).then_some((stream, Gone { from, to }))
        })
    }

    /// The next frame of what it has missed, within its credit.
    pub fn frame(&self, spool: &Spool) -> Result<Option<(Stream, Vec<u8>)>, Stopped> {
        let room = DATA_FRAME.min(self.allowance.left());
        let Some(stream) = Stream::BOTH
            .into_iter()
            .find(|stream| self.next(*stream) < spool.published(*stream))
        else {
            return Ok(None);
        };
        if room == 0 {
            return Ok(None);
        }
        let kind = if stream == Stream::Stdout {
            Kind::Stdout
        } else {
            Kind::Stderr
        };

        let mut frame = vec![0; HEADER + room];
        let read = spool.read(
            stream,
            self.next(stream),
            frame.get_mut(HEADER..).unwrap_or_default(),
        );

        let read = read.map_err(|gone| Stopped::Gone(stream, gone))?;
        frame.truncate(HEADER + read);
        let head = header(self.stream, kind, u32::try_from(read).unwrap_or(0));
        frame
            .get_mut(..HEADER)
            .unwrap_or_default()
            .copy_from_slice(&head);
        Ok(Some((stream, frame)))
    }

    /// Puts a frame into its queue, unless it gives the stream up while that is full.
    async fn put(&self, frame: Vec<u8>) -> Result<(), Stopped> {
        loop {
            tokio::select! {
                biased;
                place = self.outbox.place() => {
                    place.map_err(|_| Stopped::Closed)?.put(frame);
                    return Ok(());
                }

                () = self.inbox.rung() => if self.inbox.abandoned() {
                    return Err(Stopped::Closed);
                }
            }
        }
    }

    /// Says that what it wants is not kept.
    pub async fn refuse(&self, stream: Stream, gone: Gone) {
        let name = if stream == Stream::Stdout {
            "standard output"
        } else {
            "standard error"
        };

        let text = format!(
            "the bytes {} to {} are what is kept of {name}; byte {} is not among them",
            gone.from,
            gone.to,
            self.next(stream)
        );

        let failure = Failure {
            code: Code::Offset.number(),
            text,
            argument: None,
            rule: None,
        };

        let _ = self
            .put(encode(self.stream, Kind::Error, &write(&failure)))
            .await;
    }
}

/// Tells a client a run's output from where it wants it, beside whoever else is told. Slower than
/// the run, it loses what is no longer kept, and is told so: it holds up nobody.
pub async fn follow(live: Arc<Live>, mut client: Client, until_the_end: bool) {
    let outcome = tell(&live, &mut client, until_the_end).await;
    if let Err(Stopped::Gone(stream, gone)) = outcome {
        client.refuse(stream, gone).await;
    }
    client.stream_is_over();
}

async fn tell(live: &Live, client: &mut Client, until_the_end: bool) -> Result<(), Stopped> {
    if let Some((stream, gone)) = client.missing(&live.spool) {
        return Err(Stopped::Gone(stream, gone));
    }
    let mut held = super::inbox::Held::default();
    let started = encode(
        client.stream,
        Kind::Started,
        &write(&client.started(live, false)),
    );

    client.put(started).await?;
    let until = live.spool.both();
    loop {
        let changed = live.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        client.inbox.take(&mut held);
        if held.abandoned {
            return Ok(());
        }
        let _ = client
            .allowance
            .grant(u32::try_from(held.credit).unwrap_or(u32::MAX));
        let ended = live.ended();
        if let Some((stream, frame)) = client.frame(&live.spool)? {
            let count = frame.len() - HEADER;
            client.put(frame).await?;
            client.advance(stream, count);
            continue;
        }

        let enough = !until_the_end && client.sent[0] >= until[0] && client.sent[1] >= until[1];
        match ended {
            Some(ended) if !client.behind(&live.spool) => {
                return client
                    .put(encode(client.stream, Kind::Exit, &write(&ended)))
                    .await;
            }

            None if enough => {
                return client
                    .put(encode(
                        client.stream,
                        Kind::Exit,
                        &write(&so_far(live, client)),
                    ))
                    .await;
            }

            _ => {}
        }

        tokio::select! {
            () = changed => {}
            () = client.inbox.rung() => {}
        }
    }
}

/// In place of an end: what was kept was told, and the run goes on.
fn so_far(live: &Live, client: &Client) -> Ended {
    let [stdout_bytes, stderr_bytes] = client.sent;
    Ended {
        run: live.run.to_string(),
        reason: crate::exit::Reason::Lost.word().into(),
        number: None,
        duration_ms: 0,
        user_ms: 0,
        system_ms: 0,
        peak_kib: 0,
        left_killed: 0,
        left_running: 0,
        verified: true,
        goes_on: true,
        cut: false,
        stdin_bytes: 0,
        stdout_bytes,
        stderr_bytes,
        held_open: false,
    }
}

/// The end as the wire tells it.
pub fn ended(
    run: RunId,
    end: End,
    [stdin_bytes, stdout_bytes, stderr_bytes]: [u64; 3],
    cut: bool,
    held_open: bool,
) -> Ended {
    Ended {
        run: run.to_string(),
        reason: end.reason,
        number: end.number,
        duration_ms: end.duration_ms,
        user_ms: end.user_ms,
        system_ms: end.system_ms,
        peak_kib: end.peak_kib,
        left_killed: end.left_killed,
        left_running: end.left_running,
        verified: end.verified,
        goes_on: false,
        cut,
        stdin_bytes,
        stdout_bytes,
        stderr_bytes,
        held_open,
    }
}
