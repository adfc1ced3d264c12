//! Terminals: making one for a command, and keeping one's own in raw mode for as long as a guard
//! lives.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Columns and rows.
pub type Size = (u16, u16);

pub(super) fn check(status: i32) -> io::Result<i32> {
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(status)
    }
}

/// A terminal: the end that is kept, which never blocks, and the command's.
///
/// # Errors
/// As open(2) of /dev/ptmx and the ioctls on it.
#[cfg(target_os = "linux")]
pub fn terminal(size: Size, owner: Option<u32>) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;

    // SAFETY: a call with flags only.
    let raw = check(unsafe { libc::posix_openpt(flags | libc::O_NONBLOCK) })?;

    // SAFETY: the call succeeded, so this is a new descriptor of ours.
    let kept = unsafe { OwnedFd::from_raw_fd(raw) };
    let locked: libc::c_int = 0;

    // SAFETY: the ioctl reads one integer, which lives through it.
    check(unsafe { libc::ioctl(kept.as_raw_fd(), libc::TIOCSPTLCK, &raw const locked) })?;

    // SAFETY: the ioctl takes flags and gives a new descriptor; no path is walked.
    let raw = check(unsafe { libc::ioctl(kept.as_raw_fd(), libc::TIOCGPTPEER, flags) })?;

    // SAFETY: the ioctl has just given this descriptor, and nobody else owns it.
    let given = unsafe { OwnedFd::from_raw_fd(raw) };
    if let Some(owner) = owner {
        // SAFETY: a descriptor of ours and numbers; group -1 is "as it is".
        check(unsafe { libc::fchown(given.as_raw_fd(), owner, u32::MAX) })?;
    }

    resize(std::os::fd::AsFd::as_fd(&kept), size)?;
    Ok((kept, given))
}

/// Tells a terminal how large it is; its foreground processes get SIGWINCH.
///
/// # Errors
/// As ioctl(2).
#[cfg(target_os = "linux")]
pub fn resize(terminal: BorrowedFd<'_>, (columns, rows): Size) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };

    // SAFETY: the ioctl reads one structure, which lives through it.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) })
        .map(|_| ())
}

/// How large the terminal at standard input is; `None` where that is none.
pub fn own_terminal_size() -> Option<Size> {
    // SAFETY: an all-zero structure is a valid one, and the ioctl fills it.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };

    // SAFETY: `size` lives through the call.
    check(unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCGWINSZ, &raw mut size) }).ok()?;
    Some((
        if size.ws_col == 0 { 80 } else { size.ws_col },
        if size.ws_row == 0 { 24 } else { size.ws_row },
    ))
}

/// The terminal at standard input is in raw mode, or another that passes on keys, while this lives, and
/// as it was afterwards, also after a panic.
pub struct RawMode {
    before: libc::termios,
    now: libc::termios,
}

impl RawMode {
    /// Every key goes to the command, as it is.
    ///
    /// # Errors
    /// When standard input is no terminal.
    pub fn begin() -> io::Result<Self> {
        Self::changed(|mode| {
            // SAFETY: changes the structure only.
            unsafe { libc::cfmakeraw(mode) };
        })
    }

    /// Each key comes at once and is not shown; what is printed, and the keys that are signals, are as
    /// ever.
    ///
    /// # Errors
    /// When standard input is no terminal.
    pub fn of_keys() -> io::Result<Self> {
        Self::changed(|mode| {
            mode.c_lflag &= !(libc::ICANON | libc::ECHO | libc::ECHONL | libc::IEXTEN);
            mode.c_lflag |= libc::ISIG;
            if let Some(least) = mode.c_cc.get_mut(libc::VMIN) {
                *least = 1;
            }
            if let Some(time) = mode.c_cc.get_mut(libc::VTIME) {
                *time = 0;
            }
        })
    }

    fn changed(change: impl FnOnce(&mut libc::termios)) -> io::Result<Self> {
        // SAFETY: an all-zero structure is a valid one, and the call fills it.
        let mut before: libc::termios = unsafe { std::mem::zeroed() };

        // SAFETY: `before` lives through the call.
        check(unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut before) })?;
        let mut now = before;
        change(&mut now);
        let mode = Self { before, now };
        mode.set()?;
        Ok(mode)
    }

    /// In this mode once more, whatever was made of the terminal meanwhile.
    pub fn again(&self) {
        // Without a terminal there is nothing to be put right.
        let _ = self.set();
    }

    fn set(&self) -> io::Result<()> {
        // SAFETY: the structure lives through the call.
        check(unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const self.now) })
            .map(|_| ())
    }
}

/// Stops this program as SIGTSTP does where nobody hears it; returns once it goes on.
pub fn stop() {
    // SAFETY: all-zero structures are valid ones, and all of them live through the calls.
    unsafe {
        let mut usual: libc::sigaction = std::mem::zeroed();
        usual.sa_sigaction = libc::SIG_DFL;
        let mut heard: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGTSTP, &raw const usual, &raw mut heard) == 0 {
            libc::raise(libc::SIGTSTP);
            libc::sigaction(libc::SIGTSTP, &raw const heard, std::ptr::null_mut());
        }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // SAFETY: the structure is as the kernel gave it.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSADRAIN, &raw const self.before) };
    }
}

/// Whether whoever started this program has told it to ignore a signal, as nohup(1) does.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: an all-zero sigaction is one that is asked to be filled, and both pointers live
    // through the call or are null.
    unsafe {
        let mut known: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut known) == 0
            && known.sa_sigaction == libc::SIG_IGN
    }
}
