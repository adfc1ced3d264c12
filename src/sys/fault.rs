//! Points at which tests let a process die or hang, to see what becomes of everything else. Release
//! builds have none.

/// Does what `ORDAIN_FAULT` says if it names this point: `POINT` dies as by SIGKILL, `POINT:stuck`
/// does nothing more, `POINT:slow` takes two seconds.
#[cfg(debug_assertions)]
pub fn fault_point(name: &str) {
    let Some(wanted) = std::env::var("ORDAIN_FAULT").ok() else {
        return;
    };
    if wanted == name {
        // SAFETY: kill with this process's own id. A sandbox that forbids it ends the process too.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        std::process::abort();
    }

    if wanted.strip_suffix(":slow") == Some(name) {
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    if wanted.strip_suffix(":stuck") == Some(name) {
        loop {
            std::thread::park();
        }
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub const fn fault_point(_: &str) {}
