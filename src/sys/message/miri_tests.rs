//! Messages under Miri (`just miri`), with a queue in the place of the kernel's sockets.

use super::*;
use libc::{c_int, iovec, msghdr, ssize_t};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, IntoRawFd};

/// Bytes and descriptors on their way, and whether the kernel has no room for the descriptors.
type Message = (Vec<u8>, Vec<OwnedFd>, bool);

std::thread_local! {
    static QUEUE: RefCell<VecDeque<Message>> = RefCell::default();
}

pub(super) unsafe fn sendmsg(_: c_int, message: *const msghdr, _: c_int) -> ssize_t {
    // SAFETY: every read is what the kernel would do; Miri judges each.
    unsafe {
        let part: &iovec = &*(*message).msg_iov;
        let bytes = std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len).to_vec();
        let mut descriptors = Vec::new();
        let control = (*message).msg_control.cast::<u8>();
        if !control.is_null() {
            let all = std::slice::from_raw_parts(control, (*message).msg_controllen);
            let length = usize::from_ne_bytes(all[..8].try_into().unwrap());
            for word in all[16..length].chunks(4) {
                let number = i32::from_ne_bytes(word.try_into().unwrap());
                descriptors.push(BorrowedFd::borrow_raw(number).try_clone_to_owned().unwrap());
            }
        }
        let sent = bytes.len() as ssize_t;
        QUEUE.with_borrow_mut(|queue| queue.push_back((bytes, descriptors, false)));
        sent
    }
}

pub(super) unsafe fn recvmsg(_: c_int, message: *mut msghdr, _: c_int) -> ssize_t {
    let next = QUEUE.with_borrow_mut(VecDeque::pop_front);
    let Some((bytes, descriptors, full)) = next else {
        // SAFETY: this thread's own.
        unsafe { *libc::__errno_location() = libc::EAGAIN };
        return -1;
    };
    // SAFETY: every write is what the kernel would do; Miri judges each.
    unsafe {
        let part: &iovec = &*(*message).msg_iov;
        let most = bytes.len().min(part.iov_len);
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), part.iov_base.cast(), most);
        (*message).msg_flags = if most < bytes.len() {
            libc::MSG_TRUNC
        } else {
            0
        };
        if full {
            (*message).msg_flags |= libc::MSG_CTRUNC;
            (*message).msg_controllen = 0;
            return most as ssize_t;
        }
        let control = (*message).msg_control.cast::<u8>();
        let length = 16 + descriptors.len() * 4;
        assert!(length <= (*message).msg_controllen);
        let mut head = [0; 16];
        head[..8].copy_from_slice(&length.to_ne_bytes());
        head[8..12].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
        head[12..].copy_from_slice(&libc::SCM_RIGHTS.to_ne_bytes());
        let mut at = 0;
        if !descriptors.is_empty() {
            std::ptr::copy_nonoverlapping(head.as_ptr(), control, 16);
            at = 16;
        }
        for descriptor in descriptors {
            let word = descriptor.into_raw_fd().to_ne_bytes();
            std::ptr::copy_nonoverlapping(word.as_ptr(), control.add(at), 4);
            at += 4;
        }
        (*message).msg_controllen = at;
        most as ssize_t
    }
}

#[test]
fn miri_descriptors_travel_as_they_were_sent() {
    let socket = File::open("/dev/null").unwrap();
    for count in [0, 1, 2, limits::IPC_DESCRIPTORS] {
        let sent: Vec<File> = (0..count)
            .map(|_| File::open("/dev/null").unwrap())
            .collect();
        let shown: Vec<_> = sent.iter().map(AsFd::as_fd).collect();
        send(socket.as_fd(), b"hello", &shown).unwrap();
        let mut buffer = [0; 8];
        let got = receive(socket.as_fd(), &mut buffer).unwrap();
        assert_eq!(
            (&buffer[..got.length], got.descriptors.len()),
            (&b"hello"[..], count)
        );
        assert!(!got.cut && !got.descriptors_lost);
    }
}

#[test]
fn miri_what_the_kernel_cuts_is_told() {
    let socket = File::open("/dev/null").unwrap();
    let many = (0..MOST).map(|_| socket.as_fd().try_clone_to_owned().unwrap());
    let many: Vec<OwnedFd> = many.collect();
    QUEUE.with_borrow_mut(|queue| {
        queue.push_back((vec![7; 100], Vec::new(), false));
        queue.push_back((vec![7; 1], many, false));
        queue.push_back((vec![7; 1], Vec::new(), true));
    });
    let take = || receive(socket.as_fd(), &mut [0; 10]).unwrap();
    assert!(take().cut);
    let many = take();
    assert!(many.cut && many.descriptors.len() == MOST);
    assert!(take().descriptors_lost);
    assert!(receive(socket.as_fd(), &mut [0; 10]).is_err());
}
