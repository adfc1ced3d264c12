//! Name service: users and groups of this machine. Asked at load, with a deadline, off the loops.

use super::fault::fault_point;
use super::group;
use crate::limits::NAME_SERVICE;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What the name service knows of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The user's name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The user's own group.
    pub gid: u32,
    /// All groups of the user, their own included.
    pub groups: Vec<u32>,
    /// The home folder.
    pub home: PathBuf,
}

/// A group by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's id.
    pub gid: u32,
}

/// Looks up a user by name, or the user of an id, and a group by name when one is given.
///
/// # Errors
/// A sentence: no such user or group, or the name service did not answer within the deadline.
pub fn lookup(
    user: Result<String, u32>,
    group: Option<String>,
    deadline: Duration,
) -> Result<(Names, Option<Group>), String> {
    within(deadline, move || {
        names(&user).and_then(|names| Ok((names, group.as_deref().map(group_named).transpose()?)))
    })
}

/// Asks the name service in a thread of its own, because a lookup (LDAP, NIS) can hang for as long as
/// it likes. While one that was given up still hangs, no other is asked: many questions wait no longer
/// than one, and no more threads hang than were there.
pub(super) fn within<T: Send + 'static>(
    deadline: Duration,
    ask: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    static OVERDUE: AtomicUsize = AtomicUsize::new(0);
    asked(&OVERDUE, deadline, || {
        fault_point("name-service");
        ask()
    })
}

// What has become of a question: nobody has given it up or answered it, or which of the two came first.
const OPEN: usize = 0;
const GIVEN_UP: usize = 1;
const ANSWERED: usize = 2;

/// The same, with the count of questions that were given up and still hang.
fn asked<T: Send + 'static>(
    overdue: &'static AtomicUsize,
    deadline: Duration,
    ask: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let late = || Err("the name service did not answer in time".into());
    if overdue.load(Ordering::Acquire) > 0 {
        return late();
    }
    let (done, answer) = mpsc::channel();
    let state = Arc::new(AtomicUsize::new(OPEN));
    let ours = state.clone();
    std::thread::spawn(move || {
        let _ = done.send(ask());
        if state.swap(ANSWERED, Ordering::AcqRel) == GIVEN_UP {
            overdue.fetch_sub(1, Ordering::AcqRel);
        }
    });
    match answer.recv_timeout(deadline) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Disconnected) => late(),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            overdue.fetch_add(1, Ordering::AcqRel);
            if ours.swap(GIVEN_UP, Ordering::AcqRel) == ANSWERED {
                // In this very moment.
                overdue.fetch_sub(1, Ordering::AcqRel);
                return answer.try_recv().unwrap_or_else(|_| late());
            }
            late()
        }
    }
}

/// What the name service says of a user by name, or of the user of an id.
fn names(user: &Result<String, u32>) -> Result<Names, String> {
    let missing = || match user {
        Ok(name) => format!("there is no user `{}`", name.escape_debug()),
        Err(uid) => format!("there is no user with id {uid}"),
    };

    let asked = match user {
        Ok(name) => Ok(CString::new(name.as_str()).map_err(|_| missing())?),
        Err(uid) => Err(*uid),
    };

    let mut buffer = vec![0 as libc::c_char; 16 * 1024];
    let entry = match entry_of(&asked, &mut buffer) {
        Ok(entry) => entry,
        Err(0 | libc::ENOENT | libc::ESRCH) => return Err(missing()),
        Err(fault) => {
            return Err(format!(
                "the name service failed: {}",
                std::io::Error::from_raw_os_error(fault)
            ));
        }
    };

    if entry.pw_uid == u32::MAX || entry.pw_gid == u32::MAX {
        return Err(format!("{}: its id is -1, which means no user", missing()));
    }
    // SAFETY: the call succeeded, so both point to NUL-terminated text inside `buffer`.
    let (name, home) = unsafe {
        (
            CStr::from_ptr(entry.pw_name).to_owned(),
            CStr::from_ptr(entry.pw_dir).to_owned(),
        )
    };

    Ok(Names {
        groups: groups_of(&name, entry.pw_gid)?,
        name: name.to_string_lossy().into_owned(),
        uid: entry.pw_uid,
        gid: entry.pw_gid,
        home: PathBuf::from(std::ffi::OsStr::from_bytes(home.as_bytes())),
    })
}

/// The entry of a user by name or id, whose texts lie in the buffer; the error is the name service's
/// number, 0 where it says that there is none.
fn entry_of(user: &Result<CString, u32>, buffer: &mut [libc::c_char]) -> Result<libc::passwd, i32> {
    // SAFETY: an all-zero passwd is a valid value to be overwritten.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();

    // SAFETY: every pointer lives through the call; the length is the buffer's own.
    let status = unsafe {
        match user {
            Ok(name) => libc::getpwnam_r(
                name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            ),
            Err(uid) => libc::getpwuid_r(
                *uid,
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            ),
        }
    };

    if found.is_null() {
        Err(status)
    } else {
        Ok(entry)
    }
}

/// The own group of the account of this name, if there is one. What is no plain answer is a failure.
pub(super) fn own_group(name: &CString) -> std::io::Result<Option<u32>> {
    let mut buffer = vec![0 as libc::c_char; 64 * 1024];
    match entry_of(&Ok(name.clone()), &mut buffer) {
        Ok(entry) => Ok(Some(entry.pw_gid).filter(|gid| *gid != u32::MAX)),
        Err(0) => Ok(None),
        Err(fault) => Err(std::io::Error::from_raw_os_error(fault)),
    }
}

/// All groups of a user, their own included.
pub(super) fn groups_of(name: &CStr, own: libc::gid_t) -> Result<Vec<u32>, String> {
    // As many as the kernel lets a process be in.
    const MOST: usize = 65_536;

    let mut room = 1024;
    loop {
        let mut groups = vec![0 as libc::gid_t; room];
        let mut count = libc::c_int::try_from(room).unwrap_or(libc::c_int::MAX);

        // SAFETY: `groups` has room for `count` entries.
        let all = unsafe {
            libc::getgrouplist(name.as_ptr(), own, groups.as_mut_ptr(), &raw mut count) >= 0
        };
        if all {
            groups.truncate(usize::try_from(count).unwrap_or(0));
            return Ok(groups);
        }
        if room >= MOST {
            return Err(format!(
                "user `{}` is in more than {MOST} groups",
                name.to_string_lossy()
            ));
        }
        room = MOST;
    }
}

/// The group of this name.
fn group_named(name: &str) -> Result<Group, String> {
    let missing = || format!("there is no group `{}`", name.escape_debug());
    let text = CString::new(name).map_err(|_| missing())?;
    group::look_at(Ok(&text), |entry| entry.gr_gid)
        .ok()
        .flatten()
        .filter(|gid| *gid != u32::MAX)
        .map(|gid| Group { gid })
        .ok_or_else(missing)
}

/// Whether a group is its user's own: same name as the user, and no other member. Where the name
/// service does not say so in time, it is not.
pub fn group_is_private(gid: u32, uid: u32) -> bool {
    within(NAME_SERVICE, move || Ok(is_private(gid, uid))).unwrap_or(false)
}

fn is_private(gid: u32, uid: u32) -> bool {
    let Ok(user) = names(&Err(uid)) else {
        return false;
    };
    let private = group::look_at(Err(gid), |entry| {
        // SAFETY: the lookup succeeded: gr_name is text, gr_mem a list that ends with a null
        // pointer.
        let (name, lonely) = unsafe {
            (
                CStr::from_ptr(entry.gr_name),
                entry.gr_mem.is_null() || (*entry.gr_mem).is_null(),
            )
        };

        lonely && name.to_bytes() == user.name.as_bytes()
    });
    private.ok().flatten().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// Each of a hundred users was asked for by itself, for ten seconds.
    #[test]
    fn while_a_question_hangs_no_other_waits() {
        static OVERDUE: AtomicUsize = AtomicUsize::new(0);
        let late = Err("the name service did not answer in time".to_owned());
        let (lets_go, held) = mpsc::channel::<()>();
        let hangs = move || {
            let _ = held.recv();
            Ok(1)
        };
        assert_eq!(asked(&OVERDUE, Duration::from_millis(20), hangs), late);
        assert_eq!(
            asked(&OVERDUE, SOON, || -> Result<i32, String> {
                panic!("it is asked")
            }),
            late
        );
        drop(lets_go);
        let began = std::time::Instant::now();
        while OVERDUE.load(Ordering::Acquire) > 0 && began.elapsed() < SOON {
            std::thread::yield_now();
        }
        assert_eq!(asked(&OVERDUE, SOON, || Ok(2)), Ok(2));
    }

    #[test]
    fn root_and_nobody_at_all() {
        let (root, group) = lookup(Ok("root".into()), Some("root".into()), SOON).unwrap();
        assert_eq!((root.uid, root.gid, group), (0, 0, Some(Group { gid: 0 })));
        assert_eq!(lookup(Err(0), None, SOON).unwrap().0.name, "root");

        for name in ["no-such-user-here", "", "a\0b", "-1", "4294967295"] {
            assert!(lookup(Ok(name.into()), None, SOON).is_err(), "{name:?}");
        }
        assert!(lookup(Ok("root".into()), Some("no-such-group".into()), SOON).is_err());
    }
}
