//! The group of one daemon among those of others in the same tree: its random name, the lock that
//! says that its daemon lives, and the end of what a dead one has left.
//!
//! A process id says nothing: the kernel gives it out again. The lock (flock) is on the folder of
//! the daemon's leaf, which nobody else can open, and ends with the daemon, however that ends.

use super::group::{put, remove};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The group that holds a daemon's leaf and its runs.
#[derive(Debug)]
pub struct Base {
    /// Where the group is, in the file system.
    pub path: PathBuf,
    /// The random part of its name.
    pub id: String,
    /// Says to other daemons that this one lives.
    lives: Option<File>,
}

/// How the names of daemons' groups begin; a random name follows.
pub const PREFIX: &str = "ordaind-";
/// How the names of the groups begin in which commands leave something running; the random name of
/// the daemon's group follows, and a number.
pub const STAYS: &str = "ordain-stays-";
/// The name of the group that the daemon itself lives in.
pub const LEAF: &str = "daemon";

/// Bytes of a random name.
const ID: usize = 16;
/// Above every number that a spawning thread gives to what its child keeps for a while.
const HIGH: i32 = 256;
/// How often another name is tried where a daemon that clears up was faster.
const TRIES: usize = 16;

impl Base {
    /// Makes a group of a new name in this one, with an empty leaf, and holds its lock.
    ///
    /// # Errors
    /// As mkdir(2) and flock(2), in words.
    pub fn make(outer: &Path) -> Result<Self, String> {
        let mut last = None;
        for _ in 0..TRIES {
            match Self::try_make(outer) {
                Ok(base) => return Ok(base),
                // Another daemon that starts has seen it without its lock, and removes it.
                Err(fault) if taken(&fault) => last = Some(fault),
                Err(fault) => return Err(format!("{}: {fault}", outer.display())),
            }
        }
        let why = last.map_or_else(String::new, |fault| fault.to_string());
        Err(format!(
            "{}: no group of its own could be locked: {why}",
            outer.display()
        ))
    }

    fn try_make(outer: &Path) -> io::Result<Self> {
        let id = random()?;
        let path = outer.join(format!("{PREFIX}{id}"));
        fs::create_dir(&path)?;
        let leaf = path.join(LEAF);
        let held = DirBuilder::new().mode(0o700).create(&leaf);
        match held.and_then(|()| lock(&leaf)).map(out_of_the_way) {
            Ok(lives) => Ok(Self {
                path,
                id,
                lives: Some(lives),
            }),
            Err(fault) => {
                let _ = fs::remove_dir(&leaf).and_then(|()| fs::remove_dir(&path));
                Err(fault)
            }
        }
    }

    /// Holds the lock until the process ends: one that lives in a leaf without its lock is killed by
    /// the next daemon that starts.
    pub fn lives_until_the_end(&mut self) {
        let _ = self.lives.take().map(IntoRawFd::into_raw_fd);
    }

    /// Removes the group with its leaf, where nothing lives in them.
    ///
    /// # Errors
    /// As rmdir(2), but for what is gone already.
    pub fn remove(&self) -> io::Result<()> {
        for folder in [&self.path.join(LEAF), &self.path] {
            match fs::remove_dir(folder) {
                Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
                _ => {}
            }
        }
        Ok(())
    }
}

fn taken(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::WouldBlock | io::ErrorKind::AlreadyExists
    )
}

/// A name that no other daemon has or has had.
fn random() -> io::Result<String> {
    let mut bytes = [0; ID];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Takes the lock of a leaf that is still there; `WouldBlock` while its daemon lives.
fn lock(leaf: &Path) -> io::Result<File> {
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(leaf)?;
    // SAFETY: an open descriptor.
    match unsafe { libc::flock(folder.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => {}
        _ => return Err(io::Error::last_os_error()),
    }

    // Somebody who held it before may have removed the leaf.
    let (held, there) = (folder.metadata()?, fs::metadata(leaf)?);
    if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
        Ok(folder)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Gives the lock a high number: a child closes those first, and one that hangs before it executes
/// must not hold the lock of a daemon that is dead. Where there are no such numbers it stays.
fn out_of_the_way(held: File) -> File {
    // SAFETY: an open descriptor; the one that comes back is nobody else's.
    unsafe {
        match libc::fcntl(held.as_raw_fd(), libc::F_DUPFD_CLOEXEC, HIGH) {
            -1 => held,
            number => File::from_raw_fd(number),
        }
    }
}

/// Ends what daemons that were killed have left: their runs must not go on unseen. What belongs to
/// a daemon that lives is left alone.
pub fn clear(outer: &Path) {
    let mut live = HashSet::new();
    for (path, id) in named(outer, PREFIX) {
        match lock(&path.join(LEAF)) {
            Ok(_held) => end(&path),
            // Not made yet, or half removed: nothing runs there, and nothing is killed there.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                let _ = fs::remove_dir(&path);
            }
            // It lives, or belongs to another user.
            Err(_) => drop(live.insert(id)),
        }
    }

    for (path, name) in named(outer, STAYS) {
        let id = name.split('-').next().unwrap_or_default();
        if !live.contains(id) {
            // Goes when it is empty; what lives in it was to go on.
            let _ = remove(&path);
        }
    }
}

/// Kills what runs in the groups of a dead daemon, whose lock is held meanwhile, and removes them.
/// The leaf goes last and with all others only: without it nobody would look at them again.
fn end(base: &Path) {
    let leaf = base.join(LEAF);
    let runs: Vec<_> = folders(base).filter(|group| *group != leaf).collect();
    if runs.iter().filter(|run| !gone(run)).count() == 0 && gone(&leaf) {
        let _ = fs::remove_dir(base);
    }
}

/// Kills what lives in a group, and removes it; `false` where that takes too long.
fn gone(group: &Path) -> bool {
    let _ = put(&group.join("cgroup.kill"), "1");
    for _ in 0..100 {
        match remove(group) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                std::thread::sleep(Duration::from_millis(5));
            }
            _ => return true,
        }
    }
    false
}

fn folders(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}

/// The groups whose names begin so and go on with a random name, and that rest of their names.
fn named(outer: &Path, prefix: &str) -> Vec<(PathBuf, String)> {
    let rest = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix(prefix)?;
        let id = name.split('-').next()?;
        let random = id.len() == 2 * ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        random.then(|| name.to_owned())
    };
    folders(outer)
        .filter_map(|path| rest(&path).map(|rest| (path, rest)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_daemons_group_is_left_alone_and_a_dead_ones_goes() {
        let outer = tempfile::tempdir().unwrap();
        let (one, two) = (
            Base::make(outer.path()).unwrap(),
            Base::make(outer.path()).unwrap(),
        );
        assert_ne!(one.id, two.id);
        let stays = |base: &Base| {
            let path = outer.path().join(format!("{STAYS}{}-7", base.id));
            fs::create_dir(&path).unwrap();
            path
        };
        let (of_one, of_two) = (stays(&one), stays(&two));
        let other = outer.path().join("ordaind-probe-1");
        fs::create_dir(&other).unwrap();
        fs::create_dir(one.path.join("run-1")).unwrap();
        fs::create_dir(two.path.join("run-1")).unwrap();

        let gone = one.path.clone();
        drop(one);
        clear(outer.path());
        assert!(!gone.exists() && !of_one.exists());
        assert!(two.path.join("run-1").exists() && of_two.exists() && other.exists());
        assert!(lock(&two.path.join(LEAF)).is_err());

        fs::remove_dir(two.path.join("run-1")).unwrap();
        two.remove().unwrap();
    }

    #[test]
    fn many_daemons_that_start_at_once_do_not_clear_one_another_away() {
        let outer = tempfile::tempdir().unwrap();
        let bases: Vec<Base> = std::thread::scope(|scope| {
            let start = || {
                clear(outer.path());
                Base::make(outer.path()).unwrap()
            };
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(start)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        clear(outer.path());
        assert!(bases.iter().all(|base| base.path.join(LEAF).exists()));
    }
}
