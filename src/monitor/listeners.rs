//! The sockets that the daemon listens on. Each frontend has them, and the first thing that one which
//! was taken over can do is to end their listening for good: so they are looked after.

use super::state::State;
use crate::limits::ACCEPT_QUEUE;
use crate::sys;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Opens the listeners.
///
/// # Errors
/// Which address could not be had, and why.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    addresses
        .iter()
        .map(|address| {
            open(*address).map_err(|fault| format!("{address} cannot be listened on: {fault}"))
        })
        .collect()
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        tokio::net::TcpSocket::new_v4()
    } else {
        tokio::net::TcpSocket::new_v6()
    }?;

    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_QUEUE)?.into_std()
}

/// What keeps clients from being heard: a sentence for each listener that does not listen.
pub fn faults(state: &State) -> Vec<String> {
    let listeners = state.link.listeners.borrow();
    let addresses = state.link.addresses.borrow();
    let silent = listeners
        .iter()
        .zip(addresses.iter())
        .filter(|(listener, _)| !sys::socket_listens(listener).unwrap_or(false));
    silent
        .map(|(_, address)| format!("nobody can connect to {address}: its socket does not listen"))
        .collect()
}

/// Has every listener listen that does not any more: again with the same socket, which the service
/// manager may have too, or with a new one at its address.
pub fn mend(state: &State) {
    let addresses = state.link.addresses.borrow();
    let mut listeners = state.link.listeners.borrow_mut();
    for (listener, address) in listeners.iter_mut().zip(addresses.iter()) {
        let listened = sys::socket_listens(listener).unwrap_or(false);
        let again = sys::listen_again(listener, ACCEPT_QUEUE.cast_signed())
            .and_then(|()| listener.local_addr());
        let mended = match again {
            Ok(now) if now == *address => Ok(()),
            _ if state.link.listeners_stay => again.map(|_| ()),
            _ => open(*address).map(|new| *listener = new),
        };
        match mended {
            Ok(()) if listened => {}
            Ok(()) => {
                tracing::error!(%address, "the frontend had ended the listening; it is listened again");
            }
            Err(fault) => {
                tracing::error!(%address, %fault, "the frontend had ended the listening, and it cannot be listened again; restart the socket's unit, or the daemon");
            }
        }
    }
}
