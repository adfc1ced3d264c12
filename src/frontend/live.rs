//! A run as the frontend knows it: its pipes, what was kept of its output, and what the monitor said
//! of it.

use super::client::Client;
use super::windows::Windows;
use crate::exit::End;
use crate::ids::RunId;
use crate::ipc::{Manifest, Name, RunRules};
use crate::protocol::{Ended, Started};
use crate::spool::Spool;
use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// A run that goes on, or has just ended.
#[derive(Debug)]
pub struct Live {
    /// The run's id.
    pub run: RunId,
    /// The run's output so far.
    spool: Mutex<Arc<Spool>>,
    /// How far the windows of the run's streams may be opened.
    pub windows: Windows,
    /// What holds for the run.
    pub rules: RunRules,
    /// Bytes of standard input that may still come.
    pub stdin_left: AtomicU64,
    /// The offsets from which output may be missing, because a frontend before this one died while
    /// it read.
    pub lost: [Option<u64>; 2],
    ended: Mutex<Option<Ended>>,
    /// The bell that rings when output was kept, or the run has ended.
    pub changed: Notify,
    mail: Mutex<Mail>,
    /// The bell that rings when there is mail.
    pub bell: Notify,
}

/// A run's pipes.
#[derive(Debug)]
pub struct Pipes {
    /// The run's standard output, while it is open.
    pub stdout: Option<OwnedFd>,
    /// The run's standard error, while it is open.
    pub stderr: Option<OwnedFd>,
    /// The run's standard input, when it takes any.
    pub stdin: Option<OwnedFd>,
}

impl Pipes {
    /// The pipes that came along with a message.
    pub fn of(manifest: &mut Manifest) -> Self {
        Self {
            stdout: manifest.take(Name::Stdout),
            stderr: manifest.take(Name::Stderr),
            stdin: manifest.take(Name::Stdin),
        }
    }
}

/// What waits for a run's pump.
#[derive(Debug, Default)]
pub struct Mail {
    /// How the run's processes ended, once they are gone.
    pub exited: Option<End>,
    /// The client of the run's session, which has come back over another connection.
    pub client: Option<Client>,
    /// Another file for the run's output, and how much of each stream it keeps.
    pub spool: Option<(OwnedFd, u64)>,
    /// Whether nobody takes mail any more.
    closed: bool,
}

impl Live {
    /// A run whose pump is about to start.
    pub fn new(run: RunId, spool: Spool, rules: RunRules, lost: [Option<u64>; 2]) -> Self {
        let stdin_left = AtomicU64::new(rules.stdin.unwrap_or(0));
        let (ended, changed, mail, bell) = Default::default();
        Self {
            run,
            spool: Mutex::new(Arc::new(spool)),
            windows: Windows::default(),
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
            terminal: None,
        };

        let live = Self::new(run, spool, rules, lost);
        live.mail().closed = true;
        live.end(ended);
        live
    }

    /// The run's output so far.
    pub fn spool(&self) -> Arc<Spool> {
        let spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
        spool.clone()
    }

    /// Moves what is kept of the output into another file. Whether that was done.
    pub fn move_to(&self, spool: OwnedFd, capacity: u64) -> bool {
        let Some(moved) = self.spool().moved_to(spool, capacity) else {
            return false;
        };
        *self.spool.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(moved);
        true
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

    /// Notes how the run's processes have ended.
    pub fn exited(&self, end: End) {
        self.mail().exited = Some(end);
        self.bell.notify_one();
    }

    /// Leaves the client of a session that has come back. It is given back when the run is over,
    /// and only its spool is left.
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

    /// Whether the run's session has come back over another connection, and waits.
    pub fn replaced(&self) -> bool {
        self.mail().client.is_some()
    }

    /// Leaves another file for the run's output.
    pub fn to_be_moved(&self, spool: OwnedFd, capacity: u64) {
        self.mail().spool = Some((spool, capacity));
        self.bell.notify_one();
    }

    /// Says that others need the memory of the run's windows.
    pub fn narrow(&self) {
        self.windows.narrow();
        self.bell.notify_one();
    }

    /// Takes the mail.
    pub fn take_mail(&self) -> Mail {
        let mut mail = self.mail();
        Mail {
            exited: mail.exited.take(),
            client: mail.client.take(),
            spool: mail.spool.take(),
            closed: mail.closed,
        }
    }

    /// Says that no mail is taken any more, unless some has come just now.
    #[must_use]
    pub fn close_mail(&self) -> bool {
        let mut mail = self.mail();
        mail.closed = mail.client.is_none();
        mail.closed
    }

    /// Notes how the run ended, once all its output is kept.
    pub fn end(&self, ended: Ended) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        self.changed.notify_waiters();
    }

    /// How the run ended, once all its output is kept.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The head of what a client is told of the run.
    pub fn started(&self, stdin: bool) -> Started {
        let resumable = self.rules.resume_ms > 0;
        Started {
            run: self.run.to_string(),
            stdin,
            timeout_ms: self.rules.timeout_ms,
            outlives_client: self.rules.outlives_client,
            terminal: self.rules.terminal.is_some(),
            terminal_kind: self.rules.terminal.clone(),
            resume_ms: resumable.then_some(self.rules.resume_ms),
            stdout_from: None,
            stderr_from: None,
            stdin_bytes: None,
            stdin_credit: None,
            stdout_lost_from: self.lost[0],
            stderr_lost_from: self.lost[1],
            window_max: None,
        }
    }

    /// The head of what a client is told that has attached to the run.
    pub fn started_for(&self, client: &Client, stdin: bool) -> Started {
        let [stdout, stderr] = client.sent;
        Started {
            stdout_from: Some(stdout),
            stderr_from: Some(stderr),
            window_max: client.window_max(),
            ..self.started(stdin)
        }
    }
}

/// The runs of this frontend by their ids.
#[derive(Debug, Default)]
pub struct Runs(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    live: HashMap<RunId, Arc<Live>>,
    /// Runs that ended so shortly ago that the monitor may still speak of them as going on.
    over: VecDeque<Arc<Live>>,
}

/// Runs that are kept after their end, for messages that cross it.
const CROSSING: usize = 64;

impl Runs {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a run that has begun.
    pub fn enter(&self, live: Arc<Live>) {
        self.known().live.insert(live.run, live);
    }

    /// Notes that a run's pump has ended.
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
