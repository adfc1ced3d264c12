//! The configuration in force, and how another is read.

use super::settings::{Loader, Settings};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;

/// The configuration in force.
pub struct Config {
    settings: RefCell<Arc<Settings>>,
    loader: Loader,
    /// The configuration's number since the start.
    pub generation: Cell<u64>,
    /// Held while the configuration or its certificate is replaced: one replacement at a time.
    pub reloading: Mutex<()>,
    /// What is wrong with the certificate's files as they are now, and since when.
    pub certificate_fault: RefCell<Option<(Instant, String)>>,
}

impl fmt::Debug for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Config({})", self.generation.get())
    }
}

impl Config {
    /// The first configuration, and what reads others.
    pub fn new(settings: Settings, loader: Loader) -> Self {
        Self {
            settings: RefCell::new(Arc::new(settings)),
            loader,
            generation: Cell::new(1),
            reloading: Mutex::new(()),
            certificate_fault: RefCell::default(),
        }
    }

    /// The configuration in force; a snapshot stays what it is through a reload.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// Reads the configuration anew when called.
    pub fn loader(&self) -> Loader {
        self.loader.clone()
    }

    /// Puts another configuration in force.
    pub fn swap(&self, new: Settings) {
        let_go(self.settings.replace(Arc::new(new)));
    }
}

/// Drops a configuration, if nobody else needs it: a thousand patterns take their time to be taken
/// apart, and that is no business of the thread that decides.
pub fn let_go(old: Arc<Settings>) {
    tokio::task::spawn_blocking(move || {
        crate::sys::step_back();
        drop(old);
    });
}
