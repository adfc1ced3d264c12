//! A run's life: from the grant to the record of its end, and what is remembered of it.

mod begin;
mod ended;
mod fence;
mod follow;
mod gates;
mod leave;
mod life;
mod requested;
mod table;

pub use begin::begin;
pub use ended::{EndedRuns, Over};
pub use fence::settle;
pub use follow::{attach, hand_on, not_taken_up};
pub use leave::{cancel, leave, signal};
pub use requested::Digest;
pub use table::Runs;
