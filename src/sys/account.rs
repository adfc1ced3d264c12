//! Name service: users and groups of this machine. Asked at load, with a deadline, off the loops.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// What the name service knows of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Its name.
    pub name: String,
    /// Its user id.
    pub uid: u32,
    /// Its own group.
    pub gid: u32,
    /// All its groups, its own included.
    pub groups: Vec<u32>,
    /// Its home folder.
    pub home: PathBuf,
}

/// A group by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id.
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
    let (done, answer) = mpsc::channel();
    // A thread of its own, because a lookup (LDAP, NIS) can hang for as long as it likes.
    std::thread::spawn(move || {
        let found = names(&user)
            .and_then(|names| Ok((names, group.as_deref().map(group_named).transpose()?)));
        let _ = done.send(found);
    });
    answer
        .recv_timeout(deadline)
        .unwrap_or_else(|_| Err("the name service did not answer in time".into()))
}

fn names(user: &Result<String, u32>) -> Result<Names, String> {
    let missing = || match user {
        Ok(name) => format!("there is no user `{}`", name.escape_debug()),
        Err(uid) => format!("there is no user with id {uid}"),
    };

    let name = user
        .as_ref()
        .ok()
        .map(|name| CString::new(name.as_str()))
        .transpose()
        .map_err(|_| missing())?;
    let mut buffer = vec![0 as libc::c_char; 16 * 1024];

    // SAFETY: an all-zero passwd is a valid value to be overwritten.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();

    // SAFETY: every pointer lives through the call; the length is the buffer's own.
    let status = unsafe {
        match (&name, user) {
            (Some(name), _) => libc::getpwnam_r(
                name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            ),
            (None, Err(uid)) => libc::getpwuid_r(
                *uid,
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            ),
            (None, Ok(_)) => return Err(missing()),
        }
    };

    if found.is_null() {
        return Err(match status {
            0 | libc::ENOENT | libc::ESRCH => missing(),
            fault => format!(
                "the name service failed: {}",
                std::io::Error::from_raw_os_error(fault)
            ),
        });
    }

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

    let mut groups = vec![0 as libc::gid_t; 1024];
    let mut count = 1024;

    // SAFETY: `groups` has room for `count` entries.
    if unsafe {
        libc::getgrouplist(
            name.as_ptr(),
            entry.pw_gid,
            groups.as_mut_ptr(),
            &raw mut count,
        )
    } < 0
    {
        return Err(format!(
            "user `{}` is in more than 1024 groups",
            name.to_string_lossy()
        ));
    }

    groups.truncate(usize::try_from(count).unwrap_or(0));
    Ok(Names {
        name: name.to_string_lossy().into_owned(),
        uid: entry.pw_uid,
        gid: entry.pw_gid,
        groups,
        home: PathBuf::from(std::ffi::OsStr::from_bytes(home.as_bytes())),
    })
}

fn with_group<T>(gid: Result<&CStr, u32>, look: impl FnOnce(&libc::group) -> T) -> Option<T> {
    let mut buffer = vec![0 as libc::c_char; 256 * 1024];

    // SAFETY: an all-zero group is a valid value to be overwritten.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();

    // SAFETY: every pointer lives through the call; the length is the buffer's own.
    unsafe {
        match gid {
            Ok(name) => libc::getgrnam_r(
                name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            ),
            Err(gid) => libc::getgrgid_r(
                gid,
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            ),
        }
    };

    (!found.is_null()).then(|| look(&entry))
}

fn group_named(name: &str) -> Result<Group, String> {
    let missing = || format!("there is no group `{}`", name.escape_debug());
    let text = CString::new(name).map_err(|_| missing())?;
    with_group(Ok(&text), |entry| entry.gr_gid)
        .filter(|gid| *gid != u32::MAX)
        .map(|gid| Group { gid })
        .ok_or_else(missing)
}

/// Whether a group is its user's own: same name as the user, and no other member.
pub fn group_is_private(gid: u32, uid: u32) -> bool {
    let Ok(user) = names(&Err(uid)) else {
        return false;
    };
    with_group(Err(gid), |entry| {
        // SAFETY: the lookup succeeded: gr_name is text, gr_mem a list that ends with a null
        // pointer.
        let (name, lonely) = unsafe {
            (
                CStr::from_ptr(entry.gr_name),
                entry.gr_mem.is_null() || (*entry.gr_mem).is_null(),
            )
        };

        lonely && name.to_bytes() == user.name.as_bytes()
    })
    .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

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
