//! Frames over a TLS stream, the same on both sides: a reader that judges before it allocates, a
//! writer fed by a bounded queue, and credit that keeps a slow stream from holding up the others.

mod credit;
mod measure;
mod reader;
mod writer;

pub use credit::{Allowance, Receiving};
pub use reader::{ReadFault, Reader};
pub use writer::{Closed, Outbox, Outgoing, outbox, write_all};

use crate::ids::StreamId;

/// What marks the token of a PING that measures a stream.
const MEASURES: u64 = 1 << 32;

/// The token of a PING whose PONG says how much of a stream came meanwhile.
pub const fn token_of(stream: StreamId) -> u64 {
    MEASURES | stream as u64
}

/// The stream that a PONG with this token measures.
pub fn measured_by(token: u64) -> Option<StreamId> {
    let stream = token.checked_sub(MEASURES)?;
    StreamId::try_from(stream).ok()
}
