//! A run that goes on: waiting for its end, and ending it with TERM, grace, KILL.

use super::tree::{Rest, Tree, next};
use crate::ids::RunId;
use crate::sys::{self, Child, Exited, FromKeeper, SpawnError, Version};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// A started command.
#[derive(Debug)]
pub struct Running {
    /// The run that the command was started for.
    pub run: RunId,
    /// The main process, which leads a session and process group of its own.
    pub pid: i32,
    /// When the command was started.
    pub since: Instant,
    /// Which version of the executable runs.
    pub version: Version,
    /// The main process, or its keeper.
    pidfd: AsyncFd<OwnedFd>,
    tree: Tree,
    /// Processes that were killed together with the main one.
    killed: u32,
}

impl Running {
    /// A process in a control group.
    pub(super) fn grouped(run: RunId, child: Child, groups: &sys::Cgroups) -> io::Result<Self> {
        let pidfd = sys::watch(child.pidfd, tokio::io::Interest::READABLE)?;
        let tree = Tree::Group {
            group: child.cgroup,
            groups: groups.clone(),
        };

        Ok(Self {
            run,
            pid: child.pid,
            since: Instant::now(),
            version: child.version,
            pidfd,
            tree,
            killed: 0,
        })
    }

    /// A process below a keeper, which was just started and tells how it went.
    pub(super) async fn kept(
        run: RunId,
        keeper: Child,
        socket: OwnedFd,
        version: Version,
    ) -> Result<Self, SpawnError> {
        let wrong = |fault: io::Error| SpawnError::before(sys::Step::Prepare, &fault);
        let pidfd = sys::watch(keeper.pidfd, tokio::io::Interest::READABLE).map_err(wrong)?;
        let socket = sys::watch(socket, tokio::io::Interest::READABLE).map_err(wrong)?;
        let told = tokio::time::timeout(crate::limits::SPAWN * 2, next(&socket)).await;
        let answer = match told {
            Ok(Ok(Some(answer))) => Result::from(answer),
            Ok(Ok(None)) => Err(wrong(io::Error::other("its keeper ended without a word"))),
            Ok(Err(fault)) => Err(wrong(fault)),
            Err(_) => Err(SpawnError::before(
                sys::Step::Deadline,
                &io::ErrorKind::TimedOut.into(),
            )),
        };
        match answer {
            Ok(pid) => Ok(Self {
                run,
                pid,
                since: Instant::now(),
                version,
                pidfd,
                tree: Tree::Kept { socket },
                killed: 0,
            }),
            Err(error) => {
                sys::kill(pidfd.get_ref().as_fd());
                reap_later(pidfd);
                Err(error)
            }
        }
    }

    /// Waits until the main process has ended, and takes its end. Cancel-safe.
    ///
    /// # Errors
    /// As waitid(2).
    pub async fn ended(&self) -> io::Result<Exited> {
        if let Tree::Kept { socket } = &self.tree {
            return loop {
                match next(socket).await? {
                    Some(FromKeeper::Ended {
                        status,
                        signal,
                        user,
                        system,
                        peak_kib,
                    }) => {
                        let (user, system) =
                            (Duration::from_micros(user), Duration::from_micros(system));
                        break Ok(Exited {
                            status,
                            signal,
                            user,
                            system,
                            peak_kib,
                        });
                    }

                    Some(_) => {}
                    None => break Err(io::Error::other("its keeper was killed")),
                }
            };
        }

        loop {
            let mut ready = self.pidfd.readable().await?;
            match sys::reap(self.pidfd.get_ref().as_fd())? {
                Some(exited) => return Ok(exited),
                None => ready.clear_ready(),
            }
        }
    }

    /// Ends the run: TERM to its process group, KILL to every process of it after the grace period.
    ///
    /// # Errors
    /// What [`Running::ended`] says.
    pub async fn end(&mut self, grace: Duration) -> io::Result<Exited> {
        self.tree.signal(self.pid, libc::SIGTERM);

        // A stopped process would not notice TERM before it is continued.
        self.tree.signal(self.pid, libc::SIGCONT);
        match tokio::time::timeout(grace, self.ended()).await {
            Ok(ended) => ended,
            Err(_) => {
                self.killed = self.tree.kill();
                self.ended().await
            }
        }
    }

    /// Sends a signal to the main process and its group.
    pub fn signal(&self, signal: i32) {
        self.tree.signal(self.pid, signal);
    }

    /// Sees to what the main process has left behind when it ended. That may go on for `linger`, or
    /// for good.
    pub async fn settle(&mut self, linger: Duration, leave_running: bool) -> Rest {
        let rest = self.tree.settle(linger, leave_running).await;

        // Those that are still ending were counted when they were killed.
        Rest {
            killed: rest.killed.max(self.killed),
            ..rest
        }
    }

    /// What all processes of the run have used, where the kernel counts them together; whether
    /// memory ran out.
    pub fn usage(&self, exited: &mut Exited) -> bool {
        self.tree.usage(exited)
    }

    /// Clears up what is left in the kernel of a run that is over. What goes on by the command's
    /// rule comes back.
    pub fn close(self, rest: &Rest) -> Option<LeftRunning> {
        if rest.running > 0 {
            let Self { pidfd, tree, .. } = self;
            return Some(LeftRunning { pidfd, tree });
        }
        if let Tree::Kept { .. } = &self.tree {
            reap_later(self.pidfd);
        }
        None
    }
}

/// Processes that go on after their run has ended, by the command's rule.
#[derive(Debug)]
pub struct LeftRunning {
    /// The keeper, where there is one.
    pidfd: AsyncFd<OwnedFd>,
    tree: Tree,
}

impl LeftRunning {
    /// Waits until none of them is left. Cancel-safe.
    pub async fn gone(&self) {
        match &self.tree {
            Tree::Group { .. } => self.tree.emptied().await,
            Tree::Kept { .. } => reaped(&self.pidfd).await,
        }
    }

    /// Kills all of them at once.
    pub fn kill(&self) {
        self.tree.kill();
    }
}

/// A keeper ends when everything below it has; until it is waited for its number stays taken.
pub(super) fn reap_later(pidfd: AsyncFd<OwnedFd>) {
    tokio::task::spawn_local(async move { reaped(&pidfd).await });
}

/// Waits until a process has ended, and takes its end.
async fn reaped(pidfd: &AsyncFd<OwnedFd>) {
    while let Ok(mut ready) = pidfd.readable().await {
        match sys::reap(pidfd.get_ref().as_fd()) {
            Ok(None) => ready.clear_ready(),
            _ => return,
        }
    }
}
