//! The pump's ends of a run's pipes, each with what is known of it.

use super::super::inbox::Held;
use crate::limits::DATA_FRAME;
use crate::sys;
use bytes::BufMut;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::Poll;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// An output pipe with the size of its next read.
pub struct Output {
    /// The pipe, while it is open.
    pub pipe: Option<pipe::Receiver>,
    /// Bytes of the next read.
    pub chunk: usize,
}

/// The input pipe with what waits to be written.
pub struct Input {
    /// The pipe, while it is open.
    pub pipe: Option<pipe::Sender>,
    /// Bytes that came, from the first on that was not done with when the last of them came.
    pub waiting: Vec<u8>,
    /// How many of the bytes that came are done with.
    written: usize,
    /// Whether no more input will come.
    pub eof: bool,
    /// Whether a terminal was told of the end of input.
    pub ended: bool,
    /// Whether the pipe was made as large as it may be.
    widened: bool,
    /// Bytes that the command's pipe has taken.
    pub moved: u64,
}

/// Bytes of the first read: most commands say little.
const FIRST_CHUNK: usize = 4096;
impl Output {
    /// The end of an output pipe, or of the terminal that stands for it.
    pub fn new(pipe: Option<OwnedFd>, terminal: bool) -> io::Result<Self> {
        // A terminal reads and writes as a pipe does; its last reader hears an error instead of an
        // end.
        let pipe = match pipe {
            Some(pipe) if terminal => Some(pipe::Receiver::from_owned_fd_unchecked(pipe)?),
            pipe => pipe.map(pipe::Receiver::from_owned_fd).transpose()?,
        };

        Ok(Self {
            pipe,
            chunk: FIRST_CHUNK,
        })
    }

    /// Notes that so many bytes were read: a run that says much is read in larger steps.
    pub fn was_read(&mut self, count: usize) {
        if count == self.chunk && self.chunk < DATA_FRAME {
            self.chunk = (self.chunk * 4).min(DATA_FRAME);
            if self.chunk == DATA_FRAME
                && let Some(pipe) = &self.pipe
            {
                sys::widen(pipe.as_fd());
            }
        }
    }

    /// Completes when something can be read; never where nothing can come any more.
    pub async fn readable(&self) -> io::Result<()> {
        match &self.pipe {
            Some(pipe) => pipe.readable().await,
            None => std::future::pending().await,
        }
    }
}

impl Input {
    /// The end of an input pipe, or of the terminal that stands for it, which has taken so many bytes
    /// already.
    pub fn new(pipe: Option<OwnedFd>, terminal: bool, moved: u64) -> io::Result<Self> {
        let pipe = match pipe {
            Some(pipe) if terminal => Some(pipe::Sender::from_owned_fd_unchecked(pipe)?),
            pipe => pipe.map(pipe::Sender::from_owned_fd).transpose()?,
        };

        Ok(Self {
            pipe,
            waiting: Vec::new(),
            written: 0,
            eof: false,
            ended: false,
            widened: false,
            moved,
        })
    }

    /// Adds input that has come.
    pub fn add(&mut self, held: &mut Held) {
        if self.waiting.is_empty() {
            std::mem::swap(&mut self.waiting, &mut held.stdin);
            self.written = 0;
        } else {
            self.waiting.extend_from_slice(&held.stdin);
        }

        self.eof |= held.eof;
    }

    /// Bytes wait, or the end of input is to be passed on, or bytes for a closed pipe are to be
    /// given credit for.
    pub const fn wants_to_write(&self) -> bool {
        !self.waiting.is_empty() || (self.eof && self.pipe.is_some())
    }

    /// Completes when something can be done: bytes written, or a closed pipe's bytes given up.
    pub async fn writable(&self) -> io::Result<()> {
        match &self.pipe {
            Some(pipe) if !self.waiting.is_empty() => pipe.writable().await,
            _ => Ok(()),
        }
    }

    /// Writes what the pipe takes; returns the bytes that are done with.
    pub fn write(&mut self) -> usize {
        let rest = self.waiting.get(self.written..).unwrap_or_default();
        let done = match &self.pipe {
            // A command that reads no more loses its input, not its output.
            None => rest.len(),
            Some(_) if rest.is_empty() => 0,
            Some(pipe) => match pipe.try_write(rest) {
                Ok(count) => {
                    self.moved += count as u64;
                    count
                }

                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                    if !std::mem::replace(&mut self.widened, true) {
                        sys::widen(pipe.as_fd());
                    }
                    0
                }

                Err(_) => {
                    self.pipe = None;
                    rest.len()
                }
            },
        };

        self.written += done;
        if self.written == self.waiting.len() {
            self.waiting.clear();
            self.written = 0;
            if self.waiting.capacity() > DATA_FRAME {
                self.waiting = Vec::new();
            }
            if self.eof {
                self.pipe = None;
            }
        }

        done
    }

    /// Bytes that came and were not passed on.
    pub const fn outstanding(&self) -> usize {
        self.waiting.len() - self.written
    }
}

/// One read, if there is something. Through `AsyncRead` and not `try_read`, because that knows that
/// a short read has emptied the pipe, and saves the call that would only find it so.
pub async fn read_now<B: BufMut>(
    pipe: &mut pipe::Receiver,
    into: &mut B,
) -> Option<io::Result<usize>> {
    let mut read = std::pin::pin!(pipe.read_buf(into));
    std::future::poll_fn(|context| {
        Poll::Ready(match read.as_mut().poll(context) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        })
    })
    .await
}
