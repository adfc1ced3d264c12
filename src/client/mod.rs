//! The library behind `ordain`: one connection, one session, many commands over it at once.

mod connection;
mod durable;
mod error;
mod inbox;
mod session;

pub use connection::{Connection, Options, connect};
pub use durable::{Durable, DurableInput, Told};
pub use error::ClientError;
pub use session::{Event, Input, Run, Session, reason};
