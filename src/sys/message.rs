//! Messages with descriptors over a SOCK_SEQPACKET pair: whole or not at all.

use crate::limits;
#[cfg(not(all(test, miri)))]
use libc::{recvmsg, sendmsg};
#[cfg(all(test, miri))]
use miri_tests::{recvmsg, sendmsg};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Descriptors that the kernel lets travel together (`SCM_MAX_FD`). All that come are taken, also
/// where they are too many: what there is no room for the kernel would close here and now, for
/// however long that takes.
const MOST: usize = 253;

/// Room for a control message with as many descriptors as there can be.
const CONTROL: usize = 64 + MOST * 4;

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Two connected ends, both non-blocking and closed on exec.
///
/// # Errors
/// As socketpair(2).
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

    // SAFETY: `ends` has room for the two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let [one, other] = ends;

    // SAFETY: the call succeeded, so both are open and nobody else's.
    Ok(unsafe { (OwnedFd::from_raw_fd(one), OwnedFd::from_raw_fd(other)) })
}

/// Sends one message with its descriptors.
///
/// # Errors
/// `WouldBlock` when the other side's queue is full; otherwise as sendmsg(2).
pub fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    if descriptors.len() > limits::IPC_DESCRIPTORS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; CONTROL]);
    // SAFETY: an all-zero msghdr is an empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !descriptors.is_empty() {
        let raw: Vec<i32> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let bytes = (raw.len() * 4) as u32;
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: arithmetic on a length only.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes) } as usize;
        // SAFETY: the buffer is aligned and longer than CMSG_SPACE of the most descriptors (checked
        // above), so the first header and its data lie inside it.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(bytes) as usize;
            std::ptr::copy_nonoverlapping(
                raw.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(header),
                raw.len() * 4,
            );
        }
    }
    // SAFETY: every pointer in `message` lives through the call.
    let sent = unsafe {
        sendmsg(
            socket.as_raw_fd(),
            &raw const message,
            libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
        )
    };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// What one receive gave.
#[derive(Debug)]
pub struct Received {
    /// Bytes of the message, in the caller's buffer.
    pub length: usize,
    /// The descriptors that came along, closed on exec.
    pub descriptors: Vec<OwnedFd>,
    /// Whether the message was cut, or more descriptors came than may, which no honest peer causes.
    pub cut: bool,
    /// Whether descriptors are missing because this process has no room for them.
    pub descriptors_lost: bool,
}

/// Receives one message.
///
/// # Errors
/// `WouldBlock` when there is none; otherwise as recvmsg(2). A length of 0 means the other side is
/// gone.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };

    let mut control = Control([0; CONTROL]);

    // SAFETY: an all-zero msghdr is an empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL;

    // SAFETY: every pointer in `message` lives through the call and the lengths are the buffers'
    // own.
    let length = unsafe {
        recvmsg(
            socket.as_raw_fd(),
            &raw mut message,
            libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT,
        )
    };

    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let mut descriptors = Vec::new();

    // SAFETY: the kernel wrote well-formed headers within `msg_controllen`; CMSG_* walk inside it,
    // and every descriptor in an SCM_RIGHTS message is new and ours.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(header).cast::<i32>();
                let count = ((*header).cmsg_len - libc::CMSG_LEN(0) as usize) / 4;
                for index in 0..count {
                    descriptors.push(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
                }
            }

            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }

    // Control data is cut where the kernel could not give this process the descriptors: there is
    // room for all that can come.
    let too_many = descriptors.len() > limits::IPC_DESCRIPTORS;
    let descriptors_lost = message.msg_flags & libc::MSG_CTRUNC != 0 && !too_many;
    let cut = message.msg_flags & libc::MSG_TRUNC != 0 || too_many;
    Ok(Received {
        length,
        descriptors,
        cut,
        descriptors_lost,
    })
}

#[cfg(test)]
#[cfg(miri)]
mod miri_tests;

#[cfg(test)]
#[cfg(not(miri))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn bytes_and_descriptors_arrive_together() {
        let (one, other) = pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        send(one.as_fd(), b"hello", &[writer.as_fd()]).unwrap();
        drop(writer);
        let mut buffer = [0; 16];
        let mut got = receive(other.as_fd(), &mut buffer).unwrap();
        assert_eq!(
            (&buffer[..got.length], got.descriptors.len(), got.cut),
            (&b"hello"[..], 1, false)
        );

        std::fs::File::from(got.descriptors.pop().unwrap())
            .write_all(b"x")
            .unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        assert_eq!(
            receive(other.as_fd(), &mut buffer).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );

        drop(one);
        assert_eq!(receive(other.as_fd(), &mut buffer).unwrap().length, 0);
    }

    #[test]
    fn what_does_not_fit_is_marked() {
        let (one, other) = pair().unwrap();
        send(one.as_fd(), &[7; 100], &[]).unwrap();
        let got = receive(other.as_fd(), &mut [0; 10]).unwrap();
        assert!(got.cut);
        let fds = vec![one.as_fd(); limits::IPC_DESCRIPTORS + 1];
        assert!(send(one.as_fd(), b"x", &fds).is_err());
    }
}
