//! Signals to processes that this one has started.

/// Signals a whole process group; `false` when nobody is left in it.
pub fn signal_group(leader: i32, signal: i32) -> bool {
    if leader <= 1 {
        return false;
    }
    // SAFETY: kill takes numbers only; the group is that of a child we started, above 1.
    unsafe { libc::kill(-leader, signal) == 0 }
}
