//! What is counted and measured, and its form for Prometheus. Every label has a bounded set of
//! values: words of this program, codes, and the names of configured commands.

mod counters;
mod exposition;
mod text;
mod totals;

pub use counters::{Counters, count, count_by};
pub use text::text;
