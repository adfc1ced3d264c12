//! Signals: to processes that this one has started, and what this one has of them.

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
