//! Who may be here: locks, kept logins, one-time codes, groups of the system; and what happens at once when somebody may
//! not any more.

mod enforce;
mod groups;
mod kept;
mod last;
mod locks;
mod opened;
mod passwords;
mod proofs;
mod seeds;
mod standing;
mod store;

pub use enforce::enforce;
pub use groups::{ask_anew, by_entry, know, look_after as look_after_groups, member};
pub use kept::{end_logins, keep, kept, kept_for, lost};
pub use last::last_known;
pub use locks::{lock, unlock};
pub use opened::opened;
pub use passwords::{choose, forget_replaced};
pub use seeds::{make_seed, remove_seed};
pub use standing::{Refused, second_factor, standing};
pub use store::save_soon;
