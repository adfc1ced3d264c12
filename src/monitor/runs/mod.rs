//! A run's life: from the grant to the record of its end, and what is remembered of it.

mod agree;
mod begin;
mod decide;
mod ended;
mod fence;
mod follow;
mod gates;
mod leave;
mod left;
mod life;
mod mover;
mod recorder;
mod requested;
mod ring;
mod settled;
mod table;
mod windows;

pub use begin::begin;
pub use decide::{agree, approvals, decides, deny};
pub use ended::{EndedRuns, Over};
pub use fence::settle;
pub use follow::{hand_on, join, not_taken_up, share_to_follow};
pub use leave::{cancel, leave, signal};
pub use mover::{Mover, commit};
pub use requested::Digest;
#[cfg(test)]
pub use requested::{Requested, Seen};
pub use ring::{overgrown, trim};
pub use table::Runs;
pub use windows::{Wide, moved, narrowed, widen};
