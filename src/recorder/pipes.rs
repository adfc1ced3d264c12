//! The way of one output: out of the command's pipe, and into that of the network side.

use crate::limits::{PIPE_BUFFER, RECORDER_READ};
use crate::sys;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes that are still taken out of a pipe whose writers have ended: as many as it can hold.
pub const MOST: usize = PIPE_BUFFER * 2;

/// The way of one output.
pub struct Way {
    from: Option<File>,
    to: Option<File>,
    /// What was read.
    waiting: Vec<u8>,
    /// How much of it was passed on.
    passed: usize,
    /// Bytes of the next read.
    chunk: usize,
}

/// Bytes of the first read: most commands say little.
const FIRST: usize = 4096;

impl Way {
    /// Between these two ends.
    ///
    /// # Errors
    /// As fcntl(2).
    pub fn new(from: OwnedFd, to: OwnedFd) -> io::Result<Self> {
        sys::unblock(from.as_fd())?;
        sys::unblock(to.as_fd())?;
        Ok(Self {
            from: Some(from.into()),
            to: Some(to.into()),
            waiting: Vec::new(),
            passed: 0,
            chunk: FIRST,
        })
    }

    /// The end that is read, while it is open.
    pub fn from(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().map(AsFd::as_fd)
    }

    /// The end that is written, while it is open.
    pub fn to(&self) -> Option<BorrowedFd<'_>> {
        self.to.as_ref().map(AsFd::as_fd)
    }

    /// What was read last.
    pub fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// Whether everything that was read is passed on.
    pub const fn has_passed(&self) -> bool {
        self.passed >= self.waiting.len()
    }

    /// Whether nothing is left to do. While somebody still holds the command's end, the other side decides
    /// how long that is waited for.
    pub const fn is_over(&self) -> bool {
        self.to.is_none()
    }

    /// Reads once in the place of what was passed on; 0 where nothing came. The end of the output closes
    /// it.
    ///
    /// # Errors
    /// As read(2).
    pub fn read(&mut self) -> io::Result<usize> {
        self.waiting.clear();
        self.passed = 0;
        let chunk = self.chunk;
        let count = self.read_on()?;
        if count == chunk && self.chunk < RECORDER_READ {
            self.chunk = (self.chunk * 4).min(RECORDER_READ);
            if self.chunk == RECORDER_READ {
                [&self.from, &self.to]
                    .into_iter()
                    .flatten()
                    .for_each(|pipe| {
                        sys::widen(pipe.as_fd());
                    });
            }
        }
        Ok(count)
    }

    /// Reads once behind what waits; 0 where nothing came.
    ///
    /// # Errors
    /// As read(2).
    pub fn read_on(&mut self) -> io::Result<usize> {
        let Some(from) = &mut self.from else {
            return Ok(0);
        };
        let before = self.waiting.len();
        self.waiting.resize(before + self.chunk, 0);
        let into = self.waiting.get_mut(before..).unwrap_or_default();
        let read = from.read(into);
        self.waiting.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => self.from = None,
            Ok(_) => {}
            Err(fault)
                if matches!(
                    fault.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(fault) => return Err(fault),
        }
        self.end_of_output();
        Ok(self.waiting.len() - before)
    }

    /// Passes on what the pipe takes; whether anybody still takes it.
    pub fn write(&mut self) -> bool {
        let Some(to) = &mut self.to else {
            return true;
        };
        let rest = self.waiting.get(self.passed..).unwrap_or_default();
        // An empty write says whether anybody reads.
        match to.write(rest) {
            Ok(_) if rest.is_empty() => return false,
            Ok(count) => self.passed += count,
            Err(fault)
                if matches!(
                    fault.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => return false,
        }
        self.end_of_output();
        true
    }

    /// The end of the command's output is passed on behind the last byte of it.
    fn end_of_output(&mut self) {
        if self.from.is_none() && self.has_passed() {
            self.to = None;
        }
    }

    /// Passes nothing on from this byte of what waits on.
    pub fn forget(&mut self, from: usize) {
        self.waiting.truncate(from.max(self.passed));
    }

    /// Reads no more.
    pub fn end(&mut self) {
        self.from = None;
        self.end_of_output();
    }

    /// Closes both ends.
    pub fn close(&mut self) {
        (self.from, self.to) = (None, None);
        self.waiting = Vec::new();
        self.passed = 0;
    }
}
