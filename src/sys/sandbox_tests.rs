//! A process in the cell that tries what it may not.

use super::super::cell::Seen;
use super::*;
use std::os::fd::AsRawFd;

#[test]
fn nothing_is_both_allowed_and_fatal() {
    assert!(
        CELL.iter()
            .all(|allowed| !FATAL.contains(&allowed.number) && !allowed.why.is_empty())
    );
    assert_eq!(filters().map(|programs| programs.len()), Ok(3));
}

#[test]
fn a_call_that_may_be_made_anyhow_stands_in_one_line() {
    for allowed in CELL.iter().filter(|allowed| allowed.only.is_empty()) {
        let lines = CELL.iter().filter(|other| other.number == allowed.number);
        assert_eq!(lines.count(), 1, "{}", allowed.name);
    }
    assert!(CELL.iter().any(|allowed| allowed.seen == Seen::Always));
}

/// What a child of ours gets from each attempt, made in the cell: 0, or the kernel's error number.
fn in_the_cell(attempts: &[&dyn Fn() -> libc::c_long]) -> Vec<i32> {
    let programs = filters().unwrap();
    let mut results = [0i32; 64];
    let (reader, writer) = io::pipe().unwrap();
    // SAFETY: the child makes raw system calls and ends by one; what it needs was made before, and
    // it allocates nothing.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as above.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            for program in &programs {
                if apply_filter(program).is_err() {
                    libc::_exit(1);
                }
            }
            for (result, attempt) in results.iter_mut().zip(attempts) {
                *result = match attempt() {
                    -1 => *libc::__errno_location(),
                    _ => 0,
                };
            }
            libc::write(
                writer.as_raw_fd(),
                results.as_ptr().cast(),
                size_of_val(&results),
            );
            libc::_exit(0);
        }
    }
    drop(writer);
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut { reader }, &mut bytes).unwrap();
    let mut status = 0;
    // SAFETY: a child of ours that nobody else waits for.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0, "it ended otherwise");
    let words = bytes.chunks(4).take(attempts.len());
    words
        .map(|word| i32::from_ne_bytes(word.try_into().unwrap()))
        .collect()
}

#[test]
fn sockets_can_be_given_no_options_but_one_and_no_listener_be_shut_down() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, listener) = (client.as_raw_fd(), listener.as_raw_fd());
    let on = 1i32;
    let long = [1i32, 40];
    // SAFETY: setsockopt on numbers, with memory that lives through the call.
    let set = |level: i32, option: i32| unsafe {
        let length = size_of_val(&long) as libc::socklen_t;
        libc::c_long::from(libc::setsockopt(
            socket,
            level,
            option,
            long.as_ptr().cast(),
            length,
        ))
    };
    let tcp = libc::IPPROTO_TCP;
    // SAFETY: calls with numbers, and memory that lives through them.
    let answers = unsafe {
        in_the_cell(&[
            &|| {
                let value = (&raw const on).cast();
                libc::setsockopt(socket, tcp, libc::TCP_NODELAY, value, 4).into()
            },
            &|| libc::shutdown(listener, libc::SHUT_WR).into(),
            &|| libc::shutdown(socket, libc::SHUT_WR).into(),
            &|| libc::fcntl(socket, libc::F_SETFL, libc::O_NONBLOCK).into(),
            // What is not allowed begins here.
            &|| set(libc::SOL_SOCKET, libc::SO_LINGER),
            &|| set(libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
            &|| set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER),
            &|| set(libc::SOL_SOCKET, libc::SO_REUSEPORT),
            &|| set(libc::SOL_SOCKET, libc::TCP_NODELAY),
            &|| set(tcp, libc::TCP_REPAIR),
            &|| set(tcp, libc::TCP_DEFER_ACCEPT),
            &|| set(libc::IPPROTO_IP, libc::IP_TRANSPARENT),
            &|| libc::shutdown(listener, libc::SHUT_RD).into(),
            &|| libc::shutdown(listener, libc::SHUT_RDWR).into(),
            &|| libc::fcntl(socket, libc::F_SETFL, libc::O_ASYNC).into(),
            &|| libc::fcntl(socket, libc::F_SETOWN, 1).into(),
            &|| libc::fcntl(socket, libc::F_DUPFD, 0).into(),
            &|| libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr()).into(),
            &|| libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0).into(),
            &|| libc::listen(listener, 1).into(),
            &|| libc::syscall(libc::SYS_kill, libc::getppid(), 0),
            &|| libc::syscall(libc::SYS_tgkill, 1, 1, 0),
            &|| libc::syscall(libc::SYS_ftruncate, 1, 0),
        ])
    };
    assert_eq!(&answers[..4], [0; 4]);
    assert!(
        answers[4..].iter().all(|answer| *answer == libc::EPERM),
        "{answers:?}"
    );
}
