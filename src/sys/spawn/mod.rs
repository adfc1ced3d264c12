//! Starting a process with a vfork-style clone: the parent's size costs nothing, and every step
//! that fails in the child is reported by name.
//!
//! Between clone and exec the child shares the parent's memory, so it makes raw system calls only:
//! no allocation, no lock, no panic. Everything it needs is prepared beforehand. The calling thread
//! is suspended meanwhile, so spawning has threads of its own, and a thread that never spawns kills
//! a child that does not reach exec in time (a process of the target user may stop it; a network
//! file system may hang).

mod child;
mod cradle;
mod deadline;
mod layout;
mod parent;
mod pool;
mod program;
mod raw;
mod shared;

pub(super) use parent::start_here;
pub use pool::{Full, Spawner};
pub use program::{
    Child, Gate, Open, ProcessLimit, Program, Resource, SpawnError, Step, Take, Wanted,
};

#[cfg(test)]
#[cfg(miri)]
mod kernel;
#[cfg(test)]
#[cfg(miri)]
mod miri_tests;
#[cfg(test)]
#[cfg(not(any(feature = "loom", miri)))]
mod tests;
