//! Descriptors that came from the frontend. Closing one may take as long as whoever sent it likes (a
//! socket that lingers over what nobody reads), so that happens on a thread of its own.

use std::io;
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

/// A descriptor of the frontend's, which is closed elsewhere when it is dropped.
#[derive(Debug)]
pub struct Foreign(ManuallyDrop<OwnedFd>);

impl Foreign {
    /// Takes over what came from the frontend, or was shared with it.
    pub const fn new(descriptor: OwnedFd) -> Self {
        Self(ManuallyDrop::new(descriptor))
    }

    /// The address that a socket is connected to, as the kernel says.
    ///
    /// # Errors
    /// When it is no socket, or not connected.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        // SAFETY: it is open for as long as this is, and `ManuallyDrop` keeps it so.
        let socket = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(self.0.as_raw_fd()) });
        socket.peer_addr()
    }
}

impl AsFd for Foreign {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: it is not touched again.
        close_elsewhere(unsafe { ManuallyDrop::take(&mut self.0) });
    }
}

/// A descriptor of our own, or one of the frontend's.
#[derive(Debug)]
pub enum Held {
    /// One that may be closed by anybody.
    Own(OwnedFd),
    /// One that the frontend has had in its hands.
    Foreign(Foreign),
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Own(descriptor) => descriptor.as_fd(),
            Self::Foreign(descriptor) => descriptor.as_fd(),
        }
    }
}

impl AsRawFd for Held {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Descriptors that wait to be closed, that which is being closed included.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// The way to the thread that closes.
static CLOSER: OnceLock<Sender<OwnedFd>> = OnceLock::new();

/// Whether more descriptors wait to be closed than honest ones ever would.
pub fn closing_hangs(most: usize) -> bool {
    WAITING.load(Ordering::Relaxed) > most
}

/// Leaves a descriptor to the thread that closes.
fn close_elsewhere(descriptor: OwnedFd) {
    WAITING.fetch_add(1, Ordering::Relaxed);
    // Where no thread could be had it is closed here and now.
    if let Err(fault) = CLOSER.get_or_init(start).send(descriptor) {
        close(fault.0);
    }
}

/// Starts the thread that closes, for as long as the process lives.
fn start() -> Sender<OwnedFd> {
    let (sender, descriptors) = channel::<OwnedFd>();
    let thread = std::thread::Builder::new().name("closer".into());
    let _ = thread.spawn(move || descriptors.into_iter().for_each(close));
    sender
}

fn close(descriptor: OwnedFd) {
    do_not_linger(&descriptor);
    drop(descriptor);
    WAITING.fetch_sub(1, Ordering::Relaxed);
}

/// A socket that would wait for its data to leave does not. Others have no such thing.
fn do_not_linger(socket: &OwnedFd) {
    let off = libc::linger {
        l_onoff: 0,
        l_linger: 0,
    };
    // SAFETY: setsockopt on an open descriptor, with a structure of this size that lives through
    // the call.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const off).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
}
