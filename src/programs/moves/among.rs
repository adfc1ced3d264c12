//! What a transfer has in common with others at the same time, where it is one of many.

use super::bar::Moved;
use super::source::Source;
use crate::client::ClientError;
use crate::exit::Reason;
use crate::files::Sum;
use crate::programs::wish::Wish;
use crate::protocol::Code;
use std::cell::{Cell, RefCell};
use std::io::Read;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::watch;

/// What all of them have in common.
pub struct Common {
    /// What is sent, opened once.
    source: RefCell<Option<Source>>,
    /// What was placed first.
    placed: Cell<Option<[u8; 32]>>,
    /// The time of what comes from standard input.
    time: i64,
    /// How much of all was moved.
    pub moved: Arc<Moved>,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            source: RefCell::default(),
            placed: Cell::default(),
            time: crate::mover::now(),
            moved: Arc::default(),
        }
    }
}

/// One of many transfers, and what it has of its own.
pub struct Among {
    /// The name of the folder here that has what comes from its host.
    pub name: String,
    /// What is wanted of all.
    pub wish: watch::Receiver<Wish>,
    /// What all have in common.
    pub common: Rc<Common>,
    /// Standard input from its first byte on, which is read once for all.
    pub standard: Box<dyn Fn() -> Box<dyn Read + Send>>,
    /// What has ended it, where that was not its mover's own way.
    pub ended: Cell<Option<Reason>>,
}

impl Common {
    /// What is sent: opened by the first that asks, and the same file for all, whatever has its name
    /// by then.
    ///
    /// # Errors
    /// What [`Source::of`] says.
    pub fn source(&self, path: &Path, recursive: bool) -> Result<Source, ClientError> {
        let mut source = self.source.borrow_mut();
        let source = match &*source {
            Some(source) => source,
            None => source.insert(Source::of(path, recursive)?),
        };
        source
            .again()
            .map_err(|fault| ClientError::new(Code::Usage, format!("{}: {fault}", path.display())))
    }

    /// The time of what comes from standard input: the same everywhere.
    pub const fn time(&self) -> i64 {
        self.time
    }

    /// Whether the same was placed here as at the first host.
    pub fn is_as_first(&self, sum: &Sum) -> bool {
        match self.placed.get() {
            Some(first) => first == sum.digest,
            None => {
                self.placed.set(Some(sum.digest));
                true
            }
        }
    }
}
