//! The processes of a run as one: asked whether any is left, and killed together.

use crate::sys::{self, Cgroup, Cgroups, Exited, FromKeeper, ToKeeper};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How the processes of a run are kept together.
#[derive(Debug)]
pub enum Tree {
    /// In a control group of their own: the kernel counts them and kills them at once.
    Group {
        /// The group; taken out when the run is over.
        group: Option<Cgroup>,
        /// The daemon's groups, which the group is given back to.
        groups: Cgroups,
    },
    /// Below a keeper, which adopts them.
    Kept {
        /// The way to the keeper.
        socket: AsyncFd<OwnedFd>,
    },
}

/// What became of the processes that outlived the main one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// How many were killed.
    pub killed: u32,
    /// How many go on, by the command's rule.
    pub running: u32,
    /// Whether the kernel vouches that none is left, or all are known that are.
    pub verified: bool,
}

impl Rest {
    const NONE: Self = Self {
        killed: 0,
        running: 0,
        verified: true,
    };
}

/// How long a group is waited for after it was killed, before the log says that it hangs.
const HANGS: Duration = Duration::from_secs(10);
/// How long a keeper may take to kill what is below it.
const KEEPER: Duration = Duration::from_secs(5);

impl Tree {
    /// Kills every process, at once; returns how many there were beside the main one, where that is
    /// known already.
    pub fn kill(&self) -> u32 {
        match self {
            Self::Group {
                group: Some(group), ..
            } => {
                let others = group.count().saturating_sub(1);
                kill_group(group);
                u32::try_from(others).unwrap_or(u32::MAX)
            }

            Self::Group { group: None, .. } => 0,
            Self::Kept { socket } => {
                order(socket, &ToKeeper::Kill);
                0
            }
        }
    }

    /// Signals the main process and its group.
    pub fn signal(&self, pid: i32, signal: i32) {
        match self {
            Self::Group { .. } => {
                sys::signal_group(pid, signal);
            }
            Self::Kept { socket } => order(socket, &ToKeeper::Signal(signal)),
        }
    }

    /// Sees to the processes that are left after the main one has ended. They may go on for
    /// `linger`, or for good; then they are killed.
    pub async fn settle(&mut self, linger: Duration, leave_running: bool) -> Rest {
        match self {
            Self::Group { group, .. } => {
                let Some(taken) = group.take() else {
                    return Rest::NONE;
                };
                let (rest, taken) = settle_group(taken, linger, leave_running).await;
                *group = Some(taken);
                rest
            }

            Self::Kept { socket } => settle_kept(socket, linger, leave_running).await,
        }
    }

    /// Completes when the last process of a group has ended. Cancel-safe.
    pub async fn emptied(&self) {
        if let Self::Group {
            group: Some(group), ..
        } = self
        {
            emptied(group).await;
        }
    }

    /// Processor time, memory and whether memory ran out, where the group knows.
    pub fn usage(&self, exited: &mut Exited) -> bool {
        let Self::Group {
            group: Some(group), ..
        } = self
        else {
            return false;
        };
        if let Some(spent) = group.spent() {
            exited.user = spent.user;
            exited.system = spent.system;
        } else {
            return false;
        }

        exited.peak_kib = group.peak_kib().unwrap_or(exited.peak_kib);
        group.out_of_memory()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if let Self::Group { group, groups } = self
            && let Some(group) = group.take()
        {
            groups.give_back(group);
        }
    }
}

async fn settle_group(group: Cgroup, linger: Duration, leave_running: bool) -> (Rest, Cgroup) {
    if !populated(&group) {
        return (Rest::NONE, group);
    }
    if leave_running {
        // There is one at least; one that is just becoming another program may not be counted.
        let running = u32::try_from(group.count()).unwrap_or(u32::MAX).max(1);
        return (
            Rest {
                running,
                ..Rest::NONE
            },
            group,
        );
    }

    if !linger.is_zero() && tokio::time::timeout(linger, emptied(&group)).await.is_ok() {
        return (Rest::NONE, group);
    }
    let killed = u32::try_from(group.count()).unwrap_or(u32::MAX);
    kill_group(&group);
    let mut pause = Duration::from_micros(200);
    let mut waited = Duration::ZERO;

    // Looked at again and again: this ends as soon as the kernel is done with them, which no event
    // outruns.
    while populated(&group) {
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(Duration::from_millis(50));
        if waited > HANGS {
            waited = Duration::ZERO;
            tracing::error!(
                processes = group.count(),
                "killed processes do not end: they hang in the kernel, on a file system perhaps"
            );
        }
    }

    (
        Rest {
            killed,
            ..Rest::NONE
        },
        group,
    )
}

fn kill_group(group: &Cgroup) {
    if let Err(fault) = group.kill() {
        tracing::error!(%fault, "a run's control group could not be killed");
    }
}

fn populated(group: &Cgroup) -> bool {
    group.populated().unwrap_or(true)
}

/// Completes when the last process of a group has ended.
async fn emptied(group: &Cgroup) {
    let changes = group
        .changes()
        .and_then(|changes| sys::watch(changes, Interest::PRIORITY));
    while populated(group) {
        match &changes {
            Ok(changes) => match changes.ready(Interest::PRIORITY).await {
                Ok(mut ready) => ready.clear_ready(),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn settle_kept(socket: &AsyncFd<OwnedFd>, linger: Duration, leave_running: bool) -> Rest {
    let patience = if leave_running {
        Duration::from_millis(20)
    } else {
        linger
    };

    if let Ok(Some(killed)) = tokio::time::timeout(patience, over(socket)).await {
        // They may have been killed already, together with the main process.
        return Rest {
            killed,
            ..Rest::NONE
        };
    }
    if leave_running {
        // It keeps what it has for as long as that lives; how many there are nobody knows.
        order(socket, &ToKeeper::Stay);
        return Rest {
            killed: 0,
            running: 1,
            verified: false,
        };
    }

    order(socket, &ToKeeper::Kill);
    match tokio::time::timeout(KEEPER, over(socket)).await {
        Ok(Some(killed)) => Rest {
            killed,
            running: 0,
            verified: true,
        },
        // Something could not be killed, or the keeper was.
        _ => Rest {
            killed: 0,
            running: 0,
            verified: false,
        },
    }
}

/// Completes when the keeper says that nothing is left: how many it had to kill. `None` when it
/// ended without a word.
async fn over(socket: &AsyncFd<OwnedFd>) -> Option<u32> {
    loop {
        match next(socket).await {
            Ok(Some(FromKeeper::Over(killed))) => return Some(killed),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

fn order(socket: &AsyncFd<OwnedFd>, order: &ToKeeper) {
    if let Ok(bytes) = postcard::to_allocvec(order) {
        // A keeper that is gone has nothing left to be told about.
        let _ = sys::send(socket.get_ref().as_fd(), &bytes, &[]);
    }
}

/// The next word of a keeper; `None` when it has ended. Cancel-safe.
pub(super) async fn next(socket: &AsyncFd<OwnedFd>) -> io::Result<Option<FromKeeper>> {
    let mut buffer = vec![0; 2048];
    loop {
        let mut ready = socket.readable().await?;
        match sys::receive(socket.get_ref().as_fd(), &mut buffer) {
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            // It ended with an order unread. The kernel says so once, before what it had said
            // itself.
            Err(fault) if fault.kind() == io::ErrorKind::ConnectionReset => {}
            Err(fault) => return Err(fault),
            Ok(received) if received.length == 0 => return Ok(None),
            Ok(received) => {
                return postcard::from_bytes(buffer.get(..received.length).unwrap_or_default())
                    .map(Some)
                    .map_err(io::Error::other);
            }
        }
    }
}
