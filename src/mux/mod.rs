//! Frames over a TLS stream, the same on both sides: a reader that judges before it allocates, a
//! writer fed by a bounded queue, and credit that keeps a slow stream from holding up the others.

mod credit;
mod reader;
mod writer;

pub use credit::{Allowance, Receiving};
pub use reader::{ReadFault, Reader};
pub use writer::{Closed, Outbox, Outgoing, outbox, write_all};
