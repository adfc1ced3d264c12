//! Logging in: a proof (a password, an SSH key, a key that is known already) that binds the session
//! key, judged with equal work for everybody.

mod answer;
mod greet;
mod judged;
mod methods;

pub use answer::too_busy;
pub use greet::{greet, spoilt, stock_up};
pub use judged::Proof;

use super::access;
use super::state::Shared;
use crate::ids::ConnectionId;
use crate::ipc::Stage;
use crate::source::Peer;
use crate::sys::Foreign;
use judged::{Bound, Proved};

/// Verifies a login in its turn and answers.
///
/// # Errors
/// When the descriptor that came along is no connected socket.
pub fn login(
    state: &Shared,
    number: ConnectionId,
    socket: &Foreign,
    proof: Proof,
) -> Result<(), String> {
    // The address is the kernel's word, not the frontend's.
    let peer = socket.peer().map(Peer::from);

    let (nonce, server_key) = {
        let mut connections = state.sessions.connections.borrow_mut();
        let Some(connection) = connections.get_mut(&number) else {
            return Ok(());
        };
        connection.stage = Stage::Verifying;
        connection.tries += 1;
        connection.peer = peer.as_ref().ok().cloned();
        (connection.nonce, connection.server_key)
    };

    let Ok(peer) = peer else { return Ok(()) };

    let state = state.clone();
    tokio::task::spawn_local(async move {
        let bound = Bound {
            nonce,
            server_key: server_key.0,
            source: peer.source.clone(),
        };
        let mut judged = methods::judge(&state, &bound, proof).await;
        // Nobody is asked in the name of whoever has proved nothing. A session that comes back is
        // judged request by request, and must not depend on a name service for that.
        if matches!(judged.outcome, Ok(Proved::User(_)))
            && let Err(why) = access::know(&state, &judged.user).await
        {
            judged.outcome = Err(why);
        }
        answer::answer(&state, number, peer, judged).await;
    });
    Ok(())
}
