//! Waiting for a descriptor without a runtime.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Waits until a descriptor can be written, without a runtime, for as long as that takes.
///
/// # Errors
/// As poll(2).
pub fn wait_writable(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut entry = libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    loop {
        // SAFETY: one entry that lives through the call.
        if unsafe { libc::poll(&raw mut entry, 1, -1) } > 0 {
            return Ok(());
        }
        let fault = io::Error::last_os_error();
        if fault.kind() != io::ErrorKind::Interrupted {
            return Err(fault);
        }
    }
}

/// Waits until a descriptor can be written, for no longer than this; a signal that is handled ends it,
/// too.
///
/// # Errors
/// As poll(2); `TimedOut` after the given time, `Interrupted` by a signal.
pub fn wait_writable_for(descriptor: BorrowedFd<'_>, patience: Duration) -> io::Result<()> {
    let mut entry = libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    poll_for(std::slice::from_mut(&mut entry), patience)
}

/// Lets some time pass, unless a signal comes that is handled.
///
/// # Errors
/// `TimedOut` when it has passed, `Interrupted` by a signal.
pub fn pause(time: Duration) -> io::Result<()> {
    poll_for(&mut [], time)
}

fn poll_for(entries: &mut [libc::pollfd], patience: Duration) -> io::Result<()> {
    let milliseconds = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    let count = libc::nfds_t::try_from(entries.len()).unwrap_or(0);
    // SAFETY: so many entries, which live through the call.
    match unsafe { libc::poll(entries.as_mut_ptr(), count, milliseconds) } {
        0 => Err(io::ErrorKind::TimedOut.into()),
        count if count < 0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// One of many descriptors that are waited for.
#[derive(Debug)]
pub struct Look<'d> {
    /// The descriptor.
    pub descriptor: BorrowedFd<'d>,
    /// Whether it is to be read.
    pub read: bool,
    /// Whether it is to be written. Where neither is, only the end of its other side is waited for.
    pub write: bool,
    /// Whether something of it has come.
    pub ready: bool,
}

/// Waits until something of one of them has come, or a time has passed, or a signal has come that is
/// handled; then none may be ready.
///
/// # Errors
/// As poll(2).
pub fn wait_for_any(looks: &mut [Look<'_>], patience: Duration) -> io::Result<()> {
    let events = |look: &Look<'_>| {
        let read = if look.read { libc::POLLIN } else { 0 };
        let write = if look.write { libc::POLLOUT } else { 0 };
        read | write
    };
    let mut entries: Vec<libc::pollfd> = looks
        .iter()
        .map(|look| libc::pollfd {
            fd: look.descriptor.as_raw_fd(),
            events: events(look),
            revents: 0,
        })
        .collect();
    match poll_for(&mut entries, patience) {
        Err(fault)
            if !matches!(
                fault.kind(),
                io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
            ) =>
        {
            return Err(fault);
        }
        _ => {}
    }
    for (look, entry) in looks.iter_mut().zip(&entries) {
        look.ready = entry.revents != 0;
    }
    Ok(())
}

/// Waits until one of two descriptors can be read, for as long as that takes; whether it is the first.
///
/// # Errors
/// As poll(2).
pub fn wait_either(first: BorrowedFd<'_>, second: BorrowedFd<'_>) -> io::Result<bool> {
    let mut entries = [first, second].map(|descriptor| libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    loop {
        // SAFETY: two entries that live through the call.
        if unsafe { libc::poll(entries.as_mut_ptr(), 2, -1) } > 0 {
            return Ok(entries[0].revents != 0);
        }
        let fault = io::Error::last_os_error();
        if fault.kind() != io::ErrorKind::Interrupted {
            return Err(fault);
        }
    }
}

/// Waits until a descriptor can be read, without a runtime.
///
/// # Errors
/// As poll(2); `TimedOut` after the given time.
pub fn wait_readable(descriptor: BorrowedFd<'_>, patience: Duration) -> io::Result<()> {
    let mut entry = libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };

    poll_for(std::slice::from_mut(&mut entry), patience)
}
