//! The library behind `ordain`: one connection, one session, many commands over it at once.

mod connection;
mod durable;
mod early;
mod error;
mod event;
mod feed;
mod inbox;
mod kept;
mod login;
mod moment;
mod order;
mod reach;
mod resolve;
mod run;
mod session;
mod signer;
mod wire;

pub use connection::{Connection, Options, connect, connect_over, look};
pub use durable::{Durable, Told};
pub use error::ClientError;
pub use event::Event;
pub use feed::DurableInput;
pub use kept::Kept;
pub use login::{Claimed, Entered, Proof};
pub use moment::GoodUntil;
pub use run::{Following, Input, Run, reason};
pub use session::Session;
pub use signer::{Agent, KeySignature, Listed, Signer};
