//! The rules: what exists, who may, and which argv comes out. Pure: no clock, no files, no sockets.
//!
//! [`Policy::authorize`] is the single point through which every verb passes; only it can make a
//! [`Grant`].

mod account;
mod argument;
mod command;
mod decision;
mod hazard;
mod holes;
mod judge;
mod model;
mod network;
mod outline;
mod plan;
mod template;
mod text;
mod verdict;

pub use account::{Account, RunAs};
pub use argument::{Argument, Kind, Pass, Presence};
pub use command::{
    Command, Confinement, OnDisconnect, OnRevoke, RunLimits, Sandbox, Signal, Stdin,
};
pub use decision::{Asker, Grant, Judged, LocalGrant, authorize_local};
pub use hazard::{forbidden_variable, interpreter_hole, starts_shells};
pub use model::{Pattern, Policy, Role, User};
pub use network::{Network, canonical};
pub use outline::Outline;
pub use plan::{Opened, Plan};
pub use template::{Piece, Segment, Template, TemplateFault, Word};
pub use text::Text;
pub use verdict::{Explanation, Refusal, RefusalKind, Scope};
