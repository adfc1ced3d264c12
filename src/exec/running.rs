//! A run that goes on: waiting for its end, and ending it with TERM, grace, KILL.

use crate::ids::RunId;
use crate::limits::LINGER;
use crate::sys::{self, Child, Exited};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// A started command.
#[derive(Debug)]
pub struct Running {
    /// Its run.
    pub run: RunId,
    /// Its main process, which leads a session and process group of its own.
    pub pid: i32,
    /// When it was started.
    pub since: Instant,
    pidfd: AsyncFd<OwnedFd>,
}

impl Running {
    pub(super) fn watch(run: RunId, child: Child) -> io::Result<Self> {
        let pidfd = sys::watch(child.pidfd, tokio::io::Interest::READABLE)?;
        Ok(Self { run, pid: child.pid, since: Instant::now(), pidfd })
    }

    /// Waits until the main process has ended, and takes its end. Cancel-safe.
    ///
    /// # Errors
    /// As waitid(2).
    pub async fn ended(&self) -> io::Result<Exited> {
        loop {
            let mut ready = self.pidfd.readable().await?;
            match sys::reap(self.pidfd.get_ref().as_fd())? {
                Some(exited) => return Ok(exited),
                None => ready.clear_ready(),
            }
        }
    }

    /// Ends the run: TERM to its process group, KILL after the grace period.
    ///
    /// # Errors
    /// As [`Running::ended`].
    pub async fn end(&self, grace: Duration) -> io::Result<Exited> {
        self.signal(libc::SIGTERM);
        // A stopped process would not notice TERM before it is continued.
        self.signal(libc::SIGCONT);
        match tokio::time::timeout(grace, self.ended()).await {
            Ok(ended) => ended,
            Err(_) => {
                self.signal(libc::SIGKILL);
                self.ended().await
            }
        }
    }

    /// After the main process ended: gives the rest of its group a moment, then kills it. Returns whether anything
    /// had to be killed.
    pub async fn sweep(&self) -> bool {
        // Signal 0 only asks whether somebody is left.
        if !self.signal(0) {
            return false;
        }
        let until = tokio::time::Instant::now() + LINGER;
        let mut pause = Duration::from_millis(1);
        while tokio::time::Instant::now() < until {
            tokio::time::sleep(pause).await;
            if !self.signal(0) {
                return false;
            }
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        self.signal(libc::SIGKILL)
    }

    /// Kills whatever is left of the process group at once.
    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
    }

    fn signal(&self, signal: i32) -> bool {
        sys::signal_group(self.pid, signal)
    }
}
