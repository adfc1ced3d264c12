//! Between monitor and frontend: typed messages with descriptors, and the table of what may be said
//! when.

mod channel;
mod manifest;
mod message;
mod state;

pub use channel::{Channel, ChannelFault, Packed, read};
pub use manifest::{Manifest, Name};
pub use message::{
    Bound, Ended, Frontend, Limits, Logs, Misdeed, Outcome, RunRules, SecretValue, ToFrontend,
    ToMonitor, Way,
};
pub use state::{Stage, carries, expected};
