//! The locks and counters of what several threads share. They are the standard library's; in the
//! tests of every order (`cargo test --features loom --lib loom`) they are loom's, which tries each
//! order in which the threads' steps may come.

#[cfg(not(all(test, feature = "loom")))]
pub use std::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering, fence},
};

#[cfg(all(test, feature = "loom"))]
pub use loom::sync::{
    Arc, Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering, fence},
};
