//! This side of a run: standard input, output and error, the terminal and its signals.

use super::display::Sanitizer;
use crate::client::{ClientError, DurableInput};
use crate::limits::DATA_FRAME;
use crate::protocol::Code;
use crate::verb::Terminal;
use std::io::{IsTerminal, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Notify, mpsc};

/// This terminal, where there is one on both sides.
pub fn own_terminal() -> Option<Terminal> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let (columns, rows) = crate::sys::own_terminal_size()?;
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
    /// The program's terminal has another size.
    pub window: tokio::signal::unix::Signal,
}

pub struct End {
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    pub fn new() -> Result<Self, ClientError> {
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
    pub async fn rung(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Standard input, read in a thread of its own because reading blocks. At a terminal `~.` at the
/// beginning of a line rings `leave`, as ssh has it: the only way out of a link that hangs.
pub async fn feed(input: DurableInput, mut leave: Option<tokio::sync::oneshot::Sender<()>>) {
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

impl Output {
    pub fn begin(json: bool, raw: bool) -> Self {
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
                                let _ = write_to(error, &sanitizer.leave());
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

    pub async fn bytes(&mut self, error: bool, bytes: Vec<u8>) -> Result<(), ClientError> {
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

    pub async fn event(&mut self, event: serde_json::Value) {
        self.send(Piece::Bytes {
            error: false,
            bytes: crate::audit::line(&event).unwrap_or_default(),
            counted: 0,
        })
        .await;
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

fn write_to(error: bool, bytes: &[u8]) -> std::io::Result<()> {
    if error {
        return std::io::stderr().write_all(bytes);
    }
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
