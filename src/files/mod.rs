//! What is said of files: where they are below a root, what is to be done with them, by which rules,
//! and the words and the stream in which their mover says it. No disk is touched here.

mod manifest;
mod mode;
mod only;
mod path;
pub mod stream;
mod task;
mod word;

pub use manifest::{Entry, Manifest, Names, OutOfOrder, Target, What};
pub use mode::Mode;
pub use only::Only;
pub use path::{Below, PathFault, RESERVED};
pub use task::{Act, Links, Rules, Sync, Task};
pub use word::{Commit, FromMover, Sum, ToMover, WordFault};
