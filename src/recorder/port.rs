//! The recorder's way to the monitor: what it is to record, what it came to, and when the run is over.

use super::pipes::Way;
use crate::cast::{Finish, FromRecorder, Task, ToRecorder};
use crate::limits::RECORDER_WORD;
use crate::sys;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The socket to the monitor.
pub struct Port(OwnedFd);

/// What the monitor has said while the run goes on.
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// The run is over.
    Finish(Finish),
    /// It is gone.
    Gone,
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Port {
    /// Takes it over.
    pub const fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// The socket, to wait for.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// What is to be recorded, and where: the first word.
    ///
    /// # Errors
    /// That there is none.
    pub fn task(&self) -> io::Result<(Task, OwnedFd)> {
        let (word, descriptors) = self.next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        match (word, <[OwnedFd; 1]>::try_from(descriptors)) {
            (ToRecorder::Task(task), Ok([file])) => Ok((task, file)),
            _ => Err(odd("something before the task")),
        }
    }

    /// The pipes of the command; none where it has not begun and will not.
    ///
    /// # Errors
    /// That something else came.
    pub fn pipes(&self) -> io::Result<Option<[Way; 2]>> {
        let Some((word, descriptors)) = self.next()? else {
            return Ok(None);
        };
        match (word, <[OwnedFd; 4]>::try_from(descriptors)) {
            (ToRecorder::Pipes, Ok([out, error, to_out, to_error])) => {
                Ok(Some([Way::new(out, to_out)?, Way::new(error, to_error)?]))
            }
            _ => Err(odd("something before the pipes")),
        }
    }

    /// What the monitor has said now.
    ///
    /// # Errors
    /// That it is nothing that it says while a run goes on.
    pub fn hear(&self) -> io::Result<Heard> {
        match self.take() {
            Ok(None) => Ok(Heard::Gone),
            Ok(Some((ToRecorder::Finish(finish), descriptors))) if descriptors.is_empty() => {
                Ok(Heard::Finish(finish))
            }
            Ok(Some(_)) => Err(odd("something that is not said while a run goes on")),
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Ok(Heard::Nothing),
            Err(fault) => Err(fault),
        }
    }

    /// Says something.
    ///
    /// # Errors
    /// That nobody hears it.
    pub fn say(&self, word: &FromRecorder) -> io::Result<()> {
        let bytes = word.encode().map_err(io::Error::other)?;
        loop {
            match sys::send(self.0.as_fd(), &bytes, &[]) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                    sys::wait_writable(self.0.as_fd())?;
                }
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Waits for the next word; none once the monitor is gone.
    fn next(&self) -> io::Result<Option<(ToRecorder, Vec<OwnedFd>)>> {
        const LONG: Duration = Duration::from_secs(3600);
        loop {
            match self.take() {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                    match sys::wait_readable(self.0.as_fd(), LONG) {
                        Err(fault)
                            if !matches!(
                                fault.kind(),
                                io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                            ) =>
                        {
                            return Err(fault);
                        }
                        _ => {}
                    }
                }
                taken => return taken,
            }
        }
    }

    fn take(&self) -> io::Result<Option<(ToRecorder, Vec<OwnedFd>)>> {
        let mut buffer = vec![0; RECORDER_WORD];
        match sys::receive(self.0.as_fd(), &mut buffer) {
            Ok(received) if received.length == 0 => Ok(None),
            Ok(received) if received.cut || received.descriptors_lost => {
                Err(odd("a word that is too long"))
            }
            Ok(received) => {
                let word = buffer.get(..received.length).unwrap_or_default();
                let word = ToRecorder::decode(word).map_err(io::Error::other)?;
                Ok(Some((word, received.descriptors)))
            }
            Err(fault) if fault.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(fault) => Err(fault),
        }
    }
}
