//! What a mover says of the files that it moves, and the word by which it places them.

use crate::audit::{Record, What};
use crate::encoding::hex;
use crate::exit::Moved;
use crate::files::{self, FromMover, Sum, ToMover};
use crate::ids::{RequestId, RunId};
use crate::limits::MOVER_WORD;
use crate::monitor::denied::Denied;
use crate::monitor::state::Shared;
use crate::policy::{Grant, Moving, Right, digest};
use crate::protocol::{Code, ReceiptText};
use crate::sys;
use crate::verb::Commit;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A mover, as far as the monitor speaks with it.
#[derive(Debug)]
pub struct Mover {
    run: RunId,
    user: std::sync::Arc<str>,
    moving: Moving,
    /// The way to the mover, once it has started.
    words: RefCell<Option<Rc<AsyncFd<OwnedFd>>>>,
    /// What it comes to, once the mover has said that.
    sum: Cell<Option<Sum>>,
    /// What its client has signed that is to be placed, once they have.
    committed: Cell<Option<Sum>>,
    /// How many names it has told.
    names: Cell<u64>,
}

impl Mover {
    /// One that has not started.
    pub fn new(run: RunId, user: std::sync::Arc<str>, moving: Moving) -> Self {
        Self {
            run,
            user,
            moving,
            words: RefCell::default(),
            sum: Cell::default(),
            committed: Cell::default(),
            names: Cell::default(),
        }
    }

    /// The folder of its root, for the record of its start.
    pub fn folder(&self) -> Option<String> {
        let opened = self.moving.root.folder.as_ref()?;
        Some(format!("{}:{}", opened.device, opened.inode))
    }

    /// It has started, and speaks over this socket.
    ///
    /// # Errors
    /// As watching the socket.
    pub fn started(&self, words: OwnedFd) -> io::Result<()> {
        let words = sys::watch(words, Interest::READABLE)?;
        *self.words.borrow_mut() = Some(Rc::new(words));
        Ok(())
    }

    /// Hears what it says, for as long as it is asked for.
    pub async fn hear(&self, state: &Shared) -> Infallible {
        let words = self.words.borrow().clone();
        if let Some(words) = words {
            while let Ok(mut ready) = words.readable().await {
                match self.take(state, words.get_ref()) {
                    Ok(true) => {}
                    Ok(false) => ready.clear_ready(),
                    Err(_) => break,
                }
            }
        }
        std::future::pending().await
    }

    /// Takes what it has said before it ended.
    pub fn drain(&self, state: &Shared) {
        let words = self.words.borrow_mut().take();
        if let Some(words) = words {
            while let Ok(true) = self.take(state, words.get_ref()) {}
        }
    }

    /// Takes one word; whether there was one.
    fn take(&self, state: &Shared, socket: &OwnedFd) -> io::Result<bool> {
        let mut buffer = vec![0; MOVER_WORD];
        let received = match sys::receive(socket.as_fd(), &mut buffer) {
            Ok(received) if received.length == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(received) => received,
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(fault) => return Err(fault),
        };
        let word = buffer.get(..received.length).unwrap_or_default();
        let odd = received.cut || !received.descriptors.is_empty();
        let understood = match FromMover::decode(word) {
            Ok(FromMover::Sum(sum)) if !odd && self.sum.get().is_none() => {
                self.sum.set(Some(sum));
                self.settle();
                true
            }
            Ok(FromMover::Name(path)) if !odd && self.sum.get().is_none() => {
                self.name(state, &path)
            }
            _ => false,
        };
        if understood {
            return Ok(true);
        }
        // Nothing that it says is believed any more; without the socket it places nothing.
        tracing::error!(run = %self.run, "its mover has said what no mover says");
        shut(socket);
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Records a name; whether it may tell one more.
    fn name(&self, state: &Shared, path: &files::Below) -> bool {
        let rules = &self.moving.root.rules;
        self.names.set(self.names.get() + 1);
        if !rules.names || self.names.get() > rules.max_files {
            return false;
        }
        let (run, path) = (self.run.to_string(), path.to_string());
        let record = Record::now(What::Name {
            run: &run,
            user: &self.user,
            path: &path,
        });
        let _ = state.record(&record);
        true
    }

    /// Has placed what its client has signed, if that is what has come. Until both are there nothing
    /// is said.
    fn settle(&self) {
        let (Some(sum), Some(committed)) = (self.sum.get(), self.committed.get()) else {
            return;
        };
        let words = self.words.borrow();
        let Some(socket) = words.as_ref().map(|words| words.get_ref()) else {
            return;
        };
        let said = ToMover::Commit(files::Commit {
            digest: committed.digest,
        });
        let told = match said.encode() {
            Ok(said) if sum == committed => sys::send(socket.as_fd(), &said, &[]).is_ok(),
            _ => false,
        };
        if !told {
            tracing::warn!(run = %self.run, "what has come is not what its client has signed; nothing of it is placed");
            shut(socket);
        }
    }

    /// What it has moved, with the trail's word for that.
    pub fn moved(
        &self,
        state: &Shared,
        request: RequestId,
        (reason, number): (&str, Option<u8>),
    ) -> Option<Moved> {
        let Sum {
            digest,
            files,
            bytes,
        } = self.sum.get()?;
        let digest = hex(&digest);
        let text = ReceiptText {
            request,
            run: self.run,
            reason,
            number,
            digest: &digest,
            files,
            bytes,
        };
        let receipt = state.audit.trail().vouch(&text);
        Some(Moved {
            digest,
            files,
            bytes,
            receipt,
        })
    }
}

/// Says nothing more, and hears nothing.
fn shut(socket: &OwnedFd) {
    if let Ok(copy) = socket.try_clone() {
        let _ = UnixStream::from(copy).shutdown(Shutdown::Both);
    }
}

/// A put that can be committed, and with what.
pub struct Committing(Rc<Mover>, Sum);

impl Committing {
    /// It is committed.
    pub fn done(self) {
        let Self(mover, sum) = self;
        mover.committed.set(Some(sum));
        mover.settle();
    }
}

/// Looks for the put of which somebody has signed what it is to place.
///
/// # Errors
/// When there is no such put, or it was committed before.
pub fn commit(state: &Shared, grant: &Grant<Commit>) -> Result<Committing, Denied> {
    let asked = grant.verb();
    let runs = state.runs.going.borrow();
    let run = runs
        .get(grant.allowed())
        .filter(|run| run.over.is_none() && run.has_begun());
    let mover = run.and_then(|run| run.mover.clone());
    let mover = mover.ok_or_else(Denied::no_such_run)?;
    let moving = &mover.moving;
    let meant = moving.right == Right::Put
        && moving.root.name == asked.root
        && moving.task.act.path().as_bytes() == asked.path.as_bytes();
    if !meant {
        return Err(Denied::no_such_run());
    }

    let digest = digest(&asked.digest).ok_or_else(|| Denied {
        argument: Some("digest".into()),
        ..Denied::new(
            Code::Argument,
            "`digest` is no digest: 64 hexadecimal digits in lower case",
        )
    })?;
    if mover.committed.get().is_some() {
        let text = "this run was committed already";
        return Err(Denied::new(Code::IdReused, text));
    }
    let sum = Sum {
        digest,
        files: asked.files,
        bytes: asked.bytes,
    };
    Ok(Committing(mover, sum))
}
