//! A run's output here: written at once where that does not block, and in a thread of its own where
//! it may.

use super::display::Sanitizer;
use super::output::{self, Way};
use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// A piece of output on its way out.
struct Piece {
    error: bool,
    bytes: Vec<u8>,
    /// How many bytes the server may send again when it is written.
    counted: usize,
}

/// Pieces that may wait to be written.
const WAITING: usize = 256;
/// Pieces that one thing that is told can make: what was held back, itself, and two cut letters.
const AT_ONCE: usize = 4;
/// How long it takes until something is tried again that the kernel does not watch.
const AGAIN: Duration = Duration::from_millis(10);

/// Standard output and error. What was written is granted to the server anew, so that a slow reader
/// here slows the command there and fills no memory.
pub struct Output {
    json: bool,
    letters: [Letters; 2],
    sanitizers: Sanitizers,
    writer: Writer,
}

/// Who writes.
enum Writer {
    /// Nobody yet: many commands write nothing.
    Nobody,
    /// We do, as far as what is written to takes it.
    Here(Here),
    /// A thread, because writing may block.
    Thread(Thread),
}

impl Output {
    /// Output for people or machines, of which nothing was written yet.
    pub fn begin(json: bool, raw: bool) -> Self {
        Self {
            json,
            letters: Default::default(),
            sanitizers: Sanitizers::new(raw || json),
            writer: Writer::Nobody,
        }
    }

    /// Whether what comes next can be told without waiting: whoever waits where it is told does not
    /// hear of signals. It can again when [`Output::more`] has returned, if not at once.
    pub fn has_room(&self) -> bool {
        match &self.writer {
            Writer::Nobody => true,
            Writer::Here(here) => here.waiting.len() + AT_ONCE <= WAITING,
            Writer::Thread(thread) => thread.errands.capacity() >= AT_ONCE,
        }
    }

    /// Waits until something was written, and says how many bytes of it the server is to know of;
    /// `None` when nothing can be written any more. Cancel-safe.
    pub async fn more(&mut self) -> Option<usize> {
        match &mut self.writer {
            Writer::Nobody => std::future::pending().await,
            Writer::Here(here) => here.more().await,
            Writer::Thread(thread) => thread.written.more().await,
        }
    }

    /// Whether all that was to be written is.
    pub fn is_taken(&self) -> bool {
        match &self.writer {
            Writer::Nobody => true,
            Writer::Here(here) => here.waiting.is_empty(),
            Writer::Thread(thread) => thread.written.waiting.load(Ordering::Acquire) == 0,
        }
    }

    /// Writes bytes of the run's.
    pub async fn bytes(&mut self, error: bool, bytes: Vec<u8>) {
        let counted = bytes.len();
        self.piece(error, bytes, counted).await;
    }

    /// Standard output of which it was told already that it was taken.
    pub async fn taken(&mut self, bytes: Vec<u8>) {
        self.piece(false, bytes, 0).await;
    }

    async fn piece(&mut self, error: bool, bytes: Vec<u8>, counted: usize) {
        let (error, bytes) = if self.json {
            let whole = self.letters.get_mut(usize::from(error));
            let bytes = whole.map_or_else(Vec::new, |letters| letters.whole(bytes));
            (false, told(error, bytes))
        } else {
            (error, bytes)
        };

        self.send(Piece {
            error,
            bytes,
            counted,
        })
        .await;
    }

    /// Writes an event for machines.
    pub async fn event(&mut self, event: serde_json::Value) {
        self.send(Piece {
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
                self.send(Piece {
                    error: false,
                    bytes: told(error, left),
                    counted: 0,
                })
                .await;
            }
        }
    }

    async fn send(&mut self, mut piece: Piece) {
        piece.bytes = self.sanitizers.clean(piece.error, piece.bytes);
        self.writer.write(piece).await;
    }

    /// Everything is written when this returns.
    pub async fn finish(mut self) {
        if matches!(self.writer, Writer::Nobody) {
            return;
        }
        for (error, bytes) in self.sanitizers.left() {
            let counted = 0;
            if !bytes.is_empty() {
                let piece = Piece {
                    error,
                    bytes,
                    counted,
                };
                self.writer.write(piece).await;
            }
        }
        match self.writer {
            Writer::Nobody => {}
            Writer::Here(here) => here.finish().await,
            Writer::Thread(thread) => thread.finish().await,
        }
    }
}

impl Writer {
    /// Writes a piece behind what waits.
    async fn write(&mut self, piece: Piece) {
        // While a thread writes, it is not asked what that writes to.
        let is_thread = matches!(self, Self::Thread(_));
        if !is_thread && !output::never_blocks(piece.error) {
            let here = match self {
                Self::Here(here) => std::mem::take(here),
                _ => Here::default(),
            };
            // What is written from now on must not overtake what waits.
            *self = Self::Thread(here.into_thread().await);
        }
        match self {
            Self::Nobody => {
                let mut here = Here::default();
                here.add(piece);
                *self = Self::Here(here);
            }
            Self::Here(here) => here.add(piece),
            Self::Thread(thread) => thread.send(Errand::Write(piece)).await,
        }
    }
}

/// What makes output harmless to a terminal, for those of the two ways that are one.
struct Sanitizers([Option<Sanitizer>; 2]);

impl Sanitizers {
    fn new(raw: bool) -> Self {
        let clean = |terminal: bool| (terminal && !raw).then(Sanitizer::default);
        Self([
            clean(io::stdout().is_terminal()),
            clean(io::stderr().is_terminal()),
        ])
    }

    fn clean(&mut self, error: bool, bytes: Vec<u8>) -> Vec<u8> {
        let sanitizer = self.0.get_mut(usize::from(error)).and_then(Option::as_mut);
        match sanitizer {
            Some(sanitizer) => sanitizer.feed(&bytes),
            None => bytes,
        }
    }

    /// What is left of both.
    fn left(&mut self) -> [(bool, Vec<u8>); 2] {
        let left = |sanitizer: &mut Option<Sanitizer>| {
            sanitizer.as_mut().map(Sanitizer::leave).unwrap_or_default()
        };
        let [output, errors] = &mut self.0;
        [(false, left(output)), (true, left(errors))]
    }
}

/// Writes where it stands, and keeps what was not taken.
#[derive(Default)]
struct Here {
    waiting: VecDeque<Piece>,
    /// How much of the first of them is written.
    written: usize,
    /// Bytes of pieces that were written, of which nobody was told yet.
    counted: Option<usize>,
    failed: bool,
    ways: [Option<Way>; 2],
}

impl Here {
    /// Lets a thread go on with what waits.
    async fn into_thread(mut self) -> Thread {
        if let Some(first) = self.waiting.front_mut() {
            first.bytes.drain(..self.written);
        }
        let thread = Thread::begin();
        if self.counted.is_some() || self.failed {
            let counted = self.counted.unwrap_or_default();
            thread.written.note(counted, self.failed);
        }
        for piece in self.waiting {
            thread.send(Errand::Write(piece)).await;
        }
        thread
    }

    /// Writes a piece behind what waits.
    fn add(&mut self, piece: Piece) {
        self.waiting.push_back(piece);
        self.write();
    }

    /// Writes as much as is taken now.
    fn write(&mut self) {
        while let Some(piece) = self.waiting.front().filter(|_| !self.failed) {
            let rest = piece.bytes.get(self.written..).unwrap_or_default();
            match output::print_some(piece.error, rest) {
                Ok(count) if count == rest.len() => {
                    *self.counted.get_or_insert(0) += piece.counted;
                    self.written = 0;
                    self.waiting.pop_front();
                }
                Ok(count) => self.written += count,
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.failed = true,
            }
        }
    }

    async fn more(&mut self) -> Option<usize> {
        loop {
            if self.failed {
                return None;
            }
            if let Some(counted) = self.counted.take() {
                return Some(counted);
            }
            let Some(error) = self.waiting.front().map(|piece| piece.error) else {
                return std::future::pending().await;
            };
            self.ready(error).await;
            self.write();
        }
    }

    /// Waits until one of the two ways takes more.
    async fn ready(&mut self, error: bool) {
        let Some(way) = self.ways.get_mut(usize::from(error)) else {
            return;
        };
        if way.is_none() {
            *way = output::watched(error).ok();
        }
        let watched = match way {
            Some(way) => way.writable().await.is_ok(),
            None => false,
        };
        // What cannot be watched is tried again and again: nothing is lost, and signals are heard.
        if !watched {
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Writes all that waits.
    async fn finish(mut self) {
        while !self.failed && !self.waiting.is_empty() {
            let error = self.waiting.front().is_some_and(|piece| piece.error);
            self.ready(error).await;
            self.write();
        }
    }
}

/// What the writing thread is to do.
enum Errand {
    Write(Piece),
    Flush(oneshot::Sender<()>),
}

/// A thread that writes.
struct Thread {
    errands: mpsc::Sender<Errand>,
    written: Arc<Written>,
}

impl Thread {
    fn begin() -> Self {
        let (errands, mut queue) = mpsc::channel::<Errand>(WAITING);
        let written = Arc::new(Written::default());
        let report = written.clone();
        std::thread::spawn(move || {
            while let Some(errand) = queue.blocking_recv() {
                match errand {
                    Errand::Write(piece) => {
                        let failed = output::pour(piece.error, &piece.bytes).is_err();
                        report.waiting.fetch_sub(1, Ordering::AcqRel);
                        report.note(piece.counted, failed);
                        if failed {
                            return;
                        }
                    }

                    Errand::Flush(done) => {
                        let _ = done.send(());
                    }
                }
            }
        });
        Self { errands, written }
    }

    async fn send(&self, errand: Errand) {
        if matches!(errand, Errand::Write(_)) {
            self.written.waiting.fetch_add(1, Ordering::AcqRel);
        }
        // A thread that is gone reports by itself.
        let _ = self.errands.send(errand).await;
    }

    /// Waits until all is written.
    async fn finish(self) {
        let (done, flushed) = oneshot::channel();
        self.send(Errand::Flush(done)).await;

        // Also when the thread has ended: then nobody holds the other end.
        let _ = flushed.await;
    }
}

/// What the writing thread has done. A count and not a queue: the thread must never wait for
/// whoever fills its own.
#[derive(Default)]
struct Written {
    /// Pieces that it was given and has not dealt with.
    waiting: AtomicUsize,
    bytes: AtomicUsize,
    failed: AtomicBool,
    bell: Notify,
}

impl Written {
    fn note(&self, counted: usize, failed: bool) {
        self.bytes.fetch_add(counted, Ordering::AcqRel);
        self.failed.store(failed, Ordering::Release);
        self.bell.notify_one();
    }

    /// How many bytes were written since the last time, or `None` when nothing can be written any
    /// more.
    async fn more(&self) -> Option<usize> {
        self.bell.notified().await;
        (!self.failed.load(Ordering::Acquire)).then(|| self.bytes.swap(0, Ordering::AcqRel))
    }
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
