//! `ordain files`, `ls`, `cat`, `cp`, `rm` and `sync`: what is below the roots of a host, and moving it.

mod among;
mod bar;
mod copy;
mod fetch;
mod here;
mod link;
mod listing;
mod proof;
mod removal;
mod roots;
mod server;
mod source;
mod store;
mod sync;
mod told;

pub use among::{Among, Common};
pub use copy::cp;
pub use fetch::cat;
pub use listing::ls;
pub use removal::rm;
pub use roots::files;
pub use server::Server;
pub use sync::sync;
