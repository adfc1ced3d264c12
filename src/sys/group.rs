//! Name service: one group of this machine, with its members.

use std::ffi::CStr;
use std::io;

/// Bytes of one group with its members at first; a larger one is asked for again with more room.
const ROOM: usize = 256 * 1024;
/// Bytes of one group with its members at the most: some million members.
const MOST: usize = 64 * 1024 * 1024;

/// Looks at a group by name or by id, if there is one.
pub(super) fn look_at<T>(
    wanted: Result<&CStr, u32>,
    look: impl FnOnce(&libc::group) -> T,
) -> io::Result<Option<T>> {
    let mut buffer = vec![0 as libc::c_char; ROOM];
    loop {
        // SAFETY: an all-zero group is a valid value to be overwritten.
        let mut entry: libc::group = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();

        // SAFETY: every pointer lives through the call; the length is the buffer's own.
        let status = unsafe {
            match wanted {
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

        match status {
            0 if found.is_null() => return Ok(None),
            0 => return Ok(Some(look(&entry))),
            libc::ERANGE if buffer.len() < MOST => buffer.resize(buffer.len() * 4, 0),
            fault => return Err(io::Error::from_raw_os_error(fault)),
        }
    }
}
