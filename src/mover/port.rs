//! The mover's way to the monitor: what it is to do, what it came to, and whether it may be placed.

use super::records::Stop;
use crate::files::{Below, Commit, FromMover, Sum, Task, ToMover};
use crate::limits::MOVER_WORD;
use crate::sys;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Who is told what a transfer comes to, and says whether it may be placed.
pub trait Monitor {
    /// Says a path of the transfer.
    ///
    /// # Errors
    /// That nobody hears it any more.
    fn name(&mut self, path: &Below) -> Result<(), Stop>;

    /// Says what it comes to.
    ///
    /// # Errors
    /// That nobody hears it any more.
    fn sum(&mut self, sum: Sum) -> Result<(), Stop>;

    /// Waits until it may be placed; nothing where it may not.
    ///
    /// # Errors
    /// That what was said is no word.
    fn commit(&mut self) -> Result<Option<Commit>, Stop>;
}

/// The socket to the monitor.
#[derive(Debug)]
pub struct Port(OwnedFd);

impl Port {
    /// Takes it over.
    pub const fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// What is to be done: the first word.
    ///
    /// # Errors
    /// That there is none.
    pub fn task(&mut self) -> Result<Task, Stop> {
        match self.hear()? {
            Some(ToMover::Task(task)) => Ok(task),
            Some(ToMover::Commit(_)) => Err(Stop::Order("a commit before any task")),
            None => Err(Stop::Cut),
        }
    }

    /// The next word; `None` where the monitor is gone.
    fn hear(&mut self) -> Result<Option<ToMover>, Stop> {
        let mut buffer = vec![0; MOVER_WORD + 1];
        loop {
            match sys::receive(self.0.as_fd(), &mut buffer) {
                Ok(received) if received.length == 0 => return Ok(None),
                Ok(received) if received.cut || !received.descriptors.is_empty() => {
                    return Err(Stop::Order(
                        "a word that is too long, or brings something along",
                    ));
                }
                Ok(received) => {
                    let word = buffer.get(..received.length).unwrap_or_default();
                    let word = ToMover::decode(word)
                        .map_err(|_| Stop::Order("something that is no word"))?;
                    return Ok(Some(word));
                }
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                    const LONG: Duration = Duration::from_secs(3600);
                    match sys::wait_readable(self.0.as_fd(), LONG) {
                        Err(fault)
                            if !matches!(
                                fault.kind(),
                                io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                            ) =>
                        {
                            return Err(fault.into());
                        }
                        _ => {}
                    }
                }
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) if fault.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    fn say(&self, word: &FromMover) -> Result<(), Stop> {
        let bytes = word
            .encode()
            .map_err(|_| Stop::Order("a word that is too long"))?;
        loop {
            match sys::send(self.0.as_fd(), &bytes, &[]) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                    sys::wait_writable(self.0.as_fd())?;
                }
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                done => return Ok(done?),
            }
        }
    }
}

impl Monitor for Port {
    fn name(&mut self, path: &Below) -> Result<(), Stop> {
        self.say(&FromMover::Name(path.clone()))
    }

    fn sum(&mut self, sum: Sum) -> Result<(), Stop> {
        self.say(&FromMover::Sum(sum))
    }

    fn commit(&mut self) -> Result<Option<Commit>, Stop> {
        match self.hear()? {
            Some(ToMover::Commit(commit)) => Ok(Some(commit)),
            Some(ToMover::Task(_)) => Err(Stop::Order("a second task")),
            None => Ok(None),
        }
    }
}
