//! Who may be here: locks, kept logins, one-time codes; and what happens at once when somebody may
//! not any more.

mod enforce;
mod kept;
mod locks;
mod opened;
mod seeds;
mod standing;
mod store;

pub use enforce::enforce;
pub use kept::{end_logins, keep, kept, kept_for, lost};
pub use locks::{lock, unlock};
pub use opened::opened;
pub use seeds::{make_seed, remove_seed};
pub use standing::{Refused, second_factor, standing};
pub use store::save_soon;
