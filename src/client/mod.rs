//! The library behind `ordain`: one connection, one session, many commands over it at once.

mod connection;
mod durable;
mod error;
mod inbox;
mod session;
mod signer;

pub use connection::{Connection, Entered, Kept, Options, Proof, connect, connect_over};
pub use durable::{Durable, DurableInput, Told};
pub use error::ClientError;
pub use session::{Event, Input, Run, Session, reason};
pub use signer::{Agent, Signer};
