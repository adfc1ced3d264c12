//! What many hosts write, told so that it can be read: every line behind its host's name, or equal
//! outputs once under the names of all that wrote them (`kept.rs`).

mod kept;

use super::hosts::Host;
use crate::fleet::{Alike, End, Leaf, Lines, Tree};
use crate::programs::display::{Sanitizer, plain};
use crate::programs::output;
use crate::programs::run_output::{Letters, for_machines};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// How it is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Every line as it comes.
    pub live: bool,
    /// Equal outputs of equal ends once, when all have ended.
    pub fold: bool,
    /// What hosts wrote at which it did not go well, when they have ended.
    pub quiet: bool,
    /// As JSON, a line for each event.
    pub json: bool,
    /// Control characters as they are, also on a terminal.
    pub raw: bool,
    /// All of it on standard error.
    pub aside: bool,
    /// Outputs that differ from those of most hosts by what differs.
    pub diff: bool,
    /// A sign in the place of each host's own name, in what is folded.
    pub alike: bool,
}

/// Nobody reads what is told any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// What is told of all hosts.
pub struct Screen {
    manner: Manner,
    /// The names of all hosts, as they are shown.
    names: Vec<String>,
    width: usize,
    colours: bool,
    /// Whether standard output, and error, are terminals.
    terminals: [bool; 2],
    hosts: RefCell<Vec<[Told; 2]>>,
    trees: RefCell<[Tree; 2]>,
    writer: mpsc::Sender<Piece>,
    gone: Cell<bool>,
    /// Whether something was not told, because nobody who does not read was waited for any more.
    untaken: Cell<bool>,
    /// Until when anybody waits for a reader, once all of it is left.
    leaving: watch::Sender<Option<Instant>>,
}

/// What one host has written so far on one of its outputs.
#[derive(Default)]
struct Told {
    letters: Letters,
    lines: Lines,
    alike: Alike,
    leaf: Leaf,
}

enum Piece {
    Bytes(bool, Vec<u8>),
    Flush(oneshot::Sender<()>),
}

/// How long a reader who stays and does not read is waited for when all of it is left.
const GRACE: Duration = Duration::from_secs(1);
/// Pieces that may wait to be written: who writes much then waits for its turn, as all do.
const WAITING: usize = 64;
/// The longest name that the others are filled up to.
const WIDEST: usize = 32;
/// The colours of names: all that can be read on dark and on light.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

impl Screen {
    /// Of these hosts.
    pub fn begin(manner: Manner, hosts: &[Host]) -> Self {
        let names: Vec<String> = hosts.iter().map(|host| plain(&host.name)).collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let terminals = [io::stdout().is_terminal(), io::stderr().is_terminal()];
        let colours = terminals[0] && std::env::var_os("NO_COLOR").is_none();
        Self {
            manner,
            width: width.unwrap_or(0).min(WIDEST),
            colours: colours && !manner.json,
            terminals,
            hosts: RefCell::new(names.iter().map(|_| Default::default()).collect()),
            trees: RefCell::default(),
            writer: writer(),
            gone: Cell::new(false),
            untaken: Cell::new(false),
            leaving: watch::Sender::new(None),
            names,
        }
    }

    fn with<T>(&self, host: usize, error: bool, what: impl FnOnce(&mut Told) -> T) -> Option<T> {
        let mut hosts = self.hosts.borrow_mut();
        let told = hosts.get_mut(host)?.get_mut(usize::from(error))?;
        Some(what(told))
    }

    fn name(&self, host: usize) -> &str {
        self.names.get(host).map_or("", String::as_str)
    }

    /// Tells bytes of a host's output, and returns once they are written or kept.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn bytes(&self, host: usize, error: bool, bytes: &[u8]) -> Result<(), Gone> {
        if self.manner.fold || self.manner.quiet {
            self.keep(host, error, bytes);
        }
        if self.manner.json {
            let whole = self.with(host, error, |told| told.letters.whole(bytes.to_vec()));
            return self.machine_text(host, error, whole).await;
        }
        if !self.manner.live {
            return if self.gone.get() { Err(Gone) } else { Ok(()) };
        }
        let mut whole = Vec::new();
        self.with(host, error, |told| {
            told.lines
                .feed(bytes, |line| self.line(&mut whole, host, error, line));
        });
        self.write(error, whole).await
    }

    /// Whether a host has begun a line and not ended it.
    pub fn is_within_a_line(&self, host: usize) -> bool {
        let hosts = self.hosts.borrow();
        hosts
            .get(host)
            .is_some_and(|told| told.iter().any(|told| told.lines.is_within()))
    }

    /// Tells the beginnings of lines whose ends do not come.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn parts(&self, host: usize) -> Result<(), Gone> {
        for error in [false, true] {
            let part = self.with(host, error, |told| told.lines.part()).flatten();
            if let Some(part) = part {
                let mut line = Vec::new();
                self.line(&mut line, host, error, &part);
                self.write(error, line).await?;
            }
        }
        Ok(())
    }

    /// A host has come to its end: tells what was held back of its last line and letter.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn ended(&self, host: usize) -> Result<(), Gone> {
        for error in [false, true] {
            self.keep_rest(host, error);
            let left = self.with(host, error, |told| told.letters.left());
            self.machine_text(host, error, left).await?;
        }
        self.parts(host).await
    }

    async fn machine_text(
        &self,
        host: usize,
        error: bool,
        bytes: Option<Vec<u8>>,
    ) -> Result<(), Gone> {
        match bytes.and_then(|bytes| for_machines(error, bytes)) {
            Some(event) => self.event(host, &event).await,
            None => Ok(()),
        }
    }

    /// Tells something of ordain's own about a host, on standard error.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn note(&self, host: usize, text: &str) -> Result<(), Gone> {
        if self.manner.json {
            return Ok(());
        }
        self.bytes(host, true, &said(text)).await
    }

    /// Tells something of ordain's own about all of it, on standard error, behind what was told
    /// before.
    pub async fn say(&self, text: &str) {
        let _ = self.write(true, said(text)).await;
    }

    /// The same, where nobody has to be waited for.
    pub fn says(&self, text: &str) -> bool {
        let piece = Piece::Bytes(true, said(text));
        self.writer.try_send(piece).is_ok()
    }

    /// Tells an event of a host, for machines; nothing is told to people.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub async fn event(&self, host: usize, event: &serde_json::Value) -> Result<(), Gone> {
        if !self.manner.json {
            return Ok(());
        }
        let mut event = event.clone();
        if let Some(object) = event.as_object_mut() {
            object.insert("host".into(), self.name(host).into());
        }
        let line = crate::audit::line(&event).unwrap_or_default();
        self.write(false, line).await
    }

    /// Tells what was held back until now; `ends` says how it ended at each host, and `good` which
    /// exit statuses are well.
    pub async fn finish(&self, ends: &[End], good: &[u8]) {
        if self.manner.quiet && !self.manner.fold {
            for (host, end) in ends
                .iter()
                .enumerate()
                .filter(|(_, end)| !end.is_well(good))
            {
                let _ = self.kept_of(host, *end).await;
            }
        } else if self.manner.fold {
            let _ = self.folded(ends, good).await;
        }
        let (done, flushed) = oneshot::channel();
        let written = async {
            if self.writer.send(Piece::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        };
        tokio::select! {
            () = written => {}
            () = self.given_up() => self.untaken.set(true),
        }
    }

    /// All of it is left: whoever stays and does not read is waited for no longer.
    pub fn leave(&self) {
        output::hurry();
        self.leaving.send_replace(Some(Instant::now() + GRACE));
    }

    /// Waits until nobody is waited for any more who does not read.
    async fn given_up(&self) {
        let mut leaving = self.leaving.subscribe();
        let until = match leaving.wait_for(Option::is_some).await {
            Ok(until) => *until,
            Err(_) => None,
        };
        match until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// A line as it is shown: behind the host's name, and harmless.
    fn line(&self, into: &mut Vec<u8>, host: usize, error: bool, line: &[u8]) {
        let name = self.name(host);
        let fill = self.width.saturating_sub(name.chars().count());
        if self.colours && !error {
            let colour = COLOURS.get(host % COLOURS.len()).copied().unwrap_or(0);
            into.extend_from_slice(format!("\x1b[{colour}m{name}:\x1b[0m").as_bytes());
        } else {
            into.extend_from_slice(format!("{name}:").as_bytes());
        }
        into.resize(into.len() + fill + 1, b' ');
        into.extend_from_slice(&self.harmless(error, line));
        into.push(b'\n');
    }

    /// A line without what could do harm in a terminal, where it goes to one.
    fn harmless<'l>(&self, error: bool, line: &'l [u8]) -> Cow<'l, [u8]> {
        let [output, errors] = self.terminals;
        let terminal = if error { errors } else { output };
        if !terminal || self.manner.raw {
            return Cow::Borrowed(line);
        }
        let mut sanitizer = Sanitizer::default();
        let mut shown = sanitizer.feed(line);
        shown.extend(sanitizer.leave());
        Cow::Owned(shown)
    }

    /// Whether something was not told, because whoever reads has not read it.
    pub const fn is_untaken(&self) -> bool {
        self.untaken.get()
    }

    /// Whether nobody reads any more.
    pub const fn is_gone(&self) -> bool {
        self.gone.get()
    }

    async fn write(&self, error: bool, bytes: Vec<u8>) -> Result<(), Gone> {
        let error = error || self.manner.aside;
        if self.gone.get() {
            return Err(Gone);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let piece = match self.writer.try_send(Piece::Bytes(error, bytes)) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(piece)) => Some(piece),
            Err(TrySendError::Closed(_)) => None,
        };
        let sent = async {
            match piece {
                Some(piece) => self.writer.send(piece).await.is_ok(),
                None => false,
            }
        };
        tokio::select! {
            sent = sent => if sent {
                return Ok(());
            },
            // It is nobody's end that is told, but ours.
            () = self.given_up() => {
                self.untaken.set(true);
                return Err(Gone);
            }
        }
        self.gone.set(true);
        Err(Gone)
    }
}

/// A line of ordain's own.
fn said(text: &str) -> Vec<u8> {
    format!("ordain: {}\n", plain(text)).into_bytes()
}

/// The thread that writes, because writing blocks. It ends when nothing can be written any more.
fn writer() -> mpsc::Sender<Piece> {
    let (sender, mut pieces) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Bytes(error, bytes) => {
                    if output::pour(error, &bytes).is_err() {
                        return;
                    }
                }
                Piece::Flush(done) => drop(done.send(())),
            }
        }
    });
    sender
}
