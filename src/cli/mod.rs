//! argv: the words of the three programs, in one definition each, from which help (and man pages
//! and completions) are made.

mod certs;
mod client;
mod complete;
#[cfg(target_os = "linux")]
mod daemon;
mod destination;
mod duration;
mod listed;
mod many;
mod moved;
mod place;
mod recordings;
mod room;
mod run;
mod words;

pub use certs::{CertsArgs, CertsVerb, Output};
pub use client::{ClientArgs, ClientVerb};
pub use complete::{Candidate, Completing, completing};
#[cfg(target_os = "linux")]
pub use daemon::{AuditFilter, AuditVerb, DaemonArgs, DaemonVerb, SaidOfUser, UserVerb};
pub use destination::Destination;
pub use many::{FleetVerb, ManyArgs, NodesArgs, PaceArgs, Pause};
pub use moved::{Asked, CatArgs, CpArgs, LsArgs, RmArgs, Side, SyncArgs, There, is_into};
pub use place::{Place, Set};
#[cfg(target_os = "linux")]
pub use recordings::RecordingsVerb;
pub use recordings::{ExportArgs, Format, Recorded, RecordingsArgs, ReplayArgs};
pub use room::RoomArgs;
pub use run::{ExplainArgs, RunArgs};
pub use words::{Given, Spoken, WordFault, assign, speak};
