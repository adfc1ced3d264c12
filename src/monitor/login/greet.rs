//! Before a login: the nonces that are given out, one for each connection.

use crate::audit::{Record, What};
use crate::credential;
use crate::ids::ConnectionId;
use crate::ipc::{Stage, ToFrontend};
use crate::limits;
use crate::monitor::metrics::count;
use crate::monitor::session::Connection;
use crate::monitor::state::Shared;
use crate::monitor::strangers::Deed;
use crate::monitor::summary;
use crate::source::{Peer, Source};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Stands in for a source that the frontend could not name.
const UNKNOWN: Source = Source::Direct(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

/// A new frontend gets nonces that it may give to clients before it asks. What one before it had is
/// worth nothing now.
pub fn stock_up(state: &Shared) {
    let nonces: Vec<[u8; 32]> = std::iter::repeat_with(credential::random)
        .take(limits::NONCES)
        .collect();
    *state.link.nonces.borrow_mut() = nonces.iter().copied().collect();
    state.tell(ToFrontend::Nonces(nonces));
}

/// A client passed the handshake: its login must sign the nonce that it was given, or gets now.
///
/// # Errors
/// When the frontend holds more connections than it was told it may, numbers one as it may not, or
/// gave a nonce that it was not given.
pub fn greet(
    state: &Shared,
    number: ConnectionId,
    source: &str,
    given: Option<[u8; 32]>,
) -> Result<(), String> {
    let most = state.settings().limits.connections as usize;
    // Twice as many, because a reload may have lowered the bound, and connections that are gone are
    // told of later.
    if state.sessions.connections.borrow().len() > most.saturating_mul(2).max(65_536) {
        return Err("more connections than were allowed".into());
    }

    // Numbers are given in their order, but handshakes end in another.
    let first = state.link.first.get();
    if !(first..first.saturating_add(limits::CONNECTION_NUMBERS)).contains(&number) {
        return Err("a connection's number that is not its to give".into());
    }

    let (nonce, tell) = nonce(state, number, given)?;
    let server_key = state.settings().tls.fingerprint;
    let source: String = source.chars().take(64).collect();
    let peer = source.parse::<SocketAddr>().ok().map(Peer::from);
    let connection = Connection {
        stage: Stage::Greeted,
        nonce,
        server_key,
        peer: peer.clone(),
        tries: 0,
        codes_wanted: 0,
        session: None,
        charge: None,
        follows: HashMap::new(),
    };
    state
        .sessions
        .connections
        .borrow_mut()
        .insert(number, connection);
    state.link.highest.set(state.link.highest.get().max(number));
    count(&state.health.counts.connections);

    // In the one form of an address, whatever family the socket speaks.
    let told = peer.as_ref().map_or(source, ToString::to_string);
    let address = peer.map_or(UNKNOWN, |peer| peer.source);
    if summary::admits(state, &address, Deed::Connection) {
        let _ = state.record(&Record::now(What::Connection {
            connection: number,
            source: &told,
            reported_by: "frontend",
        }));
    }

    state.tell(tell);
    Ok(())
}

/// What this connection's login must sign, and what the frontend is told for it: the nonce itself,
/// or another for its stock.
fn nonce(
    state: &Shared,
    number: ConnectionId,
    given: Option<[u8; 32]>,
) -> Result<([u8; 32], ToFrontend), String> {
    let another = credential::random::<32>();
    match given {
        None => Ok((
            another,
            ToFrontend::Challenge {
                connection: number,
                nonce: another,
            },
        )),
        Some(nonce) => used(state, nonce, another).map(|tell| (nonce, tell)),
    }
}

/// A client has seen a nonce and did not come past its handshake: nobody else gets it, and the
/// frontend gets another.
///
/// # Errors
/// When the frontend was not given the nonce.
pub fn spoilt(state: &Shared, nonce: [u8; 32]) -> Result<(), String> {
    let another = used(state, nonce, credential::random())?;
    state.tell(another);
    Ok(())
}

/// A nonce serves once: a login that was seen cannot be shown again. The frontend is told another.
fn used(state: &Shared, nonce: [u8; 32], another: [u8; 32]) -> Result<ToFrontend, String> {
    let mut nonces = state.link.nonces.borrow_mut();
    if !nonces.remove(&nonce) {
        return Err("a nonce that it was not given".into());
    }
    nonces.insert(another);
    Ok(ToFrontend::Nonces(vec![another]))
}
