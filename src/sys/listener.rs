//! Sockets that listen: whether they still do, and having them do it again.

use super::process::check;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};

/// Whether a socket listens.
///
/// # Errors
/// As getsockopt(2): it is no socket.
pub fn socket_listens(socket: &impl AsFd) -> io::Result<bool> {
    let mut listens: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or_default();

    // SAFETY: both pointers are to locals that live through the call, and `length` is the size of
    // the first.
    check(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut listens).cast(),
            &raw mut length,
        )
    })?;

    Ok(listens != 0)
}

/// Has a socket listen that did once, and whose listening was ended by whoever else has it; the
/// service manager's own copy listens with it again. Where the kernel had chosen the port it may
/// choose another.
///
/// # Errors
/// As listen(2).
pub fn listen_again(listener: &TcpListener, waiting: i32) -> io::Result<()> {
    // Shared with whoever else has it, too.
    listener.set_nonblocking(true)?;
    if socket_listens(listener)? {
        return Ok(());
    }
    // SAFETY: listen on an open descriptor, with a number.
    check(unsafe { libc::listen(listener.as_raw_fd(), waiting) })
}

/// Whether what could not be listened on is no address of this machine, or of a family that its
/// kernel does not have.
pub fn is_no_own_address(fault: &io::Error) -> bool {
    matches!(
        fault.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_was_shut_down_listens_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(socket_listens(&listener).unwrap());
        // SAFETY: shutdown on an open descriptor.
        let shut = unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) };
        assert_eq!((shut, socket_listens(&listener).unwrap()), (0, false));

        listen_again(&listener, 16).unwrap();
        assert!(socket_listens(&listener).unwrap());
    }

    #[test]
    fn what_the_cell_allows_leaves_a_listener_listening() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // SAFETY: shutdown on an open descriptor.
        unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_WR) };
        assert!(socket_listens(&listener).unwrap());
    }
}
