//! Standard input for many: read once, kept for those that are slower or begin later.

use crate::client::DurableInput;
use crate::limits::DATA_FRAME;
use crate::programs::terminal::pieces_of_input;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use tokio::sync::{Mutex, mpsc};

/// Bytes that are kept in memory; what is more goes into a file without a name.
const IN_MEMORY: usize = 8 << 20;

/// What was read of standard input so far. No more is read than the fastest host takes.
#[derive(Default)]
pub struct Input {
    memory: RefCell<Vec<u8>>,
    file: RefCell<Option<File>>,
    length: Cell<u64>,
    ended: Cell<bool>,
    fault: RefCell<Option<String>>,
    pieces: Mutex<Option<mpsc::Receiver<io::Result<Vec<u8>>>>>,
}

impl Input {
    /// Gives a run all of it, from the first byte on.
    ///
    /// # Errors
    /// Why it cannot be read, in words: half an input must not look like a whole one.
    pub async fn pour(&self, into: DurableInput) -> Result<(), String> {
        let mut at = 0;
        while self.reaches(at).await? {
            let piece = self.piece(at).map_err(|fault| fault.to_string())?;
            at += piece.len() as u64;
            if !into.send(&piece).await {
                // The command reads no more.
                return Ok(());
            }
        }
        into.end();
        Ok(())
    }

    /// Waits until there is a byte at this place; `false` where the end comes first.
    async fn reaches(&self, at: u64) -> Result<bool, String> {
        loop {
            if let Some(fault) = &*self.fault.borrow() {
                return Err(fault.clone());
            }
            if self.length.get() > at {
                return Ok(true);
            }
            if self.ended.get() {
                return Ok(false);
            }
            let mut pieces = self.pieces.lock().await;
            if self.length.get() > at || self.ended.get() {
                continue;
            }
            let next = pieces.get_or_insert_with(pieces_of_input).recv().await;
            let kept = match next {
                Some(Ok(piece)) if !piece.is_empty() => self.keep(&piece),
                Some(Err(fault)) => Err(fault),
                _ => {
                    self.ended.set(true);
                    Ok(())
                }
            };
            if let Err(fault) = kept {
                *self.fault.borrow_mut() = Some(fault.to_string());
            }
        }
    }

    fn keep(&self, piece: &[u8]) -> io::Result<()> {
        let mut memory = self.memory.borrow_mut();
        let room = IN_MEMORY.saturating_sub(memory.len()).min(piece.len());
        let (now, rest) = piece.split_at(room);
        memory.extend_from_slice(now);
        if !rest.is_empty() {
            let mut file = self.file.borrow_mut();
            let file = match &mut *file {
                Some(file) => file,
                none => none.insert(crate::sys::unnamed_file()?),
            };
            let at = (self.length.get() + room as u64).saturating_sub(IN_MEMORY as u64);
            file.write_all_at(rest, at)?;
        }
        self.length.set(self.length.get() + piece.len() as u64);
        Ok(())
    }

    fn piece(&self, at: u64) -> io::Result<Vec<u8>> {
        let memory = self.memory.borrow();
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(kept) = memory.get(from..).filter(|kept| !kept.is_empty()) {
            let length = kept.len().min(DATA_FRAME);
            return Ok(kept.get(..length).unwrap_or_default().to_vec());
        }
        let left = self.length.get().saturating_sub(at);
        let mut piece = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(DATA_FRAME)];
        if let Some(file) = &*self.file.borrow() {
            file.read_exact_at(&mut piece, at.saturating_sub(IN_MEMORY as u64))?;
        }
        Ok(piece)
    }
}
