//! Signals: to processes that this one has started, what this one has of them, and whether one has come
//! that it has not heard of yet.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Signals a whole process group; `false` when nobody is left in it.
pub fn signal_group(leader: i32, signal: i32) -> bool {
    if leader <= 1 {
        return false;
    }
    // SAFETY: kill takes numbers only; the group is that of a child we started, above 1.
    unsafe { libc::kill(-leader, signal) == 0 }
}

/// Puts right what a program has of signals from whoever started it: none is blocked, and the ends
/// of children are told. What is ignored otherwise stays so, as for nohup(1).
pub fn usual_signals() {
    // SAFETY: the set lives through the calls, and the default action installs no code of ours.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
    }
}

/// How many of the signals that are counted have come.
static COME: AtomicU32 = AtomicU32::new(0);
/// How many of them had come when this program last heard of one.
static HEARD: AtomicU32 = AtomicU32::new(0);

/// Counts a signal whenever it comes. Whoever hears of it besides must begin to do so afterwards, and
/// leave in place what is here already.
///
/// # Errors
/// As sigaction(2).
pub fn count_signal(signal: i32) -> io::Result<()> {
    static COUNTED: AtomicU64 = AtomicU64::new(0);
    let bit = u32::try_from(signal)
        .ok()
        .and_then(|number| 1_u64.checked_shl(number));
    let bit = bit.ok_or(io::ErrorKind::InvalidInput)?;
    if COUNTED.fetch_or(bit, Ordering::AcqRel) & bit != 0 {
        return Ok(());
    }
    // SAFETY: the handler has this form, and adds to an atomic number: nothing that a signal could
    // interrupt half done. The structure lives through the call.
    let set = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = counts as extern "C" fn(i32) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn counts(_: i32) {
    COME.fetch_add(1, Ordering::AcqRel);
}

/// This program has heard of every signal that has come until now.
pub fn signals_heard() {
    HEARD.store(COME.load(Ordering::Acquire), Ordering::Release);
}

/// Whether a signal that is counted has come and was not heard of yet.
pub fn signal_waits() -> bool {
    COME.load(Ordering::Acquire) != HEARD.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_waits_until_it_is_heard() {
        assert!(!signal_waits());
        count_signal(libc::SIGURG).unwrap();
        count_signal(libc::SIGURG).unwrap();
        // SAFETY: a signal to this very thread, for which there is a handler.
        unsafe { libc::raise(libc::SIGURG) };
        assert!(signal_waits());
        signals_heard();
        assert!(!signal_waits());
        assert!(count_signal(64).is_err() && count_signal(-1).is_err());
    }
}
