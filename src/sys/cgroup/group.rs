//! The control group of one run: its bounds, killing and counting its processes, and what they have
//! spent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bounds on all processes of a run together; each needs its controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeLimits {
    /// Bytes of memory, swap not included and not allowed.
    pub memory: Option<u64>,
    /// Processes and threads at once.
    pub processes: Option<u64>,
    /// Processor time in hundredths of one core.
    pub cpu_percent: Option<u32>,
}

impl TreeLimits {
    /// Whether anything is bounded.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl TreeLimits {
    fn set(&self, path: &Path) -> io::Result<()> {
        if let Some(memory) = self.memory {
            put(&path.join("memory.max"), &memory.to_string())?;

            // The bound is on what a run takes, not on where it is kept; without swap accounting
            // there is none to forbid.
            let _ = put(&path.join("memory.swap.max"), "0");
            put(&path.join("memory.oom.group"), "1")?;
        }

        if let Some(processes) = self.processes {
            put(&path.join("pids.max"), &processes.to_string())?;
        }
        if let Some(percent) = self.cpu_percent {
            put(
                &path.join("cpu.max"),
                &format!("{} 100000", u64::from(percent) * 1000),
            )?;
        }

        Ok(())
    }
}

/// Writes a file of a group.
pub fn put(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}

/// The group of one run.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    folder: OwnedFd,
    events: File,
    /// Whether the group has bounds, or is for one run only.
    limited: bool,
    killed: AtomicBool,
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Fails while a process lives in it; the next daemon clears up.
        let _ = remove(&self.path);
    }
}

/// Removes a group, with those that a command of root's may have made in it.
pub fn remove(group: &Path) -> io::Result<()> {
    if fs::remove_dir(group).is_ok() {
        return Ok(());
    }
    for inner in fs::read_dir(group)?
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    {
        remove(&inner.path())?;
    }
    fs::remove_dir(group)
}

/// Processor time that a group has spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time outside the kernel.
    pub user: Duration,
    /// Time inside the kernel.
    pub system: Duration,
}

impl Cgroup {
    /// Makes a group with these bounds; whether one without bounds is used again is for the caller
    /// to say.
    ///
    /// # Errors
    /// As mkdir(2) and the writing of its bounds.
    pub fn make(path: PathBuf, limits: &TreeLimits, once: bool) -> io::Result<Self> {
        fs::create_dir(&path)?;
        let made = (|| {
            limits.set(&path)?;
            let folder = OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC)
                .open(&path)?;
            let events = File::open(path.join("cgroup.events"))?;
            Ok(Self {
                folder: folder.into(),
                events,
                limited: limits.any() || once,
                killed: AtomicBool::new(false),
                path: path.clone(),
            })
        })();
        if made.is_err() {
            let _ = fs::remove_dir(&path);
        }
        made
    }

    /// Whether the group can have another run. A group that was killed is not used again: Linux
    /// 6.18 compares its count of kills with that of the group the new process is forked from, and
    /// kills what is started in it. Nor is one in which a command of root's has made its own: the
    /// links of a group's folder count those.
    pub fn is_as_new(&self) -> bool {
        let inner = fs::metadata(&self.path)
            .map_or(0, |meta| std::os::unix::fs::MetadataExt::nlink(&meta))
            > 2;
        !self.limited && !inner && !self.killed.load(Ordering::Relaxed)
    }

    /// The group's folder, for starting a process in it.
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Whether any process lives in the group.
    ///
    /// # Errors
    /// As read(2).
    pub fn populated(&self) -> io::Result<bool> {
        let mut text = [0; 64];
        let length = self.events.read_at(&mut text, 0)?;
        Ok(!text
            .get(..length)
            .unwrap_or_default()
            .windows(11)
            .any(|word| word == b"populated 0"))
    }

    /// A descriptor that has an exceptional condition (`POLLPRI`) whenever [`Cgroup::populated`]
    /// has changed.
    ///
    /// # Errors
    /// As open(2).
    pub fn changes(&self) -> io::Result<OwnedFd> {
        let mut file = File::open(self.path.join("cgroup.events"))?;

        // Changes are told from the last read on.
        file.read_to_end(&mut Vec::new())?;
        Ok(file.into())
    }

    /// Kills every process in the group, those included that are being forked in this moment.
    ///
    /// # Errors
    /// As write(2).
    pub fn kill(&self) -> io::Result<()> {
        self.killed.store(true, Ordering::Relaxed);
        put(&self.path.join("cgroup.kill"), "1")
    }

    /// How many processes live in the group.
    pub fn count(&self) -> usize {
        fs::read_to_string(self.path.join("cgroup.procs")).map_or(0, |text| text.lines().count())
    }

    /// The most memory that the group had at once, in KiB, where it is bounded.
    pub fn peak_kib(&self) -> Option<u64> {
        fs::read_to_string(self.path.join("memory.peak"))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
            .map(|bytes| bytes / 1024)
    }

    /// Whether the kernel killed a process in the group because the bound on memory was reached.
    pub fn out_of_memory(&self) -> bool {
        let text = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.split_once(' '))
            .any(|(word, count)| word == "oom_kill" && count.trim() != "0")
    }

    /// Processor time of every process of this run, also of those that nobody waited for. `None` in
    /// a group that may have had a run before.
    pub fn spent(&self) -> Option<Spent> {
        if !self.limited {
            return None;
        }
        let text = fs::read_to_string(self.path.join("cpu.stat")).ok()?;
        let value = |key: &str| {
            let microseconds = text
                .lines()
                .filter_map(|line| line.split_once(' '))
                .find(|(word, _)| *word == key);
            Duration::from_micros(
                microseconds
                    .and_then(|(_, value)| value.trim().parse().ok())
                    .unwrap_or(0),
            )
        };

        Some(Spent {
            user: value("user_usec"),
            system: value("system_usec"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_the_kernel_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "memory.max",
            "memory.swap.max",
            "memory.oom.group",
            "pids.max",
            "cpu.max",
        ];

        for file in files {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let limits = TreeLimits {
            memory: Some(64 << 20),
            processes: Some(20),
            cpu_percent: Some(150),
        };

        limits.set(folder.path()).unwrap();
        let read = files.map(|file| fs::read_to_string(folder.path().join(file)).unwrap());
        assert_eq!(read, ["67108864", "0", "1", "20", "150000 100000"]);
        assert!(limits.any() && !TreeLimits::default().any());

        // A bound whose file is missing is an error, never passed over.
        fs::remove_file(folder.path().join("pids.max")).unwrap();
        assert!(limits.set(folder.path()).is_err());
    }
}
