//! What many machines at once mean, without a wire or a screen: which host is next, what became of
//! each, what that makes of the whole, and outputs that are equal told once.

mod alike;
mod end;
mod lines;
mod schedule;
mod tally;
mod tree;

pub use alike::Alike;
pub use end::{Counts, End};
pub use lines::Lines;
pub use schedule::{Batches, MostFailures, Next, Schedule};
pub use tally::{Group, Tally};
pub use tree::{Leaf, Tree};

#[cfg(test)]
mod schedule_tests;
#[cfg(test)]
mod tree_tests;
