//! What a service manager is told (sd_notify): ready, reloading, stopping, alive. Where there is
//! none, nothing is said.

use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Tells the service manager, when this process was started by one that wants to know.
pub fn notify(state: &str) {
    // It may have gone meanwhile; serving does not depend on it.
    let _ = told(state);
}

/// Whether a service manager wants to be told how the daemon is.
pub fn is_a_service() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Whether standard error is the journal's: JOURNAL_STREAM has its device and inode (systemd.exec(5)).
pub fn logs_to_the_journal() -> bool {
    let Ok(said) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    std::fs::metadata("/dev/stderr")
        .is_ok_and(|stream| said == format!("{}:{}", stream.dev(), stream.ino()))
}

fn told(state: &str) -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&path)?,
    };

    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address).map(|_| ())
}

/// What one of the machine's clocks shows.
fn shown(clock: libc::clockid_t) -> libc::timespec {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call fills the structure, which lives through it.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now
}

/// Milliseconds since this machine began, those too in which it slept: the same for all processes.
pub fn machine_ms() -> u64 {
    let now = shown(libc::CLOCK_BOOTTIME);
    let milliseconds = now.tv_sec * 1000 + now.tv_nsec / 1_000_000;
    u64::try_from(milliseconds).unwrap_or(0)
}

/// How long the calling thread has worked: unlike a clock it stands still while other threads have
/// its processor.
pub fn worked() -> Duration {
    let now = shown(libc::CLOCK_THREAD_CPUTIME_ID);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(now.tv_sec)) + Duration::from_nanos(part(now.tv_nsec))
}

/// Tells that the configuration is being read anew, with the moment in the form that systemd wants.
pub fn notify_reloading() {
    let now = shown(libc::CLOCK_MONOTONIC);
    let microseconds = now
        .tv_sec
        .saturating_mul(1_000_000)
        .saturating_add(now.tv_nsec / 1000);
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}

/// How often the service manager wants a sign of life, when it wants any.
pub fn watchdog() -> Option<Duration> {
    if number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id())) {
        return None;
    }
    // Twice as often as it is looked for.
    number("WATCHDOG_USEC")
        .filter(|time| *time > 0)
        .map(|time| Duration::from_micros(time / 2))
}

/// Whether this machine's clock follows others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The clock follows others.
    Synchronized,
    /// The clock goes by itself.
    Free,
    /// The kernel does not say, in some containers.
    Unknown,
}

/// The listening sockets that the service manager has passed on (LISTEN_FDS); they are its own and
/// outlive this process. To be called once.
///
/// # Errors
/// When one of them is not open or listens for no TCP.
pub fn passed_listeners() -> io::Result<Vec<TcpListener>> {
    let one = |descriptor: i32| {
        let listener = TcpListener::from(super::adopt(descriptor)?);
        let listens = super::socket_listens(&listener)?;
        let wrong = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("descriptor {descriptor} is no listening TCP socket"),
            )
        };

        listener
            .local_addr()
            .ok()
            .filter(|_| listens)
            .ok_or_else(wrong)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };

    (3..3 + passed()).map(one).collect()
}

/// Whether there are such sockets for this process, without taking them.
pub fn has_passed_listeners() -> bool {
    passed() > 0
}

/// How many sockets there are for this process, from descriptor 3 on.
fn passed() -> i32 {
    let ours = number("LISTEN_PID") == Some(u64::from(std::process::id()));
    number("LISTEN_FDS")
        .filter(|_| ours)
        .and_then(|count| i32::try_from(count).ok())
        .map_or(0, |count| count.min(1024))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What the kernel knows of its clock.
pub fn clock() -> Clock {
    let mut told = std::mem::MaybeUninit::<libc::timex>::zeroed();

    // SAFETY: all zeroes is a valid `timex` that asks and changes nothing; the call fills it.
    let state = unsafe { libc::adjtimex(told.as_mut_ptr()) };

    // SAFETY: it was zeroed and then filled.
    let status = unsafe { told.assume_init() }.status;
    match state {
        -1 => Clock::Unknown,
        _ if state == libc::TIME_ERROR || status & libc::STA_UNSYNC != 0 => Clock::Free,
        _ => Clock::Synchronized,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_service_manager_nothing_is_said_and_nothing_fails() {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            assert!(told("READY=1").is_ok());
        }
        assert!(std::env::var_os("WATCHDOG_USEC").is_some() || watchdog().is_none());
    }
}
