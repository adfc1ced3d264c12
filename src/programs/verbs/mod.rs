//! What each verb of `ordain` does with the server's answer.

pub mod approvals;
pub mod commands;
pub mod keyscan;
pub mod nodes;
pub mod passwd;
pub mod recordings;
pub mod room;
pub mod runs;
pub mod sessions;
