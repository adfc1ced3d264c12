//! The rules: what exists, who may, and which argv comes out. Pure: no clock, no files, no sockets.
//!
//! [`Policy::authorize`] is the single point through which every verb passes; only it can make a
//! [`Grant`].

mod account;
mod approval;
mod argument;
mod beginning;
mod choice;
mod command;
mod decision;
mod errand;
mod extent;
mod groups;
mod hazard;
mod holes;
mod hours;
mod judge;
mod member;
mod model;
mod moment;
mod network;
mod outline;
mod plan;
mod root;
mod template;
mod text;
mod verdict;

pub use account::{Account, RunAs};
pub use approval::{Agreed, Approved};
pub use argument::{Argument, Definition, Kind, Only, Pass, Presence};
pub use beginning::{Begin, Beginning};
pub use choice::Choices;
pub use command::{
    Approval, Command, Confinement, Digested, OnDisconnect, OnRevoke, Recording, RunLimits,
    Sandbox, Signal, Stdin,
};
pub use decision::{Asker, Grant, Judged, LocalGrant, authorize_local};
pub use errand::{Errand, OWN};
pub use groups::{Given, Groups};
pub use hazard::{Loose, forbidden_variable, interpreter_hole, option_hole, starts_shells};
pub use hours::{Hours, Zone};
pub use judge::digest;
pub use member::{Held, Member, Question};
pub use model::{Pattern, Policy, Role, User};
pub use moment::{Form, Moment, Times};
pub use network::{Network, canonical};
pub use outline::Outline;
pub use plan::{MOVER, Opened, Plan};
pub use root::{Moving, Opened as OpenedRoot, Right, Root};
pub use template::{Piece, Segment, Template, TemplateFault, Word};
pub use text::{Text, plain_text};
pub use verdict::{Explanation, Refusal, RefusalKind, Scope};
