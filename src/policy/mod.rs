//! The rules: what exists, who may, and which argv comes out. Pure: no clock, no files, no sockets.
//!
//! [`Policy::authorize`] is the single point through which every verb passes; only it can make a
//! [`Grant`].

mod account;
mod argument;
mod decision;
mod hazard;
mod judge;
mod model;
mod network;
mod outline;
mod plan;
mod template;
mod verdict;

pub use account::{Account, RunAs};
pub use argument::{Argument, Kind, Pass, Presence, Text};
pub use decision::{Asker, Grant, Judged, LocalGrant, authorize_local};
pub use hazard::{forbidden_variable, interpreter_hole, starts_shells};
pub use model::{
    Command, Confinement, OnDisconnect, OnRevoke, Pattern, Policy, Role, RunLimits, Sandbox,
    Signal, Stdin, User,
};
pub use network::{Network, canonical};
pub use outline::Outline;
pub use plan::{Opened, Plan};
pub use template::{Piece, Segment, Template, TemplateFault, Word};
pub use verdict::{Explanation, Refusal, RefusalKind, Scope};
