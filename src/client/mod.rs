//! The library behind `ordain`: one connection, one session, many commands over it at once.

mod connection;
mod durable;
mod error;
mod event;
mod feed;
mod inbox;
mod login;
mod session;
mod signer;

pub use connection::{Connection, Options, connect, connect_over};
pub use durable::{Durable, Told};
pub use error::ClientError;
pub use event::Event;
pub use feed::DurableInput;
pub use login::{Entered, Kept, Proof};
pub use session::{Input, Run, Session, reason};
pub use signer::{Agent, Signer};
