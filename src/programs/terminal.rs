//! This side of a run: standard input, output and error, the terminal and its signals.

use super::display::Sanitizer;
use super::output;
use crate::client::{ClientError, DurableInput};
use crate::limits::DATA_FRAME;
use crate::protocol::Code;
use crate::sys;
use crate::verb::Terminal;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::{Notify, mpsc};

/// This terminal, where there is one on both sides.
pub fn own_terminal() -> Option<Terminal> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (columns, rows) = sys::own_terminal_size()?;
    let kind = std::env::var("TERM").unwrap_or_default();
    Some(Terminal {
        kind: kind.chars().take(64).collect(),
        columns,
        rows,
    })
}

/// Rings when the person wants to leave.
pub type Leaving = tokio::sync::oneshot::Receiver<()>;

/// What the system tells this program while it follows a run.
pub struct Signals {
    /// The program should end.
    pub end: End,
    /// Ctrl-C.
    pub interrupt: Heard,
}

/// What the system tells this program while a run has its terminal.
pub struct OfTerminal {
    stop: Heard,
    again: Heard,
    quit: Heard,
    window: Heard,
}

/// What a program is told whose terminal is a run's.
pub enum Ring {
    /// To stop, and give the terminal back meanwhile.
    Stop,
    /// It goes on.
    Again,
    /// To end at once.
    Quit,
    /// The terminal has another size.
    Size,
}

impl OfTerminal {
    pub fn new() -> Result<Self, ClientError> {
        Ok(Self {
            stop: Heard::new(SignalKind::from_raw(libc::SIGTSTP))?,
            again: Heard::new(SignalKind::from_raw(libc::SIGCONT))?,
            quit: Heard::new(SignalKind::quit())?,
            window: Heard::new(SignalKind::window_change())?,
        })
    }

    pub async fn rung(&mut self) -> Ring {
        tokio::select! {
            () = self.stop.rung() => Ring::Stop,
            () = self.again.rung() => Ring::Again,
            () = self.quit.rung() => Ring::Quit,
            () = self.window.rung() => Ring::Size,
        }
    }
}

pub struct End {
    terminate: Heard,
    hangup: Heard,
}

/// A signal, unless whoever started this program has told it to ignore it: then it goes on doing
/// so.
pub struct Heard(Option<unix::Signal>);

impl Heard {
    pub fn new(kind: SignalKind) -> Result<Self, ClientError> {
        if sys::is_ignored(kind.as_raw_value()) {
            return Ok(Self(None));
        }
        let heard = unix::signal(kind);
        heard
            .map(|heard| Self(Some(heard)))
            .map_err(|fault| ClientError::new(Code::Internal, format!("signals: {fault}")))
    }

    pub async fn rung(&mut self) {
        match &mut self.0 {
            Some(heard) => drop(heard.recv().await),
            None => std::future::pending().await,
        }
    }
}

impl Signals {
    pub fn new() -> Result<Self, ClientError> {
        Ok(Self {
            end: End {
                terminate: Heard::new(SignalKind::terminate())?,
                hangup: Heard::new(SignalKind::hangup())?,
            },
            interrupt: Heard::new(SignalKind::interrupt())?,
        })
    }
}

impl End {
    pub async fn rung(&mut self) {
        tokio::select! {
            () = self.terminate.rung() => {}
            () = self.hangup.rung() => {}
        }
    }
}

/// Rings when standard input cannot be read.
pub type Broken = tokio::sync::oneshot::Receiver<io::Error>;

/// Standard input for a run. At a terminal `~.` at the
/// beginning of a line rings `leave`, as ssh has it: the only way out of a link that hangs. What
/// cannot be read rings `broken`, and is no end of input: half an input would look like a whole one.
pub async fn feed(
    input: DurableInput,
    mut leave: Option<tokio::sync::oneshot::Sender<()>>,
    broken: tokio::sync::oneshot::Sender<io::Error>,
) {
    let mut line = Line::Begun;
    let mut pieces = pieces_of_input();

    while let Some(piece) = pieces.recv().await {
        let piece = match piece {
            Ok(piece) if piece.is_empty() => break,
            Ok(piece) => piece,
            Err(fault) => {
                let _ = broken.send(fault);
                return;
            }
        };
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

/// Standard input piece by piece, an empty one at its end, from a thread of its own because reading
/// blocks. No more is read than is taken.
pub fn pieces_of_input() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, pieces) = mpsc::channel(2);
    std::thread::spawn(move || {
        loop {
            let piece = next_piece();
            let last = piece.as_ref().map_or(true, Vec::is_empty);
            if sender.blocking_send(piece).is_err() || last {
                return;
            }
        }
    });
    pieces
}

/// The next bytes of standard input; none at its end. Waits also where the descriptor does not.
fn next_piece() -> io::Result<Vec<u8>> {
    let mut stdin = io::stdin().lock();
    let mut piece = vec![0; DATA_FRAME];
    loop {
        match stdin.read(&mut piece) {
            Ok(count) => {
                piece.truncate(count);
                return Ok(piece);
            }
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                let waited = sys::wait_readable(stdin.as_fd(), Duration::from_secs(3600));
                let late = |fault: &io::Error| fault.kind() == io::ErrorKind::TimedOut;
                waited.or_else(|fault| if late(&fault) { Ok(()) } else { Err(fault) })?;
            }
            Err(fault) => return Err(fault),
        }
    }
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

pub enum Piece {
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
pub struct Output {
    /// The thread, until there is something to write: many commands write nothing, and a thread
    /// costs more than they do.
    thread: Option<Box<dyn FnOnce() + Send>>,
    pieces: mpsc::Sender<Piece>,
    pub written: Arc<Written>,
    json: bool,
    letters: [Letters; 2],
}

/// Output as an event for machines: text, or base64 where it is none. Nothing is no event.
pub fn for_machines(error: bool, bytes: Vec<u8>) -> Option<serde_json::Value> {
    if bytes.is_empty() {
        return None;
    }
    let event = if error { "stderr" } else { "stdout" };
    Some(match String::from_utf8(bytes) {
        Ok(text) => serde_json::json!({ "event": event, "text": text }),
        Err(other) => {
            let bytes = crate::encoding::base64(&other.into_bytes());
            serde_json::json!({ "event": event, "base64": bytes })
        }
    })
}

/// The event as a line.
fn told(error: bool, bytes: Vec<u8>) -> Vec<u8> {
    for_machines(error, bytes)
        .and_then(|event| crate::audit::line(&event).ok())
        .unwrap_or_default()
}

/// The beginning of a letter that a frame has cut, until the rest has come.
#[derive(Default)]
pub struct Letters(Vec<u8>);

impl Letters {
    /// These bytes behind what was held back, without a letter that is cut at their end.
    pub fn whole(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let mut whole = std::mem::take(&mut self.0);
        whole.extend(bytes);
        if let Err(fault) = std::str::from_utf8(&whole)
            && fault.error_len().is_none()
        {
            self.0 = whole.split_off(fault.valid_up_to());
        }
        whole
    }

    /// What is left of a letter that never came to its end.
    pub fn left(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// What the writing thread has done. A count and not a queue: the thread must never wait for
/// whoever fills its own.
#[derive(Default)]
pub struct Written {
    bytes: AtomicUsize,
    failed: AtomicBool,
    bell: Notify,
}

impl Written {
    /// How many bytes were written since the last time, or `None` when nothing can be written any
    /// more.
    pub async fn more(&self) -> Option<usize> {
        self.bell.notified().await;
        (!self.failed.load(Ordering::Acquire)).then(|| self.bytes.swap(0, Ordering::AcqRel))
    }
}

/// Pieces that may wait to be written.
const WAITING: usize = 256;
/// Pieces that one thing that is told can make: what was held back, itself, and two cut letters.
const AT_ONCE: usize = 4;

impl Output {
    /// Waits until what comes next can be told without waiting: whoever waits here hears of signals.
    pub async fn room(&self) {
        // Where nobody writes any more, that reports itself.
        let _ = self.pieces.reserve_many(AT_ONCE).await;
    }

    pub fn begin(json: bool, raw: bool) -> Self {
        let (pieces, mut queue) = mpsc::channel::<Piece>(WAITING);
        let written = Arc::new(Written::default());
        let report = written.clone();
        let clean = |terminal: bool| (terminal && !raw && !json).then(Sanitizer::default);
        let mut sanitizers = [
            clean(io::stdout().is_terminal()),
            clean(io::stderr().is_terminal()),
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

                        let failed = output::pour(error, &bytes).is_err();
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
                                let _ = output::pour(error, &sanitizer.leave());
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
            letters: Default::default(),
        }
    }

    async fn send(&mut self, piece: Piece) {
        if let Some(thread) = self.thread.take() {
            std::thread::spawn(thread);
        }
        // A thread that is gone reports by itself.
        let _ = self.pieces.send(piece).await;
    }

    pub async fn bytes(&mut self, error: bool, bytes: Vec<u8>) {
        let counted = bytes.len();
        self.piece(error, bytes, counted).await;
    }

    /// Standard output of which it was told already that it was taken.
    pub async fn taken(&mut self, bytes: Vec<u8>) {
        self.piece(false, bytes, 0).await;
    }

    async fn piece(&mut self, error: bool, bytes: Vec<u8>, counted: usize) {
        let piece = if self.json {
            let whole = self.letters.get_mut(usize::from(error));
            let bytes = whole.map_or_else(Vec::new, |letters| letters.whole(bytes));
            Piece::Bytes {
                error: false,
                bytes: told(error, bytes),
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
    }

    pub async fn event(&mut self, event: serde_json::Value) {
        self.send(Piece::Bytes {
            error: false,
            bytes: crate::audit::line(&event).unwrap_or_default(),
            counted: 0,
        })
        .await;
    }

    /// What is left of letters that never came to their end.
    pub async fn cut_letters(&mut self) {
        for error in [false, true] {
            let left = self.letters.get_mut(usize::from(error));
            let left = left.map_or_else(Vec::new, Letters::left);
            if !left.is_empty() {
                let bytes = told(error, left);
                self.send(Piece::Bytes {
                    error: false,
                    bytes,
                    counted: 0,
                })
                .await;
            }
        }
    }

    /// Everything is written when this returns.
    pub async fn finish(mut self) {
        if self.thread.is_some() {
            return;
        }
        let (done, flushed) = tokio::sync::oneshot::channel();
        self.send(Piece::Flush(done)).await;

        // Also when the thread has ended: then nobody holds the other end.
        let _ = flushed.await;
    }
}
