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

/// How long something takes, which `ORDAIN_FAULT=NAME:MILLISECONDS` makes shorter.
#[cfg(debug_assertions)]
pub fn fault_time(name: &str, usual: std::time::Duration) -> std::time::Duration {
    let wanted = std::env::var("ORDAIN_FAULT").ok();
    wanted
        .as_deref()
        .and_then(|wanted| wanted.strip_prefix(name)?.strip_prefix(':')?.parse().ok())
        .map_or(usual, std::time::Duration::from_millis)
}

/// How long it takes.
#[cfg(not(debug_assertions))]
pub const fn fault_time(_: &str, usual: std::time::Duration) -> std::time::Duration {
    usual
}
