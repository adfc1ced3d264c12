//! Control groups, version 2: one for each run, so that a run's processes can be counted, bounded
//! and killed as one, whatever they do. None of them can leave it unless it is root.
//!
//! Killing and counting need no controller; bounds on memory, processes and processor time do. The
//! daemon lives in a leaf of its own beside its runs, because a group that has controllers for its
//! children may hold no process itself.

mod base;
mod group;

pub use group::{Cgroup, Spent, TreeLimits};

use base::{Base, LEAF, PREFIX, STAYS};
use group::put;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Which controllers a group's children can have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Controllers {
    /// Whether memory can be bounded.
    pub memory: bool,
    /// Whether the number of processes can be bounded.
    pub pids: bool,
    /// Whether processor time can be bounded.
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

    /// The names of the controllers, those that are there or those that are not.
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
    /// The group that the daemon was started in.
    outer: PathBuf,
    /// The group that holds the daemon's leaf and the runs.
    base: Base,
    controllers: Controllers,
    next: AtomicU64,
    /// Empty groups without bounds, to be used again: making one costs a fifth of a start.
    free: Mutex<Vec<Cgroup>>,
}

/// Empty groups that are kept for the next run.
const KEPT: usize = 64;

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
        base::clear(&outer);
        let base = Base::make(&outer)?;
        let leaf = base.path.join(LEAF);
        if !leaf.join("cgroup.kill").exists() {
            let _ = base.remove();
            return Err("this kernel has no cgroup.kill (Linux 5.14)".into());
        }

        put(&leaf.join("cgroup.procs"), "0").map_err(|fault| {
            let _ = base.remove();
            format!("{}: {fault}", leaf.display())
        })?;

        // One by one: one that cannot be had must not cost the others.
        for name in Controllers::listed(&outer.join("cgroup.controllers")).names(true) {
            let _ = put(&outer.join("cgroup.subtree_control"), &format!("+{name}"));
        }
        for name in Controllers::listed(&base.path.join("cgroup.controllers")).names(true) {
            let _ = put(
                &base.path.join("cgroup.subtree_control"),
                &format!("+{name}"),
            );
        }
        let controllers = Controllers::listed(&base.path.join("cgroup.subtree_control"));
        Ok(Self(Arc::new(Shared {
            outer,
            base,
            controllers,
            next: AtomicU64::new(1),
            free: Mutex::default(),
        })))
    }

    /// Which bounds can be set.
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
                .join(format!("{STAYS}{}-{number}", self.0.base.id))
        } else {
            self.0.base.path.join(format!("run-{number}"))
        };

        Cgroup::make(path, limits, stays)
    }

    /// Takes a group back whose processes have all ended.
    pub fn give_back(&self, group: Cgroup) {
        if group.is_as_new() {
            let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
            if free.len() < KEPT {
                free.push(group);
            }
        }
    }

    /// Removes what can be removed when the daemon ends.
    pub fn leave(&self) {
        self.0.leave();
    }
}

impl Shared {
    /// `false` where the process stays in its leaf.
    fn leave(&self) -> bool {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        // Fails where controllers were switched on for a group of the service manager's, which then
        // clears up itself.
        if put(&self.outer.join("cgroup.procs"), "0").is_err() {
            return false;
        }
        // The frontend lived there too, and is about to end.
        for _ in 0..100 {
            if self.base.remove().is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Shared {
    /// The lock goes with the groups; the process must not live in the leaf without it.
    fn drop(&mut self) {
        if !self.leave() {
            self.base.lives_until_the_end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(outer: &Path) -> Cgroups {
        Cgroups(Arc::new(Shared {
            outer: outer.to_owned(),
            base: Base::make(outer).unwrap(),
            controllers: Controllers::default(),
            next: AtomicU64::new(1),
            free: Mutex::default(),
        }))
    }

    /// A daemon that cannot start gives up its groups before it says why; one that started meanwhile
    /// must not take it for dead.
    #[test]
    fn a_daemon_that_cannot_leave_its_leaf_holds_the_lock() {
        let outer = tempfile::tempdir().unwrap();
        let stays = groups(outer.path());
        let leaf = stays.0.base.path.join(LEAF);
        drop(stays);
        base::clear(outer.path());
        assert!(leaf.exists());

        fs::write(outer.path().join("cgroup.procs"), "").unwrap();
        let leaves = groups(outer.path());
        let base = leaves.0.base.path.clone();
        drop(leaves);
        assert!(!base.exists());
    }
}
