//! The start of a recorder: this very program anew, outside the run's control group, with a socket to the
//! monitor, and the pipes on both sides of it.

use super::running::reap_later;
use super::{Means, Pipes, RECORDER, on_spawner_if};
use crate::cast::{FromRecorder, Task, ToRecorder};
use crate::limits::RECORDER_WORD;
use crate::sys::{self, SpawnError, Step};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A recorder that was started.
#[derive(Debug)]
pub struct Recorder {
    words: AsyncFd<OwnedFd>,
    pidfd: AsyncFd<OwnedFd>,
}

impl Recorder {
    /// Starts one, which is to record into this file.
    ///
    /// # Errors
    /// What has failed.
    pub async fn start(means: &Means, file: BorrowedFd<'_>, task: Task) -> io::Result<Self> {
        let (ours, theirs) = sys::pair()?;
        let word = ToRecorder::Task(task).encode().map_err(io::Error::other)?;
        sys::send(ours.as_fd(), &word, &[file])?;
        let child = on_spawner_if(means, Box::new(|| true), move || {
            sys::small_program(c"ordaind: recorder", RECORDER, theirs)
                .map_err(|fault| SpawnError::before(Step::Prepare, &fault))
        });
        let child = child
            .await
            .map_err(|fault| io::Error::from_raw_os_error(fault.errno))?;
        Ok(Self {
            words: sys::watch(ours, Interest::READABLE)?,
            pidfd: sys::watch(child.pidfd, Interest::READABLE)?,
        })
    }

    /// Stands between the command's pipes and those that come back.
    ///
    /// # Errors
    /// As making pipes, and telling it of them.
    pub(super) fn between(&self, pipes: Pipes) -> io::Result<Pipes> {
        let Some(error) = pipes.stderr else {
            return Err(io::Error::other("a terminal is not recorded"));
        };
        let (stdout, to_stdout) = sys::pipe()?;
        let (stderr, to_stderr) = sys::pipe()?;
        let word = ToRecorder::Pipes.encode().map_err(io::Error::other)?;
        let ends = [&pipes.stdout, &error, &to_stdout, &to_stderr].map(AsFd::as_fd);
        sys::send(self.words.get_ref().as_fd(), &word, &ends)?;
        Ok(Pipes {
            stdin: pipes.stdin,
            stdout,
            stderr: Some(stderr),
        })
    }

    /// Says something to it.
    ///
    /// # Errors
    /// That it is gone.
    pub fn say(&self, word: &ToRecorder) -> io::Result<()> {
        let word = word.encode().map_err(io::Error::other)?;
        sys::send(self.words.get_ref().as_fd(), &word, &[])
    }

    /// What it says next. Cancel-safe.
    ///
    /// # Errors
    /// That it is gone, or has said what no recorder says.
    pub async fn hear(&self) -> io::Result<FromRecorder> {
        let mut buffer = vec![0; RECORDER_WORD];
        loop {
            let mut ready = self.words.readable().await?;
            match sys::receive(self.words.get_ref().as_fd(), &mut buffer) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(fault) if fault.kind() == io::ErrorKind::ConnectionReset => {}
                Err(fault) => return Err(fault),
                Ok(received) if received.length == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(received) if received.cut || !received.descriptors.is_empty() => {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Ok(received) => {
                    let word = buffer.get(..received.length).unwrap_or_default();
                    return FromRecorder::decode(word).map_err(io::Error::other);
                }
            }
        }
    }

    /// Ends it at once.
    pub fn kill(&self) {
        sys::kill(self.pidfd.get_ref().as_fd());
    }

    /// Leaves it to pass on what it still has; it ends by itself.
    pub fn leave(self) {
        reap_later(self.pidfd);
    }
}
