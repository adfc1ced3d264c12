//! The sockets that the daemon listens on. Each frontend has them, and the first thing that one which
//! was taken over can do is to end their listening for good: so they are looked after.

use super::settings::Listen;
use super::state::State;
use crate::host::Host;
use crate::limits::ACCEPT_QUEUE;
use crate::sys;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// Opens the listeners.
///
/// # Errors
/// Which address could not be had, and why.
pub fn bind(places: &[Listen]) -> Result<Vec<TcpListener>, String> {
    let mut listeners = Vec::new();
    for place in places {
        match place {
            Listen::Everywhere(port) => listeners.extend(both_families(*port, opened)?),
            Listen::At(host, port) => listeners.push(at(host, *port)?),
        }
    }
    Ok(listeners)
}

/// A listener for each family that there is.
fn both_families(
    port: u16,
    opened: impl Fn(SocketAddr) -> Result<TcpListener, Unheard>,
) -> Result<Vec<TcpListener>, String> {
    let v6 = opened((Ipv6Addr::UNSPECIFIED, port).into());
    // A port that the kernel has chosen is one for both.
    let port = match &v6 {
        Ok(v6) => v6.local_addr().map_or(port, |address| address.port()),
        Err(_) => port,
    };
    let v4 = opened((Ipv4Addr::UNSPECIFIED, port).into());
    match (v6, v4) {
        (Ok(v6), Ok(v4)) => Ok(vec![v6, v4]),
        (Ok(one), Err(fault)) | (Err(fault), Ok(one)) if fault.has_no_family => {
            tracing::info!("{}: this machine has no such addresses", fault.text);
            Ok(vec![one])
        }
        // What keeps the only family there is from being had is told.
        (Err(missing), Err(fault)) if missing.has_no_family && !fault.has_no_family => {
            Err(fault.text)
        }
        (Err(fault), _) | (_, Err(fault)) => Err(fault.text),
    }
}

fn at(host: &Host, port: u16) -> Result<TcpListener, String> {
    let address = match host {
        Host::Address(address) => SocketAddr::new(*address, port),
        Host::Zoned(address, zone) => sys::in_zone(*address, zone, port)
            .map_err(|fault| format!("{host} cannot be listened on: {fault}"))?,
        Host::Name(_) => return Err(format!("{host} is no address")),
    };
    opened(address).map_err(|fault| fault.text)
}

/// An address that cannot be listened on.
struct Unheard {
    text: String,
    /// The kernel has no addresses of this family.
    has_no_family: bool,
}

fn opened(address: SocketAddr) -> Result<TcpListener, Unheard> {
    open(address).map_err(|fault| {
        let missing = sys::is_no_own_address(&fault);
        let hint = if missing && !address.ip().is_unspecified() {
            "; `ip address` shows the addresses of this machine"
        } else {
            ""
        };
        Unheard {
            text: format!("{address} cannot be listened on: {fault}{hint}"),
            has_no_family: missing,
        }
    })
}

/// IPv6 alone on a socket of IPv6, whatever the system's default (`net.ipv6.bindv6only`) says.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_QUEUE.cast_signed())?;
    Ok(socket.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose kernel lacks the families that are named, and one whose port is taken.
    fn without(v6: Option<bool>, v4: Option<bool>) -> Result<usize, String> {
        let listeners = both_families(0, |address| {
            let lacks = if address.is_ipv6() { v6 } else { v4 };
            match lacks {
                None => opened(address),
                Some(has_no_family) => Err(Unheard {
                    text: format!("not {}", address.ip()),
                    has_no_family,
                }),
            }
        });
        listeners.map(|listeners| listeners.len())
    }

    #[test]
    fn a_family_that_the_kernel_lacks_is_passed_over_and_no_other_fault_is() {
        assert_eq!(without(Some(true), None), Ok(1));
        assert_eq!(without(None, Some(true)), Ok(1));
        assert_eq!(without(Some(true), Some(true)), Err("not ::".into()));
        assert_eq!(without(Some(false), None), Err("not ::".into()));
        assert_eq!(without(None, Some(false)), Err("not 0.0.0.0".into()));
        assert_eq!(without(Some(true), Some(false)), Err("not 0.0.0.0".into()));
    }
}
