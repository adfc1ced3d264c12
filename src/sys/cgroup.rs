//! Control groups, version 2: one for each run, so that a run's processes can be counted, bounded
//! and killed as one, whatever they do. None of them can leave it unless it is root.
//!
//! Killing and counting need no controller; bounds on memory, processes and processor time do. The
//! daemon lives in a leaf of its own beside its runs, because a group that has controllers for its
//! children may hold no process itself.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

/// Which controllers a group's children can have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Controllers {
    /// Bounds memory.
    pub memory: bool,
    /// Bounds processes.
    pub pids: bool,
    /// Bounds processor time.
    pub cpu: bool,
}

impl Controllers {
    fn listed(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let has = |name: &str| text.split_whitespace().any(|word| word == name);
        Self {
            memory: has("memory"),
            pids: has("pids"),
            cpu: has("cpu"),
        }
    }

    /// Their names, those that are there or those that are not.
    pub fn names(self, there: bool) -> Vec<&'static str> {
        [
            (self.memory, "memory"),
            (self.pids, "pids"),
            (self.cpu, "cpu"),
        ]
        .into_iter()
        .filter_map(|(has, name)| (has == there).then_some(name))
        .collect()
    }
}

/// The groups of one daemon. Clones share them.
#[derive(Debug, Clone)]
pub struct Cgroups(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Where the daemon was started.
    outer: PathBuf,
    /// Holds the daemon's leaf and the runs.
    base: PathBuf,
    controllers: Controllers,
    next: AtomicU64,
    /// Empty groups without bounds, to be used again: making one costs a fifth of a start.
    free: Mutex<Vec<Cgroup>>,
    /// Groups in which a command has left something running, by its rule.
    left: Mutex<Vec<Cgroup>>,
}

/// Empty groups that are kept for the next run.
const KEPT: usize = 64;
const PREFIX: &str = "ordaind-";
/// Groups of commands that leave something running.
const STAYS: &str = "ordain-stays-";
const LEAF: &str = "daemon";

/// Where this process's group is, in the file system.
fn own() -> Result<PathBuf, String> {
    let groups = fs::read_to_string("/proc/self/cgroup")
        .map_err(|fault| format!("/proc/self/cgroup: {fault}"))?;
    let path = groups
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or("this kernel has no cgroup v2")?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|fault| format!("/proc/self/mountinfo: {fault}"))?;
    // `id parent dev root mountpoint options … - type source superoptions`
    let mounted = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        (right.split(' ').next()? == "cgroup2")
            .then(|| (left.split(' ').nth(3), left.split(' ').nth(4)))
    });

    let Some((Some(root), Some(point))) = mounted else {
        return Err("no cgroup v2 is mounted".into());
    };
    let below = path
        .strip_prefix(root.trim_end_matches('/'))
        .unwrap_or(path);
    let own = Path::new(point).join(below.trim_start_matches('/'));
    if own.join("cgroup.procs").exists() {
        Ok(own)
    } else {
        Err(format!("{} is not this process's cgroup", own.display()))
    }
}

/// What this process could have: where, and with which controllers. Changes nothing that stays.
///
/// # Errors
/// Why there can be no groups here, in words.
pub fn cgroups_offered() -> Result<Controllers, String> {
    let own = own()?;
    if !own.join("cgroup.kill").exists() && own.join("cgroup.type").exists() {
        return Err("this kernel has no cgroup.kill (Linux 5.14)".into());
    }
    let probe = own.join(format!("{PREFIX}probe-{}", std::process::id()));
    let cannot = |fault: io::Error| format!("no group can be made in {}: {fault}", own.display());
    fs::create_dir(&probe).map_err(cannot)?;
    let killable = probe.join("cgroup.kill").exists();
    fs::remove_dir(&probe).map_err(cannot)?;
    if killable {
        Ok(Controllers::listed(&own.join("cgroup.controllers")))
    } else {
        Err("this kernel has no cgroup.kill (Linux 5.14)".into())
    }
}

impl Cgroups {
    /// Makes the daemon's groups, moves this process into its leaf, and ends what daemons before it
    /// have left behind. Before the process starts a child.
    ///
    /// # Errors
    /// Why there can be no groups here, in words.
    pub fn enter() -> Result<Self, String> {
        let outer = own()?;
        clear(&outer);
        let base = outer.join(format!("{PREFIX}{}", std::process::id()));
        let cannot = |what: &Path, fault: io::Error| format!("{}: {fault}", what.display());
        let leaf = base.join(LEAF);
        fs::create_dir_all(&leaf).map_err(|fault| cannot(&leaf, fault))?;
        if !leaf.join("cgroup.kill").exists() {
            let _ = fs::remove_dir(&leaf).and_then(|()| fs::remove_dir(&base));
            return Err("this kernel has no cgroup.kill (Linux 5.14)".into());
        }

        put(&leaf.join("cgroup.procs"), "0").map_err(|fault| {
            let _ = fs::remove_dir(&leaf).and_then(|()| fs::remove_dir(&base));
            cannot(&leaf, fault)
        })?;

        // One by one: one that cannot be had must not cost the others.
        for name in Controllers::listed(&outer.join("cgroup.controllers")).names(true) {
            let _ = put(&outer.join("cgroup.subtree_control"), &format!("+{name}"));
        }
        for name in Controllers::listed(&base.join("cgroup.controllers")).names(true) {
            let _ = put(&base.join("cgroup.subtree_control"), &format!("+{name}"));
        }
        let controllers = Controllers::listed(&base.join("cgroup.subtree_control"));
        Ok(Self(Arc::new(Shared {
            outer,
            base,
            controllers,
            next: AtomicU64::new(1),
            free: Mutex::default(),
            left: Mutex::default(),
        })))
    }

    /// What bounds can be set.
    pub fn controllers(&self) -> Controllers {
        self.0.controllers
    }

    /// A group for one run. What is left in one that `stays` outlives the daemon, so it is not
    /// below the daemon's.
    ///
    /// # Errors
    /// As mkdir(2) and the writing of its bounds; `Unsupported` for a bound without its controller.
    pub fn take(&self, limits: &TreeLimits, stays: bool) -> io::Result<Cgroup> {
        if !limits.any()
            && !stays
            && let Some(kept) = self
                .0
                .free
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
        {
            return Ok(kept);
        }
        let has = self.0.controllers;
        if (limits.memory.is_some() && !has.memory)
            || (limits.processes.is_some() && !has.pids)
            || (limits.cpu_percent.is_some() && !has.cpu)
        {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a bound without its controller",
            ));
        }

        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let path = if stays {
            self.0
                .outer
                .join(format!("{STAYS}{}-{number}", std::process::id()))
        } else {
            self.0.base.join(format!("run-{number}"))
        };

        fs::create_dir(&path)?;
        let made = (|| {
            limits.set(&path)?;
            let folder = OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC)
                .open(&path)?;
            let events = File::open(path.join("cgroup.events"))?;
            Ok(Cgroup {
                folder: folder.into(),
                events,
                limited: limits.any() || stays,
                killed: AtomicBool::new(false),
                path: path.clone(),
            })
        })();
        if made.is_err() {
            let _ = fs::remove_dir(&path);
        }
        made
    }

    /// Takes a group back whose processes have all ended.
    pub fn give_back(&self, group: Cgroup) {
        // A group that was killed is not used again: Linux 6.18 compares its count of kills with
        // that of the group the new process is forked from, and kills what is started in it. Nor is
        // one in which a command of root's has made its own: the links of a group's folder count
        // those.
        let inner = fs::metadata(&group.path)
            .map_or(0, |meta| std::os::unix::fs::MetadataExt::nlink(&meta))
            > 2;
        if !group.limited && !inner && !group.killed.load(Ordering::Relaxed) {
            let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
            if free.len() < KEPT {
                free.push(group);
            }
        }
    }

    /// Keeps a group until what was left running in it has ended.
    pub fn leave_running(&self, group: Cgroup) {
        let mut left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|group| group.populated().unwrap_or(false));
        left.push(group);
    }

    /// Removes what can be removed when the daemon ends.
    pub fn leave(&self) {
        self.0
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        // Fails where controllers were switched on for a group of the service manager's, which then
        // clears up itself.
        if put(&self.0.outer.join("cgroup.procs"), "0").is_ok() {
            // The frontend lived there too, and is about to end.
            for _ in 0..100 {
                if fs::remove_dir(self.0.base.join(LEAF))
                    .and_then(|()| fs::remove_dir(&self.0.base))
                    .is_ok()
                {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
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

fn put(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}

/// Ends what a daemon that was killed has left: its runs must not go on unseen.
fn clear(outer: &Path) {
    let folders = |path: &Path| {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
    };

    let left = |path: &PathBuf| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix(PREFIX));
        name.and_then(|pid| pid.parse::<u32>().ok())
            .is_some_and(|pid| !lives(path, pid))
    };

    let stays = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(STAYS))
    };

    for group in folders(outer).filter(stays) {
        // Goes when it is empty; what lives in it was to go on.
        let _ = remove(&group);
    }

    for base in folders(outer).filter(left) {
        for run in folders(&base) {
            let _ = put(&run.join("cgroup.kill"), "1");
            for _ in 0..100 {
                if remove(&run).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }

        let _ = fs::remove_dir(&base);
    }
}

/// Whether the daemon that made these groups lives: in its leaf, or about to move there.
fn lives(base: &Path, pid: u32) -> bool {
    let leaf = fs::read_to_string(base.join(LEAF).join("cgroup.procs")).unwrap_or_default();
    let there = leaf.lines().any(|line| line == pid.to_string());
    Path::new("/proc").join(pid.to_string()).exists() && (there || leaf.is_empty())
}

/// The group of one run.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    folder: OwnedFd,
    events: File,
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
fn remove(group: &Path) -> io::Result<()> {
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
    /// Outside the kernel.
    pub user: Duration,
    /// Inside it.
    pub system: Duration,
}

impl Cgroup {
    /// For starting a process in it.
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Whether any process lives in it.
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

    /// Kills every process in it, those included that are being forked in this moment.
    ///
    /// # Errors
    /// As write(2).
    pub fn kill(&self) -> io::Result<()> {
        self.killed.store(true, Ordering::Relaxed);
        put(&self.path.join("cgroup.kill"), "1")
    }

    /// How many processes live in it.
    pub fn count(&self) -> usize {
        fs::read_to_string(self.path.join("cgroup.procs")).map_or(0, |text| text.lines().count())
    }

    /// The most memory it had at once, in KiB, where it is bounded.
    pub fn peak_kib(&self) -> Option<u64> {
        fs::read_to_string(self.path.join("memory.peak"))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
            .map(|bytes| bytes / 1024)
    }

    /// Whether the kernel killed a process in it because its bound on memory was reached.
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
